//! The actions on messages: sending, receiving, hiding and deleting them, alone and in batches.

use std::time::Duration;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value, json};
use tokio::time::{Instant, timeout_at};

use crate::simulator::clock::Moment;
use crate::simulator::json::nothing;
use crate::simulator::refusal::Refusal;
use crate::simulator::sqs::call::{Answer, Call};
use crate::simulator::sqs::handle::Handle;
use crate::simulator::sqs::message_attributes;
use crate::simulator::sqs::queue::{Message, Queue, Taken};

/// The limit for all messages of a batch together, and so for the largest message that a queue can allow.
const MAX_BATCH_BYTES: usize = 1_048_576;
const MAX_VISIBILITY: i64 = 43_200;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Sent {
    queue_url: Option<String>,
    id: Option<String>,
    message_body: Option<String>,
    delay_seconds: Option<i64>,
    #[serde(default)]
    message_attributes: Map<String, Value>,
    #[serde(default)]
    message_system_attributes: Map<String, Value>,
    message_group_id: Option<IgnoredAny>,
    message_deduplication_id: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Receive {
    queue_url: Option<String>,
    #[serde(default)]
    attribute_names: Vec<String>,
    #[serde(default)]
    message_system_attribute_names: Vec<String>,
    #[serde(default)]
    message_attribute_names: Vec<String>,
    max_number_of_messages: Option<i64>,
    visibility_timeout: Option<i64>,
    wait_time_seconds: Option<i64>,
}

/// A message that a call names by its receipt handle, alone or in a batch.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct MessageRequest {
    queue_url: Option<String>,
    id: Option<String>,
    receipt_handle: Option<String>,
    visibility_timeout: Option<i64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Batch<T> {
    queue_url: Option<String>,
    entries: Option<Vec<T>>,
}

pub(super) fn send(call: &Call) -> Answer {
    let sent: Sent = call.read()?;
    let queue = call.queue(sent.queue_url.as_deref())?;
    put(call, &queue, sent)
}

pub(super) fn send_batch(call: &Call) -> Answer {
    let batch: Batch<Sent> = call.read()?;
    let queue = call.queue(batch.queue_url.as_deref())?;
    let entries = entries(batch.entries, |sent| sent.id.as_deref())?;
    let bytes: usize = entries.iter().map(|(_, sent)| sent.message_body.as_ref().map_or(0, String::len)).sum();
    if bytes > MAX_BATCH_BYTES {
        let message =
            format!("Batch requests cannot be longer than {MAX_BATCH_BYTES} bytes. You have sent {bytes} bytes.");
        return Err(Refusal::new(400, "BatchRequestTooLong", message));
    }
    Ok(each(entries, |sent| put(call, &queue, sent)))
}

pub(super) fn delete(call: &Call) -> Answer {
    let held: MessageRequest = call.read()?;
    let queue = call.queue(held.queue_url.as_deref())?;
    queue.delete(&handle(&held)?)?;
    Ok(nothing())
}

pub(super) fn delete_batch(call: &Call) -> Answer {
    let batch: Batch<MessageRequest> = call.read()?;
    let queue = call.queue(batch.queue_url.as_deref())?;
    let entries = entries(batch.entries, |held| held.id.as_deref())?;
    Ok(each(entries, |held| queue.delete(&handle(&held)?).map(|()| json!({}))))
}

pub(super) fn change_visibility(call: &Call) -> Answer {
    let held: MessageRequest = call.read()?;
    let queue = call.queue(held.queue_url.as_deref())?;
    hide(call, &queue, &held)?;
    Ok(nothing())
}

pub(super) fn change_visibility_batch(call: &Call) -> Answer {
    let batch: Batch<MessageRequest> = call.read()?;
    let queue = call.queue(batch.queue_url.as_deref())?;
    let entries = entries(batch.entries, |held| held.id.as_deref())?;
    Ok(each(entries, |held| hide(call, &queue, &held).map(|()| json!({}))))
}

/// Hands out messages. It waits for the first one for as long as the call or the queue says.
pub(super) async fn receive(call: &Call<'_>) -> Answer {
    let asked: Receive = call.read()?;
    let queue = call.queue(asked.queue_url.as_deref())?;
    let most = within("MaxNumberOfMessages", asked.max_number_of_messages.unwrap_or(1), 1, 10)?;
    let visibility = asked.visibility_timeout.map(|given| within("VisibilityTimeout", given, 0, MAX_VISIBILITY));
    let visibility = visibility.transpose()?;
    let wait = match asked.wait_time_seconds {
        Some(given) => within("WaitTimeSeconds", given, 0, 20)?,
        None => queue.attributes().number("ReceiveMessageWaitTimeSeconds"),
    };
    let (world, most) = (call.world, usize::try_from(most).unwrap_or(1));
    let end = Instant::now() + Duration::from_secs(u64::from(wait));
    let messages = loop {
        let arrival = queue.arrived.notified();
        tokio::pin!(arrival);
        // From here on no arrival is missed, even before the wait begins.
        arrival.as_mut().enable();
        let now = world.clock().moment();
        // In tests without a server, events are delivered only here.
        world.pump();
        let taken = queue.take(most, visibility, wait > 0, now)?;
        let (next, messages) = (taken.next, bury(call, &queue, taken));
        if !messages.is_empty() || Instant::now() >= end || world.closing().is_cancelled() {
            break messages;
        }
        let until = end.min(Instant::now() + world.clock().doze(next));
        tokio::select! {
            // Looks again after the time limit as well.
            _ = timeout_at(until, arrival) => {}
            () = world.closing().cancelled() => {}
        }
    };
    let names: Vec<&str> =
        asked.attribute_names.iter().chain(&asked.message_system_attribute_names).map(String::as_str).collect();
    let shown: Vec<Value> = messages
        .iter()
        .map(|(handle, message)| show(*handle, message, &names, &asked.message_attribute_names))
        .collect();
    Ok(if shown.is_empty() { json!({}) } else { json!({ "Messages": shown }) })
}

/// Moves messages that were received too often to the dead-letter queue. Returns the messages to hand out.
fn bury(call: &Call, queue: &Queue, taken: Taken) -> Vec<(Handle, Message)> {
    for (target, mut message) in taken.dead {
        message.source = Some(queue.arn.clone());
        // If the dead-letter queue no longer exists, the message is lost.
        if let Some(target) = call.world.sqs().find_arn(&target) {
            target.put(message, Some(0), call.now);
        }
    }
    taken.messages
}

fn put(call: &Call, queue: &Queue, sent: Sent) -> Answer {
    let body = sent.message_body.filter(|body| !body.is_empty());
    let body = body.ok_or_else(|| Refusal::missing("MessageBody"))?;
    let settings = queue.attributes();
    let limit = settings.number("MaximumMessageSize");
    if body.len() > usize::try_from(limit).unwrap_or(MAX_BATCH_BYTES) {
        let reason = format!("One or more parameters are invalid. Reason: Message must be shorter than {limit} bytes.");
        return Err(Refusal::invalid_value(reason));
    }
    let writable =
        |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    if !body.chars().all(writable) {
        let message = "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | \
                       #xE000 to #xFFFD | #x10000 to #x10FFFF";
        return Err(Refusal::new(400, "InvalidMessageContents", message));
    }
    if sent.message_group_id.is_some() || sent.message_deduplication_id.is_some() {
        let reason = "The request includes a parameter that is not valid for this queue type.";
        return Err(Refusal::invalid_value(reason));
    }
    let delay = sent.delay_seconds.map(|given| within("DelaySeconds", given, 0, 900)).transpose()?;
    let digest = message_attributes::digest(&sent.message_attributes)?;
    let mut message = Message::new(body, call.sender.to_owned(), call.now);
    message.attributes = sent.message_attributes;
    let trace = sent.message_system_attributes.get("AWSTraceHeader").and_then(|trace| trace.get("StringValue"));
    message.trace = trace.and_then(Value::as_str).map(str::to_owned);
    let mut answer = json!({ "MessageId": message.id, "MD5OfMessageBody": message.md5 });
    if let (Some(digest), Some(answer)) = (digest, answer.as_object_mut()) {
        answer.insert("MD5OfMessageAttributes".to_owned(), Value::String(digest));
    }
    queue.put(message, delay, call.now);
    Ok(answer)
}

fn hide(call: &Call, queue: &Queue, held: &MessageRequest) -> Result<(), Refusal> {
    let timeout = held.visibility_timeout.ok_or_else(|| Refusal::missing("VisibilityTimeout"))?;
    let timeout = within("VisibilityTimeout", timeout, 0, MAX_VISIBILITY)?;
    queue.hide(&handle(held)?, timeout, call.now)
}

fn handle(held: &MessageRequest) -> Result<String, Refusal> {
    held.receipt_handle.clone().ok_or_else(|| Refusal::missing("ReceiptHandle"))
}

/// The entries of a batch by their ids, or why the batch is refused.
fn entries<T>(entries: Option<Vec<T>>, id: impl Fn(&T) -> Option<&str>) -> Result<Vec<(String, T)>, Refusal> {
    let entries = entries.unwrap_or_default();
    if entries.is_empty() {
        return Err(Refusal::new(400, "EmptyBatchRequest", "There should be at least one entry in the request."));
    }
    if entries.len() > 10 {
        let message = format!("Maximum number of entries per request are 10. You have sent {}.", entries.len());
        return Err(Refusal::new(400, "TooManyEntriesInBatchRequest", message));
    }
    let mut named: Vec<(String, T)> = Vec::with_capacity(entries.len());
    for entry in entries {
        let id = id(&entry).unwrap_or_default().to_owned();
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
        if id.is_empty() || id.len() > 80 || !id.bytes().all(allowed) {
            let message = "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can \
                           be at most 80 letters long.";
            return Err(Refusal::new(400, "InvalidBatchEntryId", message));
        }
        if named.iter().any(|(other, _)| *other == id) {
            return Err(Refusal::new(400, "BatchEntryIdsNotDistinct", format!("Id {id} repeated.")));
        }
        named.push((id, entry));
    }
    Ok(named)
}

/// Handles each entry on its own. The answer is a success and lists the entries that failed.
fn each<T>(entries: Vec<(String, T)>, mut act: impl FnMut(T) -> Answer) -> Value {
    let (mut done, mut failed) = (Vec::new(), Vec::new());
    for (id, entry) in entries {
        match act(entry) {
            Ok(Value::Object(mut members)) => {
                members.insert("Id".to_owned(), Value::String(id));
                done.push(Value::Object(members));
            }
            Ok(_) => done.push(json!({ "Id": id })),
            Err(refusal) => failed.push(json!({
                "Id": id, "SenderFault": refusal.status < 500, "Code": refusal.code, "Message": refusal.message,
            })),
        }
    }
    let mut answer = Map::new();
    for (name, list) in [("Successful", done), ("Failed", failed)] {
        if !list.is_empty() {
            answer.insert(name.to_owned(), Value::Array(list));
        }
    }
    Value::Object(answer)
}

fn within(name: &str, given: i64, least: i64, most: i64) -> Result<u32, Refusal> {
    let number = u32::try_from(given).ok().filter(|_| (least..=most).contains(&given));
    number.ok_or_else(|| {
        let reason = format!("Reason: Must be between {least} and {most}, if provided.");
        Refusal::invalid_value(format!("Value {given} for parameter {name} is invalid. {reason}"))
    })
}

/// A message as `ReceiveMessage` shows it.
fn show(handle: Handle, message: &Message, names: &[&str], attribute_names: &[String]) -> Value {
    let mut shown = json!({
        "MessageId": message.id, "ReceiptHandle": handle.to_string(), "MD5OfBody": message.md5, "Body": message.body,
    });
    let Some(members) = shown.as_object_mut() else { return shown };
    let millis = |moment: Moment| moment.0.to_string();
    let system = [
        ("SenderId", Some(message.sender.clone())),
        ("ApproximateFirstReceiveTimestamp", message.first_received.map(millis)),
        ("ApproximateReceiveCount", Some(message.received.to_string())),
        ("SentTimestamp", Some(millis(message.sent))),
        ("AWSTraceHeader", message.trace.clone()),
        ("DeadLetterQueueSourceArn", message.source.clone()),
    ];
    let wanted = |name: &str| names.contains(&"All") || names.contains(&name);
    let system = system.into_iter().filter(|(name, _)| wanted(name));
    let system: Map<String, Value> =
        system.filter_map(|(name, text)| Some((name.to_owned(), Value::String(text?)))).collect();
    if !system.is_empty() {
        members.insert("Attributes".to_owned(), Value::Object(system));
    }
    let picked = message_attributes::pick(&message.attributes, attribute_names);
    // The attributes were valid when they were sent, so a selection of them is valid too.
    if let Ok(Some(digest)) = message_attributes::digest(&picked) {
        members.insert("MD5OfMessageAttributes".to_owned(), Value::String(digest));
        members.insert("MessageAttributes".to_owned(), Value::Object(picked));
    }
    shown
}
