//! Reads the log: records, timelines, and past states.

use redb::{AccessGuard, ReadableTable, StorageError};

use super::seen_log::Along;
use super::{ReadError, Snapshot, TombstonePage};
use crate::model::known::{Tombstone, fold};
use crate::model::{Current, Kind, Recorded, ResourceId, Seq, Timestamp};
use crate::store::codec::{self, DiskLedger, RecordFault};
use crate::store::derived::subjects;
use crate::store::keys;
use crate::store::tables::{BASE, BY_RESOURCE, TOMBSTONES};

/// An entry of `events`, as redb returns it.
pub(super) type LogEntry<'t> = Result<(AccessGuard<'t, u64>, AccessGuard<'t, &'static [u8]>), StorageError>;

/// An entry of `by_resource`, as redb returns it.
type PlaceEntry<'t> = Result<(AccessGuard<'t, &'static [u8]>, AccessGuard<'t, ()>), StorageError>;

/// Records, and where to go on if there may be more than these.
fn with_next(found: Vec<Recorded>, size: usize) -> (Vec<Recorded>, Option<Seq>) {
    let next = found.last().filter(|_| found.len() >= size).map(|last| last.seq.next());
    (found, next)
}

impl Snapshot {
    /// The newest record that is folded and can no longer be read; [`Seq::ZERO`] while all can.
    #[must_use]
    pub fn horizon(&self) -> Seq {
        Seq(self.0.ledger.horizon)
    }

    /// Whether every record that was committed at `at` or later can still be read. Records are folded in their order, so the time of the
    /// last that was tells, and no time of those that are kept: if a clock was set back, one may be earlier.
    #[must_use]
    pub fn holds_since(&self, at: Timestamp) -> bool {
        let DiskLedger { horizon, horizon_at, .. } = self.0.ledger;
        horizon == 0 || Timestamp::from_millis(horizon_at) < at
    }

    /// The earliest time whose state is known: the commit time of the record at the horizon or else of the first record, or an
    /// earlier time at which a later record was committed; `None` while there is no record.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn earliest(&self) -> Result<Option<Timestamp>, ReadError> {
        let DiskLedger { seq, horizon, horizon_at, .. } = self.0.ledger;
        if seq == 0 {
            return Ok(None);
        }
        // If a clock was set back since, a later record may have an earlier time.
        let kept = self.0.times.first()?.map(|(at, _)| keys::time_of(at.value()));
        let folded = (horizon > 0).then(|| Timestamp::from_millis(horizon_at));
        Ok(kept.into_iter().chain(folded).min())
    }

    /// A time at which everything in this state was known: after the newest record, and after the last scope stopped being watched.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn newest_time(&self) -> Result<Timestamp, ReadError> {
        let newest = self.0.times.last()?.map(|(at, _)| keys::time_of(at.value()));
        let given_up = self.retired().values().copied().max();
        let newest = newest.into_iter().chain(given_up).max().unwrap_or_default();
        Ok(newest + std::time::Duration::from_millis(1))
    }

    /// The last record committed up to `at`; `None` if that is before [`Snapshot::earliest`].
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn seq_at(&self, at: Timestamp) -> Result<Option<Seq>, ReadError> {
        match self.last_time(at)? {
            Some((_, seq)) => Ok(Some(seq)),
            None if self.horizon() > Seq::ZERO && at >= Timestamp::from_millis(self.0.ledger.horizon_at) => {
                Ok(Some(self.horizon()))
            }
            None => Ok(None),
        }
    }

    /// The last entry of `times` up to `until`: a time, and the newest record committed then.
    pub(in crate::store) fn last_time(&self, until: Timestamp) -> Result<Option<(Timestamp, Seq)>, ReadError> {
        let last = self.0.times.range(..=keys::time(until))?.next_back().transpose()?;
        Ok(last.map(|(at, seq)| (keys::time_of(at.value()), Seq(seq.value()))))
    }

    /// Whether a record's time comes from a clock that was ahead: a later commit has an earlier time. Queries about the past use
    /// the later record's time.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn is_dated_ahead(&self, record: &Recorded) -> Result<bool, ReadError> {
        let last = self.last_time(record.recorded_at)?;
        Ok(last.is_some_and(|(at, seq)| at < record.recorded_at && seq >= record.seq))
    }

    /// The state of a resource after record `seq`, which must not be before the horizon; `None` if it did not exist. Reads only the
    /// resource's own records up to `seq`, and none if nothing happened to it since.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn past(&self, id: &ResourceId, seq: Seq) -> Result<Option<Current>, ReadError> {
        if self.sight().is_some() {
            return if self.admits_at(id, seq)? { self.unlimited().past(id, seq) } else { Ok(None) };
        }
        if let Some(now) = self.changed(id)?
            && now <= seq
        {
            return self.current(id);
        }
        let mut current = self.base(id)?;
        self.each_of(id, Seq::ZERO, seq, |record| current = fold(current.take(), &record))?;
        Ok(current)
    }

    /// The record that last changed a resource; `None` if the resource is not in the store.
    fn changed(&self, id: &ResourceId) -> Result<Option<Seq>, ReadError> {
        let key = keys::resource(id);
        let Some(bytes) = self.0.rows.get(key.as_slice())? else { return Ok(None) };
        match codec::decode_head(&key, bytes.value()) {
            Ok(head) => Ok(Some(Seq(head.changed))),
            // The current state of the resource has the same information.
            Err(error) => {
                self.0.damages.note(&key, Some(id), &error);
                Ok(self.current(id)?.map(|current| current.changed))
            }
        }
    }

    /// The state of a resource at the horizon.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn base(&self, id: &ResourceId) -> Result<Option<Current>, ReadError> {
        if self.sight().is_some() {
            return if self.admits_at(id, self.horizon())? { self.unlimited().base(id) } else { Ok(None) };
        }
        let key = keys::resource(id);
        #[cfg(test)]
        self.looking_up("base");
        let Some(bytes) = self.0.base.get(key.as_slice())? else { return Ok(None) };
        let base = codec::decode_known(BASE, &key, bytes.value()).map_err(ReadError::from);
        let base = base.and_then(|known| self.with_body(known));
        Ok(Some(base.inspect_err(|error| self.note(id, &key, error))?))
    }

    /// Shows `visit` the records of a resource from seq `from` to seq `to`, both inclusive, in order.
    fn each_of(&self, id: &ResourceId, from: Seq, to: Seq, mut visit: impl FnMut(Recorded)) -> Result<(), ReadError> {
        let resource = keys::resource(id);
        let (start, end) = (keys::place(&resource, from), keys::place(&resource, to));
        let mut reader = keys::KeyReader::default();
        for entry in self.0.by_resource.range(start.as_slice()..=end.as_slice())? {
            visit(self.record_of(id, entry?.0.value(), &mut reader)?);
        }
        Ok(())
    }

    /// Shows `visit` all records of a resource that can still be read, in order; `None` for one that cannot.
    pub(super) fn each_own(
        &self,
        id: &ResourceId,
        mut visit: impl FnMut(Seq, Option<Recorded>),
    ) -> Result<(), ReadError> {
        #[cfg(test)]
        self.looking_up("timeline");
        let resource = keys::resource(id);
        let (start, end) = (keys::place(&resource, Seq::ZERO), keys::place(&resource, Seq(u64::MAX)));
        let (mut reader, mut place) = (keys::KeyReader::default(), keys::KeyReader::default());
        for entry in self.0.by_resource.range(start.as_slice()..=end.as_slice())? {
            let (key, ()) = entry.map(|(key, _)| (key, ()))?;
            let Some((_, seq)) = place.place(key.value()) else { continue };
            match self.record_of(id, key.value(), &mut reader) {
                Ok(record) => visit(seq, Some(record)),
                Err(ReadError::Damaged(_)) => visit(seq, None),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The record that a link under a resource names. If it cannot be read, or is about another resource, the resource's damage is
    /// noted.
    fn record_of(&self, id: &ResourceId, place: &[u8], reader: &mut keys::KeyReader) -> Result<Recorded, ReadError> {
        #[cfg(test)]
        self.looking_up("record");
        let wrong = || {
            let error = codec::key_fault(BY_RESOURCE, place);
            self.0.damages.note(place, Some(id), &error);
            ReadError::from(error)
        };
        let (_, seq) = reader.place(place).ok_or_else(wrong)?;
        let record = self.record(seq).inspect_err(|error| {
            if let ReadError::Damaged(error) = error {
                self.0.damages.note(&seq.0.to_be_bytes(), Some(id), error);
            }
        })?;
        if subjects(&record.event).contains(id) { Ok(record) } else { Err(wrong()) }
    }

    /// At most `limit` records of the log from seq `from` on (inclusive), in order. Unreadable ones are left out and noted
    /// ([`crate::store::Store::damage`]).
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn records(&self, from: Seq, limit: usize) -> Result<Vec<Recorded>, ReadError> {
        if self.sight().is_some() {
            return self.limited_records(Along::From(None, from), limit);
        }
        self.readable(self.0.events.range(from.0..)?, limit)
    }

    /// Those of the next `size` records of the log from seq `from` on (inclusive) that the reader sees, in order, and where to go on;
    /// `None` where there are no more. However much is hidden, it reads no more than `size` records.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn records_from(&self, from: Seq, size: usize) -> Result<(Vec<Recorded>, Option<Seq>), ReadError> {
        if self.sight().is_some() {
            return self.limited_step(Along::From(None, from), size);
        }
        let found = self.records(from, size)?;
        Ok(with_next(found, size))
    }

    /// At most `limit` records of the log before seq `before` (exclusive), newest first. Unreadable ones are left out and noted.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn records_before(&self, before: Seq, limit: usize) -> Result<Vec<Recorded>, ReadError> {
        if self.sight().is_some() {
            return self.limited_records(Along::Before(None, before), limit);
        }
        self.readable(self.0.events.range(..before.0)?.rev(), limit)
    }

    fn readable<'t>(
        &self,
        entries: impl Iterator<Item = LogEntry<'t>>,
        limit: usize,
    ) -> Result<Vec<Recorded>, ReadError> {
        let mut found = Vec::new();
        for entry in entries {
            if found.len() == limit {
                break;
            }
            let (seq, bytes) = entry?;
            match codec::decode_event(Seq(seq.value()), bytes.value()) {
                Ok(record) => found.push(record),
                Err(error) => self.0.damages.note(&seq.value().to_be_bytes(), None, &error),
            }
        }
        Ok(found)
    }

    /// At most `limit` records of a part of a resource's timeline. Unreadable ones are left out and noted.
    fn named<'t>(
        &self,
        id: &ResourceId,
        entries: impl Iterator<Item = PlaceEntry<'t>>,
        limit: usize,
    ) -> Result<Vec<Recorded>, ReadError> {
        let mut reader = keys::KeyReader::default();
        let mut found = Vec::new();
        for entry in entries {
            if found.len() == limit {
                break;
            }
            match self.record_of(id, entry?.0.value(), &mut reader) {
                Ok(record) => found.push(record),
                Err(ReadError::Damaged(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(found)
    }

    /// At most `limit` records that concern a resource, from seq `from` on (inclusive), in order: its own events, and requests of
    /// actions on it. Unreadable ones are left out and noted.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn timeline(&self, id: &ResourceId, from: Seq, limit: usize) -> Result<Vec<Recorded>, ReadError> {
        if self.sight().is_some() {
            return self.limited_records(Along::From(Some(id), from), limit);
        }
        let resource = keys::resource(id);
        let (start, end) = (keys::place(&resource, from), keys::place(&resource, Seq(u64::MAX)));
        self.named(id, self.0.by_resource.range(start.as_slice()..=end.as_slice())?, limit)
    }

    /// The same of a resource's timeline as [`Snapshot::records_from`] of the log.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn timeline_from(
        &self,
        id: &ResourceId,
        from: Seq,
        size: usize,
    ) -> Result<(Vec<Recorded>, Option<Seq>), ReadError> {
        if self.sight().is_some() {
            return self.limited_step(Along::From(Some(id), from), size);
        }
        let found = self.timeline(id, from, size)?;
        Ok(with_next(found, size))
    }

    /// At most `limit` records that concern a resource before seq `before` (exclusive), newest first. Unreadable ones are left out
    /// and noted.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn timeline_before(&self, id: &ResourceId, before: Seq, limit: usize) -> Result<Vec<Recorded>, ReadError> {
        if self.sight().is_some() {
            return self.limited_records(Along::Before(Some(id), before), limit);
        }
        let resource = keys::resource(id);
        let (start, end) = (keys::place(&resource, Seq::ZERO), keys::place(&resource, before));
        self.named(id, self.0.by_resource.range(start.as_slice()..end.as_slice())?.rev(), limit)
    }

    /// What is left of those resources of a kind that are gone, in key order, after `after`, and after which to go on; `None` where
    /// there are no more. However much is hidden, it looks at no more than `size` removed resources and as many others.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn tombstones_after(
        &self,
        kind: &Kind,
        after: Option<&ResourceId>,
        size: usize,
    ) -> Result<TombstonePage, ReadError> {
        if self.sight().is_some() {
            return self.limited_tombstone_page(kind, after, size);
        }
        let gone = self.tombstones(kind, after, size)?;
        let next = gone.last().filter(|_| gone.len() >= size).map(|(id, _)| id.clone());
        Ok(TombstonePage { gone, next })
    }

    /// At most `limit` removed resources of a kind, in key order, after `after`: each with its tombstone. Unreadable ones are left
    /// out and noted.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn tombstones(
        &self,
        kind: &Kind,
        after: Option<&ResourceId>,
        limit: usize,
    ) -> Result<Vec<(ResourceId, Tombstone)>, ReadError> {
        if self.sight().is_some() {
            return self.limited_tombstones(kind, after, limit);
        }
        let prefix = keys::of_kind(kind);
        let end = keys::past(&prefix);
        let start = match after {
            Some(after) => keys::next(&keys::resource(after)).max(prefix),
            None => prefix,
        };
        let mut reader = keys::KeyReader::default();
        let mut found = Vec::new();
        if start >= end {
            return Ok(found);
        }
        for entry in self.0.tombstones.range(start.as_slice()..end.as_slice())? {
            if found.len() == limit {
                break;
            }
            let (key, bytes) = entry?;
            let Some(id) = reader.resource(key.value()) else {
                self.0.damages.note(key.value(), None, &codec::key_fault(TOMBSTONES, key.value()));
                continue;
            };
            if !self.1.is_empty() && self.leaves_out(&id.scope()) {
                continue;
            }
            match codec::decode_tombstone(key.value(), bytes.value()) {
                Ok(tombstone) => found.push((id, tombstone)),
                Err(error) => self.0.damages.note(key.value(), Some(&id), &error),
            }
        }
        Ok(found)
    }

    /// When the record at `seq` was committed; `None` when it is folded away. Reads nothing else of it.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn time_of(&self, seq: Seq) -> Result<Option<Timestamp>, ReadError> {
        let Some(bytes) = self.0.events.get(seq.0)? else { return Ok(None) };
        Ok(Some(codec::decode_time(seq, bytes.value())?))
    }

    /// The record at `seq`, which something points to.
    ///
    /// # Errors
    /// If the store cannot be read, or the record does not exist.
    pub fn record(&self, seq: Seq) -> Result<Recorded, ReadError> {
        if self.sight().is_some() {
            let seen = self.seen_record(self.unlimited().record(seq)?)?;
            return seen.ok_or_else(|| codec::event_fault(seq, RecordFault::Missing).into());
        }
        match self.0.events.get(seq.0)? {
            Some(bytes) => Ok(codec::decode_event(seq, bytes.value())?),
            None => Err(codec::event_fault(seq, RecordFault::Missing).into()),
        }
    }
}
