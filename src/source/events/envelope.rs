//! Decodes one event. It is pure.
//!
//! Shapes: EventBridge events reference, "Amazon EC2", "Tag Change Events on AWS Resources", "AWS Health" and "Amazon
//! `CloudWatch`"; EC2 User Guide, "Automate Amazon EBS with EventBridge"; EventBridge User Guide, "AWS service events delivered
//! via CloudTrail". State and tag events carry new values, and notices carry announcements. All other known events only mention a
//! resource, so that a describe finds its new state. Other events decode to nothing.

mod alarm;
mod call;
mod decoded_event;
mod ebs;
mod foreign;
mod health;
mod instance;
mod raw;
mod sns;
mod spot;
mod tags;
#[cfg(test)]
mod tests;

use crate::kinds::KindSpec;
use crate::kinds::rules::{CANARY_SOURCE, of_canary};
use crate::model::{AccountId, Canary, Kind, Notification, Observation, ResourceId, Scope, Timestamp};
use raw::{Envelope, Lacks, MAX_RESOURCES, Occurrence, cut};

pub use decoded_event::{DecodedEvent, EventContent, Undecodable};

/// How many characters of a canary's sender are kept, because anybody may send a canary.
const SENDER: usize = 64;

impl DecodedEvent {
    /// Reads a message's body: an event, or the SNS notification of one. `owner` is the account of the queue, for events that do not
    /// name theirs.
    ///
    /// # Errors
    /// [`Undecodable`]; an unknown event type is not an error.
    pub fn read(body: &str, owner: Option<&AccountId>) -> Result<Self, Undecodable> {
        let body = body.trim_start_matches('\u{feff}');
        let envelope: Envelope = serde_json::from_str(body)
            .or_else(|error| sns::message(body).map_or(Err(error), |inner| serde_json::from_str(&inner)))
            .map_err(|_| Undecodable::Foreign { what: foreign::what(body) })?;
        let says = envelope.says(owner).map_err(|field| Undecodable::Field {
            event_id: envelope.id.clone(),
            detail_type: envelope.detail_type.clone(),
            field,
        })?;
        Ok(DecodedEvent { event_id: envelope.id, detail_type: envelope.detail_type, says })
    }

    /// The scope in which a trail logs, and the time of the call, if this is an event of a recorded call, even of one that
    /// failed.
    #[must_use]
    pub fn trail(&self) -> Option<(Scope, Timestamp)> {
        match &self.says {
            EventContent::Call { scope, at, .. } => Some((scope.clone(), *at)),
            EventContent::Resources(Notification { called: Some(called), .. }) => {
                called.targets.first().map(|target| (target.scope(), called.at))
            }
            EventContent::Resources(_) | EventContent::Canary(_) | EventContent::Nothing => None,
        }
    }
}

impl DecodedEvent {
    /// The scopes that it says something about.
    #[must_use]
    pub fn scopes(&self) -> Vec<Scope> {
        let mut scopes: Vec<Scope> = match &self.says {
            EventContent::Resources(Notification { observations, called, .. }) => {
                let targets = called.iter().flat_map(|called| called.targets.iter().map(ResourceId::scope));
                observations.iter().map(|observation| observation.id.scope()).chain(targets).collect()
            }
            EventContent::Canary(canary) => vec![canary.scope.clone()],
            EventContent::Call { scope, .. } => vec![scope.clone()],
            EventContent::Nothing => Vec::new(),
        };
        scopes.sort_unstable();
        scopes.dedup();
        scopes
    }

    /// The kinds of which the call may have changed a resource without naming it; empty for other events.
    #[must_use]
    pub fn untold(&self) -> Vec<Kind> {
        match &self.says {
            EventContent::Call { untold, .. } => untold.clone(),
            EventContent::Resources(Notification { called: Some(called), observations, .. }) => {
                let named = |spec: &KindSpec| observations.iter().any(|seen| seen.id.kind == spec.kind());
                call::untold(&called.call.name, named)
            }
            EventContent::Resources(_) | EventContent::Canary(_) | EventContent::Nothing => Vec::new(),
        }
    }
}

impl Envelope {
    /// Decodes its content.
    fn says(&self, owner: Option<&AccountId>) -> Result<EventContent, Lacks> {
        if self.source == CANARY_SOURCE {
            return Ok(self.canary(owner).map_or(EventContent::Nothing, EventContent::Canary));
        }
        let read: fn(&Self, &Occurrence) -> Result<Vec<Observation>, Lacks> =
            match (self.source.as_str(), self.detail_type.as_str()) {
                ("aws.ec2", "EC2 Instance State-change Notification") => instance::read,
                ("aws.ec2", "EC2 Spot Instance Interruption Warning") => spot::interruption,
                ("aws.ec2", "EC2 Instance Rebalance Recommendation" | "EC2 Spot Instance Rebalance Recommended") => {
                    spot::rebalance
                }
                ("aws.ec2", "EBS Volume Notification") => |event, place| Ok(ebs::volume(event, place)),
                ("aws.ec2", "EBS Snapshot Notification") => |event, place| Ok(ebs::snapshot(event, place)),
                ("aws.ec2", "EBS Multi-Volume Snapshots Completion Status") => {
                    |event, place| Ok(ebs::snapshots(event, place))
                }
                ("aws.tag", "Tag Change on Resource") => tags::read,
                ("aws.health", "AWS Health Event") => health::read,
                ("aws.cloudwatch", "CloudWatch Alarm Contributor State Change") => {
                    |event, place| Ok(alarm::read(event, place))
                }
                ("aws.ec2", "AWS API Call via CloudTrail") => return call::read(self, &self.place(owner)?),
                _ => return Ok(EventContent::Nothing),
            };
        let mut observations = read(self, &self.place(owner)?)?;
        observations.truncate(MAX_RESOURCES);
        if observations.is_empty() {
            return Ok(EventContent::Nothing);
        }
        Ok(EventContent::Resources(Notification { event_id: self.id.clone(), observations, called: None }))
    }

    /// Reads a canary. Anybody may put such an event on the bus, so one that Muster did not make is ignored.
    fn canary(&self, owner: Option<&AccountId>) -> Option<Canary> {
        let (rule, name) = of_canary(&self.detail_type)?;
        let sent_at = Timestamp::parse(self.text("sent_at")?)?;
        let (scope, name) = (self.scope(owner).ok()?, name.to_owned());
        Some(Canary { scope, rule: rule.slug, name, sent_by: cut(self.text("sent_by")?, SENDER), sent_at })
    }
}
