//! Reads the value of one argument by the type that its schema declares.
//!
//! Clients send numbers as text, lists and objects as JSON text, and `""` or `null` for what they leave out. Each such form
//! either means exactly the same as the clean one, or is refused: nothing is guessed. The content of a text argument is never
//! read as JSON. A tool that changes AWS accepts fewer forms than a tool that reads.

use serde_json::{Number, Value};

use crate::mcp::checked_json;

/// Floating-point numbers are exact whole numbers up to here.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// The type that a schema declares for an argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ArgumentType {
    /// Text; `listed` when only certain words are allowed.
    Text {
        /// Whether the schema lists the words.
        listed: bool,
    },
    /// `true` or `false`.
    Flag,
    /// A whole number.
    Whole {
        /// The least.
        minimum: Option<i64>,
        /// The most.
        maximum: Option<i64>,
    },
    /// A list of texts.
    Texts {
        /// Whether they are names, which a text lists with commas between them.
        names: bool,
    },
    /// A list of objects, or an object.
    Objects,
}

/// How careful a value must be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Care {
    /// The tool only reads.
    Read,
    /// The tool changes AWS: a flag must be given as `true` or `false`.
    Write,
}

impl ArgumentType {
    /// Reads the type from the schema of an argument; `None` for a type that no argument has.
    #[must_use]
    pub fn of(schema: &Value) -> Option<Self> {
        let name = |schema: &Value| schema.get("type").and_then(Value::as_str).map(str::to_owned);
        let items = || name(schema.get("items")?);
        match name(schema)?.as_str() {
            "string" => Some(ArgumentType::Text { listed: schema.get("enum").is_some() }),
            "boolean" => Some(ArgumentType::Flag),
            "integer" => {
                let bound = |name: &str| schema.get(name).and_then(Value::as_i64);
                Some(ArgumentType::Whole { minimum: bound("minimum"), maximum: bound("maximum") })
            }
            "array" => match items()?.as_str() {
                "string" => Some(ArgumentType::Texts { names: schema.get("uniqueItems") == Some(&Value::Bool(true)) }),
                "object" => Some(ArgumentType::Objects),
                _ => None,
            },
            _ => None,
        }
    }

    /// Brings a value into its clean form; `None` when it counts as absent.
    ///
    /// # Errors
    /// What the argument must be, for a message.
    pub fn read(&self, care: Care, given: &Value) -> Result<Option<Value>, String> {
        match (self, given) {
            // An absent flag means no. In a tool that changes AWS, an empty value must not be read as no.
            (ArgumentType::Flag, _) if care == Care::Write => flag_said(given).map(Some),
            (_, Value::Null) => Ok(None),
            (_, Value::String(text)) if text.trim().is_empty() => Ok(None),
            (ArgumentType::Text { listed: true }, Value::String(word)) => Ok(Some(word.trim().into())),
            // A description of what a tool makes is taken to the letter.
            (ArgumentType::Text { .. }, Value::String(_)) if care == Care::Write => Ok(Some(given.clone())),
            (ArgumentType::Text { .. }, Value::String(text)) => Ok(Some(text.trim().into())),
            (ArgumentType::Text { .. }, Value::Number(number)) if care == Care::Read => {
                whole(number).map(|number| Some(number.to_string().into())).ok_or_else(|| "text".to_owned())
            }
            (ArgumentType::Text { .. }, _) => Err("text".to_owned()),
            (ArgumentType::Flag, _) => flag(given).map(Some),
            (ArgumentType::Whole { minimum, maximum }, _) => {
                let is_within = |value: &Value| {
                    let number = value.as_i64().unwrap_or(i64::MAX);
                    minimum.is_none_or(|least| number >= least) && maximum.is_none_or(|most| number <= most)
                };
                number(given).filter(is_within).map(Some).ok_or_else(|| range(*minimum, *maximum))
            }
            (ArgumentType::Texts { names: true }, Value::String(text)) if !text.trim_start().starts_with('[') => {
                Ok(Some(text.split(',').map(|name| Value::from(name.trim())).collect()))
            }
            (ArgumentType::Texts { .. }, _) => texts(given).map(Some),
            (ArgumentType::Objects, _) => objects(given).map(Some),
        }
    }
}

/// The numbers that are allowed, in words.
fn range(minimum: Option<i64>, maximum: Option<i64>) -> String {
    match (minimum, maximum) {
        (Some(least), Some(most)) => format!("a whole number from {least} to {most}"),
        (Some(least), None) => format!("a whole number, at least {least}"),
        _ => "a whole number".to_owned(),
    }
}

/// The whole number that `number` equals: `10.0` and `1e1` are `10`.
#[must_use]
pub fn whole(number: &Number) -> Option<Number> {
    if number.is_u64() || number.is_i64() {
        return Some(number.clone());
    }
    let number = number.as_f64().filter(|number| number.fract() == 0.0 && number.abs() <= EXACT)?;
    // Through its digits: a conversion by `as` would turn what does not fit into something else.
    format!("{number:.0}").parse::<i64>().ok().map(Number::from)
}

/// A whole number, also as JSON's text of one.
fn number(given: &Value) -> Option<Value> {
    let number = match given {
        Value::Number(number) => whole(number),
        Value::String(text) => match serde_json::from_str(text.trim()) {
            Ok(Value::Number(number)) => whole(&number),
            _ => None,
        },
        _ => None,
    };
    number.map(Value::Number)
}

/// The words `true` and `false`, in capitals or not.
fn word(text: &str) -> Option<bool> {
    let text = text.trim();
    match () {
        () if text.eq_ignore_ascii_case("true") => Some(true),
        () if text.eq_ignore_ascii_case("false") => Some(false),
        () => None,
    }
}

/// `true` or `false`, also as a word, as 1 or as 0.
fn flag(given: &Value) -> Result<Value, String> {
    let read = match given {
        Value::Bool(flag) => Some(*flag),
        Value::String(text) => word(text),
        _ => None,
    };
    let of_number = || match number(given)?.as_u64()? {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    };
    read.or_else(of_number).map(Value::Bool).ok_or_else(|| "true or false".to_owned())
}

/// `true` or `false`, also as a word, and nothing else.
fn flag_said(given: &Value) -> Result<Value, String> {
    let read = match given {
        Value::Bool(flag) => Some(*flag),
        Value::String(text) => word(text),
        _ => None,
    };
    read.map(Value::Bool)
        .ok_or_else(|| "true or false, since this tool changes AWS (leave the argument out for false)".to_owned())
}

/// What a list of texts must be.
const TEXTS: &str = "a list of texts, such as [\"a\", \"b\"]";

/// A list of texts, also as its JSON text. A lone text is a list of one; one with a comma may be meant for several.
fn texts(given: &Value) -> Result<Value, String> {
    let refused = || TEXTS.to_owned();
    let list = match given {
        Value::Array(list) => list.clone(),
        Value::String(text) if text.trim_start().starts_with('[') => match serde_json::from_str(text) {
            Ok(Value::Array(list)) => list,
            _ => return Err(refused()),
        },
        Value::String(text) if text.contains(',') => return Err(refused()),
        Value::String(_) => vec![given.clone()],
        _ => return Err(refused()),
    };
    if list.iter().all(Value::is_string) { Ok(Value::Array(list)) } else { Err(refused()) }
}

/// An object or a list of objects, also as its JSON text; in a list, objects may be JSON text as well.
fn objects(given: &Value) -> Result<Value, String> {
    let refused = || "a list of objects, or an object".to_owned();
    let decoded = match given {
        Value::String(text) => checked_json::value(text).ok_or_else(refused)?,
        other => other.clone(),
    };
    match decoded {
        Value::Object(_) => Ok(decoded),
        Value::Array(list) => list.into_iter().map(object).collect::<Option<_>>().map(Value::Array).ok_or_else(refused),
        _ => Err(refused()),
    }
}

fn object(given: Value) -> Option<Value> {
    let decoded = match given {
        Value::String(text) => checked_json::value(&text)?,
        other => other,
    };
    decoded.is_object().then_some(decoded)
}

#[cfg(test)]
mod tests;
