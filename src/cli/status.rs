//! `muster status`.

mod report;

use std::time::UNIX_EPOCH;

use clap::Args;
use serde_json::{Map, Value, json};

use self::report::{KindRow, StatusReport};
use super::output::Output;
use super::store_flags::RegionalStoreFlags;
use super::table::{Medium, Table, harmless};
use super::warnings::{self, field};
use crate::app::client::{AskError, InventoryClient};
use crate::app::offline::OfflineError;
use crate::config::{Config, Environment};
use crate::connection::attach::AttachError;
use crate::connection::data_dir::DataDirError;
use crate::connection::{handshake, lock};
use crate::model::Timestamp;
use crate::model::text::shown;

/// The longest line about what is wrong.
const LONGEST: usize = 2_000;
/// How many problems are shown.
const PROBLEMS: usize = 20;

/// The arguments of `muster status`.
#[derive(Clone, Debug, Args)]
pub(super) struct ServerStatus {
    #[command(flatten)]
    store: RegionalStoreFlags,
    /// Print the status and the whole summary as JSON, for programs
    #[arg(long)]
    json: bool,
}

/// Why the status is not good.
#[derive(Debug, thiserror::Error)]
enum NotWell {
    /// Nobody keeps the copy up to date.
    #[error("no server runs: start `muster serve`, or an MCP client that starts `muster mcp`")]
    NoServer,
    /// A server runs, and something is not as it should be.
    #[error("the server runs, but not everything is fresh and complete: see above")]
    NotFresh,
}

/// The server that holds the lock of a data directory.
struct LockHolder {
    pid: Option<u32>,
    since: Option<Timestamp>,
}

impl ServerStatus {
    /// Prints the status on standard output.
    ///
    /// # Errors
    /// When no server runs, or something is stale, incomplete or fails: then the exit code is 1.
    pub(super) async fn run(self, environment: &Environment) -> anyhow::Result<()> {
        let config = self.store.config(environment)?;
        let client = match InventoryClient::connect(&config).await {
            Ok(client) => Some(client),
            Err(
                AskError::Offline(OfflineError::Directory(DataDirError::NoStore { .. }))
                | AskError::Attach(AttachError::Directory(DataDirError::NoStore { .. })),
            ) => None,
            Err(error) => return Err(error.into()),
        };
        let server = match &client {
            Some(InventoryClient::Server(_)) => Some(LockHolder::of(&config)),
            _ => None,
        };
        let summary = match &client {
            Some(client) => warnings::granted(client.ask("get_inventory_summary", json!({})).await?)?,
            None => Value::Null,
        };
        let report = StatusReport::of(&summary);
        let is_fresh = server.is_some() && report.is_fresh();
        let mut output = Output::stdout();
        if self.json {
            let body = whole(&config, server.as_ref(), &report, is_fresh, summary);
            output.line(&harmless(&format!("{body:#}")))?;
        } else {
            output.text(told(&config, server.as_ref(), &report, &summary, Medium::stdout()).as_bytes())?;
        }
        match server {
            None => Err(NotWell::NoServer.into()),
            Some(_) if !is_fresh => Err(NotWell::NotFresh.into()),
            Some(_) => Ok(()),
        }
    }
}

impl LockHolder {
    /// The server that holds the lock of the data directory. A server of another version would have refused the connection.
    fn of(config: &Config) -> Self {
        let since = lock::taken_at(&config.data_dir).and_then(|at| at.duration_since(UNIX_EPOCH).ok());
        let since = since.and_then(|since| i64::try_from(since.as_millis()).ok()).map(Timestamp::from_millis);
        LockHolder { pid: lock::last_holder(&config.data_dir), since }
    }
}

/// The status for programs.
fn whole(config: &Config, server: Option<&LockHolder>, report: &StatusReport, is_fresh: bool, summary: Value) -> Value {
    let problems: Vec<Value> = report
        .problems
        .iter()
        .map(|problem| json!({"what": problem.said(), "fix": problem.fix, "is_failure": problem.is_failure}))
        .collect();
    let mut body = Map::new();
    let mut put = |name: &str, value: Value| drop(body.insert(name.to_owned(), value));
    put("ok", json!(is_fresh));
    if let Some(server) = server {
        put("server", json!({"pid": server.pid, "version": handshake::VERSION, "since": server.since}));
    }
    put("data_dir", json!(config.data_dir));
    put("problems", json!(problems));
    if !summary.is_null() {
        put("summary", summary);
    }
    Value::Object(body)
}

/// The status for people.
fn told(
    config: &Config,
    server: Option<&LockHolder>,
    report: &StatusReport,
    summary: &Value,
    medium: Medium,
) -> String {
    let mut lines = Vec::new();
    lines.push(match server {
        Some(LockHolder { pid, since }) => {
            let process = pid.map_or_else(String::new, |pid| format!("process {pid}, "));
            let since = since.map_or_else(String::new, |since| format!(", since {since}"));
            format!("server: running, {process}muster {}{since}", handshake::VERSION)
        }
        None => "server: not running".to_owned(),
    });
    lines.push(format!("data directory: {}", config.data_dir.display()));
    if summary.is_null() {
        lines.push("store: none yet; the first server makes one".to_owned());
    } else {
        let [now, seq] = ["now", "seq"].map(|name| field(summary, name));
        lines.push(format!("inventory at {now}, up to record {seq} of the log"));
    }
    let mut table = Table::new(&KindRow::COLUMNS);
    report.kinds.iter().for_each(|row| table.row(row.cells()));
    let mut below = Vec::new();
    if report.left_out > 0 {
        below.push(format!(
            "{} more kinds in other regions are left out: the resource ec2://inventory/freshness has all",
            report.left_out
        ));
    }
    for problem in report.problems.iter().take(PROBLEMS) {
        let label = if problem.is_failure { "fails" } else { "note" };
        below.push(format!("{label}: {}", problem.said()));
        if !problem.fix.is_empty() {
            below.push(format!("  -> {}", problem.fix));
        }
    }
    if let Some(more) = report.problems.len().checked_sub(PROBLEMS).filter(|more| *more > 0) {
        below.push(format!("{more} more problems: --json shows all"));
    }
    format!("{}{}{}", printed(&lines), table.print(medium), printed(&below))
}

/// The lines, each with its line end and without terminal control characters.
fn printed(lines: &[String]) -> String {
    lines.iter().map(|line| shown(line, LONGEST)).flat_map(|line| [line, "\n".to_owned()]).collect()
}
