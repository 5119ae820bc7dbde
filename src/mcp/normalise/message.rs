//! Reads and checks a single message.

use std::borrow::Cow;

use rmcp::model::{ProtocolVersion, RequestId, RequestMetaObject};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value, json};

use super::error_response::{ErrorResponse, refuse_each};
use super::{handshake, torn};
use crate::mcp::checked_json::{self, CheckedJson, DuplicateMember};
use crate::mcp::parameters;
use crate::mcp::protocol::VERSIONS;
use crate::model::text::shown;

/// The mark that some editors and shells put before UTF-8.
pub(super) const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

const BATCH: &str = "MCP has no batches: send each message on its own";

/// A message that is well formed.
#[derive(Debug)]
pub struct ClientMessage<'a> {
    bytes: Cow<'a, [u8]>,
    pub(super) said: MessageKind,
    pub(super) meta: RequestMetaObject,
}

/// The kind of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MessageKind {
    /// A request, to be answered under its id.
    Request {
        /// The id.
        id: RequestId,
        /// The method.
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

impl ClientMessage<'_> {
    /// The bytes to forward.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The kind of message.
    #[must_use]
    pub fn said(&self) -> &MessageKind {
        &self.said
    }

    /// The token under which its progress is told.
    #[must_use]
    pub fn progress_token(&self) -> Option<Value> {
        serde_json::to_value(self.meta.get_progress_token()?).ok()
    }

    /// Whether it carries all metadata that protocol 2026-07-28 requires, with a version that is served.
    pub(super) fn is_self_contained(&self) -> bool {
        self.is_complete() && self.meta.protocol_version().is_some_and(|version| VERSIONS.contains(&version))
    }

    fn is_complete(&self) -> bool {
        self.meta.missing_required_keys(&ProtocolVersion::V_2026_07_28).is_empty()
    }

    /// Whether it belongs to a session, if a header names one: protocols without `initialize` have no sessions. `header` is the
    /// protocol version in the header.
    #[must_use]
    pub fn is_of_a_session(&self, header: Option<&str>) -> bool {
        match &self.said {
            MessageKind::Request { method, .. } if method == "initialize" => true,
            MessageKind::Request { .. } if self.is_complete() => false,
            MessageKind::Request { .. } => match self.meta.protocol_version() {
                Some(version) => version.has_initialize(),
                None => header.is_none_or(|version| version < ProtocolVersion::NO_INITIALIZE.as_str()),
            },
            MessageKind::Notification { .. } | MessageKind::Response => {
                header.is_none_or(|version| version < ProtocolVersion::NO_INITIALIZE.as_str())
            }
        }
    }
}

/// Reads one message; `None` when there is nothing to forward or answer.
///
/// # Errors
/// The answers to an invalid message.
pub fn read(bytes: &[u8]) -> Result<Option<ClientMessage<'_>>, Vec<ErrorResponse>> {
    let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
    let Some(first) = bytes.iter().find(|byte| !byte.is_ascii_whitespace()) else { return Ok(None) };
    let torn = |error: serde_json::Error| {
        let message = format!("the message is not JSON ({error}): send one JSON object in UTF-8");
        refuse_each(torn::ids(bytes), |id| ErrorResponse::unreadable(id, message.clone()))
    };
    match first {
        b'{' => {}
        b'[' => {
            let batch: Vec<Value> = serde_json::from_slice(bytes).map_err(torn)?;
            let is_request = |part: &&Value| part.get("method").is_some() && part.get("id").is_some();
            let ids = batch.iter().filter(is_request).filter_map(|part| part.get("id").and_then(echoed));
            return Err(refuse_each(ids.collect(), |id| ErrorResponse::invalid(id, BATCH.to_owned())));
        }
        _ => {
            serde_json::from_slice::<IgnoredAny>(bytes).map_err(torn)?;
            return Err(vec![ErrorResponse::invalid(None, "a message must be a JSON object".to_owned())]);
        }
    }
    let CheckedJson { value, twice } = checked_json::read(bytes).map_err(torn)?;
    let Value::Object(object) = value else { return Ok(None) };
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
    /// A member that an object has twice, at any depth.
    twice: Option<DuplicateMember>,
}

impl Parts {
    fn response(self, bytes: &[u8]) -> Result<Option<ClientMessage<'_>>, Vec<ErrorResponse>> {
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
                return Err(vec![ErrorResponse::invalid(id.and_then(echoed), message.to_owned())]);
            }
        };
        // A response is never answered, not even a malformed one.
        let is_well_formed = is_well_formed && self.twice.is_none() && self.is_json_rpc();
        Ok(is_well_formed.then(|| self.message(bytes, MessageKind::Response, false)))
    }

    fn notification(self, bytes: &[u8]) -> Option<ClientMessage<'_>> {
        let is_well_formed =
            self.twice.is_none() && self.is_json_rpc() && self.has_method_alone() && self.wrong_params().is_none();
        // A notification is never answered, not even a malformed one.
        if !is_well_formed {
            return None;
        }
        let cancelled = self.object.get("params").and_then(|params| params.get("requestId")).and_then(known_id);
        let cancels = cancelled.filter(|_| self.object.get("method") == Some(&json!("notifications/cancelled")));
        Some(self.message(bytes, MessageKind::Notification { cancels }, false))
    }

    fn request(mut self, bytes: &[u8]) -> Result<ClientMessage<'_>, ErrorResponse> {
        let id = self.object.get("id").cloned().unwrap_or_default();
        let refused = |message: String| ErrorResponse::invalid(echoed(&id), message);
        let doubled =
            self.twice.as_ref().map(|twice| format!("the member `{}` is given twice", shown(&twice.member, 80)));
        if let (Some(doubled), Some(DuplicateMember { outermost: true, .. })) = (&doubled, &self.twice) {
            return Err(refused(doubled.clone()));
        }
        let Some(known) = known_id(&id) else {
            return Err(refused(
                "the id of a request must be a string or a whole number of at most 63 bits".to_owned(),
            ));
        };
        if !self.is_json_rpc() {
            return Err(refused("a message must have \"jsonrpc\": \"2.0\"".to_owned()));
        }
        if !self.has_method_alone() {
            return Err(refused("a request must have a method, which is a string, and no result or error".to_owned()));
        }
        if let Some(wrong) = doubled.as_deref().or(self.wrong_params()) {
            return Err(ErrorResponse::params(&known, wrong.to_owned()));
        }
        let method = self.object.get("method").and_then(Value::as_str).unwrap_or_default().to_owned();
        let is_modern = self.is_modern();
        let params = self.object.get_mut("params");
        let is_rewritten = match method.as_str() {
            // In the newer protocol there is no such method, which rmcp answers.
            "initialize" if !is_modern => handshake::complete(params.and_then(Value::as_object_mut))
                .map_err(|wrong| ErrorResponse::params(&known, wrong))?,
            "server/discover" => handshake::bare(params.and_then(Value::as_object_mut)),
            method => {
                let fitted = parameters::fit(method, is_modern, params.unwrap_or(&mut Value::Null));
                fitted.unwrap_or(Ok(false)).map_err(|wrong| ErrorResponse::params(&known, wrong))?
            }
        };
        Ok(self.message(bytes, MessageKind::Request { id: known, method }, is_rewritten))
    }

    fn message(self, bytes: &[u8], said: MessageKind, is_rewritten: bool) -> ClientMessage<'_> {
        let meta = self.object.get("params").and_then(|params| params.get("_meta")).cloned();
        let meta = meta.and_then(|meta| serde_json::from_value(meta).ok()).unwrap_or_default();
        let bytes = if is_rewritten {
            Cow::Owned(format!("{}\n", Value::Object(self.object)).into_bytes())
        } else {
            Cow::Borrowed(bytes)
        };
        ClientMessage { bytes, said, meta }
    }

    /// Whether the message names the protocol of 2026-07-28 or a later one, which have other methods.
    fn is_modern(&self) -> bool {
        let meta = self.object.get("params").and_then(|params| params.get("_meta"));
        let meta = meta.and_then(|meta| RequestMetaObject::deserialize(meta).ok());
        meta.and_then(|meta| meta.protocol_version()).is_some_and(|version| !version.has_initialize())
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

/// An id as rmcp reads it, so that `1.0` and `1` are one id and `"1"` is another.
pub(super) fn known_id(id: &Value) -> Option<RequestId> {
    serde_json::from_value(id.clone()).ok()
}

/// An id as an answer repeats it; `None` for a value that cannot be an id.
fn echoed(id: &Value) -> Option<Value> {
    Some(id.clone()).filter(|id| id.is_string() || id.is_number())
}
