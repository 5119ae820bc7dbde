//! Checks the parameters of a request before rmcp reads them.
//!
//! rmcp passes parameters of another type on as a request of an unknown method, and ignores those of lists. Here they are refused
//! with the reason, except for what can be read without a guess: the arguments of a tool may be the JSON text of an object, which
//! some clients send, and a subscription may repeat URIs or name too many.

#[expect(deprecated, reason = "the older protocols have it")]
use rmcp::model::SetLevelRequestParams;
use rmcp::model::{
    CallToolRequestParams, CompleteRequestParams, GetPromptRequestParams, PaginatedRequestParams,
    ReadResourceRequestParams, SubscribeRequestParams, SubscriptionsListenRequestParams, UnsubscribeRequestParams,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::checked_json::{self, CheckedJson, DuplicateMember};
use super::subscription_filter::honoured;
use super::uri::Address;
use crate::model::text::shown;

/// How much of a message about parameters is shown.
const SHOWN: usize = 300;

/// Checks `params` of a method in the protocol of 2026-07-28 (`is_modern`) or an older one, and brings them into the form that rmcp
/// reads. Returns whether they had to be changed, or `None` for a method that the protocol does not have or that has no parameters
/// to check.
///
/// # Errors
/// What is wrong with them.
#[must_use]
#[expect(deprecated, reason = "the older protocols have logging/setLevel")]
pub fn fit(method: &str, is_modern: bool, params: &mut Value) -> Option<Result<bool, String>> {
    let checked = match method {
        "tools/list" | "resources/list" | "resources/templates/list" | "prompts/list" => page(params),
        "tools/call" => call(params),
        "resources/read" => typed::<ReadResourceRequestParams>(params),
        "prompts/get" => arguments(params).and_then(|()| typed::<GetPromptRequestParams>(params)),
        "completion/complete" => typed::<CompleteRequestParams>(params),
        "subscriptions/listen" if is_modern => listen(params),
        "resources/subscribe" if !is_modern => typed::<SubscribeRequestParams>(params),
        "resources/unsubscribe" if !is_modern => typed::<UnsubscribeRequestParams>(params),
        "logging/setLevel" if !is_modern => typed::<SetLevelRequestParams>(params),
        _ => return None,
    };
    Some(checked.map_err(|why| format!("the parameters of {method} cannot be read: {why}")))
}

fn page(params: &Value) -> Result<bool, String> {
    let cursor = params.get("cursor");
    if cursor.is_some_and(|cursor| !cursor.is_string() && !cursor.is_null()) {
        return Err("params.cursor must be a string: the nextCursor of the previous page".to_owned());
    }
    if params.is_null() { Ok(false) } else { typed::<PaginatedRequestParams>(params) }
}

fn call(params: &mut Value) -> Result<bool, String> {
    let mut is_changed = false;
    if let Some(slot) = params.get_mut("arguments")
        && let Some(text) = slot.as_str()
        && let Ok(CheckedJson { value: object @ Value::Object(_), twice }) = checked_json::read(text.as_bytes())
    {
        if let Some(DuplicateMember { member, .. }) = twice {
            return Err(format!("the argument `{}` is given twice", shown(&member, 80)));
        }
        *slot = object;
        is_changed = true;
    }
    arguments(params)?;
    typed::<CallToolRequestParams>(params)?;
    Ok(is_changed)
}

/// What a subscription can ask for.
const NOTIFICATIONS: [&str; 4] =
    ["toolsListChanged", "promptsListChanged", "resourcesListChanged", "resourceSubscriptions"];

fn listen(params: &mut Value) -> Result<bool, String> {
    // rmcp reads a list as the members of an object in their order.
    if let Some(wrong) = params.get("notifications").filter(|notifications| !notifications.is_object()) {
        return Err(format!("`notifications` must be a JSON object, not {}", shown(&wrong.to_string(), 80)));
    }
    typed::<SubscriptionsListenRequestParams>(params)?;
    let asked: Vec<&String> =
        params.get("notifications").and_then(Value::as_object).into_iter().flat_map(|asked| asked.keys()).collect();
    if !asked.is_empty() && !asked.iter().any(|name| NOTIFICATIONS.contains(&name.as_str())) {
        let asked = asked.iter().map(|name| shown(name, 80)).collect::<Vec<_>>().join(", ");
        return Err(format!("`notifications` asks only for {asked}, and can ask for {}", NOTIFICATIONS.join(", ")));
    }
    let is_all = asked.iter().all(|name| *name == "resourceSubscriptions");
    let Some(slot) = params.pointer_mut("/notifications/resourceSubscriptions") else { return Ok(false) };
    let Ok(requested) = Vec::<String>::deserialize(&*slot) else { return Ok(false) };
    let honoured = honoured(&requested);
    if let Some(first) = requested.first().filter(|_| honoured.is_empty() && is_all) {
        let why = Address::parse(first).err().map(|error| format!(": {error}")).unwrap_or_default();
        return Err(format!(
            "no URI of `resourceSubscriptions` can be subscribed to, such as {}{why}",
            shown(first, 80)
        ));
    }
    let is_changed = honoured.len() != requested.len();
    if is_changed {
        *slot = json!(honoured);
    }
    Ok(is_changed)
}

/// Refuses `arguments` that are not an object.
fn arguments(params: &Value) -> Result<(), String> {
    match params.get("arguments").filter(|arguments| !arguments.is_object() && !arguments.is_null()) {
        None => Ok(()),
        Some(wrong) => Err(format!("`arguments` must be a JSON object, not {}", shown(&wrong.to_string(), 80))),
    }
}

/// Refuses parameters that are not of the type `T`. Missing ones are an empty object.
fn typed<'a, T: Deserialize<'a>>(params: &'a Value) -> Result<bool, String> {
    static EMPTY: std::sync::LazyLock<Value> = std::sync::LazyLock::new(|| json!({}));
    let params = if params.is_null() { &*EMPTY } else { params };
    T::deserialize(params).map(|_| false).map_err(|error| shown(&error.to_string(), SHOWN))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mcp::subscription_filter::MAX_URIS;

    fn refusal(method: &str, mut params: Value) -> String {
        fit(method, false, &mut params).expect("a known method").unwrap_err()
    }

    #[test]
    fn arguments_of_a_tool_are_an_object_or_the_json_text_of_one() {
        let call = |arguments: Value| {
            let mut params = json!({"name": "t", "arguments": arguments});
            fit("tools/call", true, &mut params).unwrap().map(|is_changed| (is_changed, params["arguments"].take()))
        };
        for text in [r#"{"limit": 5}"#, " {\"limit\":5}\n"] {
            assert_eq!(call(json!(text)), Ok((true, json!({"limit": 5}))), "{text}");
        }
        assert_eq!(call(json!({"a": [1]})), Ok((false, json!({"a": [1]}))));
        assert_eq!(call(Value::Null), Ok((false, Value::Null)));
        let said = call(json!(r#"{"dry_run": true, "dry_run": false}"#)).unwrap_err();
        assert!(said.contains("`dry_run` is given twice"), "{said}");
        for wrong in [json!("limit=5"), json!("[1]"), json!(""), json!([]), json!([{}]), json!(5), json!(true)] {
            let said = call(wrong.clone()).unwrap_err();
            assert!(said.contains("`arguments` must be a JSON object"), "{wrong}: {said}");
        }
    }

    #[test]
    fn parameters_of_another_type_are_named_for_every_method_that_is_served() {
        for method in ["tools/list", "resources/list", "resources/templates/list", "prompts/list"] {
            let said = refusal(method, json!({"cursor": 7}));
            assert!(said.contains(method) && said.contains("string"), "{said}");
            for mut fitting in [Value::Null, json!({}), json!({"cursor": null}), json!({"cursor": "x"})] {
                assert_eq!(fit(method, true, &mut fitting), Some(Ok(false)), "{method} {fitting}");
            }
        }
        for method in ["resources/read", "resources/subscribe", "resources/unsubscribe"] {
            assert!(refusal(method, json!({"uri": 7})).contains(method));
            assert!(refusal(method, json!({})).contains("uri"));
            assert!(refusal(method, Value::Null).contains("uri"));
        }
        assert!(refusal("prompts/get", json!({"name": "p", "arguments": "tag=1"})).contains("`arguments` must be"));
        assert!(refusal("completion/complete", json!({"ref": 1})).contains("completion/complete"));
        let argument = json!({"name": "a", "value": ""});
        let said = refusal("completion/complete", json!({"ref": {"type": "ref/tool"}, "argument": argument}));
        assert!(said.contains("ref/tool") && said.contains("ref/prompt"), "{said}");
        assert!(refusal("tools/call", json!({"arguments": {}})).contains("name"));
        assert!(refusal("logging/setLevel", json!({"level": "loud"})).contains("loud"));
        assert!(fit("nonsense", false, &mut json!({})).is_none());
    }

    #[test]
    fn a_method_that_the_protocol_does_not_have_has_no_parameters_to_check() {
        for method in ["resources/subscribe", "resources/unsubscribe", "logging/setLevel"] {
            assert!(fit(method, true, &mut json!({})).is_none(), "{method}");
        }
        assert!(fit("subscriptions/listen", false, &mut json!({})).is_none());
        let wrong = fit("subscriptions/listen", true, &mut json!({"notifications": {"resourceSubscriptions": "x"}}));
        assert!(wrong.unwrap().unwrap_err().contains("subscriptions/listen"));
    }

    #[test]
    fn a_subscription_that_nothing_could_ever_be_sent_on_is_refused() {
        let listen = |notifications: Value| {
            let mut params = json!({"notifications": notifications});
            fit("subscriptions/listen", true, &mut params).unwrap()
        };
        for (wrong, said) in [
            (json!([]), "must be a JSON object, not []"),
            (json!([null, null, true]), "must be a JSON object"),
            (json!("all"), "must be a JSON object"),
            (json!({"resourcesUpdated": true}), "asks only for resourcesUpdated, and can ask for toolsListChanged"),
            (
                json!({"resourceSubscriptions": ["ec2://bad", "x"]}),
                "no URI of `resourceSubscriptions` can be subscribed to",
            ),
            (json!({"resourceSubscriptions": [5]}), "cannot be read"),
        ] {
            let told = listen(wrong.clone()).unwrap_err();
            assert!(told.contains(said) && told.contains("subscriptions/listen"), "{wrong}: {told}");
        }
        for fine in [
            json!({}),
            json!({"toolsListChanged": true}),
            json!({"resourceSubscriptions": []}),
            json!({"resourceSubscriptions": ["ec2://bad"], "resourcesListChanged": true}),
            json!({"resourceSubscriptions": ["ec2://vpc/vpc-1"], "later": 1}),
        ] {
            assert!(listen(fine.clone()).is_ok(), "{fine}");
        }
    }

    #[test]
    fn a_subscription_names_each_uri_once_and_no_more_than_are_honoured() {
        let mut uris: Vec<String> = (0..3000).map(|n| format!("ec2://vpc/vpc-{}", n / 2)).collect();
        uris.insert(0, "ec2://bad".to_owned());
        let mut params = json!({"notifications": {"resourceSubscriptions": uris}, "x": 1});
        assert_eq!(fit("subscriptions/listen", true, &mut params), Some(Ok(true)));
        let kept = params["notifications"]["resourceSubscriptions"].as_array().unwrap();
        assert_eq!((kept.len(), &kept[1], &params["x"]), (MAX_URIS, &json!("ec2://vpc/vpc-1"), &json!(1)));
        let before = params.clone();
        assert_eq!(fit("subscriptions/listen", true, &mut params), Some(Ok(false)));
        assert_eq!(params, before);
    }
}
