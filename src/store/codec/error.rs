//! Why a record cannot be read, and why content cannot be stored.

use thiserror::Error;

/// A stored record that cannot be read.
#[derive(Debug, Error)]
#[error(
    "the record `{key}` of table `{table}` cannot be read, because the store file is damaged there: stop the Muster server and run \
     `muster log verify --repair`, which keeps everything that can be read"
)]
pub struct DecodeError {
    /// The table it is in.
    pub table: &'static str,
    /// Its key, made readable.
    pub key: String,
    /// What is wrong with it.
    #[source]
    pub fault: Fault,
}

/// What is wrong with a stored record.
#[derive(Debug, Error)]
pub enum Fault {
    /// Its key does not name what keys of its table name.
    #[error("its key is malformed")]
    Key,
    /// It is shorter than its header, or not as long as the header says.
    #[error("it holds {found} bytes, but its header says {expected}")]
    Length {
        /// Bytes after the header.
        found: usize,
        /// Bytes that the header announces.
        expected: usize,
    },
    /// Another version wrote it.
    #[error("it has format {found}, and this version of Muster reads format {known}")]
    Version {
        /// Its version byte.
        found: u8,
        /// The one that is known.
        known: u8,
    },
    /// Key or payload are not what was written.
    #[error("its checksum does not match")]
    Checksum,
    /// The payload is not what its table holds.
    #[error("its content is malformed")]
    Malformed(#[source] Box<bincode::error::DecodeError>),
    /// Bytes follow the content.
    #[error("{count} bytes follow its content")]
    Trailing {
        /// How many.
        count: usize,
    },
    /// The record that another one points to is not there.
    #[error("it is missing, although `by_resource` points to it")]
    Missing,
}

/// Content that cannot be stored.
#[derive(Debug, Error)]
#[error("`{key}` cannot be stored in table `{table}`: drop the observation that brought it and report its kind")]
pub struct EncodeError {
    /// The table it was meant for.
    pub table: &'static str,
    /// Its key, made readable.
    pub key: String,
    /// Why not.
    #[source]
    pub fault: Refusal,
}

/// Why content cannot be stored.
#[derive(Debug, Error)]
pub enum Refusal {
    /// It is too large.
    #[error("its {bytes} bytes are above the limit of {limit}")]
    TooLarge {
        /// Encoded size.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// It cannot be encoded, such as a document nested deeper than the limit.
    #[error("it has no encoding")]
    Unencodable(#[source] Box<bincode::error::EncodeError>),
}
