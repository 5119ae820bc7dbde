//! What the writer keeps of a sweep under way.

use super::IngestError;
use crate::model::{Cause, Timestamp};

/// A sweep under way.
pub(super) struct SweepUnderWay {
    pub(super) started: Timestamp,
    /// The scope's first ever: what it finds existed before Muster looked.
    pub(super) baseline: bool,
    /// When somebody had looked last, when nobody did for a while before this sweep.
    pub(super) since: Option<Timestamp>,
    /// Why its completion proves nothing, when a page could not be stored.
    pub(super) broken: Option<IngestError>,
    /// Whether it was the first that was made without some parameter: then what it lacks may only not be shown any more.
    pub(super) narrower: bool,
}

impl SweepUnderWay {
    /// Why what it shows is recorded.
    pub(super) fn cause(&self) -> Cause {
        match self.since {
            _ if self.baseline => Cause::Baseline,
            Some(since) => Cause::Resumed { since },
            None => Cause::Sweep,
        }
    }
}
