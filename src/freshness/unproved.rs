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
    /// One of these, in these words, for who is told no more.
    Untold(&'static str),
}

impl EventsUnproved {
    /// The same without any name: queues, rules and other servers may be of accounts that are hidden.
    #[must_use]
    pub fn plainly(&self) -> Self {
        EventsUnproved::Untold(match self {
            EventsUnproved::Absent(_) => "there is no queue to receive events from",
            EventsUnproved::Shared { .. } => {
                "another server receives from the same queue, and each takes events from the other"
            }
            EventsUnproved::Unput(_) => "no canary can be put on the bus",
            EventsUnproved::Unreceived(_) => "nothing can be received from the queue",
            EventsUnproved::Silent { .. } => "no canary arrives",
            EventsUnproved::NoTrail { .. } => "no recorded call came within 24 hours",
            EventsUnproved::Untold(why) => why,
        })
    }
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
            EventsUnproved::Untold(why) => f.write_str(why),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_reason_names_nobody() {
        let trouble = Arc::new(Trouble {
            class: crate::model::ErrorClass::Denied.into(),
            what: "denied: arn:aws:sqs:eu-central-1:222222222222:theirs".to_owned(),
            fix: "ask 222222222222".to_owned(),
            since: crate::model::fixtures::at(1),
            retry_at: None,
        });
        for why in [
            EventsUnproved::Absent(trouble.clone()),
            EventsUnproved::Unput(trouble.clone()),
            EventsUnproved::Unreceived(trouble),
            EventsUnproved::Shared { by: "222222222222".into() },
            EventsUnproved::Silent { rule: "222222222222".into(), since: None },
            EventsUnproved::NoTrail { rule: "222222222222".into() },
        ] {
            assert!(
                why.to_string().contains("222222222222") && !why.plainly().to_string().contains("222222222222"),
                "{why}"
            );
        }
    }
}
