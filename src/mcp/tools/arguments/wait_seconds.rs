//! The argument `wait_seconds` of tools that change AWS.

use std::time::Duration;

use rmcp::model::JsonObject;
use rmcp::schemars::{self, JsonSchema};

use super::ArgumentError;

/// The argument.
pub const NAME: &str = "wait_seconds";
/// The longest wait, in seconds.
pub const MAX_WAIT: u64 = 45;

/// The arguments of a tool that can wait for what it changed, for its schema.
#[derive(Debug, JsonSchema)]
#[expect(dead_code, reason = "the schema is made of it; the wait is taken out of the arguments before they are read")]
pub struct Awaited<A> {
    #[serde(flatten)]
    #[schemars(flatten)]
    arguments: A,
    /// Then wait for the new state.
    #[schemars(range(max = MAX_WAIT))]
    wait_seconds: Option<u64>,
}

/// Takes the wait out of the arguments of a call: how long the call waits says nothing of what it changes. None is no wait.
///
/// # Errors
/// When it is no number of seconds, or too long.
pub fn take(given: &mut JsonObject) -> Result<Duration, ArgumentError> {
    let Some(value) = given.remove(NAME) else { return Ok(Duration::ZERO) };
    match value.as_u64() {
        Some(seconds @ 0..=MAX_WAIT) => Ok(Duration::from_secs(seconds)),
        _ => Err(ArgumentError::form(NAME, &format!("a whole number from 0 to {MAX_WAIT}"), value)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn taken(value: Value) -> Result<Duration, ArgumentError> {
        let mut given = JsonObject::from_iter([(NAME.to_owned(), value), ("force".to_owned(), json!(true))]);
        let taken = take(&mut given);
        assert_eq!(given.keys().collect::<Vec<_>>(), ["force"]);
        taken
    }

    #[test]
    fn a_wait_is_taken_out_of_the_arguments_and_none_is_no_wait() {
        assert_eq!(taken(json!(45)), Ok(Duration::from_secs(45)));
        assert_eq!(take(&mut JsonObject::new()), Ok(Duration::ZERO));
        for wrong in [json!(46), json!(-1), json!("soon")] {
            assert!(taken(wrong.clone()).is_err(), "{wrong}");
        }
    }
}
