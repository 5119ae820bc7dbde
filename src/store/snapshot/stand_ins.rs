//! What is looked up beside a resource that somebody does not find who does not see everything.
//!
//! A resource that is hidden and one that nobody knows are answered alike, but to find that a row is hidden takes reading it. So
//! whoever finds nothing has more looked up: of what is there and hidden, what is gone, and what never was, all that the id itself is not.
//! Then each such question does the same in the same number of steps, and how long it takes tells nothing. Which others are looked up is
//! random, but always the same for an id: asking again and again averages nothing out.

use redb::ReadOnlyTable;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::{ReadError, Snapshot};
use crate::model::{Kind, ResourceId, Scope};
use crate::policy::grant::tagged_as;
use crate::store::keys;

/// How many resources are drawn, of which the first that is hidden counts, or else the last.
const DRAWS: u64 = 2;

/// A table whose keys name resources.
type NamingTable = ReadOnlyTable<&'static [u8], &'static [u8]>;

/// Resources of a kind in the order of their ids, everywhere or in a scope.
struct Drawing<'t> {
    table: &'t NamingTable,
    kind: &'t Kind,
    /// The scope whose resources stand together in the table, if it is one of those that stand by their scopes.
    scope: Option<&'t Scope>,
}

impl Snapshot {
    /// The ids to look up as well for somebody who did not find `id`, in a scope or anywhere; none for somebody who sees everything.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn stand_ins(&self, kind: &Kind, id: &str, scope: Option<&Scope>) -> Result<Vec<String>, ReadError> {
        let Some(sight) = self.sight() else { return Ok(Vec::new()) };
        // A part of another resource has its id, and is hidden with it.
        let whole = tagged_as(kind);
        let kind = whole.as_ref().unwrap_or(kind);
        // All of it is done whatever the id is.
        let is_held = has(&self.0.rows, kind, id, scope)?;
        let is_gone = has(&self.0.tombstones, kind, id, scope)?;
        let present = match scope {
            Some(_) => Drawing { table: &self.0.current, kind, scope },
            None => Drawing { table: &self.0.rows, kind, scope: None },
        };
        let removed = Drawing { table: &self.0.tombstones, kind, scope: None };
        let (mut held, mut is_hidden, mut gone) = (None, false, None);
        for attempt in 0..DRAWS {
            let chosen = xxh3_64_with_seed(id.as_bytes(), sight.secret.wrapping_add(attempt));
            if let Some(drawn) = present.draw(chosen)? {
                let is_seen = self.admits_now(&drawn)?;
                if !is_hidden {
                    (held, is_hidden) = (Some(drawn), !is_seen);
                }
            }
            let drawn = removed.draw(chosen)?;
            gone = gone.or(drawn.filter(|drawn| scope.is_none_or(|scope| drawn.scope() == *scope)));
        }
        let never = Some(format!("{id}-"));
        let text = |id: Option<ResourceId>| id.map(|id| id.id.to_string());
        let of = [(text(held), is_held), (text(gone), is_gone && !is_held), (never, !is_held && !is_gone)];
        Ok(of.into_iter().filter(|(_, is_own)| !is_own).filter_map(|(other, _)| other).collect())
    }
}

/// Whether a table has an id, in a scope or in any.
fn has(table: &NamingTable, kind: &Kind, id: &str, scope: Option<&Scope>) -> Result<bool, ReadError> {
    if let Some(scope) = scope {
        return Ok(table.get(keys::resource(&ResourceId::new(scope, kind, id)).as_slice())?.is_some());
    }
    let prefix = keys::of_id(kind, id);
    Ok(table.range(prefix.as_slice()..keys::past(&prefix).as_slice())?.next().transpose()?.is_some())
}

impl Drawing<'_> {
    /// One that `chosen` decides on: the next at a place between the first and the last that is as likely as any other.
    fn draw(&self, chosen: u64) -> Result<Option<ResourceId>, ReadError> {
        let prefix = self.scope.map_or_else(|| keys::of_kind(self.kind), |scope| keys::of_scope(self.kind, scope));
        let end = keys::past(&prefix);
        let mut all = self.table.range(prefix.as_slice()..end.as_slice())?;
        let Some(first) = all.next().transpose()?.and_then(|(key, _)| self.read(key.value())) else { return Ok(None) };
        let Some(last) = all.next_back().transpose()?.and_then(|(key, _)| self.read(key.value())) else {
            return Ok(Some(first));
        };
        let place = between(&first.id, &last.id, chosen);
        let place = match self.scope {
            Some(scope) => keys::in_scope(&ResourceId::new(scope, self.kind, place)),
            None => keys::of_id(self.kind, &place),
        };
        let next = self.table.range(place.as_slice()..end.as_slice())?.next().transpose()?;
        Ok(Some(next.and_then(|(key, _)| self.read(key.value())).unwrap_or(first)))
    }

    fn read(&self, key: &[u8]) -> Option<ResourceId> {
        let mut reader = keys::KeyReader::default();
        if self.scope.is_some() { reader.in_scope(key) } else { reader.resource(key) }
    }
}

/// A text between two that differ: with what both begin with, and then what `chosen` says.
fn between(first: &str, last: &str, chosen: u64) -> String {
    let alike = first.chars().zip(last.chars()).take_while(|(one, other)| one == other).count();
    let [low, high] = [first, last].map(|text| text.chars().nth(alike).filter(char::is_ascii).map_or(0, |c| c as u64));
    let span = high.saturating_sub(low) + 1;
    let letter = u8::try_from(low + chosen % span).map_or('0', char::from);
    let begin: String = first.chars().take(alike).collect();
    format!("{begin}{letter}{:016x}", chosen / span)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    #[test]
    fn a_place_between_two_texts_begins_as_both_do_and_may_be_anywhere() {
        let places: BTreeSet<String> =
            (0..200).map(|chosen| between("i-0001", "i-0009", xxh3_64_with_seed(b"i", chosen))).collect();
        assert!(places.iter().all(|place| place.starts_with("i-000")), "{places:?}");
        let letters: BTreeSet<char> = places.iter().filter_map(|place| place.chars().nth(5)).collect();
        assert_eq!(letters, ('1'..='9').collect());
    }
}
