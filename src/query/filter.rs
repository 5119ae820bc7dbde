//! The filter syntax of AWS's describe calls: values of one filter are alternatives, filters narrow one another.
//!
//! Beyond AWS's filters, `account` and `region` match where a resource was seen. Beyond its syntax, `@absent` and `@present` match by whether there is any value, and `>`, `>=`, `<` and `<=` compare numbers
//! and times.
//!
//! A filter may be called by other names too: see [`filter_name`]. `*` matches any number of characters, `?` exactly one, a backslash takes the next character literally. Values
//! are case-sensitive, as AWS's are. Two spellings are accepted, because models write both: `[{"Name": "instance-state-name",
//! "Values": ["running"]}]` and `{"instance-state-name": ["running"]}`.

use std::borrow::Cow;
use std::collections::BTreeSet;

use serde_json::{Map, Value};
use xxhash_rust::xxh3::xxh3_64;

use crate::kinds::KindSpec;
use crate::model::text::shown;
use crate::model::{Form, Scope, Timestamp};
use crate::query::filter_name;
use crate::query::nearness::nearest;
use crate::store::{Comparison, Matcher, On, ValuePattern};

pub use self::document_condition::DocumentCondition;
pub use self::doubtful_value::DoubtfulValue;
pub use self::error::FilterError;
use self::patterns::FilterPatterns;

pub mod document_condition;
pub mod doubtful_value;
pub mod error;
pub mod patterns;
pub mod special_value;

/// Filters in one request, as AWS limits them.
pub const MAX_FILTERS: usize = 50;
/// Values over all filters of one request, as AWS limits them.
pub const MAX_VALUES: usize = 200;

/// Conditions that a row meets or not.
#[derive(Clone, Debug, Default)]
pub struct Filters {
    written: Vec<(String, Vec<String>)>,
    matcher: Matcher,
    /// The values that may never match, each after the position of its filter in `written` and the filter's number in its kind.
    doubts: Vec<(usize, u16, DoubtfulValue)>,
    /// What only documents can decide.
    conditions: Vec<DocumentCondition>,
}

impl Filters {
    /// Reads filters of `kind` in either spelling. `null` means no filters. Bounds on times that are so long ago count from `now`.
    ///
    /// # Errors
    /// [`FilterError`], whose text says which field is wrong, what is allowed, and shows an example.
    pub fn parse(given: &Value, kind: &KindSpec, now: Timestamp) -> Result<Self, FilterError> {
        let pairs = pairs(given, kind)?;
        if pairs.len() > MAX_FILTERS {
            return Err(FilterError::TooMany { what: "filters", found: pairs.len(), limit: MAX_FILTERS });
        }
        let values: usize = pairs.iter().map(|(_, values)| values.len()).sum();
        if values > MAX_VALUES {
            return Err(FilterError::TooMany { what: "filter values", found: values, limit: MAX_VALUES });
        }
        let mut filters = Filters::default();
        for (name, values) in pairs {
            let name = filter_name::meant(kind, &name).map_or(name.clone(), Cow::into_owned);
            if let Some(filter) = kind.document_filter(&name) {
                filters.conditions.push(DocumentCondition::read(filter, &values, now)?);
                continue;
            }
            let (on, form) = subject(&name, kind)?;
            let FilterPatterns { any, doubtful } = FilterPatterns::read(&name, &values, form, now)?;
            if let On::Facet(facet) = on {
                let place = filters.written.len();
                let doubt = |(value, pattern)| DoubtfulValue { name: name.clone(), value, form, pattern };
                filters.doubts.extend(doubtful.into_iter().map(|doubtful| (place, facet, doubt(doubtful))));
            }
            let tests = any.into_iter().map(|pattern| Comparison { on: on.clone(), pattern });
            filters.matcher = filters.matcher.and(tests.collect());
            filters.written.push((name, values));
        }
        Ok(filters)
    }

    /// Takes out the filters that only documents can decide, which [`Filters::matcher`] does not know.
    #[must_use]
    pub fn take_conditions(&mut self) -> Vec<DocumentCondition> {
        std::mem::take(&mut self.conditions)
    }

    /// Whether a filter is among them that only documents can decide.
    #[must_use]
    pub fn need_documents(&self) -> bool {
        !self.conditions.is_empty()
    }

    /// Checks the values that do not have the form of their filter's values. `held` returns the values that resources have for
    /// the filter with a number. Returns the values that can never match in filters that can match by another value.
    ///
    /// # Errors
    /// [`FilterError::Never`] for a filter without a value that can match; any error of `held`.
    pub fn refuse<E: From<FilterError>>(
        &self,
        mut held: impl FnMut(u16) -> Result<Vec<String>, E>,
    ) -> Result<Vec<FilterError>, E> {
        let mut noted = Vec::new();
        for (place, (_, values)) in self.written.iter().enumerate() {
            let mut never = Vec::new();
            for (_, facet, doubt) in self.doubts.iter().filter(|(of, ..)| *of == place) {
                let held = held(*facet)?;
                never.extend(doubt.judge(held.iter().map(String::as_str)).err());
            }
            if never.len() == values.len()
                && let Some(error) = never.pop()
            {
                return Err(error.into());
            }
            noted.append(&mut never);
        }
        Ok(noted)
    }

    /// Each filter as it was written, with its values and what the store tests for it.
    pub fn each(&self) -> impl Iterator<Item = (&str, &[String], &[Comparison])> {
        let written = self.written.iter().zip(self.matcher.conditions());
        written.map(|((name, values), tests)| (name.as_str(), values.as_slice(), tests.as_slice()))
    }

    /// Demands in addition that one of `tests` holds, under a name that is none of AWS's and with the values that were written for
    /// it.
    #[must_use]
    pub fn and(mut self, name: &str, values: Vec<String>, tests: Vec<Comparison>) -> Self {
        self.written.push((name.to_owned(), values));
        self.matcher = self.matcher.and(tests);
        self
    }

    /// Demands in addition that a resource of `kind` has one of `ids`, under the name and with the values of each filter in `written`,
    /// which stand for these ids.
    #[must_use]
    pub fn and_ids<'w>(
        self,
        kind: &KindSpec,
        ids: BTreeSet<String>,
        written: impl Iterator<Item = (&'w str, &'w [String])>,
    ) -> Self {
        let on = On::Facet(kind.id_filter().map_or(u16::MAX, |filter| filter.number));
        let test = Comparison { on, pattern: ValuePattern::one_of(ids) };
        written.fold(self, |filters, (name, values)| filters.and(name, values.to_vec(), vec![test.clone()]))
    }

    /// Whether a resource that was seen in `scope` can match, as far as the filters of accounts and regions decide.
    #[must_use]
    pub fn admit(&self, scope: &Scope) -> bool {
        let of_places = |tests: &&Vec<Comparison>| tests.iter().all(|test| test.on.part(scope).is_some());
        let holds = |test: &Comparison| test.on.part(scope).is_some_and(|part| test.pattern.matches(part));
        self.matcher.conditions().iter().filter(of_places).all(|tests| tests.iter().any(holds))
    }

    /// Whether there is no condition.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.written.is_empty()
    }

    /// The conditions as the store's index takes them.
    #[must_use]
    pub fn matcher(&self) -> &Matcher {
        &self.matcher
    }

    /// A hash that differs between filters, so that a cursor is used only with the filters it was made for.
    #[must_use]
    pub fn hash(&self) -> u64 {
        let mut bytes = Vec::new();
        for (name, values) in &self.written {
            feed(name, &mut bytes);
            bytes.extend((values.len() as u64).to_le_bytes());
            for value in values {
                feed(value, &mut bytes);
            }
        }
        xxh3_64(&bytes)
    }
}

/// The members that may hold a filter's name.
pub const NAMES: [&str; 3] = ["Name", "name", "key"];
/// The members that may hold its values.
pub const VALUES: [&str; 4] = ["Values", "values", "Value", "value"];

/// Whether an object is one filter, as its name and its values, rather than a map of names to values.
#[must_use]
pub fn is_pair(object: &Map<String, Value>, kind: &KindSpec) -> bool {
    let has = |names: &[&str]| names.iter().any(|name| object.contains_key(*name));
    let is_filter = |name: &Value| name.as_str().is_some_and(|name| filter_name::meant(kind, name).is_some());
    has(&NAMES) && (has(&VALUES) || NAMES.iter().filter_map(|name| object.get(*name)).all(is_filter))
}

fn pairs(given: &Value, kind: &KindSpec) -> Result<Vec<(String, Vec<String>)>, FilterError> {
    match given {
        Value::Null => Ok(Vec::new()),
        Value::Array(list) => list.iter().map(pair).collect(),
        // One filter without its list.
        Value::Object(object) if is_pair(object, kind) => Ok(vec![pair(given)?]),
        Value::Object(object) => object.iter().map(|(name, given)| Ok((name.clone(), values(name, given)?))).collect(),
        _ => Err(shape(given)),
    }
}

fn pair(given: &Value) -> Result<(String, Vec<String>), FilterError> {
    let Value::Object(object) = given else { return Err(shape(given)) };
    let field = |names: &[&str]| names.iter().find_map(|name| object.get(*name));
    let Some(Value::String(name)) = field(&NAMES) else { return Err(shape(given)) };
    let given = field(&VALUES).unwrap_or(&Value::Null);
    Ok((name.clone(), values(name, given)?))
}

fn values(name: &str, given: &Value) -> Result<Vec<String>, FilterError> {
    let list = match given {
        Value::Null => &[],
        Value::Array(list) => list.as_slice(),
        lone => std::slice::from_ref(lone),
    };
    if list.is_empty() {
        return Err(FilterError::NoValues { name: name.to_owned() });
    }
    list.iter()
        .map(|value| match value {
            Value::String(text) => Ok(text.clone()),
            Value::Number(number) => Ok(number.to_string()),
            Value::Bool(flag) => Ok(flag.to_string()),
            _ => Err(shape(value)),
        })
        .collect()
}

/// What a filter of `kind` tests, and the form of its values.
fn subject(name: &str, kind: &KindSpec) -> Result<(On, Form), FilterError> {
    if let Some(key) = name.strip_prefix("tag:") {
        return has_tags(kind, name).map(|()| (On::Tag(key.to_owned()), Form::Text));
    }
    if let Some(filter) = kind.filter(name) {
        return Ok((On::Facet(filter.number), filter.form));
    }
    if name == "tag-key" {
        return has_tags(kind, name).map(|()| (On::TagKey, Form::Text));
    }
    match name {
        "account" => return Ok((On::Account, Form::Text)),
        "region" => return Ok((On::Region, Form::Text)),
        _ => {}
    }
    let is_listed = |name: &&str| *name != "tag-key" && kind.document_filter(name).is_none();
    let known: Vec<&'static str> = filter_name::names(kind).filter(is_listed).collect();
    // The last of equally near ones is taken, and the common ones are named first.
    let names: Vec<&str> = filter_name::names(kind).collect();
    let nearest = nearest(&name.replace('_', "-"), names.into_iter().rev()).map(str::to_owned);
    Err(FilterError::Unknown { kind: kind.slug, name: shown(name, 80), nearest, known })
}

/// Whether a filter is about tags, whose values are anything that people write.
#[must_use]
pub fn is_tag(filter: &str) -> bool {
    filter.starts_with("tag:") || filter == "tag-key"
}

/// Checks that the kind has tags, for the tag filter `name`.
fn has_tags(kind: &KindSpec, name: &str) -> Result<(), FilterError> {
    match kind.tagged_kind() {
        Some(tagged) => Err(FilterError::Tagless { kind: kind.slug, name: shown(name, 80), tagged }),
        None => Ok(()),
    }
}

fn shape(found: &Value) -> FilterError {
    FilterError::Shape { found: shown(&found.to_string(), 60) }
}

fn feed(text: &str, bytes: &mut Vec<u8>) {
    bytes.extend((text.len() as u64).to_le_bytes());
    bytes.extend(text.as_bytes());
}

#[cfg(test)]
mod tests;
