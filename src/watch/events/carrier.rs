//! Passes the content of a batch of messages to the writer, and deletes the messages once it is durable.

use std::collections::{BTreeSet, VecDeque};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::sleep;

use super::reach::EventReach;
use crate::aws::queue::Queue;
use crate::freshness::{EventCount, Signal};
use crate::ingest::{IngestError, IngestHandle, NotifyResult};
use crate::model::{Notification, Parked, SharedClock, Timestamp, Trouble, TroubleClass};
use crate::source::events::envelope::{EventContent, Undecodable};
use crate::source::events::{Acknowledger, Illegible, Received};

/// How long messages are hidden at a time while the writer does not accept their content.
const HOLD: Duration = Duration::from_mins(1);

/// How often they are hidden again. The first time is before the shortest sensible visibility timeout ends.
const HOLD_EVERY: Duration = Duration::from_secs(15);

/// The pause after the writer could not store something.
const AFTER_TROUBLE: Duration = Duration::from_secs(1);

/// After how long a notice about an unknown resource is delivered again: a describe may have shown it by then.
const COMES_AGAIN: Duration = Duration::from_secs(20);

/// After how many receives such a notice is dropped.
const RECEIVES: u32 = 3;

/// After how many receives an unreadable message is removed from the queue. A dead-letter queue with a lower limit, such as that of
/// `muster setup`, gets it first.
const PARK_AFTER: u32 = 10;

/// How many unreadable messages are remembered, so that each is logged once.
const REMEMBERED: usize = 1_000;

/// The unreadable messages, shared by all receivers of a queue, since any of them may get a message.
#[derive(Clone, Default)]
pub(in crate::watch) struct Unreadable(Arc<Mutex<(BTreeSet<String>, VecDeque<String>)>>);

impl Unreadable {
    /// Whether a message is new here.
    fn meet(&self, message: &str) -> bool {
        let (known, order) = &mut *self.0.lock();
        let is_new = known.insert(message.to_owned());
        if is_new {
            order.push_back(message.to_owned());
            if order.len() > REMEMBERED
                && let Some(oldest) = order.pop_front()
            {
                known.remove(&oldest);
            }
        }
        is_new
    }
}

/// How carrying a batch ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Carried {
    /// Everything possible was done.
    Done,
    /// The writer has stopped.
    Stopped,
}

/// The shared state of a receiver's batches.
pub(super) struct Carrier {
    pub(super) mailbox: Acknowledger,
    pub(super) queue: Arc<Queue>,
    pub(super) ingest: IngestHandle,
    pub(super) clock: SharedClock,
    pub(super) unreadable: Unreadable,
    pub(super) reach: EventReach,
}

/// Messages about resources: the receipt of each with its number of receives, and the notifications.
#[derive(Default)]
struct MessageBatch {
    receipts: Vec<(String, u32)>,
    notifications: Vec<Notification>,
}

impl Carrier {
    /// Passes messages to the writer, and deletes the finished ones.
    pub(super) async fn carry(self: Arc<Self>, messages: Vec<Received>) -> Carried {
        let mut done = Vec::new();
        let mut batch = MessageBatch::default();
        let (mut hopeless, mut early) = (Vec::new(), Vec::new());
        self.count(EventCount::Received, messages.len());
        let (selection, voice) = (self.reach.selection(), self.reach.voice(&self.queue));
        for Received { receipt, message, receives, told } in messages {
            let told = match told {
                Ok(told) => told,
                Err(illegible) => {
                    self.undecodable(&message, &illegible.why);
                    if receives >= PARK_AFTER {
                        hopeless.push((receipt, self.parked(message, receives, illegible)));
                    }
                    continue;
                }
            };
            let scopes = told.scopes();
            match voice.is_heard(&scopes, selection.as_deref()) {
                Some(true) => {}
                // The account may be one that AWS has not named yet.
                None if receives < RECEIVES => {
                    early.push(receipt);
                    continue;
                }
                Some(false) | None => {
                    tracing::debug!(queue = %self.queue, event = told.event_id, ?scopes, "an event is about nothing that is watched");
                    self.count(EventCount::Elsewhere, 1);
                    done.push(receipt);
                    continue;
                }
            }
            if let Some((scope, at)) = told.trail() {
                let freshness = self.ingest.freshness();
                for kind in told.untold().into_iter().filter(|kind| freshness.watches_kind(kind)) {
                    self.ingest.signal(Signal::Missed { scope: scope.clone(), kind, at });
                }
                self.ingest.signal(Signal::CallSeen { scope, at });
            }
            match told.says {
                EventContent::Resources(notification) if !self.is_watched(&notification) => {
                    self.count(EventCount::OtherKinds, 1);
                    done.push(receipt);
                }
                EventContent::Resources(notification) => {
                    batch.receipts.push((receipt, receives));
                    batch.notifications.push(notification);
                }
                EventContent::Canary(canary) => {
                    self.count(EventCount::Canaries, 1);
                    self.ingest.signal(Signal::CanarySeen(canary));
                    done.push(receipt);
                }
                EventContent::Call { scope, .. } => {
                    self.reach.dispatcher.wake(&scope);
                    done.push(receipt);
                }
                EventContent::Nothing => {
                    self.ingest.signal(Signal::UnknownEvent { detail_type: told.detail_type });
                    done.push(receipt);
                }
            }
        }
        // Messages that are not about resources do not wait for the store.
        let ((), (), (), carried) =
            futures::join!(self.delete(done), self.again(early), self.park(hopeless), self.tell(batch));
        carried
    }

    /// Whether an event is about a resource of a watched kind. What it says of others is not recorded.
    fn is_watched(&self, notification: &Notification) -> bool {
        let observed = notification.observations.iter().map(|observation| &observation.id);
        let targets = notification.called.iter().flat_map(|called| &called.targets);
        let mut named = observed.chain(targets).peekable();
        named.peek().is_none() || named.any(|id| self.ingest.freshness().watches_kind(&id.kind))
    }

    /// Has messages delivered again later.
    async fn again(&self, early: Vec<String>) {
        if !early.is_empty() {
            self.mailbox.hold(early, COMES_AGAIN).await;
        }
    }

    /// An unreadable message in the form in which it is kept.
    fn parked(&self, message: String, receives: u32, Illegible { why, body }: Illegible) -> Parked {
        let bytes = u64::try_from(body.len()).unwrap_or(u64::MAX);
        let queue = self.queue.to_string();
        Parked { message, queue, at: self.clock.now(), receives, why: why.to_string(), body, bytes }.cut()
    }

    /// Keeps messages in the store, and deletes them from the queue once that is durable. Until then they are delivered again.
    async fn park(&self, hopeless: Vec<(String, Parked)>) {
        let (receipts, messages): (Vec<String>, Vec<Parked>) = hopeless.into_iter().unzip();
        if receipts.is_empty() {
            return;
        }
        let number = receipts.len();
        match self.ingest.park(messages).await {
            Ok(()) => {
                self.count(EventCount::Parked, number);
                tracing::warn!(
                    queue = %self.queue, number,
                    "messages that cannot be read are kept in the store and deleted from the queue: muster doctor shows them"
                );
                self.delete(receipts).await;
            }
            Err(error) => {
                tracing::warn!(queue = %self.queue, %error, "unreadable messages stay in the queue, because they cannot be kept");
            }
        }
    }

    /// Lets the writer record the content of messages.
    async fn tell(&self, batch: MessageBatch) -> Carried {
        let MessageBatch { receipts, notifications } = batch;
        if notifications.is_empty() {
            return Carried::Done;
        }
        let taken = match self.submit(&receipts, &notifications).await {
            Ok(taken) => taken,
            Err(IngestError::Stopped) => return Carried::Stopped,
            Err(error) => {
                tracing::warn!(queue = %self.queue, %error, "events meet a damaged record, and are left in the queue");
                return Carried::Done;
            }
        };
        let (mut done, mut early) = (Vec::new(), Vec::new());
        let (mut applied, mut unchanged, mut repeated, mut let_go) = (0, 0, 0, 0);
        for ((receipt, receives), taken) in receipts.into_iter().zip(taken) {
            match taken {
                NotifyResult::Applied(_) => applied += 1,
                NotifyResult::Unchanged => unchanged += 1,
                NotifyResult::Repeated => repeated += 1,
                NotifyResult::Unknown if receives < RECEIVES => {
                    early.push(receipt);
                    continue;
                }
                NotifyResult::Unknown => let_go += 1,
                NotifyResult::Damaged => continue,
            }
            done.push(receipt);
        }
        self.count(EventCount::Applied, applied);
        self.count(EventCount::Unchanged, unchanged);
        self.count(EventCount::Repeated, repeated);
        self.count(EventCount::LetGo, let_go);
        let ((), ()) = futures::join!(self.delete(done), self.again(early));
        Carried::Done
    }

    /// Submits notifications until they are durable, and hides the messages meanwhile.
    async fn submit(
        &self,
        receipts: &[(String, u32)],
        notifications: &[Notification],
    ) -> Result<Vec<NotifyResult>, IngestError> {
        let mut submitting = pin!(async {
            let mut failing: Option<Timestamp> = None;
            loop {
                match self.ingest.notify(notifications.to_vec()).await {
                    Err(error) if error.is_passing() => {
                        tracing::warn!(queue = %self.queue, %error, "events are not recorded yet, and are held");
                        // Canaries still arrive, but the content of other events is not known.
                        let since = *failing.get_or_insert_with(|| self.clock.now());
                        self.receiving(Some(unstored(&error, since)));
                        sleep(AFTER_TROUBLE).await;
                    }
                    outcome => {
                        if failing.is_some() {
                            self.receiving(None);
                        }
                        break outcome;
                    }
                }
            }
        });
        loop {
            tokio::select! {
                biased;
                outcome = &mut submitting => break outcome,
                () = sleep(HOLD_EVERY) => {}
            }
            let receipts = receipts.iter().map(|(receipt, _)| receipt.clone()).collect();
            let mut holding = pin!(self.mailbox.hold(receipts, HOLD));
            tokio::select! {
                biased;
                outcome = &mut submitting => break outcome,
                held = &mut holding => if held.failed > 0 {
                    tracing::warn!(queue = %self.queue, failed = held.failed, "waiting events may be delivered twice");
                }
            }
        }
    }

    async fn delete(&self, receipts: Vec<String>) {
        if receipts.is_empty() {
            return;
        }
        let deleted = self.mailbox.let_go(receipts).await;
        self.count(EventCount::Deleted, deleted.done);
        self.count(EventCount::DeleteFailures, deleted.failed);
        if deleted.failed > 0 {
            tracing::warn!(queue = %self.queue, failed = deleted.failed, "events stay in the queue and are delivered again");
        }
    }

    fn undecodable(&self, message: &str, error: &Undecodable) {
        self.count(EventCount::Undecodable, 1);
        if self.unreadable.meet(message) {
            tracing::warn!(queue = %self.queue, message, %error, "an event cannot be read, and is left in the queue");
        }
    }

    fn count(&self, what: EventCount, number: usize) {
        if number > 0 {
            self.ingest.signal(Signal::Counted(what, number));
        }
    }

    /// Reports whether the queue's events can be received.
    pub(super) fn receiving(&self, trouble: Option<Trouble>) {
        self.ingest.signal(Signal::Receiving { queue: self.queue.to_string(), trouble });
    }
}

/// The trouble that the content of events is not stored yet.
fn unstored(error: &IngestError, since: Timestamp) -> Trouble {
    Trouble {
        class: TroubleClass::Store,
        what: format!("the content of events cannot be stored: {error}"),
        fix: "Nothing to do: the events are held until they can be stored".to_owned(),
        since,
        retry_at: None,
    }
}
