//! Counts what clients of EC2's read API ask for, how long that takes, how it ends, and how many calls AWS was saved.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, RwLock};

use super::action::Ec2Action;
use super::copy_fault::CopyFault;
use crate::model::{CountedDurations, DurationTally, Timestamp};

/// The bounds of durations of answers.
const ANSWERS: &[Duration] = &[
    Duration::from_millis(1),
    Duration::from_millis(5),
    Duration::from_millis(20),
    Duration::from_millis(100),
    Duration::from_millis(500),
    Duration::from_secs(2),
    Duration::from_secs(10),
];

/// Stands for an action that is none of those that are answered.
const OTHER: &str = "_OTHER";

/// The milliseconds of a day.
const DAY: i64 = 24 * 60 * 60 * 1_000;

/// A request, as far as it is known what it is.
#[derive(Clone, Copy, Debug, Default)]
pub struct NotedCall {
    /// What it asks for, once that is known.
    pub action: Option<Ec2Action>,
    /// Whether AWS is asked for it.
    pub is_asked: bool,
}

/// How requests of one day were answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CountedDay {
    /// How many days it is since 1970-01-01.
    day: i64,
    /// Those that were answered from the copy.
    pub from_copy: u64,
    /// Those that AWS was asked for.
    pub asked: u64,
}

/// What answers from the copy are counted as.
const COPY: &str = "copy";
/// What answers of AWS are counted as.
const PASSED: &str = "aws";

/// Requests that are counted together: by action, by where the answer came from, and by the code of the error, which is empty for an
/// answer.
type CountedCall = (&'static str, &'static str, &'static str);

/// The counts of requests since the server began.
#[derive(Debug, Default)]
pub struct Ec2CallTally {
    times: RwLock<BTreeMap<CountedCall, Arc<DurationTally>>>,
    /// The answers from the copy by action, each of which AWS would have been asked for.
    saved: Mutex<BTreeMap<&'static str, u64>>,
    today: Mutex<CountedDay>,
}

impl Ec2CallTally {
    /// Counts a request that took this long and ended at `now`. `fault` is why it was not answered, if it was not.
    pub fn note(&self, call: NotedCall, fault: Option<&CopyFault>, took: Duration, now: Timestamp) {
        let name = call.name();
        let is_saved = fault.is_none() && !call.is_asked;
        if is_saved {
            *self.saved.lock().entry(name).or_default() += 1;
        }
        self.count_today(now, u64::from(is_saved), u64::from(call.is_asked));
        self.count((name, COPY, fault.map_or("", CopyFault::code)), took);
    }

    /// Counts a request whose answer is read while it is sent, the first part of which took this long to be had at `now`. Whether it
    /// saved a call shows at its end.
    pub fn note_begun(&self, call: NotedCall, took: Duration, now: Timestamp) {
        self.count_today(now, 0, u64::from(call.is_asked));
        self.count((call.name(), COPY, ""), took);
    }

    /// Counts what became of such an answer at `now`: it was read to its end, or broke off because of `fault` after this long. One that
    /// breaks off is counted once more, with the code of that.
    pub fn note_end(&self, call: NotedCall, fault: Option<&CopyFault>, took: Duration, now: Timestamp) {
        match fault {
            Some(fault) => self.count((call.name(), COPY, fault.code()), took),
            None if !call.is_asked => {
                *self.saved.lock().entry(call.name()).or_default() += 1;
                self.count_today(now, 1, 0);
            }
            None => {}
        }
    }

    /// Counts a request that AWS was asked in place of the copy, and answered with this status. It ended at `now`.
    pub fn note_passed(&self, action: Ec2Action, status: u16, took: Duration, now: Timestamp) {
        let code = if (200..300).contains(&status) { "" } else { OTHER };
        self.count_today(now, 0, 1);
        self.count((action.name(), PASSED, code), took);
    }

    fn count_today(&self, now: Timestamp, from_copy: u64, asked: u64) {
        let mut today = self.today.lock();
        *today = today.at(now);
        today.from_copy += from_copy;
        today.asked += asked;
    }

    fn count(&self, key: CountedCall, took: Duration) {
        if let Some(times) = self.times.read().get(&key) {
            return times.note(took);
        }
        let mut times = self.times.write();
        times.entry(key).or_insert_with(|| Arc::new(DurationTally::new(ANSWERS))).note(took);
    }

    /// The requests so far, by action, by where the answer came from, and by code.
    #[must_use]
    pub fn counted(&self) -> Vec<([&'static str; 3], CountedDurations)> {
        let times = self.times.read();
        times.iter().map(|((action, from, code), times)| ([*action, *from, *code], times.counted())).collect()
    }

    /// How many calls AWS was saved so far, by action.
    #[must_use]
    pub fn saved(&self) -> Vec<(&'static str, u64)> {
        self.saved.lock().iter().map(|(action, count)| (*action, *count)).collect()
    }

    /// How the requests of the day of `now` were answered, in UTC.
    #[must_use]
    pub fn today(&self, now: Timestamp) -> CountedDay {
        self.today.lock().at(now)
    }
}

impl NotedCall {
    /// What it is counted as.
    fn name(&self) -> &'static str {
        match self.action {
            Some(action @ Ec2Action::Describe(_)) => action.name(),
            Some(Ec2Action::Other(_) | Ec2Action::Change(_)) | None => OTHER,
        }
    }
}

impl CountedDay {
    /// The counts of the day of `now`, which begin at none.
    fn at(self, now: Timestamp) -> Self {
        let day = now.as_millis().div_euclid(DAY);
        if day == self.day { self } else { CountedDay { day, ..CountedDay::default() } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::fixtures::at_millis;

    #[test]
    fn an_answer_that_breaks_off_saved_no_call() {
        let tally = Ec2CallTally::default();
        let call = NotedCall { action: Ec2Action::named("DescribeVpcs"), is_asked: false };
        for fault in [None, Some(&CopyFault::Token)] {
            tally.note_begun(call, Duration::ZERO, at_millis(5));
            tally.note_end(call, fault, Duration::ZERO, at_millis(6));
        }
        assert_eq!((tally.saved(), tally.today(at_millis(7)).from_copy), (vec![("DescribeVpcs", 1)], 1));
        let counted: Vec<_> = tally.counted().into_iter().map(|([.., code], times)| (code, times.count)).collect();
        assert_eq!(counted, [("", 2), ("InvalidNextToken", 1)]);
    }

    #[test]
    fn requests_are_counted_by_action_and_code() {
        let tally = Ec2CallTally::default();
        let call = |name| NotedCall { action: Ec2Action::named(name), is_asked: false };
        let asked = NotedCall { is_asked: true, ..call("DescribeVpcs") };
        let note = |call, fault: Option<&CopyFault>, took| tally.note(call, fault, took, at_millis(5));
        note(call("DescribeVpcs"), None, Duration::from_millis(3));
        note(asked, None, Duration::from_secs(30));
        note(call("DescribeVpcs"), Some(&CopyFault::Token), Duration::ZERO);
        note(call("RunInstances"), Some(&CopyFault::Opening), Duration::ZERO);
        note(NotedCall::default(), Some(&CopyFault::Opening), Duration::ZERO);
        let passed = Ec2Action::named("DescribeKeyPairs").unwrap();
        tally.note_passed(passed, 200, Duration::ZERO, at_millis(5));
        tally.note_passed(passed, 503, Duration::ZERO, at_millis(5));
        let counted: Vec<_> = tally.counted().into_iter().map(|(labels, times)| (labels, times.count)).collect();
        assert_eq!(
            counted,
            [
                (["DescribeKeyPairs", "aws", ""], 1),
                (["DescribeKeyPairs", "aws", "_OTHER"], 1),
                (["DescribeVpcs", "copy", ""], 2),
                (["DescribeVpcs", "copy", "InvalidNextToken"], 1),
                (["_OTHER", "copy", "Unavailable"], 2)
            ]
        );
        assert_eq!(tally.saved(), [("DescribeVpcs", 1)], "what AWS was asked for saved nothing");
        let today = tally.today(at_millis(DAY - 1));
        assert_eq!((today.from_copy, today.asked), (1, 3));
        let next = tally.today(at_millis(DAY));
        assert_eq!((next.from_copy, next.asked), (0, 0), "another day");
    }
}
