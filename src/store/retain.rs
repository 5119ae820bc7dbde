//! Retention: decides how much of the log is kept, and folds the oldest records into `base`.
//!
//! Folding a record applies it to `base` exactly as committing it applied it to `current`, and removes the record, its links in
//! `by_resource`, its time, and its tombstone. The body of a discovery moves to `bodies` ([`super::body_place`]). The current state does not change: `base` and the remaining records still fold to
//! `current`. A step is one transaction, so a crash leaves a horizon with its matching `base`. Moments before the horizon are no
//! longer known, and queries for them have to be refused ([`super::Snapshot::horizon`], [`super::Snapshot::earliest`]).
//!
//! [`due`] decides what is folded; it is pure. By age, everything older is folded. By size, the oldest is folded until **history**
//! is within its limit: the bytes in `events`, `by_resource`, `times` and `tombstones`. `base`, `current` and `rows` do not count:
//! they are as large as the account, and folding cannot shrink them (it grows `base` by what existed at the horizon, at most to the
//! largest size of `current`).
//!
//! Nothing younger than [`MIN_AGE`] is folded, whatever the limit. A tombstone prevents a describe sent before a removal from
//! restoring the resource (rule 5 of reconciliation), and it is removed with its record. A describe sent five minutes ago has
//! failed or arrived: a request with all retries gives up earlier, a page is decided on arrival, and assertions of events are
//! within the lag window of 30 s. Events never restore a resource. So if the last five minutes alone exceed the limit, the log
//! exceeds it.

mod log_fold;

use std::sync::atomic::Ordering;
use std::time::Duration;

use redb::ReadableTable;

use super::codec::Live;
use super::commit::CommitError;
use super::counted;
use super::handle::{Shared, Store};
use super::keys;
use super::snapshot::{ReadError, Snapshot};
use super::write_error::WriteError;
use super::writer::Writer;
use crate::model::{Seq, Timestamp};

use self::log_fold::LogFold;

/// Records are kept for at least this long.
pub const MIN_AGE: Duration = Duration::from_mins(5);

/// How long records are kept by default.
pub const DEFAULT_AGE: Duration = Duration::from_hours(30 * 24);

/// The default minimum of the size limit of history.
const DEFAULT_BYTES: u64 = 1 << 30;

/// The default size limit of history per resource: some 60 changes of a typical instance.
const BYTES_A_RESOURCE: u64 = 20_000;

/// History may use the disk's size divided by this.
const DISK_PART: u64 = 4;

/// Folding starts when a limit is exceeded by the limit divided by this, and stops at the limit: otherwise every commit would fold
/// as many records as it adds, in a transaction of its own.
const SLACK: u32 = 64;

/// How much history is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Records older than this are folded.
    pub age: Duration,
    /// The size limit of history in bytes; `None` means the larger of 1 GiB and 20 KB per resource. It is never more than a quarter
    /// of the disk.
    pub bytes: Option<u64>,
}

impl Default for Retention {
    fn default() -> Self {
        Retention { age: DEFAULT_AGE, bytes: None }
    }
}

/// What [`due`] needs to know about a store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stock {
    /// Bytes of history.
    pub history: u64,
    /// The number of resources.
    pub resources: u64,
    /// The size of the store's file system; `None` if the system does not say.
    pub disk: Option<u64>,
    /// When the oldest record was committed; `None` if there is none.
    pub oldest: Option<Timestamp>,
}

/// What may be folded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// Records committed up to this time.
    pub until: Timestamp,
    /// Only while history has more bytes than this.
    pub down_to: u64,
}

/// The result of one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Folded {
    /// The number of folded records.
    pub records: usize,
    /// The remaining bytes of history.
    pub history: u64,
    /// Whether more may be folded at once: the step ended because it was full.
    pub more: bool,
}

impl Retention {
    /// The size limit of history in bytes.
    #[must_use]
    pub fn limit(&self, stock: &Stock) -> u64 {
        let wanted = self.bytes.unwrap_or_else(|| DEFAULT_BYTES.max(stock.resources.saturating_mul(BYTES_A_RESOURCE)));
        stock.disk.map_or(wanted, |disk| wanted.min(disk / DISK_PART))
    }

    /// The age of the oldest record at which folding of those older than [`Retention::age`] starts.
    #[must_use]
    pub fn patience(&self) -> Duration {
        let age = self.age.max(MIN_AGE);
        age + (age / SLACK).min(Duration::from_hours(1))
    }
}

/// What is to be folded, by age before size; `None` if nothing is. By age, nothing is folded unless `now` `is_certain`: to a clock
/// that is years ahead all history is old, and folding cannot be undone. By size, a wrong clock does no harm.
#[must_use]
pub fn due(stock: &Stock, retention: &Retention, now: Timestamp, is_certain: bool) -> Option<Due> {
    let oldest = stock.oldest?;
    if is_certain && now.since(oldest) > retention.patience() {
        return Some(Due { until: now - retention.age.max(MIN_AGE), down_to: 0 });
    }
    let limit = retention.limit(stock);
    let is_young = now.since(oldest) < MIN_AGE;
    (stock.history > limit && !is_young)
        .then(|| Due { until: now - MIN_AGE, down_to: limit - limit / u64::from(SLACK) })
}

impl Live {
    /// The bytes that folding removes.
    #[must_use]
    pub fn history(&self) -> u64 {
        self.events + self.by_resource + self.times + self.tombstones
    }
}

impl Store {
    /// Prevents folding while the guard lives, for readers that need many snapshots of one log. Waits for a running step. The log
    /// may exceed its limits meanwhile.
    #[must_use]
    pub fn hold(&self) -> LogHold {
        *self.0.holds.lock() += 1;
        LogHold(self.clone())
    }
}

/// Prevents folding while it lives; see [`Store::hold`].
pub struct LogHold(Store);

impl Drop for LogHold {
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

    /// The input of [`due`].
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn stock(&self) -> Result<Stock, ReadError> {
        let snapshot = self.snapshot()?;
        // By `times`, so that a record from before a clock was set back is as old as its successor.
        let oldest = snapshot.0.times.first()?;
        Ok(Stock {
            history: self.history(),
            resources: snapshot.counts()?.into_iter().map(|(_, _, count)| count).sum(),
            disk: disk_size(&self.shared),
            oldest: oldest.map(|(at, _)| keys::time_of(at.value())),
        })
    }

    /// Folds the oldest records into `base`, all or nothing, and returns when that is durable: those that are `due`, at most
    /// `records`, until `more` returns false (it is called before each, when about half of the work for the previous ones is done).
    /// Opens no transaction if nothing may be folded, for example because somebody holds the log ([`Store::hold`]).
    ///
    /// # Errors
    /// Like [`Writer::commit`]; [`CommitError::Damaged`] if a record, or the base of its resource, cannot be read. Then nothing can
    /// be folded until the store is repaired.
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
        // Folding makes room in a full store, so it may use some of the reserved space.
        self.check_space(0, shared.reserve_bytes / 4)?;
        let until = last.min(self.ledger.horizon.saturating_add(u64::try_from(records).unwrap_or(u64::MAX)));
        let mut folding = |writer: &mut Writer| {
            let database = shared.database.read();
            let txn = counted::begin(database.as_ref().ok_or(redb::StorageError::DatabaseClosed)?)?;
            let mut folding = LogFold::open(&txn, writer.ledger)?;
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

/// The size of the store's file system.
fn disk_size(shared: &Shared) -> Option<u64> {
    let stat = rustix::fs::statvfs(shared.place.dir()).ok()?;
    Some(stat.f_blocks.saturating_mul(stat.f_frsize)).filter(|bytes| *bytes > 0)
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
