//! `list_changes`: what changed, when, and why.

mod absent_field;
mod arguments;
mod caveats;
mod change_query;
mod summary;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

use self::arguments::Arguments;
use self::change_query::ChangeQuery;
use super::answer::ToolResult;
use super::budget::RowBudget;
use super::change::{self, RecordRenderer, Rendered};
use super::schema::{self, ToolSchema};
use super::spec::{CallSetting, ToolCall, ToolEffect, ToolSpec};
use super::table::{self, AnswerText};
use crate::kinds::KindSpec;
use crate::mcp::core::Core;
use crate::mcp::damage;
use crate::mcp::error::RequestError;
use crate::mcp::failed_scopes;
use crate::mcp::unobserved;
use crate::mcp::unwatched;
use crate::mcp::who::{self, CallerSearch, Who};
use crate::model::Seq;
use crate::query::changes::{ChangePage, LogRange, ReadOrder, StopReason, find};
use crate::store::Snapshot;

/// How many calls may wait at a time. A further call is answered at once, so that waiting leaves room for other requests.
static WAITING: Semaphore = Semaphore::const_new(128);
/// How many records one call looks at, at most.
const RECORDS: u64 = 1_000_000;
/// How long one call looks at records, about.
const WORK: Duration = Duration::from_secs(2);

/// The tool.
pub static SPEC: ToolSpec = ToolSpec {
    name: "list_changes",
    title: "List changes",
    description: "Lists what changed, when, field by field, and why: a sweep, an AWS event, a tool's call, or somebody's \
                  call. Narrow it by time, resource (also a removed one), kind, field or cause. With wait_seconds it \
                  answers as soon as something matches.",
    effect: ToolEffect::Read,
    input: ToolSchema::of_arguments::<Arguments>(),
    output: ToolSchema::written(output),
    example: r#"{"since": "-2h", "kind": "instance", "field": "State.Name"}"#,
    call: |call, given| call.with(given, serve),
};

fn output() -> Value {
    let mut properties = Map::new();
    let own = json!({
        "changes": schema::list(change::record_schema(), "The changes of this page, in the requested order."),
        "summary": schema::list(summary::group_schema(), "With the argument summary: the largest groups, the largest first."),
        "records": schema::count("With summary: how many records were counted; one that changed several fields counts for each."),
        "others": schema::object(
            &["groups", "count"],
            json!({"groups": schema::count("How many groups are not shown."), "count": schema::count("The sum of their counts.")}),
        ),
        "more": {"type": "boolean", "description": "Whether the log may hold more matches now."},
        "next_cursor": schema::text("The cursor to continue with; absent if nothing can follow."),
        "newest_cursor": schema::text("Pass it as `since` (or as `cursor` with order oldest) to get what comes after `seq`. \
            Only on the first page when newest first: keep it."),
        "hidden": schema::count("How many records were left out that are no changes of their own; include_baseline shows them."),
        "scanned": schema::object(
            &["through_seq", "at"],
            json!({
                "through_seq": schema::count("The last record looked at."),
                "at": schema::text("When that was recorded."),
            }),
        ),
        "earliest": schema::text("How far back the log reaches; absent while it is empty."),
        "starts_at": schema::text("When the log begins, if that is later than `since`: the answer starts there."),
        "seq": schema::count("The newest record of the log at this read."),
        "log": schema::text("The id of the log, to which all seqs and cursors belong."),
    });
    properties.extend(own.as_object().cloned().unwrap_or_default());
    properties.extend(unobserved::described().map(|(name, schema)| (name.to_owned(), schema)));
    properties.extend(unwatched::described().map(|(name, schema)| (name.to_owned(), schema)));
    properties.extend(failed_scopes::unreached().map(|(name, schema)| (name.to_owned(), schema)));
    let mut properties = Value::Object(properties);
    damage::describe(&mut properties);
    schema::object(&["more", "hidden", "unobserved", "seq", "log"], properties)
}

async fn serve(call: ToolCall, arguments: Arguments) -> Result<ToolResult, RequestError> {
    let ToolCall { core, stop, setting: CallSetting { note, elapsed, .. }, .. } = call;
    // Subscribed before anything is read, so that every later commit wakes the wait.
    let mut newest = core.hub.newest();
    let query = ChangeQuery::read(&core, &arguments, elapsed).await?;
    if arguments.summary {
        return core.walk(move |core| query.summary(core)).await;
    }
    let deadline = Instant::now() + query.wait.saturating_sub(elapsed);
    let place = WAITING.try_acquire().ok();
    let (mut span, mut hidden) = (query.start, 0);
    loop {
        newest.mark_unchanged();
        let (core, query) = (Arc::clone(&core), Arc::clone(&query));
        let found = core.walk({
            let query = Arc::clone(&query);
            move |core| query.page(core, span)
        });
        let found = found.await?;
        span = found.span();
        let waits = found.records().len() == 0 && found.end() == StopReason::Reached && span.is_open();
        if waits && place.is_some() && !stop.is_cancelled() {
            note.put("no change yet".to_owned(), query.wait);
            let woken = tokio::select! {
                woken = timeout_at(deadline, newest.changed()) => woken.is_ok_and(|changed| changed.is_ok()),
                () = stop.cancelled() => false,
            };
            if woken {
                hidden += found.hidden();
                continue;
            }
        }
        let callers =
            if query.who { who::look_up(&core, found.records().cloned().collect()).await? } else { BTreeMap::new() };
        return core.walk(move |core| query.answer(core, found, hidden, &callers)).await;
    }
}

/// The newest changes of one resource, or of everything: the fields of an answer, and the arguments with which the tool shows
/// more.
///
/// # Errors
/// When nothing is known about the resource, or the store cannot be read.
pub async fn newest(
    core: &Arc<Core>,
    of: Option<(&'static KindSpec, &str)>,
    limit: usize,
) -> Result<(Map<String, Value>, Map<String, Value>), RequestError> {
    let mut arguments = Map::new();
    if let Some((kind, id)) = of {
        arguments.insert("kind".to_owned(), json!(kind.slug));
        arguments.insert("id".to_owned(), json!(id));
    }
    arguments.insert("limit".to_owned(), json!(limit));
    let query = ChangeQuery::read(core, &super::arguments::read(arguments.clone())?, Duration::ZERO).await?;
    let answer = core.walk(move |core| query.answer(core, query.page(core, query.start)?, 0, &BTreeMap::new())).await?;
    match answer.structured {
        Value::Object(fields) => Ok((fields, arguments)),
        _ => Ok((Map::new(), arguments)),
    }
}

impl ChangeQuery {
    /// A page of `span`. Blocks for [`WORK`] at most.
    fn page(&self, core: &Core, span: LogRange) -> Result<ChangePage, RequestError> {
        let begun = Instant::now();
        let enough = |looked| looked >= RECORDS || begun.elapsed() >= WORK;
        let subjects = self.subjects.as_deref();
        Ok(find(|| core.store.snapshot(), &core.baselines, &self.question, subjects, span, self.limit, enough)?)
    }

    /// The answer for a page. `hidden` is how many records were left out before it; `callers` are the callers that were looked
    /// up.
    fn answer(
        &self,
        core: &Core,
        mut found: ChangePage,
        hidden: u64,
        callers: &BTreeMap<Seq, Who>,
    ) -> Result<ToolResult, RequestError> {
        let snapshot = core.snapshot()?;
        let told = tell(&snapshot, &mut found, self.question.field.as_deref(), callers)?;
        let hidden = hidden + found.hidden();
        let span = found.span();
        let more = found.end() != StopReason::Reached;
        let next = (more || span.is_open()).then(|| self.cursor(core, span));
        let seen = if span.order == ReadOrder::Oldest && !more { span.at } else { found.newest() };
        let order = match span.order {
            ReadOrder::Oldest => "oldest first",
            ReadOrder::Newest => "newest first",
        };
        let mut text = AnswerText::new(match told.len() {
            0 if more => "nothing matched so far".to_owned(),
            0 => "no changes".to_owned(),
            1 => "1 change".to_owned(),
            count => format!("{count} changes, {order}"),
        });
        let mut data = self.caveats(core, &snapshot, &found, hidden, &mut text)?;
        let mut put = |name: &str, value: Value| drop(data.insert(name.to_owned(), value));
        if !told.is_empty() {
            text.add("\nseq | recorded at | what | resource | fields | cause");
        }
        for Rendered { line, .. } in &told {
            text.add(format_args!("\n{line}"));
        }
        if told.is_empty() && !more {
            self.doubt_field(&snapshot, &mut text)?;
        }
        put("changes", told.into_iter().map(|told| Value::Object(told.data)).collect());
        if let Some(next) = next {
            let said = if more { "More: repeat" } else { "For later changes: repeat" };
            text.add(format_args!("\n{said} with cursor {next}"));
            put("next_cursor", json!(next));
        }
        // A later page does not show what was recorded since the first page, so its cursor would skip that.
        if !(self.continued && span.order == ReadOrder::Newest) {
            put("newest_cursor", json!(self.cursor(core, LogRange::oldest(seen, None))));
        }
        Ok(ToolResult { text: text.into(), structured: Value::Object(data), failure: None, input: None })
    }
}

impl ChangeQuery {
    /// Adds to an answer without changes that the field asked for is one that nothing has.
    fn doubt_field(&self, snapshot: &Snapshot, text: &mut AnswerText) -> Result<(), RequestError> {
        let Some(field) = &self.question.field else { return Ok(()) };
        if let Some(hint) = absent_field::hint(snapshot, &self.question.kinds, field)? {
            text.add(format_args!("\n{hint}"));
        }
        Ok(())
    }
}

/// Shows what was found, as much as the budget takes, and cuts the page there.
fn tell(
    snapshot: &Snapshot,
    found: &mut ChangePage,
    field: Option<&str>,
    callers: &BTreeMap<Seq, Who>,
) -> Result<Vec<Rendered>, RequestError> {
    let mut teller = RecordRenderer::new(snapshot, field);
    let (mut told, mut budget) = (Vec::new(), RowBudget::beside(change_query::FRAME));
    for record in found.records() {
        let mut next = teller.tell(record)?;
        let caller = match callers.get(&record.seq) {
            Some(who) => Some(who.clone()),
            // Callers that the log holds are shown without `who`.
            None => match CallerSearch::of(snapshot, record)? {
                Some(case) => case.in_log(snapshot)?,
                None => None,
            },
        };
        if let Some(who) = caller {
            next.line = format!("{} | who: {}", next.line, table::whole(&who.words()));
            next.data.insert("who".to_owned(), who.data());
        }
        if !budget.takes(&next.line, &serde_json::to_string(&next.data)?) {
            break;
        }
        told.push(next);
    }
    found.truncate(told.len());
    Ok(told)
}
