//! Settings of watching an account.

use std::time::Duration;

use tokio::sync::watch;

use super::quiet::QuietRule;
use crate::aws::queue::Queue;
use crate::kinds::KindSpec;
use crate::model::KindSelection;

/// What to watch, how often, and the queues of events.
#[derive(Clone)]
pub struct WatchSettings {
    /// Which of the kinds are watched.
    pub kinds: watch::Receiver<KindSelection>,
    /// All kinds, each with the time from the start of one sweep to the start of the next.
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
