//! Turns notifications into records: all waiting ones are committed together, and repeats are recognised.
//!
//! Each commit costs one sync of the disk, so the notifications of several receivers go into one. Each caller is answered when all
//! of its own are durable. A repeat changes nothing: the ids of recorded notifications are stored with the records
//! ([`crate::store::dedupe`]). Ids of notifications that recorded nothing are not stored: deciding such a one again records nothing
//! again, and if something newer was learned about the resource meanwhile, it is older than that.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use tokio::time::Instant;

use super::draft::Draft;
use super::ledger::LedgerView;
use super::work::{Notifications, NotifyResult};
use super::{Chunk, Ingest, IngestError, Ledger, MAX_ROWS, MAX_WORK};
use crate::model::text::shown;
use crate::model::{Called, Cause, Event, Notification, ResourceId, Timestamp};

/// A waiting notification, and the number of its caller.
type WaitingNotification = (usize, Notification);

/// The result of a notification, and the number of its caller.
type DecidedNotification = (usize, NotifyResult);

/// A commit of notifications under construction.
#[derive(Default)]
struct NotificationBatch {
    draft: Draft,
    taken: Vec<DecidedNotification>,
    /// The ids of the recorded ones.
    notified: Vec<String>,
    /// The ids of all.
    met: HashSet<String>,
    calls: Vec<(Timestamp, Cause, Vec<ResourceId>)>,
    /// How many resources the calls name: each is a row to write.
    called: usize,
}

impl<L: Ledger> Ingest<L> {
    /// Records notifications, together with the waiting ones.
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
            let mut group = NotificationBatch::default();
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
                            told.push(NotifyResult::Damaged);
                        }
                        continue;
                    }
                    let error = Arc::new(error);
                    // After a failure of the store itself, the others would fail the same way.
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
            // The caller may have gone: the records stay.
            drop(done.send(told));
        }
        self.share();
    }

    /// Decides from the front of `waiting`, at most `most`, until a commit is full, and commits it. Decided ones are moved to
    /// `decided`.
    fn commit_group(
        &mut self,
        group: &mut NotificationBatch,
        waiting: &mut VecDeque<WaitingNotification>,
        decided: &mut Vec<WaitingNotification>,
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
            if let NotifyResult::Applied(shown) = taken {
                *shown = seq;
            }
        }
        let now = self.clock.now();
        for (at, cause, targets) in group.calls.drain(..) {
            self.calls.note(at, cause, targets, now);
        }
        Ok(())
    }

    /// Decides a notification.
    fn weigh(
        &self,
        group: &mut NotificationBatch,
        view: &L::View,
        notification: Notification,
    ) -> Result<NotifyResult, IngestError> {
        let Notification { event_id, observations, called } = notification;
        if !group.met.insert(event_id.clone()) || view.is_notified(&event_id)? {
            return Ok(NotifyResult::Repeated);
        }
        let before = group.draft.entries.len();
        let cause = match called {
            Some(Called { call, at, mut targets }) => {
                targets.retain(|target| self.hears(view, &target.scope(), &target.kind));
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
            // When it is delivered again, its effect on known resources is decided again, with the same result.
            return Ok(NotifyResult::Unknown);
        }
        if group.draft.entries.len() == before {
            return Ok(NotifyResult::Unchanged);
        }
        group.notified.push(event_id);
        Ok(NotifyResult::Applied(view.seq()))
    }
}

#[cfg(test)]
mod tests;
