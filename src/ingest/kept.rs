//! Records of tools that could not be stored because the disk failed: they are stored once the store is open again.

use std::collections::VecDeque;

use super::error::IngestError;
use super::work::{Record, RecordSender};
use crate::model::{Cause, Event, Observation};
use crate::store::CommitError;

/// The tools' records that could not be stored because the disk failed.
#[derive(Default)]
pub(super) struct KeptRecords(pub(super) VecDeque<KeptRecord>);

pub(super) struct KeptRecord {
    pub(super) record: Record,
    /// Whether it may be stored after all: the disk failed under its own commit.
    pub(super) doubtful: bool,
}

/// A copy of a record's content, for storing it later.
pub(super) struct Spare {
    /// Empty once they are stored.
    pub(super) entries: Vec<(Cause, Event)>,
    observations: Vec<Observation>,
}

impl Spare {
    /// Copies the record of a tool. Everything else is repeated anyway: SQS repeats undeleted messages, and sweeps and refreshes
    /// look again.
    pub(super) fn of(record: &Record) -> Option<Self> {
        let Record { entries, observations, .. } = record;
        (!entries.is_empty()).then(|| Spare { entries: entries.clone(), observations: observations.clone() })
    }
}

impl KeptRecords {
    /// Keeps a record that was not stored because of `error`. The caller, which waits for `done`, gets no answer yet.
    pub(super) fn push(&mut self, spare: Spare, cause: Cause, done: RecordSender, error: &IngestError) {
        let Spare { entries, observations } = spare;
        let doubtful = matches!(error, IngestError::Commit(CommitError::Failed { .. }));
        self.0.push_back(KeptRecord { record: Record { entries, observations, cause, done }, doubtful });
    }
}
