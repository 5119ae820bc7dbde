//! Looking into a queue that nobody reads: messages are held for a moment and handed back.
//!
//! SQS has no way to look without receiving, and counts each look: a message that was received more often than its queue's redrive
//! policy allows is moved to the dead-letter queue. So whoever peeks asks for each message once, and hands it back only at
//! the end: handed back at once it would only come again.

use std::time::Duration;

use aws_sdk_sqs::types::{ChangeMessageVisibilityBatchRequestEntry, MessageSystemAttributeName};

use super::queue::{BATCH, Message, Queue};
use super::{Aws, AwsError};
use crate::model::Timestamp;

const RECEIVE: &str = "sqs:ReceiveMessage";
const HAND_BACK: &str = "sqs:ChangeMessageVisibility";

/// A message that is held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peeked {
    /// The message.
    pub message: Message,
    /// When it came into the queue; `None` when SQS did not say.
    pub sent_at: Option<Timestamp>,
    /// How often it was received by now, this time included.
    pub receives: u32,
}

impl Aws {
    /// Takes some messages of a queue, at most [`BATCH`], and keeps others from them for `hold`. Waits up to `wait` for the first.
    ///
    /// # Errors
    /// [`AwsError`].
    pub async fn peek(&self, queue: &Queue, hold: Duration, wait: Duration) -> Result<Vec<Peeked>, AwsError> {
        let region = self.region_of(queue, RECEIVE)?;
        let client = self.sdk().await.clients(&region).events;
        let seconds = |time: Duration| i32::try_from(time.as_secs()).unwrap_or(i32::MAX);
        let asked = client
            .receive_message()
            .queue_url(queue.url())
            .max_number_of_messages(i32::try_from(BATCH).unwrap_or(10))
            .visibility_timeout(seconds(hold))
            .wait_time_seconds(seconds(wait))
            .message_system_attribute_names(MessageSystemAttributeName::SentTimestamp)
            .message_system_attribute_names(MessageSystemAttributeName::ApproximateReceiveCount);
        let answer = self.classified(&region, RECEIVE, asked.send().await)?;
        let messages = answer.messages.unwrap_or_default().into_iter().filter_map(|message| {
            let said = |name| message.attributes.as_ref()?.get(&name)?.parse::<i64>().ok();
            let sent_at = said(MessageSystemAttributeName::SentTimestamp).map(Timestamp::from_millis);
            let receives = said(MessageSystemAttributeName::ApproximateReceiveCount).unwrap_or_default();
            let receives = u32::try_from(receives).unwrap_or_default();
            let message = Message {
                id: message.message_id.unwrap_or_default(),
                receipt: message.receipt_handle?,
                body: message.body?,
                receives,
            };
            Some(Peeked { message, sent_at, receives })
        });
        Ok(messages.collect())
    }

    /// Lets others receive messages that are held.
    ///
    /// # Errors
    /// [`AwsError`]; then, and for single ones that SQS refuses, they come again when the time is over for which they are held.
    pub async fn hand_back(&self, queue: &Queue, receipts: &[String]) -> Result<(), AwsError> {
        let region = self.region_of(queue, HAND_BACK)?;
        let client = self.sdk().await.clients(&region).events;
        for receipts in receipts.chunks(BATCH) {
            let entries = receipts.iter().enumerate().filter_map(|(number, receipt)| {
                let entry = ChangeMessageVisibilityBatchRequestEntry::builder().id(number.to_string());
                entry.receipt_handle(receipt).visibility_timeout(0).build().ok()
            });
            let asked = client.change_message_visibility_batch().queue_url(queue.url());
            let sent = asked.set_entries(Some(entries.collect())).send().await;
            self.classified(&region, HAND_BACK, sent)?;
        }
        Ok(())
    }
}
