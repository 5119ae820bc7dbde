//! Reading: one consistent state of the whole store.

mod history;
mod rows;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use redb::{Database, ReadOnlyTable, ReadableDatabase};
use thiserror::Error;

use self::rows::fingerprint;
use super::codec::{self, DecodeError, Ledger, Live};
use super::damage::Damages;
use super::keys;
use super::meta::LEDGER_KEY;
use super::stored::Stored;
use super::tables::{
    BASE_TABLE, BY_RESOURCE_TABLE, CURRENT_TABLE, DEDUPE_TABLE, EVENTS_TABLE, INTERVALS, INTERVALS_TABLE, META,
    META_TABLE, ROWS, ROWS_TABLE, TIMES_TABLE, TOMBSTONES_TABLE,
};
use super::watermark::Watermark;
use crate::model::known::Tombstone;
use crate::model::row::Project;
use crate::model::{Current, Kind, LogId, ResourceId, Row, RowFields, Scope, Seq, Timestamp};

/// Why a read failed. It never stands for "not found".
#[derive(Debug, Error)]
pub enum ReadError {
    /// The disk failed under the store, now or before; it is being opened again.
    #[error(
        "the store cannot be read now: ask again in a few seconds; if that does not help, check the disk that holds the \
         data directory: Muster opens the store again by itself"
    )]
    Unavailable(#[source] Box<redb::Error>),
    /// A record is damaged. Asking again changes nothing.
    #[error(transparent)]
    Damaged(#[from] DecodeError),
}

impl ReadError {
    /// Whether the same read may succeed later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self, ReadError::Unavailable(_))
    }
}

macro_rules! unavailable {
    ($($error:ty),+) => {$(
        impl From<$error> for ReadError {
            fn from(error: $error) -> Self {
                ReadError::Unavailable(Box::new(error.into()))
            }
        }
    )+};
}
unavailable!(redb::TransactionError, redb::TableError, redb::StorageError);

/// The part of a row that a list entry or a sweep comparison needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Which resource.
    pub id: ResourceId,
    /// Its name, as AWS gave it (hostile until shown).
    pub name: Option<String>,
    /// The owning account, where AWS says it.
    pub owner: Option<String>,
    /// What a describe is compared with.
    pub fingerprint: Fingerprint,
    /// The record that changed the resource last.
    pub changed: Seq,
}

/// What a sweep compares a describe with, to see without the document whether anything changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    /// The document's digest.
    pub digest: u128,
    /// Whether an assertion is unsettled: then even an equal describe says something.
    pub provisional: bool,
    /// The newest evidence when the row was written.
    pub seen: Timestamp,
}

/// One committed state of the store. Cheap to make and to clone.
///
/// It is a read transaction: while it lives, pages that later commits free stay on disk. **Keep one for at most a second**
/// and take a new one for each page of a longer read, resuming by key. The writer does not wait for it.
#[derive(Clone)]
pub struct Snapshot(pub(super) Arc<View>, Retired);

/// The scopes that are no longer watched, and since when.
pub type Retired = Arc<BTreeMap<Scope, Timestamp>>;

/// The open tables of one read transaction, which they keep alive.
pub(super) struct View {
    pub(super) project: Project,
    pub(super) log: LogId,
    pub(super) ledger: Ledger,
    /// The scopes that are no longer watched.
    retired: Retired,
    /// The same as the store has them: another where it is not noted yet which regions are watched.
    pub(super) noted: Retired,
    pub(super) damages: Arc<Damages>,
    pub(super) events: ReadOnlyTable<u64, &'static [u8]>,
    pub(super) by_resource: ReadOnlyTable<&'static [u8], ()>,
    pub(super) current: ReadOnlyTable<&'static [u8], &'static [u8]>,
    pub(super) rows: ReadOnlyTable<&'static [u8], &'static [u8]>,
    pub(super) tombstones: ReadOnlyTable<&'static [u8], &'static [u8]>,
    pub(super) intervals: ReadOnlyTable<&'static [u8], &'static [u8]>,
    pub(super) base: ReadOnlyTable<&'static [u8], &'static [u8]>,
    pub(super) times: ReadOnlyTable<u64, u64>,
    pub(super) dedupe: ReadOnlyTable<&'static [u8], &'static [u8]>,
    pub(super) meta: ReadOnlyTable<&'static [u8], &'static [u8]>,
}

impl Snapshot {
    /// The newest committed state. Where `assumed` is given, these scopes are taken for those that are no longer watched, whatever
    /// the store has noted.
    pub(super) fn take(
        database: &Database,
        log: LogId,
        project: Project,
        damages: &Arc<Damages>,
        assumed: Option<&Retired>,
    ) -> Result<Self, ReadError> {
        let txn = database.begin_read()?;
        let meta = txn.open_table(META_TABLE)?;
        let ledger = match meta.get(LEDGER_KEY)? {
            Some(bytes) => codec::decode_ledger(LEDGER_KEY, bytes.value())?,
            None => Ledger::default(),
        };
        let noted = Retired::new(retired(&meta)?);
        let retired = Arc::clone(assumed.unwrap_or(&noted));
        let view = View {
            project,
            log,
            ledger,
            retired: Arc::clone(&retired),
            noted,
            damages: Arc::clone(damages),
            events: txn.open_table(EVENTS_TABLE)?,
            by_resource: txn.open_table(BY_RESOURCE_TABLE)?,
            current: txn.open_table(CURRENT_TABLE)?,
            rows: txn.open_table(ROWS_TABLE)?,
            tombstones: txn.open_table(TOMBSTONES_TABLE)?,
            intervals: txn.open_table(INTERVALS_TABLE)?,
            base: txn.open_table(BASE_TABLE)?,
            times: txn.open_table(TIMES_TABLE)?,
            dedupe: txn.open_table(DEDUPE_TABLE)?,
            meta,
        };
        Ok(Snapshot(Arc::new(view), retired))
    }

    /// The scopes that are no longer watched, and since when. Reads that name no scope leave out what is in them.
    #[must_use]
    pub fn retired(&self) -> &Retired {
        &self.0.retired
    }

    /// Whether the store has noted that `scope` is no longer watched, whatever readers are answered meanwhile.
    #[must_use]
    pub fn is_noted_unwatched(&self, scope: &Scope) -> bool {
        self.0.noted.contains_key(scope)
    }

    /// The same state with every scope in it, also those that are no longer watched.
    #[must_use]
    pub fn whole(&self) -> Self {
        Snapshot(Arc::clone(&self.0), Retired::default())
    }

    /// The same state without those scopes only that were not watched any more at `at`.
    #[must_use]
    pub fn watched_at(&self, at: Timestamp) -> Self {
        let gone = self.0.retired.iter().filter(|(_, since)| **since < at);
        let gone: BTreeMap<Scope, Timestamp> = gone.map(|(scope, since)| (scope.clone(), *since)).collect();
        Snapshot(Arc::clone(&self.0), Arc::new(gone))
    }

    /// Whether a read that names no scope leaves out what is in `scope`.
    #[must_use]
    pub fn leaves_out(&self, scope: &Scope) -> bool {
        self.1.contains_key(scope)
    }

    /// The log that [`Snapshot::seq`] counts in.
    #[must_use]
    pub fn log_id(&self) -> LogId {
        self.0.log
    }

    /// The newest record of this state; [`Seq::ZERO`] when there is none.
    #[must_use]
    pub fn seq(&self) -> Seq {
        Seq(self.0.ledger.seq)
    }

    /// Bytes of keys and values alive, by table. The file is larger: it grows in steps and keeps freed pages.
    #[must_use]
    pub fn live(&self) -> Live {
        self.0.ledger.live
    }

    /// What is known of a resource; `None` when the store does not hold it.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn current(&self, id: &ResourceId) -> Result<Option<Current>, ReadError> {
        let key = keys::resource(id);
        let Some(bytes) = self.0.current.get(key.as_slice())? else { return Ok(None) };
        let current = codec::decode_current(&key, bytes.value());
        Ok(Some(current.inspect_err(|error| self.0.damages.note(&key, Some(id), error))?))
    }

    /// As [`Snapshot::current`], with the document left in its stored form: about a tenth of the time, for those who only
    /// write it as JSON.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn stored(&self, id: &ResourceId) -> Result<Option<Stored>, ReadError> {
        let key = keys::resource(id);
        let Some(bytes) = self.0.current.get(key.as_slice())? else { return Ok(None) };
        let stored = codec::decode_stored(&key, bytes.value());
        Ok(Some(stored.inspect_err(|error| self.0.damages.note(&key, Some(id), error))?))
    }

    /// The row of a resource.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn row(&self, id: &ResourceId) -> Result<Option<Row>, ReadError> {
        let key = keys::resource(id);
        let Some(bytes) = self.0.rows.get(key.as_slice())? else { return Ok(None) };
        Ok(Some(self.row_or_made(id, &key, bytes.value(), &mut None)?))
    }

    /// What a describe of a resource is compared with. Decodes no more than that.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn digest_of(&self, id: &ResourceId) -> Result<Option<Fingerprint>, ReadError> {
        let key = keys::resource(id);
        let Some(bytes) = self.0.rows.get(key.as_slice())? else { return Ok(None) };
        let head = codec::decode_head(&key, bytes.value());
        Ok(Some(fingerprint(&head.inspect_err(|error| self.0.damages.note(&key, Some(id), error))?)))
    }

    /// Every scope's copy of one resource, in account and region order; also those in scopes that are no longer watched.
    ///
    /// # Errors
    /// When the store cannot be read, and when one of them cannot: it must not look like none.
    pub fn copies(&self, kind: &Kind, id: &str) -> Result<Vec<Head>, ReadError> {
        let prefix = keys::of_id(kind, id);
        let mut found = Vec::new();
        let mut reader = keys::Reader::default();
        for entry in self.0.rows.range(prefix.as_slice()..keys::past(&prefix).as_slice())? {
            let (key, bytes) = entry?;
            let id = reader.resource(key.value()).ok_or_else(|| codec::key_fault(ROWS, key.value()))?;
            found.push(self.head_or_made(id, key.value(), bytes.value())?);
        }
        Ok(found)
    }

    /// At most `limit` rows of a kind in key order: those of one scope, or of all; those after `after`, or from the start.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn rows(
        &self,
        kind: &Kind,
        scope: Option<&Scope>,
        after: Option<&ResourceId>,
        limit: usize,
    ) -> Result<Vec<Row>, ReadError> {
        let mut version = None;
        self.page(kind, scope, after, limit, |id, key, bytes| self.row_or_made(&id, key, bytes, &mut version))
    }

    /// As [`Snapshot::rows`], without facets and tags: several times as fast.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn heads(
        &self,
        kind: &Kind,
        scope: Option<&Scope>,
        after: Option<&ResourceId>,
        limit: usize,
    ) -> Result<Vec<Head>, ReadError> {
        self.page(kind, scope, after, limit, |id, key, bytes| self.head_or_made(id, key, bytes))
    }

    /// How many resources of a kind the store holds, in one scope or in all.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn count(&self, kind: &Kind, scope: Option<&Scope>) -> Result<u64, ReadError> {
        if let Some(scope) = scope {
            let key = keys::count(kind, scope);
            return match self.0.meta.get(key.as_slice())? {
                Some(bytes) => Ok(codec::decode_number(&key, bytes.value())?),
                None => Ok(0),
            };
        }
        let counts = self.counts_under(&keys::counts_of(kind))?.into_iter();
        Ok(counts.filter(|(_, scope, _)| !self.leaves_out(scope)).map(|(_, _, count)| count).sum())
    }

    /// How many resources of each kind each scope holds. Scopes that hold none of a kind are left out.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn counts(&self) -> Result<Vec<(Kind, Scope, u64)>, ReadError> {
        let mut counts = self.counts_under(&keys::counts())?;
        counts.retain(|(_, scope, _)| !self.leaves_out(scope));
        Ok(counts)
    }

    /// Every scope that holds a resource or was ever listed to the end, also those that are no longer watched.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn scopes(&self) -> Result<BTreeSet<Scope>, ReadError> {
        let held = self.whole().counts()?.into_iter().map(|(_, scope, _)| scope);
        let listed = self.watermarks()?.into_iter().map(|watermark| watermark.scope);
        Ok(held.chain(listed).collect())
    }

    /// The newest watermark of each kind in each scope.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn watermarks(&self) -> Result<Vec<Watermark>, ReadError> {
        let mut found = Vec::new();
        let mut end: Option<Vec<u8>> = None;
        loop {
            // The last interval of a kind in a scope is its newest; then go on below all of its others.
            let mut range = match &end {
                None => self.0.intervals.range::<&[u8]>(..)?,
                Some(end) => self.0.intervals.range(..end.as_slice())?,
            };
            let Some(entry) = range.next_back() else { break };
            let (key, bytes) = entry?;
            let watermark = watermark(key.value(), bytes.value())?;
            end = Some(keys::intervals_of(&watermark.scope, &watermark.kind));
            found.push(watermark);
        }
        found.reverse();
        Ok(found)
    }

    /// When a kind in a scope was watched, oldest first. Between two intervals nobody was looking.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn intervals(&self, scope: &Scope, kind: &Kind) -> Result<Vec<Watermark>, ReadError> {
        let prefix = keys::intervals_of(scope, kind);
        let mut found = Vec::new();
        for entry in self.0.intervals.range(prefix.as_slice()..keys::past(&prefix).as_slice())? {
            let (key, bytes) = entry?;
            found.push(watermark(key.value(), bytes.value())?);
        }
        Ok(found)
    }

    /// What is left of a removed resource; `None` while it exists, or when it never did.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn tombstone(&self, id: &ResourceId) -> Result<Option<Tombstone>, ReadError> {
        let key = keys::resource(id);
        let Some(bytes) = self.0.tombstones.get(key.as_slice())? else { return Ok(None) };
        let tombstone = codec::decode_tombstone(&key, bytes.value());
        Ok(Some(tombstone.inspect_err(|error| self.0.damages.note(&key, Some(id), error))?))
    }

    /// The row that lists and searches would show of a resource known like this.
    #[must_use]
    pub fn row_of(&self, id: &ResourceId, current: &Current) -> Row {
        Row {
            id: id.clone(),
            fields: self.project(id, current),
            digest: current.document.fingerprint(current.mapping),
            provisional: current.provisional.is_some(),
            seen: current.evidence.newest(),
            changed: current.changed,
        }
    }

    pub(super) fn project(&self, id: &ResourceId, current: &Current) -> RowFields {
        (self.0.project)(id, &current.document)
    }

    /// Shows `visit` the id and name of at most `limit` resources of a kind, in key order, from the one after `after`. Returns
    /// the last of them; `None` when there was none. Builds nothing: lists of thousands are made of this.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn each_name(
        &self,
        kind: &Kind,
        after: Option<&ResourceId>,
        limit: usize,
        mut visit: impl FnMut(&str, Option<&str>),
    ) -> Result<Option<ResourceId>, ReadError> {
        let prefix = keys::of_kind(kind);
        let end = keys::past(&prefix);
        let start = match after {
            Some(after) => keys::next(&keys::resource(after)).max(prefix.clone()),
            None => prefix.clone(),
        };
        if start >= end || limit == 0 {
            return Ok(None);
        }
        let (mut last, mut visited) = (None, 0);
        let mut reader = keys::Reader::default();
        for entry in self.0.rows.range(start.as_slice()..end.as_slice())? {
            let (key, bytes) = entry?;
            let key = key.value();
            let Some(id) = keys::id_under(&prefix, key) else {
                self.0.damages.note(key, None, &codec::key_fault(ROWS, key));
                continue;
            };
            if !self.1.is_empty() && reader.resource(key).is_some_and(|id| self.leaves_out(&id.scope())) {
                continue;
            }
            match codec::decode_head(key, bytes.value()) {
                Ok(head) => visit(&id, head.name),
                Err(error) => match reader.resource(key).map(|id| self.row_or_made(&id, key, bytes.value(), &mut None))
                {
                    Some(Ok(row)) => visit(&id, row.fields.name.as_deref()),
                    Some(Err(ReadError::Damaged(_))) | None => {
                        self.0.damages.note(key, None, &error);
                        continue;
                    }
                    Some(Err(error)) => return Err(error),
                },
            }
            last = Some(key.to_vec());
            visited += 1;
            if visited == limit {
                break;
            }
        }
        let Some(last) = last else { return Ok(None) };
        let id = reader.resource(&last);
        Ok(Some(id.ok_or_else(|| codec::key_fault(ROWS, &last))?))
    }

    fn page<T>(
        &self,
        kind: &Kind,
        scope: Option<&Scope>,
        after: Option<&ResourceId>,
        limit: usize,
        make: impl FnMut(ResourceId, &[u8], &[u8]) -> Result<T, ReadError>,
    ) -> Result<Vec<T>, ReadError> {
        let prefix = keys::of_kind(kind);
        let end = keys::past(&prefix);
        let start = match after {
            Some(after) => keys::next(&keys::resource(after)).max(prefix),
            None => prefix,
        };
        self.walk(&start, &end, scope, limit, make)
    }

    /// Walks rows in key order. What cannot be read is left out and noted.
    fn walk<T>(
        &self,
        start: &[u8],
        end: &[u8],
        scope: Option<&Scope>,
        limit: usize,
        mut make: impl FnMut(ResourceId, &[u8], &[u8]) -> Result<T, ReadError>,
    ) -> Result<Vec<T>, ReadError> {
        let mut found = Vec::new();
        if start >= end || limit == 0 {
            return Ok(found);
        }
        let mut reader = keys::Reader::default();
        for entry in self.0.rows.range(start..end)? {
            let (key, bytes) = entry?;
            let Some(id) = reader.resource(key.value()) else {
                self.0.damages.note(key.value(), None, &codec::key_fault(ROWS, key.value()));
                continue;
            };
            let is_asked = match scope {
                Some(scope) => scope.account == id.account && scope.region == id.region,
                None => self.1.is_empty() || !self.leaves_out(&id.scope()),
            };
            if !is_asked {
                continue;
            }
            match make(id, key.value(), bytes.value()) {
                Ok(row) => found.push(row),
                Err(ReadError::Damaged(_)) => continue,
                Err(error) => return Err(error),
            }
            if found.len() == limit {
                break;
            }
        }
        Ok(found)
    }

    fn counts_under(&self, prefix: &[u8]) -> Result<Vec<(Kind, Scope, u64)>, ReadError> {
        let mut reader = keys::Reader::default();
        let mut found = Vec::new();
        for entry in self.0.meta.range(prefix..keys::past(prefix).as_slice())? {
            let (key, bytes) = entry?;
            let (kind, scope) = reader.count(key.value()).ok_or_else(|| codec::key_fault(META, key.value()))?;
            found.push((kind, scope, codec::decode_number(key.value(), bytes.value())?));
        }
        Ok(found)
    }
}

/// The scopes that are no longer watched, as `meta` has them.
fn retired(meta: &ReadOnlyTable<&'static [u8], &'static [u8]>) -> Result<BTreeMap<Scope, Timestamp>, ReadError> {
    let prefix = keys::all_retired();
    let mut found = BTreeMap::new();
    for entry in meta.range(prefix.as_slice()..keys::past(&prefix).as_slice())? {
        let (key, bytes) = entry?;
        let scope = keys::Reader::default().retired(key.value());
        let scope = scope.ok_or_else(|| codec::key_fault(META, key.value()))?;
        let since = codec::decode_number(key.value(), bytes.value())?;
        found.insert(scope, keys::time_of(since));
    }
    Ok(found)
}

fn watermark(key: &[u8], bytes: &[u8]) -> Result<Watermark, DecodeError> {
    let (scope, kind, since) = keys::Reader::default().interval(key).ok_or_else(|| codec::key_fault(INTERVALS, key))?;
    let disk = codec::decode_watermark(key, bytes)?;
    Ok(Watermark {
        scope,
        kind,
        since,
        started: Timestamp::from_millis(disk.started),
        ended: Timestamp::from_millis(disk.ended),
        complete: disk.complete,
    })
}
