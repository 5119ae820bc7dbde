//! The kind of failure that ended a request, as a word that programs compare.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The kind of a failure of a tool or of an admin request.
///
/// The wire form is the name in `snake_case`. These words are stable between versions; the text beside them, which is for people
/// and models, is not. A word that this version does not know reads as [`FailureCode::Failed`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureCode {
    /// One of the arguments cannot be used: the request always fails as it stands.
    InvalidArgument,
    /// There is no tool or prompt of that name.
    Unknown,
    /// The cursor is damaged, or belongs to another store or to other arguments.
    Cursor,
    /// The cursor belongs to another log.
    CursorForeign,
    /// The log no longer keeps the changes that follow the cursor.
    CursorExpired,
    /// The log does not reach back to the requested time or record.
    NotInLog,
    /// The request names another log than the server's.
    OtherLog,
    /// There is no such resource.
    NotFound,
    /// The resource existed and is removed.
    Removed,
    /// AWS lists the resource in a form that cannot be read.
    Unreadable,
    /// The resource is not known yet, because the first sweep is not complete.
    NotSeenYet,
    /// The tool changes AWS, but the connection is read-only.
    WritesOff,
    /// The session may not do this.
    Refused,
    /// AWS refused, or could not be reached.
    Aws,
    /// The server cannot answer before its store is open or its disk answers again; the same request succeeds then.
    TryAgain,
    /// A tool that changes AWS did nothing for any named instance; the answer has a verdict for each.
    NothingDone,
    /// A tool that changes AWS did nothing that is known, but may have done it for an instance: the verdict there is `unknown`.
    PerhapsDone,
    /// The endpoint carried out a dry run, or answered about a resource that nobody named.
    NotTrusted,
    /// The server already runs as many requests of this sort as it accepts.
    Busy,
    /// Something else failed; the text says what.
    #[serde(other)]
    Failed,
}

impl FailureCode {
    /// Whether the same request may soon succeed, at this server or the next.
    #[must_use]
    pub fn is_passing(self) -> bool {
        self == FailureCode::TryAgain
    }
}

impl fmt::Display for FailureCode {
    /// The word on the wire.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_reads_back_as_it_was_written_and_an_unknown_word_reads_as_failed() {
        for code in [FailureCode::InvalidArgument, FailureCode::CursorExpired, FailureCode::Aws, FailureCode::Failed] {
            let word = serde_json::to_value(code).unwrap();
            assert_eq!(word, code.to_string());
            assert_eq!(serde_json::from_value::<FailureCode>(word).unwrap(), code);
        }
        assert_eq!(serde_json::from_str::<FailureCode>("\"of_a_later_version\"").unwrap(), FailureCode::Failed);
    }
}
