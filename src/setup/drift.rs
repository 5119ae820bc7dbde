//! Finds what differs between the queues and rules that exist and those that should. `muster setup` mends it, and `muster doctor`
//! shows it.

use std::collections::BTreeMap;

use serde_json::Value;

use super::desired::{Desired, QueueRole, RECEIVES, TARGET, Thing};
use super::documents::{differing, plain, says};
use super::fault::{DriftFault, TargetFault, WITH_READS};
use super::observed::{ObservedSetup, is_tagged};
use super::senders;
use crate::aws::bus::{RuleState, RuleTarget};
use crate::kinds::rules::{RULES, RuleSpec};

/// A fault of one queue or rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drift {
    /// The queue or rule.
    pub thing: Thing,
    /// What is wrong with it.
    pub fault: DriftFault,
}

/// Finds all faults, in the order in which things are made; none when nothing is wrong.
#[must_use]
pub fn drift(desired: &Desired, observed: &ObservedSetup) -> Vec<Drift> {
    let drifts = Desired::things().flat_map(|thing| {
        let (mut faults, tags) = match thing {
            Thing::Queue(role) => {
                let queue = observed.queues.get(&role);
                (of_queue(desired, role, queue.map(|queue| &queue.attributes)), queue.map(|queue| &queue.tags))
            }
            Thing::Rule(rule) => {
                let seen = observed.rules.get(rule.slug);
                let mut faults = of_rule(desired, rule, seen.map(|seen| &seen.state));
                faults.extend(seen.map(|seen| of_targets(desired, &seen.targets)).unwrap_or_default());
                (faults, seen.map(|seen| &seen.tags))
            }
        };
        faults.extend(tags.filter(|tags| !is_tagged(tags)).map(|_| DriftFault::Untagged));
        faults.into_iter().map(move |fault| Drift { thing, fault })
    });
    drifts.collect()
}

/// Finds the faults of a queue with these attributes, except its tags. `None` is a queue that does not exist.
#[must_use]
pub fn of_queue(desired: &Desired, role: QueueRole, attributes: Option<&BTreeMap<String, String>>) -> Vec<DriftFault> {
    let Some(attributes) = attributes else { return vec![DriftFault::Missing] };
    // A queue with a KMS key is encrypted too; SQS has one or the other.
    let has_key = attributes.get("KmsMasterKeyId").is_some_and(|key| !key.is_empty());
    let settings = role.settings().iter().filter(|(name, _)| !(has_key && *name == "SqsManagedSseEnabled"));
    let mut faults: Vec<DriftFault> = settings
        .filter_map(|(name, should)| {
            let is = attributes.get(*name);
            let differs = is.is_none_or(|is| is != should);
            differs.then(|| DriftFault::Setting { name, is: is.cloned(), should })
        })
        .collect();
    for (name, should) in desired.documents(role) {
        if name != "Policy" {
            faults.extend(of_redrive(desired, attributes));
        } else if !says(attributes, &name, &should) {
            let rules: Vec<String> = RULES.iter().map(|rule| desired.rule_arn(rule)).collect();
            faults
                .push(DriftFault::Policy(senders::fault(attributes.get("Policy").map_or("", String::as_str), &rules)));
        }
    }
    faults
}

/// Finds the fault in where messages go that are received too often.
fn of_redrive(desired: &Desired, attributes: &BTreeMap<String, String>) -> Option<DriftFault> {
    let dead = desired.queue_arn(QueueRole::Dead);
    match redrives(attributes) {
        Some((to, is)) if to == dead => (is != u64::from(RECEIVES)).then_some(DriftFault::Receives { is }),
        other => Some(DriftFault::Redrive { to: other.map(|(to, _)| to), dead }),
    }
}

/// Reads the redrive policy: the ARN of the dead-letter queue, and after how many receives messages go there.
pub(crate) fn redrives(attributes: &BTreeMap<String, String>) -> Option<(String, u64)> {
    let policy: Value = serde_json::from_str(attributes.get("RedrivePolicy")?).ok()?;
    let most = policy.get("maxReceiveCount")?;
    // AWS returns the number as it was set: as a number or as text.
    let most = most.as_u64().or_else(|| most.as_str()?.parse().ok())?;
    Some((policy.get("deadLetterTargetArn")?.as_str()?.to_owned(), most))
}

/// Finds the faults of a rule in this state, except its tags and targets. `None` is a rule that does not exist.
#[must_use]
pub fn of_rule(desired: &Desired, rule: &RuleSpec, state: Option<&RuleState>) -> Vec<DriftFault> {
    let Some(state) = state else { return vec![DriftFault::Missing] };
    let mut faults: Vec<DriftFault> = of_pattern(desired, rule, &state.pattern).into_iter().collect();
    if !state.enabled {
        faults.push(DriftFault::Disabled);
    }
    if state.state == WITH_READS {
        faults.push(DriftFault::WithReads);
    }
    faults
}

/// Finds the faults of a rule's targets: of Muster's own, and of any other that sends to the queue. One correct target of any id
/// is enough.
#[must_use]
pub fn of_targets(desired: &Desired, targets: &[RuleTarget]) -> Vec<DriftFault> {
    let queue = desired.queue_arn(QueueRole::Events);
    let meant = targets.iter().filter(|target| target.id == TARGET || target.arn == queue);
    let judged: Vec<(&RuleTarget, Option<TargetFault>)> =
        meant.map(|target| (target, of_target(desired, target))).collect();
    if judged.is_empty() {
        return vec![DriftFault::NoTarget { sends_to: targets.iter().map(|target| target.arn.clone()).collect() }];
    }
    let is_safe = judged.iter().any(|(_, fault)| fault.is_none());
    let is_unsafe = |fault: &TargetFault| matches!(fault, TargetFault::DeadLetters { .. });
    let arrives = is_safe || judged.iter().any(|(_, fault)| fault.as_ref().is_some_and(is_unsafe));
    let faults = judged.into_iter().filter_map(|(target, fault)| {
        let fault = fault?;
        let beside = if is_unsafe(&fault) { is_safe } else { arrives };
        Some(DriftFault::Target { id: target.id.clone(), fault, beside })
    });
    faults.collect()
}

/// Finds the fault of a target; `None` when it is right.
fn of_target(desired: &Desired, target: &RuleTarget) -> Option<TargetFault> {
    let (queue, dead) = (desired.queue_arn(QueueRole::Events), desired.queue_arn(QueueRole::Dead));
    if target.arn != queue {
        return Some(TargetFault::Elsewhere { arn: target.arn.clone(), queue });
    }
    if let Some(role) = &target.role_arn {
        return Some(TargetFault::AsRole(role.clone()));
    }
    if target.shaped {
        return Some(TargetFault::Shaped);
    }
    let is_dead = target.dead_letter_arn.as_ref() == Some(&dead);
    (!is_dead).then(|| TargetFault::DeadLetters { arn: target.dead_letter_arn.clone(), dead })
}

/// Finds the fault of a rule's pattern; `None` when it means what it should, however it is written.
pub(crate) fn of_pattern(desired: &Desired, rule: &RuleSpec, pattern: &str) -> Option<DriftFault> {
    let should = rule.pattern(desired.name.as_str());
    match serde_json::from_str::<Value>(pattern) {
        Ok(is) if plain(&is) == plain(&should) => None,
        Ok(is) => Some(DriftFault::Pattern { differs: differing(&should, &is) }),
        Err(_) => Some(DriftFault::Pattern { differs: "it has no event pattern".to_owned() }),
    }
}
