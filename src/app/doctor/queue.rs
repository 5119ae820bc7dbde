//! Whether the queue is there and keeps messages the way events need it.

use std::collections::BTreeMap;

use serde_json::Value;

use super::finding::{Check, Finding, Outcome};
use super::setup;

pub(super) static CHECK: Check = Check {
    name: "queue",
    title: "The queue and its dead-letter queue are there, encrypted, with the attributes that `muster setup` gives them",
};

/// Attributes by AWS's names.
pub(super) type Attributes = BTreeMap<String, String>;

/// What the queue has to have: attribute, value, and why.
const WANTED: [(&str, &str, &str); 4] = [
    ("DelaySeconds", "0", "every event comes late"),
    ("MessageRetentionPeriod", "86400", "older events tell nothing that a sweep does not"),
    ("ReceiveMessageWaitTimeSeconds", "20", "an idle queue costs more requests"),
    ("VisibilityTimeout", "60", "a message comes again while it is worked on, or too late after a crash"),
];

/// The queue's own attributes; `None` when it is not there.
pub(super) fn judge(queue: &str, name: &str, outcome: &Outcome<Option<Attributes>>) -> Finding {
    let attributes = match found(queue, name, outcome) {
        Ok(attributes) => attributes,
        Err(finding) => return finding,
    };
    let mut drift: Vec<String> = WANTED
        .iter()
        .filter_map(|(attribute, wanted, why)| {
            let value = attributes.get(*attribute).filter(|value| value != wanted)?;
            Some(format!("{attribute} is {value} in place of {wanted} ({why})"))
        })
        .collect();
    if redrives(attributes).is_none() {
        drift.push("it has no dead-letter queue: what cannot be read comes again until it is too old".to_owned());
    }
    drift.extend(unencrypted(attributes));
    ended(queue, name, attributes, &drift)
}

/// The same of the dead-letter queue, of which only the presence and the encryption matter.
pub(super) fn judge_dead(queue: &str, name: &str, outcome: &Outcome<Option<Attributes>>) -> Finding {
    match found(queue, name, outcome) {
        Ok(attributes) => ended(queue, name, attributes, unencrypted(attributes).as_slice()),
        Err(finding) => finding,
    }
}

fn found<'a>(queue: &str, name: &str, outcome: &'a Outcome<Option<Attributes>>) -> Result<&'a Attributes, Finding> {
    match outcome {
        Ok(Some(attributes)) => Ok(attributes),
        Ok(None) => Err(CHECK.failed(queue, "there is no such queue in this account and region", setup(name))),
        Err(why) => Err(CHECK.unanswered(queue, why)),
    }
}

fn ended(queue: &str, name: &str, attributes: &Attributes, drift: &[String]) -> Finding {
    if drift.is_empty() {
        return CHECK.ok(queue, attributes.get("QueueArn").cloned().unwrap_or_else(|| "there".to_owned()));
    }
    CHECK.warning(queue, drift.join("; "), setup(name))
}

fn unencrypted(attributes: &Attributes) -> Option<String> {
    let with_key = attributes.get("KmsMasterKeyId").is_some_and(|key| !key.is_empty());
    // An emulator that knows nothing of encryption does not say so.
    let off = attributes.get("SqsManagedSseEnabled").is_some_and(|on| on == "false");
    (off && !with_key).then(|| "it is not encrypted".to_owned())
}

/// Where messages go that were received too often, and after how many times.
pub(super) fn redrives(attributes: &Attributes) -> Option<(String, u64)> {
    let policy: Value = serde_json::from_str(attributes.get("RedrivePolicy")?).ok()?;
    let most = policy.get("maxReceiveCount")?;
    // AWS gives back the number as it was set: as a number or as a text.
    let most = most.as_u64().or_else(|| most.as_str()?.parse().ok())?;
    Some((policy.get("deadLetterTargetArn")?.as_str()?.to_owned(), most))
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::finding::Verdict;
    use super::*;

    pub(in crate::app::doctor) fn attributes(changed: &[(&str, &str)]) -> Attributes {
        let redrive = r#"{"deadLetterTargetArn":"arn:aws:sqs:r:1:muster-events-dead","maxReceiveCount":"5"}"#;
        let wanted = WANTED.iter().map(|(name, value, _)| (*name, *value));
        let all = wanted.chain([("RedrivePolicy", redrive), ("SqsManagedSseEnabled", "true"), ("QueueArn", "arn")]);
        all.chain(changed.iter().copied()).map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    #[test]
    fn a_queue_that_is_gone_fails_and_one_that_drifted_warns() {
        let judged = |changed: &[(&str, &str)]| judge("q", "muster", &Ok(Some(attributes(changed))));
        assert_eq!(judged(&[]).verdict, Verdict::Ok);
        let drifted = judged(&[("VisibilityTimeout", "5"), ("SqsManagedSseEnabled", "false"), ("RedrivePolicy", "")]);
        assert_eq!(drifted.verdict, Verdict::Warning);
        for part in ["VisibilityTimeout is 5", "not encrypted", "no dead-letter queue"] {
            assert!(drifted.fact.contains(part), "{part}: {}", drifted.fact);
        }
        assert_eq!(judged(&[("SqsManagedSseEnabled", "false"), ("KmsMasterKeyId", "alias/k")]).verdict, Verdict::Ok);
        assert_eq!(judge("q", "muster", &Ok(None)).verdict, Verdict::Failed);
    }

    #[test]
    fn the_redrive_policy_is_read_in_both_of_its_forms() {
        assert_eq!(redrives(&attributes(&[])).unwrap().1, 5);
        let number = [("RedrivePolicy", r#"{"deadLetterTargetArn":"a","maxReceiveCount":3}"#)];
        assert_eq!(redrives(&attributes(&number)), Some(("a".to_owned(), 3)));
    }
}
