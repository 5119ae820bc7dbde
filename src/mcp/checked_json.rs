//! Reads JSON and reports members that an object has twice.
//!
//! Readers of JSON differ in which of the two they take, so such an object has no single meaning: a `dry_run` that is first true
//! and then false must not count as either.

use std::cell::RefCell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// A JSON text that was read.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckedJson {
    /// The value. It has the first of two members of the same name.
    pub value: Value,
    /// The first member that its object has twice.
    pub twice: Option<DuplicateMember>,
}

/// A member that its object has twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DuplicateMember {
    /// Its name.
    pub member: String,
    /// Whether its object is the outermost one.
    pub outermost: bool,
}

/// Reads one JSON value.
///
/// # Errors
/// When `text` is not JSON, or holds more than one value.
pub fn read(text: &[u8]) -> Result<CheckedJson, serde_json::Error> {
    let twice = RefCell::new(None);
    let mut reader = serde_json::Deserializer::from_slice(text);
    let value = ValueReader { twice: &twice, depth: 0 }.deserialize(&mut reader)?;
    reader.end()?;
    Ok(CheckedJson { value, twice: twice.into_inner() })
}

/// The value of a text of JSON that has a single meaning; `None` for any other text.
#[must_use]
pub fn value(text: &str) -> Option<Value> {
    let CheckedJson { value, twice } = read(text.as_bytes()).ok()?;
    twice.is_none().then_some(value)
}

/// Reads the value at `depth`.
#[derive(Clone, Copy)]
struct ValueReader<'a> {
    twice: &'a RefCell<Option<DuplicateMember>>,
    depth: usize,
}

impl ValueReader<'_> {
    fn inner(self) -> Self {
        ValueReader { depth: self.depth + 1, ..self }
    }
}

impl<'de> DeserializeSeed<'de> for ValueReader<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ValueReader<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(element) = elements.next_element_seed(self.inner())? {
            list.push(element);
        }
        Ok(list.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(member) = members.next_key::<String>()? {
            let value = members.next_value_seed(self.inner())?;
            if map.contains_key(&member) {
                self.twice.borrow_mut().get_or_insert(DuplicateMember { member, outermost: self.depth == 0 });
            } else {
                map.insert(member, value);
            }
        }
        Ok(map.into())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_member_that_stands_twice_is_named_wherever_it_is() {
        let twice = |text: &str| read(text.as_bytes()).unwrap().twice;
        let found = |member: &str, outermost| Some(DuplicateMember { member: member.to_owned(), outermost });
        assert_eq!(twice(r#"{"a": 1, "a": 1}"#), found("a", true));
        assert_eq!(twice(r#"{"p": {"dry_run": true, "dry_run": false}}"#), found("dry_run", false));
        assert_eq!(twice(r#"[{"a": [{"b": 1, "b": 2}]}]"#), found("b", false));
        assert_eq!(twice(r#"{"a": {"b": 1}, "b": {"a": 1}}"#), None);
        assert_eq!(value(r#"{"a": {"b": 1, "\u0062": 2}}"#), None, "the same name, written in another way");
        assert!(value("{} {}").is_none() && value("{").is_none());
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            (-1e9_f64..1e9).prop_map(Value::from),
            ".{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::btree_map(".{0,4}", inner, 0..6)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_has_a_single_meaning_reads_as_serde_json_reads_it(json in any_json()) {
            let text = json.to_string();
            let read = value(&text);
            prop_assert_eq!(read, serde_json::from_str(&text).ok());
        }
    }
}
