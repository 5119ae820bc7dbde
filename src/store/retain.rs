//! Retention: how much of the log is kept, and folding the oldest records into `base`.
//!
//! Folding a record applies it to `base` exactly as committing it applied it to `current`, and takes away the record, its places
//! in `by_resource`, its time, and the tombstone it left. What is known now does not change: `base` and the records that are left
//! still fold to `current`. A step is one transaction, so a crash leaves a horizon and the `base` that belongs to it. Moments
//! before the horizon can no longer be told; whoever asks for one is refused by whoever answers
//! ([`super::Snapshot::horizon`], [`super::Snapshot::earliest`]).
//!
//! What is due is decided by [`due`], which is pure. By age, everything older goes. By size, the oldest goes until **history**
//! is within its limit: the bytes in `events`, `by_resource`, `times` and `tombstones`. `base`, `current` and `rows` do not
//! count: they are as large as the account is, and folding cannot make them smaller (it makes `base` grow by what existed at the
//! horizon, at most as large as `current` ever was).
//!
//! Nothing younger than [`YOUNGEST`] is folded, whatever the limit. A tombstone is what keeps a describe that was sent before
//! a removal from bringing the resource back (rule 5 of reconciliation), and it goes with its record. A describe that was sent
//! five minutes ago has failed or arrived: one request with all its retries gives up earlier, a page is decided on as soon as it
//! arrives, and what events assert is within the lag window of 30 s. Events cannot bring a resource back at any age. So a log whose
//! last five minutes are larger than the limit is larger than the limit.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use redb::{ReadableTable, Table, WriteTransaction};

use super::codec::{self, Fault, Ledger, Live};
use super::commit::CommitError;
use super::counted::{self, Plain, size};
use super::derived::subjects;
use super::handle::{Shared, Store};
use super::keys;
use super::meta::LEDGER_KEY;
use super::snapshot::{ReadError, Snapshot};
use super::tables::{
    BASE_TABLE, BY_RESOURCE_TABLE, EVENTS_TABLE, INTERVALS_TABLE, META_TABLE, TIMES_TABLE, TOMBSTONES_TABLE,
};
use super::write_error::WriteError;
use super::writer::Writer;
use crate::model::known::fold;
use crate::model::{Current, Recorded, Seq, Timestamp};

/// Records are kept for this long at least.
pub const YOUNGEST: Duration = Duration::from_mins(5);

/// How long records are kept by default.
pub const DEFAULT_AGE: Duration = Duration::from_hours(30 * 24);

/// History may always be this large by default.
const DEFAULT_BYTES: u64 = 1 << 30;

/// History may be this large for each resource by default: some 60 changes of a typical instance.
const BYTES_A_RESOURCE: u64 = 20_000;

/// Of the whole disk, history may take one part in this many.
const DISK_PART: u64 = 4;

/// Folding begins when a limit is exceeded by one part in this many, and ends when it is met: else every commit would fold as
/// many records as it brings, in a transaction of its own.
const SLACK: u32 = 64;

/// How many intervals one step looks at.
const INTERVALS_A_STEP: usize = 64;

/// How much history is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Records older than this go.
    pub age: Duration,
    /// History may take this many bytes; `None`: the larger of 1 GiB and 20 KB a resource. In both cases at most a quarter of
    /// the disk.
    pub bytes: Option<u64>,
}

impl Default for Retention {
    fn default() -> Self {
        Retention { age: DEFAULT_AGE, bytes: None }
    }
}

/// What [`due`] has to know of a store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stock {
    /// Bytes of history.
    pub history: u64,
    /// How many resources there are.
    pub resources: u64,
    /// The size of the file system that the store is on; `None` when the system does not say.
    pub disk: Option<u64>,
    /// When the oldest record was committed; `None` when there is none.
    pub oldest: Option<Timestamp>,
}

/// What may be folded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// Records that were committed at this time or before it.
    pub until: Timestamp,
    /// As long as history takes more bytes than this.
    pub down_to: u64,
}

/// How far one step goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Folded {
    /// How many records were folded.
    pub records: usize,
    /// Bytes of history left.
    pub history: u64,
    /// Whether more may be folded at once: the step ended because it was full.
    pub more: bool,
}

impl Retention {
    /// How many bytes history may take.
    #[must_use]
    pub fn limit(&self, stock: &Stock) -> u64 {
        let wanted = self.bytes.unwrap_or_else(|| DEFAULT_BYTES.max(stock.resources.saturating_mul(BYTES_A_RESOURCE)));
        stock.disk.map_or(wanted, |disk| wanted.min(disk / DISK_PART))
    }

    /// How old the oldest record may get before those older than [`Retention::age`] are folded.
    #[must_use]
    pub fn patience(&self) -> Duration {
        let age = self.age.max(YOUNGEST);
        age + (age / SLACK).min(Duration::from_hours(1))
    }
}

/// What is to be folded of a store, by age before by size; `None` when nothing is. Nothing is by age unless `now` `is_certain`: to a
/// clock that is years ahead all history is old, and what is folded does not come back. By size, a wrong clock does no harm.
#[must_use]
pub fn due(stock: &Stock, retention: &Retention, now: Timestamp, is_certain: bool) -> Option<Due> {
    let oldest = stock.oldest?;
    if is_certain && now.since(oldest) > retention.patience() {
        return Some(Due { until: now - retention.age.max(YOUNGEST), down_to: 0 });
    }
    let limit = retention.limit(stock);
    let is_young = now.since(oldest) < YOUNGEST;
    (stock.history > limit && !is_young)
        .then(|| Due { until: now - YOUNGEST, down_to: limit - limit / u64::from(SLACK) })
}

impl Live {
    /// The bytes that folding takes away.
    #[must_use]
    pub fn history(&self) -> u64 {
        self.events + self.by_resource + self.times + self.tombstones
    }
}

impl Store {
    /// Keeps records from being folded for as long as the guard lives: for readers that need many snapshots of one log. Waits
    /// for a step under way. The log grows beyond its limits meanwhile.
    #[must_use]
    pub fn hold(&self) -> Hold {
        *self.0.holds.lock() += 1;
        Hold(self.clone())
    }
}

/// See [`Store::hold`].
pub struct Hold(Store);

impl Drop for Hold {
    fn drop(&mut self) {
        *self.0.0.holds.lock() -= 1;
    }
}

impl Writer {
    /// Bytes of history; see [`Live::history`].
    #[must_use]
    pub fn history(&self) -> u64 {
        self.ledger.live.history()
    }

    /// What [`due`] has to know.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn stock(&self) -> Result<Stock, ReadError> {
        let snapshot = self.snapshot()?;
        // By `times`, so that a record from before a clock was set back is as old as what came after it.
        let oldest = snapshot.0.times.first()?;
        Ok(Stock {
            history: self.history(),
            resources: snapshot.counts()?.into_iter().map(|(_, _, count)| count).sum(),
            disk: disk_size(&self.shared),
            oldest: oldest.map(|(at, _)| keys::time_of(at.value())),
        })
    }

    /// Folds the oldest records into `base`, all or nothing, and returns when that is durable: what is `due`, at most `records`,
    /// and no further one once `more` says no (it is asked before each, and has seen about half of the work that those before
    /// took). Opens no transaction when nothing may be folded, also because somebody holds the log ([`Store::hold`]).
    ///
    /// # Errors
    /// As [`Writer::commit`]; [`CommitError::Damaged`] when a record, or the base of its resource, cannot be read. Then nothing
    /// at all can be folded until the store is repaired.
    pub fn fold(&mut self, due: Due, records: usize, mut more: impl FnMut() -> bool) -> Result<Folded, CommitError> {
        let shared = std::sync::Arc::clone(&self.shared);
        let holds = shared.holds.lock();
        if shared.place.alarm.rings() {
            return Err(CommitError::Latched { path: shared.place.path.clone() });
        }
        let last = self.foldable(due).map_err(|failure| self.latch(failure))?.0;
        let nothing = Folded { records: 0, history: self.history(), more: false };
        if *holds > 0 || records == 0 || last <= self.ledger.horizon || self.history() <= due.down_to {
            return Ok(nothing);
        }
        // It is what makes room in a full store, so it may use some of what is kept free.
        self.check_space(0, shared.reserve_bytes / 4)?;
        let until = last.min(self.ledger.horizon.saturating_add(u64::try_from(records).unwrap_or(u64::MAX)));
        let mut folding = |writer: &mut Writer| {
            let database = shared.database.read();
            let txn = counted::begin(database.as_ref().ok_or(redb::StorageError::DatabaseClosed)?)?;
            let mut folding = Folding::open(&txn, writer.ledger)?;
            let first = writer.ledger.horizon;
            while folding.ledger.horizon < until && folding.ledger.live.history() > due.down_to {
                if folding.ledger.horizon > first && !more() {
                    break;
                }
                folding.step()?;
            }
            writer.next_interval = folding.trim(writer.next_interval.as_deref())?;
            let ledger = folding.finish()?;
            txn.commit()?;
            Ok(ledger)
        };
        shared.write_transactions.fetch_add(1, Ordering::Relaxed);
        let before = self.ledger.horizon;
        self.ledger = folding(self).map_err(|failure: WriteError| self.latch(failure))?;
        shared.publish().map_err(|error| self.latch(error.into()))?;
        Ok(Folded {
            records: usize::try_from(self.ledger.horizon - before).unwrap_or(usize::MAX),
            history: self.history(),
            more: self.ledger.horizon < last && self.history() > due.down_to,
        })
    }

    /// The last record that was committed early enough.
    fn foldable(&self, due: Due) -> Result<Seq, WriteError> {
        Ok(self.snapshot()?.seq_at(due.until)?.unwrap_or(Seq::ZERO))
    }
}

/// The size of the file system that the store is on.
fn disk_size(shared: &Shared) -> Option<u64> {
    let stat = rustix::fs::statvfs(shared.place.dir()).ok()?;
    Some(stat.f_blocks.saturating_mul(stat.f_frsize)).filter(|bytes| *bytes > 0)
}

/// The tables of a transaction that folds.
struct Folding<'txn> {
    events: Table<'txn, u64, &'static [u8]>,
    by_resource: Table<'txn, &'static [u8], ()>,
    times: Table<'txn, u64, u64>,
    tombstones: Plain<'txn>,
    base: Plain<'txn>,
    intervals: Plain<'txn>,
    meta: Plain<'txn>,
    ledger: Ledger,
    /// The resources that were folded, by key, as they are at the new horizon.
    states: BTreeMap<Vec<u8>, Option<Current>>,
}

impl<'txn> Folding<'txn> {
    fn open(txn: &'txn WriteTransaction, ledger: Ledger) -> Result<Self, WriteError> {
        Ok(Folding {
            events: txn.open_table(EVENTS_TABLE)?,
            by_resource: txn.open_table(BY_RESOURCE_TABLE)?,
            times: txn.open_table(TIMES_TABLE)?,
            tombstones: txn.open_table(TOMBSTONES_TABLE)?,
            base: txn.open_table(BASE_TABLE)?,
            intervals: txn.open_table(INTERVALS_TABLE)?,
            meta: txn.open_table(META_TABLE)?,
            ledger,
            states: BTreeMap::new(),
        })
    }

    /// Folds the oldest record.
    fn step(&mut self) -> Result<(), WriteError> {
        let seq = Seq(self.ledger.horizon).next();
        let record = {
            let Some(bytes) = self.events.remove(seq.0)? else {
                return Err(codec::event_fault(seq, Fault::Missing).into());
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

    /// Folds a record over the base of its resource.
    fn apply(&mut self, record: &Recorded) -> Result<(), WriteError> {
        let Some(id) = record.event.resource() else { return Ok(()) };
        let key = keys::resource(id);
        let before = match self.states.remove(&key) {
            Some(known) => known,
            None => match self.base.get(key.as_slice())? {
                Some(bytes) => Some(codec::decode_base(&key, bytes.value())?),
                None => None,
            },
        };
        let after = fold(before, record);
        if after.is_none() {
            let left = match self.tombstones.get(key.as_slice())? {
                Some(bytes) => codec::decode_tombstone(&key, bytes.value())?.seq == record.seq,
                None => false,
            };
            if left {
                counted::remove(&mut self.tombstones, &key, &mut self.ledger.live.tombstones)?;
            }
        }
        self.states.insert(key, after);
        Ok(())
    }

    /// Drops the times of records that are folded. One commit has one entry, its last record's: that one stays until the whole
    /// commit is folded.
    fn forget_times(&mut self) -> Result<(), WriteError> {
        loop {
            let oldest = self.times.first()?.map(|(at, seq)| (at.value(), seq.value()));
            let Some((at, _)) = oldest.filter(|(_, seq)| *seq <= self.ledger.horizon) else { return Ok(()) };
            self.times.remove(at)?;
            self.ledger.live.times = self.ledger.live.times.saturating_sub(16);
        }
    }

    /// Drops intervals that ended before the horizon, but never the newest of a scope and kind. Looks at a few of them, from
    /// `from` on, and returns where to go on.
    fn trim(&mut self, from: Option<&[u8]>) -> Result<Option<Vec<u8>>, WriteError> {
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
            // An interval is not the newest when another one of the same scope and kind follows it.
            if let Some((before, _)) = last.take().filter(|(before, ended)| *ended && is_same_run(before, &key)) {
                old.push(before);
            }
            let ended = codec::decode_watermark(&key, bytes.value())?.ended < horizon_at;
            last = Some((key, ended));
        }
        for key in old {
            self.intervals.remove(key.as_slice())?;
        }
        // Whether the last one is the newest shows only with the next: the next step looks at it again.
        Ok(last.filter(|_| looked == INTERVALS_A_STEP).map(|(key, _)| key))
    }

    /// Writes the new base and the ledger, and lets go of the tables.
    fn finish(mut self) -> Result<Ledger, WriteError> {
        for (key, state) in std::mem::take(&mut self.states) {
            let live = &mut self.ledger.live.base;
            match state {
                Some(current) => {
                    drop(counted::insert(&mut self.base, &key, &codec::encode_base(&key, &current)?, live)?);
                }
                None => counted::remove(&mut self.base, &key, live)?,
            }
        }
        let ledger = codec::encode_ledger(LEDGER_KEY, self.ledger)?;
        self.meta.insert(LEDGER_KEY, ledger.as_slice())?;
        Ok(self.ledger)
    }
}

/// Whether two keys of intervals are of the same scope and kind: they differ in the start alone.
fn is_same_run(a: &[u8], b: &[u8]) -> bool {
    let run = |key: &'_ [u8]| key.len().saturating_sub(8);
    a.get(..run(a)) == b.get(..run(b))
}

impl Snapshot {
    /// Bytes of history; see [`Live::history`].
    #[must_use]
    pub fn history(&self) -> u64 {
        self.live().history()
    }
}

#[cfg(test)]
mod tests;
