//! Scopes in which nothing happens: they hold nothing but the network that AWS makes in every region, and did not change for long.
//!
//! Most regions of most accounts are like that. They are swept rarely, and at once when an event or somebody asks for them. How
//! often they are swept is what freshness shows, and what staleness goes by. While somebody subscribes to what is in a scope, it is
//! swept as often as any other.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::freshness::Signal;
use crate::ingest::IngestHandle;
use crate::kinds::KindSpec;
use crate::model::{Scope, Timestamp};

/// Returns when something in a scope was last recorded as changed, at the earliest time if nothing ever was; `None` if it cannot be read.
pub type LastChange = Arc<dyn Fn(&Scope) -> Option<Timestamp> + Send + Sync>;

/// Returns whether anybody subscribes to what is in a scope.
pub type Listened = Arc<dyn Fn(&Scope) -> bool + Send + Sync>;

/// The kinds of the network that AWS makes in every region, each with how many of it there are at most.
const DEFAULT_NETWORK: [(&str, u64); 6] = [
    ("vpc", 1),
    // One in each Availability Zone.
    ("subnet", 12),
    ("route-table", 1),
    ("internet-gateway", 1),
    ("network-acl", 1),
    ("security-group", 1),
];

/// When a scope is quiet, and how often it is swept then.
#[derive(Clone)]
pub struct QuietRule {
    /// The time from one sweep to the next while a scope is quiet.
    pub interval: Duration,
    /// How long nothing must have changed.
    pub after: Duration,
    /// When something in a scope last changed.
    pub last_change: LastChange,
    /// Whether anybody subscribes to what is in a scope.
    pub is_listened: Listened,
}

/// Whether one scope is quiet.
pub(super) struct QuietScope {
    rule: QuietRule,
    is_quiet: bool,
    /// Before this time it cannot have been unchanged for long enough.
    not_before: Timestamp,
    /// How many resources of each kind its sweeps last showed, of which there were any.
    shown: Option<BTreeMap<&'static str, u64>>,
}

/// Whether these counts by kind are those of a default network at most.
fn is_default_network<'a>(counts: impl IntoIterator<Item = (&'a str, u64)>) -> bool {
    counts.into_iter().all(|(slug, count)| {
        let most = DEFAULT_NETWORK.iter().find(|(known, _)| *known == slug).map_or(0, |(_, most)| *most);
        count <= most
    })
}

impl QuietScope {
    /// A scope that is not known to be quiet.
    pub(super) fn new(rule: QuietRule) -> Self {
        QuietScope { rule, is_quiet: false, not_before: Timestamp::EPOCH, shown: None }
    }

    /// Whether it is quiet, as last judged.
    pub(super) fn is_quiet(&self) -> bool {
        self.is_quiet
    }

    /// How often a kind is swept whose usual interval this is.
    pub(super) fn interval(&self, usual: Duration) -> Duration {
        if self.is_quiet { self.rule.interval.max(usual) } else { usual }
    }

    /// Judges the scope after all its sweeps ended. Returns whether that changes how often it is swept; `None` while that cannot be
    /// told yet, because the writer has not taken in the end of each sweep.
    pub(super) async fn judge(
        &mut self,
        scope: &Scope,
        kinds: &[&'static KindSpec],
        ingest: &IngestHandle,
        now: Timestamp,
    ) -> Option<bool> {
        let is_quiet = self.is_now(scope, kinds, ingest, now).await?;
        let has_changed = std::mem::replace(&mut self.is_quiet, is_quiet) != is_quiet;
        if has_changed {
            tracing::info!(%scope, is_quiet, "the pace of sweeps changes");
            ingest.signal(Signal::Quiet { scope: scope.clone(), is_quiet });
        }
        Some(has_changed)
    }

    async fn is_now(
        &mut self,
        scope: &Scope,
        kinds: &[&'static KindSpec],
        ingest: &IngestHandle,
        now: Timestamp,
    ) -> Option<bool> {
        let freshness = ingest.freshness();
        let mut counts = Vec::with_capacity(kinds.len());
        for spec in kinds {
            let Some(state) = freshness.of(scope, &spec.kind()) else { return Some(false) };
            if state.running_since.is_some() {
                return None;
            }
            let is_settled = state.swept_now && state.trouble.is_none() && state.missing == 0;
            if state.missing > 0 {
                self.changed(now);
            }
            if !is_settled || state.unreadable.count() > 0 {
                return Some(false);
            }
            counts.push((spec.slug, state.seen));
        }
        self.notice(&counts, now);
        if now < self.not_before {
            return Some(false);
        }
        let QuietRule { last_change, is_listened, .. } = self.rule.clone();
        let of = scope.clone();
        let looked = tokio::task::spawn_blocking(move || last_change(&of).map(|changed| (changed, is_listened(&of))));
        let Ok(Some((changed, is_listened))) = looked.await else { return Some(false) };
        self.not_before = self.not_before.max(changed + self.rule.after);
        Some(now >= self.not_before && !is_listened)
    }

    /// Takes in how many resources of each kind the sweeps showed. What went is a change as well, although nothing that is left says
    /// so.
    fn notice(&mut self, counts: &[(&'static str, u64)], now: Timestamp) {
        let shown: BTreeMap<&'static str, u64> = counts.iter().copied().filter(|(_, count)| *count > 0).collect();
        let differs = self.shown.as_ref().is_some_and(|before| *before != shown);
        self.shown = Some(shown);
        if differs || !is_default_network(counts.iter().copied()) {
            self.changed(now);
        }
    }

    /// Notes that something changed.
    fn changed(&mut self, now: Timestamp) {
        self.not_before = self.not_before.max(now + self.rule.after);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope() -> QuietScope {
        let (last_change, is_listened): (LastChange, Listened) = (Arc::new(|_| None), Arc::new(|_| false));
        let (interval, after) = (Duration::from_hours(1), Duration::from_hours(24));
        QuietScope::new(QuietRule { interval, after, last_change, is_listened })
    }

    #[test]
    fn what_went_is_a_change_although_nothing_that_is_left_says_so() {
        let at = |hours: u64| Timestamp::EPOCH + Duration::from_hours(hours);
        let mut quiet = scope();
        quiet.notice(&[("vpc", 1), ("subnet", 3), ("instance", 0)], at(1_000));
        assert_eq!(quiet.not_before, Timestamp::EPOCH, "the store says since when it is so");
        quiet.notice(&[("vpc", 1), ("subnet", 3), ("instance", 2)], at(1_001));
        quiet.notice(&[("vpc", 1), ("subnet", 3), ("instance", 0)], at(1_010));
        assert_eq!(quiet.not_before, at(1_034), "a day after the last instance went");
        quiet.notice(&[("subnet", 3), ("instance", 0), ("vpc", 1)], at(1_020));
        assert_eq!(quiet.not_before, at(1_034), "in whatever order the sweeps ended");
        quiet.notice(&[("vpc", 1), ("subnet", 2), ("instance", 0)], at(1_030));
        assert_eq!(quiet.not_before, at(1_054), "a subnet of the default network went");
    }

    #[test]
    fn a_default_network_is_what_aws_makes_in_every_region() {
        let made = [("vpc", 1), ("subnet", 3), ("route-table", 1), ("security-group", 1), ("instance", 0)];
        assert!(is_default_network(made));
        assert!(is_default_network([]));
        for more in [("instance", 1), ("vpc", 2), ("security-group", 2), ("volume", 1)] {
            assert!(!is_default_network(made.into_iter().chain([more])), "{more:?}");
        }
    }
}
