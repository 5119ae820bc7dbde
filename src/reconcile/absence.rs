//! Judges absence from a complete sweep (rule 5).
//!
//! Pages of a listing are not one consistent snapshot, and describes lag, so a resource missing from one sweep is only a candidate.
//! It is removed if a second complete sweep lacks it too, or if a describe of its id, sent after the first sweep, answers NotFound.
//! This also holds for terminated resources, which AWS forgets within the hour: otherwise a page that omits one would remove a
//! resource that AWS still lists. They only do not count as vanished, however many expire together.

use std::sync::Arc;
use std::time::Duration;

use super::guard::{self, Candidates, Hold};
use crate::model::Timestamp;

/// A known resource that a complete sweep did not show.
#[derive(Clone, Debug)]
pub struct Unseen {
    /// Its id.
    pub id: Arc<str>,
    /// The newest evidence of it, of any source.
    pub newest: Timestamp,
    /// Whether it was known to be terminated or deleted: such resources expire, many at a time.
    pub gone: bool,
}

/// The judgment on the resources that a sweep did not show.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Absence {
    /// Proved gone.
    pub removed: Vec<Arc<str>>,
    /// Missing once; the next complete sweep or a NotFound decides.
    pub candidates: Candidates,
    /// How many were missing too soon after other evidence to conclude anything.
    pub spared: u64,
    /// Missing, but too many at once to be candidates.
    pub held: Option<Hold>,
}

/// Judges the resources that the complete sweep from `started` to `ended` did not show; `alive` is the number of resources that are
/// not known to be gone. Evidence
/// as recent as `fresh` before it spares a resource.
///
/// `candidates` are those that the previous complete sweep lacked; a resource that was seen since is not in `unseen`, and so is no
/// longer a candidate.
#[must_use]
pub fn judge(
    unseen: Vec<Unseen>,
    candidates: &Candidates,
    alive: usize,
    fresh: Duration,
    started: Timestamp,
    ended: Timestamp,
) -> Absence {
    let mut absence = Absence::default();
    let (mut proved, mut aged, mut vanished) = (Vec::new(), Vec::new(), Vec::new());
    for resource in unseen {
        match candidates.get(&resource.id) {
            _ if resource.newest + fresh > started => absence.spared += 1,
            Some(first) if resource.newest < *first => proved.push(resource.id),
            _ if resource.gone => aged.push(resource.id),
            _ => vanished.push(resource.id),
        }
    }
    if guard::is_suspicious(vanished.len(), alive) {
        // A listing that lost so many proves nothing: earlier candidates stay candidates.
        let kept = proved.into_iter().filter_map(|id| candidates.get_key_value(&id));
        absence.candidates.extend(kept.map(|(id, first)| (Arc::clone(id), *first)));
        absence.held = Some(Hold::new(vanished, alive, ended));
    } else {
        absence.removed = proved;
        absence.candidates.extend(vanished.into_iter().map(|id| (id, ended)));
    }
    // It proves nothing against terminated ones either: describes of their ids will decide.
    absence.candidates.extend(aged.into_iter().map(|id| (id, ended)));
    absence
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::fixtures::at;
    use crate::model::kind_rules::ABSENCE_AFTER;

    fn unseen(newest: i64, gone: bool) -> Vec<Unseen> {
        vec![Unseen { id: "i-1".into(), newest: at(newest), gone }]
    }

    fn many(count: usize, gone: bool) -> Vec<Unseen> {
        (0..count).map(|n| Unseen { id: format!("i-{n:04}").into(), newest: at(0), gone }).collect()
    }

    #[test]
    fn a_resource_is_removed_only_by_the_second_sweep_that_lacks_it() {
        let first = judge(unseen(0, false), &Candidates::new(), 1, ABSENCE_AFTER, at(100), at(110));
        assert!(first.removed.is_empty());
        let second = judge(unseen(0, false), &first.candidates, 1, ABSENCE_AFTER, at(200), at(210));
        assert_eq!(second.removed, ["i-1".into()]);
        assert!(second.candidates.is_empty());
    }

    #[test]
    fn a_terminated_resource_goes_on_the_same_proof() {
        let first = judge(unseen(0, true), &Candidates::new(), 1, ABSENCE_AFTER, at(100), at(110));
        assert!(first.removed.is_empty());
        assert_eq!(
            judge(unseen(0, true), &first.candidates, 1, ABSENCE_AFTER, at(200), at(210)).removed,
            ["i-1".into()]
        );
    }

    #[test]
    fn recent_evidence_outweighs_absence() {
        let first = judge(unseen(45, false), &Candidates::new(), 1, ABSENCE_AFTER, at(100), at(110));
        let sooner = judge(unseen(45, false), &Candidates::new(), 1, Duration::from_secs(55), at(100), at(110));
        assert_eq!((first.spared, sooner.spared), (1, 0));
        assert_eq!(first, Absence { spared: 1, ..Absence::default() });
    }

    #[test]
    fn evidence_after_the_first_absence_restarts_the_proof() {
        let candidates = Candidates::from([("i-1".into(), at(110))]);
        let next = judge(unseen(120, false), &candidates, 1, ABSENCE_AFTER, at(200), at(210));
        assert!(next.removed.is_empty());
        assert_eq!(next.candidates, Candidates::from([("i-1".into(), at(210))]));
    }

    #[test]
    fn more_than_a_tenth_vanishing_at_once_is_held_and_proves_nothing() {
        let candidates = Candidates::from([("i-0000".into(), at(50))]);
        let held = judge(many(40, false), &candidates, 100, ABSENCE_AFTER, at(100), at(110));
        assert!(held.removed.is_empty());
        assert_eq!(held.candidates, candidates);
        assert_eq!(held.held.expect("a hold").len(), 39);
        assert_eq!(
            judge(many(40, false), &Candidates::new(), 1000, ABSENCE_AFTER, at(100), at(110)).candidates.len(),
            40
        );
    }

    #[test]
    fn terminated_resources_that_a_held_listing_lacked_are_candidates_like_any_other() {
        let unseen = || many(40, false).into_iter().chain(unseen(0, true)).collect();
        let held = judge(unseen(), &Candidates::new(), 100, ABSENCE_AFTER, at(100), at(110));
        assert_eq!((held.removed.len(), held.candidates.len()), (0, 1));
        let fine = judge(unseen(), &Candidates::new(), 1000, ABSENCE_AFTER, at(100), at(110));
        assert_eq!((fine.candidates.len(), fine.spared), (41, 0));
    }

    #[test]
    fn terminated_resources_that_age_out_together_are_not_suspicious() {
        let absence = judge(many(40, true), &Candidates::new(), 100, ABSENCE_AFTER, at(100), at(110));
        assert_eq!((absence.candidates.len(), absence.held), (40, None));
    }
}
