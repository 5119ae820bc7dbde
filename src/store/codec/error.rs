//! Errors of decoding and encoding records.

use thiserror::Error;

/// A stored record that cannot be read.
#[derive(Debug, Error)]
#[error(
    "the record `{key}` of table `{table}` cannot be read, because the store file is damaged there: stop the Muster server and run \
     `muster log verify --repair`, which keeps everything that can be read"
)]
pub struct DecodeError {
    /// The table of the record.
    pub table: &'static str,
    /// Its key in readable form.
    pub key: String,
    /// The fault.
    #[source]
    pub fault: RecordFault,
}

/// The fault of a stored record.
#[derive(Debug, Error)]
pub enum RecordFault {
    /// Its key is not a valid key of its table.
    #[error("its key is malformed")]
    Key,
    /// It is shorter than its header.
    #[error("it holds only {bytes} bytes")]
    Short {
        /// All its bytes.
        bytes: usize,
    },
    /// It was written by another version.
    #[error("it has format {found}, and this version of Muster reads format {known}")]
    Version {
        /// Its version byte.
        found: u8,
        /// The version that can be read.
        known: u8,
    },
    /// Key or payload differ from what was written.
    #[error("its checksum does not match")]
    Checksum,
    /// The payload is not a record of its table.
    #[error("its content is malformed")]
    Malformed(#[source] Box<bincode::error::DecodeError>),
    /// Bytes follow the content.
    #[error("{count} bytes follow its content")]
    Trailing {
        /// The number of bytes.
        count: usize,
    },
    /// Another record points to it, but it does not exist.
    #[error("it is missing, although another record points to it")]
    Missing,
}

/// Content that cannot be stored.
#[derive(Debug, Error)]
#[error("`{key}` cannot be stored in table `{table}`: drop the observation that brought it and report its kind")]
pub struct EncodeError {
    /// The table it was meant for.
    pub table: &'static str,
    /// Its key in readable form.
    pub key: String,
    /// The reason.
    #[source]
    pub fault: EncodeFault,
}

/// Why content cannot be stored.
#[derive(Debug, Error)]
pub enum EncodeFault {
    /// It is too large.
    #[error("its {bytes} bytes are above the limit of {limit}")]
    TooLarge {
        /// The encoded size.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// It cannot be encoded: for example, a document nests too deeply.
    #[error("it has no encoding")]
    Unencodable(#[source] Box<bincode::error::EncodeError>),
}
