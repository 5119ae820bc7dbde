//! The one step between what a client sends and rmcp, for the stdio front end, the socket and HTTP alike.
//!
//! It decides what becomes of one message: it goes on, it is answered here, or it is dropped. It answers only what is no
//! valid request, so that every client learns what is wrong, with the id of its request wherever that can be seen. It
//! completes what clients leave out of `initialize`. And it keeps back what rmcp cannot bear: notifications before the
//! handshake, which end the connection there, and a request whose id is still in flight, which takes the answer of the
//! first.
//!
//! The decision is pure: the bytes and the state of the connection decide, and nothing is read or written here.

mod error_response;
mod handshake;
mod message;
mod torn;

use std::collections::HashSet;

use rmcp::model::RequestId;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use crate::model::text::shown;

pub use error_response::ErrorResponse;
pub use message::{ClientMessage, MessageKind, read};

use error_response::refuse_each;
use message::{BYTE_ORDER_MARK, known_id};

const NOT_OPEN: &str = "the protocol of this request is not known. Send initialize first, and over HTTP the Mcp-Session-Id \
    of its answer with each request (protocol 2025-11-25 and older), or name io.modelcontextprotocol/protocolVersion and \
    io.modelcontextprotocol/clientCapabilities in params._meta of each request (protocol 2026-07-28)";

/// What becomes of a message.
#[derive(Debug)]
pub enum MessageDecision<'a> {
    /// It goes on.
    Forward(ClientMessage<'a>),
    /// It goes no further, and these are the answers.
    Answer(Vec<ErrorResponse>),
    /// It goes no further, and nobody is told.
    Drop,
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
    pub fn hear<'a>(&mut self, bytes: &'a [u8]) -> MessageDecision<'a> {
        match read(bytes) {
            Ok(Some(message)) => self.admit(message),
            Ok(None) => MessageDecision::Drop,
            Err(mut refusals) => {
                // An answer under the id of a request in flight would be taken for its answer.
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

    /// Decides what becomes of a message that is well formed.
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

    /// The request was answered, or will not be: its id is free again.
    pub fn answered(&mut self, id: &RequestId) {
        self.in_flight.remove(id);
    }

    /// How many requests are in flight.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// Takes all requests that are in flight.
    pub fn take_in_flight(&mut self) -> Vec<RequestId> {
        self.in_flight.drain().collect()
    }
}

/// Answers to a message of more than `limit` bytes, of which `start` is the beginning.
#[must_use]
pub fn too_long(start: &[u8], limit: usize) -> Vec<ErrorResponse> {
    let message = format!("the message is longer than {} MiB and was not read: ask for less at once", limit >> 20);
    refuse_each(torn::ids(start), |id| ErrorResponse::invalid(id, message.clone()))
}

/// The answer to bytes that rmcp does not read although they are well formed.
#[must_use]
pub fn unreadable(id: &RequestId) -> ErrorResponse {
    let message =
        "the request cannot be read: a member may be given twice, or have a type that MCP does not define for it";
    ErrorResponse::invalid(Some(id.clone().into_json_value()), message.to_owned())
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
