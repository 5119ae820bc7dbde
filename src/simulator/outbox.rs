//! The outbox: happenings wait here until they are due. The whole simulator has one.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::simulator::clock::Moment;
use crate::simulator::happening::Happening;

/// Happenings by the moment at which they are due; those due at the same moment keep the order in which they were
/// pushed.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    waiting: Mutex<Waiting>,
    /// Wakes the task that empties the outbox.
    pub(crate) pushed: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    pushed: u64,
    /// By moment and number, the next one last, so that one split takes out all that are due.
    by_time: BTreeMap<Reverse<(Moment, u64)>, Happening>,
}

impl Outbox {
    /// Adds a happening, which can be taken out at its moment.
    pub(crate) fn push(&self, happening: Happening) {
        {
            let mut waiting = self.waiting.lock();
            waiting.pushed += 1;
            let key = Reverse((happening.at, waiting.pushed));
            waiting.by_time.insert(key, happening);
        }
        self.pushed.notify_one();
    }

    /// Takes out everything that is due at `now`, the earliest first.
    pub(crate) fn due(&self, now: Moment) -> Vec<Happening> {
        let mut waiting = self.waiting.lock();
        let due = waiting.by_time.split_off(&Reverse((now, u64::MAX)));
        due.into_values().rev().collect()
    }

    /// When the next happening is due; `None` when nothing waits.
    pub(crate) fn next_due(&self) -> Option<Moment> {
        self.waiting.lock().by_time.last_key_value().map(|(Reverse((at, _)), _)| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::happening::What;

    fn happening(at: i64, id: &str) -> Happening {
        let what = What::InstanceState { id: id.to_owned(), state: "running" };
        Happening { at: Moment(at), account: "123456789012".to_owned(), region: "us-east-1".to_owned(), what }
    }

    #[test]
    fn what_is_due_comes_out_once_and_in_order() {
        let outbox = Outbox::default();
        for (at, id) in [(30, "late"), (10, "first"), (20, "third"), (10, "second")] {
            outbox.push(happening(at, id));
        }
        assert_eq!(outbox.next_due(), Some(Moment(10)));
        assert_eq!(outbox.due(Moment(9)), []);
        let due = outbox.due(Moment(20));
        assert_eq!(due, [happening(10, "first"), happening(10, "second"), happening(20, "third")]);
        assert_eq!((outbox.next_due(), outbox.due(Moment(20))), (Some(Moment(30)), Vec::new()));
    }
}
