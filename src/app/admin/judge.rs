//! What the rules for writes say of a change that nobody has asked for yet.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::kinds::INSTANCE;
use crate::mcp::call_origin::CallOrigin;
use crate::mcp::error::RequestError;
use crate::mcp::policy::Writes;
use crate::mcp::tools::gate::WriteGate;
use crate::mcp::{Core, ListMode, ServerPolicy, tools};
use crate::model::{Principal, ScopeFilter};
use crate::policy::confirmation::is_needed;
use crate::policy::{RuleCheck, RuleOrigin, WritePolicy, WriteRule};

/// The change that is judged.
pub(super) struct JudgedChange<'a> {
    /// The instance.
    pub(super) instance: &'a str,
    /// The tool that would change it.
    pub(super) tool: &'a str,
    /// The rules of the connection that would ask for it.
    pub(super) connection: Option<&'a WritePolicy>,
    /// Whose changes caps count; everybody's where that is `None`.
    pub(super) by: Option<Principal>,
}

/// Judges what a tool would do to an instance, by the copy. Without a `server` only the rules of the connection count.
///
/// # Errors
/// When there is no such tool or instance, or the store cannot be read.
pub(super) async fn judge(
    core: &Arc<Core>,
    server: Option<&ServerPolicy>,
    JudgedChange { instance, tool, connection, by }: JudgedChange<'_>,
) -> Result<Value, RequestError> {
    let everything = || ServerPolicy { writes: WritePolicy::of(true), list: ListMode::Auto };
    let all = WritePolicy::of(true);
    let spec = tools::find_write(tool)?;
    let writes: Writes = match server {
        Some(server) => server.writes(connection.unwrap_or(&all)),
        None => everything().writes(connection.unwrap_or(&all)),
    };
    let found = core.find(INSTANCE, instance, &ScopeFilter::Everywhere).await?;
    let (has_caps, has_human) =
        (writes.in_force().has_caps(), writes.in_force().origin_of(&WriteRule::Human).is_some());
    let origin = CallOrigin { by: by.clone(), ..CallOrigin::default() };
    let gate = WriteGate { core: Arc::clone(core), writes, origin, spec, dry_run: true };
    let (id, document) = (found.id.clone(), found.current.document);
    let verdict = core.walk(move |core| gate.explain(core, &id, &document)).await?;
    let rules = verdict.checks.iter().filter(|check| match check.origin {
        RuleOrigin::Server => server.is_some(),
        RuleOrigin::Connection => connection.is_some(),
    });
    let rules: Vec<Value> = rules.map(rule).collect();
    let mut judged = json!({
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
    });
    let counted =
        json!({"user": by.as_ref().map(|by| &by.user), "client": by.as_ref().and_then(|by| by.client.as_ref())});
    let caps = has_caps.then(|| ("caps_count".to_owned(), counted));
    let person = has_human.then(|| ("person_confirms".to_owned(), json!(is_needed(spec.risk(), 1))));
    if let Value::Object(fields) = &mut judged {
        fields.extend(caps.into_iter().chain(person));
    }
    Ok(judged)
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
