//! The resources of one kind that calls made or changed, as versions that take precedence over the formula.

use std::collections::HashMap;

use crate::simulator::clock::Moment;
use crate::simulator::history::History;

/// The first number of resources that calls create.
pub(crate) const CREATED: u64 = 1 << 40;

/// A type with moments of its own, which move when the clock is set back.
pub(crate) trait Timed {
    /// Moves each moment through `shift`. Most types have none.
    fn shift(&mut self, _shift: impl Fn(Moment) -> Moment) {}
}

/// The resources of one kind that calls made or changed, by number.
#[derive(Debug)]
pub(crate) struct Changes<T> {
    changed: HashMap<u64, History<T>>,
    made: u64,
}

impl<T> Default for Changes<T> {
    fn default() -> Self {
        Self { changed: HashMap::new(), made: 0 }
    }
}

impl<T> Changes<T> {
    pub(crate) fn get(&self, number: u64) -> Option<&History<T>> {
        self.changed.get(&number)
    }

    /// The numbers of all resources that were made or changed, in no particular order.
    pub(crate) fn numbers(&self) -> Vec<u64> {
        self.changed.keys().copied().collect()
    }

    /// The numbers of the resources that calls made, starting with `from`.
    pub(crate) fn made(&self, from: u64) -> impl Iterator<Item = u64> + use<T> {
        from.max(CREATED)..CREATED + self.made
    }

    /// The number of the resource that is made next.
    pub(crate) const fn next(&self) -> u64 {
        CREATED + self.made
    }

    /// Adds a resource that a call made at `now`. It must have the number [`Changes::next`].
    pub(crate) fn make(&mut self, now: Moment, made: T) {
        self.changed.insert(self.next(), History::new(now, made));
        self.made += 1;
    }

    /// Replaces a resource by `next` from `now` on. `formula` gives its earlier form if it was never changed before.
    pub(crate) fn change(&mut self, number: u64, now: Moment, formula: impl FnOnce() -> T, next: T) {
        let history = self.changed.entry(number).or_insert_with(|| History::new(Moment::NEVER, formula()));
        history.push(now, next);
    }
}

impl<T: Timed + Clone + PartialEq> Changes<T> {
    /// Rewinds after the clock was set back from `from` to `to`: nothing begins later than `to`, and what was to be
    /// done later still takes as long as it did.
    pub(crate) fn rewind(&mut self, to: Moment, from: Moment) {
        let back = from.0.saturating_sub(to.0);
        for history in self.changed.values_mut() {
            history.rewind(to);
            let mut moved = history.latest().clone();
            moved.shift(|moment| if moment > to { Moment(moment.0 - back).max(to) } else { moment });
            if moved != *history.latest() {
                history.push(to, moved);
            }
        }
    }
}
