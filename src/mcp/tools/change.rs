//! One record of the log as an answer shows it: a line, and the same as data.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::schema;
use crate::kinds;
use crate::mcp::error::RequestError;
use crate::mcp::uri::Address;
use crate::model::difference::{Difference, differences, rule_words};
use crate::model::text::{apart, shown};
use crate::model::{
    ActionId, ApiCall, Cause, Change, Event, Outcome, Recorded, ResourceId, Seq, Timestamp, Value as Content,
};
use crate::query::changes::{CauseKind, meets};
use crate::store::Snapshot;

/// The longest name, id or message.
const VALUE: usize = 200;
/// The longest value of a field: longer than any that AWS has but for a few messages.
const FIELD: usize = 300;
/// The longest element of a list that came or went as a whole.
const ELEMENT: usize = 2_000;
/// The most bytes of one record's differences.
const DIFFERENCES: usize = 6_000;
/// How many records are searched for the request or the end of an action: they are near what it did.
const NEAR: usize = 300;

/// Shows records. Remembers names, which repeat from record to record.
pub struct RecordRenderer<'a> {
    snapshot: &'a Snapshot,
    field: Option<&'a str>,
    names: HashMap<ResourceId, Option<String>>,
    tools: HashMap<ActionId, Option<String>>,
}

/// A record as shown.
#[derive(Clone, Debug, PartialEq)]
pub struct Rendered {
    /// As a line of text.
    pub line: String,
    /// As data.
    pub data: Map<String, Value>,
}

impl<'a> RecordRenderer<'a> {
    /// Shows records of `snapshot`, changes of `field` first.
    #[must_use]
    pub fn new(snapshot: &'a Snapshot, field: Option<&'a str>) -> Self {
        RecordRenderer { snapshot, field, names: HashMap::new(), tools: HashMap::new() }
    }

    /// A record as text and data.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn tell(&mut self, record: &Recorded) -> Result<Rendered, RequestError> {
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
                let ShownDifferences { data: shown, said, left } = self.differences(changes, *seq);
                if left > 0 {
                    put("changes_not_shown", json!(left));
                }
                if changes.is_empty() {
                    details.push_str("confirmed as reported");
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
        Ok(Rendered { line, data })
    }

    /// What it is called: as the record says, or as it is known now or was known last.
    fn name(&mut self, id: &ResourceId, event: &Event) -> Result<Option<String>, RequestError> {
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
    fn cause(&mut self, record: &Recorded) -> Result<(String, Map<String, Value>), RequestError> {
        let mut data = Map::new();
        let mut put = |name: &str, value: Value| drop(data.insert(name.to_owned(), value));
        put("by", json!(CauseKind::of(&record.cause).name()));
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
                format!("found by the first sweep after a gap since {since}")
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
    fn tool(&mut self, action: ActionId, changed: Option<&Recorded>, seq: Seq) -> Result<Option<String>, RequestError> {
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
    fn outcome(&self, action: ActionId, seq: Seq) -> Result<Option<String>, RequestError> {
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

    /// What differs, as much as there is room for; and the same as text.
    fn differences(&self, changes: &[Change], seq: Seq) -> ShownDifferences {
        let mut all: Vec<Difference> = changes.iter().flat_map(differences).collect();
        // What was asked for comes first, so that it is not what is left out.
        if let Some(field) = self.field {
            all.sort_by_key(|difference| !meets(field, &difference.path()));
        }
        let FittingDifferences { told, left } = fitting(&all, DIFFERENCES);
        let mut said: Vec<String> = told.iter().map(|told| told.line.clone()).collect();
        if left > 0 {
            said.push(format!(
                "and {left} more differences, left out because of their size: compare_resource from seq:{} to seq:{seq} \
                 shows more, get_resource with as_of seq:{seq} shows the whole resource after this change",
                seq.0.saturating_sub(1)
            ));
        }
        ShownDifferences {
            data: told.into_iter().map(|told| Value::Object(told.data)).collect(),
            said: said.join("; "),
            left,
        }
    }
}

/// The differences of one record, as data and as text.
struct ShownDifferences {
    data: Vec<Value>,
    said: String,
    left: usize,
}

/// The first of many differences, and how many are left out.
pub struct FittingDifferences {
    /// Those that are shown.
    pub told: Vec<Rendered>,
    /// How many are not.
    pub left: usize,
}

/// As many differences as `room` bytes take, as text or as data; at least one.
#[must_use]
pub fn fitting(all: &[Difference], room: usize) -> FittingDifferences {
    let (mut told, mut bytes) = (Vec::new(), 0);
    for difference in all {
        let next = one(difference);
        let data = serde_json::to_string(&next.data).map_or(0, |json| json.len());
        bytes += data.max(next.line.len()) + 2;
        if bytes > room && !told.is_empty() {
            break;
        }
        told.push(next);
    }
    let left = all.len() - told.len();
    FittingDifferences { told, left }
}

/// One difference.
fn one(difference: &Difference) -> Rendered {
    let mut data = Map::new();
    let mut put = |name: &str, value: &str| drop(data.insert(name.to_owned(), json!(value)));
    let line = if let Some((list, key)) = difference.element() {
        let (sign, name) = if difference.before.is_some() { ('-', "removed") } else { ('+', "added") };
        let element = difference.before.as_ref().or(difference.after.as_ref());
        let element = element.map(|element| rule_words(&list, element).unwrap_or_else(|| plain(element)));
        let element = element.unwrap_or_default();
        let element = match key {
            Some(key) if !element.contains(key) => format!("{key} {element}"),
            _ => element,
        };
        let (list, element) = (cut(&list, FIELD), cut(&element, ELEMENT));
        put("path", &list);
        put(name, &element);
        format!("{list}: {sign} {element}")
    } else {
        let path = cut(&difference.path(), FIELD);
        put("path", &path);
        let sides = match (&difference.before, &difference.after) {
            (Some(before), Some(after)) => {
                let (before, after) = apart(&plain(before), &plain(after), FIELD);
                [Some(before), Some(after)]
            }
            (before, after) => [before, after].map(|side| side.as_ref().map(|value| cut(&plain(value), FIELD))),
        };
        for (name, side) in ["before", "after"].into_iter().zip(&sides) {
            if let Some(side) = side {
                put(name, side);
            }
        }
        let [before, after] = sides.map(|side| side.unwrap_or_else(|| "(none)".to_owned()));
        format!("{path}: {before} -> {after}")
    };
    Rendered { line, data }
}

/// A text as it is shown; where it is cut it says how much is missing.
fn cut(text: &str, limit: usize) -> String {
    let length = text.chars().count();
    let shown = shown(text, limit);
    if length <= limit { shown } else { format!("{shown} ({} more characters)", length - limit) }
}

/// The fields of a change, for output schemas.
#[must_use]
pub fn field_schema() -> Value {
    schema::object(
        &["path"],
        json!({
            "path": schema::text(
                "The field, as names joined with dots; keys of list elements in brackets: Tags[Name], \
                 BlockDeviceMappings[/dev/sda1].Ebs.Status.",
            ),
            "before": schema::text(
                "Its value before, maps as JSON; absent if there was none. Values over 300 characters are cut with … around the \
                first difference; get_resource with as_of shows them in full.",
            ),
            "after": schema::text("Its value after; absent if there is none any more."),
            "added": schema::text(
                "Instead of before and after: the element that the list at path gained. A rule of a security group reads as \
                 `tcp 22 from 0.0.0.0/0`, one for each source.",
            ),
            "removed": schema::text("The element that the list at path lost."),
        }),
    )
}

/// What [`Rendered::data`] holds, for output schemas.
#[must_use]
pub fn schema() -> Value {
    schema::object(
        &["seq", "recorded_at", "what", "cause", "changes"],
        json!({
            "seq": schema::count("Its number in the log."),
            "recorded_at": schema::text("When Muster recorded it."),
            "clock_ahead": {
                "type": "boolean",
                "description": "`true` if this machine's clock was ahead when this was recorded, so that later records have \
                earlier times.",
            },
            "what": {
                "type": "string",
                "enum": ["appeared", "changed", "removed", "remapped", "action_requested", "action_finished", "called"],
                "description": "What happened.",
            },
            "kind": schema::text("The kind of resource."),
            "id": schema::text("AWS's ID."),
            "uri": schema::text("Where to read the whole resource."),
            "account": schema::text("The AWS account that sees it."),
            "region": schema::text("The region."),
            "name": schema::text("Its name."),
            "cause": schema::object(
                &["by", "words"],
                json!({
                    "by": cause("How Muster learned of it."),
                    "words": schema::text("The same in words."),
                    "event_id": schema::text("The EventBridge event's id."),
                    "action": schema::text("The ID of the recorded tool call."),
                    "tool": schema::text("The tool of Muster that was called."),
                    "call": schema::text("The AWS call that somebody made."),
                    "actor": schema::text("Who made it."),
                    "address": schema::text("Where the call came from."),
                    "agent": schema::text("The client that was used."),
                    "unobserved_since": schema::text("When the gap before that sweep began."),
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
                    "address": schema::text("Where the call came from."),
                    "agent": schema::text("The client that was used."),
                }),
            ),
            "changes": schema::list(field_schema(), "What differs; lists are compared by element. Empty unless `what` is \
            changed or remapped."),
            "changes_not_shown": schema::count("How many differences were left out because of their size. compare_resource from \
            seq:N-1 to seq:N (N is this record's seq) shows more, get_resource with as_of shows all."),
            "evidence_at": schema::text("When AWS showed it."),
            "observed_between": schema::list(json!({"type": "string"}), "It happened between these two times, while Muster \
                was not watching."),
            "action": schema::text("The ID of the recorded tool call."),
            "tool": schema::text("The tool of Muster that was called."),
            "targets": schema::list(json!({"type": "string"}), "The resources that the call acts on."),
            "outcome": schema::text("How the call ended."),
        }),
    )
}

/// The causes there are, for schemas.
#[must_use]
pub fn cause(description: &str) -> Value {
    let names: Vec<&str> = CauseKind::ALL.iter().map(|(name, _)| *name).collect();
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
        Outcome::Unknown { message } => format!("not certain, but it may have happened: {}", shown(message, VALUE)),
    }
}

/// A value as text.
fn plain(value: &Content) -> String {
    match value {
        Content::Text(text) => text.clone(),
        other => serde_json::to_string(other).unwrap_or_default(),
    }
}
