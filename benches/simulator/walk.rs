//! All pages of all instances.

use std::time::Duration;

use anyhow::Context as _;
use tokio::time::Instant;

use crate::client::Client;
use crate::usage;

/// What a walk found, and what it cost the simulator.
pub(crate) struct Walk {
    /// How many instances there are.
    pub(crate) instances: usize,
    /// Those that run and that a caller may stop.
    pub(crate) running: Vec<String>,
    /// The tokens of all pages but the first.
    pub(crate) tokens: Vec<String>,
    /// CPU time of the simulator.
    pub(crate) cpu: Duration,
    /// Time that passed.
    pub(crate) wall: Duration,
}

/// Walks all pages of 1,000 instances of the simulator with this process id.
pub(crate) async fn walk(client: &mut Client, pid: u32) -> anyhow::Result<Walk> {
    let (begun, before) = (Instant::now(), usage::cpu(pid)?);
    let mut walk =
        Walk { instances: 0, running: Vec::new(), tokens: Vec::new(), cpu: Duration::ZERO, wall: Duration::ZERO };
    let mut token: Option<String> = None;
    loop {
        let mut parameters = vec![("MaxResults", "1000")];
        parameters.extend(token.as_deref().map(|token| ("NextToken", token)));
        let body = client.ask("DescribeInstances", &parameters).await?;
        let page = std::str::from_utf8(&body).context("the page is no text")?;
        for item in page.split("<instanceId>").skip(1) {
            walk.instances += 1;
            let free = item.contains("<name>running</name>") && !item.contains("<managed>true</managed>");
            walk.running.extend(item.split('<').next().filter(|_| free).map(str::to_owned));
        }
        token = next(page).map(str::to_owned);
        match &token {
            Some(token) => walk.tokens.push(token.clone()),
            None => break,
        }
    }
    walk.cpu = usage::cpu(pid)?.saturating_sub(before);
    walk.wall = begun.elapsed();
    Ok(walk)
}

/// The token of the next page: it stands at the end.
fn next(page: &str) -> Option<&str> {
    page.rsplit_once("<nextToken>")?.1.split('<').next()
}
