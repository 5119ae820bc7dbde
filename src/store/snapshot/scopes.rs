//! The counts of each scope, and when it was watched.

use std::collections::BTreeSet;

use super::{ReadError, Snapshot};
use crate::model::{Kind, Scope, ScopeFilter, Timestamp};
use crate::store::codec::{self, DecodeError};
use crate::store::keys;
use crate::store::tables::{INTERVALS, META};
use crate::store::watermark::Watermark;

impl Snapshot {
    /// The number of resources of a kind in the store, in some scopes or all.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn count(&self, kind: &Kind, scope: &ScopeFilter) -> Result<u64, ReadError> {
        if let Some(scope) = scope.only() {
            let key = keys::count(kind, scope);
            return match self.0.meta.get(key.as_slice())? {
                Some(bytes) => self.seen_of(kind, scope, codec::decode_number(&key, bytes.value())?),
                None => Ok(0),
            };
        }
        let is_asked = |of: &Scope| scope.takes(of) && (scope.is_with_retired() || !self.leaves_out(of));
        let counts = self.counts_under(&keys::counts_of(kind))?.into_iter();
        let mut asked = counts.filter(|(_, of, _)| is_asked(of));
        asked.try_fold(0, |total, (kind, scope, count)| Ok(total + self.seen_of(&kind, &scope, count)?))
    }

    /// The number of resources of each kind in each scope. Zero counts are left out.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn counts(&self) -> Result<Vec<(Kind, Scope, u64)>, ReadError> {
        let mut counts = self.counts_under(&keys::counts())?;
        counts.retain(|(_, scope, _)| !self.leaves_out(scope));
        if self.sight().is_some() {
            for (kind, scope, count) in &mut counts {
                *count = self.seen_of(kind, scope, *count)?;
            }
            counts.retain(|(_, _, count)| *count > 0);
        }
        Ok(counts)
    }

    /// Every scope that holds a resource or was ever listed completely, including those no longer watched.
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
            // The last interval of a kind in a scope is its newest; continue below all its others.
            let mut range = match &end {
                None => self.0.intervals.range::<&[u8]>(..)?,
                Some(end) => self.0.intervals.range(..end.as_slice())?,
            };
            let Some(entry) = range.next_back() else { break };
            let (key, bytes) = entry?;
            let watermark = watermark(key.value(), bytes.value())?;
            end = Some(keys::intervals_of(&watermark.scope, &watermark.kind));
            if self.may_know_of(&watermark.scope, &watermark.kind) {
                found.push(watermark);
            }
        }
        found.reverse();
        Ok(found)
    }

    /// When a kind in a scope was watched, oldest first. Between two intervals nobody was watching.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn intervals(&self, scope: &Scope, kind: &Kind) -> Result<Vec<Watermark>, ReadError> {
        let prefix = keys::intervals_of(scope, kind);
        let mut found = Vec::new();
        if !self.may_know_of(scope, kind) {
            return Ok(found);
        }
        for entry in self.0.intervals.range(prefix.as_slice()..keys::past(&prefix).as_slice())? {
            let (key, bytes) = entry?;
            found.push(watermark(key.value(), bytes.value())?);
        }
        Ok(found)
    }

    /// Whether the reader may see anything of a kind in a scope.
    fn may_know_of(&self, scope: &Scope, kind: &Kind) -> bool {
        let (account, region) = (scope.account.as_str(), scope.region.as_str());
        self.sight().is_none_or(|sight| sight.visibility.may_see_any_of(account, region, kind))
    }

    fn counts_under(&self, prefix: &[u8]) -> Result<Vec<(Kind, Scope, u64)>, ReadError> {
        let mut reader = keys::KeyReader::default();
        let mut found = Vec::new();
        for entry in self.0.meta.range(prefix..keys::past(prefix).as_slice())? {
            let (key, bytes) = entry?;
            let (kind, scope) = reader.count(key.value()).ok_or_else(|| codec::key_fault(META, key.value()))?;
            found.push((kind, scope, codec::decode_number(key.value(), bytes.value())?));
        }
        Ok(found)
    }
}

fn watermark(key: &[u8], bytes: &[u8]) -> Result<Watermark, DecodeError> {
    let (scope, kind, since) =
        keys::KeyReader::default().interval(key).ok_or_else(|| codec::key_fault(INTERVALS, key))?;
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
