//! The differences of a record as text and data, as many as an answer has room for.

use serde_json::{Map, json};

use super::rendered::Rendered;
use crate::model::Value as Content;
use crate::model::difference::{Difference, rule_words};
use crate::model::text::{apart, shown};

/// The longest value of a field: longer than any that AWS has but for a few messages.
const FIELD: usize = 300;
/// The longest element of a list that came or went as a whole.
const ELEMENT: usize = 2_000;

/// The first of many differences, and how many are left out.
pub struct FittingDifferences {
    /// Those that are shown.
    pub told: Vec<Rendered>,
    /// How many are not.
    pub left: usize,
}

/// As many differences as `room` bytes take, as text or as data; at least one.
#[must_use]
pub fn fitting(all: &[Difference], room: usize) -> FittingDifferences {
    let (mut told, mut bytes) = (Vec::new(), 0);
    for difference in all {
        let next = one(difference);
        let data = serde_json::to_string(&next.data).map_or(0, |json| json.len());
        bytes += data.max(next.line.len()) + 2;
        if bytes > room && !told.is_empty() {
            break;
        }
        told.push(next);
    }
    let left = all.len() - told.len();
    FittingDifferences { told, left }
}

/// One difference.
fn one(difference: &Difference) -> Rendered {
    let mut data = Map::new();
    let mut put = |name: &str, value: &str| drop(data.insert(name.to_owned(), json!(value)));
    let line = if let Some((list, key)) = difference.element() {
        let (sign, name) = if difference.before.is_some() { ('-', "removed") } else { ('+', "added") };
        let element = difference.before.as_ref().or(difference.after.as_ref());
        let element = element.map(|element| rule_words(&list, element).unwrap_or_else(|| plain(element)));
        let element = element.unwrap_or_default();
        let element = match key {
            Some(key) if !element.contains(key) => format!("{key} {element}"),
            _ => element,
        };
        let (list, element) = (cut(&list, FIELD), cut(&element, ELEMENT));
        put("path", &list);
        put(name, &element);
        format!("{list}: {sign} {element}")
    } else {
        let path = cut(&difference.path(), FIELD);
        put("path", &path);
        let sides = match (&difference.before, &difference.after) {
            (Some(before), Some(after)) => {
                let (before, after) = apart(&plain(before), &plain(after), FIELD);
                [Some(before), Some(after)]
            }
            (before, after) => [before, after].map(|side| side.as_ref().map(|value| cut(&plain(value), FIELD))),
        };
        for (name, side) in ["before", "after"].into_iter().zip(&sides) {
            if let Some(side) = side {
                put(name, side);
            }
        }
        let [before, after] = sides.map(|side| side.unwrap_or_else(|| "(none)".to_owned()));
        format!("{path}: {before} -> {after}")
    };
    Rendered { line, data }
}

/// A text as it is shown; where it is cut it says how much is missing.
fn cut(text: &str, limit: usize) -> String {
    let length = text.chars().count();
    let shown = shown(text, limit);
    if length <= limit { shown } else { format!("{shown} ({} more characters)", length - limit) }
}

/// A value as text.
fn plain(value: &Content) -> String {
    match value {
        Content::Text(text) => text.clone(),
        other => serde_json::to_string(other).unwrap_or_default(),
    }
}
