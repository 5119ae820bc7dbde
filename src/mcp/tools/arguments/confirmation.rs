//! The argument `confirmation` of tools that change AWS.

use rmcp::model::JsonObject;
use rmcp::schemars::{self, JsonSchema};

use super::ArgumentError;

/// The argument.
pub const NAME: &str = "confirmation";
/// The longest token: those that Muster makes have some 250 characters.
const MAX_TOKEN: usize = 1_000;

/// The arguments of a tool that can be confirmed, for its schema.
#[derive(Debug, JsonSchema)]
#[expect(dead_code, reason = "the schema is made of it; the token is taken out of the arguments before they are read")]
pub struct Confirmable<A> {
    #[serde(flatten)]
    #[schemars(flatten)]
    arguments: A,
    /// Only from the answer that showed the plan of this same call.
    confirmation: Option<String>,
}

/// Takes the token out of the arguments of a call. A blank one counts as none.
///
/// # Errors
/// When it is no text, or too long to be one of Muster's.
pub fn take(given: &mut JsonObject) -> Result<Option<String>, ArgumentError> {
    let Some(value) = given.remove(NAME) else { return Ok(None) };
    match value.as_str().map(str::trim) {
        Some("") => Ok(None),
        Some(token) if token.len() <= MAX_TOKEN => Ok(Some(token.to_owned())),
        _ => {
            let expected = "the token in `confirmation` of the answer that showed the plan of this call";
            Err(ArgumentError::form(NAME, expected, value.to_string()))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn taken(value: Value) -> Result<Option<String>, ArgumentError> {
        let mut given = JsonObject::from_iter([(NAME.to_owned(), value), ("dry_run".to_owned(), json!(true))]);
        let taken = take(&mut given);
        assert_eq!(given.keys().collect::<Vec<_>>(), ["dry_run"]);
        taken
    }

    #[test]
    fn a_token_is_taken_out_of_the_arguments_and_a_blank_one_is_none() {
        assert_eq!(taken(json!(" rs2.a.b ")).unwrap().as_deref(), Some("rs2.a.b"));
        assert_eq!(taken(json!(" ")).unwrap(), None);
        assert!(taken(json!(true)).is_err() && taken(json!("x".repeat(1_001))).is_err());
        assert_eq!(take(&mut JsonObject::new()).unwrap(), None);
    }
}
