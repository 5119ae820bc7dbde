//! The whole state of freshness as plain data: signals change it, and no clock is read here.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::event_path::EventPath;
use super::event_totals::EventTotals;
use super::member_trouble::MemberTrouble;
use super::scope::{EventProof, EventRules, KIND_LEFT, ScopeFreshness, Swept};
use super::signal::Signal;
use super::watched::WatchedScope;
use crate::model::{AccountId, Kind, KindSelection, Scope, Timestamp, Trouble};
use crate::store::Watermark;

/// A moment, in both times that freshness uses.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Now {
    /// In AWS time, which dates sweeps and events.
    pub(super) dated: Timestamp,
    /// By the steady clock, which measures silence.
    pub(super) steady: Instant,
}

impl Now {
    /// A moment of the steady clock in AWS time.
    fn dated_at(self, steady: Instant) -> Timestamp {
        if steady >= self.steady {
            self.dated + steady.duration_since(self.steady)
        } else {
            self.dated - self.steady.duration_since(steady)
        }
    }
}

/// The state of freshness.
#[derive(Debug, Default)]
pub(super) struct FreshnessState {
    /// On the heap one by one: the nodes of a map are half empty.
    pub(super) scopes: BTreeMap<(Scope, Kind), Box<WatchedScope>>,
    /// How events reach each scope.
    pub(super) paths: BTreeMap<Scope, EventPath>,
    /// The counts of received messages, and what prevents the events of each queue from being received.
    pub(super) totals: EventTotals,
    /// What prevents AWS as a whole from being reached.
    aws: Option<Trouble>,
    /// What prevents each of several accounts from being watched as a whole, by its place.
    pub(super) members: BTreeMap<u64, MemberTrouble>,
    /// The scopes that are no longer watched, each since the given time.
    retired: BTreeMap<Scope, Timestamp>,
    /// The kinds that are watched.
    pub(super) kinds: KindSelection,
    /// When the others were watched last anywhere, where they were.
    pub(super) kinds_left: BTreeMap<Kind, Timestamp>,
    /// Why accounts are no longer watched.
    pub(super) gone: BTreeMap<AccountId, Arc<str>>,
    /// What prevents the store from being read and written.
    store: Option<Trouble>,
    /// The kinds whose every change is covered by events.
    rules: HashMap<Kind, EventRules>,
    /// The scopes that are perhaps to be swept more or less often since [`FreshnessState::take_moved`] was called last.
    moved: Vec<Scope>,
}

impl FreshnessState {
    /// Starts from what an earlier process stored. `held` are the scopes with stored data: those without a watermark were never
    /// swept completely. `retired` are those that are no longer watched, and since when.
    pub(super) fn new(
        watermarks: Vec<Watermark>,
        held: impl IntoIterator<Item = (Scope, Kind)>,
        intervals: &dyn Fn(&Kind) -> Duration,
        rules: HashMap<Kind, EventRules>,
        retired: &BTreeMap<Scope, Timestamp>,
    ) -> Self {
        let mut state = FreshnessState { rules, ..FreshnessState::default() };
        for mark in watermarks.into_iter().filter(|mark| mark.complete) {
            let interval = intervals(&mark.kind);
            let complete = Some(Swept { started: mark.started, ended: mark.ended });
            let key = (mark.scope.clone(), mark.kind.clone());
            state.scopes.insert(key, Box::new(WatchedScope::new(mark.scope, mark.kind, interval, complete)));
        }
        for (scope, kind) in held {
            state.watched(&scope, &kind, intervals(&kind));
        }
        state.retired.clone_from(retired);
        state.retire(false);
        state
    }

    /// Applies a signal that arrives at `now`. Returns whether it may change answers.
    pub(super) fn apply(&mut self, signal: Signal, now: Now) -> bool {
        match signal {
            // It was sent before other kinds were chosen.
            Signal::Expected { kind, .. } if !self.kinds.watches(&kind) => false,
            Signal::Expected { scope, kind, interval } => {
                self.watched(&scope, &kind, interval).state.interval = interval;
                self.moves(scope, true)
            }
            Signal::AllExpected { scopes, mut kinds } => {
                kinds.retain(|(kind, _)| self.kinds.watches(kind));
                for scope in &scopes {
                    for (kind, interval) in &kinds {
                        self.watched(scope, kind, *interval).state.interval = *interval;
                    }
                }
                true
            }
            Signal::Retired { scopes, begins_anew, selection } => {
                // Where nothing is stored, nothing else forgets it.
                let is_known = |scope: &Scope| scopes.contains_key(scope) || selection.watches(scope) != Some(false);
                self.scopes.retain(|(scope, _), _| is_known(scope));
                self.paths.retain(|scope, _| is_known(scope));
                self.retired = scopes;
                self.retire(begins_anew);
                true
            }
            Signal::Kinds { watched, swept } => {
                self.choose_kinds(watched, &swept, now.dated);
                true
            }
            Signal::Aws(trouble) => {
                self.aws = trouble;
                true
            }
            Signal::Member { number, trouble: Some(trouble) } => {
                self.members.insert(number, trouble);
                true
            }
            Signal::Member { number, trouble: None } => self.members.remove(&number).is_some(),
            Signal::Gone(causes) => {
                self.gone = causes;
                true
            }
            Signal::Store(trouble) => {
                self.store = trouble;
                true
            }
            Signal::Listening { scope, source } => {
                let trouble = self.totals.troubles.get(&*source.queue).cloned();
                let path = self.path(scope.clone());
                path.listen(source);
                path.receiving(trouble);
                self.moves(scope, true)
            }
            Signal::Unlistened { scope } => {
                let was_there = self.paths.remove(&scope).is_some();
                self.moves(scope, was_there)
            }
            Signal::NoQueue { scope, why } => {
                self.path(scope.clone()).miss(why);
                self.moves(scope, true)
            }
            // What is sent moves nothing before it comes back.
            Signal::CanariesSent { scope, at } => {
                self.path(scope).canaries_sent(at, now.steady);
                false
            }
            Signal::CanariesAnswered { scope, trouble } => {
                self.path(scope).canaries_answered(trouble);
                false
            }
            Signal::CanarySeen(canary) => {
                let path = self.path(canary.scope.clone());
                let has_moved = path.canary_seen(&canary, now.dated, now.steady);
                self.moves(canary.scope, has_moved)
            }
            Signal::Receiving { queue, trouble } => {
                self.receive(queue, trouble);
                true
            }
            Signal::CallSeen { scope, at } => {
                let has_moved = self.path(scope.clone()).call_seen(at, now.dated.since(at), now.steady);
                self.moves(scope, has_moved)
            }
            Signal::Missed { scope, kind, at } => {
                self.path(scope.clone()).missed(kind, at.min(now.dated));
                self.moves(scope, true)
            }
            Signal::ProofChanged => true,
            Signal::Counted(count, number) => {
                self.totals.add(count, number);
                false
            }
            Signal::UnknownEvent { detail_type } => {
                self.totals.add_unknown(&detail_type);
                false
            }
            // Only the sweeps react to these; they do not change what is known.
            Signal::TryNow | Signal::Quiet { .. } => false,
        }
    }

    /// What prevents everything from being observed. A store that cannot be read takes precedence over AWS that cannot be reached:
    /// without the store nothing else can be answered.
    pub(super) fn trouble(&self) -> Option<&Trouble> {
        self.store.as_ref().or(self.aws.as_ref())
    }

    /// The state of a kind in a scope, which counts as watched from now on.
    pub(super) fn watched(&mut self, scope: &Scope, kind: &Kind, interval: Duration) -> &mut WatchedScope {
        let new = || Box::new(WatchedScope::new(scope.clone(), kind.clone(), interval, None));
        self.scopes.entry((scope.clone(), kind.clone())).or_insert_with(new)
    }

    /// The state of a kind in a scope as readers see it at `now`.
    pub(super) fn shown(&self, watched: &WatchedScope, now: Now) -> ScopeFreshness {
        let state = &watched.state;
        let unwatched_why = state.unwatched_since.and_then(|_| {
            if self.kinds.watches(&state.kind) || self.retired.contains_key(&state.scope) {
                return self.gone.get(&state.scope.account).cloned();
            }
            Some(Arc::from(KIND_LEFT))
        });
        let events = self.events(&state.scope, &state.kind, now).map(Box::new);
        ScopeFreshness { unwatched_why, events, ..state.clone() }
    }

    /// How events affect the sweeps of a kind in a scope at `now`.
    pub(super) fn events(&self, scope: &Scope, kind: &Kind, now: Now) -> Option<EventProof> {
        let EventRules { interval, rules, trail } = *self.rules.get(kind)?;
        let path = self.paths.get(scope).filter(|path| path.is_meant())?;
        let cover = path.cover(rules, trail, now.steady);
        let cover = cover.map(|cover| (cover.since.max(path.shows(kind)), now.dated_at(cover.until)));
        Some(EventProof { interval, cover, unproved: path.unproved(rules, trail, now.steady) })
    }

    /// Marks exactly the retired scopes as no longer watched. Kinds that are not watched stay as they are.
    fn retire(&mut self, begins_anew: bool) {
        for ((scope, kind), watched) in &mut self.scopes {
            let since = self.retired.get(scope).copied();
            let left = || watched.state.unwatched_since.filter(|_| !self.kinds.watches(kind));
            watched.retire(since.or_else(left), begins_anew);
        }
    }

    /// Marks the kinds as watched or not, at `now`.
    fn choose_kinds(&mut self, watched: KindSelection, swept: &BTreeMap<(Scope, Kind), Timestamp>, now: Timestamp) {
        self.kinds = watched;
        self.kinds_left.clear();
        for ((_, kind), at) in swept {
            let last = self.kinds_left.entry(kind.clone()).or_insert(*at);
            *last = (*last).max(*at);
        }
        for ((scope, kind), watched) in &mut self.scopes {
            let retired = self.retired.get(scope).copied();
            if self.kinds.watches(kind) {
                watched.retire(retired, true);
                continue;
            }
            let known = watched.state.unwatched_since.or_else(|| swept.get(&(scope.clone(), kind.clone())).copied());
            watched.retire(Some(retired.or(known).unwrap_or(now)), true);
            // What was under way or failed is over.
            let state = &mut watched.state;
            (state.running_since, state.trouble, state.stumble) = (None, None, None);
        }
    }

    fn path(&mut self, scope: Scope) -> &mut EventPath {
        self.paths.entry(scope).or_default()
    }

    /// Records whether the events of a queue can be received.
    fn receive(&mut self, queue: String, trouble: Option<Trouble>) {
        // What passes by itself ends no proof before its time.
        let breaks = |trouble: Option<&Trouble>| trouble.is_some_and(|trouble| !trouble.is_passing());
        let is_broken = breaks(trouble.as_ref());
        for (scope, path) in &mut self.paths {
            if path.source().is_none_or(|source| *source.queue != *queue) {
                continue;
            }
            if breaks(path.unreceived()) != is_broken {
                self.moved.push(scope.clone());
            }
            path.receiving(trouble.clone());
        }
        match trouble {
            Some(trouble) => drop(self.totals.troubles.insert(queue, trouble)),
            None => drop(self.totals.troubles.remove(&queue)),
        }
    }

    /// Notes whether a scope is perhaps to be swept more or less often. Returns this.
    fn moves(&mut self, scope: Scope, has_moved: bool) -> bool {
        if has_moved {
            self.moved.push(scope);
        }
        has_moved
    }

    /// Takes the scopes that are perhaps to be swept more or less often.
    pub(super) fn take_moved(&mut self) -> Vec<Scope> {
        std::mem::take(&mut self.moved)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::fixtures::{kind, scope, scope_in};
    use crate::model::{ErrorClass, TroubleClass, WatchSelection};

    fn now() -> Now {
        Now { dated: Timestamp::from_millis(1_800_000_000_000), steady: Instant::now() }
    }

    fn trouble(class: TroubleClass) -> Trouble {
        Trouble { class, what: "made up".to_owned(), fix: String::new(), since: now().dated, retry_at: None }
    }

    #[test]
    fn an_expected_scope_is_shown_at_once_and_is_unwatched_when_retired() {
        let mut state = FreshnessState::default();
        let interval = Duration::from_mins(1);
        assert!(state.apply(Signal::Expected { scope: scope(), kind: kind(), interval }, now()));
        let shown = |state: &FreshnessState| state.shown(&state.scopes[&(scope(), kind())], now());
        assert_eq!((shown(&state).interval, shown(&state).complete), (interval, None));
        let since = now().dated;
        assert!(state.apply(
            Signal::Retired {
                scopes: BTreeMap::from([(scope(), since)]),
                begins_anew: false,
                selection: WatchSelection::regions([])
            },
            now()
        ));
        assert_eq!(shown(&state).unwatched_since, Some(since));
        assert!(state.apply(
            Signal::Retired {
                scopes: BTreeMap::new(),
                begins_anew: false,
                selection: WatchSelection::regions([scope().region])
            },
            now()
        ));
        assert_eq!(shown(&state).unwatched_since, None);
    }

    #[test]
    fn a_kind_that_is_left_out_is_unwatched_since_its_last_sweep_and_begins_anew() {
        let mut state = FreshnessState::default();
        let interval = Duration::from_mins(1);
        let expected = || Signal::Expected { scope: scope(), kind: kind(), interval };
        state.apply(expected(), now());
        let swept = now().dated - Duration::from_mins(3);
        let others = KindSelection::Only([Kind::new("other")].into());
        let left = Signal::Kinds { watched: others, swept: BTreeMap::from([((scope(), kind()), swept)]) };
        state.apply(left, now());
        let shown = |state: &FreshnessState| state.shown(&state.scopes[&(scope(), kind())], now());
        assert_eq!(shown(&state).unwatched_since, Some(swept));
        assert_eq!(shown(&state).unwatched_why.as_deref(), Some(KIND_LEFT));
        assert_eq!(state.kinds_left.get(&kind()), Some(&swept));
        // What was sent before they were chosen makes nothing wait for a first sweep that never comes.
        let late = scope_in("eu-west-1");
        assert!(!state.apply(Signal::Expected { scope: late.clone(), kind: kind(), interval }, now()));
        state.apply(Signal::AllExpected { scopes: vec![late.clone()], kinds: vec![(kind(), interval)] }, now());
        assert!(!state.scopes.contains_key(&(late, kind())));
        // Choosing scopes says nothing about kinds.
        let selection = WatchSelection::regions([scope().region]);
        state.apply(Signal::Retired { scopes: BTreeMap::new(), begins_anew: true, selection }, now());
        assert_eq!(shown(&state).unwatched_since, Some(swept));
        state.apply(Signal::Kinds { watched: KindSelection::All, swept: BTreeMap::new() }, now());
        assert_eq!(shown(&state).unwatched_since, None);
        assert!(state.scopes[&(scope(), kind())].begins());
    }

    #[test]
    fn trouble_of_the_store_is_shown_before_that_of_aws_and_each_until_it_ends() {
        let mut state = FreshnessState::default();
        let class = |state: &FreshnessState| state.trouble().map(|trouble| trouble.class);
        let aws = TroubleClass::Call(ErrorClass::Transient);
        state.apply(Signal::Aws(Some(trouble(aws))), now());
        assert_eq!(class(&state), Some(aws));
        state.apply(Signal::Store(Some(trouble(TroubleClass::Store))), now());
        assert_eq!(class(&state), Some(TroubleClass::Store));
        state.apply(Signal::Store(None), now());
        assert_eq!(class(&state), Some(aws));
        state.apply(Signal::Aws(None), now());
        assert_eq!(class(&state), None);
    }

    #[test]
    fn trouble_with_a_queue_also_applies_to_a_scope_that_uses_it_later() {
        let mut state = FreshnessState::default();
        let denied = trouble(ErrorClass::Denied.into());
        state.apply(Signal::Receiving { queue: "q".to_owned(), trouble: Some(denied.clone()) }, now());
        let source = super::super::EventSource {
            queue: "q".into(),
            name: "muster".into(),
            rules: Vec::new(),
            sent_by: "serve-1".into(),
            every: Duration::from_mins(1),
            since: now().dated,
        };
        state.apply(Signal::Listening { scope: scope(), source }, now());
        assert_eq!(state.paths[&scope()].unreceived(), Some(&denied));
        state.apply(Signal::Receiving { queue: "q".to_owned(), trouble: None }, now());
        assert_eq!(state.paths[&scope()].unreceived(), None);
        assert!(state.totals.troubles.is_empty());
    }
}
