//! `muster demo`: runs everything in one process, from a simulated AWS account to an MCP client that is notified of a change.
//!
//! Everything except the account is what `muster serve` runs: the store on disk, the sweeps through the AWS SDK over HTTP, the
//! handshake and MCP over a Unix socket. For list and read, the SDK makes the same call directly, for comparison. The account is on
//! this machine, so real AWS takes longer than the times shown.

use std::io::Write;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout};

use super::serve::doors::{bind_http, url};
use super::signals::Signals;
use crate::aws::Priority;
use crate::kinds::{INSTANCE, KINDS};
use crate::mcp::Core;
use crate::mcp::client::{McpClient, ResourceSubscription};
use crate::mcp::transport::HttpOptions;
use crate::model::{Scope, ScopeFilter};

mod scratch;
mod stage;
mod story;

use stage::DemoStage;
use story::{Story, counted, grouped, median};

/// What a step may take, except for the first sweep.
const STEP: Duration = Duration::from_secs(20);
/// What the first sweep may take.
const SWEEP: Duration = Duration::from_mins(2);
/// How often a read is repeated; its time is the median. The SDK's takes longer and is repeated less.
const READS: usize = 25;
const DESCRIBES: usize = 5;

/// The settings of the demo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DemoOptions {
    /// How many instances the account has.
    pub instances: usize,
    /// Whether to go on serving, over HTTP, until interrupted.
    pub keep: bool,
    /// Whether the output takes colours.
    pub colours: bool,
    /// Whether standard error takes a progress bar.
    pub progress: bool,
}

impl DemoOptions {
    /// Runs the demo and prints its steps to `out`.
    ///
    /// # Errors
    /// The first step that fails or takes too long, by name; an interruption.
    pub async fn run(self, out: &mut (dyn Write + Send)) -> anyhow::Result<()> {
        let mut signals = Signals::take()?;
        let mut story = Story::new(out, self.colours);
        let instances = grouped(self.instances as u64);
        story.say(&format!(
            "Muster: {instances} simulated EC2 instances, one server, one MCP client; no AWS account."
        ))?;

        let opening = Instant::now();
        let begun = Instant::now();
        let simulator = within("simulate", stage::simulate(self.instances)).await?;
        let detail = format!("an AWS account at {}", simulator.endpoint());
        story.step("simulate", &detail, begun.elapsed())?;

        let begun = Instant::now();
        let stage = within("serve", DemoStage::open(simulator)).await?;
        story.step("serve", "a store on disk, sweeps through the AWS SDK", begun.elapsed())?;

        let shown = tokio::select! {
            shown = self.show(&stage, &mut story) => shown,
            signal = signals.next() => Err(anyhow::anyhow!("interrupted by {signal}")),
        };
        if shown.is_ok() {
            story.say(&format!(
                "\nDone in {}. The second notification came from the sweep that found the instance stopped.\n\
                 The times of resources/read are medians of {READS} reads and {DESCRIBES} calls. The simulated\n\
                 account is on this machine; real AWS is further away.",
                story::shown(opening.elapsed())
            ))?;
        }
        let kept = match (shown, self.keep) {
            (Ok(()), true) => keep(&stage, &mut story, &mut signals).await,
            (shown, _) => shown,
        };
        stage.strike().await;
        kept
    }

    async fn show(&self, stage: &DemoStage, story: &mut Story<'_>) -> anyhow::Result<()> {
        let begun = Instant::now();
        let client = within("connect", stage.connect()).await?;
        let tools = within("connect", async { Ok(client.tools().await?) }).await?;
        story.step("connect", &format!("an MCP client; {} tools", tools.len()), begun.elapsed())?;

        self.sweep(stage, story).await?;
        list(stage, &client, story).await?;
        let id = search(&client, story).await?;
        read(stage, &client, &id, story).await?;
        change(&client, &id, story).await?;
        client.close().await?;
        Ok(())
    }

    async fn sweep(&self, stage: &DemoStage, story: &mut Story<'_>) -> anyhow::Result<()> {
        let begun = Instant::now();
        let bar = self.bar();
        let swept = timeout(SWEEP, first_sweep(stage.engine.core(), &stage.scope(), &bar)).await;
        bar.finish_and_clear();
        swept.context("the step `first sweep` took too long")??;
        let snapshot = stage.engine.core().store.snapshot()?;
        let mut counts = Vec::new();
        for spec in KINDS.iter().filter(|spec| spec.status_of.is_none()) {
            counts.push(format!(
                "{} {}",
                grouped(snapshot.count(&spec.kind(), &ScopeFilter::Everywhere)?),
                spec.plural
            ));
        }
        story.step("first sweep", &counts.join(", "), begun.elapsed())?;
        Ok(())
    }

    fn bar(&self) -> ProgressBar {
        if !self.progress {
            return ProgressBar::hidden();
        }
        let bar = ProgressBar::new(self.instances as u64);
        // Without a style that parses, indicatif's own does.
        if let Ok(style) = ProgressStyle::with_template("    first sweep  {bar:40} {pos}/{len}") {
            // ASCII, whose width indicatif knows without tables.
            bar.set_style(style.progress_chars("#>."));
        }
        bar
    }
}

/// Waits until every kind was listed completely once.
async fn first_sweep(core: &Core, scope: &Scope, bar: &ProgressBar) -> anyhow::Result<()> {
    let freshness = core.ingest.freshness();
    loop {
        if let Some(trouble) = freshness.trouble() {
            bail!("{}. {}", trouble.what, trouble.fix);
        }
        let states: Vec<_> = KINDS.iter().filter_map(|spec| freshness.of(scope, &spec.kind())).collect();
        if let Some(trouble) = states.iter().find_map(|state| state.trouble.as_ref()) {
            bail!("{}. {}", trouble.what, trouble.fix);
        }
        bar.set_position(core.store.snapshot()?.count(&INSTANCE.kind(), &ScopeFilter::Everywhere)?);
        if states.len() == KINDS.len() && states.iter().all(|state| state.complete.is_some()) {
            return Ok(());
        }
        sleep(Duration::from_millis(25)).await;
    }
}

async fn list(stage: &DemoStage, client: &McpClient, story: &mut Story<'_>) -> anyhow::Result<()> {
    let begun = Instant::now();
    let listing = async {
        let (mut resources, mut pages, mut cursor) = (0, 0, None);
        loop {
            let page = client.list(cursor).await?;
            resources += page.resources.len() as u64;
            pages += 1;
            cursor = page.next;
            if cursor.is_none() {
                return Ok((resources, pages));
            }
        }
    };
    let (resources, pages) = within("resources/list", listing).await?;
    let ours = begun.elapsed();
    story.step("resources/list", &format!("{}, {}", counted(resources, "resource"), counted(pages, "page")), ours)?;

    let begun = Instant::now();
    let (aws, scope) = (&stage.engine.core().aws, stage.scope());
    let asking = async {
        let (mut instances, mut calls, mut token) = (0, 0, None);
        loop {
            let listed = aws.page(&scope, INSTANCE, token).await?;
            instances += listed.items.len() as u64;
            calls += 1;
            token = listed.next;
            if token.is_none() {
                return Ok((instances, calls));
            }
        }
    };
    let (instances, calls) = within("DescribeInstances beside resources/list", asking).await?;
    ensure!(instances > 0, "the SDK lists no instance");
    story.beside(&format!("SDK: DescribeInstances, {}", counted(calls, "call")), begun.elapsed(), ours)?;
    Ok(())
}

/// Finds a running instance.
async fn search(client: &McpClient, story: &mut Story<'_>) -> anyhow::Result<String> {
    let begun = Instant::now();
    let filters =
        json!([{"Name": "instance-state-name", "Values": ["running"]}, {"Name": "tag:Name", "Values": ["web-*"]}]);
    let arguments = json!({"kind": INSTANCE.slug, "filters": filters, "limit": 1});
    let found = within("search_inventory", tool(client, "search_inventory", arguments)).await?;
    let total = number(&found, "/total")?;
    let id = text(&found, "/rows/0/id").context("the simulated account has no running instance named web-*")?;
    let detail = format!("{} running, named web-*: {id}", grouped(total));
    story.step("search_inventory", &detail, begun.elapsed())?;
    Ok(id)
}

async fn read(stage: &DemoStage, client: &McpClient, id: &str, story: &mut Story<'_>) -> anyhow::Result<()> {
    let uri = format!("ec2://instance/{id}");
    let reading = async {
        let mut times = Vec::with_capacity(READS);
        let mut body = Value::Null;
        for _ in 0..READS {
            let begun = Instant::now();
            body = client.read(&uri).await?;
            times.push(begun.elapsed());
        }
        Ok((body, median(times)))
    };
    let (body, ours) = within("resources/read", reading).await?;
    story.step("resources/read", &format!("{uri}: {}", text(&body, "/document/State/Name")?), ours)?;

    let (aws, scope) = (&stage.engine.core().aws, stage.scope());
    let asking = async {
        let mut times = Vec::new();
        for _ in 0..DESCRIBES {
            let begun = Instant::now();
            aws.describe_once(&scope, INSTANCE, &[id.to_owned()], Priority::Tool).await?;
            times.push(begun.elapsed());
        }
        Ok(median(times))
    };
    let theirs = within("DescribeInstances beside resources/read", asking).await?;
    story.beside("SDK: DescribeInstances, that one", theirs, ours)?;
    Ok(())
}

/// Stops the instance, and follows the change to the client: the tool's own, then the one that only a sweep can see.
async fn change(client: &McpClient, id: &str, story: &mut Story<'_>) -> anyhow::Result<()> {
    let uri = format!("ec2://instance/{id}");
    let begun = Instant::now();
    let mut listening = within("subscribe", async { Ok(client.listen(&[&uri], false).await?) }).await?;
    story.step("subscribe", &uri, begun.elapsed())?;

    let begun = Instant::now();
    let answer = within("stop_instance", tool(client, "stop_instance", json!({"instance_ids": [id]}))).await?;
    let (before, after) = (text(&answer, "/results/0/previous_state")?, text(&answer, "/results/0/current_state")?);
    let seq = number(&answer, "/seq")?;
    story.step("stop_instance", &format!("{before} -> {after}, on disk as record {seq}"), begun.elapsed())?;

    let begun = Instant::now();
    within("notification", heard(&mut listening, &uri)).await?;
    story.step("notification", &format!("{uri} updated"), begun.elapsed())?;

    let begun = Instant::now();
    let body = within("resources/read after the change", async { Ok(client.read(&uri).await?) }).await?;
    let took = begun.elapsed();
    let (state, read) = (text(&body, "/document/State/Name")?, number(&body, "/seq")?);
    ensure!(read >= seq, "the read is at record {read}, before the change at {seq}");
    ensure!(state != "running", "the read still says {state}");
    story.step("resources/read", &format!("{uri}: {state}"), took)?;

    let begun = Instant::now();
    let settled = async {
        while text(&client.read(&uri).await?, "/document/State/Name")? != "stopped" {
            heard(&mut listening, &uri).await?;
        }
        Ok(())
    };
    within("notification of the next sweep", settled).await?;
    story.step("notification", &format!("{uri}: stopped"), begun.elapsed())?;
    Ok(())
}

/// Waits for the notification that `uri` changed.
async fn heard(listening: &mut ResourceSubscription, uri: &str) -> anyhow::Result<()> {
    while listening.next(STEP).await?.as_deref() != Some(uri) {}
    Ok(())
}

/// Serves over HTTP until a signal comes.
async fn keep(stage: &DemoStage, story: &mut Story<'_>, signals: &mut Signals) -> anyhow::Result<()> {
    let (listener, address) = bind_http(([127, 0, 0, 1], 0).into()).await?;
    stage.listener.listen_http(listener, HttpOptions::default());
    let url = url(address, false);
    let block = json!({"servers": {"muster-demo": {"type": "http", "url": url}}});
    story.say(&format!("Serving the simulated account at {url} until Ctrl-C. For a client:"))?;
    story.say(&format!("Claude Code:\n  claude mcp add --transport http muster-demo {url}"))?;
    story.say(&format!("VS Code, .vscode/mcp.json:\n{block:#}"))?;
    signals.next().await;
    Ok(())
}

/// Calls a tool, whose failure is an error here.
async fn tool(client: &McpClient, name: &str, arguments: Value) -> anyhow::Result<Value> {
    let result = client.agree(name, arguments).await?;
    ensure!(result.is_error != Some(true), "{:?}", result.content);
    result.structured_content.context("the tool answered without data")
}

fn text(body: &Value, pointer: &str) -> anyhow::Result<String> {
    let text = body.pointer(pointer).and_then(Value::as_str);
    Ok(text.with_context(|| format!("no text at {pointer} of the answer"))?.to_owned())
}

fn number(body: &Value, pointer: &str) -> anyhow::Result<u64> {
    body.pointer(pointer).and_then(Value::as_u64).with_context(|| format!("no number at {pointer} of the answer"))
}

/// Runs a step, which fails under its name, also when it takes longer than [`STEP`].
fn within<T>(step: &str, work: impl Future<Output = anyhow::Result<T>>) -> impl Future<Output = anyhow::Result<T>> {
    // On the heap: the SDK's futures are large.
    let work = Box::pin(work);
    async move {
        match timeout(STEP, work).await {
            Ok(outcome) => outcome.with_context(|| format!("the step `{step}` failed")),
            Err(_) => bail!("the step `{step}` took longer than {} s", STEP.as_secs()),
        }
    }
}
