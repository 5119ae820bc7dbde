//! Checks whether the dead-letter queue is empty.

use super::backlog::depth;
use super::finding::{AwsAnswer, Check, Finding};
use super::wiring::QueueAttributes;

pub(crate) static CHECK: Check = Check { name: "dead-letters", title: "The dead-letter queue is empty" };

/// Judges the queue. `url` is for the commands in the fix.
pub(crate) fn judge(queue: &str, url: &str, outcome: &AwsAnswer<Option<QueueAttributes>>) -> Finding {
    let attributes = match outcome {
        Ok(Some(attributes)) => attributes,
        Ok(None) => return CHECK.skipped(queue, "the queue does not exist"),
        Err(why) => return CHECK.unanswered(queue, why),
    };
    let (waiting, held) = depth(attributes);
    if waiting + held == 0 {
        return CHECK.ok(queue, "empty");
    }
    let arn = attributes.get("QueueArn").map(String::as_str).unwrap_or_default();
    let fix = format!(
        "Look at one (`aws sqs receive-message --queue-url {url} --attribute-names All`): an event there could not be read, or was \
         not received in time. Put them back with `aws sqs start-message-move-task --source-arn \
         {arn}`, or drop them with `aws sqs purge-queue --queue-url {url}`: sweeps have already found \
         the changes that these events report."
    );
    CHECK.failed(queue, format!("it holds about {} messages", waiting + held), fix)
}

#[cfg(test)]
mod tests {
    use super::super::finding::Verdict;
    use super::super::wiring::tests::attributes;
    use super::*;

    #[test]
    fn any_dead_letter_fails_with_what_to_do_about_it() {
        let judged = |count: &str| judge("d", "u", &Ok(Some(attributes(&[("ApproximateNumberOfMessages", count)]))));
        assert_eq!(judged("0").verdict, Verdict::Ok);
        let finding = judged("3");
        assert!(finding.verdict == Verdict::Failed && finding.fix.unwrap().contains("purge-queue --queue-url u"));
    }
}
