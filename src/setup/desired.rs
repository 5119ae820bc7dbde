//! What should be there, for a name in an account and region. Nothing here asks AWS.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::aws::actions::CREATED_BY;
use crate::aws::bus::RuleInput;
use crate::config::EventsName;
use crate::kinds::rules::{RULES, RuleSpec};
use crate::model::{Region, Scope};

/// The id of the target that each rule has.
pub const TARGET: &str = "muster";

/// How often a message is received before it counts as dead.
pub const RECEIVES: u32 = 5;

/// What should be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Desired {
    /// Where.
    pub scope: Scope,
    /// What everything's name begins with.
    pub name: EventsName,
}

/// Which of the two queues.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum QueueRole {
    /// Takes what cannot be delivered, and what was received too often.
    Dead,
    /// The one that Muster receives from.
    Events,
}

/// Something that is set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Thing {
    /// A queue.
    Queue(QueueRole),
    /// A rule, with its target.
    Rule(&'static RuleSpec),
}

impl QueueRole {
    /// Both, in the order in which they are made.
    pub const ALL: [QueueRole; 2] = [QueueRole::Dead, QueueRole::Events];

    /// The queue's name.
    #[must_use]
    pub fn name(self, name: &EventsName) -> String {
        match self {
            QueueRole::Dead => format!("{name}-events-dead"),
            QueueRole::Events => format!("{name}-events"),
        }
    }

    /// The settings that are no documents: what SQS calls them, and the number or word.
    #[must_use]
    pub fn settings(self) -> &'static [(&'static str, &'static str)] {
        match self {
            // The longest that SQS keeps messages: somebody has to come and look.
            QueueRole::Dead => &[("MessageRetentionPeriod", "1209600"), ("SqsManagedSseEnabled", "true")],
            // What is older than a day says nothing that the sweeps since have not seen.
            QueueRole::Events => &[
                ("MessageRetentionPeriod", "86400"),
                ("ReceiveMessageWaitTimeSeconds", "20"),
                ("SqsManagedSseEnabled", "true"),
                ("VisibilityTimeout", "60"),
            ],
        }
    }
}

impl Desired {
    /// What should be in `scope` under `name`.
    #[must_use]
    pub fn new(scope: Scope, name: EventsName) -> Self {
        Desired { scope, name }
    }

    /// Every thing, in the order in which they are made.
    pub fn things() -> impl Iterator<Item = Thing> {
        QueueRole::ALL.into_iter().map(Thing::Queue).chain(RULES.iter().map(Thing::Rule))
    }

    /// A thing for a person: `the queue muster-events`.
    #[must_use]
    pub fn label(&self, thing: Thing) -> String {
        match thing {
            Thing::Queue(role) => format!("the queue {}", role.name(&self.name)),
            Thing::Rule(rule) => format!("the rule {}", rule.name(self.name.as_str())),
        }
    }

    /// The ARN of a queue.
    #[must_use]
    pub fn queue_arn(&self, role: QueueRole) -> String {
        let Scope { account, region } = &self.scope;
        format!("arn:{}:sqs:{region}:{account}:{}", partition(region), role.name(&self.name))
    }

    /// The ARN of a rule on the default bus.
    #[must_use]
    pub fn rule_arn(&self, rule: &RuleSpec) -> String {
        let Scope { account, region } = &self.scope;
        format!("arn:{}:events:{region}:{account}:rule/{}", partition(region), rule.name(self.name.as_str()))
    }

    /// A rule as it is put.
    #[must_use]
    pub fn rule(&self, rule: &RuleSpec) -> RuleInput {
        let name = self.name.as_str();
        RuleInput {
            name: rule.name(name),
            pattern: rule.pattern(name).to_string(),
            description: description(rule),
            tags: tags(),
        }
    }

    /// All attributes of a queue.
    #[must_use]
    pub fn attributes(&self, role: QueueRole) -> BTreeMap<String, String> {
        let settings = role.settings().iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        settings.chain(self.documents(role).into_iter().map(|(name, text)| (name, text.to_string()))).collect()
    }

    /// The attributes of a queue that are JSON documents.
    #[must_use]
    pub fn documents(&self, role: QueueRole) -> BTreeMap<String, Value> {
        let mut documents = BTreeMap::from([("Policy".to_owned(), self.policy(role))]);
        if role == QueueRole::Events {
            let dead = self.queue_arn(QueueRole::Dead);
            let redrive = json!({ "deadLetterTargetArn": dead, "maxReceiveCount": RECEIVES });
            documents.insert("RedrivePolicy".to_owned(), redrive);
        }
        documents
    }

    /// Lets EventBridge send to a queue on behalf of exactly these rules.
    fn policy(&self, role: QueueRole) -> Value {
        let arns = RULES.iter().map(|rule| json!(self.rule_arn(rule))).collect();
        policy(&json!(self.queue_arn(role)), arns)
    }
}

/// What a rule says of itself.
#[must_use]
pub fn description(rule: &RuleSpec) -> String {
    format!("For Muster: {}", rule.title)
}

/// A queue's policy that lets EventBridge send to it on behalf of these rules only.
#[must_use]
pub fn policy(queue: &Value, rules: Vec<Value>) -> Value {
    json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Sid": "MusterRules",
            "Effect": "Allow",
            "Principal": { "Service": "events.amazonaws.com" },
            "Action": "sqs:SendMessage",
            "Resource": queue,
            "Condition": { "ArnEquals": { "aws:SourceArn": Value::Array(rules) } },
        }],
    })
}

/// The tags of everything that is made.
#[must_use]
pub fn tags() -> BTreeMap<String, String> {
    let (key, value) = CREATED_BY;
    BTreeMap::from([(key.to_owned(), value.to_owned())])
}

/// The part of AWS that a region is in, as ARNs name it.
fn partition(region: &Region) -> &'static str {
    let parts = [
        ("cn-", "aws-cn"),
        ("us-gov-", "aws-us-gov"),
        ("us-iso-", "aws-iso"),
        ("us-isob-", "aws-iso-b"),
        ("us-isof-", "aws-iso-f"),
        ("eu-isoe-", "aws-iso-e"),
        ("eusc-", "aws-eusc"),
    ];
    parts.iter().find(|(begin, _)| region.as_str().starts_with(begin)).map_or("aws", |(_, partition)| partition)
}
