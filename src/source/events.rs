//! EventBridge's events, received through SQS. [`envelope`] decodes a message and is pure. [`QueueListener`] receives messages.
//! [`Acknowledger`] deletes them once their observations are durable, and keeps them invisible until then. A process that stops
//! in between receives them again, and repeats change nothing. Events are best effort: they shorten staleness, and sweeps remain
//! the source of truth.

pub mod envelope;
mod redaction;

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use self::envelope::{DecodedEvent, Undecodable};
use super::backoff::Backoff;
use crate::aws::queue::{BATCH, Queue, QueueMessage};
use crate::aws::{Aws, AwsError};
use crate::model::{AccountId, ErrorClass};

/// The pause after the first failed receive; later pauses back off.
const FIRST: Duration = Duration::from_millis(100);

/// The pauses before an action on messages is tried again.
const AGAIN: [Duration; 3] = [Duration::from_millis(50), Duration::from_millis(200), Duration::from_millis(800)];

/// Receives the messages of one queue.
pub struct QueueListener {
    mailbox: Acknowledger,
    backoff: Backoff,
    /// Whether the last receive failed.
    failing: bool,
}

/// Deletes received messages, or keeps them invisible. Clones act on the same queue.
#[derive(Clone)]
pub struct Acknowledger {
    aws: Aws,
    queue: Arc<Queue>,
}

/// One received message, decoded.
#[derive(Debug)]
pub struct Received {
    /// The receipt handle that deletes it.
    pub receipt: String,
    /// SQS's message id.
    pub message: String,
    /// How often it was received, including this time.
    pub receives: u32,
    /// The decoded event, or the body that cannot be read.
    pub told: Result<DecodedEvent, Illegible>,
}

/// A message body that cannot be read.
#[derive(Debug)]
pub struct Illegible {
    /// Why.
    pub why: Undecodable,
    /// The whole body. Anybody who can write to the queue can write this.
    pub body: String,
}

/// How many messages an action succeeded for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BatchOutcome {
    /// How many it succeeded for.
    pub done: usize,
    /// How many it failed for after all attempts.
    pub failed: usize,
}

/// An action on messages.
#[derive(Clone, Copy, Debug)]
enum MessageAction {
    Delete,
    Hold(Duration),
}

impl QueueListener {
    /// Makes a listener to `queue`.
    #[must_use]
    pub fn new(aws: Aws, queue: Arc<Queue>) -> Self {
        QueueListener { mailbox: Acknowledger { aws, queue }, backoff: Backoff::new(), failing: false }
    }

    /// The acknowledger of the same queue.
    #[must_use]
    pub fn mailbox(&self) -> Acknowledger {
        self.mailbox.clone()
    }

    /// Receives the next messages; none if none come for 20 s. `owner` is then asked for the account of events that name none; without
    /// one they cannot be read.
    ///
    /// # Errors
    /// [`AwsError`]; try again after [`QueueListener::pause`].
    pub async fn next(&mut self, owner: impl Fn() -> Option<AccountId>) -> Result<Vec<Received>, AwsError> {
        let Acknowledger { aws, queue } = &self.mailbox;
        let messages = aws.receive(queue).await?;
        self.failing = false;
        self.backoff.succeeded();
        let owner = owner();
        let read = |QueueMessage { id: message, receipt, body, receives }| {
            let told = DecodedEvent::read(&body, owner.as_ref())
                .map(|event| redaction::event(event, aws.secrets()))
                .map_err(|why| Illegible { why, body: redaction::body(body, aws.secrets()) });
            Received { receipt, message, receives, told }
        };
        Ok(messages.into_iter().map(read).collect())
    }

    /// Waits after a failure, first shortly, so that a passing failure does not let the queue fill up.
    pub async fn pause(&mut self) {
        let pause = self.backoff.failed();
        sleep(if std::mem::replace(&mut self.failing, true) { pause } else { FIRST }).await;
    }
}

impl Acknowledger {
    /// Deletes messages. Messages that SQS does not delete come again.
    pub async fn let_go(&self, receipts: Vec<String>) -> BatchOutcome {
        self.each(MessageAction::Delete, receipts).await
    }

    /// Keeps messages invisible for `hold` from now on.
    pub async fn hold(&self, receipts: Vec<String>, hold: Duration) -> BatchOutcome {
        self.each(MessageAction::Hold(hold), receipts).await
    }

    /// Performs an action on messages, and repeats it for those that failed.
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
                        tracing::debug!(queue = %self.queue, failed = failed.len(), ?what, "acted on messages");
                        left = failed;
                        false
                    }
                    Err(error) => {
                        tracing::debug!(queue = %self.queue, %error, ?what, "an action on messages failed");
                        error.class == ErrorClass::Denied
                    }
                };
                // A message that is not deleted comes again, which costs more than another attempt.
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
