//! How fresh the copy is: what is observed of each scope and kind, by whom, and until when it is fresh.
//!
//! - **What**: the resources of one kind in one scope ([`ScopeFreshness`]), and single resources ([`SeenAt`]).
//! - **By whom**: by complete sweeps ([`Swept`]), and between them by events if these are proved to arrive ([`EventPath`]).
//! - **Until when**: until the next sweep is overdue ([`ScopeFreshness::fresh_until`]), or the proof of events expires.
//!
//! None of this is event-sourced: an unchanged sweep writes nothing. Only the [`Watermark`]s outlast the process; the writer saves
//! them.
//!
//! Everybody may read; [`Freshness::signal`] is the only way to change it, except that the writer has [`Freshness::update`] for
//! single resources. [`state`] applies a signal as a function of state, signal and time.

mod coverage;
mod event_path;
mod event_source;
mod event_totals;
mod known_items;
mod scope;
mod seen_at;
mod signal;
mod state;
mod states_wanted;
mod unproved;
mod unread;
mod watched;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::RwLock;
use tokio::sync::watch;
use tokio::time::Instant;

pub use coverage::ScopeCoverage;
pub use event_path::{EventPath, SeenCanary};
pub use event_source::{EventRule, EventSource, SERVER};
pub use event_totals::{EventCount, EventTotals};
pub use scope::{EventProof, EventRules, ScopeFreshness, Swept};
pub use seen_at::SeenAt;
pub use signal::Signal;
pub use states_wanted::{StatesWanted, Watched};
pub use unproved::EventsUnproved;
pub use unread::Unread;
pub(crate) use watched::{Continuity, WatchedScope};

use crate::model::{Kind, ResourceId, Scope, SharedClock, Timestamp, Trouble, UnreadableItem};
use crate::reconcile::Lacked;
use crate::store::Watermark;
use state::{FreshnessState, Now};

/// The shared state of freshness. Clones share it.
#[derive(Clone)]
pub struct Freshness(Arc<SharedState>);

struct SharedState {
    state: RwLock<FreshnessState>,
    clock: SharedClock,
    version: watch::Sender<u64>,
    /// Counts the requests to retry at once whatever failed.
    tries: watch::Sender<u64>,
}

impl Freshness {
    /// Starts from what an earlier process stored. `held` are the scopes with stored data: those without a watermark were never
    /// swept completely. `rules` are the event rules that together cover every change of a kind. `retired` are the scopes that are
    /// no longer watched, and since when.
    pub(crate) fn new(
        watermarks: Vec<Watermark>,
        held: impl IntoIterator<Item = (Scope, Kind)>,
        intervals: &dyn Fn(&Kind) -> Duration,
        rules: HashMap<Kind, EventRules>,
        retired: &BTreeMap<Scope, Timestamp>,
        clock: SharedClock,
    ) -> Self {
        let state = RwLock::new(FreshnessState::new(watermarks, held, intervals, rules, retired));
        // The count does not start at 0: a server may open its store again, and an answer cached before must not count as current.
        let version = watch::Sender::new(fastrand::u64(..u64::MAX / 2));
        let tries = watch::Sender::new(0);
        Freshness(Arc::new(SharedState { state, clock, version, tries }))
    }

    /// Applies a signal, as of now.
    pub(crate) fn signal(&self, signal: Signal) {
        if matches!(signal, Signal::TryNow) {
            self.0.tries.send_modify(|count| *count += 1);
        }
        let now = self.now();
        if self.0.state.write().apply(signal, now) {
            self.bump();
        }
    }

    /// Changes the state of a kind in a scope. Only for the writer.
    pub(crate) fn update<T>(&self, scope: &Scope, kind: &Kind, change: impl FnOnce(&mut WatchedScope) -> T) -> T {
        let now = self.now();
        let mut state = self.0.state.write();
        let events = state.events(scope, kind, now);
        let watched = state.watched(scope, kind, Duration::ZERO);
        watched.state.events = events.map(Box::new);
        change(watched)
    }

    /// Wakes whoever waits for changes. Only for the writer, after [`Freshness::update`].
    pub(crate) fn bump(&self) {
        self.0.version.send_modify(|version| *version += 1);
    }

    /// Reads the state of a kind in a scope; `None` if it was never watched.
    pub(crate) fn view<T>(&self, scope: &Scope, kind: &Kind, look: impl FnOnce(Option<&WatchedScope>) -> T) -> T {
        look(self.0.state.read().scopes.get(&(scope.clone(), kind.clone())).map(Box::as_ref))
    }

    /// The watermarks to save: of this process's complete sweeps whose last one left nothing open.
    pub(crate) fn watermarks(&self) -> Vec<Watermark> {
        self.0.state.read().scopes.values().filter_map(|watched| watched.watermark()).collect()
    }

    /// How many (scope, kind)s are known.
    pub(crate) fn len(&self) -> usize {
        self.0.state.read().scopes.len()
    }

    /// The watermark of a (scope, kind) to save, if there is one.
    pub(crate) fn watermark(&self, scope: &Scope, kind: &Kind) -> Option<Watermark> {
        self.view(scope, kind, |watched| watched?.watermark())
    }

    /// Whether a (scope, kind) is no longer watched: reports about it change nothing.
    pub(crate) fn is_unwatched(&self, scope: &Scope, kind: &Kind) -> bool {
        self.view(scope, kind, |watched| watched.is_some_and(|watched| watched.state.unwatched_since.is_some()))
    }

    /// Changes with every change here; for waiting until a first sweep is complete.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.0.version.subscribe()
    }

    /// Changes when somebody asks to retry at once whatever failed.
    #[must_use]
    pub fn tries(&self) -> watch::Receiver<u64> {
        self.0.tries.subscribe()
    }

    /// The counts of received messages since this process started.
    #[must_use]
    pub fn event_totals(&self) -> EventTotals {
        self.0.state.read().totals.clone()
    }

    /// How events reach each scope whose events are received.
    #[must_use]
    pub fn paths(&self) -> BTreeMap<Scope, EventPath> {
        self.0.state.read().paths.clone()
    }

    /// How events reach one scope; `None` if they are not received.
    #[must_use]
    pub fn path(&self, scope: &Scope) -> Option<EventPath> {
        self.0.state.read().paths.get(scope).cloned()
    }

    /// When the proof of a scope's events next changes if nothing more arrives.
    #[must_use]
    pub fn proof_lapses(&self, scope: &Scope) -> Option<Instant> {
        self.0.state.read().paths.get(scope)?.lapses(Instant::now())
    }

    /// What prevents everything from being observed: the store cannot be read or written, or AWS cannot be reached.
    #[must_use]
    pub fn trouble(&self) -> Option<Trouble> {
        self.0.state.read().trouble().cloned()
    }

    /// What prevents each of several accounts from being watched as a whole, by what it is called. Trouble of its scopes is theirs.
    #[must_use]
    pub fn members(&self) -> BTreeMap<String, Trouble> {
        self.0.state.read().members.clone()
    }

    /// Every (scope, kind) that is watched, or was until the server stopped, in order; without those that are no longer watched.
    #[must_use]
    pub fn scopes(&self) -> Vec<ScopeFreshness> {
        self.those(&StatesWanted::default())
    }

    /// Every (scope, kind) that is no longer watched, in order.
    #[must_use]
    pub fn unwatched(&self) -> Vec<ScopeFreshness> {
        self.those(&StatesWanted { watched: Watched::NoLonger, ..StatesWanted::default() })
    }

    /// Every (scope, kind) that is wanted, in order.
    #[must_use]
    pub fn those(&self, wanted: &StatesWanted<'_>) -> Vec<ScopeFreshness> {
        let (now, state) = (self.now(), self.0.state.read());
        let those = state.scopes.values().filter(|watched| wanted.takes(&watched.state));
        those.map(|watched| state.shown(watched, now)).collect()
    }

    /// The state of one (scope, kind); `None` if it was never watched.
    #[must_use]
    pub fn of(&self, scope: &Scope, kind: &Kind) -> Option<ScopeFreshness> {
        let (now, state) = (self.now(), self.0.state.read());
        state.scopes.get(&(scope.clone(), kind.clone())).map(|watched| state.shown(watched, now))
    }

    /// The current time from the start of one sweep of (scope, kind) to the next; zero if it was never watched.
    #[must_use]
    pub fn interval(&self, scope: &Scope, kind: &Kind) -> Duration {
        self.of(scope, kind).map_or(Duration::ZERO, |state| state.current_interval())
    }

    /// The current runs of watching, as far as this process observed them: from the start of the first complete sweep to the end of
    /// the last. The store has the ended ones.
    #[must_use]
    pub fn runs(&self) -> Vec<Watermark> {
        self.0.state.read().scopes.values().filter_map(|watched| watched.run()).collect()
    }

    /// When a resource was last observed as it is known, seen from `now`. Call this before reading its body: see [`SeenAt`].
    #[must_use]
    pub fn seen(&self, id: &ResourceId, now: Timestamp) -> SeenAt {
        self.view(&id.scope(), &id.kind, |watched| {
            let Some(watched) = watched else { return SeenAt { now, ..SeenAt::default() } };
            let confirmed = watched.memory.confirmed(&id.id);
            // A watermark is saved only for sweeps that lacked nothing and left no doubt.
            let swept = watched.state.complete.filter(|_| !watched.state.swept_now).map(|swept| swept.started);
            SeenAt { confirmed, swept, now }
        })
    }

    /// The fault of a listed but unreadable resource, and since when; `None` if it is readable or not listed.
    #[must_use]
    pub fn unreadable(&self, id: &ResourceId) -> Option<(UnreadableItem, Timestamp)> {
        self.view(&id.scope(), &id.kind, |watched| {
            watched?.state.unreadable.of(&id.id).map(|(item, since)| (item.clone(), since))
        })
    }

    /// What complete sweeps show about a resource that the last of them lacked; `None` if it showed it.
    #[must_use]
    pub fn lacked(&self, id: &ResourceId) -> Option<Lacked> {
        self.view(&id.scope(), &id.kind, |watched| watched?.memory.lacked(&id.id))
    }

    /// Since when complete sweeps have lacked any resource of a (scope, kind).
    #[must_use]
    pub fn lacked_since(&self, scope: &Scope, kind: &Kind) -> Option<Timestamp> {
        self.view(scope, kind, |watched| watched?.memory.lacked_since())
    }

    fn now(&self) -> Now {
        Now { dated: self.0.clock.now(), steady: Instant::now() }
    }
}

#[cfg(test)]
mod tests;
