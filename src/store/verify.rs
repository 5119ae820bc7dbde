//! Proof that everything derived from the log is what the log says.

use std::collections::{BTreeMap, BTreeSet};

use redb::{AccessGuard, ReadOnlyTable, ReadableTableMetadata};

use super::codec::{self, DecodeError, EncodeError, Live};
use super::file::Damage;
use super::keys;
use super::meta::{FORMAT_KEY, LEDGER_KEY, LOG_KEY};
use super::snapshot::{ReadError, Snapshot};
use super::tables::{BASE, BY_RESOURCE, CURRENT, INTERVALS, META, ROWS, TIMES, TOMBSTONES};
use super::writer::{row_bytes, size, subjects, tombstone};
use crate::model::known::{Tombstone, fold};
use crate::model::{Current, Event, Kind, LogId, ResourceId, Scope, Seq};

mod file;

pub use self::file::{VerifyError, check};

/// How many mismatches are reported one by one.
const SHOWN: usize = 100;

/// The outcome of a check.
#[derive(Debug, Default)]
pub struct Report {
    /// Which log; `None` when the file does not even say that.
    pub log: Option<LogId>,
    /// Up to which record the log is folded away.
    pub horizon: Seq,
    /// The newest record.
    pub newest: Seq,
    /// Records replayed.
    pub records: u64,
    /// Resources that exist after the last.
    pub resources: u64,
    /// Resources that were removed and did not come back.
    pub removed: u64,
    /// How many things are not as the log says.
    pub mismatches: u64,
    /// The first hundred of them.
    pub shown: Vec<Mismatch>,
    /// Rows that another version of their kind's projection made, which are made anew when they are read. They are no fault.
    pub other_rows: u64,
    /// Bytes of keys and values found alive, by table.
    pub live: Live,
}

/// One thing that is not as the log says.
#[derive(Debug)]
pub enum Mismatch {
    /// The file is not whole: the database layer, or what every store holds, says so. Nothing else was looked at.
    File(Damage),
    /// The header says that a commit is the newest which is not: whoever opened the file would miss the last commit.
    Stale {
        /// The transaction that is in use.
        used: u64,
        /// The newer one beside it.
        newer: u64,
    },
    /// A table that no Muster makes.
    Table {
        /// Its name, as it stands in the file.
        name: String,
    },
    /// The log skips or repeats a seq.
    Gap {
        /// The seq that should come next.
        expected: Seq,
        /// The seq that came.
        found: Seq,
    },
    /// A record is damaged.
    Damaged(DecodeError),
    /// An event changes a resource that does not exist at that point.
    Orphan {
        /// The event.
        seq: Seq,
    },
    /// `table` does not hold for this key what the log says, or holds something where the log has nothing.
    Differs {
        /// The table.
        table: &'static str,
        /// The key, made readable.
        key: String,
    },
    /// `table` does not hold as many entries as the log says.
    Entries {
        /// The table.
        table: &'static str,
        /// How many it should hold.
        expected: u64,
        /// How many it holds.
        found: u64,
    },
    /// The ledger does not count as many bytes alive as there are.
    Live {
        /// What the tables hold.
        counted: Live,
        /// What the ledger says.
        stored: Live,
    },
}

impl Report {
    /// Whether everything is as the log says.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.mismatches == 0
    }

    /// A report of one thing.
    fn of(mismatch: Mismatch) -> Self {
        let mut report = Report::default();
        report.add(mismatch);
        report
    }

    pub(super) fn add(&mut self, mismatch: Mismatch) {
        self.mismatches += 1;
        if self.shown.len() < SHOWN {
            self.shown.push(mismatch);
        }
    }
}

/// Replays the whole log over `base` and compares everything derived from it, byte for byte: `current`, `rows`, `tombstones`,
/// `by_resource`, `times`, the counts and the bytes alive; `dedupe` must agree with itself; the log itself must go from the horizon to the newest record without a
/// gap, and every record of every table must be readable.
///
/// It keeps its snapshot for as long as it takes (about a second for 20,000 records) and reads the log twice: for tests and
/// for a store that nobody writes to. Memory does not grow with the log.
///
/// # Errors
/// When the store cannot be read. Damaged records are reported, not returned.
pub fn fold_log(snapshot: &Snapshot) -> Result<Report, ReadError> {
    // Scopes that are no longer watched are verified as well.
    let snapshot = &snapshot.whole();
    let log = Some(snapshot.log_id());
    let mut report = Report { log, horizon: snapshot.horizon(), newest: snapshot.seq(), ..Report::default() };
    check_log(snapshot, &mut report)?;
    check_times(snapshot, &mut report)?;
    check_resources(snapshot, &mut report)?;
    check_intervals(snapshot, &mut report)?;
    check_meta(snapshot, &mut report)?;
    snapshot.check_notified(&mut report)?;
    if report.live != snapshot.live() {
        report.add(Mismatch::Live { counted: report.live, stored: snapshot.live() });
    }
    Ok(report)
}

/// The log has no gap, and `by_resource` names each record under its resources and nothing else.
fn check_log(snapshot: &Snapshot, report: &mut Report) -> Result<(), ReadError> {
    let view = &snapshot.0;
    let mut expected = snapshot.horizon().next();
    let mut places = 0;
    for entry in view.events.range(0..)? {
        let (seq, bytes) = entry?;
        let seq = Seq(seq.value());
        if seq != expected {
            report.add(Mismatch::Gap { expected, found: seq });
        }
        expected = seq.next();
        report.records += 1;
        report.live.events += size(8, bytes.value().len());
        let record = match codec::decode_event(seq, bytes.value()) {
            Ok(record) => record,
            Err(error) => {
                report.add(Mismatch::Damaged(error));
                continue;
            }
        };
        for id in subjects(&record.event).iter().collect::<BTreeSet<_>>() {
            places += 1;
            let place = keys::place(&keys::resource(id), seq);
            if view.by_resource.get(place.as_slice())?.is_none() {
                report.add(Mismatch::Differs { table: BY_RESOURCE, key: keys::shown(&keys::resource(id)) });
            }
        }
    }
    if expected != snapshot.seq().next() {
        report.add(Mismatch::Gap { expected, found: snapshot.seq().next() });
    }
    count(report, BY_RESOURCE, places, view.by_resource.len()?);
    Ok(())
}

/// `times` names exactly those records after which nothing was committed at their time or an earlier one. Both are read from
/// the newest backwards, so that nothing has to be remembered but the earliest time so far.
fn check_times(snapshot: &Snapshot, report: &mut Report) -> Result<(), ReadError> {
    let view = &snapshot.0;
    let mut stored = view.times.range(0..)?.rev();
    let mut earliest = None;
    for entry in view.events.range(0..)?.rev() {
        let (seq, bytes) = entry?;
        // A damaged record was reported already.
        let Ok(recorded_at) = codec::decode_time(Seq(seq.value()), bytes.value()) else { continue };
        let at = keys::time(recorded_at);
        if earliest.is_some_and(|earliest| at >= earliest) {
            continue;
        }
        earliest = Some(at);
        let found = match stored.next() {
            Some(entry) => {
                let (at, seq) = entry?;
                Some((at.value(), seq.value()))
            }
            None => None,
        };
        if found != Some((at, seq.value())) {
            report.add(Mismatch::Differs { table: TIMES, key: recorded_at.to_string() });
        }
    }
    let left = u64::try_from(stored.count()).unwrap_or(u64::MAX);
    count(report, TIMES, view.times.len()?.saturating_sub(left), view.times.len()?);
    report.live.times = view.times.len()? * 16;
    Ok(())
}

/// Each resource's tables are the fold of its records over its base.
fn check_resources(snapshot: &Snapshot, report: &mut Report) -> Result<(), ReadError> {
    let view = &snapshot.0;
    let mut fold = Folding::default();
    let mut reader = keys::Reader::default();
    let mut based = view.base.range::<&[u8]>(..)?;
    let mut base = based.next().transpose()?;
    for entry in view.by_resource.range::<&[u8]>(..)? {
        let (place, _) = entry?;
        report.live.by_resource += size(place.value().len(), 0);
        let Some((id, seq)) = reader.place(place.value()) else {
            report.add(Mismatch::Damaged(codec::key_fault(BY_RESOURCE, place.value())));
            continue;
        };
        if fold.id.as_ref() != Some(&id) {
            fold.compare(snapshot, report)?;
            let key = keys::resource(&id);
            while let Some((before, bytes)) = base.take_if(|(before, _)| before.value() < key.as_slice()) {
                fold.begin(&before, &bytes, snapshot, report);
                fold.compare(snapshot, report)?;
                base = based.next().transpose()?;
            }
            if let Some((same, bytes)) = base.take_if(|(same, _)| same.value() == key.as_slice()) {
                fold.begin(&same, &bytes, snapshot, report);
                base = based.next().transpose()?;
            }
            fold.id = Some(id);
        }
        fold.step(seq, snapshot, report)?;
    }
    fold.compare(snapshot, report)?;
    while let Some((key, bytes)) = base.take() {
        fold.begin(&key, &bytes, snapshot, report);
        fold.compare(snapshot, report)?;
        base = based.next().transpose()?;
    }
    count(report, CURRENT, report.resources, view.current.len()?);
    count(report, ROWS, report.resources, view.rows.len()?);
    count(report, TOMBSTONES, report.removed, view.tombstones.len()?);
    let stored = match snapshot.counts() {
        Ok(counts) => counts.into_iter().map(|(kind, scope, count)| ((kind, scope), count)).collect(),
        Err(ReadError::Damaged(error)) => {
            report.add(Mismatch::Damaged(error));
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    if fold.counts != stored {
        report.add(Mismatch::Differs { table: META, key: "count".to_owned() });
    }
    Ok(())
}

/// Every interval can be read.
fn check_intervals(snapshot: &Snapshot, report: &mut Report) -> Result<(), ReadError> {
    let mut reader = keys::Reader::default();
    for entry in snapshot.0.intervals.range::<&[u8]>(..)? {
        let (key, bytes) = entry?;
        if reader.interval(key.value()).is_none() {
            report.add(Mismatch::Damaged(codec::key_fault(INTERVALS, key.value())));
        }
        if let Err(error) = codec::decode_watermark(key.value(), bytes.value()) {
            report.add(Mismatch::Damaged(error));
        }
    }
    Ok(())
}

/// `meta` holds nothing that nobody put there.
fn check_meta(snapshot: &Snapshot, report: &mut Report) -> Result<(), ReadError> {
    let (counts, retired) = (keys::counts(), keys::all_retired());
    for entry in snapshot.0.meta.range::<&[u8]>(..)? {
        let (key, _) = entry?;
        let known = [FORMAT_KEY, LOG_KEY, LEDGER_KEY].contains(&key.value())
            || [&counts, &retired].into_iter().any(|prefix| key.value().starts_with(prefix));
        if !known {
            report.add(Mismatch::Differs { table: META, key: keys::shown(key.value()) });
        }
    }
    Ok(())
}

fn count(report: &mut Report, table: &'static str, expected: u64, found: u64) {
    if expected != found {
        report.add(Mismatch::Entries { table, expected, found });
    }
}

/// The resource whose records are being folded, and what the fold counted so far.
#[derive(Default)]
struct Folding {
    id: Option<ResourceId>,
    current: Option<Current>,
    tombstone: Option<Tombstone>,
    counts: BTreeMap<(Kind, Scope), u64>,
}

type Guard<'a> = AccessGuard<'a, &'static [u8]>;

impl Folding {
    /// Begins with a resource that exists at the horizon.
    fn begin(&mut self, key: &Guard<'_>, bytes: &Guard<'_>, snapshot: &Snapshot, report: &mut Report) {
        let (key, bytes) = (key.value(), bytes.value());
        report.live.base += size(key.len(), bytes.len());
        self.id = keys::Reader::default().resource(key);
        if self.id.is_none() {
            report.add(Mismatch::Damaged(codec::key_fault(BASE, key)));
        }
        match codec::decode_base(key, bytes) {
            Ok(current) => {
                if current.changed > snapshot.horizon() {
                    report.add(Mismatch::Differs { table: BASE, key: keys::shown(key) });
                }
                self.current = Some(current);
            }
            Err(error) => report.add(Mismatch::Damaged(error)),
        }
    }

    fn step(&mut self, seq: Seq, snapshot: &Snapshot, report: &mut Report) -> Result<(), ReadError> {
        let record = match snapshot.record(seq) {
            Ok(record) => record,
            Err(ReadError::Damaged(error)) => {
                report.add(Mismatch::Damaged(error));
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        if record.event.resource().is_none() {
            return Ok(());
        }
        let before = self.current.take();
        if before.is_none() && !matches!(record.event, Event::Discovered { .. }) {
            report.add(Mismatch::Orphan { seq });
        }
        let last = before.clone();
        self.current = fold(before, &record);
        if self.current.is_some() {
            self.tombstone = None;
        } else if let (Event::Removed { at, .. }, Some(last)) = (&record.event, last) {
            self.tombstone = Some(tombstone(*at, &record, last));
        }
        Ok(())
    }

    /// Compares what the fold made of the resource with what the tables hold, and forgets it.
    fn compare(&mut self, snapshot: &Snapshot, report: &mut Report) -> Result<(), ReadError> {
        let Some(id) = self.id.take() else { return Ok(()) };
        let (current, tombstone) = (self.current.take(), self.tombstone.take());
        let key = keys::resource(&id);
        if current.is_some() {
            report.resources += 1;
            *self.counts.entry((id.kind.clone(), id.scope())).or_default() += 1;
        }
        report.removed += u64::from(tombstone.is_some());
        let view = &snapshot.0;
        let body = current.as_ref().map(|current| codec::encode_current(&key, current));
        let row = current.as_ref().map(|current| row_of(&id, &key, current, snapshot, report)).transpose()?;
        let tombstone = tombstone.as_ref().map(|tombstone| codec::encode_tombstone(&key, tombstone));
        report.live.current += same(CURRENT, &view.current, &key, body, report)?;
        report.live.rows += same(ROWS, &view.rows, &key, row, report)?;
        report.live.tombstones += same(TOMBSTONES, &view.tombstones, &key, tombstone, report)?;
        Ok(())
    }
}

/// The row that a resource should have. Of one that another version of the projection made, what that version read in the
/// document is taken as it is.
fn row_of(
    id: &ResourceId,
    key: &[u8],
    current: &Current,
    snapshot: &Snapshot,
    report: &mut Report,
) -> Result<Result<Vec<u8>, EncodeError>, ReadError> {
    let mut fields = snapshot.project(id, current);
    if let Some(stored) = snapshot.0.rows.get(key)?
        && let Ok(disk) = codec::decode_row(key, stored.value())
        && disk.projection != fields.projection
    {
        report.other_rows += 1;
        fields = disk.fields();
    }
    Ok(row_bytes(key, current, &fields))
}

/// Compares what a table holds under a key with what it should hold, if anything, and returns how many bytes that takes.
fn same(
    table: &'static str,
    stored: &ReadOnlyTable<&'static [u8], &'static [u8]>,
    key: &[u8],
    expected: Option<Result<Vec<u8>, EncodeError>>,
    report: &mut Report,
) -> Result<u64, ReadError> {
    let stored = stored.get(key)?;
    let equal = match (&stored, expected) {
        (None, None) => true,
        (Some(stored), Some(Ok(expected))) => stored.value() == expected.as_slice(),
        _ => false,
    };
    if !equal {
        report.add(Mismatch::Differs { table, key: keys::shown(key) });
    }
    Ok(stored.map_or(0, |stored| size(key.len(), stored.value().len())))
}

#[cfg(test)]
pub(super) mod tests;
