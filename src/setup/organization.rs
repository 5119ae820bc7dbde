//! Writes the setup of the accounts of an organization as CloudFormation templates: one for every account, which a stack set
//! deploys, and one for the account of a central bus or queue.
//!
//! Muster deploys neither. Nothing here makes calls.
//!
//! The template of the accounts fits all of them and all their regions: IAM's roles belong to no region, so that only the stack of
//! one region makes the role that Muster assumes.
//!
//! Sources: EventBridge user guide, "Sending events to an AWS service in another account" and "Permissions for event buses";
//! CloudFormation template reference, `AWS::Events::EventBusPolicy`: accounts that are let in as an organization have to send with a
//! role.

use serde_json::{Map, Value, json};

use super::desired::QueueRole;
use super::template::{
    TemplateResources, arn, document, events, policy_id, queue, queue_id, queue_policy, queue_url, rule, rule_id,
    rules_may_send, tag_list, target, to_queue,
};
use super::trusted::TrustedPrincipal;
use super::wiring::{CentralPlace, DEAD, EventWiring};
use crate::aws::permissions::{self, PolicyLimits, PolicyPart};
use crate::config::EventsName;
use crate::kinds::rules::RULES;
use crate::model::Region;

/// The conditions of the template of the accounts.
const HOLDS_ROLE: &str = "HoldsRole";
const HOLDS_QUEUE: &str = "IsRegionOfQueue";

/// The template's name of the role that forwards events.
const FORWARDER: &str = "ForwardRole";

/// What each account of an organization gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberSetup {
    /// What the names of queues and rules begin with.
    pub name: EventsName,
    /// The name of the role that Muster assumes.
    pub role: String,
    /// Who may assume it.
    pub trusted: TrustedPrincipal,
    /// The external id that has to be given to assume it.
    pub external_id: Option<String>,
    /// The region whose stack makes it, unless the stack set says another.
    pub role_region: Region,
    /// Where events go.
    pub wiring: EventWiring,
}

impl MemberSetup {
    /// Writes the template that a stack set deploys in every account and region.
    #[must_use]
    pub fn template(&self) -> Value {
        let mut resources = TemplateResources::from_iter([("ReaderRole".to_owned(), self.reader())]);
        let mut outputs = Map::new();
        let mut conditions = Map::new();
        conditions.insert(HOLDS_ROLE.to_owned(), in_region(&json!({ "Ref": "RoleRegion" })));
        match &self.wiring {
            EventWiring::QueueEach => {
                resources.extend(events(&self.name));
                outputs = queue_url();
            }
            EventWiring::CentralBus(bus) => resources.extend(self.forwarded(bus, "events:PutEvents")),
            EventWiring::CentralQueue(queue) => {
                conditions.insert(HOLDS_QUEUE.to_owned(), in_region(&json!(queue.region.as_str())));
                let mut forwarded = self.forwarded(queue, "sqs:SendMessage");
                for resource in forwarded.values_mut().filter_map(Value::as_object_mut) {
                    resource.insert("Condition".to_owned(), json!(HOLDS_QUEUE));
                }
                resources.extend(forwarded);
            }
        }
        outputs.insert(
            "RoleRegion".to_owned(),
            json!({
                "Description": "The region whose stack made the role that Muster assumes",
                "Value": { "Ref": "RoleRegion" },
            }),
        );
        let mut template = document(&self.description(), &resources, &outputs);
        if let Some(template) = template.as_object_mut() {
            let region = json!({
                "Type": "String",
                "Default": self.role_region.as_str(),
                "Description": "The region whose stack makes the role that Muster assumes: one of those of the stack set",
            });
            template.insert("Parameters".to_owned(), json!({ "RoleRegion": region }));
            template.insert("Conditions".to_owned(), Value::Object(conditions));
        }
        template
    }

    fn description(&self) -> String {
        let events = match &self.wiring {
            EventWiring::QueueEach => "a queue with EC2's events in each region".to_owned(),
            EventWiring::CentralBus(bus) => format!("rules that send EC2's events to {}", bus.arn),
            EventWiring::CentralQueue(queue) => {
                format!("rules in {} that send EC2's events to {}", queue.region, queue.arn)
            }
        };
        format!("For a stack set over accounts that Muster watches: the role {} and {events}", self.role)
    }

    /// The role that Muster assumes, with what reading and events need.
    fn reader(&self) -> Value {
        let mut trust = json!({
            "Effect": "Allow",
            "Principal": { "AWS": self.trusted.principal() },
            "Action": "sts:AssumeRole",
        });
        if let (Some(id), Some(trust)) = (&self.external_id, trust.as_object_mut()) {
            trust.insert("Condition".to_owned(), json!({ "StringEquals": { "sts:ExternalId": id } }));
        }
        let limits = PolicyLimits {
            parts: [PolicyPart::Read, PolicyPart::Events].into(),
            account: Some("${AWS::AccountId}".to_owned()),
            name: self.name.to_string(),
            ..PolicyLimits::default()
        };
        json!({
            "Type": "AWS::IAM::Role",
            "Condition": HOLDS_ROLE,
            "Properties": {
                "RoleName": self.role,
                "Description": "Muster assumes it to read this account",
                "AssumeRolePolicyDocument": { "Version": "2012-10-17", "Statement": [trust] },
                "Policies": [{ "PolicyName": "muster", "PolicyDocument": of_any_partition(permissions::document(&limits)) }],
                "Tags": tag_list(),
            },
        })
    }

    /// The rules that send to a central bus or queue by a role, and the queue for what cannot be delivered.
    fn forwarded(&self, place: &CentralPlace, action: &str) -> TemplateResources {
        let mut resources = TemplateResources::new();
        let dead = QueueRole::Dead;
        resources.insert(queue_id(dead).to_owned(), queue(dead, &dead.name(&self.name)));
        resources.insert(FORWARDER.to_owned(), self.forwarder(place, action));
        let mut to = target(&json!(place.arn));
        to.insert("RoleArn".to_owned(), arn(FORWARDER));
        for known in RULES {
            resources.insert(rule_id(known), rule(known, &self.name, &to));
        }
        resources.insert(policy_id(dead), queue_policy(dead, &rules_may_send(dead)));
        resources
    }

    /// The role by which EventBridge sends to another account or region. Each region has its own, so that no stack waits for that
    /// of another region.
    fn forwarder(&self, place: &CentralPlace, action: &str) -> Value {
        json!({
            "Type": "AWS::IAM::Role",
            "Properties": {
                "RoleName": { "Fn::Sub": forwarder_name(&self.name, "${AWS::Region}") },
                "Description": "EventBridge sends EC2's events with it to where Muster receives them",
                "AssumeRolePolicyDocument": { "Version": "2012-10-17", "Statement": [{
                    "Effect": "Allow",
                    "Principal": { "Service": "events.amazonaws.com" },
                    "Action": "sts:AssumeRole",
                }] },
                "Policies": [{ "PolicyName": "muster", "PolicyDocument": {
                    "Version": "2012-10-17",
                    "Statement": [{ "Effect": "Allow", "Action": action, "Resource": place.arn }],
                } }],
                "Tags": tag_list(),
            },
        })
    }
}

/// What the account of a central bus or queue gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CentralSetup {
    /// What the names of queues and rules begin with.
    pub name: EventsName,
    /// The organization whose accounts may send, such as `o-a1b2c3d4e5`.
    pub organization: String,
    /// The bus or queue.
    pub wiring: EventWiring,
}

impl CentralSetup {
    /// Writes the template of a stack in the account and region of the bus or queue; `None` where each region has its own queue.
    #[must_use]
    pub fn template(&self) -> Option<Value> {
        let (place, name) = (self.wiring.center()?, self.wiring.queue_name(&self.name)?);
        let mut resources = TemplateResources::new();
        let names = [(QueueRole::Dead, format!("{name}{DEAD}")), (QueueRole::Events, name)];
        for (role, name) in names {
            resources.insert(queue_id(role).to_owned(), queue(role, &name));
        }
        let mut outputs = queue_url();
        if let EventWiring::CentralBus(bus) = &self.wiring {
            resources.extend(self.bus(bus));
            outputs.insert(
                "BusArn".to_owned(),
                json!({
                    "Description": "For muster setup --organization --central-bus",
                    "Value": arn("CentralBus"),
                }),
            );
        } else {
            let role = QueueRole::Events;
            resources.insert(policy_id(role), queue_policy(role, &self.queue_policy(place)));
        }
        let CentralPlace { account, region, .. } = place;
        let description = format!(
            "For a stack in {account}, {region}: where Muster receives EC2's events of the accounts of {}",
            self.organization
        );
        Some(document(&description, &resources, &outputs))
    }

    /// The bus, which lets the organization in, and rules that send what Muster reads to the queue.
    fn bus(&self, bus: &CentralPlace) -> TemplateResources {
        let mut resources = TemplateResources::new();
        resources.insert(
            "CentralBus".to_owned(),
            json!({
                "Type": "AWS::Events::EventBus",
                "Properties": { "Name": bus.name, "Tags": tag_list() },
            }),
        );
        resources.insert(
            "CentralBusPolicy".to_owned(),
            json!({
                "Type": "AWS::Events::EventBusPolicy",
                "Properties": {
                    "EventBusName": { "Ref": "CentralBus" },
                    "StatementId": "MusterOrganization",
                    "Statement": {
                        "Effect": "Allow",
                        "Principal": "*",
                        "Action": "events:PutEvents",
                        "Resource": arn("CentralBus"),
                        "Condition": { "StringEquals": { "aws:PrincipalOrgID": self.organization } },
                    },
                },
            }),
        );
        for known in RULES {
            let mut rule = rule(known, &self.name, &to_queue());
            if let Some(properties) = rule.get_mut("Properties").and_then(Value::as_object_mut) {
                properties.insert("EventBusName".to_owned(), json!({ "Ref": "CentralBus" }));
            }
            resources.insert(rule_id(known), rule);
        }
        for role in QueueRole::ALL {
            resources.insert(policy_id(role), queue_policy(role, &rules_may_send(role)));
        }
        resources
    }

    /// The policy of a central queue. It names the organization, as a policy of SQS takes at most 50 principals.
    fn queue_policy(&self, place: &CentralPlace) -> Value {
        let senders = format!("arn:{}:iam::*:role/{}", place.partition, forwarder_name(&self.name, "*"));
        json!({
            "Version": "2012-10-17",
            "Statement": [{
                "Sid": "MusterOrganization",
                "Effect": "Allow",
                "Principal": { "AWS": "*" },
                "Action": "sqs:SendMessage",
                "Resource": arn(queue_id(QueueRole::Events)),
                "Condition": {
                    "StringEquals": { "aws:PrincipalOrgID": self.organization },
                    "ArnLike": { "aws:PrincipalArn": senders },
                },
            }],
        })
    }
}

/// The name of the role by which EventBridge sends the events of a region.
fn forwarder_name(name: &EventsName, region: &str) -> String {
    format!("{name}-events-{region}")
}

/// The condition that a stack is in a region.
fn in_region(region: &Value) -> Value {
    json!({ "Fn::Equals": [{ "Ref": "AWS::Region" }, region] })
}

/// A policy whose ARNs CloudFormation completes with the partition and account of the stack.
fn of_any_partition(policy: Value) -> Value {
    match policy {
        Value::String(text) => match text.strip_prefix("arn:aws:") {
            Some(rest) => json!({ "Fn::Sub": format!("arn:${{AWS::Partition}}:{rest}") }),
            None => Value::String(text),
        },
        Value::Array(items) => items.into_iter().map(of_any_partition).collect(),
        Value::Object(members) => {
            Value::Object(members.into_iter().map(|(name, value)| (name, of_any_partition(value))).collect())
        }
        other => other,
    }
}

#[cfg(test)]
mod tests;
