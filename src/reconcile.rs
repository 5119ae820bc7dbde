//! Decides what an observation changes: `decide(known, observation) -> events`, pure.
//!
//! AWS gives resources no version, describes lag, and events arrive late, twice, in any order or never. So evidence decides, group
//! by group (state, tags, the rest), by the time of the observation:
//!
//! 1. A describe sent before a group's evidence changes nothing in that group.
//! 2. An assertion on the state (a tool's answer, a state event) is laid over the described body if it is newer than the state's
//!    evidence; in the same second, only if its state is at most two lifecycle transitions ahead. It remembers the states of the
//!    preceding [`LAG_WINDOW`]: for as long again, a describe that still shows one of them is lag. Any other described state wins at
//!    once, and after the window every newer describe wins. `terminated` is accepted whatever its time, and is final.
//! 3. A tag event is applied if its version is above the last one and its time is not before the tags' evidence; for the
//!    [`LAG_WINDOW`] a describe that shows exactly the superseded tags is lag. A describe without **any** tags of a resource that had
//!    some is doubted until another one, sent [`TAGLESS_PROOF`] later, agrees. A resource that was never seen with tags is taken to
//!    have none: doubting each would cost every untagged resource a second record.
//! 4. Events never create a resource: they are a [`Judgment::Hint`] that requests a describe.
//! 5. A resource is removed only on proof; absence from one listing is not proof: see [`absence`] and [`memory`].
//! 6. If many vanish at once, none is removed before a sample was described by id: see [`guard`].
//! 7. Until a scope's first complete sweep after a start, events older than the process are hints only.
//! 8. A notice is added to the status it is about, whatever else is known: no describe shows it. A describe sent after its expiry
//!    removes it; of two with the same key the newer counts ([`notice`]).
//! 9. Sources repeat and reorder, so every decision is idempotent; fields that change on every poll are masked. The store remembers
//!    the envelope ids of recorded events for two days, so a repeated event is recognised and not decided again.
//!
//! The numbers are those of the project's list of rules. [`credible`] judges an observation's own time: a time ahead of now comes
//! from a wrong clock and orders nothing.

use std::sync::Arc;
use std::time::Duration;

use crate::model::event::Overlay;
use crate::model::evidence::LAG_WINDOW;
use crate::model::known::state_name;
use crate::model::notice;
use crate::model::{
    Change, Current, Document, Event, Evidence, Group, KindRules, Map, Notice, Observation, Provisional, Seen, Source,
    Tagging, Timestamp, Value,
};

pub mod absence;
pub mod guard;
pub mod known;
mod lacked;
mod lifecycle;
pub mod memory;
mod sightings;
#[cfg(test)]
mod tests;

pub use known::{DecisionTime, KnownResource, credible};
pub use lacked::{Lacked, Lacking};
pub use lifecycle::is_shortly_before;
pub use memory::ScopeMemory;

/// A second describe without tags confirms the first if it is sent this much later.
pub const TAGLESS_PROOF: Duration = Duration::from_secs(2);

/// How many superseded sets of tags are remembered at most. If a resource's tags change more often within the [`LAG_WINDOW`], the
/// next describe after it settles them.
const SUPERSEDED: usize = 8;

/// The state that no instance ever leaves.
const TERMINATED: &str = "terminated";

/// How an observation was judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judgment {
    /// It is news: the events say what changed.
    Applied,
    /// It shows exactly what was known, in every group.
    Confirmed,
    /// It is partly or wholly older than what is known; the rest, if any, is in the events.
    Late,
    /// It shows a state or tags that the resource has left according to an assertion: describes lag.
    Lag,
    /// It lacks all tags of a resource that has some: a second describe will decide. The rest, if any, is in the events.
    Tagless,
    /// It is too weak to change anything; a describe of the resource would settle it.
    Hint,
}

/// The outcome of [`decide`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// What to record, in order; empty if nothing changed.
    pub events: Vec<Event>,
    /// How the observation was judged.
    pub reading: Judgment,
}

impl Decision {
    fn nothing(reading: Judgment) -> Self {
        Decision { events: Vec::new(), reading }
    }

    fn applied(event: Event) -> Self {
        Decision { events: vec![event], reading: Judgment::Applied }
    }
}

/// Decides what `observation` changes in what is known.
#[must_use]
pub fn decide(known: KnownResource<'_>, observation: &Observation, rules: KindRules, moment: DecisionTime) -> Decision {
    let told = matches!(observation.source, Source::Notification | Source::Tool);
    if credible(observation.at, moment.now) != observation.at {
        // Its time is before the clock was corrected, or from a wrong clock: it cannot be ordered.
        return Decision::nothing(if told { Judgment::Hint } else { Judgment::Late });
    }
    if known.removed_at.is_some_and(|removed| observation.at <= credible(removed, moment.now)) {
        return Decision::nothing(Judgment::Late);
    }
    let gone = |at| Decision::applied(Event::Removed { id: observation.id.clone(), at });
    match (&observation.seen, known.current) {
        // A removed resource may appear again in a lagging answer; AWS never reuses an id.
        (Seen::Described(_), None)
            if known.removed_at.is_some_and(|removed| observation.at < credible(removed, moment.now) + LAG_WINDOW) =>
        {
            Decision::nothing(Judgment::Lag)
        }
        (Seen::Described(document), None) => Decision::applied(Event::Discovered {
            id: observation.id.clone(),
            document: Document::clone(document),
            evidence: Evidence { source: observation.source, at: observation.at },
            mapping: rules.mapping,
        }),
        (Seen::Described(document), Some(current)) => described(known, current, observation, document, rules, moment),
        // Events never create a resource: only a describe shows a complete one. If nothing is known, NotFound changes nothing; but
        // the observation that caused the describe may have been ahead of it.
        (
            Seen::StateAsserted(_) | Seen::TagsAsserted { .. } | Seen::Noticed(_) | Seen::Mentioned | Seen::NotFound,
            None,
        )
        | (Seen::Mentioned, Some(_)) => Decision::nothing(Judgment::Hint),
        (Seen::Noticed(notice), Some(current)) => noticed(current, observation, notice, moment),
        (Seen::StateAsserted(state), Some(current)) => asserted(known, current, observation, state, moment),
        (Seen::TagsAsserted { tags, version }, Some(current)) => {
            tagged(known, current, observation, tags, *version, moment)
        }
        (Seen::NotFound, Some(current)) => {
            let newest = known.newest(moment);
            let lacked = known.candidate.is_some_and(|lacked| newest < lacked && lacked <= observation.at);
            let aged = rules.is_gone(&current.document) && newest + rules.absence_after <= observation.at;
            if lacked || aged { gone(observation.at) } else { Decision::nothing(Judgment::Hint) }
        }
        (Seen::Absent, None) => Decision::nothing(Judgment::Confirmed),
        (Seen::Absent, Some(_)) if observation.at < known.newest(moment) => Decision::nothing(Judgment::Late),
        (Seen::Absent, Some(_)) => gone(observation.at),
    }
}

/// Rules 1 to 3 for describes: each group is applied unless something newer is known, or an assertion ahead of it.
fn described(
    known: KnownResource<'_>,
    current: &Current,
    observation: &Observation,
    document: &Arc<Document>,
    rules: KindRules,
    moment: DecisionTime,
) -> Decision {
    let at = observation.at;
    let shown = document.fields().get("State").and_then(state_name);
    let confirmed = credible(known.confirmed.unwrap_or(Timestamp::EPOCH), moment.now);
    let newer = |group| at >= credible(current.evidence.of(group).at, moment.now).max(confirmed);
    let within = |asserted: Timestamp| {
        let asserted = credible(asserted, moment.now);
        at < asserted + LAG_WINDOW
    };

    let state_lag = current.provisional.as_ref().is_some_and(|provisional| {
        within(provisional.at) && shown.is_some_and(|shown| provisional.before.iter().any(|b| b == shown))
    });
    let takes_state = if shown == Some(TERMINATED) {
        true
    } else {
        newer(Group::State) && !state_lag && current.state() != Some(TERMINATED)
    };
    let tags_lag = current.tagging.as_ref().is_some_and(|tagging| {
        let shown = document.fields().get("Tags");
        let same = |set: &Value| shown.map_or_else(|| is_empty(set), |shown| shown == set);
        within(tagging.at) && shown != current.document.fields().get("Tags") && tagging.superseded.iter().any(same)
    });
    let tagless = newer(Group::Tags)
        && document.tags().next().is_none()
        && current.document.tags().next().is_some()
        && known.tagless.is_none_or(|first| at < credible(first, moment.now) + TAGLESS_PROOF);
    let takes = |group| match group {
        Group::State => takes_state,
        Group::Tags => newer(group) && !tags_lag && !tagless,
        Group::Rest => newer(group),
    };

    let accepted: Vec<Group> = Group::ALL.into_iter().filter(|group| takes(*group)).collect();
    let partial = match () {
        () if tagless => Some(Judgment::Tagless),
        () if state_lag || tags_lag => Some(Judgment::Lag),
        () if accepted.len() < Group::ALL.len() => Some(Judgment::Late),
        () => None,
    };
    // With only part of the groups, a change of the mapping cannot be told from a change in AWS: the next complete describe will
    // show it.
    if current.mapping != rules.mapping
        && let Some(partial) = partial
    {
        return Decision::nothing(partial);
    }
    let carried = notice::carried(&current.document, document, at);
    let next = current.document.merged(carried.as_ref().unwrap_or(document), takes);
    let mut changes = current.document.changes_to(&next);
    changes.retain(|change| !rules.masked.iter().any(|masked| covers(masked, &change.path)));

    let settles = current.provisional.is_some() && takes_state;
    let mut events = Vec::new();
    if current.mapping != rules.mapping {
        let (learnt, real) =
            changes.into_iter().partition(|change| is_of_mapping(change, current.mapping, rules.mapping));
        changes = real;
        events.push(Event::Remapped { id: observation.id.clone(), changes: learnt, mapping: rules.mapping });
    }
    if settles || !changes.is_empty() {
        let evidence = Evidence { source: observation.source, at };
        events.push(Event::Changed {
            id: observation.id.clone(),
            changes,
            evidence: accepted.iter().map(|group| (*group, evidence)).collect(),
            overlay: if settles { Overlay::Settle } else { Overlay::Keep },
        });
    }
    let whole = if events.is_empty() { Judgment::Confirmed } else { Judgment::Applied };
    Decision { events, reading: partial.unwrap_or(whole) }
}

/// Whether a set of tags is empty.
fn is_empty(tags: &Value) -> bool {
    matches!(tags, Value::List(list) if list.is_empty())
}

/// Whether `masked` names `path` or a part that contains it.
fn covers(masked: &str, path: &str) -> bool {
    path.strip_prefix(masked).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// Whether a difference comes only from the mapping: a newer mapping adds fields, an older one lacks them.
fn is_of_mapping(change: &Change, from: u16, to: u16) -> bool {
    if to > from { change.before.is_none() } else { change.after.is_none() }
}

/// Rules 2 and 7 for assertions on the state.
fn asserted(
    known: KnownResource<'_>,
    current: &Current,
    observation: &Observation,
    state: &Value,
    moment: DecisionTime,
) -> Decision {
    let (Some(to), Some(from)) = (state_name(state), current.state()) else {
        return Decision::nothing(Judgment::Hint);
    };
    if to == from {
        return Decision::nothing(Judgment::Confirmed);
    }
    if from == TERMINATED {
        return Decision::nothing(Judgment::Late);
    }
    let known_at = known_at(known, current, Group::State, moment);
    let applies = match observation.at.second().cmp(&known_at.second()) {
        _ if to == TERMINATED => true,
        _ if is_older_than_process(observation, moment) => false,
        std::cmp::Ordering::Greater => true,
        // Times within one second do not determine the order; the lifecycle does.
        std::cmp::Ordering::Equal => is_shortly_before(from, to),
        std::cmp::Ordering::Less => false,
    };
    if !applies {
        return Decision::nothing(Judgment::Hint);
    }
    let at = observation.at.max(known_at);
    // The reasons belong to the previous state and the new ones are not known yet, so they are removed.
    let asserted = Document::new(Map::from([("State", state.clone())]));
    let next = current.document.merged(&asserted, |group| group == Group::State);
    let recent = current.held.iter().filter(|held| at.since(held.until) <= LAG_WINDOW).map(|held| held.state.as_str());
    let mut before: Vec<String> = recent.chain([from]).filter(|left| *left != to).map(str::to_owned).collect();
    before.sort_unstable();
    before.dedup();
    Decision::applied(Event::Changed {
        id: observation.id.clone(),
        changes: current.document.changes_to(&next),
        evidence: vec![(Group::State, Evidence { source: observation.source, at })],
        overlay: Overlay::Lay(Provisional { group: Group::State, source: observation.source, at, before }),
    })
}

/// Rules 3 and 7 for tag events.
fn tagged(
    known: KnownResource<'_>,
    current: &Current,
    observation: &Observation,
    tags: &Value,
    version: u64,
    moment: DecisionTime,
) -> Decision {
    let last = current.tagging.as_ref();
    if last.is_some_and(|last| version <= last.version) {
        return Decision::nothing(Judgment::Late);
    }
    let at = observation.at;
    if is_older_than_process(observation, moment) || at < known_at(known, current, Group::Tags, moment) {
        return Decision::nothing(Judgment::Hint);
    }
    let asserted = if is_empty(tags) { Map::new() } else { Map::from([("Tags", tags.clone())]) };
    let next = current.document.merged(&Document::new(asserted), |group| group == Group::Tags);
    let held = current.document.fields().get("Tags").cloned().unwrap_or(Value::List(Vec::new()));
    let recent = last.filter(|last| at.since(last.at) <= LAG_WINDOW).map(|last| last.superseded.as_slice());
    let mut superseded: Vec<Value> = recent.unwrap_or_default().iter().filter(|set| **set != held).cloned().collect();
    superseded.push(held);
    superseded.drain(..superseded.len().saturating_sub(SUPERSEDED));
    Decision::applied(Event::Changed {
        id: observation.id.clone(),
        changes: current.document.changes_to(&next),
        evidence: vec![(Group::Tags, Evidence { source: observation.source, at })],
        overlay: Overlay::Tag(Tagging { version, at, superseded }),
    })
}

/// Rule 8. A notice observes no group, so no group gets new evidence.
fn noticed(current: &Current, observation: &Observation, notice: &Notice, moment: DecisionTime) -> Decision {
    if notice.until <= moment.now {
        return Decision::nothing(Judgment::Late);
    }
    let changes = current.document.changes_to(&notice::laid(&current.document, notice));
    if changes.is_empty() {
        let known = notice::of(&current.document).contains(notice);
        return Decision::nothing(if known { Judgment::Confirmed } else { Judgment::Late });
    }
    Decision::applied(Event::Changed {
        id: observation.id.clone(),
        changes,
        evidence: Vec::new(),
        overlay: Overlay::Keep,
    })
}

/// The newest evidence of a group, including describes that changed nothing.
fn known_at(known: KnownResource<'_>, current: &Current, group: Group, moment: DecisionTime) -> Timestamp {
    let confirmed = known.confirmed.unwrap_or(Timestamp::EPOCH);
    credible(current.evidence.of(group).at, moment.now).max(credible(confirmed, moment.now))
}

fn is_older_than_process(observation: &Observation, moment: DecisionTime) -> bool {
    observation.source == Source::Notification && !moment.swept && observation.at < moment.started.max(moment.steady)
}
