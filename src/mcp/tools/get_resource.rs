//! `get_resource`: one resource in full, for the many clients whose models cannot read MCP resources themselves.

use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::{Map, Value, json};

use super::answer::Answer;
use super::arguments::Arguments;
use super::search_inventory::kind;
use super::table::Text;
use super::{BUDGET, Call, Effect, ToolSpec, schema};
use crate::kinds::KindSpec;
use crate::mcp::core::Core;
use crate::mcp::error::Fault;
use crate::mcp::lookup::Found;
use crate::mcp::resources::read::status;
use crate::mcp::uri::Address;
use crate::model::text::shown;
use crate::model::{Document, Scope};

/// Left for what stands around the document.
const FRAME: usize = 3000;

/// The tool.
pub static SPEC: ToolSpec = ToolSpec {
    name: "get_resource",
    title: "Read one resource",
    description: "Reads one resource of the inventory in full, with the field names of the AWS CLI, by URI (as search \
                  results give it) or by kind and id. An instance comes with its status checks. Fields that do not fit \
                  are named in `omitted`; ask for them with `paths`. Makes no AWS call.",
    effect: Effect::Read,
    input,
    output,
    example: r#"{"uri": "ec2://instance/i-0123456789abcdef0"}"#,
    call,
};

fn input() -> Value {
    schema::optional(json!({
        "uri": schema::text("The resource's URI, such as ec2://vpc/vpc-0123456789abcdef0."),
        "kind": schema::kind("The kind, with id, in place of uri; instance unless given."),
        "id": schema::text("AWS's ID, in place of uri."),
        "paths": schema::list(json!({"type": "string"}), "Only these fields, such as State.Name or NetworkInterfaces."),
    }))
}

fn output() -> Value {
    schema::object(
        &["uri", "kind", "id", "account", "region", "as_of", "seq", "provisional", "document"],
        json!({
            "uri": schema::text("The resource's URI."),
            "kind": schema::text("Its kind."),
            "id": schema::text("AWS's ID."),
            "account": schema::text("The AWS account that sees it."),
            "region": schema::text("The region."),
            "as_of": schema::text("Everything shown was known to be so at this time."),
            "seq": schema::count("The log's end at this read."),
            "stale": {"type": "object", "description": "Why it may be out of date; absent while fresh."},
            "provisional": schema::list(
                json!({"type": "string"}),
                "Groups of fields that AWS reported changed and no describe has confirmed yet.",
            ),
            "document": {"type": "object", "description": "The resource, as `aws ec2 describe-*` prints it."},
            "status": {"type": "object", "description": "An instance's status checks, as describe-instance-status prints them."},
            "omitted": schema::list(json!({"type": "string"}), "Fields left out for their size."),
        }),
    )
}

fn call(call: Call) -> BoxFuture<'static, Result<Answer, Fault>> {
    async move {
        let Call { core, arguments, .. } = call;
        let (kind, id, scope) = named(&arguments)?;
        let found = core.find(kind, &id, scope.as_ref()).await?;
        let paths: Vec<String> = arguments.texts("paths")?.into_iter().map(str::to_owned).collect();
        shown_as(&core, kind, &found, &paths)
    }
    .boxed()
}

fn named(arguments: &Arguments) -> Result<(&'static KindSpec, String, Option<Scope>), Fault> {
    if let Some(uri) = arguments.text("uri")? {
        return match Address::parse(uri)? {
            Address::Resource { kind, id } => Ok((kind, id, None)),
            Address::Qualified { scope, kind, id } => Ok((kind, id, Some(scope))),
            Address::Summary | Address::Freshness => Err(arguments
                .form("uri", "one resource's URI: for this one call get_inventory_summary", &json!(uri))
                .into()),
            Address::Collection { .. } => {
                Err(arguments.form("uri", "one resource's URI: for many call search_inventory", &json!(uri)).into())
            }
        };
    }
    let id = arguments.text("id")?.ok_or_else(|| arguments.missing("uri"))?;
    Ok((kind(arguments, "kind")?, id.trim().to_owned(), None))
}

fn shown_as(core: &Core, kind: &'static KindSpec, found: &Found, paths: &[String]) -> Result<Answer, Fault> {
    let Found { id, current, seq, .. } = found;
    let status = status(core, kind, found)?;
    let mut parts = vec![("document", selected(&current.document, paths))];
    if let (Some((_, status)), true) = (&status, paths.is_empty()) {
        parts.push(("status", selected(&status.document, paths)));
    }
    let omitted = prune(&mut parts);
    let as_of = core.ingest.freshness().as_of(id, current);
    let provisional: Vec<String> = current
        .provisional
        .iter()
        .filter_map(|p| serde_json::to_value(p.group).ok()?.as_str().map(str::to_owned))
        .collect();
    let mut structured = Map::new();
    let mut put = |name: &str, value: Value| drop(structured.insert(name.to_owned(), value));
    put("uri", json!(Address::of(kind, &id.id).to_string()));
    put("kind", json!(kind.slug));
    put("id", json!(id.id));
    put("account", json!(id.account));
    put("region", json!(id.region));
    put("as_of", json!(as_of));
    put("seq", json!(seq));
    put("provisional", json!(provisional));
    let stale = core.stale(&id.scope(), kind);
    if let Some(stale) = &stale {
        put("stale", json!(stale));
    }
    let mut text = Text::new(format!("{} {} in {}; as of {as_of}", kind.title, id.id, id.scope()));
    if let Some(stale) = &stale {
        text.add(format_args!("\nStale: {}", stale.why));
    }
    if !provisional.is_empty() {
        text.add(format_args!("\nReported by AWS, not yet confirmed by a describe: {}", provisional.join(", ")));
    }
    for (name, part) in &parts {
        let prefix = if *name == "document" { "" } else { "status: " };
        for (field, value) in part {
            flatten(&format!("{prefix}{field}"), value, &mut text);
        }
    }
    if !omitted.is_empty() {
        text.add(format_args!("\nLeft out for their size, ask for them with `paths`: {}", omitted.join(", ")));
        put("omitted", json!(omitted));
    }
    for (name, part) in parts {
        put(name, Value::Object(part));
    }
    Ok(Answer { text: text.into(), structured: Value::Object(structured), failed: false })
}

fn selected(document: &Document, paths: &[String]) -> Map<String, Value> {
    let json = |value: &crate::model::Value| serde_json::to_value(value).unwrap_or(Value::Null);
    if paths.is_empty() {
        return document.fields().iter().map(|(name, value)| (name.clone(), json(value))).collect();
    }
    let found = paths.iter().filter_map(|path| Some((path.clone(), json(document.get(path)?))));
    found.collect()
}

/// Leaves out the largest fields until text and data fit into the budget. Returns what was left out.
fn prune(parts: &mut [(&'static str, Map<String, Value>)]) -> Vec<String> {
    let mut omitted = Vec::new();
    loop {
        let sizes = parts.iter().flat_map(|(part, fields)| {
            fields.iter().map(move |(name, value)| (name.len() + value.to_string().len() + 8, *part, name.clone()))
        });
        let sizes: Vec<_> = sizes.collect();
        let total: usize = sizes.iter().map(|(size, ..)| size).sum();
        let largest = sizes.into_iter().max_by_key(|(size, ..)| *size);
        let Some((_, part, name)) = largest.filter(|_| total > BUDGET - FRAME) else { return omitted };
        for (_, fields) in parts.iter_mut().filter(|(candidate, _)| *candidate == part) {
            fields.remove(&name);
        }
        omitted.push(name);
    }
}

/// A line for each scalar, with lists as JSON.
fn flatten(path: &str, value: &Value, out: &mut Text) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, value)| flatten(&format!("{path}.{name}"), value, out)),
        Value::String(text) => out.add(format_args!("\n{path}: {}", shown(text, 2000))),
        Value::Array(list) if list.is_empty() => {}
        other => out.add(format_args!("\n{path}: {}", shown(&other.to_string(), BUDGET))),
    }
}
