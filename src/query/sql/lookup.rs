//! What is read only for the rows that a statement looks at: whole documents, and when a resource was first seen and changed last.
//!
//! These columns are computed by functions, which SQLite calls for a row when it needs the value.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use rusqlite::Connection;
use rusqlite::functions::{Context, FunctionFlags};

use super::lazy::{FUNCTIONS, Lazy};
use super::limits::Expired;
use super::{SqlError, times};
use crate::kinds::KINDS;
use crate::model::{AccountId, Region, ResourceId, Scope, Timestamp};
use crate::query::Point;
use crate::store::{ReadError, Snapshot, Store};

/// How many documents one statement may look into.
const DOCUMENTS: usize = if cfg!(test) { 40 } else { 5_000 };

/// Whether there is anywhere to look yet. SQLite computes these columns also of a row that is put in, to no end.
pub(super) type IsOpen = Arc<AtomicBool>;

/// Where is looked, and why a function failed.
#[derive(Default)]
pub(super) struct Lookup {
    /// The store, and the moment that is asked about.
    source: Option<(Store, Point)>,
    is_open: IsOpen,
    documents: usize,
    /// The last that was looked up: a row may be asked for several times in a row.
    last: Option<(Lazy, ResourceId, Option<String>)>,
    /// Why a function failed, or what the authorizer forbade.
    pub(super) failure: Option<SqlError>,
}

impl Lookup {
    /// From now on it looks there.
    pub(super) fn open(&mut self, store: &Store, point: Point) {
        self.source = Some((store.clone(), point));
        self.is_open.store(true, Ordering::Relaxed);
    }

    fn look(&mut self, what: Lazy, id: ResourceId) -> Result<Option<String>, SqlError> {
        if let Some((looked, last, found)) = &self.last
            && *looked == what
            && *last == id
        {
            return Ok(found.clone());
        }
        let Some((store, point)) = &self.source else { return Ok(None) };
        if what == Lazy::Document {
            self.documents += 1;
            if self.documents > DOCUMENTS {
                return Err(SqlError::TooManyDocuments(DOCUMENTS));
            }
        }
        let found = match found(&store.snapshot()?, *point, what, &id) {
            // The store has noted that.
            Err(ReadError::Damaged(_)) => None,
            found => found?,
        };
        self.last = Some((what, id, found.clone()));
        Ok(found)
    }
}

/// What is known of a resource at `point`.
fn found(snapshot: &Snapshot, point: Point, what: Lazy, id: &ResourceId) -> Result<Option<String>, ReadError> {
    let first = |seq| Ok::<_, ReadError>(snapshot.time_of(seq)?.or(snapshot.earliest()?).map(times::of));
    if let Some(stored) = snapshot.stored(id)?
        && stored.changed <= point.seq
    {
        return match what {
            Lazy::Document => Ok(serde_json::to_string(&stored.document).ok()),
            Lazy::FirstSeen => first(snapshot.appeared(id, stored.discovered, point.seq)?),
            Lazy::ChangedAt => Ok(Some(times::of(stored.changed_at))),
        };
    }
    let Some(then) = snapshot.past(id, point.seq)? else { return Ok(None) };
    match what {
        Lazy::Document => Ok(serde_json::to_string(&then.document).ok()),
        Lazy::FirstSeen => first(snapshot.appeared(id, then.discovered, point.seq)?),
        Lazy::ChangedAt => Ok(Some(times::of(then.changed_at))),
    }
}

/// Adds the functions to a connection.
pub(super) fn add(connection: &Connection, lookup: &Arc<Mutex<Lookup>>, expired: &Expired) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_INNOCUOUS;
    for (what, name) in FUNCTIONS {
        let (lookup, expired) = (Arc::clone(lookup), Arc::clone(expired));
        let is_open = Arc::clone(&lookup.lock().is_open);
        connection.create_scalar_function(name, 4, flags, move |context| {
            if !is_open.load(Ordering::Relaxed) {
                return Ok(None);
            }
            let Some(id) = named(context)? else { return Ok(None) };
            let mut lookup = lookup.lock();
            let found = if expired() { Err(SqlError::Time) } else { lookup.look(what, id) };
            found.map_err(|error| {
                let text = error.to_string();
                lookup.failure.get_or_insert(error);
                rusqlite::Error::UserFunctionError(text.into())
            })
        })?;
    }
    Ok(())
}

/// The resource that a call names: the place of its kind among all, id, account and region.
fn named(context: &Context<'_>) -> rusqlite::Result<Option<ResourceId>> {
    let kind: usize = context.get::<i64>(0)?.try_into().unwrap_or(usize::MAX);
    let Some(kind) = KINDS.get(kind) else { return Ok(None) };
    let text = |place| context.get::<Option<String>>(place);
    let (Some(id), Some(account), Some(region)) = (text(1)?, text(2)?, text(3)?) else { return Ok(None) };
    let scope = Scope { account: AccountId::new(account), region: Region::new(region) };
    Ok(Some(ResourceId::new(&scope, &kind.kind(), id)))
}

/// A time that is later than anything known: for the end of the log.
pub(super) fn end(snapshot: &Snapshot) -> Result<Point, ReadError> {
    let at: Timestamp = snapshot.newest_time()?;
    Ok(Point { at, seq: snapshot.seq() })
}
