//! The damage found in an open store: which record of which table cannot be read, and its resource.
//!
//! One damaged record must not prevent everything else from being served, and must not be silently missing. So reads of many
//! records leave out unreadable ones and note them here, and answers report what is noted ([`super::Store::damage`]). A note is
//! removed when its record is written again. `muster log verify --repair` repairs the file.

use std::collections::BTreeMap;

use parking_lot::RwLock;

use super::codec::DecodeError;
use super::keys;
use super::tables::{BODIES, BY_RESOURCE, CURRENT, EVENTS, ROWS};
use crate::model::{Kind, ResourceId, ScopeFilter};

/// How many damaged records are remembered individually. Of further ones only their existence is known.
const REMEMBERED: usize = 1_000;

/// A stored record that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DamagedRecord {
    /// The table of the record.
    pub table: &'static str,
    /// Its key in readable form.
    pub key: String,
    /// Its resource, if known from the key or from what led to it.
    pub id: Option<ResourceId>,
    /// The fault.
    pub why: String,
}

impl DamagedRecord {
    /// Whether answers about the present may lack it, or show what was true before: where a resource's body cannot be read, what a
    /// describe shows of it cannot be recorded.
    #[must_use]
    pub fn is_of_now(&self) -> bool {
        [ROWS, CURRENT, BODIES].contains(&self.table)
    }

    /// Whether it belongs to the log: a record, or the link from a resource to one.
    #[must_use]
    pub fn is_of_log(&self) -> bool {
        [EVENTS, BY_RESOURCE].contains(&self.table)
    }

    /// Whether it may be about a resource of `kind` in one of `scope`; `None` means any kind.
    #[must_use]
    pub fn concerns(&self, kind: Option<&Kind>, scope: &ScopeFilter) -> bool {
        let Some(id) = &self.id else { return true };
        kind.is_none_or(|kind| id.kind == *kind) && scope.takes(&id.scope())
    }
}

/// All damage found so far.
#[derive(Debug, Default)]
pub(super) struct Damages(RwLock<Noted>);

#[derive(Debug, Default)]
struct Noted {
    found: BTreeMap<(&'static str, Vec<u8>), DamagedRecord>,
    more: bool,
}

impl Damages {
    /// Notes an unreadable record. `id` is its resource, if its key does not name it.
    pub(super) fn note(&self, key: &[u8], id: Option<&ResourceId>, error: &DecodeError) {
        self.note_in(error.table, key, id, error);
    }

    /// Notes that the current state of a resource, whose key this is, cannot be read because of a record of the log.
    pub(super) fn note_current(&self, key: &[u8], id: &ResourceId, error: &DecodeError) {
        self.note_in(CURRENT, key, Some(id), error);
    }

    fn note_in(&self, table: &'static str, key: &[u8], id: Option<&ResourceId>, error: &DecodeError) {
        let place = (table, key.to_vec());
        let is_named = self.0.read().found.get(&place).map(|known| known.id.is_some());
        // A record of the log that was read for itself names nothing; one that was read for a resource names it.
        if is_named.is_some_and(|is_named| is_named || id.is_none()) {
            return;
        }
        let named = || match table {
            EVENTS => None,
            BY_RESOURCE => keys::KeyReader::default().place(key).map(|(id, _)| id),
            _ => keys::KeyReader::default().resource(key),
        };
        let id = id.cloned().or_else(named);
        let damaged = DamagedRecord { table, key: error.key.clone(), id, why: error.fault.to_string() };
        tracing::error!(table, key = %damaged.key, why = %damaged.why, "answers leave out a damaged record and report it");
        let mut noted = self.0.write();
        if noted.found.len() < REMEMBERED {
            noted.found.insert(place, damaged);
        } else {
            noted.more = true;
        }
    }

    /// Forgets the damage of a resource's own records, which were written again or removed.
    pub(super) fn renewed<'a>(&self, ids: impl Iterator<Item = &'a ResourceId>) {
        if self.0.read().found.is_empty() {
            return;
        }
        let mut noted = self.0.write();
        for id in ids {
            for table in [ROWS, CURRENT, BODIES] {
                noted.found.remove(&(table, keys::resource(id)));
            }
        }
    }

    /// The damage found, and whether there is more than is remembered.
    pub(super) fn all(&self) -> (Vec<DamagedRecord>, bool) {
        let noted = self.0.read();
        (noted.found.values().cloned().collect(), noted.more)
    }

    /// Whether a record in a table may be damaged for a kind: one is, or there are more than are remembered.
    pub(super) fn may_have(&self, table: &str, kind: &Kind) -> bool {
        self.0.read().more || self.count(table, kind, &ScopeFilter::Everywhere) > 0
    }

    /// The number of damaged records in a table for a kind in a scope.
    pub(super) fn count(&self, table: &str, kind: &Kind, scope: &ScopeFilter) -> u64 {
        let noted = self.0.read();
        let found = noted.found.values().filter(|found| found.table == table && found.concerns(Some(kind), scope));
        found.count() as u64
    }
}

#[cfg(test)]
mod tests;
