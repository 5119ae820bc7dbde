//! One record of the log as an answer shows it: a line, and the same as data.

mod action;
mod cause;
mod difference;
mod rendered;
mod schemas;

use std::collections::HashMap;
use std::ops::ControlFlow;

use serde_json::{Map, Value, json};

use self::action::{ToldAction, ended};
pub use self::difference::{FittingDifferences, fitting};
pub use self::rendered::Rendered;
pub use self::schemas::{difference_schema, record_schema};
use super::table::whole;
use crate::kinds;
use crate::mcp::error::RequestError;
use crate::mcp::uri::Address;
use crate::model::difference::{Difference, differences};
use crate::model::text::shown;
use crate::model::{ActionId, Cause, Change, Event, Recorded, ResourceId, Seq, Timestamp};
use crate::query::changes::meets;
use crate::store::{SealedRecord, Snapshot};

/// The longest name, id or message.
const VALUE: usize = 200;
/// The most bytes of one record's differences.
const DIFFERENCES: usize = 6_000;
/// How many records are searched for the request or the end of an action, which are near its effects.
const NEAR: usize = 300;

/// Shows records. Remembers names, which repeat from record to record.
pub struct RecordRenderer<'a> {
    snapshot: &'a Snapshot,
    field: Option<&'a str>,
    names: HashMap<ResourceId, Option<String>>,
    requests: HashMap<ActionId, Option<BegunAction>>,
}

/// What the request of an action tells of its end.
#[derive(Clone)]
struct BegunAction {
    tool: String,
    /// The first of what it was to change.
    target: Option<ResourceId>,
}

impl<'a> RecordRenderer<'a> {
    /// Shows records of `snapshot`, changes of `field` first.
    #[must_use]
    pub fn new(snapshot: &'a Snapshot, field: Option<&'a str>) -> Self {
        RecordRenderer { snapshot, field, names: HashMap::new(), requests: HashMap::new() }
    }

    /// A record as text and data.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn tell(&mut self, record: &Recorded) -> Result<Rendered, RequestError> {
        let Recorded { seq, recorded_at, event, .. } = record;
        let mut data = Map::new();
        let mut put = |name: &str, value: Value| drop(data.insert(name.to_owned(), value));
        let what = record.word();
        put("seq", json!(seq));
        put("recorded_at", json!(recorded_at));
        put("what", json!(what));
        let (mut subject, mut details) = (String::new(), String::new());
        // The end of an action names nothing: its request does.
        let begun = match event {
            Event::ActionFinished { action, .. } => self.request(*action, None, *seq)?,
            _ => None,
        };
        let target = begun.as_ref().and_then(|begun| begun.target.as_ref());
        if let Some(id) = event.resource().or_else(|| event.targets().first()).or(target) {
            // A status is part of the resource that has its id.
            let part = kinds::of(&id.kind).filter(|kind| kind.status_of.is_some());
            let whole = part.and_then(|part| kinds::by_slug(part.status_of?));
            let id = &whole.map_or_else(|| id.clone(), |whole| ResourceId { kind: whole.kind(), ..id.clone() });
            let kind = kinds::of(&id.kind);
            put("kind", json!(kind.map_or(id.kind.as_str(), |kind| kind.slug)));
            if let Some(part) = part {
                put("part", json!(part.slug));
                details.push_str("status checks: ");
            }
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
        let mut fields = Vec::new();
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
            Event::ActionFinished { action, outcome, request_id } => {
                let outcome = ended(outcome);
                if let Some(tool) = begun.as_ref().map(|begun| begun.tool.clone()) {
                    put("tool", json!(tool));
                    details = format!("{tool}: {outcome}");
                } else {
                    details.clone_from(&outcome);
                }
                put("action", json!(action));
                put("outcome", json!(outcome));
                if let Some(request_id) = request_id {
                    put("request_id", json!(request_id));
                }
            }
            Event::ActionRequested { .. }
            | Event::ActionRefused { .. }
            | Event::ActionConfirmed { .. }
            | Event::Called { .. } => {
                let told = ToldAction::of(event);
                details = told.details;
                told.fields.into_iter().for_each(|(name, value)| put(name, value));
                // The timeline of one resource lacks the end of an action, which is not about a resource.
                if let Event::ActionRequested { action, .. } = event
                    && let Some(outcome) = self.outcome(*action, *seq)?
                {
                    details = format!("{details}: {outcome}");
                    put("outcome", json!(outcome));
                }
            }
            Event::Discovered { .. } | Event::Removed { .. } => {}
        }
        put("changes", json!(fields));
        let seen = evidence(event);
        if let Some(at) = seen {
            put("evidence_at", json!(at));
        }
        let mut line = format!("{seq} | {recorded_at} | {what} | {}", whole(&subject));
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
        line = format!("{line} | {} | {}", whole(&details), whole(&words));
        Ok(Rendered { line, data })
    }

    /// The name of a resource: the current one, else that of the record, else the last known one.
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

    /// How the action that record `seq` requested ended, if the log says so soon after.
    fn outcome(&self, action: ActionId, seq: Seq) -> Result<Option<String>, RequestError> {
        let mut found = None;
        self.snapshot.each_sealed(seq.next(), NEAR, |sealed| {
            found = match opened(&sealed).map(|record| record.event) {
                Some(Event::ActionFinished { action: of, outcome, .. }) if of == action => Some(ended(&outcome)),
                _ => None,
            };
            if found.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        Ok(found)
    }

    /// What differs, as much as there is room for; and the same as text.
    fn differences(&self, changes: &[Change], seq: Seq) -> ShownDifferences {
        let mut all: Vec<Difference> = changes.iter().flat_map(differences).collect();
        // Changes of the requested field come first, so that they are not left out.
        if let Some(field) = self.field {
            all.sort_by_key(|difference| !meets(field, &difference.path()));
        }
        let FittingDifferences { told, left } = fitting(&all, DIFFERENCES);
        let mut said: Vec<String> = told.iter().map(|told| told.line.clone()).collect();
        if left > 0 {
            said.push(format!(
                "and {left} more differences, left out because of their size: compare_resource from seq:{} to seq:{seq} \
                 shows more, get_resource with full and as_of seq:{seq} shows the whole resource after this change",
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

/// A record, unless it is what a first sweep found.
fn opened(sealed: &SealedRecord<'_>) -> Option<Recorded> {
    if sealed.baseline().is_some() { None } else { sealed.open() }
}

/// When AWS showed what the event says.
fn evidence(event: &Event) -> Option<Timestamp> {
    match event {
        Event::Discovered { evidence, .. } => Some(evidence.at),
        Event::Changed { evidence, .. } => evidence.iter().map(|(_, evidence)| evidence.at).max(),
        Event::Removed { at, .. } | Event::Called { at, .. } => Some(*at),
        _ => None,
    }
}
