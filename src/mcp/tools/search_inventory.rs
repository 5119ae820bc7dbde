//! `search_inventory`: the way to find anything.

use rmcp::schemars::{self, JsonSchema};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::answer::Answer;
use super::arguments::ArgumentError;
use super::arguments::filters::{FilterArgument, GivenFilters, Settled};
use super::arguments::kind::KindArgument;
use super::arguments::past::{self, PastArgument};
use super::arguments::scope::ScopeArguments;
use super::as_of;
use super::label::FreshnessLabel;
use super::rows::Columns;
use super::schema::ToolSchema;
use super::spec::{BUDGET, Call, Effect, ToolSpec};
use super::{schema, zero};
use crate::ingest::Lacked;
use crate::kinds::KindSpec;
use crate::mcp::core::Core;
use crate::mcp::error::Fault;
use crate::mcp::unreadable;
use crate::model::Row;
use crate::query::filter::has_tags;
use crate::query::{Hits, Query, search};

/// Rows on a page unless asked for more.
const DEFAULT_ROWS: usize = 25;
/// Rows on a page at most; [`BUDGET`] may cut it shorter.
const MAX_ROWS: usize = 500;
/// Columns at most.
const MAX_COLUMNS: usize = 20;

/// The tool.
pub static SPEC: ToolSpec = ToolSpec {
    name: "search_inventory",
    title: "Search the EC2 inventory",
    description: "Finds resources in the local copy of the EC2 inventory by AWS filters, with the exact total. Start here. \
                  Filters are those of AWS's describe calls; values may hold * and ?. For instances: instance-state-name, \
                  instance-type, vpc-id, subnet-id, availability-zone, private-ip-address, ip-address, image-id, \
                  instance.group-id, tag:KEY, tag-key, exposed (ports that the internet can reach: 22) and more. Answers a page of rows with id, name, state and where to \
                  read more, next_cursor for the next page, and how fresh it is. With as_of it answers from the past: who \
                  had an address last Tuesday is {\"filters\": {\"private-ip-address\": [\"10.1.2.3\"]}, \"as_of\": \
                  \"2026-11-17T12:00:00Z\"}; ask kind network-interface as well, for addresses that no instance had as its \
                  first. Makes no AWS call.",
    effect: Effect::Read,
    input: ToolSchema::of_arguments::<Arguments>(),
    output: ToolSchema::written(output),
    example: r#"{"kind": "instance", "filters": [{"Name": "instance-state-name", "Values": ["running"]}, {"Name": "tag:Name", "Values": ["web-*"]}], "limit": 25}"#,
    call: |call, given| call.with(given, serve),
};

/// What to search for.
#[derive(Debug, Deserialize, JsonSchema)]
struct Arguments {
    /// What to search; instance unless given.
    #[serde(default)]
    kind: KindArgument,
    #[serde(default)]
    filters: FilterArgument,
    #[serde(flatten)]
    scope: ScopeArguments,
    /// Columns to show in place of the usual ones: filter names or tag:KEY.
    #[serde(default)]
    fields: Vec<String>,
    /// Rows on a page.
    #[serde(default = "default_rows")]
    #[schemars(range(min = 1, max = MAX_ROWS))]
    limit: usize,
    as_of: Option<PastArgument>,
    /// next_cursor of the page before, with the same other arguments. as_of stays as it was.
    cursor: Option<String>,
}

fn default_rows() -> usize {
    DEFAULT_ROWS
}

fn output() -> Value {
    let row = json!({
        "type": "object",
        "properties": {
            "id": schema::text("AWS's ID."),
            "name": schema::text("The Name tag, or the kind's own name."),
            "uri": schema::text("Where to read the whole resource (resources/read or get_resource)."),
            "account": schema::text("The AWS account."),
            "region": schema::text("The region."),
            "missing_since": schema::text("When the first sweep without it started; absent while it is seen."),
            "missing_sweeps": schema::text("How many complete sweeps in a row did not list it."),
            "provisional": schema::text("`true` while a change reported by AWS is not confirmed by a describe."),
            "unreadable": schema::text("What of AWS's listing of it cannot be read: the row shows what was read last."),
        },
        "required": ["id", "uri", "account", "region"],
        "additionalProperties": {"type": "string"},
    });
    as_of::object(
        &["kind", "total", "at_least", "rows", "seq"],
        json!({
            "kind": schema::text("What was searched."),
            "total": schema::count("How many match, on all pages."),
            "at_least": {"type": "boolean", "description": "`true` if more may match that were not seen yet."},
            "rows": schema::list(row, "This page."),
            "hints": zero::described(),
            "next_cursor": schema::text("Where the next page starts; absent on the last."),
            "readings": schema::readings(),
            "as_of": schema::text("When everything shown was last confirmed; with as_of, the time asked for."),
            "missing_unproved": schema::count("How many of those searched were missing from the last complete sweep: perhaps gone."),
            "seq": schema::count("The log's end at this search; with as_of, the last record up to then."),
            "stale": schema::stale(),
            "unreadable": unreadable::described(),
            "incomplete": schema::incomplete(),
            "watched": schema::list(json!({"type": "string"}), "The accounts and regions that were searched."),
        }),
    )
}

async fn serve(call: Call, arguments: Arguments) -> Result<Answer, Fault> {
    let core = call.core;
    let Arguments { kind: KindArgument(kind), filters, scope, fields, limit, as_of, cursor } = arguments;
    let columns = columns(&fields, kind)?;
    let filters = GivenFilters::read(&filters, kind)?;
    let point = past::continued(&core, as_of.as_ref(), cursor.as_deref())?;
    let scope = scope.scope(&core, kind).await?;
    if point.is_none() {
        core.anything(&[kind], scope.as_ref()).await?;
    }
    core.walk(move |core| {
        let Settled { filters, readings, is_at_least } = filters.settle(core, scope.as_ref(), point)?;
        let query = Query { kind: kind.kind(), scope, filters, point, limit, cursor };
        found(core, kind, &columns, &query, (&readings, is_at_least))
    })
    .await
}

fn columns(wanted: &[String], kind: &'static KindSpec) -> Result<Columns, Fault> {
    let mut names = Vec::new();
    for name in wanted.iter().map(String::as_str) {
        if name.starts_with("tag:") {
            has_tags(kind, name)?;
        }
        if !names.contains(&name) {
            names.push(name);
        }
    }
    if names.len() > MAX_COLUMNS {
        let found = format!("{} names", names.len());
        return Err(ArgumentError::form("fields", &format!("at most {MAX_COLUMNS} names"), found).into());
    }
    if names.is_empty() {
        return Ok(Columns::of(kind));
    }
    Columns::named(kind, &names).map_err(|name| ArgumentError::no_filter(kind, name).into())
}

fn found(
    core: &Core,
    kind: &'static KindSpec,
    columns: &Columns,
    query: &Query,
    (readings, is_at_least): (&[String], bool),
) -> Result<Answer, Fault> {
    let mut advice = zero::settle(core, kind, &query.filters)?;
    // How fresh they are comes before the hits: see `fresh`.
    let label = FreshnessLabel::of(core, kind, query.scope.as_ref(), query.point)?;
    let mut hits = search(&core.store, query)?;
    let label = label.damaged(core, kind, query.scope.as_ref());
    let lacked = |row: &Row| match query.point {
        Some(_) => None,
        None => core.ingest.freshness().lacked(&row.id),
    };
    let (lines, mut rows) = fit(&mut hits, columns, if query.point.is_some() { 8_000 } else { 1_500 }, lacked);
    if let FreshnessLabel::Now(about) = &label {
        for (row, hit) in rows.iter_mut().zip(&hits.rows) {
            if let (Some(why), Value::Object(row)) = (about.unreadable_at(&hit.id), row) {
                row.insert("unreadable".to_owned(), json!(why));
            }
        }
    }
    let mut text = label.headline(kind, hits.total, Some(rows.len()), hits.partial);
    for reading in readings {
        text = format!("{text}\n{reading}");
    }
    if !lines.is_empty() {
        text = format!("{text}\n{}\n{}", columns.header(), lines.join("\n"));
    }
    let next = hits.next.as_ref().map(crate::query::Cursor::encode);
    if let Some(cursor) = &next {
        text = format!("{text}\nMore: repeat with cursor {cursor}, or narrow the filters.");
    }
    let mut structured = Map::new();
    structured.insert("kind".to_owned(), json!(kind.slug));
    structured.insert("total".to_owned(), json!(hits.total));
    structured.insert("at_least".to_owned(), json!(is_at_least || label.is_at_least(hits.partial)));
    structured.insert("rows".to_owned(), json!(rows));
    if hits.total == 0 && !query.filters.is_empty() {
        advice.extend(zero::hints(core, kind, query.scope.as_ref(), &query.filters, query.point.is_some())?);
    }
    if !advice.is_empty() {
        text.push_str(&zero::said(&advice));
        structured.insert("hints".to_owned(), json!(advice));
    }
    if let Some(cursor) = next {
        structured.insert("next_cursor".to_owned(), json!(cursor));
    }
    if !readings.is_empty() {
        structured.insert("readings".to_owned(), json!(readings));
    }
    structured.insert("seq".to_owned(), json!(hits.seq));
    structured.extend(label.fields());
    Ok(Answer { text, structured: Value::Object(structured), failure: None })
}

/// As many rows as the budget takes beside `frame` bytes of what stands around them, as text and as data.
fn fit(
    hits: &mut Hits,
    columns: &Columns,
    frame: usize,
    lacked: impl Fn(&Row) -> Option<Lacked>,
) -> (Vec<String>, Vec<Value>) {
    let (mut lines, mut rows) = (Vec::new(), Vec::new());
    let (mut text, mut data) = (frame, frame);
    for row in &hits.rows {
        let lacked = lacked(row);
        let (mut line, mut row) = (columns.line(row), columns.row(row));
        if let Some(Lacked { since, sweeps }) = lacked {
            line = format!("{line} | missing since {since}, from {sweeps} sweeps");
            row.insert("missing_since".to_owned(), json!(since));
            row.insert("missing_sweeps".to_owned(), json!(sweeps.to_string()));
        }
        let row = Value::Object(row);
        text += line.len() + 1;
        data += row.to_string().len() + 1;
        if !rows.is_empty() && (text > BUDGET || data > BUDGET) {
            break;
        }
        lines.push(line);
        rows.push(row);
    }
    hits.truncate(rows.len());
    (lines, rows)
}
