//! JSON-RPC errors that answer invalid requests.

use rmcp::model::RequestId;
use serde_json::{Value, json};

/// JSON-RPC's code for what is not JSON.
const PARSE: i32 = -32700;
/// JSON-RPC's code for JSON that is not a request.
const INVALID_REQUEST: i32 = -32600;
/// JSON-RPC's code for parameters that do not fit the method.
const INVALID_PARAMS: i32 = -32602;

/// A JSON-RPC error that answers a request.
#[derive(Clone, Debug, PartialEq)]
pub struct ErrorResponse {
    pub(super) id: Option<Value>,
    code: i32,
    message: String,
}

impl ErrorResponse {
    /// An error for an invalid request.
    #[must_use]
    pub fn invalid(id: Option<Value>, message: String) -> Self {
        ErrorResponse { id, code: INVALID_REQUEST, message }
    }

    /// An error for a failure of the server.
    #[must_use]
    pub fn failed(id: Option<Value>, message: String) -> Self {
        ErrorResponse { id, code: -32603, message }
    }

    /// An error for bytes that are not JSON.
    #[must_use]
    pub fn unreadable(id: Option<Value>, message: String) -> Self {
        ErrorResponse { id, code: PARSE, message }
    }

    pub(super) fn params(id: &RequestId, message: String) -> Self {
        ErrorResponse { id: Some(id.clone().into_json_value()), code: INVALID_PARAMS, message }
    }

    /// The same error without an id, for when it is unclear which request it answers.
    #[must_use]
    pub fn without_id(self) -> Self {
        ErrorResponse { id: None, ..self }
    }

    /// The error as a line of a stream. If the id is not known, the member is left out, as MCP's schema requires.
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

/// One error for each id, or one without an id if there are none.
pub(super) fn refuse_each(ids: Vec<Value>, refuse: impl Fn(Option<Value>) -> ErrorResponse) -> Vec<ErrorResponse> {
    if ids.is_empty() { vec![refuse(None)] } else { ids.into_iter().map(|id| refuse(Some(id))).collect() }
}
