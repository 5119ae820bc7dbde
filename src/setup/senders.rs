//! Finds out from a queue's policy who may send to it.
//!
//! Only the parts that matter here are read: who may send (`sqs:SendMessage`), and under which `aws:SourceArn`. Other conditions
//! are assumed to hold.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::Value;

/// The service that sends.
const SERVICE: &str = "events.amazonaws.com";

/// How a queue's policy differs from the one that lets exactly Muster's rules send. Its text completes "the queue
/// muster-events: ".
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PolicyFault {
    /// The queue has no policy.
    Absent,
    /// The policy is not JSON.
    Unreadable,
    /// It does not let these rules send.
    Refuses(Vec<String>),
    /// It lets nobody send.
    Nobody,
    /// It has a statement that denies sending.
    Denies,
    /// It also lets these others send, given in words.
    Admits(Vec<String>),
    /// It is another text with the same effect.
    Reworded,
}

impl fmt::Display for PolicyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PolicyFault::Absent => f.write_str("it has no policy, so EventBridge cannot send to it"),
            PolicyFault::Unreadable => f.write_str("its policy is not JSON"),
            PolicyFault::Refuses(rules) => write!(f, "its policy does not let these rules send: {}", rules.join(", ")),
            PolicyFault::Nobody => f.write_str("its policy lets nobody send"),
            PolicyFault::Denies => {
                f.write_str("its policy has a statement that denies sending, which may include EventBridge")
            }
            PolicyFault::Admits(others) => write!(f, "its policy also lets others send: {}", others.join("; ")),
            PolicyFault::Reworded => {
                f.write_str("its policy is not Muster's own text, but lets Muster's rules send and nobody else")
            }
        }
    }
}

impl PolicyFault {
    /// Whether events may arrive all the same.
    #[must_use]
    pub fn is_open(&self) -> bool {
        matches!(self, PolicyFault::Denies | PolicyFault::Admits(_) | PolicyFault::Reworded)
    }
}

/// Says what is wrong with the policy of a queue to which the rules of many accounts send: it has to let somebody send, and not
/// everybody. `policy` is the text of the attribute, empty when there is none.
#[must_use]
pub fn of_center(policy: &str) -> Option<PolicyFault> {
    let policy = match serde_json::from_str::<Value>(policy) {
        Ok(policy) => policy,
        Err(_) if policy.is_empty() => return Some(PolicyFault::Absent),
        Err(_) => return Some(PolicyFault::Unreadable),
    };
    let is_sending =
        |statement: &&Value| list(statement.get("Action")).iter().filter_map(|action| action.as_str()).any(sends);
    let sending: Vec<&Value> = list(policy.get("Statement")).into_iter().filter(is_sending).collect();
    let (denying, allowing): (Vec<&Value>, Vec<&Value>) =
        sending.into_iter().partition(|statement| statement.get("Effect").and_then(Value::as_str) == Some("Deny"));
    let is_everybody = |statement: &&Value| {
        let principal = statement.get("Principal").unwrap_or(&Value::Null);
        let is_limited = statement.get("Condition").and_then(Value::as_object).is_some_and(|keys| !keys.is_empty());
        let is_anyone = *principal == "*" || list(principal.get("AWS")).iter().any(|one| **one == "*");
        is_anyone && !is_limited
    };
    if allowing.is_empty() {
        Some(PolicyFault::Nobody)
    } else if let Some(open) = allowing.iter().copied().find(is_everybody) {
        Some(PolicyFault::Admits(vec![format!("Principal {}", open.get("Principal").unwrap_or(&Value::Null))]))
    } else {
        (!denying.is_empty()).then_some(PolicyFault::Denies)
    }
}

/// What a policy says about sending.
#[derive(Debug, Default, PartialEq, Eq)]
struct Senders {
    /// The ARNs of the rules that EventBridge may send for.
    arns: BTreeSet<String>,
    /// Others that may send, in words.
    others: Vec<String>,
    /// Whether a statement denies sending.
    denies: bool,
}

/// Says how a policy that is not the desired one differs from it. `rules` are the ARNs of Muster's rules. `policy` is the text of the
/// attribute, empty when there is none.
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

/// Whether an ARN of a condition, which may have `*` and `?`, matches this one.
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
            // Only the principal `*` includes EventBridge.
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

/// Returns the ARNs that a condition allows for `aws:SourceArn`.
fn source_arns(condition: Option<&Value>) -> Vec<String> {
    let operators = condition.and_then(Value::as_object).into_iter().flatten();
    let of_arns = operators
        .filter(|(operator, _)| ["ArnEquals", "ArnLike", "StringEquals", "StringLike"].contains(&operator.as_str()));
    let keys = of_arns.flat_map(|(_, keys)| keys.as_object().into_iter().flatten());
    let ours = keys.filter(|(key, _)| key.eq_ignore_ascii_case("aws:SourceArn"));
    ours.flat_map(|(_, values)| list(Some(values))).filter_map(|arn| arn.as_str().map(str::to_owned)).collect()
}

/// Returns the values of a list, or a single value.
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
        assert_eq!(missing.to_string(), "its policy does not let these rules send: arn:b");
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
