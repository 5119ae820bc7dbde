//! What policies deny, and whose policy it is.

use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::simulator::faults::name::{ActionName, Actions, FaultScopes};

/// Actions that a policy denies. Its short form is the name of one action, which is denied everywhere.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", default, deny_unknown_fields)]
pub struct Denial {
    /// The actions; an empty list means all but `GetCallerIdentity`, which AWS lets nobody deny.
    pub actions: Actions,
    /// The accounts and regions; an empty list means all.
    pub at: FaultScopes,
    /// The policy that denies.
    pub by: DenyingPolicy,
}

/// The policy that denies a call. AWS's message names it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DenyingPolicy {
    /// No policy of the caller allows the call.
    #[default]
    Identity,
    /// A service control policy of the organization denies the call.
    ServiceControl,
}

impl Denial {
    /// The denial of one action everywhere.
    #[must_use]
    pub fn of(action: ActionName) -> Self {
        Self { actions: Actions(vec![action]), ..Self::default() }
    }

    pub(super) fn holds(&self, action: &str, account: &str, region: &str) -> bool {
        let named = if self.actions.0.is_empty() { action != "GetCallerIdentity" } else { self.actions.hold(action) };
        named && self.at.hold(account, region)
    }
}

impl Serialize for Denial {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.actions.0.as_slice() {
            [action] if *self == Self::of(action.clone()) => action.serialize(serializer),
            _ => Self::serialize(self, serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Denial {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(DenialForms)
    }
}

/// Reads both forms of a denial.
struct DenialForms;

impl<'de> Visitor<'de> for DenialForms {
    type Value = Denial;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an action, or an object with actions, at and by")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Denial, E> {
        text.parse().map(Denial::of).map_err(E::custom)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Denial, A::Error> {
        Denial::deserialize(MapAccessDeserializer::new(map))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_denial_is_an_action_or_says_where_and_by_which_policy() {
        let text = json!("StopInstances");
        let short: Denial = serde_json::from_value(text.clone()).unwrap();
        assert!(short.holds("StopInstances", "111122223333", "eu-west-1"));
        assert!(!short.holds("StartInstances", "111122223333", "eu-west-1"));
        assert_eq!(serde_json::to_value(&short).unwrap(), text);
        let long = json!({"actions": [], "at": ["111122223333/eu-west-1"], "by": "service-control"});
        let denial: Denial = serde_json::from_value(long.clone()).unwrap();
        assert!(denial.holds("DescribeVpcs", "111122223333", "eu-west-1"));
        assert!(!denial.holds("DescribeVpcs", "111122223333", "eu-west-2"));
        assert!(!denial.holds("DescribeVpcs", "111122224444", "eu-west-1"));
        assert!(!denial.holds("GetCallerIdentity", "111122223333", "eu-west-1"));
        assert_eq!(serde_json::to_value(&denial).unwrap(), long);
        for wrong in [json!("Stop"), json!({"action": []}), json!({"at": ["eu-west"]}), json!(["x"])] {
            assert!(serde_json::from_value::<Denial>(wrong.clone()).is_err(), "{wrong}");
        }
    }
}
