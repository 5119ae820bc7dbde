//! What one event says, pure.
//!
//! Shapes: EventBridge events reference, "Amazon EC2", "Tag Change Events on AWS Resources", "AWS Health" and "Amazon
//! `CloudWatch`"; EC2 User Guide, "Automate Amazon EBS with EventBridge"; EventBridge User Guide, "AWS service events delivered via
//! CloudTrail". State and tag events assert, notices announce; what else is known only mentions a resource, so that a describe
//! tells what became of it. Events that Muster has no use for read as nothing.

mod alarm;
mod call;
mod ebs;
mod foreign;
mod health;
mod instance;
mod sns;
mod spot;
mod tags;
#[cfg(test)]
mod tests;

use serde::Deserialize;
use serde_json::Value as Json;

use crate::kinds::rules::{CANARY_SOURCE, of_canary};
use crate::kinds::{self, KindSpec};
use crate::model::text::shown;
use crate::model::{
    AccountId, Canary, Kind, Notification, Observation, Region, ResourceId, Scope, Seen, Source, Timestamp,
};

/// How many resources one event speaks of at most; the rest is left to the sweeps.
const MOST: usize = 1000;

/// How much of a canary's sender is kept, in characters: anybody may put one.
const SENDER: usize = 64;

/// What an event says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// The envelope's id: the same event may come again under it.
    pub event_id: String,
    /// Its kind, as AWS names it.
    pub detail_type: String,
    /// What it says.
    pub says: Says,
}

/// What an event says to Muster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Says {
    /// Something of resources.
    Resources(Notification),
    /// That somebody called AWS in this scope, without an effect on what is watched: the call failed, or touched other things. It
    /// proves that a trail logs there.
    Call {
        /// Where.
        scope: Scope,
        /// When it was made.
        at: Timestamp,
        /// The kinds that it may have changed a resource of without naming it.
        untold: Vec<Kind>,
    },
    /// That a rule lets events through.
    Canary(Canary),
    /// Nothing that Muster has a use for: an unknown type, or a resource of a kind that is not watched.
    Nothing,
}

/// Why a message cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Undecodable {
    /// It is no EventBridge event.
    #[error(
        "the message is {what}, not an EventBridge event: only a rule should write to this queue, directly or through an SNS topic"
    )]
    Foreign {
        /// What it is instead.
        what: &'static str,
    },
    /// A field that the event's type has is missing or malformed.
    #[error(
        "the event {} of type `{}` lacks a readable `{field}`; a describe will tell instead",
        shown(event_id, 64),
        shown(detail_type, 128)
    )]
    Field {
        /// The envelope's id.
        event_id: String,
        /// The event's type.
        detail_type: String,
        /// The field.
        field: &'static str,
    },
}

/// The field that cannot be read.
type Lacks = &'static str;

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Envelope {
    id: String,
    detail_type: String,
    source: String,
    account: Option<String>,
    time: Option<String>,
    region: Option<String>,
    #[serde(default)]
    resources: Vec<String>,
    #[serde(default)]
    detail: Json,
}

/// Where and when an event's facts hold.
struct Place {
    scope: Scope,
    at: Timestamp,
}

impl Place {
    fn saw(&self, spec: &KindSpec, id: &str, seen: Seen) -> Observation {
        let id = ResourceId::new(&self.scope, &spec.kind(), id);
        Observation { source: Source::Notification, at: self.at, id, seen }
    }

    fn mentioned(&self, (spec, id): (&KindSpec, &str)) -> Observation {
        self.saw(spec, id, Seen::Mentioned)
    }
}

impl Told {
    /// Reads a message's body: an event, or the SNS notification of one. `owner` is the account of the queue, for events that do not
    /// name theirs.
    ///
    /// # Errors
    /// [`Undecodable`]; an event of a type that is not known is none.
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
        Ok(Told { event_id: envelope.id, detail_type: envelope.detail_type, says })
    }

    /// Where a trail logs and when the call was made, when this is an event of a call that one recorded, whatever became of the call.
    #[must_use]
    pub fn trail(&self) -> Option<(Scope, Timestamp)> {
        match &self.says {
            Says::Call { scope, at, .. } => Some((scope.clone(), *at)),
            Says::Resources(Notification { called: Some(called), .. }) => {
                called.targets.first().map(|target| (target.scope(), called.at))
            }
            Says::Resources(_) | Says::Canary(_) | Says::Nothing => None,
        }
    }
}

impl Told {
    /// The kinds that the call, when this is an event of one, may have changed a resource of without naming it.
    #[must_use]
    pub fn untold(&self) -> Vec<Kind> {
        match &self.says {
            Says::Call { untold, .. } => untold.clone(),
            Says::Resources(Notification { called: Some(called), observations, .. }) => {
                let named = |spec: &KindSpec| observations.iter().any(|seen| seen.id.kind == spec.kind());
                call::untold(&called.call.name, named)
            }
            Says::Resources(_) | Says::Canary(_) | Says::Nothing => Vec::new(),
        }
    }
}

impl Envelope {
    /// What it says.
    fn says(&self, owner: Option<&AccountId>) -> Result<Says, Lacks> {
        if self.source == CANARY_SOURCE {
            return Ok(self.canary(owner).map_or(Says::Nothing, Says::Canary));
        }
        let read: fn(&Self, &Place) -> Result<Vec<Observation>, Lacks> =
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
                _ => return Ok(Says::Nothing),
            };
        let mut observations = read(self, &self.place(owner)?)?;
        observations.truncate(MOST);
        if observations.is_empty() {
            return Ok(Says::Nothing);
        }
        Ok(Says::Resources(Notification { event_id: self.id.clone(), observations, called: None }))
    }

    /// Anybody may put such an event on the bus: one that is not as Muster makes them says nothing.
    fn canary(&self, owner: Option<&AccountId>) -> Option<Canary> {
        let (rule, name) = of_canary(&self.detail_type)?;
        let sent_at = Timestamp::parse(self.text("sent_at")?)?;
        let (scope, name) = (self.scope(owner).ok()?, name.to_owned());
        Some(Canary { scope, rule: rule.slug, name, sent_by: cut(self.text("sent_by")?, SENDER), sent_at })
    }

    fn place(&self, owner: Option<&AccountId>) -> Result<Place, Lacks> {
        let at = self.time.as_deref().and_then(Timestamp::parse).ok_or("time")?;
        Ok(Place { scope: self.scope(owner)?, at })
    }

    fn scope(&self, owner: Option<&AccountId>) -> Result<Scope, Lacks> {
        let account = self.account.as_deref().filter(|text| AccountId::is_valid(text)).map(AccountId::new);
        let of_call = || self.text("recipientAccountId").filter(|text| AccountId::is_valid(text)).map(AccountId::new);
        let account = account
            .or_else(|| self.resources.iter().find_map(|arn| account_of(arn)))
            .or_else(of_call)
            .or_else(|| owner.cloned());
        let region = self.region.as_deref().filter(|region| !region.is_empty()).ok_or("region")?;
        Ok(Scope { account: account.ok_or("account")?, region: Region::new(region) })
    }

    /// A text of the detail.
    fn text(&self, field: &str) -> Option<&str> {
        self.detail.get(field)?.as_str()
    }

    /// The first of `resources` that is of a kind Muster knows.
    fn resource(&self) -> Option<(&'static KindSpec, &str)> {
        self.resources.iter().find_map(|arn| parsed(arn))
    }
}

/// The kind and id that an ARN names: `arn:aws:ec2:REGION:ACCOUNT:instance/i-1`. Region and account may be missing, or change places.
fn parsed(arn: &str) -> Option<(&'static KindSpec, &str)> {
    let (kind, id) = arn.rsplit_once(':')?.1.split_once('/')?;
    Some((kinds::of_arn_type(kind)?, id)).filter(|(_, id)| !id.is_empty())
}

fn account_of(arn: &str) -> Option<AccountId> {
    arn.split(':').nth(4).filter(|text| AccountId::is_valid(text)).map(AccountId::new)
}

/// The first `limit` characters: what others wrote takes no more room in the log.
fn cut(text: &str, limit: usize) -> String {
    text.chars().take(limit).collect()
}
