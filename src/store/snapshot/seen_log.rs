//! The log as somebody reads it who does not see everything.
//!
//! A record goes by the tags that its resource had before and after it. One that brings a resource into sight reads as its
//! appearance, one that takes it out of sight as its removal. Of a call only the visible targets are told, and where others are
//! hidden, nothing that may name them.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use super::{ReadError, Snapshot};
use crate::model::{ActionId, ActionOutcome, Event, Evidence, Recorded, ResourceId, Scope, Seq, Timestamp};
use crate::policy::VisiblePart;
use crate::policy::grant::tagged_as;
use crate::store::derived::subjects;

/// How many records are read in one go.
const STEP: usize = 500;
/// How many records before the end of an action its request is looked for, besides those of first sweeps.
const NEAR: usize = 2_000;
/// How many of all records, those of first sweeps included.
const FAR: usize = 50_000;

/// Where a walk over the log goes.
#[derive(Clone, Copy)]
pub(super) enum Along<'i> {
    /// From this record on (inclusive).
    From(Option<&'i ResourceId>, Seq),
    /// Before this record (exclusive), newest first.
    Before(Option<&'i ResourceId>, Seq),
}

impl<'i> Along<'i> {
    /// Whether what can be seen of a record belongs there: of a call, the resource may be the target that is hidden.
    fn is_about(self, record: &Recorded) -> bool {
        self.of().is_none_or(|id| subjects(&record.event).contains(id))
    }

    /// The resource whose history it is; `None` for the log.
    fn of(self) -> Option<&'i ResourceId> {
        let (Along::From(of, _) | Along::Before(of, _)) = self;
        of
    }

    /// The same way from another record on.
    fn at(self, seq: Seq) -> Self {
        match self {
            Along::From(of, _) => Along::From(of, seq),
            Along::Before(of, _) => Along::Before(of, seq),
        }
    }

    /// Where to go on after a record.
    fn after(self, seq: Seq) -> Seq {
        match self {
            Along::From(..) => seq.next(),
            Along::Before(..) => seq,
        }
    }
}

impl Snapshot {
    /// At most `limit` records that the reader sees.
    pub(super) fn limited_records(&self, mut along: Along<'_>, limit: usize) -> Result<Vec<Recorded>, ReadError> {
        let step = limit.clamp(1, STEP);
        let mut found = Vec::new();
        while found.len() < limit {
            let (page, next) = self.raw_step(along, step)?;
            let mut records = self.seen_records(page, along, along.of().is_some())?;
            let turns = self.turns_of_part(along, next)?;
            if !turns.is_empty() {
                records.extend(turns);
                records.sort_unstable_by_key(|record| record.seq);
                if matches!(along, Along::Before(..)) {
                    records.reverse();
                }
            }
            found.extend(records);
            let Some(next) = next else { break };
            along = along.at(next);
        }
        found.truncate(limit);
        Ok(found)
    }

    /// Those of the next `size` records that the reader sees, as the log tells them to who reads it as a whole, and where to go on;
    /// `None` where there are no more.
    pub(super) fn limited_step(
        &self,
        along: Along<'_>,
        size: usize,
    ) -> Result<(Vec<Recorded>, Option<Seq>), ReadError> {
        let (page, next) = self.raw_step(along, size)?;
        Ok((self.seen_records(page, along, false)?, next))
    }

    /// The next `size` records, whoever sees them, and where to go on; `None` where there are no more.
    fn raw_step(&self, along: Along<'_>, size: usize) -> Result<(Vec<Recorded>, Option<Seq>), ReadError> {
        let raw = self.unlimited();
        let page = match along {
            Along::From(None, from) => raw.records(from, size)?,
            Along::From(Some(id), from) => raw.timeline(id, from, size)?,
            Along::Before(None, before) => raw.records_before(before, size)?,
            Along::Before(Some(id), before) => raw.timeline_before(id, before, size)?,
        };
        let next = page.last().filter(|_| page.len() >= size).map(|last| along.after(last.seq));
        Ok((page, next))
    }

    /// What the reader sees of these records, in a resource's own history or in the log.
    fn seen_records(&self, page: Vec<Recorded>, along: Along<'_>, is_own: bool) -> Result<Vec<Recorded>, ReadError> {
        let mut found = Vec::new();
        for record in page {
            match self.seen_in(record, is_own) {
                Ok(Some(record)) if along.is_about(&record) => found.push(record),
                Ok(_) | Err(ReadError::Damaged(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(found)
    }

    /// The events by which a part of a resource comes into sight and goes out of it with that resource, up to where the next step
    /// begins. They belong to its own history: in the log that record tells of the resource.
    fn turns_of_part(&self, along: Along<'_>, next: Option<Seq>) -> Result<Vec<Recorded>, ReadError> {
        let (Along::From(_, start) | Along::Before(_, start)) = along;
        let (Some(sight), Some(id)) = (self.sight(), along.of().filter(|id| tagged_as(&id.kind).is_some())) else {
            return Ok(Vec::new());
        };
        if sight.reach(id) != VisiblePart::ByTags {
            return Ok(Vec::new());
        }
        let is_within = |seq: Seq| match along {
            Along::From(..) => seq >= start && next.is_none_or(|next| seq < next),
            Along::Before(..) => seq < start && next.is_none_or(|next| seq >= next),
        };
        let (raw, spells, mut found) = (self.unlimited(), self.spells(sight, id, self.seq())?, Vec::new());
        for (seq, _) in spells.turns.iter().filter(|(seq, _)| is_within(*seq) && *seq > self.horizon()) {
            let (before, after) = (spells.around(Seq(seq.0.saturating_sub(1))), spells.around(*seq));
            if before == after {
                continue;
            }
            let (record, appearance) = match (raw.record(*seq), self.appearance(id, *seq)) {
                (Ok(record), Ok(Some(appearance))) => (record, appearance),
                (Ok(_), Ok(None)) | (Err(ReadError::Damaged(_)), _) | (_, Err(ReadError::Damaged(_))) => continue,
                (Err(error), _) | (_, Err(error)) => return Err(error),
            };
            let removal = || Event::Removed { id: id.clone(), at: record.recorded_at };
            let event = if after { appearance } else { removal() };
            found.push(Recorded { event, ..record });
        }
        Ok(found)
    }

    /// What the reader sees of a record of the log; `None` where that is nothing.
    pub(super) fn seen_record(&self, record: Recorded) -> Result<Option<Recorded>, ReadError> {
        self.seen_in(record, false)
    }

    /// What the reader sees of a record of a resource's own history, or of the log.
    fn seen_in(&self, record: Recorded, is_own: bool) -> Result<Option<Recorded>, ReadError> {
        if self.sight().is_none() {
            return Ok(Some(record));
        }
        match record.event {
            Event::Discovered { .. } | Event::Changed { .. } | Event::Removed { .. } | Event::Remapped { .. } => {
                self.seen_change(record, is_own)
            }
            Event::ActionFinished { action, .. } => self.seen_end(action, record),
            Event::ActionRequested { .. }
            | Event::Called { .. }
            | Event::ActionRefused { .. }
            | Event::ActionConfirmed { .. } => self.seen_call(record),
        }
    }

    fn seen_change(&self, record: Recorded, is_own: bool) -> Result<Option<Recorded>, ReadError> {
        let (Some(sight), Some(id)) = (self.sight(), record.event.resource()) else { return Ok(None) };
        match sight.reach(id) {
            VisiblePart::Nothing => return Ok(None),
            VisiblePart::All => return Ok(Some(record)),
            VisiblePart::ByTags => {}
        }
        let after = self.admits_at(id, record.seq)?;
        let before = match &record.event {
            // It came into sight by a record of what it is a part of, so that in the log its own next record shows it first.
            Event::Changed { .. } | Event::Remapped { .. } if !is_own && tagged_as(&id.kind).is_some() => {
                let last = self.unlimited().timeline_before(id, record.seq, 1)?;
                after && self.admits_at(id, last.first().map_or(self.horizon(), |last| last.seq))?
            }
            _ => self.admits_at(id, Seq(record.seq.0.saturating_sub(1)))?,
        };
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

    fn seen_call(&self, mut record: Recorded) -> Result<Option<Recorded>, ReadError> {
        let (seq, count) = (record.seq, record.event.targets().len());
        if let (Some(sight), Event::ActionRequested { action, .. }) = (self.sight(), &record.event) {
            sight.note_request(*action, seq);
        }
        let mut seen = Vec::new();
        for target in record.event.targets() {
            if self.admits_around(target, seq)? {
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
                *rule = self.visibility().masked_rule(rule);
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

    /// What the reader sees of the end of an action: nothing where no target of its request is visible, and where only some are,
    /// neither what AWS said of it nor what is hidden of what it created.
    fn seen_end(&self, action: ActionId, mut record: Recorded) -> Result<Option<Recorded>, ReadError> {
        let Some(request) = self.request_of(action, record.seq)? else { return Ok(None) };
        let targets = request.event.targets();
        let (count, scopes): (usize, BTreeSet<Scope>) =
            (targets.len(), targets.iter().map(ResourceId::scope).collect());
        let Some(seen) = self.seen_call(request)? else { return Ok(None) };
        let Event::ActionFinished { outcome, request_id, .. } = &mut record.event else { return Ok(Some(record)) };
        if seen.event.targets().len() < count {
            *request_id = None;
            match outcome {
                ActionOutcome::Succeeded { created } => {
                    *created = self.seen_of_created(std::mem::take(created), &scopes, record.seq)?;
                }
                // It may name any of the targets.
                ActionOutcome::Refused { message, .. } | ActionOutcome::Unknown { message } => message.clear(),
            }
        } else if let ActionOutcome::Refused { message, .. } | ActionOutcome::Unknown { message } = outcome {
            *message = self.visibility().masked(message);
        }
        Ok(Some(record))
    }

    /// Those of these ids that are of a resource in one of the scopes that the reader sees.
    fn seen_of_created(
        &self,
        created: Vec<String>,
        scopes: &BTreeSet<Scope>,
        seq: Seq,
    ) -> Result<Vec<String>, ReadError> {
        let mut seen = Vec::new();
        if created.is_empty() {
            return Ok(seen);
        }
        let raw = self.unlimited();
        let mut held = raw.whole().counts()?;
        held.retain(|(_, scope, _)| scopes.contains(scope));
        for created in created {
            for (kind, scope, _) in &held {
                let id = ResourceId::new(scope, kind, created.as_str());
                let is_known = raw.digest_of(&id)?.is_some() || raw.tombstone(&id)?.is_some();
                if is_known && self.admits_around(&id, seq)? {
                    seen.push(created);
                    break;
                }
            }
        }
        Ok(seen)
    }

    /// The whole request of an action that ended with the record `end`; `None` where it is not found.
    fn request_of(&self, action: ActionId, end: Seq) -> Result<Option<Recorded>, ReadError> {
        let (raw, Some(sight)) = (self.unlimited(), self.sight()) else { return Ok(None) };
        let is_it = |record: &Recorded| matches!(&record.event, Event::ActionRequested { action: begun, .. } if *begun == action);
        match sight.request(action) {
            Some(Seq::ZERO) => return Ok(None),
            Some(seq) => match raw.record(seq) {
                Ok(record) if is_it(&record) => return Ok(Some(record)),
                Ok(_) | Err(ReadError::Damaged(_)) => {}
                Err(error) => return Err(error),
            },
            None => {}
        }
        let (mut found, mut opened) = (None, 0);
        raw.each_sealed_before(end, FAR, |sealed| {
            if sealed.baseline().is_some() {
                return ControlFlow::Continue(());
            }
            opened += 1;
            let record = sealed.open();
            if let Some(Recorded { seq, event: Event::ActionRequested { action: begun, .. }, .. }) = &record {
                sight.note_request(*begun, *seq);
            }
            found = record.filter(is_it);
            if found.is_some() || opened == NEAR { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        if found.is_none() {
            sight.note_request(action, Seq::ZERO);
        }
        Ok(found)
    }

    /// When a record was made that a reader may not see: the numbers and times of records are no secret.
    ///
    /// # Errors
    /// When the store cannot be read, or there is no such record.
    pub fn moment_of(&self, seq: Seq) -> Result<Timestamp, ReadError> {
        Ok(self.unlimited().record(seq)?.recorded_at)
    }
}
