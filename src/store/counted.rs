//! Writes to tables whose bytes are counted in the ledger.

use redb::{AccessGuard, Database, Durability, ReadableTable, Table, WriteTransaction};

use super::codec;
use super::keys;
use super::write_error::WriteError;
use crate::model::{Document, Seq, Timestamp};

/// A table of byte keys and values in a write transaction.
pub(super) type CountedTable<'txn> = Table<'txn, &'static [u8], &'static [u8]>;

/// The table `bodies` in a write transaction.
pub(super) type BodiesTable<'txn> = Table<'txn, u64, &'static [u8]>;

/// Starts a transaction that is durable when committed and cheap to recover from.
///
/// Each such commit waits for the disk twice. A first sweep of 10,000 instances (47,370 resources, release build, 2 cores under other
/// load) makes 272 of them, in which it waits 3.8 s, 7 ms each time: it takes 13.4 s, and 8.9 s with syncs that do nothing (means of
/// four runs of each in turns; 5.3 and 4.7 s of CPU). So up to a third of it could be saved by deferring durability. That is
/// with 200 rows a commit; with up to 500, as now, there are about half as many to wait for, without a state that is committed but
/// not durable.
pub(super) fn begin(database: &Database) -> Result<WriteTransaction, WriteError> {
    let mut txn = database.begin_write()?;
    txn.set_durability(Durability::Immediate)?;
    // Reopening after kill -9 then takes a millisecond instead of scanning the whole file.
    txn.set_quick_repair(true);
    Ok(txn)
}

/// Records in `times` that everything up to `seq` was committed at `at`. Earlier entries above `at`, from a clock that was set back
/// since, are removed: a query for a time in between then finds the last commit up to it.
pub(super) fn stamp(
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

/// Inserts a record, updates the byte count, and returns the record it replaces.
pub(super) fn insert<'t>(
    table: &'t mut CountedTable<'_>,
    key: &[u8],
    value: &[u8],
    live: &mut u64,
) -> Result<Option<AccessGuard<'t, &'static [u8]>>, WriteError> {
    let old = table.insert(key, value)?;
    let freed = old.as_ref().map_or(0, |old| size(key.len(), old.value().len()));
    *live = (*live + size(key.len(), value.len())).saturating_sub(freed);
    Ok(old)
}

pub(super) fn remove(table: &mut CountedTable<'_>, key: &[u8], live: &mut u64) -> Result<(), WriteError> {
    let old = table.remove(key)?.map_or(0, |old| size(key.len(), old.value().len()));
    *live = live.saturating_sub(old);
    Ok(())
}

/// Gives the body of version `seq` a place of its own, unless it has one that can be read: what it is made from may be about to go.
pub(super) fn insert_body(
    bodies: &mut BodiesTable<'_>,
    seq: Seq,
    document: &Document,
    live: &mut u64,
) -> Result<(), WriteError> {
    let held = bodies.get(seq.0)?.map(|held| (held.value().len(), codec::body_tokens(seq, held.value()).is_ok()));
    if held.is_none_or(|(_, reads)| !reads) {
        let bytes = codec::encode_body(seq, document)?;
        bodies.insert(seq.0, bytes.as_slice())?;
        let freed = held.map_or(0, |(length, _)| size(8, length));
        *live = (*live + size(8, bytes.len())).saturating_sub(freed);
    }
    Ok(())
}

/// Removes the body of version `seq`, which nobody shows any more.
pub(super) fn remove_body(bodies: &mut BodiesTable<'_>, seq: u64, live: &mut u64) -> Result<(), WriteError> {
    let old = bodies.remove(seq)?.map_or(0, |old| size(8, old.value().len()));
    *live = live.saturating_sub(old);
    Ok(())
}

pub(super) fn size(key: usize, value: usize) -> u64 {
    u64::try_from(key + value).unwrap_or(u64::MAX)
}
