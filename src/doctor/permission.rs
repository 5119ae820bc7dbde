//! Checks whether the policy of the credentials allows each call.
//!
//! EC2 answers by a dry run of each describe and, where tools may change AWS, of each change. SQS and EventBridge have no dry
//! runs, so the calls of other checks show what is allowed; the canary shows it for `sqs:ReceiveMessage` and `events:PutEvents`.

use super::finding::{AwsAnswer, Check, Finding, Unanswered, Verdict};
use crate::aws::permissions;
use crate::model::ErrorClass;

pub(crate) static CHECK: Check = Check {
    name: "permission",
    title: "The policy of the credentials allows each call that is needed; dry runs of EC2 are used where there are some",
};

/// Judges a permission by the answer to a call.
pub(crate) fn judge<T>(action: &str, outcome: &AwsAnswer<T>) -> Finding {
    match outcome {
        Ok(_) => CHECK.ok(action, "allowed"),
        Err(why) if why.class == ErrorClass::Denied => denied(action, &why.fact, &why.fix, why),
        Err(why) if !why.reached => CHECK.failed(action, format!("could not be determined: {}", why.fact), &*why.fix),
        Err(why) => CHECK.skipped(action, format!("could not be determined: {}", why.fact)),
    }
}

/// The finding of a call that AWS denied, with what does not work without the action.
fn denied(action: &str, fact: &str, fix: &str, why: &Unanswered) -> Finding {
    let missing = why.denied.as_deref().unwrap_or(action);
    let breaks = permissions::of(missing).map(|permission| format!("; without {missing} {}", permission.without()));
    let finding = CHECK.failed(action, format!("{fact}{}", breaks.unwrap_or_default()), fix);
    Finding { denied: Some(missing.to_owned()), ..finding }
}

/// Judges a permission by several calls of one action: one that is denied is enough to fail.
pub(crate) fn judge_all<'a, T: 'a>(
    action: &str,
    outcomes: impl IntoIterator<Item = &'a AwsAnswer<T>>,
) -> Option<Finding> {
    let findings = outcomes.into_iter().map(|outcome| judge(action, outcome));
    findings.max_by_key(|finding| finding.fix.is_some())
}

/// Judges the permission of `cloudtrail:LookupEvents`, which a server can do without.
pub(crate) fn judge_history<T>(outcome: &AwsAnswer<T>) -> Finding {
    judge_optional("cloudtrail:LookupEvents", outcome)
}

/// Judges a permission that a server can do without.
pub(crate) fn judge_optional<T>(action: &str, outcome: &AwsAnswer<T>) -> Finding {
    let finding = judge(action, outcome);
    match finding.verdict {
        Verdict::Failed => Finding { verdict: Verdict::Warning, ..finding },
        _ => finding,
    }
}

/// Judges a permission by a dry run with an instance.
pub(crate) fn judge_change(action: &str, instance: &str, outcome: &AwsAnswer<()>) -> Finding {
    match outcome {
        Err(why) if why.class == ErrorClass::Denied => {
            let fix = format!("{} Where the policy names tags, {instance} may lack them.", why.fix);
            denied(action, &format!("denied for {instance}: {}", why.fact), &fix, why)
        }
        Ok(()) => CHECK.ok(action, format!("allowed for {instance}")),
        Err(_) => judge(action, outcome),
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::tests::denied;
    use super::*;

    #[test]
    fn a_denied_call_fails_and_an_unknown_instance_leaves_it_open() {
        assert_eq!(judge("ec2:X", &Ok(())).verdict, Verdict::Ok);
        let refused: AwsAnswer<()> = Err(denied("ec2:X"));
        assert_eq!(judge("ec2:X", &refused).verdict, Verdict::Failed);
        let gone = Unanswered { class: ErrorClass::NotFound, ..denied("ec2:X") };
        assert_eq!(judge_change("ec2:X", "i-1", &Err(gone)).verdict, Verdict::Skipped);
        assert!(judge_change("ec2:X", "i-1", &refused).fact.contains("i-1"));
    }

    #[test]
    fn of_several_answers_the_denied_one_counts() {
        let outcomes = [Ok(()), Err(denied("events:DescribeRule")), Ok(())];
        assert_eq!(judge_all("events:DescribeRule", &outcomes).unwrap().verdict, Verdict::Failed);
        assert_eq!(judge_all("events:DescribeRule", &[Ok(()), Ok(())]).unwrap().verdict, Verdict::Ok);
        assert_eq!(judge_all::<()>("events:DescribeRule", []), None);
    }

    #[test]
    fn a_denial_names_the_action_that_is_missing_and_what_breaks_without_it() {
        let finding = judge("ec2:DescribeVpcs", &Err::<(), _>(denied("ec2:DescribeVpcs")));
        assert_eq!(finding.denied.as_deref(), Some("ec2:DescribeVpcs"));
        assert!(finding.fact.ends_with("; without ec2:DescribeVpcs no VPCs are known"), "{}", finding.fact);
        // AWS may deny another action than the one called.
        let within = judge_change("ec2:CreateSnapshots", "i-1", &Err(denied("ec2:CreateTags")));
        assert_eq!((&*within.subject, within.denied.as_deref()), ("ec2:CreateSnapshots", Some("ec2:CreateTags")));
        let history = judge_history(&Err::<(), _>(denied("cloudtrail:LookupEvents")));
        assert!(history.verdict == Verdict::Warning && history.denied.is_some(), "{history:?}");
        let zones =
            judge_optional("ec2:DescribeAvailabilityZones", &Err::<(), _>(denied("ec2:DescribeAvailabilityZones")));
        assert!(
            zones.verdict == Verdict::Warning && zones.fact.ends_with("does not tell availability zones"),
            "{zones:?}"
        );
    }
}
