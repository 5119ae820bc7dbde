//! Turns a change into the cells of a table row.

use serde_json::Value;

use super::table::text as cell;
use super::warnings::field;
use crate::model::text::shown;

/// The room that is reserved for the count of differences that are not shown.
const MORE_ROOM: usize = 50;

/// The columns of a table of changes.
pub(super) const COLUMNS: [&str; 8] = ["time", "seq", "what", "kind", "id", "name", "cause", "changes"];

/// Returns the cells of a change. The differences take at most `room` characters.
pub(super) fn cells(change: &Value, room: usize) -> Vec<String> {
    let time = match change.get("observed_between").and_then(Value::as_array).map(Vec::as_slice) {
        Some([from, to]) => format!("{}..{}", cell(from), cell(to)),
        _ => field(change, "recorded_at"),
    };
    let id = match (field(change, "id"), change.get("targets").and_then(Value::as_array)) {
        (id, Some(targets)) if targets.len() > 1 => format!("{id} and {} more", targets.len() - 1),
        (id, _) => id,
    };
    let cause = change.get("cause").unwrap_or(&Value::Null);
    let [seq, what, kind, name] = ["seq", "what", "kind", "name"].map(|name| field(change, name));
    let what = what.replace('_', " ");
    let mut cause = field(cause, "words");
    if let Some(who) = change.get("who") {
        cause = format!("{cause}; who: {}", field(who, "words"));
    }
    vec![time, seq, what, kind, id, name, cause, differences(change, room)]
}

/// Lists the differences, by field and by element; for a call of a tool, the tool and its outcome. Differences that do not fit
/// into `room` are counted.
fn differences(change: &Value, room: usize) -> String {
    let changes = change.get("changes").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let mut differences: Vec<String> = changes.iter().map(difference).collect();
    if let (Some(first), Some(_)) = (differences.first_mut(), change.get("part")) {
        *first = format!("status checks: {first}");
    }
    let refused = Some(field(change, "rule")).filter(|rule| !rule.is_empty()).map(|rule| format!("refused by {rule}"));
    let [tool, outcome] = ["tool", "outcome"].map(|name| field(change, name));
    let called = [tool, refused.unwrap_or_default(), outcome].into_iter().filter(|text| !text.is_empty());
    let called = called.collect::<Vec<_>>().join(": ");
    let by = change.get("called_by").map(caller);
    let times = change.get("count").and_then(Value::as_u64).filter(|count| *count > 1);
    let times = times.map(|count| format!(", {count} times"));
    let called = [Some(called).filter(|called| !called.is_empty()), by.map(|by| format!(", called by {by}")), times];
    differences.extend(Some(called.into_iter().flatten().collect::<String>()).filter(|called| !called.is_empty()));
    let unseen = change.get("changes_not_shown").and_then(Value::as_u64).and_then(|left| usize::try_from(left).ok());
    let unseen = unseen.unwrap_or(0);
    let whole = differences.join("; ");
    if unseen == 0 && whole.chars().count() <= room {
        return whole;
    }
    let (mut kept, mut length) = (Vec::new(), MORE_ROOM);
    for difference in &differences {
        length += difference.chars().count() + 2;
        if length > room && !kept.is_empty() {
            break;
        }
        kept.push(difference.as_str());
    }
    let more = differences.len() - kept.len() + unseen;
    let how = if more > unseen { "--json shows more" } else { "muster get --as-of shows all" };
    match more {
        // A single difference that is too long is cut at the end of the cell.
        0 => kept.join("; "),
        more => {
            let more = format!("; and {more} more ({how})");
            let text = shown(&kept.join("; "), room.saturating_sub(more.len()).max(1));
            format!("{text}{more}")
        }
    }
}

/// Writes who called a tool: the client's name if it gave one, and the user.
fn caller(by: &Value) -> String {
    let [user, client] = ["user", "client"].map(|name| field(by, name));
    if client.is_empty() { user } else { format!("{client} ({user})") }
}

/// Writes one difference.
fn difference(change: &Value) -> String {
    let path = field(change, "path");
    let of = |name: &str| change.get(name).map(cell);
    if let Some(added) = of("added") {
        return format!("{path}: + {added}");
    }
    if let Some(removed) = of("removed") {
        return format!("{path}: - {removed}");
    }
    let side = |value: Option<String>| match value {
        None => "nothing".to_owned(),
        Some(value) if value.is_empty() => "\"\"".to_owned(),
        Some(value) => value,
    };
    format!("{path}: {} -> {}", side(of("before")), side(of("after")))
}

#[cfg(test)]
mod tests {
    use super::*;

    use serde_json::json;

    #[test]
    fn a_change_tells_when_what_and_why() {
        let change = json!({
            "seq": 7, "recorded_at": "2026-11-22T10:00:00.000Z", "what": "changed", "kind": "instance", "id": "i-1",
            "name": "web", "cause": {"by": "sweep", "words": "seen by a sweep"},
            "changes": [{"path": "State.Name", "before": "running", "after": "stopped"}, {"path": "KeyName", "after": "k"}],
        });
        let expected = [
            "2026-11-22T10:00:00.000Z",
            "7",
            "changed",
            "instance",
            "i-1",
            "web",
            "seen by a sweep",
            "State.Name: running -> stopped; KeyName: nothing -> k",
        ];
        assert_eq!(cells(&change, 240), expected);
    }

    #[test]
    fn what_nobody_saw_happen_has_two_times_and_a_call_its_outcome() {
        let change = json!({
            "seq": 8, "recorded_at": "t", "what": "action_finished", "id": "i-1", "targets": ["i-1", "i-2"],
            "observed_between": ["a", "b"], "tool": "stop_instance", "outcome": "succeeded", "changes": [],
        });
        let cells = cells(&change, 240);
        assert_eq!((cells[0].as_str(), cells[4].as_str()), ("a..b", "i-1 and 1 more"));
        assert_eq!(cells[7], "stop_instance: succeeded");
    }

    #[test]
    fn what_differs_in_a_list_is_told_by_element_and_what_does_not_fit_is_counted() {
        let rule = |port: usize| json!({"path": "IpPermissions", "added": format!("tcp {port} from 0.0.0.0/0")});
        let change =
            json!({"changes": [rule(21), {"path": "IpPermissions", "removed": "tcp 22 from ::/0"}, rule(3389)]});
        let expected = "IpPermissions: + tcp 21 from 0.0.0.0/0; IpPermissions: - tcp 22 from ::/0; \
                        IpPermissions: + tcp 3389 from 0.0.0.0/0";
        assert_eq!(differences(&change, 240), expected);
        let change = json!({"changes": (0..40).map(rule).collect::<Vec<_>>(), "changes_not_shown": 7});
        let said = differences(&change, 240);
        assert!(said.chars().count() <= 240 && said.ends_with("; and 43 more (--json shows more)"), "{said}");
        let long = json!({"changes": [{"path": "Description", "before": "x".repeat(400), "after": "y"}, rule(1)]});
        let said = differences(&long, 240);
        assert!(said.chars().count() <= 240 && said.ends_with("; and 1 more (--json shows more)"), "{said}");
    }
}
