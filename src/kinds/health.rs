//! The health of an instance, by its status checks and the events that AWS has scheduled for it.

use crate::model::{Document, Map, Value};

/// What the checks of an instance come to, the worst first. An instance is as healthy as its worst check.
pub const VERDICTS: [&str; 6] = ["impaired", "insufficient-data", UNKNOWN, "initializing", "ok", "not-applicable"];

/// Matches every verdict but `ok` and `not-applicable`, as the value of a filter of verdicts.
pub const NOT_OK: &str = "not-ok";

/// The verdicts that [`NOT_OK`] matches.
pub const BAD: [&str; 4] = ["impaired", "insufficient-data", UNKNOWN, "initializing"];

/// There is no result, or one that this version of Muster does not know.
const UNKNOWN: &str = "unknown";

/// What begins the description of an event that is over.
const OVER: [&str; 2] = ["[Completed]", "[Canceled]"];

/// The worst of all results of checks.
#[must_use]
pub fn verdict<'a>(results: impl Iterator<Item = &'a str>) -> &'static str {
    let results: Vec<&str> = results.collect();
    if results.iter().any(|result| !VERDICTS.contains(result)) {
        return UNKNOWN;
    }
    VERDICTS.into_iter().find(|verdict| results.contains(verdict)).unwrap_or(UNKNOWN)
}

/// The code and earliest start of the scheduled event that begins first, of those that are not over. The start is empty where AWS
/// gives none.
#[must_use]
pub fn next_event(status: &Document) -> Option<(&str, &str)> {
    let events = match status.get("Events") {
        Some(Value::List(events)) => events.as_slice(),
        _ => &[],
    };
    let open = events.iter().filter_map(|event| match event {
        Value::Map(event) if !is_over(event) => Some((text(event, "Code")?, text(event, "NotBefore").unwrap_or(""))),
        _ => None,
    });
    open.min_by_key(|(_, at)| *at)
}

fn is_over(event: &Map) -> bool {
    text(event, "Description").is_some_and(|said| OVER.iter().any(|over| said.starts_with(over)))
}

fn text<'a>(event: &'a Map, name: &str) -> Option<&'a str> {
    match event.get(name)? {
        Value::Text(text) => Some(text),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::fixtures::json_document;

    #[test]
    fn an_instance_is_as_healthy_as_its_worst_check() {
        assert_eq!(verdict(["ok", "impaired", "ok"].into_iter()), "impaired");
        assert_eq!(verdict(["ok", "initializing"].into_iter()), "initializing");
        assert_eq!(verdict(["ok", "not-applicable"].into_iter()), "ok");
        assert_eq!(verdict(["not-applicable"].into_iter()), "not-applicable");
        assert_eq!(verdict(["ok", "sideways"].into_iter()), "unknown");
        assert_eq!(verdict([].into_iter()), "unknown");
        assert!(BAD.iter().all(|bad| VERDICTS.contains(bad)));
    }

    #[test]
    fn the_next_event_is_the_earliest_that_is_not_over() {
        let status = json_document(&json!({"Events": [
            {"Code": "instance-stop", "NotBefore": "2026-12-03T00:00:00+00:00"},
            {"Code": "instance-reboot", "Description": "[Completed] Reboot", "NotBefore": "2026-12-01T00:00:00+00:00"},
            {"Code": "system-reboot", "NotBefore": "2026-12-02T00:00:00+00:00"},
        ]}));
        assert_eq!(next_event(&status), Some(("system-reboot", "2026-12-02T00:00:00+00:00")));
        assert_eq!(next_event(&json_document(&json!({}))), None);
    }
}
