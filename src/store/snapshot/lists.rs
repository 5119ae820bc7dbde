//! Walks over the rows of a kind, in key order.

use std::sync::Arc;

use super::{Head, ReadError, Snapshot};
use crate::model::{Kind, ResourceId, Row, Scope, ScopeFilter};
use crate::store::codec;
use crate::store::keys;
use crate::store::tables::{CURRENT, ROWS};

impl Snapshot {
    /// Every scope's copy of one resource, in account and region order, including scopes that are no longer watched.
    ///
    /// # Errors
    /// If the store or one of the copies cannot be read: a copy must not seem absent.
    pub fn copies(&self, kind: &Kind, id: &str) -> Result<Vec<Head>, ReadError> {
        #[cfg(test)]
        self.looking_up("copies");
        let prefix = keys::of_id(kind, id);
        let mut found = Vec::new();
        let mut reader = keys::KeyReader::default();
        for entry in self.0.rows.range(prefix.as_slice()..keys::past(&prefix).as_slice())? {
            let (key, bytes) = entry?;
            let id = reader.resource(key.value()).ok_or_else(|| codec::key_fault(ROWS, key.value()))?;
            #[cfg(test)]
            self.looking_up("copy");
            if !self.admits_row(&id, key.value(), bytes.value())? {
                continue;
            }
            found.push(self.head_or_made(id, key.value(), bytes.value())?);
        }
        Ok(found)
    }

    /// Whether any of these scopes has a copy of a resource. Reads no copy, only which there are.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn has_copy(&self, kind: &Kind, id: &str, is_meant: impl Fn(&Scope) -> bool) -> Result<bool, ReadError> {
        let prefix = keys::of_id(kind, id);
        let mut reader = keys::KeyReader::default();
        for entry in self.0.rows.range(prefix.as_slice()..keys::past(&prefix).as_slice())? {
            let (key, bytes) = entry?;
            let id = reader.resource(key.value()).ok_or_else(|| codec::key_fault(ROWS, key.value()))?;
            if is_meant(&id.scope()) && self.admits_row(&id, key.value(), bytes.value())? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// At most `limit` rows of a kind in key order: in some scopes or all, after `after` or from the start.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn rows(
        &self,
        kind: &Kind,
        scope: &ScopeFilter,
        after: Option<&ResourceId>,
        limit: usize,
    ) -> Result<Vec<Row>, ReadError> {
        let mut version = None;
        self.page(kind, scope, after, limit, |id, key, bytes| self.row_or_made(&id, key, bytes, &mut version))
    }

    /// Like [`Snapshot::rows`], without facets and tags: several times as fast.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn heads(
        &self,
        kind: &Kind,
        scope: &ScopeFilter,
        after: Option<&ResourceId>,
        limit: usize,
    ) -> Result<Vec<Head>, ReadError> {
        self.page(kind, scope, after, limit, |id, key, bytes| self.head_or_made(id, key, bytes))
    }

    /// Shows `visit` the id and name of at most `limit` resources of a kind, in key order, after `after`. Returns the last one;
    /// `None` if there was none. Allocates nothing per row, for lists of thousands.
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
        let mut reader = keys::KeyReader::default();
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
            if self.2.is_some() {
                let Some(id) = reader.resource(key) else { continue };
                if !self.admits_row(&id, key, bytes.value())? {
                    continue;
                }
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

    /// The ids of at most `limit` resources of a kind in one scope, in key order, after `after`, whether it is watched or not. Reads
    /// nothing of other scopes.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn ids_in(
        &self,
        kind: &Kind,
        scope: &Scope,
        after: Option<&ResourceId>,
        limit: usize,
    ) -> Result<Vec<ResourceId>, ReadError> {
        let prefix = keys::of_scope(kind, scope);
        let end = keys::past(&prefix);
        let start = match after {
            Some(after) => {
                // It may be of another scope: in the order of all scopes, this one's copy of the same id stands before it or behind.
                let place = keys::in_scope(&ResourceId::new(scope, kind, Arc::clone(&after.id)));
                if after.scope() < *scope { place } else { keys::next(&place) }
            }
            None => prefix,
        };
        let mut found = Vec::new();
        if start >= end {
            return Ok(found);
        }
        let mut reader = keys::KeyReader::default();
        for entry in self.0.current.range(start.as_slice()..end.as_slice())? {
            if found.len() == limit {
                break;
            }
            let (key, _) = entry?;
            match reader.in_scope(key.value()) {
                Some(id) if !self.admits_now(&id)? => {}
                Some(id) => found.push(id),
                None => self.0.damages.note(key.value(), None, &codec::key_fault(CURRENT, key.value())),
            }
        }
        Ok(found)
    }

    pub(super) fn page<T>(
        &self,
        kind: &Kind,
        scope: &ScopeFilter,
        after: Option<&ResourceId>,
        limit: usize,
        make: impl FnMut(ResourceId, &[u8], &[u8]) -> Result<T, ReadError>,
    ) -> Result<Vec<T>, ReadError> {
        if let Some(scope) = scope.only() {
            return self.page_in(kind, scope, after, limit, make);
        }
        let prefix = keys::of_kind(kind);
        let end = keys::past(&prefix);
        let start = match after {
            Some(after) => keys::next(&keys::resource(after)).max(prefix),
            None => prefix,
        };
        self.walk(&start, &end, scope, limit, make)
    }

    /// The rows of one scope. A row that is not there, although its resource is, is noted as damaged.
    fn page_in<T>(
        &self,
        kind: &Kind,
        scope: &Scope,
        after: Option<&ResourceId>,
        limit: usize,
        mut make: impl FnMut(ResourceId, &[u8], &[u8]) -> Result<T, ReadError>,
    ) -> Result<Vec<T>, ReadError> {
        let mut found = Vec::new();
        let mut after = after.cloned();
        while found.len() < limit {
            let ids = self.ids_in(kind, scope, after.as_ref(), limit - found.len())?;
            if ids.is_empty() {
                break;
            }
            after = ids.last().cloned();
            for id in ids {
                let key = keys::resource(&id);
                let Some(bytes) = self.0.rows.get(key.as_slice())? else {
                    self.0.damages.note(&key, Some(&id), &codec::missing(ROWS, &key));
                    continue;
                };
                match make(id, &key, bytes.value()) {
                    Ok(row) => found.push(row),
                    Err(ReadError::Damaged(_)) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(found)
    }

    /// Walks rows in key order. Unreadable ones are left out and noted.
    fn walk<T>(
        &self,
        start: &[u8],
        end: &[u8],
        scope: &ScopeFilter,
        limit: usize,
        mut make: impl FnMut(ResourceId, &[u8], &[u8]) -> Result<T, ReadError>,
    ) -> Result<Vec<T>, ReadError> {
        let mut found = Vec::new();
        if start >= end || limit == 0 {
            return Ok(found);
        }
        let mut reader = keys::KeyReader::default();
        for entry in self.0.rows.range(start..end)? {
            let (key, bytes) = entry?;
            let Some(id) = reader.resource(key.value()) else {
                self.0.damages.note(key.value(), None, &codec::key_fault(ROWS, key.value()));
                continue;
            };
            let is_left_out = || !scope.is_with_retired() && !self.1.is_empty() && self.leaves_out(&id.scope());
            if !scope.takes_parts(id.account.as_str(), id.region.as_str()) || is_left_out() {
                continue;
            }
            if self.2.is_some() && !self.admits_row(&id, key.value(), bytes.value())? {
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
}
