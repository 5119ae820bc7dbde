//! Finds what differs between the queues and rules that exist and those that should. `muster setup` mends it, and `muster doctor`
//! shows it.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

use super::desired::{Desired, QueueRole, RECEIVES, TARGET, Thing};
use super::observed::{ObservedSetup, is_tagged};
use super::senders::{self, PolicyFault};
use crate::aws::actions::CREATED_BY;
use crate::aws::bus::{RuleState, Target};
use crate::kinds::rules::{RULES, RuleSpec};
use crate::model::text::shown;

/// The longest foreign text in a message.
const LONGEST: usize = 600;

/// The state of a rule that also matches CloudTrail's records of describes.
const WITH_READS: &str = "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS";

/// A fault of one queue or rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drift {
    /// The queue or rule.
    pub thing: Thing,
    /// What is wrong with it.
    pub fault: DriftFault,
}

/// A fault. Its text completes "the queue muster-events: ".
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DriftFault {
    /// The queue or rule does not exist.
    Missing,
    /// A queue's setting has another value.
    Setting {
        /// The attribute, as SQS names it.
        name: &'static str,
        /// Its value; `None` when it is not set.
        is: Option<String>,
        /// The value that it should have.
        should: &'static str,
    },
    /// A queue's policy is not the one that lets exactly Muster's rules send.
    Policy(PolicyFault),
    /// A message that is received too often does not go to the dead-letter queue.
    Redrive {
        /// The ARN of the queue that it goes to; `None` when it goes nowhere.
        to: Option<String>,
        /// The dead-letter queue's ARN.
        dead: String,
    },
    /// A message goes to the dead-letter queue earlier or later than it should.
    Receives {
        /// After how many receives.
        is: u64,
    },
    /// The queue or rule lacks Muster's tag.
    Untagged,
    /// The rule is disabled.
    Disabled,
    /// The state of the rule makes it match more than its pattern says.
    WithReads,
    /// The rule has another pattern.
    Pattern {
        /// The fields that differ, in words.
        differs: String,
    },
    /// The rule has no target that is Muster's or sends to the queue.
    NoTarget {
        /// Where it sends instead of the queue.
        sends_to: Vec<String>,
    },
    /// The rule has the target, but it is wrong.
    Target {
        /// The target's id.
        id: String,
        /// What is wrong with it.
        fault: TargetFault,
        /// Whether another target sends the rule's events to the queue all the same.
        beside: bool,
    },
}

/// What is wrong with a target. Its text completes "its target `muster` ".
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TargetFault {
    /// It sends to something else.
    Elsewhere {
        /// The ARN that it sends to.
        arn: String,
        /// The queue's ARN.
        queue: String,
    },
    /// It sends as a role, which the queue's policy does not let send.
    AsRole(String),
    /// It sends something other than the event.
    Shaped,
    /// It sends what cannot be delivered to another queue than the dead-letter queue, or drops it.
    DeadLetters {
        /// The other queue's ARN; `None` when they are dropped.
        arn: Option<String>,
        /// The dead-letter queue's ARN.
        dead: String,
    },
}

/// What a fault does to events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DriftEffect {
    /// It has no effect.
    None,
    /// Events arrive, but less safely, or others may send as well.
    Weakens,
    /// Events do not arrive, or may not.
    Stops,
}

impl DriftFault {
    /// Returns what the fault does to events.
    #[must_use]
    pub fn effect(&self) -> DriftEffect {
        match self {
            // The other target delivers what this one cannot.
            DriftFault::Target { fault: TargetFault::DeadLetters { .. }, beside: true, .. }
            | DriftFault::Policy(PolicyFault::Reworded)
            | DriftFault::Receives { .. }
            | DriftFault::Untagged => DriftEffect::None,
            DriftFault::Setting { .. }
            | DriftFault::Redrive { .. }
            | DriftFault::WithReads
            | DriftFault::Target { fault: TargetFault::DeadLetters { .. }, .. }
            | DriftFault::Target { beside: true, .. }
            | DriftFault::Policy(PolicyFault::Denies | PolicyFault::Admits(_)) => DriftEffect::Weakens,
            DriftFault::Missing
            | DriftFault::Disabled
            | DriftFault::Pattern { .. }
            | DriftFault::NoTarget { .. }
            | DriftFault::Target { .. }
            | DriftFault::Policy(PolicyFault::Absent | PolicyFault::Unreadable | PolicyFault::Refuses(_)) => {
                DriftEffect::Stops
            }
        }
    }

    /// Whether `muster setup` mends it. Setup leaves a state that matches more, and a target of somebody else if another target
    /// sends the events.
    #[must_use]
    pub fn is_mended(&self) -> bool {
        match self {
            DriftFault::WithReads => false,
            DriftFault::Target { id, beside, .. } => id == TARGET || !beside,
            _ => true,
        }
    }
}

impl fmt::Display for DriftFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DriftFault::Missing => f.write_str("it does not exist"),
            DriftFault::Setting { name, is: Some(is), should } => {
                write!(f, "its {name} is {}, not {should}", shown(is, LONGEST))
            }
            DriftFault::Setting { name, is: None, should } => {
                write!(f, "its {name} is not set, and should be {should}")
            }
            DriftFault::Policy(fault) => f.write_str(&shown(&fault.to_string(), LONGEST)),
            DriftFault::Redrive { to: None, .. } => {
                f.write_str("messages that are received too often do not go to the dead-letter queue")
            }
            DriftFault::Redrive { to: Some(to), dead } => {
                write!(f, "messages that are received too often go to {}, not to {dead}", shown(to, LONGEST))
            }
            DriftFault::Receives { is } => {
                write!(f, "messages go to the dead-letter queue after they are received {is} times, not {RECEIVES}")
            }
            DriftFault::Untagged => write!(f, "it lacks the tag {}={}", CREATED_BY.0, CREATED_BY.1),
            DriftFault::Disabled => f.write_str("it is disabled, so it sends no events"),
            DriftFault::WithReads => {
                write!(f, "its state is {WITH_READS}, so records of Muster's own describes fill the queue")
            }
            DriftFault::Pattern { differs } => write!(f, "its pattern was changed: {}", shown(differs, LONGEST)),
            DriftFault::NoTarget { sends_to } if sends_to.is_empty() => {
                f.write_str("it has no target, so its events go nowhere")
            }
            DriftFault::NoTarget { sends_to } => {
                write!(f, "it sends to {}, not to the queue", shown(&sends_to.join(", "), LONGEST))
            }
            DriftFault::Target { id, fault, beside } => {
                let beside = if *beside { "; another target sends to the queue" } else { "" };
                write!(f, "its target `{}` {}{beside}", shown(id, LONGEST), shown(&fault.to_string(), LONGEST))
            }
        }
    }
}

impl fmt::Display for TargetFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TargetFault::Elsewhere { arn, queue } => write!(f, "sends to {arn}, not to {queue}"),
            TargetFault::AsRole(role) => {
                write!(f, "sends as the role {role}, but the queue's policy lets only EventBridge itself send")
            }
            TargetFault::Shaped => {
                f.write_str("changes events before it sends them (Input, InputPath or InputTransformer)")
            }
            TargetFault::DeadLetters { arn: Some(arn), dead } => {
                write!(f, "sends undeliverable events to {arn}, not to {dead}")
            }
            TargetFault::DeadLetters { arn: None, .. } => {
                f.write_str("drops undeliverable events: it has no dead-letter queue")
            }
        }
    }
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
pub fn of_targets(desired: &Desired, targets: &[Target]) -> Vec<DriftFault> {
    let queue = desired.queue_arn(QueueRole::Events);
    let meant = targets.iter().filter(|target| target.id == TARGET || target.arn == queue);
    let judged: Vec<(&Target, Option<TargetFault>)> =
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
fn of_target(desired: &Desired, target: &Target) -> Option<TargetFault> {
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

/// Lists the fields of a pattern that differ, in words.
fn differing(should: &Value, is: &Value) -> String {
    let none = serde_json::Map::new();
    let fields = |of: &Value| of.as_object().unwrap_or(&none).clone();
    let (should, is) = (fields(should), fields(is));
    let told = should.keys().chain(is.keys().filter(|name| !should.contains_key(*name))).filter_map(|name| {
        match (should.get(name), is.get(name)) {
            (Some(should), Some(is)) if plain(should) == plain(is) => None,
            (Some(should), Some(is)) => Some(format!("{name} is {is}, not {should}")),
            (Some(should), None) => Some(format!("{name} is missing, and should be {should}")),
            (None, is) => Some(format!("{name} should be absent: {}", is.unwrap_or(&Value::Null))),
        }
    });
    told.collect::<Vec<_>>().join("; ")
}

/// Whether an attribute that is a JSON document means this, however it is written.
pub(crate) fn says(attributes: &BTreeMap<String, String>, name: &str, should: &Value) -> bool {
    let document: Option<Value> = attributes.get(name).and_then(|text| serde_json::from_str(text).ok());
    document.is_some_and(|document| plain(&document) == plain(should))
}

/// Normalises a document. In policies and patterns the order of lists means nothing, nor whether a single value is in a list, nor
/// whether a number is text.
fn plain(document: &Value) -> Value {
    match document {
        Value::Array(items) => {
            if let [one] = &items[..] {
                return plain(one);
            }
            let mut items: Vec<Value> = items.iter().map(plain).collect();
            items.sort_by_key(ToString::to_string);
            Value::Array(items)
        }
        Value::Object(members) => {
            Value::Object(members.iter().map(|(name, value)| (name.clone(), plain(value))).collect())
        }
        Value::Number(number) => Value::String(number.to_string()),
        other => other.clone(),
    }
}
