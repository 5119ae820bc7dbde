//! EventBridge's events, as they come through SQS.
//!
//! [`envelope`] reads a message, pure. [`QueueListener`] receives messages; [`Acknowledger`] lets them go once what they said is durable, and
//! holds on to them for as long as it is not: whoever stops in between gets them again, and every repeat changes nothing. Events
//! are best effort: they shorten staleness, the sweeps are the truth.

pub mod envelope;

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use self::envelope::{DecodedEvent, Undecodable};
use super::backoff::Backoff;
use crate::aws::queue::{BATCH, Message, Queue};
use crate::aws::{Aws, AwsError};
use crate::model::ErrorClass;

/// The pause after the first failed receive; further ones back off.
const FIRST: Duration = Duration::from_millis(100);

/// The pauses before something about messages is tried again.
const AGAIN: [Duration; 3] = [Duration::from_millis(50), Duration::from_millis(200), Duration::from_millis(800)];

/// Receives the messages of one queue.
pub struct QueueListener {
    mailbox: Acknowledger,
    backoff: Backoff,
    /// Whether the last receive failed.
    failing: bool,
}

/// What is done about messages that were received. Clones are of the same queue.
#[derive(Clone)]
pub struct Acknowledger {
    aws: Aws,
    queue: Arc<Queue>,
}

/// One received message, and what it says.
#[derive(Debug)]
pub struct Received {
    /// What deletes it.
    pub receipt: String,
    /// SQS's id of it.
    pub message: String,
    /// How often it was received, this time included.
    pub receives: u32,
    /// What the event says; or the body that cannot be read.
    pub told: Result<DecodedEvent, Illegible>,
}

/// A message's body that cannot be read.
#[derive(Debug)]
pub struct Illegible {
    /// Why.
    pub why: Undecodable,
    /// The whole body. Anybody who can write to the queue can write this.
    pub body: String,
}

/// How many messages something was done to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BatchOutcome {
    /// To these it was.
    pub done: usize,
    /// To these not, however often it was tried.
    pub failed: usize,
}

/// Something to be done to messages.
#[derive(Clone, Copy, Debug)]
enum MessageAction {
    Delete,
    Hold(Duration),
}

impl QueueListener {
    /// Listens to `queue`.
    #[must_use]
    pub fn new(aws: Aws, queue: Arc<Queue>) -> Self {
        QueueListener { mailbox: Acknowledger { aws, queue }, backoff: Backoff::new(), failing: false }
    }

    /// The messages' other end.
    #[must_use]
    pub fn mailbox(&self) -> Acknowledger {
        self.mailbox.clone()
    }

    /// The next messages; none when there are none for 20 s.
    ///
    /// # Errors
    /// [`AwsError`]; after [`QueueListener::pause`] it is worth another attempt.
    pub async fn next(&mut self) -> Result<Vec<Received>, AwsError> {
        let Acknowledger { aws, queue } = &self.mailbox;
        let messages = aws.receive(queue).await?;
        self.failing = false;
        self.backoff.succeeded();
        let read = |Message { id: message, receipt, body, receives }| {
            let told = DecodedEvent::read(&body, queue.account()).map_err(|why| Illegible { why, body });
            Received { receipt, message, receives, told }
        };
        Ok(messages.into_iter().map(read).collect())
    }

    /// Waits after a failure: shortly at first, since a failure of the moment must not let a queue run full.
    pub async fn pause(&mut self) {
        let pause = self.backoff.failed();
        sleep(if std::mem::replace(&mut self.failing, true) { pause } else { FIRST }).await;
    }
}

impl Acknowledger {
    /// Deletes messages. Those that SQS does not take, however often it is asked, come again.
    pub async fn let_go(&self, receipts: Vec<String>) -> BatchOutcome {
        self.each(MessageAction::Delete, receipts).await
    }

    /// Keeps messages from coming again for `hold` from now on, or lets them come after it.
    pub async fn hold(&self, receipts: Vec<String>, hold: Duration) -> BatchOutcome {
        self.each(MessageAction::Hold(hold), receipts).await
    }

    /// Asks for something to be done to messages, and again to those that it was not done to.
    async fn each(&self, what: MessageAction, receipts: Vec<String>) -> BatchOutcome {
        let mut outcome = BatchOutcome::default();
        for some in receipts.chunks(BATCH) {
            let mut left = some.to_vec();
            let mut pauses = AGAIN.iter();
            while !left.is_empty() {
                let asked = match what {
                    MessageAction::Delete => self.aws.delete(&self.queue, &left).await,
                    MessageAction::Hold(hold) => self.aws.extend(&self.queue, &left, hold).await,
                };
                let given_up = match asked {
                    Ok(failed) => {
                        outcome.done += left.len().saturating_sub(failed.len());
                        tracing::debug!(queue = %self.queue, failed = failed.len(), ?what, "asked");
                        left = failed;
                        false
                    }
                    Err(error) => {
                        tracing::debug!(queue = %self.queue, %error, ?what, "refused, and asked again");
                        error.class == ErrorClass::Denied
                    }
                };
                // What is not deleted comes again, and costs more than asking once more.
                match pauses.next() {
                    _ if left.is_empty() => {}
                    Some(pause) if !given_up => sleep(*pause).await,
                    _ => break,
                }
            }
            outcome.failed += left.len();
        }
        outcome
    }
}
