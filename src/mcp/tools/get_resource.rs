//! `get_resource`: one resource in full, for the many clients whose models cannot read MCP resources themselves.

use rmcp::schemars::{self, JsonSchema};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

use super::answer::ToolResult;
use super::arguments::ArgumentError;
use super::arguments::past::{self, PastArgument};
use super::arguments::resource::ResourceArguments;
use super::arguments::scope::ScopeArguments;
use super::as_of::{self, AsOf};
use super::schema::{self, ToolSchema};
use super::spec::{BUDGET, ToolCall, ToolEffect, ToolSpec};
use super::table::AnswerText;
use crate::ingest::Lacked;
use crate::kinds::{INSTANCE, KindSpec};
use crate::mcp::core::Core;
use crate::mcp::error::RequestError;
use crate::mcp::fresh::{missing, part_of};
use crate::mcp::lookup::{FoundResource, Part};
use crate::mcp::past::{RemovedResource, Then};
use crate::mcp::unobserved::GapQuery;
use crate::mcp::uri::Address;
use crate::model::text::shown;
use crate::model::{Document, Scope, Seq, Timestamp};
use crate::query::Point;

/// Bytes left for everything around the document.
const FRAME: usize = 6000;

/// The tool.
pub static SPEC: ToolSpec = ToolSpec {
    name: "get_resource",
    title: "Read one resource",
    description: "Reads one resource in full, with the field names of the AWS CLI, by URI (as in search results) or by kind \
                  and id; with as_of, as it was known in the past. A removed resource is shown as it was last known, with \
                  removed_at. An instance comes with its status checks, and with the ports that the internet can reach. Fields that do not fit are named in `omitted`: \
                  request them with `paths`, or read the URI as an MCP resource. Makes no AWS call.",
    effect: ToolEffect::Read,
    input: ToolSchema::of_arguments::<Arguments>(),
    output: ToolSchema::written(output),
    example: r#"{"uri": "ec2://instance/i-0123456789abcdef0"}"#,
    call: |call, given| call.with(given, serve),
};

/// Which resource, when, and how much of it.
#[derive(Debug, Deserialize, JsonSchema)]
struct Arguments {
    #[serde(flatten)]
    resource: ResourceArguments,
    #[serde(flatten)]
    scope: ScopeArguments,
    as_of: Option<PastArgument>,
    /// Only these fields, such as State.Name or NetworkInterfaces.
    #[serde(default)]
    paths: Vec<String>,
}

fn output() -> Value {
    as_of::object(
        &["uri", "kind", "id", "account", "region", "as_of", "seq", "provisional", "document"],
        json!({
            "uri": schema::text("The resource's URI."),
            "kind": schema::text("Its kind."),
            "id": schema::text("AWS's ID."),
            "account": schema::text("The AWS account that sees it."),
            "region": schema::text("The region."),
            "as_of": schema::text("When everything in `document` was last confirmed; with the argument as_of, the requested \
            time."),
            "seq": schema::count("The newest record of the log at this read; with the argument as_of, the last record up to \
            that time."),
            "removed_at": schema::text("When its removal was recorded; `document` is then its last known state."),
            "removed_seq": schema::count("The record of its removal."),
            "stale": {"type": "object", "description": "Why it may be out of date; absent while fresh."},
            "missing": schema::object(
                &["since", "sweeps"],
                json!({
                    "since": schema::text("When the first sweep that did not list it started."),
                    "sweeps": schema::count("How many complete sweeps in a row did not list it."),
                }),
            ),
            "provisional": schema::list(
                json!({"type": "string"}),
                "Groups of fields that AWS reported as changed, not yet confirmed by a describe.",
            ),
            "document": {"type": "object", "description": "The resource, as `aws ec2 describe-*` prints it."},
            "status": {"type": "object", "description": "An instance's status checks, as describe-instance-status prints them."},
            "status_as_of": schema::text("When the status checks were last confirmed."),
            "status_stale": {"type": "object", "description": "Why the status checks may be out of date; absent while fresh."},
            "exposure": {"type": "object", "description": "What of an instance the internet can reach directly: open ports, each with the path; unknown where it cannot be told."},
            "not_found": schema::list(json!({"type": "string"}), "Requested paths that it does not have."),
            "omitted": schema::list(json!({"type": "string"}), "Fields that were left out or shortened because of their size."),
        }),
    )
}

async fn serve(call: ToolCall, arguments: Arguments) -> Result<ToolResult, RequestError> {
    let core = call.core;
    let Arguments { resource, scope, as_of, paths } = arguments;
    if let Some(uri) = &resource.uri
        && matches!(Address::parse(uri), Ok(Address::History { .. }))
    {
        let expected = "the URI of one resource (call list_changes for its changes)";
        return Err(ArgumentError::form("uri", expected, uri.as_str()).into());
    }
    let (kind, id, scope) = resource.within(&scope, &core).await?;
    let (found, age) = match past::as_of(&core, as_of.as_ref())? {
        Some(point) => core.walk(move |core| then(core, kind, &id, scope.as_ref(), point)).await?,
        None => match core.find(kind, &id, scope.as_ref()).await {
            Ok(found) => (found, Age::Now),
            Err(removed @ RequestError::Removed { .. }) => {
                core.walk(move |core| last(core, kind, &id, scope.as_ref())).await?.ok_or(removed)?
            }
            Err(fault) => return Err(fault),
        },
    };
    let document = &found.current.document;
    if let Some(first) = paths.first()
        && paths.iter().all(|path| document.get(path).is_none())
    {
        let known: Vec<&str> = document.fields().keys().map(|name| &**name).collect();
        return Err(ArgumentError::no_field(first, &known).into());
    }
    let exposure = match age {
        Age::Now if kind.slug == INSTANCE.slug && paths.is_empty() => {
            let (id, instance) = (found.id.clone(), document.clone());
            Some(core.walk(move |core| core.exposure(&id, &instance)).await?)
        }
        _ => None,
    };
    let lacked = match age {
        Age::Now => core.ingest.freshness().lacked(&found.id),
        Age::Then(_) | Age::Gone { .. } => None,
    };
    Ok(shown_as(kind, &found, &age, lacked, &paths, exposure))
}

/// The time that an answer is about.
enum Age {
    /// Now.
    Now,
    /// At a point in the past.
    Then(AsOf),
    /// When the resource was last seen; it is gone.
    Gone { removed_at: Timestamp, removed_seq: Seq },
}

/// A resource as it was known at a point in the past.
fn then(
    core: &Core,
    kind: &'static KindSpec,
    id: &str,
    scope: Option<&Scope>,
    point: Point,
) -> Result<(FoundResource, Age), RequestError> {
    let then = core.then(kind, id, scope, point)?;
    let as_of = AsOf::new(core, &GapQuery::of(&[kind], Some(&then.id.scope())), point)?;
    Ok((known(kind, then, point.at, point.seq), Age::Then(as_of)))
}

/// The last known state of a removed resource; `None` when nothing is left of it.
fn last(
    core: &Core,
    kind: &'static KindSpec,
    id: &str,
    scope: Option<&Scope>,
) -> Result<Option<(FoundResource, Age)>, RequestError> {
    let Some(RemovedResource { last, removed_at, removed_seq }) = core.gone(kind, id, scope)? else { return Ok(None) };
    let as_of = last.current.evidence.oldest();
    Ok(Some((known(kind, last, as_of, core.snapshot()?.seq()), Age::Gone { removed_at, removed_seq })))
}

fn known(kind: &'static KindSpec, then: Then, as_of: Timestamp, seq: Seq) -> FoundResource {
    let Then { id, current, part } = then;
    let part = part_of(kind).map(|_| Part { known: part.map(|part| (as_of, part)), stale: None });
    FoundResource { id, current, as_of, stale: None, part, seq }
}

fn shown_as(
    kind: &'static KindSpec,
    found: &FoundResource,
    age: &Age,
    lacked: Option<Lacked>,
    paths: &[String],
    exposure: Option<(Value, Vec<String>)>,
) -> ToolResult {
    let FoundResource { id, current, as_of, stale, part, seq } = found;
    let part = part.as_ref().filter(|_| paths.is_empty());
    let status = part.and_then(|part| part.known.as_ref());
    let mut parts = vec![("document", selected(&current.document, paths))];
    if let Some((_, status)) = status {
        parts.push(("status", selected(&status.document, paths)));
    }
    let omitted = prune(&mut parts);
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
    if let Some(stale) = stale {
        put("stale", json!(stale));
    }
    if let Some((as_of, _)) = status {
        put("status_as_of", json!(as_of));
    }
    let status_stale = part.and_then(|part| part.stale.as_ref());
    if let Some(stale) = status_stale {
        put("status_stale", json!(stale));
    }
    let mut text = AnswerText::new(format!("{} {} in {}", kind.title, id.id, id.scope()));
    match age {
        Age::Now => text.add(format_args!("; as of {as_of}")),
        Age::Then(then) => {
            then.say(&mut text);
            let own = ["as_of", "seq"];
            then.fields()
                .into_iter()
                .filter(|(name, _)| !own.contains(name))
                .for_each(|(name, value)| put(name, value));
        }
        Age::Gone { removed_at, removed_seq } => {
            text.add(format_args!(
                " is gone: its removal was recorded at {removed_at} (seq {removed_seq}). It is shown as it was last known, \
                 as of {as_of}"
            ));
            put("removed_at", json!(removed_at));
            put("removed_seq", json!(removed_seq));
        }
    }
    if let Some(stale) = stale {
        text.add(format_args!("\nStale: {}", stale.why));
    }
    if let Some(lacked @ Lacked { since, sweeps }) = lacked {
        text.add(format_args!("\n{}", missing(lacked)));
        put("missing", json!({"since": since, "sweeps": sweeps}));
    }
    match (part, status) {
        (Some(_), Some((as_of, _))) => text.add(format_args!("\nStatus checks as of {as_of}")),
        (Some(_), None) => text.add("\nNo status checks of it have been seen yet"),
        _ => {}
    }
    if let Some(stale) = status_stale {
        text.add(format_args!("\nStatus checks stale: {}", stale.why));
    }
    if let Some((data, lines)) = exposure {
        for line in &lines {
            text.add(format_args!("\n{}", shown(line, 600)));
        }
        put("exposure", data);
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
    let not_found: Vec<&str> =
        paths.iter().filter(|path| current.document.get(path).is_none()).map(String::as_str).collect();
    if !not_found.is_empty() {
        text.add(format_args!("\nThe resource does not have: {}", shown(&not_found.join(", "), 500)));
        put("not_found", json!(not_found));
    }
    if !omitted.is_empty() {
        text.add(format_args!(
            "\nLeft out for size (ask for it with `paths`, or read the URI as an MCP resource): {}",
            omitted.join(", ")
        ));
        put("omitted", json!(omitted));
    }
    for (name, part) in parts {
        put(name, Value::Object(part));
    }
    ToolResult { text: text.into(), structured: Value::Object(structured), failure: None }
}

fn selected(document: &Document, paths: &[String]) -> Map<String, Value> {
    let json = |value: &crate::model::Value| serde_json::to_value(value).unwrap_or(Value::Null);
    if paths.is_empty() {
        return document.fields().iter().map(|(name, value)| (name.to_string(), json(value))).collect();
    }
    let found = paths.iter().filter_map(|path| Some((path.clone(), json(document.get(path)?))));
    found.collect()
}

/// Shortens the largest list, or leaves out the largest field, until text and data fit into the budget. Returns the names of the
/// fields that are missing or shortened.
fn prune(parts: &mut [(&'static str, Map<String, Value>)]) -> Vec<String> {
    let mut lengths: BTreeMap<String, usize> = BTreeMap::new();
    let mut omitted = Vec::new();
    loop {
        let sizes = parts.iter().flat_map(|(part, fields)| {
            fields.iter().map(move |(name, value)| (name.len() + size(name, value), *part, name.clone()))
        });
        let sizes: Vec<_> = sizes.collect();
        let total: usize = sizes.iter().map(|(size, ..)| size).sum();
        let largest = sizes.into_iter().max_by_key(|(size, ..)| *size);
        let Some((_, part, name)) = largest.filter(|_| total > BUDGET - FRAME) else { break };
        let Some((_, fields)) = parts.iter_mut().find(|(candidate, _)| *candidate == part) else { break };
        match fields.get_mut(&name) {
            Some(Value::Array(list)) if list.len() > 1 => {
                lengths.entry(name).or_insert(list.len());
                list.truncate(list.len() / 2);
            }
            _ => {
                fields.remove(&name);
                lengths.remove(&name);
                omitted.push(name);
            }
        }
    }
    let shortened = lengths.iter().filter_map(|(name, length)| {
        let kept = parts.iter().find_map(|(_, fields)| fields.get(name)?.as_array().map(Vec::len))?;
        Some(format!("{name} (the first {kept} of {length} are shown)"))
    });
    let shortened: Vec<String> = shortened.collect();
    omitted.extend(shortened);
    omitted
}

/// About the bytes of a field as text or as data, whichever is more: text repeats the path for each scalar.
fn size(path: &str, value: &Value) -> usize {
    match value {
        Value::Object(fields) => {
            fields.iter().map(|(name, value)| path.len() + 2 * name.len() + 6 + size(name, value)).sum()
        }
        other => other.to_string().len() + 8,
    }
}

/// A line for each scalar, with lists as JSON.
fn flatten(path: &str, value: &Value, out: &mut AnswerText) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, value)| flatten(&format!("{path}.{name}"), value, out)),
        Value::String(text) => out.add(format_args!("\n{path}: {}", shown(text, 2000))),
        Value::Array(list) if list.is_empty() => {}
        other => out.add(format_args!("\n{path}: {}", shown(&other.to_string(), BUDGET))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lists_are_shortened_before_anything_is_left_out() {
        let rules: Vec<Value> =
            (0..1000).map(|n| json!({"FromPort": n, "IpProtocol": "tcp", "Cidr": "10.0.0.0/8"})).collect();
        let fields = json!({"GroupId": "sg-1", "IpPermissions": rules, "Note": "x".repeat(40_000)});
        let Value::Object(fields) = fields else { panic!("an object") };
        let mut parts = vec![("document", fields)];
        let omitted = prune(&mut parts);
        assert_eq!(omitted.len(), 2);
        assert_eq!(omitted[0], "Note");
        let kept = parts[0].1["IpPermissions"].as_array().unwrap().len();
        assert!(kept > 100, "{kept}");
        assert_eq!(omitted[1], format!("IpPermissions (the first {kept} of 1000 are shown)"));
        assert!(Value::Object(parts[0].1.clone()).to_string().len() < BUDGET - FRAME);
    }
}
