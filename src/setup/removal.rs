//! Plans what teardown removes, and says why it leaves the rest.

use super::desired::{Desired, QueueRole, TARGET, Thing};
use super::list::listed;
use super::observed::{ObservedSetup, is_tagged, stack};
use super::plan::{Act, SetupStep};
use crate::kinds::rules::RULES;
use crate::model::text::shown;

/// The longest foreign name in a message.
const LONGEST: usize = 200;

/// The plan of a teardown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Removal {
    /// The steps that remove queues and rules: rules come before the queues that they send to.
    pub steps: Vec<SetupStep>,
    /// What is left, and why.
    pub left: Vec<(Thing, String)>,
    /// What is lost by the removal.
    pub notes: Vec<String>,
}

/// Plans to remove exactly what has Muster's tag and one of the names. A queue with dead letters is removed only with
/// `discard_dead_letters`.
#[must_use]
pub fn plan(desired: &Desired, observed: &ObservedSetup, discard_dead_letters: bool) -> Removal {
    let mut removal = Removal::default();
    let queues = [QueueRole::Events, QueueRole::Dead].map(Thing::Queue);
    for thing in RULES.iter().map(Thing::Rule).chain(queues) {
        removal.add(desired, observed, thing, discard_dead_letters);
    }
    removal
}

impl Removal {
    fn add(&mut self, desired: &Desired, observed: &ObservedSetup, thing: Thing, discard_dead_letters: bool) {
        let tags = match thing {
            Thing::Queue(role) => observed.queues.get(&role).map(|queue| &queue.tags),
            Thing::Rule(rule) => observed.rules.get(rule.slug).map(|seen| &seen.tags),
        };
        let Some(tags) = tags else { return };
        if !is_tagged(tags) {
            let why = "it lacks the tag muster:created-by=muster, so it is not Muster's to delete; delete it by hand, or run \
                       `muster setup` first if it is yours";
            self.left.push((thing, why.to_owned()));
            return;
        }
        if let Some(stack) = stack(tags) {
            let why = format!("it belongs to the CloudFormation stack {}; delete that", shown(stack, LONGEST));
            self.left.push((thing, why));
            return;
        }
        match thing {
            Thing::Rule(_) => self.add_rule(observed, thing),
            Thing::Queue(role) => self.add_queue(desired, observed, role, discard_dead_letters),
        }
    }

    fn add_rule(&mut self, observed: &ObservedSetup, thing: Thing) {
        let Thing::Rule(rule) = thing else { return };
        let Some(seen) = observed.rules.get(rule.slug) else { return };
        if seen.targets.iter().any(|target| target.id == TARGET) {
            self.steps.push(SetupStep { act: Act::RemoveTarget, thing, why: Vec::new() });
        }
        let others: Vec<String> =
            seen.targets.iter().filter(|target| target.id != TARGET).map(|target| shown(&target.id, LONGEST)).collect();
        if others.is_empty() {
            self.steps.push(SetupStep { act: Act::Delete, thing, why: Vec::new() });
        } else {
            let why = format!("it has targets that Muster did not make ({}); remove them first", listed(&others));
            self.left.push((thing, why));
        }
    }

    fn add_queue(&mut self, desired: &Desired, observed: &ObservedSetup, role: QueueRole, discard_dead_letters: bool) {
        let (thing, name) = (Thing::Queue(role), role.name(&desired.name));
        let messages = observed.queues.get(&role).map(|queue| queue.messages().unwrap_or_default());
        let dead = messages.filter(|count| role == QueueRole::Dead && *count > 0);
        match dead {
            Some(count) if !discard_dead_letters => {
                let why = format!("it has {}; look at them first, or give --discard-dead-letters", letters(count));
                self.left.push((thing, why));
                return;
            }
            Some(count) => self.notes.push(format!("deleting the queue {name} also deletes {}", letters(count))),
            None => {}
        }
        self.steps.push(SetupStep { act: Act::Delete, thing, why: Vec::new() });
    }
}

fn letters(count: u64) -> String {
    if count == 1 { "1 dead letter".to_owned() } else { format!("about {count} dead letters") }
}
