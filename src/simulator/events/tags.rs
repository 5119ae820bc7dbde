//! The actions on the tags of rules.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::simulator::bus::Rule;
use crate::simulator::events::call::{Answer, Call, invalid, not_found, required};
use crate::simulator::refusal::Refusal;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Tag {
    key: String,
    value: String,
}

impl Tag {
    pub(super) fn into_pair(self) -> (String, String) {
        (self.key, self.value)
    }
}

#[derive(Deserialize)]
struct TagRequest {
    #[serde(rename = "ResourceARN")]
    arn: Option<String>,
    #[serde(rename = "Tags", default)]
    tags: Vec<Tag>,
    #[serde(rename = "TagKeys", default)]
    keys: Vec<String>,
}

pub(super) fn tag(call: &Call) -> Answer {
    let asked: TagRequest = call.read()?;
    with_rule(call, asked.arn.as_deref(), |rule| {
        let new = asked.tags.iter().filter(|tag| !rule.tags.contains_key(&tag.key)).count();
        if rule.tags.len() + new > 50 {
            return Err(invalid("A rule can have at most 50 tags."));
        }
        rule.tags.extend(asked.tags.into_iter().map(Tag::into_pair));
        Ok(json!({}))
    })
}

pub(super) fn untag(call: &Call) -> Answer {
    let asked: TagRequest = call.read()?;
    with_rule(call, asked.arn.as_deref(), |rule| {
        rule.tags.retain(|key, _| !asked.keys.contains(key));
        Ok(json!({}))
    })
}

pub(super) fn list(call: &Call) -> Answer {
    let asked: TagRequest = call.read()?;
    with_rule(call, asked.arn.as_deref(), |rule| {
        let tags: Vec<Value> = rule.tags.iter().map(|(key, value)| json!({ "Key": key, "Value": value })).collect();
        Ok(json!({ "Tags": tags }))
    })
}

fn with_rule(call: &Call, arn: Option<&str>, act: impl FnOnce(&mut Rule) -> Answer) -> Result<Value, Refusal> {
    let arn = required(arn, "resourceARN")?;
    let rules = call.world.bus().rules(call.account, call.region);
    let mut rules = rules.write();
    let rule = rules.0.values_mut().find(|rule| rule.arn == arn);
    act(rule.ok_or_else(|| not_found(format!("Resource {arn} does not exist.")))?)
}
