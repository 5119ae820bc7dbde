//! Reads a tool's arguments, with errors that a model can act on: they name the argument, the allowed values and an example.
//!
//! Each tool has one struct of arguments, from which its schema follows ([`super::schema`]). [`clean`] brings every value into
//! the form that the schema declares ([`coerce`]), and [`read`] turns the values into the struct.

pub mod coerce;
pub mod confirmation;
pub mod filters;
pub mod idempotency_key;
pub mod instances;
pub mod kind;
pub mod other_name;
pub mod past;
pub mod resource;
pub mod scope;
pub mod selection;
pub mod wait_seconds;

use rmcp::model::JsonObject;
use serde::de::DeserializeOwned;
use serde_json::Value;
use thiserror::Error;

use self::coerce::{ArgumentType, Care};
use crate::kinds::KindSpec;
use crate::model::text::shown;
use crate::query::column::COMMON;
use crate::query::nearness::{NEAR, closest, near, nearest};

/// Why arguments were refused, with arguments that work where they are known.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{problem}{}", example.map_or_else(String::new, |example| format!(". Example: {example}")))]
pub struct ArgumentError {
    problem: ArgumentProblem,
    example: Option<&'static str>,
}

/// What is wrong with arguments.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
enum ArgumentProblem {
    #[error("{tool} has no argument `{name}`{}. It takes: {allowed}", nearest.as_ref().map_or_else(String::new, |near| format!(" (did you mean `{near}`?)")))]
    Unknown { tool: &'static str, name: String, nearest: Option<String>, allowed: String },
    #[error("this call needs the argument `{0}`")]
    Missing(String),
    #[error("argument `{name}` must be {expected}, not {found}")]
    Form { name: String, expected: String, found: String },
    #[error("no field `{name}`{near}. Fields: {}", known.join(", "))]
    NoField { name: String, near: String, known: Vec<String> },
    #[error("{kind} has no filter `{name}`{near}. Give tag:KEY or one of: {}", known.join(", "))]
    NoFilter { kind: &'static str, name: String, near: String, known: Vec<&'static str> },
    /// The error of the argument's own type.
    #[error("{0}")]
    Value(String),
}

impl From<ArgumentProblem> for ArgumentError {
    fn from(problem: ArgumentProblem) -> Self {
        ArgumentError { problem, example: None }
    }
}

impl ArgumentError {
    /// The argument `name` is required and not there.
    #[must_use]
    pub fn missing(name: &str) -> Self {
        ArgumentProblem::Missing(name.to_owned()).into()
    }

    /// The argument `name` must be `expected`.
    #[must_use]
    pub fn form(name: &str, expected: &str, found: impl Into<Value>) -> Self {
        let found = shown(&found.into().to_string(), 80);
        ArgumentProblem::Form { name: name.to_owned(), expected: expected.to_owned(), found }.into()
    }

    /// What is wrong, in a sentence that names the argument.
    #[must_use]
    pub fn said(problem: &str) -> Self {
        ArgumentProblem::Value(problem.to_owned()).into()
    }

    /// The argument `name` must be one of `words`; the error names the word nearest to `found`.
    #[must_use]
    pub fn one_of(name: &str, words: &[&str], found: &str) -> Self {
        let near = near(nearest(found, words.iter().copied()));
        ArgumentError::form(name, &format!("one of {}{near}", words.join(", ")), found)
    }

    /// A resource whose fields are `known` does not have the field at `path`.
    #[must_use]
    pub fn no_field(path: &str, known: &[&str]) -> Self {
        let first = path.split(['.', '[']).next().unwrap_or_default().trim();
        let near = near(closest(first, known.iter().copied(), NEAR));
        let known = known.iter().map(|&name| name.to_owned()).collect();
        ArgumentProblem::NoField { name: shown(path, 80), near, known }.into()
    }

    /// `kind` has no filter `name` to show or to count by; `tag` is the tag of that key, if there is one.
    #[must_use]
    pub fn no_filter(kind: &KindSpec, name: &str, tag: Option<&str>) -> Self {
        let known: Vec<&str> = kind.filters.iter().map(|filter| filter.name).chain(COMMON).collect();
        let near = near(tag.or_else(|| nearest(&name.replace('_', "-"), known.iter().copied())));
        ArgumentProblem::NoFilter { kind: kind.slug, name: shown(name, 80), near, known }.into()
    }

    /// The same error with arguments that work.
    #[must_use]
    pub fn with_example(self, example: &'static str) -> Self {
        ArgumentError { example: Some(example), ..self }
    }
}

/// The arguments of a call of `tool`, each in the form that its schema declares. Empty values count as absent and are left out.
///
/// # Errors
/// When an argument is unknown, missing or of another form.
pub fn clean(
    tool: &'static str,
    schema: &JsonObject,
    care: Care,
    given: JsonObject,
) -> Result<JsonObject, ArgumentError> {
    let none = JsonObject::new();
    let declared = schema.get("properties").and_then(Value::as_object).unwrap_or(&none);
    let mut clean = JsonObject::new();
    let own: Vec<String> = given.keys().filter(|name| declared.contains_key(*name)).cloned().collect();
    for (name, value) in given {
        let name = match other_name::meant(declared, &name) {
            Some(meant)
                if care == Care::Read && !declared.contains_key(&name) && !own.iter().any(|own| own == meant) =>
            {
                meant.to_owned()
            }
            _ => name,
        };
        let Some(schema) = declared.get(&name) else { return Err(unknown(tool, declared, &name)) };
        let read = match ArgumentType::of(schema) {
            Some(form) => {
                form.read(care, &value).map_err(|expected| ArgumentError::form(&name, &expected, value.clone()))?
            }
            None => Some(value),
        };
        if let Some(value) = read {
            let value = one_of_the_words(schema, value);
            clean.insert(name, value);
        }
    }
    let required = schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    match required.into_iter().find(|name| !clean.contains_key(*name)) {
        Some(name) => Err(ArgumentError::missing(name)),
        None => Ok(clean),
    }
}

/// A value of an argument that takes one of several words: the word itself, also where it was written in other case.
fn one_of_the_words(schema: &Value, value: Value) -> Value {
    let (Some(words), Some(text)) = (schema.get("enum").and_then(Value::as_array), value.as_str()) else {
        return value;
    };
    match words.iter().filter_map(Value::as_str).find(|word| word.eq_ignore_ascii_case(text)) {
        Some(word) => Value::from(word),
        // Its type says what is wrong, or reads more than the words.
        None => value,
    }
}

fn unknown(tool: &'static str, declared: &JsonObject, name: &str) -> ArgumentError {
    let known = || declared.keys().map(String::as_str);
    let allowed = known().collect::<Vec<_>>().join(", ");
    let allowed = if allowed.is_empty() { "nothing".to_owned() } else { allowed };
    let nearest = other_name::meant(declared, name).or_else(|| nearest(name, known())).map(str::to_owned);
    ArgumentProblem::Unknown { tool, name: shown(name, 60), nearest, allowed }.into()
}

/// Turns cleaned arguments into a tool's struct.
///
/// # Errors
/// The error of the argument's own type.
pub fn read<A: DeserializeOwned>(clean: JsonObject) -> Result<A, ArgumentError> {
    let clean = Value::Object(clean);
    A::deserialize(&clean).map_err(|error| named(&clean, error.to_string()).into())
}

/// An error of an argument's type, which names the argument too where the type only shows its value.
fn named(given: &Value, problem: String) -> ArgumentProblem {
    let variant = problem.strip_prefix("unknown variant `").and_then(|rest| rest.split_once("`, expected "));
    let Some((value, words)) = variant else { return ArgumentProblem::Value(problem) };
    match given.as_object().into_iter().flatten().find(|(_, given)| given.as_str() == Some(value)) {
        Some((name, _)) => ArgumentProblem::Form {
            name: name.clone(),
            expected: words.replace('`', ""),
            found: shown(&Value::from(value).to_string(), 80),
        },
        None => ArgumentProblem::Value(problem),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::mcp::policy::Writes;
    use crate::mcp::tools::spec::ToolSpec;
    use crate::mcp::tools::{TOOLS, find, search_inventory};

    fn cleaned(spec: &'static ToolSpec, given: Value) -> Result<JsonObject, ArgumentError> {
        let Value::Object(given) = given else { panic!("an object") };
        spec.clean(given)
    }

    #[test]
    fn an_unknown_name_is_refused_with_the_nearest_one() {
        let error = cleaned(&search_inventory::SPEC, json!({"filter": []})).unwrap_err();
        assert!(error.to_string().contains("no argument `filter` (did you mean `filters`?)"), "{error}");
        let error = error.with_example(search_inventory::SPEC.example).to_string();
        assert!(error.contains("Example: {"), "{error}");
    }

    #[test]
    fn numbers_out_of_range_name_the_range() {
        let error = cleaned(&search_inventory::SPEC, json!({"limit": 501})).unwrap_err().to_string();
        assert!(error.contains("a whole number from 1 to 500, not 501"), "{error}");
        assert_eq!(cleaned(&search_inventory::SPEC, json!({"limit": "7"})).unwrap()["limit"], 7);
    }

    #[test]
    fn every_example_is_made_of_arguments_that_the_tool_takes() {
        for spec in TOOLS {
            let example: Value = serde_json::from_str(spec.example).expect(spec.name);
            cleaned(find(spec.name, &Writes::allowed()).unwrap(), example).expect(spec.name);
        }
    }
}
