//! The faults as values, and how they are read and patched.

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::simulator::bus::EventFaults;
use crate::simulator::faults::figure::{Scale, Share, Skew, Span};
use crate::simulator::faults::name::{ActionName, Actions, RegionName};

/// Everything that can be made to go wrong. The default is an AWS without faults.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Faults {
    /// AWS's own limits on requests.
    pub buckets: Buckets,
    /// Calls answered as if a limit were exceeded.
    pub throttle: Strike,
    /// How long an answer takes.
    pub latency: Latency,
    /// How late describes see changes.
    pub lag: LagFault,
    /// Pages of listings that fail.
    pub failing_pages: FailingPages,
    /// Tokens that are refused. A refused token stays refused for the rest of its walk.
    pub expired_tokens: Strike,
    /// Answers whose connection closes in the middle of the announced body.
    pub truncate: Strike,
    /// Answers whose body is no XML, or no JSON.
    pub garble: Strike,
    /// Calls whose connection closes without an answer; the call is not carried out.
    pub cut: Strike,
    /// Actions that the caller's policy denies.
    pub denied: Vec<ActionName>,
    /// Regions that are down.
    pub dead_regions: DeadRegions,
    /// Resources whose tags are missing from answers.
    pub lose_tags: LossFault,
    /// Resources that are missing from answers.
    pub hide: LossFault,
    /// What calls ignore of what they are asked, as some emulators and proxies do.
    pub ignored: Ignored,
    /// Events on their way from what happened to the rules that listen.
    pub events: EventFaults,
    /// Snapshots that stay `pending`, decided when they are begun.
    pub stuck_snapshots: StuckSnapshots,
    /// How wrong AWS's clock is.
    pub clock: ClockFault,
}

/// AWS's token buckets for each account, region and action, and those for instances started and stopped.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Buckets {
    /// Whether there are any.
    pub on: bool,
    /// Their size and refill as a multiple of AWS's documented ones.
    pub scale: Scale,
}

/// A share of the calls of some actions.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Strike {
    /// How many of the calls.
    pub share: Share,
    /// Of which actions; none named is all.
    pub actions: Actions,
}

/// How long answers are held back.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Latency {
    /// For each call.
    pub fixed: Span,
    /// And up to so much more, differing from call to call.
    pub jitter: Span,
    /// Of which actions; none named is all.
    pub actions: Actions,
}

/// How late describes see what changed: each resource by its own time from nothing to the most.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LagFault {
    /// The most.
    pub most: Span,
    /// Whether each call draws every resource's lag anew, so that a later answer may show an earlier state. Without it the
    /// lag of a resource drifts slowly and no resource is seen to go back.
    pub jitter: bool,
    /// Of which actions; none named is all describes.
    pub actions: Actions,
}

/// Pages of listings that answer 500 `InternalError` or 503 `Unavailable`. A describe by id is no listing.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FailingPages {
    /// How many of the pages.
    pub share: Share,
    /// And always this page of each walk; the first is 1.
    pub page: Option<NonZeroU32>,
    /// How often `page` fails in one walk before it works; not given, it never works.
    pub attempts: Option<NonZeroU32>,
    /// Of which actions; none named is all.
    pub actions: Actions,
}

/// Regions in which no call of any service works.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DeadRegions {
    /// Which.
    pub regions: Vec<RegionName>,
    /// Whether calls are never answered, instead of with 503.
    pub hang: bool,
}

/// A share of the resources that a listing has lost: in each walk of a listing others, the same ones on all its pages.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LossFault {
    /// How many of the resources.
    pub share: Share,
    /// Only the next so many walks of each listing, counted from when this was set; not given, as long as it is set. A
    /// first page that fails and is asked for again is the same walk.
    pub sweeps: Option<NonZeroU32>,
    /// Whether describes by id have lost them as well. AWS is not known to do so.
    pub by_id: bool,
    /// Of which actions; none named is all.
    pub actions: Actions,
}

/// Parameters that calls ignore.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Ignored {
    /// The describes that ignore which ids they are asked for, and answer everything there is.
    pub ids: Vec<ActionName>,
    /// The actions that are carried out although `DryRun` is set.
    pub dry_run: Vec<ActionName>,
}

/// Snapshots that never complete.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StuckSnapshots {
    /// How many of the snapshots begun from now on.
    pub share: Share,
}

/// A clock that is wrong. Setting another skew while the simulator runs makes the clock jump.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClockFault {
    /// How far AWS's time is from the machine's: in the `Date` header, in everything that happens from now on, and in what
    /// has happened by now. `-90s` is behind.
    pub skew: Skew,
}

/// Why a JSON value describes no faults.
#[derive(Debug, thiserror::Error)]
#[error("{}: {source}", if at.is_empty() { "the faults" } else { at })]
pub struct Invalid {
    /// The field, as `throttle.share`.
    at: String,
    source: serde_json::Error,
}

impl Faults {
    /// Reads the whole: what `value` does not name is off.
    ///
    /// # Errors
    /// Naming the field, its value, and what is allowed.
    pub fn read(value: &Value) -> Result<Self, Invalid> {
        Self::deserialize(value).map_err(|source| Invalid { at: culprit(value, &source.to_string()), source })
    }

    /// These faults with the parts that `value` names changed, as a JSON merge patch (RFC 7396) has it: `null` is off.
    ///
    /// # Errors
    /// As [`Faults::read`].
    pub fn patched(&self, value: &Value) -> Result<Self, Invalid> {
        let mut whole = self.json();
        merge(&mut whole, value);
        Self::read(&whole)
    }

    /// The whole as JSON, in the shape [`Faults::read`] takes.
    #[must_use]
    pub fn json(&self) -> Value {
        // Texts, numbers and lists under text keys: there is nothing JSON could not hold.
        serde_json::to_value(self).unwrap_or_default()
    }
}

impl Strike {
    pub(super) fn of(&self, action: &str) -> Share {
        if self.actions.hold(action) { self.share } else { Share::default() }
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

/// The field that `complaint` is about: the innermost one without which it is not made. Readers stop at the first thing
/// wrong and no field is required, so leaving out any other field changes nothing.
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
            "denied": ["StopInstances"],
            "dead_regions": {"regions": ["eu-west-1"], "hang": true},
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
            (json!({"events": {"drop": 5}}), "events.drop: 5 is no share; give a number from 0 to 1"),
            (json!({"throttle": {"rate": 1}}), "throttle.rate: unknown field `rate`, expected `share` or `actions`"),
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
