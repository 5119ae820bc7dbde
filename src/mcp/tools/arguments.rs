//! Reading a tool's arguments, with errors that a model can act on: the field, what is allowed, an example.

use std::ops::RangeInclusive;

use rmcp::model::JsonObject;
use serde_json::Value;
use thiserror::Error;

use super::ToolSpec;
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
    /// Takes arguments whose names `tool` all knows.
    ///
    /// # Errors
    /// [`ArgumentError::Unknown`] with the nearest name.
    pub fn new(tool: &ToolSpec, given: JsonObject) -> Result<Self, ArgumentError> {
        let schema = (tool.input)();
        let known: Vec<&str> = schema
            .get("properties")
            .and_then(Value::as_object)
            .into_iter()
            .flat_map(|p| p.keys())
            .map(String::as_str)
            .collect();
        if let Some(name) = given.keys().find(|name| !known.contains(&name.as_str())) {
            return Err(ArgumentError::Unknown {
                tool: tool.name,
                name: shown(name, 60),
                nearest: nearest(name, known.iter().copied()).map(str::to_owned),
                allowed: if known.is_empty() { "nothing".to_owned() } else { known.join(", ") },
                example: tool.example,
            });
        }
        Ok(Arguments { tool: tool.name, example: tool.example, given })
    }

    /// The value as given; `None` when absent or `null`.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&Value> {
        self.given.get(name).filter(|value| !value.is_null())
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

    /// `true` or `false`, also as text; `default` when absent.
    ///
    /// # Errors
    /// When it is something else.
    pub fn flag(&self, name: &str, default: bool) -> Result<bool, ArgumentError> {
        match self.value(name) {
            None => Ok(default),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(Value::String(text)) if text == "true" => Ok(true),
            Some(Value::String(text)) if text == "false" => Ok(false),
            Some(other) => Err(self.form(name, "true or false", other)),
        }
    }

    /// A whole number, also as text; `default` when absent.
    ///
    /// # Errors
    /// When it is something else, or outside `range`.
    pub fn number(&self, name: &str, range: RangeInclusive<usize>, default: usize) -> Result<usize, ArgumentError> {
        let Some(value) = self.value(name) else { return Ok(default) };
        let number = match value {
            Value::Number(number) => number.as_u64().and_then(|number| usize::try_from(number).ok()),
            Value::String(text) => text.parse().ok(),
            _ => None,
        };
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
    use serde_json::json;

    use super::*;
    use crate::mcp::tools::{find, get_instance_status, search_inventory};

    fn arguments(spec: &'static ToolSpec, given: Value) -> Result<Arguments, ArgumentError> {
        let Value::Object(given) = given else { panic!("an object") };
        Arguments::new(spec, given)
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
            let error = arguments(&get_instance_status::SPEC, given).unwrap().instance_ids(5).unwrap_err();
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
