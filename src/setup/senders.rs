//! Who may send to a queue by its policy.
//!
//! A policy is read as far as it matters here: who may send (`sqs:SendMessage`) under which `aws:SourceArn`. Other conditions
//! narrow a statement further, and are taken for granted.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::Value;

/// The service that sends.
const SERVICE: &str = "events.amazonaws.com";

/// In which way a queue's policy differs from the one that lets in exactly Muster's rules. Its text completes "the queue
/// muster-events: ".
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PolicyFault {
    /// The queue has no policy.
    Absent,
    /// The policy is not JSON.
    Unreadable,
    /// It does not let in these rules.
    Refuses(Vec<String>),
    /// It denies sending to somebody.
    Denies,
    /// It lets in these others as well, given in words.
    Admits(Vec<String>),
    /// It is another text with the same effect on sending.
    Reworded,
}

impl fmt::Display for PolicyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PolicyFault::Absent => f.write_str("it has no policy, so EventBridge cannot send to it"),
            PolicyFault::Unreadable => f.write_str("its policy is not JSON"),
            PolicyFault::Refuses(rules) => write!(f, "its policy does not let in {}", rules.join(", ")),
            PolicyFault::Denies => {
                f.write_str("its policy denies sending to somebody, and EventBridge may be among them")
            }
            PolicyFault::Admits(others) => write!(f, "its policy lets others in as well: {}", others.join("; ")),
            PolicyFault::Reworded => {
                f.write_str("its policy is not worded as Muster words it, but lets in Muster's rules and nobody else")
            }
        }
    }
}

/// What a policy says of sending.
#[derive(Debug, Default, PartialEq, Eq)]
struct Senders {
    /// The rules that EventBridge may send for.
    arns: BTreeSet<String>,
    /// Others that may send, in words.
    others: Vec<String>,
    /// Whether somebody is denied.
    denies: bool,
}

/// How a policy that is not the desired one differs from it. `rules` are the ARNs of Muster's rules; `policy` is the attribute's
/// text, empty when there is none.
pub(super) fn fault(policy: &str, rules: &[String]) -> PolicyFault {
    let senders = match serde_json::from_str::<Value>(policy) {
        Ok(policy) => read(&policy),
        Err(_) if policy.is_empty() => return PolicyFault::Absent,
        Err(_) => return PolicyFault::Unreadable,
    };
    let refused = rules.iter().filter(|arn| !senders.arns.iter().any(|known| admits(known, arn)));
    let refused: Vec<String> = refused.cloned().collect();
    if !refused.is_empty() {
        return PolicyFault::Refuses(refused);
    }
    if senders.denies {
        return PolicyFault::Denies;
    }
    let others = senders.arns.into_iter().filter(|arn| !rules.contains(arn)).chain(senders.others);
    let others: Vec<String> = others.collect();
    if others.is_empty() { PolicyFault::Reworded } else { PolicyFault::Admits(others) }
}

/// Whether an ARN of a condition, in which `*` and `?` may stand, means this one.
fn admits(condition: &str, arn: &str) -> bool {
    wildmatch::WildMatch::new(condition).matches(arn)
}

fn read(policy: &Value) -> Senders {
    let mut senders = Senders::default();
    for statement in list(policy.get("Statement")) {
        let actions = list(statement.get("Action"));
        if !actions.iter().filter_map(|action| action.as_str()).any(sends) {
            continue;
        }
        if statement.get("Effect").and_then(Value::as_str) == Some("Deny") {
            senders.denies = true;
            continue;
        }
        let principal = statement.get("Principal").unwrap_or(&Value::Null);
        let services = list(principal.get("Service"));
        let arns = source_arns(statement.get("Condition"));
        if !services.iter().any(|service| *service == SERVICE) {
            senders.others.push(format!("Principal {principal}"));
            // Only anybody includes EventBridge.
            if *principal != "*" {
                continue;
            }
        }
        if arns.is_empty() {
            senders.arns.insert("*".to_owned());
        }
        senders.arns.extend(arns);
    }
    senders
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

    use super::*;

    fn statement(arns: &Value) -> Value {
        json!({
            "Effect": "Allow",
            "Principal": {"Service": "events.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Condition": {"ArnEquals": {"aws:SourceArn": arns}},
        })
    }

    fn judged(statements: &[Value]) -> PolicyFault {
        let rules = ["arn:a".to_owned(), "arn:b".to_owned()];
        fault(&json!({"Statement": statements}).to_string(), &rules)
    }

    #[test]
    fn our_rules_and_nobody_else_may_send() {
        assert_eq!(judged(&[statement(&json!(["arn:a", "arn:b"]))]), PolicyFault::Reworded);
        // One statement a rule means the same.
        let [a, b] = ["arn:a", "arn:b"].map(|arn| statement(&json!(arn)));
        assert_eq!(judged(&[a, b]), PolicyFault::Reworded);
        let missing = judged(&[statement(&json!(["arn:a", "arn:c"]))]);
        assert_eq!(missing.to_string(), "its policy does not let in arn:b");
        assert_eq!(fault("", &[]), PolicyFault::Absent);
        assert_eq!(fault("{", &[]), PolicyFault::Unreadable);
    }

    #[test]
    fn whoever_else_may_send_is_told() {
        let ours = statement(&json!(["arn:a", "arn:b"]));
        let another = judged(&[ours.clone(), statement(&json!("arn:c"))]);
        assert_eq!(another, PolicyFault::Admits(vec!["arn:c".to_owned()]));
        let mut anybody = ours.clone();
        anybody["Principal"] = json!("*");
        assert!(matches!(judged(&[ours.clone(), anybody]), PolicyFault::Admits(_)));
        let mut somebody = ours.clone();
        somebody["Principal"] = json!({"AWS": "arn:aws:iam::1:root"});
        assert!(matches!(judged(&[somebody]), PolicyFault::Refuses(_)), "EventBridge is not among them");
        let mut any_rule = ours.clone();
        any_rule.as_object_mut().unwrap().remove("Condition");
        assert_eq!(judged(&[any_rule]), PolicyFault::Admits(vec!["*".to_owned()]));
        let mut denied = ours.clone();
        denied["Effect"] = json!("Deny");
        assert_eq!(judged(&[ours, denied.clone()]), PolicyFault::Denies);
        assert!(matches!(judged(&[denied]), PolicyFault::Refuses(_)));
    }
}
