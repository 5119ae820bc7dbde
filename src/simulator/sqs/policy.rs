//! A queue's resource policy, as far as it decides whether EventBridge may send to the queue.
//!
//! Statements are evaluated as in IAM: a denial wins over an allowance, and what is not allowed is denied. A condition
//! on anything except the source ARN and the source account is never met.

use serde_json::Value;
use wildmatch::WildMatch;

/// A parsed policy document.
#[derive(Debug, Clone)]
pub(crate) struct Policy(Vec<Statement>);

#[derive(Debug, Clone)]
struct Statement {
    allow: bool,
    principal: Value,
    actions: Vec<String>,
    resources: Vec<String>,
    condition: Value,
}

/// A service that wants to send a message.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sender<'a> {
    /// `events.amazonaws.com`.
    pub(crate) service: &'a str,
    /// The rule's ARN.
    pub(crate) source_arn: &'a str,
    pub(crate) source_account: &'a str,
}

impl Policy {
    /// Reads a policy document; `None` when the text is not one.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let document: Value = serde_json::from_str(text).ok()?;
        let statements = match document.get("Statement")? {
            Value::Array(list) => list.iter().map(Statement::parse).collect::<Option<Vec<_>>>()?,
            one => vec![Statement::parse(one)?],
        };
        Some(Self(statements))
    }

    /// Whether `sender` may send messages to the queue.
    pub(crate) fn lets_send(&self, sender: Sender, queue_arn: &str) -> bool {
        let speaks = |statement: &&Statement| statement.covers(sender, queue_arn);
        let mut allowed = false;
        for statement in self.0.iter().filter(speaks) {
            if !statement.allow {
                return false;
            }
            allowed = true;
        }
        allowed
    }
}

impl Statement {
    fn parse(statement: &Value) -> Option<Self> {
        let allow = match statement.get("Effect")?.as_str()? {
            "Allow" => true,
            "Deny" => false,
            _ => return None,
        };
        let actions = texts(statement.get("Action")?);
        let resources = texts(statement.get("Resource")?);
        let principal = statement.get("Principal")?.clone();
        let condition = statement.get("Condition").cloned().unwrap_or_default();
        Some(Self { allow, principal, actions, resources, condition })
    }

    fn covers(&self, sender: Sender, queue_arn: &str) -> bool {
        let principal = match &self.principal {
            Value::String(text) => text == "*",
            named => {
                let anyone = named.get("AWS").is_some_and(|aws| texts(aws).iter().any(|name| name == "*"));
                let service = named.get("Service").map(texts).unwrap_or_default();
                anyone || service.iter().any(|name| name == sender.service || name == "*")
            }
        };
        let action = self.actions.iter().any(|action| like(&action.to_ascii_lowercase(), "sqs:sendmessage"));
        let resource = self.resources.iter().any(|resource| like(resource, queue_arn));
        principal && action && resource && self.meets(sender)
    }

    fn meets(&self, sender: Sender) -> bool {
        let Value::Object(tests) = &self.condition else { return self.condition.is_null() };
        tests.iter().all(|(operator, keys)| {
            let Value::Object(keys) = keys else { return false };
            keys.iter().all(|(key, wanted)| {
                let fact = match key.to_ascii_lowercase().as_str() {
                    "aws:sourcearn" => sender.source_arn,
                    "aws:sourceaccount" => sender.source_account,
                    _ => return false,
                };
                let wanted = texts(wanted);
                match operator.as_str() {
                    "StringEquals" => wanted.iter().any(|wanted| wanted == fact),
                    // IAM's documentation says that ArnEquals and ArnLike are the same.
                    "ArnEquals" | "ArnLike" | "StringLike" => wanted.iter().any(|wanted| like(wanted, fact)),
                    _ => false,
                }
            })
        })
    }
}

fn like(pattern: &str, text: &str) -> bool {
    WildMatch::new(pattern).matches(text)
}

/// One text or a list of texts; policies allow both.
fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Array(list) => list.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const QUEUE: &str = "arn:aws:sqs:us-east-1:123456789012:muster";
    const RULE: &str = "arn:aws:events:us-east-1:123456789012:rule/muster";

    fn lets(statement: &Value) -> bool {
        let policy = Policy::parse(&json!({ "Version": "2012-10-17", "Statement": statement }).to_string()).unwrap();
        let sender = Sender { service: "events.amazonaws.com", source_arn: RULE, source_account: "123456789012" };
        policy.lets_send(sender, QUEUE)
    }

    fn allow(change: impl FnOnce(&mut Value)) -> Value {
        let mut statement = json!({
            "Effect": "Allow", "Principal": { "Service": "events.amazonaws.com" }, "Action": "sqs:SendMessage",
            "Resource": QUEUE, "Condition": { "ArnEquals": { "aws:SourceArn": RULE } },
        });
        change(&mut statement);
        statement
    }

    #[test]
    fn only_the_named_rule_to_the_named_queue_is_let_through() {
        assert!(lets(&allow(|_| ())));
        assert!(lets(&json!([allow(|s| s["Condition"]["ArnEquals"]["aws:SourceArn"] = json!([RULE, "arn:other"]))])));
        assert!(!lets(&allow(|s| s["Condition"]["ArnEquals"]["aws:SourceArn"] = json!("arn:other"))));
        assert!(!lets(&allow(|s| s["Resource"] = json!("arn:aws:sqs:us-east-1:123456789012:other"))));
        assert!(!lets(&allow(|s| s["Principal"] = json!({ "Service": "sns.amazonaws.com" }))));
        assert!(!lets(&allow(|s| s["Action"] = json!("sqs:ReceiveMessage"))));
        assert!(!lets(&allow(|s| s["Condition"] = json!({ "Bool": { "aws:SecureTransport": "true" } }))));
        assert!(!lets(&json!([])));
    }

    #[test]
    fn wildcards_and_missing_conditions_widen_and_a_denial_wins() {
        let open = allow(|s| {
            s["Principal"] = json!("*");
            s["Action"] = json!(["SQS:*"]);
            s["Resource"] = json!("*");
            s["Condition"] = Value::Null;
        });
        assert!(lets(&open));
        assert!(!lets(&json!([open, allow(|s| s["Effect"] = json!("Deny"))])));
    }
}
