//! One transaction that folds records into `base`.

use std::collections::BTreeMap;

use redb::{ReadableTable, Table, WriteTransaction};

use crate::model::known::fold;
use crate::model::{Current, Recorded, Seq};
use crate::store::body_place::BodyPlace;
use crate::store::codec::{self, DiskLedger, RecordFault};
use crate::store::counted::{self, BodiesTable, CountedTable, size};
use crate::store::derived::subjects;
use crate::store::keys;
use crate::store::meta::LEDGER_KEY;
use crate::store::tables::{
    BASE, BASE_TABLE, BODIES_TABLE, BY_RESOURCE_TABLE, EVENTS_TABLE, INTERVALS_TABLE, META_TABLE, TIMES_TABLE,
    TOMBSTONES_TABLE,
};
use crate::store::write_error::WriteError;

/// How many intervals one step checks.
const INTERVALS_A_STEP: usize = 64;

/// The tables of a transaction that folds.
pub(super) struct LogFold<'txn> {
    events: Table<'txn, u64, &'static [u8]>,
    by_resource: Table<'txn, &'static [u8], ()>,
    times: Table<'txn, u64, u64>,
    tombstones: CountedTable<'txn>,
    base: CountedTable<'txn>,
    bodies: BodiesTable<'txn>,
    intervals: CountedTable<'txn>,
    meta: CountedTable<'txn>,
    pub(super) ledger: DiskLedger,
    /// The folded resources, by key.
    states: BTreeMap<Vec<u8>, FoldedState>,
}

/// A resource that is being folded.
struct FoldedState {
    /// The version that `base` shows of it.
    based: Option<u64>,
    /// Its state at the new horizon.
    state: Option<Current>,
}

impl<'txn> LogFold<'txn> {
    pub(super) fn open(txn: &'txn WriteTransaction, ledger: DiskLedger) -> Result<Self, WriteError> {
        Ok(LogFold {
            events: txn.open_table(EVENTS_TABLE)?,
            by_resource: txn.open_table(BY_RESOURCE_TABLE)?,
            times: txn.open_table(TIMES_TABLE)?,
            tombstones: txn.open_table(TOMBSTONES_TABLE)?,
            base: txn.open_table(BASE_TABLE)?,
            bodies: txn.open_table(BODIES_TABLE)?,
            intervals: txn.open_table(INTERVALS_TABLE)?,
            meta: txn.open_table(META_TABLE)?,
            ledger,
            states: BTreeMap::new(),
        })
    }

    /// Folds the oldest record.
    pub(super) fn step(&mut self) -> Result<(), WriteError> {
        let seq = Seq(self.ledger.horizon).next();
        let record = {
            let Some(bytes) = self.events.remove(seq.0)? else {
                return Err(codec::event_fault(seq, RecordFault::Missing).into());
            };
            let live = &mut self.ledger.live.events;
            *live = live.saturating_sub(size(8, bytes.value().len()));
            codec::decode_event(seq, bytes.value())?
        };
        for id in subjects(&record.event) {
            let place = keys::place(&keys::resource(id), seq);
            if self.by_resource.remove(place.as_slice())?.is_some() {
                let live = &mut self.ledger.live.by_resource;
                *live = live.saturating_sub(size(place.len(), 0));
            }
        }
        self.apply(&record)?;
        self.ledger.horizon = seq.0;
        self.ledger.horizon_at = record.recorded_at.as_millis();
        self.forget_times()
    }

    /// Folds a record into the base of its resource.
    fn apply(&mut self, record: &Recorded) -> Result<(), WriteError> {
        let Some(id) = record.event.resource() else { return Ok(()) };
        let key = keys::resource(id);
        let FoldedState { based, state } = match self.states.remove(&key) {
            Some(known) => known,
            None => match self.base.get(key.as_slice())? {
                Some(bytes) => {
                    let known = codec::decode_known(BASE, &key, bytes.value())?;
                    let (based, place) = (known.changed, BodyPlace::of_known(&known, self.ledger.horizon));
                    let document = place.document::<WriteError>(&self.events, &self.bodies)?;
                    FoldedState { based: Some(based), state: Some(known.with(document)) }
                }
                None => FoldedState { based: None, state: None },
            },
        };
        let state = fold(state, record);
        if state.is_none() {
            let left = match self.tombstones.get(key.as_slice())? {
                Some(bytes) => codec::decode_tombstone(&key, bytes.value())?.seq == record.seq,
                None => false,
            };
            if left {
                counted::remove(&mut self.tombstones, &key, &mut self.ledger.live.tombstones)?;
            }
        }
        self.states.insert(key, FoldedState { based, state });
        Ok(())
    }

    /// Removes the times of folded records. A commit has one entry, for its last record: it stays until the whole commit is folded.
    fn forget_times(&mut self) -> Result<(), WriteError> {
        loop {
            let oldest = self.times.first()?.map(|(at, seq)| (at.value(), seq.value()));
            let Some((at, _)) = oldest.filter(|(_, seq)| *seq <= self.ledger.horizon) else { return Ok(()) };
            self.times.remove(at)?;
            self.ledger.live.times = self.ledger.live.times.saturating_sub(16);
        }
    }

    /// Removes intervals that ended before the horizon, except the newest of each scope and kind. Checks a few, from `from` on, and
    /// returns where to continue.
    pub(super) fn trim(&mut self, from: Option<&[u8]>) -> Result<Option<Vec<u8>>, WriteError> {
        // By `times` as well, because the clock may have been ahead at the horizon.
        let kept = self.times.first()?.map(|(at, _)| keys::time_of(at.value()).as_millis());
        let horizon_at = kept.map_or(self.ledger.horizon_at, |kept| kept.min(self.ledger.horizon_at));
        let mut old = Vec::new();
        let mut last: Option<(Vec<u8>, bool)> = None;
        let mut looked = 0;
        for entry in self.intervals.range(from.unwrap_or_default()..)?.take(INTERVALS_A_STEP) {
            let (key, bytes) = entry?;
            let key = key.value().to_vec();
            looked += 1;
            // An interval is not the newest if another one of the same scope and kind follows it.
            if let Some((before, _)) = last.take().filter(|(before, ended)| *ended && is_same_run(before, &key)) {
                old.push(before);
            }
            let ended = codec::decode_watermark(&key, bytes.value())?.ended < horizon_at;
            last = Some((key, ended));
        }
        for key in old {
            self.intervals.remove(key.as_slice())?;
        }
        // Only its successor shows whether the last one is the newest: the next step checks it again.
        Ok(last.filter(|_| looked == INTERVALS_A_STEP).map(|(key, _)| key))
    }

    /// Writes the new base and the ledger, and drops the tables.
    pub(super) fn finish(mut self) -> Result<DiskLedger, WriteError> {
        for (key, FoldedState { based, state }) in std::mem::take(&mut self.states) {
            let live = &mut self.ledger.live;
            if let Some(current) = &state {
                let bytes = codec::encode_known(BASE, &key, current)?;
                drop(counted::insert(&mut self.base, &key, &bytes, &mut live.base)?);
                // It is there already if `current` shows the same version, and no discovery made it.
                counted::insert_body(&mut self.bodies, current.changed, &current.document, &mut live.bodies)?;
            } else {
                counted::remove(&mut self.base, &key, &mut live.base)?;
            }
            let kept = state.map(|current| current.changed.0);
            if let Some(before) = based.filter(|before| kept != Some(*before)) {
                counted::remove_body(&mut self.bodies, before, &mut live.bodies)?;
            }
        }
        let ledger = codec::encode_ledger(LEDGER_KEY, self.ledger)?;
        self.meta.insert(LEDGER_KEY, ledger.as_slice())?;
        Ok(self.ledger)
    }
}

/// Whether two keys of intervals have the same scope and kind: they differ only in the start.
fn is_same_run(a: &[u8], b: &[u8]) -> bool {
    let run = |key: &'_ [u8]| key.len().saturating_sub(8);
    a.get(..run(a)) == b.get(..run(b))
}
