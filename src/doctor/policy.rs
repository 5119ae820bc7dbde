//! Whether the queue's policy lets EventBridge in for our rules, and nobody else.
//!
//! Read as far as it matters here: who may send (`sqs:SendMessage`) under which `aws:SourceArn`. Other conditions narrow a
//! statement further, and are taken for granted.

use std::collections::BTreeSet;

use serde_json::Value;

use super::finding::{Check, Finding};

pub(crate) static CHECK: Check =
    Check { name: "queue-policy", title: "The queue's policy lets exactly our rules send to it" };

/// Who sends.
const SERVICE: &str = "events.amazonaws.com";

/// What a policy says of sending.
#[derive(Debug, Default, PartialEq, Eq)]
struct Sending {
    /// The rules that EventBridge may send for.
    arns: BTreeSet<String>,
    /// Others that may send, in words.
    others: Vec<String>,
    /// Whether something is denied.
    denies: bool,
}

/// `wanted` are the ARNs of our rules, `fix` is what mends it; `policy` is the attribute's text, empty when there is none.
pub(crate) fn judge(queue: &str, fix: &str, wanted: &[String], policy: &str) -> Finding {
    let sending = match serde_json::from_str::<Value>(policy) {
        Ok(policy) => read(&policy),
        Err(_) if policy.is_empty() => return CHECK.failed(queue, "it has none: EventBridge cannot send to it", fix),
        Err(error) => return CHECK.failed(queue, format!("it is no JSON: {error}"), fix),
    };
    let missing: Vec<&str> =
        wanted.iter().map(String::as_str).filter(|arn| !sending.arns.iter().any(|known| admits(known, arn))).collect();
    if !missing.is_empty() {
        return CHECK.failed(queue, format!("it does not let in {}", missing.join(", ")), fix);
    }
    if sending.denies {
        let fact = "it lets our rules in, and denies sending to somebody: EventBridge may be among them";
        return CHECK.warning(queue, fact, fix);
    }
    let strange = sending.arns.iter().filter(|arn| !wanted.contains(arn)).cloned().chain(sending.others);
    let strange: Vec<String> = strange.collect();
    if !strange.is_empty() {
        return CHECK.warning(queue, format!("it lets others in as well: {}", strange.join("; ")), fix);
    }
    CHECK.ok(queue, format!("lets {} rules in, and nobody else", wanted.len()))
}

/// Whether an ARN of a condition, in which `*` and `?` may stand, means this one.
fn admits(condition: &str, arn: &str) -> bool {
    wildmatch::WildMatch::new(condition).matches(arn)
}

fn read(policy: &Value) -> Sending {
    let mut sending = Sending::default();
    for statement in list(policy.get("Statement")) {
        let actions = list(statement.get("Action"));
        if !actions.iter().filter_map(|action| action.as_str()).any(sends) {
            continue;
        }
        if statement.get("Effect").and_then(Value::as_str) == Some("Deny") {
            sending.denies = true;
            continue;
        }
        let principal = statement.get("Principal").unwrap_or(&Value::Null);
        let services = list(principal.get("Service"));
        let arns = source_arns(statement.get("Condition"));
        if !services.iter().any(|service| *service == SERVICE) {
            sending.others.push(format!("Principal {principal}"));
            // Only anybody includes EventBridge.
            if *principal != "*" {
                continue;
            }
        }
        if arns.is_empty() {
            sending.arns.insert("*".to_owned());
        }
        sending.arns.extend(arns);
    }
    sending
}

fn sends(action: &str) -> bool {
    matches!(action.to_ascii_lowercase().as_str(), "sqs:sendmessage" | "sqs:*" | "*" | "sqs:send*")
}

/// The ARNs that a condition asks `aws:SourceArn` to be one of.
fn source_arns(condition: Option<&Value>) -> Vec<String> {
    let operators = condition.and_then(Value::as_object).into_iter().flatten();
    let of_arns = operators
        .filter(|(operator, _)| ["ArnEquals", "ArnLike", "StringEquals", "StringLike"].contains(&operator.as_str()));
    let keys = of_arns.flat_map(|(_, keys)| keys.as_object().into_iter().flatten());
    let ours = keys.filter(|(key, _)| key.eq_ignore_ascii_case("aws:SourceArn"));
    ours.flat_map(|(_, values)| list(Some(values))).filter_map(|arn| arn.as_str().map(str::to_owned)).collect()
}

/// A value that may stand alone or in a list.
fn list(value: Option<&Value>) -> Vec<&Value> {
    match value {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(values)) => values.iter().collect(),
        Some(value) => vec![value],
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::finding::Verdict;
    use super::*;

    fn statement(arns: &Value) -> Value {
        json!({
            "Effect": "Allow",
            "Principal": {"Service": "events.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Condition": {"ArnEquals": {"aws:SourceArn": arns}},
        })
    }

    fn judged(statements: &[Value]) -> Finding {
        let wanted = ["arn:a".to_owned(), "arn:b".to_owned()];
        judge("q", "mend it", &wanted, &json!({"Statement": statements}).to_string())
    }

    #[test]
    fn our_rules_and_nobody_else_may_send() {
        assert_eq!(judged(&[statement(&json!(["arn:a", "arn:b"]))]).verdict, Verdict::Ok);
        // One statement a rule means the same.
        assert_eq!(judged(&[statement(&json!("arn:a")), statement(&json!("arn:b"))]).verdict, Verdict::Ok);
        let missing = judged(&[statement(&json!(["arn:a", "arn:c"]))]);
        assert!(missing.verdict == Verdict::Failed && missing.fact.contains("not let in arn:b"), "{missing:?}");
        assert_eq!(judge("q", "mend it", &[], "").verdict, Verdict::Failed);
        assert_eq!(judge("q", "mend it", &[], "{").verdict, Verdict::Failed);
    }

    #[test]
    fn whoever_else_may_send_is_told() {
        let ours = statement(&json!(["arn:a", "arn:b"]));
        let another = judged(&[ours.clone(), statement(&json!("arn:c"))]);
        assert!(another.verdict == Verdict::Warning && another.fact.contains("arn:c"), "{another:?}");
        let mut anybody = ours.clone();
        anybody["Principal"] = json!("*");
        assert_eq!(judged(&[ours.clone(), anybody]).verdict, Verdict::Warning);
        let mut somebody = ours.clone();
        somebody["Principal"] = json!({"AWS": "arn:aws:iam::1:root"});
        assert_eq!(judged(&[somebody]).verdict, Verdict::Failed, "EventBridge is not among them");
        let mut any_rule = ours.clone();
        any_rule.as_object_mut().unwrap().remove("Condition");
        assert_eq!(judged(&[any_rule]).verdict, Verdict::Warning);
        let mut denied = ours.clone();
        denied["Effect"] = json!("Deny");
        assert_eq!(judged(&[ours, denied.clone()]).verdict, Verdict::Warning);
        assert_eq!(judged(&[denied]).verdict, Verdict::Failed);
    }
}
