//! How an account is watched.

use std::time::Duration;

use crate::aws::queue::Queue;
use crate::kinds::KindSpec;

/// What to watch, how often, and through which queues events come.
#[derive(Clone, Debug)]
pub struct WatchSettings {
    /// The kinds, each with the time from the start of one sweep to the start of the next.
    pub intervals: Vec<(&'static KindSpec, Duration)>,
    /// The queues that were named by their URLs.
    pub queues: Vec<Queue>,
    /// What the names of the queues begin with that are looked for, one in each region; `None`: none is looked for.
    pub events: Option<String>,
    /// From one round of canaries to the next.
    pub canary_interval: Duration,
}
