//! A queue's settings: their names, limits and defaults, including the two that are JSON documents.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::simulator::refusal::Refusal;
use crate::simulator::sqs::policy::Policy;

/// The values that a setting allows.
enum Allowed {
    Number { default: u32, least: u32, most: u32 },
    Flag,
    Text,
}

/// The settings of a standard queue.
static SETTINGS: [(&str, Allowed); 11] = [
    ("DelaySeconds", Allowed::Number { default: 0, least: 0, most: 900 }),
    ("KmsDataKeyReusePeriodSeconds", Allowed::Number { default: 300, least: 60, most: 86_400 }),
    ("KmsMasterKeyId", Allowed::Text),
    ("MaximumMessageSize", Allowed::Number { default: 1_048_576, least: 1_024, most: 1_048_576 }),
    ("MessageRetentionPeriod", Allowed::Number { default: 345_600, least: 60, most: 1_209_600 }),
    ("Policy", Allowed::Text),
    ("ReceiveMessageWaitTimeSeconds", Allowed::Number { default: 0, least: 0, most: 20 }),
    ("RedriveAllowPolicy", Allowed::Text),
    ("RedrivePolicy", Allowed::Text),
    ("SqsManagedSseEnabled", Allowed::Flag),
    ("VisibilityTimeout", Allowed::Number { default: 30, least: 0, most: 43_200 }),
];

/// The counts that `GetQueueAttributes` reports. They can be read but not set.
const COUNTED: [&str; 6] = [
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesDelayed",
    "ApproximateNumberOfMessagesNotVisible",
    "CreatedTimestamp",
    "LastModifiedTimestamp",
    "QueueArn",
];

/// The dead-letter queue for messages that were received too often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Redrive {
    pub(crate) target: String,
    pub(crate) receives: u32,
}

/// The settings of one queue.
#[derive(Debug, Clone, Default)]
pub(crate) struct Attributes {
    set: BTreeMap<&'static str, String>,
    policy: Option<Policy>,
    redrive: Option<Redrive>,
}

impl Attributes {
    /// The value of a numeric setting, in the unit that SQS uses: seconds or bytes.
    pub(crate) fn number(&self, name: &str) -> u32 {
        let given = self.set.get(name).and_then(|text| text.parse().ok());
        given.unwrap_or_else(|| match setting(name) {
            Some((_, Allowed::Number { default, .. })) => *default,
            _ => 0,
        })
    }

    pub(crate) fn policy(&self) -> Option<&Policy> {
        self.policy.as_ref()
    }

    pub(crate) fn redrive(&self) -> Option<&Redrive> {
        self.redrive.as_ref()
    }

    /// Sets one setting. An empty document removes it.
    ///
    /// `exists` says whether an ARN names a queue that may be a dead-letter queue here.
    pub(crate) fn put(&mut self, name: &str, value: &str, exists: impl Fn(&str) -> bool) -> Result<(), Refusal> {
        let Some((name, allowed)) = setting(name) else {
            return Err(Refusal::new(400, "InvalidAttributeName", format!("Unknown Attribute {name}.")));
        };
        let wrong = || Refusal::new(400, "InvalidAttributeValue", format!("Invalid value for the parameter {name}."));
        match allowed {
            Allowed::Number { least, most, .. } => {
                let number: u32 = value.parse().map_err(|_| wrong())?;
                if !(*least..=*most).contains(&number) {
                    return Err(wrong());
                }
            }
            Allowed::Flag if !matches!(value, "true" | "false") => return Err(wrong()),
            Allowed::Flag | Allowed::Text => {}
        }
        match name {
            "Policy" if value.is_empty() => self.policy = None,
            "Policy" => self.policy = Some(Policy::parse(value).ok_or_else(wrong)?),
            "RedrivePolicy" if value.is_empty() => self.redrive = None,
            "RedrivePolicy" => self.redrive = Some(redrive(value, exists)?),
            _ => {}
        }
        if value.is_empty() {
            self.set.remove(name);
        } else {
            self.set.insert(name, value.to_owned());
        }
        Ok(())
    }

    /// The value of a setting as `GetQueueAttributes` shows it; `None` when there is nothing to show.
    pub(crate) fn show(&self, name: &str) -> Option<String> {
        let (name, allowed) = setting(name)?;
        match (self.set.get(name), allowed) {
            (Some(text), _) => Some(text.clone()),
            // Only a queue with its own key has a reuse period.
            (None, Allowed::Number { .. }) if name == "KmsDataKeyReusePeriodSeconds" => None,
            (None, Allowed::Number { default, .. }) => Some(default.to_string()),
            (None, Allowed::Flag) => Some((!self.set.contains_key("KmsMasterKeyId")).to_string()),
            (None, Allowed::Text) => None,
        }
    }
}

/// The names that a `GetQueueAttributes` call asks for, with `All` expanded.
pub(crate) fn asked(names: &[String]) -> Result<Vec<&str>, Refusal> {
    let all = || SETTINGS.iter().map(|(name, _)| *name).chain(COUNTED);
    if names.iter().any(|name| name == "All") {
        return Ok(all().collect());
    }
    let known = |name: &String| all().find(|known| known == name);
    names
        .iter()
        .map(|name| {
            let unknown = || Refusal::new(400, "InvalidAttributeName", format!("Unknown Attribute {name}."));
            known(name).ok_or_else(unknown)
        })
        .collect()
}

fn setting(name: &str) -> Option<(&'static str, &'static Allowed)> {
    SETTINGS.iter().find(|(known, _)| *known == name).map(|(known, allowed)| (*known, allowed))
}

fn redrive(value: &str, exists: impl Fn(&str) -> bool) -> Result<Redrive, Refusal> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Document {
        dead_letter_target_arn: String,
        max_receive_count: Count,
    }
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Count {
        Number(u32),
        Text(String),
    }
    let wrong = |reason: &str| {
        Refusal::invalid_value(format!("Value {value} for parameter RedrivePolicy is invalid. Reason: {reason}"))
    };
    let document: Document =
        serde_json::from_str(value).map_err(|_| wrong("Redrive policy is not a valid JSON map."))?;
    let receives = match document.max_receive_count {
        Count::Number(number) => Some(number),
        Count::Text(text) => text.parse().ok(),
    };
    let receives = receives.filter(|count| (1..=1_000).contains(count));
    let receives = receives.ok_or_else(|| wrong("Invalid value for maxReceiveCount: must be between 1 and 1000."))?;
    if !exists(&document.dead_letter_target_arn) {
        return Err(wrong("Dead letter target does not exist."));
    }
    Ok(Redrive { target: document.dead_letter_target_arn, receives })
}
