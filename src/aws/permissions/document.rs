//! The policy as IAM reads it, whole or narrowed.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::partition::partition_of;
use super::statement::{PolicyPart, PolicyStatement, STATEMENTS};
use super::table::{Permission, all, of};
use crate::kinds::rules::DEFAULT_NAME;

/// What a policy is narrowed to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyLimits {
    /// The parts that it has.
    pub parts: BTreeSet<PolicyPart>,
    /// The tags that an instance needs to be changed.
    pub tags: BTreeMap<String, String>,
    /// The only regions; all where there are none. They are of one partition.
    pub regions: BTreeSet<String>,
    /// The only account.
    pub account: Option<String>,
    /// What the names of queues and rules begin with.
    pub name: String,
}

impl Default for PolicyLimits {
    /// The whole policy.
    fn default() -> Self {
        PolicyLimits {
            parts: PolicyPart::ALL.into(),
            tags: BTreeMap::new(),
            regions: BTreeSet::new(),
            account: None,
            name: DEFAULT_NAME.to_owned(),
        }
    }
}

/// The policy with these limits.
#[must_use]
pub fn document(limits: &PolicyLimits) -> Value {
    let permissions = all();
    let statements = STATEMENTS.iter().filter(|statement| limits.parts.contains(&statement.part));
    let statements = statements.map(|statement| {
        let actions: BTreeSet<&str> = actions(&permissions, statement).collect();
        let mut written = Map::new();
        written.insert("Sid".to_owned(), statement.sid.into());
        written.extend(body(statement, actions.into_iter().collect(), limits));
        Value::Object(written)
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
    let written = |statement| Value::Object(body(statement, vec![permission.action], limits));
    needed.map(written).collect()
}

fn actions<'a>(
    permissions: &'a [Permission],
    statement: &'a PolicyStatement,
) -> impl Iterator<Item = &'static str> + 'a {
    permissions.iter().filter(|permission| permission.sids.contains(&statement.sid)).map(|permission| permission.action)
}

/// A statement without its `Sid`.
fn body(statement: &PolicyStatement, actions: Vec<&str>, limits: &PolicyLimits) -> Map<String, Value> {
    let partition = limits.regions.first().and_then(|region| partition_of(region)).unwrap_or("aws");
    let account = limits.account.as_deref().unwrap_or("*");
    let mut equal: BTreeMap<String, Value> = BTreeMap::new();
    if let Some((key, value)) = statement.condition {
        equal.insert(key.to_owned(), value.into());
    }
    if statement.is_of_instances() {
        let tags = limits.tags.iter();
        equal.extend(tags.map(|(key, value)| (format!("aws:ResourceTag/{key}"), escaped(value).into())));
    }
    let regions: Vec<&str> = limits.regions.iter().map(String::as_str).collect();
    match regions.as_slice() {
        // Whose the credentials are is always answered.
        _ if actions == ["sts:GetCallerIdentity"] => {}
        [] => {}
        [one] => drop(equal.insert("aws:RequestedRegion".to_owned(), (*one).into())),
        several => drop(equal.insert("aws:RequestedRegion".to_owned(), several.into())),
    }
    let mut written = Map::new();
    written.insert("Effect".to_owned(), "Allow".into());
    written.insert("Action".to_owned(), actions.into());
    written.insert("Resource".to_owned(), statement.target.arn(partition, account, &limits.name).into());
    if !equal.is_empty() {
        written.insert("Condition".to_owned(), json!({ "StringEquals": equal }));
    }
    written
}

/// A text as IAM compares it letter by letter: what it would read as a variable is escaped.
fn escaped(value: &str) -> String {
    value.replace("${", "${$}{")
}
