//! Applies what one page of a full listing shows.
//!
//! Each item is compared with the stored row by digest, and only what differs is decided. Items that were not decoded, because
//! their bytes are remembered, come with the digest of what they said. What is stored may have changed since they were found in the
//! page: then such an item proves only that its resource is listed, and a describe by id shows the rest.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use crate::freshness::WatchedScope;
use crate::ingest::draft::Draft;
use crate::ingest::ledger::LedgerView;
use crate::ingest::under_way::SweepUnderWay;
use crate::ingest::{Chunk, Ingest, IngestError, Ledger};
use crate::model::{
    Cause, Item, Kind, KnownBytes, Observation, Page, ResourceId, Scope, Seen, Source, Timestamp, UnchangedItem,
    UnreadableItem,
};
use crate::notify::ChangeTopic;
use crate::reconcile::memory::{How, Note};
use crate::store::{Fingerprint, ReadError};

/// If more remembered items of a page than this are not as they are stored, none is described by id: the next sweep decodes all.
const MAX_DOUBTED: usize = 200;

/// What of a page is to be decided.
#[derive(Default)]
struct PageNews {
    observations: VecDeque<Observation>,
    /// The bytes of each item, to be remembered once what they say is stored.
    bytes: HashMap<Arc<str>, KnownBytes>,
}

/// A resource that a page showed exactly as it is stored.
struct ShownItem {
    id: Arc<str>,
    gone: bool,
    bytes: Option<KnownBytes>,
}

impl<L: Ledger> Ingest<L> {
    pub(super) fn page(&mut self, scope: &Scope, kind: &Kind, page: Page) -> Result<(), IngestError> {
        let Page { sent_at, items, unchanged, unreadable, .. } = page;
        let (mut shown, news) = self.compared(scope, kind, sent_at, items)?;
        let doubted = self.still(scope, kind, unchanged, &mut shown)?;
        self.shown(scope, kind, sent_at, shown);
        self.doubted(scope, kind, sent_at, doubted);
        self.news(scope, kind, news)?;
        if self.is_given_up(scope, kind) {
            return Ok(());
        }
        self.unread(scope, kind, sent_at, unreadable)
    }

    /// Parts the items that are as they are stored from those that are not.
    fn compared(
        &self,
        scope: &Scope,
        kind: &Kind,
        at: Timestamp,
        items: Vec<Item>,
    ) -> Result<(Vec<ShownItem>, PageNews), IngestError> {
        let rules = self.rules(kind);
        let (mut same, mut news) = (Vec::new(), PageNews::default());
        let view = self.ledger.view()?;
        for Item { id, document, mut hash } in items {
            let id = ResourceId::new(scope, kind, id);
            // A resource with a damaged row is decided again from its current state, by every sweep: its row does not say that
            // it is as it was.
            let known = match view.fingerprint(&id) {
                Err(ReadError::Damaged(_)) => {
                    hash = None;
                    None
                }
                known => known?,
            };
            let digest = document.fingerprint(rules.mapping);
            let bytes = hash.map(|hash| KnownBytes::new(hash, digest));
            if known.is_some_and(|row| is_as_stored(&row, digest)) {
                same.push(ShownItem { id: id.id, gone: rules.is_gone(&document), bytes });
                continue;
            }
            news.bytes.extend(bytes.map(|bytes| (Arc::clone(&id.id), bytes)));
            news.observations.push_back(Observation { source: Source::Sweep, at, id, seen: Seen::Described(document) });
        }
        // In the order of the store's keys, so that each of its pages is changed in as few commits as can be.
        news.observations.make_contiguous().sort_by(|one, other| one.id.id.cmp(&other.id.id));
        Ok((same, news))
    }

    /// Adds the unchanged items that are as they are stored to `same`. Returns the others, and whether each is stored.
    fn still(
        &self,
        scope: &Scope,
        kind: &Kind,
        unchanged: Vec<UnchangedItem>,
        same: &mut Vec<ShownItem>,
    ) -> Result<Vec<(Arc<str>, bool)>, IngestError> {
        let mut doubted = Vec::new();
        if unchanged.is_empty() {
            return Ok(doubted);
        }
        let view = self.ledger.view()?;
        for UnchangedItem { id, known, gone } in unchanged {
            let id = ResourceId::new(scope, kind, id);
            match view.fingerprint(&id) {
                Ok(Some(row)) if is_as_stored(&row, known.digest()) => {
                    same.push(ShownItem { id: id.id, gone, bytes: Some(known) });
                }
                Ok(Some(_)) | Err(ReadError::Damaged(_)) => doubted.push((id.id, true)),
                Ok(None) => doubted.push((id.id, false)),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(doubted)
    }

    /// Remembers resources that are as they are stored.
    fn shown(&self, scope: &Scope, kind: &Kind, at: Timestamp, same: Vec<ShownItem>) {
        let now = self.clock.now();
        let at = crate::reconcile::credible(at, now);
        let released = self.freshness.update(scope, kind, |watched| {
            let mut released = Vec::new();
            for ShownItem { id, gone, bytes } in same {
                watched.read(&id);
                released.extend(watched.memory.take(
                    &id,
                    Note::Shown { at, how: How::Exactly, swept: true, gone },
                    now,
                ));
                if let Some(bytes) = bytes {
                    watched.memory.remember(&id, bytes);
                }
            }
            if watched.state.missing > 0 {
                watched.show_missing();
            }
            released
        });
        self.ask(scope, kind, released);
    }

    /// Remembers that resources are listed which are not stored as their bytes said, and wants them described by id.
    fn doubted(&self, scope: &Scope, kind: &Kind, at: Timestamp, doubted: Vec<(Arc<str>, bool)>) {
        if doubted.is_empty() {
            return;
        }
        let released = self.freshness.update(scope, kind, |watched| {
            let stored = doubted.iter().filter(|(_, stored)| *stored).map(|(id, _)| id);
            let released = self.listed(watched, at, stored);
            doubted.iter().filter(|(_, stored)| !stored).for_each(|_| watched.memory.doubt());
            if doubted.len() > MAX_DOUBTED {
                watched.memory.forget_bytes();
            }
            released
        });
        self.ask(scope, kind, released);
        if doubted.len() <= MAX_DOUBTED {
            self.ask(scope, kind, doubted.into_iter().map(|(id, _)| id).collect());
        }
    }

    /// Decides and commits what differs from the store. What it then holds exactly as it was shown is remembered by its bytes.
    fn news(&mut self, scope: &Scope, kind: &Kind, news: PageNews) -> Result<(), IngestError> {
        let PageNews { mut observations, bytes } = news;
        let cause = self.sweeps.get(&(scope.clone(), kind.clone())).map_or(Cause::Sweep, SweepUnderWay::cause);
        while !observations.is_empty() {
            let Chunk { exact, .. } = self.commit_chunk(Draft::default(), &mut observations, &cause)?;
            self.freshness.update(scope, kind, |watched| {
                for id in exact {
                    if let Some(bytes) = bytes.get(&id) {
                        watched.memory.remember(&id, *bytes);
                    }
                }
            });
            self.serve_urgent();
            self.share();
            if self.is_given_up(scope, kind) {
                break;
            }
            if self.lanes.is_stopped() {
                return Err(IngestError::Stopped);
            }
        }
        Ok(())
    }

    /// Records the unreadable items of a page. They exist: a known resource among them is not gone, and nothing else can be
    /// concluded.
    fn unread(
        &mut self,
        scope: &Scope,
        kind: &Kind,
        at: Timestamp,
        unreadable: Vec<UnreadableItem>,
    ) -> Result<(), IngestError> {
        if unreadable.is_empty() {
            return Ok(());
        }
        let mut known = Vec::new();
        let view = self.ledger.view()?;
        for id in unreadable.iter().filter_map(|item| item.id.clone()) {
            let id = ResourceId::new(scope, kind, id);
            match view.fingerprint(&id) {
                // A resource with a damaged row is stored, too.
                Ok(Some(_)) | Err(ReadError::Damaged(_)) => known.push(id.id),
                Ok(None) => {}
                Err(error) => return Err(error.into()),
            }
        }
        drop(view);
        let (released, is_news) = self.freshness.update(scope, kind, |watched| {
            let before = watched.state.unreadable.count();
            for item in unreadable {
                watched.unread(item, at);
            }
            (self.listed(watched, at, known.iter()), watched.state.unreadable.count() != before)
        });
        self.ask(scope, kind, released);
        if is_news {
            tracing::warn!(%scope, %kind, "AWS lists resources in a form that cannot be read; freshness names them");
            self.hub.mark([ChangeTopic::Freshness, ChangeTopic::Summary]);
        }
        Ok(())
    }

    /// Remembers stored resources that a page listed, of which nothing else can be concluded. Returns the ids that a hold released.
    fn listed<'i>(
        &self,
        watched: &mut WatchedScope,
        at: Timestamp,
        ids: impl Iterator<Item = &'i Arc<str>>,
    ) -> Vec<Arc<str>> {
        let now = self.clock.now();
        let at = crate::reconcile::credible(at, now);
        ids.flat_map(|id| watched.memory.take(id, Note::Listed { at }, now)).collect()
    }
}

/// Whether a document with this digest is what a row holds, and nothing lies over it.
fn is_as_stored(row: &Fingerprint, digest: u128) -> bool {
    !row.provisional && row.digest == digest
}

#[cfg(test)]
mod tests;
