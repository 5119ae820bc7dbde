//! Arguments that name a point in the past.

use std::borrow::Cow;
use std::fmt;

use rmcp::schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

use super::ArgumentError;
use crate::mcp::core::Core;
use crate::mcp::error::RequestError;
use crate::query::{AskedPoint, Cursor, CursorError, Point, moment};

/// A point in the past, as it was given.
#[derive(Clone, Debug, Deserialize)]
#[serde(transparent)]
pub struct PastArgument(String);

impl From<String> for PastArgument {
    fn from(given: String) -> Self {
        PastArgument(given)
    }
}

impl fmt::Display for PastArgument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The forms of points in the past.
const POINTS: &str = "a time: RFC 3339 such as 2026-11-17T12:00:00Z, or a time ago such as -15m, -2h or -3d; or a record of the \
    log such as seq:123";

/// The forms of times.
pub const TIMES: &str = "a time: RFC 3339 such as 2026-11-17T12:00:00Z, a date such as 2026-11-17 (UTC), or a time ago such as -15m, 2h or 3 days ago";

impl JsonSchema for PastArgument {
    fn schema_name() -> Cow<'static, str> {
        "Past".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "Answer as of this time in the past: RFC 3339 such as 2026-11-17T12:00:00Z, or a time ago such as \
            -15m, -2h or -3d.",
        })
    }
}

impl PastArgument {
    /// The point that the argument `name` means.
    ///
    /// # Errors
    /// When it is not a time, or the log does not know that time.
    pub fn point(&self, core: &Core, name: &str) -> Result<Point, RequestError> {
        let now = core.now();
        let moment =
            AskedPoint::parse(&self.0, now).ok_or_else(|| ArgumentError::form(name, POINTS, self.0.as_str()))?;
        Ok(moment.point(&core.snapshot()?, now)?)
    }
}

/// The point that `as_of` asks for; `None` when it is absent.
///
/// # Errors
/// As for [`PastArgument::point`].
pub fn as_of(core: &Core, as_of: Option<&PastArgument>) -> Result<Option<Point>, RequestError> {
    as_of.map(|as_of| as_of.point(core, "as_of")).transpose()
}

/// The point in time of a page. A page with a cursor keeps the point of the first page, because a time such as `-15m` would move.
///
/// # Errors
/// As for [`as_of`]; when the cursor is invalid or belongs to another time.
pub fn continued(
    core: &Core,
    asked: Option<&PastArgument>,
    cursor: Option<&str>,
) -> Result<Option<Point>, RequestError> {
    let Some(cursor) = cursor else { return as_of(core, asked) };
    let cursor = Cursor::read(cursor)?;
    let snapshot = core.snapshot()?;
    if cursor.log != snapshot.cursor_log() {
        return Err(CursorError::ForeignLog.into());
    }
    let first = cursor.point;
    // Muster never makes a cursor beyond the log's end.
    if first.is_some_and(|first| first.seq > snapshot.seq()) {
        return Err(CursorError::Garbled.into());
    }
    let is_other = match (first, asked) {
        // A relative time meant another time when the first page was requested.
        (Some(_), Some(asked)) if asked.0.trim().starts_with('-') => false,
        (Some(first), Some(asked)) => moment::time(&asked.0, core.now()).is_some_and(|time| time != first.at),
        (None, Some(_)) => true,
        (_, None) => false,
    };
    if is_other { Err(CursorError::OtherQuestion.into()) } else { Ok(first) }
}
