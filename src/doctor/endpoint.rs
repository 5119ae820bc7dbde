//! Checks whether a service answers in a region. A refusal is an answer.

use std::time::Duration;

use super::finding::{AwsAnswer, Check, Finding, seconds};

pub(crate) static CHECK: Check =
    Check { name: "endpoint", title: "STS, EC2, SQS and EventBridge can be reached in each watched region" };

pub(crate) fn judge<T>(service: &str, outcome: &AwsAnswer<T>, took: Duration) -> Finding {
    match outcome {
        Err(why) if !why.reached => CHECK.failed(service, &*why.fact, &*why.fix),
        _ => CHECK.ok(service, format!("answered in {}", seconds(took))),
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Verdict;
    use super::super::finding::tests::denied;
    use super::*;

    #[test]
    fn a_refusal_is_an_answer_and_silence_is_none() {
        let refused: AwsAnswer<()> = Err(denied("ec2:DescribeInstances"));
        assert_eq!(judge("EC2", &refused, Duration::ZERO).verdict, Verdict::Ok);
        let silent: AwsAnswer<()> = refused.map_err(|why| super::super::finding::Unanswered { reached: false, ..why });
        assert_eq!(judge("EC2", &silent, Duration::ZERO).verdict, Verdict::Failed);
    }
}
