//! Reading a tool's arguments, with errors that a model can act on: the field, what is allowed, an example.
//!
//! [`Arguments::new`] brings each value into the form that the tool's schema declares ([`coerce`]), so that what reads
//! arguments after it sees clean values only.

pub mod coerce;
pub mod filters;

use std::ops::RangeInclusive;

use rmcp::model::JsonObject;
use serde_json::{Value, json};
use thiserror::Error;

use self::coerce::{Care, Form};
use crate::model::Named;
use crate::model::text::shown;
use crate::query::filter::nearest;

/// The arguments of one call; every name in them is one that the tool knows.
#[derive(Clone, Debug)]
pub struct Arguments {
    tool: &'static str,
    example: &'static str,
    given: JsonObject,
}

/// Why arguments were refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ArgumentError {
    /// No argument of that name.
    #[error("{tool} has no argument `{name}`{}. It takes: {allowed}. Example: {example}", nearest.as_ref().map_or_else(String::new, |near| format!(" (did you mean `{near}`?)")))]
    Unknown {
        /// The tool.
        tool: &'static str,
        /// What was given.
        name: String,
        /// The closest argument.
        nearest: Option<String>,
        /// All arguments, listed.
        allowed: String,
        /// Arguments that work.
        example: &'static str,
    },
    /// A required argument is not there.
    #[error("{tool} needs the argument `{name}`. Example: {example}")]
    Missing {
        /// The tool.
        tool: &'static str,
        /// The argument.
        name: &'static str,
        /// Arguments that work.
        example: &'static str,
    },
    /// A value of another form than the argument has.
    #[error("argument `{name}` must be {expected}, not {found}. Example: {example}")]
    Form {
        /// The argument.
        name: String,
        /// What it must be.
        expected: String,
        /// What was given, shortened.
        found: String,
        /// Arguments that work.
        example: &'static str,
    },
}

impl Arguments {
    /// Takes the arguments of a call of `tool`, each in the form that `declared` says.
    ///
    /// # Errors
    /// [`ArgumentError::Unknown`] with the nearest name, or [`ArgumentError::Form`] for a value of another type.
    pub fn new(
        tool: &'static str,
        example: &'static str,
        declared: &JsonObject,
        care: Care,
        given: JsonObject,
    ) -> Result<Self, ArgumentError> {
        Arguments { tool, example, given }.declared(declared, care)
    }

    /// Takes the arguments of the prompt `name`, all of them text.
    ///
    /// # Errors
    /// As for [`Arguments::new`].
    pub fn of_prompt(
        name: &'static str,
        known: &[&str],
        example: &'static str,
        given: JsonObject,
    ) -> Result<Self, ArgumentError> {
        let declared = known.iter().map(|name| ((*name).to_owned(), json!({"type": "string"}))).collect();
        Arguments { tool: name, example, given }.declared(&declared, Care::Read)
    }

    /// The same with each value in the form that `declared` says.
    fn declared(mut self, declared: &JsonObject, care: Care) -> Result<Self, ArgumentError> {
        let mut clean = JsonObject::new();
        for (name, value) in std::mem::take(&mut self.given) {
            let Some(schema) = declared.get(&name) else {
                let known = || declared.keys().map(String::as_str);
                let allowed = known().collect::<Vec<_>>().join(", ");
                return Err(ArgumentError::Unknown {
                    tool: self.tool,
                    name: shown(&name, 60),
                    nearest: nearest(&name, known()).map(str::to_owned),
                    allowed: if allowed.is_empty() { "nothing".to_owned() } else { allowed },
                    example: self.example,
                });
            };
            let read = match Form::of(schema) {
                Some(form) => form.read(care, &value).map_err(|expected| self.form(&name, &expected, &value))?,
                None => Some(value),
            };
            if let Some(value) = read {
                clean.insert(name, value);
            }
        }
        Ok(Arguments { given: clean, ..self })
    }

    /// The value, in the form that the schema declares; `None` when absent.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&Value> {
        self.given.get(name)
    }

    /// A text; `None` when absent.
    ///
    /// # Errors
    /// When it is something else.
    pub fn text(&self, name: &str) -> Result<Option<&str>, ArgumentError> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(self.form(name, "text", other)),
        }
    }

    /// `true` or `false`; `default` when absent.
    ///
    /// # Errors
    /// When it is something else.
    pub fn flag(&self, name: &str, default: bool) -> Result<bool, ArgumentError> {
        match self.value(name) {
            None => Ok(default),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(other) => Err(self.form(name, "true or false", other)),
        }
    }

    /// A whole number; `default` when absent.
    ///
    /// # Errors
    /// When it is something else, or outside `range`.
    pub fn number(&self, name: &str, range: RangeInclusive<usize>, default: usize) -> Result<usize, ArgumentError> {
        let Some(value) = self.value(name) else { return Ok(default) };
        let number = value.as_u64().and_then(|number| usize::try_from(number).ok());
        number
            .filter(|number| range.contains(number))
            .ok_or_else(|| self.form(name, &format!("a whole number from {} to {}", range.start(), range.end()), value))
    }

    /// Several texts, or a single one; empty when absent.
    ///
    /// # Errors
    /// When it is something else.
    pub fn texts(&self, name: &str) -> Result<Vec<&str>, ArgumentError> {
        let list = match self.value(name) {
            None => &[],
            Some(Value::Array(list)) => list.as_slice(),
            // An argument that is declared as one text.
            Some(lone) => std::slice::from_ref(lone),
        };
        list.iter().map(|value| value.as_str().ok_or_else(|| self.form(name, "a list of texts", value))).collect()
    }

    /// The instances named by `instance_ids` and `instance_id`, each once, in order.
    ///
    /// # Errors
    /// When there are none, more than `most`, or one does not look like an instance id.
    pub fn instance_ids(&self, most: usize) -> Result<Vec<String>, ArgumentError> {
        let mut ids: Vec<String> = Vec::new();
        for name in ["instance_ids", "instance_id"] {
            for id in self.texts(name)? {
                let id = id.trim();
                if !is_instance_id(id) {
                    let expected =
                        "instance ids such as i-0123456789abcdef0 (search_inventory finds ids by name or tag)";
                    return Err(self.form(name, expected, &Value::from(id)));
                }
                if !ids.iter().any(|known| known == id) {
                    ids.push(id.to_owned());
                }
            }
        }
        if ids.is_empty() {
            return Err(self.missing("instance_ids"));
        }
        if ids.len() > most {
            let found = Value::from(format!("{} ids", ids.len()));
            return Err(self.form("instance_ids", &format!("at most {most} ids: use several calls"), &found));
        }
        Ok(ids)
    }

    /// The instances that a call which changes AWS may reach: those named here, and no others.
    ///
    /// # Errors
    /// As for [`Arguments::instance_ids`].
    pub fn named_instances(&self, most: usize) -> Result<Named, ArgumentError> {
        self.instance_ids(most).map(Named::parsed_from_arguments)
    }

    /// That `name` is needed.
    #[must_use]
    pub fn missing(&self, name: &'static str) -> ArgumentError {
        ArgumentError::Missing { tool: self.tool, name, example: self.example }
    }

    /// That `name` must be something else than it is.
    #[must_use]
    pub fn form(&self, name: &str, expected: &str, found: &Value) -> ArgumentError {
        let found = shown(&found.to_string(), 80);
        ArgumentError::Form { name: name.to_owned(), expected: expected.to_owned(), found, example: self.example }
    }
}

fn is_instance_id(text: &str) -> bool {
    let rest = text.strip_prefix("i-").unwrap_or_default();
    (1..=40).contains(&rest.len()) && rest.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mcp::tools::spec::ToolSpec;
    use crate::mcp::tools::{find, get_instance_status, search_inventory};

    fn arguments(spec: &'static ToolSpec, given: Value) -> Result<Arguments, ArgumentError> {
        let Value::Object(given) = given else { panic!("an object") };
        spec.read(given)
    }

    #[test]
    fn an_unknown_name_is_refused_with_the_nearest_one() {
        let error = arguments(&search_inventory::SPEC, json!({"filter": []})).unwrap_err().to_string();
        assert!(error.contains("no argument `filter` (did you mean `filters`?)"), "{error}");
        assert!(error.contains("Example: {"), "{error}");
    }

    #[test]
    fn instance_ids_are_taken_alone_or_together_and_each_once() {
        let given = json!({"instance_ids": ["i-1", " i-2", "i-1"], "instance_id": "i-3"});
        let ids = arguments(&get_instance_status::SPEC, given).unwrap().instance_ids(5).unwrap();
        assert_eq!(ids, ["i-1", "i-2", "i-3"]);
    }

    #[test]
    fn what_is_no_instance_id_is_refused_with_a_way_to_find_one() {
        for given in [json!({"instance_id": "web-1"}), json!({"instance_ids": [7]}), json!({"instance_ids": ["i-"]})] {
            let read = arguments(&get_instance_status::SPEC, given);
            let error = read.and_then(|read| read.instance_ids(5)).unwrap_err();
            assert!(error.to_string().contains("argument `instance_id"), "{error}");
        }
        let none = arguments(&get_instance_status::SPEC, json!({})).unwrap().instance_ids(5).unwrap_err();
        assert!(none.to_string().contains("needs the argument `instance_ids`"), "{none}");
        let many: Vec<String> = (0..6).map(|n| format!("i-{n}")).collect();
        let many = arguments(&get_instance_status::SPEC, json!({"instance_ids": many})).unwrap();
        assert!(many.instance_ids(5).unwrap_err().to_string().contains("at most 5 ids"));
    }

    #[test]
    fn numbers_out_of_range_name_the_range() {
        let given = arguments(&search_inventory::SPEC, json!({"limit": 501})).unwrap();
        let error = given.number("limit", 1..=500, 25).unwrap_err().to_string();
        assert!(error.contains("a whole number from 1 to 500, not 501"), "{error}");
        let given = arguments(&search_inventory::SPEC, json!({"limit": "7"})).unwrap();
        assert_eq!(given.number("limit", 1..=500, 25), Ok(7));
    }

    #[test]
    fn every_example_is_made_of_arguments_that_the_tool_takes() {
        for spec in super::super::TOOLS {
            let example: Value = serde_json::from_str(spec.example).expect(spec.name);
            arguments(find(spec.name, crate::mcp::policy::Writes::Allowed).unwrap(), example).expect(spec.name);
        }
    }
}
