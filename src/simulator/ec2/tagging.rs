//! `CreateTags`, `DeleteTags`, and the tags that other calls put on what they create.

use crate::simulator::ec2::call::{Answer, Call};
use crate::simulator::ident::Kind;
use crate::simulator::refusal::Refusal;
use crate::simulator::request::Params;
use crate::simulator::tags::Tags;

/// EC2's limits: tags per resource, and characters in a key and in a value.
const MAX_TAGS: usize = 50;
const MAX_KEY: usize = 128;
const MAX_VALUE: usize = 256;
const MAX_RESOURCES: usize = 1_000;
/// The prefix of tags that only AWS adds and removes. They do not count towards the limit.
const RESERVED: &str = "aws:";

/// Answers a `CreateTags` call: all tags are put on all resources, or nothing changes.
pub(super) fn create(call: &Call) -> Answer {
    let resources = resources(call)?;
    let tags = listed(call.params, "Tag")?;
    if tags.is_empty() {
        return Err(Refusal::missing("Tag"));
    }
    call.dry_run()?;
    let mut edit = call.account.edit();
    for &(kind, number) in &resources {
        let mut after = edit.tags(kind, number);
        after.lay(&tags);
        if after.keys().filter(|key| !key.starts_with(RESERVED)).count() > MAX_TAGS {
            return Err(too_many());
        }
    }
    for (kind, number) in resources {
        edit.retag(kind, number, |own| own.lay(&tags));
    }
    drop(edit);
    Ok(call.envelope("CreateTags", 64, |xml| xml.flag("return", true)))
}

/// Answers a `DeleteTags` call. A key with a value is removed only where the tag has that value; without any keys, all
/// tags except AWS's own are removed.
pub(super) fn delete(call: &Call) -> Answer {
    let resources = resources(call)?;
    let mut doomed = Vec::new();
    for n in 1_u32.. {
        let Some(key) = call.params.get(&format!("Tag.{n}.Key")) else { break };
        check_key(key)?;
        doomed.push((key, call.params.get(&format!("Tag.{n}.Value"))));
    }
    call.dry_run()?;
    let mut edit = call.account.edit();
    for (kind, number) in resources {
        edit.retag(kind, number, |own| {
            if doomed.is_empty() {
                own.keep(|key, _| key.starts_with(RESERVED));
            }
            for (key, value) in &doomed {
                own.keep(|other, current| other != *key || value.is_some_and(|value| value != current));
            }
        });
    }
    drop(edit);
    Ok(call.envelope("DeleteTags", 64, |xml| xml.flag("return", true)))
}

/// The tags that a call puts on what it creates: those of each `TagSpecification`, by resource type. Types that are not
/// `allowed` are refused.
pub(super) fn specified(params: &Params, allowed: &[&str]) -> Result<Vec<(String, Tags)>, Refusal> {
    let mut found: Vec<(String, Tags)> = Vec::new();
    for n in 1_u32.. {
        let Some(kind) = params.get(&format!("TagSpecification.{n}.ResourceType")) else { break };
        if !allowed.contains(&kind) {
            return Err(Refusal::invalid_value(format!(
                "'{kind}' is not a valid taggable resource type for this operation."
            )));
        }
        if found.iter().any(|(known, _)| known == kind) {
            return Err(Refusal::invalid_value(format!("'{kind}' is specified more than once in TagSpecifications.")));
        }
        let tags = listed(params, &format!("TagSpecification.{n}.Tag"))?;
        if tags.len() > MAX_TAGS {
            return Err(too_many());
        }
        found.push((kind.to_owned(), tags));
    }
    Ok(found)
}

/// Like [`specified`], for a call that creates resources of one type.
pub(super) fn one(params: &Params, allowed: &str) -> Result<Tags, Refusal> {
    Ok(specified(params, &[allowed])?.pop().map(|(_, tags)| tags).unwrap_or_default())
}

/// The tags in `prefix.1`, `prefix.2`, ...; a missing value is an empty one.
fn listed(params: &Params, prefix: &str) -> Result<Tags, Refusal> {
    let mut tags = Tags::default();
    for n in 1_u32.. {
        let value = params.get(&format!("{prefix}.{n}.Value"));
        let Some(key) = params.get(&format!("{prefix}.{n}.Key")).or(value.map(|_| "")) else { break };
        check_key(key)?;
        let value = value.unwrap_or_default();
        check_text(value)?;
        if value.chars().count() > MAX_VALUE {
            return Err(Refusal::invalid_value("Tag value exceeds the maximum length of 256 characters"));
        }
        if tags.get(key).is_some() {
            return Err(Refusal::invalid_value(format!("Duplicate tag key '{key}' specified.")));
        }
        tags.put(key.to_owned(), value.to_owned());
    }
    Ok(tags)
}

/// Refuses characters that XML cannot contain even when escaped: they would make every listing unreadable.
fn check_text(text: &str) -> Result<(), Refusal> {
    let is_unfit = |c: char| (c < ' ' && !matches!(c, '\t' | '\n' | '\r')) || matches!(c, '\u{FFFE}' | '\u{FFFF}');
    if text.contains(is_unfit) {
        return Err(Refusal::invalid_value("Tag keys and values must consist of characters that XML allows"));
    }
    Ok(())
}

fn check_key(key: &str) -> Result<(), Refusal> {
    check_text(key)?;
    if key.is_empty() {
        return Err(Refusal::invalid_value("Tag key cannot be empty"));
    }
    if key.chars().count() > MAX_KEY {
        return Err(Refusal::invalid_value("Tag key exceeds the maximum length of 128 characters"));
    }
    if key.to_ascii_lowercase().starts_with(RESERVED) {
        return Err(Refusal::invalid_value(format!(
            "Tag keys starting with 'aws:' are reserved for internal use: {key}"
        )));
    }
    Ok(())
}

fn too_many() -> Refusal {
    Refusal::new(400, "TagLimitExceeded", "The maximum number of Tags for a resource has been reached.")
}

/// The named resources, if all of them exist now.
fn resources(call: &Call) -> Result<Vec<(Kind, u64)>, Refusal> {
    let ids = call.params.set("ResourceId");
    if ids.is_empty() {
        return Err(Refusal::missing("ResourceId"));
    }
    if ids.len() > MAX_RESOURCES {
        return Err(Refusal::invalid_value("You can specify up to 1000 resource IDs per request."));
    }
    let reading = call.account.reading();
    let resource = |id: &&str| {
        let Some(kind) = Kind::taggable().into_iter().find(|kind| id.starts_with(kind.prefix())) else {
            return Err(Refusal::new(400, "InvalidID", format!("The ID '{id}' is not valid")));
        };
        let number = call.account.plan().idents.number(kind, id).map_err(|_| Refusal::malformed_resource(kind, id))?;
        let number = number.filter(|number| reading.holds(kind, *number, reading.now()));
        let number = number.ok_or_else(|| Refusal::unknown_resource(kind, id))?;
        Ok((kind, number))
    };
    ids.iter().map(resource).collect()
}
