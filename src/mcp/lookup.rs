//! Finds one resource: its scope, that it was removed, or that it may not have been seen yet.

use std::collections::BTreeSet;

use tokio::time::{Instant, timeout_at};

use super::cause::masked;
use super::core::{Core, PATIENCE};
use super::error::RequestError;
use super::failed_scopes::FailedScopes;
use super::fresh::Fresh;
use super::places::{self, NAMED};
use super::progress::{PendingSweeps, Progress};
use super::stale::Stale;
use crate::aws::UnansweredCall;
use crate::freshness::{MemberTrouble, ScopeCoverage, ScopeFreshness, StatesWanted, Watched};
use crate::kinds::KindSpec;
use crate::model::{Current, ResourceId, Scope, ScopeFilter, Seq, Timestamp, UnreadableItem};
use crate::store::{Head, ReadError, Snapshot};

/// A resource that was found.
#[derive(Debug)]
pub struct FoundResource {
    /// Its id and scope.
    pub id: ResourceId,
    /// Its last known state.
    pub current: Current,
    /// When everything in it was last confirmed.
    pub as_of: Timestamp,
    /// Why it may be out of date.
    pub stale: Option<Stale>,
    /// The part that is served with it; `None` for kinds without a part.
    pub part: Option<Part>,
    /// The newest record of the log when it was read; the copy contains everything up to it.
    pub seq: Seq,
}

/// A part that is served with a resource, such as an instance's status checks.
#[derive(Debug)]
pub struct Part {
    /// Its last known state, and when that was last confirmed; `None` if it was never seen.
    pub known: Option<(Timestamp, Current)>,
    /// Why it may be out of date.
    pub stale: Option<Stale>,
}

/// The scopes in which a resource was found.
#[derive(Clone, Debug)]
pub struct Located {
    /// Its id in the scope that is served.
    pub id: ResourceId,
    /// Other scopes that see it too.
    pub also_seen_in: Vec<Scope>,
}

/// Why copies may lack a resource.
struct StaleCopies {
    stale: Stale,
    /// Whether the next sweep may settle it.
    may_pass: bool,
}

enum Look {
    Found(Located),
    /// AWS lists it, but it was never readable.
    Unreadable {
        scope: Scope,
        item: UnreadableItem,
    },
    Removed {
        removed_at: Timestamp,
        last_seq: Seq,
    },
    Unknown,
}

impl Core {
    /// Finds a resource in `scope`, or wherever it is: the owner's copy, else the freshest. While first sweeps run it
    /// waits up to [`PATIENCE`] for it to appear.
    ///
    /// # Errors
    /// [`RequestError::Removed`] and [`RequestError::NotFound`] only once everything was seen; until then
    /// [`RequestError::NotSeenYet`].
    pub async fn find(
        &self,
        kind: &'static KindSpec,
        id: &str,
        scope: &ScopeFilter,
    ) -> Result<FoundResource, RequestError> {
        loop {
            let Located { id, .. } = self.locate(kind, id, scope).await?;
            // Freshness is read before the data: see `fresh`.
            let (fresh, part) = (self.fresh(kind, &id), self.fresh_part(kind, &id));
            let snapshot = self.snapshot()?;
            let Some(current) = snapshot.current(&id)? else {
                vanished(&snapshot, &id)?;
                continue;
            };
            let part = part.map(|fresh| {
                let known = snapshot.current(&fresh.id)?.map(|current| (as_of(&fresh, &current), current));
                Ok::<_, ReadError>(Part { known, stale: fresh.stale })
            });
            let part = part.transpose()?;
            return Ok(FoundResource {
                as_of: as_of(&fresh, &current),
                stale: fresh.stale,
                id,
                current,
                part,
                seq: snapshot.seq(),
            });
        }
    }

    /// Like [`Core::find`], but without reading the document, which may be gone when it is read later.
    ///
    /// # Errors
    /// As for [`Core::find`].
    pub async fn locate(
        &self,
        kind: &'static KindSpec,
        id: &str,
        scope: &ScopeFilter,
    ) -> Result<Located, RequestError> {
        // Most resources exist; progress matters only for a missing one.
        if let Look::Found(located) = self.look(kind, id, scope)? {
            if let Some(scope) = scope.only() {
                self.rouse_named(kind, scope);
            }
            return Ok(located);
        }
        let roused = self.rouse(kind, scope);
        let deadline = Instant::now() + PATIENCE;
        let mut changes = self.ingest.freshness().changes();
        loop {
            changes.mark_unchanged();
            // Read before the lookup, because a sweep that completes in between may show what the lookup missed.
            let progress = self.progress(&[kind], scope);
            let (doubt, under_way) = (self.doubt(kind, scope), roused.under_way());
            match self.look(kind, id, scope)? {
                Look::Found(located) => return Ok(located),
                Look::Removed { removed_at, last_seq } => {
                    return Err(RequestError::Removed { title: kind.title, id: id.to_owned(), removed_at, last_seq });
                }
                Look::Unreadable { scope, item } => {
                    return Err(RequestError::Unreadable {
                        title: kind.title,
                        id: id.to_owned(),
                        scope,
                        why: item.why(),
                    });
                }
                Look::Unknown => self.watched_kind(kind)?,
            }
            if let Some(scope) = scope.only() {
                self.watchable(kind, scope)?;
            }
            let stuck = match &doubt {
                _ if progress.is_pending() => progress.is_stuck(),
                _ if under_way > 0 => false,
                Some(doubt) => !doubt.may_pass,
                None => true,
            };
            if !stuck && matches!(timeout_at(deadline, changes.changed()).await, Ok(Ok(()))) {
                continue;
            }
            // What failed could not be looked at and is named; where everything failed, nothing is known.
            if !progress.is_pending() && progress.covered > 0 {
                let stale = doubt.map(|doubt| Box::new(doubt.stale));
                let mut scopes = self.looked_through(kind, scope, &progress);
                if let Some(quiet) = roused.told(under_way) {
                    scopes = format!("{scopes}; {quiet}");
                }
                return Err(RequestError::NotFound { title: kind.title, id: id.to_owned(), scopes, stale });
            }
            let subject = format!("{} `{id}` was", kind.title);
            return Err(self.not_seen_yet(subject, progress));
        }
    }

    /// Like [`Core::locate`], but without waiting, and without a reason where nothing is found.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn seen(
        &self,
        kind: &'static KindSpec,
        id: &str,
        scope: &ScopeFilter,
    ) -> Result<Option<Located>, RequestError> {
        // The index may be ahead of the snapshot that is read next, which then shows nothing, and it lacks damaged rows.
        let name = kind.kind();
        if !self.store.may_lack_rows(&name)
            && let Some(only) = self.store.index().only(&name, id)
            && scope.takes_parts(only.account.as_str(), only.region.as_str())
        {
            return Ok(Some(Located { id: only, also_seen_in: Vec::new() }));
        }
        let snapshot = self.snapshot()?;
        let found = copy(&snapshot, kind, id, scope)?;
        if found.is_none() {
            beside(&snapshot, kind, id, None, |other| copy(&snapshot, kind, other, scope).map(drop))?;
        }
        Ok(found)
    }

    /// Waits up to [`PATIENCE`] until the watched scopes are known, or the reason why they are not.
    pub async fn begun(&self) {
        let deadline = Instant::now() + PATIENCE;
        let mut changes = self.ingest.freshness().changes();
        loop {
            changes.mark_unchanged();
            let freshness = self.ingest.freshness();
            let is_known = !freshness.scopes().is_empty() || freshness.trouble().is_some();
            if is_known || !matches!(timeout_at(deadline, changes.changed()).await, Ok(Ok(()))) {
                return;
            }
        }
    }

    /// Why a missing resource of `kind` may exist nevertheless; `None` while every copy that would show it is fresh.
    fn doubt(&self, kind: &'static KindSpec, scope: &ScopeFilter) -> Option<StaleCopies> {
        let (trouble, now) = (self.ingest.freshness().trouble(), self.now());
        let scopes = self.scopes_asked_for(&[kind], scope);
        let regions = self.regions();
        let (mut why, mut since, mut may_pass) = (Vec::new(), None::<Timestamp>, false);
        let mut reasons = BTreeSet::new();
        // What failed is named beside it.
        for state in scopes.iter().filter(|state| state.coverage() != ScopeCoverage::Failed) {
            let Some(stale) = Stale::of(state, trouble.as_ref(), now) else { continue };
            if reasons.insert(masked(&stale.why, &state.scope)) || scopes.len() <= NAMED {
                why.push(format!("{}: {}", state.scope, stale.why));
            }
            since = since.into_iter().chain(stale.since).min();
            may_pass |= trouble.is_none() && state.trouble.is_none() && regions.contains(&state.scope.region);
        }
        let (all, shown) = (why.len(), why.len().min(NAMED));
        why.truncate(shown);
        if all > shown {
            why.push(format!("and {} more reasons", all - shown));
        }
        (!why.is_empty()).then(|| StaleCopies { stale: Stale { why: why.join("; "), since }, may_pass })
    }

    /// Refuses a scope that is not watched and is not about to be.
    ///
    /// # Errors
    /// [`RequestError::NotWatched`], with the watched scopes; [`RequestError::Unsure`] if its account cannot be reached.
    pub fn watchable(&self, kind: &'static KindSpec, scope: &Scope) -> Result<(), RequestError> {
        self.watched_kind(kind)?;
        let watched = self.scopes(&[kind]);
        let asked = self.scopes_asked_for(&[kind], &scope.into());
        if watched.is_empty() || !asked.is_empty() {
            return Ok(());
        }
        if self.regions().contains(&scope.region) && watched.iter().all(|state| state.scope.region != scope.region) {
            // Configured, and about to be watched.
            return Ok(());
        }
        let unwatched = || RequestError::unwatched(&format!("scope {scope}"), self.watched(kind));
        Err(self.unsure_of_account(scope.account.as_str()).unwrap_or_else(unwatched))
    }

    /// Waits up to [`PATIENCE`] until lists and counts of these kinds have data: complete sweeps, or at least one resource. A scope
    /// that failed keeps nobody waiting.
    ///
    /// # Errors
    /// [`RequestError::KindNotWatched`] for a kind that is not watched; [`RequestError::NotSeenYet`] while nothing was ever seen completely, never an empty answer.
    pub async fn anything(&self, kinds: &[&'static KindSpec], scope: &ScopeFilter) -> Result<(), RequestError> {
        kinds.iter().try_for_each(|kind| self.watched_kind(kind))?;
        let deadline = Instant::now() + PATIENCE;
        let mut changes = self.ingest.freshness().changes();
        let mut is_named = !scope.is_everywhere();
        loop {
            changes.mark_unchanged();
            let progress = self.progress(kinds, scope);
            if std::mem::take(&mut is_named) {
                // What somebody waits for is swept before the rest.
                self.ingest.freshness().hurry(&progress.pending.each_scope());
            }
            let is_retired = || self.unwatched(kinds).iter().any(|state| scope.takes(&state.scope));
            let is_settled = !progress.is_pending() && progress.covered > 0;
            if is_settled || (scope.is_with_retired() && is_retired()) {
                return Ok(());
            }
            let snapshot = self.snapshot()?;
            for kind in kinds {
                if snapshot.count(&kind.kind(), scope)? > 0 {
                    return Ok(());
                }
            }
            drop(snapshot);
            if progress.is_stuck() || !matches!(timeout_at(deadline, changes.changed()).await, Ok(Ok(()))) {
                // The answer says which scopes are not in it yet.
                if progress.covered > 0 && progress.trouble.is_none() {
                    return Ok(());
                }
                return Err(self.not_seen_yet("the inventory was".to_owned(), progress));
            }
        }
    }

    /// Refuses a question about scopes of which every one failed and nothing is held.
    ///
    /// # Errors
    /// [`RequestError::NotSeenYet`], with the causes.
    pub fn not_all_failed(&self, kind: &'static KindSpec, scope: &ScopeFilter) -> Result<(), RequestError> {
        let progress = self.progress(&[kind], scope);
        let is_known = progress.is_pending() || progress.covered > 0;
        if is_known || self.snapshot()?.count(&kind.kind(), scope)? > 0 {
            return Ok(());
        }
        Err(self.not_seen_yet("the inventory was".to_owned(), progress))
    }

    fn look(&self, kind: &'static KindSpec, id: &str, scope: &ScopeFilter) -> Result<Look, RequestError> {
        let snapshot = self.snapshot()?;
        let name = kind.kind();
        if let Some(located) = copy(&snapshot, kind, id, scope)? {
            return Ok(Look::Found(located));
        }
        let scopes: Vec<Scope> = if let Some(scope) = scope.only() {
            vec![scope.clone()]
        } else {
            let meant = self.states(&[kind], Some(scope), Watched::OrNot);
            meant.into_iter().map(|state| state.scope).collect()
        };
        beside(&snapshot, kind, id, None, |other| copy(&snapshot, kind, other, scope).map(drop))?;
        beside(&snapshot, kind, id, scope.only(), |other| {
            scopes.iter().try_for_each(|scope| {
                let id = ResourceId::new(scope, &name, other);
                drop(self.ingest.freshness().unreadable(&id));
                snapshot.weigh(&id)
            })
        })?;
        for scope in &scopes {
            let id = ResourceId::new(scope, &name, id);
            if let Some((item, _)) = self.ingest.freshness().unreadable(&id) {
                return Ok(Look::Unreadable { scope: scope.clone(), item });
            }
        }
        let tombstones = scopes.iter().map(|scope| snapshot.tombstone(&ResourceId::new(scope, &name, id)));
        let tombstones = tombstones.collect::<Result<Vec<_>, ReadError>>()?;
        let last = tombstones.into_iter().flatten().max_by_key(|tombstone| tombstone.seq);
        Ok(last.map_or(Look::Unknown, |tombstone| Look::Removed {
            removed_at: tombstone.removed_at,
            last_seq: tombstone.seq,
        }))
    }

    /// The watched (scope, kind)s of these kinds.
    #[must_use]
    pub fn scopes(&self, kinds: &[&'static KindSpec]) -> Vec<ScopeFreshness> {
        self.states(kinds, None, Watched::Still)
    }

    /// The (scope, kind)s of these kinds whose scope is no longer watched. Kinds that are not watched are left out.
    #[must_use]
    pub fn unwatched(&self, kinds: &[&'static KindSpec]) -> Vec<ScopeFreshness> {
        self.states(&self.watched_of(kinds), None, Watched::NoLonger)
    }

    /// The (scope, kind)s of these kinds that a question is about.
    #[must_use]
    pub fn scopes_asked_for(&self, kinds: &[&'static KindSpec], scope: &ScopeFilter) -> Vec<ScopeFreshness> {
        let watched = if scope.is_with_retired() { Watched::OrNot } else { Watched::Still };
        self.states(kinds, Some(scope), watched)
    }

    fn states(
        &self,
        kinds: &[&'static KindSpec],
        scope: Option<&ScopeFilter>,
        watched: Watched,
    ) -> Vec<ScopeFreshness> {
        let names: Vec<&'static str> = kinds.iter().map(|kind| kind.name).collect();
        let wanted = StatesWanted { account: None, scope, kinds: Some(&names), watched };
        let mut states = self.ingest.freshness().those(&wanted);
        let visibility = self.visibility();
        if !visibility.is_everything() {
            // How many a sweep has shown tells of those that are hidden; how many are visible is told.
            let pending = states.iter_mut().filter(|state| state.coverage() == ScopeCoverage::Pending);
            for state in pending.filter(|state| visibility.goes_by_tags(&state.kind)) {
                let held = self.snapshot().ok().and_then(|held| held.count(&state.kind, &(&state.scope).into()).ok());
                state.seen = held.unwrap_or_default();
            }
        }
        states
    }

    /// How far the first sweeps of these kinds are, everywhere or in some scopes.
    #[must_use]
    pub fn progress(&self, kinds: &[&'static KindSpec], scope: &ScopeFilter) -> Progress {
        let asked = self.scopes_asked_for(kinds, scope);
        let none_watched = asked.is_empty();
        let covered = asked.iter().filter(|state| state.coverage() == ScopeCoverage::Covered).count();
        let (pending, failed) = (PendingSweeps::of(&asked), FailedScopes::of(&asked).beside(self.unreached(scope)));
        let trouble = self.ingest.freshness().trouble();
        let regions = if none_watched { self.regions().iter().map(ToString::to_string).collect() } else { Vec::new() };
        Progress { pending, failed, covered, trouble, none_watched, regions, unanswered: self.unanswered() }
    }

    /// The call that AWS has not answered for long, if it is in a region that can be seen.
    fn unanswered(&self) -> Option<UnansweredCall> {
        let visibility = self.visibility();
        self.aws.unanswered().filter(|call| visibility.is_everything() || self.regions().contains(&call.region))
    }

    /// The accounts that could not be reached at all, and that a question about these scopes may be about.
    #[must_use]
    pub fn unreached(&self, scope: &ScopeFilter) -> Vec<MemberTrouble> {
        if scope.names_accounts() { Vec::new() } else { self.ingest.freshness().members() }
    }

    /// The error of a request that waited for a first sweep in vain. What AWS does not answer shows only after the wait.
    fn not_seen_yet(&self, subject: String, progress: Progress) -> RequestError {
        let progress = Progress { unanswered: self.unanswered(), ..progress };
        RequestError::NotSeenYet { subject, progress: progress.into() }
    }

    /// Where a resource of `kind` was looked for in vain, in words, with the scopes that could not be looked at.
    fn looked_through(&self, kind: &'static KindSpec, scope: &ScopeFilter, progress: &Progress) -> String {
        let asked = self.scopes_asked_for(&[kind], scope);
        let covered = asked.iter().filter(|state| state.coverage() == ScopeCoverage::Covered);
        let said = places::said(covered.map(|state| &state.scope));
        match progress.failed.scopes() {
            0 if progress.failed.has_unreached() => {
                format!("{said}; some accounts could not be reached ({})", progress.failed.reasons().join("; "))
            }
            0 => said,
            1 => format!("{said}; 1 scope could not be looked at ({})", progress.failed.causes()),
            failed => format!("{said}; {failed} scopes could not be looked at ({})", progress.failed.causes()),
        }
    }

    /// The scopes in which `kind` is watched, as text; the regions while the account is not known.
    #[must_use]
    pub fn watched(&self, kind: &'static KindSpec) -> String {
        let scopes = self.scopes(&[kind]);
        if scopes.is_empty() {
            let regions: Vec<String> = self.regions().iter().map(ToString::to_string).collect();
            return regions.join(", ");
        }
        places::said(scopes.iter().map(|state| &state.scope))
    }
}

/// Does `look` with whatever has to be looked up beside a resource of `kind` that was not found, in a scope or anywhere, so that the time that it takes does not
/// tell whether it is hidden. What is found is told to nobody, and neither is a fault: it is not one of what was asked for.
///
/// # Errors
/// When the store cannot be read.
pub fn beside(
    snapshot: &Snapshot,
    kind: &'static KindSpec,
    id: &str,
    scope: Option<&Scope>,
    mut look: impl FnMut(&str) -> Result<(), ReadError>,
) -> Result<(), ReadError> {
    for other in snapshot.stand_ins(&kind.kind(), id, scope)? {
        look(&other).or_else(|error| if error.is_retryable() { Err(error) } else { Ok(()) })?;
    }
    Ok(())
}

/// The copy that is served of a resource, in `scope` or wherever it is.
fn copy(
    snapshot: &Snapshot,
    kind: &'static KindSpec,
    id: &str,
    scope: &ScopeFilter,
) -> Result<Option<Located>, ReadError> {
    let mut copies = snapshot.copies(&kind.kind(), id)?;
    if let [only] = copies.as_slice()
        && scope.takes_parts(only.id.account.as_str(), only.id.region.as_str())
    {
        return Ok(copies.pop().map(|only| Located { id: only.id, also_seen_in: Vec::new() }));
    }
    copies.retain(|copy| scope.takes_parts(copy.id.account.as_str(), copy.id.region.as_str()));
    // A copy in a scope that is no longer watched counts only if there is no other.
    let is_watched = |copy: &Head| !snapshot.leaves_out(&copy.id.scope());
    let worth = |copy: &&Head| (is_watched(copy), owns(copy), copy.fingerprint.seen);
    let Some(id) = copies.iter().max_by_key(worth).map(|copy| copy.id.clone()) else { return Ok(None) };
    let others = copies.iter().filter(|copy| is_watched(copy)).map(|copy| copy.id.scope());
    let also_seen_in = others.filter(|other| *other != id.scope()).collect();
    Ok(Some(Located { id, also_seen_in }))
}

fn owns(copy: &Head) -> bool {
    copy.owner.as_deref().is_none_or(|owner| owner == copy.id.account.as_str())
}

fn as_of(fresh: &Fresh, current: &Current) -> Timestamp {
    fresh.as_of(&current.evidence, current.provisional.is_some(), current.changed_at)
}

/// Checks that a located resource without a document is really gone.
///
/// # Errors
/// [`RequestError::Bodiless`] when its row is still there.
pub fn vanished(snapshot: &Snapshot, id: &ResourceId) -> Result<(), RequestError> {
    match snapshot.row(id)? {
        Some(_) => Err(RequestError::Bodiless(id.clone().into())),
        None => Ok(()),
    }
}
