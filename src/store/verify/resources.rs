//! Folds each resource's records into its base and compares the result with the tables.

use std::collections::BTreeMap;

use redb::{AccessGuard, ReadOnlyTable, ReadableTableMetadata};

use super::report::{Mismatch, VerifyReport};
use crate::model::known::{Tombstone, fold};
use crate::model::{Current, Event, Kind, ResourceId, Scope, Seq};
use crate::store::body_place::BodyPlace;
use crate::store::codec::{self, DiskKnown, EncodeError};
use crate::store::counted::size;
use crate::store::derived::{row_bytes, tombstone};
use crate::store::keys;
use crate::store::snapshot::{ReadError, Snapshot};
use crate::store::tables::{BASE, BODIES, BY_RESOURCE, CURRENT, META, ROWS, TOMBSTONES};

/// Checks that each resource's tables are the fold of its records into its base.
pub(super) fn check_resources(snapshot: &Snapshot, report: &mut VerifyReport) -> Result<(), ReadError> {
    let view = &snapshot.0;
    let mut fold = ResourceFold::default();
    let mut reader = keys::KeyReader::default();
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
                fold.begin(&before, &bytes, snapshot, report)?;
                fold.compare(snapshot, report)?;
                base = based.next().transpose()?;
            }
            if let Some((same, bytes)) = base.take_if(|(same, _)| same.value() == key.as_slice()) {
                fold.begin(&same, &bytes, snapshot, report)?;
                base = based.next().transpose()?;
            }
            fold.id = Some(id);
        }
        fold.step(seq, snapshot, report)?;
    }
    fold.compare(snapshot, report)?;
    while let Some((key, bytes)) = base.take() {
        fold.begin(&key, &bytes, snapshot, report)?;
        fold.compare(snapshot, report)?;
        base = based.next().transpose()?;
    }
    report.count(CURRENT, report.resources, view.current.len()?);
    report.count(BODIES, fold.bodies, view.bodies.len()?);
    report.count(ROWS, report.resources, view.rows.len()?);
    report.count(TOMBSTONES, report.removed, view.tombstones.len()?);
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

/// The resource whose records are being folded, and the counts so far.
#[derive(Default)]
struct ResourceFold {
    id: Option<ResourceId>,
    /// The version that `base` shows of it.
    based: Option<u64>,
    current: Option<Current>,
    tombstone: Option<Tombstone>,
    counts: BTreeMap<(Kind, Scope), u64>,
    /// The number of bodies that have a place of their own.
    bodies: u64,
}

type Guard<'a> = AccessGuard<'a, &'static [u8]>;

impl ResourceFold {
    /// Starts with a resource that exists at the horizon.
    fn begin(
        &mut self,
        key: &Guard<'_>,
        bytes: &Guard<'_>,
        snapshot: &Snapshot,
        report: &mut VerifyReport,
    ) -> Result<(), ReadError> {
        let (key, bytes) = (key.value(), bytes.value());
        report.live.base += size(key.len(), bytes.len());
        self.id = keys::KeyReader::default().resource(key);
        if self.id.is_none() {
            report.add(Mismatch::Damaged(codec::key_fault(BASE, key)));
        }
        match codec::decode_known(BASE, key, bytes) {
            Ok(known) => {
                if known.changed > snapshot.horizon().0 {
                    report.add(Mismatch::Differs { table: BASE, key: keys::shown(key) });
                }
                self.embody(known, snapshot, report)?;
            }
            Err(error) => report.add(Mismatch::Damaged(error)),
        }
        Ok(())
    }

    /// Takes the body of a resource that `base` shows.
    fn embody(
        &mut self,
        known: DiskKnown<'_>,
        snapshot: &Snapshot,
        report: &mut VerifyReport,
    ) -> Result<(), ReadError> {
        let view = &snapshot.0;
        self.based = Some(known.changed);
        if let Some(body) = view.bodies.get(known.changed)? {
            self.bodies += 1;
            report.live.bodies += size(8, body.value().len());
        }
        match BodyPlace::Table(Seq(known.changed)).document::<ReadError>(&view.events, &view.bodies) {
            Ok(document) => self.current = Some(known.with(document)),
            Err(ReadError::Damaged(error)) => report.add(Mismatch::Damaged(error)),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn step(&mut self, seq: Seq, snapshot: &Snapshot, report: &mut VerifyReport) -> Result<(), ReadError> {
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

    /// Compares the folded resource with the tables, and forgets it.
    fn compare(&mut self, snapshot: &Snapshot, report: &mut VerifyReport) -> Result<(), ReadError> {
        let Some(id) = self.id.take() else { return Ok(()) };
        let (current, tombstone, based) = (self.current.take(), self.tombstone.take(), self.based.take());
        let key = keys::resource(&id);
        if current.is_some() {
            report.resources += 1;
            *self.counts.entry((id.kind.clone(), id.scope())).or_default() += 1;
        }
        report.removed += u64::from(tombstone.is_some());
        let view = &snapshot.0;
        if let Some(current) = &current {
            self.check_body(current, based, snapshot, report)?;
        }
        let body = current.as_ref().map(|current| codec::encode_known(CURRENT, &key, current));
        let row = current.as_ref().map(|current| row_of(&id, &key, current, snapshot, report)).transpose()?;
        let tombstone = tombstone.as_ref().map(|tombstone| codec::encode_tombstone(&key, tombstone));
        report.live.current += same(CURRENT, &view.current, &keys::in_scope(&id), body, report)?;
        report.live.rows += same(ROWS, &view.rows, &key, row, report)?;
        report.live.tombstones += same(TOMBSTONES, &view.tombstones, &key, tombstone, report)?;
        Ok(())
    }

    /// Compares the body of a resource's newest version, if it has a place of its own that `base` does not show.
    fn check_body(
        &mut self,
        current: &Current,
        based: Option<u64>,
        snapshot: &Snapshot,
        report: &mut VerifyReport,
    ) -> Result<(), ReadError> {
        let place = BodyPlace::of(current.discovered.0, current.changed.0, snapshot.horizon().0);
        let BodyPlace::Table(seq) = place else { return Ok(()) };
        if based == Some(seq.0) {
            return Ok(());
        }
        let stored = snapshot.0.bodies.get(seq.0)?;
        let expected = codec::encode_body(seq, &current.document);
        if !stored.as_ref().is_some_and(|stored| expected.is_ok_and(|expected| stored.value() == expected.as_slice())) {
            report.add(Mismatch::Differs { table: BODIES, key: seq.to_string() });
        }
        if let Some(stored) = stored {
            self.bodies += 1;
            report.live.bodies += size(8, stored.value().len());
        }
        Ok(())
    }
}

/// The expected row of a resource. If another version of the projection made the row, the facets and tags it holds are accepted.
fn row_of(
    id: &ResourceId,
    key: &[u8],
    current: &Current,
    snapshot: &Snapshot,
    report: &mut VerifyReport,
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

/// Compares a table's value under a key with the expected one, if any, and returns its size in bytes.
fn same(
    table: &'static str,
    stored: &ReadOnlyTable<&'static [u8], &'static [u8]>,
    key: &[u8],
    expected: Option<Result<Vec<u8>, EncodeError>>,
    report: &mut VerifyReport,
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
