//! A commit in the making.

use std::collections::HashMap;

use super::calls::{Recent, caller};
use super::ledger::View;
use crate::model::known::{fold, state_name};
use crate::model::{
    Cause, Current, Event, KindRules, Observation, Recorded, ResourceId, Seen, Seq, Source, Timestamp, Wanted,
};
use crate::reconcile::memory::{How, Note};
use crate::reconcile::{self, DecisionTime, KnownResource, Reading, credible};
use crate::store::ReadError;

/// Events decided but not committed, and the state they lead to: the next decision of the same commit sees it.
#[derive(Default)]
pub(super) struct Draft {
    pub(super) entries: Vec<(Cause, Event)>,
    /// What to remember once the commit is durable, in order.
    pub(super) notes: Vec<(ResourceId, Note)>,
    /// Whom to ask for by id.
    pub(super) wanted: Vec<Wanted>,
    /// Whose describe did not settle what it was asked for.
    pub(super) unsettled: Vec<ResourceId>,
    /// How many resources lacked all their tags.
    tagless: usize,
    ahead: HashMap<ResourceId, Ahead>,
}

/// A resource as it will be after the commit, and what will be remembered of it.
struct Ahead {
    current: Option<Current>,
    /// Everything known but `current`.
    remembered: KnownResource<'static>,
}

/// What a decision rests on besides what the store holds.
pub(super) struct Grounds<'c> {
    /// What is remembered of the resource; nothing of the store is in it.
    pub(super) remembered: KnownResource<'static>,
    /// How many more resources of the scope may be asked for because their tags are doubted.
    pub(super) tag_questions: usize,
    pub(super) rules: KindRules,
    pub(super) moment: DecisionTime,
    /// Who called AWS of late to do something to it, the first caller first.
    pub(super) calls: &'c [Recent],
}

impl Ahead {
    fn known(&self) -> KnownResource<'_> {
        KnownResource { current: self.current.as_ref(), ..self.remembered }
    }

    /// As the scope's memory will take it for good.
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
    /// A draft that begins with entries decided elsewhere.
    pub(super) fn of(entries: Vec<(Cause, Event)>) -> Self {
        Draft { entries, ..Draft::default() }
    }

    /// Decides one observation on top of what was decided before. Whether it is too early: it says what only a known resource can
    /// hold, and the resource is not known.
    pub(super) fn decide<V: View>(
        &mut self,
        view: &V,
        observation: Observation,
        given: &Cause,
        grounds: &Grounds<'_>,
    ) -> Result<bool, ReadError> {
        let Grounds { remembered, tag_questions, rules, moment, calls } = grounds;
        let mut ahead = if let Some(ahead) = self.ahead.remove(&observation.id) {
            ahead
        } else {
            let removed_at = view.removed_at(&observation.id)?;
            Ahead { current: view.current(&observation.id)?, remembered: KnownResource { removed_at, ..*remembered } }
        };
        let verdict = reconcile::decide(ahead.known(), &observation, *rules, *moment);
        let early = is_early(&observation.seen, ahead.current.as_ref());
        let mut removed = false;
        for event in verdict.events {
            if let Event::Removed { at, .. } = &event {
                removed = true;
                ahead.remembered.removed_at = Some(*at);
            }
            // The real seq is the store's to give; no decision depends on it.
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
        if let Some(note) = note {
            ahead.take(note);
            self.notes.push((observation.id.clone(), note));
        }
        self.follow_up(&observation, verdict.reading, *tag_questions);
        self.ahead.insert(observation.id, ahead);
        Ok(early)
    }

    /// Who is to be asked for after an observation (rules 3 and 4).
    fn follow_up(&mut self, observation: &Observation, reading: Reading, tag_questions: usize) {
        let told = matches!(observation.source, Source::Notification | Source::Tool);
        let asserted = match &observation.seen {
            Seen::StateAsserted(state) => state_name(state).map(str::to_owned),
            _ => None,
        };
        match (&observation.seen, reading) {
            (Seen::Described(_) | Seen::NotFound, Reading::Lag | Reading::Hint) => {
                self.unsettled.push(observation.id.clone());
            }
            (Seen::Described(_), Reading::Tagless) => {
                self.unsettled.push(observation.id.clone());
                self.tagless += 1;
                if observation.source == Source::Sweep && self.tagless <= tag_questions {
                    self.wanted.push(Wanted { id: observation.id.clone(), expects: None });
                }
            }
            (
                Seen::StateAsserted(_) | Seen::TagsAsserted { .. } | Seen::Noticed(_) | Seen::Mentioned,
                Reading::Applied | Reading::Hint,
            ) if told => {
                self.wanted.push(Wanted { id: observation.id.clone(), expects: asserted });
            }
            _ => {}
        }
    }
}

/// What is remembered of an observation that did not remove its resource.
fn note(
    observation: &Observation,
    reading: Reading,
    current: Option<&Current>,
    rules: KindRules,
    now: Timestamp,
) -> Option<Note> {
    let at = observation.at;
    let exists = current.is_some();
    match &observation.seen {
        // A time that cannot be ordered is remembered by nobody, but who was shown was shown.
        Seen::Described(_) if exists => Some(Note::Shown {
            at: credible(at, now),
            how: match reading {
                Reading::Applied | Reading::Confirmed => How::Exactly,
                Reading::Late | Reading::Hint => How::Partly,
                Reading::Lag => How::Lagging,
                Reading::Tagless => How::Tagless,
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

/// Whether what was seen can be held by a known resource only, and it is not known.
fn is_early(seen: &Seen, current: Option<&Current>) -> bool {
    match seen {
        Seen::Noticed(notice) => current.is_none() && !notice.over,
        // A describe tells of these.
        Seen::Described(_)
        | Seen::StateAsserted(_)
        | Seen::TagsAsserted { .. }
        | Seen::Mentioned
        | Seen::NotFound
        | Seen::Absent => false,
    }
}

/// What a first sweep discovers was there before Muster looked; what it sees change was not.
fn cause_of(cause: &Cause, event: &Event) -> Cause {
    match (cause, event) {
        (Cause::Baseline, Event::Discovered { .. }) => Cause::Baseline,
        (Cause::Baseline, _) => Cause::Sweep,
        (cause, _) => cause.clone(),
    }
}
