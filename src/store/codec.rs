//! The bytes of every record. Only this module uses bincode.
//!
//! A record is a version byte, a CRC32C of key and payload, and the payload: a disk struct in bincode's standard configuration. The
//! checksum covers the key, so that a record under a wrong key is detected, and the length.
//!
//! bincode `=2.0.1` is unmaintained (RUSTSEC-2025-0141); nothing outside this module names it, so it can be replaced here. bincode
//! is not self-describing: adding a field to a struct needs a new version byte, and an enum's variants are numbered by position, so
//! they are only ever **appended**. `tests.rs` holds the bytes of every variant. Disk structs are separate from the model's, so
//! that the model can change without the file.

mod convert;
mod dictionary;
mod disk;
mod document;
mod error;
mod frame;
mod short_id;

use std::borrow::Cow;

pub use self::disk::Live;
use self::disk::{DiskBaseline, DiskCause, DiskEvidence, DiskId, DiskNotified, DiskRecord, DiskTombstone};
pub(super) use self::disk::{DiskHead, DiskKeyed, DiskKnown, DiskLedger, DiskParked, DiskRow, DiskWatermark};
#[cfg(test)]
pub(super) use self::document::whole;
use self::document::{DiskDocument, DiskWord};
pub(super) use self::document::{MAX_DEPTH, Next, Tokens, parts};
pub use self::error::{DecodeError, EncodeError, EncodeFault, RecordFault};
use self::frame::{CONFIG, read, seal, unseal};
use super::baseline_record::BaselineRecord;
use super::keys;
use super::tables::{BODIES, DEDUPE, EVENTS, INTERVALS, META, ROWS, TOMBSTONES};
use crate::model::known::Tombstone;
use crate::model::{Current, Document, Recorded, RowFields, Seq, Timestamp};

/// The key under the checksum of an event's record, and of a body.
fn event_key(seq: Seq) -> [u8; 8] {
    seq.0.to_be_bytes()
}

/// A fault of the record `seq` of `events`.
pub(super) fn event_fault(seq: Seq, fault: RecordFault) -> DecodeError {
    DecodeError { table: EVENTS, key: seq.to_string(), fault }
}

/// A fault of a key.
pub(super) fn key_fault(table: &'static str, key: &[u8]) -> DecodeError {
    DecodeError { table, key: keys::shown(key), fault: RecordFault::Key }
}

/// The fault of a record that is not there, although others name it.
pub(super) fn missing(table: &'static str, key: &[u8]) -> DecodeError {
    DecodeError { table, key: keys::shown(key), fault: RecordFault::Missing }
}

pub(super) fn encode_event(record: &Recorded) -> Result<Vec<u8>, EncodeError> {
    seal(EVENTS, &event_key(record.seq), &DiskRecord::from(record))
        .map_err(|error| EncodeError { key: record.seq.to_string(), ..error })
}

pub(super) fn decode_event(seq: Seq, bytes: &[u8]) -> Result<Recorded, DecodeError> {
    let record: DiskRecord<'_> = read(EVENTS, &event_key(seq), bytes).map_err(|error| event_fault(seq, error.fault))?;
    Ok(Recorded {
        seq,
        recorded_at: Timestamp::from_millis(record.recorded_at),
        cause: record.cause.into(),
        event: record.event.into(),
    })
}

/// The beginning of a record that a first sweep made of a resource; `None` for every other one. The checksum of the whole record is
/// verified.
pub(super) fn decode_baseline(seq: Seq, bytes: &[u8]) -> Option<BaselineRecord<'_>> {
    let payload = unseal(&event_key(seq), bytes).ok()?;
    let (start, _) = bincode::borrow_decode_from_slice::<DiskBaseline<'_>, _>(payload, CONFIG).ok()?;
    let DiskBaseline { recorded_at, id: DiskId { kind, id, account, region } } = start;
    let (recorded_at, kind, region) = (Timestamp::from_millis(recorded_at), kind.0, region.0);
    Some(BaselineRecord { recorded_at, kind, id, account, region })
}

/// The commit time of a record. The checksum of the whole record is verified.
pub(super) fn decode_time(seq: Seq, bytes: &[u8]) -> Result<Timestamp, DecodeError> {
    unseal(&event_key(seq), bytes)
        .and_then(|payload| {
            bincode::borrow_decode_from_slice::<i64, _>(payload, CONFIG)
                .map_err(|fault| RecordFault::Malformed(Box::new(fault)))
        })
        .map(|(recorded_at, _)| Timestamp::from_millis(recorded_at))
        .map_err(|fault| event_fault(seq, fault))
}

/// What `current` or `base` hold of a resource: all but its document.
pub(super) fn encode_known(table: &'static str, key: &[u8], current: &Current) -> Result<Vec<u8>, EncodeError> {
    seal(table, key, &DiskKnown::from(current))
}

pub(super) fn decode_known<'b>(table: &'static str, key: &[u8], bytes: &'b [u8]) -> Result<DiskKnown<'b>, DecodeError> {
    read(table, key, bytes)
}

/// A body in a place of its own.
pub(super) fn encode_body(seq: Seq, document: &Document) -> Result<Vec<u8>, EncodeError> {
    seal(BODIES, &event_key(seq), &DiskDocument(Cow::Borrowed(document)))
        .map_err(|error| EncodeError { key: seq.to_string(), ..error })
}

pub(super) fn decode_body(seq: Seq, bytes: &[u8]) -> Result<Document, DecodeError> {
    body_payload(seq, bytes).and_then(whole_document).map_err(|fault| body_fault(seq, fault))
}

/// The document of a body as its tokens: a tenth of the work of [`decode_body`].
pub(super) fn body_tokens(seq: Seq, bytes: &[u8]) -> Result<&[u8], DecodeError> {
    body_payload(seq, bytes).map_err(|fault| body_fault(seq, fault))
}

fn body_payload(seq: Seq, bytes: &[u8]) -> Result<&[u8], RecordFault> {
    unseal(&event_key(seq), bytes)
}

/// A fault of a body.
pub(super) fn body_fault(seq: Seq, fault: RecordFault) -> DecodeError {
    DecodeError { table: BODIES, key: seq.to_string(), fault }
}

/// The document that a record discovered.
pub(super) fn decode_discovered(seq: Seq, bytes: &[u8]) -> Result<Document, DecodeError> {
    discovered_payload(seq, bytes).and_then(whole_document).map_err(|fault| event_fault(seq, fault))
}

/// The same as its tokens.
pub(super) fn discovered_tokens(seq: Seq, bytes: &[u8]) -> Result<&[u8], DecodeError> {
    discovered_payload(seq, bytes).map_err(|fault| event_fault(seq, fault))
}

/// The part of a discovery's record that is its document.
fn discovered_payload(seq: Seq, bytes: &[u8]) -> Result<&[u8], RecordFault> {
    let payload = unseal(&event_key(seq), bytes)?;
    let malformed = |fault| RecordFault::Malformed(Box::new(fault));
    let (head, used) =
        bincode::borrow_decode_from_slice::<(i64, DiskCause<'_>, u32), _>(payload, CONFIG).map_err(malformed)?;
    if head.2 != DISCOVERED {
        // Only a discovery holds a body.
        return Err(RecordFault::Key);
    }
    let rest = payload.get(used..).unwrap_or_default();
    let (_, used) =
        bincode::borrow_decode_from_slice::<(DiskId<'_>, DiskEvidence, u16), _>(rest, CONFIG).map_err(malformed)?;
    Ok(rest.get(used..).unwrap_or_default())
}

/// The number of the variant `Discovered`.
const DISCOVERED: u32 = 0;

fn whole_document(tokens: &[u8]) -> Result<Document, RecordFault> {
    let (document, used) = bincode::borrow_decode_from_slice::<DiskDocument<'_>, _>(tokens, CONFIG)
        .map_err(|fault| RecordFault::Malformed(Box::new(fault)))?;
    match tokens.len() - used {
        0 => Ok(document.0.into_owned()),
        count => Err(RecordFault::Trailing { count }),
    }
}

pub(super) fn encode_row(key: &[u8], head: DiskHead<'_>, fields: &RowFields) -> Result<Vec<u8>, EncodeError> {
    let facets = fields.facets.iter().map(|(number, value)| (*number, DiskWord(value))).collect();
    let tags = fields.tags.iter().map(|(key, value)| (DiskWord(key), DiskWord(value))).collect();
    seal(ROWS, key, &DiskRow { head, projection: fields.projection, facets, tags })
}

pub(super) fn decode_row<'b>(key: &[u8], bytes: &'b [u8]) -> Result<DiskRow<'b>, DecodeError> {
    read(ROWS, key, bytes)
}

/// Decodes only the head of a row. The checksum of the whole record is verified.
pub(super) fn decode_head<'b>(key: &[u8], bytes: &'b [u8]) -> Result<DiskHead<'b>, DecodeError> {
    unseal(key, bytes)
        .and_then(|payload| {
            bincode::borrow_decode_from_slice::<DiskHead<'b>, _>(payload, CONFIG)
                .map_err(|fault| RecordFault::Malformed(Box::new(fault)))
        })
        .map(|(head, _)| head)
        .map_err(|fault| DecodeError { table: ROWS, key: keys::shown(key), fault })
}

pub(super) fn encode_tombstone(key: &[u8], tombstone: &Tombstone) -> Result<Vec<u8>, EncodeError> {
    let disk = DiskTombstone {
        at: tombstone.at.as_millis(),
        removed_at: tombstone.removed_at.as_millis(),
        seq: tombstone.seq.0,
        document: DiskDocument(Cow::Borrowed(&tombstone.document)),
    };
    seal(TOMBSTONES, key, &disk)
}

pub(super) fn decode_tombstone(key: &[u8], bytes: &[u8]) -> Result<Tombstone, DecodeError> {
    let disk: DiskTombstone<'_> = read(TOMBSTONES, key, bytes)?;
    Ok(Tombstone {
        at: Timestamp::from_millis(disk.at),
        removed_at: Timestamp::from_millis(disk.removed_at),
        seq: Seq(disk.seq),
        document: disk.document.0.into_owned(),
    })
}

pub(super) fn encode_watermark(key: &[u8], watermark: &DiskWatermark) -> Result<Vec<u8>, EncodeError> {
    seal(INTERVALS, key, watermark)
}

pub(super) fn decode_watermark(key: &[u8], bytes: &[u8]) -> Result<DiskWatermark, DecodeError> {
    read(INTERVALS, key, bytes)
}

pub(super) fn encode_ledger(key: &[u8], ledger: DiskLedger) -> Result<Vec<u8>, EncodeError> {
    seal(META, key, &ledger)
}

pub(super) fn decode_ledger(key: &[u8], bytes: &[u8]) -> Result<DiskLedger, DecodeError> {
    read(META, key, bytes)
}

pub(super) fn encode_notified(key: &[u8], event_id: &str, at: Timestamp) -> Result<Vec<u8>, EncodeError> {
    seal(DEDUPE, key, &DiskNotified { at: at.as_millis(), event_id })
}

/// The id of a notification, and when it was recorded.
pub(super) fn decode_notified(key: &[u8], bytes: &[u8]) -> Result<(String, Timestamp), DecodeError> {
    let DiskNotified { at, event_id } = read(DEDUPE, key, bytes)?;
    Ok((event_id.to_owned(), Timestamp::from_millis(at)))
}

pub(super) fn encode_notified_number(key: &[u8], number: u64) -> Result<Vec<u8>, EncodeError> {
    seal(DEDUPE, key, &number)
}

pub(super) fn decode_notified_number(key: &[u8], bytes: &[u8]) -> Result<u64, DecodeError> {
    read(DEDUPE, key, bytes)
}

pub(super) fn encode_parked(key: &[u8], parked: &DiskParked<'_>) -> Result<Vec<u8>, EncodeError> {
    seal(DEDUPE, key, parked)
}

pub(super) fn decode_parked<'a>(key: &[u8], bytes: &'a [u8]) -> Result<DiskParked<'a>, DecodeError> {
    read(DEDUPE, key, bytes)
}

pub(super) fn encode_keyed(key: &[u8], keyed: &DiskKeyed<'_>) -> Result<Vec<u8>, EncodeError> {
    seal(DEDUPE, key, keyed)
}

pub(super) fn decode_keyed<'a>(key: &[u8], bytes: &'a [u8]) -> Result<DiskKeyed<'a>, DecodeError> {
    read(DEDUPE, key, bytes)
}

/// A bare number of `meta`: the format, the log id and counts.
pub(super) fn encode_number(key: &[u8], number: u64) -> Result<Vec<u8>, EncodeError> {
    seal(META, key, &number)
}

pub(super) fn decode_number(key: &[u8], bytes: &[u8]) -> Result<u64, DecodeError> {
    read(META, key, bytes)
}

#[cfg(test)]
mod tests;
