//! Checks how fresh the running server's copy is, as `ec2://inventory/freshness` says.

use std::collections::BTreeMap;

use serde_json::Value;

use super::finding::{Check, Finding};
use crate::model::Region;

pub(crate) static CHECK: Check =
    Check { name: "freshness", title: "The running server's sweeps work, and nothing it serves is stale" };

/// Makes a finding for each region.
pub(crate) fn judge(freshness: &Value) -> Vec<Finding> {
    let text = |of: &Value, name: &str| of.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut findings = Vec::new();
    if let Some(trouble) = freshness.get("trouble").filter(|trouble| trouble.is_object()) {
        findings.push(CHECK.failed("server", text(trouble, "what"), next_step(trouble)));
    }
    let mut regions: BTreeMap<String, Vec<&Value>> = BTreeMap::new();
    let is_watched = |scope: &&Value| {
        let why = scope.pointer("/stale/why").and_then(Value::as_str).unwrap_or_default();
        !why.starts_with("no longer watched")
    };
    for scope in freshness.get("scopes").and_then(Value::as_array).into_iter().flatten().filter(is_watched) {
        regions.entry(text(scope, "region")).or_default().push(scope);
    }
    let is_outlined = freshness.get("accounts").is_some();
    if is_outlined {
        findings.extend(outlined(freshness));
    }
    if regions.is_empty() && findings.is_empty() {
        findings.push(CHECK.warning(
            "server",
            "nothing was swept yet",
            "Wait for the first sweep, and run doctor again.",
        ));
    }
    if let Some(kinds) = freshness.get("unwatched_kinds").filter(|kinds| kinds.is_object()) {
        findings.push(CHECK.ok("kinds", text(kinds, "what")));
    }
    if let Some(log) = freshness.get("log").filter(|log| log.is_object()) {
        findings.push(CHECK.warning("the server's log", text(log, "what"), text(log, "fix")));
    }
    if let Some(audit) = freshness.get("audit").filter(|audit| audit.is_object()) {
        findings.push(match audit.get("what") {
            Some(_) => CHECK.failed("the audit file", text(audit, "what"), text(audit, "fix")),
            None => CHECK.ok("the audit file", format!("{} is up to date", text(audit, "file"))),
        });
    }
    let damaged = freshness.get("damaged").and_then(Value::as_array).map_or(0, Vec::len);
    if damaged > 0 {
        let fact = format!("at least {damaged} stored records cannot be read, and answers lack what only they hold");
        findings.push(CHECK.failed("the server's store", fact, text(freshness, "damaged_fix")));
    }
    for (region, scopes) in regions {
        let of = |name: &str| -> Vec<&&Value> { scopes.iter().filter(|scope| scope.get(name).is_some()).collect() };
        let kinds = |scopes: &[&&Value]| scopes.iter().map(|scope| text(scope, "kind")).collect::<Vec<_>>().join(", ");
        let (failing, stale) = (of("failure"), of("stale"));
        let (unreadable, left_out) = (of("unreadable"), of("left_out"));
        let finding = if let Some(failure) = failing.first().and_then(|scope| scope.get("failure")) {
            CHECK.failed(format!("sweeps of {}", kinds(&failing)), text(failure, "what"), next_step(failure))
        } else if let Some(first) = stale.first().and_then(|scope| scope.get("stale")) {
            let fix = "Wait for the next sweep. If it is still stale then, look at the server's log.";
            CHECK.warning(kinds(&stale), format!("stale: {}", text(first, "why")), fix)
        } else if let Some(first) = unreadable.first().and_then(|scope| scope.get("unreadable")) {
            let fix = "Report this to Muster's developers; meanwhile look at these resources in the AWS console.";
            CHECK.warning(kinds(&unreadable), text(first, "what"), fix)
        } else if let Some(first) = left_out.first().and_then(|scope| scope.get("left_out")) {
            let fix =
                "Nothing to do if the endpoint is an emulator; otherwise use an endpoint that knows the parameter.";
            CHECK.warning(kinds(&left_out), text(first, "what"), fix)
        } else {
            CHECK.ok("sweeps", format!("{} kinds are fresh", scopes.len()))
        };
        findings.push(finding.within(&Region::new(region)));
    }
    findings
}

/// Makes a finding for each cause where accounts and regions are many.
fn outlined(freshness: &Value) -> Vec<Finding> {
    let list = |name: &str| freshness.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let text = |of: &Value, name: &str| of.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let count = |of: &Value| of.get("scopes").and_then(Value::as_u64).unwrap_or(1);
    let mut findings = Vec::new();
    for failed in list("failed") {
        let what = if failed.get("what").is_some() { text(failed, "what") } else { text(failed, "cause") };
        findings.push(CHECK.failed(
            format!("sweeps of {} accounts and regions", count(failed)),
            what,
            text(failed, "fix"),
        ));
    }
    for stale in list("stale") {
        let fix = "Wait for the next sweep. If it is still stale then, look at the server's log.";
        let object = format!("{} accounts and regions", count(stale));
        findings.push(CHECK.warning(object, format!("stale: {}", text(stale, "why")), fix));
    }
    if findings.is_empty() {
        let all = freshness.get("coverage").and_then(|coverage| coverage.get("all")).and_then(Value::as_u64);
        findings.push(CHECK.ok("sweeps", format!("{} accounts and regions are fresh", all.unwrap_or_default())));
    }
    findings
}

/// Says what to do about a failure, and when the server tries again.
fn next_step(failure: &Value) -> String {
    let text = |name: &str| failure.get(name).and_then(Value::as_str);
    let fix = text("fix").unwrap_or_default();
    text("retry_at").map_or_else(|| fix.to_owned(), |at| format!("{fix} Next try at {at}."))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::finding::Verdict;
    use super::*;

    #[test]
    fn a_failing_sweep_fails_a_stale_one_warns_and_no_sweep_is_said() {
        let scope = |region: &str, more: Value| {
            let mut scope = json!({"kind": "vpc", "region": region});
            scope.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            scope
        };
        let judged = judge(&json!({"trouble": null, "scopes": [
            scope("a", json!({})),
            scope("b", json!({"stale": {"why": "old"}})),
            scope("c", json!({"stale": {"why": "old"}, "failure": {"what": "denied", "fix": "allow it"}})),
        ]}));
        let verdicts: Vec<Verdict> = judged.iter().map(|finding| finding.verdict).collect();
        assert_eq!(verdicts, [Verdict::Ok, Verdict::Warning, Verdict::Failed]);
        assert_eq!(judged[2].fix.as_deref(), Some("allow it"));
        let judged = judge(&json!({"trouble": null, "scopes": [
            scope("a", json!({"unreadable": {"count": 1, "what": "1 instance cannot be read"}})),
            scope("b", json!({"left_out": {"names": ["X"], "what": "asked without X"}})),
            scope("c", json!({"failure": {"what": "denied", "fix": "Allow it.", "retry_at": "2026-11-29T00:00:00Z"}})),
        ]}));
        let said: Vec<&str> = judged.iter().map(|finding| &*finding.fact).collect();
        assert_eq!(said, ["1 instance cannot be read", "asked without X", "denied"]);
        assert_eq!(judged[2].fix.as_deref(), Some("Allow it. Next try at 2026-11-29T00:00:00Z."));
        assert_eq!(judge(&json!({"scopes": []}))[0].verdict, Verdict::Warning);
        let failed = json!([{"cause": "UnauthorizedOperation", "scopes": 850, "what": "denied", "fix": "allow"}]);
        let many = json!({"scopes": [], "accounts": [{}], "coverage": {"all": 8500}, "failed": failed});
        let judged = judge(&many);
        assert_eq!((judged.len(), judged[0].verdict), (1, Verdict::Failed));
        let fine = judge(&json!({"scopes": [], "accounts": [{}], "coverage": {"all": 8500}}));
        assert_eq!(fine[0].verdict, Verdict::Ok);
        let log = json!({"log": {"what": "7 lines", "fix": "read"}, "scopes": [scope("a", json!({}))]});
        let found: Vec<_> = judge(&log).into_iter().map(|finding| (finding.verdict, finding.fact)).collect();
        assert_eq!(found, [(Verdict::Warning, "7 lines".to_owned()), (Verdict::Ok, "1 kinds are fresh".to_owned())]);
        let damaged =
            json!({"damaged": [{"table": "rows"}], "damaged_fix": "repair", "scopes": [scope("a", json!({}))]});
        let found: Vec<_> = judge(&damaged).into_iter().map(|finding| (finding.verdict, finding.fix)).collect();
        assert_eq!(found, [(Verdict::Failed, Some("repair".to_owned())), (Verdict::Ok, None)]);
        let trouble = json!({"trouble": {"what": "disk full", "fix": "free some"}, "scopes": []});
        assert_eq!(judge(&trouble)[0].verdict, Verdict::Failed);
    }
}
