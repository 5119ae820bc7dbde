//! Fills the table of changes from the log: a row a difference, and one for what came, went or was done.

use std::collections::BTreeSet;

use super::filling::Filling;
use super::inserter::Inserter;
use crate::kinds::{self, KINDS};
use crate::model::difference::differences;
use crate::model::{ActionOutcome, Cause, Event, Recorded, ResourceId, Seq, Timestamp, Value};
use crate::query::changes::CauseKind;
use crate::query::moment;
use crate::query::sql::cell::{ColumnForm, SqlCell};
use crate::query::sql::narrow::NarrowTerms;
use crate::query::sql::{SqlError, times};

/// What bounds the table besides time and seq.
const BY: &str = " or id";
/// How many records one statement may read.
pub(super) const RECORDS: usize = if cfg!(test) { 20 } else { 20_000 };
/// How many are read between two looks at the clock.
pub(super) const STEP: usize = if cfg!(test) { 3 } else { 500 };

pub(super) fn fill(filling: &Filling<'_>, terms: &NarrowTerms, into: &mut Inserter<'_, '_>) -> Result<(), SqlError> {
    if !terms.is_bound() {
        return Err(SqlError::Unbounded { table: "change", by: BY });
    }
    let (first, last) = bounds(filling, terms)?;
    let mut count = 0;
    let mut show = |records: &[Recorded]| {
        count += records.len();
        if (filling.expired)() {
            return Err(SqlError::Time);
        }
        if count > RECORDS {
            return Err(SqlError::TooManyRecords { most: RECORDS, table: "change", by: BY });
        }
        records.iter().try_for_each(|record| rows(filling, record, into))
    };
    if let Some(ids) = terms.sets.get("id") {
        let mut seen = BTreeSet::new();
        for subject in subjects(filling, ids)? {
            let mut from = Some(first);
            while let Some(next) = from.filter(|next| *next <= last) {
                let (mut records, then) = filling.snapshot.timeline_from(&subject, next, STEP)?;
                from = then;
                // What an action was about stands in the timelines of all that it was about.
                records.retain(|record| record.seq <= last && seen.insert(record.seq));
                show(&records)?;
            }
        }
    } else {
        let mut from = Some(first);
        while let Some(next) = from.filter(|next| *next <= last) {
            let (mut records, then) = filling.snapshot.records_from(next, STEP)?;
            from = then;
            records.retain(|record| record.seq <= last);
            show(&records)?;
        }
    }
    Ok(())
}

/// The first and the last record that can be wanted.
pub(super) fn bounds(filling: &Filling<'_>, terms: &NarrowTerms) -> Result<(Seq, Seq), SqlError> {
    let mut first = filling.snapshot.horizon().next();
    let mut last = filling.point.seq;
    if let Some(seq) = terms.seqs.0 {
        first = first.max(Seq(seq));
    }
    if let Some(seq) = terms.seqs.1 {
        last = last.min(Seq(seq));
    }
    if let Some(at) = terms.times.0.as_deref().and_then(parsed) {
        // Later than now there is nothing, and what is earlier than the log begins with it.
        let (earliest, newest) = (filling.snapshot.earliest()?.unwrap_or_default(), filling.snapshot.newest_time()?);
        if at > newest {
            return Ok((last.next(), last));
        }
        if at > earliest {
            first = first.max(moment::before(&filling.snapshot, at, newest)?.next());
        }
    }
    if let Some(at) = terms.times.1.as_deref().and_then(parsed)
        && let Some(seq) = filling.snapshot.seq_at(at + std::time::Duration::from_secs(1))?
    {
        last = last.min(seq);
    }
    Ok((first, last))
}

/// A bound as a time: what tables hold, or only the beginning of it.
fn parsed(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    let padded = match text.len() {
        10 => format!("{text}T00:00:00Z"),
        16 => format!("{}:00Z", text.replacen(' ', "T", 1)),
        _ => format!("{}Z", text.replacen(' ', "T", 1).trim_end_matches('Z')),
    };
    Timestamp::parse(&padded)
}

/// Every resource that an id can name.
fn subjects(filling: &Filling<'_>, ids: &BTreeSet<String>) -> Result<Vec<ResourceId>, SqlError> {
    let scopes = filling.snapshot.scopes()?;
    let mut found = Vec::new();
    for id in ids {
        for kind in KINDS.iter().filter(|kind| kinds::may_have(kind, id)) {
            found.extend(scopes.iter().map(|scope| ResourceId::new(scope, &kind.kind(), id.as_str())));
        }
    }
    Ok(found)
}

/// The rows of a record.
fn rows(filling: &Filling<'_>, record: &Recorded, into: &mut Inserter<'_, '_>) -> Result<(), SqlError> {
    let what = record.event.word();
    let mut put = |id: &ResourceId, path: SqlCell<'_>, before: SqlCell<'_>, after: SqlCell<'_>, call: Option<&str>| {
        if !filling.visible.sees(id) {
            return Ok(());
        }
        let kind = kinds::of(&id.kind).map_or(id.kind.as_str(), |kind| kind.slug);
        let (who, named) = who(&record.cause);
        into.row(&[
            SqlCell::Owned(times::of(record.recorded_at)),
            SqlCell::Int(i64::try_from(record.seq.0).unwrap_or(i64::MAX)),
            SqlCell::Text(kind),
            SqlCell::Text(&id.id),
            SqlCell::Text(id.account.as_str()),
            SqlCell::Text(id.region.as_str()),
            SqlCell::Text(what),
            path,
            before,
            after,
            SqlCell::Text(CauseKind::of(&record.cause).name()),
            who.map_or(SqlCell::Null, SqlCell::Text),
            call.or(named).map_or(SqlCell::Null, SqlCell::Text),
        ])
    };
    match &record.event {
        Event::Changed { id, changes, .. } | Event::Remapped { id, changes, .. } => {
            for difference in changes.iter().flat_map(differences) {
                let (before, after) = (value(difference.before.as_ref()), value(difference.after.as_ref()));
                put(id, SqlCell::Owned(difference.path()), before, after, None)?;
            }
            Ok(())
        }
        Event::Discovered { id, .. } | Event::Removed { id, .. } => {
            put(id, SqlCell::Null, SqlCell::Null, SqlCell::Null, None)
        }
        Event::ActionRequested { tool, targets, .. } => {
            targets.iter().try_for_each(|id| put(id, SqlCell::Null, SqlCell::Null, SqlCell::Null, Some(tool)))
        }
        Event::Called { targets, .. } => {
            targets.iter().try_for_each(|id| put(id, SqlCell::Null, SqlCell::Null, SqlCell::Null, None))
        }
        Event::ActionRefused { attempt, .. } | Event::ActionConfirmed { attempt, .. } => {
            let call = Some(attempt.tool.as_str());
            attempt.targets.iter().try_for_each(|id| put(id, SqlCell::Null, SqlCell::Null, SqlCell::Null, call))
        }
        // It does not say on what: `action` has a row that does.
        Event::ActionFinished { outcome, .. } => finished(record, outcome, into),
    }
}

/// The end of a tool's call, which is about no single resource.
fn finished(record: &Recorded, outcome: &ActionOutcome, into: &mut Inserter<'_, '_>) -> Result<(), SqlError> {
    let mut cells: Vec<SqlCell<'_>> = vec![
        SqlCell::Owned(times::of(record.recorded_at)),
        SqlCell::Int(i64::try_from(record.seq.0).unwrap_or(i64::MAX)),
    ];
    // Kind, id, account and region.
    cells.extend(std::iter::repeat_n(SqlCell::Null, 4));
    cells.push(SqlCell::Text(record.event.word()));
    // The path, and what was before.
    cells.extend(std::iter::repeat_n(SqlCell::Null, 2));
    cells.push(SqlCell::Text(outcome.word()));
    cells.push(SqlCell::Text(CauseKind::of(&record.cause).name()));
    cells.push(who(&record.cause).0.map_or(SqlCell::Null, SqlCell::Text));
    cells.push(SqlCell::Null);
    into.row(&cells)
}

fn value(value: Option<&Value>) -> SqlCell<'_> {
    SqlCell::field(value, ColumnForm::Text)
}

/// Who brought it about, and by which call, as far as the record says.
fn who(cause: &Cause) -> (Option<&str>, Option<&str>) {
    match cause {
        Cause::Call { call, .. } => (Some(&call.actor), Some(&call.name)),
        Cause::Tool { .. } | Cause::Attempt => (Some("Muster"), None),
        _ => (None, None),
    }
}
