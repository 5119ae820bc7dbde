//! The log as somebody reads it who does not see everything.
//!
//! A record goes by the tags that its resource had before and after it. One that brings a resource into sight reads as its
//! appearance, one that takes it out of sight as its removal. Of a call only the visible targets are told, and where others are
//! hidden, nothing that may name them.

use super::{ReadError, Snapshot};
use crate::model::{ActionId, Event, Evidence, Recorded, ResourceId, Seq, Timestamp};
use crate::policy::Reach;
use crate::store::derived::subjects;
use crate::store::sight::tags_in;

/// How many records are read in one go.
const STEP: usize = 500;
/// How many records before the end of an action its beginning is looked for.
const NEAR: usize = 2_000;

/// Where a walk over the log goes.
#[derive(Clone, Copy)]
pub(super) enum Along<'i> {
    /// From this record on (inclusive).
    From(Option<&'i ResourceId>, Seq),
    /// Before this record (exclusive), newest first.
    Before(Option<&'i ResourceId>, Seq),
}

impl Along<'_> {
    /// Whether what can be seen of a record belongs there: of a call, the resource may be the target that is hidden.
    fn is_about(self, record: &Recorded) -> bool {
        let (Along::From(of, _) | Along::Before(of, _)) = self;
        of.is_none_or(|id| subjects(&record.event).contains(id))
    }
}

impl Snapshot {
    /// At most `limit` records that the reader sees.
    pub(super) fn limited_records(&self, mut along: Along<'_>, limit: usize) -> Result<Vec<Recorded>, ReadError> {
        let raw = self.unlimited();
        let step = limit.clamp(1, STEP);
        let mut found = Vec::new();
        while found.len() < limit {
            let page = match along {
                Along::From(None, from) => raw.records(from, step)?,
                Along::From(Some(id), from) => raw.timeline(id, from, step)?,
                Along::Before(None, before) => raw.records_before(before, step)?,
                Along::Before(Some(id), before) => raw.timeline_before(id, before, step)?,
            };
            let (is_last, last) = (page.len() < step, page.last().map(|record| record.seq));
            for record in page {
                match self.seen_record(record) {
                    Ok(Some(record)) if found.len() < limit && along.is_about(&record) => found.push(record),
                    Ok(_) | Err(ReadError::Damaged(_)) => {}
                    Err(error) => return Err(error),
                }
            }
            let Some(last) = last.filter(|_| !is_last) else { break };
            along = match along {
                Along::From(id, _) => Along::From(id, last.next()),
                Along::Before(id, _) => Along::Before(id, last),
            };
        }
        Ok(found)
    }

    /// What the reader sees of a record; `None` where that is nothing.
    pub(super) fn seen_record(&self, record: Recorded) -> Result<Option<Recorded>, ReadError> {
        if self.sight().is_none() {
            return Ok(Some(record));
        }
        match record.event {
            Event::Discovered { .. } | Event::Changed { .. } | Event::Removed { .. } | Event::Remapped { .. } => {
                self.seen_change(record)
            }
            Event::ActionFinished { action, .. } => {
                Ok(if self.sees_action(action, record.seq)? { Some(record) } else { None })
            }
            Event::ActionRequested { .. }
            | Event::Called { .. }
            | Event::ActionRefused { .. }
            | Event::ActionConfirmed { .. } => self.seen_call(record),
        }
    }

    fn seen_change(&self, record: Recorded) -> Result<Option<Recorded>, ReadError> {
        let (Some(sight), Some(id)) = (self.sight(), record.event.resource()) else { return Ok(None) };
        match sight.reach(id) {
            Reach::Nothing => return Ok(None),
            Reach::All => return Ok(Some(record)),
            Reach::ByTags => {}
        }
        let before = self.admits_at(id, Seq(record.seq.0.saturating_sub(1)))?;
        let after = self.admits_at(id, record.seq)?;
        Ok(match (&record.event, before, after) {
            (Event::Removed { .. }, true, _)
            | (Event::Discovered { .. }, _, true)
            | (Event::Changed { .. } | Event::Remapped { .. }, true, true) => Some(record),
            (Event::Changed { .. } | Event::Remapped { .. }, false, true) => {
                let event = self.appearance(id, record.seq)?;
                event.map(|event| Recorded { event, ..record })
            }
            // It is there, with other tags.
            (_, true, false) => {
                let event = Event::Removed { id: id.clone(), at: record.recorded_at };
                Some(Recorded { event, ..record })
            }
            _ => None,
        })
    }

    /// The event by which a resource comes into sight after a record.
    fn appearance(&self, id: &ResourceId, seq: Seq) -> Result<Option<Event>, ReadError> {
        let Some(then) = self.unlimited().past(id, seq)? else { return Ok(None) };
        let evidence: Evidence = then.evidence.tags;
        Ok(Some(Event::Discovered { id: id.clone(), document: then.document, evidence, mapping: then.mapping }))
    }

    /// Whether the reader sees a target of a call that was recorded as `seq`.
    fn sees_target(&self, id: &ResourceId, seq: Seq) -> Result<bool, ReadError> {
        let Some(sight) = self.sight() else { return Ok(true) };
        match sight.reach(id) {
            Reach::Nothing => Ok(false),
            Reach::All => Ok(true),
            Reach::ByTags if self.admits_at(id, seq)? => Ok(true),
            // The record of what the call made may come after that of the call.
            Reach::ByTags => {
                let known = self.unlimited().past(id, seq)?.is_some();
                Ok(!known && self.unlimited().current(id)?.is_some_and(|now| sight.sees(id, &tags_in(&now.document))))
            }
        }
    }

    fn seen_call(&self, mut record: Recorded) -> Result<Option<Recorded>, ReadError> {
        let (seq, count) = (record.seq, record.event.targets().len());
        let mut seen = Vec::new();
        for target in record.event.targets() {
            if self.sees_target(target, seq)? {
                seen.push(target.clone());
            }
        }
        if seen.is_empty() {
            return Ok(None);
        }
        let is_whole = seen.len() == count;
        match &mut record.event {
            Event::ActionRequested { targets, arguments, plan, .. } => {
                *targets = seen;
                if !is_whole {
                    (*arguments, *plan) = (None, None);
                }
            }
            Event::Called { targets, .. } => *targets = seen,
            Event::ActionRefused { attempt, rule, .. } => {
                *rule = crate::policy::write_rule::masked(rule);
                attempt.targets = seen;
                attempt.arguments = attempt.arguments.take().filter(|_| is_whole);
            }
            Event::ActionConfirmed { attempt, plan, .. } => {
                attempt.targets = seen;
                attempt.arguments = attempt.arguments.take().filter(|_| is_whole);
                *plan = plan.take().filter(|_| is_whole);
            }
            _ => {}
        }
        Ok(Some(record))
    }

    /// Whether the reader sees the beginning of an action that ended with the record `end`.
    fn sees_action(&self, action: ActionId, end: Seq) -> Result<bool, ReadError> {
        for record in self.unlimited().records_before(end, NEAR)? {
            if matches!(&record.event, Event::ActionRequested { action: begun, .. } if *begun == action) {
                return Ok(self.seen_call(record)?.is_some());
            }
        }
        Ok(false)
    }

    /// When a record was made that a reader may not see: the numbers and times of records are no secret.
    ///
    /// # Errors
    /// When the store cannot be read, or there is no such record.
    pub fn moment_of(&self, seq: Seq) -> Result<Timestamp, ReadError> {
        Ok(self.unlimited().record(seq)?.recorded_at)
    }
}
