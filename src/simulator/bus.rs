//! EventBridge's default buses: from what happened to the queues of those who listen.
//!
//! A happening that is due becomes an event, the faults decide what becomes of it, and when its time has come it goes
//! to the targets of every rule that means it. A target whose queue is gone, or whose policy does not let the rule in, loses
//! it to its dead-letter queue, if it has one that lets the rule in. Nothing is retried, so what AWS would deliver late is lost
//! here.
//!
//! # Limits
//! The simulator takes for granted that a trail logs in every account and region. Rule changes apply at once. Of targets
//! there are only queues of the same account and region.

pub(crate) mod delivery;
mod faults;
mod hands;
mod pattern;
mod rule;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use serde::Serialize;
use serde_json::Value;

use crate::simulator::clock::Moment;
use crate::simulator::dice::mix;
use crate::simulator::ident::ScopeKey;

pub use faults::EventFaults;
pub(crate) use pattern::Pattern;
pub(crate) use rule::{BusRuleState, Rule, Rules, Target};

/// The service that queue policies must let in.
const SERVICE: &str = "events.amazonaws.com";
/// The `SenderId` of what EventBridge sends.
const SENDER: &str = "AIDAEVENTBRIDGE000000";

/// What became of events since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct EventCounts {
    /// What happened, and was told to the bus.
    pub emitted: u64,
    /// Lost to [`EventFaults::drop`].
    pub dropped: u64,
    /// Repeated by [`EventFaults::duplicate`].
    pub duplicated: u64,
    /// Held back by [`EventFaults::reorder`].
    pub reordered: u64,
    /// Put into a queue; an event counts once for each target and each repeat.
    pub delivered: u64,
    /// Not put into a target's queue: it is gone, or its policy lets the rule not in.
    pub undeliverable: u64,
    /// Meant by no rule.
    pub unmatched: u64,
}

/// All buses.
#[derive(Debug)]
pub(crate) struct Bus {
    seed: u64,
    rules: RwLock<HashMap<ScopeKey, Arc<RwLock<Rules>>>>,
    /// Set on the board of all faults.
    faults: Arc<RwLock<EventFaults>>,
    /// One at a time moves events on, so that their order is that of their moments.
    stage: Mutex<Stage>,
}

#[derive(Debug, Default)]
struct Stage {
    counts: EventCounts,
    /// Events on their way, by when they arrive.
    waiting: BTreeMap<(Moment, u64), Event>,
    /// Numbers those that arrive at the same moment.
    queued: u64,
}

/// An event as it will be delivered.
#[derive(Debug, Clone)]
struct Event {
    scope: ScopeKey,
    json: Arc<str>,
    /// A record of a call that changes nothing.
    read_only: bool,
}

impl Bus {
    pub(crate) fn new(seed: u64, faults: Arc<RwLock<EventFaults>>) -> Self {
        // Its own dice: an account and its events must not be drawn alike.
        let seed = mix(seed ^ 0x6275_735f_6661_7465);
        Self { seed, rules: RwLock::default(), faults, stage: Mutex::default() }
    }

    /// The rules of an account in a region.
    pub(crate) fn rules(&self, account: &str, region: &str) -> Arc<RwLock<Rules>> {
        let scope = (account.to_owned(), region.to_owned());
        if let Some(rules) = self.rules.read().get(&scope) {
            return Arc::clone(rules);
        }
        Arc::clone(self.rules.write().entry(scope).or_default())
    }

    /// Takes an event in as of `at`, and lets the faults have it.
    pub(crate) fn accept(&self, account: &str, region: &str, at: Moment, event: Value) {
        self.stage.lock().accept(self, (account.to_owned(), region.to_owned()), at, || event);
    }

    fn listens(&self, scope: &ScopeKey) -> bool {
        self.rules.read().get(scope).is_some_and(|rules| !rules.read().0.is_empty())
    }
}

impl Stage {
    /// `event` is made only when somebody may hear it: most simulated accounts have no rules.
    fn accept(&mut self, bus: &Bus, scope: ScopeKey, at: Moment, event: impl FnOnce() -> Value) {
        self.counts.emitted += 1;
        let fate = bus.faults.read().fate(bus.seed, self.counts.emitted);
        if fate.dropped {
            self.counts.dropped += 1;
            return;
        }
        self.counts.reordered += u64::from(fate.reordered);
        self.counts.duplicated += u64::from(fate.again.is_some());
        if !bus.listens(&scope) {
            self.counts.unmatched += 1;
            return;
        }
        let mut event = event();
        let read_only = event.pointer("/detail/readOnly").and_then(Value::as_bool).unwrap_or(false);
        if let Some(members) = event.as_object_mut().filter(|_| fate.without_account) {
            members.shift_remove("account");
        }
        let event = Event { scope, json: event.to_string().into(), read_only };
        if let Some(again) = fate.again {
            self.queue(at.plus(again), event.clone());
        }
        self.queue(at.plus(fate.delay), event);
    }

    fn queue(&mut self, at: Moment, event: Event) {
        self.queued += 1;
        self.waiting.insert((at, self.queued), event);
    }
}

/// A rule's ARN; the default bus is not named in it.
pub(crate) fn rule_arn(account: &str, region: &str, name: &str) -> String {
    format!("arn:aws:events:{region}:{account}:rule/{name}")
}
