//! What was found damaged in an open store: which record of which table cannot be read, and of which resource it is.
//!
//! One damaged record must not keep everything else from being served, and must never become a silent hole either. So reads of
//! many records leave out what they cannot read and note it here, and whoever answers says what is noted ([`super::Store::damage`]).
//! A note goes away when the record is written anew. `muster log verify --repair` mends the file.

use std::collections::BTreeMap;

use parking_lot::RwLock;

use super::codec::DecodeError;
use super::keys;
use super::tables::{BY_RESOURCE, CURRENT, EVENTS, ROWS};
use crate::model::{Kind, ResourceId, Scope};

/// How many damaged records are remembered one by one. Of more it is only known that there are more.
const REMEMBERED: usize = 1_000;

/// A stored record that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damaged {
    /// The table it is in.
    pub table: &'static str,
    /// Its key, made readable.
    pub key: String,
    /// The resource it is about, where the key or what led to it says so.
    pub id: Option<ResourceId>,
    /// What is wrong with it.
    pub why: String,
}

impl Damaged {
    /// Whether lists, searches and counts of now would have read it.
    #[must_use]
    pub fn is_row(&self) -> bool {
        self.table == ROWS
    }

    /// Whether it is a record of the log, or says of which resource one is.
    #[must_use]
    pub fn is_of_log(&self) -> bool {
        [EVENTS, BY_RESOURCE].contains(&self.table)
    }

    /// Whether it may be about a resource of `kind` in `scope`; `None` stands for any.
    #[must_use]
    pub fn concerns(&self, kind: Option<&Kind>, scope: Option<&Scope>) -> bool {
        let Some(id) = &self.id else { return true };
        kind.is_none_or(|kind| id.kind == *kind) && scope.is_none_or(|scope| id.scope() == *scope)
    }
}

/// What was found damaged so far.
#[derive(Debug, Default)]
pub(super) struct Damages(RwLock<Noted>);

#[derive(Debug, Default)]
struct Noted {
    found: BTreeMap<(&'static str, Vec<u8>), Damaged>,
    more: bool,
}

impl Damages {
    /// Notes a record that cannot be read. `id` is the resource it is about, where its key does not say it.
    pub(super) fn note(&self, key: &[u8], id: Option<&ResourceId>, error: &DecodeError) {
        let table = error.table;
        let place = (table, key.to_vec());
        if self.0.read().found.contains_key(&place) {
            return;
        }
        let named = || match table {
            EVENTS => None,
            BY_RESOURCE => keys::Reader::default().place(key).map(|(id, _)| id),
            _ => keys::Reader::default().resource(key),
        };
        let id = id.cloned().or_else(named);
        let damaged = Damaged { table, key: error.key.clone(), id, why: error.fault.to_string() };
        tracing::error!(table, key = %damaged.key, why = %damaged.why, "a damaged record is left out of answers, which say so");
        let mut noted = self.0.write();
        if noted.found.len() < REMEMBERED {
            noted.found.insert(place, damaged);
        } else {
            noted.more = true;
        }
    }

    /// Forgets what was damaged of a resource's own records, which were written anew or taken away.
    pub(super) fn renewed<'a>(&self, ids: impl Iterator<Item = &'a ResourceId>) {
        if self.0.read().found.is_empty() {
            return;
        }
        let mut noted = self.0.write();
        for id in ids {
            for table in [ROWS, CURRENT] {
                noted.found.remove(&(table, keys::resource(id)));
            }
        }
    }

    /// What was found, and whether there is more than is remembered.
    pub(super) fn all(&self) -> (Vec<Damaged>, bool) {
        let noted = self.0.read();
        (noted.found.values().cloned().collect(), noted.more)
    }

    /// How many damaged records of a table are about a kind in a scope.
    pub(super) fn count(&self, table: &str, kind: &Kind, scope: Option<&Scope>) -> u64 {
        let noted = self.0.read();
        let found = noted.found.values().filter(|found| found.table == table && found.concerns(Some(kind), scope));
        found.count() as u64
    }
}

#[cfg(test)]
mod tests;
