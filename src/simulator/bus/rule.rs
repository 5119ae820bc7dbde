//! Rules: which events go to which targets.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::simulator::bus::pattern::Pattern;

/// Whether a rule is enabled, and whether it matches read-only calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BusRuleState {
    Enabled,
    Disabled,
    /// The rule also matches `CloudTrail`'s records of read-only management calls (`Describe*`, `Get*`, `List*`).
    EnabledWithReads,
}

impl BusRuleState {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Enabled => "ENABLED",
            Self::Disabled => "DISABLED",
            Self::EnabledWithReads => "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS",
        }
    }

    pub(crate) fn parse(name: &str) -> Option<Self> {
        [Self::Enabled, Self::Disabled, Self::EnabledWithReads].into_iter().find(|state| state.name() == name)
    }
}

/// One rule.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) arn: String,
    pub(crate) pattern: Pattern,
    pub(crate) state: BusRuleState,
    pub(crate) description: Option<String>,
    pub(crate) role: Option<String>,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) targets: BTreeMap<String, Target>,
}

/// Where a rule's events go.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) arn: String,
    /// The target as the call gave it.
    pub(crate) shown: Value,
}

/// Where an event goes. All fields are ARNs.
#[derive(Debug)]
pub(crate) struct Aim {
    pub(crate) rule: String,
    pub(crate) target: String,
    /// The dead-letter queue, for events that the target does not accept.
    pub(crate) dead_letters: Option<String>,
}

impl Aim {
    fn of(rule: &Rule, target: &Target) -> Self {
        let dead_letters = target.shown.pointer("/DeadLetterConfig/Arn").and_then(Value::as_str);
        Self { rule: rule.arn.clone(), target: target.arn.clone(), dead_letters: dead_letters.map(str::to_owned) }
    }
}

/// The rules of the default bus of one account and region, by name.
#[derive(Debug, Default)]
pub(crate) struct Rules(pub(crate) BTreeMap<String, Rule>);

impl Rules {
    /// The targets of every rule that matches an event.
    pub(crate) fn targets(&self, event: &str, read_only: bool) -> Vec<Aim> {
        let hears = |rule: &&Rule| match rule.state {
            BusRuleState::Disabled => false,
            BusRuleState::Enabled => !read_only,
            BusRuleState::EnabledWithReads => true,
        };
        let meant = self.0.values().filter(hears).filter(|rule| rule.pattern.matches(event));
        let aims = meant.flat_map(|rule| rule.targets.values().map(|target| Aim::of(rule, target)));
        aims.collect()
    }
}
