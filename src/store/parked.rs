//! Unreadable queue messages, kept so that they can be removed from the queue.
//!
//! A queue without a dead-letter queue delivers such a message again and again until it expires. After some receives it is kept
//! here instead, under keys of its own in the table `dedupe`, and deleted from the queue once that is durable. At most [`MAX_KEPT`]
//! messages are kept, for [`AGE`] at most, each with the first [`MAX_BODY`](crate::model::parked::MAX_BODY) bytes of its body; the
//! oldest are dropped. A message that is kept a second time, as after a crash between the commit and the delete, replaces the
//! first.
//!
//! The log does not mention these messages, so folding it cannot restore them. A backup copies them; a repair leaves them out.

use std::time::Duration;

use redb::{ReadableTable, WriteTransaction};

use super::codec::{self, DiskParked};
use super::counted::{self, CountedTable};
use super::keys;
use super::snapshot::{ReadError, Snapshot};
use super::tables::{DEDUPE_TABLE, RawEntry};
use super::write_error::WriteError;
use crate::model::{Parked, Timestamp};

/// How many messages are kept at most.
pub const MAX_KEPT: usize = 100;

/// How long a message is kept: the longest time that any queue can keep one.
pub const AGE: Duration = Duration::from_hours(14 * 24);

/// Keeps messages, and drops the oldest if there are too many or they are too old.
pub(super) fn keep(
    txn: &WriteTransaction,
    messages: Vec<Parked>,
    now: Timestamp,
    live: &mut u64,
) -> Result<(), WriteError> {
    let mut table = txn.open_table(DEDUPE_TABLE)?;
    for parked in messages {
        let Parked { message, queue, at, receives, why, body, bytes } = parked.cut();
        let key = keys::parked(&message);
        let disk = DiskParked { at: at.as_millis(), receives, bytes, queue: &queue, why: &why, body: &body };
        drop(counted::insert(&mut table, &key, &codec::encode_parked(&key, &disk)?, live)?);
    }
    trim(&mut table, now, live)
}

fn trim(table: &mut CountedTable<'_>, now: Timestamp, live: &mut u64) -> Result<(), WriteError> {
    let prefix = keys::all_parked();
    let mut kept = Vec::new();
    for entry in table.range(prefix.as_slice()..keys::past(&prefix).as_slice())? {
        let (key, bytes) = entry?;
        // An unreadable entry is dropped first.
        let at = codec::decode_parked(key.value(), bytes.value()).map_or(i64::MIN, |parked| parked.at);
        kept.push((at, key.value().to_vec()));
    }
    kept.sort_unstable();
    let most = kept.len().saturating_sub(MAX_KEPT);
    for (place, (at, key)) in kept.into_iter().enumerate() {
        if place < most || now.since(Timestamp::from_millis(at)) > AGE {
            counted::remove(table, &key, live)?;
        }
    }
    Ok(())
}

impl Snapshot {
    /// The unreadable messages that were removed from their queues, newest first.
    ///
    /// # Errors
    /// If the store cannot be read, or a kept message is damaged.
    pub fn parked(&self) -> Result<Vec<Parked>, ReadError> {
        let mut found = Vec::new();
        for (key, bytes) in self.raw_parked()? {
            let DiskParked { at, receives, bytes, queue, why, body } = codec::decode_parked(&key, &bytes)?;
            found.push(Parked {
                message: keys::parked_message(&key).unwrap_or_default(),
                queue: queue.to_owned(),
                at: Timestamp::from_millis(at),
                receives,
                why: why.to_owned(),
                body: body.to_owned(),
                bytes,
            });
        }
        found.sort_by(|a, b| b.at.cmp(&a.at).then_with(|| a.message.cmp(&b.message)));
        Ok(found)
    }

    /// The entries as stored, for a copy of the file.
    pub(super) fn raw_parked(&self) -> Result<Vec<RawEntry>, ReadError> {
        self.raw_deduped(&keys::all_parked())
    }

    /// The entries of the table `dedupe` whose keys begin with `prefix`, as stored.
    pub(super) fn raw_deduped(&self, prefix: &[u8]) -> Result<Vec<RawEntry>, ReadError> {
        let mut found = Vec::new();
        for entry in self.0.dedupe.range(prefix..keys::past(prefix).as_slice())? {
            let (key, bytes) = entry?;
            found.push((key.value().to_vec(), bytes.value().to_vec()));
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::fixtures::at_millis;
    use crate::model::parked::MAX_BODY;
    use crate::store::fixtures::{fresh, options};
    use crate::store::verify::fold_log;
    use crate::store::{CommitBatch, Writer};

    fn parked(message: &str, millis: i64) -> Parked {
        let body = format!("the body of {message}");
        Parked {
            message: message.to_owned(),
            queue: "https://sqs/1/q".to_owned(),
            at: at_millis(millis),
            receives: 10,
            why: "it is not an event".to_owned(),
            bytes: body.len() as u64,
            body,
        }
    }

    fn keep(writer: &mut Writer, messages: Vec<Parked>, millis: i64) {
        writer
            .commit(CommitBatch { recorded_at: at_millis(millis), parked: messages, ..CommitBatch::default() })
            .unwrap();
        let snapshot = writer.snapshot().unwrap();
        let report = fold_log(&snapshot).unwrap();
        assert!(report.is_clean(), "{report:#?}");
    }

    fn ids(writer: &Writer) -> Vec<String> {
        writer.snapshot().unwrap().parked().unwrap().into_iter().map(|parked| parked.message).collect()
    }

    #[test]
    fn a_parked_message_survives_a_restart_and_a_backup_without_a_record() {
        let (dir, mut writer, store) = fresh();
        let (one, other) = (parked("m-1", 1_000), parked("m\0\u{1}-2", 2_000));
        keep(&mut writer, vec![one.clone(), other.clone()], 2_000);
        keep(&mut writer, vec![one.clone()], 2_000);
        assert_eq!(writer.seq(), crate::model::Seq::ZERO);
        let copy = dir.path().join("copy.redb");
        store.backup(&copy).unwrap();
        drop((writer, store));
        let (writer, store) = crate::store::open(options(&dir)).unwrap();
        assert_eq!(writer.snapshot().unwrap().parked().unwrap(), [other.clone(), one.clone()]);
        drop((writer, store));
        let second = tempfile::tempdir().unwrap();
        std::fs::rename(copy, second.path().join(crate::store::FILE_NAME)).unwrap();
        let (writer, _store) = crate::store::open(options(&second)).unwrap();
        assert_eq!(writer.snapshot().unwrap().parked().unwrap(), [other, one]);
    }

    #[test]
    fn only_the_newest_messages_are_kept_and_only_the_beginning_of_long_ones() {
        let (_dir, mut writer, _store) = fresh();
        let many: Vec<Parked> =
            (1_000..).zip(0..MAX_KEPT + 7).map(|(millis, n)| parked(&format!("m-{n}"), millis)).collect();
        keep(&mut writer, many, 5_000);
        assert_eq!(ids(&writer).len(), MAX_KEPT);
        assert_eq!(ids(&writer)[0], format!("m-{}", MAX_KEPT + 6));
        let long = Parked { body: "é".repeat(MAX_BODY), ..parked("long", 6_000) };
        keep(&mut writer, vec![Parked { bytes: long.body.len() as u64, ..long }], 6_000);
        let found = writer.snapshot().unwrap().parked().unwrap();
        assert_eq!((found[0].body.len(), found[0].bytes), (MAX_BODY, 2 * MAX_BODY as u64));
    }

    #[test]
    fn a_message_is_forgotten_when_any_queue_would_have_dropped_it() {
        let (_dir, mut writer, _store) = fresh();
        let age = i64::try_from(AGE.as_millis()).unwrap();
        keep(&mut writer, vec![parked("old", 1_000)], 1_000);
        keep(&mut writer, vec![parked("new", 1_000 + age)], 1_000 + age);
        assert_eq!(ids(&writer), ["new", "old"]);
        keep(&mut writer, vec![parked("newer", 1_001 + age)], 1_001 + age);
        assert_eq!(ids(&writer), ["newer", "new"]);
    }
}
