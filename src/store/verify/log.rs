//! Replays the log, and checks everything derived from it except single resources.

use std::collections::BTreeSet;

use redb::ReadableTableMetadata;

use super::report::{Mismatch, VerifyReport};
use super::resources::check_resources;
use crate::model::Seq;
use crate::store::codec;
use crate::store::counted::size;
use crate::store::derived::subjects;
use crate::store::keys;
use crate::store::meta::{FORMAT_KEY, LEDGER_KEY, LOG_KEY};
use crate::store::snapshot::{ReadError, Snapshot};
use crate::store::tables::{BY_RESOURCE, DEDUPE, INTERVALS, META, TIMES};

/// Replays the whole log over `base` and compares everything derived from it, byte for byte: `current`, `bodies`, `rows`, `tombstones`,
/// `by_resource`, `times`, the counts and the bytes in use. `dedupe` must agree with itself, the log must go from the horizon to
/// the newest record without a gap, and every record of every table must be readable.
///
/// It keeps its snapshot for the whole time (about a second per 20,000 records) and reads the log twice: for tests and for a store
/// that nobody writes to. Memory does not grow with the log.
///
/// # Errors
/// If the store cannot be read. Damaged records are reported, not returned.
pub fn fold_log(snapshot: &Snapshot) -> Result<VerifyReport, ReadError> {
    // Scopes that are no longer watched are verified as well.
    let snapshot = &snapshot.whole();
    let log = Some(snapshot.log_id());
    let mut report =
        VerifyReport { log, horizon: snapshot.horizon(), newest: snapshot.seq(), ..VerifyReport::default() };
    check_log(snapshot, &mut report)?;
    check_times(snapshot, &mut report)?;
    check_resources(snapshot, &mut report)?;
    check_intervals(snapshot, &mut report)?;
    check_meta(snapshot, &mut report)?;
    check_notifications(snapshot, &mut report)?;
    if report.live != snapshot.live() {
        report.add(Mismatch::Live { counted: report.live, stored: snapshot.live() });
    }
    Ok(report)
}

/// Checks that the log has no gap, and that `by_resource` links exactly each record to its resources.
fn check_log(snapshot: &Snapshot, report: &mut VerifyReport) -> Result<(), ReadError> {
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
    report.count(BY_RESOURCE, places, view.by_resource.len()?);
    Ok(())
}

/// Checks that `times` holds exactly those records after which nothing was committed at their time or an earlier one. Both are read
/// backwards, so that only the earliest time so far has to be remembered.
fn check_times(snapshot: &Snapshot, report: &mut VerifyReport) -> Result<(), ReadError> {
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
    report.count(TIMES, view.times.len()?.saturating_sub(left), view.times.len()?);
    report.live.times = view.times.len()? * 16;
    Ok(())
}

/// Checks that every interval can be read.
fn check_intervals(snapshot: &Snapshot, report: &mut VerifyReport) -> Result<(), ReadError> {
    let mut reader = keys::KeyReader::default();
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

/// Checks that `meta` holds only known records.
fn check_meta(snapshot: &Snapshot, report: &mut VerifyReport) -> Result<(), ReadError> {
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

/// Checks that both halves of `dedupe` agree, and counts its bytes.
fn check_notifications(snapshot: &Snapshot, report: &mut VerifyReport) -> Result<(), ReadError> {
    let table = &snapshot.0.dedupe;
    for entry in table.range::<&[u8]>(..)? {
        let (key, bytes) = entry?;
        let (key, bytes) = (key.value(), bytes.value());
        report.live.dedupe += size(key.len(), bytes.len());
        if keys::parked_message(key).is_some() {
            if let Err(error) = codec::decode_parked(key, bytes) {
                report.add(Mismatch::Damaged(error));
            }
            continue;
        }
        if keys::is_keyed(key) {
            if let Err(error) = codec::decode_keyed(key, bytes) {
                report.add(Mismatch::Damaged(error));
            }
            continue;
        }
        let same = if let Some(number) = keys::notified_number(key) {
            codec::decode_notified(key, bytes).map(|(event_id, _)| (keys::notified(&event_id), number))
        } else if keys::is_notified(key) {
            codec::decode_notified_number(key, bytes).map(|number| (keys::notified_place(number), number))
        } else {
            Err(codec::key_fault(DEDUPE, key))
        };
        let (other, number) = match same {
            Ok(same) => same,
            Err(error) => {
                report.add(Mismatch::Damaged(error));
                continue;
            }
        };
        let agrees = match table.get(other.as_slice())? {
            Some(found) if keys::is_notified(&other) => {
                codec::decode_notified_number(&other, found.value()).is_ok_and(|found| found == number)
            }
            Some(found) => codec::decode_notified(&other, found.value())
                .is_ok_and(|(event_id, _)| keys::notified(&event_id) == key),
            None => false,
        };
        if !agrees {
            report.add(Mismatch::Differs { table: DEDUPE, key: keys::shown(key) });
        }
    }
    Ok(())
}
