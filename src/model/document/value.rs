//! The values of a document, and its fields by name.

use std::borrow::Cow;
use std::fmt;

use serde::{Serialize, Serializer};

/// One value of a [`Document`](super::Document).
///
/// EC2 has no floats; a time is [`Value::Text`] as the AWS CLI prints it (`2026-11-22T12:55:10+00:00`).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Value {
    /// A field without a value.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Text, times and decimal numbers that AWS sends as text.
    Text(String),
    /// Values in canonical order: AWS promises no order, so lists are compared as multisets. The interface with device index 0 and
    /// the primary address come first; other lists are sorted by value.
    List(Vec<Value>),
    /// Fields by name.
    Map(Map),
}

impl Value {
    fn weight(&self) -> usize {
        match self {
            Value::Null | Value::Bool(_) | Value::Int(_) => size_of::<u64>(),
            Value::Text(text) => text.len(),
            Value::List(values) => values.iter().map(Value::weight).sum(),
            Value::Map(map) => map.weight(),
        }
    }
}

/// A field's name. Names that a mapping sets are static and cost no allocation.
pub type Name = Cow<'static, str>;

/// Fields by name, sorted, each name once.
///
/// A sorted vector: documents consist of many maps with few fields, for which tree nodes are mostly empty (600 bytes for a tag;
/// this takes 130).
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Map(Vec<(Name, Value)>);

impl Map {
    /// No fields.
    #[must_use]
    pub const fn new() -> Self {
        Map(Vec::new())
    }

    /// How many fields there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value of `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(self.place(name).ok()?).map(|(_, value)| value)
    }

    /// Whether there is a field of that name.
    #[must_use]
    pub fn contains_key(&self, name: &str) -> bool {
        self.place(name).is_ok()
    }

    /// Sets the value of `name` and returns its previous value.
    pub fn insert(&mut self, name: impl Into<Name>, value: Value) -> Option<Value> {
        let name = name.into();
        match self.place(&name) {
            Ok(place) => self.0.get_mut(place).map(|(_, old)| std::mem::replace(old, value)),
            Err(place) => {
                self.0.insert(place, (name, value));
                None
            }
        }
    }

    /// Removes the field `name` and returns its value.
    pub fn remove(&mut self, name: &str) -> Option<Value> {
        let place = self.place(name).ok()?;
        Some(self.0.remove(place).1)
    }

    /// The map in the field `name`. If the field is absent or no map, it becomes an empty map.
    pub fn map_mut(&mut self, name: &str) -> &mut Map {
        if !matches!(self.get(name), Some(Value::Map(_))) {
            self.insert(name.to_owned(), Value::Map(Map::new()));
        }
        let place = self.place(name).unwrap_or_default();
        match self.0.get_mut(place) {
            Some((_, Value::Map(map))) => map,
            // The field was made a map just above.
            _ => unreachable!("the field is a map"),
        }
    }

    /// About how many bytes it takes.
    pub(super) fn weight(&self) -> usize {
        self.0.iter().map(|(name, value)| name.as_ref().len() + value.weight()).sum()
    }

    /// All fields in name order.
    #[must_use]
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&Name, &Value)> {
        self.0.iter().map(|(name, value)| (name, value))
    }

    /// All names in order.
    #[must_use]
    pub fn keys(&self) -> impl ExactSizeIterator<Item = &Name> {
        self.0.iter().map(|(name, _)| name)
    }

    /// All fields in name order, with mutable values.
    pub fn iter_mut(&mut self) -> impl ExactSizeIterator<Item = (&str, &mut Value)> {
        self.0.iter_mut().map(|(name, value)| (&**name, value))
    }

    fn place(&self, name: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(candidate, _)| candidate.as_ref().cmp(name))
    }
}

impl<N: Into<Name>> FromIterator<(N, Value)> for Map {
    /// If a name occurs several times, the last value counts.
    fn from_iter<I: IntoIterator<Item = (N, Value)>>(fields: I) -> Self {
        let mut fields: Vec<(Name, Value)> = fields.into_iter().map(|(name, value)| (name.into(), value)).collect();
        if fields.is_sorted_by(|(a, _), (b, _)| a < b) {
            fields.shrink_to_fit();
            return Map(fields);
        }
        let mut map = Map(Vec::with_capacity(fields.len()));
        map.extend(fields);
        map
    }
}

impl<N: Into<Name>, const LEN: usize> From<[(N, Value); LEN]> for Map {
    fn from(fields: [(N, Value); LEN]) -> Self {
        fields.into_iter().collect()
    }
}

impl<N: Into<Name>> Extend<(N, Value)> for Map {
    fn extend<I: IntoIterator<Item = (N, Value)>>(&mut self, fields: I) {
        for (name, value) in fields {
            self.insert(name, value);
        }
    }
}

impl IntoIterator for Map {
    type Item = (Name, Value);
    type IntoIter = std::vec::IntoIter<(Name, Value)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl fmt::Debug for Map {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl Serialize for Map {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Value::Text(text)
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Value::Bool(flag)
    }
}

impl From<i32> for Value {
    fn from(number: i32) -> Self {
        Value::Int(i64::from(number))
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Value::Int(number)
    }
}

impl From<Map> for Value {
    fn from(map: Map) -> Self {
        Value::Map(map)
    }
}

impl<T: Into<Value>> From<Vec<T>> for Value {
    fn from(list: Vec<T>) -> Self {
        Value::List(list.into_iter().map(Into::into).collect())
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Value::Null => serializer.serialize_unit(),
            Value::Bool(flag) => serializer.serialize_bool(*flag),
            Value::Int(number) => serializer.serialize_i64(*number),
            Value::Text(text) => serializer.serialize_str(text),
            Value::List(list) => list.serialize(serializer),
            Value::Map(map) => map.serialize(serializer),
        }
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Null => f.write_str("null"),
            Value::Bool(flag) => write!(f, "{flag}"),
            Value::Int(number) => write!(f, "{number}"),
            Value::Text(text) => write!(f, "{text:?}"),
            Value::List(list) => f.debug_list().entries(list).finish(),
            Value::Map(map) => map.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_the_sorted_map_of_its_fields(
            fields in prop::collection::vec(("[a-d]{1,2}", any::<i64>()), 0..12),
            removed in "[a-d]{1,2}",
        ) {
            let mut model: BTreeMap<String, Value> =
                fields.iter().map(|(name, number)| (name.clone(), Value::Int(*number))).collect();
            let mut map: Map = fields.into_iter().map(|(name, number)| (name, Value::Int(number))).collect();
            prop_assert_eq!(map.remove(&removed), model.remove(&removed));
            prop_assert!(!map.contains_key(&removed));
            let shown: Vec<(String, Value)> = map.iter().map(|(name, value)| (name.to_string(), value.clone())).collect();
            prop_assert_eq!(shown, model.into_iter().collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_field_on_the_way_becomes_a_map() {
        let mut map = Map::from([("State", Value::Int(1))]);
        map.map_mut("State").insert("Name", "running".into());
        map.map_mut("Placement").insert("Tenancy", "default".into());
        assert_eq!(
            format!("{:?}", Value::Map(map)),
            r#"{"Placement": {"Tenancy": "default"}, "State": {"Name": "running"}}"#
        );
    }
}
