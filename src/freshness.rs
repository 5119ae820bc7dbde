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

mod attention;
mod coverage;
mod event_path;
mod event_source;
mod event_totals;
mod known_items;
mod member_trouble;
mod proof_notices;
mod scope;
mod scope_census;
mod seen_at;
mod signal;
mod state;
mod states_wanted;
mod unproved;
mod unread;
mod visible;
mod watched;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, RwLock};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

pub use attention::RousedScopes;
pub use coverage::ScopeCoverage;
pub use event_path::{EventPath, SeenCanary};
pub use event_source::{EventRule, EventSource, SERVER};
pub use event_totals::{EventCount, EventTotals};
pub use member_trouble::MemberTrouble;
pub use scope::{EventProof, EventRules, ScopeFreshness, Swept};
pub use scope_census::{CensusLimits, ScopeCensus, ScopeFigure, ScopeState, StateFigures};
pub use seen_at::SeenAt;
pub use signal::Signal;
pub use states_wanted::{StatesWanted, Watched};
pub use unproved::EventsUnproved;
pub use unread::Unread;
pub(crate) use watched::{Continuity, WatchedScope};

use crate::model::{AccountId, Kind, ResourceId, Scope, SharedClock, Timestamp, Trouble, UnreadableItem};
use crate::policy::{Visibility, VisiblePart};
use crate::reconcile::Lacked;
use crate::store::Watermark;
use attention::Attention;
use proof_notices::ProofNotices;
use state::{FreshnessState, Now};

/// The shared state of freshness. Clones share it.
#[derive(Clone)]
pub struct Freshness(Arc<SharedState>, Visibility);

struct SharedState {
    state: RwLock<FreshnessState>,
    clock: SharedClock,
    version: watch::Sender<u64>,
    /// Who is told how often a scope is to be swept.
    notices: ProofNotices,
    /// Counts the requests to retry at once whatever failed.
    tries: watch::Sender<u64>,
    /// Which scopes somebody asks about.
    attention: Mutex<Attention>,
    /// Changes when somebody asks about more of them.
    asked: watch::Sender<u64>,
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
        let (tries, asked) = (watch::Sender::new(0), watch::Sender::new(0));
        let (notices, attention) = (ProofNotices::default(), Mutex::default());
        let state = SharedState { state, clock, version, notices, tries, attention, asked };
        Freshness(Arc::new(state), Visibility::everything())
    }

    /// Applies a signal, as of now.
    pub(crate) fn signal(&self, signal: Signal) {
        match &signal {
            Signal::TryNow => self.0.tries.send_modify(|count| *count += 1),
            Signal::Quiet { scope, is_quiet } => self.0.attention.lock().set_quiet(scope.clone(), *is_quiet),
            Signal::Retired { scopes, selection, .. } => {
                let is_watched = |scope: &Scope| !scopes.contains_key(scope) && selection.watches(scope) != Some(false);
                self.0.attention.lock().retain(is_watched);
                self.0.notices.forget_ended();
            }
            _ => {}
        }
        let now = self.now();
        let (is_news, moved) = {
            let mut state = self.0.state.write();
            (state.apply(signal, now), state.take_moved())
        };
        for scope in &moved {
            self.0.notices.tell(scope);
        }
        if is_news {
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
        let before = watched.state.current_interval();
        let result = change(watched);
        if watched.state.current_interval() != before {
            self.0.notices.tell(scope);
        }
        result
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

    /// Whether a kind is watched, in whatever scopes.
    #[must_use]
    pub fn watches_kind(&self, kind: &Kind) -> bool {
        self.0.state.read().kinds.watches(kind)
    }

    /// When a kind that is not watched was watched last; `None` if it never was.
    #[must_use]
    pub fn kind_left(&self, kind: &Kind) -> Option<Timestamp> {
        self.0.state.read().kinds_left.get(kind).copied()
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

    /// Has the quiet ones of these scopes swept at once, because a question means them. `is_named` says that it names them by account
    /// or region. Where it does not, and they are many, all of them rest.
    #[must_use]
    pub fn rouse(&self, scopes: &BTreeSet<Scope>, is_named: bool) -> RousedScopes {
        let now = self.now();
        let mut attention = self.0.attention.lock();
        if !attention.any_quiet(scopes.iter()) {
            return RousedScopes::default();
        }
        let roused = attention.rouse(scopes, is_named, now);
        drop(attention);
        if !roused.woken.is_empty() {
            self.0.asked.send_modify(|count| *count += 1);
        }
        roused
    }

    /// Has a scope swept at once if it is quiet, because somebody subscribes to what is in it.
    pub fn attend(&self, scope: &Scope) {
        if self.1.sees_scope(scope) && self.0.attention.lock().attend(scope, Instant::now()) {
            self.0.asked.send_modify(|count| *count += 1);
        }
    }

    /// Has these scopes swept before others, because somebody waits for them, unless they are too many.
    pub fn hurry(&self, scopes: &BTreeSet<Scope>) {
        if self.0.attention.lock().send_ahead(scopes, Instant::now()) {
            self.0.asked.send_modify(|count| *count += 1);
        }
    }

    /// Whether a scope is swept before others, because somebody waits for it.
    #[must_use]
    pub fn is_ahead(&self, scope: &Scope) -> bool {
        self.0.attention.lock().is_ahead(scope, Instant::now())
    }

    /// Whether a scope of an account is swept before others.
    #[must_use]
    pub fn is_account_ahead(&self, account: &AccountId) -> bool {
        self.0.attention.lock().is_account_ahead(account, Instant::now())
    }

    /// Changes when somebody asks about scopes that are then to be told: see [`Freshness::take_asked`].
    #[must_use]
    pub fn asked(&self) -> watch::Receiver<u64> {
        self.0.asked.subscribe()
    }

    /// Takes the scopes that somebody asks about and whose sweeps have not been told.
    #[must_use]
    pub fn take_asked(&self) -> BTreeSet<Scope> {
        self.0.attention.lock().take_untold()
    }

    /// The counts of received messages since this process started.
    #[must_use]
    pub fn event_totals(&self) -> EventTotals {
        // They are of all accounts together.
        if self.1.is_everything() { self.0.state.read().totals.clone() } else { EventTotals::default() }
    }

    /// How events reach each scope whose events are received.
    #[must_use]
    pub fn paths(&self) -> BTreeMap<Scope, EventPath> {
        let mut paths = self.0.state.read().paths.clone();
        paths.retain(|scope, _| self.1.sees_scope(scope));
        paths
    }

    /// How events reach one scope; `None` if they are not received.
    #[must_use]
    pub fn path(&self, scope: &Scope) -> Option<EventPath> {
        self.0.state.read().paths.get(scope).filter(|_| self.1.sees_scope(scope)).cloned()
    }

    /// When the proof of a scope's events next changes after `now` if nothing more arrives.
    #[must_use]
    pub fn proof_lapses(&self, scope: &Scope, now: Instant) -> Option<Instant> {
        self.0.state.read().paths.get(scope)?.lapses(now)
    }

    /// What is notified when the proof of a scope's events, or how often its kinds are to be swept, may have changed other than
    /// through time alone. Only whoever called this last for a scope is told.
    #[must_use]
    pub(crate) fn proof_moves(&self, scope: &Scope) -> Arc<Notify> {
        self.0.notices.follow(scope)
    }

    /// What prevents everything from being observed: the store cannot be read or written, or AWS cannot be reached.
    #[must_use]
    pub fn trouble(&self) -> Option<Trouble> {
        let state = self.0.state.read();
        if let Some(trouble) = state.trouble() {
            return Some(self.told_of(trouble.clone()));
        }
        self.blindness(state.scopes.keys())
    }

    /// What prevents each of several accounts from being watched as a whole. Trouble of its scopes is theirs.
    #[must_use]
    pub fn members(&self) -> Vec<MemberTrouble> {
        let state = self.0.state.read();
        state
            .members
            .values()
            .filter(|member| self.knows_member(member))
            .map(|member| self.told_of_member(member))
            .collect()
    }

    /// Why an account is no longer watched, to stand after a colon; `None` while it is, or nobody says.
    #[must_use]
    pub fn gone(&self, account: &AccountId) -> Option<Arc<str>> {
        let why = self.0.state.read().gone.get(account).filter(|_| self.1.sees_account(account.as_str())).cloned();
        why.map(|why| if self.1.is_everything() { why } else { self.1.masked(&why).into() })
    }

    /// The accounts that cannot be reached at all. What lists them is none.
    #[must_use]
    pub fn unreached(&self) -> Vec<MemberTrouble> {
        let state = self.0.state.read();
        let unreached = state.members.iter().filter(|(number, _)| **number > 0).map(|(_, member)| member);
        unreached.filter(|member| self.knows_member(member)).map(|member| self.told_of_member(member)).collect()
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
        those.filter_map(|watched| self.seen_of(state.shown(watched, now))).collect()
    }

    /// How many (scope, kind)s are in which state, of those that are watched. Nothing is copied but what is shown.
    #[must_use]
    pub fn census(&self, limits: CensusLimits) -> ScopeCensus {
        let (now, state) = (self.now(), self.0.state.read());
        let watched = state.scopes.values().map(|watched| &watched.state);
        let watched = watched.filter(|watched| watched.unwatched_since.is_none());
        let events = |watched: &ScopeFreshness| state.events(&watched.scope, &watched.kind, now);
        ScopeCensus::take(watched, events, now.dated, limits)
    }

    /// Whether nothing is watched yet, or no attempt to sweep something that is watched has ended.
    #[must_use]
    pub fn has_pending(&self) -> bool {
        let state = self.0.state.read();
        let mut watched = state.scopes.values().map(|watched| &watched.state).filter(|it| it.unwatched_since.is_none());
        let mut is_empty = true;
        let is_pending = watched.any(|watched| {
            is_empty = false;
            watched.coverage() == ScopeCoverage::Pending
        });
        is_empty || is_pending
    }

    /// The state of one (scope, kind); `None` if it was never watched.
    #[must_use]
    pub fn of(&self, scope: &Scope, kind: &Kind) -> Option<ScopeFreshness> {
        let (now, state) = (self.now(), self.0.state.read());
        let found = state.scopes.get(&(scope.clone(), kind.clone())).map(|watched| state.shown(watched, now));
        found.and_then(|state| self.seen_of(state))
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
        let state = self.0.state.read();
        let runs = state.scopes.values().filter_map(|watched| watched.run());
        runs.filter(|run| self.reach(&run.scope, &run.kind) > VisiblePart::Nothing).collect()
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
        // What cannot be read shows no tags.
        if self.reach(&id.scope(), &id.kind) != VisiblePart::All {
            return None;
        }
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
        if self.reach(scope, kind) != VisiblePart::All {
            return None;
        }
        self.view(scope, kind, |watched| watched?.memory.lacked_since())
    }

    fn now(&self) -> Now {
        Now { dated: self.0.clock.now(), steady: Instant::now() }
    }
}

#[cfg(test)]
mod tests;
