//! The counts of actions that are not called for long, in accounts and regions in which nothing happens.

use std::collections::BTreeMap;

use super::tally::CallTotals;
use crate::model::Scope;

/// What is left of actions that are not called.
#[derive(Debug, Default)]
pub(super) struct RestedCounts {
    counts: BTreeMap<Scope, Vec<(&'static str, CallTotals)>>,
}

impl RestedCounts {
    /// Keeps the counts of an action that rests.
    pub(super) fn put(&mut self, scope: &Scope, action: &'static str, totals: CallTotals) {
        let counts = self.counts.entry(scope.clone()).or_default();
        counts.reserve_exact(1);
        counts.push((action, totals));
    }

    /// Takes the counts of an action that is called again; none if it was never called.
    pub(super) fn take(&mut self, scope: &Scope, action: &'static str) -> CallTotals {
        let Some(counts) = self.counts.get_mut(scope) else { return CallTotals::default() };
        let place = counts.iter().position(|(known, _)| *known == action);
        let (_, totals) = place.map_or((action, CallTotals::default()), |place| counts.swap_remove(place));
        if counts.is_empty() {
            self.counts.remove(scope);
        }
        totals
    }

    /// All of them.
    pub(super) fn all(&self) -> impl Iterator<Item = (&Scope, &'static str, CallTotals)> {
        self.counts
            .iter()
            .flat_map(|(scope, counts)| counts.iter().map(move |(action, totals)| (scope, *action, *totals)))
    }
}
