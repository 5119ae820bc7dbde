//! Why filters are refused.

use thiserror::Error;

use crate::query::nearness::near;

/// Why filters were refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum FilterError {
    /// Neither of the two spellings.
    #[error(
        "`filters` must be a list of {{\"Name\", \"Values\"}} objects or an object of name to values; {found} is neither. \
         Example: {EXAMPLE}"
    )]
    Shape {
        /// What was found instead, shortened.
        found: String,
    },
    /// A filter without values.
    #[error("filter `{name}` has no values: give at least one, or leave the filter out. Example: {EXAMPLE}")]
    NoValues {
        /// The filter.
        name: String,
    },
    /// A name that the kind does not know.
    #[error("{kind} has no filter `{name}`{}. It knows: {}, tag:KEY, tag-key. Example: {EXAMPLE}", near(nearest.as_deref()), known.join(", "))]
    Unknown {
        /// The kind.
        kind: &'static str,
        /// What was written.
        name: String,
        /// The closest known name, when one is close.
        nearest: Option<String>,
        /// All known names but those of tags.
        known: Vec<&'static str>,
    },
    /// A tag of a kind that has none.
    #[error(
        "{kind} has no tags, so `{name}` can never match: search kind {tagged} by it, then {kind} by the ids found (filter \
         instance-id)"
    )]
    Tagless {
        /// The kind.
        kind: &'static str,
        /// What was written.
        name: String,
        /// The kind that has them.
        tagged: &'static str,
    },
    /// A value that no resource can have.
    #[error("{}", never(name, value, nearest.as_deref(), why))]
    Never {
        /// The filter.
        name: String,
        /// The value, shortened.
        value: String,
        /// What was probably meant.
        nearest: Option<String>,
        /// What the filter's values look like.
        why: String,
    },
    /// A bound without a limit.
    #[error("`{value}` does not bound the filter {name}: after > or < comes {expected}")]
    Bound {
        /// The filter.
        name: String,
        /// What was written, shortened.
        value: String,
        /// What the limit must be.
        expected: &'static str,
    },
    /// More than AWS takes.
    #[error("{found} {what} are given, and at most {limit} are allowed: use several calls")]
    TooMany {
        /// `filters` or `values`.
        what: &'static str,
        /// How many were given.
        found: usize,
        /// How many are taken.
        limit: usize,
    },
}

const EXAMPLE: &str =
    r#"[{"Name": "instance-state-name", "Values": ["running", "stop*"]}, {"Name": "tag:Team", "Values": ["web"]}]"#;

/// What [`FilterError::Never`] says.
fn never(name: &str, value: &str, nearest: Option<&str>, why: &str) -> String {
    let value = if value.is_empty() { "an empty value".to_owned() } else { format!("`{value}`") };
    format!("{value} can never match the filter {name}{}: {why}", near(nearest))
}
