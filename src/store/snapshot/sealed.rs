//! Walks over the log for readers that need most records only by their beginning: what a first sweep found is a record for each
//! resource, and decoding its document takes twenty times as long as everything else about it.

use std::ops::ControlFlow;

use super::{ReadError, Snapshot};
use crate::model::{AccountId, Kind, Recorded, Region, ResourceId, Scope, Seq};
use crate::store::baseline_record::BaselineRecord;
use crate::store::codec;
use crate::store::damage::Damages;

/// A record that is not decoded yet.
pub struct SealedRecord<'s> {
    /// Its place in the log.
    pub seq: Seq,
    bytes: &'s [u8],
    damages: &'s Damages,
    /// Who reads it, if that is somebody who does not see everything.
    limited: Option<&'s Snapshot>,
}

impl SealedRecord<'_> {
    /// What it says, if a first sweep discovered a resource that the reader sees; `None` for every other record, and where it cannot
    /// be read.
    #[must_use]
    pub fn baseline(&self) -> Option<BaselineRecord<'_>> {
        self.beginning().filter(|(_, is_seen)| *is_seen).map(|(record, _)| record)
    }

    /// What it says, if a first sweep discovered a resource, and whether the reader sees that.
    fn beginning(&self) -> Option<(BaselineRecord<'_>, bool)> {
        let record = codec::decode_baseline(self.seq, self.bytes)?;
        let Some(reader) = self.limited else { return Some((record, true)) };
        let scope = Scope { account: AccountId::new(record.account), region: Region::new(record.region) };
        let id = ResourceId::new(&scope, &Kind::new(record.kind), record.id);
        let is_seen = reader.admits_at(&id, self.seq).is_ok_and(|is_seen| is_seen);
        Some((record, is_seen))
    }

    /// The record; `None` if it cannot be read, which the store notes, or is hidden from the reader.
    #[must_use]
    pub fn open(&self) -> Option<Recorded> {
        // What is hidden of a first sweep is hidden by its beginning.
        if self.limited.is_some() && self.beginning().is_some_and(|(_, is_seen)| !is_seen) {
            return None;
        }
        let record = codec::decode_event(self.seq, self.bytes)
            .inspect_err(|error| self.damages.note(&self.seq.0.to_be_bytes(), None, error))
            .ok()?;
        match self.limited {
            None => Some(record),
            Some(reader) => reader.seen_record(record).ok().flatten(),
        }
    }
}

impl Snapshot {
    /// Shows `visit` at most `limit` records of the log from seq `from` on (inclusive), in order, until it breaks. Returns whether
    /// there are no more.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn each_sealed(
        &self,
        from: Seq,
        limit: usize,
        visit: impl FnMut(SealedRecord<'_>) -> ControlFlow<()>,
    ) -> Result<bool, ReadError> {
        self.show(self.0.events.range(from.0..)?, limit, visit)
    }

    /// The same before seq `before` (exclusive), newest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn each_sealed_before(
        &self,
        before: Seq,
        limit: usize,
        visit: impl FnMut(SealedRecord<'_>) -> ControlFlow<()>,
    ) -> Result<bool, ReadError> {
        self.show(self.0.events.range(..before.0)?.rev(), limit, visit)
    }

    fn show<'t>(
        &self,
        entries: impl Iterator<Item = super::history::LogEntry<'t>>,
        limit: usize,
        mut visit: impl FnMut(SealedRecord<'_>) -> ControlFlow<()>,
    ) -> Result<bool, ReadError> {
        for (shown, entry) in entries.enumerate() {
            if shown == limit {
                return Ok(false);
            }
            let (seq, bytes) = entry?;
            let limited = self.sight().map(|_| self);
            let record =
                SealedRecord { seq: Seq(seq.value()), bytes: bytes.value(), damages: &self.0.damages, limited };
            if visit(record).is_break() {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
