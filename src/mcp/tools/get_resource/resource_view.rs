//! One resource as an answer shows it, as text and as data.

use serde_json::{Map, Value, json};

use super::age::Age;
use super::amount::Amount;
use super::details::ResourceDetails;
use super::pruned::prune;
use crate::ingest::Lacked;
use crate::kinds::{self, INSTANCE, KindSpec};
use crate::mcp::fresh::{missing, part_of};
use crate::mcp::looks::Sight;
use crate::mcp::lookup::FoundResource;
use crate::mcp::tools::budget::BUDGET;
use crate::mcp::tools::rows::Columns;
use crate::mcp::tools::table::AnswerText;
use crate::mcp::uri::Address;
use crate::model::text::shown;
use crate::model::{Current, Document, ResourceId, Row};

/// The longest value of a tag that is shown.
const TAG: usize = 256;

/// Of which time the ports that the internet can reach are known.
const PRESENT_ONLY: &str = "known for the present only";

/// What is known about a resource that was found.
pub(super) struct ResourceView {
    pub(super) kind: &'static KindSpec,
    pub(super) found: FoundResource,
    pub(super) age: Age,
    /// That sweeps do not list it any more.
    pub(super) lacked: Option<Lacked>,
    /// What of an instance the internet can reach, as data and as lines of text.
    pub(super) exposure: Option<(Value, Vec<String>)>,
    /// What AWS showed when it was asked for this answer.
    pub(super) looked: Option<Sight>,
}

/// A resource as text and as data.
pub(super) struct ResourceText {
    pub(super) text: String,
    pub(super) data: Map<String, Value>,
}

impl ResourceView {
    /// The resource, as much of it as is asked for.
    pub(super) fn told(&self, amount: &Amount) -> ResourceText {
        let FoundResource { id, current, as_of, stale, part, seq } = &self.found;
        let part = part.as_ref().filter(|_| amount.paths().is_empty());
        let status = part.and_then(|part| part.known.as_ref());
        let mut data = Map::new();
        let mut put = |name: &str, value: Value| drop(data.insert(name.to_owned(), value));
        put("uri", json!(Address::of(self.kind, &id.id).to_string()));
        put("kind", json!(self.kind.slug));
        put("id", json!(id.id));
        put("account", json!(id.account));
        put("region", json!(id.region));
        put("as_of", json!(as_of));
        put("seq", json!(seq));
        let provisional: Vec<String> = current
            .provisional
            .iter()
            .filter_map(|p| serde_json::to_value(p.group).ok()?.as_str().map(str::to_owned))
            .collect();
        put("provisional", json!(provisional));
        if let Some(stale) = stale {
            put("stale", json!(stale));
        }
        if let Some((as_of, _)) = status {
            put("status_as_of", json!(as_of));
        }
        let status_stale = part.and_then(|part| part.stale.as_ref());
        if let Some(stale) = status_stale {
            put("status_stale", json!(stale));
        }
        let mut text = AnswerText::new(format!("{} {} in {}", self.kind.title, id.id, id.scope()));
        match &self.age {
            Age::Now => text.add(format_args!("; as of {as_of}")),
            Age::Then(then) => {
                then.say(&mut text);
                let own = ["as_of", "seq"];
                let fields = then.fields().into_iter().filter(|(name, _)| !own.contains(name));
                fields.for_each(|(name, value)| put(name, value));
            }
            Age::Gone { removed_at, removed_seq } => {
                text.add(format_args!(
                    " is gone: its removal was recorded at {removed_at} (seq {removed_seq}). It is shown as it was last \
                     known, as of {as_of}"
                ));
                put("removed_at", json!(removed_at));
                put("removed_seq", json!(removed_seq));
            }
        }
        if let Some((result, why)) = self.looked.as_ref().map(looked) {
            let why = why.map(|why| shown(&why, 600));
            if let Some(why) = &why {
                text.add(format_args!("\nNot confirmed now: {why} This is the stored copy"));
            }
            put("live", json!({"result": result, "why": why.unwrap_or_default()}));
        }
        if let Some(stale) = stale {
            text.add(format_args!("\nStale: {}", stale.why));
        }
        if let Some(lacked @ Lacked { since, sweeps }) = self.lacked {
            text.add(format_args!("\n{}", missing(lacked)));
            put("missing", json!({"since": since, "sweeps": sweeps}));
        }
        match (part, status) {
            (Some(_), Some((as_of, _))) => text.add(format_args!("\nStatus checks as of {as_of}")),
            (Some(_), None) => text.add("\nNo status checks of it have been seen yet"),
            _ => {}
        }
        if let Some(stale) = status_stale {
            text.add(format_args!("\nStatus checks stale: {}", stale.why));
        }
        if let Some((exposure, lines)) = &self.exposure {
            for line in lines {
                text.add(format_args!("\n{}", shown(line, 600)));
            }
            put("exposure", if *amount == Amount::Short { without_paths(exposure) } else { exposure.clone() });
        }
        if self.is_instance_of_the_past() && amount.paths().is_empty() {
            text.add(format_args!("\nOpen to the internet: {PRESENT_ONLY}"));
            put("exposure", json!({"unknown": [PRESENT_ONLY]}));
        }
        if !provisional.is_empty() {
            text.add(format_args!("\nReported by AWS, not yet confirmed by a describe: {}", provisional.join(", ")));
        }
        match amount {
            Amount::Short => self.short(&mut text, &mut data),
            Amount::Full | Amount::Paths(_) => self.fields(amount.paths(), &mut text, &mut data),
        }
        ResourceText { text: text.into(), data }
    }

    /// Whether it is an instance at a point in the past, of which it is not known what the internet could reach.
    fn is_instance_of_the_past(&self) -> bool {
        self.kind.slug == INSTANCE.slug && matches!(self.age, Age::Then(_))
    }

    /// Adds the columns of the kind, its details, the tags and the results of status checks.
    fn short(&self, text: &mut AnswerText, data: &mut Map<String, Value>) {
        let FoundResource { id, current, part, .. } = &self.found;
        let row = row(id, current);
        if let Some(name) = row.fields.name.as_deref().map(|name| shown(name, TAG)).filter(|name| !name.is_empty()) {
            text.add(format_args!("\nname: {name}"));
            data.insert("name".to_owned(), json!(name));
        }
        let columns = columns(self.kind, &row);
        columns.iter().for_each(|(name, value)| flatten(name, value, text));
        ResourceDetails::of(self.kind, &current.document).say(&columns, text, data);
        let mut tags = Map::new();
        for (key, value) in &row.fields.tags {
            let mut key = shown(key, TAG);
            // Two keys may differ in nothing but what cannot be shown.
            while tags.contains_key(&key) {
                key.push('\'');
            }
            text.add(format_args!("\ntag {key}: {}", shown(value, TAG)));
            tags.insert(key, json!(shown(value, TAG)));
        }
        let known = part.as_ref().and_then(|part| part.known.as_ref());
        if let Some(((_, current), kind)) = known.zip(part_of(self.kind)) {
            let mut status = self::columns(kind, &self::row(&ResourceId { kind: kind.kind(), ..id.clone() }, current));
            status.retain(|name, _| !columns.contains_key(name));
            status.iter().for_each(|(name, value)| flatten(name, value, text));
            data.insert("status".to_owned(), Value::Object(status));
        }
        data.insert("columns".to_owned(), Value::Object(columns));
        data.insert("tags".to_owned(), Value::Object(tags));
    }

    /// Adds the whole document with its status checks, or these fields of it.
    fn fields(&self, paths: &[String], text: &mut AnswerText, data: &mut Map<String, Value>) {
        let FoundResource { current, part, .. } = &self.found;
        let mut parts = vec![("document", selected(&current.document, paths))];
        let status = part.as_ref().filter(|_| paths.is_empty()).and_then(|part| part.known.as_ref());
        if let Some((_, status)) = status {
            parts.push(("status", selected(&status.document, paths)));
        }
        let omitted = prune(&mut parts);
        for (name, part) in &parts {
            let prefix = if *name == "document" { "" } else { "status: " };
            for (field, value) in part {
                flatten(&format!("{prefix}{field}"), value, text);
            }
        }
        let not_found: Vec<&str> =
            paths.iter().filter(|path| current.document.get(path).is_none()).map(String::as_str).collect();
        if !not_found.is_empty() {
            text.add(format_args!("\nThe resource does not have: {}", shown(&not_found.join(", "), 500)));
            data.insert("not_found".to_owned(), json!(not_found));
        }
        if !omitted.is_empty() {
            text.add(format_args!(
                "\nLeft out for size (ask for it with `paths`, or read the URI as an MCP resource): {}",
                omitted.join(", ")
            ));
            data.insert("omitted".to_owned(), json!(omitted));
        }
        data.extend(parts.into_iter().map(|(name, part)| (name.to_owned(), Value::Object(part))));
    }
}

/// What a look at AWS showed, as a word, and why it does not confirm the copy.
fn looked(sight: &Sight) -> (&'static str, Option<String>) {
    match sight {
        Sight::Shown => ("shown", None),
        Sight::NotFound | Sight::Malformed => {
            ("not_found", Some("AWS was asked just now and does not know it.".to_owned()))
        }
        Sight::Unsaid(why) | Sight::Failed(why) => ("failed", Some(format!("AWS could not be asked. {why}"))),
    }
}

/// The row that lists show of it.
fn row(id: &ResourceId, current: &Current) -> Row {
    Row {
        id: id.clone(),
        fields: kinds::project(id, &current.document),
        digest: 0,
        provisional: current.provisional.is_some(),
        seen: current.evidence.newest(),
        changed: crate::model::Seq::ZERO,
    }
}

/// The columns of a row that are particular to its kind.
fn columns(kind: &'static KindSpec, row: &Row) -> Map<String, Value> {
    let mut columns = Columns::of(kind).row(row);
    columns.retain(|name, _| !["id", "name", "uri", "account", "region", "provisional"].contains(&name.as_str()));
    columns
}

/// The ports that are open with what opens each, without the other hops on the way.
fn without_paths(exposure: &Value) -> Value {
    let mut short = exposure.clone();
    for open in short.get_mut("open").and_then(Value::as_array_mut).into_iter().flatten() {
        let by = open.get("path").and_then(Value::as_array).and_then(|path| path.last()).cloned();
        if let (Some(open), Some(by)) = (open.as_object_mut(), by) {
            open.remove("path");
            open.insert("by".to_owned(), by);
        }
    }
    short
}

fn selected(document: &Document, paths: &[String]) -> Map<String, Value> {
    let json = |value: &crate::model::Value| serde_json::to_value(value).unwrap_or(Value::Null);
    if paths.is_empty() {
        return document.fields().iter().map(|(name, value)| (name.to_string(), json(value))).collect();
    }
    let found = paths.iter().filter_map(|path| Some((path.clone(), json(document.get(path)?))));
    found.collect()
}

/// A line for each scalar, with lists as JSON.
fn flatten(path: &str, value: &Value, out: &mut AnswerText) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, value)| flatten(&format!("{path}.{name}"), value, out)),
        Value::String(text) => out.add(format_args!("\n{path}: {}", shown(text, 2000))),
        Value::Array(list) if list.is_empty() => {}
        other => out.add(format_args!("\n{path}: {}", shown(&other.to_string(), 4 * BUDGET))),
    }
}
