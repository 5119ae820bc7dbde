//! The policies of a server and of a connection together, and what they say of a change.
//!
//! A change has to meet every rule of both. A rule that cannot be evaluated refuses: one that is not known, a tag that AWS left out
//! or Muster hides, a cap that the log cannot tell.

use std::collections::BTreeSet;

use super::change_request::{ChangeRequest, KnownTags, TagValue, TouchedInstances};
use super::verdict::{PolicyVerdict, RuleCheck, RuleOrigin, RuleRefusal};
use super::write_policy::WritePolicy;
use super::write_rule::{ADDS, DeniedTarget, WriteCap, WriteRule};
use crate::model::Timestamp;

/// What applies on a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyInForce {
    rules: Vec<(RuleOrigin, WriteRule)>,
}

impl PolicyInForce {
    /// What both policies allow.
    #[must_use]
    pub fn of(server: &WritePolicy, connection: &WritePolicy) -> Self {
        let of = |origin, policy: &WritePolicy| policy.rules().into_iter().map(move |rule| (origin, rule));
        PolicyInForce { rules: of(RuleOrigin::Server, server).chain(of(RuleOrigin::Connection, connection)).collect() }
    }

    /// The rules, those of the server first.
    #[must_use]
    pub fn rules(&self) -> &[(RuleOrigin, WriteRule)] {
        &self.rules
    }

    /// The first rule that refuses every change, and whose it is. That of the connection comes first: without its wish nothing else
    /// matters.
    #[must_use]
    pub fn bar_of_all(&self) -> Option<&(RuleOrigin, WriteRule)> {
        let bars = |rule: &&(RuleOrigin, WriteRule)| matches!(rule.1, WriteRule::Writes(false) | WriteRule::Unknown(_));
        let unasked = |rule: &&(RuleOrigin, WriteRule)| **rule == (RuleOrigin::Connection, WriteRule::Writes(false));
        self.rules.iter().find(unasked).or_else(|| self.rules.iter().find(bars))
    }

    /// Whose rule it is, if it applies.
    #[must_use]
    pub fn origin_of(&self, rule: &WriteRule) -> Option<RuleOrigin> {
        self.rules.iter().find(|(_, held)| held == rule).map(|(origin, _)| *origin)
    }

    /// Whether any rule counts the instances that were changed.
    #[must_use]
    pub fn has_caps(&self) -> bool {
        self.rules.iter().any(|(_, rule)| matches!(rule, WriteRule::Cap(_)))
    }

    /// The first rule that refuses the tool whatever it is to change, and whose it is; `None`: there may be something that it may
    /// change.
    #[must_use]
    pub fn bar(&self, tool: &str, adds: bool) -> Option<&(RuleOrigin, WriteRule)> {
        self.rules.iter().find(|(_, rule)| match rule {
            WriteRule::Writes(allow) => !allow,
            WriteRule::Tools(tools) => !holds(tools, tool, adds),
            WriteRule::Deny(DeniedTarget::Tool(denied)) => denied == tool,
            WriteRule::Unknown(_) => true,
            WriteRule::Accounts(_)
            | WriteRule::Regions(_)
            | WriteRule::Tag { .. }
            | WriteRule::Deny(_)
            | WriteRule::Cap(_)
            | WriteRule::Human
            | WriteRule::Audit => false,
        })
    }

    /// The keys of the tags that rules look at.
    #[must_use]
    pub fn tag_keys(&self) -> BTreeSet<String> {
        let keys = self.rules.iter().filter_map(|(_, rule)| match rule {
            WriteRule::Tag { key, .. } | WriteRule::Deny(DeniedTarget::Tag { key, .. }) => Some(key.clone()),
            _ => None,
        });
        keys.collect()
    }

    /// What the rules say of a change.
    #[must_use]
    pub fn judge(&self, change: &ChangeRequest<'_>) -> PolicyVerdict {
        let check = |(origin, rule): &(RuleOrigin, WriteRule)| RuleCheck {
            origin: *origin,
            rule: rule.clone(),
            refusal: refusal(rule, *origin, change),
        };
        PolicyVerdict { checks: self.rules.iter().map(check).collect() }
    }
}

/// Whether a list of tools holds one: by its name, or since it only adds.
fn holds(tools: &BTreeSet<String>, tool: &str, adds: bool) -> bool {
    tools.contains(tool) || (adds && tools.contains(ADDS))
}

fn refusal(rule: &WriteRule, origin: RuleOrigin, change: &ChangeRequest<'_>) -> Option<RuleRefusal> {
    let unless = |met: bool, refusal: RuleRefusal| (!met).then_some(refusal);
    match rule {
        WriteRule::Writes(allow) => unless(*allow, RuleRefusal::NoWrites),
        WriteRule::Tools(tools) => unless(holds(tools, change.tool, change.adds), RuleRefusal::OtherTool),
        WriteRule::Accounts(accounts) => unless(accounts.contains(change.account), RuleRefusal::OtherAccount),
        WriteRule::Regions(regions) => unless(regions.contains(change.region), RuleRefusal::OtherRegion),
        WriteRule::Tag { key, value } => match change.tags {
            KnownTags::Lost => Some(RuleRefusal::LostTags),
            KnownTags::All(tags) => match tags.get(key) {
                None => Some(RuleRefusal::NoTag),
                Some(TagValue::Hidden) => Some(RuleRefusal::HiddenValue),
                Some(TagValue::Plain(held)) if held == value => None,
                Some(TagValue::Plain(held)) => Some(RuleRefusal::OtherValue { value: held.clone() }),
            },
        },
        WriteRule::Deny(target) => denial(target, change),
        WriteRule::Cap(cap) => over(*cap, change.touched(origin), change.instance, change.now),
        // Who confirms a call is seen when it is asked for.
        WriteRule::Human => None,
        WriteRule::Audit => change.audit.map(|why| RuleRefusal::NotAudited { why: why.to_owned() }),
        WriteRule::Unknown(_) => Some(RuleRefusal::Unreadable),
    }
}

fn denial(target: &DeniedTarget, change: &ChangeRequest<'_>) -> Option<RuleRefusal> {
    let is_denied = match target {
        DeniedTarget::Account(account) => account == change.account,
        DeniedTarget::Region(region) => region == change.region,
        DeniedTarget::Tool(tool) => tool == change.tool,
        DeniedTarget::Instance(id) => id == change.instance,
        DeniedTarget::Tag { key, value } => match (change.tags, value) {
            (KnownTags::Lost, _) => return Some(RuleRefusal::LostTags),
            (KnownTags::All(tags), value) => match (tags.get(key), value) {
                (None, _) => false,
                (Some(_), None) => true,
                (Some(TagValue::Hidden), Some(_)) => return Some(RuleRefusal::HiddenValue),
                (Some(TagValue::Plain(held)), Some(value)) => held == value,
            },
        },
    };
    is_denied.then_some(RuleRefusal::Denied)
}

/// Why a further instance goes beyond a cap. One that was changed within the window already counts once.
fn over(cap: WriteCap, touched: &TouchedInstances, instance: &str, now: Timestamp) -> Option<RuleRefusal> {
    let begin = now - cap.window;
    if touched.known_since.is_some_and(|known| known > begin) {
        return Some(RuleRefusal::LogTooShort);
    }
    let within = touched.last.iter().filter(|(_, at)| **at > begin);
    let others = within.filter(|(id, _)| *id != instance).count();
    (others >= cap.instances).then_some(RuleRefusal::CapReached { others })
}

#[cfg(test)]
mod tests;
