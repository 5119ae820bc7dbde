//! Reads: one consistent state of the whole store.

mod history;
mod limited;
mod lists;
mod rows;
mod scopes;
pub(super) mod sealed;
mod seen_log;
mod stand_ins;

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use redb::{Database, ReadOnlyTable, ReadableDatabase};
use thiserror::Error;

use super::body_place::BodyPlace;
use super::codec::{self, DecodeError, DiskHead, DiskKnown, DiskLedger, Live};
use super::damage::Damages;
use super::keys;
use super::meta::LEDGER_KEY;
use super::sight::{ReaderSight, tags_in};
use super::stored::Stored;
use super::tables::{
    BASE_TABLE, BODIES_TABLE, BY_RESOURCE_TABLE, CURRENT, CURRENT_TABLE, DEDUPE_TABLE, EVENTS, EVENTS_TABLE,
    INTERVALS_TABLE, META, META_TABLE, ROWS_TABLE, TIMES_TABLE, TOMBSTONES_TABLE,
};
use crate::model::known::Tombstone;
use crate::model::row::Project;
use crate::model::{Current, Document, Kind, LogId, ResourceId, Row, RowFields, Scope, Seq, Timestamp};

/// Why a read failed. It never means "not found".
#[derive(Debug, Error)]
pub enum ReadError {
    /// The disk failed under the store, now or before; the store is being reopened.
    #[error(
        "the store cannot be read now: ask again in a few seconds; if that does not help, check the disk that holds the \
         data directory: Muster opens the store again by itself"
    )]
    Unavailable(#[source] Box<redb::Error>),
    /// A record is damaged. Reading it again does not help.
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

/// The part of a row that a list entry or the comparison of a sweep needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The resource.
    pub id: ResourceId,
    /// Its name, as AWS gave it (hostile until shown).
    pub name: Option<String>,
    /// The owning account, if AWS names it.
    pub owner: Option<String>,
    /// What a describe is compared with.
    pub fingerprint: Fingerprint,
    /// The record that last changed the resource.
    pub changed: Seq,
}

/// A part of the resources that are gone.
#[derive(Clone, Debug, PartialEq)]
pub struct TombstonePage {
    /// Each with its tombstone, in key order.
    pub gone: Vec<(ResourceId, Tombstone)>,
    /// The resource after which there may be more.
    pub next: Option<ResourceId>,
}

/// What a sweep compares a describe with, to detect changes without the document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    /// The document's digest.
    pub digest: u128,
    /// Whether an assertion is not settled: then even an equal describe is news.
    pub provisional: bool,
    /// The newest evidence when the row was written.
    pub seen: Timestamp,
}

impl Fingerprint {
    pub(super) fn of(head: &DiskHead<'_>) -> Self {
        Fingerprint {
            digest: u128::from_le_bytes(head.digest),
            provisional: head.provisional,
            seen: Timestamp::from_millis(head.seen),
        }
    }
}

/// One committed state of the store. Cheap to make and to clone.
///
/// It is a read transaction: while it lives, pages that later commits free stay on disk. **Keep one for at most a second** and take
/// a new one for each page of a longer read, resuming by key. The writer does not wait for it.
#[derive(Clone)]
pub struct Snapshot(pub(super) Arc<ReadTables>, Retired, Limited);

/// What a reader may see who does not see everything, and of the scopes that are no longer watched those that the reader may know.
type Limited = Option<(Arc<ReaderSight>, Retired)>;

/// The scopes that are no longer watched, and since when.
pub type Retired = Arc<BTreeMap<Scope, Timestamp>>;

/// The open tables of one read transaction, which they keep alive.
pub(super) struct ReadTables {
    pub(super) project: Project,
    /// The versions of the projections of kinds that were asked for.
    projections: Mutex<Vec<(Kind, u32)>>,
    pub(super) log: LogId,
    pub(super) ledger: DiskLedger,
    /// The scopes that are no longer watched.
    retired: Retired,
    /// The same as the store has recorded it; it differs until the store records which regions are watched.
    pub(super) noted: Retired,
    pub(super) damages: Arc<Damages>,
    pub(super) events: ReadOnlyTable<u64, &'static [u8]>,
    pub(super) by_resource: ReadOnlyTable<&'static [u8], ()>,
    pub(super) current: ReadOnlyTable<&'static [u8], &'static [u8]>,
    pub(super) bodies: ReadOnlyTable<u64, &'static [u8]>,
    pub(super) rows: ReadOnlyTable<&'static [u8], &'static [u8]>,
    pub(super) tombstones: ReadOnlyTable<&'static [u8], &'static [u8]>,
    pub(super) intervals: ReadOnlyTable<&'static [u8], &'static [u8]>,
    pub(super) base: ReadOnlyTable<&'static [u8], &'static [u8]>,
    pub(super) times: ReadOnlyTable<u64, u64>,
    pub(super) dedupe: ReadOnlyTable<&'static [u8], &'static [u8]>,
    pub(super) meta: ReadOnlyTable<&'static [u8], &'static [u8]>,
    /// How often something was looked up, by what.
    #[cfg(test)]
    looked_up: Mutex<BTreeMap<&'static str, u64>>,
}

impl Snapshot {
    /// The newest committed state. If `assumed` is given, these scopes count as no longer watched, whatever the store has recorded.
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
            None => DiskLedger::default(),
        };
        let noted = Retired::new(retired(&meta)?);
        let retired = Arc::clone(assumed.unwrap_or(&noted));
        let view = ReadTables {
            project,
            projections: Mutex::default(),
            log,
            ledger,
            retired: Arc::clone(&retired),
            noted,
            damages: Arc::clone(damages),
            events: txn.open_table(EVENTS_TABLE)?,
            by_resource: txn.open_table(BY_RESOURCE_TABLE)?,
            current: txn.open_table(CURRENT_TABLE)?,
            bodies: txn.open_table(BODIES_TABLE)?,
            rows: txn.open_table(ROWS_TABLE)?,
            tombstones: txn.open_table(TOMBSTONES_TABLE)?,
            intervals: txn.open_table(INTERVALS_TABLE)?,
            base: txn.open_table(BASE_TABLE)?,
            times: txn.open_table(TIMES_TABLE)?,
            dedupe: txn.open_table(DEDUPE_TABLE)?,
            meta,
            #[cfg(test)]
            looked_up: Mutex::default(),
        };
        Ok(Snapshot(Arc::new(view), retired, None))
    }

    /// Counts that something is looked up.
    #[cfg(test)]
    fn looking_up(&self, what: &'static str) {
        *self.0.looked_up.lock().entry(what).or_default() += 1;
    }

    /// How often something was looked up in this state since this was asked last, by what.
    #[cfg(test)]
    pub(crate) fn looked_up(&self) -> BTreeMap<&'static str, u64> {
        std::mem::take(&mut self.0.looked_up.lock())
    }

    /// The scopes that are no longer watched, and since when. Reads without a scope leave out their resources.
    #[must_use]
    pub fn retired(&self) -> &Retired {
        self.2.as_ref().map_or(&self.0.retired, |(_, known)| known)
    }

    /// Whether the store has recorded that `scope` is no longer watched, whatever readers see meanwhile.
    #[must_use]
    pub fn is_noted_unwatched(&self, scope: &Scope) -> bool {
        self.0.noted.contains_key(scope)
    }

    /// The same state including scopes that are no longer watched.
    #[must_use]
    pub fn whole(&self) -> Self {
        Snapshot(Arc::clone(&self.0), Retired::default(), self.2.clone())
    }

    /// The same state without the scopes that were not watched any more at `at`.
    #[must_use]
    pub fn watched_at(&self, at: Timestamp) -> Self {
        let gone = self.0.retired.iter().filter(|(_, since)| **since < at);
        let gone: BTreeMap<Scope, Timestamp> = gone.map(|(scope, since)| (scope.clone(), *since)).collect();
        Snapshot(Arc::clone(&self.0), Arc::new(gone), self.2.clone())
    }

    /// Whether a read without a scope leaves out resources in `scope`.
    #[must_use]
    pub fn leaves_out(&self, scope: &Scope) -> bool {
        self.1.contains_key(scope)
    }

    /// The log to which [`Snapshot::seq`] belongs.
    #[must_use]
    pub fn log_id(&self) -> LogId {
        self.0.log
    }

    /// The log as cursors name it, so that those of somebody with another visibility are of another log.
    #[must_use]
    pub fn cursor_log(&self) -> LogId {
        self.0.log.sealed_for(self.sight().map_or(0, |sight| sight.visibility.digest()))
    }

    /// The newest record of this state; [`Seq::ZERO`] if there is none.
    #[must_use]
    pub fn seq(&self) -> Seq {
        Seq(self.0.ledger.seq)
    }

    /// Bytes of keys and values in use, by table. The file is larger: it grows in steps and keeps freed pages.
    #[must_use]
    pub fn live(&self) -> Live {
        self.0.ledger.live
    }

    /// The current state of a resource; `None` if it is not in the store.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn current(&self, id: &ResourceId) -> Result<Option<Current>, ReadError> {
        let key = keys::resource(id);
        #[cfg(test)]
        self.looking_up("current");
        let Some(bytes) = self.0.current.get(keys::in_scope(id).as_slice())? else { return Ok(None) };
        let current = codec::decode_known(CURRENT, &key, bytes.value()).map_err(ReadError::from);
        let current = current.and_then(|known| self.with_body(known));
        let current = current.inspect_err(|error| self.note(id, &key, error));
        let is_seen = match &current {
            Ok(current) if self.2.is_some() => self.admits(id, &tags_in(&current.document))?,
            _ => self.admits_now(id)?,
        };
        if is_seen { Ok(Some(current?)) } else { Ok(None) }
    }

    /// Like [`Snapshot::current`], but the document stays encoded: about a tenth of the time, for readers that only write it as
    /// JSON.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn stored(&self, id: &ResourceId) -> Result<Option<Stored>, ReadError> {
        let key = keys::resource(id);
        #[cfg(test)]
        self.looking_up("current");
        let Some(bytes) = self.0.current.get(keys::in_scope(id).as_slice())? else { return Ok(None) };
        if !self.admits_now(id)? {
            return Ok(None);
        }
        let stored = codec::decode_known(CURRENT, &key, bytes.value()).map_err(ReadError::from).and_then(|known| {
            let place = BodyPlace::of_known(&known, self.0.ledger.horizon);
            Ok(known.with_stored(place.stored::<ReadError>(&self.0.events, &self.0.bodies)?))
        });
        Ok(Some(stored.inspect_err(|error| self.note(id, &key, error))?))
    }

    /// A resource of `current` or `base` with its document.
    fn with_body(&self, known: DiskKnown<'_>) -> Result<Current, ReadError> {
        let place = BodyPlace::of_known(&known, self.0.ledger.horizon);
        Ok(known.with(place.document::<ReadError>(&self.0.events, &self.0.bodies)?))
    }

    /// Notes that a resource's record or its body cannot be read.
    fn note(&self, id: &ResourceId, key: &[u8], error: &ReadError) {
        if let ReadError::Damaged(error) = error {
            // Records of the log are noted by their seq.
            let seq = error.key.parse::<u64>().ok().filter(|_| error.table == EVENTS);
            match seq {
                Some(seq) => {
                    self.0.damages.note(&seq.to_be_bytes(), Some(id), error);
                    self.0.damages.note_current(key, id, error);
                }
                None => self.0.damages.note(key, Some(id), error),
            }
        }
    }

    /// The parts of a resource's current document at these dotted paths (`Placement.Tenancy`), through all elements of lists on the
    /// way: a fraction of the time of [`Snapshot::current`] where they are few.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn parts(&self, id: &ResourceId, wanted: &[&str]) -> Result<Option<Document>, ReadError> {
        let Some(stored) = self.stored(id)? else { return Ok(None) };
        match stored.document.parts(wanted) {
            Some(parts) => Ok(Some(parts)),
            // It says what is wrong with the document.
            None => Ok(self.current(id)?.map(|current| current.document)),
        }
    }

    /// The row of a resource.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn row(&self, id: &ResourceId) -> Result<Option<Row>, ReadError> {
        let key = keys::resource(id);
        #[cfg(test)]
        self.looking_up("row");
        let Some(bytes) = self.0.rows.get(key.as_slice())? else { return Ok(None) };
        if !self.admits_row(id, &key, bytes.value())? {
            return Ok(None);
        }
        Ok(Some(self.row_or_made(id, &key, bytes.value(), &mut None)?))
    }

    /// What a describe of a resource is compared with. Decodes only that.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn digest_of(&self, id: &ResourceId) -> Result<Option<Fingerprint>, ReadError> {
        let key = keys::resource(id);
        #[cfg(test)]
        self.looking_up("head");
        let Some(bytes) = self.0.rows.get(key.as_slice())? else { return Ok(None) };
        if !self.admits_row(id, &key, bytes.value())? {
            return Ok(None);
        }
        let head = codec::decode_head(&key, bytes.value());
        Ok(Some(Fingerprint::of(&head.inspect_err(|error| self.0.damages.note(&key, Some(id), error))?)))
    }

    /// The tombstone of a removed resource; `None` while it exists, or if it never did.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn tombstone(&self, id: &ResourceId) -> Result<Option<Tombstone>, ReadError> {
        if self.2.is_some() {
            return self.limited_tombstone(id);
        }
        let key = keys::resource(id);
        #[cfg(test)]
        self.looking_up("tombstone");
        let Some(bytes) = self.0.tombstones.get(key.as_slice())? else { return Ok(None) };
        let tombstone = codec::decode_tombstone(&key, bytes.value());
        Ok(Some(tombstone.inspect_err(|error| self.0.damages.note(&key, Some(id), error))?))
    }

    /// The row that lists and searches would show for a resource with this state.
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
}

/// The scopes that are no longer watched, as `meta` has them.
fn retired(meta: &ReadOnlyTable<&'static [u8], &'static [u8]>) -> Result<BTreeMap<Scope, Timestamp>, ReadError> {
    let prefix = keys::all_retired();
    let mut found = BTreeMap::new();
    for entry in meta.range(prefix.as_slice()..keys::past(&prefix).as_slice())? {
        let (key, bytes) = entry?;
        let scope = keys::KeyReader::default().retired(key.value());
        let scope = scope.ok_or_else(|| codec::key_fault(META, key.value()))?;
        let since = codec::decode_number(key.value(), bytes.value())?;
        found.insert(scope, keys::time_of(since));
    }
    Ok(found)
}
