//! Refused and unconfirmed calls of tools, coalesced: a client that tries again and again does not fill the log.
//!
//! The first call of a client for certain targets that a rule refuses is recorded at once. The same calls that follow within [`WINDOW`]
//! are counted, and recorded together, with the newest call, when it is over; so the log holds two records a minute for each, and no
//! call is missing from the counts. A stop records what is counted; a crash may lose the count of the last minute, never a first refusal.
//! A client may try many targets: above [`DISTINCT`] in a minute, the rest is counted together, and the record names the targets of all,
//! as far as [`MAX_TARGETS`] reaches. It may call itself by many names: above [`MAX_WINDOWS`] those of one user are counted together.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::model::{ConfirmationOutcome, Event, Repeats, ResourceId, Timestamp, WriteAttempt};

/// How long the same is counted before it is recorded again.
pub(super) const WINDOW: Duration = Duration::from_mins(1);

/// How many calls of one client, which one rule refuses, are told apart at one time.
const DISTINCT: usize = 16;

/// How many calls are told apart at one time.
const MAX_WINDOWS: usize = 256;

/// How many targets a record of calls that are counted together names.
const MAX_TARGETS: usize = 50;

/// What is counted together: a client of a user, the rule that refuses its calls or the end of its confirmations, and what was called.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct AttemptKey {
    user: Option<Arc<str>>,
    client: Option<Arc<str>>,
    why: String,
    /// The tool and its targets; `None` for the calls above those that are told apart.
    call: Option<(String, Vec<ResourceId>)>,
}

impl AttemptKey {
    /// Whether the same client's calls ended the same way.
    fn is_like(&self, other: &AttemptKey) -> bool {
        (&self.user, &self.client, &self.why) == (&other.user, &other.client, &other.why)
    }
}

/// A minute that began with a recorded call.
#[derive(Debug)]
struct CountedMinute {
    ends: Instant,
    /// The newest call after the recorded one, with the count of all of them.
    counted: Option<Event>,
}

/// What was counted within the last minute.
#[derive(Debug, Default)]
pub(super) struct AttemptBook(HashMap<AttemptKey, CountedMinute>);

impl AttemptBook {
    /// Takes an event at `now`, the time `at`. Returns what is to be recorded at once: nothing if it is only counted. An event that
    /// is no attempt, or an accepted confirmation, is always recorded.
    pub(super) fn take(&mut self, event: Event, now: Instant, at: Timestamp) -> Option<Event> {
        let Some(mut key) = key(&event) else { return Some(dated(event, Repeats::once(at))) };
        if !self.0.contains_key(&key) && self.0.keys().filter(|known| known.is_like(&key)).count() >= DISTINCT {
            key.call = None;
        }
        if !self.0.contains_key(&key) && self.0.len() >= MAX_WINDOWS {
            (key.client, key.call) = (None, None);
        }
        if let Some(minute) = self.0.get_mut(&key).filter(|minute| now < minute.ends) {
            let before = minute.counted.as_ref().and_then(repeats);
            let repeats = before.map_or_else(
                || Repeats::once(at),
                |before| Repeats { count: before.count + 1, first_at: before.first_at, last_at: at },
            );
            minute.counted = Some(dated(with_targets_of(event, minute.counted.as_ref()), repeats));
            return None;
        }
        let earlier = self.0.insert(key, CountedMinute { ends: now + WINDOW, counted: None });
        // What was counted in a minute that is over is part of the new record.
        let counted = earlier.and_then(|minute| minute.counted);
        let repeats = counted.as_ref().and_then(repeats).map_or_else(
            || Repeats::once(at),
            |before| Repeats { count: before.count + 1, first_at: before.first_at, last_at: at },
        );
        Some(dated(with_targets_of(event, counted.as_ref()), repeats))
    }

    /// What was counted in minutes that are over at `now`.
    pub(super) fn due(&mut self, now: Instant) -> Vec<Event> {
        self.end(|minute| minute.ends <= now)
    }

    /// Everything that was counted.
    pub(super) fn rest(&mut self) -> Vec<Event> {
        self.end(|_| true)
    }

    /// When the next minute is over in which something was counted.
    pub(super) fn wake(&self) -> Option<Instant> {
        self.0.values().filter(|minute| minute.counted.is_some()).map(|minute| minute.ends).min()
    }

    fn end(&mut self, is_over: impl Fn(&CountedMinute) -> bool) -> Vec<Event> {
        let over = self.0.extract_if(|_, minute| is_over(minute));
        let mut events: Vec<Event> = over.filter_map(|(_, minute)| minute.counted).collect();
        events.sort_by_key(|event| repeats(event).map(|repeats| repeats.last_at));
        events
    }
}

fn key(event: &Event) -> Option<AttemptKey> {
    let (attempt, why) = match event {
        Event::ActionRefused { attempt, rule, .. } => (attempt, rule.clone()),
        Event::ActionConfirmed { attempt, way, outcome, .. } if *outcome != ConfirmationOutcome::Accepted => {
            (attempt, format!("{} {}", way.name(), outcome.name()))
        }
        _ => return None,
    };
    let WriteAttempt { tool, targets, by, .. } = attempt;
    let call = Some((tool.clone(), targets.clone()));
    let (user, client) = (by.as_ref().map(|by| by.user.clone()), by.as_ref().and_then(|by| by.client.clone()));
    Some(AttemptKey { user, client, why, call })
}

fn repeats(event: &Event) -> Option<Repeats> {
    match event {
        Event::ActionRefused { repeats, .. } | Event::ActionConfirmed { repeats, .. } => Some(*repeats),
        _ => None,
    }
}

/// The event with the targets of an earlier one, which is counted together with it, after its own.
fn with_targets_of(mut event: Event, earlier: Option<&Event>) -> Event {
    let of = |event: &Event| match event {
        Event::ActionRefused { attempt, .. } | Event::ActionConfirmed { attempt, .. } => attempt.targets.clone(),
        _ => Vec::new(),
    };
    let more = earlier.map(of).unwrap_or_default();
    if let Event::ActionRefused { attempt, .. } | Event::ActionConfirmed { attempt, .. } = &mut event {
        for target in more {
            if attempt.targets.len() < MAX_TARGETS && !attempt.targets.contains(&target) {
                attempt.targets.push(target);
            }
        }
    }
    event
}

fn dated(event: Event, dated: Repeats) -> Event {
    match event {
        Event::ActionRefused { attempt, rule, .. } => Event::ActionRefused { attempt, rule, repeats: dated },
        Event::ActionConfirmed { attempt, plan, way, outcome, .. } => {
            Event::ActionConfirmed { attempt, plan, way, outcome, repeats: dated }
        }
        event => event,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::Principal;
    use crate::model::fixtures::at_millis;

    fn refused(client: u16, rule: u8) -> Event {
        let by = Principal::of_user("uid:1").with_client(Some(&format!("agent-{client}")), None);
        let attempt = WriteAttempt { tool: "stop_instance".to_owned(), by: Some(by), ..WriteAttempt::default() };
        Event::ActionRefused { attempt, rule: format!("rule {rule}"), repeats: Repeats::once(Timestamp::EPOCH) }
    }

    fn confirmed(outcome: ConfirmationOutcome) -> Event {
        let way = crate::model::ConfirmationWay::Token;
        let (attempt, repeats) = (WriteAttempt::default(), Repeats::once(Timestamp::EPOCH));
        Event::ActionConfirmed { attempt, plan: None, way, outcome, repeats }
    }

    #[test]
    fn an_accepted_confirmation_is_always_recorded_and_a_declined_one_once_a_minute() {
        let (mut book, now) = (AttemptBook::default(), Instant::now());
        for outcome in [ConfirmationOutcome::Accepted, ConfirmationOutcome::Declined] {
            assert!(book.take(confirmed(outcome), now, at_millis(1)).is_some());
            let again = book.take(confirmed(outcome), now, at_millis(2));
            assert_eq!(again.is_some(), outcome == ConfirmationOutcome::Accepted);
        }
        assert_eq!(book.wake(), Some(now + WINDOW));
        assert_eq!(book.due(now + WINDOW).len(), 1);
        assert_eq!(book.wake(), None);
    }

    #[test]
    fn a_client_of_many_names_is_counted_as_one_user() {
        let (mut book, now) = (AttemptBook::default(), Instant::now());
        let recorded = (0..400).filter(|name| book.take(refused(*name, 0), now, at_millis(1)).is_some()).count();
        assert_eq!(recorded, MAX_WINDOWS + 1);
        assert_eq!(book.rest().iter().filter_map(repeats).map(|repeats| repeats.count).sum::<u64>(), 400 - 257);
    }

    #[test]
    fn each_target_of_a_client_is_in_a_record_however_many_it_tries() {
        let about = |n: usize| {
            let Event::ActionRefused { mut attempt, rule, repeats } = refused(0, 0) else { unreachable!() };
            attempt.targets = vec![crate::model::fixtures::id(&format!("i-{n:03}"))];
            Event::ActionRefused { attempt, rule, repeats }
        };
        let (mut book, now) = (AttemptBook::default(), Instant::now());
        let mut records: Vec<Event> = (0..40).filter_map(|n| book.take(about(n), now, at_millis(1))).collect();
        assert_eq!(records.len(), DISTINCT + 1);
        records.extend(book.due(now + WINDOW));
        assert_eq!(records.len(), DISTINCT + 2);
        let named: std::collections::BTreeSet<_> =
            records.iter().flat_map(|event| key(event).unwrap().call.unwrap().1).collect();
        assert_eq!(named.len(), 40);
        assert_eq!(records.iter().filter_map(repeats).map(|repeats| repeats.count).sum::<u64>(), 40);
    }

    proptest! {
        #[test]
        fn every_refusal_is_counted_once_and_at_most_two_are_recorded_a_minute(
            steps in proptest::collection::vec((0..40_u64, 0..3_u16, 0..2_u8), 0..200)
        ) {
            let (mut book, begun) = (AttemptBook::default(), Instant::now());
            let (mut recorded, mut seconds) = (Vec::new(), 0);
            for (pause, client, rule) in &steps {
                seconds += pause;
                let now = begun + Duration::from_secs(seconds);
                recorded.extend(book.due(now).into_iter().map(|event| (seconds, event)));
                let at = at_millis(i64::try_from(seconds * 1000).unwrap());
                recorded.extend(book.take(refused(*client, *rule), now, at).map(|event| (seconds, event)));
            }
            recorded.extend(book.rest().into_iter().map(|event| (seconds, event)));
            let count: u64 = recorded.iter().filter_map(|(_, event)| repeats(event)).map(|repeats| repeats.count).sum();
            prop_assert_eq!(count, steps.len() as u64);
            let minutes = seconds / 60 + 2;
            prop_assert!(recorded.len() as u64 <= minutes * 2 * 6, "{} records", recorded.len());
        }
    }
}
