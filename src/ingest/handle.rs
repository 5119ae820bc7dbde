//! The handle by which everything else reaches the writer loop.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot, watch};
use tracing::Instrument;
use tracing::field::Empty;

use super::error::IngestError;
use super::ingest_tally::IngestTally;
use super::work::{Choice, KeyKeeping, Lane, Notifications, NotifyResult, ObserveResult, Parking, Record, WatchChoice};
use crate::freshness::{Freshness, Signal};
use crate::model::keyed_call::KeyedCall;
use crate::model::spans::SPANS;
use crate::model::{
    ActionEnd, ActionId, ActionRequest, Cause, ConfirmationOutcome, ConfirmationWay, Event, KindSelection,
    Notification, Observation, Parked, Repeats, Seq, SweepMessage, Timestamp, WatchSelection, WriteAttempt,
};
use crate::notify::{ChangeHub, ChangeTopic};
use crate::policy::Visibility;

/// The loop dates an attempt when it takes it.
const UNDATED: Repeats = Repeats { count: 1, first_at: Timestamp::EPOCH, last_at: Timestamp::EPOCH };

/// Submits work to the writer loop. Clones share the lanes.
#[derive(Clone)]
pub struct IngestHandle {
    pub(super) choices: mpsc::Sender<WatchChoice>,
    pub(super) tools: mpsc::Sender<Record>,
    pub(super) keyed: mpsc::Sender<KeyKeeping>,
    pub(super) notifications: mpsc::Sender<Notifications>,
    pub(super) refresh: mpsc::Sender<Record>,
    pub(super) parking: mpsc::Sender<Parking>,
    pub(super) pages: mpsc::Sender<SweepMessage>,
    pub(super) freshness: Freshness,
    pub(super) hub: ChangeHub,
    pub(super) tally: Arc<IngestTally>,
}

impl IngestHandle {
    /// The same handle for somebody with this visibility: its freshness is of what they may see.
    #[must_use]
    pub fn seen_by(&self, visibility: &Visibility) -> Self {
        IngestHandle { freshness: self.freshness.seen_by(visibility), ..self.clone() }
    }

    /// Submits observations and waits until their changes are durable.
    ///
    /// # Errors
    ///
    /// If the server stops or the store fails: then it is unknown whether they are recorded.
    pub async fn observe(
        &self,
        lane: Lane,
        observations: Vec<Observation>,
        cause: Cause,
    ) -> Result<ObserveResult, IngestError> {
        self.send(lane, Vec::new(), observations, cause).await
    }

    /// Submits notifications and waits until their changes are durable. Returns the result of each, in order. Notifications that
    /// several callers submit at the same time are stored together.
    ///
    /// # Errors
    ///
    /// If the server stops or the store fails: then all of them should be submitted again; those that were stored are recognised.
    pub async fn notify(&self, notifications: Vec<Notification>) -> Result<Vec<NotifyResult>, IngestError> {
        let (done, outcome) = oneshot::channel();
        self.notifications.send(Notifications { notifications, done }).await.map_err(|_| IngestError::Stopped)?;
        outcome.await.map_err(|_| IngestError::Stopped)?
    }

    /// Keeps unreadable queue messages. They are durable when this returns, and can be deleted from the queue.
    ///
    /// # Errors
    ///
    /// If the server stops or the store fails: then the messages must stay in the queue.
    pub async fn park(&self, messages: Vec<Parked>) -> Result<(), IngestError> {
        let (done, outcome) = oneshot::channel();
        self.parking.send(Parking { messages, done }).await.map_err(|_| IngestError::Stopped)?;
        outcome.await.map_err(|_| IngestError::Stopped)?
    }

    /// Sets the watched scopes and waits until that is durable: observations of a scope that is recorded as no longer watched are
    /// not recorded.
    ///
    /// # Errors
    ///
    /// If the server stops or the store fails: then they must not be swept yet.
    pub async fn watch_only(&self, selection: WatchSelection) -> Result<(), IngestError> {
        self.choose(Choice::Scopes(selection)).await
    }

    /// Sets the watched kinds, as they are chosen when the writer comes to it, and waits until that is durable, as for scopes.
    ///
    /// # Errors
    ///
    /// The same as for [`IngestHandle::watch_only`].
    pub async fn watch_kinds(&self, chosen: &watch::Receiver<KindSelection>) -> Result<(), IngestError> {
        self.choose(Choice::Kinds { chosen: chosen.clone(), is_durable: true }).await
    }

    /// Sets the watched kinds for answers and observations. The store stays as it is until [`IngestHandle::watch_kinds`].
    ///
    /// # Errors
    ///
    /// If the server stops.
    pub async fn assume_kinds(&self, chosen: &watch::Receiver<KindSelection>) -> Result<(), IngestError> {
        self.choose(Choice::Kinds { chosen: chosen.clone(), is_durable: false }).await
    }

    async fn choose(&self, choice: Choice) -> Result<(), IngestError> {
        let (done, outcome) = oneshot::channel();
        self.choices.send(WatchChoice { choice, done }).await.map_err(|_| IngestError::Stopped)?;
        outcome.await.map_err(|_| IngestError::Stopped)?
    }

    /// Records that a tool is about to call AWS. Durable when this returns.
    ///
    /// # Errors
    ///
    /// The same as for [`IngestHandle::observe`]; then the call must not be made.
    pub async fn begin(&self, request: ActionRequest) -> Result<ActionId, IngestError> {
        let action = ActionId(fastrand::u64(..));
        let cause = Cause::Tool { action };
        self.send(Lane::Tools, vec![(cause.clone(), request.requested(action))], Vec::new(), cause).await?;
        Ok(action)
    }

    /// Records how the call ended, with what AWS's answer shows. A read at the returned seq sees it.
    ///
    /// # Errors
    ///
    /// The same as for [`IngestHandle::observe`]; but AWS has acted, and the next sweep will show it.
    pub async fn finish(
        &self,
        action: ActionId,
        end: impl Into<ActionEnd>,
        observations: Vec<Observation>,
    ) -> Result<Seq, IngestError> {
        let cause = Cause::Tool { action };
        let event = finished(action, end.into());
        Ok(self.send(Lane::Tools, vec![(cause.clone(), event)], observations, cause).await?.seq)
    }

    /// Records in one step that a tool called AWS and how the call ended, for a dry run that was carried out. A read at the returned
    /// seq sees it.
    ///
    /// # Errors
    ///
    /// The same as for [`IngestHandle::finish`].
    pub async fn acted(
        &self,
        action: ActionId,
        request: ActionRequest,
        end: ActionEnd,
        observations: Vec<Observation>,
    ) -> Result<Seq, IngestError> {
        let cause = Cause::Tool { action };
        let entries = vec![(cause.clone(), request.requested(action)), (cause.clone(), finished(action, end))];
        Ok(self.send(Lane::Tools, entries, observations, cause).await?.seq)
    }

    /// Records that `rule` refused a call of a tool. The first refusal of a client by a rule is durable when this returns; those
    /// that follow within a minute are counted, and recorded together when the minute is over.
    ///
    /// # Errors
    ///
    /// The same as for [`IngestHandle::observe`]; the call is refused anyway.
    pub async fn refused(&self, attempt: WriteAttempt, rule: String) -> Result<(), IngestError> {
        self.attempted(Event::ActionRefused { attempt, rule, repeats: UNDATED }).await.map(drop)
    }

    /// Records how a confirmation of a tool's call ended. An accepted one is durable when this returns, as is the first of a client
    /// that ends otherwise; more that end in the same way within a minute are counted, and recorded together when the minute is over.
    /// The returned seq is that of an accepted one.
    ///
    /// # Errors
    ///
    /// The same as for [`IngestHandle::observe`]; then the call must not be made.
    pub async fn confirmed(
        &self,
        attempt: WriteAttempt,
        plan: Option<String>,
        way: ConfirmationWay,
        outcome: ConfirmationOutcome,
    ) -> Result<Seq, IngestError> {
        self.attempted(Event::ActionConfirmed { attempt, plan, way, outcome, repeats: UNDATED }).await
    }

    async fn attempted(&self, event: Event) -> Result<Seq, IngestError> {
        let cause = Cause::Attempt;
        Ok(self.send(Lane::Tools, vec![(cause.clone(), event)], Vec::new(), cause).await?.seq)
    }

    /// Keeps a call with an idempotency key, or its answer. It is durable when this returns.
    ///
    /// # Errors
    ///
    /// If the server stops or the store fails; a call that is not kept must not be made.
    pub async fn keep_call(&self, call: KeyedCall) -> Result<(), IngestError> {
        let (done, outcome) = oneshot::channel();
        self.keyed.send(KeyKeeping { call, done }).await.map_err(|_| IngestError::Stopped)?;
        outcome.await.map_err(|_| IngestError::Stopped)?
    }

    /// Submits a step of a listing. Waits while two pages are waiting.
    ///
    /// # Errors
    ///
    /// [`IngestError::Stopped`] if the server stops.
    pub async fn sweep(&self, message: SweepMessage) -> Result<(), IngestError> {
        self.pages.send(message).await.map_err(|_| IngestError::Stopped)
    }

    /// Reports something that affects freshness. Queries after this returns see it; it is not stored.
    pub fn signal(&self, signal: Signal) {
        let is_news = matches!(signal, Signal::ProofChanged);
        self.freshness.signal(signal);
        if is_news {
            self.hub.mark([ChangeTopic::Freshness, ChangeTopic::Summary]);
        }
    }

    /// The counts of what the writer loop did.
    #[must_use]
    pub fn tally(&self) -> &IngestTally {
        &self.tally
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
    ) -> Result<ObserveResult, IngestError> {
        let (done, outcome) = oneshot::channel();
        let lane = match lane {
            Lane::Tools => &self.tools,
            Lane::Refresh => &self.refresh,
        };
        let record = Record { entries, observations, cause, done };
        let committing = async {
            lane.send(record).await.map_err(|_| IngestError::Stopped)?;
            outcome.await.map_err(|_| IngestError::Stopped)?
        };
        let span = tracing::info_span!(target: SPANS, "commit", otel.status_code = Empty, muster.seq = Empty);
        let result = committing.instrument(span.clone()).await;
        match &result {
            Ok(committed) => span.record("muster.seq", committed.seq.0.cast_signed()),
            Err(_) => span.record("otel.status_code", "ERROR"),
        };
        result
    }
}

fn finished(action: ActionId, ActionEnd { outcome, request_id }: ActionEnd) -> Event {
    Event::ActionFinished { action, outcome, request_id }
}
