//! What an answer says of its own worth, in words for standard error: that it may be out of date, incomplete, not confirmed.
//!
//! JSON carries all of it as it is; a table has no place for it.

use serde_json::Value;

use super::table::text;
use crate::app::client::ToolAnswer;
use crate::model::FailureCode;
use crate::model::text::shown;
use crate::telemetry;

/// How many of one sort are told one by one.
const MOST: usize = 5;

/// The longest note.
const LONGEST: usize = 2000;

/// A tool that could not do what was asked.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
pub(super) struct Refused {
    text: String,
    code: FailureCode,
}

impl Refused {
    /// Whether no server could ever do what was asked: the command line cannot be used as it stands.
    pub(super) fn is_usage(&self) -> bool {
        self.code == FailureCode::InvalidArgument
    }
}

/// What was answered, as data.
///
/// # Errors
/// [`Refused`] with the tool's reason.
pub(super) fn granted(answer: ToolAnswer) -> Result<Value, Refused> {
    let Some(code) = answer.failure else { return Ok(answer.structured) };
    // The example is of a tool's arguments, which are none of a command line.
    let text = answer.text.split(" Example: {").next().unwrap_or_default();
    Err(Refused { text: shown(text, LONGEST), code })
}

/// Tells what there is to know about an answer beside its rows.
pub(super) fn tell(answer: &Value) {
    for note in notes(answer) {
        say(&note);
    }
}

/// Tells one thing.
pub(super) fn say(note: &str) {
    telemetry::say(&shown(note, LONGEST));
}

/// The notes, most important first.
pub(super) fn notes(answer: &Value) -> Vec<String> {
    let mut notes = Vec::new();
    let hints = answer.get("hints").and_then(Value::as_array).into_iter().flatten();
    notes.extend(hints.map(|hint| format!("hint: {}", text(hint))));
    if let Some(at) = answer.get("removed_at").filter(|at| !at.is_null()) {
        notes.push(format!("removed: it is gone since {}; this is what was known of it last", text(at)));
    }
    notes.extend(several(answer, "incomplete", |scope| {
        let trouble = scope.get("trouble").map_or_else(String::new, |trouble| format!(": {}", text(trouble)));
        let (kind, seen) = (field(scope, "kind"), field(scope, "seen"));
        format!("incomplete: the first sweep of {kind} in {} is not over, {seen} seen{trouble}", place(scope))
    }));
    for name in ["stale", "status_stale"] {
        let label = name.replace('_', " ");
        match answer.get(name) {
            Some(Value::Object(_)) => {
                notes.push(format!(
                    "{label}: {}",
                    answer.get(name).map_or_else(String::new, |stale| field(stale, "why"))
                ));
            }
            _ => notes
                .extend(several(answer, name, |stale| format!("{label}: {}: {}", place(stale), field(stale, "why")))),
        }
    }
    notes.extend(several(answer, "unwatched", |scope| {
        format!("no longer watched since {}: {}", field(scope, "since"), place(scope))
    }));
    notes.extend(several(answer, "damaged", |damaged| {
        let [table, key, kind, id, why] = ["table", "key", "kind", "id", "why"].map(|name| field(damaged, name));
        let what = if id.is_empty() { key } else { format!("{kind} {id} in {}", place(damaged)) };
        format!("damaged: the record of {what} in table {table} cannot be read ({why}); this answer may lack it")
    }));
    if let Some(fix) = answer.get("damaged_fix") {
        notes.push(format!("damaged: {}", text(fix)));
    }
    if let Some(missing) = answer.get("missing_unproved").and_then(Value::as_u64).filter(|missing| *missing > 0) {
        notes.push(format!("missing: {missing} searched were lacked by the last complete sweep and are perhaps gone"));
    }
    if let Some(missing) = answer.get("missing") {
        let [since, sweeps] = ["since", "sweeps"].map(|name| field(missing, name));
        notes.push(format!(
            "missing: complete sweeps have lacked it since {since}, {sweeps} so far; whether it is gone is not proved yet"
        ));
    }
    let readings = answer.get("readings").and_then(Value::as_array);
    notes.extend(readings.into_iter().flatten().map(text));
    if let Some(begins) = answer.get("starts_at").filter(|begins| !begins.is_null()) {
        notes.push(format!("the log begins at {}, later than --since: this is all since then", text(begins)));
    }
    if let Some(unreadable) = answer.get("unreadable").filter(|unreadable| unreadable.is_object()) {
        let items = unreadable.get("items").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let named = |item: &Value| match item.get("id") {
            Some(id) => format!("{} ({})", text(id), field(item, "why")),
            None => field(item, "why"),
        };
        let named: Vec<String> = items.iter().map(named).collect();
        notes.push(format!(
            "unreadable: AWS lists {} that cannot be read: {}",
            field(unreadable, "count"),
            few(&named)
        ));
    }
    let provisional: Vec<String> = match answer.get("provisional") {
        Some(Value::Array(groups)) => groups.iter().map(text).collect(),
        _ => rows(answer).iter().filter(|row| row.get("provisional").is_some()).map(|row| field(row, "id")).collect(),
    };
    if !provisional.is_empty() {
        notes.push(format!("provisional: reported by AWS, not yet confirmed by a describe: {}", few(&provisional)));
    }
    notes.extend(unobserved(answer));
    for (name, what) in [("omitted", "left out for its size, ask for it with --path"), ("not_found", "not in it")] {
        let fields: Vec<String> = answer.get(name).and_then(Value::as_array).into_iter().flatten().map(text).collect();
        if !fields.is_empty() {
            notes.push(format!("{what}: {}", few(&fields)));
        }
    }
    notes
}

/// A time to the second, which is as exactly as people want to know since when nobody was looking.
fn second(gap: &Value, name: &str) -> String {
    let time = field(gap, name);
    time.split_once('.').map_or_else(|| time.clone(), |(second, _)| format!("{second}Z"))
}

/// When nobody was looking for a second or more, with all kinds that nobody was looking at then.
fn unobserved(answer: &Value) -> Vec<String> {
    let gaps = answer.get("unobserved").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let mut told: Vec<(String, Vec<String>)> = Vec::new();
    for gap in gaps {
        let (from, to) = (second(gap, "from"), second(gap, "to"));
        if from == to {
            continue;
        }
        let when = format!("in {} from {from} to {to}", place(gap));
        match told.iter_mut().find(|(known, _)| *known == when) {
            Some((_, kinds)) => kinds.push(field(gap, "kind")),
            None => told.push((when, vec![field(gap, "kind")])),
        }
    }
    let left_out = answer.get("unobserved_not_shown").and_then(Value::as_u64).unwrap_or_default();
    let more = told.len().saturating_sub(MOST) as u64 + left_out;
    let note =
        |(when, kinds): &(String, Vec<String>)| format!("unobserved: nobody looked at {} {when}", kinds.join(", "));
    let mut notes: Vec<String> = told.iter().take(MOST).map(note).collect();
    if more > 0 {
        notes.push(format!("unobserved: and {more} more times and places"));
    }
    notes
}

/// The rows of an answer, whatever the tool calls them.
pub(super) fn rows(answer: &Value) -> &[Value] {
    let rows = ["rows", "changes"].iter().find_map(|name| answer.get(name)?.as_array());
    rows.map(Vec::as_slice).unwrap_or_default()
}

/// A note for each of a list, the first few of them.
fn several(answer: &Value, name: &str, note: impl Fn(&Value) -> String) -> Vec<String> {
    let list = answer.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let mut notes: Vec<String> = list.iter().take(MOST).map(note).collect();
    if list.len() > MOST {
        notes.push(format!("{name}: and {} more; --json has them all", list.len() - MOST));
    }
    notes
}

/// The first few of several.
fn few(list: &[String]) -> String {
    let first: Vec<&str> = list.iter().take(MOST).map(String::as_str).collect();
    match list.len().saturating_sub(MOST) {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}

fn place(of: &Value) -> String {
    format!("{}/{}", field(of, "account"), field(of, "region"))
}

/// A field as text; empty when it is not there.
pub(super) fn field(of: &Value, name: &str) -> String {
    of.get(name).map(text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    use serde_json::json;

    #[test]
    fn everything_that_lessens_an_answer_is_told() {
        let scope = json!({"account": "1", "region": "r", "kind": "vpc", "seen": 3, "trouble": "denied"});
        let gap =
            |kind: &str, from: u64| json!({"account": "1", "region": "r", "kind": kind, "from": from, "to": from + 1});
        let gaps: Vec<Value> = (0..7).flat_map(|from| [gap("vpc", from), gap("volume", from)]).collect();
        let notes = notes(&json!({
            "stale": [{"account": "1", "region": "r", "why": "old"}],
            "status_stale": {"why": "older"},
            "incomplete": [scope],
            "missing_unproved": 2,
            "missing": {"since": "2026-11-20T00:00:00Z", "sweeps": 3},
            "rows": [{"id": "i-1", "provisional": "true"}, {"id": "i-2"}],
            "unobserved": gaps,
            "omitted": ["Tags"],
            "removed_at": "2026-11-22T00:00:00Z",
            "starts_at": "2026-11-21T00:00:00Z",
            "readings": ["filter `a`: read as a list"],
        }))
        .join("\n");
        for part in [
            "stale: 1/r: old",
            "status stale: older",
            "incomplete: the first sweep of vpc in 1/r is not over, 3 seen: denied",
            "missing: 2",
            "lacked it since 2026-11-20T00:00:00Z, 3 so far",
            "describe: i-1\n",
            "vpc, volume in 1/r from 4 to 5\nunobserved: and 2 more",
            "--path: Tags",
            "gone since 2026",
            "the log begins at 2026-11-21T00:00:00Z, later than --since",
            "filter `a`: read as a list",
        ] {
            assert!(notes.contains(part), "{part} is not in {notes}");
        }
        assert_eq!(
            super::notes(&json!({"stale": [], "incomplete": [], "rows": [{"id": "i-1"}]})),
            Vec::<String>::new()
        );
    }

    #[test]
    fn a_refusal_is_shown_without_what_a_terminal_obeys() {
        let answer = ToolAnswer {
            text: "no `\u{1b}[2J`".to_owned(),
            failure: Some(FailureCode::Failed),
            ..ToolAnswer::default()
        };
        assert_eq!(granted(answer).unwrap_err().to_string(), "no `[2J`");
        let text = "argument `group_by` must be x, not \"y\". Example: {\"kind\": \"instance\"}".to_owned();
        let answer = ToolAnswer { text, failure: Some(FailureCode::Failed), ..ToolAnswer::default() };
        assert_eq!(granted(answer).unwrap_err().to_string(), "argument `group_by` must be x, not \"y\".");
        let with = |code| granted(ToolAnswer { failure: Some(code), ..ToolAnswer::default() }).unwrap_err().is_usage();
        let codes = [FailureCode::InvalidArgument, FailureCode::NotFound, FailureCode::Failed];
        assert_eq!(codes.map(with), [true, false, false]);
    }
}
