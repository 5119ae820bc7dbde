//! How much waits in the queue, and for how long.
//!
//! SQS tells the depth in an attribute, but no age. Where a server takes messages out, the canary's way through the queue tells how
//! long a message waits. Where none does, the canary's check receives anyway, and tells the age of the oldest message it met;
//! `CloudWatch`'s `ApproximateAgeOfOldestMessage` would take one more service and permission, and is minutes late.

use std::time::Duration;

use super::finding::{AwsAnswer, Check, Finding};
use super::wiring::QueueAttributes;

pub(crate) static CHECK: Check = Check {
    name: "backlog",
    title: "How many messages wait in the queue (few while a server runs), and the age of the oldest one seen",
};

/// With a server, so many waiting messages are more than it takes out at once.
const MANY: u64 = 1_000;

/// Whether somebody takes messages out, and what was seen of their age.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum QueueReader {
    /// A server does.
    Server,
    /// Nobody; the oldest message met, if any.
    Nobody(Option<Duration>),
}

pub(crate) fn judge(queue: &str, outcome: &AwsAnswer<Option<QueueAttributes>>, reader: QueueReader) -> Finding {
    let attributes = match outcome {
        Ok(Some(attributes)) => attributes,
        Ok(None) => return CHECK.skipped(queue, "there is no such queue"),
        Err(why) => return CHECK.unanswered(queue, why),
    };
    let (waiting, held) = depth(attributes);
    let fact = format!("about {waiting} messages wait, {held} are being worked on");
    match reader {
        QueueReader::Server if waiting > MANY => {
            let fix = "Look at the server's log: it may not be allowed to receive, or its store may be slow.";
            CHECK.warning(queue, format!("{fact}, though a server runs"), fix)
        }
        QueueReader::Server => CHECK.ok(queue, fact),
        QueueReader::Nobody(None) => CHECK.ok(queue, format!("{fact}; no server takes them out")),
        QueueReader::Nobody(Some(oldest)) => {
            CHECK.ok(queue, format!("{fact}; no server takes them out, and the oldest met is {} old", age(oldest)))
        }
    }
}

/// Messages that can be received, and those that somebody has received and not deleted.
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
