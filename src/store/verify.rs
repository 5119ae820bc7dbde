//! Proof that everything derived from the log is what the log says.

use std::collections::{BTreeMap, BTreeSet};

use redb::{ReadOnlyTable, ReadableTableMetadata};

use super::codec::{self, DecodeError, EncodeError};
use super::keys;
use super::snapshot::{ReadError, Snapshot};
use super::tables::{BY_RESOURCE, CURRENT, META, ROWS, TOMBSTONES};
use super::writer::{row_bytes, subjects, tombstone};
use crate::model::known::{Tombstone, fold};
use crate::model::{Current, Event, Kind, ResourceId, Scope, Seq};

/// How many mismatches are reported one by one.
const SHOWN: usize = 100;

/// The outcome of a check.
#[derive(Debug, Default)]
pub struct Report {
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
}

/// One thing that is not as the log says.
#[derive(Debug)]
pub enum Mismatch {
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
}

impl Report {
    /// Whether everything is as the log says.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.mismatches == 0
    }

    fn add(&mut self, mismatch: Mismatch) {
        self.mismatches += 1;
        if self.shown.len() < SHOWN {
            self.shown.push(mismatch);
        }
    }
}

/// Replays the whole log and compares everything derived from it, byte for byte: `current`, `rows`, `tombstones`,
/// `by_resource` and the counts; the log itself must have no gap.
///
/// It keeps its snapshot for as long as it takes (about a second for 20,000 records) and reads the log twice: for tests and
/// for a store that nobody writes to. Memory does not grow with the log.
///
/// # Errors
/// When the store cannot be read. Damaged records are reported, not returned.
pub fn fold_log(snapshot: &Snapshot) -> Result<Report, ReadError> {
    let mut report = Report::default();
    check_log(snapshot, &mut report)?;
    check_resources(snapshot, &mut report)?;
    Ok(report)
}

/// The log has no gap, and `by_resource` names each record under its resources and nothing else.
fn check_log(snapshot: &Snapshot, report: &mut Report) -> Result<(), ReadError> {
    let view = &snapshot.0;
    let mut expected = Seq::ZERO.next();
    let mut places = 0;
    for entry in view.events.range(0..)? {
        let (seq, bytes) = entry?;
        let seq = Seq(seq.value());
        if seq != expected {
            report.add(Mismatch::Gap { expected, found: seq });
        }
        expected = seq.next();
        report.records += 1;
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

/// Each resource's tables are the fold of its records.
fn check_resources(snapshot: &Snapshot, report: &mut Report) -> Result<(), ReadError> {
    let mut fold = Folding::default();
    let mut reader = keys::Reader::default();
    for entry in snapshot.0.by_resource.range::<&[u8]>(..)? {
        let (key, _) = entry?;
        let Some((id, seq)) = reader.place(key.value()) else {
            report.add(Mismatch::Damaged(codec::key_fault(BY_RESOURCE, key.value())));
            continue;
        };
        if fold.id.as_ref() != Some(&id) {
            fold.compare(snapshot, report)?;
            fold.id = Some(id);
        }
        fold.step(seq, snapshot, report)?;
    }
    fold.compare(snapshot, report)?;
    let view = &snapshot.0;
    count(report, CURRENT, report.resources, view.current.len()?);
    count(report, ROWS, report.resources, view.rows.len()?);
    count(report, TOMBSTONES, report.removed, view.tombstones.len()?);
    let stored: BTreeMap<(Kind, Scope), u64> =
        snapshot.counts()?.into_iter().map(|(kind, scope, count)| ((kind, scope), count)).collect();
    if stored != fold.counts {
        report.add(Mismatch::Differs { table: META, key: "count".to_owned() });
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

impl Folding {
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
        let row = current.as_ref().map(|current| row_bytes(&key, current, &snapshot.project(&id, current)));
        let tombstone = tombstone.as_ref().map(|tombstone| codec::encode_tombstone(&key, tombstone));
        same(CURRENT, &view.current, &key, body, report)?;
        same(ROWS, &view.rows, &key, row, report)?;
        same(TOMBSTONES, &view.tombstones, &key, tombstone, report)
    }
}

/// Whether a table holds exactly these bytes, or nothing, under a key.
fn same(
    table: &'static str,
    stored: &ReadOnlyTable<&'static [u8], &'static [u8]>,
    key: &[u8],
    expected: Option<Result<Vec<u8>, EncodeError>>,
    report: &mut Report,
) -> Result<(), ReadError> {
    let stored = stored.get(key)?;
    let equal = match (&stored, expected) {
        (None, None) => true,
        (Some(stored), Some(Ok(expected))) => {
            stored.value() == expected.as_slice()
                || codec::renewed(table, key, stored.value()).is_some_and(|renewed| renewed == expected)
        }
        _ => false,
    };
    if !equal {
        report.add(Mismatch::Differs { table, key: keys::shown(key) });
    }
    Ok(())
}
