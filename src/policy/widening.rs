//! What a policy lets happen that the one which it takes the place of did not.

use super::write_policy::WritePolicy;
use super::write_rule::{DeniedTarget, WriteRule, has_tool};

/// What becomes possible where one policy takes the place of another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PolicyWidening {
    /// The rule that offers more tools than before.
    pub opened: Option<WriteRule>,
    /// The rules that narrowed what tools may change, and that nothing takes the place of.
    pub dropped: Vec<WriteRule>,
}

impl PolicyWidening {
    /// What `after` lets happen that `before` did not.
    #[must_use]
    pub fn between(before: &WritePolicy, after: &WritePolicy) -> Self {
        let (before, after) = (before.rules(), after.rules());
        if after.iter().any(|rule| matches!(rule, WriteRule::Writes(false) | WriteRule::Unknown(_))) {
            return PolicyWidening::default();
        }
        let lost = before.iter().filter(|rule| !after.iter().any(|new| implies(new, rule)));
        let (offers, dropped): (Vec<_>, Vec<_>) = lost.cloned().partition(offers_tools);
        let opened = || after.iter().rev().find(|rule| offers_tools(rule)).cloned();
        PolicyWidening { opened: if offers.is_empty() { None } else { opened() }, dropped }
    }

    /// Whether nothing becomes possible.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == PolicyWidening::default()
    }
}

/// Whether a rule says which tools there are.
fn offers_tools(rule: &WriteRule) -> bool {
    matches!(rule, WriteRule::Writes(_) | WriteRule::Tools(_))
}

/// Whether every change that meets the rule `new` meets `old` as well.
fn implies(new: &WriteRule, old: &WriteRule) -> bool {
    match (new, old) {
        (new, old) if new == old => true,
        (WriteRule::Writes(_) | WriteRule::Tools(_), WriteRule::Writes(true)) => true,
        (WriteRule::Tools(new), WriteRule::Tools(old)) => new.iter().all(|tool| has_tool(old, tool)),
        (WriteRule::Accounts(new), WriteRule::Accounts(old)) | (WriteRule::Regions(new), WriteRule::Regions(old)) => {
            new.is_subset(old)
        }
        (WriteRule::Tools(new), WriteRule::Deny(DeniedTarget::Tool(denied))) => !has_tool(new, denied),
        (WriteRule::Accounts(new), WriteRule::Deny(DeniedTarget::Account(denied)))
        | (WriteRule::Regions(new), WriteRule::Deny(DeniedTarget::Region(denied))) => !new.contains(denied),
        (WriteRule::Tag { key, value }, WriteRule::Deny(DeniedTarget::Tag { key: denied, value: Some(other) })) => {
            key == denied && value != other
        }
        (
            WriteRule::Deny(DeniedTarget::Tag { key, value: None }),
            WriteRule::Deny(DeniedTarget::Tag { key: denied, .. }),
        ) => key == denied,
        (WriteRule::Cap(new), WriteRule::Cap(old)) => new.instances <= old.instances && new.window >= old.window,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(rules: &[&str]) -> WritePolicy {
        WritePolicy::with(rules.iter().map(|text| match text.split_once(' ') {
            Some(("deny", target)) => WriteRule::Deny(target.parse().unwrap()),
            Some(("cap", cap)) => WriteRule::Cap(cap.parse().unwrap()),
            Some(("region", names)) => WriteRule::Regions(names.split(',').map(str::to_owned).collect()),
            Some(("tools", names)) => WriteRule::Tools(names.split(',').map(str::to_owned).collect()),
            _ if *text == "human" => WriteRule::Human,
            _ => WriteRule::Writes(*text == "writes"),
        }))
    }

    fn dropped(before: &[&str], after: &[&str]) -> Vec<String> {
        let widening = PolicyWidening::between(&policy(before), &policy(after));
        assert_eq!(widening.opened, None, "{before:?} {after:?}");
        widening.dropped.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_rule_that_nothing_takes_the_place_of_is_dropped() {
        let none: [&str; 0] = [];
        assert_eq!(dropped(&["deny tag:Env=prod"], &["deny tag:Env=dev"]), ["--deny-write tag:Env=prod"]);
        assert_eq!(dropped(&["deny tag:Env=prod"], &["deny tag:Env"]), none, "any value includes this one");
        assert_eq!(dropped(&["cap 20/1h"], &["cap 30/1h"]), ["--write-cap 20/1h"]);
        assert_eq!(dropped(&["cap 20/1h"], &["cap 10/2h"]), none);
        assert_eq!(dropped(&["region a,b"], &["region a"]), none);
        assert_eq!(dropped(&["region a"], &["region a,b"]), ["--write-region a"]);
        assert_eq!(dropped(&["deny region:b"], &["region a"]), none);
        assert_eq!(dropped(&["human", "cap 1/1h"], &["cap 1/1h"]), ["--require-human"]);
        assert_eq!(dropped(&["human"], &["no"]), none, "nothing may be changed at all");
        assert_eq!(dropped(&["deny tool:stop_instance"], &["tools snapshot"]), none);
        assert_eq!(dropped(&["deny tool:create_snapshot"], &["tools snapshot"]), ["--deny-write tool:create_snapshot"]);
    }

    #[test]
    fn more_tools_are_opened_by_the_rule_that_offers_them() {
        let opened = |before: &[&str], after: &[&str]| {
            let widening = PolicyWidening::between(&policy(before), &policy(after));
            assert!(widening.dropped.is_empty(), "{before:?} {after:?}");
            widening.opened.map(|rule| rule.to_string())
        };
        assert_eq!(opened(&["no"], &["writes"]).as_deref(), Some("--allow-writes"));
        assert_eq!(opened(&["no"], &["tools snapshot"]).as_deref(), Some("--allow-writes=snapshot"));
        assert_eq!(opened(&["tools snapshot"], &["writes"]).as_deref(), Some("--allow-writes"));
        assert_eq!(opened(&["writes"], &["tools snapshot"]), None);
        assert_eq!(opened(&["writes"], &["no"]), None);
        // The word stands for that tool, and may stand for more of them one day.
        assert_eq!(opened(&["tools snapshot"], &["tools create_snapshot"]), None);
        let both = ["tools snapshot", "tools create_snapshot"];
        assert_eq!(opened(&["tools snapshot"], &both), None);
        assert!(opened(&["tools create_snapshot"], &["tools snapshot"]).is_some());
    }
}
