//! JSON Schemas of what tools take and give, in the form that every client understands.
//!
//! They follow from types: the documentation of a field is its description. Clients drop tools whose schemas hold `null` unions,
//! and models pay for every character, so [`PlainSchema`] leaves out what carries no information ([`PlainSchema`]).

use std::sync::{Arc, OnceLock};

use rmcp::model::JsonObject;
use rmcp::schemars::generate::SchemaSettings;
use rmcp::schemars::transform::{Transform, transform_subschemas};
use rmcp::schemars::{JsonSchema, Schema as Generated};
use serde_json::{Value, json};

/// A schema, made at its first use.
pub struct ToolSchema {
    make: fn() -> Value,
    made: OnceLock<Arc<JsonObject>>,
}

impl ToolSchema {
    /// The schema of arguments of type `T`.
    #[must_use]
    pub const fn of_arguments<T: JsonSchema>() -> Self {
        ToolSchema::written(arguments::<T>)
    }

    /// The schema of structured content of type `T`.
    #[must_use]
    pub const fn of_answer<T: JsonSchema>() -> Self {
        ToolSchema::written(answer::<T>)
    }

    /// A schema that `make` writes out.
    #[must_use]
    pub const fn written(make: fn() -> Value) -> Self {
        ToolSchema { make, made: OnceLock::new() }
    }

    /// The schema as JSON.
    #[must_use]
    pub fn json(&self) -> &Arc<JsonObject> {
        self.made.get_or_init(|| match (self.make)() {
            Value::Object(fields) => Arc::new(fields),
            _ => Arc::default(),
        })
    }
}

fn arguments<T: JsonSchema>() -> Value {
    generate::<T>(SchemaSettings::draft2020_12().for_deserialize())
}

/// The schema of structured content of type `T`.
#[must_use]
pub fn answer<T: JsonSchema>() -> Value {
    generate::<T>(SchemaSettings::draft2020_12().for_serialize())
}

fn generate<T: JsonSchema>(settings: SchemaSettings) -> Value {
    let settings = settings.with(|settings| {
        settings.meta_schema = None;
        settings.inline_subschemas = true;
    });
    let mut schema = settings.with_transform(PlainSchema).into_generator().into_root_schema_for::<T>();
    // The description of the Rust type means nothing to a client.
    schema.remove("description");
    if schema.get("properties").is_none() {
        schema.insert("properties".to_owned(), json!({}));
    }
    schema.into()
}

/// Leaves out what tells a model nothing or is not understood by every client: titles, formats of numbers, `null`, empty
/// defaults, and the documentation of a list's element type beside that of the list.
#[derive(Clone, Copy, Debug)]
struct PlainSchema;

impl Transform for PlainSchema {
    fn transform(&mut self, schema: &mut Generated) {
        transform_subschemas(self, schema);
        schema.remove("title");
        schema.remove("format");
        let is_empty = |value: &Value| value.is_null() || *value == json!([]);
        if schema.get("default").is_some_and(is_empty) {
            schema.remove("default");
        }
        if let Some(Value::Object(items)) = schema.get_mut("items") {
            items.remove("description");
        }
        if let Some(Value::Array(words)) = schema.get_mut("enum") {
            words.retain(|word| !word.is_null());
        }
        if let Some(Value::Array(types)) = schema.get_mut("type") {
            types.retain(|name| name != "null");
            if let [only] = types.as_slice() {
                let only = only.clone();
                schema.insert("type".to_owned(), only);
            }
        }
        if let Some(Value::Array(mut alternatives)) = schema.remove("anyOf") {
            alternatives.retain(|alternative| alternative.get("type") != Some(&json!("null")));
            for (name, value) in alternatives.into_iter().filter_map(|each| each.as_object().cloned()).flatten() {
                // A description of the field takes precedence over that of its type.
                if schema.get(&name).is_none() {
                    schema.insert(name, value);
                }
            }
        }
        if let Some(Value::String(text)) = schema.get_mut("description") {
            *text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        }
    }
}

/// An object with these properties.
#[must_use]
pub fn object(required: &[&str], properties: Value) -> Value {
    with(json!({"type": "object", "required": required}), "properties", properties)
}

fn with(mut schema: Value, name: &str, value: Value) -> Value {
    if let Value::Object(fields) = &mut schema {
        fields.insert(name.to_owned(), value);
    }
    schema
}

/// A text.
#[must_use]
pub fn text(description: &str) -> Value {
    json!({"type": "string", "description": description})
}

/// A whole number that is not negative.
#[must_use]
pub fn count(description: &str) -> Value {
    json!({"type": "integer", "minimum": 0, "description": description})
}

/// Several of `items`.
#[must_use]
pub fn list(items: Value, description: &str) -> Value {
    with(json!({"type": "array", "description": description}), "items", items)
}

/// The schema of the sentences that say how an ambiguous filter value was read.
#[must_use]
pub fn readings() -> Value {
    list(json!({"type": "string"}), "How an ambiguous filter value was read: as plain text or as a JSON list.")
}

/// The schema of the time up to which changes after `as_of` are included.
#[must_use]
pub fn changes_until() -> Value {
    text("Changes after as_of are included up to this one; absent if there is none.")
}

/// The schema of the list of first sweeps that are not complete.
#[must_use]
pub fn incomplete() -> Value {
    let each = object(
        &["kind", "seen"],
        json!({
            "account": text("The AWS account."),
            "region": text("The region."),
            "kind": text("The kind of resource."),
            "seen": count("Resources seen so far."),
            "scopes": count("How many accounts and regions, where they are many and stand together."),
            "examples": list(json!({"type": "string"}), "The first of these."),
            "trouble": text("What keeps the sweep from completing, and the fix."),
        }),
    );
    list(
        each,
        "Accounts and regions whose first sweep is not complete: totals are lower bounds, and a missing resource may just not \
        have been seen yet.",
    )
}

/// The schema of the reasons why an answer may be out of date.
#[must_use]
pub fn stale() -> Value {
    let each = object(
        &["why"],
        json!({
            "account": text("The AWS account."),
            "region": text("The region."),
            "why": text("Why it may be out of date."),
            "since": text("When that began."),
            "scopes": count("How many accounts and regions, where they are many and stand together."),
            "examples": list(json!({"type": "string"}), "The first of these."),
        }),
    );
    list(each, "Accounts and regions whose copy is older than it should be. Empty while everything is fresh.")
}

/// The schema of how many accounts and regions a question covers.
#[must_use]
pub fn scope_counts() -> Value {
    let counts = object(
        &["all", "pending", "failed"],
        json!({
            "all": count("How many it is about."),
            "pending": count("In how many of them a first sweep is not complete."),
            "failed": count("How many could not be looked at."),
        }),
    );
    with(
        counts,
        "description",
        json!("How many accounts and regions are asked about; absent where few are and all were seen."),
    )
}
