//! Pieces that several tools' schemas share.

use serde_json::{Map, Value, json};

use crate::kinds::KINDS;

/// An object with these properties.
#[must_use]
pub fn object(required: &[&str], properties: Value) -> Value {
    with(json!({"type": "object", "required": required}), "properties", properties)
}

/// An object without required properties.
#[must_use]
pub fn optional(properties: Value) -> Value {
    with(json!({"type": "object"}), "properties", properties)
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

/// `true` or `false`, with a default.
#[must_use]
pub fn flag(description: &str, default: bool) -> Value {
    json!({"type": "boolean", "description": description, "default": default})
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

/// The kinds there are, by slug.
#[must_use]
pub fn kind(description: &str) -> Value {
    let slugs: Vec<&str> = KINDS.iter().map(|kind| kind.slug).collect();
    json!({"type": "string", "enum": slugs, "description": description})
}

/// AWS filters, in the spelling that AWS's own calls take.
#[must_use]
pub fn filters() -> Value {
    let filter = object(
        &["Name", "Values"],
        json!({
            "Name": text("An AWS filter name, tag:KEY or tag-key."),
            "Values": list(json!({"type": "string"}), "Alternatives; only * and ? are wildcards. Times: 2026-03-30T15:15:21.000Z or 2026-03-30T*."),
        }),
    );
    list(filter, "All of them must match. An object of name to values is taken too.")
}

/// The arguments `instance_ids` and `instance_id`, and what else the tool takes.
#[must_use]
pub fn instances(most: usize, more: Value) -> Value {
    let ids = json!({
        "type": "array",
        "items": {"type": "string", "pattern": "^i-[0-9a-zA-Z]+$"},
        "minItems": 1,
        "maxItems": most,
        "description": "The EC2 instance IDs. search_inventory finds them by name, tag or state.",
    });
    let mut properties = Map::new();
    properties.insert("instance_ids".to_owned(), ids);
    properties.insert("instance_id".to_owned(), text("A single EC2 instance ID, in place of instance_ids."));
    if let Value::Object(more) = more {
        properties.extend(more);
    }
    optional(Value::Object(properties))
}

/// How values of filters were read that can be read in two ways.
#[must_use]
pub fn readings() -> Value {
    list(json!({"type": "string"}), "How a filter's value was read that could be a text or the JSON text of a list.")
}

/// What answers say about first sweeps that are not complete.
#[must_use]
pub fn incomplete() -> Value {
    let each = object(
        &["account", "region", "kind", "seen"],
        json!({
            "account": text("The AWS account."),
            "region": text("The region."),
            "kind": text("The kind of resource."),
            "seen": count("Resources seen so far."),
            "trouble": text("What keeps the sweep from completing, and the fix."),
        }),
    );
    list(
        each,
        "Scopes whose first sweep is not complete: totals are lower bounds, and what is absent may only be unseen.",
    )
}

/// Why an answer may be out of date.
#[must_use]
pub fn stale() -> Value {
    let each = object(
        &["why"],
        json!({
            "account": text("The AWS account."),
            "region": text("The region."),
            "why": text("Why it may be out of date."),
            "since": text("Since when."),
        }),
    );
    list(each, "Scopes whose copy is older than it should be. Empty while everything is fresh.")
}
