//! Notifications in, records out: all that wait are committed together, and each knows whether it came before.
//!
//! A commit costs a sync of the disk, whatever it holds, so what several receivers brought meanwhile goes into one. Whoever
//! asked is told when all of its own is durable. A repeat changes nothing: ids of what was recorded are stored with the records
//! ([`crate::store::dedupe`]). Those of notifications that recorded nothing are not stored: every decision is idempotent, so
//! deciding such a one again records nothing again, unless something else was learned of the resource meanwhile, and then it is
//! older than that.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use tokio::time::Instant;

use super::draft::Draft;
use super::ledger::View;
use super::work::{Notifications, Taken};
use super::{Chunk, Ingest, IngestError, Ledger, MAX_ROWS, MAX_WORK};
use crate::model::text::shown;
use crate::model::{Called, Cause, Event, Notification, ResourceId, Timestamp};

/// A notification that waits, and the number of its asker.
type Waiting = (usize, Notification);

/// What became of one, and the number of its asker.
type Told = (usize, Taken);

/// A commit of notifications in the making.
#[derive(Default)]
struct Group {
    draft: Draft,
    taken: Vec<Told>,
    /// Ids of those that were recorded.
    notified: Vec<String>,
    /// Ids of all.
    met: HashSet<String>,
    calls: Vec<(Timestamp, Cause, Vec<ResourceId>)>,
    /// How many resources the calls are about: each is a row to write.
    called: usize,
}

impl<L: Ledger> Ingest<L> {
    /// Records notifications, and those that wait besides.
    pub(super) fn notify(&mut self, first: Notifications) {
        let (mut waiting, mut askers) = (VecDeque::new(), Vec::new());
        let mut next = Some(first);
        while let Some(Notifications { notifications, done }) = next {
            waiting.extend(notifications.into_iter().map(|notification| (askers.len(), notification)));
            askers.push((done, Ok(Vec::new())));
            next = if waiting.len() < MAX_ROWS { self.lanes.notifications() } else { None };
        }
        let mut most = MAX_ROWS;
        while !waiting.is_empty() {
            let mut group = Group::default();
            let mut decided = Vec::new();
            match self.commit_group(&mut group, &mut waiting, &mut decided, most) {
                Ok(()) => {
                    for (asker, taken) in group.taken {
                        if let Some((_, Ok(told))) = askers.get_mut(asker) {
                            told.push(taken);
                        }
                    }
                }
                // One of them meets a damaged record: the others do not wait for it.
                Err(error) if decided.len() > 1 && error.is_of_one() => {
                    decided.into_iter().rev().for_each(|one| waiting.push_front(one));
                    most = 1;
                }
                Err(error) => {
                    if error.is_of_one()
                        && let Some((asker, notification)) = decided.pop()
                    {
                        tracing::warn!(event = shown(&notification.event_id, 64), %error, "an event cannot be recorded");
                        if let Some((_, Ok(told))) = askers.get_mut(asker) {
                            told.push(Taken::Damaged);
                        }
                        continue;
                    }
                    let error = Arc::new(error);
                    // After a failure of the store itself the others would only meet the same.
                    for (asker, _) in decided.into_iter().chain(std::mem::take(&mut waiting)) {
                        if let Some((_, told)) = askers.get_mut(asker) {
                            *told = Err(IngestError::Together(Arc::clone(&error)));
                        }
                    }
                }
            }
            while let Some(record) = self.lanes.tool() {
                self.record(record);
            }
        }
        for (done, told) in askers {
            // The asker may have gone: what is recorded stands all the same.
            drop(done.send(told));
        }
        self.share();
    }

    /// Decides from the front of `waiting`, at most `most`, until a commit is full, and commits it. What was looked at is in
    /// `decided`.
    fn commit_group(
        &mut self,
        group: &mut Group,
        waiting: &mut VecDeque<Waiting>,
        decided: &mut Vec<Waiting>,
        most: usize,
    ) -> Result<(), IngestError> {
        let begun = Instant::now();
        let view = self.ledger.view()?;
        while let Some((asker, notification)) = waiting.pop_front() {
            decided.push((asker, notification.clone()));
            let taken = self.weigh(group, &view, notification)?;
            group.taken.push((asker, taken));
            if decided.len() >= most
                || group.draft.entries.len() + group.called >= MAX_ROWS
                || begun.elapsed() >= MAX_WORK
            {
                break;
            }
        }
        let seq = view.seq();
        drop(view);
        let (draft, notified) = (std::mem::take(&mut group.draft), std::mem::take(&mut group.notified));
        let Chunk { seq, .. } = self.conclude(draft, seq, notified)?;
        for (_, taken) in &mut group.taken {
            if let Taken::Applied(shown) = taken {
                *shown = seq;
            }
        }
        let now = self.clock.now();
        for (at, cause, targets) in group.calls.drain(..) {
            self.calls.note(at, cause, targets, now);
        }
        Ok(())
    }

    /// Decides what a notification means.
    fn weigh(&self, group: &mut Group, view: &L::View, notification: Notification) -> Result<Taken, IngestError> {
        let Notification { event_id, observations, called } = notification;
        if !group.met.insert(event_id.clone()) || view.is_notified(&event_id)? {
            return Ok(Taken::Repeated);
        }
        let before = group.draft.entries.len();
        let cause = match called {
            Some(Called { call, at, targets }) => {
                let cause = Cause::Call { event_id: event_id.clone(), call };
                if !targets.is_empty() {
                    group.draft.entries.push((cause.clone(), Event::Called { at, targets: targets.clone() }));
                    group.called += targets.len();
                    group.calls.push((at, cause.clone(), targets));
                }
                cause
            }
            None => Cause::Notification { event_id: event_id.clone() },
        };
        let mut early = false;
        for observation in observations {
            early |= self.decide(&mut group.draft, view, observation, &cause)?;
        }
        if early {
            // What it does to resources that are known is decided again, to the same, when it comes again.
            return Ok(Taken::Unknown);
        }
        if group.draft.entries.len() == before {
            return Ok(Taken::Unchanged);
        }
        group.notified.push(event_id);
        Ok(Taken::Applied(view.seq()))
    }
}

#[cfg(test)]
mod tests;
