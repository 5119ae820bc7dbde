//! `query_inventory`: one SELECT over the local copy, for what filters and groups cannot ask.
//!
//! One statement runs at a time in the whole process, since SQLite's memory is bounded for all of them together; the others wait.

mod outside;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use rmcp::schemars::{self, JsonSchema};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

use super::answer::ToolResult;
use super::arguments::past::{self, PastArgument};
use super::as_of;
use super::budget::{BUDGET, RowBudget};
use super::label::FreshnessLabel;
use super::schema::{self, ToolSchema};
use super::spec::{ToolCall, ToolEffect, ToolSpec};
use super::table::AnswerText;
use super::tokens::tokens;
use crate::kinds::{INSTANCE, KindSpec};
use crate::mcp::core::Core;
use crate::mcp::damage::AnswerSubject;
use crate::mcp::error::RequestError;
use crate::mcp::unreadable;
use crate::mcp::watched_kinds::UnwatchedKinds;
use crate::model::text::shown;
use crate::model::{Scope, ScopeFilter};
use crate::query::Point;
use crate::query::sql::{self, Expired, Most, Outside, SqlError, SqlRows, SqlStatement, Visible};

/// The longest value of a row.
const VALUE: usize = 1_000;
/// The longest name of a column.
const NAME: usize = 80;
/// How long a statement waits for those before it.
const PATIENCE: Duration = Duration::from_secs(10);

/// Held by the statement that runs.
static TURN: Semaphore = Semaphore::const_new(1);

/// The tool.
pub static SPEC: ToolSpec = ToolSpec {
    name: "query_inventory",
    title: "Ask the EC2 inventory in SQL",
    description: "Answers one read-only SELECT (SQLite). Tables are the kinds \
                  (instance, security_group, ...) with id, name, account, region, state, first_seen, changed_at, AWS's \
                  filters in snake_case (instance_type), tags and document as JSON; and tag, security_group_rule, \
                  instance_volume, instance_security_group, network_interface_address, route, relation, instance_health, \
                  exposure, price, freshness, account, change and action (the log, to be bound by time). Several values are a JSON array \
                  (json_each). Times are UTC: launch_time < ago('7d').",
    effect: ToolEffect::Read,
    input: ToolSchema::of_arguments::<Arguments>(),
    output: ToolSchema::written(output),
    example: r#"{"sql": "SELECT instance_type, count(*) AS n FROM instance WHERE state = 'running' GROUP BY instance_type ORDER BY n DESC"}"#,
    call: |call, given| call.with(given, serve),
};

/// What to ask.
#[derive(Debug, Deserialize, JsonSchema)]
struct Arguments {
    /// One SELECT. End it with LIMIT where rows are many.
    sql: String,
    as_of: Option<PastArgument>,
}

fn output() -> Value {
    let stale = schema::object(
        &["why"],
        json!({
            "kind": schema::text("Of what, where several kinds were read."),
            "account": schema::text("The AWS account."),
            "region": schema::text("The region."),
            "why": schema::text("Why it may be out of date."),
            "since": schema::text("Since when."),
            "scopes": schema::count("How many accounts and regions, where they are many and stand together."),
            "examples": schema::list(json!({"type": "string"}), "The first of these."),
        }),
    );
    as_of::object(
        &["columns", "rows", "total", "seq"],
        json!({
            "columns": schema::list(json!({"type": "string"}), "The names of the columns, in order."),
            "rows": schema::list(json!({"type": "object"}), "Rows by column; NULL is left out."),
            "total": schema::count("How many rows there are, shown or not."),
            "at_least": {"type": "boolean", "description": "`true` if not everything was seen yet, or not all rows were counted."},
            "hints": schema::list(json!({"type": "string"}), "Why there may be no row, or how to get the rows that are not shown."),
            "kinds": schema::list(json!({"type": "string"}), "The kinds that were read."),
            "as_of": schema::text("When everything read was last confirmed; with as_of, the time asked for."),
            "changes_until": schema::changes_until(),
            "missing_unproved": schema::count("How many resources read were missing from the last complete sweep: perhaps gone."),
            "seq": schema::count("The last record that is taken into account."),
            "stale": schema::list(stale, "What was read of is older than it should be. Empty while everything is fresh."),
            "unreadable": unreadable::described(),
            "incomplete": schema::incomplete(),
            "watched": schema::list(json!({"type": "string"}), "The accounts and regions that were read."),
        }),
    )
}

/// The answer to a statement, with what lessens it.
pub struct AskedStatement {
    /// The rows.
    pub found: SqlRows,
    kinds: Vec<&'static KindSpec>,
    /// `None` where nothing was read that can be out of date.
    label: Option<FreshnessLabel>,
    /// Whether the rows are of the log alone, so that sweeps that are under way leave nothing out.
    is_of_log: bool,
}

async fn serve(call: ToolCall, arguments: Arguments) -> Result<ToolResult, RequestError> {
    let Arguments { sql, as_of } = arguments;
    let asked = ask(&call.core, sql, as_of.as_ref(), Most { rows: BUDGET, bytes: 4 * BUDGET }).await?;
    Ok(asked.answer())
}

/// Asks a statement, when its turn comes.
///
/// # Errors
/// When the statement cannot be answered, or its turn does not come.
pub async fn ask(
    core: &Arc<Core>,
    sql: String,
    as_of: Option<&PastArgument>,
    most: Most,
) -> Result<AskedStatement, RequestError> {
    let point = past::as_of(core, as_of)?;
    let turn = timeout(PATIENCE, TURN.acquire()).await;
    let turn = turn.map_err(|_| RequestError::SqlBusy)?.map_err(|_| RequestError::Stopping)?;
    let (now, end) = (core.now(), Arc::new(Mutex::new(Instant::now() + sql::TIME)));
    // A caller that leaves ends its statement, which keeps its turn until then.
    let left = Arc::new(AtomicBool::new(false));
    let _caller = Caller(Arc::clone(&left));
    let until = Arc::clone(&end);
    let expired: Expired = Arc::new(move || left.load(Ordering::Relaxed) || Instant::now() >= *until.lock());
    let prepared = core.walk(move |_| Ok((SqlStatement::prepare(&sql, now, expired)?, turn))).await?;
    let (statement, turn) = prepared;
    if let (Some(_), Some(table)) = (point, statement.reads_present()) {
        return Err(RequestError::Sql(SqlError::PresentOnly(table)));
    }
    let mut kinds = statement.kinds();
    statement.named_kinds().into_iter().try_for_each(|kind| core.watched_kind_at(kind, point))?;
    if point.is_none() {
        kinds.retain(|kind| core.watches(kind));
    }
    if point.is_none() && !kinds.is_empty() {
        core.anything(&kinds, &ScopeFilter::Everywhere).await?;
        // What was waited for is not the statement's own time.
        *end.lock() = Instant::now() + sql::TIME;
    }
    core.walk(move |core| {
        let _turn = turn;
        run(core, statement, kinds, point, most)
    })
    .await
}

/// Whoever waits for a statement. Dropped, it says that nobody does any more.
struct Caller(Arc<AtomicBool>);

impl Drop for Caller {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn run(
    core: &Core,
    statement: SqlStatement,
    kinds: Vec<&'static KindSpec>,
    point: Option<Point>,
    most: Most,
) -> Result<AskedStatement, RequestError> {
    // How fresh it is comes before the rows: see `fresh`.
    let label = match kinds.as_slice() {
        [] => None,
        kinds => Some(FreshnessLabel::of_all(core, kinds, &ScopeFilter::Everywhere, point)?),
    };
    let doubts = if statement.reads_exposure() { doubts(core, &kinds) } else { BTreeMap::new() };
    let left_out = if point.is_none() { core.unwatched_kinds() } else { UnwatchedKinds::default() };
    let outside = outside::outside(core, doubts, left_out.slugs());
    let lacks_kinds = statement.reads_several_kinds() && !left_out.is_empty();
    let is_of_log = statement.reads_only_actions();
    let (is_log, redacted) = (statement.reads_log(), redacted(core, &statement));
    let mut found = statement.ask(&core.store, point, &Visible::all(), &outside, most)?;
    found.hints.extend(redacted);
    found.hints.extend(lacks_kinds.then(|| left_out.advice()));
    // Rows, documents and records may have been looked at.
    let damage =
        core.damage(if is_log { AnswerSubject::All } else { AnswerSubject::Then(&kinds, &ScopeFilter::Everywhere) });
    let label = label.map(|label| label.with(damage));
    Ok(AskedStatement { found, kinds, label, is_of_log })
}

/// Why what the table `exposure` depends on cannot be relied on.
fn doubts(core: &Core, kinds: &[&'static KindSpec]) -> BTreeMap<(Scope, &'static str), String> {
    let kinds: Vec<&'static KindSpec> = kinds.iter().copied().chain([INSTANCE]).collect();
    let scopes: BTreeSet<Scope> =
        core.scopes_asked_for(&kinds, &ScopeFilter::Everywhere).into_iter().map(|state| state.scope).collect();
    let of = |scope: &Scope| {
        let why = |kind: &&'static KindSpec| Some(((scope.clone(), kind.slug), core.unsure(scope, kind)?));
        Outside::ASKED.iter().filter_map(why).collect::<Vec<_>>()
    };
    scopes.iter().flat_map(of).collect()
}

/// A sentence for each tag whose values the statement compares although they are redacted.
fn redacted(core: &Core, statement: &SqlStatement) -> Vec<String> {
    let secret = statement.compared_tags().into_iter().filter(|key| core.aws.secrets().is_secret(key));
    let said = secret.map(|key| {
        let key = shown(&key, NAME);
        format!("the values of the tag `{key}` are redacted, so no comparison with one of them tells anything")
    });
    said.collect()
}

impl AskedStatement {
    /// The names of the columns, each of them once.
    #[must_use]
    pub fn columns(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for column in &self.found.columns {
            let name = shown(column, NAME);
            let mut again = name.clone();
            let mut count = 1;
            while names.contains(&again) {
                count += 1;
                again = format!("{name}_{count}");
            }
            names.push(again);
        }
        names
    }

    /// What is said of the rows: the fields of the answer but the rows themselves. `shown` of them are shown.
    #[must_use]
    pub fn fields(&self, shown: usize) -> Map<String, Value> {
        let mut fields = Map::new();
        fields.insert("columns".to_owned(), json!(self.columns()));
        fields.insert("total".to_owned(), json!(self.found.total));
        fields.insert("at_least".to_owned(), json!(self.is_at_least()));
        let hints = self.hints(shown);
        if !hints.is_empty() {
            fields.insert("hints".to_owned(), json!(hints));
        }
        fields.insert("kinds".to_owned(), json!(self.kinds.iter().map(|kind| kind.slug).collect::<Vec<_>>()));
        fields.insert("seq".to_owned(), json!(self.found.seq));
        fields.extend(self.label.as_ref().map(FreshnessLabel::fields).unwrap_or_default());
        fields
    }

    fn is_at_least(&self) -> bool {
        let lacks = |label: &FreshnessLabel| {
            if self.is_of_log { label.is_damaged() } else { label.is_at_least(self.found.partial) }
        };
        self.found.uncounted.is_some() || self.label.as_ref().is_some_and(lacks)
    }

    /// Why there may be no row, or how to get the rows that are not shown.
    fn hints(&self, shown: usize) -> Vec<String> {
        let mut hints = self.found.hints.clone();
        if (shown as u64) < self.found.total {
            hints.push("the other rows are left out for the size of the answer: add conditions, name fewer columns, or group and count".to_owned());
        }
        if let Some(why) = &self.found.uncounted {
            hints.push(format!("the rows were not counted to the end: {why}"));
        }
        hints
    }

    /// As a tool's answer: the same rows as text and as data.
    #[must_use]
    pub fn answer(&self) -> ToolResult {
        let columns = self.columns();
        let header = line(columns.iter().map(String::as_str));
        let mut budget = RowBudget::beside(500 + tokens(&header));
        let (mut lines, mut rows) = (Vec::new(), Vec::new());
        // One row of many long values must not go beyond what the answer may take.
        let room = VALUE.min(BUDGET / columns.len().max(1));
        for row in &self.found.rows {
            let cells: Vec<Value> = row.iter().map(|value| cell(value, room)).collect();
            let text: Vec<String> = cells.iter().map(words).collect();
            let text = line(text.iter().map(String::as_str));
            let fields = columns.iter().cloned().zip(cells).filter(|(_, cell)| !cell.is_null());
            let data = Value::Object(fields.collect());
            if !budget.takes(&text, &data.to_string()) {
                break;
            }
            lines.push(text);
            rows.push(data);
        }
        let shown = rows.len();
        let at_least = if self.is_at_least() { "at least " } else { "" };
        let mut text = AnswerText::new(match self.found.total {
            1 => format!("{at_least}1 row"),
            total => format!("{at_least}{total} rows"),
        });
        if (shown as u64) < self.found.total {
            text.add(format_args!("; {shown} shown"));
        }
        if let Some(label) = &self.label {
            label.say(&mut text, self.found.partial);
        }
        if !lines.is_empty() {
            text.add(format_args!("\n{header}\n{}", lines.join("\n")));
        }
        for hint in self.hints(shown) {
            text.add(format_args!("\nHint: {hint}."));
        }
        let mut structured = self.fields(shown);
        structured.insert("rows".to_owned(), json!(rows));
        ToolResult { text: text.into(), structured: Value::Object(structured), failure: None, input: None }
    }
}

/// A value as it is shown: text of strangers without what nobody sees.
#[must_use]
pub fn cell(value: &sql::SqlValue, room: usize) -> Value {
    match value {
        sql::SqlValue::Text(text) => json!(shown(text, room)),
        other => json!(other),
    }
}

/// The same as text.
fn words(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// A line of the table. Values are as long here as in the data.
fn line<'a>(cells: impl Iterator<Item = &'a str>) -> String {
    let cells = cells.map(|cell| match cell {
        "" => "-".to_owned(),
        cell => cell.replace('|', "/"),
    });
    cells.collect::<Vec<_>>().join(" | ")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::Seq;
    use crate::model::text::hostile;

    fn asked(columns: Vec<String>, rows: Vec<Vec<sql::SqlValue>>) -> AskedStatement {
        let total = rows.len() as u64;
        let found = SqlRows { columns, rows, total, uncounted: None, seq: Seq(1), partial: false, hints: Vec::new() };
        AskedStatement { found, kinds: Vec::new(), label: None, is_of_log: false }
    }

    proptest! {
        #[test]
        fn text_of_strangers_is_data_in_both_forms(
            columns in prop::collection::vec("\\PC{0,12}|[a|\n\u{202E}]{1,4}", 1..4),
            texts in prop::collection::vec("(?s).{0,40}|[|\n\u{1b}\u{200B}\u{202E}\u{E0041}a]{0,12}", 0..12),
        ) {
            let rows: Vec<Vec<sql::SqlValue>> = texts
                .chunks_exact(columns.len())
                .map(|row| row.iter().cloned().map(sql::SqlValue::Text).collect())
                .collect();
            let count = rows.len();
            let answer = asked(columns, rows).answer();
            let is_clean = |text: &str| !text.chars().any(|letter| letter != '\n' && hostile(letter));
            prop_assert!(is_clean(&answer.text), "{:?}", answer.text);
            // A line for the count, one for the columns, and one a row.
            prop_assert_eq!(answer.text.lines().count(), if count == 0 { 1 } else { 2 + count });
            let shown = answer.structured["rows"].as_array().map(Vec::len);
            prop_assert_eq!(shown, Some(count));
            for row in answer.structured["rows"].as_array().into_iter().flatten() {
                for (name, value) in row.as_object().into_iter().flatten() {
                    prop_assert!(is_clean(name) && !name.contains('\n'), "{name:?}");
                    prop_assert!(value.as_str().is_none_or(|text| !text.chars().any(hostile)), "{value:?}");
                }
            }
        }
    }

    #[test]
    fn a_value_is_as_long_in_the_text_as_in_the_data() {
        let long = "x".repeat(3_000);
        let answer = asked(vec!["a".to_owned()], vec![vec![sql::SqlValue::Text(long)]]).answer();
        let shown = answer.structured["rows"][0]["a"].as_str().map(str::to_owned).unwrap_or_default();
        assert_eq!(shown.chars().count(), VALUE);
        assert!(answer.text.ends_with(&shown));
    }
}
