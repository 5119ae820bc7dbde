//! The lanes into the writer loop, by urgency.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::handle::IngestHandle;
use super::ingest_tally::IngestTally;
use super::work::{KeyKeeping, Notifications, Parking, Record, WatchChoice, WorkItem};
use crate::freshness::Freshness;
use crate::model::SweepMessage;
use crate::notify::ChangeHub;

/// The receiving ends, read in order of urgency.
pub(super) struct Lanes {
    choices: mpsc::Receiver<WatchChoice>,
    tools: mpsc::Receiver<Record>,
    keyed: mpsc::Receiver<KeyKeeping>,
    notifications: mpsc::Receiver<Notifications>,
    refresh: mpsc::Receiver<Record>,
    parking: mpsc::Receiver<Parking>,
    pages: mpsc::Receiver<SweepMessage>,
    stop: CancellationToken,
    /// How many records were served since the last page.
    streak: usize,
}

/// How many pages may wait while one is written: each holds up to 1,000 documents.
const PAGES: usize = 2;

/// How many items may wait in each other lane.
const RECORDS: usize = 64;

/// After this many records in a row, a waiting page is served.
pub(super) const STREAK: usize = 50;

/// The two ends of the lanes.
pub(super) fn connect(
    freshness: Freshness,
    hub: ChangeHub,
    tally: Arc<IngestTally>,
    stop: CancellationToken,
) -> (Lanes, IngestHandle) {
    let (choices_in, choices) = mpsc::channel(1);
    let (tools_in, tools) = mpsc::channel(RECORDS);
    let (keyed_in, keyed) = mpsc::channel(RECORDS);
    let (notifications_in, notifications) = mpsc::channel(RECORDS);
    let (refresh_in, refresh) = mpsc::channel(RECORDS);
    let (parking_in, parking) = mpsc::channel(RECORDS);
    let (pages_in, pages) = mpsc::channel(PAGES);
    let lanes = Lanes { choices, tools, keyed, notifications, refresh, parking, pages, stop, streak: 0 };
    let handle = IngestHandle {
        choices: choices_in,
        tools: tools_in,
        keyed: keyed_in,
        notifications: notifications_in,
        refresh: refresh_in,
        parking: parking_in,
        pages: pages_in,
        freshness,
        hub,
        tally,
    };
    (lanes, handle)
}

impl Lanes {
    /// Waits for the most urgent work; from the time `retention` on, retention counts as work if there is no other. `None` if
    /// stopped (after the waiting urgent work) or if no sender is left.
    pub(super) async fn next(&mut self, retention: Option<Instant>) -> Option<WorkItem> {
        // A backlog of events must not block the sweeps, which are the truth.
        if self.streak >= STREAK
            && let Ok(message) = self.pages.try_recv()
        {
            self.streak = 0;
            return Some(WorkItem::Sweep(message));
        }
        if let Some(work) = self.urgent() {
            return Some(work);
        }
        tokio::select! {
            biased;
            () = self.stop.cancelled() => {
                // Later senders get the error that the server stops; what was sent before is still served.
                self.choices.close();
                self.tools.close();
                self.keyed.close();
                self.notifications.close();
                self.refresh.close();
                self.parking.close();
                self.pages.close();
                self.urgent()
            }
            Some(choice) = self.choices.recv() => Some(WorkItem::Choose(choice)),
            Some(record) = self.tools.recv() => Some(WorkItem::Record(record)),
            Some(keeping) = self.keyed.recv() => Some(WorkItem::Keep(Box::new(keeping))),
            Some(notice) = self.notifications.recv() => Some(WorkItem::Notify(notice)),
            Some(record) = self.refresh.recv() => Some(WorkItem::Record(record)),
            Some(parking) = self.parking.recv() => Some(WorkItem::Park(parking)),
            Some(message) = self.pages.recv() => Some(WorkItem::Sweep(message)),
            () = sleep_until(retention.unwrap_or_else(Instant::now)), if retention.is_some() => Some(WorkItem::Retain),
            else => None,
        }
    }

    /// Whether the loop is to end.
    pub(super) fn is_stopped(&self) -> bool {
        self.stop.is_cancelled()
    }

    /// Whether a record is waiting; pages do not count.
    pub(super) fn is_urgent(&self) -> bool {
        !(self.choices.is_empty()
            && self.tools.is_empty()
            && self.keyed.is_empty()
            && self.notifications.is_empty()
            && self.refresh.is_empty()
            && self.parking.is_empty())
    }

    /// Whether a message of a sweep is waiting.
    pub(super) fn has_pages(&self) -> bool {
        !self.pages.is_empty()
    }

    /// Waits until the loop should end, for at most `patience`.
    pub(super) async fn stopped_within(&self, patience: Duration) {
        drop(timeout(patience, self.stop.cancelled()).await);
    }

    /// The next waiting record of a tool, if any.
    pub(super) fn tool(&mut self) -> Option<Record> {
        self.tools.try_recv().ok()
    }

    /// The next call with an idempotency key that waits to be kept, if any.
    pub(super) fn keyed(&mut self) -> Option<KeyKeeping> {
        self.keyed.try_recv().ok()
    }

    /// The next waiting notifications, if any.
    pub(super) fn notifications(&mut self) -> Option<Notifications> {
        self.notifications.try_recv().ok()
    }

    /// The most urgent waiting work, if any; never a page.
    pub(super) fn urgent(&mut self) -> Option<WorkItem> {
        let waiting = self.choices.try_recv().map(WorkItem::Choose);
        let waiting = waiting.or_else(|_| self.tools.try_recv().map(WorkItem::Record));
        let waiting = waiting.or_else(|_| self.keyed.try_recv().map(|keeping| WorkItem::Keep(Box::new(keeping))));
        let waiting = waiting.or_else(|_| self.notifications.try_recv().map(WorkItem::Notify));
        let waiting = waiting.or_else(|_| self.refresh.try_recv().map(WorkItem::Record));
        let work = waiting.or_else(|_| self.parking.try_recv().map(WorkItem::Park)).ok()?;
        self.streak += 1;
        Some(work)
    }
}
