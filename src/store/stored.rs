//! A resource in its stored form, for readers that only pass its document on.
//!
//! Building a typical instance's document takes some 280 allocations; writing it as JSON straight from the stored tokens takes
//! none. This is most of the work of `resources/read`.

use std::fmt;

use serde::ser::{Error, SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};

use super::codec::{MAX_DEPTH, Next, Tokens, parts};
use crate::model::{Document, DocumentListener, GroupEvidence, Provisional, Seq, Timestamp};

/// A resource's current state: [`crate::model::Current`] with its document in stored form.
#[derive(Clone, Debug)]
pub struct Stored {
    /// The document as served.
    pub document: StoredDocument,
    /// The evidence for each group.
    pub evidence: GroupEvidence,
    /// The unsettled assertion, if any.
    pub provisional: Option<Provisional>,
    /// The version of the mapping that made the document.
    pub mapping: u16,
    /// The record that discovered it.
    pub discovered: Seq,
    /// The record that last changed it.
    pub changed: Seq,
    /// When the last change was committed.
    pub changed_at: Timestamp,
}

/// A document that serialises exactly as [`crate::model::Document`] does. Its record's checksum was verified; bytes that are still
/// malformed are a serialisation error.
#[derive(Clone)]
pub struct StoredDocument(Box<[u8]>);

impl StoredDocument {
    pub(super) fn new(tokens: &[u8]) -> Self {
        StoredDocument(tokens.into())
    }

    /// The parts at these dotted paths, through all elements of lists on the way, without building the others; `None` when the
    /// bytes are malformed.
    #[must_use]
    pub fn parts(&self, wanted: &[&str]) -> Option<Document> {
        parts(&self.0, wanted)
    }

    /// Tells the whole document; `None` when the bytes are malformed: what was told is no document then.
    pub fn tell(&self, to: &mut impl DocumentListener) -> Option<()> {
        let tokens = Tokens::new(&self.0);
        let fields = tokens.fields()?;
        tell_fields(&tokens, fields, 1, to)?;
        tokens.is_done().then_some(())
    }

    /// The whole document; `None` when the bytes are malformed.
    #[cfg(test)]
    pub(crate) fn whole(&self) -> Option<crate::model::Document> {
        super::codec::whole(&self.0)
    }
}

impl fmt::Debug for StoredDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoredDocument({} bytes)", self.0.len())
    }
}

impl Serialize for StoredDocument {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let tokens = Tokens::new(&self.0);
        let fields = tokens.fields().ok_or_else(malformed)?;
        let done = serialize_map(&tokens, fields, 1, serializer)?;
        if tokens.is_done() { Ok(done) } else { Err(malformed()) }
    }
}

/// The next value, with everything inside it.
struct NextValue<'t, 'b> {
    tokens: &'t Tokens<'b>,
    depth: usize,
}

impl Serialize for NextValue<'_, '_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let depth = self.depth + 1;
        match self.tokens.token().ok_or_else(malformed)? {
            Next::Null => serializer.serialize_unit(),
            Next::Bool(flag) => serializer.serialize_bool(flag),
            Next::Int(number) => serializer.serialize_i64(number),
            Next::Text(text) => serializer.serialize_str(text),
            Next::Made(text) => serializer.serialize_str(&text),
            // The depth is limited, so that recursion over hostile bytes ends before the stack does.
            Next::List(1..) | Next::Map(1..) if depth > MAX_DEPTH => Err(malformed()),
            Next::List(length) => {
                let mut list = serializer.serialize_seq(Some(length))?;
                for _ in 0..length {
                    list.serialize_element(&NextValue { tokens: self.tokens, depth })?;
                }
                list.end()
            }
            Next::Map(length) => serialize_map(self.tokens, length, depth, serializer),
        }
    }
}

fn tell_fields(tokens: &Tokens<'_>, length: usize, depth: usize, to: &mut impl DocumentListener) -> Option<()> {
    for _ in 0..length {
        to.name(tokens.name()?);
        tell_value(tokens, depth, to)?;
    }
    Some(())
}

fn tell_value(tokens: &Tokens<'_>, depth: usize, to: &mut impl DocumentListener) -> Option<()> {
    let depth = depth + 1;
    match tokens.token()? {
        Next::Null => to.nothing(),
        Next::Bool(flag) => to.flag(flag),
        Next::Int(number) => to.number(number),
        Next::Text(text) => to.text(text),
        Next::Made(text) => to.text(&text),
        Next::List(1..) | Next::Map(1..) if depth > MAX_DEPTH => return None,
        Next::List(length) => {
            to.list(length);
            for _ in 0..length {
                tell_value(tokens, depth, to)?;
            }
            to.end();
        }
        Next::Map(length) => {
            to.fields();
            tell_fields(tokens, length, depth, to)?;
            to.end();
        }
    }
    Some(())
}

fn serialize_map<S: Serializer>(
    tokens: &Tokens<'_>,
    length: usize,
    depth: usize,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(length))?;
    for _ in 0..length {
        map.serialize_entry(tokens.name().ok_or_else(malformed)?, &NextValue { tokens, depth })?;
    }
    map.end()
}

fn malformed<E: Error>() -> E {
    E::custom("a stored document is malformed")
}
