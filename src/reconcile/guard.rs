//! Judges a listing in which many resources vanish at once (rule 6).
//!
//! That is hardly ever real: a broken filter, a partition, or credentials with fewer permissions look the same. So listings alone
//! remove nothing. A sample is described by id; only if AWS answers NotFound for nearly all of it do the vanished resources become
//! ordinary candidates of rule 5. Otherwise they stay held, and the next listing is judged again.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use crate::model::Timestamp;

/// Up to this number is never suspicious.
const FEW: usize = 20;

/// At most one in this many may vanish at once without suspicion.
const SHARE: usize = 10;

/// How many are described by id.
const SAMPLE: usize = 200;

/// The percentage of the sample that must not be found.
const ENOUGH: usize = 95;

/// Resources that a complete sweep lacked, with the end of the first such sweep.
pub type Candidates = BTreeMap<Arc<str>, Timestamp>;

/// Whether `vanished` of `alive` resources at once are too many to believe.
pub(super) fn is_suspicious(vanished: usize, alive: usize) -> bool {
    vanished > FEW && vanished * SHARE > alive
}

/// Resources that vanished together and are not assumed to be gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    ids: Vec<Arc<str>>,
    alive: usize,
    ended: Timestamp,
    /// The sample, with whether AWS found each; `None` until it answered.
    sample: BTreeMap<Arc<str>, Option<bool>>,
}

/// A [`Hold`] as shown in freshness.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct HeldBack {
    /// How many vanished in one listing.
    pub vanished: usize,
    /// The number of resources that were not known to be terminated.
    pub of: usize,
    /// When that listing ended.
    pub since: Timestamp,
    /// How many ids of the sample AWS has answered.
    pub asked: usize,
    /// How many of those AWS did not find.
    pub not_found: usize,
}

impl Hold {
    /// Holds `ids`, which the listing that ended at `ended` lacked.
    pub(super) fn new(mut ids: Vec<Arc<str>>, alive: usize, ended: Timestamp) -> Self {
        ids.sort_unstable();
        let step = ids.len().div_ceil(SAMPLE).max(1);
        // The sample is spread over all ids: ids lost together are not neighbours in general, but zones and owners may have
        // neighbouring ones.
        let sample = ids.iter().step_by(step).map(|id| (Arc::clone(id), None)).collect();
        Hold { ids, alive, ended, sample }
    }

    /// How many resources are held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// When the listing that lacked them ended.
    #[must_use]
    pub fn ended(&self) -> Timestamp {
        self.ended
    }

    /// Whether none is held, which never happens.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// The ids to describe.
    pub fn sample(&self) -> impl Iterator<Item = &Arc<str>> {
        self.sample.keys()
    }

    /// Records AWS's answer for an id, from a describe sent at `at`. Returns true if the sample is complete and shows that the held
    /// resources are gone.
    pub(super) fn answered(&mut self, id: &str, found: bool, at: Timestamp) -> bool {
        match self.sample.get_mut(id) {
            Some(answer) if at >= self.ended => *answer = Some(found),
            _ => return false,
        }
        let told: Vec<bool> = self.sample.values().filter_map(|answer| *answer).collect();
        let missing = told.iter().filter(|found| !**found).count();
        told.len() == self.sample.len() && missing * 100 >= told.len() * ENOUGH
    }

    /// Turns the held resources into ordinary candidates.
    pub(super) fn release(self) -> Candidates {
        self.ids.into_iter().map(|id| (id, self.ended)).collect()
    }

    /// The hold as shown in freshness.
    #[must_use]
    pub fn shown(&self) -> HeldBack {
        let count = |wanted: fn(&bool) -> bool| self.sample.values().flatten().filter(|found| wanted(found)).count();
        HeldBack {
            vanished: self.ids.len(),
            of: self.alive,
            since: self.ended,
            asked: count(|_| true),
            not_found: count(|found| !found),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hold(count: usize) -> Hold {
        let ids = (0..count).map(|n| format!("i-{n:05}").into()).collect();
        Hold::new(ids, count, Timestamp::from_millis(100))
    }

    fn ask(hold: &mut Hold, found: usize) -> bool {
        let sample: Vec<Arc<str>> = hold.sample().cloned().collect();
        let at = Timestamp::from_millis(200);
        sample.iter().enumerate().any(|(n, id)| hold.answered(id, n < found, at))
    }

    #[test]
    fn more_than_a_tenth_and_more_than_twenty_are_suspicious() {
        assert!(!is_suspicious(20, 20));
        assert!(!is_suspicious(100, 1000));
        assert!(is_suspicious(101, 1000));
        assert!(is_suspicious(21, 21));
    }

    #[test]
    fn the_sample_has_at_most_200_ids_spread_over_all() {
        assert_eq!(hold(21).sample().count(), 21);
        let large = hold(8000);
        assert_eq!(large.sample().count(), 200);
        assert!(large.sample().last().unwrap().as_ref() > "i-07900");
    }

    #[test]
    fn a_hold_is_released_when_nearly_all_of_the_sample_is_not_found() {
        assert!(ask(&mut hold(1000), 10));
        assert!(!ask(&mut hold(1000), 11));
        let mut kept = hold(1000);
        assert!(!ask(&mut kept, 200));
        assert_eq!(kept.shown(), HeldBack { vanished: 1000, of: 1000, since: kept.ended, asked: 200, not_found: 0 });
    }

    #[test]
    fn an_answer_from_before_the_listing_ended_is_ignored() {
        let mut hold = hold(21);
        let id = hold.sample().next().unwrap().clone();
        hold.answered(&id, true, Timestamp::from_millis(99));
        assert_eq!(hold.shown().asked, 0);
    }
}
