//! Reading the log: records, timelines, and what was known at a point in the past.

use redb::ReadableTable;

use super::{ReadError, Snapshot};
use crate::model::known::{Tombstone, fold};
use crate::model::{Current, Kind, Recorded, ResourceId, Seq, Timestamp};
use crate::store::codec::{self, Fault, Ledger};
use crate::store::keys;
use crate::store::tables::{BY_RESOURCE, TOMBSTONES};

impl Snapshot {
    /// Up to where the log is folded away: the newest record that cannot be read any more. [`Seq::ZERO`] while all can.
    #[must_use]
    pub fn horizon(&self) -> Seq {
        Seq(self.0.ledger.horizon)
    }

    /// The earliest time of which the past is known: when the record at the horizon was committed, else the first of all, or
    /// what was committed after these at an earlier time; `None` while there is no record.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn earliest(&self) -> Result<Option<Timestamp>, ReadError> {
        let Ledger { seq, horizon, horizon_at, .. } = self.0.ledger;
        if seq == 0 {
            return Ok(None);
        }
        // A clock that was set back since says less of a record than what was committed after it does.
        let kept = self.0.times.first()?.map(|(at, _)| keys::time_of(at.value()));
        let folded = (horizon > 0).then(|| Timestamp::from_millis(horizon_at));
        Ok(kept.into_iter().chain(folded).min())
    }

    /// The last record that was committed at `at` or before it; `None` when that is before [`Snapshot::earliest`].
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn seq_at(&self, at: Timestamp) -> Result<Option<Seq>, ReadError> {
        let before = self.0.times.range(..=keys::time(at))?.next_back();
        match before {
            Some(entry) => Ok(Some(Seq(entry?.1.value()))),
            None if self.horizon() > Seq::ZERO && at >= Timestamp::from_millis(self.0.ledger.horizon_at) => {
                Ok(Some(self.horizon()))
            }
            None => Ok(None),
        }
    }

    /// What was known of a resource after record `seq`, which must not lie before the horizon; `None` when it was not there.
    /// Reads nothing but the resource's own records up to `seq`, and not even these when nothing happened to it since.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn past(&self, id: &ResourceId, seq: Seq) -> Result<Option<Current>, ReadError> {
        if let Some(now) = self.changed(id)?
            && now <= seq
        {
            return self.current(id);
        }
        let mut current = self.base(id)?;
        self.each_of(id, Seq::ZERO, seq, |record| current = fold(current.take(), &record))?;
        Ok(current)
    }

    /// The record that changed a resource last; `None` when the store does not hold it.
    fn changed(&self, id: &ResourceId) -> Result<Option<Seq>, ReadError> {
        let key = keys::resource(id);
        let Some(bytes) = self.0.rows.get(key.as_slice())? else { return Ok(None) };
        Ok(Some(Seq(codec::decode_head(&key, bytes.value())?.changed)))
    }

    /// What was known of a resource at the horizon.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn base(&self, id: &ResourceId) -> Result<Option<Current>, ReadError> {
        let key = keys::resource(id);
        let Some(bytes) = self.0.base.get(key.as_slice())? else { return Ok(None) };
        Ok(Some(codec::decode_base(&key, bytes.value())?))
    }

    /// Shows `visit` the records of a resource from seq `from` to seq `to`, both inclusive, in order.
    fn each_of(&self, id: &ResourceId, from: Seq, to: Seq, mut visit: impl FnMut(Recorded)) -> Result<(), ReadError> {
        let resource = keys::resource(id);
        let (start, end) = (keys::place(&resource, from), keys::place(&resource, to));
        let mut reader = keys::Reader::default();
        for entry in self.0.by_resource.range(start.as_slice()..=end.as_slice())? {
            let (key, ()) = (entry?.0, ());
            let (_, seq) = reader.place(key.value()).ok_or_else(|| codec::key_fault(BY_RESOURCE, key.value()))?;
            visit(self.record(seq)?);
        }
        Ok(())
    }

    /// At most `limit` records of the log, from seq `from` on (inclusive), in order.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn records(&self, from: Seq, limit: usize) -> Result<Vec<Recorded>, ReadError> {
        let mut found = Vec::new();
        for entry in self.0.events.range(from.0..)?.take(limit) {
            let (seq, bytes) = entry?;
            found.push(codec::decode_event(Seq(seq.value()), bytes.value())?);
        }
        Ok(found)
    }

    /// At most `limit` records of the log before seq `before` (exclusive), newest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn records_before(&self, before: Seq, limit: usize) -> Result<Vec<Recorded>, ReadError> {
        let mut found = Vec::new();
        for entry in self.0.events.range(..before.0)?.rev().take(limit) {
            let (seq, bytes) = entry?;
            found.push(codec::decode_event(Seq(seq.value()), bytes.value())?);
        }
        Ok(found)
    }

    /// At most `limit` records that concern a resource, from seq `from` on (inclusive), in order: its own events, and the
    /// requests of actions on it.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn timeline(&self, id: &ResourceId, from: Seq, limit: usize) -> Result<Vec<Recorded>, ReadError> {
        let resource = keys::resource(id);
        let (start, end) = (keys::place(&resource, from), keys::place(&resource, Seq(u64::MAX)));
        let mut reader = keys::Reader::default();
        let mut found = Vec::new();
        for entry in self.0.by_resource.range(start.as_slice()..=end.as_slice())?.take(limit) {
            let (key, ()) = (entry?.0, ());
            let (_, seq) = reader.place(key.value()).ok_or_else(|| codec::key_fault(BY_RESOURCE, key.value()))?;
            found.push(self.record(seq)?);
        }
        Ok(found)
    }

    /// At most `limit` records that concern a resource before seq `before` (exclusive), newest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn timeline_before(&self, id: &ResourceId, before: Seq, limit: usize) -> Result<Vec<Recorded>, ReadError> {
        let resource = keys::resource(id);
        let (start, end) = (keys::place(&resource, Seq::ZERO), keys::place(&resource, before));
        let mut reader = keys::Reader::default();
        let mut found = Vec::new();
        for entry in self.0.by_resource.range(start.as_slice()..end.as_slice())?.rev().take(limit) {
            let (key, ()) = (entry?.0, ());
            let (_, seq) = reader.place(key.value()).ok_or_else(|| codec::key_fault(BY_RESOURCE, key.value()))?;
            found.push(self.record(seq)?);
        }
        Ok(found)
    }

    /// At most `limit` resources of a kind that were removed and are remembered, in key order, those after `after`: each with
    /// what is left of it.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn tombstones(
        &self,
        kind: &Kind,
        after: Option<&ResourceId>,
        limit: usize,
    ) -> Result<Vec<(ResourceId, Tombstone)>, ReadError> {
        let prefix = keys::of_kind(kind);
        let end = keys::past(&prefix);
        let start = match after {
            Some(after) => keys::next(&keys::resource(after)).max(prefix),
            None => prefix,
        };
        let mut reader = keys::Reader::default();
        let mut found = Vec::new();
        if start >= end {
            return Ok(found);
        }
        for entry in self.0.tombstones.range(start.as_slice()..end.as_slice())?.take(limit) {
            let (key, bytes) = entry?;
            let id = reader.resource(key.value()).ok_or_else(|| codec::key_fault(TOMBSTONES, key.value()))?;
            found.push((id, codec::decode_tombstone(key.value(), bytes.value())?));
        }
        Ok(found)
    }

    /// The record at `seq`, which something points to.
    ///
    /// # Errors
    /// When the store cannot be read, and when the record is not there.
    pub fn record(&self, seq: Seq) -> Result<Recorded, ReadError> {
        match self.0.events.get(seq.0)? {
            Some(bytes) => Ok(codec::decode_event(seq, bytes.value())?),
            None => Err(codec::event_fault(seq, Fault::Missing).into()),
        }
    }
}
