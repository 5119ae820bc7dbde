//! Hints about why nothing matched: zero matches are a fact about the account only if the filters could match something.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{schema, table};
use crate::kinds::{self, KindSpec};
use crate::mcp::core::Core;
use crate::mcp::error::RequestError;
use crate::model::ScopeFilter;
use crate::model::text::shown;
use crate::query::Filters;
use crate::query::column::{ColumnValue, KindColumn};
use crate::query::exposure;
use crate::query::filter::doubtful_value::BRACKETS;
use crate::query::filter::is_tag;
use crate::query::filter::special_value::{ABSENT, means_absent, parts};
use crate::query::nearness::{NEAR, closest, instead, near};
use crate::query::order::extremes;
use crate::store::{BoundSide, Matcher, On};

/// Refuses filters that can never match: none of their values has the form of the filter's values, and no resource has one that
/// they match. Returns hints about values that can never match, if other values of the same filter can.
///
/// # Errors
/// When there is such a filter, or the store cannot be read.
pub fn settle(core: &Core, kind: &'static KindSpec, filters: &Filters) -> Result<Vec<String>, RequestError> {
    let noted = filters.refuse::<RequestError>(|facet| {
        let held = core.store.count_by(&kind.kind(), &ScopeFilter::Everywhere, &On::Facet(facet))?;
        Ok(held.into_keys().collect())
    })?;
    Ok(noted.iter().map(ToString::to_string).collect())
}

/// Hints for when `filters` match nothing in `scope`, or anywhere. For the past they come from the filters alone, because finding
/// the values that existed then would need a full read.
///
/// # Errors
/// When the store cannot be read.
pub fn hints(
    core: &Core,
    kind: &'static KindSpec,
    scope: &ScopeFilter,
    filters: &Filters,
    is_past: bool,
) -> Result<Vec<String>, RequestError> {
    let mut hints = Vec::new();
    let count = |scope: &ScopeFilter, matcher: &Matcher| {
        Ok::<u64, RequestError>(core.store.scan(&kind.kind(), scope, matcher, None, 0)?.total)
    };
    if !is_past {
        let everywhere = &ScopeFilter::Everywhere;
        let elsewhere = if scope.is_everywhere() { 0 } else { count(everywhere, filters.matcher())? };
        if elsewhere > 0 {
            hints.push(format!("{elsewhere} match in other accounts or regions"));
        }
        for (name, values, tests) in filters.each() {
            if name == exposure::FILTER {
                if count(scope, &Matcher::any().and(tests.to_vec()))? > 0 {
                    continue;
                }
                let values = values.join(", ");
                hints.push(format!(
                    "by what is held, the internet reaches {values} of no instance: {}",
                    exposure::LEAVES_OUT
                ));
                continue;
            }
            if kind.document_filter(name).is_some() {
                // The tests are for the ids of those whose documents match.
                if count(scope, &Matcher::any().and(tests.to_vec()))? == 0 {
                    hints.push(format!("no {} has a value of {name} that matches", kind.title));
                }
                continue;
            }
            let Some(on) = tests.first().map(|test| &test.on) else { continue };
            if let Some(tagged) = kind.tagged_kind().and_then(kinds::by_slug).filter(|_| is_tag(name)) {
                // The tests are for the ids of those with the tags.
                if count(scope, &Matcher::any().and(tests.to_vec()))? == 0 {
                    let on = name.strip_prefix("tag:").map_or(On::TagKey, |key| On::Tag(key.to_owned()));
                    hints.push(alone(core, tagged, scope, name, values, &on)?);
                }
                continue;
            }
            if tests.iter().all(|test| test.pattern.is_absent()) {
                if count(scope, &Matcher::any().and(tests.to_vec()))? == 0 {
                    hints.push(format!("every {} has a value for {}", kind.title, shown(name, 80)));
                }
                continue;
            }
            if count(scope, &Matcher::any().and(tests.to_vec()))? == 0 {
                hints.push(alone(core, kind, scope, name, values, on)?);
            }
        }
        if hints.is_empty() && filters.each().count() > 1 {
            hints.push("each filter matches something by itself, but nothing matches all of them".to_owned());
        }
    }
    if filters.each().flat_map(|(_, values, _)| values).any(|value| value.contains('[')) {
        hints.push(BRACKETS.to_owned());
    }
    Ok(hints)
}

/// The values that exist for a filter whose own values match nothing.
fn alone(
    core: &Core,
    kind: &'static KindSpec,
    scope: &ScopeFilter,
    name: &str,
    values: &[String],
    on: &On,
) -> Result<String, RequestError> {
    let held = core.store.count_by(&kind.kind(), scope, on)?;
    if let (On::Tag(key), true) = (on, held.is_empty()) {
        return no_tag(core, kind, scope, key);
    }
    let name = shown(name, 80);
    if let Some(list) = values.iter().find_map(|value| parts(value, |part| held.contains_key(part))) {
        return Ok(format!("no value of {name} matches; give several values as a list: {list}"));
    }
    if held.is_empty() {
        return Ok(format!("no {} has any value for {name}", kind.title));
    }
    let form = KindColumn::named(kind, &name).map(|column| column.form);
    if values.iter().any(|value| BoundSide::split(value).is_some())
        && let Some((least, greatest)) = form.and_then(|form| extremes(form, held.keys().map(String::as_str)))
    {
        let (least, greatest) = (shown(least, 80), shown(greatest, 80));
        return Ok(format!("no value of {name} matches; those that exist are from `{least}` to `{greatest}`"));
    }
    let wanted: Vec<String> = values.iter().map(|value| value.replace(['*', '?'], "")).collect();
    let instead = instead(&wanted, held.keys().map(String::as_str));
    let absent = values.iter().any(|value| means_absent(value));
    let absent = if absent { format!("; {ABSENT} finds what has no value") } else { String::new() };
    Ok(format!("no value of {name} matches; {instead}{absent}"))
}

/// That no resource of a kind has a tag, and which one was probably meant.
fn no_tag(core: &Core, kind: &KindSpec, scope: &ScopeFilter, key: &str) -> Result<String, RequestError> {
    let keys = core.store.count_by(&kind.kind(), scope, &On::TagKey)?;
    // A key with a bar does not look like a row of the table above.
    let meant = closest(key, keys.keys().map(String::as_str), NEAR).map(|key| table::line([key]));
    Ok(format!("no {} has a tag `{}`{}", kind.title, table::line([key]), near(meant.as_deref())))
}

/// Hints about tags that nothing has, where that is no reason for an empty answer: filters that ask for their absence, and
/// `columns` that show them or group by them.
///
/// # Errors
/// When the store cannot be read.
pub fn unheld_tags<'a>(
    core: &Core,
    kind: &'static KindSpec,
    filters: &'a Filters,
    columns: impl Iterator<Item = &'a KindColumn>,
) -> Result<Vec<String>, RequestError> {
    let tagged = kind.tagged_kind().and_then(kinds::by_slug).unwrap_or(kind);
    let absent = filters.each().filter(|(_, values, _)| values.iter().any(|value| value == ABSENT));
    let of_filters = absent.filter_map(|(name, ..)| name.strip_prefix("tag:"));
    let of_columns = columns.filter_map(|column| match &column.value {
        ColumnValue::Filtered(On::Tag(key)) => Some(key.as_str()),
        _ => None,
    });
    let keys: BTreeSet<&str> = of_filters.chain(of_columns).collect();
    let mut hints = Vec::new();
    for key in keys {
        if core.store.count_by(&tagged.kind(), &ScopeFilter::Everywhere, &On::Tag(key.to_owned()))?.is_empty() {
            hints.push(no_tag(core, tagged, &ScopeFilter::Everywhere, key)?);
        }
    }
    Ok(hints)
}

/// The hints as lines of an answer's text.
#[must_use]
pub fn said(hints: &[String]) -> String {
    let mut said = String::new();
    for hint in hints {
        said.push_str("\nHint: ");
        said.push_str(hint);
        said.push('.');
    }
    said
}

/// The hints, for output schemas.
#[must_use]
pub fn described() -> Value {
    schema::list(json!({"type": "string"}), "Why nothing may match, and filter values that can never match.")
}
