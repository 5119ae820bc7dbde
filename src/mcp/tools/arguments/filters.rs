//! Filters as clients write them, brought into the one spelling that [`Filters::parse`] takes.
//!
//! A filter's values are text, so a text such as `["web"]` may be meant as it stands or as the JSON text of a list. The text
//! as it stands counts first: only when nothing has it, the list is taken, and the answer says which was used.

use serde_json::{Value, json};

use super::{Arguments, coerce};
use crate::kinds::KindSpec;
use crate::mcp::core::Core;
use crate::mcp::error::Fault;
use crate::model::Scope;
use crate::model::text::shown;
use crate::query::tally::tally;
use crate::query::{FilterError, Filters, Point};

/// How much of a value a message shows.
const SHOWN: usize = 80;

/// The filters of a call.
#[derive(Clone, Debug)]
pub struct Wanted {
    kind: &'static KindSpec,
    arguments: Arguments,
    filters: Vec<Named>,
}

/// One filter.
#[derive(Clone, Debug)]
struct Named {
    name: String,
    values: Vec<Meant>,
}

/// One value of a filter.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Meant {
    /// Exactly this text.
    Text(String),
    /// This text, or the texts of the list that it is the JSON text of.
    TextOrList(String, Vec<String>),
    /// This text, though it is JSON text of something that is no value.
    TextOrJson(String),
}

/// Filters, and how those of their values were read that have two readings.
#[derive(Clone, Debug, Default)]
pub struct Settled {
    /// The filters.
    pub filters: Filters,
    /// One sentence for each such value.
    pub readings: Vec<String>,
}

impl Wanted {
    /// Reads the argument `filters`, as far as that needs no look at what there is.
    ///
    /// # Errors
    /// When it has neither of the two spellings, or names a filter that `kind` does not have.
    pub fn read(arguments: &Arguments, kind: &'static KindSpec) -> Result<Self, Fault> {
        let named = match arguments.value("filters") {
            None => Vec::new(),
            Some(Value::Array(list)) => {
                list.iter().map(|each| pair(arguments, each)).collect::<Result<Vec<_>, Fault>>()?
            }
            Some(given @ Value::Object(object)) if NAMES.iter().any(|name| object.contains_key(*name)) => {
                // One filter without its list.
                vec![pair(arguments, given)?]
            }
            Some(Value::Object(object)) => {
                let named = object.iter().map(|(name, given)| Named::read(arguments, name, given));
                named.collect::<Result<Vec<_>, Fault>>()?
            }
            Some(other) => return Err(shape(other)),
        };
        // What is wrong with filters of one reading is said before anything is waited for.
        let is_sure = |filter: &&Named| filter.values.iter().all(|value| matches!(value, Meant::Text(_)));
        let sure = named.iter().filter(is_sure).map(|Named { name, values }| {
            let values: Vec<&str> = values.iter().map(Meant::text).collect();
            json!({"Name": name, "Values": values})
        });
        Filters::parse(&sure.collect(), kind)?;
        Ok(Wanted { kind, arguments: arguments.clone(), filters: named })
    }

    /// Decides between readings by what there is in `scope` at `point`. Blocks while it looks.
    ///
    /// # Errors
    /// When the filters cannot be used, or the store cannot be read.
    pub fn settle(&self, core: &Core, scope: Option<&Scope>, point: Option<Point>) -> Result<Settled, Fault> {
        let mut readings = Vec::new();
        let mut filters = Vec::new();
        for Named { name, values } in &self.filters {
            let mut settled = Vec::new();
            for value in values {
                let (texts, reading) = self.choose(core, scope, point, name, value)?;
                settled.extend(texts);
                readings.extend(reading);
            }
            filters.push(json!({"Name": name, "Values": settled}));
        }
        Ok(Settled { filters: Filters::parse(&Value::Array(filters), self.kind)?, readings })
    }

    /// The values that one value stands for, and a sentence about it when it has two readings.
    fn choose(
        &self,
        core: &Core,
        scope: Option<&Scope>,
        point: Option<Point>,
        name: &str,
        value: &Meant,
    ) -> Result<(Vec<String>, Option<String>), Fault> {
        let text = value.text();
        if matches!(value, Meant::Text(_)) {
            return Ok((vec![text.to_owned()], None));
        }
        // Where the text can never be a value, no question is made of it.
        let literal = Filters::parse(&json!([{"Name": name, "Values": [text]}]), self.kind);
        let having = match &literal {
            Ok(literal) => tally(&core.store, &self.kind.kind(), scope, literal, None, point)?.0.total,
            Err(_) => 0,
        };
        let (told, of) = (shown(text, SHOWN), format!("filter `{}`", shown(name, SHOWN)));
        match value {
            Meant::TextOrList(_, list) if having == 0 => {
                let reading =
                    format!("{of}: the text {told} is read as a list of values, since nothing has it as its value");
                Ok((list.clone(), Some(reading)))
            }
            Meant::TextOrJson(_) if having == 0 && !is_tag(name) => Err(self.arguments.values(name, &json!(text))),
            _ => {
                let reading =
                    format!("{of}: the text {told} is read as it stands; write a JSON list to ask for its elements");
                Ok((vec![text.to_owned()], Some(reading)))
            }
        }
    }
}

/// What a filter's name may stand under.
const NAMES: [&str; 3] = ["Name", "name", "key"];
/// What its values may stand under.
const VALUES: [&str; 4] = ["Values", "values", "Value", "value"];

fn pair(arguments: &Arguments, given: &Value) -> Result<Named, Fault> {
    let Value::Object(object) = given else { return Err(shape(given)) };
    let one = |names: &[&str]| {
        let mut there = names.iter().filter_map(|name| object.get(*name));
        let first = there.next();
        // Which of two is meant cannot be told.
        if there.next().is_some() { None } else { Some(first) }
    };
    let is_known = |name: &String| NAMES.contains(&name.as_str()) || VALUES.contains(&name.as_str());
    let (Some(Some(Value::String(name))), Some(values), true) =
        (one(&NAMES), one(&VALUES), object.keys().all(is_known))
    else {
        return Err(shape(given));
    };
    Named::read(arguments, name, values.unwrap_or(&Value::Null))
}

impl Named {
    fn read(arguments: &Arguments, name: &str, given: &Value) -> Result<Self, Fault> {
        let list = match given {
            Value::Null => &[],
            Value::Array(list) => list.as_slice(),
            lone => std::slice::from_ref(lone),
        };
        if list.is_empty() {
            return Err(FilterError::NoValues { name: shown(name, SHOWN) }.into());
        }
        let values = list.iter().map(|value| Meant::read(arguments, name, value));
        Ok(Named { name: name.to_owned(), values: values.collect::<Result<_, Fault>>()? })
    }
}

impl Meant {
    fn read(arguments: &Arguments, filter: &str, given: &Value) -> Result<Self, Fault> {
        match given {
            Value::String(text) => Ok(Meant::of(text)),
            Value::Bool(flag) => Ok(Meant::Text(flag.to_string())),
            // `1.10` reaches us as 1.1: for a tag that is another value.
            Value::Number(number) if is_tag(filter) && !(number.is_u64() || number.is_i64()) => {
                Err(arguments.values(filter, given))
            }
            Value::Number(number) => match coerce::whole(number) {
                Some(number) => Ok(Meant::Text(number.to_string())),
                None => Err(arguments.values(filter, given)),
            },
            _ => Err(arguments.values(filter, given)),
        }
    }

    fn of(text: &str) -> Self {
        let is_json = text.trim_start().starts_with(['[', '{']);
        match serde_json::from_str::<Value>(text) {
            Ok(Value::Array(list)) if is_json && list.iter().all(Value::is_string) => {
                let list = list.iter().filter_map(Value::as_str).map(str::to_owned);
                Meant::TextOrList(text.to_owned(), list.collect())
            }
            Ok(_) if is_json => Meant::TextOrJson(text.to_owned()),
            _ => Meant::Text(text.to_owned()),
        }
    }

    fn text(&self) -> &str {
        match self {
            Meant::Text(text) | Meant::TextOrList(text, _) | Meant::TextOrJson(text) => text,
        }
    }
}

/// Whether a filter is about tags, whose values are anything that people write.
fn is_tag(filter: &str) -> bool {
    filter.starts_with("tag:") || filter == "tag-key"
}

fn shape(found: &Value) -> Fault {
    FilterError::Shape { found: shown(&found.to_string(), SHOWN) }.into()
}

impl Arguments {
    /// That the values of a filter must be something else than they are.
    fn values(&self, filter: &str, found: &Value) -> Fault {
        let expected = format!("written with a list of texts as the values of `{}`", shown(filter, SHOWN));
        self.form("filters", &expected, found).into()
    }
}

#[cfg(test)]
mod tests;
