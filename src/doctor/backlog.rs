//! Checks how many messages wait in the queue, and for how long.
//!
//! SQS shows the depth in an attribute, but no age. Where a server receives, the canary shows how long a message waits. Where none
//! does, the canary's check receives, and knows the age of the oldest message that it received. `CloudWatch`'s
//! `ApproximateAgeOfOldestMessage` would need another service and permission, and is minutes late.

use std::time::Duration;

use super::finding::{AwsAnswer, Check, Finding};
use super::wiring::QueueAttributes;

pub(crate) static CHECK: Check = Check {
    name: "backlog",
    title: "How many messages wait in the queue (few while a server runs), and the age of the oldest one received",
};

/// More waiting messages than this are too many while a server receives.
const MANY: u64 = 1_000;

/// Whether a server receives messages, and otherwise the age of the oldest one received by doctor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum QueueReader {
    /// A server receives them.
    Server,
    /// No server receives them. The age of the oldest message that doctor received, if any.
    Nobody(Option<Duration>),
}

pub(crate) fn judge(queue: &str, outcome: &AwsAnswer<Option<QueueAttributes>>, reader: QueueReader) -> Finding {
    let attributes = match outcome {
        Ok(Some(attributes)) => attributes,
        Ok(None) => return CHECK.skipped(queue, "the queue does not exist"),
        Err(why) => return CHECK.unanswered(queue, why),
    };
    let (waiting, held) = depth(attributes);
    let fact = format!("about {waiting} messages wait, {held} are being processed");
    match reader {
        QueueReader::Server if waiting > MANY => {
            let fix = "Look at the server's log: it may lack the permission to receive, or its store may be slow.";
            CHECK.warning(queue, format!("{fact}, though a server runs"), fix)
        }
        QueueReader::Server => CHECK.ok(queue, fact),
        QueueReader::Nobody(None) => CHECK.ok(queue, format!("{fact}; no server receives them")),
        QueueReader::Nobody(Some(oldest)) => CHECK
            .ok(queue, format!("{fact}; no server receives them, and the oldest one received is {} old", age(oldest))),
    }
}

/// Returns the number of messages that can be received, and of those that were received and not deleted.
pub(crate) fn depth(attributes: &QueueAttributes) -> (u64, u64) {
    let count = |name: &str| attributes.get(name).and_then(|count| count.parse().ok()).unwrap_or_default();
    (count("ApproximateNumberOfMessages"), count("ApproximateNumberOfMessagesNotVisible"))
}

fn age(time: Duration) -> String {
    match time.as_secs() {
        seconds @ ..120 => format!("{seconds} s"),
        seconds @ ..7_200 => format!("{} min", seconds / 60),
        seconds => format!("{} h", seconds / 3_600),
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Verdict;
    use super::super::wiring::tests::attributes;
    use super::*;

    #[test]
    fn a_deep_queue_is_a_warning_only_where_somebody_should_empty_it() {
        let deep = Ok(Some(attributes(&[("ApproximateNumberOfMessages", "5000")])));
        assert_eq!(judge("q", &deep, QueueReader::Server).verdict, Verdict::Warning);
        let waiting = judge("q", &deep, QueueReader::Nobody(Some(Duration::from_secs(700))));
        assert!(waiting.verdict == Verdict::Ok && waiting.fact.contains("11 min old"), "{waiting:?}");
        assert_eq!(judge("q", &Ok(Some(attributes(&[]))), QueueReader::Server).verdict, Verdict::Ok);
    }
}
