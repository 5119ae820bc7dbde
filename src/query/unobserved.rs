//! Finds the gaps between runs of watching.
//!
//! The first sweep after a gap finds a change in it, so only the times between which it happened are known; a resource that
//! existed only in the gap is never seen. That is so between any two sweeps, so only a time longer than the usual interval counts
//! as a gap.

use std::time::Duration;

use serde::Serialize;

use crate::model::{Kind, Scope, Timestamp};

/// A time in which a kind in a scope was not watched.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Gap {
    /// Its beginning.
    pub from: Timestamp,
    /// Its end.
    pub to: Timestamp,
    /// The scope.
    #[serde(flatten)]
    pub scope: Scope,
    /// The kind.
    pub kind: Kind,
}

/// The parts of `from` to `to` that are in no run of watching and longer than `usual`, in order. `runs` are (since, until) in any
/// order, and may overlap.
#[must_use]
pub fn gaps(
    mut runs: Vec<(Timestamp, Timestamp)>,
    usual: Duration,
    from: Timestamp,
    to: Timestamp,
) -> Vec<(Timestamp, Timestamp)> {
    runs.sort_unstable();
    let (mut found, mut seen) = (Vec::new(), from);
    for (since, until) in runs {
        if since >= to {
            break;
        }
        if since > seen {
            found.push((seen, since));
        }
        seen = seen.max(until);
    }
    if seen < to {
        found.push((seen, to));
    }
    found.retain(|(since, until)| until.since(*since) > usual);
    found
}

/// The gap around `at`, cut to `from` and `to`; `None` when `at` was watched.
#[must_use]
pub fn around(
    runs: Vec<(Timestamp, Timestamp)>,
    usual: Duration,
    at: Timestamp,
    from: Timestamp,
    to: Timestamp,
) -> Option<(Timestamp, Timestamp)> {
    gaps(runs, usual, from, to).into_iter().find(|(since, until)| *since <= at && at < *until)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::fixtures::at_millis;

    proptest! {
        #[test]
        fn a_moment_is_in_a_gap_exactly_when_no_run_holds_it(
            runs in proptest::collection::vec((0..60_i64, 0..20_i64), 0..6),
            from in 0..60_i64,
            length in 0..60_i64,
        ) {
            let runs: Vec<_> = runs.into_iter().map(|(since, length)| (at_millis(since), at_millis(since + length))).collect();
            let found = gaps(runs.clone(), Duration::ZERO, at_millis(from), at_millis(from + length));
            for moment in 0..150 {
                // Half-open on both sides: the moment stands for the millisecond that it begins.
                let watched = runs.iter().any(|(since, until)| *since <= at_millis(moment) && at_millis(moment) < *until);
                let inside = moment >= from && moment < from + length;
                let gap = found.iter().any(|(since, until)| *since <= at_millis(moment) && at_millis(moment) < *until);
                prop_assert_eq!(gap, inside && !watched, "{}", moment);
                let gap = around(runs.clone(), Duration::ZERO, at_millis(moment), at_millis(from), at_millis(from + length));
                prop_assert_eq!(gap.is_some(), inside && !watched);
            }
            prop_assert!(found.iter().all(|(since, until)| since < until));
            let long = gaps(runs, Duration::from_millis(5), at_millis(from), at_millis(from + length));
            let expected = found.iter().copied().filter(|(since, until)| until.since(*since) > Duration::from_millis(5));
            prop_assert_eq!(long, expected.collect::<Vec<_>>());
            prop_assert!(found.windows(2).all(|pair| pair[0].1 <= pair[1].0));
        }
    }
}
