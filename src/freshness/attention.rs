//! Which scopes somebody asks about: they are swept before others, and at once where they are swept rarely.
//!
//! Unknown ids cost nothing to invent, so what questions may wake is bounded: by [`FEW`] where a question names no scope, by
//! [`WAKES`] in a minute, and once in [`AGAIN`] for each scope.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use super::state::Now;
use crate::model::{AccountId, Scope, Timestamp};

/// How many quiet scopes a question may mean without naming them and still wake them.
const FEW: usize = 20;
/// How many quiet scopes questions wake in a minute, at most.
const WAKES: usize = 200;
/// How long a wake counts against [`WAKES`].
const MINUTE: Duration = Duration::from_mins(1);
/// How long a scope that was woken is not woken again.
const AGAIN: Duration = Duration::from_secs(10);
/// How many scopes one question may send ahead of others, at most: where nearly all go first, none does.
const AHEAD: usize = 100;
/// How many go ahead at a time, at most.
const ALL_AHEAD: usize = 1_000;
/// How long a scope goes ahead of others.
const AHEAD_FOR: Duration = Duration::from_mins(1);

/// The scopes that somebody asks about, and those that are swept rarely.
#[derive(Debug, Default)]
pub(super) struct Attention {
    /// The scopes in which nothing happens.
    quiet: BTreeSet<Scope>,
    /// The scopes that go ahead of others, each until when.
    ahead: BTreeMap<Scope, Instant>,
    /// The scopes that were woken in the last minute, the oldest first.
    woken: VecDeque<(Scope, Now)>,
    /// The scopes whose watchers have not been told yet.
    untold: BTreeSet<Scope>,
}

/// What became of the quiet scopes that a question means.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RousedScopes {
    /// Those that are swept at once, each with when that was asked for.
    pub woken: Vec<(Scope, Timestamp)>,
    /// How many stay as they are, because too many are meant or were woken lately.
    pub resting: usize,
}

impl Attention {
    /// Notes whether nothing happens in a scope.
    pub(super) fn set_quiet(&mut self, scope: Scope, is_quiet: bool) {
        if is_quiet {
            self.quiet.insert(scope);
        } else {
            self.quiet.remove(&scope);
        }
    }

    /// Whether any of them is quiet.
    pub(super) fn any_quiet<'a>(&self, mut scopes: impl Iterator<Item = &'a Scope>) -> bool {
        !self.quiet.is_empty() && scopes.any(|scope| self.quiet.contains(scope))
    }

    /// Forgets the scopes that are no longer watched.
    pub(super) fn retain(&mut self, is_watched: impl Fn(&Scope) -> bool) {
        self.quiet.retain(&is_watched);
        self.ahead.retain(|scope, _| is_watched(scope));
    }

    /// Wakes the quiet ones of the scopes that a question means. `is_named` says that it names them by account or region, and does
    /// not mean them only because it means all.
    pub(super) fn rouse(&mut self, meant: &BTreeSet<Scope>, is_named: bool, now: Now) -> RousedScopes {
        while self.woken.front().is_some_and(|(_, at)| now.steady.duration_since(at.steady) >= MINUTE) {
            self.woken.pop_front();
        }
        let quiet: Vec<&Scope> = meant.iter().filter(|scope| self.quiet.contains(*scope)).collect();
        if quiet.len() > FEW && !is_named {
            return RousedScopes { woken: Vec::new(), resting: quiet.len() };
        }
        let mut roused = RousedScopes::default();
        for scope in quiet {
            let last = self.woken.iter().rev().find(|(woken, _)| woken == scope).map(|(_, at)| *at);
            match last {
                Some(at) if now.steady.duration_since(at.steady) < AGAIN => {
                    roused.woken.push((scope.clone(), at.dated));
                }
                _ if self.woken.len() >= WAKES => roused.resting += 1,
                _ => {
                    self.woken.push_back((scope.clone(), now));
                    self.untold.insert(scope.clone());
                    roused.woken.push((scope.clone(), now.dated));
                }
            }
        }
        let woken: BTreeSet<Scope> = roused.woken.iter().map(|(scope, _)| scope.clone()).collect();
        self.send_ahead(&woken, now.steady);
        roused
    }

    /// Wakes a scope if it is quiet, because somebody subscribes to what is in it. It is not quiet for as long as that lasts, so that
    /// this needs no bounds. Returns whether it was.
    pub(super) fn attend(&mut self, scope: &Scope, now: Instant) -> bool {
        let is_quiet = self.quiet.contains(scope);
        if is_quiet {
            self.untold.insert(scope.clone());
            self.send_ahead(&BTreeSet::from([scope.clone()]), now);
        }
        is_quiet
    }

    /// Has the scopes that somebody waits for swept before others, unless they are too many. Returns whether their watchers are to be
    /// told.
    pub(super) fn send_ahead(&mut self, scopes: &BTreeSet<Scope>, now: Instant) -> bool {
        self.ahead.retain(|_, until| *until > now);
        let new = scopes.iter().filter(|scope| !self.ahead.contains_key(*scope)).count();
        if scopes.len() > AHEAD || self.ahead.len() + new > ALL_AHEAD {
            return false;
        }
        for scope in scopes {
            if self.ahead.insert(scope.clone(), now + AHEAD_FOR).is_none() {
                self.untold.insert(scope.clone());
            }
        }
        !self.untold.is_empty()
    }

    /// Whether a scope goes ahead of others.
    pub(super) fn is_ahead(&self, scope: &Scope, now: Instant) -> bool {
        self.ahead.get(scope).is_some_and(|until| *until > now)
    }

    /// Whether any scope of an account does.
    pub(super) fn is_account_ahead(&self, account: &AccountId, now: Instant) -> bool {
        self.ahead.iter().any(|(scope, until)| scope.account == *account && *until > now)
    }

    /// Takes the scopes whose watchers have not been told.
    pub(super) fn take_untold(&mut self) -> BTreeSet<Scope> {
        std::mem::take(&mut self.untold)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::Region;
    use crate::model::fixtures::at_millis;

    fn scope(number: usize) -> Scope {
        Scope {
            account: AccountId::new(format!("{:012}", number / 17)),
            region: Region::new(format!("r{}", number % 17)),
        }
    }

    fn after(begun: Instant, seconds: u64) -> Now {
        let millis = i64::try_from(seconds).unwrap() * 1_000;
        Now { dated: at_millis(millis), steady: begun + Duration::from_secs(seconds) }
    }

    fn quiet(scopes: impl Iterator<Item = usize>) -> Attention {
        let mut attention = Attention::default();
        scopes.for_each(|number| attention.set_quiet(scope(number), true));
        attention
    }

    #[test]
    fn a_question_without_a_scope_wakes_few_and_one_that_names_them_wakes_more() {
        let (begun, all) = (Instant::now(), (0..=FEW).map(scope).collect::<BTreeSet<_>>());
        let mut attention = quiet(0..FEW);
        assert_eq!(attention.rouse(&all, false, after(begun, 0)).woken.len(), FEW, "the last one is not quiet");
        let mut attention = quiet(0..=FEW);
        let roused = attention.rouse(&all, false, after(begun, 0));
        assert_eq!((roused.woken.len(), roused.resting), (0, FEW + 1));
        assert!(attention.take_untold().is_empty());
        let roused = attention.rouse(&all, true, after(begun, 0));
        assert_eq!((roused.woken.len(), roused.resting), (FEW + 1, 0));
        assert_eq!(attention.take_untold(), all);
        assert!(attention.is_account_ahead(&scope(0).account, begun));
        assert!(attention.is_ahead(&scope(0), begun) && !attention.is_ahead(&scope(0), begun + AHEAD_FOR));
    }

    #[test]
    fn who_asks_again_waits_for_the_sweep_that_was_asked_for_before() {
        let (begun, one) = (Instant::now(), BTreeSet::from([scope(0)]));
        let mut attention = quiet(0..1);
        let first = attention.rouse(&one, true, after(begun, 1));
        attention.take_untold();
        assert_eq!(attention.rouse(&one, true, after(begun, 9)), first);
        assert!(attention.take_untold().is_empty());
        assert!(attention.attend(&scope(0), begun) && !attention.attend(&scope(1), begun));
        assert_eq!(attention.take_untold(), one, "a subscription has it swept in any case");
        let later = attention.rouse(&one, true, after(begun, 11));
        assert_eq!(later.woken, [(scope(0), at_millis(11_000))]);
        assert_eq!(attention.take_untold(), one);
    }

    #[test]
    fn nearly_all_do_not_go_ahead_of_all() {
        let mut attention = Attention::default();
        let many: BTreeSet<Scope> = (0..=AHEAD).map(scope).collect();
        let now = Instant::now();
        assert!(!attention.send_ahead(&many, now));
        let some: BTreeSet<Scope> = many.iter().take(AHEAD).cloned().collect();
        assert!(attention.send_ahead(&some, now));
        assert_eq!(attention.take_untold(), some);
        assert!(!attention.send_ahead(&some, now), "their watchers know");
        for part in 1..ALL_AHEAD / AHEAD {
            let others: BTreeSet<Scope> = (0..AHEAD).map(|number| scope(part * 1_000 + number)).collect();
            assert!(attention.send_ahead(&others, now));
        }
        assert!(!attention.send_ahead(&BTreeSet::from([scope(99_999)]), now));
        assert!(attention.send_ahead(&BTreeSet::from([scope(99_999)]), now + AHEAD_FOR), "the others are over");
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

        /// Whatever is asked, in whatever order: what is woken is quiet and meant, and no minute sees more wakes than it may.
        #[test]
        fn questions_wake_what_they_mean_and_never_too_much(
            questions in proptest::collection::vec((0_usize..400, 0_usize..300, any::<bool>(), 0_u64..8), 1..60),
        ) {
            let begun = Instant::now();
            let mut attention = quiet(0..300);
            let (mut clock, mut wakes) = (0, Vec::<(u64, Scope)>::new());
            for (first, count, is_named, pause) in questions {
                clock += pause;
                let meant: BTreeSet<Scope> = (first..first + count).map(scope).collect();
                let expected = meant.iter().filter(|meant| (0..300).any(|number| scope(number) == **meant)).count();
                let roused = attention.rouse(&meant, is_named, after(begun, clock));
                prop_assert_eq!(roused.woken.len() + roused.resting, expected);
                prop_assert!(is_named || roused.woken.len() <= FEW);
                let lately = |scope: &Scope, span: Duration, wakes: &[(u64, Scope)]| {
                    wakes.iter().filter(|(at, woken)| clock - at < span.as_secs() && woken == scope).count()
                };
                for (scope, at) in &roused.woken {
                    prop_assert!(meant.contains(scope));
                    let is_new = *at == at_millis(i64::try_from(clock).unwrap() * 1_000);
                    if is_new && lately(scope, AGAIN, &wakes) == 0 {
                        wakes.push((clock, scope.clone()));
                    }
                    prop_assert_eq!(lately(scope, AGAIN, &wakes), 1, "it is being swept, once");
                }
                let in_a_minute = wakes.iter().filter(|(at, _)| clock - at < MINUTE.as_secs()).count();
                prop_assert!(in_a_minute <= WAKES, "{} wakes", in_a_minute);
                let untold = attention.take_untold();
                prop_assert!(roused.woken.iter().all(|(scope, _)| attention.quiet.contains(scope)));
                prop_assert!(untold.iter().all(|scope| meant.contains(scope)));
            }
        }
    }
}
