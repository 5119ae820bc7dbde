//! `compare_resource`: how a resource differs between two points in time.

use rmcp::schemars::{self, JsonSchema};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::answer::ToolResult;
use super::arguments::ArgumentError;
use super::arguments::past::PastArgument;
use super::arguments::resource::ResourceArguments;
use super::as_of;
use super::budget::BUDGET;
use super::change::{self, FittingDifferences, RecordRenderer, Rendered};
use super::schema::{self, ToolSchema};
use super::spec::{ToolCall, ToolEffect, ToolSpec};
use super::table::AnswerText;
use super::tokens::tokens;
use crate::kinds::KindSpec;
use crate::mcp::core::Core;
use crate::mcp::damage::AnswerSubject;
use crate::mcp::error::RequestError;
use crate::mcp::unobserved::GapQuery;
use crate::mcp::uri::Address;
use crate::model::difference::{self, Difference};
use crate::model::{Cause, Change, Event, Recorded, ResourceId, ScopeFilter, Timestamp};
use crate::query::Point;
use crate::query::changes::meets;
use crate::query::moment::holds;

/// Records of a timeline read from one snapshot.
const STEP: usize = 1_000;
/// Records shown at most.
const RECORDS: usize = 50;
/// Tokens left for everything around fields and records.
const FRAME: usize = 2_300;
/// The most bytes that the fields take of the rest, so that records, which say why, have room too.
const FIELDS: usize = 9_000;

/// The tool.
pub static SPEC: ToolSpec = ToolSpec {
    name: "compare_resource",
    title: "Compare a resource with its past",
    description: "Shows how one resource differs between two points in time, field by field, and which records of the log \
                  made the difference and why. A point is a time (RFC 3339 or -2h) or a record (seq:123). list_changes \
                  shows every step in between.",
    effect: ToolEffect::Read,
    input: ToolSchema::of_arguments::<Arguments>(),
    output: ToolSchema::written(output),
    example: r#"{"uri": "ec2://instance/i-0123456789abcdef0", "from": "-2h"}"#,
    call: |call, given| call.with(given, serve),
};

/// Which resource, and between which points.
#[derive(Debug, Deserialize, JsonSchema)]
struct Arguments {
    #[serde(flatten)]
    resource: ResourceArguments,
    /// The earlier point: RFC 3339, -15m, -2h, -3d, or seq:123.
    from: PastArgument,
    /// The later point, in the same forms. Default: now.
    to: Option<PastArgument>,
}

fn output() -> Value {
    let point = |description: &str| {
        let mut point = schema::object(
            &["at", "seq", "known"],
            json!({
                "at": schema::text("The time."),
                "seq": schema::count("The last record up to that time."),
                "known": {"type": "boolean", "description": "Whether it is known if the resource was there: false before the \
                    first sweep, which found it later."},
                "existed": {"type": "boolean", "description": "Whether the resource was there; absent if that is not known."},
                "found_at": schema::text("If that is not known: when the first sweep found it."),
            }),
        );
        if let Value::Object(point) = &mut point {
            point.insert("description".to_owned(), json!(description));
        }
        point
    };
    as_of::object(
        &["uri", "kind", "id", "account", "region", "from", "to", "changes", "records", "unobserved"],
        json!({
            "uri": schema::text("The resource's URI."),
            "kind": schema::text("Its kind."),
            "id": schema::text("AWS's ID."),
            "account": schema::text("The AWS account that sees it."),
            "region": schema::text("The region."),
            "from": point("The earlier point."),
            "to": point("The later point."),
            "changes": schema::list(change::difference_schema(), "What differs, if it existed at both points; lists are compared by \
            element."),
            "changes_not_shown": schema::count("How many differences were left out because of their size; get_resource with full \
            and as_of shows all."),
            "records": schema::list(change::record_schema(), "The newest records that made the difference, oldest first."),
            "records_not_shown": schema::count("How many earlier records also made the difference."),
            "other_records": schema::count("How many records in between had changes that were undone; list_changes shows them."),
        }),
    )
}

async fn serve(call: ToolCall, arguments: Arguments) -> Result<ToolResult, RequestError> {
    let core = call.core;
    let (kind, id, scope) = arguments.resource.resource()?;
    let scope = ScopeFilter::from(scope);
    let from = arguments.from.point(&core, "from")?;
    let to = match &arguments.to {
        Some(to) => to.point(&core, "to")?,
        None => Point { at: core.now(), seq: core.snapshot()?.seq() },
    };
    // Times count only for equal seqs, because a clock may have been set back.
    if (from.seq, from.at) > (to.seq, to.at) {
        let found = arguments.to.map(|to| to.to_string());
        return Err(ArgumentError::form("to", "later than from", found).into());
    }
    core.walk(move |core| compared(core, kind, &id, &scope, from, to)).await
}

fn compared(
    core: &Core,
    kind: &'static KindSpec,
    id: &str,
    scope: &ScopeFilter,
    from: Point,
    to: Point,
) -> Result<ToolResult, RequestError> {
    let snapshot = core.snapshot()?;
    let after = core.copies_then(&snapshot, kind, id, scope, to)?.into_iter().next();
    let before = match &after {
        Some((id, _)) => snapshot.past(id, from.seq)?.map(|current| (id.clone(), current)),
        None => None,
    };
    // The resource may have been in another scope at that time.
    let before = match before {
        Some(before) => Some(before),
        None => core.copies_then(&snapshot, kind, id, scope, from)?.into_iter().next(),
    };
    holds(&snapshot, from)?;
    let Some(named) = after.as_ref().or(before.as_ref()).map(|(id, _)| id.clone()) else {
        return Err(core.not_then(&snapshot, kind, id, scope, to)?);
    };
    drop(snapshot);
    let changes = match (&before, &after) {
        (Some((_, before)), Some((_, after))) => before.document.changes_to(&after.document),
        _ => Vec::new(),
    };
    let between = RecordsBetween::read(core, &named, from, to, &changes)?;
    let before = match between.appearance {
        Some((found_at, true)) if before.is_none() => Presence::NotKnownYet { found_at },
        _ => Presence::of(before.is_some()),
    };
    shown(core, kind, &named, (from, before), (to, Presence::of(after.is_some())), &changes, &between)
}

/// Whether a resource was there at a point.
#[derive(Clone, Copy)]
enum Presence {
    There,
    Absent,
    /// The first sweep found it later, so it may have been there.
    NotKnownYet {
        found_at: Timestamp,
    },
}

impl Presence {
    fn of(is_there: bool) -> Self {
        if is_there { Presence::There } else { Presence::Absent }
    }

    /// The point as data.
    fn at(self, Point { at, seq }: Point) -> Value {
        match self {
            Presence::There => json!({"at": at, "seq": seq, "known": true, "existed": true}),
            Presence::Absent => json!({"at": at, "seq": seq, "known": true, "existed": false}),
            Presence::NotKnownYet { found_at } => json!({"at": at, "seq": seq, "known": false, "found_at": found_at}),
        }
    }
}

/// The records between two points.
#[derive(Default)]
struct RecordsBetween {
    /// The newest records that made the difference, oldest first.
    made: Vec<Recorded>,
    /// How many earlier records made it too.
    earlier: usize,
    /// How many records have no effect on the difference.
    others: usize,
    /// When it first appeared, and whether the first sweep found it, so that it may have been there before.
    appearance: Option<(Timestamp, bool)>,
}

impl RecordsBetween {
    fn read(core: &Core, id: &ResourceId, from: Point, to: Point, changes: &[Change]) -> Result<Self, RequestError> {
        let mut found = RecordsBetween::default();
        let mut at = from.seq;
        loop {
            let snapshot = core.snapshot()?;
            holds(&snapshot, from)?;
            let records = snapshot.timeline(id, at.next(), STEP)?;
            let is_last = records.len() < STEP;
            at = records.last().map_or(at, |last| last.seq);
            for record in records.into_iter().filter(|record| record.seq <= to.seq) {
                found.add(record, changes);
            }
            if is_last || at > to.seq {
                return Ok(found);
            }
        }
    }

    fn add(&mut self, record: Recorded, changes: &[Change]) {
        if matches!(record.event, Event::Discovered { .. }) {
            let is_baseline = record.cause == Cause::Baseline;
            self.appearance.get_or_insert((record.recorded_at, is_baseline));
        }
        let makes = match &record.event {
            Event::Discovered { .. } | Event::Removed { .. } => true,
            Event::Changed { changes: made, .. } | Event::Remapped { changes: made, .. } => {
                made.iter().any(|made| changes.iter().any(|change| meets(&change.path, &made.path)))
            }
            _ => false,
        };
        if !makes {
            self.others += 1;
            return;
        }
        if self.made.len() >= RECORDS {
            self.made.remove(0);
            self.earlier += 1;
        }
        self.made.push(record);
    }
}

fn shown(
    core: &Core,
    kind: &'static KindSpec,
    id: &ResourceId,
    (from, before): (Point, Presence),
    (to, after): (Point, Presence),
    changes: &[Change],
    between: &RecordsBetween,
) -> Result<ToolResult, RequestError> {
    let snapshot = core.snapshot()?;
    let unobserved = core.unobserved(&snapshot, &GapQuery::of(&[kind], &id.scope().into()), from.at, to.at)?;
    let mut text = AnswerText::new(format!(
        "{} {} in {} from {} (seq {}) to {} (seq {}): ",
        kind.title,
        crate::model::text::shown(&id.id, 80),
        id.scope(),
        from.at,
        from.seq,
        to.at,
        to.seq
    ));
    let differences: Vec<Difference> = changes.iter().flat_map(difference::differences).collect();
    match (before, after) {
        (Presence::There, Presence::There) if differences.is_empty() => text.add("nothing differs"),
        (Presence::There, Presence::There) => text.add(format_args!("{} changed", difference::counted(&differences))),
        (Presence::NotKnownYet { found_at }, _) => text.add(format_args!(
            "not known yet at the earlier point: the first sweep found it at {found_at}; get_resource shows it at the later one"
        )),
        (Presence::Absent, Presence::There) => {
            text.add("it did not exist at the earlier point; get_resource shows it at the later one");
        }
        (Presence::There, _) => text.add(
            "it no longer existed at the later point; get_resource with as_of shows it at the earlier \
            one",
        ),
        (Presence::Absent, _) => {}
    }
    unobserved.say(&mut text);
    let FittingDifferences { told, left } = change::fitting(&differences, FIELDS);
    let (mut fields, mut cost) = (Vec::new(), 0);
    for Rendered { line, data } in told {
        let data = Value::Object(data);
        cost += tokens(&data.to_string()).max(tokens(&line)) + 1;
        text.add(format_args!("\n{line}"));
        fields.push(data);
    }
    if left > 0 {
        text.add(format_args!(
            "\n{left} more differences are left out because of their size: get_resource with full and as_of seq:{} or seq:{} \
            shows the whole resource at that point",
            from.seq, to.seq
        ));
    }
    let mut teller = RecordRenderer::new(&snapshot, changes.first().map(|change| change.path.as_str()));
    let (mut lines, mut records) = (Vec::new(), Vec::new());
    for record in between.made.iter().rev() {
        let told = teller.tell(record)?;
        let data = Value::Object(told.data);
        cost += tokens(&data.to_string()).max(tokens(&told.line)) + 1;
        if cost > BUDGET - FRAME && !records.is_empty() {
            break;
        }
        lines.push(told.line);
        records.push(data);
    }
    let earlier = between.earlier + between.made.len() - records.len();
    lines.reverse();
    records.reverse();
    if !lines.is_empty() {
        text.add("\nRecords that made the difference (seq | recorded at | what | resource | fields | cause)");
    }
    if earlier > 0 {
        text.add(format_args!("\n{earlier} earlier records: list_changes shows them"));
    }
    for line in lines {
        text.add(format_args!("\n{line}"));
    }
    let mut data = Map::new();
    let mut put = |name: &str, value: Value| drop(data.insert(name.to_owned(), value));
    put("uri", json!(Address::of(kind, &id.id).to_string()));
    put("kind", json!(kind.slug));
    put("id", json!(id.id));
    put("account", json!(id.account));
    put("region", json!(id.region));
    put("from", before.at(from));
    put("to", after.at(to));
    put("changes", json!(fields));
    if left > 0 {
        put("changes_not_shown", json!(left));
    }
    put("records", json!(records));
    if earlier > 0 {
        put("records_not_shown", json!(earlier));
    }
    if between.others > 0 {
        put("other_records", json!(between.others));
    }
    unobserved.fields().into_iter().for_each(|(name, value)| put(name, value));
    // Records that cannot be read are missing among those that made the difference.
    let damage = core.damage(AnswerSubject::Log(Some(std::slice::from_ref(id))));
    damage.say(&mut text);
    damage.fields().into_iter().for_each(|(name, value)| put(name, value));
    Ok(ToolResult { text: text.into(), structured: Value::Object(data), failure: None, input: None })
}
