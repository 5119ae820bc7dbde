//! Looks into a queue that nobody reads: messages are held briefly and then returned ([`Aws::extend`] by zero).
//!
//! SQS cannot show messages without receiving them, and counts each receive: a message received more often than its queue's redrive
//! policy allows moves to the dead-letter queue. Callers therefore receive each message once and return it only at the end;
//! returned earlier it would be received again.

use std::time::Duration;

use aws_sdk_sqs::types::MessageSystemAttributeName;

use super::queue::{BATCH, Queue, QueueMessage};
use super::{Aws, AwsError};
use crate::model::Timestamp;

const RECEIVE: &str = "sqs:ReceiveMessage";

/// A message that is being held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peeked {
    /// The message.
    pub message: QueueMessage,
    /// When it was sent to the queue; `None` if SQS did not say.
    pub sent_at: Option<Timestamp>,
}

impl Aws {
    /// Receives some messages of a queue, at most [`BATCH`], and hides them from other readers for `hold`. Waits up to `wait` for
    /// the first.
    ///
    /// # Errors
    /// [`AwsError`].
    pub async fn peek(&self, queue: &Queue, hold: Duration, wait: Duration) -> Result<Vec<Peeked>, AwsError> {
        let scope = self.scope_of(queue, RECEIVE)?;
        let client = self.events(&scope).await;
        let seconds = |time: Duration| i32::try_from(time.as_secs()).unwrap_or(i32::MAX);
        let asked = client
            .receive_message()
            .queue_url(queue.url())
            .max_number_of_messages(i32::try_from(BATCH).unwrap_or(10))
            .visibility_timeout(seconds(hold))
            .wait_time_seconds(seconds(wait))
            .message_system_attribute_names(MessageSystemAttributeName::SentTimestamp)
            .message_system_attribute_names(MessageSystemAttributeName::ApproximateReceiveCount);
        let answer = self.classified(&scope, RECEIVE, asked.send().await)?;
        let messages = answer.messages.unwrap_or_default().into_iter().filter_map(|message| {
            let said = |name| message.attributes.as_ref()?.get(&name)?.parse::<i64>().ok();
            let sent_at = said(MessageSystemAttributeName::SentTimestamp).map(Timestamp::from_millis);
            let receives = said(MessageSystemAttributeName::ApproximateReceiveCount);
            let message = QueueMessage {
                id: message.message_id.unwrap_or_default(),
                receipt: message.receipt_handle?,
                body: message.body?,
                receives: receives.and_then(|count| u32::try_from(count).ok()).unwrap_or(1),
            };
            Some(Peeked { message, sent_at })
        });
        Ok(messages.collect())
    }
}
