//! Checks whether the store keeps messages of a queue that could not be read.

use serde_json::Value;

use super::finding::{Check, Finding};

pub(crate) static CHECK: Check = Check {
    name: "unreadable-messages",
    title: "No message of a queue was unreadable, so that Muster kept it in the store",
};

/// How many messages are described.
const DESCRIBED: usize = 3;

/// Judges the figures of the store in `subject`.
pub(crate) fn judge(subject: &str, figures: &Value) -> Finding {
    let messages = figures.get("unreadable_messages").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if messages.is_empty() {
        return CHECK.ok(subject, "no message is kept");
    }
    let describe = |message: &Value| {
        let text = |name: &str| message.get(name).and_then(Value::as_str).unwrap_or("unknown").to_owned();
        format!("message {} of {} at {}: {}", text("message_id"), text("queue"), text("parked_at"), text("why"))
    };
    let described: Vec<String> = messages.iter().take(DESCRIBED).map(describe).collect();
    let rest = messages.len().saturating_sub(DESCRIBED);
    let rest = if rest > 0 { format!("; and {rest} more") } else { String::new() };
    let fact = format!(
        "{} messages could not be read although they came repeatedly, and are kept in the store: {}{rest}",
        messages.len(),
        described.join("; ")
    );
    let fix = "Read them with `muster log stat --json` (unreadable_messages), and stop whoever sends them: only rules of \
               EventBridge should write to this queue, directly or through an SNS topic. They are forgotten after 14 days.";
    CHECK.warning(subject, fact, fix)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::finding::Verdict;
    use super::*;

    #[test]
    fn messages_that_were_taken_out_of_a_queue_are_a_warning_that_names_them() {
        assert_eq!(judge("d", &json!({"unreadable_messages": []})).verdict, Verdict::Ok);
        let one = |id: &str| json!({"message_id": id, "queue": "q", "parked_at": "t", "why": "it is a list"});
        let five: Vec<Value> = ["m-1", "m-2", "m-3", "m-4", "m-5"].into_iter().map(one).collect();
        let finding = judge("d", &json!({"unreadable_messages": five}));
        assert_eq!(finding.verdict, Verdict::Warning);
        assert!(finding.fact.contains("m-1 of q at t: it is a list") && finding.fact.contains("2 more"), "{finding:?}");
    }
}
