//! The one step between what a client sends and rmcp, for the stdio front end, the socket and HTTP alike.
//!
//! It decides what becomes of one message: it goes on, it is answered here, or it is dropped. It answers only what is no
//! valid request, so that every client learns what is wrong, with the id of its request wherever that can be seen. It
//! completes what clients leave out of `initialize`. And it keeps back what rmcp cannot bear: notifications before the
//! handshake, which end the connection there, and a request whose id is still in flight, which takes the answer of the
//! first.
//!
//! The decision is pure: the bytes and the state of the connection decide, and nothing is read or written here.

mod handshake;
mod torn;

use std::borrow::Cow;
use std::collections::HashSet;

use rmcp::model::{ProtocolVersion, RequestId, RequestMetaObject};
use serde::Deserialize;
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde_json::{Map, Value, json};

use super::server::VERSIONS;
use crate::model::text::shown;

/// JSON-RPC's code for what is not JSON.
const PARSE: i32 = -32700;
/// JSON-RPC's code for JSON that is no request.
const INVALID_REQUEST: i32 = -32600;
/// JSON-RPC's code for parameters that do not fit the method.
const INVALID_PARAMS: i32 = -32602;
/// The members that a message has at most once.
const MEMBERS: [&str; 6] = ["jsonrpc", "id", "method", "params", "result", "error"];
/// The mark that some editors and shells put before UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

const BATCH: &str = "a batch was sent, which MCP does not have: send each message on its own";
const NOT_OPEN: &str = "the protocol of this request is not known. Send initialize first, and over HTTP the Mcp-Session-Id \
    of its answer with each request (protocol 2025-11-25 and older), or name io.modelcontextprotocol/protocolVersion and io.modelcontextprotocol/clientCapabilities in params._meta of each request \
    (protocol 2026-07-28)";

/// What becomes of a message.
#[derive(Debug)]
pub enum Outcome<'a> {
    /// It goes on.
    Forward(Message<'a>),
    /// It goes no further, and these are the answers.
    Answer(Vec<Refusal>),
    /// It goes no further, and nobody is told.
    Drop,
}

/// A message that is well formed.
#[derive(Debug)]
pub struct Message<'a> {
    bytes: Cow<'a, [u8]>,
    said: Said,
    meta: RequestMetaObject,
}

/// What a message is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// A request, to be answered under its id.
    Request {
        /// The id.
        id: RequestId,
        /// What is asked for.
        method: String,
    },
    /// A notification.
    Notification {
        /// The request that it cancels, if it does.
        cancels: Option<RequestId>,
    },
    /// A response.
    Response,
}

/// A JSON-RPC error in place of what was asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    id: Option<Value>,
    code: i32,
    message: String,
}

/// What is known of one connection, or of one session over HTTP.
#[derive(Debug, Default)]
pub struct Conversation {
    /// Whether the client has chosen a protocol.
    opened: bool,
    /// Whether each message comes with the name of its protocol beside it, in a header.
    named: bool,
    in_flight: HashSet<RequestId>,
}

impl Conversation {
    /// A connection whose protocol is somebody else's business, or has been chosen before.
    #[must_use]
    pub fn opened() -> Self {
        Conversation { opened: true, ..Conversation::default() }
    }

    /// One message that belongs to no session. `named` says that its protocol is named in a header.
    #[must_use]
    pub fn single(named: bool) -> Self {
        Conversation { named, ..Conversation::default() }
    }

    /// Decides what becomes of what the client sent. A request that goes on is in flight from then.
    pub fn from_client<'a>(&mut self, bytes: &'a [u8]) -> Outcome<'a> {
        match read(bytes) {
            Ok(Some(message)) => self.admit(message),
            Ok(None) => Outcome::Drop,
            Err(mut refusals) => {
                // An answer under the id of a request in flight would be taken for its answer.
                for refusal in &mut refusals {
                    let id = refusal.id.as_ref().and_then(known_id);
                    if id.is_some_and(|id| self.in_flight.contains(&id)) {
                        refusal.id = None;
                    }
                }
                Outcome::Answer(refusals)
            }
        }
    }

    /// Decides what becomes of a message that is well formed.
    pub fn admit<'a>(&mut self, message: Message<'a>) -> Outcome<'a> {
        let Said::Request { id, method } = &message.said else {
            return if self.opened { Outcome::Forward(message) } else { Outcome::Drop };
        };
        if self.in_flight.contains(id) {
            let message = format!("request id {} is in flight already: give each request an id of its own", told(id));
            return Outcome::Answer(vec![Refusal::invalid(Some(id.clone().into_json_value()), message)]);
        }
        let bootstraps = matches!(method.as_str(), "ping" | "server/discover");
        if method == "initialize" || (!bootstraps && message.is_self_contained()) {
            self.opened = true;
        } else if !(bootstraps || self.opened || self.named) && message.meta.protocol_version().is_none() {
            return Outcome::Answer(vec![Refusal::params(id, NOT_OPEN.to_owned())]);
        }
        self.in_flight.insert(id.clone());
        Outcome::Forward(message)
    }

    /// The request was answered, or will not be: its id is free again.
    pub fn answered(&mut self, id: &RequestId) {
        self.in_flight.remove(id);
    }

    /// Takes all requests that are in flight.
    pub fn take_in_flight(&mut self) -> Vec<RequestId> {
        self.in_flight.drain().collect()
    }
}

impl Message<'_> {
    /// The bytes that go on.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What it is.
    #[must_use]
    pub fn said(&self) -> &Said {
        &self.said
    }

    /// Whether it says everything about its protocol itself, as protocol 2026-07-28 has it, in a version that is served.
    fn is_self_contained(&self) -> bool {
        self.is_complete() && self.meta.protocol_version().is_some_and(|version| VERSIONS.contains(&version))
    }

    fn is_complete(&self) -> bool {
        self.meta.missing_required_keys(&ProtocolVersion::V_2026_07_28).is_empty()
    }

    /// Whether it belongs to a session, where one is named: the protocols without `initialize` have none. `header` is the
    /// version in the header.
    #[must_use]
    pub fn is_of_a_session(&self, header: Option<&str>) -> bool {
        match &self.said {
            Said::Request { method, .. } if method == "initialize" => true,
            Said::Request { .. } if self.is_complete() => false,
            Said::Request { .. } => match self.meta.protocol_version() {
                Some(version) => version.has_initialize(),
                None => header.is_none_or(|version| version < ProtocolVersion::NO_INITIALIZE.as_str()),
            },
            Said::Notification { .. } | Said::Response => {
                header.is_none_or(|version| version < ProtocolVersion::NO_INITIALIZE.as_str())
            }
        }
    }
}

impl Refusal {
    /// An error that says that something is no valid request.
    #[must_use]
    pub fn invalid(id: Option<Value>, message: String) -> Self {
        Refusal { id, code: INVALID_REQUEST, message }
    }

    /// An error that says that the server failed.
    #[must_use]
    pub fn failed(id: Option<Value>, message: String) -> Self {
        Refusal { id, code: -32603, message }
    }

    /// An error that says that something cannot be read.
    #[must_use]
    pub fn unreadable(id: Option<Value>, message: String) -> Self {
        Refusal { id, code: PARSE, message }
    }

    fn params(id: &RequestId, message: String) -> Self {
        Refusal { id: Some(id.clone().into_json_value()), code: INVALID_PARAMS, message }
    }

    /// The same where it is unclear which request it belongs to.
    #[must_use]
    pub fn without_id(self) -> Self {
        Refusal { id: None, ..self }
    }

    /// As the line of a stream. Without an id that could be seen it has none, as MCP's schema wants it.
    #[must_use]
    pub fn line(&self) -> Vec<u8> {
        let error = json!({"code": self.code, "message": self.message});
        let line = match &self.id {
            Some(id) => json!({"jsonrpc": "2.0", "id": id, "error": error}),
            None => json!({"jsonrpc": "2.0", "error": error}),
        };
        format!("{line}\n").into_bytes()
    }
}

/// Answers to a message of more than `limit` bytes, of which `start` is the beginning.
#[must_use]
pub fn too_long(start: &[u8], limit: usize) -> Vec<Refusal> {
    let message = format!("the message is longer than {} MiB and was not read: ask for less at once", limit >> 20);
    refuse_each(torn::ids(start), |id| Refusal::invalid(id, message.clone()))
}

/// The answer to bytes that rmcp does not read although they are well formed.
#[must_use]
pub fn unreadable(id: &RequestId) -> Refusal {
    let message = "the request cannot be read: a member may be there twice, or have another type than MCP gives it";
    Refusal::invalid(Some(id.clone().into_json_value()), message.to_owned())
}

/// The id of the request that the bytes hold, whatever else is wrong with them; `None` when there is none, or several.
#[must_use]
pub fn seen_id(bytes: &[u8]) -> Option<Value> {
    let mut ids = torn::ids(bytes);
    ids.pop().filter(|_| ids.is_empty())
}

/// Whether there is nothing but white space.
#[must_use]
pub fn is_blank(bytes: &[u8]) -> bool {
    bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes).iter().all(u8::is_ascii_whitespace)
}

/// The request that a line from the server answers.
#[must_use]
pub fn answered_by(line: &[u8]) -> Option<RequestId> {
    #[derive(Deserialize)]
    struct Answer {
        id: Option<RequestId>,
        result: Option<IgnoredAny>,
        error: Option<IgnoredAny>,
    }
    let answer: Answer = serde_json::from_slice(line).ok()?;
    answer.id.filter(|_| answer.result.is_some() || answer.error.is_some())
}

/// Reads one message. `None` where there is nothing that wants an answer.
///
/// # Errors
/// What to answer to what is no valid message.
pub fn read(bytes: &[u8]) -> Result<Option<Message<'_>>, Vec<Refusal>> {
    let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
    let Some(first) = bytes.iter().find(|byte| !byte.is_ascii_whitespace()) else { return Ok(None) };
    let torn = |error: serde_json::Error| {
        let message = format!("the message is not JSON ({error}): send one JSON object in UTF-8");
        refuse_each(torn::ids(bytes), |id| Refusal::unreadable(id, message.clone()))
    };
    match first {
        b'{' => {}
        b'[' => {
            let batch: Vec<Value> = serde_json::from_slice(bytes).map_err(torn)?;
            let is_request = |part: &&Value| part.get("method").is_some() && part.get("id").is_some();
            let ids = batch.iter().filter(is_request).filter_map(|part| part.get("id").and_then(echoed));
            return Err(refuse_each(ids.collect(), |id| Refusal::invalid(id, BATCH.to_owned())));
        }
        _ => {
            serde_json::from_slice::<IgnoredAny>(bytes).map_err(torn)?;
            return Err(vec![Refusal::invalid(None, "a message is a JSON object".to_owned())]);
        }
    }
    let Members { object, twice } = serde_json::from_slice(bytes).map_err(torn)?;
    let parts = Parts { object, twice };
    if !parts.object.contains_key("method") {
        return parts.response(bytes);
    }
    match parts.object.get("id") {
        None => Ok(parts.notification(bytes)),
        Some(_) => parts.request(bytes).map(Some).map_err(|refusal| vec![refusal]),
    }
}

/// The members of a message.
struct Parts {
    object: Map<String, Value>,
    /// A member that is there more than once.
    twice: Option<&'static str>,
}

impl Parts {
    fn response(self, bytes: &[u8]) -> Result<Option<Message<'_>>, Vec<Refusal>> {
        let (result, error) = (self.object.get("result"), self.object.get("error"));
        let id = self.object.get("id");
        let is_well_formed = match (result, error) {
            (Some(_), None) => id.is_some_and(|id| known_id(id).is_some()),
            (None, Some(error)) => {
                let has_code =
                    error.get("code").and_then(Value::as_i64).is_some_and(|code| i32::try_from(code).is_ok());
                has_code
                    && error.get("message").is_some_and(Value::is_string)
                    && id.is_none_or(|id| known_id(id).is_some())
            }
            (Some(_), Some(_)) => false,
            (None, None) => {
                let message =
                    "the message has no method, no result and no error, so it is neither a request nor a response";
                return Err(vec![Refusal::invalid(id.and_then(echoed), message.to_owned())]);
            }
        };
        // Nobody waits for an answer to a response, so one that is malformed is not told about.
        let is_well_formed = is_well_formed && self.twice.is_none() && self.is_json_rpc();
        Ok(is_well_formed.then(|| self.message(bytes, Said::Response, false)))
    }

    fn notification(self, bytes: &[u8]) -> Option<Message<'_>> {
        let is_well_formed =
            self.twice.is_none() && self.is_json_rpc() && self.has_method_alone() && self.wrong_params().is_none();
        // A notification is never answered, not even one that is malformed.
        if !is_well_formed {
            return None;
        }
        let cancelled = self.object.get("params").and_then(|params| params.get("requestId")).and_then(known_id);
        let cancels = cancelled.filter(|_| self.object.get("method") == Some(&json!("notifications/cancelled")));
        Some(self.message(bytes, Said::Notification { cancels }, false))
    }

    fn request(mut self, bytes: &[u8]) -> Result<Message<'_>, Refusal> {
        let id = self.object.get("id").cloned().unwrap_or_default();
        let refused = |message: String| Refusal::invalid(echoed(&id), message);
        if let Some(member) = self.twice {
            return Err(refused(format!("the message has the member `{member}` twice")));
        }
        let Some(known) = known_id(&id) else {
            return Err(refused("the id of a request is a string or a whole number of at most 63 bits".to_owned()));
        };
        if !self.is_json_rpc() {
            return Err(refused("a message says \"jsonrpc\": \"2.0\"".to_owned()));
        }
        if !self.has_method_alone() {
            return Err(refused("a request has a method, which is a string, and no result or error".to_owned()));
        }
        if let Some(wrong) = self.wrong_params() {
            return Err(Refusal::params(&known, wrong.to_owned()));
        }
        let method = self.object.get("method").and_then(Value::as_str).unwrap_or_default().to_owned();
        let is_rewritten = match method.as_str() {
            "initialize" => {
                let params = self.object.get_mut("params").and_then(Value::as_object_mut);
                handshake::complete(params).map_err(|wrong| Refusal::params(&known, wrong))?
            }
            "server/discover" => handshake::bare(self.object.get_mut("params").and_then(Value::as_object_mut)),
            _ => false,
        };
        Ok(self.message(bytes, Said::Request { id: known, method }, is_rewritten))
    }

    fn message(self, bytes: &[u8], said: Said, is_rewritten: bool) -> Message<'_> {
        let meta = self.object.get("params").and_then(|params| params.get("_meta")).cloned();
        let meta = meta.and_then(|meta| serde_json::from_value(meta).ok()).unwrap_or_default();
        let bytes = if is_rewritten {
            Cow::Owned(format!("{}\n", Value::Object(self.object)).into_bytes())
        } else {
            Cow::Borrowed(bytes)
        };
        Message { bytes, said, meta }
    }

    fn is_json_rpc(&self) -> bool {
        self.object.get("jsonrpc").is_some_and(|version| version == "2.0")
    }

    fn has_method_alone(&self) -> bool {
        let is_alone = !self.object.contains_key("result") && !self.object.contains_key("error");
        is_alone && self.object.get("method").is_some_and(Value::is_string)
    }

    fn wrong_params(&self) -> Option<&'static str> {
        let params = self.object.get("params").filter(|params| !params.is_null())?;
        if !params.is_object() {
            return Some("params must be a JSON object");
        }
        let meta = params.get("_meta").filter(|meta| !meta.is_null())?;
        (!meta.is_object()).then_some("params._meta must be a JSON object")
    }
}

/// The top level of an object, where a member that is there twice is seen.
struct Members {
    object: Map<String, Value>,
    twice: Option<&'static str>,
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reading;
        impl<'de> Visitor<'de> for Reading {
            type Value = Members;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Members { object: Map::new(), twice: None };
                while let Some((key, value)) = map.next_entry::<String, Value>()? {
                    let member = MEMBERS.into_iter().find(|member| *member == key);
                    if members.object.contains_key(&key) {
                        members.twice = members.twice.or(member);
                    } else {
                        members.object.insert(key, value);
                    }
                }
                Ok(members)
            }
        }
        deserializer.deserialize_map(Reading)
    }
}

/// An id as rmcp reads it, so that `1.0` and `1` are one id and `"1"` is another.
fn known_id(id: &Value) -> Option<RequestId> {
    serde_json::from_value(id.clone()).ok()
}

/// An id as an answer repeats it: as it came, unless it is nothing that can be an id.
fn echoed(id: &Value) -> Option<Value> {
    Some(id.clone()).filter(|id| id.is_string() || id.is_number())
}

fn told(id: &RequestId) -> String {
    match id {
        RequestId::Number(number) => number.to_string(),
        RequestId::String(text) => format!("\"{}\"", shown(text, 60)),
    }
}

/// One refusal for each id; one without an id where there is none.
fn refuse_each(ids: Vec<Value>, refuse: impl Fn(Option<Value>) -> Refusal) -> Vec<Refusal> {
    if ids.is_empty() { vec![refuse(None)] } else { ids.into_iter().map(|id| refuse(Some(id))).collect() }
}

#[cfg(test)]
mod tests;
