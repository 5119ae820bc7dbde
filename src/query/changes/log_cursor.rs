//! A cursor of the log: where reading stopped, as opaque text.
//!
//! A cursor moves past every record that was read, matching or not, so a loop over cursors reads every record exactly once. It
//! keeps the bound of its range, so `-15m` stays the same time on all pages.
//!
//! Layout, base64url without padding: version `2`; log id, 8 bytes; question hash, 8 bytes; order, 1 byte; position, 8
//! bytes; bound, 8 bytes (all ones for none); the low 4 bytes of the XXH3 of all that. Numbers are little-endian.

use crate::model::{LogId, Seq};
use crate::query::cursor::{self, CursorError};

const VERSION: u8 = 2;
const UNBOUND: u64 = u64::MAX;

/// In which direction the log is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadOrder {
    /// As it was written.
    Oldest,
    /// The newest record first.
    Newest,
}

/// A range of the log that is still to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogRange {
    /// The direction.
    pub order: ReadOrder,
    /// Oldest first: the last record that was looked at. Newest first: the earliest one, with all later ones.
    pub at: Seq,
    /// Oldest first: the last record wanted. Newest first: the record before the earliest one wanted. `None`: to the end.
    pub bound: Option<Seq>,
}

/// A position in a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogCursor {
    /// The log.
    pub log: LogId,
    /// The hash of the filter that it continues.
    pub question: u64,
    /// What is still to be read.
    pub span: LogRange,
}

impl LogCursor {
    /// The cursor as text.
    #[must_use]
    pub fn encode(&self) -> String {
        let LogRange { order, at, bound } = self.span;
        let mut bytes = vec![VERSION];
        bytes.extend(self.log.0.to_le_bytes());
        bytes.extend(self.question.to_le_bytes());
        bytes.push(u8::from(order == ReadOrder::Newest));
        bytes.extend(at.0.to_le_bytes());
        bytes.extend(bound.map_or(UNBOUND, |bound| bound.0).to_le_bytes());
        cursor::sealed(bytes)
    }

    /// Reads a cursor of any log and any filter.
    ///
    /// # Errors
    /// [`CursorError`], when the text is not a cursor.
    pub fn read(text: &str) -> Result<Self, CursorError> {
        let (version, body) = cursor::opened(text)?;
        let mut rest = body.as_slice();
        match version {
            VERSION => {}
            // Cursors of searches and lists.
            1 | 3..=5 => return Err(CursorError::OtherQuestion),
            _ => return Err(CursorError::Version),
        }
        let log = LogId(u64::from_le_bytes(cursor::take(&mut rest)?));
        let question = u64::from_le_bytes(cursor::take(&mut rest)?);
        let order = match cursor::take(&mut rest)? {
            [0] => ReadOrder::Oldest,
            [1] => ReadOrder::Newest,
            _ => return Err(CursorError::Garbled),
        };
        let at = Seq(u64::from_le_bytes(cursor::take(&mut rest)?));
        let bound = u64::from_le_bytes(cursor::take(&mut rest)?);
        if !rest.is_empty() {
            return Err(CursorError::Garbled);
        }
        let bound = (bound != UNBOUND).then_some(Seq(bound));
        Ok(LogCursor { log, question, span: LogRange { order, at, bound } })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_cursors_of_lists_belong_to_other_questions_and_later_ones_to_other_versions() {
        let read = |version: u8| LogCursor::read(&cursor::sealed(vec![version; 40]));
        for version in [1, 3, 4, 5] {
            assert_eq!(read(version), Err(CursorError::OtherQuestion), "{version}");
        }
        assert_eq!(read(6), Err(CursorError::Version));
    }

    proptest! {
        #[test]
        fn reading_gives_back_what_was_encoded(log: u64, question: u64, newest: bool, at: u64, bound in proptest::option::of(0..u64::MAX)) {
            let order = if newest { ReadOrder::Newest } else { ReadOrder::Oldest };
            let place = LogCursor { log: LogId(log), question, span: LogRange { order, at: Seq(at), bound: bound.map(Seq) } };
            prop_assert_eq!(LogCursor::read(&place.encode()), Ok(place));
        }

        #[test]
        fn any_text_is_refused_or_the_one_text_of_a_place(text in "\\PC{0,80}", bytes: Vec<u8>) {
            prop_assert!(LogCursor::read(&text).is_err());
            let sealed = cursor::sealed([vec![VERSION], bytes].concat());
            if let Ok(place) = LogCursor::read(&sealed) {
                prop_assert_eq!(place.encode(), sealed);
            }
        }
    }
}
