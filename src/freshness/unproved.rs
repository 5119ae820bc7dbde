//! Why events are not proved to arrive.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::model::Trouble;
use crate::model::text::shown;

/// Why events are not proved to arrive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventsUnproved {
    /// There is no queue to receive from.
    Absent(Arc<Trouble>),
    /// Another server receives from the same queue.
    Shared {
        /// The other server's name: hostile text.
        by: Arc<str>,
    },
    /// No canaries can be put on the bus.
    Unput(Arc<Trouble>),
    /// Nothing can be received.
    Unreceived(Arc<Trouble>),
    /// No canary arrives.
    Silent {
        /// The rule.
        rule: Arc<str>,
        /// For how long; `None` if none ever arrived.
        since: Option<Duration>,
    },
    /// No event of a recorded call arrived lately.
    NoTrail {
        /// The rule.
        rule: Arc<str>,
    },
}

impl fmt::Display for EventsUnproved {
    /// The reason in words, with the next step.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EventsUnproved::Absent(trouble) => write!(f, "{}. {}", trouble.what, trouble.fix),
            EventsUnproved::Shared { by } => write!(
                f,
                "another server ({}) receives from this queue too, and each takes events from the other; give each a queue of its own \
                 (`muster setup --name`, `--events NAME`)",
                shown(by, 40)
            ),
            EventsUnproved::Unput(trouble) => {
                write!(f, "no canary can be put on the bus: {}. {}", trouble.what, trouble.fix)
            }
            EventsUnproved::Unreceived(trouble) => {
                write!(f, "nothing can be taken in: {}. {}", trouble.what, trouble.fix)
            }
            EventsUnproved::Silent { rule, since: Some(since) } => {
                write!(f, "no canary came through {rule} for {} s; run `muster doctor`", since.as_secs())
            }
            EventsUnproved::Silent { rule, since: None } => {
                write!(f, "no canary has come through {rule} yet; run `muster doctor` if that lasts")
            }
            EventsUnproved::NoTrail { rule } => write!(
                f,
                "no recorded call came through {rule} within 24 hours, so it is not proved that a CloudTrail trail logs; if \
                 there is none, create one that logs management events"
            ),
        }
    }
}
