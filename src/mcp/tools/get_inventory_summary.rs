//! `get_inventory_summary`: how much there is, how fresh it is, what is failing.

use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::{Value, json};

use super::answer::Answer;
use super::table::{self, Text};
use super::{BUDGET, Call, Effect, ToolSpec, schema};
use crate::mcp::error::Fault;
use crate::mcp::resources::overview::overview;
use crate::mcp::uri::Address;

/// The tool.
pub static SPEC: ToolSpec = ToolSpec {
    name: "get_inventory_summary",
    title: "EC2 inventory summary",
    description: "Counts resources by kind, account, region and state, and says how fresh each count is, what AWS refuses \
                  and how to fix it, and whether this connection may change anything. Use it for an overview or when \
                  something seems missing; use search_inventory to find resources. Makes no AWS call.",
    effect: Effect::Read,
    input,
    output,
    example: "{}",
    call,
};

fn input() -> Value {
    schema::optional(json!({}))
}

fn output() -> Value {
    let counts = json!({"type": "object", "additionalProperties": {"type": "integer", "minimum": 0}});
    let trouble = schema::object(
        &["what", "fix"],
        json!({"what": schema::text("What is wrong."), "fix": schema::text("What to do about it.")}),
    );
    let scope = schema::object(
        &["kind", "account", "region", "sweep", "count"],
        json!({
            "kind": schema::text("The kind of resource."),
            "account": schema::text("The AWS account."),
            "region": schema::text("The region."),
            "sweep": schema::text("Whether a first sweep is complete; until then counts are lower bounds."),
            "count": schema::count("How many there are."),
            "by_state": counts.clone(),
            "as_of": schema::text("Everything counted was known to be so at this time."),
            "missing_unproved": schema::count("Counted, though the last complete sweep lacked them: perhaps gone."),
            "stale": {"type": "object", "description": "Why the copy is older than it should be."},
            "failure": {"type": "object", "description": "What AWS refuses, and the fix."},
        }),
    );
    schema::object(
        &["totals", "complete", "scopes", "writes", "seq", "now", "watched_regions"],
        json!({
            "totals": counts,
            "complete": {"type": "boolean", "description": "Whether everything was seen at least once."},
            "scopes": schema::list(scope, "One entry for each kind in each account and region."),
            "scopes_not_shown": schema::count("Entries left out for the size of the answer; freshness has all."),
            "trouble": trouble,
            "writes": schema::object(
                &["allowed"],
                json!({
                    "allowed": {"type": "boolean", "description": "Whether write tools exist on this connection."},
                    "enable": schema::text("How a person enables them."),
                }),
            ),
            "watched_regions": schema::list(json!({"type": "string"}), "The regions that are swept."),
            "seq": schema::count("The log's end at this read."),
            "now": schema::text("The time of this answer."),
        }),
    )
}

fn call(call: Call) -> BoxFuture<'static, Result<Answer, Fault>> {
    async move {
        let Call { core, writes, .. } = call;
        let uri = Address::Summary.to_string();
        let mut structured = overview(&core, &uri, writes).await?;
        fit(&mut structured);
        Ok(Answer { text: text(&structured), structured, failed: false })
    }
    .boxed()
}

/// Leaves out what matters least until the answer fits: first scopes that hold nothing and lack nothing.
fn fit(body: &mut Value) {
    let Value::Object(fields) = body else { return };
    let Some(Value::Array(mut scopes)) = fields.remove("scopes") else { return };
    let all = scopes.len();
    let size = |scopes: &[Value]| scopes.iter().map(|scope| scope.to_string().len() + 60).sum::<usize>() + 3000;
    if size(&scopes) > BUDGET {
        scopes.retain(|scope| {
            scope.get("count") != Some(&json!(0)) || scope.get("failure").is_some() || scope.get("stale").is_some()
        });
    }
    while size(&scopes) > BUDGET {
        scopes.pop();
    }
    if scopes.len() < all {
        fields.insert("scopes_not_shown".to_owned(), json!(all - scopes.len()));
    }
    fields.insert("scopes".to_owned(), Value::Array(scopes));
}

fn text(body: &Value) -> String {
    let get = |value: &Value, name: &str| match value.get(name) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Null) | None => String::new(),
        Some(other) => other.to_string(),
    };
    let mut out = Text::new(format!("EC2 inventory at {}, seq {}\n", get(body, "now"), get(body, "seq")));
    if let Some(trouble) = body.get("trouble") {
        out.add(format_args!("Trouble: {}. {}\n", get(trouble, "what"), get(trouble, "fix")));
    }
    let scopes = body.get("scopes").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if scopes.is_empty() {
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
            out.add(format_args!("  {missing} of them lacked by the last complete sweep: perhaps gone\n"));
        }
        if let Some(stale) = scope.get("stale") {
            out.add(format_args!("  stale: {}\n", get(stale, "why")));
        }
        if let Some(failure) = scope.get("failure") {
            out.add(format_args!("  failing: {}. {}\n", get(failure, "what"), get(failure, "fix")));
        }
    }
    if let Some(left) = body.get("scopes_not_shown") {
        out.add(format_args!("{left} more not shown for size: read ec2://inventory/freshness\n"));
    }
    match body.get("writes").map(|writes| get(writes, "enable")) {
        Some(enable) if !enable.is_empty() => out.add(format_args!("Writes are off: {enable}.")),
        _ => out.add("Writes are on."),
    }
    out.into()
}
