//! Counts what clients of EC2's read API ask for, how long that takes, and how it ends.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::RwLock;

use super::action::Ec2Action;
use super::copy_fault::CopyFault;
use crate::model::{CountedDurations, DurationTally};

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

/// What answers from the copy are counted as.
const COPY: &str = "copy";
/// What answers of AWS are counted as.
const PASSED: &str = "aws";

/// Requests that are counted together: by action, by where the answer came from, and by the code of the error, which is empty for an
/// answer.
type CountedCall = (&'static str, &'static str, &'static str);

/// The counts of requests since the server began.
#[derive(Debug, Default)]
pub struct Ec2CallTally(RwLock<BTreeMap<CountedCall, Arc<DurationTally>>>);

impl Ec2CallTally {
    /// Counts a request that took this long. `fault` is why it was not answered, if it was not.
    pub fn note(&self, action: Option<Ec2Action>, fault: Option<&CopyFault>, took: Duration) {
        let name = match action {
            Some(action @ Ec2Action::Describe(_)) => action.name(),
            Some(Ec2Action::Other(_) | Ec2Action::Change(_)) | None => OTHER,
        };
        self.count((name, COPY, fault.map_or("", CopyFault::code)), took);
    }

    /// Counts a request that AWS was asked in place of the copy, and answered with this status.
    pub fn note_passed(&self, action: Ec2Action, status: u16, took: Duration) {
        let code = if (200..300).contains(&status) { "" } else { OTHER };
        self.count((action.name(), PASSED, code), took);
    }

    fn count(&self, key: CountedCall, took: Duration) {
        if let Some(times) = self.0.read().get(&key) {
            return times.note(took);
        }
        let mut times = self.0.write();
        times.entry(key).or_insert_with(|| Arc::new(DurationTally::new(ANSWERS))).note(took);
    }

    /// The requests so far, by action, by where the answer came from, and by code.
    #[must_use]
    pub fn counted(&self) -> Vec<([&'static str; 3], CountedDurations)> {
        self.0.read().iter().map(|((action, from, code), times)| ([*action, *from, *code], times.counted())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_counted_by_action_and_code() {
        let tally = Ec2CallTally::default();
        let action = Ec2Action::named;
        tally.note(action("DescribeVpcs"), None, Duration::from_millis(3));
        tally.note(action("DescribeVpcs"), None, Duration::from_secs(30));
        tally.note(action("DescribeVpcs"), Some(&CopyFault::Token), Duration::ZERO);
        tally.note(action("RunInstances"), Some(&CopyFault::Opening), Duration::ZERO);
        tally.note(None, Some(&CopyFault::Opening), Duration::ZERO);
        tally.note_passed(action("DescribeKeyPairs").unwrap(), 200, Duration::ZERO);
        tally.note_passed(action("DescribeKeyPairs").unwrap(), 503, Duration::ZERO);
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
    }
}
