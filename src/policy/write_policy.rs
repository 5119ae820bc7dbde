//! The rules that say what tools may change in AWS, as a server or a connection has them.
//!
//! A server has rules, and so does each connection, which sends its own in the handshake. What applies is what both allow: a
//! connection can only take rights away. The two may be of different versions, so a policy is an open map. A rule that the program
//! which decides does not know could forbid anything; so it allows nothing, and says which rule it is.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::write_rule::{WriteRule, has_tool};

const TOOLS: &str = "tools";
const ACCOUNTS: &str = "accounts";
const REGIONS: &str = "regions";
const TAGS: &str = "tags";
const DENY: &str = "deny";
const CAPS: &str = "caps";
const REQUIRE: &str = "require";
/// The words of [`REQUIRE`].
const REQUIRED: [(&str, WriteRule); 2] = [("human", WriteRule::Human), ("audit", WriteRule::Audit)];

/// What tools may change in AWS.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WritePolicy {
    /// Whether tools may change anything at all.
    #[serde(default)]
    pub allow: bool,
    /// Rules that narrow what may be changed, by name.
    #[serde(flatten)]
    rules: BTreeMap<String, Value>,
}

impl WritePolicy {
    /// The policy without further rules.
    #[must_use]
    pub fn of(allow: bool) -> Self {
        WritePolicy { allow, rules: BTreeMap::new() }
    }

    /// The policy with these rules. Of several lists of tools, accounts or regions, what all of them hold counts.
    #[must_use]
    pub fn with(rules: impl IntoIterator<Item = WriteRule>) -> Self {
        let mut policy = WritePolicy::of(true);
        let narrow = |held: &mut Option<BTreeSet<String>>, names: BTreeSet<String>| {
            *held = Some(match held.take() {
                Some(held) => held.intersection(&names).cloned().collect(),
                None => names,
            });
        };
        let (mut tools, mut accounts, mut regions) = (None, None, None);
        let (mut tags, mut denied, mut caps) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        let mut required = BTreeSet::new();
        for rule in rules {
            match rule {
                WriteRule::Writes(allow) => policy.allow &= allow,
                WriteRule::Tools(names) => {
                    tools = Some(match tools.take() {
                        Some(held) => tools_of_both(&held, &names),
                        None => names,
                    });
                }
                WriteRule::Accounts(names) => narrow(&mut accounts, names),
                WriteRule::Regions(names) => narrow(&mut regions, names),
                WriteRule::Tag { key, value } => drop(tags.insert([key, value])),
                WriteRule::Deny(target) => drop(denied.insert(target.to_string())),
                WriteRule::Cap(cap) => drop(caps.insert(cap.to_string())),
                WriteRule::Human | WriteRule::Audit => required.extend(word(&rule)),
                WriteRule::Unknown(name) => drop(policy.rules.insert(name, Value::Null)),
            }
        }
        for (name, names) in [(TOOLS, tools), (ACCOUNTS, accounts), (REGIONS, regions)] {
            policy.rules.extend(names.map(|names| (name.to_owned(), json!(names))));
        }
        let lists = [(TAGS, json!(tags)), (DENY, json!(denied)), (CAPS, json!(caps)), (REQUIRE, json!(required))];
        let given = lists.into_iter().filter(|(_, list)| list.as_array().is_some_and(|list| !list.is_empty()));
        policy.rules.extend(given.map(|(name, list)| (name.to_owned(), list)));
        policy
    }

    /// The same with one more rule.
    #[must_use]
    pub fn and(&self, rule: WriteRule) -> Self {
        WritePolicy::with(self.rules().into_iter().chain([rule]))
    }

    /// The rules, each as one condition. What cannot be read is among them as [`WriteRule::Unknown`].
    #[must_use]
    pub fn rules(&self) -> Vec<WriteRule> {
        let mut rules = vec![WriteRule::Writes(self.allow)];
        for (name, value) in &self.rules {
            rules.extend(read(name, value).unwrap_or_else(|| vec![WriteRule::Unknown(name.clone())]));
        }
        rules
    }

    /// The names of the rules that this version cannot read.
    #[must_use]
    pub fn unknown(&self) -> Vec<&str> {
        let unread = self.rules.iter().filter(|(name, value)| read(name, value).is_none());
        unread.map(|(name, _)| name.as_str()).collect()
    }
}

/// The conditions of a rule; `None` where it cannot be read. An empty list says nothing that could be met.
fn read(name: &str, value: &Value) -> Option<Vec<WriteRule>> {
    let list = value.as_array().filter(|list| !list.is_empty())?;
    let texts = || list.iter().map(|text| text.as_str().map(str::to_owned)).collect::<Option<BTreeSet<String>>>();
    Some(match name {
        TOOLS => vec![WriteRule::Tools(texts()?)],
        ACCOUNTS => vec![WriteRule::Accounts(texts()?)],
        REGIONS => vec![WriteRule::Regions(texts()?)],
        TAGS => {
            let tag = |pair: &Value| match pair.as_array()?.as_slice() {
                [Value::String(key), Value::String(value)] => {
                    Some(WriteRule::Tag { key: key.clone(), value: value.clone() })
                }
                _ => None,
            };
            list.iter().map(tag).collect::<Option<_>>()?
        }
        DENY => texts()?.iter().map(|text| text.parse().ok().map(WriteRule::Deny)).collect::<Option<_>>()?,
        CAPS => texts()?.iter().map(|text| text.parse().ok().map(WriteRule::Cap)).collect::<Option<_>>()?,
        REQUIRE => texts()?
            .iter()
            .map(|text| REQUIRED.into_iter().find(|(word, _)| word == text).map(|(_, rule)| rule))
            .collect::<Option<_>>()?,
        _ => return None,
    })
}

/// The word for a rule that a policy requires.
fn word(rule: &WriteRule) -> Option<&'static str> {
    REQUIRED.into_iter().find(|(_, required)| required == rule).map(|(word, _)| word)
}

/// The tools that two lists allow. The word for those that only add something stands in a list for each of them.
fn tools_of_both(one: &BTreeSet<String>, other: &BTreeSet<String>) -> BTreeSet<String> {
    one.union(other).filter(|name| has_tool(one, name) && has_tool(other, name)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;
    use proptest::sample::subsequence;

    use super::*;
    use crate::policy::write_rule::{DeniedTarget, WriteCap};

    fn rules() -> impl Strategy<Value = WriteRule> {
        let names = || subsequence(vec!["a", "b", "c=d", "e:f"], 1..3);
        let names = move || names().prop_map(|names| names.into_iter().map(str::to_owned).collect());
        let text = || prop_oneof![Just("Env"), Just("a=b:c"), Just("É d"), Just("")].prop_map(str::to_owned);
        let key = || prop_oneof![Just("Env"), Just("a:b"), Just("É d")].prop_map(str::to_owned);
        prop_oneof![
            any::<bool>().prop_map(WriteRule::Writes),
            names().prop_map(WriteRule::Tools),
            names().prop_map(WriteRule::Accounts),
            names().prop_map(WriteRule::Regions),
            (text(), text()).prop_map(|(key, value)| WriteRule::Tag { key, value }),
            (key(), prop::option::of(text()))
                .prop_map(|(key, value)| WriteRule::Deny(DeniedTarget::Tag { key, value })),
            (0..5_usize, 1..90_000_u64).prop_map(|(instances, millis)| {
                WriteRule::Cap(WriteCap { instances, window: Duration::from_millis(millis) })
            }),
            Just(WriteRule::Human),
            Just(WriteRule::Audit),
            "q[a-z]{1,6}".prop_map(WriteRule::Unknown),
        ]
    }

    proptest! {
        #[test]
        fn a_policy_survives_the_wire_with_every_rule(given in prop::collection::vec(rules(), 0..6)) {
            let policy = WritePolicy::with(given.clone());
            let line = serde_json::to_string(&policy).unwrap();
            let read: WritePolicy = serde_json::from_str(&line).unwrap();
            prop_assert_eq!(&read, &policy);
            let kept = read.rules();
            for rule in given {
                match rule {
                    WriteRule::Tag { .. }
                    | WriteRule::Deny(_)
                    | WriteRule::Cap(_)
                    | WriteRule::Human
                    | WriteRule::Audit
                    | WriteRule::Unknown(_) => {
                        prop_assert!(kept.contains(&rule), "{} got lost", rule);
                    }
                    // Lists are narrowed by each other.
                    WriteRule::Writes(_) | WriteRule::Tools(_) | WriteRule::Accounts(_) | WriteRule::Regions(_) => {}
                }
            }
        }
    }

    #[test]
    fn lists_that_share_nothing_leave_a_rule_that_nothing_meets() {
        let one = |name: &str| WriteRule::Regions([name.to_owned()].into());
        assert_eq!(WritePolicy::with([one("a"), one("b")]).unknown(), ["regions"]);
        assert_eq!(WritePolicy::with([one("a"), one("a")]).rules(), [WriteRule::Writes(true), one("a")]);
    }

    #[test]
    fn a_rule_of_a_later_version_or_one_in_another_form_is_named() {
        let policy: WritePolicy = serde_json::from_value(json!({
            "allow": true, "quantum": [1], "tags": [["a"]], "deny": ["moon:x"], "caps": ["1/1h", 3], "tools": [],
            "accounts": ["1"], "require": ["human", "robot"],
        }))
        .unwrap();
        assert_eq!(policy.unknown(), ["caps", "deny", "quantum", "require", "tags", "tools"]);
        assert!(policy.rules().contains(&WriteRule::Unknown("quantum".to_owned())));
        assert!(policy.rules().contains(&WriteRule::Accounts(["1".to_owned()].into())));
    }

    #[test]
    fn without_a_word_nothing_is_allowed() {
        assert_eq!(serde_json::from_str::<WritePolicy>("{}").unwrap(), WritePolicy::of(false));
    }
}
