//! `CreateTags` and `DeleteTags`.

use std::collections::BTreeMap;

use crate::simulator::happening::What;
use crate::simulator::tests::{Aws, texts};

fn tags(aws: &Aws, id: &str) -> BTreeMap<String, String> {
    let xml = aws.get("DescribeInstances", &[("InstanceId.1", id)]);
    texts(&xml, "key").into_iter().zip(texts(&xml, "value")).collect()
}

#[test]
fn tags_are_put_on_many_things_of_any_kind_and_each_change_has_the_next_version() {
    let aws = Aws::with(100);
    let home = aws.0.home();
    let (id, vpc, group) = (aws.first("running"), home.vpc_ids().remove(1), home.security_group_ids().remove(1));
    let before = tags(&aws, &id);
    let things = [("ResourceId.1", id.as_str()), ("ResourceId.2", vpc.as_str()), ("ResourceId.3", group.as_str())];
    let with = |further: &[(&'static str, &'static str)]| [things.as_slice(), further].concat();
    aws.get("CreateTags", &with(&[("Tag.1.Key", "owner"), ("Tag.1.Value", "me"), ("Tag.2.Key", "empty")]));
    for thing in [&id, &vpc, &group] {
        assert_eq!(home.tag(thing, "owner").as_deref(), Some("me"));
        assert_eq!(home.tag(thing, "empty").as_deref(), Some(""));
    }
    let told = |what: &What| match what {
        What::Tags { resource, resource_type, changed, version, tags } => {
            Some((resource.clone(), *resource_type, changed.clone(), *version, tags.len()))
        }
        _ => None,
    };
    let changed = vec!["empty".to_owned(), "owner".to_owned()];
    let events: Vec<_> = aws.happened().iter().filter_map(told).collect();
    assert_eq!(events[0], (id.clone(), "instance", changed.clone(), 2, before.len() + 2));
    assert_eq!((events[1].1, events[2].1), ("vpc", "security-group"));

    // The same call again changes nothing, and only CloudTrail's event reports it.
    aws.get("CreateTags", &with(&[("Tag.1.Key", "owner"), ("Tag.1.Value", "me")]));
    assert!(matches!(aws.happened().as_slice(), [What::Call { name: "CreateTags", .. }]));

    // A key with another value stays; a key without a value is removed.
    aws.get("DeleteTags", &with(&[("Tag.1.Key", "owner"), ("Tag.1.Value", "you"), ("Tag.2.Key", "empty")]));
    assert_eq!(home.tag(&id, "owner").as_deref(), Some("me"));
    assert_eq!(home.tag(&id, "empty"), None);
    let events: Vec<_> = aws.happened().iter().filter_map(told).collect();
    assert_eq!(events[0], (id.clone(), "instance", vec!["empty".to_owned()], 3, before.len() + 1));
    aws.get("DeleteTags", &with(&[("Tag.1.Key", "owner"), ("Tag.1.Value", "me")]));
    assert_eq!(tags(&aws, &id), before);
}

#[test]
fn deleting_without_keys_leaves_only_the_tags_of_aws() {
    let aws = Aws::with(400);
    let scaled = aws
        .get("DescribeInstances", &[("Filter.1.Name", "tag-key"), ("Filter.1.Value.1", "aws:autoscaling:groupName")]);
    let id = texts(&scaled, "instanceId").remove(0);
    aws.get("DeleteTags", &[("ResourceId.1", &id)]);
    assert_eq!(tags(&aws, &id).into_keys().collect::<Vec<_>>(), ["aws:autoscaling:groupName"]);
}

#[test]
fn wrong_tag_calls_get_ec2s_errors_and_change_nothing() {
    let aws = Aws::with(50);
    let id = aws.first("running");
    let before = tags(&aws, &id);
    let (key, value) = ("k".repeat(129), "v".repeat(257));
    let thing = ("ResourceId.1", id.as_str());
    for (parameters, expected) in [
        (vec![("Tag.1.Key", "a")], "MissingParameter"),
        (vec![thing], "MissingParameter"),
        (vec![thing, ("Tag.1.Value", "a")], "InvalidParameterValue"),
        (vec![thing, ("Tag.1.Key", key.as_str())], "InvalidParameterValue"),
        (vec![thing, ("Tag.1.Key", "a"), ("Tag.1.Value", value.as_str())], "InvalidParameterValue"),
        (vec![thing, ("Tag.1.Key", "AWS:a")], "InvalidParameterValue"),
        (vec![thing, ("Tag.1.Key", "a"), ("Tag.1.Value", "\u{1b}[31m")], "InvalidParameterValue"),
        (vec![thing, ("Tag.1.Key", "a"), ("Tag.2.Key", "a")], "InvalidParameterValue"),
        (vec![("ResourceId.1", "i-0123456789abcdef0"), ("Tag.1.Key", "a")], "InvalidInstanceID.NotFound"),
        (vec![("ResourceId.1", "i-x"), ("Tag.1.Key", "a")], "InvalidInstanceID.Malformed"),
        (vec![thing, ("ResourceId.2", "vpc-0123456789abcdef0"), ("Tag.1.Key", "a")], "InvalidVpcID.NotFound"),
        (vec![thing, ("ResourceId.2", "sg-0123456789abcdef0"), ("Tag.1.Key", "a")], "InvalidGroup.NotFound"),
        (vec![("ResourceId.1", "rock-1"), ("Tag.1.Key", "a")], "InvalidID"),
        (vec![thing, ("Tag.1.Key", "a"), ("DryRun", "true")], "DryRunOperation"),
    ] {
        let (_, code, message) = aws.refused("CreateTags", &parameters);
        assert_eq!(code, expected, "{parameters:?}: {message}");
    }
    assert_eq!(aws.refused("DeleteTags", &[thing, ("Tag.1.Key", "aws:a")]).1, "InvalidParameterValue");
    assert_eq!(tags(&aws, &id), before);

    let many: Vec<(String, String)> = (0..51).map(|n| (format!("Tag.{}.Key", n + 1), format!("key{n}"))).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|(name, key)| (name.as_str(), key.as_str())).chain([thing]).collect();
    assert_eq!(aws.refused("CreateTags", &many).1, "TagLimitExceeded");
    let room = 50 - before.keys().filter(|key| !key.starts_with("aws:")).count();
    let fitting: Vec<_> = many[..room].iter().copied().chain([thing]).collect();
    aws.get("CreateTags", &fitting);
    assert_eq!(aws.refused("CreateTags", &[thing, ("Tag.1.Key", "one more")]).1, "TagLimitExceeded");
}

#[test]
fn an_instance_that_aged_out_can_no_longer_be_tagged() {
    let aws = Aws::with(50);
    let id = aws.first("running");
    aws.0.home().terminate(&id).unwrap();
    aws.advance(3_601);
    let tag = [("ResourceId.1", id.as_str()), ("Tag.1.Key", "a")];
    aws.get("CreateTags", &tag);
    aws.advance(1);
    assert_eq!(aws.refused("CreateTags", &tag).1, "InvalidInstanceID.NotFound");
}
