//! How a message names the call of a tool.

use serde_json::Value;

/// The call of `tool` with these arguments: what a model is to send, to the letter.
pub(super) fn call(tool: &str, arguments: &Value) -> String {
    format!("Call {tool} {arguments}")
}

/// A text in SQL.
pub(super) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
