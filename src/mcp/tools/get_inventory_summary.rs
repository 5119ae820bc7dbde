//! `get_inventory_summary`: how much there is, how fresh it is, and what is failing.

use rmcp::schemars::{self, JsonSchema};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeSet;

use super::answer::ToolResult;
use super::budget::BUDGET;
use super::schema::{self, ToolSchema};
use super::spec::{ToolCall, ToolEffect, ToolSpec};
use super::table::{self, AnswerText};
use super::tokens::tokens;
use crate::mcp::damage;
use crate::mcp::error::RequestError;
use crate::mcp::failed_scopes;
use crate::mcp::resources::outline;
use crate::mcp::resources::overview::overview;
use crate::mcp::unwatched;
use crate::mcp::uri::Address;

/// The tool.
pub static SPEC: ToolSpec = ToolSpec {
    name: "get_inventory_summary",
    title: "EC2 inventory summary",
    description: "Counts resources by kind, account, region and state, and says how fresh each count is, what AWS refuses \
                  and how to fix it, and whether this connection may change anything. Use it when something seems missing.",
    effect: ToolEffect::Read,
    input: ToolSchema::of_arguments::<Arguments>(),
    output: ToolSchema::written(output),
    example: "{}",
    call: |call, given| call.with(given, serve),
};

/// None.
#[derive(Debug, Deserialize, JsonSchema)]
struct Arguments {}

/// One kind in one account and region.
fn of_scope(counts: &Value) -> Value {
    schema::object(
        &["kind", "account", "region", "sweep", "count"],
        json!({
            "kind": schema::text("The kind of resource."),
            "account": schema::text("The AWS account."),
            "region": schema::text("The region."),
            "sweep": schema::text("Whether a first sweep is complete; until then counts are lower bounds."),
            "count": schema::count("How many there are."),
            "by_state": counts,
            "as_of": schema::text("When everything counted was last confirmed."),
            "missing_unproved": schema::count("How many of these the last complete sweep did not list; they may be gone."),
            "missing_since": schema::text("When the first of these was missing for the first time."),
            "current_interval_seconds": schema::count("The interval between sweeps now, if events report changes too."),
            "event_rules": {"type": "object", "description": "For each part (state, tags, rest), the event rule that reports \
                its changes, and until when it is proved to work."},
            "stale": {"type": "object", "description": "Why the copy is older than it should be."},
            "failure": {"type": "object", "description": "What AWS refuses, the fix, and when it is tried again."},
            "unreadable": {"type": "object", "description": "What AWS lists in a form that cannot be read, by id and field."},
            "left_out": {"type": "object", "description": "The request parameters that the endpoint does not know, and what \
            that means."},
        }),
    )
}

/// What the connection may change.
fn writes() -> Value {
    schema::object(
        &["allowed"],
        json!({
            "allowed": {"type": "boolean", "description": "Whether write tools exist on this connection."},
            "enable": schema::text("How a person enables them."),
            "rules": schema::list(
                schema::object(
                    &["rule", "of"],
                    json!({"rule": schema::text("The rule."), "of": schema::text("Whose it is: server or connection.")}),
                ),
                "What narrows what they may change.",
            ),
        }),
    )
}

/// What the last listing of an organization showed.
fn of_organization() -> Value {
    schema::object(
        &["listed", "found", "watched", "retired", "held"],
        json!({
            "listed": schema::text("When the accounts of the organization were listed last."),
            "found": schema::count("How many accounts the listing named."),
            "watched": schema::count("How many accounts of the organization are watched."),
            "retired": schema::count("How many were given up since they are not there any more."),
            "held": schema::count("How many the listing lacks that stay watched because too many are lacking."),
            "what": schema::text("Which are held; absent if none is."),
            "fix": schema::text("What to do about it."),
        }),
    )
}

fn output() -> Value {
    let counts = json!({"type": "object", "additionalProperties": {"type": "integer", "minimum": 0}});
    let trouble = schema::object(
        &["what", "fix"],
        json!({
            "what": schema::text("What is wrong."),
            "fix": schema::text("What to do about it."),
            "retry_at": schema::text("When it is tried again."),
        }),
    );
    let calls = schema::object(
        &["action", "last_minute", "busiest_region", "documented_per_minute", "total"],
        json!({
            "action": schema::text("The call."),
            "last_minute": schema::count("How many in the last 60 seconds."),
            "busiest_region": schema::count("How many of these in the busiest region."),
            "documented_per_minute": schema::count("AWS's documented limit for one account and region."),
            "total": schema::count("How many since this server started."),
            "throttled": schema::count("How many of these AWS throttled."),
            "failed": schema::count("How many of these failed for another reason."),
        }),
    );
    let scope = of_scope(&counts);
    let events = schema::object(
        &["account", "region", "proved"],
        json!({
            "account": schema::text("The AWS account."),
            "region": schema::text("The region."),
            "proved": {"type": "boolean", "description": "Whether canaries prove that EventBridge's events arrive."},
            "why": schema::text("Why they do not, and what to do about it."),
            "seconds_since_canary": schema::count("Seconds since the last canary came back, for the rule that has waited \
            longest."),
        }),
    );
    let mut properties = json!({
        "totals": counts,
        "complete": {"type": "boolean", "description": "Whether everything was seen at least once."},
        "scopes": schema::list(scope, "One entry for each kind in each account and region."),
        "scopes_not_shown": schema::count("How many entries were left out because of the answer's size; \
        ec2://inventory/freshness has all."),
        "trouble": trouble,
        "clock": schema::object(
            &["aws_ahead_seconds", "what", "fix"],
            json!({
                "aws_ahead_seconds": {"type": "integer", "description": "AWS's clock minus this machine's."},
                "what": schema::text("How far the clocks differ."),
                "fix": schema::text("What to do about it."),
            }),
        ),
        "log": schema::object(
            &["dropped_lines", "what", "fix"],
            json!({
                "dropped_lines": schema::count("How many lines of the server's log are missing."),
                "what": schema::text("Why they are missing."),
                "fix": schema::text("What to do about it."),
            }),
        ),
        "audit": schema::object(
            &["file", "written_through", "required"],
            json!({
                "file": schema::text("The audit file, which each call of a tool that changes AWS is written to."),
                "written_through": schema::count("The last record of the log that it covers."),
                "required": {"type": "boolean", "description": "Whether such calls are refused while it is behind."},
                "what": schema::text("What is wrong with it; absent if nothing is."),
                "fix": schema::text("What to do about it."),
            }),
        ),
        "organization": of_organization(),
        "unwatched_events": of_unwatched_events(),
        "identity": schema::object(
            &["proved", "what", "fix", "since"],
            json!({
                "proved": {"type": "boolean", "description": "Whether STS proves whose the credentials are."},
                "what": schema::text("Why STS does not, with the account that Muster assumes."),
                "fix": schema::text("What to do about it."),
                "since": schema::text("When that began."),
            }),
        ),
        "credentials": schema::text("Where this server's AWS credentials come from."),
        "aws_calls": schema::list(calls, "Calls to AWS by action, all regions together; only for callers who see everything, \
        because there are more of them the more there is."),
        "events": schema::list(events, "One entry for each region from which events are received."),
        "writes": writes(),
        "watched_regions": schema::list(json!({"type": "string"}), "The regions that are swept."),
        "seq": schema::count("The newest record of the log at this read."),
        "now": schema::text("The time of this answer."),
    });
    if let Value::Object(properties) = &mut properties {
        let lists = outline::described().into_iter().chain(failed_scopes::described()).chain(unwatched::described());
        properties.extend(lists.map(|(name, schema)| (name.to_owned(), schema)));
        properties.insert("incomplete".to_owned(), schema::incomplete());
        properties.insert("stale".to_owned(), schema::stale());
        properties.insert("events_not_shown".to_owned(), schema::count("How many more regions there are."));
    }
    damage::describe(&mut properties);
    schema::object(
        &["totals", "complete", "scopes", "writes", "seq", "now", "credentials", "watched_regions"],
        properties,
    )
}

fn of_unwatched_events() -> Value {
    schema::object(
        &["count", "what", "fix"],
        json!({
            "count": schema::count("Events about nothing that is watched."),
            "what": schema::text("What became of them."),
            "fix": schema::text("What to do about it."),
        }),
    )
}

async fn serve(call: ToolCall, _: Arguments) -> Result<ToolResult, RequestError> {
    let uri = Address::Summary.to_string();
    let mut structured = overview(&call.core, &uri, &call.writes).await?;
    fit(&mut structured);
    Ok(ToolResult { text: text(&structured), structured, failure: None, input: None })
}

/// Leaves out the least important scopes until the answer fits: first empty ones without problems, then fresh ones, then stale
/// ones, and last those that fail.
fn fit(body: &mut Value) {
    let Value::Object(fields) = body else { return };
    let Some(Value::Array(mut scopes)) = fields.remove("scopes") else { return };
    let all = scopes.len();
    let rest = fields.values().map(|value| tokens(&value.to_string()) + 15).sum::<usize>();
    let mut left = BUDGET.saturating_sub(rest);
    let mut order: Vec<(u8, usize)> =
        scopes.iter().enumerate().map(|(place, scope)| (dispensable(scope), place)).collect();
    order.sort_unstable();
    let kept = order.into_iter().filter_map(|(_, place)| {
        let size = tokens(&scopes.get(place)?.to_string()) + 20;
        let fits = size <= left;
        left = if fits { left - size } else { 0 };
        fits.then_some(place)
    });
    let kept: BTreeSet<usize> = kept.collect();
    let mut place = 0..;
    scopes.retain(|_| place.next().is_some_and(|place| kept.contains(&place)));
    if scopes.len() < all {
        fields.insert("scopes_not_shown".to_owned(), json!(all - scopes.len()));
    }
    fields.insert("scopes".to_owned(), Value::Array(scopes));
}

/// How dispensable an entry is, from 0.
fn dispensable(scope: &Value) -> u8 {
    match () {
        () if scope.get("failure").is_some() || scope.get("unreadable").is_some() => 0,
        () if scope.get("stale").is_some() => 1,
        () if scope.get("count") != Some(&json!(0)) => 2,
        () => 3,
    }
}

/// A field as text; empty if it is absent.
fn get(value: &Value, name: &str) -> String {
    match value.get(name) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Null) | None => String::new(),
        Some(other) => other.to_string(),
    }
}

/// Adds what the last listing of an organization showed, if there was one.
fn say_organization(body: &Value, out: &mut AnswerText) {
    if let Some(organization) = body.get("organization") {
        let [found, watched, retired] = ["found", "watched", "retired"].map(|name| get(organization, name));
        out.add(format_args!("Organization: {found} accounts found, {watched} watched, {retired} retired\n"));
        if organization.get("what").is_some() {
            out.add(format_args!("Held: {}. {}\n", get(organization, "what"), get(organization, "fix")));
        }
    }
}

/// Adds the stored records that cannot be read, if there are any.
fn say_damage(body: &Value, out: &mut AnswerText) {
    for damaged in body.get("damaged").and_then(Value::as_array).into_iter().flatten() {
        let [table, key, kind, id, why] = ["table", "key", "kind", "id", "why"].map(|name| get(damaged, name));
        let what = if id.is_empty() { key } else { format!("{kind} {id}") };
        out.add(format_args!(
            "Damaged: the record of {what} in table {table} cannot be read ({why}); counts may lack it\n"
        ));
    }
    if let Some(fix) = body.get("damaged_fix") {
        let more =
            body.get("damaged_not_shown").map_or_else(String::new, |more| format!("{more} more records are damaged. "));
        out.add(format_args!("{more}{}\n", fix.as_str().unwrap_or_default()));
    }
}

/// Adds what stands in the place of scopes where they are many.
fn say_outline(body: &Value, out: &mut AnswerText) {
    let entries = |name: &str| body.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let coverage = body.get("coverage").unwrap_or(&Value::Null);
    let [all, pending, failed] = ["all", "pending", "failed"].map(|name| get(coverage, name));
    out.add(format_args!(
        "{all} accounts and regions, {pending} of them not swept yet, {failed} could not be looked at\n"
    ));
    for (name, names) in [
        ("kinds", ["kind", "count", "by_state", "pending", "failed", "stale", "as_of"].as_slice()),
        ("accounts", ["account", "name", "ou", "regions", "count", "pending", "failed", "stale", "as_of"].as_slice()),
    ] {
        out.add(format_args!("{}\n", names.join(" | ").replace('_', " ")));
        for entry in entries(name) {
            let cells: Vec<String> = names.iter().map(|name| get(entry, name).replace(['{', '}', '"'], "")).collect();
            out.add(table::line(cells.iter().map(String::as_str)));
            out.add("\n");
        }
    }
    let more = get(body, "accounts_not_shown");
    if !more.is_empty() {
        out.add(format_args!("{more} more accounts are not shown\n"));
    }
    for failed in entries("failed") {
        let [scopes, cause, what, fix] = ["scopes", "cause", "what", "fix"].map(|name| get(failed, name));
        let why = if what.is_empty() { cause } else { format!("{what}. {fix}") };
        out.add(format_args!("Not looked at: {scopes} accounts and regions: {why}\n"));
    }
    for stale in entries("stale") {
        let [scopes, kind, why] = ["scopes", "kind", "why"].map(|name| get(stale, name));
        let count = if scopes.is_empty() { kind } else { scopes };
        out.add(format_args!("Stale: {count}: {why}\n"));
    }
    out.add(format_args!("Each is listed by {}\n", get(body, "listed_by")));
}

fn text(body: &Value) -> String {
    let retry = |failure: &Value| match get(failure, "retry_at") {
        at if at.is_empty() => String::new(),
        at => format!(" Next try at {at}."),
    };
    let mut out = AnswerText::new(format!("EC2 inventory at {}, seq {}\n", get(body, "now"), get(body, "seq")));
    if let Some(trouble) = body.get("trouble") {
        out.add(format_args!("Trouble: {}. {}{}\n", get(trouble, "what"), get(trouble, "fix"), retry(trouble)));
    }
    if let Some(clock) = body.get("clock") {
        out.add(format_args!("Clock: {}. {}\n", get(clock, "what"), get(clock, "fix")));
    }
    out.add(format_args!("Credentials: {}\n", get(body, "credentials")));
    for (title, name) in
        [("Log", "log"), ("Identity", "identity"), ("Events", "unwatched_events"), ("Kinds", "unwatched_kinds")]
    {
        if let Some(of) = body.get(name) {
            out.add(format_args!("{title}: {}. {}\n", get(of, "what"), get(of, "fix")));
        }
    }
    say_organization(body, &mut out);
    say_damage(body, &mut out);
    unwatched::say_fields(body, &mut out);
    let scopes = body.get("scopes").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if body.get("accounts").is_some() {
        say_outline(body, &mut out);
    } else if scopes.is_empty() {
        out.add(format_args!("Nothing swept yet in {}\n", get(body, "watched_regions")));
    } else {
        out.add("kind | account | region | count | by state | as of | sweep\n");
    }
    for scope in scopes {
        let names = ["kind", "account", "region", "count", "by_state", "as_of", "sweep"];
        let cells = names.map(|name| get(scope, name).replace(['{', '}', '"'], ""));
        out.add(table::line(cells.iter().map(String::as_str)));
        out.add("\n");
        if let Some(missing) = scope.get("missing_unproved") {
            let since = match get(scope, "missing_since") {
                since if since.is_empty() => since,
                since => format!(", the first since {since}"),
            };
            out.add(format_args!(
                "  {missing} of them were missing from the last complete sweep{since} and may be gone\n"
            ));
        }
        for name in ["unreadable", "left_out"] {
            if let Some(what) = scope.get(name).map(|of| get(of, "what")) {
                out.add(format_args!("  {}: {what}\n", name.replace('_', " ")));
            }
        }
        match (scope.get("failure"), scope.get("stale")) {
            // What fails is why it is stale.
            (Some(failure), _) => {
                out.add(format_args!(
                    "  failing: {}. {}{}\n",
                    get(failure, "what"),
                    get(failure, "fix"),
                    retry(failure)
                ));
            }
            (None, Some(stale)) => out.add(format_args!("  stale: {}\n", get(stale, "why"))),
            (None, None) => {}
        }
    }
    if let Some(left) = body.get("scopes_not_shown") {
        out.add(format_args!(
            "{left} more are not shown because of the answer's size: read ec2://inventory/freshness\n"
        ));
    }
    for path in body.get("events").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default() {
        let [account, region, why, silence] =
            ["account", "region", "why", "seconds_since_canary"].map(|name| get(path, name));
        let said =
            if why.is_empty() { format!("proved by canary {silence} s ago") } else { format!("not proved: {why}") };
        out.add(format_args!("Events of {account}/{region}: {said}\n"));
    }
    let calls = body.get("aws_calls").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if !calls.is_empty() {
        out.add("AWS calls in the last minute (busiest region, against AWS's documented limit):");
        for call in calls {
            let names = ["action", "last_minute", "busiest_region", "documented_per_minute"];
            let [action, count, busiest, limit] = names.map(|name| get(call, name));
            out.add(format_args!(" {action} {count} ({busiest} of {limit}"));
            if let Some(throttled) = call.get("throttled") {
                out.add(format_args!(", {throttled} throttled so far"));
            }
            out.add(");");
        }
        out.add("\n");
    }
    match body.get("writes").map(|writes| get(writes, "enable")) {
        Some(enable) if !enable.is_empty() => out.add(format_args!("Writes are off: {enable}.")),
        _ => out.add("Writes are on."),
    }
    let rules = body.get("writes").and_then(|writes| writes.get("rules")).and_then(Value::as_array);
    if let Some(rules) = rules {
        let rules: Vec<String> =
            rules.iter().map(|rule| format!("{} ({})", get(rule, "rule"), get(rule, "of"))).collect();
        out.add(format_args!(" Rules that narrow them: {}.", rules.join("; ")));
    }
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn when_scopes_are_too_many_those_that_fail_stay() {
        let scope = |n: usize| {
            let mut scope =
                json!({"kind": "volume", "region": format!("region-{n}"), "count": n % 2, "as_of": "x".repeat(200)});
            if n % 100 == 99 {
                scope["failure"] = json!({"what": "denied", "fix": "allow it"});
            }
            scope
        };
        let mut body = json!({"totals": {}, "scopes": (0..400).map(scope).collect::<Vec<_>>()});
        fit(&mut body);
        let scopes = body["scopes"].as_array().unwrap();
        assert!(tokens(&body.to_string()) <= BUDGET, "{}", tokens(&body.to_string()));
        assert_eq!(scopes.iter().filter(|scope| scope.get("failure").is_some()).count(), 4);
        assert!(scopes.iter().all(|scope| scope["count"] == json!(1)), "empty ones go first");
        assert_eq!(body["scopes_not_shown"].as_u64().unwrap() + scopes.len() as u64, 400);
        assert!(scopes.len() > 50, "{}", scopes.len());
    }
}
