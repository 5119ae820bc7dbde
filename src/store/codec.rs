//! The bytes of every record: the one place that knows bincode.
//!
//! A record is a version byte, the payload's length (`u32`, little-endian), a CRC32C over key and payload, and the
//! payload: a disk struct in bincode's standard configuration. The key is under the checksum so that a record that
//! turned up under another key is found out.
//!
//! bincode `=2.0.1` is unmaintained (RUSTSEC-2025-0141); nothing outside this file names it, so replacing it is a change
//! of this file. Its own habits set the rules here: it is not self-describing, so a field cannot be added to a struct
//! without a new version byte, and an enum's variants are numbered by position, so they are only ever **appended**;
//! `tests.rs` holds the bytes of every variant. Disk structs are separate from the model's, so that the model may change
//! without the file. They borrow from the record where they can.
//!
//! A document is a flat run of tokens in preorder, with the words that EC2 repeats as numbers, decoded with a stack of our own whose depth is bounded: recursion over
//! hostile bytes would overflow the thread's stack, which aborts the process. This file is longer than the house wishes
//! because the disk structs of all tables have to stay behind one seam.

mod convert;
mod words;

use std::borrow::Cow;
use std::cell::Cell;

use bincode::de::BorrowDecoder;
use bincode::enc::Encoder;
use bincode::{BorrowDecode, Decode, Encode};
use thiserror::Error;

use super::keys;
use super::stored::Stored;
use super::tables::{BASE, CURRENT, DEDUPE, EVENTS, INTERVALS, META, ROWS, TOMBSTONES};
use crate::model::known::Tombstone;
use crate::model::{Current, Document, Map, Recorded, RowFields, Seq, Timestamp, Value};

/// The version byte of every record. This build reads no other: a file of another format is refused as a whole, before any of
/// its records is read.
const VERSION: u8 = 5;
/// How deep lists and maps may nest in a document, in both directions. EC2's deepest answers nest 6 levels.
pub(super) const MAX_DEPTH: usize = 64;
/// The longest payload written. EC2's largest resources (security groups with 1,000 rules) take about 0.3 MB.
const MAX_PAYLOAD: usize = 16 * 1024 * 1024;
/// What bincode may allocate while it decodes one record, as claimed by lengths in its bytes.
const LIMIT: usize = 4 * MAX_PAYLOAD;
const CONFIG: bincode::config::Configuration<
    bincode::config::LittleEndian,
    bincode::config::Varint,
    bincode::config::Limit<LIMIT>,
> = bincode::config::standard().with_limit::<LIMIT>();
const HEADER: usize = 9;

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

/// Counters kept beside the data, in one `meta` record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub(super) struct Ledger {
    /// The newest record's seq.
    pub(super) seq: u64,
    /// Bytes of keys and values alive, by table.
    pub(super) live: Live,
    /// Up to where the log is folded into `base`: the newest record that is not there any more. 0 while all are.
    pub(super) horizon: u64,
    /// When that record was committed, in milliseconds; 0 while there is none.
    pub(super) horizon_at: i64,
}

/// Bytes of keys and values alive, by table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Live {
    /// In `events`.
    pub events: u64,
    /// In `by_resource`.
    pub by_resource: u64,
    /// In `current`.
    pub current: u64,
    /// In `rows`.
    pub rows: u64,
    /// In `tombstones`.
    pub tombstones: u64,
    /// In `base`.
    pub base: u64,
    /// In `times`.
    pub times: u64,
    /// In `dedupe`.
    pub dedupe: u64,
}

/// The part of a row that lists and sweep comparison read: everything but facets and tags.
#[derive(Encode, BorrowDecode)]
pub(super) struct DiskHead<'a> {
    pub(super) digest: [u8; 16],
    pub(super) provisional: bool,
    pub(super) seen: i64,
    pub(super) changed: u64,
    pub(super) name: Option<&'a str>,
    pub(super) owner: Option<&'a str>,
}

/// A row; the head comes first, so that it can be read alone.
#[derive(Encode, BorrowDecode)]
pub(super) struct DiskRow<'a> {
    pub(super) head: DiskHead<'a>,
    /// Which version of its kind's projection made it.
    pub(super) projection: u32,
    pub(super) facets: Vec<(u16, &'a str)>,
    pub(super) tags: Vec<(&'a str, &'a str)>,
}

impl DiskRow<'_> {
    /// What the kind extracted.
    pub(super) fn fields(&self) -> RowFields {
        RowFields {
            projection: self.projection,
            name: self.head.name.map(str::to_owned),
            owner: self.head.owner.map(str::to_owned),
            facets: self.facets.iter().map(|(number, value)| (*number, (*value).to_owned())).collect(),
            tags: self.tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
        }
    }
}

/// How far a scope's kind was listed; see [`super::Watermark`].
#[derive(Encode, Decode)]
pub(super) struct DiskWatermark {
    pub(super) started: i64,
    pub(super) ended: i64,
    pub(super) complete: bool,
}

/// A notification that was recorded.
#[derive(Encode, BorrowDecode)]
struct DiskNotified<'a> {
    at: i64,
    event_id: &'a str,
}

/// A message of a queue that could not be read; see [`super::parked`].
#[derive(Encode, BorrowDecode)]
pub(super) struct DiskParked<'a> {
    pub(super) at: i64,
    pub(super) receives: u32,
    pub(super) bytes: u64,
    pub(super) queue: &'a str,
    pub(super) why: &'a str,
    pub(super) body: &'a str,
}

// The time comes first: `decode_time` reads nothing else.
#[derive(Encode, BorrowDecode)]
struct DiskRecord<'a> {
    recorded_at: i64,
    cause: DiskCause<'a>,
    event: DiskEvent<'a>,
}

// Variants are numbered by position: append only.
#[derive(Encode, BorrowDecode)]
enum DiskCause<'a> {
    Baseline,
    Sweep,
    Refresh,
    Notification { event_id: &'a str },
    Tool { action: u64 },
    Resumed { since: i64 },
    Call { event_id: &'a str, call: DiskCall<'a> },
}

#[derive(Encode, BorrowDecode)]
struct DiskCall<'a> {
    name: &'a str,
    actor: &'a str,
    address: Option<&'a str>,
    agent: Option<&'a str>,
}

// Variants are numbered by position: append only.
#[derive(Encode, BorrowDecode)]
enum DiskEvent<'a> {
    Discovered {
        id: DiskId<'a>,
        document: Body<'a>,
        evidence: DiskEvidence,
        mapping: u16,
    },
    Changed {
        id: DiskId<'a>,
        changes: Vec<DiskChange<'a>>,
        evidence: Vec<(DiskGroup, DiskEvidence)>,
        overlay: DiskOverlay<'a>,
    },
    Removed {
        id: DiskId<'a>,
        at: i64,
    },
    Remapped {
        id: DiskId<'a>,
        changes: Vec<DiskChange<'a>>,
        mapping: u16,
    },
    ActionRequested {
        action: u64,
        tool: &'a str,
        targets: Vec<DiskId<'a>>,
    },
    ActionFinished {
        action: u64,
        outcome: DiskOutcome<'a>,
    },
    Called {
        at: i64,
        targets: Vec<DiskId<'a>>,
    },
}

// Variants are numbered by position: append only.
#[derive(Encode, BorrowDecode)]
enum DiskOutcome<'a> {
    Succeeded { created: Vec<&'a str> },
    Refused { code: &'a str, message: &'a str },
    Unknown { message: &'a str },
}

// Variants are numbered by position: append only.
#[derive(Encode, BorrowDecode)]
enum DiskOverlay<'a> {
    Keep,
    Lay(DiskProvisional<'a>),
    Settle,
    Tag(DiskTagging<'a>),
}

#[derive(Encode, BorrowDecode)]
struct DiskTagging<'a> {
    version: u64,
    at: i64,
    superseded: Vec<Tree<'a>>,
}

#[derive(Encode, BorrowDecode)]
struct DiskProvisional<'a> {
    group: DiskGroup,
    source: DiskSource,
    at: i64,
    before: Vec<&'a str>,
}

// Variants are numbered by position: append only.
#[derive(Clone, Copy, Encode, Decode)]
enum DiskGroup {
    State,
    Tags,
    Rest,
}

// Variants are numbered by position: append only.
#[derive(Clone, Copy, Encode, Decode)]
enum DiskSource {
    Sweep,
    Refresh,
    Notification,
    Tool,
}

#[derive(Encode, Decode)]
struct DiskEvidence {
    source: DiskSource,
    at: i64,
}

#[derive(Encode, BorrowDecode)]
struct DiskId<'a> {
    kind: &'a str,
    id: &'a str,
    account: &'a str,
    region: &'a str,
}

#[derive(Encode, BorrowDecode)]
struct DiskChange<'a> {
    path: &'a str,
    before: Option<Tree<'a>>,
    after: Option<Tree<'a>>,
}

#[derive(Encode, BorrowDecode)]
struct DiskKnown<'a> {
    evidence: [DiskEvidence; 3],
    provisional: Option<DiskProvisional<'a>>,
    held: Vec<DiskHeld<'a>>,
    mapping: u16,
    discovered: u64,
    changed: u64,
    changed_at: i64,
    tagging: Option<DiskTagging<'a>>,
}

/// A resource; the document comes last, so that it can be passed on as it is.
#[derive(Encode, BorrowDecode)]
struct DiskCurrent<'a> {
    known: DiskKnown<'a>,
    document: Body<'a>,
}

#[derive(Encode, BorrowDecode)]
struct DiskHeld<'a> {
    state: &'a str,
    until: i64,
}

#[derive(Encode, BorrowDecode)]
struct DiskTombstone<'a> {
    at: i64,
    removed_at: i64,
    seq: u64,
    document: Body<'a>,
}

/// A whole document: the number of its fields, then each field's name and tokens.
struct Body<'a>(Cow<'a, Document>);

/// One value as tokens.
struct Tree<'a>(Cow<'a, Value>);

// Variants are numbered by position: append only. A list is followed by its elements, a map by names and values in turn. A
// name is a `u32`: 0 and the text, or the number of a word, plus one.
#[derive(Encode, BorrowDecode)]
enum Token<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Text(&'a str),
    List(u32),
    Map(u32),
    /// Text that is one of [`words::WORDS`].
    Word(u32),
}

/// Reads a document's tokens one after the other, for those who pass it on without building it.
pub(super) struct Tokens<'b> {
    rest: Cell<&'b [u8]>,
}

/// The next token of a document, as [`Tokens`] tells it.
pub(super) enum Next<'b> {
    Null,
    Bool(bool),
    Int(i64),
    Text(&'b str),
    /// As many values follow.
    List(usize),
    /// As many pairs of name and value follow.
    Map(usize),
}

impl<'b> Tokens<'b> {
    /// The tokens of a document's fields.
    pub(super) fn new(document: &'b [u8]) -> Self {
        Tokens { rest: Cell::new(document) }
    }

    /// How many fields the document has. To be asked first.
    pub(super) fn fields(&self) -> Option<usize> {
        self.take::<u32>().and_then(|count| usize::try_from(count).ok())
    }

    /// The next field's name.
    pub(super) fn name(&self) -> Option<&'b str> {
        self.take::<Name<'b>>().map(|name| name.0)
    }

    /// The next token; `None` when the bytes hold none.
    pub(super) fn token(&self) -> Option<Next<'b>> {
        Some(match self.take::<Token<'b>>()? {
            Token::Null => Next::Null,
            Token::Bool(flag) => Next::Bool(flag),
            Token::Int(number) => Next::Int(number),
            Token::Text(text) => Next::Text(text),
            Token::List(count) => Next::List(usize::try_from(count).ok()?),
            Token::Map(count) => Next::Map(usize::try_from(count).ok()?),
            Token::Word(number) => Next::Text(words::word(number)?),
        })
    }

    /// Whether nothing is left.
    pub(super) fn is_done(&self) -> bool {
        self.rest.get().is_empty()
    }

    fn take<T: BorrowDecode<'b, ()>>(&self) -> Option<T> {
        let rest = self.rest.get();
        let (taken, used) = bincode::borrow_decode_from_slice::<T, _>(rest, CONFIG).ok()?;
        self.rest.set(rest.get(used..)?);
        Some(taken)
    }
}

impl Encode for Body<'_> {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), bincode::error::EncodeError> {
        count(self.0.fields().len())?.encode(encoder)?;
        encode_fields(self.0.fields(), 1, encoder)
    }
}

impl Encode for Tree<'_> {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), bincode::error::EncodeError> {
        encode_value(&self.0, 0, encoder)
    }
}

impl<'de, C> BorrowDecode<'de, C> for Body<'de> {
    fn borrow_decode<D: BorrowDecoder<'de, Context = C>>(decoder: &mut D) -> Result<Self, bincode::error::DecodeError> {
        let fields = u32::borrow_decode(decoder)?;
        match decode_tree(decoder, Token::Map(fields))? {
            Value::Map(fields) => Ok(Body(Cow::Owned(Document::new(fields)))),
            _ => Err(bincode::error::DecodeError::Other("a document is a map")),
        }
    }
}

impl<'de, C> BorrowDecode<'de, C> for Tree<'de> {
    fn borrow_decode<D: BorrowDecoder<'de, Context = C>>(decoder: &mut D) -> Result<Self, bincode::error::DecodeError> {
        let root = Token::borrow_decode(decoder)?;
        Ok(Tree(Cow::Owned(decode_tree(decoder, root)?)))
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
        Value::Text(text) => words::number(text).map_or(Token::Text(text), Token::Word).encode(encoder),
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

fn encode_fields<E: Encoder>(map: &Map, depth: usize, encoder: &mut E) -> Result<(), bincode::error::EncodeError> {
    for (name, value) in map.iter() {
        Name(name).encode(encoder)?;
        encode_value(value, depth, encoder)?;
    }
    Ok(())
}

fn count(length: usize) -> Result<u32, bincode::error::EncodeError> {
    u32::try_from(length).map_err(|_| bincode::error::EncodeError::Other("more than 4,294,967,295 elements"))
}

/// A field's name.
struct Name<'a>(&'a str);

impl Encode for Name<'_> {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), bincode::error::EncodeError> {
        match words::number(self.0) {
            Some(number) => (number + 1).encode(encoder),
            None => (0_u32, self.0).encode(encoder),
        }
    }
}

impl<'de, C> BorrowDecode<'de, C> for Name<'de> {
    fn borrow_decode<D: BorrowDecoder<'de, Context = C>>(decoder: &mut D) -> Result<Self, bincode::error::DecodeError> {
        match u32::borrow_decode(decoder)?.checked_sub(1) {
            Some(number) => word(number).map(Name),
            None => <&str>::borrow_decode(decoder).map(Name),
        }
    }
}

/// The word with a number.
fn word(number: u32) -> Result<&'static str, bincode::error::DecodeError> {
    words::word(number).ok_or(bincode::error::DecodeError::Other("a word that this version does not know"))
}

/// A list or map whose elements are still being read.
enum Open {
    List { left: u32, items: Vec<Value> },
    Map { left: u32, name: Cow<'static, str>, fields: Vec<(Cow<'static, str>, Value)> },
}

fn decode_tree<'de, C, D>(decoder: &mut D, root: Token<'de>) -> Result<Value, bincode::error::DecodeError>
where
    D: BorrowDecoder<'de, Context = C>,
{
    let mut open: Vec<Open> = Vec::new();
    let mut token = root;
    loop {
        let mut done = match token {
            Token::Null => Value::Null,
            Token::Bool(flag) => Value::Bool(flag),
            Token::Int(number) => Value::Int(number),
            Token::Text(text) => Value::Text(text.to_owned()),
            Token::Word(number) => Value::Text(word(number)?.to_owned()),
            Token::List(0) => Value::List(Vec::new()),
            Token::Map(0) => Value::Map(Map::new()),
            Token::List(_) | Token::Map(_) if open.len() >= MAX_DEPTH => {
                return Err(bincode::error::DecodeError::Other("nested deeper than 64 levels"));
            }
            Token::List(left) => {
                open.push(Open::List { left, items: Vec::with_capacity(reserve(left)) });
                token = Token::borrow_decode(decoder)?;
                continue;
            }
            Token::Map(left) => {
                let name = words::owned(Name::borrow_decode(decoder)?.0);
                open.push(Open::Map { left, name, fields: Vec::with_capacity(reserve(left)) });
                token = Token::borrow_decode(decoder)?;
                continue;
            }
        };
        // Close every list and map that this value completes.
        loop {
            match open.pop() {
                None => return Ok(done),
                Some(Open::List { left, mut items }) => {
                    items.push(done);
                    if left > 1 {
                        open.push(Open::List { left: left - 1, items });
                        break;
                    }
                    done = Value::List(items);
                }
                Some(Open::Map { left, name, mut fields }) => {
                    fields.push((name, done));
                    if left > 1 {
                        let name = words::owned(Name::borrow_decode(decoder)?.0);
                        if fields.last().is_some_and(|(last, _)| *last >= name) {
                            return Err(bincode::error::DecodeError::Other("names out of order"));
                        }
                        open.push(Open::Map { left: left - 1, name, fields });
                        break;
                    }
                    done = Value::Map(Map::from_iter(fields));
                }
            }
        }
        token = Token::borrow_decode(decoder)?;
    }
}

/// How much to allocate at once for a count that hostile bytes may have made up.
fn reserve(count: u32) -> usize {
    usize::try_from(count).map_or(64, |count| count.min(64))
}

/// Frames `content` for `key`.
fn seal<T: Encode>(table: &'static str, key: &[u8], content: &T) -> Result<Vec<u8>, EncodeError> {
    let refuse = |fault| EncodeError { table, key: keys::shown(key), fault };
    let mut payload = Vec::with_capacity(1024);
    payload.extend_from_slice(&[0; HEADER]);
    bincode::encode_into_std_write(content, &mut payload, CONFIG)
        .map_err(|fault| refuse(Refusal::Unencodable(Box::new(fault))))?;
    let bytes = payload.len() - HEADER;
    let length = u32::try_from(bytes).ok().filter(|_| bytes <= MAX_PAYLOAD);
    let Some(length) = length else {
        return Err(refuse(Refusal::TooLarge { bytes, limit: MAX_PAYLOAD }));
    };
    let mut record = payload;
    if let Some((header, payload)) = record.split_first_chunk_mut::<HEADER>() {
        let sum = crc32c::crc32c_append(crc32c::crc32c(key), payload);
        let [version, rest @ ..] = header;
        *version = VERSION;
        for (slot, byte) in rest.iter_mut().zip(length.to_le_bytes().into_iter().chain(sum.to_le_bytes())) {
            *slot = byte;
        }
    }
    Ok(record)
}

/// The payload of a record, checked.
fn unseal<'b>(key: &[u8], record: &'b [u8]) -> Result<&'b [u8], Fault> {
    let Some(([version, l0, l1, l2, l3, c0, c1, c2, c3], payload)) = record.split_first_chunk::<HEADER>() else {
        return Err(Fault::Length { found: record.len(), expected: HEADER });
    };
    if *version != VERSION {
        return Err(Fault::Version { found: *version, known: VERSION });
    }
    let expected = usize::try_from(u32::from_le_bytes([*l0, *l1, *l2, *l3])).unwrap_or(usize::MAX);
    if payload.len() != expected {
        return Err(Fault::Length { found: payload.len(), expected });
    }
    if crc32c::crc32c_append(crc32c::crc32c(key), payload) != u32::from_le_bytes([*c0, *c1, *c2, *c3]) {
        return Err(Fault::Checksum);
    }
    Ok(payload)
}

fn read<'b, T: BorrowDecode<'b, ()>>(table: &'static str, key: &[u8], record: &'b [u8]) -> Result<T, DecodeError> {
    unseal(key, record)
        .and_then(|payload| {
            let (content, used) = bincode::borrow_decode_from_slice::<T, _>(payload, CONFIG)
                .map_err(|fault| Fault::Malformed(Box::new(fault)))?;
            match payload.len() - used {
                0 => Ok(content),
                count => Err(Fault::Trailing { count }),
            }
        })
        .map_err(|fault| DecodeError { table, key: keys::shown(key), fault })
}

/// The key under the checksum of an event's record.
fn event_key(seq: Seq) -> [u8; 8] {
    seq.0.to_be_bytes()
}

/// A fault of the record `seq` of `events`.
pub(super) fn event_fault(seq: Seq, fault: Fault) -> DecodeError {
    DecodeError { table: EVENTS, key: seq.to_string(), fault }
}

/// A fault of a key.
pub(super) fn key_fault(table: &'static str, key: &[u8]) -> DecodeError {
    DecodeError { table, key: keys::shown(key), fault: Fault::Key }
}

pub(super) fn encode_event(record: &Recorded) -> Result<Vec<u8>, EncodeError> {
    seal(EVENTS, &event_key(record.seq), &DiskRecord::from(record))
        .map_err(|error| EncodeError { key: record.seq.to_string(), ..error })
}

pub(super) fn decode_event(seq: Seq, bytes: &[u8]) -> Result<Recorded, DecodeError> {
    let record: DiskRecord<'_> = read(EVENTS, &event_key(seq), bytes).map_err(|error| event_fault(seq, error.fault))?;
    Ok(Recorded {
        seq,
        recorded_at: Timestamp::from_millis(record.recorded_at),
        cause: record.cause.into(),
        event: record.event.into(),
    })
}

/// When a record was committed, and nothing else of it. Its checksum is verified all the same.
pub(super) fn decode_time(seq: Seq, bytes: &[u8]) -> Result<Timestamp, DecodeError> {
    unseal(&event_key(seq), bytes)
        .and_then(|payload| {
            bincode::borrow_decode_from_slice::<i64, _>(payload, CONFIG)
                .map_err(|fault| Fault::Malformed(Box::new(fault)))
        })
        .map(|(recorded_at, _)| Timestamp::from_millis(recorded_at))
        .map_err(|fault| event_fault(seq, fault))
}

pub(super) fn encode_current(key: &[u8], current: &Current) -> Result<Vec<u8>, EncodeError> {
    seal(CURRENT, key, &DiskCurrent::from(current))
}

pub(super) fn decode_current(key: &[u8], bytes: &[u8]) -> Result<Current, DecodeError> {
    decode_known(CURRENT, key, bytes)
}

pub(super) fn encode_base(key: &[u8], current: &Current) -> Result<Vec<u8>, EncodeError> {
    seal(BASE, key, &DiskCurrent::from(current))
}

/// A record of `base`, which is like one of `current`.
pub(super) fn decode_base(key: &[u8], bytes: &[u8]) -> Result<Current, DecodeError> {
    decode_known(BASE, key, bytes)
}

fn decode_known(table: &'static str, key: &[u8], bytes: &[u8]) -> Result<Current, DecodeError> {
    unseal(key, bytes)
        .and_then(|payload| {
            let (known, rest) = known(payload)?;
            let (document, used) = bincode::borrow_decode_from_slice::<Body<'_>, _>(rest, CONFIG)
                .map_err(|fault| Fault::Malformed(Box::new(fault)))?;
            match rest.len() - used {
                0 => Ok(Current::from(DiskCurrent { known, document })),
                count => Err(Fault::Trailing { count }),
            }
        })
        .map_err(|fault| DecodeError { table, key: keys::shown(key), fault })
}

/// What a record of `current` says besides the document, and the document's bytes.
fn known(payload: &[u8]) -> Result<(DiskKnown<'_>, &[u8]), Fault> {
    let (known, used) =
        bincode::borrow_decode_from_slice(payload, CONFIG).map_err(|fault| Fault::Malformed(Box::new(fault)))?;
    Ok((known, payload.get(used..).unwrap_or_default()))
}

/// As [`decode_current`], with the document left as it is: a tenth of the work.
pub(super) fn decode_stored(key: &[u8], bytes: &[u8]) -> Result<Stored, DecodeError> {
    unseal(key, bytes)
        .and_then(|payload| known(payload).map(|(known, document)| convert::stored(known, document)))
        .map_err(|fault| DecodeError { table: CURRENT, key: keys::shown(key), fault })
}

pub(super) fn encode_row(key: &[u8], head: DiskHead<'_>, fields: &RowFields) -> Result<Vec<u8>, EncodeError> {
    let facets = fields.facets.iter().map(|(number, value)| (*number, value.as_str())).collect();
    let tags = fields.tags.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    seal(ROWS, key, &DiskRow { head, projection: fields.projection, facets, tags })
}

pub(super) fn decode_row<'b>(key: &[u8], bytes: &'b [u8]) -> Result<DiskRow<'b>, DecodeError> {
    read(ROWS, key, bytes)
}

/// Reads only the head of a row. The whole record is under the checksum all the same.
pub(super) fn decode_head<'b>(key: &[u8], bytes: &'b [u8]) -> Result<DiskHead<'b>, DecodeError> {
    unseal(key, bytes)
        .and_then(|payload| {
            bincode::borrow_decode_from_slice::<DiskHead<'b>, _>(payload, CONFIG)
                .map_err(|fault| Fault::Malformed(Box::new(fault)))
        })
        .map(|(head, _)| head)
        .map_err(|fault| DecodeError { table: ROWS, key: keys::shown(key), fault })
}

pub(super) fn encode_tombstone(key: &[u8], tombstone: &Tombstone) -> Result<Vec<u8>, EncodeError> {
    let disk = DiskTombstone {
        at: tombstone.at.as_millis(),
        removed_at: tombstone.removed_at.as_millis(),
        seq: tombstone.seq.0,
        document: Body(Cow::Borrowed(&tombstone.document)),
    };
    seal(TOMBSTONES, key, &disk)
}

pub(super) fn decode_tombstone(key: &[u8], bytes: &[u8]) -> Result<Tombstone, DecodeError> {
    let disk: DiskTombstone<'_> = read(TOMBSTONES, key, bytes)?;
    Ok(Tombstone {
        at: Timestamp::from_millis(disk.at),
        removed_at: Timestamp::from_millis(disk.removed_at),
        seq: Seq(disk.seq),
        document: disk.document.0.into_owned(),
    })
}

pub(super) fn encode_watermark(key: &[u8], watermark: &DiskWatermark) -> Result<Vec<u8>, EncodeError> {
    seal(INTERVALS, key, watermark)
}

pub(super) fn decode_watermark(key: &[u8], bytes: &[u8]) -> Result<DiskWatermark, DecodeError> {
    read(INTERVALS, key, bytes)
}

pub(super) fn encode_ledger(key: &[u8], ledger: Ledger) -> Result<Vec<u8>, EncodeError> {
    seal(META, key, &ledger)
}

pub(super) fn decode_ledger(key: &[u8], bytes: &[u8]) -> Result<Ledger, DecodeError> {
    read(META, key, bytes)
}

pub(super) fn encode_notified(key: &[u8], event_id: &str, at: Timestamp) -> Result<Vec<u8>, EncodeError> {
    seal(DEDUPE, key, &DiskNotified { at: at.as_millis(), event_id })
}

/// A notification's id, and when it was recorded.
pub(super) fn decode_notified(key: &[u8], bytes: &[u8]) -> Result<(String, Timestamp), DecodeError> {
    let DiskNotified { at, event_id } = read(DEDUPE, key, bytes)?;
    Ok((event_id.to_owned(), Timestamp::from_millis(at)))
}

pub(super) fn encode_notified_number(key: &[u8], number: u64) -> Result<Vec<u8>, EncodeError> {
    seal(DEDUPE, key, &number)
}

pub(super) fn decode_notified_number(key: &[u8], bytes: &[u8]) -> Result<u64, DecodeError> {
    read(DEDUPE, key, bytes)
}

pub(super) fn encode_parked(key: &[u8], parked: &DiskParked<'_>) -> Result<Vec<u8>, EncodeError> {
    seal(DEDUPE, key, parked)
}

pub(super) fn decode_parked<'a>(key: &[u8], bytes: &'a [u8]) -> Result<DiskParked<'a>, DecodeError> {
    read(DEDUPE, key, bytes)
}

/// A bare number of `meta`: the format, the log id and counts.
pub(super) fn encode_number(key: &[u8], number: u64) -> Result<Vec<u8>, EncodeError> {
    seal(META, key, &number)
}

pub(super) fn decode_number(key: &[u8], bytes: &[u8]) -> Result<u64, DecodeError> {
    read(META, key, bytes)
}

#[cfg(test)]
mod tests;
