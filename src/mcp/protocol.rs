//! What of the protocol several layers need: its versions, the header of a session, a notification of its own, and what an unknown
//! method is answered.

use rmcp::ErrorData;
use rmcp::model::{ErrorCode, ProtocolVersion};

use crate::model::text::shown;

/// The header that names an HTTP session of the older era.
pub(super) const SESSION: &str = "mcp-session-id";
/// What the HTTP transport tells the handler of a session when a stream for notifications opens: some may have been missed before.
pub(super) const STREAM_OPENED: &str = "notifications/muster/stream_opened";
/// The protocols that are served. Older revisions lack structured content and titles, which every answer here relies on.
pub(super) const VERSIONS: [ProtocolVersion; 3] =
    [ProtocolVersion::V_2025_06_18, ProtocolVersion::V_2025_11_25, ProtocolVersion::V_2026_07_28];

/// The answer to a request of a method that is not served.
pub(super) fn unknown_method(method: &str) -> ErrorData {
    let method = shown(method, 80);
    let message = format!("Muster does not serve the method `{method}` in the version of MCP that this request is of");
    ErrorData::new(ErrorCode::METHOD_NOT_FOUND, message, None)
}

/// The same error with a sentence, where rmcp says only the name of a method that is not served.
pub(super) fn worded(error: ErrorData) -> ErrorData {
    let is_name = error.code == ErrorCode::METHOD_NOT_FOUND && !error.message.contains(' ');
    if is_name { unknown_method(&error.message) } else { error }
}
