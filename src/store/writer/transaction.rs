//! One write transaction: a record in, and everything that is derived from it.

use std::collections::BTreeMap;

use redb::{AccessGuard, ReadableTable, Table, WriteTransaction};

use super::{Failure, Touched, What};
use crate::model::known::{Tombstone, fold};
use crate::model::row::Project;
use crate::model::{Cause, Current, Event, Parked, Recorded, ResourceId, RowFields, Seq, Timestamp};
use crate::store::codec::{self, DiskHead, DiskWatermark, EncodeError, Ledger};
use crate::store::dedupe::{self, Dedupe};
use crate::store::keys;
use crate::store::meta::LEDGER_KEY;
use crate::store::parked;
use crate::store::tables::{
    BY_RESOURCE_TABLE, CURRENT_TABLE, EVENTS_TABLE, INTERVALS_TABLE, META_TABLE, ROWS_TABLE, TIMES_TABLE,
    TOMBSTONES_TABLE,
};
use crate::store::watermark::Watermark;

/// What a transaction leaves for memory to follow.
pub(super) struct Applied {
    pub(super) ledger: Ledger,
    pub(super) touched: Vec<Touched>,
    pub(super) rows: Vec<(ResourceId, Option<RowFields>)>,
}

pub(in crate::store) type Plain<'txn> = Table<'txn, &'static [u8], &'static [u8]>;

/// The tables of one write transaction and what it did so far.
pub(super) struct Transaction<'txn> {
    project: Project,
    events: Table<'txn, u64, &'static [u8]>,
    by_resource: Table<'txn, &'static [u8], ()>,
    current: Plain<'txn>,
    rows: Plain<'txn>,
    tombstones: Plain<'txn>,
    intervals: Plain<'txn>,
    times: Table<'txn, u64, u64>,
    meta: Plain<'txn>,
    /// By how much each count moves.
    counts: BTreeMap<Vec<u8>, i64>,
    applied: Applied,
}

impl<'txn> Transaction<'txn> {
    pub(super) fn open(txn: &'txn WriteTransaction, project: Project, ledger: Ledger) -> Result<Self, Failure> {
        Ok(Transaction {
            project,
            events: txn.open_table(EVENTS_TABLE)?,
            by_resource: txn.open_table(BY_RESOURCE_TABLE)?,
            current: txn.open_table(CURRENT_TABLE)?,
            rows: txn.open_table(ROWS_TABLE)?,
            tombstones: txn.open_table(TOMBSTONES_TABLE)?,
            intervals: txn.open_table(INTERVALS_TABLE)?,
            times: txn.open_table(TIMES_TABLE)?,
            meta: txn.open_table(META_TABLE)?,
            counts: BTreeMap::new(),
            applied: Applied { ledger, touched: Vec::new(), rows: Vec::new() },
        })
    }

    /// Appends one record and brings everything that is derived from the log up to it.
    pub(super) fn apply(&mut self, record: &Recorded, bytes: &[u8]) -> Result<(), Failure> {
        self.events.insert(record.seq.0, bytes)?;
        self.applied.ledger.seq = record.seq.0;
        self.applied.ledger.live.events += size(8, bytes.len());
        for id in subjects(&record.event) {
            let place = keys::place(&keys::resource(id), record.seq);
            // An action may name a resource twice.
            if self.by_resource.insert(place.as_slice(), ())?.is_none() {
                self.applied.ledger.live.by_resource += size(place.len(), 0);
            }
        }
        let Some(id) = record.event.resource() else { return Ok(()) };
        let key = keys::resource(id);
        let before = match self.current.get(key.as_slice())? {
            Some(bytes) => Some(codec::decode_current(&key, bytes.value())?),
            None => None,
        };
        let existed = before.is_some();
        let last = before.as_ref().filter(|_| matches!(record.event, Event::Removed { .. })).cloned();
        let (what, listed) = match (existed, fold(before, record)) {
            (false, None) => return Ok(()),
            (true, None) => {
                self.remove(id, &key, record, last)?;
                (What::Disappeared, true)
            }
            (_, Some(current)) => {
                let listed = self.put(id, &key, existed, &current)?;
                (if existed { What::Changed } else { What::Appeared }, listed)
            }
        };
        let quiet = record.cause == Cause::Baseline || matches!(record.event, Event::Remapped { .. });
        self.applied.touched.push(Touched { id: id.clone(), seq: record.seq, what, quiet, listed });
        Ok(())
    }

    /// Stores a resource, and says whether lists show that: it is new, or has another name.
    fn put(&mut self, id: &ResourceId, key: &[u8], existed: bool, current: &Current) -> Result<bool, Failure> {
        let live = &mut self.applied.ledger.live;
        insert(&mut self.current, key, &codec::encode_current(key, current)?, &mut live.current)?;
        let fields = (self.project)(id, &current.document);
        let before = insert(&mut self.rows, key, &row_bytes(key, current, &fields)?, &mut live.rows)?;
        let listed = match &before {
            // A damaged row is written anew here.
            Some(before) => {
                !codec::decode_head(key, before.value()).is_ok_and(|before| before.name == fields.name.as_deref())
            }
            None => true,
        };
        drop(before);
        if !existed {
            remove(&mut self.tombstones, key, &mut live.tombstones)?;
            *self.counts.entry(keys::count(&id.kind, &id.scope())).or_default() += 1;
        }
        self.applied.rows.push((id.clone(), Some(fields)));
        Ok(listed)
    }

    fn remove(&mut self, id: &ResourceId, key: &[u8], record: &Recorded, last: Option<Current>) -> Result<(), Failure> {
        let live = &mut self.applied.ledger.live;
        remove(&mut self.current, key, &mut live.current)?;
        remove(&mut self.rows, key, &mut live.rows)?;
        if let (Event::Removed { at, .. }, Some(last)) = (&record.event, last) {
            let tombstone = tombstone(*at, record, last);
            insert(&mut self.tombstones, key, &codec::encode_tombstone(key, &tombstone)?, &mut live.tombstones)?;
        }
        *self.counts.entry(keys::count(&id.kind, &id.scope())).or_default() -= 1;
        self.applied.rows.push((id.clone(), None));
        Ok(())
    }

    /// Notes that everything up to now was committed at `at`.
    pub(super) fn stamp(&mut self, at: Timestamp) -> Result<(), Failure> {
        stamp(&mut self.times, at, Seq(self.applied.ledger.seq), &mut self.applied.ledger.live.times)?;
        Ok(())
    }

    pub(super) fn save(&mut self, watermark: &Watermark) -> Result<(), Failure> {
        let key = keys::interval(&watermark.scope, &watermark.kind, watermark.since);
        let disk = DiskWatermark {
            started: watermark.started.as_millis(),
            ended: watermark.ended.as_millis(),
            complete: watermark.complete,
        };
        self.intervals.insert(key.as_slice(), codec::encode_watermark(&key, &disk)?.as_slice())?;
        Ok(())
    }

    /// Remembers notifications as recorded at `at`.
    pub(super) fn remember(&mut self, mut dedupe: Dedupe<'_>, ids: &[String], at: Timestamp) -> Result<(), Failure> {
        let live = &mut self.applied.ledger.live.dedupe;
        for id in ids {
            dedupe.note(id, at, live)?;
        }
        dedupe.trim(at, dedupe::ROWS, live)
    }

    /// Keeps messages that cannot be read.
    pub(super) fn park(
        &mut self,
        txn: &WriteTransaction,
        messages: Vec<Parked>,
        now: Timestamp,
    ) -> Result<(), Failure> {
        parked::keep(txn, messages, now, &mut self.applied.ledger.live.dedupe)
    }

    /// Writes counts and ledger, and lets go of the tables so that the transaction can be committed.
    pub(super) fn finish(mut self) -> Result<Applied, Failure> {
        for (key, change) in &self.counts {
            let before = match self.meta.get(key.as_slice())? {
                Some(bytes) => codec::decode_number(key, bytes.value())?,
                None => 0,
            };
            match before.saturating_add_signed(*change) {
                0 => drop(self.meta.remove(key.as_slice())?),
                count => drop(self.meta.insert(key.as_slice(), codec::encode_number(key, count)?.as_slice())?),
            }
        }
        let ledger = codec::encode_ledger(LEDGER_KEY, self.applied.ledger)?;
        self.meta.insert(LEDGER_KEY, ledger.as_slice())?;
        Ok(self.applied)
    }
}

/// Notes in `times` that everything up to `seq` was committed at `at`. Earlier entries above `at`, of a clock that was set back
/// since, go: whoever asks for a time between then finds what was committed last up to it.
pub(in crate::store) fn stamp(
    times: &mut Table<'_, u64, u64>,
    at: Timestamp,
    seq: Seq,
    live: &mut u64,
) -> Result<(), redb::StorageError> {
    let at = keys::time(at);
    loop {
        let last = times.last()?.map(|(last, _)| last.value());
        let Some(last) = last.filter(|last| *last >= at) else { break };
        times.remove(last)?;
        *live = live.saturating_sub(16);
    }
    times.insert(at, seq.0)?;
    *live += 16;
    Ok(())
}

/// The resources whose timeline shows an event: the one it changes, or those that an action is about.
pub(in crate::store) fn subjects(event: &Event) -> &[ResourceId] {
    match event {
        Event::ActionRequested { targets, .. } | Event::Called { targets, .. } => targets,
        event => event.resource().map_or(&[], std::slice::from_ref),
    }
}

/// The row of a resource, as stored.
pub(in crate::store) fn row_bytes(key: &[u8], current: &Current, fields: &RowFields) -> Result<Vec<u8>, EncodeError> {
    let head = DiskHead {
        digest: current.document.fingerprint(current.mapping).to_le_bytes(),
        provisional: current.provisional.is_some(),
        seen: current.evidence.newest().as_millis(),
        changed: current.changed.0,
        name: fields.name.as_deref(),
        owner: fields.owner.as_deref(),
    };
    codec::encode_row(key, head, fields)
}

/// What a removal leaves of a resource.
pub(in crate::store) fn tombstone(at: Timestamp, record: &Recorded, last: Current) -> Tombstone {
    Tombstone { at, removed_at: record.recorded_at, seq: record.seq, document: last.document }
}

/// Puts a record in, keeps count of the bytes, and returns the record it replaces.
pub(in crate::store) fn insert<'t>(
    table: &'t mut Plain<'_>,
    key: &[u8],
    value: &[u8],
    live: &mut u64,
) -> Result<Option<AccessGuard<'t, &'static [u8]>>, Failure> {
    let old = table.insert(key, value)?;
    let freed = old.as_ref().map_or(0, |old| size(key.len(), old.value().len()));
    *live = (*live + size(key.len(), value.len())).saturating_sub(freed);
    Ok(old)
}

pub(in crate::store) fn remove(table: &mut Plain<'_>, key: &[u8], live: &mut u64) -> Result<(), Failure> {
    let old = table.remove(key)?.map_or(0, |old| size(key.len(), old.value().len()));
    *live = live.saturating_sub(old);
    Ok(())
}

pub(in crate::store) fn size(key: usize, value: usize) -> u64 {
    u64::try_from(key + value).unwrap_or(u64::MAX)
}
