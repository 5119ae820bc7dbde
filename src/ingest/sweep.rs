//! Applies the steps of a full listing, and judges what its end proves. [`page`] applies its pages.

mod page;

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use super::draft::Draft;
use super::due_marks::DueMarks;
use super::ledger::LedgerView;
use super::under_way::SweepUnderWay;
use super::{Ingest, IngestError, Ledger, MAX_ROWS};
use crate::freshness::{Continuity, Swept, WatchedScope};
use crate::model::{
    Kind, Observation, ResourceId, Scope, Seen, Source, SweepMessage, SweepStep, Timestamp, Trouble, TroubleClass,
};
use crate::notify::ChangeTopic;
use crate::reconcile::ScopeMemory;
use crate::reconcile::absence::{Absence, Unseen};
use crate::store::{CommitBatch, ReadError};

impl<L: Ledger> Ingest<L> {
    pub(super) fn sweep(&mut self, message: SweepMessage) {
        let SweepMessage { scope, kind, step } = message;
        let key = (scope.clone(), kind.clone());
        if self.is_given_up(&scope, &kind) {
            // It was on its way when that was recorded.
            return;
        }
        match step {
            SweepStep::Started { at } => {
                let (baseline, since) = self.freshness.update(&scope, &kind, |watched| {
                    let since = watched.unwatched_since(at);
                    watched.state.running_since = Some(at);
                    watched.state.seen = 0;
                    if let Some(trouble) = &mut watched.state.trouble {
                        // A new attempt starts now.
                        trouble.retry_at = None;
                    }
                    watched.memory.begin();
                    watched.begin_unread();
                    (watched.begins(), since)
                });
                let (broken, narrower, absent) = (None, false, BTreeSet::new());
                self.sweeps.insert(key, SweepUnderWay { started: at, baseline, since, broken, narrower, absent });
            }
            // A listing that was cut off when its scope was given up is not heard any more when that is watched again.
            SweepStep::Page(_) if !self.sweeps.contains_key(&key) => {}
            SweepStep::Page(mut page) => {
                if let Some(sweep) = self.sweeps.get_mut(&key) {
                    sweep.absent.extend(std::mem::take(&mut page.absent));
                }
                let count = (page.items.len() + page.unchanged.len() + page.unreadable.len()) as u64;
                if let Err(error) = self.page(&scope, &kind, page)
                    && let Some(sweep) = self.sweeps.get_mut(&key)
                {
                    sweep.broken.get_or_insert(error);
                }
                if self.is_given_up(&scope, &kind) {
                    // That was recorded in the middle of the page.
                    return;
                }
                let stumbled = self.freshness.update(&scope, &kind, |watched| {
                    watched.state.seen += count;
                    watched.state.stumble.take().is_some()
                });
                if stumbled {
                    self.hub.mark([ChangeTopic::Freshness, ChangeTopic::Summary]);
                }
            }
            SweepStep::Stumbled { mut trouble } => {
                self.freshness.update(&scope, &kind, |watched| {
                    trouble.since = watched.state.failing().map_or(trouble.since, |earlier| earlier.since);
                    watched.state.stumble = Some(Box::new(trouble));
                });
                self.hub.mark([ChangeTopic::Freshness, ChangeTopic::Summary]);
            }
            SweepStep::LeftOut { names, first } => {
                if let Some(sweep) = self.sweeps.get_mut(&key) {
                    sweep.narrower = first && !names.names().is_empty();
                }
                self.freshness.update(&scope, &kind, |watched| watched.state.left_out = names.names().to_vec());
            }
            SweepStep::Completed { ended } => {
                let Some(mut sweep) = self.sweeps.remove(&key) else { return };
                let steady = self.clock.steady_since();
                if steady > sweep.started || sweep.started > ended {
                    let what =
                        "the clock jumped while the listing was under way, so its times cannot be used".to_owned();
                    let fix = "The next sweep repeats it; check what sets this machine's clock".to_owned();
                    self.fail(
                        &scope,
                        &kind,
                        Trouble { class: TroubleClass::Clock, what, fix, since: self.clock.now(), retry_at: None },
                    );
                    return self.freshness.bump();
                }
                let outcome = match sweep.broken.take() {
                    Some(broken) => Err(broken),
                    None => self.complete(&scope, &kind, &sweep, ended),
                };
                match &outcome {
                    Ok(()) => self.tally.note_sweep(&kind, Some(ended.since(sweep.started))),
                    Err(_) => self.tally.note_sweep(&kind, None),
                }
                if let Err(error) = outcome {
                    let fix = if error.advises() {
                        "The next sweep repeats it."
                    } else {
                        "Check the disk that holds the data directory; the next sweep repeats it."
                    };
                    let what = error.to_string();
                    let since = self.clock.now();
                    self.fail(
                        &scope,
                        &kind,
                        Trouble { class: TroubleClass::Store, what, fix: fix.to_owned(), since, retry_at: None },
                    );
                }
            }
            SweepStep::Failed { trouble } => {
                self.sweeps.remove(&key);
                self.tally.note_sweep(&kind, None);
                self.fail(&scope, &kind, trouble);
            }
        }
        self.freshness.bump();
    }

    fn fail(&mut self, scope: &Scope, kind: &Kind, mut trouble: Trouble) {
        self.freshness.update(scope, kind, |watched| {
            watched.state.running_since = None;
            watched.state.stumble = None;
            if let Some(earlier) = watched.state.trouble.take().filter(|earlier| earlier.class == trouble.class) {
                trouble.since = earlier.since;
            }
            watched.state.trouble = Some(Box::new(trouble));
        });
        self.hub.mark([ChangeTopic::Freshness, ChangeTopic::Summary]);
    }

    /// Judges the resources that a complete sweep lacked, and records its end.
    fn complete(
        &mut self,
        scope: &Scope,
        kind: &Kind,
        sweep: &SweepUnderWay,
        ended: Timestamp,
    ) -> Result<(), IngestError> {
        let started = sweep.started;
        let mut unseen = self.unseen(scope, kind)?;
        if self.is_given_up(scope, kind) {
            // That was recorded meanwhile, so that nothing is proved.
            return Ok(());
        }
        let mut unjudged = 0;
        // Any known resource may be among the listed ones without an id.
        let nameless = self.freshness.view(scope, kind, |watched| watched.is_some_and(WatchedScope::lists_nameless));
        if sweep.narrower || nameless {
            unjudged = unseen.len() as u64;
            unseen.clear();
        }
        let (steady, now) = (self.clock.steady_since(), self.clock.now());
        let fresh = self.rules(kind).absence_after;
        let absence = self.freshness.update(scope, kind, |watched| {
            watched.memory.forget_undated(steady, now);
            watched.memory.complete(unseen, fresh, started, ended)
        });
        let absence = Absence { spared: absence.spared + unjudged, ..absence };
        let Absence { removed, candidates, spared, held } = absence;
        let gone = removed.into_iter().map(|id| {
            let id = ResourceId::new(scope, kind, id);
            Observation { source: Source::Sweep, at: started, id, seen: Seen::Absent }
        });
        let mut gone: VecDeque<Observation> = gone.collect();
        let cause = sweep.cause();
        while !gone.is_empty() {
            self.commit_chunk(Draft::default(), &mut gone, &cause)?;
            self.serve_urgent();
            self.share();
        }
        if self.is_given_up(scope, kind) {
            return Ok(());
        }
        if let Some(hold) = &held {
            let shown = hold.shown();
            tracing::warn!(%scope, %kind, vanished = shown.vanished, of = shown.of, "held: too many vanished at once");
            self.ask(scope, kind, hold.sample().cloned().collect());
        }
        self.ask(scope, kind, candidates.into_keys().collect());
        let returns = self.freshness.view(scope, kind, |watched| watched.is_some_and(WatchedScope::returns));
        let continuity = self.note_complete(scope, kind, Swept { started, ended }, spared, &sweep.absent);
        if returns {
            // What was found then is not reported one by one.
            self.tell_of(&BTreeSet::from([scope.clone()]), Some(kind));
        }
        if continuity != Continuity::Continues {
            // Once the end of the baseline is durable, whatever appears is news, even after a crash. An interrupted run of watching
            // also ends here.
            let ended = match continuity {
                Continuity::Interrupted(ended) => Some(ended),
                Continuity::First | Continuity::Continues => None,
            };
            self.due_marks.ended.extend(ended);
            self.due_marks.swept.push((scope.clone(), kind.clone()));
            self.save_due_marks()?;
        }
        Ok(())
    }

    /// Saves the ends of first sweeps: at once where no further message of a sweep waits, and otherwise those of many sweeps in one
    /// commit. While thousands of scopes are swept for the first time, most of them empty, each would cost a sync of the disk.
    pub(super) fn save_due_marks(&mut self) -> Result<(), IngestError> {
        let is_due = self.due_marks.swept.len() >= MAX_ROWS || !self.lanes.has_pages();
        if self.due_marks.swept.is_empty() || !is_due {
            return Ok(());
        }
        // As they are now: a later sweep may have ended since. What cannot be saved is saved with all others in a while.
        let DueMarks { ended, swept } = std::mem::take(&mut self.due_marks);
        let now = if self.freshness.len() <= MAX_ROWS {
            self.freshness.watermarks()
        } else {
            swept.iter().filter_map(|(scope, kind)| self.freshness.watermark(scope, kind)).collect()
        };
        let watermarks = ended.iter().cloned().chain(now).collect();
        let saved = self.save(CommitBatch { watermarks, ..CommitBatch::default() });
        if saved.is_err() {
            self.due_marks.ended = ended;
        }
        saved.map_err(IngestError::from)
    }

    /// How the end of a sweep affects its run of watching.
    fn note_complete(
        &mut self,
        scope: &Scope,
        kind: &Kind,
        swept: Swept,
        spared: u64,
        absent: &BTreeSet<Arc<str>>,
    ) -> Continuity {
        let (run, turned) = self.freshness.update(scope, kind, |watched| {
            let held_before = watched.state.held.is_some();
            let unread_before = Arc::clone(&watched.state.unreadable);
            let turned = !watched.state.swept_now || watched.state.trouble.is_some();
            let run = watched.completed(swept, spared);
            watched.state.absent = Some(absent).filter(|ids| !ids.is_empty()).cloned().map(Arc::new);
            let turned = turned || !Arc::ptr_eq(&unread_before, &watched.state.unreadable);
            (run, turned || held_before != watched.state.held.is_some())
        });
        if turned {
            self.hub.mark([ChangeTopic::Freshness, ChangeTopic::Summary]);
        }
        run
    }

    /// Known resources of the scope that the current sweep has not shown.
    fn unseen(&mut self, scope: &Scope, kind: &Kind) -> Result<Vec<Unseen>, IngestError> {
        let shown = self.freshness.view(scope, kind, |watched| watched.map_or(0, |watched| watched.memory.shown()));
        let mut unseen = Vec::new();
        if self.ledger.view()?.count(kind, scope)? == shown as u64 {
            return Ok(unseen);
        }
        let mut after: Option<ResourceId> = None;
        loop {
            self.tally.beat();
            // Each step takes a new view: a long read would pin dead pages in the store.
            let mut ids = self.ledger.view()?.ids(kind, scope, after.as_ref(), 1000)?;
            let Some(last) = ids.last() else { return Ok(unseen) };
            after = Some(last.clone());
            self.freshness.view(scope, kind, |watched| {
                ids.retain(|id| !watched.is_some_and(|watched| watched.memory.is_shown(&id.id)));
            });
            for id in ids {
                unseen.extend(self.missed(id)?);
            }
            self.serve_urgent();
            if self.lanes.is_stopped() {
                // A sweep that was not judged completely proves nothing.
                return Err(IngestError::Stopped);
            }
        }
    }

    /// What is known about a resource that was not shown, if it still exists.
    fn missed(&self, id: ResourceId) -> Result<Option<Unseen>, IngestError> {
        let current = match self.ledger.view()?.current(&id) {
            // Nothing can be concluded about it.
            Err(ReadError::Damaged(_)) => return Ok(None),
            current => current?,
        };
        let Some(current) = current else { return Ok(None) };
        let gone = self.rules(&id.kind).is_gone(&current.document);
        let moment = self.moment(true);
        let newest = self.freshness.view(&id.scope(), &id.kind, |watched| {
            let known = |memory: &ScopeMemory| memory.known(&id.id, Some(&current), None).newest(moment);
            watched.map_or(moment.steady, |watched| known(&watched.memory))
        });
        Ok(Some(Unseen { id: id.id, newest, gone }))
    }
}
