//! A resource as AWS describes it: an ordered, self-describing tree.

use std::fmt;
use std::sync::Arc;

use serde::{Serialize, Serializer};
use xxhash_rust::xxh3::xxh3_128;

pub use listener::DocumentListener;
pub use value::{Map, Name, Value};

mod listener;
mod order;
mod value;

/// A part of a document that is observed on its own and has its own time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Group {
    /// `State`, `StateReason` and `StateTransitionReason`.
    State,
    /// `Tags`.
    Tags,
    /// Everything else.
    Rest,
}

/// One field that differs between two documents.
///
/// `path` joins field names with dots (`State.Name`). A change inside a list shows the whole list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// The field names, joined with dots.
    pub path: String,
    /// The value before; `None` when the field was absent.
    pub before: Option<Value>,
    /// The value after; `None` when the field is gone.
    pub after: Option<Value>,
}

impl Group {
    /// Every group, in storage order.
    pub const ALL: [Group; 3] = [Group::State, Group::Tags, Group::Rest];

    /// The group that a top-level field, or a dotted path under it, belongs to.
    #[must_use]
    pub fn of(path: &str) -> Group {
        match path.split('.').next().unwrap_or(path) {
            "State" | "StateReason" | "StateTransitionReason" => Group::State,
            "Tags" => Group::Tags,
            _ => Group::Rest,
        }
    }
}

impl Change {
    /// The group this change belongs to.
    #[must_use]
    pub fn group(&self) -> Group {
        Group::of(&self.path)
    }
}

/// A resource with the field names of the AWS CLI's JSON.
///
/// Documents are canonical: fields are sorted by name; list elements by meaning (interfaces by device index, the primary address
/// first) or else by value. Equal resources therefore have equal bytes. Clones share the fields until one of them changes.
///
/// A new sorting rule raises the mapping version of the kinds it affects: stored resources are described once more, and no change
/// is reported.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Document(Arc<Map>);

impl Document {
    /// The document of these fields, with every list brought into canonical order.
    #[must_use]
    pub fn new(mut fields: Map) -> Self {
        canonicalize_map(&mut fields);
        Document(Arc::new(fields))
    }

    /// All fields.
    #[must_use]
    pub fn fields(&self) -> &Map {
        &self.0
    }

    /// The value at a dotted path through maps; `None` when a step is absent or not a map.
    #[must_use]
    pub fn get(&self, path: &str) -> Option<&Value> {
        let mut steps = path.split('.');
        let mut value = self.0.get(steps.next()?)?;
        for step in steps {
            let Value::Map(map) = value else { return None };
            value = map.get(step)?;
        }
        Some(value)
    }

    /// The text at a dotted path; `None` when absent or not text.
    #[must_use]
    pub fn text(&self, path: &str) -> Option<&str> {
        match self.get(path)? {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Every scalar at a dotted path as text, through all elements of lists on the way (`SecurityGroups.GroupId`). Numbers and
    /// booleans are spelled as in AWS's filters.
    #[must_use]
    pub fn scalars(&self, path: &str) -> Vec<String> {
        let mut found = Vec::new();
        let (first, rest) = path.split_once('.').map_or((path, None), |(first, rest)| (first, Some(rest)));
        if let Some(value) = self.0.get(first) {
            gather(value, rest, &mut found);
        }
        found
    }

    /// The tags as (key, value), in key order. A missing value reads as empty text.
    pub fn tags(&self) -> impl Iterator<Item = (&str, &str)> {
        let list = match self.0.get("Tags") {
            Some(Value::List(list)) => list.as_slice(),
            _ => &[],
        };
        list.iter().filter_map(|tag| match tag {
            Value::Map(tag) => match (tag.get("Key"), tag.get("Value")) {
                (Some(Value::Text(key)), Some(Value::Text(value))) => Some((key.as_str(), value.as_str())),
                (Some(Value::Text(key)), _) => Some((key.as_str(), "")),
                _ => None,
            },
            _ => None,
        })
    }

    /// The value of the tag `key`.
    #[must_use]
    pub fn tag(&self, key: &str) -> Option<&str> {
        self.tags().find(|(candidate, _)| *candidate == key).map(|(_, value)| value)
    }

    /// The changes that turn `self` into `next`, in path order.
    #[must_use]
    pub fn changes_to(&self, next: &Document) -> Vec<Change> {
        let mut changes = Vec::new();
        diff_maps("", &self.0, &next.0, &mut changes);
        changes
    }

    /// Applies changes made by [`Document::changes_to`]. Missing maps on the path are created.
    pub fn apply(&mut self, changes: &[Change]) {
        for change in changes {
            let mut after = change.after.clone();
            // The log may hold a list that an older rule sorted.
            if let Some(after) = &mut after {
                canonicalize(change.path.rsplit('.').next().unwrap_or(&change.path), after);
            }
            set(Arc::make_mut(&mut self.0), &change.path, after.as_ref());
        }
    }

    /// A copy with the groups that `takes` accepts from `other`, and the rest from `self`.
    #[must_use]
    pub fn merged(&self, other: &Document, takes: impl Fn(Group) -> bool) -> Document {
        let mine = self.0.iter().filter(|(name, _)| !takes(Group::of(name)));
        let theirs = other.0.iter().filter(|(name, _)| takes(Group::of(name)));
        Document(Arc::new(mine.chain(theirs).map(|(name, value)| (name.clone(), value.clone())).collect()))
    }

    /// About how many bytes it takes.
    #[must_use]
    pub fn weight(&self) -> usize {
        self.0.weight()
    }

    /// The [`Document::digest`] combined with the mapping version. An equal body under another mapping has another fingerprint, so
    /// the resource is described once more and the new version recorded.
    #[must_use]
    pub fn fingerprint(&self, mapping: u16) -> u128 {
        self.digest() ^ (u128::from(mapping) << 112)
    }

    /// A 128-bit digest of the canonical bytes: equal for equal documents, and practically never equal for different ones.
    #[must_use]
    pub fn digest(&self) -> u128 {
        let mut bytes = Vec::with_capacity(4096);
        feed_map(&self.0, &mut bytes);
        xxh3_128(&bytes)
    }
}

/// Brings the value of the field `name` into canonical order.
fn canonicalize(name: &str, value: &mut Value) {
    match value {
        Value::List(list) => {
            for element in list.iter_mut() {
                canonicalize(name, element);
            }
            order::sort(name, list);
        }
        Value::Map(map) => canonicalize_map(map),
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Text(_) => {}
    }
}

fn canonicalize_map(map: &mut Map) {
    map.iter_mut().for_each(|(name, value)| canonicalize(name, value));
}

fn gather(value: &Value, path: Option<&str>, found: &mut Vec<String>) {
    match (value, path) {
        (Value::List(list), _) => list.iter().for_each(|element| gather(element, path, found)),
        (Value::Map(map), Some(path)) => {
            let (first, rest) = path.split_once('.').map_or((path, None), |(first, rest)| (first, Some(rest)));
            if let Some(value) = map.get(first) {
                gather(value, rest, found);
            }
        }
        (Value::Text(text), None) => found.push(text.clone()),
        (Value::Int(number), None) => found.push(number.to_string()),
        (Value::Bool(flag), None) => found.push(flag.to_string()),
        _ => {}
    }
}

fn diff_maps(prefix: &str, before: &Map, after: &Map, changes: &mut Vec<Change>) {
    let names: std::collections::BTreeSet<&str> = before.keys().chain(after.keys()).map(AsRef::as_ref).collect();
    for name in names {
        let path = if prefix.is_empty() { name.to_owned() } else { format!("{prefix}.{name}") };
        match (before.get(name), after.get(name)) {
            (Some(a), Some(b)) if a == b => {}
            (Some(Value::Map(a)), Some(Value::Map(b))) => diff_maps(&path, a, b, changes),
            (a, b) => changes.push(Change { path, before: a.cloned(), after: b.cloned() }),
        }
    }
}

fn set(map: &mut Map, path: &str, value: Option<&Value>) {
    match (path.split_once('.'), value) {
        (None, Some(value)) => drop(map.insert(path.to_owned(), value.clone())),
        (None, None) => drop(map.remove(path)),
        (Some((first, _)), None) if !map.contains_key(first) => {}
        (Some((first, rest)), value) => set(map.map_mut(first), rest, value),
    }
}

/// Appends an unambiguous encoding: a type byte, then fixed-width lengths, so no two documents share their bytes.
fn feed(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.push(0),
        Value::Bool(flag) => out.extend([1, u8::from(*flag)]),
        Value::Int(number) => {
            out.push(2);
            out.extend(number.to_le_bytes());
        }
        Value::Text(text) => {
            out.push(3);
            feed_text(text, out);
        }
        Value::List(list) => {
            out.push(4);
            out.extend((list.len() as u64).to_le_bytes());
            for element in list {
                feed(element, out);
            }
        }
        Value::Map(map) => {
            out.push(5);
            feed_map(map, out);
        }
    }
}

fn feed_map(map: &Map, out: &mut Vec<u8>) {
    out.extend((map.len() as u64).to_le_bytes());
    for (name, value) in map.iter() {
        feed_text(name, out);
        feed(value, out);
    }
}

fn feed_text(text: &str, out: &mut Vec<u8>) {
    out.extend((text.len() as u64).to_le_bytes());
    out.extend(text.as_bytes());
}

impl Serialize for Document {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests;
