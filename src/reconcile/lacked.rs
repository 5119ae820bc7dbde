//! Counts how many complete sweeps lacked a resource that is still served, and since when.
//!
//! A resource is served until its absence is proved (see [`super::absence`]), which takes at least a minute after its last
//! evidence, however often sweeps run. Meanwhile an answer about it can say what the sweeps saw.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::Timestamp;

/// What complete sweeps show about a resource that the last of them lacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lacked {
    /// When the first of these sweeps started.
    pub since: Timestamp,
    /// How many complete sweeps in a row lacked it.
    pub sweeps: u32,
}

/// The resources of one kind in one scope that the last complete sweep lacked.
#[derive(Clone, Debug, Default)]
pub struct Lacking(BTreeMap<Arc<str>, Lacked>);

impl Lacking {
    /// Nothing is lacking.
    pub(super) const fn none() -> Self {
        Lacking(BTreeMap::new())
    }

    /// Whether nothing is lacking.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Records that a complete sweep started at `started` lacked exactly these.
    pub fn complete<'a>(&mut self, ids: impl Iterator<Item = &'a Arc<str>>, started: Timestamp) {
        let before = std::mem::take(&mut self.0);
        let first = Lacked { since: started, sweeps: 0 };
        self.0 = ids
            .map(|id| {
                let Lacked { since, sweeps } = before.get(id).copied().unwrap_or(first);
                (Arc::clone(id), Lacked { since, sweeps: sweeps.saturating_add(1) })
            })
            .collect();
    }

    /// Records that a resource was seen or removed.
    pub fn settled(&mut self, id: &str) {
        self.0.remove(id);
    }

    /// Keeps those whose time is still comparable.
    pub fn retain(&mut self, dated: impl Fn(Timestamp) -> bool) {
        self.0.retain(|_, lacked| dated(lacked.since));
    }

    /// What sweeps show about a resource; `None` if the last complete one showed it.
    #[must_use]
    pub fn of(&self, id: &str) -> Option<Lacked> {
        self.0.get(id).copied()
    }

    /// The earliest time since when any of them is lacking.
    #[must_use]
    pub fn since(&self) -> Option<Timestamp> {
        self.0.values().map(|lacked| lacked.since).min()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::fixtures::at;

    proptest! {
        /// Against the plain history: a resource is lacking since the first sweep after the last one that showed it.
        #[test]
        fn a_resource_is_lacking_since_the_last_sweep_that_showed_it(
            sweeps in prop::collection::vec(prop::collection::btree_set(0_u8..4, 0..4), 1..12),
        ) {
            let ids: Vec<Arc<str>> = (0_u8..4).map(|number| Arc::from(number.to_string())).collect();
            let mut lacking = Lacking::default();
            for (number, shown) in sweeps.iter().enumerate() {
                for id in shown {
                    lacking.settled(&ids[usize::from(*id)]);
                }
                let lacked = ids.iter().enumerate().filter(|(id, _)| !shown.iter().any(|shown| usize::from(*shown) == *id));
                lacking.complete(lacked.map(|(_, id)| id), at(i64::try_from(number).unwrap()));
                for (id, name) in ids.iter().enumerate() {
                    let row = sweeps[..=number].iter().rev().take_while(|shown| !shown.iter().any(|one| usize::from(*one) == id));
                    let row = row.count();
                    let expected = (row > 0).then(|| Lacked {
                        since: at(i64::try_from(number + 1 - row).unwrap()),
                        sweeps: u32::try_from(row).unwrap(),
                    });
                    prop_assert_eq!(lacking.of(name), expected);
                }
            }
        }
    }

    #[test]
    fn absences_dated_before_a_jump_of_the_clock_are_forgotten() {
        let (a, b) = (Arc::<str>::from("a"), Arc::<str>::from("b"));
        let mut lacking = Lacking::default();
        lacking.complete([&a].into_iter(), at(1));
        lacking.complete([&a, &b].into_iter(), at(5));
        assert_eq!(lacking.since(), Some(at(1)));
        lacking.retain(|since| since >= at(3));
        assert_eq!((lacking.of("a"), lacking.since()), (None, Some(at(5))));
    }
}
