//! What is not as it should be.

use std::fmt;

use serde_json::Value;

use super::desired::{Desired, QueueRole, TARGET, Thing};
use super::observed::{Observed, SeenQueue, SeenRule, is_tagged};
use crate::aws::actions::CREATED_BY;
use crate::aws::bus::Target;
use crate::kinds::rules::RuleSpec;
use crate::model::text::shown;

/// The longest foreign text in a message.
const LONGEST: usize = 300;

/// What is wrong with one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drift {
    /// With what.
    pub thing: Thing,
    /// What is wrong.
    pub fault: Fault,
}

/// What is wrong; its text completes "the queue muster-events: ".
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// There is none.
    Missing,
    /// A queue's setting is another.
    Setting {
        /// The attribute, as SQS names it.
        name: &'static str,
        /// What it is; `None` when it is not set.
        is: Option<String>,
        /// What it should be.
        should: &'static str,
    },
    /// A queue's policy lets in others than exactly the rules, or not all of them.
    Policy,
    /// What is received too often does not go to the dead-letter queue.
    Redrive,
    /// Muster's tag is missing.
    Untagged,
    /// A rule lets nothing through.
    Disabled,
    /// A rule's pattern is another.
    Pattern {
        /// What it is.
        is: String,
    },
    /// A rule's events do not go to the queue at all.
    NoTarget,
    /// A rule's target is there and wrong.
    Target {
        /// What it does in place of what it should.
        does: String,
    },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Missing => f.write_str("there is none"),
            Fault::Setting { name, is: Some(is), should } => {
                write!(f, "its {name} is {}, not {should}", shown(is, LONGEST))
            }
            Fault::Setting { name, is: None, should } => write!(f, "its {name} is not set, and should be {should}"),
            Fault::Policy => f.write_str("its policy does not let in exactly Muster's rules"),
            Fault::Redrive => f.write_str("what is received too often does not go to the dead-letter queue"),
            Fault::Untagged => write!(f, "it lacks the tag {}={}", CREATED_BY.0, CREATED_BY.1),
            Fault::Disabled => f.write_str("it is disabled"),
            Fault::Pattern { is } => write!(f, "its pattern is another: {}", shown(is, LONGEST)),
            Fault::NoTarget => write!(f, "its target `{TARGET}` is missing, so its events go nowhere"),
            Fault::Target { does } => write!(f, "its target `{TARGET}` {}", shown(does, LONGEST)),
        }
    }
}

/// Everything that is not as it should be, in the order in which it is made or mended; nothing when all is right.
#[must_use]
pub fn drift(desired: &Desired, observed: &Observed) -> Vec<Drift> {
    let drifts = Desired::things().flat_map(|thing| {
        let faults = match thing {
            Thing::Queue(role) => observed.queues.get(&role).map(|queue| of_queue(desired, role, queue)),
            Thing::Rule(rule) => observed.rules.get(rule.slug).map(|seen| of_rule(desired, rule, seen)),
        };
        let faults = faults.unwrap_or_else(|| vec![Fault::Missing]);
        faults.into_iter().map(move |fault| Drift { thing, fault })
    });
    drifts.collect()
}

fn of_queue(desired: &Desired, role: QueueRole, queue: &SeenQueue) -> Vec<Fault> {
    // A queue with a key of its own is encrypted too; SQS has either.
    let has_key = queue.attributes.get("KmsMasterKeyId").is_some_and(|key| !key.is_empty());
    let settings = role.settings().iter().filter(|(name, _)| !(has_key && *name == "SqsManagedSseEnabled"));
    let mut faults: Vec<Fault> = settings
        .filter_map(|(name, should)| {
            let is = queue.attributes.get(*name);
            let differs = is.is_none_or(|is| is != should);
            differs.then(|| Fault::Setting { name, is: is.cloned(), should })
        })
        .collect();
    for (name, should) in desired.documents(role) {
        if !says(queue, &name, &should) {
            faults.push(if name == "Policy" { Fault::Policy } else { Fault::Redrive });
        }
    }
    if !is_tagged(&queue.tags) {
        faults.push(Fault::Untagged);
    }
    faults
}

fn of_rule(desired: &Desired, rule: &RuleSpec, seen: &SeenRule) -> Vec<Fault> {
    let mut faults = Vec::new();
    if !has_pattern(desired, rule, seen) {
        faults.push(Fault::Pattern { is: seen.state.pattern.clone() });
    }
    if !seen.state.enabled {
        faults.push(Fault::Disabled);
    }
    if !is_tagged(&seen.tags) {
        faults.push(Fault::Untagged);
    }
    match seen.targets.iter().find(|target| target.id == TARGET) {
        None => faults.push(Fault::NoTarget),
        Some(target) => faults.extend(does(desired, target).map(|does| Fault::Target { does })),
    }
    faults
}

/// What a target does in place of what it should; `None` when it is right.
fn does(desired: &Desired, target: &Target) -> Option<String> {
    let (queue, dead) = (desired.queue_arn(QueueRole::Events), desired.queue_arn(QueueRole::Dead));
    if target.arn != queue {
        return Some(format!("sends to {}, not to {queue}", target.arn));
    }
    if let Some(role) = &target.role_arn {
        return Some(format!("sends as the role {role}, where the queue's policy lets it in"));
    }
    if target.shaped {
        return Some("changes events on their way".to_owned());
    }
    match &target.dead_letter_arn {
        Some(arn) if *arn == dead => None,
        Some(arn) => Some(format!("sends what cannot be delivered to {arn}, not to {dead}")),
        None => Some("loses what cannot be delivered".to_owned()),
    }
}

/// Whether a rule's pattern is the desired one, however it is written.
pub(crate) fn has_pattern(desired: &Desired, rule: &RuleSpec, seen: &SeenRule) -> bool {
    let pattern: Option<Value> = serde_json::from_str(&seen.state.pattern).ok();
    pattern.is_some_and(|pattern| plain(&pattern) == plain(&rule.pattern(desired.name.as_str())))
}

/// Whether an attribute that is a document says this, however it is written.
pub(crate) fn says(queue: &SeenQueue, name: &str, should: &Value) -> bool {
    let document: Option<Value> = queue.attributes.get(name).and_then(|text| serde_json::from_str(text).ok());
    document.is_some_and(|document| plain(&document) == plain(should))
}

/// A document without what means nothing in policies and patterns: the order of lists, whether something alone stands in a
/// list, and whether a number stands as text.
pub(crate) fn plain(document: &Value) -> Value {
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
