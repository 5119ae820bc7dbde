//! EventBridge's events, as they come through SQS.
//!
//! [`envelope`] reads a message, pure. [`Listener`] receives messages and lets them go once what they said is durable: whoever
//! stops in between gets them again, and every decision on them is idempotent. Events are best effort: they shorten
//! staleness, the sweeps are the truth.

pub mod envelope;

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use self::envelope::{Told, Undecodable};
use super::backoff::Backoff;
use crate::aws::queue::{Message, Queue};
use crate::aws::{Aws, AwsError, Class};

/// The pause after the first failed receive; further ones back off.
const FIRST: Duration = Duration::from_millis(100);

/// The pauses before deleting is tried again.
const DELETES: [Duration; 3] = [Duration::from_millis(50), Duration::from_millis(200), Duration::from_millis(800)];

/// Receives the messages of one queue.
pub struct Listener {
    aws: Aws,
    queue: Arc<Queue>,
    backoff: Backoff,
    /// Whether the last receive failed.
    failing: bool,
}

/// One received message, and what it says.
#[derive(Debug)]
pub struct Received {
    /// What deletes it.
    pub receipt: String,
    /// SQS's id of it.
    pub message: String,
    /// The event; or why it cannot be read. Then it is not deleted: it goes where the queue's owner sends such.
    pub told: Result<Told, Undecodable>,
}

impl Listener {
    /// Listens to `queue`.
    #[must_use]
    pub fn new(aws: Aws, queue: Arc<Queue>) -> Self {
        Listener { aws, queue, backoff: Backoff::new(), failing: false }
    }

    /// The next messages; waits until there are some, through every failure.
    pub async fn next(&mut self) -> Vec<Received> {
        loop {
            match self.aws.receive(&self.queue).await {
                Ok(messages) => {
                    self.failing = false;
                    self.backoff.succeeded();
                    if !messages.is_empty() {
                        return messages.into_iter().map(|message| self.read(message)).collect();
                    }
                }
                Err(error) => {
                    tracing::warn!(queue = %self.queue, %error, fix = error.fix(), "no events can be received");
                    // A failure of the moment must not let a queue run full.
                    let pause = self.backoff.failed();
                    sleep(if std::mem::replace(&mut self.failing, true) { pause } else { FIRST }).await;
                }
            }
        }
    }

    /// Lets messages go. Those that SQS does not take come again.
    ///
    /// # Errors
    /// [`AwsError`]; all of them come again.
    pub async fn let_go(&self, receipts: &[String]) -> Result<(), AwsError> {
        if receipts.is_empty() {
            return Ok(());
        }
        let mut pauses = DELETES.iter();
        let failed = loop {
            match (self.aws.delete(&self.queue, receipts).await, pauses.next()) {
                (Ok(failed), _) => break failed,
                // What is not deleted comes again, and costs more than asking once more.
                (Err(error), Some(pause)) if error.class != Class::Denied => {
                    tracing::debug!(queue = %self.queue, %error, "messages are not deleted yet");
                    sleep(*pause).await;
                }
                (Err(error), _) => return Err(error),
            }
        };
        if !failed.is_empty() {
            tracing::debug!(queue = %self.queue, failed = failed.len(), "some messages were not deleted, and come again");
        }
        Ok(())
    }

    fn read(&self, Message { id: message, receipt, body }: Message) -> Received {
        Received { receipt, message, told: Told::read(&body, self.queue.account()) }
    }
}
