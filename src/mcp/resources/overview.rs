//! The two overviews of the inventory: how much there is, and how fresh it is.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::{Content, event_paths, outline};
use crate::audit::AuditProgress;
use crate::aws::CallCount;
use crate::freshness::ScopeFreshness;
use crate::kinds::{self, KINDS};
use crate::mcp::core::Core;
use crate::mcp::damage::AnswerSubject;
use crate::mcp::error::RequestError;
use crate::mcp::failed_scopes::FailedScopes;
use crate::mcp::places::NAMED;
use crate::mcp::policy::Writes;
use crate::mcp::stale::Stale;
use crate::mcp::tools::rows::Columns;
use crate::mcp::unreadable;
use crate::mcp::unwatched::UnwatchedScopes;
use crate::mcp::watched_kinds::UnwatchedKinds;
use crate::model::{ScopeFilter, Trouble};
use crate::query::counts;

/// The difference of clocks, in milliseconds, above which it is shown.
const CLOCK_DIFFERS: u64 = 5000;

/// How many scopes that are no longer watched are shown kind by kind.
const UNWATCHED: usize = 40;

/// Counts by kind, scope and state, with what is missing or failing.
///
/// # Errors
/// When the store cannot be read. What AWS refuses is part of the answer.
pub async fn summary(core: &Arc<Core>, uri: &str, writes: &Writes) -> Result<Content, RequestError> {
    let body = overview(core, uri, writes).await?;
    Ok(Content::fleeting(body.to_string()))
}

/// How fresh each scope and kind is.
///
/// # Errors
/// When the store cannot be read.
pub fn freshness(core: &Arc<Core>, uri: &str) -> Result<Content, RequestError> {
    let now = core.now();
    let trouble = core.ingest.freshness().trouble();
    let watched = core.scopes(KINDS);
    let is_outlined = outline::is_due(&watched);
    let unwatched = core.unwatched(KINDS);
    let is_brief = is_outlined || unwatched.len() > UNWATCHED * KINDS.len();
    let states = watched.iter().filter(|_| !is_outlined).chain(unwatched.iter().filter(|_| !is_brief));
    let scopes: Vec<Value> = states.map(|state| scope_freshness(core, state)).collect();
    let mut body = json!({
        "uri": uri,
        "now": now,
        "seq": core.snapshot()?.seq(),
        "trouble": trouble,
        "credentials": credentials(core),
        "watched_regions": core.regions(),
        "scopes": scopes,
        "events": event_paths::paths(core),
        "event_counts": event_paths::counts(core),
    });
    if let (Some(calls), Value::Object(body)) = (core.aws_calls(), &mut body) {
        body.insert("aws_calls".to_owned(), if is_outlined { json!(by_action(&calls)) } else { json!(calls) });
    }
    if let (true, Value::Object(body)) = (is_outlined, &mut body) {
        body.extend(outline::fields(core, &watched, &ScopeFilter::Everywhere, false)?);
    }
    if is_brief {
        put_unwatched(&mut body, core, unwatched);
    }
    bound(&mut body, "events", is_outlined);
    if let (false, Value::Object(body)) = (core.visibility().is_everything(), &mut body) {
        // They are of all accounts together.
        body.remove("event_counts");
    }
    put_clock(&mut body, core.aws.clock_offset_millis());
    put_server(&mut body, core);
    put_unwatched_kinds(&mut body, core);
    put_damage(&mut body, core);
    Ok(Content::fleeting(body.to_string()))
}

/// The body of the summary, which the tool `get_inventory_summary` returns too. It waits until the watched scopes are known,
/// because an inventory without scopes would look empty.
///
/// # Errors
/// When the store cannot be read.
pub async fn overview(core: &Arc<Core>, uri: &str, writes: &Writes) -> Result<Value, RequestError> {
    core.begun().await;
    let (uri, writes) = (uri.to_owned(), writes.clone().seen_by(&core.visibility()).shown());
    core.walk(move |core| counted(core, &uri, &writes)).await
}

fn counted(core: &Core, uri: &str, writes: &Value) -> Result<Value, RequestError> {
    let complete = core.progress(KINDS, &ScopeFilter::Everywhere).is_complete();
    let seq = core.snapshot()?.seq();
    let states = core.scopes(KINDS);
    let is_outlined = outline::is_due(&states);
    let mut scopes = Vec::new();
    let mut totals = serde_json::Map::new();
    for kind in KINDS {
        let mut total = None;
        let mut own = states.iter().filter(|state| state.kind.as_str() == kind.name).peekable();
        if is_outlined && own.peek().is_some() {
            total = Some(core.store.count(&core.snapshot()?, &kind.kind(), &ScopeFilter::Everywhere)?);
        }
        for state in own.filter(|_| !is_outlined) {
            let counted = counts(&core.store, &kind.kind(), &(&state.scope).into(), Columns::of(kind).state())?;
            total = Some(total.unwrap_or(0) + counted.total);
            let mut entry = scope_freshness(core, state);
            if let Value::Object(entry) = &mut entry {
                entry.insert("count".to_owned(), json!(counted.total));
                if !counted.by_state.is_empty() {
                    entry.insert("by_state".to_owned(), json!(counted.by_state));
                }
            }
            scopes.push(entry);
        }
        // A kind that is not watched has no count, not even zero.
        if let Some(total) = total {
            totals.insert(kind.slug.to_owned(), json!(total));
        }
    }
    let mut body = json!({
        "uri": uri,
        "now": core.now(),
        "seq": seq,
        "complete": complete,
        "totals": totals,
        "credentials": credentials(core),
        "watched_regions": core.regions(),
        "scopes": scopes,
        "events": event_paths::outline(core),
        "writes": writes,
    });
    if let (Some(calls), Value::Object(body)) = (core.aws_calls(), &mut body) {
        body.insert("aws_calls".to_owned(), json!(by_action(&calls)));
    }
    put_clock(&mut body, core.aws.clock_offset_millis());
    put_server(&mut body, core);
    put_damage(&mut body, core);
    if let (true, Value::Object(body)) = (is_outlined, &mut body) {
        body.extend(outline::fields(core, &states, &ScopeFilter::Everywhere, true)?);
    }
    bound(&mut body, "events", is_outlined);
    put_unwatched(&mut body, core, core.unwatched(KINDS));
    put_unwatched_kinds(&mut body, core);
    if let (Some(trouble), Value::Object(body)) = (core.ingest.freshness().trouble(), &mut body) {
        let fields = json!({"what": trouble.what, "fix": trouble.fix});
        body.insert("trouble".to_owned(), with_retry(fields, &trouble));
    }
    Ok(body)
}

/// Adds what concerns the server as a whole. To whoever does not see everything it says what they may see instead.
fn put_server(body: &mut Value, core: &Core) {
    let visibility = core.visibility();
    if !visibility.is_everything() {
        if let Value::Object(body) = body {
            body.insert("visible_by_grants".to_owned(), json!(visibility.to_string()));
        }
        put_unreached(body, core);
        return;
    }
    put_log(body, (core.dropped_log_lines)());
    put_audit(body, &core.audit);
    put_identity(body, core);
    put_unreached(body, core);
    put_unwatched_events(body, event_paths::elsewhere(core));
    put_organization(body, core);
}

/// Whose credentials read AWS. To whoever does not see everything they are nobody's that they know.
fn credentials(core: &Core) -> String {
    if core.visibility().is_everything() { core.aws.origin().to_string() } else { "those of the server".to_owned() }
}

/// Leaves out all but the first entries of a list where there are many scopes, and says how many.
fn bound(body: &mut Value, name: &str, is_outlined: bool) {
    let Value::Object(fields) = body else { return };
    let Some(Value::Array(entries)) = fields.get_mut(name).filter(|_| is_outlined) else { return };
    let more = entries.len().saturating_sub(NAMED);
    entries.truncate(NAMED);
    if more > 0 {
        fields.insert(format!("{name}_not_shown"), json!(more));
    }
}

/// The calls of all regions by action, beside what AWS allows in each region.
fn by_action(calls: &[CallCount]) -> Vec<Value> {
    let mut actions: BTreeMap<&str, Vec<&CallCount>> = BTreeMap::new();
    for call in calls {
        actions.entry(call.action).or_default().push(call);
    }
    let shown = actions.into_iter().map(|(action, calls)| {
        let sum = |count: fn(&CallCount) -> u64| calls.iter().map(|call| count(call)).sum::<u64>();
        let mut entry = json!({
            "action": action,
            "last_minute": sum(|call| call.last_minute),
            "busiest_region": calls.iter().map(|call| call.last_minute).max(),
            "documented_per_minute": calls.first().map(|call| call.documented_per_second.per_minute),
            "total": sum(|call| call.total),
        });
        for (name, count) in [("throttled", sum(|call| call.throttled)), ("failed", sum(|call| call.failed))] {
            if let (Value::Object(fields), 1..) = (&mut entry, count) {
                fields.insert(name.to_owned(), json!(count));
            }
        }
        entry
    });
    shown.collect()
}

/// Adds what the last listing of the organization showed, where accounts are found in one.
fn put_organization(body: &mut Value, core: &Core) {
    let (Some(known), Value::Object(body)) = (core.aws.known_organization(), body) else { return };
    let mut organization = json!({
        "listed": known.listed,
        "found": known.found,
        "watched": known.watched,
        "retired": known.retired,
        "held": known.held,
    });
    if let (Some((what, fix)), Value::Object(organization)) = (&known.notice, &mut organization) {
        organization.extend([("what".to_owned(), json!(what)), ("fix".to_owned(), json!(fix))]);
    }
    body.insert("organization".to_owned(), organization);
}

/// Adds the accounts that could not be reached at all.
fn put_unreached(body: &mut Value, core: &Core) {
    let unreached = FailedScopes::default().beside(core.unreached(&ScopeFilter::Everywhere));
    if let Value::Object(body) = body {
        body.extend(unreached.fields());
    }
}

/// Adds that events came which are about nothing that is watched.
fn put_unwatched_events(body: &mut Value, count: u64) {
    let (Value::Object(fields), 1..) = (body, count) else { return };
    let events = json!({
        "count": count,
        "what": format!("{count} events came that are about accounts or regions that are not watched, or about an account for which \
                         their queue does not speak: they changed nothing"),
        "fix": "Add the account or region to the configuration file, or let the entry of the account name the queue as its events; else \
                have the rules of that account send no events here.",
    });
    fields.insert("unwatched_events".to_owned(), events);
}

/// Adds that the account is assumed, if STS does not prove it.
fn put_identity(body: &mut Value, core: &Core) {
    if let (Some(unproved), Value::Object(fields)) = (core.aws.unproved(), body) {
        let identity = json!({"proved": false, "what": unproved.what, "fix": unproved.fix, "since": unproved.since});
        fields.insert("identity".to_owned(), identity);
    }
}

/// Adds the stored records that cannot be read, if there are any.
fn put_damage(body: &mut Value, core: &Core) {
    if let Value::Object(fields) = body {
        let damage = core.damage(AnswerSubject::All).fields();
        fields.extend(damage.into_iter().map(|(name, value)| (name.to_owned(), value)));
    }
}

/// Adds the scopes that are no longer watched, and since when. Their resources are not counted.
fn put_unwatched(body: &mut Value, core: &Core, unwatched: Vec<ScopeFreshness>) {
    let Value::Object(body) = body else { return };
    // One scope has the same time in all kinds.
    let places: BTreeMap<_, _> =
        unwatched.into_iter().filter_map(|state| Some((state.scope, state.unwatched_since?))).collect();
    let fields = UnwatchedScopes::of(core, places).fields();
    body.extend(fields.into_iter().map(|(name, value)| (name.to_owned(), value)));
}

/// Adds the kinds that are not watched, if there are such. Their resources are not counted.
fn put_unwatched_kinds(body: &mut Value, core: &Core) {
    let unwatched = core.unwatched_kinds();
    if let (Value::Object(body), false) = (body, unwatched.is_empty()) {
        body.insert(UnwatchedKinds::FIELD.to_owned(), unwatched.field());
    }
}

/// Adds that the clocks differ, if they differ so much that somebody should set this machine's.
fn put_clock(body: &mut Value, offset_millis: i64) {
    let Value::Object(fields) = body else { return };
    if offset_millis.unsigned_abs() <= CLOCK_DIFFERS {
        return;
    }
    let (seconds, way) = (offset_millis.unsigned_abs() / 1000, if offset_millis > 0 { "behind" } else { "ahead of" });
    let clock = json!({
        "aws_ahead_seconds": offset_millis / 1000,
        "what": format!("this machine's clock is {seconds} s {way} AWS's; times shown here are AWS's"),
        "fix": "Set this machine's clock (NTP): AWS refuses requests whose time is off by more than five minutes.",
    });
    fields.insert("clock".to_owned(), clock);
}

/// Adds how far the audit file is, if there is one.
fn put_audit(body: &mut Value, audit: &AuditProgress) {
    if let (Value::Object(fields), Some(audit)) = (body, audit.shown()) {
        fields.insert("audit".to_owned(), audit);
    }
}

/// Adds that the server's log has gaps, if it has.
fn put_log(body: &mut Value, dropped: u64) {
    let (Value::Object(fields), 1..) = (body, dropped) else { return };
    let log = json!({
        "dropped_lines": dropped,
        "what": format!("{dropped} lines of the server's log were dropped, because nobody read them or they could not be written"),
        "fix": "Let whoever started the server read its standard error, or free some space on the disk of its log file.",
    });
    fields.insert("log".to_owned(), log);
}

fn scope_freshness(core: &Core, state: &ScopeFreshness) -> Value {
    let now = core.now();
    let everywhere = core.ingest.freshness().trouble();
    let kind = kinds::of(&state.kind).map_or(state.kind.as_str(), |kind| kind.slug);
    let mut entry = json!({
        "kind": kind,
        "account": state.scope.account,
        "region": state.scope.region,
        "sweep": if state.complete.is_some() { "complete" } else { "not complete yet" },
        "interval_seconds": state.interval.as_secs(),
        "seen": state.seen,
    });
    let Value::Object(fields) = &mut entry else { return entry };
    let goes_by_tags = core.visibility().goes_by_tags(&state.kind);
    if goes_by_tags {
        fields.remove("seen");
    }
    let mut put = |name: &str, value: Value| drop(fields.insert(name.to_owned(), value));
    if let Some(settled) = state.settled_at(now) {
        put("as_of", json!(settled));
    }
    if let Some(rules) = event_paths::event_rules(core, state) {
        put("current_interval_seconds", json!(state.current_interval().as_secs()));
        put("event_rules", rules);
    }
    if let Some(swept) = state.complete {
        put("age_seconds", json!(now.since(swept.started).as_secs()));
        // The more there is, the longer it takes.
        if !goes_by_tags {
            put("sweep_seconds", json!(swept.ended.since(swept.started).as_secs_f64()));
        }
    }
    if let Some(since) = state.unwatched_since {
        put("no_longer_watched_since", json!(since));
    }
    if let Some(since) = state.running_since {
        put("sweeping_since", json!(since));
    }
    if state.missing > 0 {
        put("missing_unproved", json!(state.missing));
    }
    if let Some(since) = core.ingest.freshness().lacked_since(&state.scope, &state.kind) {
        put("missing_since", json!(since));
    }
    if let Some(held) = &state.held {
        put("held", json!(held));
    }
    if let Some(stale) = Stale::of(state, everywhere.as_ref(), now) {
        put("stale", json!(stale));
    }
    if let Some(unreadable) = unreadable::of(state) {
        put("unreadable", unreadable);
    }
    if !state.left_out.is_empty() {
        let names = state.left_out.join(", ");
        let what = format!(
            "listed without {names}, which the endpoint does not know: resources that AWS services manage may be missing from \
            the list"
        );
        put("left_out", json!({"names": state.left_out, "what": what}));
    }
    if let Some(trouble) = state.failing() {
        let fix = &trouble.fix;
        let fields = json!({"class": trouble.class, "what": trouble.what, "fix": fix, "since": trouble.since});
        put("failure", with_retry(fields, trouble));
    }
    entry
}

/// The fields of a failure, with the time at which it is tried again.
fn with_retry(mut fields: Value, trouble: &Trouble) -> Value {
    if let (Some(at), Value::Object(fields)) = (trouble.retry_at, &mut fields) {
        fields.insert("retry_at".to_owned(), json!(at));
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::DocumentedRate;
    use crate::model::{AccountId, Region};

    fn call(region: &str, action: &'static str, last_minute: u64, throttled: u64) -> CallCount {
        CallCount {
            account: AccountId::new("123456789012"),
            region: Region::new(region),
            action,
            total: 100,
            throttled,
            failed: 0,
            last_minute,
            pace_per_second: 5.0,
            share_per_second: 5.0,
            documented_per_second: DocumentedRate { per_minute: 1_200 },
        }
    }

    #[test]
    fn calls_add_up_over_regions_and_stand_beside_the_limit_of_each() {
        let calls = [call("us-east-1", "ec2:DescribeVpcs", 3, 0), call("eu-west-1", "ec2:DescribeVpcs", 9, 2)];
        let expected = json!({
            "action": "ec2:DescribeVpcs",
            "last_minute": 12,
            "busiest_region": 9,
            "documented_per_minute": 1200,
            "total": 200,
            "throttled": 2,
        });
        assert_eq!(by_action(&calls), [expected]);
    }

    #[test]
    fn a_clock_that_is_more_than_five_seconds_off_is_shown_with_the_fix() {
        let shown = |offset| {
            let mut body = json!({});
            put_clock(&mut body, offset);
            body["clock"]["what"].as_str().map(str::to_owned)
        };
        assert_eq!((shown(0), shown(5000), shown(-5000)), (None, None, None));
        assert!(shown(61_500).unwrap().starts_with("this machine's clock is 61 s behind AWS's"));
        assert!(shown(-7000).unwrap().starts_with("this machine's clock is 7 s ahead of AWS's"));
    }
}
