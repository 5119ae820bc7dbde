//! From what should be there and what is, to the steps that make the one of the other.

use std::collections::BTreeMap;

use super::desired::{Desired, QueueRole, TARGET, Thing};
use super::drift::{Drift, Fault, drift, of_pattern, says};
use super::list::listed;
use super::observed::{Observed, is_tagged};

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What is done.
    pub act: Act,
    /// To what.
    pub thing: Thing,
    /// What was wrong with it; nothing when it is made or taken away.
    pub why: Vec<Fault>,
}

/// What is done to a thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Makes it, with tags; a rule without its target.
    Create,
    /// Sets these attributes of a queue.
    SetAttributes(BTreeMap<String, String>),
    /// Puts a rule's pattern, which enables it as well.
    PutPattern,
    /// Enables a rule.
    Enable,
    /// Puts the tag on.
    Tag,
    /// Puts a rule's target, in place of one of the same id.
    PutTarget,
    /// Takes Muster's target off a rule.
    RemoveTarget,
    /// Deletes it.
    Delete,
}

impl Step {
    /// The step for a person, in the imperative: `enable the rule muster-tags (it is disabled)`.
    #[must_use]
    pub fn told(&self, desired: &Desired) -> String {
        let label = desired.label(self.thing);
        let told = match &self.act {
            Act::Create => format!("create {label}"),
            Act::SetAttributes(attributes) => {
                format!("set {} of {label}", listed(&attributes.keys().collect::<Vec<_>>()))
            }
            Act::PutPattern => format!("put the pattern of {label}"),
            Act::Enable => format!("enable {label}"),
            Act::Tag => format!("tag {label}"),
            Act::PutTarget => {
                format!("let {label} send to the queue {}", QueueRole::Events.name(&desired.name))
            }
            Act::RemoveTarget => format!("take the target `{TARGET}` off {label}"),
            Act::Delete => format!("delete {label}"),
        };
        if self.why.is_empty() { told } else { format!("{told} ({})", listed(&self.why)) }
    }
}

/// The steps that make or mend all of it; none when all is right.
///
/// # Errors
/// What has one of the names and is not Muster's, unless it may be adopted.
pub fn plan(desired: &Desired, observed: &Observed, adopt: bool) -> Result<Vec<Step>, Vec<Thing>> {
    let foreign: Vec<Thing> = Desired::things().filter(|thing| is_foreign(desired, observed, *thing)).collect();
    if !adopt && !foreign.is_empty() {
        return Err(foreign);
    }
    let drifts = drift(desired, observed);
    Ok(Desired::things().flat_map(|thing| steps(desired, thing, &drifts)).collect())
}

/// Whether a thing is there, bears no tag of Muster and is not wired as Muster wires it.
#[must_use]
pub fn is_foreign(desired: &Desired, observed: &Observed, thing: Thing) -> bool {
    let wired = |role: QueueRole| {
        let queue = observed.queues.get(&role);
        queue.is_some_and(|queue| {
            desired.documents(role).iter().any(|(name, should)| says(&queue.attributes, name, should))
        })
    };
    match thing {
        Thing::Queue(role) => {
            let Some(queue) = observed.queues.get(&role) else { return false };
            let feeds = role == QueueRole::Dead && wired(QueueRole::Events);
            !is_tagged(&queue.tags) && !wired(role) && !feeds
        }
        Thing::Rule(rule) => {
            let Some(seen) = observed.rules.get(rule.slug) else { return false };
            let queue = desired.queue_arn(QueueRole::Events);
            let sends = seen.targets.iter().any(|target| target.id == TARGET && target.arn == queue);
            !is_tagged(&seen.tags) && of_pattern(desired, rule, &seen.state.pattern).is_some() && !sends
        }
    }
}

fn steps(desired: &Desired, thing: Thing, drifts: &[Drift]) -> Vec<Step> {
    let faults: Vec<&Fault> = drifts.iter().filter(|drift| drift.thing == thing).map(|drift| &drift.fault).collect();
    let step = |act: Act, why: Vec<Fault>| Step { act, thing, why };
    if faults.contains(&&Fault::Missing) {
        let target = matches!(thing, Thing::Rule(_)).then(|| step(Act::PutTarget, Vec::new()));
        return [step(Act::Create, Vec::new())].into_iter().chain(target).collect();
    }
    let of = |meant: fn(&Fault) -> bool| faults.iter().filter(move |fault| meant(fault)).map(|fault| (*fault).clone());
    let mut steps = Vec::new();
    let mut mend = |act: Act, why: Vec<Fault>| {
        if !why.is_empty() {
            steps.push(step(act, why));
        }
    };
    if let Thing::Queue(role) = thing {
        let all = desired.attributes(role);
        let why: Vec<Fault> = of(|fault| attribute(fault).is_some()).collect();
        let wrong = why.iter().filter_map(attribute);
        let attributes = wrong.filter_map(|name| Some((name.to_owned(), all.get(name)?.clone()))).collect();
        mend(Act::SetAttributes(attributes), why);
    }
    let is_state = |fault: &Fault| matches!(fault, Fault::Pattern { .. } | Fault::Disabled);
    let has_other_pattern = of(|fault| matches!(fault, Fault::Pattern { .. })).next().is_some();
    mend(if has_other_pattern { Act::PutPattern } else { Act::Enable }, of(is_state).collect());
    mend(Act::Tag, of(|fault| *fault == Fault::Untagged).collect());
    let is_target = |fault: &Fault| matches!(fault, Fault::NoTarget { .. } | Fault::Target { .. }) && fault.is_mended();
    mend(Act::PutTarget, of(is_target).collect());
    steps
}

/// The attribute of a queue that a fault is about.
fn attribute(fault: &Fault) -> Option<&'static str> {
    match fault {
        Fault::Setting { name, .. } => Some(name),
        Fault::Policy(_) => Some("Policy"),
        Fault::Redrive { .. } | Fault::Receives { .. } => Some("RedrivePolicy"),
        _ => None,
    }
}
