//! What tools have to record and could not, because the disk failed: it is recorded once the store is open again.

use std::collections::VecDeque;

use super::error::IngestError;
use super::work::{Done, Record};
use crate::model::{Cause, Event, Observation};
use crate::store::CommitError;

/// What tools have to record and could not, because the disk failed.
#[derive(Default)]
pub(super) struct KeptRecords(pub(super) VecDeque<KeptRecord>);

pub(super) struct KeptRecord {
    pub(super) record: Record,
    /// Whether it may be stored all the same: the disk failed under its very commit.
    pub(super) doubtful: bool,
}

/// A record's content, to be recorded once more.
pub(super) struct Spare {
    /// Empty once they are stored.
    pub(super) entries: Vec<(Cause, Event)>,
    observations: Vec<Observation>,
}

impl Spare {
    /// Of a record that a tool made. Everything else comes again by itself: SQS repeats what it was not told to forget, and sweeps
    /// and refreshes look again.
    pub(super) fn of(record: &Record) -> Option<Self> {
        let Record { entries, observations, .. } = record;
        (!entries.is_empty()).then(|| Spare { entries: entries.clone(), observations: observations.clone() })
    }
}

impl KeptRecords {
    /// Keeps what `error` kept from being recorded. The asker, who waits for `done`, is not told yet.
    pub(super) fn push(&mut self, spare: Spare, cause: Cause, done: Done, error: &IngestError) {
        let Spare { entries, observations } = spare;
        let doubtful = matches!(error, IngestError::Commit(CommitError::Failed { .. }));
        self.0.push_back(KeptRecord { record: Record { entries, observations, cause, done }, doubtful });
    }
}
