//! What it costs not to see everything, as figures: `cargo test --lib -- --ignored --nocapture limited::figures`.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::called;
use super::estate::{ACCOUNTS, Estate, REGIONS, at};
use crate::kinds::{self, INSTANCE};
use crate::mcp::Core;
use crate::model::fixtures::json_document;
use crate::model::{AccountId, Cause, Event, Evidence, Region, ResourceId, Scope, ScopeFilter, Source};
use crate::policy::{Grant, TagValues, Visibility};

/// How many instances there are.
const INSTANCES: usize = 20_000;

fn estate() -> Estate {
    let events = (0..INSTANCES).flat_map(|n| {
        let scope = Scope { account: AccountId::new(ACCOUNTS[n % 2]), region: Region::new(REGIONS[n / 2 % 2]) };
        let id = format!("i-{n:017x}");
        let team = ["payments", "quarry"][n / 4 % 2];
        let document = json_document(&json!({
            "InstanceId": id, "InstanceType": "t3.micro", "State": {"Name": "running"},
            "Tags": [{"Key": "Name", "Value": format!("n{n}")}, {"Key": "team", "Value": team}],
        }));
        let evidence = Evidence { source: Source::Sweep, at: at(1) };
        let checks = json_document(&json!({"InstanceId": id, "InstanceStatus": {"Status": "ok"}}));
        let status = kinds::by_slug("instance-status").unwrap();
        [(INSTANCE, document), (status, checks)].map(|(spec, document)| {
            let id = ResourceId::new(&scope, &spec.kind(), id.as_str());
            (Cause::Baseline, Event::Discovered { id, document, evidence, mapping: spec.mapping })
        })
    });
    Estate::in_batches(&events.collect::<Vec<_>>(), None, 500)
}

/// The median of several runs, in microseconds.
async fn median<T>(run: impl AsyncFn() -> T) -> u128 {
    let mut took = Vec::new();
    for _ in 0..21 {
        let begun = Instant::now();
        drop(run().await);
        took.push(begun.elapsed().as_micros());
    }
    took.sort_unstable();
    took[took.len() / 2]
}

#[tokio::test]
#[ignore = "it prints figures, and proves nothing"]
#[expect(clippy::print_stdout, reason = "the figures that it is for")]
async fn questions_of_somebody_who_sees_a_part() {
    let estate = estate();
    let by_account = Visibility::of([Grant::of_accounts("one", [ACCOUNTS[0]])]);
    let team = [("team".to_owned(), TagValues::new(["payments*"]))].into();
    let by_tags = Visibility::of([Grant { name: "team".into(), tags: team, ..Grant::default() }]);
    let askers: [(&str, Arc<Core>); 3] = [
        ("everything", Arc::clone(&estate.core)),
        ("an account", estate.seen_by(&by_account)),
        ("a tag", estate.seen_by(&by_tags)),
    ];
    let questions: [(&str, Value); 8] = [
        ("search_inventory", json!({"kind": "instance", "limit": 50})),
        ("search_inventory", json!({"kind": "instance", "limit": 50, "filters": {"tag:Name": ["n1*"]}})),
        ("count_inventory", json!({"kind": "instance", "group_by": ["tag:team"]})),
        ("query_inventory", json!({"sql": "SELECT state, count(*) AS n FROM instance GROUP BY state"})),
        ("list_changes", json!({"since": at(0).to_string(), "limit": 50})),
        ("get_inventory_summary", json!({})),
        ("get_instance_status", json!({})),
        ("count_inventory", json!({"kind": "instance-status"})),
    ];
    for (name, given) in &questions {
        for (who, core) in &askers {
            let took = median(async || called(core, name, given.clone()).await).await;
            println!("{name} {given} by who sees {who}: {took} us");
        }
    }
    // Of the team that is hidden, and of nobody.
    let hidden: Vec<String> = (0..1_000).map(|n| format!("i-{:017x}", 8 * n + 4)).collect();
    let unknown: Vec<String> = (0..1_000).map(|n| format!("i-{:017x}", INSTANCES + n)).collect();
    for (what, ids) in [("hidden", &hidden), ("unknown", &unknown), ("hidden", &hidden), ("unknown", &unknown)] {
        let core = &askers[2].1;
        let look = async || {
            ids.iter().filter(|id| core.seen(INSTANCE, id, &ScopeFilter::Everywhere).unwrap().is_some()).count()
        };
        println!("1000 looks for what is {what}: {} us", median(look).await);
    }
}
