//! One size of account: a simulator that holds it, and a server that copies it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail};
use muster::kinds::KINDS;
use serde_json::Value;
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use crate::child::Child;
use crate::connection;
use crate::program::program;
use crate::question::Question;
use crate::usage::{self, Memory};

/// How long a sweep of everything may take.
const SWEEP: Duration = Duration::from_mins(10);

/// How often a running sweep is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// A simulated account and the directory of its copy.
pub(crate) struct Estate {
    simulator: Child,
    /// The simulator's URL.
    pub(crate) endpoint: String,
    /// The region that holds the instances.
    pub(crate) region: String,
    /// The program under test.
    pub(crate) program: PathBuf,
    /// What the program under test is told beside how to reach the simulator.
    pub(crate) variables: Vec<(&'static str, String)>,
    directory: TempDir,
}

/// A server that has swept everything.
pub(crate) struct Served {
    pub(crate) server: Child,
    /// Where it serves HTTP.
    pub(crate) authority: String,
    /// From its start to the end of the last kind's sweep.
    pub(crate) swept_in: Duration,
    /// Memory when the sweep had ended.
    pub(crate) memory: Memory,
    /// The sweeps that were waited for.
    pub(crate) sweeps: Sweeps,
}

/// When a sweep began, by the kind's slug.
pub(crate) type Sweeps = BTreeMap<String, String>;

impl Estate {
    /// Starts a simulator of so many instances.
    pub(crate) async fn start(instances: usize) -> anyhow::Result<Self> {
        let directory = tempfile::tempdir()?;
        let log = directory.path().join("simulate.log");
        let arguments = ["simulate", "--instances", &instances.to_string(), "--seed", "1", "--port", "0"];
        let simulator = Child::start(&program(), &arguments, &[], &log).await?;
        let text = |key: &str| -> anyhow::Result<String> {
            let value = simulator.banner.get(key).and_then(Value::as_str);
            Ok(value.with_context(|| format!("the simulator's banner has no `{key}`"))?.to_owned())
        };
        let (endpoint, region) = (text("endpoint")?, text("region")?);
        Ok(Estate { simulator, endpoint, region, program: program(), variables: Vec::new(), directory })
    }

    /// A path for scratch files, gone with the estate.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Starts a server on the estate's one data directory, which sweeps at these intervals.
    pub(crate) async fn server(&self, intervals: &str) -> anyhow::Result<Child> {
        let data = self.file("data");
        let data = data.to_str().context("the temporary directory's path is not UTF-8")?;
        let arguments = [
            "serve",
            "--list",
            "all",
            "--http",
            "127.0.0.1:0",
            "--data-dir",
            data,
            "--interval",
            intervals,
            "--aws-share",
            "1",
        ];
        Child::start(&self.program, &arguments, &self.environment()?, &self.file("serve.log")).await
    }

    /// The environment of the program under test.
    pub(crate) fn environment(&self) -> anyhow::Result<Vec<(&'static str, &str)>> {
        let home = self.directory.path().to_str().context("the temporary directory's path is not UTF-8")?;
        let usual = [
            ("HOME", home),
            ("XDG_RUNTIME_DIR", home),
            ("AWS_ENDPOINT_URL", &self.endpoint),
            ("AWS_REGION", &self.region),
            ("AWS_ACCESS_KEY_ID", "bench"),
            ("AWS_SECRET_ACCESS_KEY", "bench"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
        ];
        Ok(usual.into_iter().chain(self.variables.iter().map(|(name, value)| (*name, value.as_str()))).collect())
    }

    /// Starts a server as [`Estate::server`] does, and waits until it has swept every kind anew, where `before` is what an earlier
    /// server there had swept.
    pub(crate) async fn serve(&self, intervals: &str, before: &Sweeps) -> anyhow::Result<Served> {
        let started = Instant::now();
        let server = self.server(intervals).await?;
        let authority = server.authority("http")?;
        let sweeps = swept(&authority, before, LOOK).await.with_context(|| self.log())?;
        let swept_in = started.elapsed();
        let memory = usage::memory(server.pid)?;
        Ok(Served { server, authority, swept_in, memory, sweeps })
    }

    /// Stops the simulator.
    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        self.simulator.stop().await
    }

    /// The end of the server's log.
    fn log(&self) -> String {
        let log = std::fs::read_to_string(self.file("serve.log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().rev().take(10).collect();
        format!("the server's last lines: {}", lines.into_iter().rev().collect::<Vec<_>>().join("\n"))
    }
}

/// Waits until a sweep of every kind is complete that is not one of `before`, and tells when each began. Looks this often.
pub(crate) async fn swept(authority: &str, before: &Sweeps, look: Duration) -> anyhow::Result<Sweeps> {
    connection::with(authority, |mut connection| async move {
        let freshness = Question::read("ec2://inventory/freshness");
        let until = Instant::now() + SWEEP;
        while Instant::now() < until {
            let sweeps = sweeps(&body(&connection.result(&freshness).await?)?);
            if sweeps.len() == KINDS.len() && sweeps.iter().all(|(kind, began)| before.get(kind) != Some(began)) {
                return Ok(sweeps);
            }
            sleep(look).await;
        }
        bail!("not everything was swept within {SWEEP:?}")
    })
    .await
}

/// When the newest complete sweep of each kind began. The simulator has one account and region.
fn sweeps(freshness: &Value) -> Sweeps {
    let scopes = freshness.get("scopes").and_then(Value::as_array).into_iter().flatten();
    let text = |scope: &Value, key: &str| scope.get(key).and_then(Value::as_str).map(str::to_owned);
    scopes.filter_map(|scope| Some((text(scope, "kind")?, text(scope, "as_of")?))).collect()
}

/// The JSON that a read's result holds as text.
fn body(result: &Value) -> anyhow::Result<Value> {
    let text = result.pointer("/contents/0/text").and_then(Value::as_str).context("the answer has no text")?;
    serde_json::from_str(text).context("the resource's text is no JSON")
}
