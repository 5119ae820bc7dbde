//! What of the protocol several layers need: its versions, and the header of a session.

use rmcp::model::ProtocolVersion;

/// The header that names an HTTP session of the older era.
pub(super) const SESSION: &str = "mcp-session-id";
/// The protocols that are served. Older revisions lack structured content and titles, which every answer here relies on.
pub(super) const VERSIONS: [ProtocolVersion; 3] =
    [ProtocolVersion::V_2025_06_18, ProtocolVersion::V_2025_11_25, ProtocolVersion::V_2026_07_28];
