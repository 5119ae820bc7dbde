//! What differs between two values of a field, element by element.
//!
//! A [`Change`] in the log holds the whole list before and after. Readers want to know which element was added, removed or changed.
//! Elements of lists that AWS keys (tags by key, block devices by name, rules by protocol, ports and source) are compared by key,
//! elements of other lists as multisets, since AWS promises no order.
//!
//! The differences are complete: applied to the value before, they give the value after.

use std::collections::BTreeMap;

use super::document::{Change, Map, Value};

mod key;
mod rules;

/// A structure that appears or disappears is shown as one value when its JSON has at most this many bytes.
const WHOLE: usize = 300;

/// A step from a field to a value inside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathStep {
    /// Into the field of this name.
    Field(String),
    /// To the element of a list that has this key.
    Element(String),
    /// To an element of a list without keys.
    Item,
}

/// One value that differs, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The path to the value.
    pub steps: Vec<PathStep>,
    /// The value before; `None` when there was none.
    pub before: Option<Value>,
    /// The value after; `None` when there is none any more.
    pub after: Option<Value>,
}

/// What is different, for counting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sort {
    /// A tag.
    Tag,
    /// A rule of a security group.
    Rule,
    /// Another element of a list, as a whole.
    Element,
    /// Anything else.
    Field,
}

/// All differences of a changed field, in order: first what was removed from a list, then what was added to it.
///
/// Empty only when nothing but the order of elements differs.
#[must_use]
pub fn differences(change: &Change) -> Vec<Difference> {
    let steps: Vec<PathStep> = change.path.split('.').map(|name| PathStep::Field(name.to_owned())).collect();
    let mut found = Vec::new();
    compare(&steps, change.before.as_ref(), change.after.as_ref(), &mut found);
    found
}

impl Difference {
    /// The path: field names joined with dots, with keys in brackets, such as `Tags[Name]`.
    #[must_use]
    pub fn path(&self) -> String {
        let mut path = String::new();
        for step in &self.steps {
            match step {
                PathStep::Field(name) if path.is_empty() => path.push_str(name),
                PathStep::Field(name) => {
                    path.push('.');
                    path.push_str(name);
                }
                PathStep::Element(key) => {
                    path.push('[');
                    path.push_str(key);
                    path.push(']');
                }
                PathStep::Item => {}
            }
        }
        path
    }

    /// The list that gained or lost a whole element, with the element's key if it has one; `None` when a value inside it differs.
    #[must_use]
    pub fn element(&self) -> Option<(String, Option<&str>)> {
        let (step, above) = self.steps.split_last()?;
        let path = || Difference { steps: above.to_vec(), before: None, after: None }.path();
        match step {
            PathStep::Field(_) => None,
            PathStep::Item => Some((path(), None)),
            // A tag is a name and a value.
            PathStep::Element(_) if self.sort() == Sort::Tag => None,
            PathStep::Element(key) => Some((path(), Some(key))),
        }
    }

    /// What is different: a tag, a rule, another list element or a field.
    #[must_use]
    pub fn sort(&self) -> Sort {
        match (self.steps.first(), self.steps.get(1), self.steps.last()) {
            (Some(PathStep::Field(list)), Some(PathStep::Element(_)), _) if key::is_tags(list) => Sort::Tag,
            (Some(PathStep::Field(list)), Some(PathStep::Element(_) | PathStep::Item), _) if rules::is_rules(list) => {
                Sort::Rule
            }
            (.., Some(PathStep::Element(_) | PathStep::Item)) => Sort::Element,
            _ => Sort::Field,
        }
    }
}

/// Counts differences by sort, in words: `3 tags, 1 field`.
#[must_use]
pub fn counted<'a>(differences: impl IntoIterator<Item = &'a Difference>) -> String {
    let mut counts: BTreeMap<Sort, usize> = BTreeMap::new();
    for difference in differences {
        *counts.entry(difference.sort()).or_default() += 1;
    }
    let words = counts.into_iter().map(|(sort, count)| {
        let noun = match sort {
            Sort::Tag => "tag",
            Sort::Rule => "rule",
            Sort::Element => "list element",
            Sort::Field => "field",
        };
        format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
    });
    words.collect::<Vec<_>>().join(", ")
}

fn compare(at: &[PathStep], before: Option<&Value>, after: Option<&Value>, found: &mut Vec<Difference>) {
    let nothing = Map::new();
    match (before, after) {
        (before, after) if before == after => {}
        (Some(Value::Map(before)), Some(Value::Map(after))) => maps(at, before, after, found),
        (None, Some(Value::Map(after))) if is_large(after) => maps(at, &nothing, after, found),
        (Some(Value::Map(before)), None) if is_large(before) => maps(at, before, &nothing, found),
        (Some(Value::List(before)), Some(Value::List(after))) => lists(at, before, after, found),
        (None, Some(Value::List(after))) if !after.is_empty() => lists(at, &[], after, found),
        (Some(Value::List(before)), None) if !before.is_empty() => lists(at, before, &[], found),
        (before, after) => {
            found.push(Difference { steps: at.to_vec(), before: before.cloned(), after: after.cloned() });
        }
    }
}

fn is_large(map: &Map) -> bool {
    serde_json::to_string(map).is_ok_and(|json| json.len() > WHOLE)
}

fn maps(at: &[PathStep], before: &Map, after: &Map, found: &mut Vec<Difference>) {
    let gone = before.keys().filter(|name| !after.contains_key(name));
    for name in gone.chain(after.keys()) {
        compare(&below(at, PathStep::Field(name.to_string())), before.get(name), after.get(name), found);
    }
}

fn lists(at: &[PathStep], before: &[Value], after: &[Value], found: &mut Vec<Difference>) {
    let name = match at.last() {
        Some(PathStep::Field(name)) => name.as_str(),
        _ => "",
    };
    let first = found.len();
    if rules::is_rules(name) {
        let is_egress = rules::is_egress(name);
        let key = move |rule: &Value| Some(rules::words(rule, is_egress));
        elements(at, &rules::flat(before), &rules::flat(after), key, found);
    } else if let Some(path) = key::of(name, before, after) {
        elements(at, before, after, move |element| key::value(element, path), found);
    } else {
        items(at, before, after, found);
    }
    if found.len() == first {
        // Only the grouping of the rules differs.
        items(at, before, after, found);
    }
}

/// Compares elements with the same key. If a key occurs twice, all elements are compared as a multiset.
fn elements(
    at: &[PathStep],
    before: &[Value],
    after: &[Value],
    key: impl Fn(&Value) -> Option<String>,
    found: &mut Vec<Difference>,
) {
    let keyed = |list: &[Value]| {
        let mut by_key: BTreeMap<String, Value> = BTreeMap::new();
        let unique = list.iter().all(|value| key(value).is_some_and(|key| by_key.insert(key, value.clone()).is_none()));
        unique.then_some(by_key)
    };
    let (Some(old), Some(new)) = (keyed(before), keyed(after)) else { return items(at, before, after, found) };
    let is_tags = matches!(at.last(), Some(PathStep::Field(name)) if key::is_tags(name));
    let gone = old.keys().filter(|key| !new.contains_key(*key));
    for key in gone.chain(new.keys()) {
        let here = below(at, PathStep::Element(key.clone()));
        let (old, new) = (old.get(key), new.get(key));
        if is_tags {
            compare(&here, old.map(key::tag_value).as_ref(), new.map(key::tag_value).as_ref(), found);
        } else if let (Some(old), Some(new)) = (old, new) {
            compare(&here, Some(old), Some(new), found);
        } else {
            found.push(Difference { steps: here, before: old.cloned(), after: new.cloned() });
        }
    }
}

/// Compares lists as multisets.
fn items(at: &[PathStep], before: &[Value], after: &[Value], found: &mut Vec<Difference>) {
    let mut counts: BTreeMap<&Value, i64> = BTreeMap::new();
    for value in before {
        *counts.entry(value).or_default() -= 1;
    }
    for value in after {
        *counts.entry(value).or_default() += 1;
    }
    let here = below(at, PathStep::Item);
    let difference = |before: Option<&Value>, after: Option<&Value>| Difference {
        steps: here.clone(),
        before: before.cloned(),
        after: after.cloned(),
    };
    for (value, count) in &counts {
        found.extend((*count..0).map(|_| difference(Some(value), None)));
    }
    for (value, count) in &counts {
        found.extend((0..*count).map(|_| difference(None, Some(value))));
    }
}

fn below(at: &[PathStep], step: PathStep) -> Vec<PathStep> {
    at.iter().cloned().chain([step]).collect()
}

/// Describes a rule of a security group in words: `tcp 22 from 0.0.0.0/0`. `None` when `list` holds no rules.
#[must_use]
pub fn rule_words(list: &str, rule: &Value) -> Option<String> {
    rules::is_rules(list).then(|| rules::described(rule, rules::is_egress(list)))
}

#[cfg(test)]
mod tests;
