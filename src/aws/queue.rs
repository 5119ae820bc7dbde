//! The SQS queue through which EventBridge's events arrive.

use std::time::Duration;

use aws_sdk_sqs::types::{
    ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry, MessageSystemAttributeName,
};

use super::{Aws, AwsError};
use crate::model::Scope;

pub use super::queue_place::{Queue, QueueArnError, QueueError};

/// How long SQS holds a request open while no message arrives, in seconds: its maximum.
const WAIT_SECONDS: i32 = 20;
/// How many messages SQS returns or deletes at once at most.
pub const BATCH: usize = 10;

const RECEIVE: &str = "sqs:ReceiveMessage";
const DELETE: &str = "sqs:DeleteMessage";
const EXTEND: &str = "sqs:ChangeMessageVisibility";

/// A received message. It is delivered again unless it is deleted in time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueMessage {
    /// SQS's id, for logs.
    pub id: String,
    /// The receipt handle, which deletes it.
    pub receipt: String,
    /// The body, as EventBridge wrote it.
    pub body: String,
    /// How often it was received, including this time; 1 if SQS does not say.
    pub receives: u32,
}

impl Aws {
    /// The next messages of a queue, at most [`BATCH`]; waits up to 20 s for the first. May be empty.
    ///
    /// # Errors
    /// [`AwsError`]; no message was removed from the queue.
    pub async fn receive(&self, queue: &Queue) -> Result<Vec<QueueMessage>, AwsError> {
        let scope = self.scope_of(queue, RECEIVE)?;
        let client = self.events(&scope).await;
        let messages = i32::try_from(BATCH).unwrap_or(10);
        let asked = client.receive_message().queue_url(&*queue.url).max_number_of_messages(messages);
        let asked = asked.message_system_attribute_names(MessageSystemAttributeName::ApproximateReceiveCount);
        let answer = self.classified(&scope, RECEIVE, asked.wait_time_seconds(WAIT_SECONDS).send().await)?;
        let messages = answer.messages.unwrap_or_default().into_iter().filter_map(|message| {
            let (receipt, body) = (message.receipt_handle?, message.body?);
            let attributes = message.attributes.unwrap_or_default();
            let receives = attributes.get(&MessageSystemAttributeName::ApproximateReceiveCount);
            let receives = receives.and_then(|count| count.parse().ok()).unwrap_or(1);
            Some(QueueMessage { id: message.message_id.unwrap_or_default(), receipt, body, receives })
        });
        Ok(messages.collect())
    }

    /// Deletes received messages, at most [`BATCH`]. Returns the receipts that SQS refused: those messages are delivered again.
    ///
    /// # Errors
    /// [`AwsError`]; all messages may be delivered again.
    pub async fn delete(&self, queue: &Queue, receipts: &[String]) -> Result<Vec<String>, AwsError> {
        let scope = self.scope_of(queue, DELETE)?;
        let client = self.events(&scope).await;
        let entries = receipts.iter().enumerate().filter_map(|(number, receipt)| {
            DeleteMessageBatchRequestEntry::builder().id(number.to_string()).receipt_handle(receipt).build().ok()
        });
        let asked = client.delete_message_batch().queue_url(&*queue.url).set_entries(Some(entries.collect()));
        let answer = self.classified(&scope, DELETE, asked.send().await)?;
        let failed =
            answer.failed.into_iter().filter_map(|entry| receipts.get(entry.id.parse::<usize>().ok()?).cloned());
        Ok(failed.collect())
    }

    /// Hides received messages, at most [`BATCH`], for `hold` from now on (at most 12 hours, in whole seconds). Returns the
    /// receipts that SQS refused.
    ///
    /// # Errors
    /// [`AwsError`]; the messages may be delivered again as before.
    pub async fn extend(&self, queue: &Queue, receipts: &[String], hold: Duration) -> Result<Vec<String>, AwsError> {
        let scope = self.scope_of(queue, EXTEND)?;
        let client = self.events(&scope).await;
        let seconds = i32::try_from(hold.as_secs()).unwrap_or(i32::MAX);
        let entries = receipts.iter().enumerate().filter_map(|(number, receipt)| {
            let entry = ChangeMessageVisibilityBatchRequestEntry::builder().id(number.to_string());
            entry.receipt_handle(receipt).visibility_timeout(seconds).build().ok()
        });
        let asked = client.change_message_visibility_batch().queue_url(&*queue.url);
        let answer = self.classified(&scope, EXTEND, asked.set_entries(Some(entries.collect())).send().await)?;
        let failed =
            answer.failed.into_iter().filter_map(|entry| receipts.get(entry.id.parse::<usize>().ok()?).cloned());
        Ok(failed.collect())
    }

    /// The scope in which a queue is called, with the configured credentials, whoever owns it.
    pub(super) fn scope_of(&self, queue: &Queue, action: &'static str) -> Result<Scope, AwsError> {
        let region = queue.region.clone().or_else(|| self.regions().into_iter().next());
        region.map(|region| self.home().scope(region)).ok_or_else(|| self.home().no_region(action))
    }

    /// The SQS client. A queue may be in a region that is not watched.
    pub(super) async fn events(&self, scope: &Scope) -> aws_sdk_sqs::Client {
        self.account_of(scope).sdk().await.clients(&scope.region).events()
    }
}
