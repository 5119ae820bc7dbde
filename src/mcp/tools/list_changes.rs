//! `list_changes`: what happened, when, and because of what.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::{Map, Value, json};
use tokio::time::{Instant, timeout_at};

use super::answer::Answer;
use super::arguments::Arguments;
use super::change::{self, Teller, Told};
use super::named;
use super::search_inventory::kind;
use super::table::Text;
use super::{BUDGET, Call, Effect, ToolSpec, schema};
use crate::kinds::{KINDS, KindSpec};
use crate::mcp::core::Core;
use crate::mcp::error::Fault;
use crate::mcp::fresh::part_of;
use crate::mcp::unobserved::{self, Watch};
use crate::model::{AccountId, Region, ResourceId, Scope, Seq, Timestamp};
use crate::query::changes::{By, ChangesError, End, Found, Order, Place, Question, Span, find};
use crate::query::moment::{self, Moment};
use crate::query::{CursorError, filter};
use crate::store::Snapshot;

/// Changes on a page unless asked for more.
const DEFAULT: usize = 50;
/// Changes on a page at most; [`BUDGET`] may cut it shorter.
const MOST: usize = 500;
/// The longest wait.
const WAIT: usize = 45;
/// How many records one call looks at, at most.
const RECORDS: u64 = 200_000;
/// How long one call looks at records, about.
const WORK: Duration = Duration::from_secs(2);
/// Left for what stands around the changes.
const FRAME: usize = 8_000;

/// The tool.
pub static SPEC: ToolSpec = ToolSpec {
    name: "list_changes",
    title: "List changes",
    description: "Tells what changed in the inventory, when, field by field (before and after), and because of what: a sweep, \
                  an AWS event, a tool's call, or somebody's call with who made it. Newest first, or oldest first; since a \
                  time (`-2h` or RFC 3339) or a cursor; of one resource (its whole timeline, also of a removed one), kind, \
                  account, region, field or cause. With wait_seconds it waits for what comes next and answers at once when \
                  something matches. next_cursor goes on without skipping or repeating anything. Answers name the times in \
                  which nobody was watching. Makes no AWS call.",
    effect: Effect::Read,
    input,
    output,
    example: r#"{"since": "-2h", "kind": "instance", "field": "State.Name"}"#,
    call,
};

fn input() -> Value {
    schema::optional(json!({
        "since": schema::text("Only what was recorded since: RFC 3339, -15m, -2h, -3d, or a cursor of an earlier answer."),
        "until": schema::text("Only what was recorded up to: RFC 3339 or -15m."),
        "kind": schema::kind("Only this kind. With id: the kind of that resource."),
        "id": schema::text("Only this resource, by AWS's ID, with its status checks."),
        "uri": schema::text("Only this resource, by URI, in place of id."),
        "account": schema::text("Only as this AWS account sees it."),
        "region": schema::text("Only in this region."),
        "field": schema::text("Only changes of this field or what is below it, such as State.Name or Tags."),
        "cause": change::cause("Only what was learnt this way; `event` includes `call`."),
        "order": {
            "type": "string",
            "enum": ["newest", "oldest"],
            "description": "What comes first; newest unless waiting.",
        },
        "limit": {"type": "integer", "minimum": 1, "maximum": MOST, "default": DEFAULT, "description": "Changes on a page."},
        "wait_seconds": {
            "type": "integer", "minimum": 0, "maximum": WAIT, "default": 0,
            "description": "Wait so long for something that matches: since `since` or `cursor`, else from now on.",
        },
        "include_baseline": schema::flag("Also what the first sweep found, and fields that only Muster learnt to read.", false),
        "cursor": schema::text("next_cursor of the answer before, with the same filters. `since` and `until` stay as they were."),
    }))
}

fn output() -> Value {
    let mut properties = Map::new();
    let own = json!({
        "changes": schema::list(change::schema(), "This page, in the order asked for."),
        "more": {"type": "boolean", "description": "Whether more of what was asked for may be in the log now."},
        "next_cursor": schema::text("Where to go on; absent when nothing can follow."),
        "newest_cursor": schema::text("As `since` or, oldest first, as `cursor`: what comes after `seq`."),
        "hidden": schema::count("Records of first sweeps and new mappings that were left out: include_baseline shows them."),
        "scanned": schema::object(
            &["through_seq", "at"],
            json!({
                "through_seq": schema::count("The last record looked at."),
                "at": schema::text("When that was recorded."),
            }),
        ),
        "earliest": schema::text("The earliest time the log reaches back to; absent while it is empty."),
        "seq": schema::count("The log's end at this read."),
        "log": schema::text("The log that seqs and cursors belong to."),
    });
    properties.extend(own.as_object().cloned().unwrap_or_default());
    properties.extend(unobserved::described().map(|(name, schema)| (name.to_owned(), schema)));
    schema::object(
        &["changes", "more", "newest_cursor", "hidden", "unobserved", "seq", "log"],
        Value::Object(properties),
    )
}

fn call(call: Call) -> BoxFuture<'static, Result<Answer, Fault>> {
    async move {
        let Call { core, arguments, stop, .. } = call;
        // Before anything is read: what is committed from now on wakes the wait.
        let mut newest = core.hub.newest();
        let asked = Asked::read(&core, &arguments).await?;
        let deadline = Instant::now() + asked.wait;
        let (mut span, mut hidden) = (asked.start, 0);
        loop {
            newest.mark_unchanged();
            let (core, asked) = (Arc::clone(&core), Arc::clone(&asked));
            let found = core.walk({
                let asked = Arc::clone(&asked);
                move |core| asked.page(core, span)
            });
            let found = found.await?;
            span = found.span();
            let waits = found.records().len() == 0 && found.end() == End::Reached && span.is_open();
            if waits && !stop.is_cancelled() {
                let woken = tokio::select! {
                    woken = timeout_at(deadline, newest.changed()) => woken.is_ok_and(|changed| changed.is_ok()),
                    () = stop.cancelled() => false,
                };
                if woken {
                    hidden += found.hidden();
                    continue;
                }
            }
            return core.walk(move |core| asked.answer(core, found, hidden)).await;
        }
    }
    .boxed()
}

/// A call's question, read.
pub struct Asked {
    question: Question,
    kinds: Vec<&'static KindSpec>,
    subjects: Option<Vec<ResourceId>>,
    start: Span,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    continued: bool,
    limit: usize,
    wait: Duration,
}

/// The newest changes of one resource, or of everything: the fields of an answer, and the arguments by which the tool tells
/// more of the same.
///
/// # Errors
/// When nothing is known of the resource, or the store cannot be read.
pub async fn newest(
    core: &Arc<Core>,
    of: Option<(&'static KindSpec, &str)>,
    limit: usize,
) -> Result<(Map<String, Value>, Map<String, Value>), Fault> {
    let mut arguments = Map::new();
    if let Some((kind, id)) = of {
        arguments.insert("kind".to_owned(), json!(kind.slug));
        arguments.insert("id".to_owned(), json!(id));
    }
    arguments.insert("limit".to_owned(), json!(limit));
    let asked = Asked::read(core, &Arguments::new(&SPEC, arguments.clone())?).await?;
    let answer = core.walk(move |core| asked.answer(core, asked.page(core, asked.start)?, 0)).await?;
    match answer.structured {
        Value::Object(fields) => Ok((fields, arguments)),
        _ => Ok((Map::new(), arguments)),
    }
}

impl Asked {
    /// A page of `span`. Blocks for [`WORK`] at most.
    fn page(&self, core: &Core, span: Span) -> Result<Found, Fault> {
        let begun = Instant::now();
        let enough = |looked| looked >= RECORDS || begun.elapsed() >= WORK;
        let subjects = self.subjects.as_deref();
        Ok(find(|| core.store.snapshot(), &self.question, subjects, span, self.limit, enough)?)
    }

    async fn read(core: &Arc<Core>, arguments: &Arguments) -> Result<Arc<Self>, Fault> {
        let mut kinds = match arguments.value("kind") {
            Some(_) => vec![kind(arguments, "kind")?],
            None => Vec::new(),
        };
        let mut id = arguments.text("id")?.map(|id| Arc::<str>::from(id.trim()));
        let mut scope = None;
        if arguments.value("uri").is_some() {
            let (of, named, within) = named::resource(arguments)?;
            (kinds, id, scope) = (vec![of], Some(Arc::from(named)), within);
        }
        if id.is_some() {
            let parts: Vec<&'static KindSpec> = kinds.iter().filter_map(|kind| part_of(kind)).collect();
            kinds.extend(parts);
        }
        let account = arguments.text("account")?.map(AccountId::new);
        let region = arguments.text("region")?.map(Region::new);
        let question = Question {
            id,
            kinds: kinds.iter().map(|kind| kind.kind()).collect(),
            account: scope.as_ref().map(|scope: &Scope| scope.account.clone()).or(account),
            region: scope.map(|scope| scope.region).or(region),
            field: arguments.text("field")?.map(|field| field.trim().to_owned()),
            by: by(arguments)?,
            quiet: arguments.flag("include_baseline", false)?,
        };
        let wait = Duration::from_secs(arguments.number("wait_seconds", 0..=WAIT, 0)? as u64);
        let limit = arguments.number("limit", 1..=MOST, DEFAULT)?;
        watched(core, arguments, &question)?;
        let subjects = subjects(core, &question, &kinds).await?;
        let snapshot = core.snapshot()?;
        let (start, since, until) = Self::span(core, &snapshot, arguments, &question, wait)?;
        let continued = arguments.value("cursor").is_some();
        Ok(Arc::new(Asked { question, kinds, subjects, start, since, until, continued, limit, wait }))
    }

    /// What to read, and the times by which it was asked for.
    fn span(
        core: &Core,
        snapshot: &Snapshot,
        arguments: &Arguments,
        question: &Question,
        wait: Duration,
    ) -> Result<(Span, Option<Timestamp>, Option<Timestamp>), Fault> {
        let order = match arguments.text("order")? {
            None => None,
            Some("oldest") => Some(Order::Oldest),
            Some("newest") => Some(Order::Newest),
            Some(other) => return Err(arguments.form("order", "oldest or newest", &json!(other)).into()),
        };
        let waits = wait > Duration::ZERO;
        let backwards = || arguments.form("order", "oldest when waiting: what comes next comes last", &json!("newest"));
        if let Some(text) = arguments.text("cursor")? {
            let place = placed(snapshot, text)?;
            let span = place.span;
            if place.question != question.hash() || order.is_some_and(|order| order != span.order) {
                return Err(CursorError::OtherQuestion.into());
            }
            if waits && span.order == Order::Newest {
                return Err(backwards().into());
            }
            return Ok((span, None, None));
        }
        let now = core.now();
        let since = arguments.text("since")?;
        let since_time = since.and_then(|since| moment::time(since, now));
        let from = match (since, since_time) {
            (None, _) => None,
            (Some(_), Some(at)) => Some(moment::before(snapshot, at, now)?),
            (Some(text), None) => Some(after(snapshot, arguments, text)?),
        };
        let until = match arguments.text("until")? {
            None => None,
            Some(text) => {
                let at = moment::time(text, now).ok_or_else(|| arguments.form("until", TIMES, &json!(text)))?;
                Some(Moment::At(at).point(snapshot, now)?)
            }
        };
        // Up to now there is no end: what is committed meanwhile belongs to it.
        let until = until.filter(|until| until.at < now);
        if let (Some(from), Some(until)) = (from, until)
            && (from > until.seq || since_time.is_some_and(|since| since > until.at))
        {
            return Err(arguments.form("until", "later than since", &json!(until.at)).into());
        }
        let (newest, last) = (snapshot.seq(), until.map(|until| until.seq));
        let order = order.unwrap_or(if waits { Order::Oldest } else { Order::Newest });
        let span = match order {
            Order::Newest if waits => return Err(backwards().into()),
            Order::Newest => Span::newest(last.unwrap_or(newest), from),
            Order::Oldest if waits => Span::oldest(from.unwrap_or(newest), last),
            Order::Oldest => Span::oldest(from.unwrap_or(snapshot.horizon()), last),
        };
        Ok((span, since_time, until.map(|until| until.at)))
    }

    /// The answer to a page that was found. `hidden` were passed over before it.
    fn answer(&self, core: &Core, mut found: Found, hidden: u64) -> Result<Answer, Fault> {
        let snapshot = core.snapshot()?;
        let told = tell(&snapshot, &mut found, self.question.field.as_deref(), BUDGET - FRAME)?;
        let hidden = hidden + found.hidden();
        let (from, to) = self.window(core, &snapshot, &found)?;
        let watch = Watch {
            kinds: self.kinds.clone(),
            account: self.question.account.clone(),
            region: self.question.region.clone(),
        };
        let unobserved = core.unobserved(&snapshot, &watch, from, to)?;
        let earliest = snapshot.earliest()?;
        let span = found.span();
        let cursor = |span| Place { log: core.log(), question: self.question.hash(), span }.encode();
        let more = found.end() != End::Reached;
        let next = (more || span.is_open()).then(|| cursor(span));
        let seen = if span.order == Order::Oldest && !more { span.at } else { found.newest() };
        let order = match span.order {
            Order::Oldest => "oldest first",
            Order::Newest => "newest first",
        };
        let mut text = Text::new(match told.len() {
            0 if more => "nothing matched so far".to_owned(),
            0 => "no changes".to_owned(),
            1 => "1 change".to_owned(),
            count => format!("{count} changes, {order}"),
        });
        text.add(format_args!(", from {from} to {to}; the log ends at seq {}", found.newest()));
        if let Some(earliest) = earliest {
            text.add(format_args!(" and reaches back to {earliest}"));
        }
        if hidden > 0 {
            text.add(format_args!(
                "\n{hidden} records of first sweeps or new mappings are left out: include_baseline shows them"
            ));
        }
        let mut data = Map::new();
        let mut put = |name: &str, value: Value| drop(data.insert(name.to_owned(), value));
        if found.end() == End::Enough {
            let at = time_of(&snapshot, span.at)?;
            text.add(format_args!(
                "\nNot everything was looked at: this call stopped at seq {} of {at}; go on with the cursor",
                span.at
            ));
            put("scanned", json!({"through_seq": span.at, "at": at}));
        }
        unobserved.say(&mut text);
        if !told.is_empty() {
            text.add("\nseq | recorded at | what | resource | fields | cause");
        }
        for Told { line, .. } in &told {
            text.add(format_args!("\n{line}"));
        }
        put("changes", told.into_iter().map(|told| Value::Object(told.data)).collect());
        put("more", json!(more));
        if let Some(next) = next {
            let said = if more { "More: repeat" } else { "What comes next: repeat" };
            text.add(format_args!("\n{said} with cursor {next}"));
            put("next_cursor", json!(next));
        }
        put("newest_cursor", json!(cursor(Span::oldest(seen, None))));
        put("hidden", json!(hidden));
        unobserved.fields().into_iter().for_each(|(name, value)| put(name, value));
        if let Some(earliest) = earliest {
            put("earliest", json!(earliest));
        }
        put("seq", json!(found.newest()));
        put("log", json!(core.log()));
        Ok(Answer { text: text.into(), structured: Value::Object(data), failed: false })
    }

    /// From when to when a page tells everything that was asked for.
    fn window(&self, core: &Core, snapshot: &Snapshot, found: &Found) -> Result<(Timestamp, Timestamp), Fault> {
        let (start, end, now) = (self.start, found.span(), core.now());
        let reached = found.end() == End::Reached;
        let until = match (self.until, start.bound) {
            (Some(until), _) => until,
            (None, Some(bound)) if start.order == Order::Oldest => time_of(snapshot, bound)?,
            (None, _) => now,
        };
        let since = match (self.since, start.bound) {
            (Some(since), _) => since,
            (None, _) if start.order == Order::Oldest => time_of(snapshot, start.at)?,
            (None, bound) => time_of(snapshot, bound.unwrap_or(Seq::ZERO))?,
        };
        Ok(match start.order {
            Order::Oldest if reached => (since, until),
            Order::Oldest => (since, time_of(snapshot, end.at)?),
            Order::Newest => {
                let to = if self.continued { time_of(snapshot, start.at)? } else { until };
                (if reached { since } else { time_of(snapshot, end.at)? }, to)
            }
        })
    }
}

/// The forms of times.
pub const TIMES: &str = "a time: RFC 3339 such as 2026-11-17T12:00:00Z, or so long ago as -15m, -2h or -3d";

/// Shows what was found, as much as `room` takes, and cuts the page there.
///
/// # Errors
/// When the store cannot be read.
pub fn tell(snapshot: &Snapshot, found: &mut Found, field: Option<&str>, room: usize) -> Result<Vec<Told>, Fault> {
    let mut teller = Teller::new(snapshot, field);
    let (mut told, mut text, mut data) = (Vec::new(), 0, 0);
    for record in found.records() {
        let next = teller.tell(record)?;
        text += next.line.len() + 1;
        data += serde_json::to_string(&next.data)?.len() + 1;
        if !told.is_empty() && (text > room || data > room) {
            break;
        }
        told.push(next);
    }
    found.truncate(told.len());
    Ok(told)
}

/// When a record was committed; the earliest known time for those that are folded away, now for what is yet to come.
fn time_of(snapshot: &Snapshot, seq: Seq) -> Result<Timestamp, Fault> {
    let seq = seq.min(snapshot.seq());
    if seq > snapshot.horizon() {
        return Ok(snapshot.record(seq)?.recorded_at);
    }
    Ok(snapshot.earliest()?.unwrap_or_default())
}

/// A cursor of this log.
fn placed(snapshot: &Snapshot, text: &str) -> Result<Place, Fault> {
    let place = Place::read(text)?;
    if place.log != snapshot.log_id() {
        return Err(ChangesError::Foreign { earliest: snapshot.earliest()? }.into());
    }
    Ok(place)
}

/// The record after which a cursor given as `since` goes on.
fn after(snapshot: &Snapshot, arguments: &Arguments, text: &str) -> Result<Seq, Fault> {
    let place = match placed(snapshot, text) {
        Err(Fault::Cursor(CursorError::Garbled)) => {
            return Err(arguments.form("since", &format!("{TIMES}; or a cursor of list_changes"), &json!(text)).into());
        }
        place => place?,
    };
    match place.span.order {
        Order::Oldest if place.span.at < snapshot.horizon() => {
            Err(ChangesError::Expired { earliest: snapshot.earliest()?.unwrap_or_default() }.into())
        }
        Order::Oldest => Ok(place.span.at),
        Order::Newest => {
            let expected =
                "a time, or the newest_cursor of an answer: a cursor that pages backwards goes into `cursor`";
            Err(arguments.form("since", expected, &json!(text)).into())
        }
    }
}

fn by(arguments: &Arguments) -> Result<Option<By>, Fault> {
    let Some(name) = arguments.text("cause")? else { return Ok(None) };
    if let Some((_, by)) = By::ALL.iter().find(|(known, _)| *known == name) {
        return Ok(Some(*by));
    }
    let names: Vec<&str> = By::ALL.iter().map(|(name, _)| *name).collect();
    let near = filter::near(filter::nearest(name, names.iter().copied()));
    Err(arguments.form("cause", &format!("one of {}{near}", names.join(", ")), &json!(name)).into())
}

/// Refuses an account or region of which nothing is known: that nothing changed there would look like a fact.
fn watched(core: &Core, arguments: &Arguments, question: &Question) -> Result<(), Fault> {
    let scopes = core.known_scopes(&core.snapshot()?)?;
    let is_of = |scope: &Scope| {
        question.account.as_ref().is_none_or(|account| *account == scope.account)
            && question.region.as_ref().is_none_or(|region| *region == scope.region)
    };
    if scopes.is_empty() || scopes.iter().any(is_of) {
        return Ok(());
    }
    let known: Vec<String> = scopes.iter().map(ToString::to_string).collect();
    let (name, value) = match (&question.region, &question.account) {
        (Some(region), _) => ("region", region.as_str()),
        (None, Some(account)) => ("account", account.as_str()),
        (None, None) => return Ok(()),
    };
    Err(arguments.form(name, &format!("watched; watched are {}", known.join(", ")), &json!(value)).into())
}

/// The one resource in question, in every scope; `None` when the question is about many.
///
/// # Errors
/// When nothing is known of it: that nothing changed would look like a fact.
async fn subjects(
    core: &Arc<Core>,
    question: &Question,
    kinds: &[&'static KindSpec],
) -> Result<Option<Vec<ResourceId>>, Fault> {
    let Some(id) = &question.id else { return Ok(None) };
    let all = if kinds.is_empty() { KINDS } else { kinds };
    let scopes = core.known_scopes(&core.snapshot()?)?;
    let ids =
        all.iter().flat_map(|kind| scopes.iter().map(|scope| ResourceId::new(scope, &kind.kind(), Arc::clone(id))));
    let ids: Vec<ResourceId> = ids.collect();
    let snapshot = core.snapshot()?;
    for id in &ids {
        let is_known = !snapshot.timeline(id, Seq::ZERO, 1)?.is_empty() || snapshot.base(id)?.is_some();
        if is_known {
            return Ok(Some(ids));
        }
    }
    drop(snapshot);
    match kinds.first() {
        Some(kind) => drop(core.locate(kind, id, None).await?),
        None => {
            let progress = core.progress(KINDS, None);
            if !progress.is_complete() {
                return Err(Fault::NotSeenYet { subject: format!("`{id}` was"), progress: progress.into() });
            }
            let scopes: Vec<String> = scopes.iter().map(ToString::to_string).collect();
            let (id, scopes) = (crate::model::text::shown(id, 80), scopes.join(", "));
            return Err(Fault::NotFound { title: "resource", id, scopes, stale: None });
        }
    }
    Ok(Some(ids))
}
