//! `find_relations`: what uses a resource, and what it uses.

use rmcp::schemars::{self, JsonSchema};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::answer::ToolResult;
use super::arguments::resource::ResourceArguments;
use super::arguments::scope::ScopeArguments;
use super::label::FreshnessLabel;
use super::schema::{self, ToolSchema};
use super::spec::{ToolCall, ToolEffect, ToolSpec};
use super::table::AnswerText;
use crate::kinds::{self, KindSpec};
use crate::mcp::core::Core;
use crate::mcp::error::RequestError;
use crate::mcp::lookup::vanished;
use crate::mcp::uri::Address;
use crate::model::text::shown;
use crate::model::{ResourceId, Row, Seq};
use crate::query::relations::{Deletable, Direction, RelatedResource, Relations, relations};

/// Ids of each kind unless asked for more.
const DEFAULT_IDS: usize = 10;
/// Ids of each kind at most: of all kinds together they stay within the budget.
const MAX_IDS: usize = 50;

/// The tool.
pub static SPEC: ToolSpec = ToolSpec {
    name: "find_relations",
    title: "Find what uses a resource and what it uses",
    description: "Shows what uses a resource (a security group, volume, image, ...) and what it uses, counts first. in_use \
                  is yes, no_use_found, or unknown while something that may use it is not held, stale or incomplete: then \
                  do not call it unused.",
    effect: ToolEffect::Read,
    input: ToolSchema::of_arguments::<Arguments>(),
    output: ToolSchema::written(output),
    example: r#"{"kind": "security-group", "id": "sg-0123456789abcdef0"}"#,
    call: |call, given| call.with(given, serve),
};

/// Of which resource.
#[derive(Debug, Deserialize, JsonSchema)]
struct Arguments {
    #[serde(flatten)]
    resource: ResourceArguments,
    #[serde(flatten)]
    scope: ScopeArguments,
    /// IDs shown of each kind.
    #[serde(default = "default_ids")]
    #[schemars(range(min = 1, max = MAX_IDS))]
    limit: usize,
}

fn default_ids() -> usize {
    DEFAULT_IDS
}

/// The directions, with the names that answers have for them and their headings.
const DIRECTIONS: [(Direction, &str, &str); 4] = [
    (Direction::UsedBy, "used_by", "Used by"),
    (Direction::Uses, "uses", "Uses"),
    (Direction::MadeFrom, "made_from", "Made from (does not depend on it)"),
    (Direction::MadeInto, "made_into", "Made into (does not depend on it)"),
];

fn output() -> Value {
    let related = |what: &str| {
        let each = schema::object(
            &["kind", "count", "ids", "via"],
            json!({
                "kind": schema::text("Their kind; what their IDs begin with, for one that is not held."),
                "count": schema::count("How many."),
                "ids": schema::list(json!({"type": "string"}), "The first of them."),
                "via": schema::list(json!({"type": "string"}), "The filters that hold the reference."),
            }),
        );
        schema::list(each, what)
    };
    schema::object(
        &[
            "kind",
            "id",
            "account",
            "region",
            "in_use",
            "used_by",
            "uses",
            "kinds_searched",
            "kinds_unsure",
            "kinds_not_held",
            "seq",
        ],
        json!({
            "kind": schema::text("Its kind."),
            "id": schema::text("AWS's ID."),
            "uri": schema::text("Its URI."),
            "name": schema::text("Its name."),
            "account": schema::text("The AWS account."),
            "region": schema::text("The region."),
            "in_use": {"type": "string", "enum": ["yes", "unknown", "no_use_found"], "description": "Whether anything uses it."},
            "used_by": related("What uses it, by kind, most first."),
            "uses": related("The same of what it uses."),
            "made_from": related("What it was made from."),
            "made_into": related("What was made from it."),
            "kinds_searched": schema::list(json!({"type": "string"}), "Kinds that may use it, searched completely."),
            "kinds_unsure": schema::list(json!({"type": "string"}), "Kinds that may use it and are not held, stale or incomplete."),
            "kinds_not_held": schema::list(json!({"type": "string"}), "What else may use it and is not in this inventory."),
            "as_of": schema::text("When everything searched was last confirmed."),
            "seq": schema::count("The log's end at this read."),
        }),
    )
}

async fn serve(call: ToolCall, arguments: Arguments) -> Result<ToolResult, RequestError> {
    let core = call.core;
    let Arguments { resource, scope, limit } = arguments;
    let (kind, id, scope) = resource.within(&scope, &core).await?;
    // A status is part of the resource that has its id.
    let kind = kind.status_of.and_then(kinds::by_slug).unwrap_or(kind);
    core.watched_kind(kind)?;
    loop {
        let located = core.locate(kind, &id, &scope).await?;
        let answer = core.walk(move |core| related(core, kind, &located.id, limit)).await?;
        if let Some(answer) = answer {
            return Ok(answer);
        }
    }
}

/// What has to do with a resource; `None` when it is gone meanwhile.
fn related(
    core: &Core,
    kind: &'static KindSpec,
    id: &ResourceId,
    limit: usize,
) -> Result<Option<ToolResult>, RequestError> {
    // What cannot be relied on is asked for before anything is searched, and again after it: what is damaged is found by reading.
    let before = relations_doubts(core, id);
    let mut all = core.watched_of(kinds::KINDS);
    all.retain(|kind| kind.status_of.is_none());
    let as_of = FreshnessLabel::of_all(core, &all, &id.scope().into(), None)?.fields().remove("as_of");
    let snapshot = core.snapshot()?;
    let Some(row) = snapshot.row(id)? else {
        vanished(&snapshot, id)?;
        return Ok(None);
    };
    let seq = snapshot.seq();
    drop(snapshot);
    let unsure = |scope: &crate::model::Scope, of: &'static KindSpec| {
        let known = before.iter().find(|(slug, _)| *slug == of.slug).map(|(_, why)| why.clone());
        known.or_else(|| core.unsure(scope, of))
    };
    let relations = relations(&core.store, kind, &row, limit, &unsure, &|from| core.watches(from))?;
    Ok(Some(answer(kind, &row, &relations, as_of, seq)))
}

/// The kinds that could not be relied on when this was asked for, with the reason.
fn relations_doubts(core: &Core, id: &ResourceId) -> Vec<(&'static str, String)> {
    let scope = id.scope();
    let kinds = kinds::KINDS.iter().filter_map(|kind| Some((kind.slug, core.unsure(&scope, kind)?)));
    kinds.collect()
}

fn answer(kind: &'static KindSpec, row: &Row, relations: &Relations, as_of: Option<Value>, seq: Seq) -> ToolResult {
    let name = row.fields.name.as_deref().filter(|name| !name.is_empty()).map(|name| shown(name, 200));
    let called = name.as_ref().map_or_else(String::new, |name| format!(" ({name})"));
    let mut text = AnswerText::new(format!("{} {}{called} in {}", kind.title, row.id.id, row.id.scope()));
    match as_of.as_ref().and_then(Value::as_str) {
        Some(as_of) => text.add(format_args!(", as of {as_of}\n")),
        None => text.add("\n"),
    }
    let in_use = match relations.deletable() {
        Deletable::InUse => {
            text.add("In use: yes. Look at what uses it before deleting it.");
            "yes"
        }
        Deletable::Unknown => {
            text.add("In use: unknown. Nothing that could be searched uses it, but not everything that may use it could be searched.");
            "unknown"
        }
        Deletable::NoUseFound => {
            text.add("In use: no use was found, and every kind that may use it was searched.");
            "no_use_found"
        }
    };
    let mut data = Map::new();
    let mut put = |field: &str, value: Value| drop(data.insert(field.to_owned(), value));
    put("kind", json!(kind.slug));
    put("id", json!(row.id.id));
    put("uri", json!(Address::of(kind, &row.id.id).to_string()));
    if let Some(name) = name {
        put("name", json!(name));
    }
    put("account", json!(row.id.account));
    put("region", json!(row.id.region));
    put("in_use", json!(in_use));
    for (direction, field, heading) in DIRECTIONS {
        let related = relations.of(direction);
        if related.is_empty() && matches!(direction, Direction::MadeFrom | Direction::MadeInto) {
            continue;
        }
        let counts: Vec<String> = related.iter().map(|one| format!("{} {}", one.count, one.kind)).collect();
        let counts = if counts.is_empty() { "nothing that was found".to_owned() } else { counts.join(", ") };
        text.add(format_args!("\n{heading}: {counts}"));
        for RelatedResource { kind, via, count, ids } in related {
            let more = count.saturating_sub(ids.len() as u64);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            text.add(format_args!("\n  {kind} by {}: {}{more}", via.join(", "), ids.join(", ")));
        }
        let each =
            related.iter().map(|one| json!({"kind": one.kind, "count": one.count, "ids": one.ids, "via": one.via}));
        put(field, each.collect());
    }
    let unsure: Vec<String> = relations.unsure.iter().map(|(slug, why)| format!("{slug}: {why}")).collect();
    text.add(format_args!("\nSearched for uses: {}", listed(relations.searched.iter().copied())));
    for doubt in &unsure {
        text.add(format_args!("\nUncertain: {doubt}"));
    }
    if !relations.not_held.is_empty() {
        text.add(format_args!("\nMay use it and is not in this inventory: {}", relations.not_held.join(", ")));
    }
    put("kinds_searched", json!(relations.searched));
    put("kinds_unsure", json!(unsure));
    put("kinds_not_held", json!(relations.not_held));
    if let Some(as_of) = as_of {
        put("as_of", as_of);
    }
    put("seq", json!(seq));
    ToolResult { text: text.into(), structured: Value::Object(data), failure: None, input: None }
}

fn listed<'a>(slugs: impl Iterator<Item = &'a str>) -> String {
    let slugs: Vec<&str> = slugs.collect();
    if slugs.is_empty() { "nothing".to_owned() } else { slugs.join(", ") }
}
