//! The frame of every record: version and checksum before the payload.

use bincode::{BorrowDecode, Encode};

use super::error::{DecodeError, EncodeError, EncodeFault, RecordFault};
use crate::store::keys;

/// The version byte of every record. This build reads no other: a file of another format is refused before any of its records is
/// read.
pub(super) const VERSION: u8 = 6;
/// The longest payload written. EC2's largest resources (security groups with 1,000 rules) take about 0.3 MB.
pub(super) const MAX_PAYLOAD: usize = 16 * 1024 * 1024;
/// How many bytes bincode may allocate to decode one record, by the lengths claimed in it.
const LIMIT: usize = 4 * MAX_PAYLOAD;
pub(super) const CONFIG: bincode::config::Configuration<
    bincode::config::LittleEndian,
    bincode::config::Varint,
    bincode::config::Limit<LIMIT>,
> = bincode::config::standard().with_limit::<LIMIT>();
pub(super) const HEADER: usize = 5;

/// Frames `content` for `key`.
pub(super) fn seal<T: Encode>(table: &'static str, key: &[u8], content: &T) -> Result<Vec<u8>, EncodeError> {
    let refuse = |fault| EncodeError { table, key: keys::shown(key), fault };
    let mut payload = Vec::with_capacity(1024);
    payload.extend_from_slice(&[0; HEADER]);
    bincode::encode_into_std_write(content, &mut payload, CONFIG)
        .map_err(|fault| refuse(EncodeFault::Unencodable(Box::new(fault))))?;
    let bytes = payload.len() - HEADER;
    if bytes > MAX_PAYLOAD {
        return Err(refuse(EncodeFault::TooLarge { bytes, limit: MAX_PAYLOAD }));
    }
    let mut record = payload;
    if let Some((header, payload)) = record.split_first_chunk_mut::<HEADER>() {
        let sum = crc32c::crc32c_append(crc32c::crc32c(key), payload);
        let [version, rest @ ..] = header;
        *version = VERSION;
        *rest = sum.to_le_bytes();
    }
    Ok(record)
}

/// Checks a record and returns its payload.
pub(super) fn unseal<'b>(key: &[u8], record: &'b [u8]) -> Result<&'b [u8], RecordFault> {
    let Some(([version, sum @ ..], payload)) = record.split_first_chunk::<HEADER>() else {
        return Err(RecordFault::Short { bytes: record.len() });
    };
    if *version != VERSION {
        return Err(RecordFault::Version { found: *version, known: VERSION });
    }
    if crc32c::crc32c_append(crc32c::crc32c(key), payload) != u32::from_le_bytes(*sum) {
        return Err(RecordFault::Checksum);
    }
    Ok(payload)
}

pub(super) fn read<'b, T: BorrowDecode<'b, ()>>(
    table: &'static str,
    key: &[u8],
    record: &'b [u8],
) -> Result<T, DecodeError> {
    unseal(key, record)
        .and_then(|payload| {
            let (content, used) = bincode::borrow_decode_from_slice::<T, _>(payload, CONFIG)
                .map_err(|fault| RecordFault::Malformed(Box::new(fault)))?;
            match payload.len() - used {
                0 => Ok(content),
                count => Err(RecordFault::Trailing { count }),
            }
        })
        .map_err(|fault| DecodeError { table, key: keys::shown(key), fault })
}
