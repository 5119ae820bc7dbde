//! How fresh the copy is: what is seen of each scope and kind, by whom, and until when it is fresh.
//!
//! - **What is seen**: the resources of one kind in one scope ([`ScopeFreshness`]), and one resource ([`SeenAt`]).
//! - **By whom**: by complete sweeps ([`Swept`]), and between them by events where these are proved to arrive ([`EventPath`]).
//! - **Until when**: until the next sweep is overdue ([`ScopeFreshness::fresh_until`]), or the proof of events lapses.
//!
//! None of it is event-sourced: an unchanged sweep writes nothing. What outlasts the process are the [`Watermark`]s, which the writer
//! saves.
//!
//! Everybody reads; [`Freshness::signal`] is the one way in. Only the writer has another ([`Freshness::update`]), for what it sees of
//! resources one by one. [`state`] holds what a signal changes, as a function of state, signal and time.

mod event_path;
mod event_source;
mod event_totals;
mod scope;
mod seen_at;
mod signal;
mod state;
mod unproved;
mod unread;
mod watched;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::RwLock;
use tokio::sync::watch;
use tokio::time::Instant;

pub use event_path::{EventPath, SeenCanary};
pub use event_source::{EventRule, EventSource, SERVER};
pub use event_totals::{EventCount, EventTotals};
pub use scope::{EventProof, EventRules, ScopeFreshness, Swept};
pub use seen_at::SeenAt;
pub use signal::Signal;
pub use unproved::EventsUnproved;
pub use unread::Unread;
pub(crate) use watched::{Continuity, WatchedScope};

use crate::model::{Kind, ResourceId, Scope, SharedClock, Timestamp, Trouble, UnreadableItem};
use crate::reconcile::Lacked;
use crate::store::Watermark;
use state::{Now, State};

/// The shared view of freshness. Clones share it.
#[derive(Clone)]
pub struct Freshness(Arc<Inner>);

struct Inner {
    state: RwLock<State>,
    clock: SharedClock,
    version: watch::Sender<u64>,
    /// Counts how often somebody asked for what failed to be tried at once.
    tries: watch::Sender<u64>,
}

impl Freshness {
    /// What an earlier process left in the store. `held` are the scopes that the store holds anything of: those without a watermark were
    /// never swept completely. `rules` are those whose events together tell of every change of a kind. `retired` are the scopes that are
    /// no longer watched, and since when.
    pub(crate) fn new(
        watermarks: Vec<Watermark>,
        held: impl IntoIterator<Item = (Scope, Kind)>,
        intervals: &dyn Fn(&Kind) -> Duration,
        rules: HashMap<Kind, EventRules>,
        retired: &BTreeMap<Scope, Timestamp>,
        clock: SharedClock,
    ) -> Self {
        let state = RwLock::new(State::new(watermarks, held, intervals, rules, retired));
        // Not from 0: a server may open its store a second time, and an answer kept of the first is none of the second.
        let version = watch::Sender::new(fastrand::u64(..u64::MAX / 2));
        let tries = watch::Sender::new(0);
        Freshness(Arc::new(Inner { state, clock, version, tries }))
    }

    /// Takes in what somebody reports, as of now.
    pub(crate) fn signal(&self, signal: Signal) {
        if matches!(signal, Signal::TryNow) {
            self.0.tries.send_modify(|count| *count += 1);
        }
        let now = self.now();
        if self.0.state.write().apply(signal, now) {
            self.bump();
        }
    }

    /// Changes what is kept of a kind in a scope. For the writer alone.
    pub(crate) fn update<T>(&self, scope: &Scope, kind: &Kind, change: impl FnOnce(&mut WatchedScope) -> T) -> T {
        let now = self.now();
        let mut state = self.0.state.write();
        let events = state.events(scope, kind, now);
        let watched = state.watched(scope, kind, Duration::ZERO);
        watched.state.events = events;
        change(watched)
    }

    /// Has whoever waits for changes look again. For the writer alone, after [`Freshness::update`].
    pub(crate) fn bump(&self) {
        self.0.version.send_modify(|version| *version += 1);
    }

    /// Looks at what is kept of a kind in a scope; nothing is when it was never watched.
    pub(crate) fn view<T>(&self, scope: &Scope, kind: &Kind, look: impl FnOnce(Option<&WatchedScope>) -> T) -> T {
        look(self.0.state.read().scopes.get(&(scope.clone(), kind.clone())))
    }

    /// The watermarks worth saving: this process's complete sweeps, where the last one left nothing open.
    pub(crate) fn watermarks(&self) -> Vec<Watermark> {
        self.0.state.read().scopes.values().filter_map(WatchedScope::watermark).collect()
    }

    /// Whether a (scope, kind) is no longer watched: what is said of it changes nothing.
    pub(crate) fn is_unwatched(&self, scope: &Scope, kind: &Kind) -> bool {
        self.view(scope, kind, |watched| watched.is_some_and(|watched| watched.state.unwatched_since.is_some()))
    }

    /// Changes whenever anything here does; for waiting until a first sweep is complete.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.0.version.subscribe()
    }

    /// Changes when somebody asks for everything that failed to be tried at once.
    #[must_use]
    pub fn tries(&self) -> watch::Receiver<u64> {
        self.0.tries.subscribe()
    }

    /// What became of the messages that were received since this process started.
    #[must_use]
    pub fn event_totals(&self) -> EventTotals {
        self.0.state.read().totals.clone()
    }

    /// How events reach each scope that they are listened to for.
    #[must_use]
    pub fn paths(&self) -> BTreeMap<Scope, EventPath> {
        self.0.state.read().paths.clone()
    }

    /// How events reach one scope; `None` where they are not listened to.
    #[must_use]
    pub fn path(&self, scope: &Scope) -> Option<EventPath> {
        self.0.state.read().paths.get(scope).cloned()
    }

    /// When what is proved of a scope's events changes next, if nothing comes any more.
    #[must_use]
    pub fn proof_lapses(&self, scope: &Scope) -> Option<Instant> {
        self.0.state.read().paths.get(scope)?.lapses(Instant::now())
    }

    /// What keeps everything from being seen: the store cannot be read or written, or AWS as a whole not be reached.
    #[must_use]
    pub fn trouble(&self) -> Option<Trouble> {
        self.0.state.read().trouble().cloned()
    }

    /// Every (scope, kind) that is watched, or was until the server stopped, in order; without those that are no longer
    /// watched.
    #[must_use]
    pub fn scopes(&self) -> Vec<ScopeFreshness> {
        self.those(|state| state.unwatched_since.is_none())
    }

    /// Every (scope, kind) that is no longer watched, in order.
    #[must_use]
    pub fn unwatched(&self) -> Vec<ScopeFreshness> {
        self.those(|state| state.unwatched_since.is_some())
    }

    fn those(&self, are_wanted: impl Fn(&ScopeFreshness) -> bool) -> Vec<ScopeFreshness> {
        let (now, state) = (self.now(), self.0.state.read());
        let wanted = state.scopes.values().filter(|watched| are_wanted(&watched.state));
        wanted.map(|watched| state.shown(watched, now)).collect()
    }

    /// The state of one (scope, kind); `None` when it was never watched.
    #[must_use]
    pub fn of(&self, scope: &Scope, kind: &Kind) -> Option<ScopeFreshness> {
        let (now, state) = (self.now(), self.0.state.read());
        state.scopes.get(&(scope.clone(), kind.clone())).map(|watched| state.shown(watched, now))
    }

    /// From one sweep's start of (scope, kind) to the next one's, as things are; zero when it was never watched.
    #[must_use]
    pub fn interval(&self, scope: &Scope, kind: &Kind) -> Duration {
        self.of(scope, kind).map_or(Duration::ZERO, |state| state.current_interval())
    }

    /// The runs of watching that go on now, by what this process saw itself: from the start of the first complete sweep to the end of
    /// the last. The store has those that ended.
    #[must_use]
    pub fn runs(&self) -> Vec<Watermark> {
        self.0.state.read().scopes.values().filter_map(WatchedScope::run).collect()
    }

    /// When a resource was last seen as it is known, asked at `now`. Ask before reading its body: see [`SeenAt`].
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

    /// What is wrong with a resource that is listed and cannot be read, and since when; `None` when it can be, or is not listed.
    #[must_use]
    pub fn unreadable(&self, id: &ResourceId) -> Option<(UnreadableItem, Timestamp)> {
        self.view(&id.scope(), &id.kind, |watched| {
            watched?.state.unreadable.of(&id.id).map(|(item, since)| (item.clone(), since))
        })
    }

    /// What complete sweeps say about a resource that the last of them lacked; `None` when it showed it.
    #[must_use]
    pub fn lacked(&self, id: &ResourceId) -> Option<Lacked> {
        self.view(&id.scope(), &id.kind, |watched| watched?.memory.lacked(&id.id))
    }

    /// Since when any resource of a (scope, kind) has been lacked by complete sweeps.
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
