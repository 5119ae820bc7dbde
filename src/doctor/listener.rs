//! Checks whether the running server receives this region's events from the queue, as `ec2://inventory/freshness` says.

use std::collections::BTreeMap;

use serde_json::Value;

use super::finding::{Check, Finding};
use crate::model::Region;

pub(crate) static CHECK: Check =
    Check { name: "listener", title: "The running server, if there is one, receives from the queue" };

/// Returns what the server says about the events of a region; `None` when it does not listen there.
pub(crate) fn of<'a>(freshness: &'a Value, region: &Region) -> Option<&'a Value> {
    let paths = freshness.get("events")?.as_array()?;
    paths.iter().find(|path| path.get("region").and_then(Value::as_str) == Some(region.as_str()))
}

/// Whether the server receives from the queue of this name. It may not have found it, or use another one.
pub(crate) fn receives(path: &Value, queue: &str) -> bool {
    queue_of(path).is_some_and(|used| used == queue)
}

/// Returns the name of the queue that the server receives from: the end of its URL.
fn queue_of(path: &Value) -> Option<&str> {
    path.get("queue")?.as_str()?.rsplit('/').next()
}

/// Judges what the server says. `name` is what the names of queues and rules begin with; `queue` is the queue's name.
pub(crate) fn judge(path: Option<&Value>, name: &str, queue: &str) -> Finding {
    let Some(path) = path else {
        let fix = format!("Restart the server with `--events {name}` (or MUSTER_EVENTS={name}).");
        return CHECK.warning("server", "it runs, but does not listen to the events of this region", fix);
    };
    let trouble = ["receive_failure", "absent"].iter().find_map(|name| path.get(*name));
    if let Some(trouble) = trouble {
        let text = |name: &str| trouble.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        return CHECK.failed("server", text("what"), text("fix"));
    }
    if let Some(other) = queue_of(path).filter(|used| *used != queue) {
        let fix = format!("Restart the server with `--events {name}`, or run doctor with the flags of the server.");
        return CHECK.warning("server", format!("it listens to the queue {other}, not to {queue}"), fix);
    }
    let why = path.get("why").and_then(Value::as_str).unwrap_or_default();
    if path.get("proved").and_then(Value::as_bool) == Some(true) {
        return CHECK.ok("server", "it listens, and its own canaries come back");
    }
    CHECK.warning(
        "server",
        format!("it listens, but delivery is not proved: {why}"),
        "See which rule's canary does not come back. Meanwhile sweeps run at their normal interval.",
    )
}

/// Returns the canaries of `sender` that came back: by the rule's slug, when each was sent and seen.
pub(crate) fn returned(path: &Value, sender: &str) -> BTreeMap<String, (String, String)> {
    let rules = path.get("rules").and_then(Value::as_array).into_iter().flatten();
    let text = |of: &Value, name: &str| of.get(name).and_then(Value::as_str).map(str::to_owned);
    let seen = rules.filter_map(|rule| {
        let last = rule.get("last")?.as_array()?;
        let ours = last.iter().find(|canary| canary.get("sent_by").and_then(Value::as_str) == Some(sender))?;
        Some((text(rule, "rule")?, (text(ours, "sent_at")?, text(ours, "seen_at")?)))
    });
    seen.collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::finding::Verdict;
    use super::*;

    #[test]
    fn a_servers_word_tells_whether_it_listens_and_whose_canaries_came_back() {
        let canary = |by: &str| json!({"sent_by": by, "sent_at": "t1", "seen_at": "t2"});
        let freshness = json!({"events": [{
            "region": "r", "proved": false, "why": "too quiet",
            "rules": [
                {"rule": "tags", "last": [canary("serve"), canary("doctor-1")]},
                {"rule": "calls", "last": [canary("serve")]},
            ],
        }]});
        let path = of(&freshness, &Region::new("r")).unwrap();
        let expected = ("tags".to_owned(), ("t1".to_owned(), "t2".to_owned()));
        assert_eq!(returned(path, "doctor-1"), BTreeMap::from([expected]));
        assert!(judge(Some(path), "muster", "muster-events").fact.contains("too quiet"));
        assert_eq!(of(&freshness, &Region::new("elsewhere")), None);
        assert_eq!(judge(None, "muster", "muster-events").verdict, Verdict::Warning);
        assert_eq!(judge(Some(&json!({"proved": true})), "muster", "muster-events").verdict, Verdict::Ok);
        let denied = json!({"proved": true, "queue": null, "absent": {"what": "no queue", "fix": "make it"}});
        assert_eq!(judge(Some(&denied), "muster", "muster-events").fix.as_deref(), Some("make it"));
        let uses = |queue: &str| json!({"proved": true, "queue": format!("r=https://sqs/1/{queue}")});
        let (ours, other) = (uses("muster-events"), uses("team-events"));
        assert!(receives(&ours, "muster-events") && !receives(&other, "muster-events"));
        assert!(!receives(&denied, "muster-events"));
        let elsewhere = judge(Some(&other), "muster", "muster-events");
        assert!(elsewhere.verdict == Verdict::Warning && elsewhere.fact.contains("team-events"), "{elsewhere:?}");
    }
}
