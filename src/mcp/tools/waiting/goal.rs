//! What can be waited for, and whether a resource is there yet. Pure.

use std::time::Duration;

use rmcp::schemars::{self, JsonSchema};
use serde::{Deserialize, Serialize};

use crate::kinds::{INSTANCE, INSTANCE_STATUS, KindSpec, SNAPSHOT};
use crate::mcp::tools::arguments::ArgumentError;
use crate::model::known::state_name;
use crate::model::{Document, Timestamp};

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::mcp::tools) enum Goal {
    Running,
    Stopped,
    StatusOk,
    Completed,
    Gone,
}

/// Whether a resource has reached its goal, may still reach it, or cannot reach it any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::mcp::tools) enum Nearness {
    Reached,
    Waiting,
    Impossible,
}

/// What is known of a resource at one moment.
#[derive(Clone, Copy, Debug)]
pub(in crate::mcp::tools) enum KnownState<'a> {
    /// Its document, or that of its status checks.
    There(&'a Document),
    /// AWS does not know it any more.
    Absent,
    /// No watched account and region knows it, and it was never in the inventory.
    Strange,
    /// It was not seen since the wait began.
    Unseen,
}

/// What is said of an id that nobody knows.
pub(in crate::mcp::tools) const STRANGE: &str = "No watched account and region knows this id, and it was never in the inventory: check the id and its region. One \
                       made seconds ago may not be visible yet.";

/// For how long after a reboot AWS may still show the status checks of before it.
const CHECKS_LAG: Duration = Duration::from_mins(1);

/// Why status checks that were confirmed at `as_of` say nothing about an instance that was rebooted; `None` when they do.
pub(in crate::mcp::tools) fn too_early(as_of: Timestamp, rebooted: Timestamp) -> Option<String> {
    (as_of < rebooted + CHECKS_LAG).then(|| {
        format!("The instance was rebooted at {rebooted}, and for a minute AWS may still show the checks of before.")
    })
}

impl Goal {
    /// The goal in words, for sentences.
    pub(in crate::mcp::tools) fn words(self) -> &'static str {
        match self {
            Goal::Running => "running",
            Goal::Stopped => "stopped",
            Goal::StatusOk => "running with all status checks ok",
            Goal::Completed => "completed",
            Goal::Gone => "gone",
        }
    }

    /// The kind whose documents show whether the resource `id` is there.
    ///
    /// # Errors
    /// When the goal does not apply to resources with such ids.
    pub(in crate::mcp::tools) fn kind(self, id: &str) -> Result<&'static KindSpec, ArgumentError> {
        let is = |spec: &KindSpec| {
            let rest = spec.prefix.and_then(|prefix| id.strip_prefix(prefix)).unwrap_or_default();
            (1..=40).contains(&rest.len()) && rest.bytes().all(|byte| byte.is_ascii_alphanumeric())
        };
        match self {
            Goal::Running | Goal::Stopped | Goal::Gone if is(INSTANCE) => Ok(INSTANCE),
            Goal::StatusOk if is(INSTANCE) => Ok(INSTANCE_STATUS),
            Goal::Completed | Goal::Gone if is(SNAPSHOT) => Ok(SNAPSHOT),
            Goal::Completed => Err(ArgumentError::form("ids", "snapshot ids such as snap-0123456789abcdef0", id)),
            Goal::Gone => Err(ArgumentError::form("ids", "instance ids (i-..) or snapshot ids (snap-..)", id)),
            _ => Err(ArgumentError::form("ids", "instance ids such as i-0123456789abcdef0", id)),
        }
    }

    /// How near a resource is to this goal, and what there is to say of it.
    pub(in crate::mcp::tools) fn judge(self, known: KnownState<'_>) -> (Nearness, Option<&'static str>) {
        let document = match known {
            KnownState::There(document) => document,
            KnownState::Absent if self == Goal::Gone => return (Nearness::Reached, None),
            KnownState::Absent => {
                return (Nearness::Waiting, Some("AWS does not know it. One made seconds ago may not be visible yet."));
            }
            KnownState::Strange => return (Nearness::Waiting, Some(STRANGE)),
            KnownState::Unseen => return (Nearness::Waiting, None),
        };
        let state = state_of(document).unwrap_or_default();
        let is_ending = matches!(state, "shutting-down" | "terminated");
        let reached = match self {
            Goal::Running => state == "running",
            Goal::Stopped => state == "stopped",
            Goal::StatusOk => state == "running" && failing(document).is_empty(),
            Goal::Completed => state == "completed",
            Goal::Gone => state == "terminated",
        };
        match (self, state) {
            _ if reached => (Nearness::Reached, None),
            (Goal::Gone, "running" | "stopped" | "completed") => {
                (Nearness::Waiting, Some("Nothing shows that it is being removed."))
            }
            (Goal::Gone, _) => (Nearness::Waiting, None),
            _ if is_ending => (Nearness::Impossible, Some("It is terminated or about to be: that cannot be undone.")),
            (Goal::Completed, "error") => (Nearness::Impossible, Some("The snapshot failed: create another.")),
            (Goal::Running | Goal::StatusOk, "stopped") => {
                (Nearness::Waiting, Some("It is stopped: start_instance starts it."))
            }
            (Goal::Stopped, "running") => (Nearness::Waiting, Some("It is running: stop_instance stops it.")),
            _ => (Nearness::Waiting, None),
        }
    }
}

/// The lifecycle state in a document of an instance, of its status checks, or of a snapshot.
pub(in crate::mcp::tools) fn state_of(document: &Document) -> Option<&str> {
    state_name(document.get("State").or_else(|| document.get("InstanceState"))?)
}

/// The status checks that are not ok, with their statuses. A check that AWS does not show counts as not ok, but for that of
/// attached volumes, which some instances do not have.
pub(in crate::mcp::tools) fn failing(document: &Document) -> Vec<(&'static str, String)> {
    let status = |path: &str| document.text(path).unwrap_or("unknown").to_owned();
    let checks = [
        ("system", status("SystemStatus.Status")),
        ("instance", status("InstanceStatus.Status")),
        ("EBS", document.text("AttachedEbsStatus.Status").unwrap_or("not-applicable").to_owned()),
    ];
    let is_well = |name: &str, status: &str| status == "ok" || name == "EBS" && status == "not-applicable";
    checks.into_iter().filter(|(name, status)| !is_well(name, status)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Value;

    fn document(fields: &[(&str, &str)]) -> Document {
        let nested = |text: &str| Value::Map([("Status".to_owned(), Value::from(text))].into_iter().collect());
        let named = |text: &str| Value::Map([("Name".to_owned(), Value::from(text))].into_iter().collect());
        let field = |(name, text): &(&str, &str)| {
            let value = match *name {
                "InstanceState" => named(text),
                name if name.ends_with("Status") => nested(text),
                _ => Value::from(*text),
            };
            ((*name).to_owned(), value)
        };
        Document::new(fields.iter().map(field).collect())
    }

    #[test]
    fn each_goal_is_reached_in_its_state_and_in_no_other() {
        let states = ["pending", "running", "stopping", "stopped", "shutting-down", "terminated", "completed", "error"];
        for (goal, reached, impossible) in [
            (Goal::Running, "running", &["shutting-down", "terminated"][..]),
            (Goal::Stopped, "stopped", &["shutting-down", "terminated"]),
            (Goal::Completed, "completed", &["shutting-down", "terminated", "error"]),
            (Goal::Gone, "terminated", &[]),
        ] {
            for state in states {
                let expected = match state {
                    state if state == reached => Nearness::Reached,
                    state if impossible.contains(&state) => Nearness::Impossible,
                    _ => Nearness::Waiting,
                };
                let document = document(&[("State", state)]);
                assert_eq!(goal.judge(KnownState::There(&document)).0, expected, "{goal:?} in {state}");
            }
        }
    }

    #[test]
    fn a_status_is_ok_only_when_every_check_is() {
        let ok = [("InstanceState", "running"), ("SystemStatus", "ok"), ("InstanceStatus", "ok")];
        let judge = |fields: &[(&str, &str)]| Goal::StatusOk.judge(KnownState::There(&document(fields))).0;
        assert_eq!(judge(&ok), Nearness::Reached);
        assert_eq!(judge(&[&ok[..], &[("AttachedEbsStatus", "ok")]].concat()), Nearness::Reached);
        assert_eq!(judge(&[&ok[..], &[("AttachedEbsStatus", "impaired")]].concat()), Nearness::Waiting);
        assert_eq!(judge(&ok[..2]), Nearness::Waiting, "a check that is not shown is not ok");
        let mut initializing = ok;
        initializing[2].1 = "initializing";
        assert_eq!(judge(&initializing), Nearness::Waiting);
        let mut stopped = ok;
        stopped[0].1 = "stopped";
        assert_eq!(judge(&stopped), Nearness::Waiting);
    }

    #[test]
    fn what_was_not_seen_since_the_wait_began_is_waited_for() {
        for goal in [Goal::Running, Goal::Stopped, Goal::StatusOk, Goal::Completed, Goal::Gone] {
            assert_eq!(goal.judge(KnownState::Unseen).0, Nearness::Waiting);
            assert_eq!(goal.judge(KnownState::Strange).0, Nearness::Waiting, "what was never seen is not gone");
            let absent = if goal == Goal::Gone { Nearness::Reached } else { Nearness::Waiting };
            assert_eq!(goal.judge(KnownState::Absent).0, absent);
        }
    }

    #[test]
    fn a_goal_takes_only_ids_of_what_it_applies_to() {
        assert!(Goal::Running.kind("snap-1").is_err() && Goal::Completed.kind("i-1").is_err());
        assert!(
            Goal::Gone.kind("i-1").is_ok() && Goal::Gone.kind("snap-1").is_ok() && Goal::Gone.kind("vol-1").is_err()
        );
        assert!(Goal::Running.kind("i-").is_err() && Goal::Running.kind("i-1 or 2").is_err());
    }

    #[test]
    fn checks_of_before_a_reboot_and_of_its_first_minute_do_not_count() {
        let rebooted = Timestamp::from_millis(1_800_000_000_000);
        for (seconds, counts) in [(0, false), (59, false), (60, true), (600, true)] {
            let as_of = rebooted + Duration::from_secs(seconds);
            assert_eq!(too_early(as_of, rebooted).is_none(), counts, "{seconds} s");
        }
    }
}
