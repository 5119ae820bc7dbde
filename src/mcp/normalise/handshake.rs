//! Completes the requests that open a connection.

use rmcp::model::InitializeRequestParams;
use serde_json::{Map, Value, json};

use crate::model::text::shown;

/// The name of a client that gives none.
const UNKNOWN: &str = "unknown";

/// Completes the parameters of `initialize`, and returns whether anything was added.
///
/// # Errors
/// What is wrong with them, in the words of the protocol that has `initialize`.
pub(super) fn complete(params: Option<&mut Map<String, Value>>) -> Result<bool, String> {
    let Some(params) = params else {
        return Err("initialize needs params with protocolVersion, capabilities and clientInfo".to_owned());
    };
    if !params.get("protocolVersion").is_some_and(Value::is_string) {
        return Err("params.protocolVersion of initialize must be a string such as \"2025-11-25\"".to_owned());
    }
    let before = params.clone();
    // Some languages write an empty object as an empty list.
    let is_empty = |value: &Value| value.is_null() || value.as_array().is_some_and(Vec::is_empty);
    if params.get("capabilities").is_none_or(is_empty) {
        params.insert("capabilities".to_owned(), json!({}));
    }
    if params.get("clientInfo").is_none_or(is_empty) {
        params.insert("clientInfo".to_owned(), json!({}));
    }
    if let Some(info) = params.get_mut("clientInfo").and_then(Value::as_object_mut) {
        for member in ["name", "version"] {
            match info.get(member) {
                None | Some(Value::Null) => drop(info.insert(member.to_owned(), UNKNOWN.into())),
                Some(Value::Number(number)) => {
                    let text = number.to_string();
                    info.insert(member.to_owned(), text.into());
                }
                Some(_) => {}
            }
        }
    }
    for member in ["capabilities", "clientInfo"] {
        if !params.get(member).is_some_and(Value::is_object) {
            return Err(format!("params.{member} of initialize must be a JSON object"));
        }
    }
    for member in ["name", "version"] {
        if !params.get("clientInfo").and_then(|info| info.get(member)).is_some_and(Value::is_string) {
            return Err(format!("params.clientInfo.{member} of initialize must be a string"));
        }
    }
    if let Err(error) = serde_json::from_value::<InitializeRequestParams>(Value::Object(params.clone())) {
        let why = shown(&error.to_string(), 200);
        return Err(format!("params of initialize cannot be read: {why}. Leave out what MCP does not define there"));
    }
    Ok(*params != before)
}

/// Removes all parameters of `server/discover` but the metadata, because with others rmcp takes it for a request that chooses the
/// protocol. Returns whether anything was removed.
pub(super) fn bare(params: Option<&mut Map<String, Value>>) -> bool {
    let Some(params) = params else { return false };
    let before = params.len();
    params.retain(|member, _| member == "_meta");
    params.len() != before
}

#[cfg(test)]
mod tests {
    use super::*;

    fn completed(params: Value) -> Result<Value, String> {
        let mut params = params;
        complete(params.as_object_mut()).map(|_| params)
    }

    #[test]
    fn what_a_client_does_not_say_of_itself_is_unknown() {
        let whole = json!({
            "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "unknown", "version": "unknown"}
        });
        for params in [
            json!({"protocolVersion": "2025-11-25"}),
            json!({"protocolVersion": "2025-11-25", "capabilities": null, "clientInfo": null}),
            json!({"protocolVersion": "2025-11-25", "capabilities": [], "clientInfo": []}),
            json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": null}}),
        ] {
            let read = completed(params.clone()).unwrap();
            assert_eq!(read, whole, "{params}");
        }
        let info = json!({"name": "c", "version": 2.5, "title": "C"});
        let read = completed(json!({"protocolVersion": "2099-01-01", "clientInfo": info})).unwrap();
        assert_eq!(read["clientInfo"], json!({"name": "c", "version": "2.5", "title": "C"}));
    }

    #[test]
    fn what_is_complete_is_not_touched() {
        let params = json!({
            "protocolVersion": "2025-11-25", "capabilities": {"roots": {"listChanged": true}, "x": 1},
            "clientInfo": {"name": "c", "version": "1", "y": []}, "z": {},
        });
        let mut read = params.clone();
        assert_eq!(complete(read.as_object_mut()), Ok(false));
        assert_eq!(read, params);
    }

    #[test]
    fn what_cannot_be_read_is_named_as_this_protocol_calls_it() {
        for (params, named) in [
            (json!({}), "params.protocolVersion"),
            (json!({"protocolVersion": 20_251_125}), "params.protocolVersion"),
            (json!({"protocolVersion": null, "capabilities": {}}), "params.protocolVersion"),
            (json!({"protocolVersion": "2025-11-25", "capabilities": "all"}), "params.capabilities"),
            (json!({"protocolVersion": "2025-11-25", "clientInfo": "me"}), "params.clientInfo"),
            (json!({"protocolVersion": "2025-11-25", "clientInfo": {"version": [1]}}), "params.clientInfo.version"),
            (json!({"protocolVersion": "2025-11-25", "capabilities": {"roots": 1}}), "params of initialize"),
        ] {
            let error = completed(params.clone()).unwrap_err();
            assert!(error.contains(named), "{params}: {error}");
            assert!(!error.contains("_meta"), "{error}");
        }
        assert!(complete(None).unwrap_err().contains("clientInfo"));
    }
}
