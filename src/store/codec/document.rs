//! A document as a flat sequence of tokens in preorder, with EC2's frequent words as numbers.
//!
//! It is decoded with an explicit stack of limited depth: recursion over hostile bytes would overflow the thread's stack, which
//! aborts the process.

use std::borrow::Cow;
use std::cell::Cell;

use bincode::de::BorrowDecoder;
use bincode::enc::Encoder;
use bincode::{BorrowDecode, Encode};
use compact_str::CompactString;

use super::dictionary;
use super::frame::CONFIG;
use super::short_id::ShortId;
use crate::model::{Document, Map, Value};

/// How deeply lists and maps may nest in a document, when encoding and decoding. EC2's deepest answers nest 6 levels.
pub(in crate::store) const MAX_DEPTH: usize = 64;

/// A whole document: the number of fields, then each field's name and tokens.
pub(super) struct DiskDocument<'a>(pub(super) Cow<'a, Document>);

/// One value as tokens.
pub(super) struct DiskValue<'a>(pub(super) Cow<'a, Value>);

// Variants are numbered by position: append only. A list is followed by its elements, a map by alternating names and values. A name
// is a `u32`: 0 and then the text, or the number of a word plus one.
#[derive(Encode, BorrowDecode)]
pub(super) enum Token<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Text(&'a str),
    List(u32),
    Map(u32),
    /// Text that is one of [`super::dictionary::WORDS`].
    Word(u32),
    /// Text that is an ID of AWS's usual form.
    Id(ShortId),
}

/// Reads a document's tokens one by one, for readers that pass it on without building it.
pub(in crate::store) struct Tokens<'b> {
    rest: Cell<&'b [u8]>,
}

/// The next token of a document, as [`Tokens`] returns it.
pub(in crate::store) enum Next<'b> {
    Null,
    Bool(bool),
    Int(i64),
    Text(&'b str),
    /// Text that does not stand in the bytes as it is.
    Made(CompactString),
    /// A list; this many values follow.
    List(usize),
    /// A map; this many pairs of name and value follow.
    Map(usize),
}

impl<'b> Tokens<'b> {
    /// The tokens of a document's fields.
    pub(in crate::store) fn new(document: &'b [u8]) -> Self {
        Tokens { rest: Cell::new(document) }
    }

    /// The number of fields. Call this first.
    pub(in crate::store) fn fields(&self) -> Option<usize> {
        self.take::<u32>().and_then(|count| usize::try_from(count).ok())
    }

    /// The next field's name.
    pub(in crate::store) fn name(&self) -> Option<&'b str> {
        self.take::<DiskWord<'b>>().map(|name| name.0)
    }

    /// The next token; `None` if the bytes hold none.
    pub(in crate::store) fn token(&self) -> Option<Next<'b>> {
        Some(match self.take::<Token<'b>>()? {
            Token::Null => Next::Null,
            Token::Bool(flag) => Next::Bool(flag),
            Token::Int(number) => Next::Int(number),
            Token::Text(text) => Next::Text(text),
            Token::List(count) => Next::List(usize::try_from(count).ok()?),
            Token::Map(count) => Next::Map(usize::try_from(count).ok()?),
            Token::Word(number) => Next::Text(dictionary::word(number)?),
            Token::Id(id) => Next::Made(id.text()?),
        })
    }

    /// Whether no token is left.
    pub(in crate::store) fn is_done(&self) -> bool {
        self.rest.get().is_empty()
    }

    fn take<T: BorrowDecode<'b, ()>>(&self) -> Option<T> {
        let rest = self.rest.get();
        let (taken, used) = bincode::borrow_decode_from_slice::<T, _>(rest, CONFIG).ok()?;
        self.rest.set(rest.get(used..)?);
        Some(taken)
    }
}

impl Encode for DiskDocument<'_> {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), bincode::error::EncodeError> {
        count(self.0.fields().len())?.encode(encoder)?;
        encode_fields(self.0.fields(), 1, encoder)
    }
}

impl Encode for DiskValue<'_> {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), bincode::error::EncodeError> {
        encode_value(&self.0, 0, encoder)
    }
}

impl<'de, C> BorrowDecode<'de, C> for DiskDocument<'de> {
    fn borrow_decode<D: BorrowDecoder<'de, Context = C>>(decoder: &mut D) -> Result<Self, bincode::error::DecodeError> {
        let fields = u32::borrow_decode(decoder)?;
        match decode_tree(decoder, Token::Map(fields))? {
            Value::Map(fields) => Ok(DiskDocument(Cow::Owned(Document::new(fields)))),
            _ => Err(bincode::error::DecodeError::Other("a document is a map")),
        }
    }
}

impl<'de, C> BorrowDecode<'de, C> for DiskValue<'de> {
    fn borrow_decode<D: BorrowDecoder<'de, Context = C>>(decoder: &mut D) -> Result<Self, bincode::error::DecodeError> {
        let root = Token::borrow_decode(decoder)?;
        Ok(DiskValue(Cow::Owned(decode_tree(decoder, root)?)))
    }
}

fn encode_value<E: Encoder>(value: &Value, depth: usize, encoder: &mut E) -> Result<(), bincode::error::EncodeError> {
    if depth > MAX_DEPTH {
        return Err(bincode::error::EncodeError::Other("nested deeper than 64 levels"));
    }
    match value {
        Value::Null => Token::Null.encode(encoder),
        Value::Bool(flag) => Token::Bool(*flag).encode(encoder),
        Value::Int(number) => Token::Int(*number).encode(encoder),
        Value::Text(text) => token_of(text).encode(encoder),
        Value::List(list) => {
            Token::List(count(list.len())?).encode(encoder)?;
            list.iter().try_for_each(|element| encode_value(element, depth + 1, encoder))
        }
        Value::Map(map) => {
            Token::Map(count(map.len())?).encode(encoder)?;
            encode_fields(map, depth + 1, encoder)
        }
    }
}

/// A text in its shortest form.
fn token_of(text: &str) -> Token<'_> {
    if let Some(id) = ShortId::of(text) {
        return Token::Id(id);
    }
    dictionary::number(text).map_or(Token::Text(text), Token::Word)
}

fn encode_fields<E: Encoder>(map: &Map, depth: usize, encoder: &mut E) -> Result<(), bincode::error::EncodeError> {
    for (name, value) in map.iter() {
        DiskWord(name).encode(encoder)?;
        encode_value(value, depth, encoder)?;
    }
    Ok(())
}

fn count(length: usize) -> Result<u32, bincode::error::EncodeError> {
    u32::try_from(length).map_err(|_| bincode::error::EncodeError::Other("more than 4,294,967,295 elements"))
}

/// A field's name, or another text that often is a word of the dictionary.
#[derive(Clone, Copy)]
pub(in crate::store) struct DiskWord<'a>(pub(in crate::store) &'a str);

impl Encode for DiskWord<'_> {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), bincode::error::EncodeError> {
        match dictionary::number(self.0) {
            Some(number) => (number + 1).encode(encoder),
            None => (0_u32, self.0).encode(encoder),
        }
    }
}

impl<'de, C> BorrowDecode<'de, C> for DiskWord<'de> {
    fn borrow_decode<D: BorrowDecoder<'de, Context = C>>(decoder: &mut D) -> Result<Self, bincode::error::DecodeError> {
        match u32::borrow_decode(decoder)?.checked_sub(1) {
            Some(number) => word(number).map(DiskWord),
            None => <&str>::borrow_decode(decoder).map(DiskWord),
        }
    }
}

/// The refusal of an ID whose prefix has no text.
const UNKNOWN_ID: bincode::error::DecodeError =
    bincode::error::DecodeError::Other("an ID with a prefix that this version does not know");

/// The word with a number.
fn word(number: u32) -> Result<&'static str, bincode::error::DecodeError> {
    dictionary::word(number).ok_or(bincode::error::DecodeError::Other("a word that this version does not know"))
}

/// A field's name. A word of the dictionary costs no allocation.
fn field_name<'de, C, D>(decoder: &mut D) -> Result<Cow<'static, str>, bincode::error::DecodeError>
where
    D: BorrowDecoder<'de, Context = C>,
{
    match u32::borrow_decode(decoder)?.checked_sub(1) {
        Some(number) => word(number).map(Cow::Borrowed),
        None => <&str>::borrow_decode(decoder).map(|name| Cow::Owned(name.to_owned())),
    }
}

/// A list or map whose elements are still being decoded.
enum OpenNode {
    List { left: u32, items: Vec<Value> },
    Map { left: u32, name: Cow<'static, str>, fields: Vec<(Cow<'static, str>, Value)> },
}

fn decode_tree<'de, C, D>(decoder: &mut D, root: Token<'de>) -> Result<Value, bincode::error::DecodeError>
where
    D: BorrowDecoder<'de, Context = C>,
{
    let mut open: Vec<OpenNode> = Vec::new();
    let mut token = root;
    loop {
        let mut done = match token {
            Token::Null => Value::Null,
            Token::Bool(flag) => Value::Bool(flag),
            Token::Int(number) => Value::Int(number),
            Token::Text(text) => Value::Text(text.to_owned()),
            Token::Word(number) => Value::Text(word(number)?.to_owned()),
            Token::Id(id) => Value::Text(id.text().ok_or(UNKNOWN_ID)?.into()),
            Token::List(0) => Value::List(Vec::new()),
            Token::Map(0) => Value::Map(Map::new()),
            Token::List(_) | Token::Map(_) if open.len() >= MAX_DEPTH => {
                return Err(bincode::error::DecodeError::Other("nested deeper than 64 levels"));
            }
            Token::List(left) => {
                open.push(OpenNode::List { left, items: Vec::with_capacity(reserve(left)) });
                token = Token::borrow_decode(decoder)?;
                continue;
            }
            Token::Map(left) => {
                let name = field_name(decoder)?;
                open.push(OpenNode::Map { left, name, fields: Vec::with_capacity(reserve(left)) });
                token = Token::borrow_decode(decoder)?;
                continue;
            }
        };
        // Close every list and map that this value completes.
        loop {
            match open.pop() {
                None => return Ok(done),
                Some(OpenNode::List { left, mut items }) => {
                    items.push(done);
                    if left > 1 {
                        open.push(OpenNode::List { left: left - 1, items });
                        break;
                    }
                    done = Value::List(items);
                }
                Some(OpenNode::Map { left, name, mut fields }) => {
                    fields.push((name, done));
                    if left > 1 {
                        let name = field_name(decoder)?;
                        if fields.last().is_some_and(|(last, _)| *last >= name) {
                            return Err(bincode::error::DecodeError::Other("names out of order"));
                        }
                        open.push(OpenNode::Map { left: left - 1, name, fields });
                        break;
                    }
                    done = Value::Map(Map::from_iter(fields));
                }
            }
        }
        token = Token::borrow_decode(decoder)?;
    }
}

/// The parts of a document at these dotted paths, through all elements of lists on the way, without building the others; `None` when
/// the bytes are malformed. A list has as many elements as in the whole document, some of them perhaps empty.
pub(in crate::store) fn parts(document: &[u8], wanted: &[&str]) -> Option<Document> {
    let tokens = Tokens::new(document);
    let fields = tokens.fields()?;
    let found = parts_of_map(&tokens, fields, Some(wanted), 1)?;
    tokens.is_done().then(|| Document::new(found))
}

/// The whole document; `None` when the bytes are malformed.
#[cfg(test)]
pub(in crate::store) fn whole(document: &[u8]) -> Option<Document> {
    let tokens = Tokens::new(document);
    let fields = tokens.fields()?;
    let found = parts_of_map(&tokens, fields, None, 1)?;
    tokens.is_done().then(|| Document::new(found))
}

/// The wanted parts of a map of so many fields; all of them where nothing is said.
fn parts_of_map(tokens: &Tokens<'_>, fields: usize, wanted: Option<&[&str]>, depth: usize) -> Option<Map> {
    let mut found = Vec::new();
    for _ in 0..fields {
        let name = tokens.name()?;
        let Some(wanted) = wanted else {
            found.push((Cow::Owned(name.to_owned()), parts_of_value(tokens, None, depth)?));
            continue;
        };
        let below: Vec<&str> = wanted.iter().filter_map(|path| below(path, name)).collect();
        if below.is_empty() {
            skip(tokens, depth)?;
            continue;
        }
        let below = Some(below.as_slice()).filter(|below| !below.contains(&""));
        found.push((Cow::Owned(name.to_owned()), parts_of_value(tokens, below, depth)?));
    }
    Some(Map::from_iter(found))
}

/// What is left of a path below a field; nothing where the path ends there, `None` where it leads elsewhere.
fn below<'p>(path: &'p str, name: &str) -> Option<&'p str> {
    let rest = path.strip_prefix(name)?;
    if rest.is_empty() { Some(rest) } else { rest.strip_prefix('.') }
}

fn parts_of_value(tokens: &Tokens<'_>, wanted: Option<&[&str]>, depth: usize) -> Option<Value> {
    let depth = depth + 1;
    Some(match tokens.token()? {
        Next::Null => Value::Null,
        Next::Bool(flag) => Value::Bool(flag),
        Next::Int(number) => Value::Int(number),
        Next::Text(text) => Value::Text(text.to_owned()),
        Next::Made(text) => Value::Text(text.as_str().to_owned()),
        Next::List(1..) | Next::Map(1..) if depth > MAX_DEPTH => return None,
        Next::List(length) => {
            let mut items = Vec::new();
            for _ in 0..length {
                items.push(parts_of_value(tokens, wanted, depth)?);
            }
            Value::List(items)
        }
        Next::Map(length) => Value::Map(parts_of_map(tokens, length, wanted, depth)?),
    })
}

/// Passes over a value.
fn skip(tokens: &Tokens<'_>, depth: usize) -> Option<()> {
    let depth = depth + 1;
    match tokens.token()? {
        Next::Null | Next::Bool(_) | Next::Int(_) | Next::Text(_) | Next::Made(_) => {}
        Next::List(1..) | Next::Map(1..) if depth > MAX_DEPTH => return None,
        Next::List(length) => (0..length).try_for_each(|_| skip(tokens, depth))?,
        Next::Map(length) => (0..length).try_for_each(|_| {
            tokens.name()?;
            skip(tokens, depth)
        })?,
    }
    Some(())
}

/// How many elements to allocate at once for a count that may come from hostile bytes.
fn reserve(count: u32) -> usize {
    usize::try_from(count).map_or(64, |count| count.min(64))
}
