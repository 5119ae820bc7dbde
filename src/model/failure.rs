//! What kind of failure a request ended in, as a word that programs compare.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The kind of a failure of a tool or of an admin request.
///
/// On the wire it is its name in `snake_case`. The words stay as they are between versions; the text beside them, which is for
/// people and models, does not. A word that this version does not know reads as [`FailureCode::Failed`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureCode {
    /// The request can never be served as it stands: one of its arguments cannot be used.
    InvalidArgument,
    /// There is no tool or prompt of that name.
    Unknown,
    /// The cursor is damaged, or belongs to another store or to other arguments.
    Cursor,
    /// The cursor belongs to another log.
    CursorForeign,
    /// The log no longer keeps the changes at the cursor's place.
    CursorExpired,
    /// The log does not reach to the time or record that was asked for.
    NotInLog,
    /// The log is another one than the one that the request names.
    OtherLog,
    /// There is no such resource.
    NotFound,
    /// There was such a resource.
    Removed,
    /// AWS lists the resource in a form that cannot be read.
    Unreadable,
    /// The resource is not known yet, because the first sweep is not complete.
    NotSeenYet,
    /// The tool changes AWS, and the connection may only read.
    WritesOff,
    /// The session cannot do that.
    Refused,
    /// AWS refused, or could not be reached.
    Aws,
    /// The same request is served once the server has opened its store, or once its disk answers.
    TryAgain,
    /// A tool that changes AWS did nothing for any of the instances that were named; each of them has its verdict.
    NothingDone,
    /// The endpoint carried out a dry run, or answered about something that nobody named.
    NotTrusted,
    /// As many requests of this sort run as the server takes.
    Busy,
    /// Something else failed; the text says what.
    #[serde(other)]
    Failed,
}

impl FailureCode {
    /// Whether the same request may be served soon, by this server or by the next.
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
    fn a_code_reads_back_as_it_is_written_and_an_unknown_word_is_a_failure() {
        for code in [FailureCode::InvalidArgument, FailureCode::CursorExpired, FailureCode::Aws, FailureCode::Failed] {
            let word = serde_json::to_value(code).unwrap();
            assert_eq!(word, code.to_string());
            assert_eq!(serde_json::from_value::<FailureCode>(word).unwrap(), code);
        }
        assert_eq!(serde_json::from_str::<FailureCode>("\"of_a_later_version\"").unwrap(), FailureCode::Failed);
    }
}
