//! What an observation means: `decide(known, observation) -> events`, pure.
//!
//! AWS gives resources no version, describes lag behind what they describe, and events come late, twice, in any order or
//! never. So evidence decides, group by group (state, tags, the rest), by the time at which somebody looked:
//!
//! 1. A describe sent before a group's evidence says nothing about that group.
//! 2. An assertion on the state (a tool's answer, a state event) is laid over the described body when it is newer than
//!    the state's evidence; in the same second only when its state is at most two lifecycle transitions ahead. It
//!    remembers the states of the preceding [`LAG_WINDOW`]: for as long again, a describe that still shows one of them is
//!    lag. Any other described state wins at once, and after the window every newer describe wins. `terminated` is
//!    accepted whatever its time, and nothing follows it.
//! 3. A tag event is believed when its version is above the last one and its time is not before the tags' evidence; for the
//!    [`LAG_WINDOW`] a describe that shows exactly what it superseded is lag. A describe that lacks **all** tags of a
//!    resource that had some is doubted until another one, sent [`TAGLESS_PROOF`] later, agrees. A resource that was never
//!    seen with tags is believed to have none: doubting each would cost every untagged resource a second record.
//! 4. Events never create a resource: they are a [`Reading::Hint`] that asks for a describe.
//! 5. A resource goes only on proof; missing from a listing proves nothing by itself: see [`absence`] and [`memory`].
//! 6. When many vanish at once, none goes before a sample was asked for by id: see [`guard`].
//! 7. Until a scope's first complete sweep after a start, events older than the process are hints only.
//! 8. A notice is laid into the status that it is about, whatever is known of the rest: no describe shows it. It goes when a
//!    describe was sent after it expired; of two about the same thing the newer holds ([`notice`]).
//! 9. Sources repeat and reorder, so every decision is idempotent; fields that move on every poll are masked. An event that was
//!    recorded is known by its envelope's id when it comes again, and is not decided again: the
//!    store remembers it for two days.
//!
//! The numbers are those of the project's list of rules. What an observation's own time is worth is [`credible`]'s to say: one
//! that lies ahead of now comes from a clock that was wrong, and orders nothing.

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
#[cfg(test)]
mod tests;

pub use known::{DecisionTime, KnownResource, credible};
pub use lacked::{Lacked, Lacking};
pub use lifecycle::is_shortly_before;
pub use memory::ScopeMemory;

/// How much later than the first one a second describe without tags must be sent to be believed.
pub const TAGLESS_PROOF: Duration = Duration::from_secs(2);

/// How many superseded sets of tags are remembered at most: a resource whose tags change more often within the
/// [`LAG_WINDOW`] is settled by its next describe after it.
const SUPERSEDED: usize = 8;

/// The state that no instance ever leaves.
const TERMINATED: &str = "terminated";

/// What an observation turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// News: the events say what.
    Applied,
    /// Exactly what was known, in every group.
    Confirmed,
    /// In part or in whole older than what is known; the rest, if any, is in the events.
    Late,
    /// Shows a state or tags that an assertion says were left: describes lag behind.
    Lag,
    /// Lacks all tags of a resource that has some: a second describe will tell. The rest, if any, is in the events.
    Tagless,
    /// Too weak to change anything by itself; a describe of the resource would settle it.
    Hint,
}

/// The outcome of [`decide`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// What to record, in order; empty when nothing changed.
    pub events: Vec<Event>,
    /// How the observation was read.
    pub reading: Reading,
}

impl Decision {
    fn nothing(reading: Reading) -> Self {
        Decision { events: Vec::new(), reading }
    }

    fn applied(event: Event) -> Self {
        Decision { events: vec![event], reading: Reading::Applied }
    }
}

/// What `observation` changes in what is known.
#[must_use]
pub fn decide(known: KnownResource<'_>, observation: &Observation, rules: KindRules, moment: DecisionTime) -> Decision {
    let told = matches!(observation.source, Source::Notification | Source::Tool);
    if credible(observation.at, moment.now) != observation.at {
        // From before the clock was put right, or from a wrong one: it cannot be ordered.
        return Decision::nothing(if told { Reading::Hint } else { Reading::Late });
    }
    if known.removed_at.is_some_and(|removed| observation.at <= credible(removed, moment.now)) {
        return Decision::nothing(Reading::Late);
    }
    let gone = |at| Decision::applied(Event::Removed { id: observation.id.clone(), at });
    match (&observation.seen, known.current) {
        // What is gone may show once more in an answer that lags; AWS gives no id twice.
        (Seen::Described(_), None)
            if known.removed_at.is_some_and(|removed| observation.at < credible(removed, moment.now) + LAG_WINDOW) =>
        {
            Decision::nothing(Reading::Lag)
        }
        (Seen::Described(document), None) => Decision::applied(Event::Discovered {
            id: observation.id.clone(),
            document: Document::clone(document),
            evidence: Evidence { source: observation.source, at: observation.at },
            mapping: rules.mapping,
        }),
        (Seen::Described(document), Some(current)) => described(known, current, observation, document, rules, moment),
        // Events never create a resource: only a describe shows a whole one. Where nothing is known, NotFound has nothing to forget;
        // but whoever spoke of it may have been ahead of the answer.
        (
            Seen::StateAsserted(_) | Seen::TagsAsserted { .. } | Seen::Noticed(_) | Seen::Mentioned | Seen::NotFound,
            None,
        )
        | (Seen::Mentioned, Some(_)) => Decision::nothing(Reading::Hint),
        (Seen::Noticed(notice), Some(current)) => noticed(current, observation, notice, moment),
        (Seen::StateAsserted(state), Some(current)) => asserted(known, current, observation, state, moment),
        (Seen::TagsAsserted { tags, version }, Some(current)) => {
            tagged(known, current, observation, tags, *version, moment)
        }
        (Seen::NotFound, Some(current)) => {
            let newest = known.newest(moment);
            let lacked = known.candidate.is_some_and(|lacked| newest < lacked && lacked <= observation.at);
            let aged = rules.is_gone(&current.document) && newest + rules.absence_after <= observation.at;
            if lacked || aged { gone(observation.at) } else { Decision::nothing(Reading::Hint) }
        }
        (Seen::Absent, None) => Decision::nothing(Reading::Confirmed),
        (Seen::Absent, Some(_)) if observation.at < known.newest(moment) => Decision::nothing(Reading::Late),
        (Seen::Absent, Some(_)) => gone(observation.at),
    }
}

/// Rules 1 and 2 and 3 for describes: each group is taken unless something newer, or an assertion ahead of it, is known.
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
        () if tagless => Some(Reading::Tagless),
        () if state_lag || tags_lag => Some(Reading::Lag),
        () if accepted.len() < Group::ALL.len() => Some(Reading::Late),
        () => None,
    };
    // A partial view cannot tell what the mapping learnt from what AWS changed: the next whole one will.
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
    let whole = if events.is_empty() { Reading::Confirmed } else { Reading::Applied };
    Decision { events, reading: partial.unwrap_or(whole) }
}

/// Whether a set of tags holds none.
fn is_empty(tags: &Value) -> bool {
    matches!(tags, Value::List(list) if list.is_empty())
}

/// Whether `masked` names `path` or a part that contains it.
fn covers(masked: &str, path: &str) -> bool {
    path.strip_prefix(masked).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// Whether a difference comes from the mapping alone: a newer mapping adds fields, an older one lacks them.
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
        return Decision::nothing(Reading::Hint);
    };
    if to == from {
        return Decision::nothing(Reading::Confirmed);
    }
    if from == TERMINATED {
        return Decision::nothing(Reading::Late);
    }
    let known_at = known_at(known, current, Group::State, moment);
    let applies = match observation.at.second().cmp(&known_at.second()) {
        _ if to == TERMINATED => true,
        _ if is_older_than_process(observation, moment) => false,
        std::cmp::Ordering::Greater => true,
        // Within a second the clocks do not order; the lifecycle does.
        std::cmp::Ordering::Equal => is_shortly_before(from, to),
        std::cmp::Ordering::Less => false,
    };
    if !applies {
        return Decision::nothing(Reading::Hint);
    }
    let at = observation.at.max(known_at);
    // The reasons belong to the state that was left; what AWS gives as the new ones is not known yet, so they go.
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
        return Decision::nothing(Reading::Late);
    }
    let at = observation.at;
    if is_older_than_process(observation, moment) || at < known_at(known, current, Group::Tags, moment) {
        return Decision::nothing(Reading::Hint);
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

/// Rule 8. No group is observed by it, so none gets new evidence.
fn noticed(current: &Current, observation: &Observation, notice: &Notice, moment: DecisionTime) -> Decision {
    if notice.until <= moment.now {
        return Decision::nothing(Reading::Late);
    }
    let changes = current.document.changes_to(&notice::laid(&current.document, notice));
    if changes.is_empty() {
        let known = notice::of(&current.document).contains(notice);
        return Decision::nothing(if known { Reading::Confirmed } else { Reading::Late });
    }
    Decision::applied(Event::Changed {
        id: observation.id.clone(),
        changes,
        evidence: Vec::new(),
        overlay: Overlay::Keep,
    })
}

/// The newest evidence of a group, describes that changed nothing included.
fn known_at(known: KnownResource<'_>, current: &Current, group: Group, moment: DecisionTime) -> Timestamp {
    let confirmed = known.confirmed.unwrap_or(Timestamp::EPOCH);
    credible(current.evidence.of(group).at, moment.now).max(credible(confirmed, moment.now))
}

fn is_older_than_process(observation: &Observation, moment: DecisionTime) -> bool {
    observation.source == Source::Notification && !moment.swept && observation.at < moment.started.max(moment.steady)
}
