use super::*;
use crate::ec2_api::request::parse;
use crate::kinds::{KINDS, by_slug};
use crate::model::Document;
use crate::model::fixtures::{at_millis, json_document, scope, scope_in};
use crate::model::secret_tags::MarkKey;

fn asked(slug: &str, parameters: &str) -> Result<DescribeQuestion, CopyFault> {
    asked_in(&scope(), slug, parameters)
}

fn asked_in(scope: &Scope, slug: &str, parameters: &str) -> Result<DescribeQuestion, CopyFault> {
    asked_without(scope, slug, parameters, &SecretTags::new(&["*password*"], &MarkKey::default()))
}

fn asked_without(
    scope: &Scope,
    slug: &str,
    parameters: &str,
    secrets: &SecretTags,
) -> Result<DescribeQuestion, CopyFault> {
    let kind = by_slug(slug).unwrap();
    let action = kind.actions[0].strip_prefix("ec2:").unwrap();
    let body = format!("Action={action}&Version=2016-11-15{parameters}");
    DescribeQuestion::of(&parse("POST", "", body.as_bytes())?, kind, scope, secrets, at_millis(0))
}

fn code(slug: &str, parameters: &str) -> &'static str {
    asked(slug, parameters).unwrap_err().code()
}

#[test]
fn what_others_own_is_not_held() {
    let account = scope().account;
    let own = [DocumentRule::OwnedBy(account.clone())];
    for (slug, parameter) in [("snapshot", "Owner"), ("image", "Owner")] {
        for owner in ["self", account.as_str()] {
            let question = asked(slug, &format!("&{parameter}.1={owner}")).unwrap();
            assert!(own.iter().all(|rule| question.rules.contains(rule)), "{slug} {owner}");
        }
        let by_filter = asked(slug, &format!("&Filter.1.Name=owner-id&Filter.1.Value.1={account}")).unwrap();
        assert!(by_filter.rules.contains(&own[0]), "{slug}");
        for beyond in [
            "",
            "&Owner.1=amazon",
            "&Owner.1=self&Owner.2=999999999999",
            "&Filter.1.Name=owner-id&Filter.1.Value.1=*",
            "&Filter.1.Name=owner-id&Filter.1.Value.1=999999999999",
            "&Filter.1.Name=owner-alias&Filter.1.Value.1=amazon",
        ] {
            assert_eq!(code(slug, beyond), "UnsupportedOperation", "{slug} {beyond}");
        }
        assert_eq!(code(slug, "&Owner.1=nobody"), "InvalidUserID.Malformed");
    }
    assert_eq!(code("image", "&Owner.1=self&ExecutableBy.1=all"), "UnsupportedOperation");
    assert!(asked("image", "&ImageId.1=ami-0123456789abcdef0").unwrap().is_named());
}

#[test]
fn what_aws_leaves_out_unless_it_is_asked_for_is_left_out() {
    let rules = |slug: &str, parameters: &str| asked(slug, parameters).unwrap().rules;
    assert_eq!(rules("instance-status", ""), [DocumentRule::Running, DocumentRule::Shown]);
    let all = "&IncludeAllInstances=true&IncludeManagedResources=true";
    assert_eq!(rules("instance-status", all), []);
    assert_eq!(rules("volume", ""), [DocumentRule::Shown]);
    assert_eq!(rules("volume", "&VolumeId.1=vol-0123456789abcdef0"), []);
    assert_eq!(rules("vpc", ""), []);
    assert!(rules("image", "&Owner.1=self").contains(&DocumentRule::Enabled));
    assert!(!rules("image", "&Owner.1=self&IncludeDisabled=true").contains(&DocumentRule::Enabled));
}

#[test]
fn only_filters_of_aws_are_taken_by_the_names_that_it_has_for_them() {
    let with = |slug: &str, name: &str| {
        let own = if ["snapshot", "image"].contains(&slug) { "&Owner.1=self" } else { "" };
        asked(slug, &format!("{own}&Filter.1.Name={name}&Filter.1.Value.1=x"))
    };
    for (slug, own) in [
        ("instance", &["state-transition-time"][..]),
        ("instance-status", &["instance-id", "health", "impaired-since", "next-event", "next-event-at", "tag:Name"]),
    ] {
        assert!(own.iter().all(|name| matches!(with(slug, name), Err(CopyFault::NoFilter(_)))), "{slug}");
    }
    for kind in KINDS {
        let of_documents = kind.in_documents.iter().map(|filter| filter.name);
        let taken = kind.filters.iter().map(|filter| filter.name).chain(of_documents);
        let taken: Vec<&str> = taken.filter(|name| with(kind.slug, name).is_ok()).collect();
        assert!(taken.len() + 5 >= kind.filters.len() + kind.in_documents.len(), "{}: {taken:?}", kind.slug);
        for name in taken {
            let other = name.to_uppercase();
            assert!(matches!(with(kind.slug, &other), Err(CopyFault::NoFilter(_))), "{} {other}", kind.slug);
        }
        for none in ["account", "region", "exposed", ""] {
            assert!(matches!(with(kind.slug, none), Err(CopyFault::NoFilter(_))), "{} {none}", kind.slug);
        }
        assert_eq!(with(kind.slug, "tag:Name").is_ok(), kind.tagged_kind().is_none(), "{}", kind.slug);
    }
    assert!(matches!(with("instance", "network-interface.ipv6-native"), Err(CopyFault::LackedFilter(_))));
    assert!(with("subnet", "cidrBlock").is_ok(), "another name of AWS");
    assert!(with("vpc", "isDefault").is_ok(), "a former name, which Terraform uses");
    assert!(with("vpc", "cidr-block").is_ok(), "a former name, which Ansible uses");
}

#[test]
fn filters_that_aws_does_not_document_any_more_are_answered_where_documents_tell_them() {
    let plain = SecretTags::new::<&str>(&[], &MarkKey::default());
    let with = |slug: &str, name: &str, value: &str| {
        let filter = format!("&Filter.1.Name={name}&Filter.1.Value.1={value}");
        asked_without(&scope(), slug, &filter, &plain)
    };
    let met = |slug: &str, name: &str, value: &str, document: &Document| {
        let question = with(slug, name, value).unwrap();
        assert!(question.filters.is_empty() && question.conditions.len() == 1, "{slug} {name}");
        question.conditions.iter().all(|condition| condition.is_met(&condition.held(document)))
    };
    let address = json_document(&json!({"Domain": "vpc"}));
    assert!(met("address", "domain", "vpc", &address) && !met("address", "domain", "standard", &address));
    let group = json_document(&json!({"Groups": [{"GroupId": "sg-1", "GroupName": "web-1"}]}));
    assert!(met("network-interface", "group-name", "web-*", &group));
    assert!(!met("network-interface", "group-name", "db-*", &group));
    let addresses = json_document(&json!({"PrivateIpAddresses": [{"PrivateDnsName": "ip-10-0-0-1.internal"}]}));
    assert!(met("network-interface", "addresses.private-dns-name", "ip-10-0-0-1.internal", &addresses));
    for (value, wanted) in [("a", true), ("b", false), ("", true), ("*", true)] {
        let tagged = json_document(&json!({"Tags": [{"Key": "Name", "Value": "a"}, {"Key": "empty", "Value": ""}]}));
        assert_eq!(met("instance", "tag-value", value, &tagged), wanted, "{value}");
    }
    // What they would go by is not known for certain.
    for (slug, name) in [("instance", "group-id"), ("instance", "group-name"), ("instance", "placement.tenancy")] {
        assert!(matches!(with(slug, name, "x"), Err(CopyFault::NoFilter(_))), "{slug} {name}");
    }
    assert!(matches!(with("instance-status", "tag-value", "x"), Err(CopyFault::NoFilter(_))), "it has no tags");
}

#[test]
fn what_muster_takes_for_more_is_taken_as_it_stands() {
    for (value, taken) in
        [("@absent", "\\@absent"), (">5", "\\>5"), ("<5", "\\<5"), (" >5", "\\ >5"), ("web-*", "web-*"), ("@x", "@x")]
    {
        assert_eq!(literal(value, Form::Number), taken);
    }
    let at = "2024-08-05T21:47:27.000Z";
    for (value, taken) in
        [(at, at), ("2024-08-05T21:47:27+00:00", NEVER), ("2024-08-05T21:47:27Z", NEVER), ("2024-08-*", "2024-08-*")]
    {
        assert_eq!(literal(value, Form::Time), taken);
    }
    let question = asked("volume", "&Filter.1.Name=size&Filter.1.Value.1=%3E5").unwrap();
    assert!(!question.filters.is_empty(), "as AWS, it finds nothing");
}

#[test]
fn what_is_redacted_is_not_compared() {
    let by_value = "&Filter.1.Name=tag:db-password&Filter.1.Value.1=x";
    assert!(matches!(asked("volume", by_value), Err(CopyFault::Redacted(key)) if key == "db-password"));
    assert!(
        asked("volume", "&Filter.1.Name=tag:db-password&Filter.1.Value.1=*").is_ok(),
        "whether it has the tag is known"
    );
    assert!(asked("volume", "&Filter.1.Name=tag-key&Filter.1.Value.1=db-password").is_ok());
    let of_all = asked("volume", "&Filter.1.Name=tag-value&Filter.1.Value.1=x").unwrap_err();
    assert_eq!((of_all.code(), of_all.to_string().contains("tag:KEY")), ("InvalidParameterValue", true), "{of_all}");
    assert!(asked("volume", "&Filter.1.Name=tag-value&Filter.1.Value.1=*").is_ok());
}

#[test]
fn a_token_is_of_its_question() {
    let question = asked("volume", "&MaxResults=5").unwrap();
    let after = crate::model::ResourceId::new(&scope(), &question.kind.kind(), "vol-1");
    let point = Some(crate::query::Point { at: at_millis(1), seq: crate::model::Seq(1) });
    let log = crate::model::LogId(1);
    let token = Cursor { log, question: question.hash, point, after, sorted: None }.encode();
    let next = |parameters: &str| asked("volume", &format!("{parameters}&NextToken={token}"));
    assert_eq!(next("&MaxResults=7").unwrap().cursor.unwrap().encode(), token, "the size of pages may change");
    for other in ["&IncludeManagedResources=true", "&Filter.1.Name=size&Filter.1.Value.1=1"] {
        assert_eq!(next(other).unwrap_err().code(), "InvalidNextToken", "{other}");
    }
    assert_eq!(code("subnet", &format!("&NextToken={token}")), "InvalidNextToken");
    let elsewhere = asked_in(&scope_in("eu-west-3"), "volume", &format!("&NextToken={token}"));
    assert_eq!(elsewhere.unwrap_err().code(), "InvalidNextToken");
    assert_eq!(code("volume", "&NextToken=nonsense"), "InvalidNextToken");
}

#[test]
fn ids_have_the_form_of_their_kind() {
    assert_eq!(code("instance", "&InstanceId.1=nonsense"), "InvalidInstanceID.Malformed");
    assert_eq!(code("instance", "&InstanceId.1=i-123"), "InvalidInstanceID.Malformed");
    assert_eq!(code("instance-status", "&InstanceId.1=i-0123456789abcdef"), "InvalidInstanceID.Malformed");
    assert_eq!(code("security-group", "&GroupId.1=sg-1%2Csg-2"), "InvalidGroupId.Malformed");
    assert_eq!(code("volume", "&VolumeId.1=vol-1"), "InvalidParameterValue");
    assert_eq!(code("snapshot", "&SnapshotId.1=snap-1"), "InvalidSnapshotID.Malformed");
    assert_eq!(
        asked("subnet", "&SubnetId.1=example").unwrap().ids,
        ["example"],
        "AWS does not know it, and says no more"
    );
    assert_eq!(asked("vpc", "&VpcId.1=vpc-123").unwrap().ids, ["vpc-123"]);
    for none in ["nonsense", "1.2.3", "1.2.3.256", ""] {
        let fault = asked("address", &format!("&PublicIp.1={none}")).unwrap_err();
        assert_eq!(fault.code(), "InvalidParameterValue");
        assert_eq!(fault.to_string(), format!("Invalid value '{none}' for PublicIp. Not a valid IPv4 address"));
    }
    assert_eq!(asked("address", "&AllocationId.1=nonsense&PublicIp.1=1.2.3.4").unwrap().public_ips, ["1.2.3.4"]);
}
