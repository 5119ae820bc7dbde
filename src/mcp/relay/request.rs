//! A request of the client that waits for its answer.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use rmcp::model::RequestId;
use serde_json::{Value, json};

use super::rewrite::{self, Members};

/// The metadata key that says that a subscription goes on after the server was lost.
pub(super) const RESUMED: &str = "muster/resumed";
/// The metadata key with the name of a call of a tool.
pub(super) const CALL: &str = "muster/call";
/// The metadata key with the milliseconds since the client made a call that is sent again.
pub(super) const ELAPSED: &str = "muster/elapsed_ms";
/// The method that asks what became of a call of a tool that may change AWS.
pub(super) const CALL_FATE: &str = "muster/call";

/// What the relay has to know of a request.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum RequestKind {
    /// It opens a session.
    Initialize,
    /// It subscribes to this URI.
    Subscribe(String),
    /// It sets the level of log messages.
    SetLevel,
    /// It stays open and is answered by notifications; `honoured` is what the first acknowledgement granted.
    Listen {
        /// What the client was promised.
        honoured: Option<HonouredFilter>,
    },
    /// A tool that only reads.
    ReadCall,
    /// A tool that may change AWS.
    WriteCall,
    /// Anything else, which may be sent again.
    Other,
}

/// What a server grants of a subscription.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct HonouredFilter {
    /// The lists of which the client hears.
    lists: BTreeSet<String>,
    /// The resources of which it hears.
    uris: BTreeSet<String>,
}

impl HonouredFilter {
    /// Reads an acknowledgement.
    pub(super) fn of(acknowledgement: &Members) -> Self {
        let granted = rewrite::parameter(acknowledgement, "notifications").and_then(Value::as_object);
        let lists = granted.into_iter().flatten().filter(|(_, value)| **value == Value::Bool(true));
        let uris = granted.and_then(|granted| granted.get("resourceSubscriptions")).and_then(Value::as_array);
        HonouredFilter {
            lists: lists.map(|(name, _)| name.clone()).collect(),
            uris: uris.into_iter().flatten().filter_map(|uri| Some(uri.as_str()?.to_owned())).collect(),
        }
    }

    /// Whether the client hears of the list of this name.
    pub(super) fn lists(&self, name: &str) -> bool {
        self.lists.contains(name)
    }

    /// Whether it grants all that `other` grants.
    pub(super) fn covers(&self, other: &Self) -> bool {
        self.lists.is_superset(&other.lists) && self.uris.is_superset(&other.uris)
    }
}

/// A request that waits for its answer.
#[derive(Clone, Debug)]
pub(super) struct PendingRequest {
    /// The client's id.
    pub(super) id: RequestId,
    /// What it is.
    pub(super) kind: RequestKind,
    /// Whether it was sent on the present connection.
    pub(super) is_sent: bool,
    /// How many connections ended while it was in flight.
    pub(super) losses: u32,
    /// The store of the server to which it was sent first, if that said so.
    pub(super) store: Option<String>,
    line: Vec<u8>,
    began: Duration,
    progress: Option<ProgressSent>,
}

/// How far the client knows that a request is.
#[derive(Clone, Debug)]
struct ProgressSent {
    token: Value,
    last: Option<f64>,
}

impl PendingRequest {
    /// A request that was not sent yet. `began` is when the client made it.
    pub(super) fn new(id: RequestId, kind: RequestKind, line: Vec<u8>, token: Option<Value>, began: Duration) -> Self {
        let progress = token.map(|token| ProgressSent { token, last: None });
        PendingRequest { id, kind, is_sent: false, losses: 0, store: None, line, began, progress }
    }

    /// The line to send. A call that may have changed AWS is never sent again: the server is asked what became of it.
    pub(super) fn line(&self, now: Duration) -> Vec<u8> {
        match &self.kind {
            _ if self.losses == 0 => self.line.clone(),
            RequestKind::WriteCall => {
                let mut message = rewrite::members(&self.line);
                message.insert("method".to_owned(), json!(CALL_FATE));
                rewrite::line(message)
            }
            RequestKind::ReadCall => {
                let elapsed = u64::try_from(now.saturating_sub(self.began).as_millis()).unwrap_or(u64::MAX);
                rewrite::with_meta(&self.line, ELAPSED, json!(elapsed))
            }
            RequestKind::Listen { honoured: Some(_) } => rewrite::with_meta(&self.line, RESUMED, json!(true)),
            _ => self.line.clone(),
        }
    }

    /// Whether a progress notification goes on to the client, which must see it grow.
    pub(super) fn advances(&mut self, token: &Value, value: f64) -> bool {
        match &mut self.progress {
            Some(progress) if progress.token == *token => {
                let is_above = progress.last.is_none_or(|last| value > last);
                if is_above {
                    progress.last = Some(value);
                }
                is_above
            }
            _ => false,
        }
    }

    /// Whether it is to be answered: a subscription stays open.
    fn is_awaited(&self) -> bool {
        !matches!(self.kind, RequestKind::Listen { .. })
    }

    /// Whether it is about this progress token.
    pub(super) fn has_token(&self, token: &Value) -> bool {
        self.progress.as_ref().is_some_and(|progress| progress.token == *token)
    }
}

/// The requests that wait for their answers, in the order in which the client made them.
#[derive(Debug, Default)]
pub(super) struct RequestTable {
    made: u64,
    by_number: BTreeMap<u64, PendingRequest>,
    numbers: HashMap<RequestId, u64>,
}

impl RequestTable {
    /// Adds a request, and returns its number.
    pub(super) fn add(&mut self, request: PendingRequest) -> u64 {
        self.made += 1;
        self.numbers.insert(request.id.clone(), self.made);
        self.by_number.insert(self.made, request);
        self.made
    }

    /// The request with a number, if it still waits.
    pub(super) fn numbered(&mut self, number: u64) -> Option<&mut PendingRequest> {
        self.by_number.get_mut(&number)
    }

    /// The request with an id of the client.
    pub(super) fn get(&mut self, id: &RequestId) -> Option<&mut PendingRequest> {
        self.by_number.get_mut(self.numbers.get(id)?)
    }

    /// Takes a request out.
    pub(super) fn take(&mut self, id: &RequestId) -> Option<PendingRequest> {
        self.by_number.remove(&self.numbers.remove(id)?)
    }

    /// Takes all of them out.
    pub(super) fn take_all(&mut self) -> Vec<PendingRequest> {
        self.numbers.clear();
        std::mem::take(&mut self.by_number).into_values().collect()
    }

    /// Takes out the calls in flight that may have changed AWS and of which the log of `store` need not tell.
    pub(super) fn take_untold(&mut self, store: Option<&str>) -> Vec<PendingRequest> {
        let is_untold = |request: &PendingRequest| {
            let is_same = request.store.is_some() && request.store.as_deref() == store;
            request.kind == RequestKind::WriteCall && request.losses > 0 && !is_same
        };
        let untold = self.by_number.values().filter(|request| is_untold(request));
        let ids: Vec<RequestId> = untold.map(|request| request.id.clone()).collect();
        ids.iter().filter_map(|id| self.take(id)).collect()
    }

    /// The request of a progress token.
    pub(super) fn of_token(&mut self, token: &Value) -> Option<&mut PendingRequest> {
        self.by_number.values_mut().find(|request| request.has_token(token))
    }

    /// The subscriptions by which the client hears of a list.
    pub(super) fn listening_for(&self, list: &str) -> Vec<RequestId> {
        let hears = |request: &&PendingRequest| matches!(&request.kind, RequestKind::Listen { honoured: Some(granted) } if granted.lists(list));
        self.by_number.values().filter(hears).map(|request| request.id.clone()).collect()
    }

    /// Whether the client waits for the answer to `initialize`.
    pub(super) fn opens(&self) -> bool {
        self.by_number.values().any(|request| request.kind == RequestKind::Initialize)
    }

    /// Forgets that requests in flight subscribe to `uri`, because the client ends the subscription.
    pub(super) fn forget_subscription(&mut self, uri: &str) {
        for request in self.by_number.values_mut() {
            if matches!(&request.kind, RequestKind::Subscribe(subscribed) if subscribed == uri) {
                request.kind = RequestKind::Other;
            }
        }
    }

    /// Notes that the connection ended: nothing is sent on the next one yet. Returns the numbers of what was in flight.
    pub(super) fn lose(&mut self) -> Vec<u64> {
        let mut lost = Vec::new();
        for (number, request) in &mut self.by_number {
            if std::mem::take(&mut request.is_sent) {
                request.losses += 1;
                lost.push(*number);
            }
        }
        lost
    }

    /// Notes that what was sent on the present connection was sent to nobody. Returns the numbers of it.
    pub(super) fn unsend(&mut self) -> Vec<u64> {
        let unsend =
            |(number, request): (&u64, &mut PendingRequest)| std::mem::take(&mut request.is_sent).then_some(*number);
        self.by_number.iter_mut().filter_map(unsend).collect()
    }

    /// Takes out all but the subscriptions, which wait for no answer.
    pub(super) fn take_awaited(&mut self) -> Vec<PendingRequest> {
        let awaited = self.by_number.values().filter(|request| request.is_awaited());
        let ids: Vec<RequestId> = awaited.map(|request| request.id.clone()).collect();
        ids.iter().filter_map(|id| self.take(id)).collect()
    }

    /// Whether the client waits for an answer that a server gives at once or in a while.
    pub(super) fn are_awaited(&self) -> bool {
        self.by_number.values().any(PendingRequest::is_awaited)
    }

    /// Whether none waits.
    pub(super) fn is_empty(&self) -> bool {
        self.by_number.is_empty()
    }
}
