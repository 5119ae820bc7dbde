//! Checks what `muster setup` makes: the rules, their targets, and the two queues with their policies.
//!
//! Setup's own [`drift`] finds the faults, which become findings here. What AWS did not answer is not a fault.

use std::collections::BTreeMap;

use super::finding::{AwsAnswer, Check, Finding};
use crate::aws::bus::{RuleState, RuleTarget};
use crate::kinds::rules::RuleSpec;
use crate::model::text::shown;
use crate::setup::drift;
use crate::setup::fault::{DriftEffect, DriftFault};
use crate::setup::{Desired, QueueRole};

pub(crate) static RULE: Check = Check {
    name: "rule",
    title: "Each EventBridge rule exists, is enabled, and has the pattern that `muster setup` gives it",
};

pub(crate) static TARGET: Check =
    Check { name: "target", title: "Each rule sends whole events to the queue, without a role" };

pub(crate) static QUEUE: Check = Check {
    name: "queue",
    title: "The queue and its dead-letter queue exist, are encrypted, and have the attributes that `muster setup` gives them",
};

pub(crate) static POLICY: Check =
    Check { name: "queue-policy", title: "The policies of both queues let exactly Muster's rules send to them" };

/// The longest id of a target that EventBridge takes.
const LONGEST_ID: usize = 64;

/// The attributes of a queue, by AWS's names.
pub(crate) type QueueAttributes = BTreeMap<String, String>;

/// Judges the queues and rules of `desired`. `fix` is the command that mends them.
#[derive(Clone, Copy)]
pub(crate) struct Judge<'a> {
    pub(crate) desired: &'a Desired,
    pub(crate) fix: &'a str,
}

impl Judge<'_> {
    /// Judges a rule (`None` when it does not exist) and its targets.
    pub(crate) fn rule(
        &self,
        rule: &RuleSpec,
        state: &AwsAnswer<Option<RuleState>>,
        targets: &AwsAnswer<Vec<RuleTarget>>,
    ) -> [Finding; 2] {
        let name = rule.name(self.desired.name.as_str());
        let found = match state {
            Err(why) => RULE.unanswered(&*name, why),
            Ok(state) => {
                let faults = drift::of_rule(self.desired, rule, state.as_ref());
                Self::finding(&RULE, &name, &faults, "enabled, with the right pattern", &self.mending(rule, &faults))
            }
        };
        let aimed = match (state, targets) {
            (Err(_) | Ok(None), _) => TARGET.skipped(name, "the rule is not known to exist"),
            (_, Err(why)) => TARGET.unanswered(name, why),
            (_, Ok(targets)) => {
                let faults = drift::of_targets(self.desired, targets);
                Self::finding(&TARGET, &name, &faults, "sends to the queue", &self.mending(rule, &faults))
            }
        };
        [found, aimed]
    }

    /// Judges a queue's attributes (`None` when it does not exist) and its policy.
    pub(crate) fn queue(&self, role: QueueRole, outcome: &AwsAnswer<Option<QueueAttributes>>) -> [Finding; 2] {
        let name = role.name(&self.desired.name);
        let attributes = match outcome {
            Err(why) => return [QUEUE.unanswered(&*name, why), POLICY.skipped(name, "the queue is not known")],
            Ok(attributes) => attributes.as_ref(),
        };
        let faults = drift::of_queue(self.desired, role, attributes);
        let (policy, rest): (Vec<DriftFault>, Vec<DriftFault>) =
            faults.into_iter().partition(|fault| matches!(fault, DriftFault::Policy(_)));
        let arn = self.desired.queue_arn(role);
        let queue = Self::finding(&QUEUE, &name, &rest, &arn, self.fix);
        let policy = if attributes.is_none() {
            POLICY.skipped(name, "the queue does not exist")
        } else {
            Self::finding(&POLICY, &name, &policy, "only Muster's rules may send", self.fix)
        };
        [queue, policy]
    }

    /// Says how to mend a rule with these faults: with setup, or with another command for what setup leaves.
    fn mending(&self, rule: &RuleSpec, faults: &[DriftFault]) -> String {
        let put = self.desired.rule(rule);
        let setup = faults.iter().any(DriftFault::is_mended).then(|| self.fix.to_owned());
        let by_hand = faults.iter().filter(|fault| !fault.is_mended()).filter_map(|fault| {
            let region = &self.desired.scope.region;
            match fault {
                DriftFault::WithReads => Some(format!(
                    "Run `aws events put-rule --region {region} --name {} --state ENABLED --description '{}' \
                     --event-pattern '{}'`: `muster setup` leaves the state as it is.",
                    put.name, put.description, put.pattern
                )),
                DriftFault::Target { id, .. } => Some(format!(
                    "Run `aws events remove-targets --region {region} --rule {} --ids {}`: `muster setup` leaves targets of others \
                     as they are.",
                    put.name,
                    shown(id, LONGEST_ID)
                )),
                _ => None,
            }
        });
        setup.into_iter().chain(by_hand).collect::<Vec<_>>().join(" ")
    }

    /// Makes a finding of faults, with what mends them. Its fact is `well` when there are none.
    fn finding(check: &Check, subject: &str, faults: &[DriftFault], well: &str, fix: &str) -> Finding {
        let fact = faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
        match faults.iter().map(DriftFault::effect).max() {
            None => check.ok(subject, well),
            Some(DriftEffect::None) => check.ok(subject, fact),
            Some(DriftEffect::Weakens) => check.warning(subject, fact, fix),
            Some(DriftEffect::Stops) => check.failed(subject, fact, fix),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::{Value, json};

    use super::super::finding::Verdict;
    use super::super::finding::tests::denied;
    use super::*;
    use crate::config::EventsName;
    use crate::kinds::rules::by_slug;
    use crate::model::{AccountId, Region, Scope};
    use crate::setup::drift::redrives;

    fn desired() -> Desired {
        let scope = Scope { account: AccountId::new("1"), region: Region::new("r") };
        Desired::new(scope, EventsName::default())
    }

    /// The attributes of the queue of events, some of them changed.
    pub(in crate::doctor) fn attributes(changed: &[(&str, &str)]) -> QueueAttributes {
        let mut attributes = desired().attributes(QueueRole::Events);
        attributes.extend(changed.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        attributes
    }

    fn state(pattern: &str, state: &str) -> RuleState {
        let enabled = state != "DISABLED";
        let (arn, description) = (String::new(), String::new());
        RuleState { arn, pattern: pattern.to_owned(), enabled, state: state.to_owned(), description }
    }

    #[test]
    fn a_rule_that_is_off_changed_or_gone_fails_with_what_differs() {
        let (desired, rule) = (desired(), by_slug("tags").unwrap());
        let right = rule.pattern("muster").to_string();
        let judge = Judge { desired: &desired, fix: "mend it" };
        let told = |outcome| judge.rule(rule, &outcome, &Ok(Vec::new()))[0].clone();
        let judged = |state| told(Ok(Some(state)));
        assert_eq!(judged(state(&right, "ENABLED")).verdict, Verdict::Ok);
        // The order of keys and blanks mean nothing.
        let (detail, rest) = (r#"{"detail": {"service": ["ec2"]}, "#, right.split_once('{').unwrap().1);
        let reordered = detail.to_owned() + &rest.replace(r#","detail":{"service":["ec2"]}"#, "");
        assert_eq!(judged(state(&reordered, "ENABLED")).verdict, Verdict::Ok, "{reordered}");
        let off = judged(state(&right, "DISABLED"));
        assert!(off.verdict == Verdict::Failed && off.fact.contains("it is disabled"), "{off:?}");
        let with_reads = judged(state(&right, "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"));
        assert_eq!(with_reads.verdict, Verdict::Warning);
        assert!(
            with_reads
                .fix
                .unwrap()
                .starts_with("Run `aws events put-rule --region r --name muster-tags --state ENABLED ")
        );
        let changed = judged(state(r#"{"source":["aws.tag"],"x":[1]}"#, "ENABLED"));
        assert_eq!(changed.verdict, Verdict::Failed);
        for part in [r#"source is ["aws.tag"], not"#, "detail-type is missing", "x should be absent: [1]"] {
            assert!(changed.fact.contains(part), "{part}: {}", changed.fact);
        }
        assert_eq!(told(Ok(None)).fix.as_deref(), Some("mend it"));
        assert_eq!(told(Err(denied("events:DescribeRule"))).verdict, Verdict::Skipped);
    }

    #[test]
    fn only_a_plain_target_that_is_the_queue_is_right() {
        let (desired, rule) = (desired(), by_slug("tags").unwrap());
        let judge = Judge { desired: &desired, fix: "mend it" };
        let queue = desired.queue_arn(QueueRole::Events);
        let target = |id: &str, arn: &str| RuleTarget {
            id: id.to_owned(),
            arn: arn.to_owned(),
            role_arn: None,
            dead_letter_arn: Some(desired.queue_arn(QueueRole::Dead)),
            shaped: false,
        };
        let ours = || target("muster", &queue);
        let aimed = |state, targets: Vec<RuleTarget>| judge.rule(rule, &Ok(state), &Ok(targets))[1].clone();
        let there = Some(state(&rule.pattern("muster").to_string(), "ENABLED"));
        let judged = |targets| aimed(there.clone(), targets);
        assert_eq!(judged(vec![target("theirs", "other"), ours()]).verdict, Verdict::Ok);
        // The id means nothing to EventBridge.
        assert_eq!(judged(vec![target("theirs", &queue)]).verdict, Verdict::Ok);
        assert!(judged(vec![]).fact.contains("no target"));
        let other = judged(vec![target("theirs", "other")]);
        assert!(other.verdict == Verdict::Failed && other.fact.contains("sends to other, not to"), "{other:?}");
        let moved = judged(vec![target("muster", "other")]);
        assert!(moved.fact.contains(&format!("sends to other, not to {queue}")), "{moved:?}");
        let with_role = RuleTarget { role_arn: Some("r".to_owned()), ..ours() };
        assert_eq!(judged(vec![with_role]).verdict, Verdict::Failed);
        assert_eq!(judged(vec![RuleTarget { shaped: true, ..ours() }]).verdict, Verdict::Failed);
        assert_eq!(judged(vec![RuleTarget { dead_letter_arn: None, ..ours() }]).verdict, Verdict::Warning);
        assert_eq!(aimed(None, vec![]).verdict, Verdict::Skipped);
    }

    #[test]
    fn a_right_target_hides_no_wrong_one() {
        let (desired, rule) = (desired(), by_slug("tags").unwrap());
        let judge = Judge { desired: &desired, fix: "mend it" };
        let right = |id: &str| RuleTarget {
            id: id.to_owned(),
            arn: desired.queue_arn(QueueRole::Events),
            role_arn: None,
            dead_letter_arn: Some(desired.queue_arn(QueueRole::Dead)),
            shaped: false,
        };
        let there = state(&rule.pattern("muster").to_string(), "ENABLED");
        let judged = |targets: Vec<RuleTarget>| judge.rule(rule, &Ok(Some(there.clone())), &Ok(targets))[1].clone();
        let shaped = |id: &str| RuleTarget { shaped: true, ..right(id) };
        let ours = judged(vec![shaped("muster"), right("theirs")]);
        assert!(ours.verdict == Verdict::Warning && ours.fact.contains("`muster` changes events"), "{ours:?}");
        assert_eq!(ours.fix.as_deref(), Some("mend it"));
        let theirs = judged(vec![right("muster"), shaped("theirs")]);
        assert!(theirs.verdict == Verdict::Warning && theirs.fact.contains("`theirs` changes events"), "{theirs:?}");
        assert!(theirs.fix.unwrap().contains("remove-targets --region r --rule muster-tags --ids theirs"));
        let moved = judged(vec![RuleTarget { arn: "other".to_owned(), ..right("muster") }, right("theirs")]);
        assert!(moved.verdict == Verdict::Warning && moved.fact.contains("sends to other, not to"), "{moved:?}");
        let both = judged(vec![shaped("muster"), shaped("theirs")]);
        assert!(both.verdict == Verdict::Failed && both.fact.matches("changes events").count() == 2, "{both:?}");
        let dropping = |id: &str| RuleTarget { dead_letter_arn: None, ..right(id) };
        assert_eq!(judged(vec![right("muster"), dropping("theirs")]).verdict, Verdict::Ok);
        assert_eq!(judged(vec![dropping("muster"), dropping("theirs")]).verdict, Verdict::Warning);
    }

    #[test]
    fn a_queue_that_is_gone_fails_and_one_that_drifted_warns() {
        let desired = desired();
        let judge = Judge { desired: &desired, fix: "mend it" };
        let judged = |changed: &[(&str, &str)]| judge.queue(QueueRole::Events, &Ok(Some(attributes(changed))));
        assert_eq!(judged(&[]).map(|finding| finding.verdict), [Verdict::Ok; 2]);
        let [drifted, _] =
            judged(&[("VisibilityTimeout", "5"), ("SqsManagedSseEnabled", "false"), ("RedrivePolicy", "")]);
        assert_eq!(drifted.verdict, Verdict::Warning);
        for part in ["VisibilityTimeout is 5", "SqsManagedSseEnabled is false", "the dead-letter queue"] {
            assert!(drifted.fact.contains(part), "{part}: {}", drifted.fact);
        }
        let dead = desired.queue_arn(QueueRole::Dead);
        let redriven = |to: &str, count: u32| {
            let policy = json!({ "deadLetterTargetArn": to, "maxReceiveCount": count }).to_string();
            judged(&[("RedrivePolicy", &policy)])[0].clone()
        };
        let later = redriven(&dead, 9);
        assert!(later.verdict == Verdict::Ok && later.fact.contains("received 9 times"), "{later:?}");
        let elsewhere = redriven("other", 5);
        assert!(elsewhere.verdict == Verdict::Warning && elsewhere.fact.contains("go to other, not"), "{elsewhere:?}");
        let [encrypted, _] = judged(&[("SqsManagedSseEnabled", "false"), ("KmsMasterKeyId", "alias/k")]);
        assert_eq!(encrypted.verdict, Verdict::Ok);
        for role in QueueRole::ALL {
            let [queue, policy] = judge.queue(role, &Ok(None));
            assert_eq!((queue.verdict, policy.verdict), (Verdict::Failed, Verdict::Skipped));
        }
    }

    #[test]
    fn a_policy_that_refuses_rules_fails_one_that_admits_others_warns_and_another_wording_is_well() {
        let desired = desired();
        let judge = Judge { desired: &desired, fix: "mend it" };
        let judged =
            |policy: &str| judge.queue(QueueRole::Events, &Ok(Some(attributes(&[("Policy", policy)]))))[1].clone();
        let ours: Value = serde_json::from_str(&attributes(&[])["Policy"]).unwrap();
        let with = |change: fn(&mut Value)| {
            let mut policy = ours.clone();
            change(&mut policy["Statement"][0]);
            judged(&policy.to_string()).verdict
        };
        assert_eq!(judged("").verdict, Verdict::Failed);
        assert_eq!(
            with(|statement| statement["Condition"] = json!({"ArnEquals": {"aws:SourceArn": "x"}})),
            Verdict::Failed
        );
        assert_eq!(with(|statement| statement["Principal"] = json!("*")), Verdict::Warning);
        assert_eq!(with(|statement| statement["Sid"] = json!("Another")), Verdict::Ok);
    }

    #[test]
    fn the_redrive_policy_is_read_in_both_of_its_forms() {
        assert_eq!(redrives(&attributes(&[])).unwrap().1, 5);
        let text = [("RedrivePolicy", r#"{"deadLetterTargetArn":"a","maxReceiveCount":"3"}"#)];
        assert_eq!(redrives(&attributes(&text)), Some(("a".to_owned(), 3)));
    }
}
