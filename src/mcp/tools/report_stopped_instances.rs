//! `report_stopped_instances`: what stopped instances cost, since when they are stopped, and whom to ask.

mod schemas;

use rmcp::schemars::{self, JsonSchema};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use self::schemas::{month_schema, prices_schema, row_schema};
use super::answer::ToolResult;
use super::arguments::ArgumentError;
use super::arguments::filters::{FilterArgument, GivenFilters, Settled};
use super::arguments::scope::ScopeArguments;
use super::as_of;
use super::budget::RowBudget;
use super::label::FreshnessLabel;
use super::schema::{self, ToolSchema};
use super::spec::{ToolCall, ToolEffect, ToolSpec};
use super::table::{self, AnswerText};
use super::zero;
use crate::kinds::{ADDRESS, INSTANCE, SNAPSHOT, VOLUME};
use crate::mcp::core::Core;
use crate::mcp::error::RequestError;
use crate::mcp::unreadable;
use crate::mcp::uri::Address;
use crate::model::text::shown;
use crate::model::{ScopeFilter, Timestamp};
use crate::query::moment;
use crate::query::prices::PriceTable;
use crate::query::stopped::{
    self, Bill, Cost, Order, StoppedInstance, StoppedQuery, StoppedReport, StoppedSince, Unpriced,
};

/// Rows unless asked for more.
const DEFAULT_ROWS: usize = 25;
/// Rows at most; the [`RowBudget`] may cut them shorter.
const MAX_ROWS: usize = 500;
/// Left for what stands around the rows.
const FRAME: usize = 900;
/// How many things of unknown price are named.
const NAMED: usize = 5;

/// The tool.
pub static SPEC: ToolSpec = ToolSpec {
    name: "report_stopped_instances",
    title: "Report stopped instances and their cost",
    description: "Stopped instances: since when, what each costs a month while stopped (EBS volumes, Elastic IPs), its \
                  snapshots at most, what it would cost running, owner tags, and totals. They cost no compute, so only \
                  volumes and addresses can be saved. AWS list prices; unknown ones are counted.",
    effect: ToolEffect::Read,
    input: ToolSchema::of_arguments::<Arguments>(),
    output: ToolSchema::written(output),
    example: r#"{"older_than": "30d", "filters": {"tag:Team": ["web"]}}"#,
    call: |call, given| call.with(given, serve),
};

/// Which stopped instances.
#[derive(Debug, Deserialize, JsonSchema)]
struct Arguments {
    #[serde(default)]
    filters: FilterArgument,
    #[serde(flatten)]
    scope: ScopeArguments,
    /// Only those stopped for at least so long, such as 30d or 12h.
    older_than: Option<String>,
    /// The dearest first, or those stopped longest.
    #[serde(default)]
    sort: SortArgument,
    /// Rows.
    #[serde(default = "default_rows")]
    #[schemars(range(min = 1, max = MAX_ROWS))]
    limit: usize,
}

/// In which order.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum SortArgument {
    #[default]
    Cost,
    Since,
}

fn default_rows() -> usize {
    DEFAULT_ROWS
}

fn output() -> Value {
    as_of::object(
        &["total", "at_least", "rows", "month", "prices", "seq"],
        json!({
            "total": schema::count("How many match, shown or not."),
            "at_least": {"type": "boolean", "description": "`true` if more may match that were not seen yet."},
            "rows": schema::list(row_schema(), "In the order asked for. Amounts are US dollars a month."),
            "cut": schema::text("Why fewer rows than match are shown, and what to do."),
            "month": month_schema(),
            "undecided": schema::count("Left out: not known whether stopped that long."),
            "doubts": schema::list(json!({"type": "string"}), "What these figures rest on and may be out of date."),
            "prices": prices_schema(),
            "hints": zero::described(),
            "readings": schema::readings(),
            "as_of": schema::text("When all instances were last confirmed."),
            "changes_until": schema::changes_until(),
            "seq": schema::count("The log's end at this read."),
            "missing_unproved": schema::count("How many instances were missing from the last complete sweep: perhaps gone."),
            "stale": schema::stale(),
            "unreadable": unreadable::described(),
            "watched": schema::list(json!({"type": "string"}), "The accounts and regions that were searched."),
            "incomplete": schema::incomplete(),
        }),
    )
}

async fn serve(call: ToolCall, arguments: Arguments) -> Result<ToolResult, RequestError> {
    let core = call.core;
    let Arguments { filters, scope, older_than, sort, limit } = arguments;
    let filters = GivenFilters::asked(&filters, INSTANCE, &core)?;
    let stopped_by = older_than.map(|text| stopped_by(&text, core.now())).transpose()?;
    let scope = scope.scopes(&core, INSTANCE).await?;
    core.anything(&[INSTANCE], &scope).await?;
    core.walk(move |core| {
        let settled = filters.settle(core, &scope, None)?;
        Asked { settled, scope, stopped_by, sort, limit }.answer(core)
    })
    .await
}

/// The time that lies so long ago as `text` says: `30d`, `-30d`, or a time as it stands.
fn stopped_by(text: &str, now: Timestamp) -> Result<Timestamp, ArgumentError> {
    moment::time(text, now).ok_or_else(|| ArgumentError::form("older_than", "how long, such as 30d, 12h or 2w", text))
}

/// A call's question, read.
struct Asked {
    settled: Settled,
    scope: ScopeFilter,
    stopped_by: Option<Timestamp>,
    sort: SortArgument,
    limit: usize,
}

impl Asked {
    fn answer(&self, core: &Core) -> Result<ToolResult, RequestError> {
        let Asked { settled: Settled { filters, readings, is_at_least, .. }, scope, stopped_by, sort, limit } = self;
        let mut hints = zero::settle(core, INSTANCE, filters)?;
        // How fresh they are comes before the report: see `fresh`.
        let label = FreshnessLabel::of(core, INSTANCE, scope, None)?;
        let doubts = core.doubts(INSTANCE, &[VOLUME, SNAPSHOT, ADDRESS], scope);
        let order = match sort {
            SortArgument::Cost => Order::Cost,
            SortArgument::Since => Order::Since,
        };
        let query = StoppedQuery { scope, matcher: filters.matcher(), stopped_by: *stopped_by, order, shown: *limit };
        let prices = core.prices();
        let report = stopped::report(&core.store, &prices, &query, &|scope, kind| core.lacking(scope, kind))?;
        let label = label.damaged(core, INSTANCE, scope);
        let total = report.instances.len();
        if total == 0 && !filters.is_empty() {
            hints.extend(zero::hints(core, INSTANCE, scope, filters, false)?);
        }
        let now = core.now();
        let (lines, rows) = fit(&report.instances, *limit, now);
        let mut text = AnswerText::new(label.headline(INSTANCE, total as u64, Some(rows.len()), false));
        text.add("\nOnly stopped instances are listed. Amounts are US dollars a month.");
        text.add(said(&report));
        if !lines.is_empty() {
            text.add(format_args!("\n{HEADER}\n{}", lines.join("\n")));
        }
        let cut = (rows.len() < total).then(|| cut(rows.len(), total, *limit));
        if let Some(cut) = &cut {
            text.add(format_args!("\nCut: {cut}."));
        }
        for doubt in &doubts {
            text.add(format_args!("\nDoubt: {doubt}"));
        }
        text.add(format_args!("\n{}.", prices.said(now)));
        text.add(zero::said(&hints));
        for reading in readings {
            text.add(format_args!("\n{reading}"));
        }
        let mut data = Map::new();
        let mut put = |name: &str, value: Value| drop(data.insert(name.to_owned(), value));
        put("total", json!(total));
        put("at_least", json!(*is_at_least || label.is_at_least(false)));
        put("rows", json!(rows));
        if let Some(cut) = cut {
            put("cut", json!(cut));
        }
        put("month", month(&report.total));
        put("undecided", json!(report.undecided));
        put("doubts", json!(doubts));
        put("prices", said_of(&prices, now));
        put("seq", json!(report.seq));
        if !hints.is_empty() {
            put("hints", json!(hints));
        }
        if !readings.is_empty() {
            put("readings", json!(readings));
        }
        label.fields().into_iter().for_each(|(name, value)| put(&name, value));
        Ok(ToolResult { text: text.into(), structured: Value::Object(data), failure: None, input: None })
    }
}

/// The columns of the table.
const HEADER: &str = "id | name | region | type | stopped since | USD/month stopped | USD/month of snapshots, at most | USD/month if running | owners";

/// As many rows as the budget takes, as text and as data.
fn fit(instances: &[StoppedInstance], limit: usize, now: Timestamp) -> (Vec<String>, Vec<Value>) {
    let (mut lines, mut rows) = (Vec::new(), Vec::new());
    let mut budget = RowBudget::beside(FRAME);
    for instance in instances.iter().take(limit) {
        let (line, row) = (line(instance), row(instance, now));
        if !budget.takes(&line, &row.to_string()) {
            break;
        }
        lines.push(line);
        rows.push(row);
    }
    (lines, rows)
}

/// Why only `rows` of `total` instances are shown, and what to do.
fn cut(rows: usize, total: usize, limit: usize) -> String {
    let (why, more) = if rows < limit.min(total) {
        ("no more fit into one answer", "")
    } else {
        ("that is the `limit`", if limit < MAX_ROWS { "a higher `limit`, " } else { "" })
    };
    format!(
        "{rows} of {total} are shown, as {why}; the totals are of all. For the others, give {more}narrower `filters` or a longer \
         `older_than`, or ask query_inventory"
    )
}

fn line(instance: &StoppedInstance) -> String {
    let StoppedInstance { id, name, instance_type, since, bill, owners, .. } = instance;
    let owners: Vec<String> = owners.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let stopped = Cost { known: bill.stopped(), unknown: [&*bill.volumes.unknown, &*bill.addresses.unknown].concat() };
    table::line([
        &*id.id,
        name.as_deref().unwrap_or_default(),
        id.region.as_str(),
        instance_type.as_deref().unwrap_or_default(),
        &since_words(*since),
        &amount(&stopped),
        &amount(&bill.snapshots),
        &if bill.running.unknown.is_empty() { bill.running.known.to_string() } else { "unknown".to_owned() },
        &owners.join(", "),
    ])
}

/// An amount, and how much it lacks.
fn amount(cost: &Cost) -> String {
    match cost.unknown.len() {
        0 => cost.known.to_string(),
        more => format!("{} + {more} unknown", cost.known),
    }
}

fn since_words(since: StoppedSince) -> String {
    match since {
        StoppedSince::Told(at) => at.to_string(),
        StoppedSince::Seen(at) => format!("{at} (first seen so)"),
        StoppedSince::Before(at) => format!("before {at}"),
    }
}

fn row(instance: &StoppedInstance, now: Timestamp) -> Value {
    let StoppedInstance { id, name, instance_type, since, bill, owners, .. } = instance;
    let source = match since {
        StoppedSince::Told(_) => "aws",
        StoppedSince::Seen(_) => "first_seen",
        StoppedSince::Before(_) => "before",
    };
    let owners: Map<String, Value> =
        owners.iter().map(|(key, value)| (shown(key, 128), json!(shown(value, 200)))).collect();
    let mut fields = json!({
        "id": id.id,
        "uri": Address::of(INSTANCE, &id.id).to_string(),
        "account": id.account,
        "region": id.region,
        "stopped_since": since.latest(),
        "since_is": source,
        "days": now.since(since.latest()).as_secs() / 86_400,
        "stopped": bill.stopped(),
        "volumes": bill.volumes.known,
        "addresses": bill.addresses.known,
        "snapshots_at_most": bill.snapshots.known,
    });
    let Value::Object(out) = &mut fields else { return fields };
    let mut put = |name: &str, value: Value| drop(out.insert(name.to_owned(), value));
    if let Some(name) = name.as_deref().filter(|name| !name.is_empty()) {
        put("name", json!(shown(name, 200)));
    }
    if let Some(instance_type) = instance_type {
        put("type", json!(shown(instance_type, 80)));
    }
    if bill.running.unknown.is_empty() {
        put("if_running", json!(bill.running.known));
    }
    if !owners.is_empty() {
        put("owners", Value::Object(owners));
    }
    let unknown = [&bill.volumes, &bill.addresses, &bill.snapshots, &bill.running];
    let unknown: Vec<String> = unknown.iter().flat_map(|cost| &cost.unknown).map(unpriced).collect();
    if !unknown.is_empty() {
        let more = unknown.len().saturating_sub(NAMED);
        put("unpriced", json!(unknown.iter().take(NAMED).collect::<Vec<_>>()));
        if more > 0 {
            put("more_unpriced", json!(more));
        }
    }
    fields
}

fn unpriced(Unpriced { what, why }: &Unpriced) -> String {
    format!("{}: {}", shown(what, 80), shown(why, 200))
}

/// The totals.
fn month(total: &Bill) -> Value {
    json!({
        "stopped": total.stopped(),
        "volumes": total.volumes.known,
        "addresses": total.addresses.known,
        "snapshots_at_most": total.snapshots.known,
        "if_running": total.running.known,
        "unpriced": {
            "stopped": total.unknown(),
            "snapshots": total.snapshots.unknown.len(),
            "if_running": total.running.unknown.len(),
        },
    })
}

/// The totals in words.
fn said(report: &StoppedReport) -> String {
    let Bill { volumes, addresses, snapshots, running } = &report.total;
    let mut text = format!(
        "\nAll of them cost {} while stopped (volumes {}, public IPv4 addresses {}), their snapshots at most {}. If all ran: {} more for compute.",
        report.stopped(),
        volumes.known,
        addresses.known,
        snapshots.known,
        running.known,
    );
    let unknown = [
        (report.total.unknown(), "volumes or addresses"),
        (snapshots.unknown.len(), "snapshots"),
        (running.unknown.len(), "instances if they ran"),
    ];
    let unknown: Vec<String> =
        unknown.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
    if !unknown.is_empty() {
        text = format!("{text} Not included, as no price is known: {}.", unknown.join(", "));
    }
    if report.undecided > 0 {
        text = format!("{text} {} more are left out: it is not known since when they are stopped.", report.undecided);
    }
    text
}

/// The price list, as data.
fn said_of(table: &PriceTable, now: Timestamp) -> Value {
    json!({
        "published": table.day(),
        "may_have_changed": table.is_old(now),
        "source": shown(table.source(), 200),
        "leaves_out": crate::query::prices::LEAVES_OUT,
    })
}
