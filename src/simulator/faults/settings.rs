//! The faults as values, and how they are read and patched.

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::simulator::bus::EventFaults;
use crate::simulator::faults::Case;
use crate::simulator::faults::denial::Denial;
use crate::simulator::faults::figure::{Scale, Share, Skew, Span};
use crate::simulator::faults::name::{ActionName, Actions, FaultScopes, RegionName};
use crate::simulator::faults::roles::RoleFaults;

/// Everything that can be made to go wrong. By default nothing does.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Faults {
    /// AWS's own limits on requests.
    pub buckets: Buckets,
    /// Calls that are refused as if they exceeded a limit.
    pub throttle: Strike,
    /// How long answers take.
    pub latency: Latency,
    /// How late Describe calls see changes.
    pub lag: LagFault,
    /// Pages of listings that fail.
    pub failing_pages: FailingPages,
    /// Tokens that are refused. A refused token stays refused for the rest of its walk.
    pub expired_tokens: Strike,
    /// Answers whose connection closes in the middle of the announced body.
    pub truncate: Strike,
    /// Answers whose body is not valid XML or JSON.
    pub garble: Strike,
    /// Answers in which one character of one item differs from what the account holds.
    pub alter: Strike,
    /// Calls that are not carried out and whose connection closes without an answer.
    pub cut: Strike,
    /// What policies deny.
    pub denied: Vec<Denial>,
    /// Actions that AWS has no capacity for.
    pub no_capacity: Vec<ActionName>,
    /// Regions that are down.
    pub dead_regions: DeadRegions,
    /// Roles that cannot be assumed, and sessions that end early.
    pub roles: RoleFaults,
    /// Resources whose tags are missing from answers.
    pub lose_tags: LossFault,
    /// Resources that are missing from answers.
    pub hide: LossFault,
    /// Parameters that calls ignore, as some emulators and proxies do.
    pub ignored: Ignored,
    /// Events on their way to the rules.
    pub events: EventFaults,
    /// Snapshots that stay `pending`. This is decided when a snapshot starts.
    pub stuck_snapshots: StuckSnapshots,
    /// The error of AWS's clock.
    pub clock: ClockFault,
}

/// AWS's token buckets for the requests of each account, region and action, and for the instances started and stopped.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Buckets {
    /// Whether the limits apply.
    pub on: bool,
    /// The size and refill of the buckets, as a multiple of those that AWS documents.
    pub scale: Scale,
}

/// A share of the calls to some actions.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Strike {
    /// The share of the calls.
    pub share: Share,
    /// The actions; an empty list means all.
    pub actions: Actions,
    /// The accounts and regions; an empty list means all.
    pub at: FaultScopes,
}

/// How long answers are delayed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Latency {
    /// The delay of every call.
    pub fixed: Span,
    /// The greatest additional delay, which is drawn for each call.
    pub jitter: Span,
    /// The actions; an empty list means all.
    pub actions: Actions,
    /// The accounts and regions; an empty list means all.
    pub at: FaultScopes,
}

/// How late Describe calls see changes. Each resource has its own lag between zero and `most`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LagFault {
    /// The greatest lag.
    pub most: Span,
    /// Whether each call draws new lags, so that a later answer may show an earlier state. Otherwise the lag of a
    /// resource changes slowly, and no resource appears to go back in time.
    pub jitter: bool,
    /// The actions; an empty list means all Describe actions.
    pub actions: Actions,
    /// The accounts and regions; an empty list means all.
    pub at: FaultScopes,
}

/// Pages of listings that fail with 500 `InternalError` or 503 `Unavailable`. A Describe call by id is not a listing.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FailingPages {
    /// The share of the pages.
    pub share: Share,
    /// A page that fails in every walk as well; the first page is 1.
    pub page: Option<NonZeroU32>,
    /// How often `page` fails in a walk before it works; if absent, it never works.
    pub attempts: Option<NonZeroU32>,
    /// The actions; an empty list means all.
    pub actions: Actions,
    /// The accounts and regions; an empty list means all.
    pub at: FaultScopes,
}

/// Regions in which no call to any service works, or accounts in regions. Nothing is down where neither list names any.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DeadRegions {
    /// The regions; an empty list means all that `at` holds.
    pub regions: Vec<RegionName>,
    /// The accounts and regions; an empty list means all.
    pub at: FaultScopes,
    /// Whether calls are never answered; otherwise they are refused with 503.
    pub hang: bool,
}

/// A share of the resources that listings lose. Each walk of a listing loses different resources, the same on all its
/// pages.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LossFault {
    /// The share of the resources.
    pub share: Share,
    /// How many walks of each listing lose resources, counted from when this was set; if absent, all of them. A walk
    /// whose first page fails and is requested again counts once.
    pub sweeps: Option<NonZeroU32>,
    /// Whether Describe calls by id lose resources as well. AWS is not known to do so.
    pub by_id: bool,
    /// The actions; an empty list means all.
    pub actions: Actions,
    /// The accounts and regions; an empty list means all.
    pub at: FaultScopes,
}

/// Parameters that calls ignore.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Ignored {
    /// The Describe actions that ignore the ids in the call and answer with everything.
    pub ids: Vec<ActionName>,
    /// The actions that are carried out although `DryRun` is set.
    pub dry_run: Vec<ActionName>,
}

/// Snapshots that never complete.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StuckSnapshots {
    /// The share of the snapshots that start from now on.
    pub share: Share,
}

/// A clock that is wrong. Setting another skew while the simulator runs makes the clock jump.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClockFault {
    /// The difference of AWS's time from the machine's, in the `Date` header and in every time the simulator computes;
    /// `-90s` means behind.
    pub skew: Skew,
}

/// Why a JSON value does not describe faults.
#[derive(Debug, thiserror::Error)]
#[error("{}: {source}", if at.is_empty() { "the faults" } else { at })]
pub struct Invalid {
    /// The path of the field, such as `throttle.share`.
    at: String,
    source: serde_json::Error,
}

impl Faults {
    /// Reads a complete set of faults. Everything that `value` does not name is off.
    ///
    /// # Errors
    /// The error names the field, its value and what is allowed.
    pub fn read(value: &Value) -> Result<Self, Invalid> {
        Self::deserialize(value).map_err(|source| Invalid { at: culprit(value, &source.to_string()), source })
    }

    /// These faults with the parts that `value` names changed, as in a JSON merge patch (RFC 7396); `null` turns a
    /// fault off.
    ///
    /// # Errors
    /// As [`Faults::read`].
    pub fn patched(&self, value: &Value) -> Result<Self, Invalid> {
        let mut whole = self.json();
        merge(&mut whole, value);
        Self::read(&whole)
    }

    /// All faults as JSON, in the shape that [`Faults::read`] takes.
    #[must_use]
    pub fn json(&self) -> Value {
        // The faults contain only text, numbers and lists under text keys, so writing JSON cannot fail.
        serde_json::to_value(self).unwrap_or_default()
    }
}

impl Strike {
    pub(super) fn of(&self, case: &Case) -> Share {
        let holds = self.actions.hold(case.action) && self.at.hold(case.account, case.region);
        if holds { self.share } else { Share::default() }
    }
}

impl DeadRegions {
    pub(super) fn hold(&self, case: &Case) -> bool {
        let is_limited = !self.regions.is_empty() || !self.at.0.is_empty();
        let named = self.regions.is_empty() || self.regions.iter().any(|region| *region == *case.region);
        is_limited && named && self.at.hold(case.account, case.region)
    }
}

fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(serde_json::Map::new());
    }
    let Value::Object(target) = target else { return };
    for (name, part) in patch {
        if part.is_null() {
            target.remove(name);
        } else {
            merge(target.entry(name).or_insert(Value::Null), part);
        }
    }
}

/// The field that `complaint` is about: the innermost one whose removal changes the complaint. Reading stops at the
/// first error and no field is required, so removing any other field changes nothing.
fn culprit(value: &Value, complaint: &str) -> String {
    let mut path: Vec<String> = Vec::new();
    loop {
        let inside = path.iter().try_fold(value, |value, name| value.get(name));
        let Some(Value::Object(fields)) = inside else { break };
        let guilty = fields.keys().find(|name| {
            let mut without = value.clone();
            let parent = path.iter().try_fold(&mut without, |value, name| value.get_mut(name));
            if let Some(Value::Object(parent)) = parent {
                parent.remove(*name);
            }
            Faults::deserialize(&without).map_or_else(|error| error.to_string() != complaint, |_| true)
        });
        let Some(name) = guilty else { break };
        path.push(name.clone());
    }
    path.join(".")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn everything_is_off_by_default_and_comes_back_from_json() {
        let off = Faults::default();
        assert_eq!(Faults::read(&json!({})).unwrap(), off);
        assert_eq!(Faults::read(&off.json()).unwrap(), off);
        let some = json!({
            "buckets": {"on": true, "scale": 0.5},
            "latency": {"fixed": "20ms", "jitter": "1s 500ms"},
            "failing_pages": {"page": 2, "attempts": 1, "actions": ["DescribeVpcs"]},
            "denied": ["StopInstances", {"at": ["111122223333", "eu-west-1"], "by": "service-control"}],
            "dead_regions": {"regions": ["eu-west-1"], "hang": true},
            "roles": {"denied": ["111122223333"], "external_ids": {"111122224444": "x"}, "session_seconds": 5},
            "clock": {"skew": "-1h"},
        });
        let some = Faults::read(&some).unwrap();
        assert_eq!(Faults::read(&some.json()).unwrap(), some);
        assert_ne!(some, off);
    }

    #[test]
    fn what_is_wrong_is_said_with_its_field_its_value_and_what_is_allowed() {
        for (value, expected) in [
            (json!({"throttle": {"share": 1.5}}), "throttle.share: 1.5 is no share; give a number from 0 to 1"),
            (
                json!({"lag": {"jitter": true, "most": "soon"}}),
                "lag.most: \"soon\" is no time; give one like 5s or 250ms",
            ),
            (json!({"lag": {"most": "-5s"}}), "lag.most: \"-5s\" is no time; give one like 5s or 250ms"),
            (json!({"clock": {"skew": 3}}), "clock.skew: invalid type: integer `3`, expected a string"),
            (json!({"buckets": {"scale": 0}}), "buckets.scale: 0 is no multiple; give a number above 0"),
            (json!({"hide": {"sweeps": 0}}), "hide.sweeps: invalid value: integer `0`, expected a nonzero u32"),
            (
                json!({"throttle": {"share": 1, "at": ["111122223333/eu-west"]}}),
                "throttle.at: \"111122223333/eu-west\" is no place; give an account, a region or both",
            ),
            (json!({"roles": {"denied": ["reader"]}}), "roles.denied: \"reader\" is no role; give an ARN"),
            (json!({"roles": {"external_ids": {"1": "x"}}}), "roles.external_ids.1: \"1\" is no account"),
            (json!({"events": {"drop": 5}}), "events.drop: 5 is no share; give a number from 0 to 1"),
            (
                json!({"throttle": {"rate": 1}}),
                "throttle.rate: unknown field `rate`, expected one of `share`, `actions`, `at`",
            ),
            (json!({"cut": {"share": 0.1}, "rain": 1}), "rain: unknown field `rain`, expected one of `buckets`"),
            (json!(["x"]), "the faults: invalid type"),
        ] {
            let said = Faults::read(&value).unwrap_err().to_string();
            assert!(said.starts_with(expected), "{said}");
        }
        let said = Faults::read(&json!({"denied": ["StopInstance"]})).unwrap_err().to_string();
        assert!(said.starts_with("denied: \"StopInstance\" is no action"), "{said}");
        assert!(said.contains("StopInstances"), "{said}");
        let said = Faults::read(&json!({"dead_regions": {"regions": ["mars-1"]}})).unwrap_err().to_string();
        assert!(said.starts_with("dead_regions.regions: \"mars-1\" is no region"), "{said}");
    }

    #[test]
    fn a_patch_changes_what_it_names_and_null_turns_off() {
        let set = Faults::read(&json!({"throttle": {"share": 0.2}, "cut": {"share": 0.1}})).unwrap();
        let patched = set.patched(&json!({"throttle": {"actions": ["DescribeVpcs"]}, "cut": null})).unwrap();
        assert_eq!(patched, Faults::read(&json!({"throttle": {"share": 0.2, "actions": ["DescribeVpcs"]}})).unwrap());
        assert!(set.patched(&json!({"throttle": {"share": -1}})).is_err());
    }
}
