//! One write transaction: adds a record and updates everything derived from it.

use std::collections::BTreeMap;

use redb::{ReadableTable, Table, WriteTransaction};

use crate::model::keyed_call::KeyedCall;
use crate::model::known::fold;
use crate::model::row::Project;
use crate::model::{Cause, Current, Event, Group, Parked, Recorded, ResourceId, RowFields, Seq, Timestamp};
use crate::store::body_place::BodyPlace;
use crate::store::codec::{self, DiskLedger, DiskWatermark};
use crate::store::commit::{ChangeKind, TouchedResource};
use crate::store::counted::{self, BodiesTable, CountedTable, insert, remove, size};
use crate::store::dedupe::{self, Dedupe};
use crate::store::derived::{row_bytes, subjects, tombstone};
use crate::store::keyed;
use crate::store::keys;
use crate::store::meta::LEDGER_KEY;
use crate::store::parked;
use crate::store::tables::{
    BODIES_TABLE, BY_RESOURCE_TABLE, CURRENT, CURRENT_TABLE, EVENTS_TABLE, INTERVALS_TABLE, META_TABLE, ROWS_TABLE,
    TIMES_TABLE, TOMBSTONES_TABLE,
};
use crate::store::watermark::Watermark;
use crate::store::write_error::WriteError;

/// The result of a transaction, for state in memory.
pub(super) struct Applied {
    pub(super) ledger: DiskLedger,
    pub(super) touched: Vec<TouchedResource>,
    pub(super) rows: Vec<(ResourceId, Option<RowFields>)>,
}

/// The tables of a write transaction and its changes so far.
pub(super) struct Transaction<'txn> {
    project: Project,
    events: Table<'txn, u64, &'static [u8]>,
    by_resource: Table<'txn, &'static [u8], ()>,
    current: CountedTable<'txn>,
    bodies: BodiesTable<'txn>,
    rows: CountedTable<'txn>,
    tombstones: CountedTable<'txn>,
    intervals: CountedTable<'txn>,
    times: Table<'txn, u64, u64>,
    meta: CountedTable<'txn>,
    /// The change of each count.
    counts: BTreeMap<Vec<u8>, i64>,
    applied: Applied,
}

impl<'txn> Transaction<'txn> {
    pub(super) fn open(txn: &'txn WriteTransaction, project: Project, ledger: DiskLedger) -> Result<Self, WriteError> {
        Ok(Transaction {
            project,
            events: txn.open_table(EVENTS_TABLE)?,
            by_resource: txn.open_table(BY_RESOURCE_TABLE)?,
            current: txn.open_table(CURRENT_TABLE)?,
            bodies: txn.open_table(BODIES_TABLE)?,
            rows: txn.open_table(ROWS_TABLE)?,
            tombstones: txn.open_table(TOMBSTONES_TABLE)?,
            intervals: txn.open_table(INTERVALS_TABLE)?,
            times: txn.open_table(TIMES_TABLE)?,
            meta: txn.open_table(META_TABLE)?,
            counts: BTreeMap::new(),
            applied: Applied { ledger, touched: Vec::new(), rows: Vec::new() },
        })
    }

    /// Appends a record and updates everything that is derived from the log.
    pub(super) fn apply(&mut self, record: &Recorded, bytes: &[u8]) -> Result<(), WriteError> {
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
        let horizon = self.applied.ledger.horizon;
        let before = match self.current.get(keys::in_scope(id).as_slice())? {
            Some(bytes) => {
                let known = codec::decode_known(CURRENT, &key, bytes.value())?;
                let place = BodyPlace::of_known(&known, horizon);
                Some(known.with(place.document::<WriteError>(&self.events, &self.bodies)?))
            }
            None => None,
        };
        let existed = before.is_some();
        let left = before.as_ref().map(|before| BodyPlace::of(before.discovered.0, before.changed.0, horizon));
        let last = before.as_ref().filter(|_| matches!(record.event, Event::Removed { .. })).cloned();
        let (what, listed) = match (existed, fold(before, record)) {
            (false, None) => return Ok(()),
            (true, None) => {
                self.remove(id, &key, record, last)?;
                (ChangeKind::Disappeared, true)
            }
            (_, Some(current)) => {
                let listed = self.put(id, &key, existed, &current)?;
                (if existed { ChangeKind::Changed } else { ChangeKind::Appeared }, listed)
            }
        };
        if let Some(seq) = left.and_then(|left| left.left_behind(horizon)) {
            counted::remove_body(&mut self.bodies, seq, &mut self.applied.ledger.live.bodies)?;
        }
        let quiet = record.cause == Cause::Baseline || matches!(record.event, Event::Remapped { .. });
        let tagged = match &record.event {
            Event::Changed { changes, .. } | Event::Remapped { changes, .. } => {
                changes.iter().any(|change| Group::of(&change.path) == Group::Tags)
            }
            _ => false,
        };
        self.applied.touched.push(TouchedResource { id: id.clone(), seq: record.seq, what, quiet, listed, tagged });
        Ok(())
    }

    /// Stores a resource, and returns whether lists show the change: it is new or renamed.
    fn put(&mut self, id: &ResourceId, key: &[u8], existed: bool, current: &Current) -> Result<bool, WriteError> {
        let horizon = self.applied.ledger.horizon;
        let live = &mut self.applied.ledger.live;
        let known = codec::encode_known(CURRENT, key, current)?;
        insert(&mut self.current, &keys::in_scope(id), &known, &mut live.current)?;
        if let BodyPlace::Table(seq) = BodyPlace::of(current.discovered.0, current.changed.0, horizon) {
            counted::insert_body(&mut self.bodies, seq, &current.document, &mut live.bodies)?;
        }
        let fields = (self.project)(id, &current.document);
        let before = insert(&mut self.rows, key, &row_bytes(key, current, &fields)?, &mut live.rows)?;
        let listed = match &before {
            // This replaces a damaged row.
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

    fn remove(
        &mut self,
        id: &ResourceId,
        key: &[u8],
        record: &Recorded,
        last: Option<Current>,
    ) -> Result<(), WriteError> {
        let live = &mut self.applied.ledger.live;
        remove(&mut self.current, &keys::in_scope(id), &mut live.current)?;
        remove(&mut self.rows, key, &mut live.rows)?;
        if let (Event::Removed { at, .. }, Some(last)) = (&record.event, last) {
            let tombstone = tombstone(*at, record, last);
            insert(&mut self.tombstones, key, &codec::encode_tombstone(key, &tombstone)?, &mut live.tombstones)?;
        }
        *self.counts.entry(keys::count(&id.kind, &id.scope())).or_default() -= 1;
        self.applied.rows.push((id.clone(), None));
        Ok(())
    }

    /// Records that everything up to now was committed at `at`.
    pub(super) fn stamp(&mut self, at: Timestamp) -> Result<(), WriteError> {
        counted::stamp(&mut self.times, at, Seq(self.applied.ledger.seq), &mut self.applied.ledger.live.times)?;
        Ok(())
    }

    pub(super) fn save(&mut self, watermark: &Watermark) -> Result<(), WriteError> {
        let key = keys::interval(&watermark.scope, &watermark.kind, watermark.since);
        let disk = DiskWatermark {
            started: watermark.started.as_millis(),
            ended: watermark.ended.as_millis(),
            complete: watermark.complete,
        };
        self.intervals.insert(key.as_slice(), codec::encode_watermark(&key, &disk)?.as_slice())?;
        Ok(())
    }

    /// Remembers notifications recorded at `at`.
    pub(super) fn remember(&mut self, mut dedupe: Dedupe<'_>, ids: &[String], at: Timestamp) -> Result<(), WriteError> {
        let live = &mut self.applied.ledger.live.dedupe;
        for id in ids {
            dedupe.note(id, at, live)?;
        }
        dedupe.trim(at, dedupe::MAX_IDS, live)
    }

    /// Keeps unreadable messages.
    pub(super) fn park(
        &mut self,
        txn: &WriteTransaction,
        messages: Vec<Parked>,
        now: Timestamp,
    ) -> Result<(), WriteError> {
        parked::keep(txn, messages, now, &mut self.applied.ledger.live.dedupe)
    }

    /// Keeps a call with an idempotency key.
    pub(super) fn keep(&mut self, txn: &WriteTransaction, call: &KeyedCall, now: Timestamp) -> Result<(), WriteError> {
        keyed::keep(txn, call, now, &mut self.applied.ledger.live.dedupe)
    }

    /// Writes counts and ledger, and drops the tables so that the transaction can be committed.
    pub(super) fn finish(mut self) -> Result<Applied, WriteError> {
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
