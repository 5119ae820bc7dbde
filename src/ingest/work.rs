//! The work of the writer loop, and its answers.

use tokio::sync::{oneshot, watch};

use super::error::IngestError;
use crate::model::keyed_call::KeyedCall;
use crate::model::{
    Cause, Event, KindSelection, Notification, Observation, Parked, ResourceId, Seq, SweepMessage, SweepStep,
    WatchSelection,
};

/// The urgency of an observation. Notifications have their own lane between these two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// A tool's client waits for it.
    Tools,
    /// A describe of ids.
    Refresh,
}

/// The result of a notification. Except for the last two, its sender can forget it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotifyResult {
    /// It was recorded; this seq, or any later one, shows it.
    Applied(Seq),
    /// It had no news, or only enough to request a describe. Nothing was recorded.
    Unchanged,
    /// It was already recorded.
    Repeated,
    /// It is about a resource that is not known yet, and would be lost: it should be submitted again.
    Unknown,
    /// It meets a damaged record, or cannot be encoded: submitting it again helps only after a repair.
    Damaged,
}

/// The result of observations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObserveResult {
    /// This seq, or any later one, shows it.
    pub seq: Seq,
    /// The resources whose describe did not settle the question: it lags, or lacks what it should show.
    pub unsettled: Vec<ResourceId>,
}

/// Entries to record as they are, observations to decide, and where to answer.
pub(super) struct Record {
    pub(super) entries: Vec<(Cause, Event)>,
    pub(super) observations: Vec<Observation>,
    pub(super) cause: Cause,
    pub(super) done: RecordSender,
}

/// Where to answer the submitter of a record.
pub(super) type RecordSender = oneshot::Sender<Result<ObserveResult, IngestError>>;

/// Notifications, and where to answer.
pub(super) struct Notifications {
    pub(super) notifications: Vec<Notification>,
    pub(super) done: oneshot::Sender<Result<Vec<NotifyResult>, IngestError>>,
}

/// Unreadable messages to keep, and where to answer.
pub(super) struct Parking {
    pub(super) messages: Vec<Parked>,
    pub(super) done: oneshot::Sender<Result<(), IngestError>>,
}

/// A call with an idempotency key to keep, and where to answer.
pub(super) struct KeyKeeping {
    pub(super) call: KeyedCall,
    pub(super) done: oneshot::Sender<Result<(), IngestError>>,
}

/// The scopes or kinds that are watched from now on, and where to answer.
pub(super) struct WatchChoice {
    pub(super) choice: Choice,
    pub(super) done: oneshot::Sender<Result<(), IngestError>>,
}

/// What is watched from now on.
pub(super) enum Choice {
    /// These scopes.
    Scopes(WatchSelection),
    /// These kinds. Where it is not durable, answers go by it, and the store stays as it is.
    Kinds {
        /// The kinds, as they are chosen by then.
        chosen: watch::Receiver<KindSelection>,
        /// Whether it is recorded.
        is_durable: bool,
    },
}

/// One piece of work.
pub(super) enum WorkItem {
    Choose(WatchChoice),
    Record(Record),
    Notify(Notifications),
    Park(Parking),
    Keep(Box<KeyKeeping>),
    Sweep(SweepMessage),
    /// Nothing else waits, and retention has something to do.
    Retain,
}

impl WorkItem {
    /// Whether it may lead to a record.
    pub(super) fn may_commit(&self) -> bool {
        match self {
            WorkItem::Record(_) | WorkItem::Notify(_) => true,
            WorkItem::Sweep(message) => matches!(message.step, SweepStep::Page(_) | SweepStep::Completed { .. }),
            WorkItem::Choose(_) | WorkItem::Park(_) | WorkItem::Keep(_) | WorkItem::Retain => false,
        }
    }
}
