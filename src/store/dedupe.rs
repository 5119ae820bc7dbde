//! The recorded notifications: EventBridge and SQS both repeat, and a repeat must change nothing, also after a restart.
//!
//! A notification has two rows of `dedupe`, written in the transaction that records it (a third family of keys holds
//! [`super::parked`] messages). `event` and its id lead to its number; numbers count up without gaps in recording order, and
//! `order` and a number lead to the id and the recording time. A lookup is therefore one read, and the oldest are the first of
//! `order`, whatever the clock said.
//!
//! An id is forgotten after [`AGE`], which is longer than a queue keeps a message, and when there are more than [`MAX_IDS`]. Each
//! commit that adds ids removes a few more than it adds, so that no commit has a large backlog to remove; ids that expire while
//! none are added stay, which is harmless. An id longer than [`MAX_ID_BYTES`] is not from AWS and is not remembered: a repeat of
//! its notification is decided again.
//!
//! Nothing else is derived from these rows, so folding the log cannot check them: `verify` compares both halves with each other. A
//! new file ([`super::rebuild`]) remembers the notifications of the records it takes.

use std::time::Duration;

use redb::{ReadableTable, WriteTransaction};

use super::codec;
use super::counted::{self, CountedTable};
use super::keys;
use super::snapshot::{ReadError, Snapshot};
use super::tables::DEDUPE_TABLE;
use super::write_error::WriteError;
use crate::model::{Cause, Recorded, Timestamp};

/// How long an id is remembered: twice as long as a queue made by `muster setup` keeps a message.
pub const AGE: Duration = Duration::from_hours(48);

/// How many ids are remembered at most: 11 a second for a day.
pub const MAX_IDS: u64 = 1_000_000;

/// The longest id that is remembered, in bytes. AWS's have 36.
pub const MAX_ID_BYTES: usize = 256;

/// How many more ids a commit removes than it adds, at most.
const EXTRA: usize = 16;

/// The table in a write transaction.
pub(super) struct Dedupe<'txn> {
    table: CountedTable<'txn>,
    /// The number of the next notification.
    next: u64,
    /// How many ids were added.
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

    /// Remembers a notification recorded at `at`; a known one is unchanged.
    pub(super) fn note(&mut self, event_id: &str, at: Timestamp, live: &mut u64) -> Result<(), WriteError> {
        let key = keys::notified(event_id);
        if event_id.len() > MAX_ID_BYTES || self.table.get(key.as_slice())?.is_some() {
            return Ok(());
        }
        let place = keys::notified_place(self.next);
        drop(counted::insert(&mut self.table, &key, &codec::encode_notified_number(&key, self.next)?, live)?);
        drop(counted::insert(&mut self.table, &place, &codec::encode_notified(&place, event_id, at)?, live)?);
        self.next += 1;
        self.added += 1;
        Ok(())
    }

    /// Forgets the oldest ids: those recorded [`AGE`] before `now`, and those above `rows`; a few more than were added.
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

/// The notification that caused a record.
pub(super) fn told_by(record: &Recorded) -> Option<&str> {
    match &record.cause {
        Cause::Notification { event_id } | Cause::Call { event_id, .. } => Some(event_id),
        _ => None,
    }
}

impl Snapshot {
    /// Whether a notification with this id was recorded, among the [`MAX_IDS`] newest of the last [`AGE`].
    ///
    /// # Errors
    /// If the store cannot be read.
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
    use crate::store::CommitBatch;
    use crate::store::Writer;
    use crate::store::fixtures::{batch, discovered, document, fresh, instance, options};
    use crate::store::verify::fold_log;

    fn notified(number: usize, millis: i64, ids: &[String]) -> CommitBatch {
        let entries = vec![discovered(&instance(&format!("i-{number}")), document("running", "a"))];
        CommitBatch { recorded_at: at_millis(millis), notified: ids.to_vec(), ..batch(entries) }
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
        let ids = ["e-1".to_owned(), "\0\u{1}".to_owned(), "e-1".to_owned(), "x".repeat(MAX_ID_BYTES + 1)];
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
    fn ids_older_than_the_messages_of_a_queue_are_forgotten_a_few_at_a_time() {
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
    fn the_oldest_of_too_many_ids_are_forgotten_also_after_the_clock_was_set_back() {
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
