//! EventBridge's default buses: they carry events from what happened to the queues that listen.
//!
//! When a happening is due it becomes an event. The faults decide whether and when it arrives; then it goes to the
//! targets of every rule that matches it. If a target's queue does not exist, or its policy does not admit the rule,
//! the event goes to the target's dead-letter queue, if that admits the rule; otherwise it is lost. Nothing is retried,
//! so an event that AWS would deliver late is lost here.
//!
//! # Limits
//! The simulator behaves as if a trail logs in every account and region. Changed rules apply at once. Targets can only be
//! queues of the same account and region, and default buses of others, to which a rule sends by a role. Such a bus takes in
//! what any account sends, since the simulator has no policies of buses, and does not send it on to a third bus, like AWS.

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

/// The service principal that queue policies must admit.
const SERVICE: &str = "events.amazonaws.com";
/// The `SenderId` of the messages that EventBridge sends.
const SENDER: &str = "AIDAEVENTBRIDGE000000";

/// Counts of events since the start, by what happened to them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct EventCounts {
    /// Events that were put on a bus.
    pub emitted: u64,
    /// Events lost to [`EventFaults::drop`].
    pub dropped: u64,
    /// Events repeated by [`EventFaults::duplicate`].
    pub duplicated: u64,
    /// Events held back by [`EventFaults::reorder`].
    pub reordered: u64,
    /// Deliveries to a queue: an event counts once for each target and each repeat.
    pub delivered: u64,
    /// Failed deliveries: the target's queue does not exist, or its policy does not admit the rule.
    pub undeliverable: u64,
    /// Events that no rule matches.
    pub unmatched: u64,
}

/// The default buses of all accounts and regions.
#[derive(Debug)]
pub(crate) struct Bus {
    seed: u64,
    rules: RwLock<HashMap<ScopeKey, Arc<RwLock<Rules>>>>,
    /// The faults of events, shared with the board of all faults.
    faults: Arc<RwLock<EventFaults>>,
    /// Locked while events move on, so that they keep the order of their moments.
    stage: Mutex<Stage>,
}

#[derive(Debug, Default)]
struct Stage {
    counts: EventCounts,
    /// Events that are on their way, by the moment they arrive.
    waiting: BTreeMap<(Moment, u64), Event>,
    /// A serial number that orders events which arrive at the same moment.
    queued: u64,
}

/// An event as it will be delivered.
#[derive(Debug, Clone)]
struct Event {
    scope: ScopeKey,
    json: Arc<str>,
    /// Whether it records a call that changes nothing.
    read_only: bool,
}

impl Bus {
    pub(crate) fn new(seed: u64, faults: Arc<RwLock<EventFaults>>) -> Self {
        // The bus has a seed of its own, so that its draws differ from those of accounts.
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

    /// Takes in an event that happens at `at`, and applies the faults to it.
    pub(crate) fn accept(&self, account: &str, region: &str, at: Moment, event: Value) {
        self.stage.lock().accept(self, (account.to_owned(), region.to_owned()), at, || event);
    }

    fn listens(&self, scope: &ScopeKey) -> bool {
        self.rules.read().get(scope).is_some_and(|rules| !rules.read().0.is_empty())
    }
}

impl Stage {
    /// `event` is called only if rules exist; most simulated accounts have none.
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

/// The account and region of a default bus with this ARN; `None` for the ARN of something else.
pub(crate) fn default_bus_of(arn: &str) -> Option<ScopeKey> {
    let (region, account) = arn.strip_prefix("arn:aws:events:")?.strip_suffix(":event-bus/default")?.split_once(':')?;
    Some((account.to_owned(), region.to_owned()))
}

/// The ARN of a rule on the default bus, which ARNs do not name.
pub(crate) fn rule_arn(account: &str, region: &str, name: &str) -> String {
    format!("arn:aws:events:{region}:{account}:rule/{name}")
}
