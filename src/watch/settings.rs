//! Settings of watching an account.

use std::time::Duration;

use super::quiet::QuietRule;
use crate::aws::queue::Queue;
use crate::kinds::KindSpec;

/// What to watch, how often, and the queues of events.
#[derive(Clone)]
pub struct WatchSettings {
    /// The kinds, each with the time from the start of one sweep to the start of the next.
    pub intervals: Vec<(&'static KindSpec, Duration)>,
    /// The queues given by URL.
    pub queues: Vec<Queue>,
    /// The prefix of the names of the queues to look for, one in each region; `None` to look for none.
    pub events: Option<String>,
    /// When scopes are quiet; `None` where none ever is.
    pub quiet: Option<QuietRule>,
    /// The time from one round of canaries to the next.
    pub canary_interval: Duration,
}
