//! Writes the setup as a CloudFormation template, for people who make every change by stacks.
//!
//! CloudFormation fills in account, region and partition, so one template fits all. What a stack made has Muster's tag: `muster
//! setup` finds nothing to do, and `muster teardown` leaves it to the stack.

use serde_json::{Map, Value, json};

use super::desired::{QueueRole, RECEIVES, TARGET, description, policy, tags};
use crate::config::EventsName;
use crate::kinds::rules::{RULES, RuleSpec};

/// Writes the template of everything that `muster setup` makes under a name.
#[must_use]
pub fn template(name: &EventsName) -> Value {
    let mut resources = Map::new();
    for role in QueueRole::ALL {
        resources.insert(queue_id(role).to_owned(), queue(role, name));
    }
    for rule in RULES {
        resources.insert(rule_id(rule), self::rule(rule, name));
    }
    for role in QueueRole::ALL {
        resources.insert(format!("{}Policy", queue_id(role)), queue_policy(role));
    }
    json!({
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": "Brings EC2's events from EventBridge into a queue that Muster reads",
        "Resources": resources,
        "Outputs": {
            "QueueUrl": {
                "Description": "For muster serve --queue-url",
                "Value": { "Ref": queue_id(QueueRole::Events) },
            },
        },
    })
}

fn queue(role: QueueRole, name: &EventsName) -> Value {
    let mut properties = Map::from_iter([("QueueName".to_owned(), json!(role.name(name)))]);
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

fn queue_policy(role: QueueRole) -> Value {
    let id = queue_id(role);
    json!({
        "Type": "AWS::SQS::QueuePolicy",
        "Properties": {
            "Queues": [{ "Ref": id }],
            "PolicyDocument": policy(&arn(id), RULES.iter().map(|rule| arn(&rule_id(rule))).collect()),
        },
    })
}

fn rule(rule: &RuleSpec, name: &EventsName) -> Value {
    json!({
        "Type": "AWS::Events::Rule",
        "Properties": {
            "Name": rule.name(name.as_str()),
            "Description": description(rule),
            "EventPattern": rule.pattern(name.as_str()),
            "State": "ENABLED",
            "Tags": tag_list(),
            "Targets": [{
                "Id": TARGET,
                "Arn": arn(queue_id(QueueRole::Events)),
                "DeadLetterConfig": { "Arn": arn(queue_id(QueueRole::Dead)) },
            }],
        },
    })
}

fn arn(id: &str) -> Value {
    json!({ "Fn::GetAtt": [id, "Arn"] })
}

fn queue_id(role: QueueRole) -> &'static str {
    match role {
        QueueRole::Dead => "DeadLetterQueue",
        QueueRole::Events => "EventQueue",
    }
}

/// Returns a rule's name in the template, such as `InstancesRule`.
fn rule_id(rule: &RuleSpec) -> String {
    let mut letters = rule.slug.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    format!("{}{}Rule", first.map_or_else(String::new, String::from), letters.as_str())
}

fn tag_list() -> Value {
    tags().into_iter().map(|(key, value)| json!({ "Key": key, "Value": value })).collect()
}
