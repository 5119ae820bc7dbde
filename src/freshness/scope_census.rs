//! How many (scope, kind)s are in which state, by region, and the states of some of them: what an operator's alarms need, in a size
//! that does not grow with the number of accounts.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::coverage::ScopeCoverage;
use super::scope::{EventProof, ScopeFreshness};
use crate::model::{Kind, Region, Scope, Timestamp, TroubleClass};

/// The state of one (scope, kind), the best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ScopeState {
    /// Its last complete sweep is as young as it should be.
    Fresh,
    /// No attempt to sweep it has ended yet.
    Pending,
    /// Its last complete sweep is older than it should be.
    Stale,
    /// The last attempt to sweep it failed, or the current one does.
    Failing,
}

/// One (scope, kind) that is shown by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScopeFigure {
    /// The scope.
    pub scope: Scope,
    /// The kind.
    pub kind: Kind,
    /// Its state.
    pub state: ScopeState,
    /// What kind of trouble it has, where it fails.
    pub trouble: Option<TroubleClass>,
    /// When its last complete sweep began.
    pub swept: Option<Timestamp>,
}

/// What the (scope, kind)s of one region that are in one state have in common.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StateFigures {
    /// How many there are.
    pub count: u64,
    /// How long ago the last complete sweep of the one began that was swept longest ago; `None` where none was ever swept.
    pub greatest_age: Option<Duration>,
}

/// How much is shown one by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CensusLimits {
    /// With so many scopes or fewer, each with all its kinds is shown.
    pub all: usize,
    /// With more, so many of those that are stale or fail are shown at most.
    pub some: usize,
    /// Of so many regions at most: the names of regions come from configurations.
    pub regions: usize,
}

/// How many (scope, kind)s are in which state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScopeCensus {
    /// How many scopes there are.
    pub scopes: usize,
    /// The kinds that are watched anywhere.
    pub kinds: BTreeSet<Kind>,
    /// By region and state.
    pub states: BTreeMap<(Region, ScopeState), StateFigures>,
    /// Those that are shown, in order.
    pub shown: Vec<ScopeFigure>,
    /// How many that are stale or fail are not shown.
    pub not_shown: u64,
    /// How many resources are held back by kind, because too many vanished at once.
    pub held: BTreeMap<Kind, u64>,
    /// How many listed resources cannot be read, by kind.
    pub unreadable: BTreeMap<Kind, u64>,
}

impl ScopeCensus {
    /// Counts `states`, which are in order of their scopes, as of `now`. `events` says how events affect the sweeps of one.
    pub(super) fn take<'a>(
        states: impl Iterator<Item = &'a ScopeFreshness> + Clone,
        events: impl Fn(&ScopeFreshness) -> Option<EventProof>,
        now: Timestamp,
        limits: CensusLimits,
    ) -> Self {
        let mut census = ScopeCensus { scopes: scopes(states.clone()), ..ScopeCensus::default() };
        let shows_all = census.scopes <= limits.all;
        for state in states {
            let of = state_of(state, events(state).as_ref(), now);
            if !census.kinds.contains(&state.kind) {
                census.kinds.insert(state.kind.clone());
            }
            let swept = state.complete.map(|complete| complete.started);
            census.count(&state.scope.region, of, swept.map(|swept| now.since(swept)), limits.regions);
            if let Some(held) = &state.held {
                *census.held.entry(state.kind.clone()).or_default() += held.vanished as u64;
            }
            let unreadable = state.unreadable.count();
            if unreadable > 0 {
                *census.unreadable.entry(state.kind.clone()).or_default() += unreadable;
            }
            let is_bad = matches!(of, ScopeState::Stale | ScopeState::Failing);
            if shows_all || (is_bad && census.shown.len() < limits.some) {
                let trouble = state.failing().map(|trouble| trouble.class);
                let (scope, kind) = (state.scope.clone(), state.kind.clone());
                census.shown.push(ScopeFigure { scope, kind, state: of, trouble, swept });
            } else if is_bad {
                census.not_shown += 1;
            }
        }
        census
    }

    fn count(&mut self, region: &Region, state: ScopeState, age: Option<Duration>, regions: usize) {
        let is_known = self.states.contains_key(&(region.clone(), state));
        let named = |(known, _): &(Region, ScopeState)| known == region;
        // Each region has four states at most, so that this bounds how many there are.
        let is_full = !is_known && self.states.len() >= regions && !self.states.keys().any(named);
        let region = if is_full { Region::new("other") } else { region.clone() };
        let figures = self.states.entry((region, state)).or_default();
        figures.count += 1;
        figures.greatest_age = figures.greatest_age.max(age);
    }
}

/// How many scopes states are of, which are in order of these.
fn scopes<'a>(states: impl Iterator<Item = &'a ScopeFreshness>) -> usize {
    let mut last: Option<&Scope> = None;
    states.filter(|state| last.replace(&state.scope) != Some(&state.scope)).count()
}

/// The state of one (scope, kind).
fn state_of(state: &ScopeFreshness, events: Option<&EventProof>, now: Timestamp) -> ScopeState {
    if state.failing().is_some() {
        ScopeState::Failing
    } else if state.coverage() == ScopeCoverage::Pending {
        ScopeState::Pending
    } else if state.fresh_until_by(events).is_some_and(|until| now <= until) {
        ScopeState::Fresh
    } else {
        ScopeState::Stale
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::freshness::{Swept, WatchedScope};
    use crate::model::{AccountId, ErrorClass, Trouble};

    const LIMITS: CensusLimits = CensusLimits { all: 3, some: 4, regions: 8 };

    fn now() -> Timestamp {
        Timestamp::from_millis(1_800_000_000_000)
    }

    /// A (scope, kind) by four small numbers: whether it was swept, how long ago in minutes, and whether it fails.
    fn state(account: u8, kind: u8, age: Option<u64>, fails: bool) -> ScopeFreshness {
        let scope = Scope { account: AccountId::new(format!("{account:012}")), region: Region::new("eu-west-1") };
        let complete = age.map(|age| {
            let started = now() - Duration::from_mins(age);
            Swept { started, ended: started }
        });
        let trouble = || Trouble {
            class: ErrorClass::Denied.into(),
            what: "denied".to_owned(),
            fix: String::new(),
            since: now(),
            retry_at: None,
        };
        let kind = Kind::new(format!("AWS::EC2::K{kind}"));
        let watched = WatchedScope::new(scope, kind, Duration::from_mins(5), complete);
        ScopeFreshness { swept_now: true, trouble: fails.then(|| Box::new(trouble())), ..watched.state }
    }

    fn census(states: &[ScopeFreshness]) -> ScopeCensus {
        ScopeCensus::take(states.iter(), |_| None, now(), LIMITS)
    }

    #[test]
    fn each_state_is_told_from_the_others() {
        for (age, fails, expected) in [
            (None, false, ScopeState::Pending),
            (Some(1), false, ScopeState::Fresh),
            (Some(6), false, ScopeState::Stale),
            (None, true, ScopeState::Failing),
            (Some(1), true, ScopeState::Failing),
        ] {
            let census = census(&[state(1, 1, age, fails)]);
            assert_eq!(census.shown[0].state, expected, "{age:?} {fails}");
            let figures = census.states[&(Region::new("eu-west-1"), expected)];
            assert_eq!(figures, StateFigures { count: 1, greatest_age: age.map(Duration::from_mins) });
        }
    }

    proptest! {
        #[test]
        fn everything_is_counted_once_and_what_is_bad_is_shown_or_counted_as_not_shown(
            made in prop::collection::btree_map((0_u8..6, 0_u8..4), (prop::option::of(0_u64..20), any::<bool>()), 0..30)
        ) {
            let states: Vec<ScopeFreshness> =
                made.iter().map(|((account, kind), (age, fails))| state(*account, *kind, *age, *fails)).collect();
            let census = census(&states);
            let total: u64 = census.states.values().map(|figures| figures.count).sum();
            prop_assert_eq!(total, states.len() as u64);
            let accounts: BTreeSet<u8> = made.keys().map(|(account, _)| *account).collect();
            prop_assert_eq!(census.scopes, accounts.len());
            let kinds: BTreeSet<u8> = made.keys().map(|(_, kind)| *kind).collect();
            prop_assert_eq!(census.kinds.len(), kinds.len());
            let is_bad = |state: ScopeState| matches!(state, ScopeState::Stale | ScopeState::Failing);
            let bad: u64 = census.states.iter().filter(|((_, state), _)| is_bad(*state)).map(|(_, it)| it.count).sum();
            let shown = census.shown.iter().filter(|figure| is_bad(figure.state)).count() as u64;
            prop_assert_eq!(shown + census.not_shown, bad);
            if accounts.len() <= LIMITS.all {
                prop_assert_eq!(census.shown.len(), states.len());
                prop_assert_eq!(census.not_shown, 0);
            } else {
                prop_assert!(census.shown.len() <= LIMITS.some && census.shown.iter().all(|figure| is_bad(figure.state)));
            }
        }
    }
}
