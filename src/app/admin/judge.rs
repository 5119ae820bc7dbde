//! What the rules for writes say of a change that nobody has asked for yet.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::kinds::INSTANCE;
use crate::mcp::call_origin::CallOrigin;
use crate::mcp::error::RequestError;
use crate::mcp::policy::Writes;
use crate::mcp::tools::gate::WriteGate;
use crate::mcp::{Core, ListMode, ServerPolicy, tools};
use crate::policy::{RuleCheck, RuleOrigin, WritePolicy};

/// Judges what `tool` would do to an instance, by the copy. Without a `server` only the rules of the connection count.
///
/// # Errors
/// When there is no such tool or instance, or the store cannot be read.
pub(super) async fn judge(
    core: &Arc<Core>,
    server: Option<&ServerPolicy>,
    instance: &str,
    tool: &str,
    connection: Option<&WritePolicy>,
) -> Result<Value, RequestError> {
    let everything = || ServerPolicy { writes: WritePolicy::of(true), list: ListMode::Auto };
    let all = WritePolicy::of(true);
    let spec = tools::find_write(tool)?;
    let writes: Writes = match server {
        Some(server) => server.writes(connection.unwrap_or(&all)),
        None => everything().writes(connection.unwrap_or(&all)),
    };
    let found = core.find(INSTANCE, instance, None).await?;
    let gate = WriteGate { core: Arc::clone(core), writes, origin: CallOrigin::default(), spec, dry_run: true };
    let (id, document) = (found.id.clone(), found.current.document);
    let verdict = core.walk(move |core| gate.explain(core, &id, &document)).await?;
    let rules = verdict.checks.iter().filter(|check| match check.origin {
        RuleOrigin::Server => server.is_some(),
        RuleOrigin::Connection => connection.is_some(),
    });
    let rules: Vec<Value> = rules.map(rule).collect();
    Ok(json!({
        "instance_id": found.id.id,
        "account": found.id.account,
        "region": found.id.region,
        "tool": spec.name,
        "allowed": verdict.is_allowed(),
        "rules": rules,
        "as_of": found.as_of,
        "stale": found.stale.is_some(),
        "server": server.is_some(),
        "connection": connection.is_some(),
    }))
}

fn rule(check: &RuleCheck) -> Value {
    let mut shown = json!({
        "rule": check.rule.to_string(),
        "of": check.origin,
        "met": check.refusal.is_none(),
    });
    if let (Value::Object(shown), Some(refusal)) = (&mut shown, &check.refusal) {
        shown.insert("why".to_owned(), json!(refusal.to_string()));
    }
    shown
}
