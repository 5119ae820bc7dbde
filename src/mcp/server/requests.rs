//! What requests say of themselves: their cursor, their protocol, their session.

use std::time::Duration;

use axum::http::request::Parts;
use rmcp::ErrorData;
use rmcp::model::{Extensions, PaginatedRequestParams};
use rmcp::service::{RequestContext, RoleServer};

use crate::mcp::error::RequestError;
use crate::mcp::protocol::SESSION;
use crate::query::CursorError;

/// Refuses a cursor for a list that has one page.
pub(super) fn whole(request: Option<&PaginatedRequestParams>) -> Result<(), ErrorData> {
    match request.and_then(|request| request.cursor.as_ref()).filter(|cursor| !is_blank(cursor)) {
        Some(_) => Err(RequestError::from(CursorError::Garbled).protocol(None)),
        None => Ok(()),
    }
}

/// Whether a cursor is blank, which counts as none.
pub(super) fn is_blank(cursor: &str) -> bool {
    cursor.trim().is_empty()
}

/// Whether a request is of the protocol of 2026-07-28 or later.
pub(super) fn is_modern(context: &RequestContext<RoleServer>) -> bool {
    context.protocol_version().is_some_and(|version| !version.has_initialize())
}

/// The id of the HTTP session that a message belongs to.
pub(super) fn session_id(extensions: &Extensions) -> Option<String> {
    extensions.get::<Parts>()?.headers.get(SESSION)?.to_str().ok().map(str::to_owned)
}

pub(super) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
