//! The queues and rules that should exist for a name in an account and region. Nothing here makes calls.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::aws::actions::CREATED_BY;
use crate::aws::bus::RuleInput;
use crate::config::EventsName;
use crate::kinds::rules::{RULES, RuleSpec};
use crate::model::{Partition, Scope};

/// The id of the target that each rule has.
pub const TARGET: &str = "muster";

/// After how many receives a message goes to the dead-letter queue.
pub const RECEIVES: u32 = 5;

/// The queues and rules that should exist in a scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Desired {
    /// The account and region.
    pub scope: Scope,
    /// What all names of queues and rules begin with.
    pub name: EventsName,
}

/// One of the two queues.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum QueueRole {
    /// The dead-letter queue: for messages that cannot be delivered or were received too often.
    Dead,
    /// The queue that Muster receives from.
    Events,
}

/// A queue or rule that is set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Thing {
    /// A queue.
    Queue(QueueRole),
    /// A rule, with its target.
    Rule(&'static RuleSpec),
}

impl QueueRole {
    /// Both queues, in the order in which they are made.
    pub const ALL: [QueueRole; 2] = [QueueRole::Dead, QueueRole::Events];

    /// Returns the queue's name.
    #[must_use]
    pub fn name(self, name: &EventsName) -> String {
        match self {
            QueueRole::Dead => format!("{name}-events-dead"),
            QueueRole::Events => format!("{name}-events"),
        }
    }

    /// Returns the attributes that are not JSON documents: SQS's names, and their values.
    #[must_use]
    pub fn settings(self) -> &'static [(&'static str, &'static str)] {
        match self {
            // The longest time that SQS keeps messages: a person has to look at them.
            QueueRole::Dead => &[("MessageRetentionPeriod", "1209600"), ("SqsManagedSseEnabled", "true")],
            // Sweeps have found everything that events of a day ago report.
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
    /// Describes what should exist in `scope` under `name`.
    #[must_use]
    pub fn new(scope: Scope, name: EventsName) -> Self {
        Desired { scope, name }
    }

    /// Returns all queues and rules, in the order in which they are made.
    pub fn things() -> impl Iterator<Item = Thing> {
        QueueRole::ALL.into_iter().map(Thing::Queue).chain(RULES.iter().map(Thing::Rule))
    }

    /// Names a queue or rule for a person: `the queue muster-events`.
    #[must_use]
    pub fn label(&self, thing: Thing) -> String {
        match thing {
            Thing::Queue(role) => format!("the queue {}", role.name(&self.name)),
            Thing::Rule(rule) => format!("the rule {}", rule.name(self.name.as_str())),
        }
    }

    /// Returns the ARN of a queue.
    #[must_use]
    pub fn queue_arn(&self, role: QueueRole) -> String {
        let Scope { account, region } = &self.scope;
        format!("arn:{}:sqs:{region}:{account}:{}", Partition::of(region), role.name(&self.name))
    }

    /// Returns the ARN of a rule on the default bus.
    #[must_use]
    pub fn rule_arn(&self, rule: &RuleSpec) -> String {
        let Scope { account, region } = &self.scope;
        format!("arn:{}:events:{region}:{account}:rule/{}", Partition::of(region), rule.name(self.name.as_str()))
    }

    /// Returns a rule for `PutRule`.
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

    /// Returns all attributes of a queue.
    #[must_use]
    pub fn attributes(&self, role: QueueRole) -> BTreeMap<String, String> {
        let settings = role.settings().iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        settings.chain(self.documents(role).into_iter().map(|(name, text)| (name, text.to_string()))).collect()
    }

    /// Returns the attributes of a queue that are JSON documents.
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

    /// Returns the policy that lets EventBridge send to a queue for exactly these rules.
    fn policy(&self, role: QueueRole) -> Value {
        let arns = RULES.iter().map(|rule| json!(self.rule_arn(rule))).collect();
        policy(&json!(self.queue_arn(role)), arns)
    }
}

/// Returns the description of a rule.
#[must_use]
pub fn description(rule: &RuleSpec) -> String {
    format!("For Muster: {}", rule.title)
}

/// Returns the policy that lets EventBridge send to a queue for these rules only.
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

/// Returns the tags of everything that setup makes.
#[must_use]
pub fn tags() -> BTreeMap<String, String> {
    let (key, value) = CREATED_BY;
    BTreeMap::from([(key.to_owned(), value.to_owned())])
}
