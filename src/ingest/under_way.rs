//! The writer's state of a running sweep.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::IngestError;
use crate::model::{Cause, Timestamp};

/// A running sweep.
pub(super) struct SweepUnderWay {
    pub(super) started: Timestamp,
    /// Whether it is the scope's first sweep ever: what it finds existed before Muster looked.
    pub(super) baseline: bool,
    /// When the scope was last watched, if there was a gap before this sweep.
    pub(super) since: Option<Timestamp>,
    /// Why its completion proves nothing, if a page could not be stored.
    pub(super) broken: Option<IngestError>,
    /// Whether it is the first that left out some parameter: then a resource may be missing only because it is no longer shown.
    pub(super) narrower: bool,
    /// The ids that AWS was asked for and does not know.
    pub(super) absent: BTreeSet<Arc<str>>,
}

impl SweepUnderWay {
    /// The cause of the records that it makes.
    pub(super) fn cause(&self) -> Cause {
        match self.since {
            _ if self.baseline => Cause::Baseline,
            Some(since) => Cause::Resumed { since },
            None => Cause::Sweep,
        }
    }
}
