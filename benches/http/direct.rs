//! The other baseline: the same questions asked of AWS's SDK, without Muster.

use std::time::Duration;

use anyhow::Context as _;
use aws_sdk_ec2::Client;
use tokio::time::Instant;

/// The most instances that EC2 puts on one page.
const PAGE: i32 = 1_000;

/// The median time of describing one of `ids` at a time, one after the other.
pub(crate) async fn describe_one(client: &Client, ids: &[String], length: Duration) -> anyhow::Result<Duration> {
    let mut random = fastrand::Rng::with_seed(1);
    median(length, async || {
        let id = ids.get(random.usize(..ids.len().max(1))).context("there are no instances")?;
        client.describe_instances().instance_ids(id).send().await?;
        Ok(())
    })
    .await
}

/// The median time of describing the first page of instances, again and again.
pub(crate) async fn describe_page(client: &Client, length: Duration) -> anyhow::Result<Duration> {
    median(length, async || {
        client.describe_instances().max_results(PAGE).send().await?;
        Ok(())
    })
    .await
}

async fn median(length: Duration, mut ask: impl AsyncFnMut() -> anyhow::Result<()>) -> anyhow::Result<Duration> {
    ask().await?;
    let mut times = Vec::new();
    let mut now = Instant::now();
    let until = now + length;
    // A slow page still gets a median worth the name.
    while now < until || times.len() < 5 {
        ask().await?;
        let answered = Instant::now();
        times.push(answered - now);
        now = answered;
    }
    times.sort_unstable();
    Ok(times.get(times.len() / 2).copied().unwrap_or_default())
}
