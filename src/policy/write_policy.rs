//! The rules that say what tools may change in AWS, and how those of a server and of a connection go together.
//!
//! A server has rules, and so does each connection, which sends its own in the handshake. What applies is what both allow: a
//! connection can only take rights away. The two may be of different versions, so a policy is an open map. A rule that the program
//! which decides does not know could forbid anything; so it allows nothing, and says which rule it is.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The names of the rules that this version knows, besides `allow`.
const KNOWN: [&str; 0] = [];

/// What tools may change in AWS.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct WritePolicy {
    /// Whether tools may change anything at all.
    #[serde(default)]
    pub allow: bool,
    /// Rules that narrow what may be changed, by name.
    #[serde(flatten)]
    pub rules: BTreeMap<String, Value>,
}

impl WritePolicy {
    /// The policy without further rules.
    #[must_use]
    pub fn of(allow: bool) -> Self {
        WritePolicy { allow, rules: BTreeMap::new() }
    }

    /// What applies where both policies do: nothing that one of them forbids, and nothing at all where one has a rule that this
    /// version does not know.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        let mut both = WritePolicy { allow: self.allow && other.allow, rules: self.rules.clone() };
        both.rules.extend(other.rules.iter().map(|(name, rule)| (name.clone(), rule.clone())));
        both.allow &= both.unknown().is_empty();
        both
    }

    /// The names of the rules that this version does not know.
    #[must_use]
    pub fn unknown(&self) -> Vec<&str> {
        self.rules.keys().map(String::as_str).filter(|name| !KNOWN.contains(name)).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn policies() -> impl Strategy<Value = WritePolicy> {
        let rule = (prop_oneof!["regions", "tags", "[a-z]{1,8}"], any::<bool>().prop_map(Value::from));
        (
            any::<bool>(),
            prop::collection::btree_map(rule.clone().prop_map(|(name, _)| name), rule.prop_map(|(_, to)| to), 0..3),
        )
            .prop_map(|(allow, rules)| WritePolicy { allow, rules })
    }

    proptest! {
        #[test]
        fn together_two_policies_never_allow_more_than_either(one in policies(), other in policies()) {
            let both = one.and(&other);
            prop_assert!(!both.allow || (one.allow && other.allow));
            prop_assert!(!both.allow || (one.unknown().is_empty() && other.unknown().is_empty()));
            prop_assert_eq!(both.allow, other.and(&one).allow);
            for name in one.rules.keys().chain(other.rules.keys()) {
                prop_assert!(both.rules.contains_key(name), "a rule got lost: {}", name);
            }
            prop_assert_eq!(both.and(&one).allow, both.allow);
        }

        #[test]
        fn a_policy_survives_the_wire(policy in policies()) {
            let line = serde_json::to_string(&policy).unwrap();
            prop_assert_eq!(serde_json::from_str::<WritePolicy>(&line).unwrap(), policy);
        }
    }

    #[test]
    fn a_rule_of_a_later_version_allows_nothing_and_is_named() {
        let asked: WritePolicy = serde_json::from_value(json!({"allow": true, "quantum": [1]})).unwrap();
        assert_eq!(asked.unknown(), ["quantum"]);
        let both = asked.and(&WritePolicy::of(true));
        assert_eq!((both.allow, both.unknown()), (false, vec!["quantum"]));
    }

    #[test]
    fn without_a_word_nothing_is_allowed() {
        assert_eq!(serde_json::from_str::<WritePolicy>("{}").unwrap(), WritePolicy::of(false));
        assert!(WritePolicy::of(true).and(&WritePolicy::of(true)).allow);
    }
}
