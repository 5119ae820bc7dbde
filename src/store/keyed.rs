//! Calls that came with an idempotency key, kept for [`AGE`] whatever the log keeps: a repeat must not call AWS again.
//!
//! They have keys of their own in the table `dedupe`. A call is kept before it calls AWS, and once more with its answer. A call
//! without an answer is one that runs, or one that a crash ended: the log tells what became of it, by the call's name.
//!
//! The log does not mention the answers, so folding it cannot restore them. A backup copies these entries; a repair leaves them out.

use std::time::Duration;

use redb::{ReadableTable, WriteTransaction};

use super::codec::{self, DiskKeyed};
use super::counted;
use super::keys;
use super::snapshot::{ReadError, Snapshot};
use super::tables::{DEDUPE_TABLE, RawEntry};
use super::write_error::WriteError;
use crate::model::keyed_call::{CallKey, KeyedCall};
use crate::model::{Principal, Timestamp};

/// How long a call is kept after it came first.
pub const AGE: Duration = Duration::from_hours(24);

/// Keeps a call, and drops those that are too old at `now`.
pub(super) fn keep(txn: &WriteTransaction, call: &KeyedCall, now: Timestamp, live: &mut u64) -> Result<(), WriteError> {
    let mut table = txn.open_table(DEDUPE_TABLE)?;
    let key = keys::keyed(&call.key);
    let disk = DiskKeyed {
        at: call.at.as_millis(),
        tool: &call.tool,
        digest: call.digest.to_le_bytes(),
        call: &call.call,
        answer: call.answer.as_deref(),
    };
    drop(counted::insert(&mut table, &key, &codec::encode_keyed(&key, &disk)?, live)?);
    let prefix = keys::all_keyed();
    let mut old = Vec::new();
    for entry in table.range(prefix.as_slice()..keys::past(&prefix).as_slice())? {
        let (key, bytes) = entry?;
        // An entry that cannot be read stays: it may be of a call that must not be repeated.
        let at = codec::decode_keyed(key.value(), bytes.value()).ok().map(|kept| Timestamp::from_millis(kept.at));
        if at.is_some_and(|at| now.since(at) > AGE) {
            old.push(key.value().to_vec());
        }
    }
    for key in old {
        counted::remove(&mut table, &key, live)?;
    }
    Ok(())
}

impl Snapshot {
    /// The call with this key, if it came less than [`AGE`] before `now`.
    ///
    /// # Errors
    /// If the store cannot be read, or the entry is damaged.
    pub fn keyed(&self, key: &CallKey, now: Timestamp) -> Result<Option<KeyedCall>, ReadError> {
        let place = keys::keyed(key);
        let Some(bytes) = self.0.dedupe.get(place.as_slice())? else { return Ok(None) };
        let DiskKeyed { at, tool, digest, call, answer } = codec::decode_keyed(&place, bytes.value())?;
        let found = KeyedCall {
            key: key.clone(),
            at: Timestamp::from_millis(at),
            tool: tool.to_owned(),
            digest: u128::from_le_bytes(digest),
            call: call.to_owned(),
            answer: answer.map(str::to_owned),
        };
        Ok(Some(found).filter(|found| now.since(found.at) <= AGE))
    }

    /// How many keyed calls of a user are kept, whatever the client calls itself.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn keyed_count(&self, by: &Principal) -> Result<usize, ReadError> {
        let prefix = keys::keyed_of(&by.user);
        Ok(self.0.dedupe.range(prefix.as_slice()..keys::past(&prefix).as_slice())?.count())
    }

    /// The entries as stored, for a copy of the file.
    pub(super) fn raw_keyed(&self) -> Result<Vec<RawEntry>, ReadError> {
        self.raw_deduped(&keys::all_keyed())
    }
}

#[cfg(test)]
mod tests;
