//! The error of recording.

use std::sync::Arc;

use thiserror::Error;

use crate::store::{CommitError, ReadError};

/// Why nothing was recorded.
#[derive(Debug, Error)]
pub enum IngestError {
    /// The server is stopping.
    #[error("the server is stopping and records nothing more; repeat the call when it runs again")]
    Stopped,
    /// The store could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The store could not be written.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// Several notifications were to be stored together, and one of these errors prevented that.
    #[error(transparent)]
    Together(#[from] Arc<IngestError>),
}

impl IngestError {
    /// Whether only the content itself is to blame: it meets a damaged record, or cannot be encoded.
    pub(super) fn is_of_one(&self) -> bool {
        match self {
            IngestError::Read(ReadError::Damaged(_))
            | IngestError::Commit(CommitError::Damaged(_) | CommitError::Unencodable(_)) => true,
            IngestError::Together(error) => error.is_of_one(),
            IngestError::Stopped | IngestError::Read(ReadError::Unavailable(_)) | IngestError::Commit(_) => false,
        }
    }

    /// Whether the error text itself says what to do.
    pub(super) fn advises(&self) -> bool {
        match self {
            IngestError::Stopped | IngestError::Commit(CommitError::Unencodable(_)) => false,
            IngestError::Read(_) | IngestError::Commit(_) => true,
            IngestError::Together(error) => error.advises(),
        }
    }

    /// Whether submitting it again may succeed.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        !matches!(self, IngestError::Stopped) && !self.is_of_one()
    }
}
