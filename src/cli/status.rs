//! `muster status`.

mod report;

use clap::Args;
use serde_json::{Map, Value, json};

use self::report::{KindRow, StatusReport};
use super::output::Output;
use super::process_report;
use super::store_flags::RegionalStoreFlags;
use super::table::{Medium, Table, harmless};
use super::warnings::{self, field};
use crate::app::client::{AskError, InventoryClient, process};
use crate::app::offline::OfflineError;
use crate::config::{Config, Environment};
use crate::connection::attach::AttachError;
use crate::connection::data_dir::DataDirError;
use crate::connection::server_facts::{ReadApiDay, ServerFacts};
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

/// The server of a data directory.
#[derive(Clone, Debug, PartialEq, Eq)]
enum ServerPresence {
    /// One runs, and says which it is.
    Known(Box<ServerFacts>),
    /// One runs, and does not say which it is.
    Unknown,
    /// None runs.
    Absent,
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
            Some(InventoryClient::Server(_)) => match process::describe(&config.data_dir).await {
                Some(facts) => ServerPresence::Known(Box::new(facts)),
                None => ServerPresence::Unknown,
            },
            _ => ServerPresence::Absent,
        };
        let summary = match &client {
            Some(client) => warnings::granted(client.ask("get_inventory_summary", json!({})).await?)?,
            None => Value::Null,
        };
        let report = StatusReport::of(&summary);
        let is_fresh = server != ServerPresence::Absent && report.is_fresh();
        let mut output = Output::stdout();
        if self.json {
            let body = whole(&config, &server, &report, is_fresh, summary);
            output.line(&harmless(&format!("{body:#}")))?;
        } else {
            output.text(told(&config, &server, &report, &summary, Medium::stdout()).as_bytes())?;
        }
        match server {
            ServerPresence::Absent => Err(NotWell::NoServer.into()),
            _ if !is_fresh => Err(NotWell::NotFresh.into()),
            _ => Ok(()),
        }
    }
}

/// The status for programs.
fn whole(config: &Config, server: &ServerPresence, report: &StatusReport, is_fresh: bool, summary: Value) -> Value {
    let problems: Vec<Value> = report
        .problems
        .iter()
        .map(|problem| json!({"what": problem.said(), "fix": problem.fix, "is_failure": problem.is_failure}))
        .collect();
    let mut body = Map::new();
    let mut put = |name: &str, value: Value| drop(body.insert(name.to_owned(), value));
    put("ok", json!(is_fresh));
    match server {
        ServerPresence::Known(server) => put("server", facts(server)),
        ServerPresence::Unknown => put("server", json!({})),
        ServerPresence::Absent => {}
    }
    put("data_dir", json!(config.data_dir));
    put("problems", json!(problems));
    if !summary.is_null() {
        put("summary", summary);
    }
    Value::Object(body)
}

/// The status for people.
fn told(config: &Config, server: &ServerPresence, report: &StatusReport, summary: &Value, medium: Medium) -> String {
    let mut lines = Vec::new();
    lines.push(match server {
        ServerPresence::Known(server) => {
            format!(
                "server: running, {}, since {}",
                process_report::whole(server),
                Timestamp::from_millis(server.since_ms)
            )
        }
        ServerPresence::Unknown => "server: running, and does not say which process it is".to_owned(),
        ServerPresence::Absent => "server: not running".to_owned(),
    });
    if let ServerPresence::Known(server) = server {
        let http = server.http.as_deref().map_or_else(String::new, |url| format!(", and over HTTP at {url}"));
        let idle = server.idle_exit_s.map_or_else(
            || "goes on without clients".to_owned(),
            |seconds| format!("ends {} after its last client", lasting(seconds)),
        );
        lines.push(format!("clients: {} on its socket{http}; it {idle}", server.clients));
        if let Some(ReadApiDay { from_copy, asked }) = server.read_api {
            let place = server.read_api_url().map_or_else(String::new, |url| format!(" at {url}"));
            lines.push(format!(
                "EC2's read API{place}: {from_copy} requests answered from the copy today, {asked} asked of AWS"
            ));
        }
        lines.push(format!("command: {}", process_report::command(server)));
        if let Some(why) = &server.kept_because {
            lines
                .push(format!("note: it was to start again in another way, which failed, so it runs as before: {why}"));
        }
    }
    lines.push(format!("data directory: {}", config.data_dir.display()));
    if summary.is_null() {
        lines.push("store: none yet; the first server makes one".to_owned());
    } else {
        let [now, seq] = ["now", "seq"].map(|name| field(summary, name));
        // Nobody looks at AWS without a server: then the copy is as old as its last look.
        let at = match server {
            ServerPresence::Absent if report.last_seen.is_empty() => "not seen yet".to_owned(),
            ServerPresence::Absent => format!("as last seen at {}", report.last_seen),
            ServerPresence::Known(_) | ServerPresence::Unknown => format!("at {now}"),
        };
        lines.push(format!("inventory {at}, up to record {seq} of the log"));
    }
    let mut table = Table::new(&KindRow::COLUMNS);
    report.kinds.iter().for_each(|row| table.row(row.cells()));
    let mut below = Vec::new();
    if report.left_out > 0 {
        below.push(format!(
            "{} more entries (a kind in an account and region) are left out: the resource ec2://inventory/freshness has all",
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

/// A duration as people write it.
fn lasting(seconds: u64) -> String {
    match seconds {
        0..=119 => format!("{seconds} s"),
        _ => format!("{} min", seconds / 60),
    }
}

/// The facts of a server for programs.
fn facts(server: &ServerFacts) -> Value {
    let mut facts = json!(server);
    if let Some(facts) = facts.as_object_mut() {
        facts.insert("since".to_owned(), json!(Timestamp::from_millis(server.since_ms)));
    }
    facts
}

/// The lines, each with its line end and without terminal control characters.
fn printed(lines: &[String]) -> String {
    lines.iter().map(|line| shown(line, LONGEST)).flat_map(|line| [line, "\n".to_owned()]).collect()
}
