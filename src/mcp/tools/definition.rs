//! The definitions of the tools as clients list them: what a model pays for before its first question.
//!
//! A text that several tools share (the kinds, the syntax of filters, times in the past) stands at the first tool alone. What a
//! tool answers is shown by the fields that it always has: answers and their rows are open objects. [`ToolSpec::output`]
//! describes them in full, and tests hold every answer to it.

use std::collections::HashSet;
use std::sync::Arc;

use rmcp::model::{JsonObject, Tool, ToolAnnotations};
use serde_json::{Value, json};

use super::spec::{ToolEffect, ToolSpec};

/// Shorter texts are not worth looking up at another tool.
const SHORT: usize = 18;

/// The definitions of `specs`, in their order.
#[must_use]
pub fn definitions(specs: &[&ToolSpec]) -> Vec<Tool> {
    let mut said = HashSet::new();
    let define = |spec: &&ToolSpec| {
        let mut input = spec.input.json().as_ref().clone();
        // Who may change something finds everything about it at its place.
        if !spec.is_write() {
            input.values_mut().for_each(|schemas| each_once(schemas, &mut said));
        }
        Tool::new(spec.name, spec.description, Arc::new(input))
            .with_title(spec.title)
            .with_raw_output_schema(Arc::new(outline(spec.output.json())))
            .with_annotations(hints(spec))
    };
    specs.iter().map(define).collect()
}

fn hints(spec: &ToolSpec) -> ToolAnnotations {
    let (destructive, idempotent) = match spec.effect {
        ToolEffect::Read => (false, true),
        ToolEffect::Idempotent { destructive } => (destructive, true),
        ToolEffect::Interrupts => (true, false),
        ToolEffect::Creates => (false, false),
    };
    // Reads answer from the local copy; a write reaches into AWS.
    ToolAnnotations::with_title(spec.title)
        .read_only(!spec.is_write())
        .destructive(destructive)
        .idempotent(idempotent)
        .open_world(spec.is_write())
}

/// Takes long texts, lists of words and forms of objects out of `schemas` that were said before, and remembers the others.
fn each_once(schemas: &mut Value, said: &mut HashSet<String>) {
    let Value::Object(fields) = schemas else { return };
    if let Some(items) = fields.get_mut("items").filter(|items| items.get("properties").is_some())
        && !said.insert(items.to_string())
    {
        *items = json!({"type": "object"});
    }
    for name in ["description", "enum"] {
        let text = fields.get(name).filter(|value| !value.is_object()).map(Value::to_string).unwrap_or_default();
        if text.len() > SHORT && !said.insert(text) {
            fields.remove(name);
        }
    }
    // What anybody takes for granted.
    let is_plain = |name: &str, value: &Value| match name {
        "default" => *value == json!(false),
        "minimum" | "uniqueItems" => !value.is_object(),
        _ => false,
    };
    fields.retain(|name, value| !is_plain(name, value));
    fields.values_mut().for_each(|schema| each_once(schema, said));
}

/// The names and types of the fields that an answer always has.
fn outline(schema: &JsonObject) -> JsonObject {
    let required = schema.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
    let fields = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
    let fields = fields.filter(|(name, _)| required.iter().any(|required| required == *name));
    let properties: JsonObject = fields.map(|(name, field)| (name.clone(), outlined(field))).collect();
    JsonObject::from_iter([
        ("type".to_owned(), json!("object")),
        ("properties".to_owned(), Value::Object(properties)),
        ("required".to_owned(), Value::Array(required)),
    ])
}

fn outlined(field: &Value) -> Value {
    let mut outline = json!({"type": field.get("type")});
    if let (Some(items), Value::Object(outline)) = (field.get("items"), &mut outline) {
        outline.insert("items".to_owned(), json!({"type": items.get("type")}));
    }
    outline
}

#[cfg(test)]
mod tests {
    use tiktoken_rs::o200k_base_singleton;

    use super::super::TOOLS;
    use super::*;
    use crate::mcp::instructions::instructions;
    use crate::mcp::policy::Writes;

    fn tokens(value: &Value) -> usize {
        o200k_base_singleton().encode_ordinary(&value.to_string()).len()
    }

    #[test]
    fn the_read_tools_cost_a_model_2600_tokens_and_the_whole_list_5500() {
        let tools = definitions(TOOLS);
        let mut all = 0;
        let mut costs = Vec::new();
        for (spec, tool) in TOOLS.iter().zip(&tools) {
            let mut tool = serde_json::to_value(tool).unwrap();
            all += tokens(&tool);
            let fields = tool.as_object_mut().unwrap();
            let output = tokens(&fields.remove("outputSchema").unwrap());
            fields.remove("annotations");
            costs.push((spec, tokens(&tool), output));
        }
        let table: Vec<_> =
            costs.iter().map(|(spec, cost, output)| format!("{} {cost} + {output}", spec.name)).collect();
        let read: usize = costs.iter().filter(|(spec, ..)| !spec.is_write()).map(|(_, cost, _)| cost).sum();
        assert!(read <= 2_600 && all <= 5_500, "read tools {read}, whole list {all}: {table:#?}");
    }

    #[test]
    fn the_instructions_cost_a_model_200_tokens() {
        for writes in [Writes::allowed(), Writes::not_asked(), Writes::not_permitted()] {
            let cost = tokens(&json!(instructions(&writes, &[])));
            assert!(cost <= 200, "{cost} with {writes:?}");
        }
    }

    #[test]
    fn what_is_shared_is_said_by_the_first_tool_alone() {
        let tools = definitions(TOOLS);
        let kinds = |tool: &Tool| tool.input_schema["properties"]["kind"].get("enum").is_some();
        assert_eq!(
            tools.iter().filter(|tool| kinds(tool)).map(|tool| tool.name.as_ref()).collect::<Vec<_>>(),
            ["search_inventory"]
        );
    }
}
