//! What the loop does while the disk fails under the store: it reopens the store, and loses nothing meanwhile.
//!
//! Work waits in its lanes, except that tools are refused after [`PATIENCE`], before they call AWS. How a call to AWS ended is
//! recorded as soon as the store is open again.

use std::time::Duration;

use tokio::runtime;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::kept::KeptRecord;
use super::work::{KeyKeeping, Record};
use super::{Ingest, Ledger};
use crate::freshness::Signal;
use crate::model::text::chain;
use crate::model::{Event, Trouble, TroubleClass};
use crate::notify::ChangeTopic;
use crate::store::{CommitError, Committed};

/// How long a tool waits for the store to reopen.
const PATIENCE: Duration = Duration::from_secs(5);

/// The pause after the second attempt; the first two follow each other directly.
const FIRST: Duration = Duration::from_millis(100);

/// The longest pause between attempts.
const MAX_PAUSE: Duration = Duration::from_secs(5);

impl<L: Ledger> Ingest<L> {
    /// Reopens the store, however long it takes, and stores the kept records. False if the loop should end: it is stopped, or the
    /// file found is not the store.
    pub(super) fn recover(&mut self, runtime: &runtime::Handle) -> bool {
        let (begun, mut pause, mut told) = (Instant::now(), Duration::ZERO, false);
        loop {
            let last = self.lanes.is_stopped();
            self.tally.beat();
            match self.ledger.reopen() {
                Ok(committed) => {
                    if std::mem::take(&mut told) {
                        self.show(None);
                    }
                    self.record_kept(committed);
                    // It may open and fail again under the first commit, if the file cannot grow.
                    if !self.ledger.is_failed() {
                        break;
                    }
                    if last {
                        return false;
                    }
                }
                Err(error) if last || !error.is_passing() => {
                    tracing::error!(error = %chain(&error), "the store is not open any more");
                    return false;
                }
                Err(error) => {
                    if !told {
                        tracing::error!(error = %chain(&error), "the store cannot be opened again yet");
                        self.show(Some(chain(&error)));
                        told = true;
                    }
                }
            }
            if begun.elapsed() >= PATIENCE {
                self.refuse_tools();
            }
            runtime.block_on(self.lanes.stopped_within(pause));
            pause = if pause.is_zero() { FIRST } else { (pause * 2).min(MAX_PAUSE) };
        }
        tracing::warn!(after = ?begun.elapsed(), "the store is open again");
        true
    }

    /// Publishes a commit that is stored although the disk failed, and stores the kept records.
    fn record_kept(&mut self, committed: Option<Committed>) {
        let landed = committed.is_some();
        if let Some(committed) = committed {
            self.hub.publish(&committed);
        }
        for KeptRecord { mut record, doubtful } in std::mem::take(&mut self.kept.0) {
            if doubtful && landed {
                // The observations are decided again, with the same result.
                record.entries.clear();
            }
            self.record(record);
        }
    }

    /// Answers waiting tools that nothing is recorded now. What AWS has already done is kept.
    fn refuse_tools(&mut self) {
        let path = self.ledger.path();
        let in_lane = std::iter::from_fn(|| self.lanes.tool()).map(|record| KeptRecord { record, doubtful: false });
        let waiting: Vec<KeptRecord> = std::mem::take(&mut self.kept.0).into_iter().chain(in_lane).collect();
        while let Some(KeyKeeping { done, .. }) = self.lanes.keyed() {
            drop(done.send(Err(CommitError::Latched { path: path.clone() }.into())));
        }
        for KeptRecord { record: Record { entries, observations, cause, done }, doubtful } in waiting {
            drop(done.send(Err(CommitError::Latched { path: path.clone() }.into())));
            let begins = entries.iter().any(|(_, event)| matches!(event, Event::ActionRequested { .. }));
            if !begins {
                let record = Record { entries, observations, cause, done: oneshot::channel().0 };
                self.kept.0.push_back(KeptRecord { record, doubtful });
            }
        }
    }

    /// Sets or clears the reason for staleness that answers show.
    fn show(&self, failure: Option<String>) {
        let trouble = failure.map(|failure| Trouble {
            class: TroubleClass::Store,
            what: format!("the store cannot be read or written: {failure}"),
            fix: "Muster opens it again by itself.".to_owned(),
            since: self.clock.now(),
            retry_at: None,
        });
        self.freshness.signal(Signal::Store(trouble));
        self.hub.mark([ChangeTopic::Freshness, ChangeTopic::Summary]);
    }
}

#[cfg(test)]
mod tests;
