//! The policy as IAM reads it, whole or narrowed.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::statement::{EQUALS, PolicyPart, PolicyStatement, STATEMENTS};
use super::table::{Permission, all, of};
use crate::kinds::rules::DEFAULT_NAME;
use crate::model::{KindSelection, Partition};

/// The tag that an instance needs to be changed where nobody says another.
const MANAGED: (&str, &str) = ("mcp-managed", "true");

/// What a policy is narrowed to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyLimits {
    /// The kinds that are listed.
    pub kinds: KindSelection,
    /// The parts that it has.
    pub parts: BTreeSet<PolicyPart>,
    /// The tags that an instance needs to be changed; without tags, any instance can be.
    pub tags: BTreeMap<String, String>,
    /// The partition that ARNs name.
    pub partition: Partition,
    /// The only regions; all where there are none. They are of that partition.
    pub regions: BTreeSet<String>,
    /// The only account.
    pub account: Option<String>,
    /// What the names of queues and rules begin with.
    pub name: String,
    /// The ARNs of the keys of encrypted volumes.
    pub keys: BTreeSet<String>,
}

impl Default for PolicyLimits {
    /// The whole policy, as `iam-policy.json` has it.
    fn default() -> Self {
        let (key, value) = MANAGED;
        PolicyLimits {
            kinds: KindSelection::All,
            parts: PolicyPart::ALL.into(),
            tags: [(key.to_owned(), value.to_owned())].into(),
            partition: Partition::Aws,
            regions: BTreeSet::new(),
            account: None,
            name: DEFAULT_NAME.to_owned(),
            keys: BTreeSet::new(),
        }
    }
}

/// The policy with these limits.
#[must_use]
pub fn document(limits: &PolicyLimits) -> Value {
    let mut permissions = all();
    permissions.retain(|permission| !permission.is_of_other_kinds(&limits.kinds));
    let statements = STATEMENTS.iter().filter(|statement| limits.parts.contains(&statement.part));
    let statements = statements.filter_map(|statement| {
        let actions: BTreeSet<&str> = actions(&permissions, statement).collect();
        let mut written = Map::new();
        written.insert("Sid".to_owned(), statement.sid.into());
        written.extend(body(statement, actions.into_iter().collect(), limits)?);
        Some(Value::Object(written))
    });
    json!({ "Version": "2012-10-17", "Statement": statements.collect::<Vec<_>>() })
}

/// The statements that allow one action, within the limits, as a server needs it; empty for an action that is not in the table.
#[must_use]
pub fn statement_for(action: &str, limits: &PolicyLimits) -> Vec<Value> {
    let Some(permission) = of(action) else { return Vec::new() };
    let named = |sid: &&str| STATEMENTS.iter().find(|statement| statement.sid == *sid);
    let statements: Vec<&PolicyStatement> = permission.sids.iter().filter_map(named).collect();
    let first = statements.first().map(|statement| statement.part);
    let needed = statements.into_iter().filter(|statement| Some(statement.part) == first);
    needed.filter_map(|statement| body(statement, vec![permission.action], limits)).map(Value::Object).collect()
}

fn actions<'a>(
    permissions: &'a [Permission],
    statement: &'a PolicyStatement,
) -> impl Iterator<Item = &'static str> + 'a {
    permissions.iter().filter(|permission| permission.sids.contains(&statement.sid)).map(|permission| permission.action)
}

/// A statement without its `Sid`; `None` where the limits name no resource for it.
fn body(statement: &PolicyStatement, actions: Vec<&str>, limits: &PolicyLimits) -> Option<Map<String, Value>> {
    let account = limits.account.as_deref().unwrap_or("*");
    let resources = statement.target.arns(limits.partition, account, &limits.name, &limits.keys);
    if resources.is_empty() {
        return None;
    }
    let mut conditions: BTreeMap<&str, BTreeMap<String, Value>> = BTreeMap::new();
    if let Some((operator, key, value)) = statement.condition {
        conditions.entry(operator).or_default().insert(key.to_owned(), value.into());
    }
    let mut equal = conditions.remove(EQUALS).unwrap_or_default();
    if statement.is_of_instances() {
        let tags = limits.tags.iter();
        equal.extend(tags.map(|(key, value)| (format!("aws:ResourceTag/{key}"), escaped(value).into())));
    }
    if !limits.regions.is_empty() {
        equal.insert("aws:RequestedRegion".to_owned(), one_or_several(limits.regions.iter().cloned().collect()));
    }
    if !equal.is_empty() {
        conditions.insert(EQUALS, equal);
    }
    let mut written = Map::new();
    written.insert("Effect".to_owned(), "Allow".into());
    written.insert("Action".to_owned(), actions.into());
    written.insert("Resource".to_owned(), one_or_several(resources));
    if !conditions.is_empty() {
        written.insert("Condition".to_owned(), json!(conditions));
    }
    Some(written)
}

/// Texts as a policy has them: a lone one without a list.
fn one_or_several(mut texts: Vec<String>) -> Value {
    match texts.len() {
        1 => texts.remove(0).into(),
        _ => texts.into(),
    }
}

/// A text as IAM compares it letter by letter: what it would read as a variable is escaped.
fn escaped(value: &str) -> String {
    value.replace("${", "${$}{")
}
