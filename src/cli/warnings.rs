//! Prints caveats of an answer on standard error: that it may be out of date, incomplete or not confirmed.
//!
//! JSON contains all of them; a table has no place for them. Refusals of tools are reworded here for the command line.

use serde_json::Value;

use super::table::text;
use crate::app::client::ToolAnswer;
use crate::model::FailureCode;
use crate::model::text::shown;
use crate::telemetry;

/// How many warnings of one sort are printed.
const MAX_TOLD: usize = 5;

/// The longest warning, in characters.
const MAX_LENGTH: usize = 2000;

/// The refusal of a tool.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
pub(super) struct Refused {
    text: String,
    code: FailureCode,
}

impl Refused {
    /// Whether the command line is at fault.
    pub(super) fn is_usage(&self) -> bool {
        self.code == FailureCode::InvalidArgument
    }
}

/// Returns the answer's data.
///
/// # Errors
/// [`Refused`] with the tool's reason.
pub(super) fn granted(answer: ToolAnswer) -> Result<Value, Refused> {
    let Some(code) = answer.failure else { return Ok(answer.structured) };
    Err(Refused { text: shown(&in_flags(&answer.text), MAX_LENGTH), code })
}

/// The arguments of tools, and the flags of the command line that give them.
const FLAGS: [(&str, &str); 17] = [
    ("uri", "the URI"),
    ("paths", "--path"),
    ("fields", "--field"),
    ("field", "--field"),
    ("group_by", "--by"),
    ("as_of", "--as-of"),
    ("since", "--since"),
    ("until", "--until"),
    ("limit", "--limit"),
    ("older_than", "--older-than"),
    ("sort", "--sort"),
    ("sum", "--sum"),
    ("top", "--top"),
    ("kind", "--kind"),
    ("account", "--account"),
    ("region", "--region"),
    ("ou", "--ou"),
];

/// The tools, and the commands that call them.
const COMMANDS: [(&str, &str); 8] = [
    ("search_inventory", "`muster search`"),
    ("count_inventory", "`muster count`"),
    ("query_inventory", "`muster query`"),
    ("get_resource", "`muster get`"),
    ("get_instance_status", "`muster health`"),
    ("list_changes", "`muster changes`"),
    ("find_relations", "`muster related`"),
    ("report_stopped_instances", "`muster stopped`"),
];

/// Rewords a tool's refusal for the command line: it names flags, not arguments, and commands, not tools, and has no example of
/// arguments.
pub(super) fn in_flags(text: &str) -> String {
    let text = text.split(" Example: {").next().unwrap_or_default();
    let text = text.strip_prefix("argument `filters`: ").unwrap_or(text);
    let text = text.replace(" must be later than since,", " must be later than --since,");
    let text = text.replace("call get_inventory_summary", "call the tool get_inventory_summary of an MCP client");
    let flags = FLAGS.iter().fold(text, |text, (argument, flag)| {
        let text = text.replace(&format!("argument `{argument}`"), flag);
        text.replace(&format!("`{argument}` must be"), &format!("{flag} must be"))
    });
    COMMANDS.iter().fold(flags.replace(" since=", " --since "), |text, (tool, command)| text.replace(tool, command))
}

/// Prints the warnings of an answer.
pub(super) fn tell(answer: &Value) {
    for warning in warnings(answer) {
        say(&warning);
    }
}

/// Prints text on standard error, without terminal control characters.
pub(super) fn say(text: &str) {
    telemetry::say(&shown(text, MAX_LENGTH));
}

/// Lists the warnings, the most important first.
pub(super) fn warnings(answer: &Value) -> Vec<String> {
    let mut warnings = Vec::new();
    let hints = answer.get("hints").and_then(Value::as_array).into_iter().flatten();
    warnings.extend(hints.map(|hint| format!("hint: {}", text(hint))));
    if let Some(at) = answer.get("removed_at").filter(|at| !at.is_null()) {
        warnings.push(format!("removed: gone since {}; this is its last known state", text(at)));
    }
    if let Some(why) = answer.pointer("/live/why").map(text).filter(|why| !why.is_empty()) {
        warnings.push(format!("not confirmed now: {why} This is the stored copy"));
    }
    warnings.extend(several(answer, "incomplete", |of| {
        let trouble = of.get("trouble").map_or_else(String::new, |trouble| format!(": {}", text(trouble)));
        let (kind, seen) = (field(of, "kind"), field(of, "seen"));
        let place = if of.get("scopes").is_some() { many(of) } else { scope(of) };
        format!("incomplete: the first sweep of {kind} in {place} is not complete, {seen} seen so far{trouble}")
    }));
    warnings.extend(several(answer, "failed", not_looked_at));
    warnings.extend(several(answer, "unreached_accounts", |of| {
        format!("account {} was not reached: {}. {}", field(of, "account"), field(of, "what"), field(of, "fix"))
    }));
    for name in ["stale", "status_stale"] {
        let label = name.replace('_', " ");
        match answer.get(name) {
            Some(Value::Object(_)) => {
                warnings.push(format!(
                    "{label}: {}",
                    answer.get(name).map_or_else(String::new, |stale| field(stale, "why"))
                ));
            }
            _ => warnings.extend(several(answer, name, |stale| {
                let kind = stale.get("kind").map_or_else(String::new, |kind| format!("{} in ", text(kind)));
                let place = if stale.get("scopes").is_some() { many(stale) } else { scope(stale) };
                format!("{label}: {kind}{place}: {}", field(stale, "why"))
            })),
        }
    }
    warnings.extend(several(answer, "unwatched", unwatched));
    warnings.extend(several(answer, "damaged", |damaged| {
        let [table, key, kind, id, why] = ["table", "key", "kind", "id", "why"].map(|name| field(damaged, name));
        let what = if id.is_empty() { key } else { format!("{kind} {id} in {}", scope(damaged)) };
        format!("damaged: the record of {what} in table {table} cannot be read ({why}); this answer may lack it")
    }));
    if let Some(fix) = answer.get("damaged_fix") {
        warnings.push(format!("damaged: {}", text(fix)));
    }
    if let Some(missing) = answer.get("missing_unproved").and_then(Value::as_u64).filter(|missing| *missing > 0) {
        warnings.push(format!(
            "missing: the last complete sweep did not find {missing} of the resources searched; they may be gone"
        ));
    }
    if let Some(missing) = answer.get("missing") {
        let [since, sweeps] = ["since", "sweeps"].map(|name| field(missing, name));
        warnings.push(format!(
            "missing: complete sweeps have not found it since {since} ({sweeps} so far); it may be gone"
        ));
    }
    for (name, what) in [
        ("ids_unknown", "not known"),
        ("ids_excluded", "known, but left out by the other filters"),
        ("ids_elsewhere", "known, but in another account or region"),
    ] {
        let ids: Vec<String> = answer.get(name).and_then(Value::as_array).into_iter().flatten().map(text).collect();
        if !ids.is_empty() {
            warnings.push(format!("{what}: {}", few(&ids)));
        }
    }
    let readings = answer.get("readings").and_then(Value::as_array);
    warnings.extend(readings.into_iter().flatten().map(text));
    if let Some(begins) = answer.get("starts_at").filter(|begins| !begins.is_null()) {
        warnings.push(format!("the log begins at {}, later than --since: this is all since then", text(begins)));
    }
    if let Some(unreadable) = answer.get("unreadable").filter(|unreadable| unreadable.is_object()) {
        let items = unreadable.get("items").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let named = |item: &Value| match item.get("id") {
            Some(id) => format!("{} ({})", text(id), field(item, "why")),
            None => field(item, "why"),
        };
        let named: Vec<String> = items.iter().map(named).collect();
        warnings.push(format!(
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
        warnings.push(format!("provisional: reported by AWS, not yet confirmed by a describe: {}", few(&provisional)));
    }
    warnings.extend(unobserved(answer));
    for (name, what) in [("omitted", "left out for its size, add --path to show it"), ("not_found", "no such field")] {
        let fields: Vec<String> = answer.get(name).and_then(Value::as_array).into_iter().flatten().map(text).collect();
        if !fields.is_empty() {
            warnings.push(format!("{what}: {}", few(&fields)));
        }
    }
    warnings
}

/// Warns that accounts and regions could not be looked at, for one cause.
fn not_looked_at(of: &Value) -> String {
    let [cause, what, fix] = ["cause", "what", "fix"].map(|name| field(of, name));
    let why = if what.is_empty() { cause } else { format!("{what}. {fix}") };
    format!("not looked at: {}: {why}", many(of))
}

/// Returns how many accounts and regions an entry is about, with examples.
fn many(of: &Value) -> String {
    let examples: Vec<String> = of.get("examples").and_then(Value::as_array).into_iter().flatten().map(text).collect();
    match (field(of, "scopes").as_str(), examples.is_empty()) {
        ("1", false) => examples.join(", "),
        (count, true) => format!("{count} accounts and regions"),
        (count, false) => format!("{count} accounts and regions, such as {}", examples.join(", ")),
    }
}

/// Returns a time without fractions of a second.
fn second(gap: &Value, name: &str) -> String {
    let time = field(gap, name);
    time.split_once('.').map_or_else(|| time.clone(), |(second, _)| format!("{second}Z"))
}

/// Warns of each interval of a second or more in which kinds were not watched.
fn unobserved(answer: &Value) -> Vec<String> {
    let gaps = answer.get("unobserved").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let mut told: Vec<(String, Vec<String>)> = Vec::new();
    for gap in gaps {
        let (from, to) = (second(gap, "from"), second(gap, "to"));
        if from == to {
            continue;
        }
        let when = format!("in {}, {from} to {to}", scope(gap));
        match told.iter_mut().find(|(known, _)| *known == when) {
            Some((_, kinds)) => kinds.push(field(gap, "kind")),
            None => told.push((when, vec![field(gap, "kind")])),
        }
    }
    let left_out = answer.get("unobserved_not_shown").and_then(Value::as_u64).unwrap_or_default();
    let more = told.len().saturating_sub(MAX_TOLD) as u64 + left_out;
    let warning = |(when, kinds): &(String, Vec<String>)| format!("not watched: {} {when}", kinds.join(", "));
    let mut warnings: Vec<String> = told.iter().take(MAX_TOLD).map(warning).collect();
    if more > 0 {
        warnings.push(format!("not watched: and {more} more intervals"));
    }
    warnings
}

/// Returns the rows of an answer: `rows` or `changes`.
pub(super) fn rows(answer: &Value) -> &[Value] {
    let rows = ["rows", "changes"].iter().find_map(|name| answer.get(name)?.as_array());
    rows.map(Vec::as_slice).unwrap_or_default()
}

/// Makes a warning for each of the first entries of a list.
fn several(answer: &Value, name: &str, warning: impl Fn(&Value) -> String) -> Vec<String> {
    let list = answer.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let mut warnings: Vec<String> = list.iter().take(MAX_TOLD).map(warning).collect();
    if list.len() > MAX_TOLD {
        warnings.push(format!("{name}: and {} more; --json shows all", list.len() - MAX_TOLD));
    }
    warnings
}

/// Lists the first few texts, and counts the others.
fn few(list: &[String]) -> String {
    let first: Vec<&str> = list.iter().take(MAX_TOLD).map(String::as_str).collect();
    match list.len().saturating_sub(MAX_TOLD) {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}

fn scope(of: &Value) -> String {
    format!("{}/{}", field(of, "account"), field(of, "region"))
}

/// A scope that is no longer watched, with the cause where it is known.
fn unwatched(of: &Value) -> String {
    let why = of.get("why").map_or_else(String::new, |why| format!(" ({})", text(why)));
    let what = match of.get("regions") {
        Some(regions) => format!("{} in {} regions", field(of, "account"), text(regions)),
        None => scope(of),
    };
    format!("no longer watched since {}: {what}{why}", field(of, "since"))
}

/// Returns a field as text; empty when it is absent.
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
        let warnings = warnings(&json!({
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
            "incomplete: the first sweep of vpc in 1/r is not complete, 3 seen so far: denied",
            "did not find 2 of",
            "not found it since 2026-11-20T00:00:00Z (3 so far)",
            "describe: i-1\n",
            "vpc, volume in 1/r, 4 to 5\nnot watched: and 2 more",
            "--path to show it: Tags",
            "gone since 2026",
            "the log begins at 2026-11-21T00:00:00Z, later than --since",
            "filter `a`: read as a list",
        ] {
            assert!(warnings.contains(part), "{part} is not in {warnings}");
        }
        assert_eq!(
            super::warnings(&json!({"stale": [], "incomplete": [], "rows": [{"id": "i-1"}]})),
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
        assert_eq!(granted(answer).unwrap_err().to_string(), "--by must be x, not \"y\".");
        assert_eq!(in_flags("no more. Start again with since=-1m"), "no more. Start again with --since -1m");
        let with = |code| granted(ToolAnswer { failure: Some(code), ..ToolAnswer::default() }).unwrap_err().is_usage();
        let codes = [FailureCode::InvalidArgument, FailureCode::NotFound, FailureCode::Failed];
        assert_eq!(codes.map(with), [true, false, false]);
    }
}
