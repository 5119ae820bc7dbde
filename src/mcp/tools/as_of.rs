//! What an answer about a point in the past says about itself: the point, and what was not watched then.

use serde_json::{Value, json};

use super::schema;
use super::table::AnswerText;
use crate::mcp::core::Core;
use crate::mcp::damage::{self, DamagedRecords};
use crate::mcp::error::RequestError;
use crate::mcp::failed_scopes;
use crate::mcp::unobserved::{self, GapQuery, Unobserved};
use crate::mcp::unwatched::{self, UnwatchedScopes};
use crate::mcp::watched_kinds::UnwatchedKinds;
use crate::query::Point;

/// A point in the past, with what was not watched then.
#[derive(Clone, Debug)]
pub struct AsOf {
    /// The point.
    pub point: Point,
    /// What was not watched then.
    pub unobserved: Unobserved,
    /// The scopes that were watched then, and are no longer.
    unwatched: UnwatchedScopes,
    /// The kinds that it is about and that are not watched now.
    left_out: UnwatchedKinds,
    /// Filled in once everything was read.
    pub(super) damage: DamagedRecords,
}

impl AsOf {
    /// Finds out what was not watched at `point`.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn new(core: &Core, watch: &GapQuery, point: Point) -> Result<Self, RequestError> {
        let snapshot = core.snapshot()?;
        let unobserved = core.unobserved_at(&snapshot, watch, point.at)?;
        let unwatched = snapshot.retired().iter().filter(|(scope, since)| point.at <= **since && watch.is_in(scope));
        let unwatched = UnwatchedScopes::of(core, unwatched.map(|(scope, since)| (scope.clone(), *since)));
        let left_out = core.unwatched_kinds().among(&watch.kinds);
        Ok(AsOf { point, unobserved, unwatched, left_out, damage: DamagedRecords::default() })
    }

    /// The fields of the answer.
    #[must_use]
    pub fn fields(&self) -> Vec<(&'static str, Value)> {
        let Point { at, seq } = self.point;
        let mut fields = vec![("as_of", json!(at)), ("seq", json!(seq))];
        fields.extend(self.unobserved.fields());
        fields.extend(self.unwatched.fields());
        if !self.left_out.is_empty() {
            fields.push((UnwatchedKinds::FIELD, self.left_out.field()));
        }
        fields.extend(self.damage.fields());
        fields
    }

    /// Adds the point and what was not watched then to the text of an answer.
    pub fn say(&self, text: &mut AnswerText) {
        let Point { at, seq } = self.point;
        text.add(format_args!("; as Muster knew it at {at} (seq {seq})"));
        self.unobserved.say(text);
        self.unwatched.say(text);
        if !self.left_out.is_empty() {
            text.add(format_args!("\nNo longer watched, so that later times are not known: {}", self.left_out.said()));
        }
        self.damage.say(text);
    }
}

/// The schema of an answer about now or the past: the properties in `own`, and those about gaps in watching.
#[must_use]
pub fn object(required: &[&str], mut own: Value) -> Value {
    if let Value::Object(own) = &mut own {
        own.extend(unobserved::described().map(|(name, schema)| (name.to_owned(), schema)));
        own.extend(unwatched::described().map(|(name, schema)| (name.to_owned(), schema)));
        own.insert("coverage".to_owned(), schema::scope_counts());
        own.extend(failed_scopes::described().map(|(name, schema)| (name.to_owned(), schema)));
    }
    damage::describe(&mut own);
    schema::object(required, own)
}
