//! What the writer loop is given to do, and what it answers.

use tokio::sync::oneshot;

use super::error::IngestError;
use crate::model::{Cause, Event, Notification, Observation, Parked, Region, ResourceId, Seq, SweepMessage, SweepStep};

/// How urgent an observation is. Notifications have a lane of their own, between these two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// A tool's client waits for it.
    Tools,
    /// A describe of named ids.
    Refresh,
}

/// What became of a notification. All but the last two may be forgotten by whoever brought it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It was recorded; this seq, or any later one, shows it.
    Applied(Seq),
    /// It says nothing that was not known, or only enough to ask AWS. Nothing was recorded.
    Unchanged,
    /// It was recorded before, when it came the first time.
    Repeated,
    /// It speaks of a resource that is not known yet, and would be lost: it should come again.
    Unknown,
    /// It meets a damaged record, or has no stored form: coming again helps only when somebody mended that.
    Damaged,
}

/// What became of observations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observed {
    /// This seq, or any later one, shows it.
    pub seq: Seq,
    /// Whose describe did not settle what it was asked for: it lags, or lacks what it should show.
    pub unsettled: Vec<ResourceId>,
}

/// Entries to record as they are, observations to decide on, and whom to tell.
pub(super) struct Record {
    pub(super) entries: Vec<(Cause, Event)>,
    pub(super) observations: Vec<Observation>,
    pub(super) cause: Cause,
    pub(super) done: Done,
}

/// Tells whoever submitted a record what became of it.
pub(super) type Done = oneshot::Sender<Result<Observed, IngestError>>;

/// Notifications, and whom to tell.
pub(super) struct Notifications {
    pub(super) notifications: Vec<Notification>,
    pub(super) done: oneshot::Sender<Result<Vec<Taken>, IngestError>>,
}

/// Messages to keep that cannot be read, and whom to tell.
pub(super) struct Parking {
    pub(super) messages: Vec<Parked>,
    pub(super) done: oneshot::Sender<Result<(), IngestError>>,
}

/// The regions that are watched from now on, and whom to tell.
pub(super) struct RegionChoice {
    pub(super) regions: Vec<Region>,
    pub(super) done: oneshot::Sender<Result<(), IngestError>>,
}

/// One piece of work.
pub(super) enum Work {
    Choose(RegionChoice),
    Record(Record),
    Notify(Notifications),
    Park(Parking),
    Sweep(SweepMessage),
    /// Nothing else waits, and retention has something to do.
    Retain,
}

impl Work {
    /// Whether a record may come of it.
    pub(super) fn may_commit(&self) -> bool {
        match self {
            Work::Record(_) | Work::Notify(_) => true,
            Work::Sweep(message) => matches!(message.step, SweepStep::Page(_) | SweepStep::Completed { .. }),
            Work::Choose(_) | Work::Park(_) | Work::Retain => false,
        }
    }
}
