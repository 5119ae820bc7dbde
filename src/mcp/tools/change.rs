//! One record of the log as an answer shows it: a line, and the same as data.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::schema;
use crate::kinds;
use crate::mcp::error::Fault;
use crate::mcp::uri::Address;
use crate::model::text::{apart, shown};
use crate::model::{
    ActionId, ApiCall, Cause, Change, Event, Outcome, Recorded, ResourceId, Seq, Timestamp, Value as Content,
};
use crate::query::changes::{By, meets};
use crate::store::Snapshot;

/// The longest value of a field.
const VALUE: usize = 200;
/// The most bytes of one record's fields.
const FIELDS: usize = 5_000;
/// How many records are searched for the request or the end of an action: they are near what it did.
const NEAR: usize = 300;

/// Shows records. Remembers names, which repeat from record to record.
pub struct Teller<'a> {
    snapshot: &'a Snapshot,
    field: Option<&'a str>,
    names: HashMap<ResourceId, Option<String>>,
    tools: HashMap<ActionId, Option<String>>,
}

/// A record as shown.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    /// As a line of text.
    pub line: String,
    /// As data.
    pub data: Map<String, Value>,
}

impl<'a> Teller<'a> {
    /// Shows records of `snapshot`, changes of `field` first.
    #[must_use]
    pub fn new(snapshot: &'a Snapshot, field: Option<&'a str>) -> Self {
        Teller { snapshot, field, names: HashMap::new(), tools: HashMap::new() }
    }

    /// A record as text and data.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn tell(&mut self, record: &Recorded) -> Result<Told, Fault> {
        let Recorded { seq, recorded_at, event, .. } = record;
        let mut data = Map::new();
        let mut put = |name: &str, value: Value| drop(data.insert(name.to_owned(), value));
        let what = what(event);
        put("seq", json!(seq));
        put("recorded_at", json!(recorded_at));
        put("what", json!(what));
        let mut subject = String::new();
        if let Some(id) = event.resource().or_else(|| first_target(event)) {
            let kind = kinds::of(&id.kind);
            put("kind", json!(kind.map_or(id.kind.as_str(), |kind| kind.slug)));
            put("id", json!(shown(&id.id, VALUE)));
            if let Some(kind) = kind {
                put("uri", json!(Address::of(kind, &id.id).to_string()));
            }
            put("account", json!(id.account));
            put("region", json!(id.region));
            subject = format!("{} {}", kind.map_or(id.kind.as_str(), |kind| kind.slug), shown(&id.id, VALUE));
            if let Some(name) = self.name(id, event)? {
                put("name", json!(name));
                subject = format!("{subject} ({name})");
            }
        }
        let (words, cause) = self.cause(record)?;
        put("cause", Value::Object(cause));
        let (mut fields, mut details) = (Vec::new(), String::new());
        match event {
            Event::Changed { changes, .. } | Event::Remapped { changes, .. } => {
                let (shown, said) = self.fields(changes);
                if shown.len() < changes.len() {
                    put("changes_not_shown", json!(changes.len() - shown.len()));
                }
                if changes.is_empty() {
                    details.push_str("confirmed as it was reported");
                }
                fields = shown;
                details.push_str(&said);
            }
            Event::ActionRequested { action, tool, targets } => {
                let ids: Vec<String> = targets.iter().take(50).map(|target| shown(&target.id, 60)).collect();
                details = format!("{} of {}", shown(tool, 60), ids.join(", "));
                put("action", json!(action));
                put("tool", json!(shown(tool, 60)));
                put("targets", json!(ids));
                // A timeline of one resource does not hold the end: it is about no resource.
                if let Some(outcome) = self.outcome(*action, *seq)? {
                    details = format!("{details}: {outcome}");
                    put("outcome", json!(outcome));
                }
            }
            Event::ActionFinished { action, outcome } => {
                let outcome = ended(outcome);
                if let Some(tool) = self.tool(*action, None, *seq)? {
                    put("tool", json!(tool));
                    details = format!("{tool}: {outcome}");
                } else {
                    details.clone_from(&outcome);
                }
                put("action", json!(action));
                put("outcome", json!(outcome));
            }
            Event::Called { targets, .. } => {
                let ids: Vec<String> = targets.iter().take(50).map(|target| shown(&target.id, 60)).collect();
                details = ids.join(", ");
                put("targets", json!(ids));
            }
            Event::Discovered { .. } | Event::Removed { .. } => {}
        }
        put("changes", json!(fields));
        let seen = evidence(event);
        if let Some(at) = seen {
            put("evidence_at", json!(at));
        }
        let mut line = format!("{seq} | {recorded_at} | {what} | {subject}");
        if self.snapshot.is_dated_ahead(record)? {
            put("clock_ahead", json!(true));
            line = format!("{line} (this machine's clock was ahead: later records are dated earlier)");
        }
        if let Cause::Resumed { since } = record.cause {
            let until = seen.unwrap_or(*recorded_at).max(since);
            put("observed_between", json!([since, until]));
            line = format!("{line} (at some time from {since} to {until})");
        }
        if details.is_empty() {
            details.push('-');
        }
        line = format!("{line} | {details} | {words}");
        Ok(Told { line, data })
    }

    /// What it is called: as the record says, or as it is known now or was known last.
    fn name(&mut self, id: &ResourceId, event: &Event) -> Result<Option<String>, Fault> {
        if let Some(name) = self.names.get(id) {
            return Ok(name.clone());
        }
        let name = match (self.snapshot.row(id)?, event) {
            (Some(row), _) => row.fields.name,
            (None, Event::Discovered { document, .. }) => kinds::project(id, document).name,
            (None, _) => self.snapshot.tombstone(id)?.and_then(|gone| kinds::project(id, &gone.document).name),
        };
        let name = name.map(|name| shown(&name, 80)).filter(|name| !name.is_empty());
        self.names.insert(id.clone(), name.clone());
        Ok(name)
    }

    /// The cause in words, and as data.
    fn cause(&mut self, record: &Recorded) -> Result<(String, Map<String, Value>), Fault> {
        let mut data = Map::new();
        let mut put = |name: &str, value: Value| drop(data.insert(name.to_owned(), value));
        put("by", json!(By::of(&record.cause).name()));
        let words = match &record.cause {
            Cause::Baseline => "first sweep: it was there before".to_owned(),
            Cause::Sweep => "sweep".to_owned(),
            Cause::Refresh => "refresh".to_owned(),
            Cause::Notification { event_id } => {
                let event_id = shown(event_id, 80);
                put("event_id", json!(event_id));
                format!("event {event_id}")
            }
            Cause::Tool { action } => {
                put("action", json!(action));
                match self.tool(*action, Some(record), record.seq)? {
                    Some(tool) => {
                        put("tool", json!(tool));
                        format!("tool {tool} ({action})")
                    }
                    None => format!("a tool's call ({action})"),
                }
            }
            Cause::Resumed { since } => {
                put("unobserved_since", json!(since));
                format!("first sweep after nobody had looked since {since}")
            }
            Cause::Call { event_id, call } => {
                let ApiCall { name, actor, address, agent } = call;
                let event_id = shown(event_id, 80);
                put("event_id", json!(event_id));
                let (name, actor) = (shown(name, 80), shown(actor, VALUE));
                let mut words = format!("{actor} called {name}");
                put("call", json!(name));
                put("actor", json!(actor));
                if let Some(address) = address {
                    let address = shown(address, 80);
                    words = format!("{words} from {address}");
                    put("address", json!(address));
                }
                if let Some(agent) = agent {
                    put("agent", json!(shown(agent, VALUE)));
                }
                format!("{words} (event {event_id})")
            }
        };
        put("words", json!(words));
        Ok((words, data))
    }

    /// The name of the tool that began an action: from the timeline of what it changed, or from the log right before.
    fn tool(&mut self, action: ActionId, changed: Option<&Recorded>, seq: Seq) -> Result<Option<String>, Fault> {
        if let Some(tool) = self.tools.get(&action) {
            return Ok(tool.clone());
        }
        let began = |record: &Recorded| match &record.event {
            Event::ActionRequested { action: began, tool, .. } if *began == action => Some(shown(tool, 60)),
            _ => None,
        };
        let mut tool = changed.and_then(began);
        if let (None, Some(id)) = (&tool, changed.and_then(|record| record.event.resource())) {
            tool = self.snapshot.timeline_before(id, seq, 20)?.iter().find_map(began);
        }
        if tool.is_none() {
            tool = self.snapshot.records_before(seq, NEAR)?.iter().find_map(began);
        }
        self.tools.insert(action, tool.clone());
        Ok(tool)
    }

    /// How an action ended that was requested with record `seq`, where the log says so soon after.
    fn outcome(&self, action: ActionId, seq: Seq) -> Result<Option<String>, Fault> {
        let mut from = seq.next();
        for size in [NEAR / 15, NEAR] {
            let records = self.snapshot.records(from, size)?;
            let outcome = records.iter().find_map(|record| match &record.event {
                Event::ActionFinished { action: of, outcome } if *of == action => Some(ended(outcome)),
                _ => None,
            });
            if outcome.is_some() {
                return Ok(outcome);
            }
            from = records.last().map_or(from, |last| last.seq.next());
        }
        Ok(None)
    }

    /// Fields with their values before and after, as many as there is room for; and the same as text.
    fn fields(&self, changes: &[Change]) -> (Vec<Value>, String) {
        let is_asked = |change: &&Change| self.field.is_some_and(|field| meets(field, &change.path));
        let asked = changes.iter().filter(is_asked);
        let others = changes.iter().filter(|change| !is_asked(change));
        let (mut shown, mut said, mut bytes) = (Vec::new(), Vec::new(), 0);
        for change in asked.chain(others) {
            let Told { line, data } = field(change);
            let data = Value::Object(data);
            bytes += data.to_string().len().max(line.len());
            if bytes > FIELDS && !shown.is_empty() {
                said.push(format!("and {} more fields", changes.len() - shown.len()));
                break;
            }
            shown.push(data);
            said.push(line);
        }
        (shown, said.join("; "))
    }
}

/// One field's change.
#[must_use]
pub fn field(change: &Change) -> Told {
    let path = shown(&change.path, VALUE);
    let mut data = Map::new();
    data.insert("path".to_owned(), json!(path));
    let sides = match (&change.before, &change.after) {
        (Some(before), Some(after)) => {
            let (before, after) = apart(&plain(before), &plain(after), VALUE);
            [("before", Some(before)), ("after", Some(after))]
        }
        (before, after) => {
            let alone = |side: &Option<Content>| side.as_ref().map(|value| shown(&plain(value), VALUE));
            [("before", alone(before)), ("after", alone(after))]
        }
    };
    let [before, after] = sides.map(|(name, value)| {
        let Some(value) = value else { return "(none)".to_owned() };
        data.insert(name.to_owned(), json!(value));
        value
    });
    Told { line: format!("{path}: {before} -> {after}"), data }
}

/// The fields of a change, for output schemas.
#[must_use]
pub fn field_schema() -> Value {
    schema::object(
        &["path"],
        json!({
            "path": schema::text("The field, as names joined with dots."),
            "before": schema::text(
                "Its value before, lists and maps as JSON; absent when there was none. Of long values some 200 characters from \
                 where they begin to differ, with … where it was cut: get_resource with as_of has all.",
            ),
            "after": schema::text("Its value after; absent when there is none any more."),
        }),
    )
}

/// What [`Told::data`] holds, for output schemas.
#[must_use]
pub fn schema() -> Value {
    schema::object(
        &["seq", "recorded_at", "what", "cause", "changes"],
        json!({
            "seq": schema::count("Its place in the log."),
            "recorded_at": schema::text("When Muster recorded it."),
            "clock_ahead": {
                "type": "boolean",
                "description": "`true` where recorded_at is of a clock that was ahead: later records are dated earlier.",
            },
            "what": {
                "type": "string",
                "enum": ["appeared", "changed", "removed", "remapped", "action_requested", "action_finished", "called"],
                "description": "What happened.",
            },
            "kind": schema::text("The kind of resource."),
            "id": schema::text("AWS's ID of it."),
            "uri": schema::text("Where to read the whole resource."),
            "account": schema::text("The AWS account that sees it."),
            "region": schema::text("The region."),
            "name": schema::text("What it is called."),
            "cause": schema::object(
                &["by", "words"],
                json!({
                    "by": cause("How Muster learnt of it."),
                    "words": schema::text("The same in words."),
                    "event_id": schema::text("The EventBridge event's id."),
                    "action": schema::text("The tool's call."),
                    "tool": schema::text("The tool of Muster that was called."),
                    "call": schema::text("The AWS call that somebody made."),
                    "actor": schema::text("Who made it."),
                    "address": schema::text("From where."),
                    "agent": schema::text("With what client."),
                    "unobserved_since": schema::text("Nobody had looked since then."),
                }),
            ),
            "who": schema::object(
                &["found", "words"],
                json!({
                    "found": {"type": "boolean", "description": "Whether a call is known that fits the change in time and kind."},
                    "words": schema::text("Who called what and when; or why that is not known."),
                    "from": schema::text("log: an event of a trail; cloudtrail: AWS's event history."),
                    "at": schema::text("When the call was made."),
                    "call": schema::text("The AWS call."),
                    "actor": schema::text("Who made it."),
                    "address": schema::text("From where."),
                    "agent": schema::text("With what client."),
                }),
            ),
            "changes": schema::list(field_schema(), "The fields that changed; empty unless `what` is changed or remapped."),
            "changes_not_shown": schema::count("Fields left out for their size: get_resource with as_of shows all."),
            "evidence_at": schema::text("When AWS showed it."),
            "observed_between": schema::list(json!({"type": "string"}), "It happened between these two times: nobody was looking."),
            "action": schema::text("The tool's call."),
            "tool": schema::text("The tool of Muster that was called."),
            "targets": schema::list(json!({"type": "string"}), "On which resources."),
            "outcome": schema::text("How the call ended."),
        }),
    )
}

/// The causes there are, for schemas.
#[must_use]
pub fn cause(description: &str) -> Value {
    let names: Vec<&str> = By::ALL.iter().map(|(name, _)| *name).collect();
    json!({"type": "string", "enum": names, "description": description})
}

/// What an event is called.
#[must_use]
pub fn what(event: &Event) -> &'static str {
    match event {
        Event::Discovered { .. } => "appeared",
        Event::Changed { .. } => "changed",
        Event::Removed { .. } => "removed",
        Event::Remapped { .. } => "remapped",
        Event::ActionRequested { .. } => "action_requested",
        Event::ActionFinished { .. } => "action_finished",
        Event::Called { .. } => "called",
    }
}

fn first_target(event: &Event) -> Option<&ResourceId> {
    match event {
        Event::ActionRequested { targets, .. } | Event::Called { targets, .. } => targets.first(),
        _ => None,
    }
}

/// When AWS showed what the event says.
fn evidence(event: &Event) -> Option<Timestamp> {
    match event {
        Event::Discovered { evidence, .. } => Some(evidence.at),
        Event::Changed { evidence, .. } => evidence.iter().map(|(_, evidence)| evidence.at).max(),
        Event::Removed { at, .. } | Event::Called { at, .. } => Some(*at),
        Event::Remapped { .. } | Event::ActionRequested { .. } | Event::ActionFinished { .. } => None,
    }
}

fn ended(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Succeeded { created } if created.is_empty() => "accepted by AWS".to_owned(),
        Outcome::Succeeded { created } => format!("made {}", shown(&created.join(", "), VALUE)),
        Outcome::Refused { code, message } => format!("refused: {} ({})", shown(message, VALUE), shown(code, 80)),
        Outcome::Unknown { message } => format!("answer lost, it may have happened: {}", shown(message, VALUE)),
    }
}

/// A value as text.
fn plain(value: &Content) -> String {
    match value {
        Content::Text(text) => text.clone(),
        other => serde_json::to_string(other).unwrap_or_default(),
    }
}
