//! Finding one resource: in which scope, whether it is gone, or whether it may yet be seen.

use std::fmt;

use serde::Serialize;
use tokio::time::{Instant, timeout_at};

use super::core::{Core, PATIENCE};
use super::error::Fault;
use crate::ingest::{ScopeFreshness, Trouble};
use crate::kinds::{self, KindSpec};
use crate::model::{Current, ResourceId, Row, Scope, Seq, Timestamp};
use crate::store::{ReadError, Snapshot};

/// A resource as found.
#[derive(Debug)]
pub struct Found {
    /// Where.
    pub id: ResourceId,
    /// What is known of it.
    pub current: Current,
    /// The log's end when it was read: everything up to here is in it.
    pub seq: Seq,
    /// Other scopes that see it too.
    pub also_seen_in: Vec<Scope>,
}

/// A (scope, kind) whose first sweep is not complete.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Incomplete {
    /// Where.
    #[serde(flatten)]
    pub scope: Scope,
    /// Of what, by slug.
    pub kind: &'static str,
    /// How many have been seen so far.
    pub seen: u64,
    /// What keeps the sweep from completing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
}

/// How far first sweeps are, for a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    incomplete: Vec<Incomplete>,
    trouble: Option<Trouble>,
    /// Without a known region or account nothing is watched, which must not look like nothing there.
    none_watched: bool,
    regions: Vec<String>,
}

/// Why something served may be out of date.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Stale {
    /// In words, with what to do about it where that is known.
    pub why: String,
    /// Since when: the end of the last complete sweep, or when the trouble began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
}

/// Where a resource is, in the state of the store that showed it there.
#[derive(Clone)]
pub struct Located {
    /// Where.
    pub id: ResourceId,
    /// That state; to be dropped soon.
    pub snapshot: Snapshot,
    /// Other scopes that see it too.
    pub also_seen_in: Vec<Scope>,
}

enum Look {
    Found(Located),
    Removed { removed_at: Timestamp, last_seq: Seq },
    Unknown,
}

impl Core {
    /// Finds a resource in `scope`, or wherever it is: the owner's copy, else the freshest. While first sweeps run it
    /// waits up to [`PATIENCE`] for it to appear.
    ///
    /// # Errors
    /// [`Fault::Removed`] and [`Fault::NotFound`] only where everything was seen; until then [`Fault::NotSeenYet`].
    pub async fn find(&self, kind: &'static KindSpec, id: &str, scope: Option<&Scope>) -> Result<Found, Fault> {
        let Located { id, snapshot, also_seen_in } = self.locate(kind, id, scope).await?;
        let current = snapshot.current(&id)?.ok_or_else(|| Fault::Bodiless(id.clone().into()))?;
        Ok(Found { id, current, seq: snapshot.seq(), also_seen_in })
    }

    /// As [`Core::find`], but leaves the body where it is.
    ///
    /// # Errors
    /// As for [`Core::find`].
    pub async fn locate(&self, kind: &'static KindSpec, id: &str, scope: Option<&Scope>) -> Result<Located, Fault> {
        let deadline = Instant::now() + PATIENCE;
        let mut changes = self.ingest.freshness().changes();
        loop {
            changes.mark_unchanged();
            match self.look(kind, id, scope)? {
                Look::Found(located) => return Ok(located),
                Look::Removed { removed_at, last_seq } => {
                    return Err(Fault::Removed { title: kind.title, id: id.to_owned(), removed_at, last_seq });
                }
                Look::Unknown => {}
            }
            let progress = self.progress(&[kind], scope);
            if progress.is_complete() {
                let scopes = self.watched(kind);
                return Err(Fault::NotFound { title: kind.title, id: id.to_owned(), scopes });
            }
            if progress.is_stuck() || !matches!(timeout_at(deadline, changes.changed()).await, Ok(Ok(()))) {
                let subject = format!("{} `{id}` was", kind.title);
                return Err(Fault::NotSeenYet { subject, progress: progress.into() });
            }
        }
    }

    /// Waits up to [`PATIENCE`] until lists and counts of these kinds have something to say: a complete sweep, or
    /// anything seen at all.
    ///
    /// # Errors
    /// [`Fault::NotSeenYet`], never an empty answer.
    pub async fn anything(&self, kinds: &[&'static KindSpec], scope: Option<&Scope>) -> Result<(), Fault> {
        let deadline = Instant::now() + PATIENCE;
        let mut changes = self.ingest.freshness().changes();
        loop {
            changes.mark_unchanged();
            let progress = self.progress(kinds, scope);
            if progress.is_complete() {
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
                return Err(Fault::NotSeenYet { subject: "the inventory was".to_owned(), progress: progress.into() });
            }
        }
    }

    fn look(&self, kind: &'static KindSpec, id: &str, scope: Option<&Scope>) -> Result<Look, Fault> {
        let snapshot = self.snapshot()?;
        let name = kind.kind();
        let mut copies = snapshot.copies(&name, id)?;
        copies.retain(|row| scope.is_none_or(|scope| row.id.scope() == *scope));
        let best = copies.iter().max_by_key(|row| (owns(row), row.seen)).map(|row| row.id.clone());
        if let Some(id) = best {
            let others = copies.iter().map(|row| row.id.scope()).filter(|other| *other != id.scope());
            let also_seen_in = others.collect();
            return Ok(Look::Found(Located { id, snapshot, also_seen_in }));
        }
        let scopes = match scope {
            Some(scope) => vec![scope.clone()],
            None => self.scopes(&[kind]).into_iter().map(|state| state.scope).collect(),
        };
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
        let mut scopes = self.ingest.freshness().scopes();
        scopes.retain(|state| kinds.iter().any(|kind| kind.name == state.kind.as_str()));
        scopes
    }

    /// How far the first sweeps of these kinds are, everywhere or in one scope.
    #[must_use]
    pub fn progress(&self, kinds: &[&'static KindSpec], scope: Option<&Scope>) -> Progress {
        let scopes = self.scopes(kinds);
        let none_watched = scopes.is_empty();
        let mut incomplete: Vec<Incomplete> = scopes.iter().filter_map(incomplete).collect();
        incomplete.retain(|incomplete| scope.is_none_or(|scope| incomplete.scope == *scope));
        let trouble = self.ingest.freshness().trouble();
        let regions = if none_watched { self.regions().iter().map(ToString::to_string).collect() } else { Vec::new() };
        Progress { incomplete, trouble, none_watched, regions }
    }

    /// The (scope, kind)s of these kinds whose first sweep is not complete.
    #[must_use]
    pub fn incomplete(&self, kinds: &[&'static KindSpec]) -> Vec<Incomplete> {
        self.scopes(kinds).iter().filter_map(incomplete).collect()
    }

    /// The scopes in which `kind` is watched, for a message; the regions while the account is not known.
    #[must_use]
    pub fn watched(&self, kind: &'static KindSpec) -> String {
        let scopes: Vec<String> = self.scopes(&[kind]).iter().map(|state| state.scope.to_string()).collect();
        if scopes.is_empty() {
            let regions: Vec<String> = self.regions().iter().map(ToString::to_string).collect();
            return regions.join(", ");
        }
        scopes.join(", ")
    }

    /// Why what is served of `kind` in `scope` may be out of date.
    #[must_use]
    pub fn stale(&self, scope: &Scope, kind: &'static KindSpec) -> Option<Stale> {
        let freshness = self.ingest.freshness();
        let state = freshness.of(scope, &kind.kind())?;
        stale(&state, freshness.trouble().as_ref(), self.now())
    }
}

/// Why what is served of one (scope, kind) may be out of date.
#[must_use]
pub fn stale(state: &ScopeFreshness, everywhere: Option<&Trouble>, now: Timestamp) -> Option<Stale> {
    let mut why = state.stale(now)?;
    let trouble = state.trouble.as_ref().or(everywhere);
    if let Some(trouble) = trouble {
        if !why.contains(&trouble.what) {
            why = format!("{why}: {}", trouble.what);
        }
        why = format!("{why}. {}", trouble.fix);
    }
    let since = state.complete.map(|swept| swept.ended).or(trouble.map(|trouble| trouble.since));
    Some(Stale { why, since })
}

fn incomplete(state: &ScopeFreshness) -> Option<Incomplete> {
    let kind = kinds::of(&state.kind)?.slug;
    let trouble = state.trouble.as_ref().map(|trouble| format!("{}. {}", trouble.what, trouble.fix));
    state.complete.is_none().then(|| Incomplete { scope: state.scope.clone(), kind, seen: state.seen, trouble })
}

fn owns(row: &Row) -> bool {
    row.fields.owner.as_deref().is_none_or(|owner| owner == row.id.account.as_str())
}

impl Progress {
    /// Whether everything was seen at least once.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.incomplete.is_empty() && !self.none_watched
    }

    /// Whether waiting is pointless: everything that is missing has something in its way.
    fn is_stuck(&self) -> bool {
        self.trouble.is_some()
            || (!self.incomplete.is_empty() && self.incomplete.iter().all(|scope| scope.trouble.is_some()))
    }
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(trouble) = &self.trouble {
            return write!(f, "{}. {}", trouble.what, trouble.fix);
        }
        if !self.regions.is_empty() {
            return write!(f, "No sweep of {} has begun; ask again in a few seconds", self.regions.join(", "));
        }
        for incomplete in &self.incomplete {
            let Incomplete { scope, kind, seen, trouble } = incomplete;
            match trouble {
                Some(trouble) => write!(f, "{scope} {kind}: {trouble}; ")?,
                None => write!(f, "{scope} {kind}: {seen} seen so far; ")?,
            }
        }
        f.write_str("ask again in a few seconds")
    }
}
