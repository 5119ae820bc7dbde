//! `search_inventory`: the way to find anything.

use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::{Map, Value, json};

use super::answer::Answer;
use super::arguments::Arguments;
use super::arguments::filters::{Settled, Wanted};
use super::as_of::{self, Worth};
use super::rows::{Columns, fields};
use super::table::Text;
use super::{BUDGET, Call, Effect, ToolSpec, schema, zero};
use crate::freshness::ScopeFreshness;
use crate::ingest::Lacked;
use crate::kinds::{self, KINDS, KindSpec};
use crate::mcp::core::Core;
use crate::mcp::damage::Damage;
use crate::mcp::error::Fault;
use crate::mcp::lookup::Incomplete;
use crate::mcp::unreadable;
use crate::model::{ResourceId, Row, Scope};
use crate::query::filter::{near, nearest};
use crate::query::{Hits, Query, search};

/// Rows on a page unless asked for more.
const DEFAULT: usize = 25;
/// Rows on a page at most; [`BUDGET`] may cut it shorter.
const MOST: usize = 500;
/// Columns at most.
const COLUMNS: usize = 20;

/// The tool.
pub static SPEC: ToolSpec = ToolSpec {
    name: "search_inventory",
    title: "Search the EC2 inventory",
    description: "Finds resources in the local copy of the EC2 inventory by AWS filters, with the exact total. Start here. \
                  Filters are those of AWS's describe calls; values may hold * and ?. For instances: instance-state-name, \
                  instance-type, vpc-id, subnet-id, availability-zone, private-ip-address, ip-address, image-id, \
                  instance.group-id, tag:KEY, tag-key and more. Answers a page of rows with id, name, state and where to \
                  read more, next_cursor for the next page, and how fresh it is. With as_of it answers from the past: who \
                  had an address last Tuesday is {\"filters\": {\"private-ip-address\": [\"10.1.2.3\"]}, \"as_of\": \
                  \"2026-11-17T12:00:00Z\"}; ask kind network-interface as well, for addresses that no instance had as its \
                  first. Makes no AWS call.",
    effect: Effect::Read,
    input,
    output,
    example: r#"{"kind": "instance", "filters": [{"Name": "instance-state-name", "Values": ["running"]}, {"Name": "tag:Name", "Values": ["web-*"]}], "limit": 25}"#,
    call,
};

fn input() -> Value {
    schema::optional(json!({
        "kind": schema::kind("What to search; instance unless given."),
        "filters": schema::filters(),
        "account": schema::text("Only this AWS account (with region)."),
        "region": schema::text("Only this region."),
        "fields": schema::list(json!({"type": "string"}), "Columns to show in place of the usual ones: filter names or tag:KEY."),
        "limit": {"type": "integer", "minimum": 1, "maximum": MOST, "default": DEFAULT, "description": "Rows on a page."},
        "as_of": as_of::argument(),
        "cursor": schema::text("next_cursor of the page before, with the same other arguments. as_of stays as it was."),
    }))
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
            "missing_since": schema::text("When the first of the sweeps in a row started that lacked it; absent while it is seen."),
            "missing_sweeps": schema::text("How many complete sweeps in a row lacked it."),
            "provisional": schema::text("`true` while a change reported by AWS is not confirmed by a describe."),
            "unreadable": schema::text("What AWS lists of it and cannot be read: the row shows what was read last."),
        },
        "required": ["id", "uri", "account", "region"],
        "additionalProperties": {"type": "string"},
    });
    as_of::object(
        &["kind", "total", "at_least", "rows", "seq"],
        json!({
            "kind": schema::text("What was searched."),
            "total": schema::count("How many match, on all pages."),
            "at_least": {"type": "boolean", "description": "Whether more may match that were not seen yet."},
            "rows": schema::list(row, "This page."),
            "hints": zero::described(),
            "next_cursor": schema::text("Where the next page starts; absent on the last."),
            "readings": schema::readings(),
            "as_of": schema::text("Everything shown was known to be so at this time; with as_of, the time asked for."),
            "missing_unproved": schema::count("Searched, though the last complete sweep lacked them: perhaps gone."),
            "seq": schema::count("The log's end at this search; with as_of, the last record up to then."),
            "stale": schema::stale(),
            "unreadable": unreadable::described(),
            "incomplete": schema::incomplete(),
            "watched": schema::list(json!({"type": "string"}), "The accounts and regions that were searched."),
        }),
    )
}

fn call(call: Call) -> BoxFuture<'static, Result<Answer, Fault>> {
    async move {
        let Call { core, arguments, .. } = call;
        let kind = kind(&arguments, "kind")?;
        let columns = columns(&arguments, kind)?;
        let wanted = Wanted::read(&arguments, kind)?;
        let limit = arguments.number("limit", 1..=MOST, DEFAULT)?;
        let cursor = arguments.text("cursor")?.map(str::to_owned);
        let point = as_of::continued(&core, &arguments, cursor.as_deref())?;
        let scope = scope(&core, &arguments, kind).await?;
        if point.is_none() {
            core.anything(&[kind], scope.as_ref()).await?;
        }
        core.walk(move |core| {
            let Settled { filters, readings } = wanted.settle(core, scope.as_ref(), point)?;
            let query = Query { kind: kind.kind(), scope, filters, point, limit, cursor };
            found(core, kind, &columns, &query, &readings)
        })
        .await
    }
    .boxed()
}

/// The kind that an argument names; instances when it is absent.
///
/// # Errors
/// When there is no such kind.
pub fn kind(arguments: &Arguments, name: &str) -> Result<&'static KindSpec, Fault> {
    let slug = arguments.text(name)?.unwrap_or("instance");
    let found = kinds::by_slug(slug).or_else(|| kinds::by_name(slug));
    found.ok_or_else(|| {
        let slugs: Vec<&str> = KINDS.iter().map(|kind| kind.slug).collect();
        let near = near(nearest(slug, slugs.iter().copied()));
        arguments.form(name, &format!("one of {}{near}", slugs.join(", ")), &json!(slug)).into()
    })
}

fn columns(arguments: &Arguments, kind: &'static KindSpec) -> Result<Columns, Fault> {
    let mut names = Vec::new();
    for name in arguments.texts("fields")? {
        if name.starts_with("tag:") {
            fields(kind).tag(name)?;
        }
        if !names.contains(&name) {
            names.push(name);
        }
    }
    if names.len() > COLUMNS {
        let found = json!(format!("{} names", names.len()));
        return Err(arguments.form("fields", &format!("at most {COLUMNS} names"), &found).into());
    }
    if names.is_empty() {
        return Ok(Columns::of(kind));
    }
    Columns::named(kind, &names).map_err(|name| {
        let known: Vec<&str> = kind.filters.iter().map(|filter| filter.name).collect();
        let expected = format!("filter names of {} ({}) or tag:KEY", kind.slug, known.join(", "));
        arguments.form("fields", &expected, &json!(name)).into()
    })
}

/// The scope that `account` and `region` narrow to. Either alone is enough where it is watched only once. A scope that
/// nobody watches is refused: that nothing matches there would look like a fact.
///
/// # Errors
/// When it is not watched, or not only one is meant.
pub async fn scope(core: &Core, arguments: &Arguments, kind: &'static KindSpec) -> Result<Option<Scope>, Fault> {
    let (account, region) = (arguments.text("account")?, arguments.text("region")?);
    let (name, wanted, what) = match (account, region) {
        (None, None) => return Ok(None),
        (Some(account), None) => ("account", account.to_owned(), format!("account {account}")),
        (None, Some(region)) => ("region", region.to_owned(), format!("region {region}")),
        (Some(account), Some(region)) => {
            let wanted = format!("{region} of account {account}");
            ("region", wanted.clone(), format!("region {wanted}"))
        }
    };
    if core.scopes(&[kind]).is_empty() {
        core.anything(&[kind], None).await?;
    }
    let progress = core.progress(&[kind], None);
    if core.scopes(&[kind]).is_empty() {
        return Err(Fault::NotSeenYet { subject: "the inventory was".to_owned(), progress: progress.into() });
    }
    let is_meant = |scope: &Scope| {
        account.is_none_or(|account| account == scope.account.as_str())
            && region.is_none_or(|region| region == scope.region.as_str())
    };
    let mut scopes: Vec<Scope> = core.scopes(&[kind]).into_iter().map(|state| state.scope).collect();
    let known: Vec<String> = scopes.iter().map(ToString::to_string).collect();
    scopes.retain(is_meant);
    if scopes.is_empty() {
        // What is no longer watched is answered when it is asked for by name, and labelled.
        scopes = core.unwatched(&[kind]).into_iter().map(|state| state.scope).filter(is_meant).collect();
    }
    match scopes.as_slice() {
        [scope] => Ok(Some(scope.clone())),
        [] => Err(Fault::unwatched(&what, &known)),
        _ => Err(arguments.form(name, "given with both account and region", &json!(wanted)).into()),
    }
}

fn found(
    core: &Core,
    kind: &'static KindSpec,
    columns: &Columns,
    query: &Query,
    readings: &[String],
) -> Result<Answer, Fault> {
    let mut advice = zero::settle(core, kind, &query.filters)?;
    // How fresh they are comes before the hits: see `fresh`.
    let worth = Worth::of(core, kind, query.scope.as_ref(), query.point)?;
    let mut hits = search(&core.store, query)?;
    let worth = worth.damaged(core, kind, query.scope.as_ref());
    let lacked = |row: &Row| match query.point {
        Some(_) => None,
        None => core.ingest.freshness().lacked(&row.id),
    };
    let (lines, mut rows) = fit(&mut hits, columns, if query.point.is_some() { 8_000 } else { 1_500 }, lacked);
    if let Worth::Now(about) = &worth {
        for (row, hit) in rows.iter_mut().zip(&hits.rows) {
            if let (Some(why), Value::Object(row)) = (about.unreadable_at(&hit.id), row) {
                row.insert("unreadable".to_owned(), json!(why));
            }
        }
    }
    let mut text = worth.headline(kind, hits.total, Some(rows.len()), hits.partial);
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
    structured.insert("at_least".to_owned(), json!(worth.is_at_least(hits.partial)));
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
    structured.extend(worth.fields());
    Ok(Answer { text, structured: Value::Object(structured), failed: false })
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
            line = format!("{line} | missing since {since}, lacked by {sweeps} sweeps");
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

/// What an answer about now says about its own worth.
pub struct About {
    as_of: Option<crate::model::Timestamp>,
    missing: u64,
    stale: Vec<Value>,
    incomplete: Vec<Incomplete>,
    watched: Vec<String>,
    /// The scopes of which something is listed and cannot be read.
    unreadable: Vec<ScopeFreshness>,
    /// Filled in once everything was read.
    pub(super) damage: Damage,
}

impl About {
    /// Of `kind`, in `scope` or everywhere. Ask before what it is about is read.
    #[must_use]
    pub fn new(core: &Core, kind: &'static KindSpec, scope: Option<&Scope>) -> Self {
        let mut scopes = core.scopes_asked_for(&[kind], scope);
        let as_of = scopes.iter().map(|state| state.settled).min().flatten();
        let missing = scopes.iter().map(|state| state.missing).sum();
        let stale = scopes.iter().filter_map(|state| {
            let stale = core.stale(&state.scope, kind)?;
            let mut entry = json!({"account": state.scope.account, "region": state.scope.region, "why": stale.why});
            if let (Some(since), Value::Object(entry)) = (stale.since, &mut entry) {
                entry.insert("since".to_owned(), json!(since));
            }
            Some(entry)
        });
        let mut incomplete = core.incomplete(&[kind]);
        incomplete.retain(|incomplete| scope.is_none_or(|scope| incomplete.scope == *scope));
        let watched = scopes.iter().map(|state| state.scope.to_string()).collect();
        let stale = stale.collect();
        scopes.retain(|state| !state.unreadable.is_empty());
        About { as_of, missing, stale, incomplete, watched, unreadable: scopes, damage: Damage::default() }
    }

    /// Whether more may match than was seen: also while nobody watches, and when something is listed that cannot be read.
    #[must_use]
    pub fn is_at_least(&self) -> bool {
        !self.incomplete.is_empty() || self.watched.is_empty() || !self.unreadable.is_empty() || !self.damage.is_empty()
    }

    /// What of a resource cannot be read; `None` when all of it can be.
    fn unreadable_at(&self, id: &ResourceId) -> Option<String> {
        let state = self.unreadable.iter().find(|state| state.scope == id.scope())?;
        state.unreadable.of(&id.id).map(|(item, _)| item.why())
    }

    /// How many match; of these `shown`, where they are shown.
    #[must_use]
    pub fn headline(&self, kind: &KindSpec, total: u64, shown: Option<usize>) -> String {
        let at_least = if self.is_at_least() { "at least " } else { "" };
        let mut text = format!("{at_least}{total} {} match in {}", kind.plural, self.watched.join(", "));
        if let Some(shown) = shown.filter(|shown| *shown as u64 != total) {
            text = format!("{text}; {shown} shown");
        }
        if let Some(as_of) = self.as_of {
            text = format!("{text}; as of {as_of}");
        }
        if self.missing > 0 {
            text = format!(
                "{text}\n{} {} searched were lacked by the last complete sweep and are perhaps gone",
                self.missing, kind.plural
            );
        }
        if let Some(said) = unreadable::said(&self.unreadable) {
            text = format!("{text}\nUnreadable: {said}");
        }
        for stale in self.stale.iter().filter_map(|stale| stale.get("why")?.as_str()) {
            text = format!("{text}\nStale: {stale}");
        }
        for Incomplete { scope, seen, trouble, .. } in &self.incomplete {
            let trouble = trouble.as_ref().map_or_else(String::new, |trouble| format!(": {trouble}"));
            text = format!("{text}\nIncomplete: first sweep of {scope} under way, {seen} seen{trouble}");
        }
        let mut text = Text::new(text);
        self.damage.say(&mut text);
        text.into()
    }

    /// The fields of an answer.
    #[must_use]
    pub fn fields(&self) -> Map<String, Value> {
        let mut fields = Map::new();
        if let Some(as_of) = self.as_of {
            fields.insert("as_of".to_owned(), json!(as_of));
        }
        if self.missing > 0 {
            fields.insert("missing_unproved".to_owned(), json!(self.missing));
        }
        fields.insert("stale".to_owned(), json!(self.stale));
        fields.extend(unreadable::fields(&self.unreadable));
        fields.insert("incomplete".to_owned(), json!(self.incomplete));
        fields.insert("watched".to_owned(), json!(self.watched));
        fields.extend(self.damage.fields().into_iter().map(|(name, value)| (name.to_owned(), value)));
        fields
    }
}
