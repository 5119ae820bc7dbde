//! Through which queue and which rules a scope's events come.

use std::sync::Arc;
use std::time::Duration;

use crate::model::Timestamp;

/// What the name begins with under which a server puts canaries. `muster doctor` puts canaries under another name and receives none.
pub const SERVER: &str = "serve-";

/// How long after two intervals without a canary a rule is no longer proved: what delivery and receiving may take.
const GRACE: Duration = Duration::from_secs(15);

/// The queue and the rules through which a scope's events come, and the canaries that prove them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventSource {
    /// The queue, as it is shown.
    pub queue: Arc<str>,
    /// What the names of everything that was set up with the queue begin with.
    pub name: Arc<str>,
    /// The rules that write to the queue, in the order shown.
    pub rules: Vec<EventRule>,
    /// The name under which this process puts canaries.
    pub sent_by: Arc<str>,
    /// From one round of canaries to the next.
    pub every: Duration,
    /// Since when it is listened to, in AWS time.
    pub since: Timestamp,
}

/// A rule through which events come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventRule {
    /// Its name within Muster.
    pub slug: &'static str,
    /// Its name in EventBridge.
    pub name: Arc<str>,
}

impl EventSource {
    /// How old the newest canary that came back may be for its rule to be proved.
    #[must_use]
    pub fn window(&self) -> Duration {
        2 * self.every + GRACE
    }

    /// The name in EventBridge of a rule; its slug when the source has no such rule.
    pub(super) fn rule_name(&self, slug: &str) -> Arc<str> {
        let rule = self.rules.iter().find(|rule| rule.slug == slug);
        rule.map_or_else(|| slug.into(), |rule| Arc::clone(&rule.name))
    }
}
