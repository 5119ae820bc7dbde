//! The baseline: AWS's SDK lists the same, without Muster.

use std::io::Write as _;

use anyhow::bail;
use aws_sdk_ec2::Client;
use muster::kinds::KINDS;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::{ec2, usage};

/// Makes this program list everything through the SDK and tell what that took. Followed by the endpoint and the region.
pub(crate) const ARGUMENT: &str = "sdk-sweep";

/// The most resources that EC2 puts on one page.
const PAGE: i32 = 1_000;

/// The most route tables that EC2 puts on one page.
const SMALL_PAGE: i32 = 100;

/// Lists what one sweep of every kind lists, all kinds at once, drops it, and prints the time and CPU time it took as a banner.
pub(crate) fn sweep(endpoint: &str, region: &str) -> anyhow::Result<()> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
        let client = ec2::client(endpoint, region).await;
        let before = usage::cpu(std::process::id())?;
        let begun = Instant::now();
        let mut lists = JoinSet::new();
        for kind in KINDS {
            let client = client.clone();
            lists.spawn(async move { list(&client, kind.slug).await });
        }
        while let Some(listed) = lists.join_next().await {
            listed??;
        }
        let took = u64::try_from(begun.elapsed().as_millis())?;
        let spent = u64::try_from(usage::cpu(std::process::id())?.saturating_sub(before).as_millis())?;
        writeln!(std::io::stdout(), "{}", json!({ "cpu_ms": spent, "took_ms": took }))?;
        Ok(())
    })
}

/// Lists all resources of a kind as a sweep does, and drops them.
///
/// # Errors
/// Also for a kind that has no arm here: a new kind gets one, else the sweep is measured against less than it does.
async fn list(client: &Client, slug: &str) -> anyhow::Result<()> {
    macro_rules! pages {
        ($call:expr) => {{
            let mut pages = $call.into_paginator().send();
            while pages.try_next().await?.is_some() {}
        }};
    }
    match slug {
        "instance" => pages!(client.describe_instances().max_results(PAGE)),
        "instance-status" => pages!(client.describe_instance_status().include_all_instances(true).max_results(PAGE)),
        "vpc" => pages!(client.describe_vpcs().max_results(PAGE)),
        "subnet" => pages!(client.describe_subnets().max_results(PAGE)),
        "security-group" => pages!(client.describe_security_groups().max_results(PAGE)),
        "network-interface" => pages!(client.describe_network_interfaces().max_results(PAGE)),
        // The one listing that has no pages.
        "address" => drop(client.describe_addresses().send().await?),
        "volume" => pages!(client.describe_volumes().max_results(PAGE)),
        "snapshot" => pages!(client.describe_snapshots().owner_ids("self").max_results(PAGE)),
        "route-table" => pages!(client.describe_route_tables().max_results(SMALL_PAGE)),
        "internet-gateway" => pages!(client.describe_internet_gateways().max_results(PAGE)),
        "nat-gateway" => pages!(client.describe_nat_gateways().max_results(PAGE)),
        "network-acl" => pages!(client.describe_network_acls().max_results(PAGE)),
        "image" => pages!(client.describe_images().owners("self").max_results(PAGE)),
        other => bail!("the SDK alone does not list the kind {other}: add it to benches/sweep/sdk.rs"),
    }
    Ok(())
}
