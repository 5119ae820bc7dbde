//! What one event says, pure.
//!
//! Shapes: EventBridge events reference, "Amazon EC2" and "Tag Change Events on AWS Resources"; EC2 User Guide,
//! "Automate Amazon EBS with EventBridge". State and tag events assert; what else is known only mentions a resource, so that
//! a describe tells what became of it. Events that Muster has no use for read as nothing.

use serde::Deserialize;
use serde_json::Value as Json;

use crate::kinds::rules::{CANARY_SOURCE, of_canary};
use crate::kinds::{self, KindSpec};
use crate::model::{
    AccountId, Canary, Map, Notification, Observation, Region, ResourceId, Scope, Seen, Source, Timestamp, Value,
};

/// EC2's instance states with their codes (EC2 API reference, `InstanceState`).
const STATES: [(&str, i64); 6] =
    [("pending", 0), ("running", 16), ("shutting-down", 32), ("terminated", 48), ("stopping", 64), ("stopped", 80)];

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
    /// That a rule lets events through.
    Canary(Canary),
    /// Nothing that Muster has a use for: an unknown type, or a resource of a kind that is not watched.
    Nothing,
}

/// Why a message cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Undecodable {
    /// It is no EventBridge event.
    #[error("the message is not an EventBridge event; only a rule's target should write to this queue")]
    Envelope(#[source] serde_json::Error),
    /// A field that the event's type has is missing or malformed.
    #[error("the event {event_id} of type `{detail_type}` lacks a readable `{field}`; a describe will tell instead")]
    Field {
        /// The envelope's id.
        event_id: String,
        /// The event's type.
        detail_type: String,
        /// The field.
        field: &'static str,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Envelope {
    id: String,
    detail_type: String,
    source: String,
    account: Option<String>,
    time: String,
    region: String,
    #[serde(default)]
    resources: Vec<String>,
    #[serde(default)]
    detail: Json,
}

impl Told {
    /// Reads a message's body. `owner` is the account of the queue, for events that do not name theirs.
    ///
    /// # Errors
    /// [`Undecodable`]; an event of a type that is not known is none.
    pub fn read(body: &str, owner: Option<&AccountId>) -> Result<Self, Undecodable> {
        let envelope: Envelope = serde_json::from_str(body).map_err(Undecodable::Envelope)?;
        let says = envelope.says(owner).map_err(|field| Undecodable::Field {
            event_id: envelope.id.clone(),
            detail_type: envelope.detail_type.clone(),
            field,
        })?;
        Ok(Told { event_id: envelope.id, detail_type: envelope.detail_type, says })
    }
}

impl Envelope {
    /// What it says, or the field that cannot be read.
    fn says(&self, owner: Option<&AccountId>) -> Result<Says, &'static str> {
        if self.source == CANARY_SOURCE {
            return Ok(self.canary(owner).map_or(Says::Nothing, Says::Canary));
        }
        let observations = self.observations(owner)?;
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
        Some(Canary { scope, rule: rule.slug, name, sent_by: self.text("sent_by")?.to_owned(), sent_at })
    }

    fn scope(&self, owner: Option<&AccountId>) -> Result<Scope, &'static str> {
        let account = self.account.as_deref().filter(|text| AccountId::is_valid(text)).map(AccountId::new);
        let account =
            account.or_else(|| self.resources.iter().find_map(|arn| account_of(arn))).or_else(|| owner.cloned());
        Ok(Scope { account: account.ok_or("account")?, region: Region::new(self.region.as_str()) })
    }

    /// The observations, or the field that cannot be read.
    fn observations(&self, owner: Option<&AccountId>) -> Result<Vec<Observation>, &'static str> {
        let (spec, id, seen) = match (self.source.as_str(), self.detail_type.as_str()) {
            ("aws.ec2", "EC2 Instance State-change Notification") => {
                let id = self.text("instance-id").ok_or("detail.instance-id")?;
                let state = self.text("state").and_then(state).ok_or("detail.state")?;
                (kinds::INSTANCE, id, Seen::StateAsserted(state))
            }
            ("aws.tag", "Tag Change on Resource") if self.text("service") == Some("ec2") => {
                let Some((spec, id)) = self.resource() else { return Ok(Vec::new()) };
                let version = self.detail.get("version").and_then(Json::as_u64).ok_or("detail.version")?;
                (spec, id, Seen::TagsAsserted { tags: self.tags().ok_or("detail.tags")?, version })
            }
            ("aws.ec2", "EBS Volume Notification" | "EBS Snapshot Notification") => {
                let named = self.text("snapshot_id").and_then(parsed).or_else(|| self.resource());
                let Some((spec, id)) = named else { return Ok(Vec::new()) };
                (spec, id, Seen::Mentioned)
            }
            _ => return Ok(Vec::new()),
        };
        let at = Timestamp::parse(&self.time).ok_or("time")?;
        let id = ResourceId::new(&self.scope(owner)?, &spec.kind(), id);
        Ok(vec![Observation { source: Source::Notification, at, id, seen }])
    }

    fn text(&self, field: &str) -> Option<&str> {
        self.detail.get(field)?.as_str()
    }

    /// The first of `resources` that is of a kind Muster knows.
    fn resource(&self) -> Option<(&'static KindSpec, &str)> {
        self.resources.iter().find_map(|arn| parsed(arn))
    }

    /// The whole set of tags, as documents hold it.
    fn tags(&self) -> Option<Value> {
        let tag = |(key, value): (&String, &Json)| {
            let value = value.as_str()?;
            Some(Value::Map(Map::from([("Key", key.as_str().into()), ("Value", value.into())])))
        };
        self.detail.get("tags")?.as_object()?.iter().map(tag).collect::<Option<Vec<Value>>>().map(Value::List)
    }
}

/// The kind and id that an ARN names: `arn:aws:ec2:REGION:ACCOUNT:instance/i-1`. Region and account may be missing.
fn parsed(arn: &str) -> Option<(&'static KindSpec, &str)> {
    let (kind, id) = arn.rsplit_once(':')?.1.split_once('/')?;
    let slug = if kind == "elastic-ip" { "address" } else { kind };
    Some((kinds::by_slug(slug)?, id)).filter(|(_, id)| !id.is_empty())
}

fn account_of(arn: &str) -> Option<AccountId> {
    arn.split(':').nth(4).filter(|text| AccountId::is_valid(text)).map(AccountId::new)
}

/// A state as documents hold it.
fn state(name: &str) -> Option<Value> {
    let (name, code) = STATES.iter().find(|(known, _)| *known == name)?;
    Some(Value::Map(Map::from([("Code", (*code).into()), ("Name", (*name).into())])))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::known::state_name;

    fn event(source: &str, detail_type: &str, resources: &[&str], detail: &Json) -> Json {
        json!({
            "version": "0", "id": "7bf73129-1428-4cd3-a780-95db273d1602", "detail-type": detail_type, "source": source,
            "account": "123456789012", "time": "2026-11-11T21:29:54Z", "region": "us-east-1",
            "resources": resources, "detail": detail
        })
    }

    fn state_change() -> Json {
        let arn = "arn:aws:ec2:us-east-1:123456789012:instance/i-0abc";
        let detail = json!({"instance-id": "i-0abc", "state": "stopping"});
        event("aws.ec2", "EC2 Instance State-change Notification", &[arn], &detail)
    }

    fn read(event: &Json) -> Vec<Observation> {
        observed(Told::read(&event.to_string(), None).unwrap())
    }

    fn observed(told: Told) -> Vec<Observation> {
        match told.says {
            Says::Resources(notification) => notification.observations,
            Says::Canary(_) | Says::Nothing => Vec::new(),
        }
    }

    #[test]
    fn a_state_change_asserts_the_state_at_its_own_time() {
        let told = read(&state_change());
        let [observation] = &told[..] else { panic!("{told:?}") };
        assert_eq!(observation.id.to_string(), "AWS::EC2::Instance i-0abc (123456789012/us-east-1)");
        assert_eq!(observation.at.to_string(), "2026-11-11T21:29:54.000Z");
        let Seen::StateAsserted(state) = &observation.seen else { panic!("{observation:?}") };
        assert_eq!(state_name(state), Some("stopping"));
    }

    #[test]
    fn an_account_that_is_missing_is_found_in_the_arn_or_the_queue() {
        let mut event = state_change();
        event.as_object_mut().unwrap().remove("account");
        assert_eq!(read(&event)[0].id.account.as_str(), "123456789012");
        event["resources"] = json!([]);
        let owner = AccountId::new("210987654321");
        let told = Told::read(&event.to_string(), Some(&owner)).unwrap();
        assert_eq!(observed(told)[0].id.account, owner);
        assert!(matches!(Told::read(&event.to_string(), None), Err(Undecodable::Field { field: "account", .. })));
    }

    #[test]
    fn a_tag_change_asserts_every_tag_with_its_version() {
        let detail = json!({
            "changed-tag-keys": ["b"], "service": "ec2", "resource-type": "volume", "version": 5,
            "tags": {"b": "2", "a": "1"}
        });
        let arn = "arn:aws:ec2:us-east-1:123456789012:volume/vol-1";
        let told = read(&event("aws.tag", "Tag Change on Resource", &[arn], &detail));
        assert_eq!(told[0].id.kind.as_str(), "AWS::EC2::Volume");
        let Seen::TagsAsserted { tags, version: 5 } = &told[0].seen else { panic!("{told:?}") };
        assert_eq!(serde_json::to_value(tags).unwrap().as_array().unwrap().len(), 2);
    }

    #[test]
    fn a_snapshot_is_mentioned_in_both_forms_of_its_arn() {
        for arn in ["arn:aws:ec2:us-west-2::snapshot/snap-1", "arn:aws:ec2::us-west-2:snapshot/snap-1"] {
            let detail = json!({"event": "createSnapshot", "result": "succeeded", "snapshot_id": arn});
            let told = read(&event("aws.ec2", "EBS Snapshot Notification", &[arn], &detail));
            assert_eq!((&*told[0].id.id, &told[0].seen), ("snap-1", &Seen::Mentioned));
        }
    }

    #[test]
    fn what_is_not_known_says_nothing_and_what_is_broken_is_an_error() {
        assert!(read(&event("aws.ec2", "EC2 Something New", &[], &json!({}))).is_empty());
        assert!(matches!(Told::read("{}", None), Err(Undecodable::Envelope(_))));
        let mut broken = state_change();
        broken["detail"]["state"] = json!("flying");
        let error = Told::read(&broken.to_string(), None).unwrap_err();
        assert!(error.to_string().contains("detail.state"), "{error}");
    }
}
