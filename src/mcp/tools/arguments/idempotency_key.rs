//! The argument `idempotency_key` of tools that change AWS.

use std::sync::Arc;

use rmcp::model::JsonObject;
use rmcp::schemars::{self, JsonSchema};

use super::ArgumentError;

/// The argument.
pub const NAME: &str = "idempotency_key";
/// The longest key.
const MAX_KEY: usize = 64;

/// The arguments of a tool that takes an idempotency key, for its schema.
#[derive(Debug, JsonSchema)]
#[expect(dead_code, reason = "the schema is made of it; the key is taken out of the arguments before they are read")]
pub struct Keyed<A> {
    #[serde(flatten)]
    #[schemars(flatten)]
    arguments: A,
    /// Your own name for this call. Repeated within 24 hours, it returns the first answer.
    #[schemars(length(min = 1, max = MAX_KEY))]
    idempotency_key: Option<String>,
}

/// Takes the key out of the arguments of a call.
///
/// # Errors
/// When it is no key.
pub fn take(given: &mut JsonObject) -> Result<Option<Arc<str>>, ArgumentError> {
    let Some(value) = given.remove(NAME) else { return Ok(None) };
    let key = value.as_str().unwrap_or_default();
    let is_plain = (1..=MAX_KEY).contains(&key.len()) && key.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    if !is_plain || key.trim().is_empty() {
        let expected = format!("1 to {MAX_KEY} printable ASCII characters");
        return Err(ArgumentError::form(NAME, &expected, value.to_string()));
    }
    Ok(Some(key.into()))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn object(value: Value) -> JsonObject {
        match value {
            Value::Object(object) => object,
            other => panic!("{other}"),
        }
    }

    #[test]
    fn a_key_is_short_printable_text_and_is_taken_out_of_the_arguments() {
        let mut given = object(json!({"instance_id": "i-1", NAME: "deploy 7"}));
        assert_eq!(take(&mut given).unwrap().as_deref(), Some("deploy 7"));
        assert_eq!(given, object(json!({"instance_id": "i-1"})));
        assert_eq!(take(&mut given).unwrap(), None);
        for wrong in [json!(""), json!("  "), json!("a\nb"), json!("ä"), json!("x".repeat(65)), json!(7)] {
            let mut given = object(json!({ NAME: wrong }));
            assert!(take(&mut given).is_err(), "{wrong}");
        }
    }
}
