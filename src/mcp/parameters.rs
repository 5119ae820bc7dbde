//! Answers requests of a known method with parameters that the protocol does not allow.
//!
//! rmcp passes these on as requests of an unknown method. They are refused with the reason, except that the arguments of a tool
//! may be the JSON text of an object, which some clients send.

use rmcp::model::{
    CallToolRequestParams, CompleteRequestParams, GetPromptRequestParams, PaginatedRequestParams,
    ReadResourceRequestParams, SubscribeRequestParams, UnsubscribeRequestParams,
};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::checked_json::{self, CheckedJson, DuplicateMember};
use super::error::RequestError;
use crate::model::text::shown;

/// How much of a message about parameters is shown.
const SHOWN: usize = 300;

/// Reads `params` as the call of a tool; `None` for a method that is not served.
///
/// # Errors
/// [`RequestError::Params`], for a method that is served.
#[must_use]
pub fn read(method: &str, params: Option<Value>) -> Option<Result<CallToolRequestParams, RequestError>> {
    let params = params.unwrap_or_default();
    let refused = match method {
        "tools/call" => return Some(call(params)),
        "tools/list" | "resources/list" | "resources/templates/list" | "prompts/list" => {
            wrong::<PaginatedRequestParams>(params)
        }
        "resources/read" => wrong::<ReadResourceRequestParams>(params),
        "resources/subscribe" => wrong::<SubscribeRequestParams>(params),
        "resources/unsubscribe" => wrong::<UnsubscribeRequestParams>(params),
        "prompts/get" => arguments(&params).or_else(|| wrong::<GetPromptRequestParams>(params)),
        "completion/complete" => wrong::<CompleteRequestParams>(params),
        _ => return None,
    };
    let why = refused.unwrap_or_else(|| "this method does not take them".to_owned());
    Some(Err(RequestError::Params { method: shown(method, SHOWN), why }))
}

fn call(mut params: Value) -> Result<CallToolRequestParams, RequestError> {
    let refused = |why| RequestError::Params { method: "tools/call".to_owned(), why };
    if let Some(slot) = params.get_mut("arguments")
        && let Some(text) = slot.as_str()
        && let Ok(CheckedJson { value: object @ Value::Object(_), twice }) = checked_json::read(text.as_bytes())
    {
        if let Some(DuplicateMember { member, .. }) = twice {
            return Err(refused(format!("the argument `{}` is given twice", shown(&member, 80))));
        }
        *slot = object;
    }
    if let Some(why) = arguments(&params) {
        return Err(refused(why));
    }
    serde_json::from_value(params).map_err(|error| refused(shown(&error.to_string(), SHOWN)))
}

/// The error when `arguments` is not an object.
fn arguments(params: &Value) -> Option<String> {
    let arguments = params.get("arguments").filter(|arguments| !arguments.is_object() && !arguments.is_null())?;
    Some(format!("`arguments` must be a JSON object, not {}", shown(&arguments.to_string(), 80)))
}

/// Why `params` are not of the type `T`.
fn wrong<T: DeserializeOwned>(params: Value) -> Option<String> {
    serde_json::from_value::<T>(params).err().map(|error| shown(&error.to_string(), SHOWN))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refusal(method: &str, params: Value) -> String {
        read(method, Some(params)).expect("a known method").unwrap_err().to_string()
    }

    #[test]
    fn arguments_of_a_tool_are_an_object_or_the_json_text_of_one() {
        let call = |arguments: Value| read("tools/call", Some(json!({"name": "t", "arguments": arguments}))).unwrap();
        for text in [r#"{"limit": 5}"#, " {\"limit\":5}\n"] {
            let read = call(json!(text)).unwrap();
            assert_eq!(Value::Object(read.arguments.unwrap()), json!({"limit": 5}), "{text}");
        }
        let said = call(json!(r#"{"dry_run": true, "dry_run": false}"#)).unwrap_err().to_string();
        assert!(said.contains("`dry_run` is given twice"), "{said}");
        for wrong in [json!("limit=5"), json!("[1]"), json!(""), json!([]), json!([{}]), json!(5), json!(true)] {
            let said = call(wrong.clone()).unwrap_err().to_string();
            assert!(said.contains("`arguments` must be a JSON object"), "{wrong}: {said}");
        }
    }

    #[test]
    fn parameters_of_another_type_are_named_for_every_method_that_is_served() {
        for method in ["tools/list", "resources/list", "resources/templates/list", "prompts/list"] {
            let said = refusal(method, json!({"cursor": 7}));
            assert!(said.contains(method) && said.contains("string"), "{said}");
        }
        for method in ["resources/read", "resources/subscribe", "resources/unsubscribe"] {
            assert!(refusal(method, json!({"uri": 7})).contains(method));
            assert!(refusal(method, json!({})).contains("uri"));
        }
        assert!(refusal("prompts/get", json!({"name": "p", "arguments": "tag=1"})).contains("`arguments` must be"));
        assert!(refusal("completion/complete", json!({"ref": 1})).contains("completion/complete"));
        assert!(refusal("tools/call", json!({"arguments": {}})).contains("name"));
        assert!(read("nonsense", Some(json!({}))).is_none());
    }
}
