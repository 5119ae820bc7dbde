//! Carries what events say to the writer, and lets them go once it is durable.
//!
//! ```text
//! receive 10 --> decode --> writer (one commit for all that wait) --> delete
//!      \--> receive the next 10 meanwhile, while fewer than UNDER_WAY batches are between receive and delete
//! ```
//!
//! A message is deleted only after the commit that holds what it says is durable. While the store is slow or fails, the message
//! is held: its visibility is extended again and again, and what it says is submitted again, so that it neither comes a second
//! time nor goes to the dead-letter queue because of a full disk. What meets a damaged record is left to come again.
//!
//! What cannot be read is left to come again, too, so that a dead-letter queue gets it where there is one. After [`PARK_AFTER`]
//! receives there is none: the message is kept in the store ([`crate::store::parked`]), where `muster doctor` shows it, and is
//! deleted from the queue once that is durable. Otherwise it would come again for as long as the queue keeps it.

use std::collections::{BTreeSet, VecDeque};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use parking_lot::Mutex;
use tokio::time::sleep;

use crate::aws::queue::Queue;
use crate::aws::{Aws, AwsError};
use crate::freshness::counts::{Count, EventCounts};
use crate::ingest::{Handle, IngestError, Taken};
use crate::model::{Notification, SharedClock, Timestamp, Trouble, TroubleClass};
use crate::source::events::envelope::{Says, Undecodable};
use crate::source::events::{Illegible, Listener, Mailbox, Received};
use crate::store::{CommitError, Parked, ReadError};

/// How many batches of one receiver are between receive and delete at most: that many does it take on while the writer is busy.
const UNDER_WAY: usize = 8;

/// How long messages are held from coming again while the writer does not take what they say.
const HOLD: Duration = Duration::from_mins(1);

/// From one time that they are held to the next. The first comes before the shortest visibility that makes sense is over.
const HOLD_EVERY: Duration = Duration::from_secs(15);

/// How long the writer is left alone after it could not store something.
const AFTER_TROUBLE: Duration = Duration::from_secs(1);

/// After how long a notice about a resource that is not known comes again: by then a describe may have shown it.
const COMES_AGAIN: Duration = Duration::from_secs(20);

/// How often such a notice is received before it is let go.
const RECEIVES: u32 = 3;

/// After how many receives a message that cannot be read is taken out of the queue. A dead-letter queue that gets messages after
/// fewer receives, as the one of `muster setup` does, gets them first.
const PARK_AFTER: u32 = 10;

/// How many unreadable messages are remembered, so that each is logged once.
const REMEMBERED: usize = 1_000;

/// The messages that could not be read. Shared by the receivers of a queue, as a message may come to any of them.
#[derive(Clone, Default)]
pub struct Unreadable(Arc<Mutex<(BTreeSet<String>, VecDeque<String>)>>);

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

/// Receives from a queue until the writer takes nothing more. Several may receive from one queue.
pub async fn run(aws: Aws, queue: Arc<Queue>, ingest: Handle, unreadable: Unreadable) {
    let clock = aws.clock();
    let mut listener = Listener::new(aws, Arc::clone(&queue));
    let counts = ingest.freshness().event_counts().clone();
    let hands = Arc::new(Carrier { mailbox: listener.mailbox(), queue, ingest, clock, counts, unreadable });
    let mut under_way = FuturesUnordered::new();
    let mut failing: Option<Timestamp> = None;
    loop {
        while under_way.len() >= UNDER_WAY {
            if under_way.next().await == Some(Carried::Stopped) {
                return;
            }
        }
        let received = {
            // Never dropped half-way: what SQS gave out would come again only after its visibility is over.
            let mut receiving = pin!(listener.next());
            loop {
                tokio::select! {
                    received = &mut receiving => break received,
                    Some(end) = under_way.next(), if !under_way.is_empty() => if end == Carried::Stopped { return },
                }
            }
        };
        match received {
            Ok(messages) => {
                if failing.take().is_some() {
                    hands.ingest.freshness().receiving(&hands.queue.to_string(), None);
                    tracing::info!(queue = %hands.queue, "events are received again");
                }
                if !messages.is_empty() {
                    under_way.push(Arc::clone(&hands).carry(messages).boxed());
                }
            }
            Err(error) => {
                hands.show(&error, *failing.get_or_insert_with(|| hands.clock.now()));
                let mut pausing = pin!(listener.pause());
                loop {
                    tokio::select! {
                        () = &mut pausing => break,
                        Some(end) = under_way.next(), if !under_way.is_empty() => {
                            if end == Carried::Stopped { return }
                        }
                    }
                }
            }
        }
    }
}

/// How carrying a batch ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Carried {
    /// Everything that can be done about it is done.
    Done,
    /// The writer takes nothing more.
    Stopped,
}

/// What one receiver does with messages.
struct Carrier {
    mailbox: Mailbox,
    queue: Arc<Queue>,
    ingest: Handle,
    clock: SharedClock,
    counts: EventCounts,
    unreadable: Unreadable,
}

/// Messages that say something of resources: receipt, and how often each was received.
#[derive(Default)]
struct Telling {
    receipts: Vec<(String, u32)>,
    notifications: Vec<Notification>,
}

impl Carrier {
    /// Brings messages to the writer, and deletes those that are done with.
    async fn carry(self: Arc<Self>, messages: Vec<Received>) -> Carried {
        let mut done = Vec::new();
        let mut telling = Telling::default();
        let mut hopeless = Vec::new();
        for Received { receipt, message, receives, told } in messages {
            self.counts.count(Count::Received);
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
            if let Some((scope, at)) = told.trail() {
                self.ingest.freshness().call_seen(&scope, at);
                for kind in told.untold() {
                    self.ingest.freshness().untold(&scope, kind, at);
                }
            }
            match told.says {
                Says::Resources(notification) => {
                    telling.receipts.push((receipt, receives));
                    telling.notifications.push(notification);
                }
                Says::Canary(canary) => {
                    self.counts.count(Count::Canaries);
                    self.ingest.freshness().canary_seen(&canary, self.clock.now());
                    done.push(receipt);
                }
                Says::Call { .. } => done.push(receipt),
                Says::Nothing => {
                    self.counts.count_unknown(&told.detail_type);
                    done.push(receipt);
                }
            }
        }
        // What says nothing of resources does not wait for the store.
        let ((), (), carried) = futures::join!(self.delete(done), self.park(hopeless), self.tell(telling));
        carried
    }

    /// A message that cannot be read, as it is kept.
    fn parked(&self, message: String, receives: u32, Illegible { why, body }: Illegible) -> Parked {
        let bytes = u64::try_from(body.len()).unwrap_or(u64::MAX);
        let queue = self.queue.to_string();
        Parked { message, queue, at: self.clock.now(), receives, why: why.to_string(), body, bytes }.cut()
    }

    /// Keeps messages in the store, and deletes them from the queue once that is durable. Until then they come again.
    async fn park(&self, hopeless: Vec<(String, Parked)>) {
        let (receipts, messages): (Vec<String>, Vec<Parked>) = hopeless.into_iter().unzip();
        if receipts.is_empty() {
            return;
        }
        let number = receipts.len();
        match self.ingest.park(messages).await {
            Ok(()) => {
                self.counts.count_all(Count::Parked, number);
                tracing::warn!(
                    queue = %self.queue, number,
                    "messages that cannot be read are kept in the store and deleted from the queue: muster doctor shows them"
                );
                self.delete(receipts).await;
            }
            Err(error) => {
                tracing::warn!(queue = %self.queue, %error, "messages that cannot be read stay in the queue, as they cannot be kept");
            }
        }
    }

    /// Has the writer record what messages say.
    async fn tell(&self, telling: Telling) -> Carried {
        let Telling { receipts, notifications } = telling;
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
        for ((receipt, receives), taken) in receipts.into_iter().zip(taken) {
            match taken {
                Taken::Applied(_) => self.counts.count(Count::Applied),
                Taken::Unchanged => self.counts.count(Count::Unchanged),
                Taken::Repeated => self.counts.count(Count::Repeated),
                Taken::Unknown if receives < RECEIVES => {
                    early.push(receipt);
                    continue;
                }
                Taken::Unknown => self.counts.count(Count::LetGo),
                Taken::Damaged => continue,
            }
            done.push(receipt);
        }
        let again = async {
            if !early.is_empty() {
                self.mailbox.hold(early, COMES_AGAIN).await;
            }
        };
        let ((), ()) = futures::join!(self.delete(done), again);
        Carried::Done
    }

    /// Submits notifications until they are durable, and holds the messages meanwhile.
    async fn submit(
        &self,
        receipts: &[(String, u32)],
        notifications: &[Notification],
    ) -> Result<Vec<Taken>, IngestError> {
        let mut submitting = pin!(async {
            let mut failing: Option<Timestamp> = None;
            loop {
                match self.ingest.notify(notifications.to_vec()).await {
                    Err(error) if is_passing(&error) => {
                        tracing::warn!(queue = %self.queue, %error, "events are not recorded yet, and are held");
                        // Canaries still come, but what comes with them is not known.
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
                    tracing::warn!(queue = %self.queue, failed = held.failed, "events that wait may come a second time");
                }
            }
        }
    }

    async fn delete(&self, receipts: Vec<String>) {
        if receipts.is_empty() {
            return;
        }
        let deleted = self.mailbox.let_go(receipts).await;
        self.counts.count_all(Count::Deleted, deleted.done);
        self.counts.count_all(Count::DeleteFailures, deleted.failed);
        if deleted.failed > 0 {
            tracing::warn!(queue = %self.queue, failed = deleted.failed, "events stay in the queue, and come again");
        }
    }

    fn undecodable(&self, message: &str, error: &Undecodable) {
        self.counts.count(Count::Undecodable);
        if self.unreadable.meet(message) {
            tracing::warn!(queue = %self.queue, message, %error, "an event cannot be read, and is left in the queue");
        }
    }

    fn receiving(&self, trouble: Option<Trouble>) {
        self.ingest.freshness().receiving(&self.queue.to_string(), trouble);
    }

    /// Shows that nothing can be received, and why.
    fn show(&self, error: &AwsError, since: Timestamp) {
        self.counts.count(Count::ReceiveFailures);
        self.ingest.freshness().receiving(&self.queue.to_string(), Some(error.to_trouble(since)));
        tracing::warn!(queue = %self.queue, %error, fix = error.fix(), "no events can be received");
    }
}

/// Why what events say is not known yet.
fn unstored(error: &IngestError, since: Timestamp) -> Trouble {
    Trouble {
        class: TroubleClass::Store,
        what: format!("what events say cannot be stored: {error}"),
        fix: "They are held until it can".to_owned(),
        since,
        retry_at: None,
    }
}

/// Whether what kept notifications from being stored may be over when they are submitted again.
fn is_passing(error: &IngestError) -> bool {
    match error {
        IngestError::Stopped
        | IngestError::Read(ReadError::Damaged(_))
        | IngestError::Commit(CommitError::Damaged(_) | CommitError::Unencodable(_)) => false,
        IngestError::Together(error) => is_passing(error),
        IngestError::Read(ReadError::Unavailable(_)) | IngestError::Commit(_) => true,
    }
}
