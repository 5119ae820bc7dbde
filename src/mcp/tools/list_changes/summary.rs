//! Changes counted by kind, field and cause.

use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::change_query::{ChangeQuery, FRAME};
use crate::kinds;
use crate::mcp::core::Core;
use crate::mcp::error::RequestError;
use crate::mcp::tools::answer::ToolResult;
use crate::mcp::tools::budget::RowBudget;
use crate::mcp::tools::schema;
use crate::mcp::tools::table::{self, AnswerText};
use crate::query::changes::{CauseKind, ChangeGroup, ChangePage, ChangeTally, StopReason, find};

/// How many records are read at a time.
const PAGE: usize = 2_000;
/// How long one call counts, about.
const WORK: Duration = Duration::from_secs(2);

/// What a group holds, for the output schema.
pub(super) fn group_schema() -> Value {
    schema::object(
        &["what", "cause", "count"],
        json!({
            "kind": schema::text("The kind of resource; changes of status checks are changes of their instance."),
            "what": schema::text("What happened: changed, appeared, removed, .."),
            "field": schema::text("The field that changed."),
            "cause": schema::text("How Muster learned of it."),
            "count": schema::count("How many."),
        }),
    )
}

impl ChangeQuery {
    /// The answer that counts instead of listing. Blocks for [`WORK`] at most.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(super) fn summary(&self, core: &Core) -> Result<ToolResult, RequestError> {
        let (mut tally, mut hidden) = (ChangeTally::default(), 0);
        let found = self.count(core, &mut tally, &mut hidden)?;
        let snapshot = core.snapshot()?;
        let records = tally.records();
        let largest = tally.largest(self.limit);
        let changes = if records == 1 { "1 change".to_owned() } else { format!("{records} changes") };
        let mut text = AnswerText::new(changes);
        let mut data = self.caveats(core, &snapshot, &found, hidden, &mut text)?;
        let mut put = |name: &str, value: Value| drop(data.insert(name.to_owned(), value));
        if !largest.groups.is_empty() {
            text.add("\ncount | kind | what | field | cause");
        }
        let (mut groups, mut budget) = (Vec::new(), RowBudget::beside(FRAME));
        let (mut others, mut others_count) = (largest.others, largest.others_count);
        for (group, count) in &largest.groups {
            let row = row(group, *count);
            let cells = ["count", "kind", "what", "field", "cause"].map(|name| match row.get(name) {
                Some(Value::String(text)) => text.clone(),
                other => other.map(Value::to_string).unwrap_or_default(),
            });
            let line = table::line(cells.iter().map(String::as_str));
            // The groups are in order, so once one does not fit, those behind it are among the others.
            if others > largest.others || !budget.takes(&line, &serde_json::to_string(&row)?) {
                (others, others_count) = (others + 1, others_count + count);
                continue;
            }
            text.add(format_args!("\n{line}"));
            groups.push(Value::Object(row));
        }
        put("summary", json!(groups));
        put("records", json!(records));
        if records == 0 && found.end() == StopReason::Reached {
            self.doubt_field(&snapshot, &mut text)?;
        }
        if others > 0 {
            text.add(format_args!("\nOthers: {others_count} in {others} more groups"));
            put("others", json!({"groups": others, "count": others_count}));
        }
        if found.end() != StopReason::Reached {
            let next = self.cursor(core, found.span());
            text.add(format_args!(
                "\nOnly a part was counted: repeat with cursor {next} to count the rest, and add the counts"
            ));
            put("next_cursor", json!(next));
        }
        Ok(ToolResult { text: text.into(), structured: Value::Object(data), failure: None, input: None })
    }

    /// Counts what is in the range, as far as there is time; the last page read.
    fn count(&self, core: &Core, tally: &mut ChangeTally, hidden: &mut u64) -> Result<ChangePage, RequestError> {
        let begun = Instant::now();
        let mut span = self.start;
        loop {
            let enough = |_| begun.elapsed() >= WORK;
            let subjects = self.subjects.as_deref();
            let snapshot = || core.store.snapshot();
            let found = find(snapshot, &core.baselines, &self.question, subjects, span, PAGE, enough)?;
            found.records().for_each(|record| tally.add(record, self.question.field.as_deref()));
            *hidden += found.hidden();
            span = found.span();
            if found.end() != StopReason::Full || begun.elapsed() >= WORK {
                return Ok(found);
            }
        }
    }
}

/// A group as data.
fn row(group: &ChangeGroup, count: u64) -> Map<String, Value> {
    let ChangeGroup { kind, what, path, cause } = group;
    let mut row = Map::new();
    let mut put = |name: &str, value: Value| drop(row.insert(name.to_owned(), value));
    if let Some(kind) = kind {
        let spec = kinds::of(kind);
        put("kind", json!(spec.map_or(kind.as_str(), |spec| spec.slug)));
    }
    put("what", json!(what));
    if let Some(path) = path {
        put("field", json!(table::line([path.as_str()])));
    }
    put("cause", json!(CauseKind::name(*cause)));
    put("count", json!(count));
    row
}
