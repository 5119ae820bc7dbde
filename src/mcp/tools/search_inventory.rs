//! `search_inventory`: finds resources by filters.

use rmcp::schemars::{self, JsonSchema};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::answer::ToolResult;
use super::arguments::ArgumentError;
use super::arguments::filters::{GivenFilters, Settled, tag_called};
use super::arguments::kind::KindArgument;
use super::arguments::past::{self, PastArgument};
use super::arguments::selection::SelectionArguments;
use super::as_of;
use super::asked_ids::AskedIds;
use super::budget::RowBudget;
use super::label::FreshnessLabel;
use super::rows::Columns;
use super::schema::ToolSchema;
use super::spec::{ToolCall, ToolEffect, ToolSpec};
use super::tokens::tokens;
use super::{schema, zero};
use crate::ingest::Lacked;
use crate::kinds::KindSpec;
use crate::mcp::core::Core;
use crate::mcp::error::RequestError;
use crate::mcp::unreadable;
use crate::model::Row;
use crate::query::order::RowOrder;
use crate::query::{Hits, Query, search};

/// The default number of rows per page.
const DEFAULT_ROWS: usize = 25;
/// The most rows per page; the [`RowBudget`] may cut a page shorter.
const MAX_ROWS: usize = 500;
/// The most columns.
const MAX_COLUMNS: usize = 20;

/// The tool.
pub static SPEC: ToolSpec = ToolSpec {
    name: "search_inventory",
    title: "Search the EC2 inventory",
    description: "Finds resources by AWS filters, with the exact total. Start here. For instances: instance-state-name, \
                  instance-type, vpc-id, subnet-id, private-ip-address, ip-address, instance.group-id, \
                  state-transition-time, tag:KEY, exposed (ports that the internet can reach: 22) and more; an unknown \
                  name is answered with all. For instance-status: health (not-ok). Who had an address last Tuesday: \
                  {\"filters\": {\"private-ip-address\": [\"10.1.2.3\"]}, \"as_of\": \"2026-11-17T12:00:00Z\"}, and the same of \
                  network-interface: instances match by their primary address only.",
    effect: ToolEffect::Read,
    input: ToolSchema::of_arguments::<Arguments>(),
    output: ToolSchema::written(output),
    example: r#"{"kind": "instance", "filters": [{"Name": "instance-state-name", "Values": ["running"]}, {"Name": "tag:Name", "Values": ["web-*"]}], "limit": 25}"#,
    call: |call, given| call.with(given, serve),
};

/// What to search for.
#[derive(Debug, Deserialize, JsonSchema)]
struct Arguments {
    #[serde(flatten)]
    selection: SelectionArguments,
    /// Columns beside the id: filter names, tag:KEY, name, region.
    #[serde(default)]
    #[schemars(extend("uniqueItems" = true))]
    fields: Vec<String>,
    /// Column to sort by; -launch-time is descending.
    sort: Option<String>,
    /// Rows per page.
    #[serde(default = "default_rows")]
    #[schemars(range(min = 1, max = MAX_ROWS))]
    limit: usize,
    as_of: Option<PastArgument>,
    /// next_cursor of the previous page; repeat the other arguments. as_of keeps the time of the first page.
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
            "name": schema::text("Its Name tag, or another name that its kind has, such as a group's name; of a status, its instance's."),
            "uri": schema::text("Where to read the whole resource (resources/read or get_resource)."),
            "account": schema::text("The AWS account."),
            "region": schema::text("The region."),
            "missing_since": schema::text("When the first sweep that did not list it started; absent while sweeps list it."),
            "missing_sweeps": schema::text("How many complete sweeps in a row did not list it."),
            "provisional": schema::text("`true` while a change reported by AWS is not confirmed by a describe."),
            "unreadable": schema::text("What in AWS's latest listing of it cannot be read; the row shows its last readable \
            version."),
        },
        "required": ["id"],
        "additionalProperties": {"type": "string"},
    });
    as_of::object(
        &["kind", "total", "at_least", "rows", "seq"],
        json!({
            "kind": schema::text("The kind that was searched."),
            "total": schema::count("How many match, over all pages."),
            "at_least": {"type": "boolean", "description": "`true` if more may match that Muster has not seen yet."},
            "rows": schema::list(row, "The rows of this page."),
            "hints": zero::described(),
            "ids_unknown": AskedIds::unknown_described(),
            "ids_excluded": AskedIds::excluded_described(),
            "ids_elsewhere": AskedIds::elsewhere_described(),
            "cut": schema::text("Why there are fewer rows than `limit` though more match."),
            "next_cursor": schema::text("The cursor of the next page; absent on the last page."),
            "readings": schema::readings(),
            "as_of": schema::text("When everything shown was last confirmed; with the argument as_of, the requested time."),
            "changes_until": schema::changes_until(),
            "missing_unproved": schema::count("How many of the searched resources the last complete sweep did not list; they \
            may be gone."),
            "seq": schema::count("The newest record of the log at this search; with the argument as_of, the last record up to \
            that time."),
            "stale": schema::stale(),
            "unreadable": unreadable::described(),
            "incomplete": schema::incomplete(),
            "watched": schema::list(json!({"type": "string"}), "The accounts and regions that were searched."),
        }),
    )
}

async fn serve(call: ToolCall, arguments: Arguments) -> Result<ToolResult, RequestError> {
    let core = call.core;
    let Arguments { selection, fields, sort, limit, as_of, cursor } = arguments;
    let SelectionArguments { kind: KindArgument(kind), filters, scope } = selection;
    let unknown = |name: &str| ArgumentError::no_filter(kind, name, tag_called(&core, kind, name).as_deref());
    let columns = columns(&fields, kind, unknown)?;
    let order = sort.map(|sort| RowOrder::parse(kind, &sort).map_err(unknown)).transpose()?;
    let filters = GivenFilters::asked(&filters, kind, &core)?;
    let point = past::continued(&core, as_of.as_ref(), cursor.as_deref())?;
    core.watched_kind_at(kind, point)?;
    let scope = scope.scopes(&core, kind).await?;
    if point.is_none() {
        core.anything(&[kind], &scope).await?;
    }
    core.walk(move |core| {
        let Settled { filters, readings, is_at_least, scope } = filters.settle(core, &scope, point)?;
        let query = Query { kind: kind.kind(), scope, filters, order, point, limit, cursor };
        found(core, kind, &columns, &query, (&readings, is_at_least))
    })
    .await
}

fn columns(
    wanted: &[String],
    kind: &'static KindSpec,
    unknown: impl Fn(&str) -> ArgumentError,
) -> Result<Columns, RequestError> {
    let mut names = Vec::new();
    for name in wanted.iter().map(String::as_str) {
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
    Columns::named(kind, &names).map_err(|name| unknown(name).into())
}

fn found(
    core: &Core,
    kind: &'static KindSpec,
    columns: &Columns,
    query: &Query,
    (readings, is_at_least): (&[String], bool),
) -> Result<ToolResult, RequestError> {
    let mut advice = zero::settle(core, kind, &query.filters)?;
    // Freshness is read before the data: see `fresh`.
    let label = FreshnessLabel::of(core, kind, &query.scope, query.point)?;
    let mut hits = search(&core.store, query)?;
    let label = label.damaged(core, kind, &query.scope);
    let lacked = |row: &Row| match query.point {
        Some(_) => None,
        None => core.ingest.freshness().lacked(&row.id),
    };
    let asked_ids = AskedIds::of(core, kind, query)?;
    let said_of_ids = asked_ids.said();
    let frame = if query.point.is_some() { 3_000 } else { 600 };
    let (lines, mut rows) = fit(&mut hits, columns, frame + tokens(&said_of_ids), lacked);
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
    text.push_str(&said_of_ids);
    let next = hits.next.as_ref().map(crate::query::Cursor::encode);
    let cut = next.is_some() && rows.len() < query.limit;
    let cut = cut.then(|| format!("only {} of the {} rows asked for fit into one answer", rows.len(), query.limit));
    if let Some(cut) = &cut {
        text = format!("{text}\nCut: {cut}; with fewer `fields` more fit.");
    }
    if let Some(cursor) = &next {
        text = format!("{text}\nMore: repeat with cursor {cursor}, or narrow the filters.");
    }
    let mut structured = Map::new();
    structured.insert("kind".to_owned(), json!(kind.slug));
    structured.insert("total".to_owned(), json!(hits.total));
    structured.insert("at_least".to_owned(), json!(is_at_least || label.is_at_least(hits.partial)));
    structured.insert("rows".to_owned(), json!(rows));
    structured.extend(asked_ids.fields());
    if let Some(cut) = cut {
        structured.insert("cut".to_owned(), json!(cut));
    }
    if hits.total == 0 && !query.filters.is_empty() {
        advice.extend(zero::hints(core, kind, &query.scope, &query.filters, query.point.is_some())?);
    }
    if query.point.is_none() {
        let sorted = query.order.iter().map(RowOrder::column);
        let tags = zero::unheld_tags(core, kind, &query.filters, columns.each().chain(sorted))?;
        advice.extend(tags.into_iter().filter(|hint| !advice.contains(hint)).collect::<Vec<_>>());
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
    Ok(ToolResult { text, structured: Value::Object(structured), failure: None, input: None })
}

/// As many rows as fit into the budget with `frame` tokens for everything around them, as text and as data.
fn fit(
    hits: &mut Hits,
    columns: &Columns,
    frame: usize,
    lacked: impl Fn(&Row) -> Option<Lacked>,
) -> (Vec<String>, Vec<Value>) {
    let (mut lines, mut rows) = (Vec::new(), Vec::new());
    let mut budget = RowBudget::beside(frame);
    for row in &hits.rows {
        let lacked = lacked(row);
        let (mut line, mut row) = (columns.line(row), columns.row(row));
        if let Some(Lacked { since, sweeps }) = lacked {
            line = format!("{line} | missing since {since}, from {sweeps} sweeps");
            row.insert("missing_since".to_owned(), json!(since));
            row.insert("missing_sweeps".to_owned(), json!(sweeps.to_string()));
        }
        let row = Value::Object(row);
        if !budget.takes(&line, &row.to_string()) {
            break;
        }
        lines.push(line);
        rows.push(row);
    }
    hits.truncate(rows.len());
    (lines, rows)
}
