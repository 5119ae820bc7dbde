//! The versions of one thing, each with the moment from which it holds.
//!
//! Everything that can change in the simulated account is kept like this, and nothing is dropped while the simulator
//! runs. Lag, the journal and the oracle all ask what held at an earlier moment.

use crate::simulator::clock::Moment;

/// The versions of one thing, oldest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct History<T> {
    /// All versions except the newest. Most histories have none.
    past: Vec<(Moment, T)>,
    /// When the newest version began.
    from: Moment,
    latest: T,
}

impl<T> History<T> {
    /// A history whose first version begins at `from`; [`Moment::NEVER`] means that it has always held.
    pub(crate) const fn new(from: Moment, first: T) -> Self {
        Self { past: Vec::new(), from, latest: first }
    }

    /// The version that held at `moment`; `None` before the first one. Of versions that began at the same moment, the
    /// last one holds.
    pub(crate) fn at(&self, moment: Moment) -> Option<&T> {
        if self.from <= moment {
            return Some(&self.latest);
        }
        let after = self.past.partition_point(|(from, _)| *from <= moment);
        self.past.get(after.checked_sub(1)?).map(|(_, version)| version)
    }

    /// The newest version.
    pub(crate) const fn latest(&self) -> &T {
        &self.latest
    }

    /// Adds a version that holds from `from` on. If `from` is before the newest version's beginning, the two begin
    /// together, because the clock may step back. (An account rewinds its histories when it notices a clock that was
    /// set back.)
    pub(crate) fn push(&mut self, from: Moment, next: T) {
        let from = from.max(self.from);
        let before = std::mem::replace(&mut self.latest, next);
        self.past.push((self.from, before));
        self.from = from;
    }

    /// Lets no version begin after `to`. The clock was set back to `to`; what held when that happened holds from `to` on.
    pub(crate) fn rewind(&mut self, to: Moment) {
        self.from = self.from.min(to);
        for (from, _) in self.past.iter_mut().rev().take_while(|(from, _)| *from > to) {
            *from = to;
        }
    }

    /// The versions and when each began, oldest first.
    pub(crate) fn versions(&self) -> impl Iterator<Item = (Moment, &T)> {
        let past = self.past.iter().map(|(from, version)| (*from, version));
        past.chain(std::iter::once((self.from, &self.latest)))
    }

    /// The moments at which versions began, oldest first.
    pub(crate) fn moments(&self) -> impl Iterator<Item = Moment> {
        self.versions().map(|(from, _)| from)
    }
}

impl<T: Clone> History<T> {
    /// Adds a version that is made from the newest one.
    pub(crate) fn change(&mut self, from: Moment, with: impl FnOnce(&mut T)) {
        let mut next = self.latest.clone();
        with(&mut next);
        self.push(from, next);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_holds_from_its_moment_until_the_next() {
        let mut history = History::new(Moment(10), "a");
        history.push(Moment(20), "b");
        history.push(Moment(30), "c");
        assert_eq!(
            [9, 10, 19, 20, 29, 30, 99].map(|at| history.at(Moment(at)).copied()),
            [None, Some("a"), Some("a"), Some("b"), Some("b"), Some("c"), Some("c")]
        );
        assert_eq!(*history.latest(), "c");
        assert_eq!(history.moments().collect::<Vec<_>>(), [Moment(10), Moment(20), Moment(30)]);
    }

    #[test]
    fn a_clock_that_jumps_back_keeps_the_versions_in_order() {
        let mut history = History::new(Moment(10), 1);
        history.push(Moment(50), 2);
        history.change(Moment(20), |n| *n += 1);
        assert_eq!(history.moments().collect::<Vec<_>>(), [Moment(10), Moment(50), Moment(50)]);
        assert_eq!((history.at(Moment(49)), history.at(Moment(50))), (Some(&1), Some(&3)));
        history.rewind(Moment(30));
        assert_eq!(history.moments().collect::<Vec<_>>(), [Moment(10), Moment(30), Moment(30)]);
        assert_eq!((history.at(Moment(29)), history.at(Moment(30))), (Some(&1), Some(&3)));
    }
}
