//! What is not as it should be, and how bad that is. `muster setup` mends it, and `muster doctor` shows it.

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

/// The state of a rule that also lets CloudTrail's records of describes through.
const WITH_READS: &str = "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS";

/// What is wrong with one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drift {
    /// The thing.
    pub thing: Thing,
    /// What is wrong with it.
    pub fault: DriftFault,
}

/// What is wrong. Its text completes "the queue muster-events: ".
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
    /// A queue's policy is not the one that lets in exactly Muster's rules.
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
    /// The rule lets nothing through.
    Disabled,
    /// The rule lets more through than its pattern says, by its state.
    WithReads,
    /// The rule has another pattern.
    Pattern {
        /// The fields that differ, in words.
        differs: String,
    },
    /// The rule has no target that is Muster's or sends to the queue.
    NoTarget {
        /// Where it sends in place of the queue.
        sends_to: Vec<String>,
    },
    /// The rule's target is there, and wrong.
    Target {
        /// The target's id.
        id: String,
        /// In which way it is wrong.
        fault: TargetFault,
        /// Whether another target sends the rule's events to the queue all the same.
        beside: bool,
    },
}

/// What is wrong with a target. Its text completes "its target `muster` ".
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TargetFault {
    /// It sends elsewhere.
    Elsewhere {
        /// The ARN that it sends to.
        arn: String,
        /// The queue's ARN.
        queue: String,
    },
    /// It sends as a role, which the queue's policy does not let in.
    AsRole(String),
    /// It sends something else than the event.
    Shaped,
    /// It sends what cannot be delivered to another queue than the dead-letter queue, or drops it.
    DeadLetters {
        /// Where it sends them; `None` when they are dropped.
        arn: Option<String>,
        /// The dead-letter queue's ARN.
        dead: String,
    },
}

/// What a fault does to events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DriftEffect {
    /// Nothing: the result is the same.
    None,
    /// Events arrive, but not as safely, or others may send as well.
    Weakens,
    /// Events do not arrive, or may not.
    Stops,
}

impl DriftFault {
    /// What the fault does to events.
    #[must_use]
    pub fn effect(&self) -> DriftEffect {
        match self {
            // What this target cannot deliver, the other one does.
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

    /// Whether `muster setup` mends it. It leaves a state that lets more through, and a target that is not its own where another
    /// one sends the events.
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
                f.write_str("what is received too often does not go to the dead-letter queue")
            }
            DriftFault::Redrive { to: Some(to), dead } => {
                write!(f, "what is received too often goes to {}, not to {dead}", shown(to, LONGEST))
            }
            DriftFault::Receives { is } => {
                write!(f, "what is received {is} times goes to the dead-letter queue, not after {RECEIVES}")
            }
            DriftFault::Untagged => write!(f, "it lacks the tag {}={}", CREATED_BY.0, CREATED_BY.1),
            DriftFault::Disabled => f.write_str("it is disabled: no event comes through it"),
            DriftFault::WithReads => {
                write!(f, "its state is {WITH_READS}: records of Muster's own describes fill the queue")
            }
            DriftFault::Pattern { differs } => write!(f, "its pattern was changed: {}", shown(differs, LONGEST)),
            DriftFault::NoTarget { sends_to } if sends_to.is_empty() => {
                f.write_str("it has no target: its events go nowhere")
            }
            DriftFault::NoTarget { sends_to } => {
                write!(f, "it sends to {}, not to the queue", shown(&sends_to.join(", "), LONGEST))
            }
            DriftFault::Target { id, fault, beside } => {
                let beside = if *beside { ", beside another that sends to the queue" } else { "" };
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
                write!(f, "sends as the role {role}, where the queue's policy lets EventBridge itself in")
            }
            TargetFault::Shaped => f.write_str("changes events on their way (Input, InputPath or InputTransformer)"),
            TargetFault::DeadLetters { arn: Some(arn), dead } => {
                write!(f, "sends what cannot be delivered to {arn}, not to {dead}")
            }
            TargetFault::DeadLetters { arn: None, .. } => f.write_str("loses what cannot be delivered"),
        }
    }
}

/// Everything that is not as it should be, in the order in which it is made or mended; nothing when all is right.
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

/// What is wrong with a queue of these attributes, its tags aside; `None` is a queue that does not exist.
#[must_use]
pub fn of_queue(desired: &Desired, role: QueueRole, attributes: Option<&BTreeMap<String, String>>) -> Vec<DriftFault> {
    let Some(attributes) = attributes else { return vec![DriftFault::Missing] };
    // A queue with a key of its own is encrypted too; SQS has either.
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

/// What is wrong with where the queue's messages go that are received too often.
fn of_redrive(desired: &Desired, attributes: &BTreeMap<String, String>) -> Option<DriftFault> {
    let dead = desired.queue_arn(QueueRole::Dead);
    match redrives(attributes) {
        Some((to, is)) if to == dead => (is != u64::from(RECEIVES)).then_some(DriftFault::Receives { is }),
        other => Some(DriftFault::Redrive { to: other.map(|(to, _)| to), dead }),
    }
}

/// The ARN of the queue that messages go to which were received too often, and after how many receives.
pub(crate) fn redrives(attributes: &BTreeMap<String, String>) -> Option<(String, u64)> {
    let policy: Value = serde_json::from_str(attributes.get("RedrivePolicy")?).ok()?;
    let most = policy.get("maxReceiveCount")?;
    // AWS gives back the number as it was set: as a number or as a text.
    let most = most.as_u64().or_else(|| most.as_str()?.parse().ok())?;
    Some((policy.get("deadLetterTargetArn")?.as_str()?.to_owned(), most))
}

/// What is wrong with a rule in this state, its tags and targets aside; `None` is a rule that does not exist.
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

/// What is wrong with the targets of a rule: with Muster's own, and with any that sends to the queue. One of any id that sends
/// there as it should is enough.
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

/// What is wrong with a target; `None` when it is right.
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

/// What is wrong with a rule's pattern; `None` when it says what it should, however it is written.
pub(crate) fn of_pattern(desired: &Desired, rule: &RuleSpec, pattern: &str) -> Option<DriftFault> {
    let should = rule.pattern(desired.name.as_str());
    match serde_json::from_str::<Value>(pattern) {
        Ok(is) if plain(&is) == plain(&should) => None,
        Ok(is) => Some(DriftFault::Pattern { differs: differing(&should, &is) }),
        Err(_) => Some(DriftFault::Pattern { differs: "it has no event pattern".to_owned() }),
    }
}

/// The fields of a pattern that differ, in words.
fn differing(should: &Value, is: &Value) -> String {
    let none = serde_json::Map::new();
    let fields = |of: &Value| of.as_object().unwrap_or(&none).clone();
    let (should, is) = (fields(should), fields(is));
    let told = should.keys().chain(is.keys().filter(|name| !should.contains_key(*name))).filter_map(|name| {
        match (should.get(name), is.get(name)) {
            (Some(should), Some(is)) if plain(should) == plain(is) => None,
            (Some(should), Some(is)) => Some(format!("{name} is {is}, not {should}")),
            (Some(should), None) => Some(format!("{name} is missing, and should be {should}")),
            (None, is) => Some(format!("{name} should not be there: {}", is.unwrap_or(&Value::Null))),
        }
    });
    told.collect::<Vec<_>>().join("; ")
}

/// Whether an attribute that is a document says this, however it is written.
pub(crate) fn says(attributes: &BTreeMap<String, String>, name: &str, should: &Value) -> bool {
    let document: Option<Value> = attributes.get(name).and_then(|text| serde_json::from_str(text).ok());
    document.is_some_and(|document| plain(&document) == plain(should))
}

/// A document without what means nothing in policies and patterns: the order of lists, whether something alone stands in a
/// list, and whether a number stands as text.
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
