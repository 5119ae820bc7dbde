//! A record or a difference as an answer shows it: once as text and once as data.

use serde_json::{Map, Value};

/// A record or a difference as an answer shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Rendered {
    /// As a line of text.
    pub line: String,
    /// As data.
    pub data: Map<String, Value>,
}
