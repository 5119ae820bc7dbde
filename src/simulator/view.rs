//! How one request sees the account: some resources late, some not at all, some without their tags.
//!
//! A [`View`] is made once per request from the faults that are set. It contains only a few numbers. What it says about
//! a resource depends on these and on the resource's own number, never on earlier questions. Only Describe calls use
//! it; mutations and their dry runs use [`View::now`], like AWS's write path.

use std::time::Duration;

use crate::simulator::clock::Moment;
use crate::simulator::dice::Dice;
use crate::simulator::ident::Kind;

/// How one request sees the account.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct View {
    now: Moment,
    lag: Lag,
    hidden: Loss,
    tagless: Loss,
    stuck: Loss,
}

/// How one request sees one resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sight {
    /// The request sees the resource as it was at this moment; a resource that did not exist then is not found.
    pub(crate) at: Moment,
    /// The resource is missing from this answer.
    pub(crate) hidden: bool,
    /// Its tags are missing from this answer.
    pub(crate) tagless: bool,
}

/// Which faults a view applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "four faults that have nothing to do with each other")]
pub(crate) struct Staleness {
    pub(crate) late: bool,
    pub(crate) hiding: bool,
    pub(crate) losing_tags: bool,
    pub(crate) sticking: bool,
}

/// How late changes are shown. Each resource has its own lag, up to the longest one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lag {
    pub(crate) seed: u64,
    /// The longest lag in milliseconds; 0 means off.
    pub(crate) most: u64,
    /// The number of the call, if every call draws new lags, so that a later call may see an earlier moment. Otherwise
    /// the lag of a resource changes more slowly than time passes, and no resource appears to go back in time.
    pub(crate) call: Option<u64>,
}

/// A fault that affects a share of the resources.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Loss {
    pub(crate) seed: u64,
    /// From 0 (none) to 1 (all).
    pub(crate) share: f64,
}

impl View {
    /// A view without faults: everything as of `now`.
    pub(crate) const fn clear(now: Moment) -> Self {
        Self { now, lag: Lag::NONE, hidden: Loss::NONE, tagless: Loss::NONE, stuck: Loss::NONE }
    }

    /// A view with faults.
    pub(crate) const fn faulty(now: Moment, lag: Lag, hidden: Loss, tagless: Loss, stuck: Loss) -> Self {
        Self { now, lag, hidden, tagless, stuck }
    }

    /// The same faults at another moment, for a request that had to wait.
    pub(crate) const fn of_moment(mut self, now: Moment) -> Self {
        self.now = now;
        self
    }

    /// The moment of the request.
    pub(crate) const fn now(&self) -> Moment {
        self.now
    }

    /// How the request sees the resource of `kind` with this number.
    pub(crate) fn of(&self, kind: Kind, number: u64) -> Sight {
        Sight {
            at: self.lag.behind(self.now, kind, number),
            hidden: self.hidden.strikes(kind, number),
            tagless: self.tagless.strikes(kind, number),
        }
    }

    /// Which faults it applies.
    pub(crate) fn staleness(&self) -> Staleness {
        Staleness {
            late: self.lag.most > 0,
            hiding: self.hidden.share > 0.0,
            losing_tags: self.tagless.share > 0.0,
            sticking: self.stuck.share > 0.0,
        }
    }

    /// Whether the resource of `kind` with this number, started by this request, gets stuck: a snapshot that stays
    /// `pending`.
    pub(crate) fn sticks(&self, kind: Kind, number: u64) -> bool {
        self.stuck.strikes(kind, number)
    }
}

impl Lag {
    pub(crate) const NONE: Self = Self { seed: 0, most: 0, call: None };

    fn behind(self, now: Moment, kind: Kind, number: u64) -> Moment {
        if self.most == 0 {
            return now;
        }
        let late = match self.call {
            Some(call) => self.draw(kind, number, call),
            None => self.drifting(now, kind, number),
        };
        Moment(now.0.saturating_sub_unsigned(late))
    }

    /// A lag that moves from one draw to the next in a straight line, during four times the longest lag. So it changes
    /// by at most a quarter of the time that passes.
    fn drifting(self, now: Moment, kind: Kind, number: u64) -> u64 {
        let length = self.most.saturating_mul(4).max(1);
        let since = now.0.unsigned_abs();
        let (epoch, within) = (since / length, since % length);
        let (from, to) = (self.draw(kind, number, epoch), self.draw(kind, number, epoch + 1));
        let moved = u128::from(from.abs_diff(to)) * u128::from(within) / u128::from(length);
        let moved = u64::try_from(moved).unwrap_or(0);
        if to > from { from + moved } else { from - moved }
    }

    /// A lag from zero to the longest one.
    fn draw(self, kind: Kind, number: u64, round: u64) -> u64 {
        let seed = Dice::new(self.seed, round).next();
        thing(seed, kind, number).below(self.most.saturating_add(1))
    }
}

impl Loss {
    pub(crate) const NONE: Self = Self { seed: 0, share: 0.0 };

    fn strikes(self, kind: Kind, number: u64) -> bool {
        self.share > 0.0 && thing(self.seed, kind, number).chance(self.share)
    }
}

fn thing(seed: u64, kind: Kind, number: u64) -> Dice {
    Dice::new(Dice::new(seed, kind as u64).next(), number)
}

/// A lag in the unit of [`Lag::most`].
pub(crate) fn most(lag: Duration) -> u64 {
    u64::try_from(lag.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Moment = Moment(1_795_348_800_000);

    fn late(call: Option<u64>) -> View {
        let lag = Lag { seed: 7, most: 5_000, call };
        View::faulty(NOW, lag, Loss::NONE, Loss::NONE, Loss::NONE)
    }

    #[test]
    fn a_clear_lens_shows_everything_as_it_is_now() {
        let view = View::clear(NOW);
        for number in 0..100 {
            assert_eq!(view.of(Kind::Instance, number), Sight { at: NOW, hidden: false, tagless: false });
            assert!(!view.sticks(Kind::Snapshot, number));
        }
    }

    #[test]
    fn a_lag_differs_by_resource_up_to_its_most() {
        for view in [late(None), late(Some(3))] {
            let lags: Vec<i64> = (0..1_000).map(|number| NOW.0 - view.of(Kind::Instance, number).at.0).collect();
            assert!(lags.iter().all(|lag| (0..=5_000).contains(lag)));
            let mean = lags.iter().sum::<i64>() / 1_000;
            assert!((2_200..2_800).contains(&mean), "{mean}");
            assert_ne!(view.of(Kind::Instance, 1).at, view.of(Kind::Volume, 1).at);
        }
    }

    #[test]
    fn a_resource_is_never_seen_to_go_back_unless_every_call_draws_anew() {
        let seen = |after: i64, call| {
            let view = View { now: Moment(NOW.0 + after), ..late(call) };
            view.of(Kind::Instance, 5).at
        };
        let steady: Vec<Moment> = (0..600).map(|n| seen(n * 100, None)).collect();
        assert!(steady.is_sorted());
        let drawn: Vec<Moment> = (0..600).map(|n| seen(n * 100, Some(n.unsigned_abs()))).collect();
        assert!(!drawn.is_sorted());
    }

    #[test]
    fn a_loss_takes_its_share_and_the_same_ones_each_time() {
        let loss = |seed| Loss { seed, share: 0.3 };
        let view = View::faulty(NOW, Lag::NONE, loss(1), loss(2), loss(3));
        let count = |of: fn(&View, u64) -> bool| (0..10_000).filter(|number| of(&view, *number)).count();
        for of in [
            |view: &View, number| view.of(Kind::Instance, number).hidden,
            |view: &View, number| view.of(Kind::Instance, number).tagless,
            |view: &View, number| view.sticks(Kind::Snapshot, number),
        ] {
            let struck = count(of);
            assert!((2_800..3_200).contains(&struck), "{struck}");
            assert_eq!(struck, count(of));
        }
    }
}
