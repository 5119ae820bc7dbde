//! Plans the steps that turn what exists into what should exist.

use std::collections::BTreeMap;

use super::desired::{Desired, QueueRole, TARGET, Thing};
use super::documents::says;
use super::drift::{Drift, drift, of_pattern};
use super::fault::DriftFault;
use super::list::listed;
use super::observed::{ObservedSetup, is_tagged};

/// One step of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetupStep {
    /// The action.
    pub act: Act,
    /// The queue or rule.
    pub thing: Thing,
    /// What was wrong with it; empty when it is made or removed.
    pub why: Vec<DriftFault>,
}

/// What is done to a queue or rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Makes it, with tags. A rule is made without its target.
    Create,
    /// Sets these attributes of a queue.
    SetAttributes(BTreeMap<String, String>),
    /// Puts a rule's pattern, which enables it as well.
    PutPattern,
    /// Enables a rule.
    Enable,
    /// Adds the tag.
    Tag,
    /// Puts a rule's target, in place of one of the same id.
    PutTarget,
    /// Removes Muster's target from a rule.
    RemoveTarget,
    /// Deletes it.
    Delete,
}

impl SetupStep {
    /// Writes the step for a person, in the imperative: `enable the rule muster-tags (it is disabled)`.
    #[must_use]
    pub fn told(&self, desired: &Desired) -> String {
        let label = desired.label(self.thing);
        let told = match &self.act {
            Act::Create => format!("create {label}"),
            Act::SetAttributes(attributes) => {
                format!("set {} of {label}", listed(&attributes.keys().collect::<Vec<_>>()))
            }
            Act::PutPattern => format!("set the pattern of {label}"),
            Act::Enable => format!("enable {label}"),
            Act::Tag => format!("tag {label}"),
            Act::PutTarget => {
                format!("let {label} send to the queue {}", QueueRole::Events.name(&desired.name))
            }
            Act::RemoveTarget => format!("remove the target `{TARGET}` from {label}"),
            Act::Delete => format!("delete {label}"),
        };
        if self.why.is_empty() { told } else { format!("{told} ({})", listed(&self.why)) }
    }
}

/// Plans the steps that make or mend everything; none when nothing is wrong.
///
/// # Errors
/// Queues and rules of the same names that are not Muster's, unless they may be adopted.
pub fn plan(desired: &Desired, observed: &ObservedSetup, adopt: bool) -> Result<Vec<SetupStep>, Vec<Thing>> {
    let foreign: Vec<Thing> = Desired::things().filter(|thing| is_foreign(desired, observed, *thing)).collect();
    if !adopt && !foreign.is_empty() {
        return Err(foreign);
    }
    let drifts = drift(desired, observed);
    Ok(Desired::things().flat_map(|thing| steps(desired, thing, &drifts)).collect())
}

/// Whether a queue or rule exists that has no tag of Muster and is not wired as Muster wires it.
#[must_use]
pub fn is_foreign(desired: &Desired, observed: &ObservedSetup, thing: Thing) -> bool {
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

fn steps(desired: &Desired, thing: Thing, drifts: &[Drift]) -> Vec<SetupStep> {
    let faults: Vec<&DriftFault> =
        drifts.iter().filter(|drift| drift.thing == thing).map(|drift| &drift.fault).collect();
    let step = |act: Act, why: Vec<DriftFault>| SetupStep { act, thing, why };
    if faults.contains(&&DriftFault::Missing) {
        let target = matches!(thing, Thing::Rule(_)).then(|| step(Act::PutTarget, Vec::new()));
        return [step(Act::Create, Vec::new())].into_iter().chain(target).collect();
    }
    let of =
        |meant: fn(&DriftFault) -> bool| faults.iter().filter(move |fault| meant(fault)).map(|fault| (*fault).clone());
    let mut steps = Vec::new();
    let mut mend = |act: Act, why: Vec<DriftFault>| {
        if !why.is_empty() {
            steps.push(step(act, why));
        }
    };
    if let Thing::Queue(role) = thing {
        let all = desired.attributes(role);
        let why: Vec<DriftFault> = of(|fault| attribute(fault).is_some()).collect();
        let wrong = why.iter().filter_map(attribute);
        let attributes = wrong.filter_map(|name| Some((name.to_owned(), all.get(name)?.clone()))).collect();
        mend(Act::SetAttributes(attributes), why);
    }
    let is_state = |fault: &DriftFault| matches!(fault, DriftFault::Pattern { .. } | DriftFault::Disabled);
    let has_other_pattern = of(|fault| matches!(fault, DriftFault::Pattern { .. })).next().is_some();
    mend(if has_other_pattern { Act::PutPattern } else { Act::Enable }, of(is_state).collect());
    mend(Act::Tag, of(|fault| *fault == DriftFault::Untagged).collect());
    let is_target = |fault: &DriftFault| {
        matches!(fault, DriftFault::NoTarget { .. } | DriftFault::Target { .. }) && fault.is_mended()
    };
    mend(Act::PutTarget, of(is_target).collect());
    steps
}

/// Returns the attribute of a queue that a fault is about.
fn attribute(fault: &DriftFault) -> Option<&'static str> {
    match fault {
        DriftFault::Setting { name, .. } => Some(name),
        DriftFault::Policy(_) => Some("Policy"),
        DriftFault::Redrive { .. } | DriftFault::Receives { .. } => Some("RedrivePolicy"),
        _ => None,
    }
}
