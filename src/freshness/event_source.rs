//! The queue and rules through which a scope's events arrive.

use std::sync::Arc;
use std::time::Duration;

use crate::model::Timestamp;

/// The prefix of the sender names of servers' canaries. `muster doctor` sends canaries under another name and receives none.
pub const SERVER: &str = "serve-";

/// How long delivery and receiving may take: a rule stays proved this much longer than two intervals without a canary.
const GRACE: Duration = Duration::from_secs(15);

/// The queue and rules through which a scope's events arrive, and the canaries that prove them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventSource {
    /// The queue, for display.
    pub queue: Arc<str>,
    /// The prefix of the names of everything that was set up with the queue.
    pub name: Arc<str>,
    /// The rules that send to the queue, in display order.
    pub rules: Vec<EventRule>,
    /// The sender name of this process's canaries.
    pub sent_by: Arc<str>,
    /// The time from one round of canaries to the next.
    pub every: Duration,
    /// Since when the queue is received from, in AWS time.
    pub since: Timestamp,
}

/// A rule through which events arrive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventRule {
    /// Its name within Muster.
    pub slug: &'static str,
    /// Its name in EventBridge.
    pub name: Arc<str>,
}

impl EventSource {
    /// The maximum age of the newest returned canary for its rule to be proved.
    #[must_use]
    pub fn window(&self) -> Duration {
        2 * self.every + GRACE
    }

    /// The name of a rule in EventBridge; its slug if the source has no such rule.
    pub(super) fn rule_name(&self, slug: &str) -> Arc<str> {
        let rule = self.rules.iter().find(|rule| rule.slug == slug);
        rule.map_or_else(|| slug.into(), |rule| Arc::clone(&rule.name))
    }
}
