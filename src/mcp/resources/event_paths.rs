//! How events arrive, as freshness and the summary show it.

use serde_json::{Map, Value, json};
use tokio::time::Instant;

use crate::freshness::{EventPath, EventsUnproved, ScopeFreshness, SeenCanary};
use crate::kinds;
use crate::kinds::rules::{CALLS, RULES, RuleSpec};
use crate::mcp::core::Core;
use crate::model::text::shown;
use crate::model::{Group, Scope};

/// The rule through which tag changes of every kind come.
const TAGS: &str = "tags";

/// What to do where more is not told.
const ASK: &str = "A person who runs the server is told what to do about it";

/// The longest text that strangers may have written.
const LONGEST: usize = 64;

/// Everything known about the event path of each scope. Whoever does not see everything is told whether it works: its queue and its
/// rules may belong to accounts that are hidden.
pub(super) fn paths(core: &Core) -> Vec<Value> {
    if !core.visibility().is_everything() {
        return outline(core);
    }
    let now = Instant::now();
    meant(core).map(|(scope, path)| entry(&scope, &path, now)).collect()
}

/// How many received messages had which outcome.
pub(super) fn counts(core: &Core) -> Value {
    let mut counted = core.ingest.freshness().event_totals();
    let types = std::mem::take(&mut counted.unknown_types);
    counted.unknown_types = types.into_iter().map(|(name, count)| (shown(&name, LONGEST), count)).collect();
    json!(counted)
}

/// How many events were about nothing that is watched.
pub(super) fn elsewhere(core: &Core) -> u64 {
    core.ingest.freshness().event_totals().elsewhere
}

/// A short form of each event path, for the summary.
pub(super) fn outline(core: &Core) -> Vec<Value> {
    let now = Instant::now();
    let outlined = meant(core).map(|(scope, path)| {
        let mut entry = json!({"account": scope.account, "region": scope.region});
        let Value::Object(fields) = &mut entry else { return entry };
        let unproved = path.unproved(&slugs(), None, now);
        fields.insert("proved".to_owned(), json!(unproved.is_none()));
        let longest = || RULES.iter().filter_map(|rule| path.silence(rule.slug, now)).max().unwrap_or_default();
        let (name, value) = unproved.map_or_else(
            || ("seconds_since_canary", json!(longest().as_secs())),
            |why| ("why", json!(said(core, &why))),
        );
        fields.insert(name.to_owned(), value);
        entry
    });
    outlined.collect()
}

/// For each group of fields of a (scope, kind), the event rule that reports its changes and until when that is proved; `None`
/// where no events are received.
pub(super) fn event_rules(core: &Core, state: &ScopeFreshness) -> Option<Value> {
    let path = core.ingest.freshness().path(&state.scope).filter(EventPath::is_meant)?;
    let spec = kinds::of(&state.kind)?;
    let (now, today) = (Instant::now(), core.now());
    let groups = Group::ALL.into_iter().filter_map(|group| {
        let rule = telling(spec.event_rules, group)?;
        let trail = (rule == CALLS).then_some(rule);
        let proof = if let Some(why) = path.unproved(&[rule], trail, now) {
            json!({"rule": rule, "proved": false, "why": said(core, &why)})
        } else {
            let until = path.cover(&[rule], trail, now)?.until.saturating_duration_since(now);
            json!({"rule": rule, "proved": true, "until": today + until})
        };
        Some((json!(group).as_str()?.to_owned(), proof))
    });
    let groups: Map<String, Value> = groups.collect();
    (!groups.is_empty()).then_some(Value::Object(groups))
}

/// Why events are not proved to arrive. Whoever does not see everything reads nothing of what AWS said: it may name what is hidden.
fn said(core: &Core, why: &EventsUnproved) -> String {
    if core.visibility().is_everything() { why.to_string() } else { format!("{}. {ASK}", why.plainly()) }
}

/// The rule that reports every change of a group.
fn telling(event_rules: &'static [&'static str], group: Group) -> Option<&'static str> {
    let mut rules = event_rules.iter().copied();
    match group {
        Group::State => {
            rules.clone().find(|slug| !matches!(*slug, TAGS | CALLS)).or_else(|| telling(event_rules, Group::Rest))
        }
        Group::Tags => rules.find(|slug| *slug == TAGS),
        Group::Rest => rules.find(|slug| *slug == CALLS),
    }
}

fn meant(core: &Core) -> impl Iterator<Item = (Scope, EventPath)> {
    core.ingest.freshness().paths().into_iter().filter(|(_, path)| path.is_meant())
}

fn slugs() -> Vec<&'static str> {
    RULES.iter().map(|rule| rule.slug).collect()
}

fn entry(scope: &Scope, path: &EventPath, now: Instant) -> Value {
    let unproved = path.unproved(&slugs(), None, now);
    let source = path.source();
    let name_of = |rule: &RuleSpec| source.map(|source| rule.name(&source.name));
    let rules = RULES.iter().map(|rule| {
        json!({
            "rule": rule.slug,
            "name": name_of(rule),
            "proved": path.proved(rule.slug, now),
            "seconds_since_canary": path.silence(rule.slug, now).map(|silence| silence.as_secs()),
            "last": path.seen(rule.slug).map(canary).collect::<Vec<_>>(),
        })
    });
    let mut entry = json!({
        "account": scope.account,
        "region": scope.region,
        "queue": source.map(|source| &*source.queue),
        "proved": unproved.is_none(),
        "rules": rules.collect::<Vec<_>>(),
        "called_at": path.called_at(),
    });
    let Value::Object(fields) = &mut entry else { return entry };
    let mut put = |name: &str, value: Value| drop(fields.insert(name.to_owned(), value));
    if let Some(why) = unproved {
        put("why", json!(why.to_string()));
    }
    if let Some(source) = source {
        put("sent_by", json!(&*source.sent_by));
        put("canary_interval_seconds", json!(source.every.as_secs()));
        put("proved_for_seconds", json!(source.window().as_secs()));
    }
    for (name, trouble) in [("absent", path.absent()), ("receive_failure", path.unreceived())] {
        if let Some(trouble) = trouble {
            put(
                name,
                json!({"class": trouble.class, "what": trouble.what, "fix": trouble.fix, "since": trouble.since}),
            );
        }
    }
    entry
}

fn canary(seen: &SeenCanary) -> Value {
    let SeenCanary { sent_by, sent_at, seen_at } = seen;
    json!({"sent_by": shown(sent_by, LONGEST), "sent_at": sent_at, "seen_at": seen_at})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::INSTANCE;

    #[test]
    fn the_rules_that_tell_of_all_changes_of_a_kind_tell_of_one_group_each() {
        let rules = Group::ALL.map(|group| telling(INSTANCE.event_rules, group).unwrap());
        assert_eq!(rules, ["instances", "tags", "calls"]);
        let rules = Group::ALL.map(|group| telling(&["tags", "calls"], group).unwrap());
        assert_eq!(rules, ["calls", "tags", "calls"]);
        assert_eq!(Group::ALL.map(|group| telling(&[], group)), [None; 3]);
    }
}
