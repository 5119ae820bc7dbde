//! The one step between what a client sends and rmcp, for the stdio front end, the socket and HTTP alike. Each message is
//! forwarded, answered here, or dropped. Only invalid requests are answered here, with the reason and, if it can be read, the id
//! of the request. Members that clients leave out of `initialize` are added. Messages that rmcp cannot handle are held back:
//! notifications before the handshake, which would end the connection, and a request whose id is still in flight, which would get
//! the answer of the first. The decision is pure: it depends on the bytes and the state of the connection, and does no I/O.

mod error_response;
mod handshake;
mod message;
mod torn;

use std::collections::{HashMap, HashSet};

use rmcp::model::RequestId;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use tokio::sync::OwnedSemaphorePermit;

use crate::model::text::shown;

pub use error_response::ErrorResponse;
pub use message::{ClientMessage, MessageKind, read};

use error_response::refuse_each;
use message::{BYTE_ORDER_MARK, known_id};

const NOT_OPEN: &str = "the protocol of this request is not known. Send initialize first, and over HTTP the Mcp-Session-Id \
    of its answer with each request (protocol 2025-11-25 and older), or name io.modelcontextprotocol/protocolVersion and \
    io.modelcontextprotocol/clientCapabilities in params._meta of each request (protocol 2026-07-28)";

/// What happens to a message.
#[derive(Debug)]
pub enum MessageDecision<'a> {
    /// It is forwarded.
    Forward(ClientMessage<'a>),
    /// It is not forwarded, and these are the answers to it.
    Answer(Vec<ErrorResponse>),
    /// It is dropped without an answer.
    Drop,
}

/// The state of one connection, or of one session over HTTP.
#[derive(Debug, Default)]
pub struct Conversation {
    /// Whether the client has chosen a protocol.
    opened: bool,
    /// Whether each message comes with the name of its protocol in a header.
    named: bool,
    in_flight: HashSet<RequestId>,
    /// The places that requests in flight take among those that wait for something.
    places: HashMap<RequestId, OwnedSemaphorePermit>,
}

impl Conversation {
    /// A connection whose protocol has been chosen, or is checked elsewhere.
    #[must_use]
    pub fn opened() -> Self {
        Conversation { opened: true, ..Conversation::default() }
    }

    /// A conversation of one message without a session. `named` says that a header names its protocol.
    #[must_use]
    pub fn single(named: bool) -> Self {
        Conversation { named, ..Conversation::default() }
    }

    /// Decides what happens to the bytes that the client sent. A forwarded request is in flight from then on.
    pub fn hear<'a>(&mut self, bytes: &'a [u8]) -> MessageDecision<'a> {
        match read(bytes) {
            Ok(Some(message)) => self.admit(message),
            Ok(None) => MessageDecision::Drop,
            Err(mut refusals) => {
                // The client would take an answer under the id of a request in flight for the answer to that request.
                for refusal in &mut refusals {
                    let id = refusal.id.as_ref().and_then(known_id);
                    if id.is_some_and(|id| self.in_flight.contains(&id)) {
                        refusal.id = None;
                    }
                }
                MessageDecision::Answer(refusals)
            }
        }
    }

    /// Decides what happens to a well-formed message.
    pub fn admit<'a>(&mut self, message: ClientMessage<'a>) -> MessageDecision<'a> {
        let MessageKind::Request { id, method } = &message.said else {
            return if self.opened { MessageDecision::Forward(message) } else { MessageDecision::Drop };
        };
        if self.in_flight.contains(id) {
            let message = format!("request id {} is in flight already: give each request an id of its own", told(id));
            return MessageDecision::Answer(vec![ErrorResponse::invalid(Some(id.clone().into_json_value()), message)]);
        }
        let bootstraps = matches!(method.as_str(), "ping" | "server/discover");
        if method == "initialize" || (!bootstraps && message.is_self_contained()) {
            self.opened = true;
        } else if !(bootstraps || self.opened || self.named) && message.meta.protocol_version().is_none() {
            return MessageDecision::Answer(vec![ErrorResponse::params(id, NOT_OPEN.to_owned())]);
        }
        self.in_flight.insert(id.clone());
        MessageDecision::Forward(message)
    }

    /// Keeps a place for a request for as long as it is in flight, whether or not its client stays to read the answer.
    pub fn hold(&mut self, id: &RequestId, place: OwnedSemaphorePermit) {
        if self.in_flight.contains(id) {
            self.places.insert(id.clone(), place);
        }
    }

    /// Frees the id of a request that was answered or will not be, and its place.
    pub fn answered(&mut self, id: &RequestId) {
        self.in_flight.remove(id);
        self.places.remove(id);
    }

    /// How many requests are in flight.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.in_flight.len()
    }
}

/// Answers a message of more than `limit` bytes that begins with `start`.
#[must_use]
pub fn too_long(start: &[u8], limit: usize) -> Vec<ErrorResponse> {
    let message = format!("the message is longer than {} MiB and was not read: ask for less at once", limit >> 20);
    refuse_each(torn::ids(start), |id| ErrorResponse::invalid(id, message.clone()))
}

/// Answers a well-formed message that rmcp cannot read.
#[must_use]
pub fn unreadable(id: &RequestId) -> ErrorResponse {
    let message =
        "the request cannot be read: a member may be given twice, or have a type that MCP does not define for it";
    ErrorResponse::invalid(Some(id.clone().into_json_value()), message.to_owned())
}

/// The id of the one request in the bytes, whatever else is wrong with them; `None` when there is none, or several.
#[must_use]
pub fn seen_id(bytes: &[u8]) -> Option<Value> {
    let mut ids = torn::ids(bytes);
    ids.pop().filter(|_| ids.is_empty())
}

/// Whether the bytes are only white space.
#[must_use]
pub fn is_blank(bytes: &[u8]) -> bool {
    bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes).iter().all(u8::is_ascii_whitespace)
}

/// The request that a line from the server answers.
#[must_use]
pub fn answered_by(line: &[u8]) -> Option<RequestId> {
    #[derive(Deserialize)]
    struct AnsweredId {
        id: Option<RequestId>,
        result: Option<IgnoredAny>,
        error: Option<IgnoredAny>,
    }
    let answer: AnsweredId = serde_json::from_slice(line).ok()?;
    answer.id.filter(|_| answer.result.is_some() || answer.error.is_some())
}

fn told(id: &RequestId) -> String {
    match id {
        RequestId::Number(number) => number.to_string(),
        RequestId::String(text) => format!("\"{}\"", shown(text, 60)),
    }
}

#[cfg(test)]
mod tests;
