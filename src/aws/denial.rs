//! What AWS's encoded authorization failures say.
//!
//! With a denied call EC2 sends the policy's evaluation as an encoded text, which only AWS can decode, for those who may call
//! `sts:DecodeAuthorizationMessage`. It is asked once for each connection of a tool's call, and never again; where it does not answer,
//! the text is quoted with the command that decodes it.
//!
//! Source: <https://docs.aws.amazon.com/STS/latest/APIReference/API_DecodeAuthorizationMessage.html>.

use std::time::Duration;

use serde_json::Value;
use tokio::time::timeout;

use super::error::AwsError;
use super::limiter::Priority;
use super::pinned::Pinned;
use crate::model::Scope;
use crate::model::text::shown;

/// Asks AWS what an encoded failure says.
const DECODE: &str = "sts:DecodeAuthorizationMessage";
/// How long AWS may take for it: the answer of the tool waits.
const PATIENCE: Duration = Duration::from_secs(5);
/// The longest value in a sentence.
const MAX: usize = 160;
/// How many conditions are named.
const CONDITIONS: usize = 12;

impl Pinned {
    /// What AWS's encoded text says of a denial; `None` where the error has none, or one was told of already.
    pub async fn denial(&self, scope: &Scope, error: &AwsError) -> Option<String> {
        let encoded = error.encoded.as_deref()?;
        if std::mem::replace(&mut *self.denial_told.lock(), true) {
            return None;
        }
        let told = match self.decoded(scope, encoded).await {
            Ok(decoded) => explained(&decoded).ok_or_else(|| "AWS's answer cannot be read".to_owned()),
            Err(why) => Err(why),
        };
        Some(told.unwrap_or_else(|why| {
            format!(
                "AWS's reason is encoded, and not decoded ({why}). Somebody who may call {DECODE} decodes it with: aws sts \
                 decode-authorization-message --query DecodedMessage --output text --encoded-message {encoded}"
            )
        }))
    }

    async fn decoded(&self, scope: &Scope, encoded: &str) -> Result<String, String> {
        let client = self.clients(scope, DECODE).await.map_err(|error| error.to_string())?.identity();
        let admitted = self.aws.0.limiter.admit(scope, DECODE, Priority::Tool, 0).await;
        let sent = client.decode_authorization_message().encoded_message(encoded).send();
        let Ok(answer) = timeout(PATIENCE, sent).await else { return Err("AWS did not answer in time".to_owned()) };
        let answer =
            self.aws.finished(admitted, scope, DECODE, answer).map_err(|error| shown(&error.to_string(), 300))?;
        answer.decoded_message.ok_or_else(|| "AWS's answer is empty".to_owned())
    }
}

/// A decoded failure in words.
fn explained(decoded: &str) -> Option<String> {
    let decoded: Value = serde_json::from_str(decoded).ok()?;
    let text = |path: &str| decoded.pointer(path).and_then(Value::as_str).map(|text| shown(text, MAX));
    let items = |path: &str| decoded.pointer(path).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let action = text("/context/action")?;
    let who = text("/context/principal/arn").unwrap_or_else(|| "these credentials".to_owned());
    let on = text("/context/resource").map_or_else(String::new, |resource| format!(" on {resource}"));
    let is_explicit = decoded.get("explicitDeny").and_then(Value::as_bool).unwrap_or_default();
    let statements = items("/matchedStatements/items").iter().filter_map(|statement| {
        let id = statement.get("statementId")?.as_str().filter(|id| !id.is_empty())?;
        Some(format!("`{}`", shown(id, MAX)))
    });
    let statements: Vec<String> = statements.take(CONDITIONS).collect();
    let why = match (is_explicit, statements.as_slice()) {
        (true, []) => "a statement of a policy denies it".to_owned(),
        (true, named) => format!("a statement of a policy denies it: {}", named.join(", ")),
        (false, _) => "no policy allows it".to_owned(),
    };
    let conditions = items("/context/conditions/items").iter().filter_map(|condition| {
        let values =
            condition.pointer("/values/items").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let values = values.iter().filter_map(|value| value.get("value")?.as_str());
        let values = values.collect::<Vec<_>>().join(",");
        Some(format!("{}={}", shown(condition.get("key")?.as_str()?, MAX), shown(&values, MAX)))
    });
    let conditions: Vec<String> = conditions.take(CONDITIONS).collect();
    let with =
        if conditions.is_empty() { String::new() } else { format!(" It was asked with {}.", conditions.join(", ")) };
    Some(format!("Decoded by AWS: {who} may not call {action}{on}, because {why}.{with}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::scripted::{Reply, Scripted, named};
    use crate::model::fixtures::scope;

    const EXPLICIT: &str = r#"{"allowed": false, "explicitDeny": true,
        "matchedStatements": {"items": [{"statementId": "NoProd", "effect": "DENY"}]}, "failures": {"items": []},
        "context": {"principal": {"id": "AIDA", "arn": "arn:aws:iam::123456789012:user/me"}, "action": "ec2:StopInstances",
        "resource": "arn:aws:ec2:us-east-1:123456789012:instance/i-1",
        "conditions": {"items": [{"key": "aws:ResourceTag/Env", "values": {"items": [{"value": "prod"}]}}]}}}"#;

    #[test]
    fn a_decoded_failure_says_who_may_not_do_what_and_why() {
        assert_eq!(
            explained(EXPLICIT).unwrap(),
            "Decoded by AWS: arn:aws:iam::123456789012:user/me may not call ec2:StopInstances on \
             arn:aws:ec2:us-east-1:123456789012:instance/i-1, because a statement of a policy denies it: `NoProd`. It was asked \
             with aws:ResourceTag/Env=prod."
        );
        let implicit = EXPLICIT.replace("\"explicitDeny\": true", "\"explicitDeny\": false");
        assert!(explained(&implicit).unwrap().contains("because no policy allows it."));
        for wrong in ["", "{}", "[1]", "null"] {
            assert_eq!(explained(wrong), None, "{wrong}");
        }
    }

    const DENIED: &str =
        "You are not authorized to perform this operation. Encoded authorization failure message: AbC-12_x";

    #[tokio::test]
    async fn a_failure_is_decoded_once_and_quoted_where_it_cannot_be() {
        let denied = || Reply::error(403, "UnauthorizedOperation", DENIED);
        let escaped = EXPLICIT.replace('"', "&quot;");
        let body = format!(
            "<DecodeAuthorizationMessageResult><DecodedMessage>{escaped}</DecodedMessage></DecodeAuthorizationMessageResult>"
        );
        let decoded = Reply::ok(&body);
        for (answer, said) in [
            (decoded, "a statement of a policy denies it: `NoProd`"),
            (Reply::error(403, "AccessDenied", "no"), "--encoded-message AbC-12_x"),
        ] {
            let server = Scripted::new([Reply::described(&["i-1"]), denied(), answer]).await;
            let (aws, named) = (server.aws().pinned().await, named(&["i-1"]));
            let chosen = named.choose(&scope(), |_| true);
            aws.look(&chosen).await.unwrap();
            let error = aws.start_instances(&chosen, false).await.unwrap_err();
            assert!(!error.to_string().contains("AbC-12_x"), "{error}");
            let told = aws.denial(&scope(), &error).await.unwrap();
            assert!(told.contains(said), "{told}");
            assert_eq!(aws.denial(&scope(), &error).await, None, "it is asked once");
        }
    }
}
