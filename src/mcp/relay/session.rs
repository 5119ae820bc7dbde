//! What a server has to be told again after another one was lost, for clients of the protocols that have `initialize`.

use std::collections::{BTreeSet, HashSet, VecDeque};

use rmcp::model::RequestId;
use serde_json::{Value, json};

use super::request::RESUMED;
use super::rewrite::{self, Members};

/// What the client agreed on with the servers so far.
#[derive(Debug, Default)]
pub(super) struct ClientSession {
    opened: Option<OpenSession>,
    /// Whether the client said `initialized`.
    pub(super) is_initialized: bool,
    subscribed: BTreeSet<String>,
    /// The client's request for a level of log messages.
    level: Option<Members>,
}

#[derive(Clone, Debug)]
struct OpenSession {
    initialize: Members,
    version: Option<Value>,
}

impl ClientSession {
    /// Notes that a server accepted `initialize`.
    pub(super) fn open(&mut self, initialize: Members, answer: &Members) {
        if let Some(result) = answer.get("result") {
            self.opened = Some(OpenSession { initialize, version: result.get("protocolVersion").cloned() });
        }
    }

    /// Whether a server accepted `initialize`.
    pub(super) fn is_open(&self) -> bool {
        self.opened.is_some()
    }

    /// Notes that a server accepted a subscription.
    pub(super) fn subscribe(&mut self, uri: String) {
        self.subscribed.insert(uri);
    }

    /// Notes that the client ends a subscription.
    pub(super) fn unsubscribe(&mut self, uri: &str) {
        self.subscribed.remove(uri);
    }

    /// Notes that a server accepted a level of log messages.
    pub(super) fn set_level(&mut self, request: Members) {
        self.level = Some(request);
    }

    /// Whether the client waits for changes of resources.
    pub(super) fn has_subscriptions(&self) -> bool {
        !self.subscribed.is_empty()
    }
}

/// The lines that tell a new server of a session. It accepts the session, then all the rest, before it hears anything else.
#[derive(Debug)]
pub(super) struct SessionReplay {
    version: Option<Value>,
    /// The id under which `initialize` is sent, until it is answered.
    initialize: Option<RequestId>,
    waiting: HashSet<RequestId>,
    queue: VecDeque<Vec<u8>>,
    rest: VecDeque<Vec<u8>>,
}

/// How far a replay is after an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReplayOutcome {
    /// More answers are missing.
    Unfinished,
    /// The server knows the session.
    Done,
    /// The server does not take the session as it was.
    Failed,
}

impl SessionReplay {
    /// What to send to a new server; `None` if there is no session. `own_ids` are ids that the client does not use.
    pub(super) fn of(session: &ClientSession, mut own_ids: impl FnMut() -> RequestId) -> Option<Self> {
        let OpenSession { initialize, version } = session.opened.as_ref()?;
        let mut named = |mut message: Members| {
            let id = own_ids();
            message.insert("id".to_owned(), id.clone().into_json_value());
            (id, rewrite::line(message))
        };
        let (id, first) = named(initialize.clone());
        let mut replay = SessionReplay {
            version: version.clone(),
            initialize: Some(id),
            waiting: HashSet::new(),
            queue: VecDeque::from([first]),
            rest: VecDeque::new(),
        };
        if session.is_initialized {
            let params = json!({"_meta": {RESUMED: true}});
            let said = json!({"jsonrpc": "2.0", "method": "notifications/initialized", "params": params});
            replay.rest.push_back(format!("{said}\n").into_bytes());
        }
        let subscribe = |uri: &String| {
            let params = json!({"uri": uri, "_meta": {RESUMED: true}});
            json!({"jsonrpc": "2.0", "method": "resources/subscribe", "params": params})
        };
        let requests = session.subscribed.iter().map(subscribe).filter_map(|request| match request {
            Value::Object(members) => Some(members),
            _ => None,
        });
        for request in requests.chain(session.level.clone()) {
            let (id, line) = named(request);
            replay.waiting.insert(id);
            replay.rest.push_back(line);
        }
        Some(replay)
    }

    /// The next line to send.
    pub(super) fn next(&mut self) -> Option<Vec<u8>> {
        self.queue.pop_front()
    }

    /// Whether there is a line to send.
    pub(super) fn has_next(&self) -> bool {
        !self.queue.is_empty()
    }

    /// Whether an answer with this id is for the replay.
    pub(super) fn is_own(&self, id: &RequestId) -> bool {
        self.initialize.as_ref() == Some(id) || self.waiting.contains(id)
    }

    /// Takes an answer.
    pub(super) fn answered(&mut self, id: &RequestId, answer: &Members) -> ReplayOutcome {
        let Some(result) = answer.get("result") else { return ReplayOutcome::Failed };
        if self.initialize.as_ref() == Some(id) {
            if result.get("protocolVersion") != self.version.as_ref() {
                return ReplayOutcome::Failed;
            }
            self.initialize = None;
            self.queue.append(&mut self.rest);
        } else {
            self.waiting.remove(id);
        }
        let is_done = self.initialize.is_none() && self.waiting.is_empty();
        if is_done { ReplayOutcome::Done } else { ReplayOutcome::Unfinished }
    }
}
