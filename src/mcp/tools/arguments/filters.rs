//! Filters as clients write them, converted to the one spelling that [`Filters::parse`] accepts.
//!
//! A filter's values are text, so a text such as `["web"]` may be meant as it stands or as the JSON text of a list. The text
//! as it stands counts first: only when nothing has it, the list is taken, and the answer says which was used.

mod accounts;

use std::borrow::Cow;

use rmcp::schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeSet;

use self::accounts::AccountNumbers;
use super::{ArgumentError, coerce, scope};
use crate::kinds::{self, INSTANCE, KindSpec};
use crate::mcp::core::Core;
use crate::mcp::error::RequestError;
use crate::model::text::shown;
use crate::model::{KnownAccounts, ScopeFilter, Timestamp};
use crate::query::exposure::{self, AskedPorts};
use crate::query::filter::special_value::{ABSENT, PRESENT};
use crate::query::filter::{NAMES, VALUES, is_pair, is_tag};
use crate::query::filter_name;
use crate::query::in_documents::{InDocumentsError, looked_up};
use crate::query::selection::MatchingRows;
use crate::query::tally::{Breakdown, tally};
use crate::query::{FilterError, Filters, Point};
use crate::store::{Comparison, On, ValuePattern};

/// How much of a value a message shows.
const SHOWN: usize = 80;

/// The argument `filters`, in any of its spellings; no filters when it is absent.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(transparent)]
pub struct FilterArgument(Value);

impl FilterArgument {
    /// Whether there are no filters.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_null()
    }
}

impl JsonSchema for FilterArgument {
    fn schema_name() -> Cow<'static, str> {
        "Filters".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "array",
            "description": "All filters must match. Or an object: names to values.",
            "items": {
                "type": "object",
                "required": ["Name", "Values"],
                "properties": {
                    "Name": {"type": "string", "description": "An AWS filter name, tag:KEY, tag-key, region, account or ou."},
                    "Values": {
                        "type": "array",
                        "items": {"type": "string"},
                        "description": "Any of these may match; * and ? are the only wildcards. @absent: it has no value; \
                            @present: it has one. Times: 2026-03-30T* or >-7d; numbers: >=100.",
                    },
                },
            },
        })
    }
}

/// The filters of a call. Some of their values may have two readings.
#[derive(Clone, Debug)]
pub struct GivenFilters {
    kind: &'static KindSpec,
    filters: Vec<GivenFilter>,
    /// What is asked of ports that the internet can reach, one a filter.
    exposed: Vec<Vec<AskedPorts>>,
    /// One sentence for each name that stands for another.
    readings: Vec<String>,
}

/// One filter.
#[derive(Clone, Debug)]
struct GivenFilter {
    name: String,
    values: Vec<GivenValue>,
}

/// One value of a filter.
#[derive(Clone, Debug, PartialEq, Eq)]
enum GivenValue {
    /// Exactly this text.
    Text(String),
    /// This text, or the texts of the list that it is the JSON text of.
    TextOrList(String, Vec<String>),
    /// This text, though as JSON it is something that is not a list of texts.
    TextOrJson(String),
    /// The number of an account that is no longer watched, beside others that a name or unit stands for: meant only of the past, and
    /// where a place is named.
    Former(String),
}

/// Filters, and how their ambiguous values were read.
#[derive(Clone, Debug, Default)]
pub struct Settled {
    /// The filters.
    pub filters: Filters,
    /// One sentence for each ambiguous value, and for what is left out since an answer about it is not known.
    pub readings: Vec<String>,
    /// Whether something is left out.
    pub is_at_least: bool,
    /// The scopes that are asked about.
    pub scope: ScopeFilter,
}

impl GivenFilters {
    /// Reads the argument `filters` as far as possible without looking at the inventory.
    ///
    /// # Errors
    /// When it has neither of the two spellings, or names a filter that `kind` does not have.
    pub fn read(
        given: &FilterArgument,
        kind: &'static KindSpec,
        known: &KnownAccounts,
        now: Timestamp,
    ) -> Result<Self, RequestError> {
        let FilterArgument(given) = given;
        let mut named = match given {
            Value::Null => Vec::new(),
            Value::Array(list) => list.iter().map(pair).collect::<Result<Vec<_>, RequestError>>()?,
            // One filter without its list.
            Value::Object(object) if is_pair(object, kind) => vec![pair(given)?],
            Value::Object(object) => {
                let named = object.iter().map(|(name, given)| GivenFilter::read(name, given));
                named.collect::<Result<Vec<_>, RequestError>>()?
            }
            other => return Err(shape(other)),
        };
        let mut readings = Vec::new();
        for filter in &mut named {
            if let Some(meant) = accounts::meant(&filter.name, filter.values.iter().map(GivenValue::text), known)? {
                readings.extend(meant.readings);
                let values = std::mem::take(&mut filter.values).into_iter().zip(meant.numbers);
                let values = values.flat_map(|(given, numbers)| match numbers {
                    Some(AccountNumbers { meant, former }) => {
                        let former = former.into_iter().map(GivenValue::Former);
                        meant.into_iter().map(GivenValue::Text).chain(former).collect()
                    }
                    None => vec![given],
                });
                filter.values = values.collect();
                accounts::ACCOUNT.clone_into(&mut filter.name);
            }
            let Some(meant) = filter_name::meant(kind, &filter.name).filter(|meant| *meant != filter.name) else {
                continue;
            };
            if filter.name.eq_ignore_ascii_case("name") {
                readings.push(format!("filter `{}` is read as `{meant}`", filter.name));
            }
            filter.name = meant.into_owned();
        }
        let (exposed, named): (Vec<_>, Vec<_>) =
            named.into_iter().partition(|filter| filter.name == exposure::FILTER && kind.slug == INSTANCE.slug);
        let exposed = exposed.iter().map(GivenFilter::ports).collect::<Result<_, RequestError>>()?;
        // Errors in unambiguous filters are reported before anything is waited for.
        let is_one = |value: &GivenValue| matches!(value, GivenValue::Text(_) | GivenValue::Former(_));
        let is_sure = |filter: &&GivenFilter| filter.values.iter().all(is_one);
        let (lent, own): (Vec<_>, Vec<_>) =
            named.iter().filter(is_sure).partition(|filter| holder(kind, &filter.name).slug != kind.slug);
        for (filters, of) in [(own, kind), (lent, holder(kind, "tag-key"))] {
            let filters = filters.iter().map(|GivenFilter { name, values }| {
                let values: Vec<&str> = values.iter().map(GivenValue::text).collect();
                json!({"Name": name, "Values": values})
            });
            Filters::parse(&filters.collect(), of, now)?;
        }
        Ok(GivenFilters { kind, filters: named, exposed, readings })
    }

    /// Reads the argument `filters`, with an error that names the tag that an unknown filter probably means.
    ///
    /// # Errors
    /// When it has neither of the two spellings, or names a filter that `kind` does not have.
    pub fn asked(given: &FilterArgument, kind: &'static KindSpec, core: &Core) -> Result<Self, RequestError> {
        GivenFilters::read(given, kind, &core.known_accounts(), core.now()).map_err(|error| match error {
            RequestError::Filter(FilterError::Unknown { kind: slug, name, nearest, known }) => {
                let nearest = tag_called(core, kind, &name).or(nearest);
                FilterError::Unknown { kind: slug, name, nearest, known }.into()
            }
            other => other,
        })
    }

    /// Decides between two readings by the values that exist in `scope` at `point`. Blocks while it reads.
    ///
    /// # Errors
    /// When the filters cannot be used, or the store cannot be read.
    pub fn settle(&self, core: &Core, scope: &ScopeFilter, point: Option<Point>) -> Result<Settled, RequestError> {
        self.refuse_secrets(core)?;
        let mut readings = self.readings.clone();
        let (mut filters, mut lent) = (Vec::new(), Vec::new());
        for GivenFilter { name, values } in &self.filters {
            let mut settled = Vec::new();
            for value in values {
                let (texts, reading) = self.choose(core, scope, point, name, value)?;
                settled.extend(texts);
                readings.extend(reading);
            }
            let of = if holder(self.kind, name).slug == self.kind.slug { &mut filters } else { &mut lent };
            of.push(json!({"Name": name, "Values": settled}));
        }
        let filters = Filters::parse(&Value::Array(filters), self.kind, core.now())?;
        let (scope, unwatched) = scope::left_by(&filters, core, self.kind, scope, point)?;
        readings.extend(unwatched);
        let mut settled = Settled { filters, readings, is_at_least: false, scope };
        for filter in lent {
            let of = Filters::parse(&json!([filter]), holder(self.kind, "tag-key"), core.now())?;
            settled.filters = self.lent(core, &settled.scope, &of, point, settled.filters)?;
        }
        let scope = &settled.scope;
        if settled.filters.need_documents() {
            if point.is_some() {
                let what = "a filter that rows do not hold is known for the present only: leave out `as_of`";
                return Err(ArgumentError::said(what).into());
            }
            let found = looked_up(&core.store, self.kind, scope, settled.filters);
            settled.filters = found.map_err(|error| match error {
                InDocumentsError::Read(error) => RequestError::Read(error),
                InDocumentsError::Filter(error) => error.into(),
                InDocumentsError::TooMany { .. } => ArgumentError::said(&error.to_string()).into(),
            })?;
        }
        for asked in &self.exposed {
            if point.is_some() {
                return Err(
                    ArgumentError::said("the filter exposed is known for the present only: leave out `as_of`").into()
                );
            }
            let found = core.exposed(scope, asked)?;
            let written = asked.iter().map(ToString::to_string).collect();
            settled.filters = settled.filters.and(exposure::FILTER, written, found.tests);
            settled.is_at_least |= !found.left_out.is_empty();
            settled.readings.extend(found.left_out);
        }
        if !self.exposed.is_empty() {
            let state = INSTANCE.filter("instance-state-name").map_or(u16::MAX, |filter| filter.number);
            let stopped = Comparison { on: On::Facet(state), pattern: ValuePattern::exactly("stopped") };
            let matcher = settled.filters.matcher().clone().and(vec![stopped]);
            let stopped = core.store.scan(&INSTANCE.kind(), scope, &matcher, None, 0)?.total;
            if stopped > 0 {
                settled.readings.push(format!(
                    "filter `{}`: {stopped} of those that match are stopped, and reachable only once they run",
                    exposure::FILTER
                ));
            }
        }
        Ok(settled)
    }

    /// Filters that demand as well that the instance of a status has the tags that `of` demands.
    fn lent(
        &self,
        core: &Core,
        scope: &ScopeFilter,
        of: &Filters,
        point: Option<Point>,
        filters: Filters,
    ) -> Result<Filters, RequestError> {
        let (tagged, mut ids) = (holder(self.kind, "tag-key"), BTreeSet::new());
        let selection = MatchingRows { kind: &tagged.kind(), scope, filters: of, point, is_lent: false };
        selection.each(&core.store, |row| {
            ids.insert(row.id.id.to_string());
        })?;
        Ok(filters.and_ids(self.kind, ids, of.each().map(|(name, values, _)| (name, values))))
    }

    /// Refuses to compare the values of tags that are redacted: nothing would match, and that would look like a fact.
    fn refuse_secrets(&self, core: &Core) -> Result<(), RequestError> {
        let asks = |value: &GivenValue| !matches!(value.text(), ABSENT | PRESENT | "*" | "");
        let secret = self.filters.iter().find_map(|filter| {
            let key = filter.name.strip_prefix("tag:")?;
            (core.aws.secrets().is_secret(key) && filter.values.iter().any(asks)).then_some(key)
        });
        let Some(key) = secret.map(|key| shown(key, SHOWN)) else { return Ok(()) };
        Err(ArgumentError::said(&format!(
            "the values of the tag `{key}` are redacted, so no filter can compare them. To find what has the tag, give `tag:{key}` the value {PRESENT}, and {ABSENT} for what lacks it"
        ))
        .into())
    }

    /// The values that one value stands for, and a sentence about it when it has two readings.
    fn choose(
        &self,
        core: &Core,
        scope: &ScopeFilter,
        point: Option<Point>,
        name: &str,
        value: &GivenValue,
    ) -> Result<(Vec<String>, Option<String>), RequestError> {
        let text = value.text();
        match value {
            GivenValue::Former(_) if point.is_none() && scope.is_everywhere() => return Ok((Vec::new(), None)),
            GivenValue::Text(_) | GivenValue::Former(_) => return Ok((vec![text.to_owned()], None)),
            GivenValue::TextOrList(..) | GivenValue::TextOrJson(_) => {}
        }
        // A text that can never be a value is not counted.
        let kind = holder(self.kind, name);
        let literal = Filters::parse(&json!([{"Name": name, "Values": [text]}]), kind, core.now());
        let having = match &literal {
            Ok(literal) if literal.need_documents() => 0,
            Ok(literal) => {
                tally(&core.store, &kind.kind(), scope, literal, &Breakdown::default(), point)?.0.total.count
            }
            Err(_) => 0,
        };
        let (told, of) = (shown(text, SHOWN), format!("filter `{}`", shown(name, SHOWN)));
        match value {
            GivenValue::TextOrList(_, list) if having == 0 => {
                let reading =
                    format!("{of}: the text {told} is read as a list of values, since nothing has it as its value");
                Ok((list.clone(), Some(reading)))
            }
            GivenValue::TextOrJson(_) if having == 0 && !is_tag(name) => Err(not_values(name, &json!(text))),
            _ => {
                let reading =
                    format!("{of}: the text {told} is taken literally; write a JSON list to search for its elements");
                Ok((vec![text.to_owned()], Some(reading)))
            }
        }
    }
}

fn pair(given: &Value) -> Result<GivenFilter, RequestError> {
    let Value::Object(object) = given else { return Err(shape(given)) };
    let one = |names: &[&str]| {
        let mut there = names.iter().filter_map(|name| object.get(*name));
        let first = there.next();
        // With two of them, it is unclear which is meant.
        if there.next().is_some() { None } else { Some(first) }
    };
    let is_known = |name: &String| NAMES.contains(&name.as_str()) || VALUES.contains(&name.as_str());
    let (Some(Some(Value::String(name))), Some(values), true) =
        (one(&NAMES), one(&VALUES), object.keys().all(is_known))
    else {
        return Err(shape(given));
    };
    GivenFilter::read(name, values.unwrap_or(&Value::Null))
}

impl GivenFilter {
    /// The ports that it asks about.
    fn ports(&self) -> Result<Vec<AskedPorts>, RequestError> {
        let each = self.values.iter().map(|value| {
            let refused = || {
                let found = shown(value.text(), SHOWN);
                ArgumentError::said(&format!(
                    "the filter exposed takes {}; `{found}` is none of these",
                    exposure::FILTER_FORM
                ))
            };
            AskedPorts::parse(value.text()).ok_or_else(refused)
        });
        Ok(each.collect::<Result<_, ArgumentError>>()?)
    }

    fn read(name: &str, given: &Value) -> Result<Self, RequestError> {
        let list = match given {
            Value::Null => &[],
            Value::Array(list) => list.as_slice(),
            lone => std::slice::from_ref(lone),
        };
        if list.is_empty() {
            return Err(FilterError::NoValues { name: shown(name, SHOWN) }.into());
        }
        let values = list.iter().map(|value| GivenValue::read(name, value));
        Ok(GivenFilter { name: name.to_owned(), values: values.collect::<Result<_, RequestError>>()? })
    }
}

impl GivenValue {
    fn read(filter: &str, given: &Value) -> Result<Self, RequestError> {
        match given {
            Value::String(text) => Ok(GivenValue::of(text)),
            Value::Bool(flag) => Ok(GivenValue::Text(flag.to_string())),
            // The JSON number `1.10` arrives as 1.1, which is another value of a tag.
            Value::Number(number) if is_tag(filter) && !(number.is_u64() || number.is_i64()) => {
                Err(not_values(filter, given))
            }
            Value::Number(number) => match coerce::whole(number) {
                Some(number) => Ok(GivenValue::Text(number.to_string())),
                None => Err(not_values(filter, given)),
            },
            _ => Err(not_values(filter, given)),
        }
    }

    fn of(text: &str) -> Self {
        let is_json = text.trim_start().starts_with(['[', '{']);
        match serde_json::from_str::<Value>(text) {
            Ok(Value::Array(list)) if is_json && list.iter().all(Value::is_string) => {
                let list = list.iter().filter_map(Value::as_str).map(str::to_owned);
                GivenValue::TextOrList(text.to_owned(), list.collect())
            }
            Ok(_) if is_json => GivenValue::TextOrJson(text.to_owned()),
            _ => GivenValue::Text(text.to_owned()),
        }
    }

    fn text(&self) -> &str {
        match self {
            GivenValue::Text(text)
            | GivenValue::TextOrList(text, _)
            | GivenValue::TextOrJson(text)
            | GivenValue::Former(text) => text,
        }
    }
}

/// The filter of the tag whose key is `name`, if resources have such a tag.
#[must_use]
pub fn tag_called(core: &Core, kind: &'static KindSpec, name: &str) -> Option<String> {
    let keys = core.store.count_by(&holder(kind, "tag-key").kind(), &ScopeFilter::Everywhere, &On::TagKey).ok()?;
    let folded = filter_name::folded(name);
    let key = if keys.contains_key(name) {
        Some(name)
    } else {
        keys.keys().map(String::as_str).find(|key| filter_name::folded(key) == folded)
    };
    key.map(|key| format!("tag:{}", shown(key, SHOWN)))
}

/// The kind whose resources hold the values of a filter: a status has the tags of its instance.
fn holder(kind: &'static KindSpec, filter: &str) -> &'static KindSpec {
    let tagged = if is_tag(filter) { kind.tagged_kind() } else { None };
    tagged.and_then(kinds::by_slug).unwrap_or(kind)
}

fn shape(found: &Value) -> RequestError {
    FilterError::Shape { found: shown(&found.to_string(), SHOWN) }.into()
}

/// The values of a filter must be something else than they are.
fn not_values(filter: &str, found: &Value) -> RequestError {
    let expected = format!("written with a list of texts as the values of filter `{}`", shown(filter, SHOWN));
    ArgumentError::form("filters", &expected, found.clone()).into()
}

#[cfg(test)]
mod tests;
