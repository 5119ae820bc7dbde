//! Whether the queue is there and keeps messages the way events need it.

use std::collections::BTreeMap;

use serde_json::Value;

use super::finding::{Check, Finding, Outcome};
use crate::setup::QueueRole;

pub(crate) static CHECK: Check = Check {
    name: "queue",
    title: "The queue and its dead-letter queue are there, encrypted, with the attributes that `muster setup` gives them",
};

/// Encryption with a key of SQS's own; a queue has this or a key of AWS KMS.
const ENCRYPTION: &str = "SqsManagedSseEnabled";

/// Attributes by AWS's names.
pub(crate) type Attributes = BTreeMap<String, String>;

/// A queue's own attributes, `None` when it is not there; `fix` is what mends it.
pub(crate) fn judge(role: QueueRole, queue: &str, fix: &str, outcome: &Outcome<Option<Attributes>>) -> Finding {
    let attributes = match outcome {
        Ok(Some(attributes)) => attributes,
        Ok(None) => return CHECK.failed(queue, "there is no such queue in this account and region", fix),
        Err(why) => return CHECK.unanswered(queue, why),
    };
    let has_key = attributes.get("KmsMasterKeyId").is_some_and(|key| !key.is_empty());
    let settings = role.settings().iter().filter(|(name, _)| !(has_key && *name == ENCRYPTION));
    let mut drift: Vec<String> = settings
        .filter_map(|(name, should)| {
            let is = attributes.get(*name).map_or("not set", String::as_str);
            (is != *should).then(|| format!("{name} is {is} in place of {should}"))
        })
        .collect();
    if role == QueueRole::Events && redrives(attributes).is_none() {
        drift.push("it has no dead-letter queue: what cannot be read comes again until it is too old".to_owned());
    }
    if drift.is_empty() {
        return CHECK.ok(queue, attributes.get("QueueArn").cloned().unwrap_or_else(|| "there".to_owned()));
    }
    CHECK.warning(queue, drift.join("; "), fix)
}

/// Where messages go that were received too often, and after how many times.
pub(crate) fn redrives(attributes: &Attributes) -> Option<(String, u64)> {
    let policy: Value = serde_json::from_str(attributes.get("RedrivePolicy")?).ok()?;
    let most = policy.get("maxReceiveCount")?;
    // AWS gives back the number as it was set: as a number or as a text.
    let most = most.as_u64().or_else(|| most.as_str()?.parse().ok())?;
    Some((policy.get("deadLetterTargetArn")?.as_str()?.to_owned(), most))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::super::finding::Verdict;
    use super::*;

    pub(in crate::doctor) fn attributes(changed: &[(&str, &str)]) -> Attributes {
        let redrive = r#"{"deadLetterTargetArn":"arn:aws:sqs:r:1:muster-events-dead","maxReceiveCount":"5"}"#;
        let wanted = QueueRole::Events.settings().iter().copied();
        let all = wanted.chain([("RedrivePolicy", redrive), ("QueueArn", "arn")]);
        all.chain(changed.iter().copied()).map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    #[test]
    fn a_queue_that_is_gone_fails_and_one_that_drifted_warns() {
        let judged =
            |changed: &[(&str, &str)]| judge(QueueRole::Events, "q", "mend it", &Ok(Some(attributes(changed))));
        assert_eq!(judged(&[]).verdict, Verdict::Ok);
        let drifted = judged(&[("VisibilityTimeout", "5"), ("SqsManagedSseEnabled", "false"), ("RedrivePolicy", "")]);
        assert_eq!(drifted.verdict, Verdict::Warning);
        for part in ["VisibilityTimeout is 5", "SqsManagedSseEnabled is false", "no dead-letter queue"] {
            assert!(drifted.fact.contains(part), "{part}: {}", drifted.fact);
        }
        assert_eq!(judged(&[("SqsManagedSseEnabled", "false"), ("KmsMasterKeyId", "alias/k")]).verdict, Verdict::Ok);
        assert_eq!(judge(QueueRole::Dead, "q", "mend it", &Ok(None)).verdict, Verdict::Failed);
    }

    #[test]
    fn the_redrive_policy_is_read_in_both_of_its_forms() {
        assert_eq!(redrives(&attributes(&[])).unwrap().1, 5);
        let number = [("RedrivePolicy", r#"{"deadLetterTargetArn":"a","maxReceiveCount":3}"#)];
        assert_eq!(redrives(&attributes(&number)), Some(("a".to_owned(), 3)));
    }
}
