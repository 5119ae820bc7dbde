//! The most frequent requests, read without building a tree: `resources/read` and `resources/list`.
//!
//! Two of them are alike when they differ only in their id and in the URI or the cursor. What they have in common is kept as bytes,
//! so that it can be compared.

use std::fmt;

use rmcp::model::RequestId;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PlainQuestion<'a> {
    /// The resource of this URI.
    Read(&'a str),
    /// The page of the list at this cursor, or the first.
    List(Option<&'a str>),
}

/// A request that can be compared with others.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct PlainRequest<'a> {
    /// Its id.
    pub(super) id: RequestId,
    /// What it asks for.
    pub(super) question: PlainQuestion<'a>,
    /// Everything else in it, unambiguously and in its order.
    pub(super) rest: Vec<u8>,
}

impl<'a> PlainRequest<'a> {
    /// Reads a message; `None` for any other message, and for one that is written in an unusual way.
    pub(super) fn read(message: &'a [u8]) -> Option<Self> {
        let mut reader = serde_json::Deserializer::from_slice(message);
        let mut parts = MessageParts::default();
        MessageReader(&mut parts).deserialize(&mut reader).ok()?;
        reader.end().ok()?;
        let MessageParts { id, method, uri, cursor, rest } = parts;
        let question = match (method?, uri, cursor) {
            ("resources/read", Some(uri), None) => PlainQuestion::Read(uri),
            ("resources/list", None, None) => PlainQuestion::List(None),
            ("resources/list", None, Some(cursor)) if !cursor.trim().is_empty() => PlainQuestion::List(Some(cursor)),
            _ => return None,
        };
        Some(PlainRequest { id: id?, question, rest })
    }
}

/// The parts of a message as they are read.
#[derive(Default)]
struct MessageParts<'a> {
    id: Option<RequestId>,
    method: Option<&'a str>,
    uri: Option<&'a str>,
    cursor: Option<&'a str>,
    rest: Vec<u8>,
}

/// Reads the outermost object.
struct MessageReader<'p, 'a>(&'p mut MessageParts<'a>);

/// Reads the parameters.
struct ParamsReader<'p, 'a>(&'p mut MessageParts<'a>);

/// Reads an id.
struct RequestIdReader;

/// Reads any value into bytes.
struct RestReader<'p>(&'p mut Vec<u8>);

impl<'de> DeserializeSeed<'de> for MessageReader<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for MessageReader<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a message")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let parts = self.0;
        while let Some(name) = members.next_key::<&'de str>()? {
            put_text(&mut parts.rest, name);
            match name {
                "id" => parts.id = Some(members.next_value_seed(RequestIdReader)?),
                "method" => {
                    let method = members.next_value::<&'de str>()?;
                    put_text(&mut parts.rest, method);
                    parts.method = Some(method);
                }
                "params" => members.next_value_seed(ParamsReader(parts))?,
                _ => members.next_value_seed(RestReader(&mut parts.rest))?,
            }
        }
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for ParamsReader<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for ParamsReader<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("parameters")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let parts = self.0;
        parts.rest.push(b'{');
        while let Some(name) = members.next_key::<&'de str>()? {
            put_text(&mut parts.rest, name);
            match name {
                "uri" => parts.uri = Some(members.next_value()?),
                "cursor" => parts.cursor = Some(members.next_value()?),
                _ => members.next_value_seed(RestReader(&mut parts.rest))?,
            }
        }
        parts.rest.push(b'}');
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for RequestIdReader {
    type Value = RequestId;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<RequestId, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Visitor<'_> for RequestIdReader {
    type Value = RequestId;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text or a whole number")
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<RequestId, E> {
        Ok(RequestId::Number(number))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<RequestId, E> {
        i64::try_from(number).map(RequestId::Number).map_err(E::custom)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<RequestId, E> {
        Ok(RequestId::String(text.into()))
    }
}

impl<'de> DeserializeSeed<'de> for RestReader<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for RestReader<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.0.push(b'n');
        Ok(())
    }

    fn visit_bool<E: Error>(self, flag: bool) -> Result<(), E> {
        self.0.push(if flag { b't' } else { b'f' });
        Ok(())
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<(), E> {
        self.0.push(b'i');
        self.0.extend_from_slice(&number.to_le_bytes());
        Ok(())
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<(), E> {
        self.0.push(b'u');
        self.0.extend_from_slice(&number.to_le_bytes());
        Ok(())
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<(), E> {
        self.0.push(b'd');
        self.0.extend_from_slice(&number.to_bits().to_le_bytes());
        Ok(())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        put_text(self.0, text);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        self.0.push(b'[');
        while elements.next_element_seed(RestReader(&mut *self.0))?.is_some() {}
        self.0.push(b']');
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        self.0.push(b'{');
        while let Some(name) = members.next_key::<&'de str>()? {
            put_text(self.0, name);
            members.next_value_seed(RestReader(&mut *self.0))?;
        }
        self.0.push(b'}');
        Ok(())
    }
}

/// Appends a text, so that its end can be told whatever follows.
pub(super) fn put_text(bytes: &mut Vec<u8>, text: &str) {
    put(bytes, text.as_bytes());
}

/// The same for bytes.
pub(super) fn put(bytes: &mut Vec<u8>, more: &[u8]) {
    bytes.push(b's');
    bytes.extend_from_slice(&u64::try_from(more.len()).unwrap_or(u64::MAX).to_le_bytes());
    bytes.extend_from_slice(more);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<PlainRequest<'_>> {
        PlainRequest::read(text.as_bytes())
    }

    #[test]
    fn reads_and_lists_are_told_apart_from_everything_else() {
        let question = |text| read(text).map(|request| request.question);
        let one = r#"{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"ec2://vpc/v","_meta":{"a":[1,null]}}}"#;
        assert_eq!(question(one), Some(PlainQuestion::Read("ec2://vpc/v")));
        assert_eq!(question(r#"{"id":1,"method":"resources/list"}"#), Some(PlainQuestion::List(None)));
        let page = r#"{"id":1,"method":"resources/list","params":{"cursor":"c"}}"#;
        assert_eq!(question(page), Some(PlainQuestion::List(Some("c"))));
        for other in [
            r#"{"id":1,"method":"tools/list"}"#,
            r#"{"id":1,"method":"resources/list","params":{"cursor":" "}}"#,
            r#"{"id":1,"method":"resources/list","params":{"cursor":null}}"#,
            r#"{"id":1,"method":"resources/list","params":{"uri":"x"}}"#,
            r#"{"id":1,"method":"resources/read","params":{"uri":5}}"#,
            r#"{"id":1,"method":"resources/read","params":{"uri":"x","cursor":"y"}}"#,
            r#"{"id":null,"method":"resources/read","params":{"uri":"x"}}"#,
            r#"{"id":1.5,"method":"resources/read","params":{"uri":"x"}}"#,
            r#"{"method":"resources/read","params":{"uri":"x"}}"#,
            r#"{"id":1,"method":"resources/read","params":{"uri":"\u0078"}}"#,
            r#"{"id":1,"method":"resources/read","params":["x"]}"#,
            r#"{"id":1,"method":"resources/read","params":{"uri":"x"}} {}"#,
            "[]",
            "",
        ] {
            assert_eq!(read(other), None, "{other}");
        }
    }

    #[test]
    fn requests_are_alike_only_when_they_differ_in_nothing_but_id_and_uri() {
        let rest = |text| read(text).map(|request| request.rest);
        let one = rest(r#"{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"a","_meta":{"k":"v"}}}"#);
        assert!(one.is_some());
        let alike = r#"{"jsonrpc":"2.0", "id":"x", "method":"resources/read", "params":{"uri":"b","_meta":{"k":"v"}}}"#;
        assert_eq!(rest(alike), one);
        for other in [
            r#"{"jsonrpc":"2.1","id":1,"method":"resources/read","params":{"uri":"a","_meta":{"k":"v"}}}"#,
            r#"{"id":1,"jsonrpc":"2.0","method":"resources/read","params":{"uri":"a","_meta":{"k":"v"}}}"#,
            r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"resources/read","params":{"uri":"a","_meta":{"k":"v"}}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"a","uri":"b","_meta":{"k":"v"}}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"a","_meta":{"k":"v","k":"v"}}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"a","_meta":{"k":"w"}}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"a","_meta":{"k":["v"]}}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"a","_meta":{},"k":"v"}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"a","_meta":{"k":"v"}},"x":1}"#,
        ] {
            assert_ne!(rest(other), one, "{other}");
        }
    }
}
