//! A commit under construction.

use std::collections::HashMap;
use std::sync::Arc;

use super::calls::{Recent, caller};
use super::ledger::LedgerView;
use crate::model::known::{fold, state_name};
use crate::model::{
    Cause, Current, Event, KindRules, Observation, Recorded, ResourceId, Seen, Seq, Source, Timestamp, Wanted,
};
use crate::reconcile::memory::{How, Note};
use crate::reconcile::{self, DecisionTime, Judgment, KnownResource, credible};
use crate::store::ReadError;

/// Events that are decided but not committed, and the states they lead to: the next decision of the same commit uses them.
#[derive(Default)]
pub(super) struct Draft {
    pub(super) entries: Vec<(Cause, Event)>,
    /// What to remember once the commit is durable, in order.
    pub(super) notes: Vec<(ResourceId, Note)>,
    /// Resources to describe by id.
    pub(super) wanted: Vec<Wanted>,
    /// Resources whose describe did not settle the question.
    pub(super) unsettled: Vec<ResourceId>,
    /// How many resources lacked all their tags.
    tagless: usize,
    ahead: HashMap<ResourceId, Ahead>,
}

/// A resource as it will be after the commit, with what will be remembered.
struct Ahead {
    current: Option<Current>,
    /// Everything known except `current`.
    remembered: KnownResource<'static>,
    /// Whether the last that was seen of it is that a sweep showed exactly this.
    exact: bool,
}

/// The input of a decision besides the store.
pub(super) struct Grounds<'c> {
    /// What is remembered of the resource; nothing in it comes from the store.
    pub(super) remembered: KnownResource<'static>,
    /// How many more resources of the scope may be described because of doubted tags.
    pub(super) tag_questions: usize,
    pub(super) rules: KindRules,
    pub(super) moment: DecisionTime,
    /// Recent calls about it, in recording order.
    pub(super) calls: &'c [Recent],
}

impl Ahead {
    fn known(&self) -> KnownResource<'_> {
        KnownResource { current: self.current.as_ref(), ..self.remembered }
    }

    /// Applies a note as the scope's memory will.
    fn take(&mut self, note: Note) {
        let known = &mut self.remembered;
        match note {
            Note::Shown { at, how, .. } => {
                known.listed = known.listed.max(Some(at));
                if how == How::Exactly {
                    known.confirmed = known.confirmed.max(Some(at));
                }
                if how == How::Tagless {
                    known.tagless.get_or_insert(at);
                } else if known.tagless.is_some_and(|first| at >= first) {
                    known.tagless = None;
                }
                known.candidate = None;
            }
            Note::Told { at } | Note::Listed { at } => known.listed = known.listed.max(Some(at)),
            Note::Missing { .. } => {}
            Note::Removed => *known = KnownResource { removed_at: known.removed_at, ..KnownResource::default() },
        }
    }
}

impl Draft {
    /// A draft that starts with entries decided elsewhere.
    pub(super) fn of(entries: Vec<(Cause, Event)>) -> Self {
        Draft { entries, ..Draft::default() }
    }

    /// Decides one observation after the earlier decisions. Returns whether it is too early: only a known resource can have what it
    /// shows, and the resource is not known.
    pub(super) fn decide<V: LedgerView>(
        &mut self,
        view: &V,
        observation: Observation,
        given: &Cause,
        grounds: &Grounds<'_>,
    ) -> Result<bool, ReadError> {
        let Grounds { remembered, tag_questions, rules, moment, calls } = grounds;
        let observation = not_before_it_was_begun(observation, *rules, moment.now);
        let mut ahead = if let Some(ahead) = self.ahead.remove(&observation.id) {
            ahead
        } else {
            let removed_at = view.removed_at(&observation.id)?;
            let remembered = KnownResource { removed_at, ..*remembered };
            Ahead { current: view.current(&observation.id)?, remembered, exact: false }
        };
        let verdict = reconcile::decide(ahead.known(), &observation, *rules, *moment);
        let early = is_early(&observation.seen, ahead.current.as_ref());
        let (mut removed, mut discovered) = (false, false);
        for event in verdict.events {
            if let Event::Removed { at, .. } = &event {
                removed = true;
                ahead.remembered.removed_at = Some(*at);
            }
            discovered |= matches!(event, Event::Discovered { .. });
            // The store assigns the real seq; no decision depends on it.
            let cause = caller(calls, &event, &observation, ahead.known(), *moment, rules.made_by).cloned();
            let cause = cause.unwrap_or_else(|| cause_of(given, &event));
            let record = Recorded { seq: Seq::ZERO, recorded_at: moment.now, cause, event };
            ahead.current = fold(ahead.current.take(), &record);
            self.entries.push((record.cause, record.event));
        }
        let note = if removed {
            Some(Note::Removed)
        } else {
            note(&observation, verdict.reading, ahead.current.as_ref(), *rules, moment.now)
        };
        ahead.exact = is_as_shown(&observation, ahead.current.as_ref(), rules.mapping);
        if let Some(note) = note {
            ahead.take(note);
            self.notes.push((observation.id.clone(), note));
        }
        self.follow_up(&observation, verdict.reading, *tag_questions);
        if let (true, Seen::Described(document)) = (discovered, &observation.seen)
            && let Some(awaited) = rules.awaited(document, moment.now)
        {
            self.wanted.push(Wanted {
                id: observation.id.clone(),
                expects: Some(awaited.to_owned()),
                is_changing: false,
            });
        }
        self.ahead.insert(observation.id, ahead);
        Ok(early)
    }

    /// The resources that will be stored exactly as a sweep showed them.
    pub(super) fn exact(&self) -> Vec<Arc<str>> {
        self.ahead.iter().filter(|(_, ahead)| ahead.exact).map(|(id, _)| Arc::clone(&id.id)).collect()
    }

    /// Requests the describes that follow from an observation (rules 3 and 4).
    fn follow_up(&mut self, observation: &Observation, reading: Judgment, tag_questions: usize) {
        let told = matches!(observation.source, Source::Notification | Source::Tool);
        let asserted = match &observation.seen {
            Seen::StateAsserted(state) => state_name(state).map(str::to_owned),
            _ => None,
        };
        match (&observation.seen, reading) {
            (Seen::Described(_) | Seen::NotFound, Judgment::Lag | Judgment::Hint) => {
                self.unsettled.push(observation.id.clone());
            }
            (Seen::Described(_), Judgment::Tagless) => {
                self.unsettled.push(observation.id.clone());
                self.tagless += 1;
                if observation.source == Source::Sweep && self.tagless <= tag_questions {
                    self.wanted.push(Wanted { id: observation.id.clone(), expects: None, is_changing: false });
                }
            }
            (
                Seen::StateAsserted(_) | Seen::TagsAsserted { .. } | Seen::Noticed(_) | Seen::Mentioned,
                Judgment::Applied | Judgment::Hint,
            ) if told => {
                let is_changing = observation.source == Source::Tool;
                self.wanted.push(Wanted { id: observation.id.clone(), expects: asserted, is_changing });
            }
            _ => {}
        }
    }
}

/// The same observation, dated no earlier than what it shows was begun: AWS's clock and ours may differ by a second, and its answer
/// is newer than what stands in it.
fn not_before_it_was_begun(observation: Observation, rules: KindRules, now: Timestamp) -> Observation {
    let begun = match &observation.seen {
        Seen::Described(document) => rules.begun(document).filter(|begun| credible(*begun, now) == *begun),
        _ => None,
    };
    Observation { at: begun.map_or(observation.at, |begun| begun.max(observation.at)), ..observation }
}

/// What to remember of an observation that did not remove its resource.
fn note(
    observation: &Observation,
    reading: Judgment,
    current: Option<&Current>,
    rules: KindRules,
    now: Timestamp,
) -> Option<Note> {
    let at = observation.at;
    let exists = current.is_some();
    match &observation.seen {
        // A time that cannot be ordered is not remembered, but the resource was shown.
        Seen::Described(_) if exists => Some(Note::Shown {
            at: credible(at, now),
            how: match reading {
                Judgment::Applied | Judgment::Confirmed => How::Exactly,
                Judgment::Late | Judgment::Hint => How::Partly,
                Judgment::Lag => How::Lagging,
                Judgment::Tagless => How::Tagless,
            },
            swept: observation.source == Source::Sweep,
            gone: current.is_some_and(|current| rules.is_gone(&current.document)),
        }),
        Seen::StateAsserted(_) | Seen::TagsAsserted { .. } | Seen::Noticed(_) | Seen::Mentioned
            if exists && credible(at, now) == at =>
        {
            Some(Note::Told { at })
        }
        Seen::NotFound if exists => Some(Note::Missing { at }),
        _ => None,
    }
}

/// Whether a sweep showed exactly what will be stored of a resource.
fn is_as_shown(observation: &Observation, current: Option<&Current>, mapping: u16) -> bool {
    match (&observation.seen, current) {
        (Seen::Described(document), Some(current)) if observation.source == Source::Sweep => {
            current.provisional.is_none() && current.mapping == mapping && current.document == **document
        }
        _ => false,
    }
}

/// Whether only a known resource can have what was seen, and it is not known.
fn is_early(seen: &Seen, current: Option<&Current>) -> bool {
    match seen {
        Seen::Noticed(notice) => current.is_none() && !notice.over,
        // A describe shows these.
        Seen::Described(_)
        | Seen::StateAsserted(_)
        | Seen::TagsAsserted { .. }
        | Seen::Mentioned
        | Seen::NotFound
        | Seen::Absent => false,
    }
}

/// The cause of an event: what a first sweep discovers existed before Muster looked; a change that it sees did not.
fn cause_of(cause: &Cause, event: &Event) -> Cause {
    match (cause, event) {
        (Cause::Baseline, Event::Discovered { .. }) => Cause::Baseline,
        (Cause::Baseline, _) => Cause::Sweep,
        (cause, _) => cause.clone(),
    }
}

#[cfg(test)]
mod tests;
