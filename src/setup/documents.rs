//! Compares JSON documents of policies and patterns by what they mean, however they are written.

use std::collections::BTreeMap;

use serde_json::Value;

/// Lists the fields of a pattern that differ, in words.
pub(super) fn differing(should: &Value, is: &Value) -> String {
    let none = serde_json::Map::new();
    let fields = |of: &Value| of.as_object().unwrap_or(&none).clone();
    let (should, is) = (fields(should), fields(is));
    let told = should.keys().chain(is.keys().filter(|name| !should.contains_key(*name))).filter_map(|name| {
        match (should.get(name), is.get(name)) {
            (Some(should), Some(is)) if plain(should) == plain(is) => None,
            (Some(should), Some(is)) => Some(format!("{name} is {is}, not {should}")),
            (Some(should), None) => Some(format!("{name} is missing, and should be {should}")),
            (None, is) => Some(format!("{name} should be absent: {}", is.unwrap_or(&Value::Null))),
        }
    });
    told.collect::<Vec<_>>().join("; ")
}

/// Whether an attribute that is a JSON document means this, however it is written.
pub(super) fn says(attributes: &BTreeMap<String, String>, name: &str, should: &Value) -> bool {
    let document: Option<Value> = attributes.get(name).and_then(|text| serde_json::from_str(text).ok());
    document.is_some_and(|document| plain(&document) == plain(should))
}

/// Normalises a document. In policies and patterns the order of lists means nothing, nor whether a single value is in a list, nor
/// whether a number is text.
pub(super) fn plain(document: &Value) -> Value {
    match document {
        Value::Array(items) => {
            if let [one] = &items[..] {
                return plain(one);
            }
            let mut items: Vec<Value> = items.iter().map(plain).collect();
            items.sort_by_key(ToString::to_string);
            Value::Array(items)
        }
        Value::Object(members) => {
            Value::Object(members.iter().map(|(name, value)| (name.clone(), plain(value))).collect())
        }
        Value::Number(number) => Value::String(number.to_string()),
        other => other.clone(),
    }
}
