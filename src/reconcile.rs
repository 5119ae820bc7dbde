//! Decides what an observation means, given what is known. Pure: no clock, no I/O, no logging.
//!
//! AWS gives resources no version, and its describes are eventually consistent, so evidence decides, group by group:
//!
//! 1. A describe sent before a group's evidence is ignored for that group.
//! 2. An assertion on State (a tool's answer, a state event) is laid over the described body when it is newer, and
//!    describes that still show a state left in the last 30 s are lag until 30 s after it.
//! 5. Absence from a listing proves nothing by itself: see [`absence`].
//! 7. Until a scope's first complete sweep after a start, events older than the process are hints only.
//! 8. Sources repeat and reorder, so every decision is idempotent; fields that move on every poll are masked.
//!
//! The numbers are those of the project's list of rules. Rules 3 (tag events), 4 (refresh queue) and 6 (mass
//! disappearance) join when the sources that need them exist.

use std::sync::Arc;
use std::time::Duration;

use crate::model::event::Overlay;
use crate::model::known::{LAG_WINDOW, state_name};
use crate::model::{
    Change, Current, Document, Event, Evidence, Group, Map, Observation, Provisional, Seen, Source, Timestamp, Value,
};

pub mod absence;
mod lifecycle;
#[cfg(test)]
mod tests;

/// A stored time this far ahead of now came from a clock that was wrong: it counts as unknown.
const MAX_AHEAD: Duration = Duration::from_secs(5);

/// The state that no instance ever leaves.
const TERMINATED: &str = "terminated";

/// What a kind tells the rules.
#[derive(Clone, Copy, Debug)]
pub struct KindRules {
    /// The version of the mapping that makes this kind's documents now.
    pub mapping: u16,
    /// Paths that move on every poll and are no change.
    pub masked: &'static [&'static str],
}

/// When a decision is made.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// Now, in AWS time.
    pub now: Timestamp,
    /// When this process started to look.
    pub started: Timestamp,
    /// Whether the scope had a complete sweep since then.
    pub swept: bool,
}

/// What is known of the observed resource.
#[derive(Clone, Copy, Debug, Default)]
pub struct Known<'a> {
    /// Its state, if it exists.
    pub current: Option<&'a Current>,
    /// The proof time of its last removal.
    pub removed_at: Option<Timestamp>,
    /// The newest describe that showed exactly `current`. Such describes change nothing and are not in the log.
    pub confirmed: Option<Timestamp>,
}

/// What an observation turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// News: the events say what.
    Applied,
    /// Exactly what was known, in every group.
    Confirmed,
    /// In part or in whole older than what is known; the rest, if any, is in the events.
    Late,
    /// Shows a state that an assertion says was left: describes lag behind.
    Lag,
    /// Too weak to change anything by itself; a describe of the resource would settle it.
    Hint,
}

/// The outcome of [`decide`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// What to record, in order; empty when nothing changed.
    pub events: Vec<Event>,
    /// How the observation was read.
    pub reading: Reading,
}

impl Verdict {
    fn nothing(reading: Reading) -> Self {
        Verdict { events: Vec::new(), reading }
    }

    fn applied(event: Event) -> Self {
        Verdict { events: vec![event], reading: Reading::Applied }
    }
}

/// What `observation` changes in what is known.
#[must_use]
pub fn decide(known: Known<'_>, observation: &Observation, rules: KindRules, moment: Moment) -> Verdict {
    if known.removed_at.is_some_and(|removed| observation.at <= credible(removed, moment.now)) {
        return Verdict::nothing(Reading::Late);
    }
    match (&observation.seen, known.current) {
        (Seen::Described(document), None) => Verdict::applied(Event::Discovered {
            id: observation.id.clone(),
            document: Document::clone(document),
            evidence: Evidence { source: observation.source, at: observation.at },
            mapping: rules.mapping,
        }),
        (Seen::Described(document), Some(current)) => described(known, current, observation, document, rules, moment),
        // Events never create a resource: only a describe shows a whole one.
        (Seen::StateAsserted(_), None) => Verdict::nothing(Reading::Hint),
        (Seen::StateAsserted(state), Some(current)) => asserted(known, current, observation, state, moment),
        (Seen::Absent, None) => Verdict::nothing(Reading::Confirmed),
        (Seen::Absent, Some(current)) => {
            let newest = current.evidence.newest().max(known.confirmed.unwrap_or(Timestamp::EPOCH));
            if observation.at < credible(newest, moment.now) {
                return Verdict::nothing(Reading::Late);
            }
            Verdict::applied(Event::Removed { id: observation.id.clone(), at: observation.at })
        }
    }
}

/// `at`, unless it lies in the future: then whoever wrote it had a wrong clock, nothing can be said, and it counts as
/// before everything.
#[must_use]
pub fn credible(at: Timestamp, now: Timestamp) -> Timestamp {
    if at > now + MAX_AHEAD { Timestamp::EPOCH } else { at }
}

fn described(
    known: Known<'_>,
    current: &Current,
    observation: &Observation,
    document: &Arc<Document>,
    rules: KindRules,
    moment: Moment,
) -> Verdict {
    let at = observation.at;
    let shown = document.fields().get("State").and_then(state_name);
    let confirmed = credible(known.confirmed.unwrap_or(Timestamp::EPOCH), moment.now);
    let newer = |group| at >= credible(current.evidence.of(group).at, moment.now).max(confirmed);

    let lag = current.provisional.as_ref().is_some_and(|provisional| {
        at < provisional.at + LAG_WINDOW && shown.is_some_and(|shown| provisional.before.iter().any(|b| b == shown))
    });
    let takes_state = if shown == Some(TERMINATED) {
        true
    } else {
        newer(Group::State) && !lag && current.state() != Some(TERMINATED)
    };
    let takes = |group| if group == Group::State { takes_state } else { newer(group) };

    let accepted: Vec<Group> = Group::ALL.into_iter().filter(|group| takes(*group)).collect();
    let next = current.document.merged(document, takes);
    // A partial view cannot tell what the mapping learnt from what AWS changed: the next whole one will.
    if current.mapping != rules.mapping && accepted.len() < Group::ALL.len() {
        return Verdict::nothing(if lag { Reading::Lag } else { Reading::Late });
    }
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
    let reading = match (events.is_empty(), accepted.len() == Group::ALL.len()) {
        (false, true) => Reading::Applied,
        (true, true) => Reading::Confirmed,
        (_, false) if lag => Reading::Lag,
        (_, false) => Reading::Late,
    };
    Verdict { events, reading }
}

/// Whether `masked` names `path` or a part that contains it.
fn covers(masked: &str, path: &str) -> bool {
    path.strip_prefix(masked).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// Whether a difference comes from the mapping alone: a newer mapping adds fields, an older one lacks them.
fn is_of_mapping(change: &Change, from: u16, to: u16) -> bool {
    if to > from { change.before.is_none() } else { change.after.is_none() }
}

fn asserted(known: Known<'_>, current: &Current, observation: &Observation, state: &Value, moment: Moment) -> Verdict {
    let (Some(to), Some(from)) = (state_name(state), current.state()) else {
        return Verdict::nothing(Reading::Hint);
    };
    if to == from {
        return Verdict::nothing(Reading::Confirmed);
    }
    if from == TERMINATED {
        return Verdict::nothing(Reading::Late);
    }
    let older_than_process =
        observation.source == Source::Notification && !moment.swept && observation.at < moment.started;
    let known_at = current.evidence.state.at.max(known.confirmed.unwrap_or(Timestamp::EPOCH));
    let known_at = credible(known_at, moment.now);
    let applies = match observation.at.second().cmp(&known_at.second()) {
        _ if to == TERMINATED => true,
        _ if older_than_process => false,
        std::cmp::Ordering::Greater => true,
        // Within a second the clocks do not order; the lifecycle does.
        std::cmp::Ordering::Equal => lifecycle::is_shortly_before(from, to),
        std::cmp::Ordering::Less => false,
    };
    if !applies {
        return Verdict::nothing(Reading::Hint);
    }
    let at = observation.at.max(known_at);
    // The reasons belong to the state that was left; what AWS gives as the new ones is not known yet, so they go.
    let asserted = Document::new(Map::from([("State", state.clone())]));
    let next = current.document.merged(&asserted, |group| group == Group::State);
    let recent = current.held.iter().filter(|held| at.since(held.until) <= LAG_WINDOW).map(|held| held.state.as_str());
    let mut before: Vec<String> = recent.chain([from]).filter(|left| *left != to).map(str::to_owned).collect();
    before.sort_unstable();
    before.dedup();
    Verdict::applied(Event::Changed {
        id: observation.id.clone(),
        changes: current.document.changes_to(&next),
        evidence: vec![(Group::State, Evidence { source: observation.source, at })],
        overlay: Overlay::Lay(Provisional { group: Group::State, source: observation.source, at, before }),
    })
}
