//! Reads the parts of a line that the relay decides by, and changes members of lines.

use rmcp::model::RequestId;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value, json};

/// The members of a message, in their order.
pub(super) type Members = Map<String, Value>;

/// What kind of message a line of the server is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum ServerLine {
    /// An answer to the request with this id; without one to a line that had none.
    Answer(Option<RequestId>),
    /// A request of the server.
    Request,
    /// A notification with this method.
    Notification(String),
    /// Anything else.
    Unknown,
}

impl ServerLine {
    /// Reads what kind of message a line is.
    pub(super) fn of(line: &[u8]) -> Self {
        #[derive(Deserialize)]
        struct LineHead {
            id: Option<RequestId>,
            method: Option<String>,
            result: Option<IgnoredAny>,
            error: Option<IgnoredAny>,
        }
        match serde_json::from_slice(line) {
            Ok(LineHead { id: Some(_), method: Some(_), .. }) => ServerLine::Request,
            Ok(LineHead { id: None, method: Some(method), .. }) => ServerLine::Notification(method),
            Ok(LineHead { id, method: None, result, error }) if result.is_some() || error.is_some() => {
                ServerLine::Answer(id)
            }
            Ok(_) | Err(_) => ServerLine::Unknown,
        }
    }
}

/// The members of the message in a line; none if it is no object.
pub(super) fn members(line: &[u8]) -> Members {
    match serde_json::from_slice(line) {
        Ok(Value::Object(members)) => members,
        Ok(_) | Err(_) => Members::new(),
    }
}

/// A message as a line.
pub(super) fn line(members: Members) -> Vec<u8> {
    format!("{}\n", Value::Object(members)).into_bytes()
}

/// The member `name` of the parameters of a message.
pub(super) fn parameter<'a>(message: &'a Members, name: &str) -> Option<&'a Value> {
    message.get("params")?.get(name)
}

/// An id in the member `name` of the parameters of a message.
pub(super) fn id_parameter(message: &Members, name: &str) -> Option<RequestId> {
    serde_json::from_value(parameter(message, name)?.clone()).ok()
}

/// The member `key` of the metadata of a message.
pub(super) fn meta<'a>(message: &'a Members, key: &str) -> Option<&'a Value> {
    parameter(message, "_meta")?.get(key)
}

/// Sets a member of the parameters of a message.
pub(super) fn set_parameter(message: &mut Members, name: &str, value: Value) {
    let mut params = taken(message, "params");
    params.insert(name.to_owned(), value);
    message.insert("params".to_owned(), Value::Object(params));
}

/// Sets a member of the metadata of a message.
pub(super) fn set_meta(message: &mut Members, key: &str, value: Value) {
    let mut params = taken(message, "params");
    let mut meta = taken(&mut params, "_meta");
    meta.insert(key.to_owned(), value);
    params.insert("_meta".to_owned(), Value::Object(meta));
    message.insert("params".to_owned(), Value::Object(params));
}

/// The line with a member of its metadata set.
pub(super) fn with_meta(bytes: &[u8], key: &str, value: Value) -> Vec<u8> {
    let mut message = members(bytes);
    set_meta(&mut message, key, value);
    line(message)
}

/// The notification that the request `id` is no longer wanted.
pub(super) fn cancelled(id: &RequestId, reason: &str) -> Vec<u8> {
    let id = id.clone().into_json_value();
    let params = json!({"requestId": id, "reason": reason});
    let message = json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params});
    format!("{message}\n").into_bytes()
}

/// Takes the object `name` out of another one; an empty one when there is none. The place among the members is kept.
fn taken(from: &mut Members, name: &str) -> Members {
    match from.get_mut(name).map(Value::take) {
        Some(Value::Object(members)) => members,
        _ => Members::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_told_by_its_members() {
        for (line, expected) in [
            (r#"{"id":1,"result":{}}"#, ServerLine::Answer(Some(RequestId::Number(1)))),
            (r#"{"id":"a","error":{}}"#, ServerLine::Answer(Some(RequestId::String("a".into())))),
            (r#"{"error":{}}"#, ServerLine::Answer(None)),
            (r#"{"id":1,"method":"ping"}"#, ServerLine::Request),
            (r#"{"method":"n","params":{"id":1}}"#, ServerLine::Notification("n".to_owned())),
            (r#"{"id":1}"#, ServerLine::Unknown),
            ("nonsense", ServerLine::Unknown),
        ] {
            assert_eq!(ServerLine::of(line.as_bytes()), expected, "{line}");
        }
    }

    #[test]
    fn metadata_is_added_beside_what_is_there() {
        let set = |text: &str| String::from_utf8(with_meta(text.as_bytes(), "k", json!(1))).unwrap();
        assert_eq!(
            set(r#"{"id":1,"params":{"_meta":{"a":2},"b":3}}"#),
            "{\"id\":1,\"params\":{\"_meta\":{\"a\":2,\"k\":1},\"b\":3}}\n"
        );
        assert_eq!(set(r#"{"params":null}"#), "{\"params\":{\"_meta\":{\"k\":1}}}\n");
        assert_eq!(set("{}"), "{\"params\":{\"_meta\":{\"k\":1}}}\n");
    }
}
