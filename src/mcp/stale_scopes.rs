//! The scopes whose copy is older than it should be: each of them, or grouped by reason where they are many.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::cause::masked;
use super::places::NAMED;
use super::stale::Stale;
use super::tools::table::AnswerText;
use crate::model::Scope;
use crate::model::Timestamp;

/// How many reasons are told where scopes are grouped by them.
const REASONS: usize = 5;
/// How many scopes are named as examples of a reason.
const EXAMPLES: usize = 3;

/// The (scope, kind)s that are stale.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StaleScopes(Vec<StaleScope>);

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
struct StaleScope {
    scope: Scope,
    /// The slug of the kind, where several were asked about.
    kind: Option<&'static str>,
    stale: Stale,
}

/// Those with the same reason.
struct StaleGroup<'a> {
    members: Vec<&'a StaleScope>,
    since: Option<Timestamp>,
}

impl StaleScopes {
    /// Adds one. `kind` is the slug of its kind, where several were asked about.
    pub fn add(&mut self, scope: Scope, kind: Option<&'static str>, stale: Stale) {
        self.0.push(StaleScope { scope, kind, stale });
    }

    /// Whether none is stale.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The groups, the largest first; `None` while they are few.
    fn groups(&self) -> Option<Vec<StaleGroup<'_>>> {
        if self.0.len() <= NAMED {
            return None;
        }
        let mut groups: BTreeMap<String, StaleGroup<'_>> = BTreeMap::new();
        for one in &self.0 {
            let group = groups.entry(masked(&one.stale.why, &one.scope));
            let group = group.or_insert_with(|| StaleGroup { members: Vec::new(), since: None });
            group.members.push(one);
            group.since = group.since.into_iter().chain(one.stale.since).min();
        }
        let mut groups: Vec<StaleGroup<'_>> = groups.into_values().collect();
        groups.sort_by_key(|group| std::cmp::Reverse(group.members.len()));
        Some(groups)
    }

    /// As the field `stale` of an answer.
    #[must_use]
    pub fn field(&self) -> Value {
        let Some(groups) = self.groups() else { return self.0.iter().map(StaleScope::entry).collect() };
        let mut entries: Vec<Value> = groups.iter().take(REASONS).map(StaleGroup::entry).collect();
        if let Some(rest) = rest(&groups) {
            entries.push(json!({"scopes": rest, "why": "for other reasons"}));
        }
        Value::Array(entries)
    }

    /// Adds a line for each of them, or for each reason, to the text of an answer.
    pub fn say(&self, text: &mut AnswerText) {
        let Some(groups) = self.groups() else {
            let is_of_one = self.0.iter().all(|one| self.0.first().is_none_or(|first| first.scope == one.scope));
            for StaleScope { scope, kind, stale } in &self.0 {
                let place = if is_of_one { String::new() } else { format!("{scope}: ") };
                let kind = kind.map_or_else(String::new, |kind| format!("{kind}: "));
                text.add(format_args!("\nStale: {place}{kind}{}", stale.why));
            }
            return;
        };
        for group in groups.iter().take(REASONS) {
            let (Some(first), count) = (group.members.first(), group.members.len()) else { continue };
            text.add(format_args!("\nStale: {count} scopes and kinds, such as {}: {}", first.scope, first.stale.why));
        }
        if let Some(rest) = rest(&groups) {
            text.add(format_args!("\nStale: {rest} more for other reasons"));
        }
    }
}

/// How many are left out where the groups are more than are told.
fn rest(groups: &[StaleGroup<'_>]) -> Option<usize> {
    let rest = groups.iter().skip(REASONS).flat_map(|group| group.members.iter().map(|one| &one.scope));
    let rest = rest.collect::<BTreeSet<_>>().len();
    (rest > 0).then_some(rest)
}

impl StaleScope {
    fn entry(&self) -> Value {
        let StaleScope { scope, kind, stale } = self;
        let mut entry = Map::new();
        let mut put = |name: &str, value: Value| drop(entry.insert(name.to_owned(), value));
        put("account", json!(scope.account));
        put("region", json!(scope.region));
        put("why", json!(stale.why));
        if let Some(kind) = kind {
            put("kind", json!(kind));
        }
        if let Some(since) = stale.since {
            put("since", json!(since));
        }
        Value::Object(entry)
    }
}

impl StaleGroup<'_> {
    fn entry(&self) -> Value {
        let scopes: BTreeSet<&Scope> = self.members.iter().map(|one| &one.scope).collect();
        let examples: Vec<String> = scopes.iter().take(EXAMPLES).map(ToString::to_string).collect();
        let why = self.members.first().map_or("", |one| one.stale.why.as_str());
        json!({"scopes": scopes.len(), "examples": examples, "why": why, "since": self.since})
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{AccountId, Region};

    fn stale(count: usize) -> StaleScopes {
        let mut stale = StaleScopes::default();
        for n in 0..count {
            let scope = Scope { account: AccountId::new(format!("{n:012}")), region: Region::new("eu-west-1") };
            let why = format!("last complete sweep {} s ago, later than expected", 100 + n);
            stale.add(scope, None, Stale { why, since: None });
        }
        stale
    }

    #[test]
    fn few_are_told_each_and_many_by_reason() {
        assert_eq!(stale(3).field().as_array().map(Vec::len), Some(3));
        let many = stale(8_500);
        let field = many.field();
        assert_eq!((&field[0]["scopes"], field.as_array().map(Vec::len)), (&json!(8_500), Some(1)));
        let mut text = AnswerText::new("42 match".to_owned());
        many.say(&mut text);
        let text: String = text.into();
        assert!(text.contains("Stale: 8500 scopes and kinds, such as 000000000000/eu-west-1: last complete"), "{text}");
        assert!(text.len() < 300, "{text}");
    }
}
