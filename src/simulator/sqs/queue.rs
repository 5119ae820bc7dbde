//! One standard queue: its visible messages, those in flight and delayed ones, all by the simulator's clock.
//!
//! Every method takes the moment of the call and first applies what happened until then: messages become visible again,
//! old ones expire. There are no timers, so messages do not change while the clock stands still.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::{Map, Value};
use tokio::sync::Notify;

use crate::simulator::clock::Moment;
use crate::simulator::ident;
use crate::simulator::md5;
use crate::simulator::refusal::Refusal;
use crate::simulator::sqs::attributes::Attributes;
use crate::simulator::sqs::handle::Handle;
use crate::simulator::sqs::policy::Sender;

/// The most messages of a standard queue that can be in flight.
const MAX_IN_FLIGHT: usize = 120_000;

/// A queue. [`Sqs`](crate::simulator::sqs::Sqs) finds it by name.
#[derive(Debug)]
pub(crate) struct Queue {
    pub(crate) name: String,
    pub(crate) arn: String,
    /// A random number in its receipt handles, so that handles of other queues are recognized.
    key: u64,
    created: Moment,
    held: Mutex<QueueState>,
    /// Wakes receivers that wait for a message.
    pub(crate) arrived: Notify,
}

#[derive(Debug)]
struct QueueState {
    attributes: Attributes,
    modified: Moment,
    purged: Moment,
    tags: BTreeMap<String, String>,
    /// Whether the queue is deleted. Other calls may still hold it.
    gone: bool,
    next: u64,
    messages: BTreeMap<u64, Message>,
    /// Messages that are visible.
    ready: BTreeSet<u64>,
    /// Messages that become visible later: delayed or in flight.
    later: BTreeSet<(Moment, u64)>,
    /// How many messages in `later` were never received, which means that they are delayed.
    delayed: usize,
}

/// A message.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    pub(crate) id: String,
    pub(crate) body: String,
    pub(crate) md5: String,
    /// `MessageAttributes` as the sender gave them.
    pub(crate) attributes: Map<String, Value>,
    /// The trace header, if one was sent.
    pub(crate) trace: Option<String>,
    /// `SenderId`.
    pub(crate) sender: String,
    pub(crate) sent: Moment,
    pub(crate) received: u32,
    pub(crate) first_received: Option<Moment>,
    /// The queue that this message was moved from as a dead letter.
    pub(crate) source: Option<String>,
    /// When it becomes visible; `None` while it is visible.
    visible: Option<Moment>,
}

impl Message {
    pub(crate) fn new(body: String, sender: String, sent: Moment) -> Self {
        let (id, md5) = (ident::uuid(), md5::hex(body.as_bytes()));
        Self {
            id,
            body,
            md5,
            attributes: Map::new(),
            trace: None,
            sender,
            sent,
            received: 0,
            first_received: None,
            source: None,
            visible: None,
        }
    }
}

/// The result of one receive.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    pub(crate) messages: Vec<(Handle, Message)>,
    /// Messages that were received too often, each with the ARN of the dead-letter queue.
    pub(crate) dead: Vec<(String, Message)>,
    /// When the next message becomes visible.
    pub(crate) next: Option<Moment>,
}

/// How many messages are visible, in flight and delayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) visible: usize,
    pub(crate) in_flight: usize,
    pub(crate) delayed: usize,
}

impl Queue {
    pub(crate) fn new(name: String, arn: String, attributes: Attributes, now: Moment) -> Self {
        let held = QueueState {
            attributes,
            modified: now,
            purged: Moment::NEVER,
            tags: BTreeMap::new(),
            gone: false,
            next: 0,
            messages: BTreeMap::new(),
            ready: BTreeSet::new(),
            later: BTreeSet::new(),
            delayed: 0,
        };
        let (key, arrived) = (fastrand::u64(..), Notify::new());
        Self { name, arn, key, created: now, held: Mutex::new(held), arrived }
    }

    /// Adds a message. It becomes visible after `delay` seconds, or after the queue's own delay if `delay` is `None`.
    pub(crate) fn put(&self, mut message: Message, delay: Option<u32>, now: Moment) {
        {
            let mut held = self.held.lock();
            let delay = delay.unwrap_or_else(|| held.attributes.number("DelaySeconds"));
            let number = held.next;
            held.next += 1;
            if delay == 0 {
                message.visible = None;
                held.ready.insert(number);
            } else {
                let at = now.plus(seconds(delay));
                message.visible = Some(at);
                held.later.insert((at, number));
                held.delayed += usize::from(message.received == 0);
            }
            held.messages.insert(number, message);
        }
        self.arrived.notify_waiters();
    }

    /// Hands out up to `most` visible messages and hides them for `visibility` seconds, or for the queue's own timeout.
    ///
    /// # Errors
    /// When the queue is deleted, or when too many messages are in flight and `patient` is false. A long poll is
    /// patient and gets no message then.
    pub(crate) fn take(
        &self,
        most: usize,
        visibility: Option<u32>,
        patient: bool,
        now: Moment,
    ) -> Result<Taken, Refusal> {
        let mut held = self.held.lock();
        if held.gone {
            return Err(gone());
        }
        held.settle(now);
        if held.counts().in_flight >= MAX_IN_FLIGHT {
            let message = "There are too many messages in flight; delete some first.";
            return if patient { Ok(Taken::default()) } else { Err(Refusal::new(403, "OverLimit", message)) };
        }
        let visibility = visibility.unwrap_or_else(|| held.attributes.number("VisibilityTimeout"));
        let until = now.plus(seconds(visibility));
        let redrive = held.attributes.redrive().cloned();
        let mut taken = Taken::default();
        while taken.messages.len() < most {
            let Some(number) = held.ready.pop_first() else { break };
            let dead = |message: &Message| redrive.as_ref().filter(|redrive| message.received >= redrive.receives);
            if let Some(target) = held.messages.get(&number).and_then(dead).map(|redrive| redrive.target.clone()) {
                taken.dead.extend(held.messages.remove(&number).map(|message| (target, message)));
                continue;
            }
            let Some(message) = held.messages.get_mut(&number) else { continue };
            message.received += 1;
            message.first_received.get_or_insert(now);
            message.visible = Some(until);
            let handle = Handle { queue: self.key, message: number, receive: message.received };
            taken.messages.push((handle, message.clone()));
            held.later.insert((until, number));
        }
        taken.next = held.later.first().map(|(at, _)| *at);
        Ok(taken)
    }

    /// Deletes a message. An outdated handle, or one of a deleted message, deletes nothing and is no error.
    ///
    /// # Errors
    /// When the text is not a handle of this queue.
    pub(crate) fn delete(&self, handle: &str) -> Result<(), Refusal> {
        let handle = self.handle(handle)?;
        let mut held = self.held.lock();
        let current = held.messages.get(&handle.message).is_some_and(|message| message.received == handle.receive);
        if current {
            held.remove(handle.message);
        }
        Ok(())
    }

    /// Hides a message in flight for `timeout` seconds from now; 0 makes it visible again.
    ///
    /// # Errors
    /// When the handle does not belong to this queue, or its message is not in flight.
    pub(crate) fn hide(&self, handle: &str, timeout: u32, now: Moment) -> Result<(), Refusal> {
        let parsed = self.handle(handle)?;
        {
            let mut held = self.held.lock();
            held.settle(now);
            let QueueState { messages, later, ready, .. } = &mut *held;
            let message = messages.get_mut(&parsed.message).filter(|message| message.received == parsed.receive);
            let message = message.ok_or_else(|| {
                Refusal::invalid_value(format!(
                    "Value {handle} for parameter ReceiptHandle is invalid. Reason: Message does not exist or is not \
                     available for visibility timeout change."
                ))
            })?;
            let Some(before) = message.visible else {
                return Err(Refusal::new(400, "MessageNotInflight", "The specified message isn't in flight."));
            };
            later.remove(&(before, parsed.message));
            if timeout == 0 {
                message.visible = None;
                ready.insert(parsed.message);
            } else {
                let at = now.plus(seconds(timeout));
                message.visible = Some(at);
                later.insert((at, parsed.message));
            }
        }
        self.arrived.notify_waiters();
        Ok(())
    }

    /// Deletes all messages.
    ///
    /// # Errors
    /// When the last purge was less than a minute ago.
    pub(crate) fn purge(&self, now: Moment) -> Result<(), Refusal> {
        let mut held = self.held.lock();
        if now < held.purged.plus(Duration::from_mins(1)) {
            let message = format!("Only one PurgeQueue operation on {} is allowed every 60 seconds.", self.name);
            return Err(Refusal::new(403, "PurgeQueueInProgress", message));
        }
        held.purged = now;
        held.messages.clear();
        held.ready.clear();
        held.later.clear();
        held.delayed = 0;
        Ok(())
    }

    pub(crate) fn counts(&self, now: Moment) -> Counts {
        let mut held = self.held.lock();
        held.settle(now);
        held.counts()
    }

    /// The current settings.
    pub(crate) fn attributes(&self) -> Attributes {
        self.held.lock().attributes.clone()
    }

    pub(crate) fn set_attributes(&self, attributes: Attributes, now: Moment) {
        let mut held = self.held.lock();
        held.attributes = attributes;
        held.modified = now;
    }

    /// When the queue was created, and when its settings last changed.
    pub(crate) fn dates(&self) -> (Moment, Moment) {
        (self.created, self.held.lock().modified)
    }

    pub(crate) fn tags<T>(&self, with: impl FnOnce(&mut BTreeMap<String, String>) -> T) -> T {
        with(&mut self.held.lock().tags)
    }

    /// Whether the queue's policy lets `sender` send to it. Without a policy, no service may.
    pub(crate) fn admits(&self, sender: Sender) -> bool {
        let held = self.held.lock();
        !held.gone && held.attributes.policy().is_some_and(|policy| policy.lets_send(sender, &self.arn))
    }

    /// Marks the queue as deleted and wakes receivers that wait for messages.
    pub(crate) fn close(&self) {
        self.held.lock().gone = true;
        self.arrived.notify_waiters();
    }

    fn handle(&self, text: &str) -> Result<Handle, Refusal> {
        Handle::parse(text).filter(|handle| handle.queue == self.key).ok_or_else(|| {
            let message = format!("The input receipt handle \"{text}\" is not a valid receipt handle.");
            Refusal::new(400, "ReceiptHandleIsInvalid", message)
        })
    }
}

impl QueueState {
    /// Applies what happened until `now`: messages become visible, and old ones expire.
    fn settle(&mut self, now: Moment) {
        while let Some((at, number)) = self.later.first().copied().filter(|(at, _)| *at <= now) {
            self.later.remove(&(at, number));
            self.ready.insert(number);
            if let Some(message) = self.messages.get_mut(&number) {
                message.visible = None;
                self.delayed -= usize::from(message.received == 0);
            }
        }
        let retention = seconds(self.attributes.number("MessageRetentionPeriod"));
        // Messages expire by the time they were sent. Except for dead letters, that time rises with their number.
        while let Some((number, message)) = self.messages.first_key_value()
            && message.sent.plus(retention) <= now
        {
            self.remove(*number);
        }
    }

    fn remove(&mut self, number: u64) {
        let Some(message) = self.messages.remove(&number) else { return };
        if let Some(at) = message.visible {
            self.later.remove(&(at, number));
            self.delayed -= usize::from(message.received == 0);
        } else {
            self.ready.remove(&number);
        }
    }

    fn counts(&self) -> Counts {
        let in_flight = self.later.len() - self.delayed;
        Counts { visible: self.ready.len(), in_flight, delayed: self.delayed }
    }
}

pub(crate) fn gone() -> Refusal {
    Refusal::new(400, "QueueDoesNotExist", "The specified queue does not exist.")
}

fn seconds(count: u32) -> Duration {
    Duration::from_secs(u64::from(count))
}
