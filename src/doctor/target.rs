//! Whether what comes through a rule goes to the queue, as it is.

use super::finding::{Check, Finding, Outcome};
use crate::aws::bus::Target;

pub(crate) static CHECK: Check =
    Check { name: "target", title: "Each rule sends whole events to the queue, without a role" };

/// `rule` is the rule's name in EventBridge, `fix` what mends it; `queue_arn` is `None` when the queue's is not known.
pub(crate) fn judge(rule: &str, fix: &str, queue_arn: Option<&str>, outcome: &Outcome<Vec<Target>>) -> Finding {
    let targets = match outcome {
        Err(why) => return CHECK.unanswered(rule, why),
        Ok(targets) => targets,
    };
    let Some(queue_arn) = queue_arn else { return CHECK.skipped(rule, "the queue is not known") };
    let Some(ours) = targets.iter().find(|target| target.arn == queue_arn) else {
        let elsewhere: Vec<&str> = targets.iter().map(|target| target.arn.as_str()).collect();
        let fact = match elsewhere.as_slice() {
            [] => "it has no target: what comes through it goes nowhere".to_owned(),
            arns => format!("it sends to {}, not to {queue_arn}", arns.join(", ")),
        };
        return CHECK.failed(rule, fact, fix);
    };
    if ours.shaped {
        return CHECK.failed(
            rule,
            "it sends something else than the event (Input, InputPath or InputTransformer)",
            fix,
        );
    }
    if let Some(role) = &ours.role_arn {
        let fact = format!("it assumes the role {role} to send, with which delivery to a queue may fail");
        return CHECK.failed(rule, fact, fix);
    }
    if ours.dead_letter_arn.is_none() {
        return CHECK.warning(rule, "what it cannot deliver is lost: the target has no dead-letter queue", fix);
    }
    CHECK.ok(rule, "sends to the queue")
}

#[cfg(test)]
mod tests {
    use super::super::finding::Verdict;
    use super::*;

    #[test]
    fn only_a_plain_target_that_is_the_queue_is_right() {
        let target = |arn: &str| Target {
            id: "muster".to_owned(),
            arn: arn.to_owned(),
            role_arn: None,
            dead_letter_arn: Some("dead".to_owned()),
            shaped: false,
        };
        let judged = |targets: Vec<Target>| judge("muster-tags", "mend it", Some("q"), &Ok(targets));
        assert_eq!(judged(vec![target("other"), target("q")]).verdict, Verdict::Ok);
        assert!(judged(vec![]).fact.contains("no target"));
        assert!(judged(vec![target("other")]).fact.contains("sends to other, not to q"));
        let with_role = Target { role_arn: Some("r".to_owned()), ..target("q") };
        assert_eq!(judged(vec![with_role]).verdict, Verdict::Failed);
        assert_eq!(judged(vec![Target { shaped: true, ..target("q") }]).verdict, Verdict::Failed);
        assert_eq!(judged(vec![Target { dead_letter_arn: None, ..target("q") }]).verdict, Verdict::Warning);
        assert_eq!(judge("r", "mend it", None, &Ok(vec![])).verdict, Verdict::Skipped);
    }
}
