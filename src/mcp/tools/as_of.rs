//! Answers about a point in the past: the argument, and what such an answer says about its own worth.

use serde_json::{Value, json};

use super::arguments::Arguments;
use super::list_changes::TIMES;
use super::schema;
use super::table::Text;
use crate::mcp::core::Core;
use crate::mcp::error::Fault;
use crate::mcp::unobserved::{Unobserved, Watch};
use crate::query::{Moment, Point};

/// A point in the past, with what nobody watched then.
#[derive(Clone, Debug)]
pub struct AsOf {
    /// The point.
    pub point: Point,
    /// What nobody watched then.
    pub unobserved: Unobserved,
}

/// The point that the argument `name` asks for; `None` when it is absent.
///
/// # Errors
/// When it is no time, or one that the log does not know.
pub fn point(core: &Core, arguments: &Arguments, name: &'static str) -> Result<Option<Point>, Fault> {
    let Some(text) = arguments.text(name)? else { return Ok(None) };
    let now = core.now();
    let expected = || arguments.form(name, TIMES, &json!(text));
    let moment = Moment::parse(text, now).ok_or_else(expected)?;
    Ok(Some(moment.point(&core.snapshot()?, now)?))
}

impl AsOf {
    /// What an answer about `point` has to say of who watched then.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn new(core: &Core, watch: &Watch, point: Point) -> Result<Self, Fault> {
        let unobserved = core.unobserved_at(&core.snapshot()?, watch, point.at)?;
        Ok(AsOf { point, unobserved })
    }

    /// The fields of the answer.
    #[must_use]
    pub fn fields(&self) -> Vec<(&'static str, Value)> {
        let Point { at, seq } = self.point;
        let mut fields = vec![("as_of", json!(at)), ("seq", json!(seq))];
        fields.extend(self.unobserved.fields());
        fields
    }

    /// That it is about the past, and what nobody watched then.
    pub fn say(&self, text: &mut Text) {
        let Point { at, seq } = self.point;
        text.add(format_args!("; as Muster knew it at {at} (seq {seq})"));
        self.unobserved.say(text);
    }
}

/// The argument, for input schemas.
#[must_use]
pub fn argument() -> Value {
    schema::text("As it was known then: RFC 3339 such as 2026-11-17T12:00:00Z, or so long ago as -15m, -2h or -3d.")
}
