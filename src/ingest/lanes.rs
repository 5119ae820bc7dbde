//! The ways into the writer loop, by urgency.

use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use crate::freshness::Freshness;
use crate::model::{
    ActionId, Cause, Event, Notification, Observation, Outcome, Region, ResourceId, Seq, SweepMessage, SweepStep,
};
use crate::store::{CommitError, Parked, ReadError};

/// How urgent an observation is. Notifications have a lane of their own, between these two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// A tool's client waits for it.
    Tools,
    /// A describe of named ids.
    Refresh,
}

/// Why nothing was recorded.
#[derive(Debug, Error)]
pub enum IngestError {
    /// The server is stopping.
    #[error("the server is stopping and records nothing more; repeat the call when it runs again")]
    Stopped,
    /// The store could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The store could not be written.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// One of these kept several notifications, which were to be stored together, from being stored.
    #[error(transparent)]
    Together(#[from] Arc<IngestError>),
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

pub(super) type Done = oneshot::Sender<Result<Observed, IngestError>>;

/// Notifications, and whom to tell.
pub(super) struct Notice {
    pub(super) notifications: Vec<Notification>,
    pub(super) done: oneshot::Sender<Result<Vec<Taken>, IngestError>>,
}

/// Messages to keep that cannot be read, and whom to tell.
pub(super) struct Parking {
    pub(super) messages: Vec<Parked>,
    pub(super) done: oneshot::Sender<Result<(), IngestError>>,
}

/// The regions that are watched from now on, and whom to tell.
pub(super) struct Choice {
    pub(super) regions: Vec<Region>,
    pub(super) done: oneshot::Sender<Result<(), IngestError>>,
}

pub(super) enum Work {
    Choose(Choice),
    Record(Record),
    Notify(Notice),
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

/// The receiving ends, read in order of urgency.
pub(super) struct Lanes {
    choices: mpsc::Receiver<Choice>,
    tools: mpsc::Receiver<Record>,
    notifications: mpsc::Receiver<Notice>,
    refresh: mpsc::Receiver<Record>,
    parking: mpsc::Receiver<Parking>,
    pages: mpsc::Receiver<SweepMessage>,
    stop: CancellationToken,
    /// How many records were served since the last page.
    streak: usize,
}

/// The way in for everybody else. Clones share the lanes.
#[derive(Clone)]
pub struct Handle {
    choices: mpsc::Sender<Choice>,
    tools: mpsc::Sender<Record>,
    notifications: mpsc::Sender<Notice>,
    refresh: mpsc::Sender<Record>,
    parking: mpsc::Sender<Parking>,
    pages: mpsc::Sender<SweepMessage>,
    freshness: Freshness,
}

/// A page holds up to 1,000 documents: two may wait while one is written.
const PAGES: usize = 2;

const RECORDS: usize = 64;

/// This many records in a row, and a page that waits is served between them.
pub(super) const STREAK: usize = 50;

pub(super) fn connect(freshness: Freshness, stop: CancellationToken) -> (Lanes, Handle) {
    let (choices_in, choices) = mpsc::channel(1);
    let (tools_in, tools) = mpsc::channel(RECORDS);
    let (notifications_in, notifications) = mpsc::channel(RECORDS);
    let (refresh_in, refresh) = mpsc::channel(RECORDS);
    let (parking_in, parking) = mpsc::channel(RECORDS);
    let (pages_in, pages) = mpsc::channel(PAGES);
    let lanes = Lanes { choices, tools, notifications, refresh, parking, pages, stop, streak: 0 };
    let handle = Handle {
        choices: choices_in,
        tools: tools_in,
        notifications: notifications_in,
        refresh: refresh_in,
        parking: parking_in,
        pages: pages_in,
        freshness,
    };
    (lanes, handle)
}

impl Lanes {
    /// The most urgent work, waiting for some; from `retention` on, retention is work as well, when there is no other. `None`
    /// when stopped (after what waits in the urgent lanes) or when nobody is left to send.
    pub(super) async fn next(&mut self, retention: Option<Instant>) -> Option<Work> {
        // A backlog of events must not keep the sweeps out, which are the truth.
        if self.streak >= STREAK
            && let Ok(message) = self.pages.try_recv()
        {
            self.streak = 0;
            return Some(Work::Sweep(message));
        }
        if let Some(work) = self.urgent() {
            return Some(work);
        }
        tokio::select! {
            biased;
            () = self.stop.cancelled() => {
                // Whoever sends from now on is told that the server stops; what was sent before is still served.
                self.choices.close();
                self.tools.close();
                self.notifications.close();
                self.refresh.close();
                self.parking.close();
                self.pages.close();
                self.urgent()
            }
            Some(choice) = self.choices.recv() => Some(Work::Choose(choice)),
            Some(record) = self.tools.recv() => Some(Work::Record(record)),
            Some(notice) = self.notifications.recv() => Some(Work::Notify(notice)),
            Some(record) = self.refresh.recv() => Some(Work::Record(record)),
            Some(parking) = self.parking.recv() => Some(Work::Park(parking)),
            Some(message) = self.pages.recv() => Some(Work::Sweep(message)),
            () = sleep_until(retention.unwrap_or_else(Instant::now)), if retention.is_some() => Some(Work::Retain),
            else => None,
        }
    }

    /// Whether the loop is to end.
    pub(super) fn is_stopped(&self) -> bool {
        self.stop.is_cancelled()
    }

    /// Whether a record waits; a page does not count.
    pub(super) fn is_urgent(&self) -> bool {
        !(self.choices.is_empty()
            && self.tools.is_empty()
            && self.notifications.is_empty()
            && self.refresh.is_empty()
            && self.parking.is_empty())
    }

    /// Waits until the loop is to end, for at most `patience`.
    pub(super) async fn stopped_within(&self, patience: Duration) {
        drop(timeout(patience, self.stop.cancelled()).await);
    }

    /// A tool's record that waits, if any.
    pub(super) fn tool(&mut self) -> Option<Record> {
        self.tools.try_recv().ok()
    }

    /// Notifications that wait, if any.
    pub(super) fn notice(&mut self) -> Option<Notice> {
        self.notifications.try_recv().ok()
    }

    /// The most urgent work that waits, if any; never a page.
    pub(super) fn urgent(&mut self) -> Option<Work> {
        let waiting = self.choices.try_recv().map(Work::Choose);
        let waiting = waiting.or_else(|_| self.tools.try_recv().map(Work::Record));
        let waiting = waiting.or_else(|_| self.notifications.try_recv().map(Work::Notify));
        let waiting = waiting.or_else(|_| self.refresh.try_recv().map(Work::Record));
        let work = waiting.or_else(|_| self.parking.try_recv().map(Work::Park)).ok()?;
        self.streak += 1;
        Some(work)
    }
}

impl Handle {
    /// Submits observations and waits until what they change is durable.
    ///
    /// # Errors
    ///
    /// When the server stops or the store fails: then nothing is promised.
    pub async fn observe(
        &self,
        lane: Lane,
        observations: Vec<Observation>,
        cause: Cause,
    ) -> Result<Observed, IngestError> {
        self.send(lane, Vec::new(), observations, cause).await
    }

    /// Submits notifications and waits until what they change is durable; says of each, in order, what became of it. What several
    /// callers submit at the same time is stored together.
    ///
    /// # Errors
    ///
    /// When the server stops or the store fails: then nothing is promised, and all of them should come again. Those that were
    /// stored all the same are known then.
    pub async fn notify(&self, notifications: Vec<Notification>) -> Result<Vec<Taken>, IngestError> {
        let (done, outcome) = oneshot::channel();
        self.notifications.send(Notice { notifications, done }).await.map_err(|_| IngestError::Stopped)?;
        outcome.await.map_err(|_| IngestError::Stopped)?
    }

    /// Keeps messages of a queue that cannot be read. They are durable when this returns: then they can be deleted from the queue.
    ///
    /// # Errors
    ///
    /// When the server stops or the store fails: then the messages must stay in the queue.
    pub async fn park(&self, messages: Vec<Parked>) -> Result<(), IngestError> {
        let (done, outcome) = oneshot::channel();
        self.parking.send(Parking { messages, done }).await.map_err(|_| IngestError::Stopped)?;
        outcome.await.map_err(|_| IngestError::Stopped)?
    }

    /// Says that only these regions are watched from now on, and waits until that is durable: nothing is recorded of a scope that is
    /// noted as no longer watched.
    ///
    /// # Errors
    ///
    /// When the server stops or the store fails: then the regions must not be swept yet.
    pub async fn watch_only(&self, regions: Vec<Region>) -> Result<(), IngestError> {
        let (done, outcome) = oneshot::channel();
        self.choices.send(Choice { regions, done }).await.map_err(|_| IngestError::Stopped)?;
        outcome.await.map_err(|_| IngestError::Stopped)?
    }

    /// Records that `tool` is about to call AWS for `targets`. Durable when this returns.
    ///
    /// # Errors
    ///
    /// As for [`Handle::observe`]; then the call must not be made.
    pub async fn begin(&self, tool: &str, targets: Vec<ResourceId>) -> Result<ActionId, IngestError> {
        let action = ActionId(fastrand::u64(..));
        let event = Event::ActionRequested { action, tool: tool.to_owned(), targets };
        let cause = Cause::Tool { action };
        self.send(Lane::Tools, vec![(cause.clone(), event)], Vec::new(), cause).await?;
        Ok(action)
    }

    /// Records how the call ended, with what AWS's answer shows. A read at the seq returned sees it.
    ///
    /// # Errors
    ///
    /// As for [`Handle::observe`]; AWS has acted all the same, and the next sweep will show it.
    pub async fn finish(
        &self,
        action: ActionId,
        outcome: Outcome,
        observations: Vec<Observation>,
    ) -> Result<Seq, IngestError> {
        let cause = Cause::Tool { action };
        let event = Event::ActionFinished { action, outcome };
        Ok(self.send(Lane::Tools, vec![(cause.clone(), event)], observations, cause).await?.seq)
    }

    /// Records in one step that `tool` called AWS for `targets` and how the call ended, for a call that was to change nothing and
    /// did: a dry run that was carried out. A read at the seq returned sees it.
    ///
    /// # Errors
    ///
    /// As for [`Handle::finish`].
    pub async fn acted(
        &self,
        action: ActionId,
        tool: &str,
        targets: Vec<ResourceId>,
        outcome: Outcome,
        observations: Vec<Observation>,
    ) -> Result<Seq, IngestError> {
        let cause = Cause::Tool { action };
        let requested = Event::ActionRequested { action, tool: tool.to_owned(), targets };
        let finished = Event::ActionFinished { action, outcome };
        let entries = vec![(cause.clone(), requested), (cause.clone(), finished)];
        Ok(self.send(Lane::Tools, entries, observations, cause).await?.seq)
    }

    /// Submits a step of a listing. Waits while two pages wait already.
    ///
    /// # Errors
    ///
    /// [`IngestError::Stopped`] when the server stops.
    pub async fn sweep(&self, message: SweepMessage) -> Result<(), IngestError> {
        self.pages.send(message).await.map_err(|_| IngestError::Stopped)
    }

    /// How fresh everything is.
    #[must_use]
    pub fn freshness(&self) -> &Freshness {
        &self.freshness
    }

    async fn send(
        &self,
        lane: Lane,
        entries: Vec<(Cause, Event)>,
        observations: Vec<Observation>,
        cause: Cause,
    ) -> Result<Observed, IngestError> {
        let (done, outcome) = oneshot::channel();
        let lane = match lane {
            Lane::Tools => &self.tools,
            Lane::Refresh => &self.refresh,
        };
        let record = Record { entries, observations, cause, done };
        lane.send(record).await.map_err(|_| IngestError::Stopped)?;
        outcome.await.map_err(|_| IngestError::Stopped)?
    }
}
