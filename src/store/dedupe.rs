//! Which notifications were recorded: EventBridge and SQS both repeat, and a repeat must change nothing, also after a restart.
//!
//! A notification has two rows of `dedupe` (a third family of keys holds [`super::parked`] messages), written in the transaction that records it. `event` and its id lead to its number;
//! numbers count up without a gap, in the order of recording, and `order` and a number lead back to the id and to when it was
//! recorded. So looking one up is one read, and the oldest are the first of `order`, whatever the clock said.
//!
//! An id is forgotten after [`AGE`], which is longer than a queue keeps a message, and when there are more than [`ROWS`]. Each
//! commit that adds some takes a few more away than it adds, so that no commit has a heap to clear; what is too old while none is
//! added stays, and does no harm. An id longer than [`LONGEST`] is not AWS's, and is not remembered: a repeat of its
//! notification is decided again.
//!
//! Nothing else is derived from these rows, so a fold of the log says nothing about them: `verify` holds both halves against each
//! other. A new file ([`super::rebuild`]) remembers the notifications of the records that it takes.

use std::time::Duration;

use redb::{ReadableTable, WriteTransaction};

use super::codec;
use super::counted::{self, Plain};
use super::keys;
use super::snapshot::{ReadError, Snapshot};
use super::tables::DEDUPE_TABLE;
use super::write_error::WriteError;
use crate::model::{Cause, Recorded, Timestamp};

/// How long an id is remembered: twice as long as a queue that `muster setup` makes keeps a message.
pub const AGE: Duration = Duration::from_hours(48);

/// How many are remembered at most: 11 a second for a day.
pub const ROWS: u64 = 1_000_000;

/// The longest id remembered, in bytes. AWS's have 36.
pub const LONGEST: usize = 256;

/// How many more a commit takes away than it adds, at most.
const EXTRA: usize = 16;

/// The table in a write transaction.
pub(super) struct Dedupe<'txn> {
    table: Plain<'txn>,
    /// The number of the next notification.
    next: u64,
    /// How many were added.
    added: usize,
}

impl<'txn> Dedupe<'txn> {
    pub(super) fn open(txn: &'txn WriteTransaction) -> Result<Self, WriteError> {
        let table = txn.open_table(DEDUPE_TABLE)?;
        let order = keys::notified_order();
        let next = match table.range(order.as_slice()..keys::past(&order).as_slice())?.next_back() {
            Some(last) => keys::notified_number(last?.0.value()).map_or(0, |number| number + 1),
            None => 0,
        };
        Ok(Dedupe { table, next, added: 0 })
    }

    /// Remembers a notification that was recorded at `at`; one that is known stays as it is.
    pub(super) fn note(&mut self, event_id: &str, at: Timestamp, live: &mut u64) -> Result<(), WriteError> {
        let key = keys::notified(event_id);
        if event_id.len() > LONGEST || self.table.get(key.as_slice())?.is_some() {
            return Ok(());
        }
        let place = keys::notified_place(self.next);
        drop(counted::insert(&mut self.table, &key, &codec::encode_notified_number(&key, self.next)?, live)?);
        drop(counted::insert(&mut self.table, &place, &codec::encode_notified(&place, event_id, at)?, live)?);
        self.next += 1;
        self.added += 1;
        Ok(())
    }

    /// Forgets the oldest: those recorded [`AGE`] before `now`, and those above `rows`; a few more than were added.
    pub(super) fn trim(mut self, now: Timestamp, rows: u64, live: &mut u64) -> Result<(), WriteError> {
        let order = keys::notified_order();
        let end = keys::past(&order);
        for _ in 0..self.added + EXTRA {
            let oldest = {
                let Some(oldest) = self.table.range(order.as_slice()..end.as_slice())?.next() else { break };
                let (place, bytes) = oldest?;
                let number = keys::notified_number(place.value()).unwrap_or_default();
                let (event_id, at) = codec::decode_notified(place.value(), bytes.value())?;
                let is_kept = self.next - number <= rows && now.since(at) <= AGE;
                (!is_kept).then(|| (place.value().to_vec(), keys::notified(&event_id)))
            };
            let Some((place, key)) = oldest else { break };
            counted::remove(&mut self.table, &place, live)?;
            counted::remove(&mut self.table, &key, live)?;
        }
        Ok(())
    }
}

/// The notification that a record came of.
pub(super) fn told_by(record: &Recorded) -> Option<&str> {
    match &record.cause {
        Cause::Notification { event_id } | Cause::Call { event_id, .. } => Some(event_id),
        Cause::Baseline | Cause::Sweep | Cause::Refresh | Cause::Tool { .. } | Cause::Resumed { .. } => None,
    }
}

impl Snapshot {
    /// Whether a notification of this id was recorded, as far as that is remembered: for [`AGE`], and [`ROWS`] of them.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn is_notified(&self, event_id: &str) -> Result<bool, ReadError> {
        let key = keys::notified(event_id);
        let Some(bytes) = self.0.dedupe.get(key.as_slice())? else { return Ok(false) };
        codec::decode_notified_number(&key, bytes.value())?;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use redb::ReadableTableMetadata;

    use super::*;
    use crate::model::fixtures::at_millis;
    use crate::store::Batch;
    use crate::store::Writer;
    use crate::store::fixtures::{batch, discovered, document, fresh, instance, options};
    use crate::store::verify::fold_log;

    fn notified(number: usize, millis: i64, ids: &[String]) -> Batch {
        let entries = vec![discovered(&instance(&format!("i-{number}")), document("running", "a"))];
        Batch { recorded_at: at_millis(millis), notified: ids.to_vec(), ..batch(entries) }
    }

    fn rows(writer: &Writer) -> u64 {
        let snapshot = writer.snapshot().unwrap();
        let report = fold_log(&snapshot).unwrap();
        assert!(report.is_clean(), "{report:#?}");
        let rows = snapshot.0.dedupe.len().unwrap();
        assert_eq!(rows == 0, snapshot.live().dedupe == 0);
        rows / 2
    }

    #[test]
    fn a_recorded_notification_is_known_with_its_record_and_after_a_restart() {
        let (dir, mut writer, store) = fresh();
        let ids = ["e-1".to_owned(), "\0\u{1}".to_owned(), "e-1".to_owned(), "x".repeat(LONGEST + 1)];
        writer.commit(notified(0, 1_000, &ids)).unwrap();
        writer.commit(notified(1, 2_000, &ids[..1])).unwrap();
        assert_eq!(rows(&writer), 2);
        drop((writer, store));
        let (writer, store) = crate::store::open(options(&dir)).unwrap();
        let snapshot = store.snapshot().unwrap();
        let known = |id: &str| snapshot.is_notified(id).unwrap();
        assert!(known("e-1") && known("\0\u{1}"));
        assert!(!known("e-2") && !known("") && !known(&ids[3]));
        assert_eq!(rows(&writer), 2);
    }

    #[test]
    fn what_is_older_than_a_queue_keeps_messages_is_forgotten_a_few_at_a_time() {
        let (_dir, mut writer, store) = fresh();
        let old: Vec<String> = (0..40).map(|n| format!("old-{n}")).collect();
        let later = 1_000 + i64::try_from(AGE.as_millis()).unwrap();
        writer.commit(notified(0, 1_000, &old)).unwrap();
        writer.commit(notified(1, later, &["a".to_owned()])).unwrap();
        assert_eq!(rows(&writer), 41, "not older than that");
        writer.commit(notified(2, later + 1, &["b".to_owned()])).unwrap();
        assert_eq!(rows(&writer), 42 - 1 - EXTRA as u64);
        for (number, id) in ["c", "d"].into_iter().enumerate() {
            writer.commit(notified(3 + number, later + 2, &[id.to_owned()])).unwrap();
        }
        let snapshot = store.snapshot().unwrap();
        assert!(!old.iter().any(|id| snapshot.is_notified(id).unwrap()));
        assert_eq!(rows(&writer), 4);
    }

    #[test]
    fn of_too_many_the_oldest_are_forgotten_also_when_the_clock_was_set_back() {
        let (_dir, writer, _store) = fresh();
        let add = |ids: std::ops::Range<i64>, millis: i64| {
            let txn = writer.shared.database.read().as_ref().unwrap().begin_write().unwrap();
            let mut live = 1_000_000;
            let mut dedupe = Dedupe::open(&txn).unwrap_or_else(|_| panic!("open"));
            for id in ids {
                dedupe.note(&format!("e-{id}"), at_millis(millis - id), &mut live).unwrap_or_else(|_| panic!("note"));
            }
            dedupe.trim(at_millis(millis), 50, &mut live).unwrap_or_else(|_| panic!("trim"));
            txn.commit().unwrap();
            writer.shared.publish().unwrap();
        };
        (0..10).for_each(|turn| add(turn * 10..turn * 10 + 10, 100_000));
        let snapshot = writer.snapshot().unwrap();
        let known: Vec<i64> = (0..100).filter(|id| snapshot.is_notified(&format!("e-{id}")).unwrap()).collect();
        assert_eq!(known, (50..100).collect::<Vec<_>>());
    }
}
