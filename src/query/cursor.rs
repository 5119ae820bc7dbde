//! A cursor of a list or search: where a page ended, as opaque text.
//!
//! A cursor names the last key served, so pages stay exact while rows come and go: a row that was there throughout is served
//! exactly once. It carries its log and question; with another log or question it is refused, so that no page is silently wrong.
//!
//! Layout, base64url without padding: version `1`; log id, 8 bytes; question hash, 8 bytes; kind, id, account and region,
//! each as a 2-byte length and text; the low 4 bytes of the XXH3 of all that. Numbers are little-endian. Version `3` pages
//! through the past, and has the point's time and seq, 8 bytes each, after the question hash. Version `2` is a
//! [`super::changes::LogCursor`]. Versions `4` and `5` are `1` and `3` of a list that is sorted by values: after the region comes
//! 1 and the value, or 0 where there was none.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use thiserror::Error;
use xxhash_rust::xxh3::xxh3_64;

use super::moment::Point;
use crate::model::{AccountId, Kind, LogId, Region, ResourceId, Seq, Timestamp};

const VERSION: u8 = 1;
const OF_CHANGES: u8 = 2;
const OF_THE_PAST: u8 = 3;
const SORTED: u8 = 4;
const SORTED_OF_THE_PAST: u8 = 5;

/// A position in a list that is ordered by [`ResourceId`], or by values and then by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The log whose rows it pages through.
    pub log: LogId,
    /// The hash of the question it continues.
    pub question: u64,
    /// The point in the past at which it pages; `None` for now.
    pub point: Option<Point>,
    /// The last key that was served.
    pub after: ResourceId,
    /// The value of that row in a list that is sorted by values; of a walk, what else its reader must know of its moment.
    pub sorted: Option<SortedAfter>,
}

/// The value of the last row that was served of a sorted list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SortedAfter {
    /// The value; `None` where the row had none.
    pub value: Option<String>,
}

/// Why a cursor was refused. Each says how to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum CursorError {
    /// Not a cursor that Muster made.
    #[error("the cursor is damaged or was not made by Muster: start again without a cursor")]
    Garbled,
    /// Made by another version.
    #[error("the cursor was made by another version of Muster: start again without a cursor")]
    Version,
    /// The store was created anew, repaired or restored since.
    #[error("the cursor belongs to an earlier store: start again without a cursor")]
    ForeignLog,
    /// Made for other arguments.
    #[error(
        "the cursor belongs to other arguments: repeat the arguments it was returned for, or start again without a cursor"
    )]
    OtherQuestion,
}

impl Cursor {
    /// The cursor as text.
    #[must_use]
    pub fn encode(&self) -> String {
        let version = match (self.point.is_some(), self.sorted.is_some()) {
            (false, false) => VERSION,
            (true, false) => OF_THE_PAST,
            (false, true) => SORTED,
            (true, true) => SORTED_OF_THE_PAST,
        };
        let mut bytes = vec![version];
        bytes.extend(self.log.0.to_le_bytes());
        bytes.extend(self.question.to_le_bytes());
        if let Some(Point { at, seq }) = self.point {
            bytes.extend(at.as_millis().to_le_bytes());
            bytes.extend(seq.0.to_le_bytes());
        }
        let ResourceId { kind, id, account, region } = &self.after;
        for part in [kind.as_str(), id, account.as_str(), region.as_str()] {
            put(part, &mut bytes);
        }
        if let Some(SortedAfter { value }) = &self.sorted {
            bytes.push(u8::from(value.is_some()));
            if let Some(value) = value {
                put(value, &mut bytes);
            }
        }
        sealed(bytes)
    }

    /// Reads a cursor that must belong to `log` and `question`.
    ///
    /// # Errors
    /// [`CursorError`]; a cursor never pages through something it was not made for.
    pub fn decode(text: &str, log: LogId, question: u64) -> Result<Self, CursorError> {
        let cursor = Self::read(text)?;
        cursor.belongs(log, question)?;
        Ok(cursor)
    }

    /// Checks that the cursor belongs to this log and question.
    ///
    /// # Errors
    /// [`CursorError`].
    pub fn belongs(&self, log: LogId, question: u64) -> Result<(), CursorError> {
        match self {
            _ if self.log != log => Err(CursorError::ForeignLog),
            _ if self.question != question => Err(CursorError::OtherQuestion),
            _ => Ok(()),
        }
    }

    /// Reads a cursor of any log and question: see [`Cursor::belongs`].
    ///
    /// # Errors
    /// When the text is not a cursor.
    pub fn read(text: &str) -> Result<Self, CursorError> {
        let (version, body) = opened(text)?;
        let mut rest = body.as_slice();
        if version == OF_CHANGES {
            return Err(CursorError::OtherQuestion);
        }
        if ![VERSION, OF_THE_PAST, SORTED, SORTED_OF_THE_PAST].contains(&version) {
            return Err(CursorError::Version);
        }
        let log = LogId(u64::from_le_bytes(take(&mut rest)?));
        let question = u64::from_le_bytes(take(&mut rest)?);
        let point = if version == OF_THE_PAST || version == SORTED_OF_THE_PAST {
            let at = Timestamp::from_millis(i64::from_le_bytes(take(&mut rest)?));
            Some(Point { at, seq: Seq(u64::from_le_bytes(take(&mut rest)?)) })
        } else {
            None
        };
        let kind = Kind::new(part(&mut rest)?);
        let id = part(&mut rest)?.into();
        let account = AccountId::new(part(&mut rest)?);
        let region = Region::new(part(&mut rest)?);
        let sorted = match version {
            SORTED | SORTED_OF_THE_PAST => {
                let value = match take(&mut rest)? {
                    [0] => None,
                    [1] => Some(part(&mut rest)?.to_owned()),
                    _ => return Err(CursorError::Garbled),
                };
                Some(SortedAfter { value })
            }
            _ => None,
        };
        if !rest.is_empty() {
            return Err(CursorError::Garbled);
        }
        Ok(Cursor { log, question, point, after: ResourceId { kind, id, account, region }, sorted })
    }
}

fn put(part: &str, bytes: &mut Vec<u8>) {
    // Ids and values are far shorter; one that is not makes a cursor that decodes as garbled.
    bytes.extend(u16::try_from(part.len()).unwrap_or(u16::MAX).to_le_bytes());
    bytes.extend(part.as_bytes());
}

/// The bytes of a cursor, which begin with its version, as text.
pub(super) fn sealed(mut bytes: Vec<u8>) -> String {
    bytes.extend(check(&bytes));
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A cursor's version and what comes after it.
pub(super) fn opened(text: &str) -> Result<(u8, Vec<u8>), CursorError> {
    let mut bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| CursorError::Garbled)?;
    let (body, sum) = bytes.split_last_chunk::<4>().ok_or(CursorError::Garbled)?;
    if check(body) != *sum {
        return Err(CursorError::Garbled);
    }
    let &version = body.first().ok_or(CursorError::Garbled)?;
    bytes.truncate(bytes.len() - 4);
    bytes.remove(0);
    Ok((version, bytes))
}

fn check(bytes: &[u8]) -> [u8; 4] {
    let [a, b, c, d, ..] = xxh3_64(bytes).to_le_bytes();
    [a, b, c, d]
}

pub(super) fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], CursorError> {
    let (head, tail) = rest.split_first_chunk::<N>().ok_or(CursorError::Garbled)?;
    *rest = tail;
    Ok(*head)
}

fn part<'a>(rest: &mut &'a [u8]) -> Result<&'a str, CursorError> {
    let length = usize::from(u16::from_le_bytes(take(rest)?));
    let (head, tail) = rest.split_at_checked(length).ok_or(CursorError::Garbled)?;
    *rest = tail;
    std::str::from_utf8(head).map_err(|_| CursorError::Garbled)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cursor(id: &str) -> Cursor {
        let after = ResourceId {
            kind: Kind::new("AWS::EC2::Instance"),
            id: id.into(),
            account: AccountId::new("123456789012"),
            region: Region::new("eu-central-1"),
        };
        Cursor { log: LogId(7), question: 9, point: None, after, sorted: None }
    }

    #[test]
    fn a_cursor_of_another_log_or_question_says_so() {
        let text = cursor("i-1").encode();
        assert_eq!(Cursor::decode(&text, LogId(8), 9), Err(CursorError::ForeignLog));
        assert_eq!(Cursor::decode(&text, LogId(7), 10), Err(CursorError::OtherQuestion));
    }

    #[test]
    fn a_changed_character_makes_it_garbled() {
        let text = cursor("i-1").encode();
        for at in 0..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert_eq!(Cursor::decode(&changed, LogId(7), 9), Err(CursorError::Garbled), "at {at}");
        }
        assert_eq!(Cursor::decode("", LogId(7), 9), Err(CursorError::Garbled));
    }

    #[test]
    fn a_value_that_is_neither_there_nor_not_is_garbled() {
        let sorted = Some(SortedAfter { value: None });
        let text = Cursor { sorted, ..cursor("i-1") }.encode();
        let mut bytes = URL_SAFE_NO_PAD.decode(&text).unwrap();
        bytes.truncate(bytes.len() - 4);
        for other in 2..=u8::MAX {
            *bytes.last_mut().unwrap() = other;
            assert_eq!(Cursor::read(&sealed(bytes.clone())), Err(CursorError::Garbled), "{other}");
        }
        *bytes.last_mut().unwrap() = 0;
        assert_eq!(sealed(bytes), text);
    }

    proptest! {
        #[test]
        fn decoding_gives_back_what_was_encoded(
            id in "\\PC{0,40}",
            at: i64,
            seq: u64,
            past: bool,
            sorted in proptest::option::of(proptest::option::of("\\PC{0,40}")),
        ) {
            let point = past.then_some(Point { at: Timestamp::from_millis(at), seq: Seq(seq) });
            let sorted = sorted.map(|value| SortedAfter { value });
            let cursor = Cursor { point, sorted, ..cursor(&id) };
            prop_assert_eq!(Cursor::decode(&cursor.encode(), LogId(7), 9), Ok(cursor));
        }

        #[test]
        fn any_text_is_refused_without_panic(text in "\\PC{0,80}") {
            prop_assert!(Cursor::decode(&text, LogId(7), 9).is_err());
        }
    }
}
