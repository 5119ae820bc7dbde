//! What of the protocol several layers need: its versions, the header of a session, and a notification of its own.

use rmcp::model::ProtocolVersion;

/// The header that names an HTTP session of the older era.
pub(super) const SESSION: &str = "mcp-session-id";
/// What the HTTP transport tells the handler of a session when a stream for notifications opens: some may have been missed before.
pub(super) const STREAM_OPENED: &str = "notifications/muster/stream_opened";
/// The protocols that are served. Older revisions lack structured content and titles, which every answer here relies on.
pub(super) const VERSIONS: [ProtocolVersion; 3] =
    [ProtocolVersion::V_2025_06_18, ProtocolVersion::V_2025_11_25, ProtocolVersion::V_2026_07_28];
