//! Writes the setup as a CloudFormation template, for people who make every change by stacks.
//!
//! CloudFormation fills in account, region and partition, so one template fits all. What a stack made has Muster's tag: `muster
//! setup` finds nothing to do, and `muster teardown` leaves it to the stack.

use serde_json::{Map, Value, json};

use super::desired::{QueueRole, RECEIVES, TARGET, description, policy, tags};
use crate::config::EventsName;
use crate::kinds::rules::{RULES, RuleSpec};

/// The resources of a template, by their names there.
pub(super) type TemplateResources = Map<String, Value>;

/// Writes the template of everything that `muster setup` makes under a name.
#[must_use]
pub fn template(name: &EventsName) -> Value {
    document("Brings EC2's events from EventBridge into a queue that Muster reads", &events(name), &queue_url())
}

/// Writes a template.
pub(super) fn document(description: &str, resources: &TemplateResources, outputs: &Map<String, Value>) -> Value {
    json!({
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": description,
        "Resources": resources,
        "Outputs": outputs,
    })
}

/// Writes everything that `muster setup` makes under a name in an account and region.
pub(super) fn events(name: &EventsName) -> TemplateResources {
    let mut resources = TemplateResources::new();
    for role in QueueRole::ALL {
        resources.insert(queue_id(role).to_owned(), queue(role, &role.name(name)));
    }
    for rule in RULES {
        resources.insert(rule_id(rule), self::rule(rule, name, &to_queue()));
    }
    for role in QueueRole::ALL {
        resources.insert(policy_id(role), queue_policy(role, &rules_may_send(role)));
    }
    resources
}

/// Writes the output that names the queue of events.
pub(super) fn queue_url() -> Map<String, Value> {
    let url = json!({ "Description": "For muster serve --queue-url", "Value": { "Ref": queue_id(QueueRole::Events) } });
    Map::from_iter([("QueueUrl".to_owned(), url)])
}

/// Writes a queue.
pub(super) fn queue(role: QueueRole, name: &str) -> Value {
    let mut properties = Map::from_iter([("QueueName".to_owned(), json!(name))]);
    // The template's properties have the names of the attributes, and types.
    for (setting, value) in role.settings() {
        let typed = value.parse::<u32>().map_or_else(|_| json!(*value == "true"), |number| json!(number));
        properties.insert((*setting).to_owned(), typed);
    }
    if role == QueueRole::Events {
        let redrive = json!({ "deadLetterTargetArn": arn(queue_id(QueueRole::Dead)), "maxReceiveCount": RECEIVES });
        properties.insert("RedrivePolicy".to_owned(), redrive);
    }
    properties.insert("Tags".to_owned(), tag_list());
    // A deleted stack deletes the queues: sweeps find what their messages report.
    json!({
        "Type": "AWS::SQS::Queue",
        "DeletionPolicy": "Delete",
        "UpdateReplacePolicy": "Delete",
        "Properties": properties,
    })
}

/// Writes the policy of a queue.
pub(super) fn queue_policy(role: QueueRole, policy: &Value) -> Value {
    json!({
        "Type": "AWS::SQS::QueuePolicy",
        "Properties": { "Queues": [{ "Ref": queue_id(role) }], "PolicyDocument": policy },
    })
}

/// The policy that lets exactly the rules of the template send to a queue.
pub(super) fn rules_may_send(role: QueueRole) -> Value {
    policy(&arn(queue_id(role)), RULES.iter().map(|rule| arn(&rule_id(rule))).collect())
}

/// Writes a rule with one target.
pub(super) fn rule(rule: &RuleSpec, name: &EventsName, target: &TemplateResources) -> Value {
    let mut target = target.clone();
    target.insert("Id".to_owned(), json!(TARGET));
    json!({
        "Type": "AWS::Events::Rule",
        "Properties": {
            "Name": rule.name(name.as_str()),
            "Description": description(rule),
            "EventPattern": rule.pattern(name.as_str()),
            "State": "ENABLED",
            "Tags": tag_list(),
            "Targets": [target],
        },
    })
}

/// The queue of events as a target; undeliverable events go to the dead-letter queue.
pub(super) fn to_queue() -> TemplateResources {
    target(&arn(queue_id(QueueRole::Events)))
}

/// A target whose undeliverable events go to the dead-letter queue.
pub(super) fn target(to: &Value) -> TemplateResources {
    let dead = json!({ "Arn": arn(queue_id(QueueRole::Dead)) });
    TemplateResources::from_iter([("Arn".to_owned(), to.clone()), ("DeadLetterConfig".to_owned(), dead)])
}

/// The ARN of a resource of the template.
pub(super) fn arn(id: &str) -> Value {
    json!({ "Fn::GetAtt": [id, "Arn"] })
}

/// Returns a queue's name in the template.
pub(super) fn queue_id(role: QueueRole) -> &'static str {
    match role {
        QueueRole::Dead => "DeadLetterQueue",
        QueueRole::Events => "EventQueue",
    }
}

/// Returns the name of a queue's policy in the template.
pub(super) fn policy_id(role: QueueRole) -> String {
    format!("{}Policy", queue_id(role))
}

/// Returns a rule's name in the template, such as `InstancesRule`.
pub(super) fn rule_id(rule: &RuleSpec) -> String {
    let mut letters = rule.slug.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    format!("{}{}Rule", first.map_or_else(String::new, String::from), letters.as_str())
}

/// The tags of everything that a template makes.
pub(super) fn tag_list() -> Value {
    tags().into_iter().map(|(key, value)| json!({ "Key": key, "Value": value })).collect()
}
