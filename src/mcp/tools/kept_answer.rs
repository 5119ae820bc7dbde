//! The answer of a call with an idempotency key, as it is kept, and what AWS shows later of a call whose answer from AWS was lost.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::answer::ToolResult;
use super::verdict::WriteVerdict;
use crate::model::{FailureCode, Timestamp};

/// An answer as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptAnswer {
    /// Its text.
    pub text: String,
    /// Its structured content.
    pub structured: Value,
    /// What kind of failure it is, if any.
    pub failure: Option<FailureCode>,
}

impl KeptAnswer {
    /// An answer to keep.
    #[must_use]
    pub fn of(answer: &ToolResult) -> Self {
        let ToolResult { text, structured, failure, .. } = answer.clone();
        KeptAnswer { text, structured, failure }
    }

    /// Whether it is not known of an instance whether AWS carried out the call.
    #[must_use]
    pub fn is_uncertain(&self) -> bool {
        rows(&self.structured).iter().any(|row| has(row, WriteVerdict::Unknown))
    }

    /// The same answer, with what AWS shows by now in the place of what was not known; `None` if that is nothing.
    #[must_use]
    pub fn settled(&self, shown: &Value) -> Option<KeptAnswer> {
        let mut structured = self.structured.clone();
        let mut said = String::new();
        for row in structured.get_mut("results").and_then(Value::as_array_mut)? {
            let of_instance = |other: &&Value| other.get("instance_id") == row.get("instance_id");
            let Some(now) = rows(shown).iter().find(of_instance).filter(|now| has(now, WriteVerdict::Done)) else {
                continue;
            };
            if has(row, WriteVerdict::Unknown) {
                let cell = |name| now.get(name).and_then(Value::as_str).unwrap_or_default();
                _ = write!(said, "\n{} | {} | {}", cell("instance_id"), cell("verdict"), cell("message"));
                *row = now.clone();
            }
        }
        if said.is_empty() {
            return None;
        }
        let text =
            format!("AWS shows now:\ninstance | verdict | message{said}\nBefore, the answer was:\n{}", self.text);
        Some(KeptAnswer { text, structured, failure: None })
    }

    /// The answer to a repeat of the call that was made at `at`.
    #[must_use]
    pub fn repeated(self, at: Timestamp) -> ToolResult {
        let KeptAnswer { text, mut structured, failure } = self;
        if let Some(body) = structured.as_object_mut() {
            body.insert("repeats_call_at".to_owned(), json!(at));
        }
        let text = format!("This repeats a call made at {at}: nothing was sent to AWS now. Its answer was:\n{text}");
        ToolResult { text, structured, failure, input: None }
    }
}

fn rows(structured: &Value) -> &[Value] {
    structured.get("results").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn has(row: &Value, verdict: WriteVerdict) -> bool {
    row.get("verdict") == Some(&json!(verdict))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_not_known_is_replaced_and_only_by_what_is_done() {
        let row = |id: &str, verdict: &str| json!({"instance_id": id, "verdict": verdict, "message": "m"});
        let kept = |rows: &[Value], failure| KeptAnswer {
            text: "first".to_owned(),
            structured: json!({"results": rows, "dry_run": false}),
            failure,
        };
        let first = kept(&[row("i-1", "unknown"), row("i-2", "refused")], Some(FailureCode::NothingDone));
        assert!(first.is_uncertain());
        let shown = |one: &str, other: &str| json!({"results": [row("i-2", other), row("i-1", one)]});
        assert_eq!(first.settled(&shown("unknown", "done")), None);
        let settled = first.settled(&shown("done", "done")).unwrap();
        assert_eq!(
            settled.structured,
            json!({"results": [row("i-1", "done"), row("i-2", "refused")], "dry_run": false})
        );
        assert!(!settled.is_uncertain() && settled.failure.is_none());
        assert!(settled.text.contains("i-1 | done | m") && settled.text.ends_with("first"), "{}", settled.text);
    }
}
