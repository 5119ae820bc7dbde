//! Arguments that name a point in the past.

use std::borrow::Cow;
use std::fmt;

use rmcp::schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

use super::ArgumentError;
use crate::mcp::core::Core;
use crate::mcp::error::Fault;
use crate::query::{Cursor, CursorError, Moment, Point, moment};

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
const POINTS: &str = "a time: RFC 3339 such as 2026-11-17T12:00:00Z, or a time ago such as -15m, -2h or -3d; or a place in the log such as seq:123";

/// The forms of times.
pub const TIMES: &str = "a time: RFC 3339 such as 2026-11-17T12:00:00Z, or a time ago such as -15m, -2h or -3d";

impl JsonSchema for PastArgument {
    fn schema_name() -> Cow<'static, str> {
        "Past".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "As it was known then: RFC 3339 such as 2026-11-17T12:00:00Z, or a time ago such as -15m, -2h or -3d.",
        })
    }
}

impl PastArgument {
    /// The point that the argument `name` means.
    ///
    /// # Errors
    /// When it is no time, or one that the log does not know.
    pub fn point(&self, core: &Core, name: &str) -> Result<Point, Fault> {
        let now = core.now();
        let moment = Moment::parse(&self.0, now).ok_or_else(|| ArgumentError::form(name, POINTS, self.0.as_str()))?;
        Ok(moment.point(&core.snapshot()?, now)?)
    }
}

/// The point that `as_of` asks for; `None` when it is absent.
///
/// # Errors
/// As for [`PastArgument::point`].
pub fn as_of(core: &Core, as_of: Option<&PastArgument>) -> Result<Option<Point>, Fault> {
    as_of.map(|as_of| as_of.point(core, "as_of")).transpose()
}

/// The point of a page that may continue an earlier one: then that of the first page, which a `-15m` would have left behind.
///
/// # Errors
/// As for [`as_of`]; when the cursor is none, or of another time than is asked for.
pub fn continued(core: &Core, asked: Option<&PastArgument>, cursor: Option<&str>) -> Result<Option<Point>, Fault> {
    let Some(cursor) = cursor else { return as_of(core, asked) };
    let cursor = Cursor::read(cursor)?;
    let snapshot = core.snapshot()?;
    if cursor.log != snapshot.log_id() {
        return Err(CursorError::ForeignLog.into());
    }
    let first = cursor.point;
    // Muster made none beyond the log's end.
    if first.is_some_and(|first| first.seq > snapshot.seq()) {
        return Err(CursorError::Garbled.into());
    }
    let is_other = match (first, asked) {
        // What is said as a time ago was another time when the first page was asked for.
        (Some(_), Some(asked)) if asked.0.trim().starts_with('-') => false,
        (Some(first), Some(asked)) => moment::time(&asked.0, core.now()).is_some_and(|time| time != first.at),
        (None, Some(_)) => true,
        (_, None) => false,
    };
    if is_other { Err(CursorError::OtherQuestion.into()) } else { Ok(first) }
}
