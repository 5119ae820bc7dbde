//! Fills the table of tools' calls that were to change AWS: a row a call of AWS, with its end, and a row a refusal or confirmation.
//!
//! The end of a call is a later record. Where it lies beyond the bounds of the statement, it is searched for among the records that
//! follow; where it is not found, the row has no outcome.

use std::collections::BTreeMap;

use super::changes::{RECORDS, STEP, bounds};
use super::filling::Filling;
use super::inserter::Inserter;
use crate::model::{ActionId, ActionOutcome, ConfirmationWay, Event, Principal, Recorded, ResourceId, Timestamp};
use crate::query::sql::cell::SqlCell;
use crate::query::sql::narrow::NarrowTerms;
use crate::query::sql::{SqlError, times};

/// How many records beyond the bounds are searched for the ends of calls.
const BEYOND: usize = if cfg!(test) { 20 } else { 5_000 };
const TABLE: &str = "action";

/// How a call of AWS ended.
struct RecordedEnd {
    outcome: ActionOutcome,
    at: Timestamp,
    request_id: Option<String>,
}

pub(super) fn fill(filling: &Filling<'_>, terms: &NarrowTerms, into: &mut Inserter<'_, '_>) -> Result<(), SqlError> {
    if terms.seqs == (None, None) && terms.times == (None, None) {
        return Err(SqlError::Unbounded { table: TABLE, by: "" });
    }
    let (first, last) = bounds(filling, terms)?;
    let (mut rows, mut ends, mut count): (Vec<Recorded>, BTreeMap<ActionId, RecordedEnd>, usize) = Default::default();
    let mut next = first;
    loop {
        let (records, then) = filling.snapshot.records_from(next, STEP)?;
        // What came later than the moment that is asked about is not known then.
        for record in records.into_iter().filter(|record| record.seq <= filling.point.seq) {
            let is_within = record.seq <= last;
            count += usize::from(is_within);
            match record.event {
                Event::ActionFinished { action, outcome, request_id } => {
                    ends.insert(action, RecordedEnd { outcome, at: record.recorded_at, request_id });
                }
                ref event if is_within && event.is_of_action() => rows.push(record),
                _ => {}
            }
        }
        if (filling.expired)() {
            return Err(SqlError::Time);
        }
        if count > RECORDS {
            return Err(SqlError::TooManyRecords { most: RECORDS, table: TABLE, by: "" });
        }
        let Some(then) = then else { break };
        next = then;
        if !(next <= last || is_open(&rows, &ends) && next.0 - last.0 <= BEYOND as u64) {
            break;
        }
    }
    rows.iter().try_for_each(|record| row(filling, record, &ends, into))
}

/// Whether the end of one of the calls is not known yet.
fn is_open(rows: &[Recorded], ends: &BTreeMap<ActionId, RecordedEnd>) -> bool {
    rows.iter()
        .any(|record| matches!(&record.event, Event::ActionRequested { action, .. } if !ends.contains_key(action)))
}

fn row(
    filling: &Filling<'_>,
    record: &Recorded,
    ends: &BTreeMap<ActionId, RecordedEnd>,
    into: &mut Inserter<'_, '_>,
) -> Result<(), SqlError> {
    let event = &record.event;
    let targets = event.targets();
    if !targets.is_empty() && !targets.iter().any(|id| filling.visible.sees(id)) {
        return Ok(());
    }
    let mut known = ActionRow::default();
    match event {
        Event::ActionRequested { action, tool, by, arguments, plan, key, confirmed_by, .. } => {
            known = ActionRow {
                action: Some(action.to_string()),
                tool,
                by: by.as_ref(),
                arguments: arguments.as_deref(),
                key: key.as_deref(),
                confirmation: confirmed_by.map(ConfirmationWay::name),
                plan: plan.as_deref(),
                end: ends.get(action),
                ..known
            };
        }
        Event::ActionRefused { attempt, rule, repeats } => {
            known.tool = &attempt.tool;
            known.by = attempt.by.as_ref();
            known.arguments = attempt.arguments.as_deref();
            known.rule = Some(rule);
            known.times = Some(repeats.count);
        }
        Event::ActionConfirmed { attempt, plan, way, outcome, repeats } => {
            known.tool = &attempt.tool;
            known.by = attempt.by.as_ref();
            known.arguments = attempt.arguments.as_deref();
            known.plan = plan.as_deref();
            known.confirmation = Some(way.name());
            known.outcome = Some(outcome.name());
            known.times = Some(repeats.count);
        }
        _ => return Ok(()),
    }
    let outcome = known.end.map(|end| end.outcome.word()).or(known.outcome);
    let (message, created) = known.end.map_or((None, None), |end| told(&end.outcome));
    let number = |number: u64| SqlCell::Int(i64::try_from(number).unwrap_or(i64::MAX));
    let by = |part: fn(&Principal) -> Option<&str>| text(known.by.and_then(part));
    into.row(&[
        SqlCell::Owned(times::of(record.recorded_at)),
        number(record.seq.0),
        SqlCell::Text(event.word()),
        known.action.map_or(SqlCell::Null, SqlCell::Owned),
        SqlCell::Text(known.tool),
        SqlCell::Owned(json(targets.iter().map(|id: &ResourceId| &*id.id))),
        by(|by| Some(&*by.user)),
        by(|by| by.client.as_deref()),
        by(|by| by.version.as_deref()),
        by(|by| by.session.as_deref()),
        text(known.arguments),
        text(known.key),
        text(known.confirmation),
        text(known.plan),
        text(outcome),
        text(message),
        created.map_or(SqlCell::Null, |ids| SqlCell::Owned(json(ids.iter().map(String::as_str)))),
        known.end.map_or(SqlCell::Null, |end| SqlCell::Owned(times::of(end.at))),
        text(known.end.and_then(|end| end.request_id.as_deref())),
        text(known.rule),
        known.times.map_or(SqlCell::Null, number),
    ])
}

/// What a row shows of a record.
#[derive(Default)]
struct ActionRow<'a> {
    action: Option<String>,
    tool: &'a str,
    by: Option<&'a Principal>,
    arguments: Option<&'a str>,
    key: Option<&'a str>,
    confirmation: Option<&'static str>,
    plan: Option<&'a str>,
    outcome: Option<&'static str>,
    end: Option<&'a RecordedEnd>,
    rule: Option<&'a str>,
    times: Option<u64>,
}

fn text(text: Option<&str>) -> SqlCell<'_> {
    text.map_or(SqlCell::Null, SqlCell::Text)
}

/// What AWS or the way to it said of a call that failed, and what one that succeeded created.
fn told(outcome: &ActionOutcome) -> (Option<&str>, Option<&[String]>) {
    match outcome {
        ActionOutcome::Succeeded { created } => (None, Some(created)),
        ActionOutcome::Refused { message, .. } | ActionOutcome::Unknown { message } => (Some(message), None),
    }
}

/// An array of texts.
fn json<'a>(texts: impl Iterator<Item = &'a str>) -> String {
    serde_json::Value::Array(texts.map(serde_json::Value::from).collect()).to_string()
}
