//! The baseline: AWS's SDK receives and deletes the same messages, without Muster.

use std::io::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Context as _;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{DeleteMessageBatchRequestEntry, MessageSystemAttributeName};
use serde_json::json;

use crate::sdk_config::sdk_config;
use crate::usage;

/// Makes this program the baseline. Followed by the endpoint, the region, the queue's URL, and how many messages to receive.
pub(crate) const ARGUMENT: &str = "sdk-receive";

/// How many receive at once, as Muster's receivers do.
const RECEIVERS: usize = 4;

/// Receives and deletes so many messages, and prints the CPU time that one took as a banner.
pub(crate) fn receive(endpoint: &str, region: &str, queue: &str, messages: u64) -> anyhow::Result<()> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
        let client = Client::new(&sdk_config(endpoint, region).await);
        let before = usage::cpu(std::process::id())?;
        let done = AtomicU64::new(0);
        let receivers = (0..RECEIVERS).map(|_| async {
            while done.load(Ordering::Relaxed) < messages {
                let deleted = batch(&client, queue).await?;
                done.fetch_add(deleted, Ordering::Relaxed);
            }
            anyhow::Ok(())
        });
        futures::future::try_join_all(receivers).await?;
        let spent = usage::cpu(std::process::id())?.saturating_sub(before);
        let done = u32::try_from(done.into_inner().max(1))?;
        writeln!(std::io::stdout(), "{}", json!({ "messages": done, "cpu_us": (spent / done).as_micros() }))?;
        Ok(())
    })
}

/// Receives one batch and deletes it. Returns how many messages that were.
async fn batch(client: &Client, queue: &str) -> anyhow::Result<u64> {
    let asked = client.receive_message().queue_url(queue).max_number_of_messages(10).wait_time_seconds(1);
    let asked = asked.message_system_attribute_names(MessageSystemAttributeName::ApproximateReceiveCount);
    let messages = asked.send().await?.messages.unwrap_or_default();
    if messages.is_empty() {
        return Ok(0);
    }
    let mut entries = Vec::new();
    for (number, message) in messages.into_iter().enumerate() {
        let receipt = message.receipt_handle.context("a message without a receipt handle")?;
        entries.push(DeleteMessageBatchRequestEntry::builder().id(number.to_string()).receipt_handle(receipt).build()?);
    }
    let count = u64::try_from(entries.len())?;
    client.delete_message_batch().queue_url(queue).set_entries(Some(entries)).send().await?;
    Ok(count)
}
