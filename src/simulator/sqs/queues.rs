//! The actions on queues: creating, finding, configuring, tagging and deleting them.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::simulator::json::nothing;
use crate::simulator::refusal::Refusal;
use crate::simulator::sqs::attributes::{self, Attributes};
use crate::simulator::sqs::call::{Answer, Call};
use crate::simulator::sqs::queue::{self, Queue};
use crate::simulator::sqs::service::is_name;

/// The most queues that one answer lists.
const MAX_LISTED: usize = 1_000;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[derive(Default)]
struct QueueRequest {
    queue_url: Option<String>,
    queue_name: Option<String>,
    #[serde(rename = "QueueOwnerAWSAccountId")]
    owner: Option<String>,
    queue_name_prefix: Option<String>,
    max_results: Option<usize>,
    next_token: Option<String>,
    attributes: BTreeMap<String, String>,
    attribute_names: Vec<String>,
    // AWS's model spells `tags` in lower case for `CreateQueue` and `Tags` elsewhere.
    #[serde(alias = "tags")]
    tags: BTreeMap<String, String>,
    tag_keys: Vec<String>,
}

pub(super) fn create(call: &Call) -> Answer {
    let asked: QueueRequest = call.read()?;
    let name = asked.queue_name.ok_or_else(|| Refusal::missing("QueueName"))?;
    if asked.attributes.contains_key("FifoQueue") || name.contains('.') {
        return Err(unsupported(
            "The simulator has standard queues only; leave out FifoQueue and the dot in the name.",
        ));
    }
    if !is_name(&name) {
        let reason = "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length";
        return Err(Refusal::invalid_value(reason));
    }
    let mut attributes = Attributes::default();
    put_all(call, &mut attributes, &asked.attributes)?;
    let (queue, new) = call.world.sqs().create(call.account, call.region, &name, attributes.clone(), call.now)?;
    if new {
        queue.tags(|tags| *tags = asked.tags);
    } else {
        let existing = queue.attributes();
        if let Some(other) = asked.attributes.keys().find(|name| existing.show(name) != attributes.show(name)) {
            let message =
                format!("A queue already exists with the same name and a different value for attribute {other}");
            return Err(Refusal::new(400, "QueueNameExists", message));
        }
    }
    Ok(json!({ "QueueUrl": call.url(&name) }))
}

pub(super) fn get_url(call: &Call) -> Answer {
    let asked: QueueRequest = call.read()?;
    let name = asked.queue_name.ok_or_else(|| Refusal::missing("QueueName"))?;
    let own = asked.owner.is_none_or(|owner| owner == call.account);
    let found = own.then(|| call.world.sqs().find(call.account, call.region, &name)).flatten();
    found.map(|queue| json!({ "QueueUrl": call.url(&queue.name) })).ok_or_else(queue::gone)
}

pub(super) fn list(call: &Call) -> Answer {
    let asked: QueueRequest = call.read()?;
    let limit = asked.max_results.unwrap_or(MAX_LISTED);
    if !(1..=MAX_LISTED).contains(&limit) {
        let reason = "Reason: MaxResults must be an integer between 1 and 1000.";
        return Err(Refusal::invalid_value(format!("Value {limit} for parameter MaxResults is invalid. {reason}")));
    }
    let wrong = || Refusal::invalid_value("Invalid or expired next token.");
    let after = match &asked.next_token {
        Some(token) => Some(URL_SAFE_NO_PAD.decode(token).ok().and_then(|name| String::from_utf8(name).ok()))
            .map(|name| name.ok_or_else(wrong))
            .transpose()?,
        None => None,
    };
    let prefix = asked.queue_name_prefix.unwrap_or_default();
    let names = call.world.sqs().names(call.account, call.region);
    let mut names =
        names.into_iter().filter(|name| name.starts_with(&prefix) && after.as_ref().is_none_or(|after| name > after));
    let page: Vec<String> = names.by_ref().take(limit).collect();
    let mut answer = Map::new();
    // SQS omits the list when there is nothing to list.
    if !page.is_empty() {
        answer.insert("QueueUrls".to_owned(), page.iter().map(|name| call.url(name)).collect());
    }
    // SQS pages only if the call asks for pages.
    if asked.max_results.is_some() && names.next().is_some() {
        let token = page.last().map(|last| URL_SAFE_NO_PAD.encode(last));
        answer.extend(token.map(|token| ("NextToken".to_owned(), Value::String(token))));
    }
    Ok(Value::Object(answer))
}

pub(super) fn delete(call: &Call) -> Answer {
    let asked: QueueRequest = call.read()?;
    let queue = call.queue(asked.queue_url.as_deref())?;
    call.world.sqs().delete(call.account, call.region, &queue.name, call.now);
    Ok(nothing())
}

pub(super) fn purge(call: &Call) -> Answer {
    let asked: QueueRequest = call.read()?;
    call.queue(asked.queue_url.as_deref())?.purge(call.now)?;
    Ok(nothing())
}

pub(super) fn set_attributes(call: &Call) -> Answer {
    let asked: QueueRequest = call.read()?;
    let queue = call.queue(asked.queue_url.as_deref())?;
    if asked.attributes.is_empty() {
        return Err(Refusal::missing("Attribute.Name"));
    }
    let mut attributes = queue.attributes();
    put_all(call, &mut attributes, &asked.attributes)?;
    queue.set_attributes(attributes, call.now);
    Ok(nothing())
}

pub(super) fn get_attributes(call: &Call) -> Answer {
    let asked: QueueRequest = call.read()?;
    let queue = call.queue(asked.queue_url.as_deref())?;
    let held = queue.attributes();
    let shown = attributes::asked(&asked.attribute_names)?.into_iter().filter_map(|name| {
        let text = counted(&queue, name, call).or_else(|| held.show(name))?;
        Some((name.to_owned(), Value::String(text)))
    });
    let shown: Map<String, Value> = shown.collect();
    Ok(if shown.is_empty() { json!({}) } else { json!({ "Attributes": shown }) })
}

pub(super) fn tag(call: &Call) -> Answer {
    let asked: QueueRequest = call.read()?;
    let queue = call.queue(asked.queue_url.as_deref())?;
    if asked.tags.is_empty() {
        return Err(Refusal::missing("Tags"));
    }
    queue.tags(|tags| {
        let beyond = asked.tags.keys().filter(|key| !tags.contains_key(*key)).count();
        if tags.len() + beyond > 50 {
            return Err(Refusal::invalid_value("Too many tags added for queue. The maximum is 50."));
        }
        tags.extend(asked.tags);
        Ok(nothing())
    })
}

pub(super) fn untag(call: &Call) -> Answer {
    let asked: QueueRequest = call.read()?;
    let queue = call.queue(asked.queue_url.as_deref())?;
    queue.tags(|tags| tags.retain(|key, _| !asked.tag_keys.contains(key)));
    Ok(nothing())
}

pub(super) fn list_tags(call: &Call) -> Answer {
    let asked: QueueRequest = call.read()?;
    let tags = call.queue(asked.queue_url.as_deref())?.tags(|tags| tags.clone());
    Ok(if tags.is_empty() { json!({}) } else { json!({ "Tags": tags }) })
}

fn put_all(call: &Call, attributes: &mut Attributes, given: &BTreeMap<String, String>) -> Result<(), Refusal> {
    let home = |arn: &str| {
        let parts = super::parts(arn);
        parts.is_some_and(|(account, region, _)| account == call.account && region == call.region)
    };
    let exists = |arn: &str| home(arn) && call.world.sqs().find_arn(arn).is_some();
    for (name, value) in given {
        attributes.put(name, value, exists)?;
    }
    Ok(())
}

/// The value of an attribute that the queue counts.
fn counted(queue: &Queue, name: &str, call: &Call) -> Option<String> {
    let counts = || queue.counts(call.now);
    let seconds = |moment: crate::simulator::clock::Moment| (moment.0 / 1_000).to_string();
    Some(match name {
        "ApproximateNumberOfMessages" => counts().visible.to_string(),
        "ApproximateNumberOfMessagesDelayed" => counts().delayed.to_string(),
        "ApproximateNumberOfMessagesNotVisible" => counts().in_flight.to_string(),
        "CreatedTimestamp" => seconds(queue.dates().0),
        "LastModifiedTimestamp" => seconds(queue.dates().1),
        "QueueArn" => queue.arn.clone(),
        _ => return None,
    })
}

fn unsupported(message: &str) -> Refusal {
    Refusal::new(400, "UnsupportedOperation", message)
}
