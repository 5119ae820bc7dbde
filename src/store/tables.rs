//! The tables of the store file. All exist from the file's creation on; their keys are made in `keys`, their records in `codec`.

use redb::{TableDefinition, TableError, WriteTransaction};

/// Seq -> the body of the version that the record made; see [`super::body_place`].
pub(super) const BODIES: &str = "bodies";
/// Resource and seq -> nothing: the records that concern a resource.
pub(super) const BY_RESOURCE: &str = "by_resource";
/// Resource, by scope -> its current state without its body.
pub(super) const CURRENT: &str = "current";
/// Seq -> record: the log.
pub(super) const EVENTS: &str = "events";
/// Scope, kind and start -> until when it was watched.
pub(super) const INTERVALS: &str = "intervals";
/// Format, log id, ledger and counts.
pub(super) const META: &str = "meta";
/// Resource -> what lists, searches and the comparison of sweeps read.
pub(super) const ROWS: &str = "rows";
/// Commit time -> the newest record of that commit.
pub(super) const TIMES: &str = "times";
/// Resource -> when and how it was removed.
pub(super) const TOMBSTONES: &str = "tombstones";

/// A table whose keys and values are bytes.
pub(super) type BytesTable = TableDefinition<'static, &'static [u8], &'static [u8]>;

pub(super) const EVENTS_TABLE: TableDefinition<'static, u64, &'static [u8]> = TableDefinition::new(EVENTS);
pub(super) const BODIES_TABLE: TableDefinition<'static, u64, &'static [u8]> = TableDefinition::new(BODIES);
pub(super) const BY_RESOURCE_TABLE: TableDefinition<'static, &'static [u8], ()> = TableDefinition::new(BY_RESOURCE);
pub(super) const CURRENT_TABLE: BytesTable = TableDefinition::new(CURRENT);
pub(super) const ROWS_TABLE: BytesTable = TableDefinition::new(ROWS);
pub(super) const TOMBSTONES_TABLE: BytesTable = TableDefinition::new(TOMBSTONES);
pub(super) const INTERVALS_TABLE: BytesTable = TableDefinition::new(INTERVALS);
pub(super) const META_TABLE: BytesTable = TableDefinition::new(META);
/// Resource -> its state at the retention horizon, as in `current`. Empty while the whole log is kept.
pub(super) const BASE: &str = "base";

pub(super) const BASE_TABLE: BytesTable = TableDefinition::new(BASE);
/// Commit time (milliseconds, sign bit flipped) -> the newest record committed then. When a clock was set back, the entries above
/// its time are removed, so that the last entry up to a time is the last record committed up to it.
pub(super) const TIMES_TABLE: TableDefinition<'static, u64, u64> = TableDefinition::new(TIMES);
/// The recorded notifications: event id -> number, and number -> event id and time; see [`super::dedupe`].
pub(super) const DEDUPE: &str = "dedupe";

pub(super) const DEDUPE_TABLE: BytesTable = TableDefinition::new(DEDUPE);

/// A key and its record, as stored.
pub(super) type RawEntry = (Vec<u8>, Vec<u8>);

/// Every table.
pub(super) const NAMES: [&str; 11] =
    [BASE, BODIES, BY_RESOURCE, CURRENT, DEDUPE, EVENTS, INTERVALS, META, ROWS, TIMES, TOMBSTONES];

/// Creates every missing table.
pub(super) fn create(txn: &WriteTransaction) -> Result<(), TableError> {
    txn.open_table(EVENTS_TABLE)?;
    txn.open_table(BODIES_TABLE)?;
    txn.open_table(BY_RESOURCE_TABLE)?;
    txn.open_table(TIMES_TABLE)?;
    for plain in [CURRENT_TABLE, ROWS_TABLE, TOMBSTONES_TABLE, INTERVALS_TABLE, META_TABLE, BASE_TABLE, DEDUPE_TABLE] {
        txn.open_table(plain)?;
    }
    Ok(())
}
