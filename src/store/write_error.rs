//! Errors of a write, before they are converted to public ones.

use super::codec::{DecodeError, EncodeError};
use super::snapshot::ReadError;

/// Why a write failed: the disk, an unreadable stored record, or content that cannot be encoded.
pub(super) enum WriteError {
    Storage(Box<redb::Error>),
    Decode(DecodeError),
    Encode(EncodeError),
}

impl From<ReadError> for WriteError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Unavailable(source) => WriteError::Storage(source),
            ReadError::Damaged(error) => WriteError::Decode(error),
        }
    }
}

impl From<DecodeError> for WriteError {
    fn from(error: DecodeError) -> Self {
        WriteError::Decode(error)
    }
}

impl From<EncodeError> for WriteError {
    fn from(error: EncodeError) -> Self {
        WriteError::Encode(error)
    }
}

macro_rules! storage {
    ($($error:ty),+) => {$(
        impl From<$error> for WriteError {
            fn from(error: $error) -> Self {
                WriteError::Storage(Box::new(error.into()))
            }
        }
    )+};
}
storage!(redb::TransactionError, redb::TableError, redb::StorageError, redb::CommitError, redb::SetDurabilityError);
