//! `muster changes --follow`: shows changes as they are committed, even when the server is restarted.
//!
//! Each call waits for the next change and returns a cursor, so nothing is skipped or repeated. When a restarted server has
//! another log, the cursor does not belong to it: the user is told so, and following goes on from now.

use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::time::{Instant, sleep, timeout};
use unicode_width::UnicodeWidthStr;

use super::change_row::{COLUMNS, cells};
use super::output::Output;
use super::store_flags;
use super::table::layout::Layout;
use super::table::{Medium, harmless, names};
use super::warnings::{self, say};
use crate::app::client::{self, AskError, InventoryClient, ToolAnswer};
use crate::app::signals::Signals;
use crate::config::Config;
use crate::connection::attach::AttachError;
use crate::connection::handshake::HandshakeCode;
use crate::model::FailureCode;
use crate::model::text::shown;

/// How many changes one call asks for at most.
const PAGE: usize = 200;

/// How many seconds the server is asked to wait for the next change. It waits no longer than this.
const WAIT: u64 = 45;

/// How much longer an answer may take.
const GRACE: Duration = Duration::from_secs(30);

/// How long to wait for a server that has gone.
const PATIENCE: Duration = Duration::from_mins(1);

/// How often to look for it meanwhile.
const INTERVAL: Duration = Duration::from_millis(250);

/// The least width of each cell, since later rows are not known yet.
const WIDTHS: [usize; 7] = [24, 6, 8, 15, 21, 16, 5];

/// The longest cell of a line.
const LONGEST: usize = 4_000;

/// The place in the log to continue from.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Position {
    /// Whatever is committed from now on.
    Now,
    /// This time or cursor, as the user gave it.
    Since(String),
    /// The end of what was shown.
    Cursor(String),
}

/// Shows changes as they come.
pub(super) struct Following {
    arguments: Map<String, Value>,
    position: Position,
    json: bool,
    regions: Vec<String>,
    told: Vec<String>,
    output: Output<std::io::Stdout>,
}

/// The outcome of a call.
enum CallOutcome {
    /// The server answered, with changes or with none.
    Shown,
    /// The server cannot answer yet, or no longer.
    Later,
    /// The server has gone.
    Gone,
}

/// Why following ends.
#[derive(Debug, thiserror::Error)]
enum FollowError {
    /// The server ended, and no other one came.
    #[error("the server ended, and no other came within a minute: start `muster serve` and try again")]
    Deserted(#[source] Option<AskError>),
}

impl Following {
    /// Prepares to follow the changes that `arguments` select, from `since` or from now on. All of `regions` must be watched.
    pub(super) fn new(
        mut arguments: Map<String, Value>,
        since: Option<String>,
        json: bool,
        regions: Vec<String>,
    ) -> Self {
        arguments.insert("order".to_owned(), json!("oldest"));
        arguments.insert("wait_seconds".to_owned(), json!(WAIT));
        arguments.insert("limit".to_owned(), json!(PAGE));
        let position = since.map_or(Position::Now, Position::Since);
        Following { arguments, position, json, regions, told: Vec::new(), output: Output::stdout() }
    }

    /// Follows until Ctrl-C, until standard output is closed, or until the server has gone for good.
    pub(super) async fn run(mut self, config: &Config) -> anyhow::Result<()> {
        let mut signals = Signals::take()?;
        tokio::select! {
            outcome = self.follow(config) => outcome,
            _ = signals.next() => Ok(()),
        }
    }

    async fn follow(&mut self, config: &Config) -> anyhow::Result<()> {
        let found = client::server(&config.data_dir, Instant::now() + client::PATIENCE).await?;
        let Some(server) = found else {
            let data_dir = config.data_dir.clone();
            return Err(AskError::NoServer { data_dir, what: "--follow" }.into());
        };
        let mut client = InventoryClient::Server(Box::new(server));
        store_flags::watched(&client, &self.regions).await?;
        let mut answered = Instant::now();
        while !self.output.is_closed() {
            match self.call(&client).await? {
                CallOutcome::Shown => answered = Instant::now(),
                CallOutcome::Later if answered.elapsed() > PATIENCE => return Err(FollowError::Deserted(None).into()),
                CallOutcome::Later => sleep(INTERVAL).await,
                CallOutcome::Gone => client = again(config).await?,
            }
        }
        Ok(())
    }

    /// Waits for changes and shows them.
    async fn call(&mut self, client: &InventoryClient) -> anyhow::Result<CallOutcome> {
        let mut arguments = self.arguments.clone();
        match &self.position {
            Position::Now => {}
            Position::Since(since) => drop(arguments.insert("since".to_owned(), json!(since))),
            Position::Cursor(cursor) => drop(arguments.insert("cursor".to_owned(), json!(cursor))),
        }
        let asked = client.ask("list_changes", Value::Object(arguments));
        let answer = match timeout(Duration::from_secs(WAIT) + GRACE, asked).await {
            Ok(Ok(answer)) => answer,
            Err(_) | Ok(Err(AskError::Gone(_))) => return Ok(CallOutcome::Gone),
            Ok(Err(error)) => return Err(error.into()),
        };
        match answer.failure {
            Some(code) if code.is_passing() => return Ok(CallOutcome::Later),
            Some(FailureCode::Cursor | FailureCode::CursorForeign | FailureCode::CursorExpired)
                if matches!(self.position, Position::Cursor(_)) =>
            {
                self.position = Self::elsewhere(&answer);
                return Ok(CallOutcome::Shown);
            }
            _ => {}
        }
        self.show(&warnings::granted(answer)?)?;
        Ok(CallOutcome::Shown)
    }

    /// Tells the user that the cursor is refused, and returns the position to continue from.
    fn elsewhere(answer: &ToolAnswer) -> Position {
        let (position, from) = match &answer.earliest {
            // The cursor is of this log, but the log no longer keeps the next records.
            Some(earliest) => (Position::Since(earliest.clone()), "the earliest change that is kept"),
            None => (Position::Now, "now"),
        };
        say(&format!("{}; going on from {from}", shown(&answer.text, 500)));
        position
    }

    fn show(&mut self, answer: &Value) -> anyhow::Result<()> {
        for change in warnings::rows(answer) {
            let line = if self.json { harmless(&change.to_string()) } else { line(change, Medium::stdout()) };
            self.output.line(&line)?;
        }
        if let Some(next) = answer.get("next_cursor").and_then(Value::as_str) {
            self.position = Position::Cursor(next.to_owned());
        }
        // A warning is shown once, not with every call.
        let warnings = warnings::warnings(answer);
        warnings.iter().filter(|warning| !self.told.contains(warning)).for_each(|warning| say(warning));
        self.told = warnings;
        Ok(())
    }
}

/// Waits for another server.
async fn again(config: &Config) -> anyhow::Result<InventoryClient> {
    say("the server has ended; waiting a minute for another");
    let deadline = Instant::now() + PATIENCE;
    let mut last = None;
    while Instant::now() < deadline {
        sleep(INTERVAL).await;
        match client::server(&config.data_dir, Instant::now() + INTERVAL).await {
            Ok(Some(server)) => {
                say("the server is back");
                return Ok(InventoryClient::Server(Box::new(server)));
            }
            Ok(None) => {}
            // A server of another version will always refuse this client.
            Err(AskError::Attach(AttachError::Handshake(error))) if error.code() == HandshakeCode::Version => {
                return Err(error.into());
            }
            Err(error) => last = Some(error),
        }
    }
    Err(FollowError::Deserted(last).into())
}

/// Writes a change as a line, or as several lines on a narrow terminal.
fn line(change: &Value, medium: Medium) -> String {
    let names = names(&COLUMNS.map(str::to_owned));
    let cells: Vec<String> = cells(change, LONGEST).iter().map(|cell| clean(cell)).collect();
    let widths = WIDTHS.into_iter().chain([0]);
    let natural: Vec<usize> = match medium.width {
        // A longer cell moves the others of its row only.
        None => widths.collect(),
        Some(_) => widths.zip(&cells).map(|(width, cell)| width.max(cell.width())).collect(),
    };
    let layout = Layout::fit(&names, &natural, medium.width);
    let mut lines = layout.lines(&names, &cells);
    if layout.is_stacked() {
        lines.push(String::new());
    }
    lines.join("\n")
}

fn clean(cell: &str) -> String {
    let cell = shown(cell, LONGEST);
    if cell.is_empty() { "-".to_owned() } else { cell }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(failure: FailureCode, earliest: Option<&str>) -> ToolAnswer {
        let earliest = earliest.map(str::to_owned);
        ToolAnswer { text: "refused".to_owned(), failure: Some(failure), earliest, ..ToolAnswer::default() }
    }

    #[test]
    fn a_cursor_of_another_log_goes_on_from_now_and_one_that_is_too_old_from_the_earliest() {
        let following = Following::new(Map::new(), Some("-15m".to_owned()), false, Vec::new());
        assert_eq!(following.position, Position::Since("-15m".to_owned()));
        let foreign = refused(FailureCode::CursorForeign, None);
        assert_eq!(Following::elsewhere(&foreign), Position::Now);
        let old = refused(FailureCode::CursorExpired, Some("2026-11-22T10:00:00Z"));
        assert_eq!(Following::elsewhere(&old), Position::Since("2026-11-22T10:00:00Z".to_owned()));
    }

    #[test]
    fn a_line_cannot_be_broken_by_a_name() {
        let change = json!({"seq": 1, "what": "changed", "id": "i-1", "name": "a\u{1b}[2J\nb\u{202E}"});
        let line = line(&change, Medium::default());
        assert!(line.contains("  a[2Jb  "), "{line:?}");
        assert!(!line.chars().any(crate::model::text::hostile));
    }

    #[test]
    fn a_line_heeds_the_width_of_the_terminal() {
        let change = json!({
            "seq": 1, "recorded_at": "2026-11-22T10:00:00.000Z", "what": "changed", "kind": "security-group",
            "id": "sg-0123456789abcdef0", "name": "東京", "cause": {"words": "seen by a sweep"},
            "changes": [{"path": "State.Name", "before": "running", "after": "stopped"}],
        });
        for width in [20, 80, 120, 180] {
            let medium = Medium { terminal: true, colours: false, width: Some(width) };
            let printed = line(&change, medium);
            assert!(printed.lines().all(|line| line.width() <= width), "{width}: {printed}");
        }
        assert_eq!(line(&change, Medium::default()).lines().count(), 1);
    }
}
