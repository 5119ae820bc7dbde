//! Checks whether the rules of an account send to a central bus or queue, which another account may own.

use super::finding::{AwsAnswer, Finding};
use super::wiring::{POLICY, QueueAttributes, TARGET};
use crate::aws::bus::RuleTarget;
use crate::aws::queue::Queue;
use crate::model::Scope;
use crate::setup::senders;

/// What to do about rules and targets of one of many accounts.
pub(crate) const FIX: &str =
    "Deploy the template of `muster setup --organization` there, or again: `muster help organization` says how.";

/// Judges the targets of a rule in `scope`. One that reaches one of the queues, or a bus elsewhere, is enough.
pub(crate) fn target(rule: &str, targets: &AwsAnswer<Vec<RuleTarget>>, queues: &[Queue], scope: &Scope) -> Finding {
    let targets = match targets {
        Ok(targets) => targets,
        Err(why) => return TARGET.unanswered(rule, why),
    };
    let judged: Vec<Result<String, String>> =
        targets.iter().filter_map(|target| reaches(target, queues, scope)).collect();
    let fault = judged.iter().find_map(|reached| reached.as_ref().err());
    match (judged.iter().find_map(|reached| reached.as_ref().ok()), fault) {
        (Some(fact), _) => TARGET.ok(rule, fact),
        (None, Some(fault)) => TARGET.failed(rule, fault, FIX),
        (None, None) if targets.is_empty() => TARGET.failed(rule, "it has no target, so its events go nowhere", FIX),
        (None, None) => TARGET.failed(rule, "none of its targets is a queue of --queue-url or a central bus", FIX),
    }
}

/// Whether a target is meant to reach a queue or a bus elsewhere: what it reaches, or why it does not.
fn reaches(target: &RuleTarget, queues: &[Queue], scope: &Scope) -> Option<Result<String, String>> {
    let parts: Vec<&str> = target.arn.splitn(6, ':').collect();
    let ["arn", _, service, region, account, name] = parts.as_slice() else { return None };
    let is_here = *account == scope.account.as_str() && *region == scope.region.as_str();
    let is_named = |queue: &Queue| {
        queue.name() == *name
            && queue.account().is_some_and(|owner| owner.as_str() == *account)
            && queue.region().is_none_or(|of| of.as_str() == *region)
    };
    let is_bus = *service == "events" && name.starts_with("event-bus/") && !is_here;
    let is_queue = *service == "sqs" && queues.iter().any(is_named);
    if !is_bus && !is_queue {
        return None;
    }
    let fault = if is_queue && *region != scope.region.as_str() {
        Some(format!("its target `{}` is a queue of another region, where EventBridge does not deliver", target.id))
    } else if !is_here && target.role_arn.is_none() {
        Some(format!("its target `{}` sends to {} without a role, which AWS asks for", target.id, target.arn))
    } else if target.shaped {
        Some(format!("its target `{}` changes events before it sends them", target.id))
    } else {
        None
    };
    Some(fault.map_or_else(|| Ok(format!("sends to {}", target.arn)), Err))
}

/// Judges the policy of a central queue: somebody has to be let send, and not everybody.
pub(crate) fn policy(queue: &str, outcome: &AwsAnswer<Option<QueueAttributes>>) -> Option<Finding> {
    let attributes = outcome.as_ref().ok()?.as_ref()?;
    let fault = senders::of_center(attributes.get("Policy").map_or("", String::as_str));
    let fix = "Deploy the template of `muster setup --organization --central` in the account of the queue.";
    Some(match fault {
        None => POLICY.ok(queue, "it lets rules or an organization send"),
        Some(fault) if fault.is_open() => POLICY.warning(queue, fault.to_string(), fix),
        Some(fault) => POLICY.failed(queue, fault.to_string(), fix),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::finding::Verdict;
    use super::super::finding::tests::denied;
    use super::*;
    use crate::model::{AccountId, Region};

    const QUEUE: &str = "arn:aws:sqs:eu-west-1:111122223333:muster-central-events";
    const BUS: &str = "arn:aws:events:eu-west-1:111122223333:event-bus/muster";

    fn scope(account: &str, region: &str) -> Scope {
        Scope { account: AccountId::new(account), region: Region::new(region) }
    }

    fn judged(arn: &str, role: Option<&str>, shaped: bool, scope: &Scope) -> Finding {
        let queue = "https://sqs.eu-west-1.amazonaws.com/111122223333/muster-central-events".parse().unwrap();
        let (id, role_arn) = ("muster".to_owned(), role.map(str::to_owned));
        let target = RuleTarget { id, arn: arn.to_owned(), role_arn, dead_letter_arn: None, shaped };
        super::target("muster-tags", &Ok(vec![target]), &[queue], scope)
    }

    #[test]
    fn a_target_reaches_the_queue_in_its_region_and_a_bus_from_anywhere_by_a_role() {
        let (there, far, center) = (
            scope("222233334444", "eu-west-1"),
            scope("222233334444", "us-east-1"),
            scope("111122223333", "eu-west-1"),
        );
        let role = Some("arn:aws:iam::222233334444:role/muster-events-eu-west-1");
        for (arn, role, shaped, scope, verdict, named) in [
            (QUEUE, role, false, &there, Verdict::Ok, QUEUE),
            (QUEUE, None, false, &center, Verdict::Ok, QUEUE),
            (BUS, role, false, &far, Verdict::Ok, BUS),
            (QUEUE, None, false, &there, Verdict::Failed, "without a role"),
            (QUEUE, role, false, &far, Verdict::Failed, "another region"),
            (BUS, None, false, &far, Verdict::Failed, "without a role"),
            (BUS, role, true, &far, Verdict::Failed, "changes events"),
            ("arn:aws:sqs:eu-west-1:111122223333:other", role, false, &there, Verdict::Failed, "none of its targets"),
            ("arn:aws:lambda:eu-west-1:222233334444:function:f", None, false, &there, Verdict::Failed, "none of its"),
        ] {
            let found = judged(arn, role, shaped, scope);
            assert!(found.verdict == verdict && found.fact.contains(named), "{arn} {scope}: {found:?}");
        }
        let none = super::target("muster-tags", &Ok(Vec::new()), &[], &there);
        assert!(none.fact.contains("go nowhere"), "{none:?}");
        let unknown = super::target("muster-tags", &Err(denied("events:ListTargetsByRule")), &[], &there);
        assert_eq!(unknown.verdict, Verdict::Skipped);
    }

    #[test]
    fn a_central_queue_lets_somebody_send_and_not_everybody() {
        let judged = |policy: &str| {
            let attributes = QueueAttributes::from([("Policy".to_owned(), policy.to_owned())]);
            super::policy("q", &Ok(Some(attributes))).unwrap().verdict
        };
        let allow = |principal: serde_json::Value, condition: serde_json::Value| {
            json!({"Statement": [{
                "Effect": "Allow", "Principal": principal, "Action": "sqs:SendMessage", "Condition": condition,
            }]})
            .to_string()
        };
        let organization = json!({"StringEquals": {"aws:PrincipalOrgID": "o-a1b2c3d4e5"}});
        assert_eq!(judged(&allow(json!({"AWS": "*"}), organization)), Verdict::Ok);
        assert_eq!(judged(&allow(json!({"AWS": "*"}), json!({}))), Verdict::Warning);
        assert_eq!(judged(&allow(json!("*"), json!({}))), Verdict::Warning);
        assert_eq!(judged(""), Verdict::Failed);
        assert_eq!(judged(&json!({"Statement": []}).to_string()), Verdict::Failed);
        assert_eq!(super::policy("q", &Ok(None)), None);
    }
}
