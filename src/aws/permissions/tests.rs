use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};

use super::*;
use crate::kinds::KINDS;
use crate::model::Partition;

/// The policy's file.
const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/iam-policy.json");

/// The longest managed policy that IAM takes, without blanks (IAM user guide, "IAM and AWS STS quotas").
const LONGEST: usize = 6_144;

fn statement<'a>(policy: &'a Value, sid: &str) -> &'a Value {
    let statements = policy["Statement"].as_array().unwrap();
    statements.iter().find(|statement| statement["Sid"] == sid).unwrap_or_else(|| panic!("no statement {sid}"))
}

/// A key of encrypted volumes.
const KEY: &str = "arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab";

/// Limits that leave no statement out.
fn with_a_key() -> PolicyLimits {
    PolicyLimits { keys: [KEY.to_owned()].into(), ..PolicyLimits::default() }
}

fn limited(parts: &[PolicyPart]) -> PolicyLimits {
    PolicyLimits { parts: parts.iter().copied().collect(), ..PolicyLimits::default() }
}

#[test]
fn the_file_is_what_the_table_makes() {
    let made = format!("{:#}\n", document(&PolicyLimits::default()));
    if std::env::var_os("UPDATE_POLICY").is_some() {
        std::fs::write(FILE, &made).unwrap();
    }
    let kept = std::fs::read_to_string(Path::new(FILE)).unwrap();
    assert!(kept == made, "iam-policy.json is not what the table makes: write it with UPDATE_POLICY=1, and look at it");
    assert!(made.split_whitespace().map(str::len).sum::<usize>() < LONGEST, "IAM takes no policy of this length");
}

#[test]
fn every_action_stands_once_in_the_table_and_says_why() {
    let actions: Vec<&str> = all().iter().map(|permission| permission.action).collect();
    assert_eq!(actions.iter().collect::<BTreeSet<_>>().len(), actions.len(), "{actions:?}");
    for permission in all() {
        for text in [permission.why(), permission.without()] {
            assert!(!text.is_empty() && !text.ends_with('.') && !text.contains('\n'), "{}: {text}", permission.action);
        }
        for sid in permission.sids {
            assert!(STATEMENTS.iter().any(|statement| statement.sid == *sid), "{}: {sid}", permission.action);
        }
        assert!(!permission.sids.is_empty(), "{}", permission.action);
    }
    for kind in KINDS {
        assert!(matches!(of(kind.action()).unwrap().breaks, Breakage::Kind(spec) if spec.slug == kind.slug));
    }
    assert!(of("ec2:TerminateInstances").is_none());
}

#[test]
fn every_statement_has_actions_and_names_what_needs_it() {
    let policy = document(&with_a_key());
    for known in STATEMENTS {
        assert!(!statement(&policy, known.sid)["Action"].as_array().unwrap().is_empty(), "{}", known.sid);
        let begins = ["MusterRead", "MusterWrite", "MusterSetup", "MusterDoctor"];
        assert!(begins.iter().any(|begin| known.sid.starts_with(begin)), "{}", known.sid);
        assert_eq!(known.sid.starts_with("MusterWrite"), known.part == PolicyPart::Write, "{}", known.sid);
        assert_eq!(known.sid.starts_with("MusterSetup"), known.part == PolicyPart::Setup, "{}", known.sid);
    }
}

#[test]
fn what_only_reads_allows_no_change_of_ec2_or_of_what_setup_makes() {
    let policy = document(&limited(&[PolicyPart::Read, PolicyPart::Events]));
    let allowed = policy["Statement"].as_array().unwrap().iter().flat_map(|one| one["Action"].as_array().unwrap());
    let reads = ["Describe", "List", "Get", "Lookup", "Receive"];
    let others: Vec<&str> = allowed
        .filter_map(Value::as_str)
        .filter(|action| !reads.iter().any(|read| action.split(':').nth(1).unwrap().starts_with(read)))
        .collect();
    assert_eq!(others, ["sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "events:PutEvents"]);
}

#[test]
fn the_policy_names_what_setup_makes_and_lets_only_canaries_onto_the_bus() {
    let policy = document(&PolicyLimits { name: "team".to_owned(), ..PolicyLimits::default() });
    for (sid, resource) in [
        ("MusterReadEvents", "arn:aws:sqs:*:*:team-*"),
        ("MusterSetupQueues", "arn:aws:sqs:*:*:team-*"),
        ("MusterDoctorRules", "arn:aws:events:*:*:rule/team-*"),
        ("MusterSetupRules", "arn:aws:events:*:*:rule/team-*"),
        ("MusterReadCanary", "arn:aws:events:*:*:event-bus/default"),
    ] {
        assert_eq!(statement(&policy, sid)["Resource"], resource, "{sid}");
    }
    let canary = json!({"StringEquals": {"events:source": "muster.canary"}});
    assert_eq!(statement(&policy, "MusterReadCanary")["Condition"], canary);
}

#[test]
fn tags_narrow_the_instances_and_regions_and_account_everything() {
    let policy = document(&PolicyLimits {
        tags: [("mcp-managed".to_owned(), "true".to_owned()), ("Env".to_owned(), "${aws:username}".to_owned())].into(),
        regions: ["eu-west-1".to_owned(), "us-east-1".to_owned()].into(),
        account: Some("123456789012".to_owned()),
        ..with_a_key()
    });
    let regions = json!(["eu-west-1", "us-east-1"]);
    let tagged = json!({"StringEquals": {
        "aws:RequestedRegion": regions,
        "aws:ResourceTag/Env": "${$}{aws:username}",
        "aws:ResourceTag/mcp-managed": "true",
    }});
    for sid in ["MusterWriteInstances", "MusterWriteSnapshots"] {
        assert_eq!(statement(&policy, sid)["Condition"], tagged, "{sid}");
        assert_eq!(statement(&policy, sid)["Resource"], "arn:aws:ec2:*:123456789012:instance/*");
    }
    let made = json!({"StringEquals": {
        "aws:RequestTag/muster:created-by": "muster",
        "aws:RequestedRegion": regions,
    }});
    assert_eq!(statement(&policy, "MusterWriteSnapshotsMadeByMuster")["Condition"], made);
    assert_eq!(statement(&policy, "MusterWriteSnapshotsMadeByMuster")["Resource"], "arn:aws:ec2:*::snapshot/*");
    for known in STATEMENTS {
        assert_eq!(statement(&policy, known.sid)["Condition"]["StringEquals"]["aws:RequestedRegion"], regions);
    }
}

#[test]
fn without_other_limits_only_instances_that_are_tagged_for_it_are_changed() {
    let changes = |policy: &Value| {
        let statements = policy["Statement"].as_array().unwrap().iter().cloned();
        statements
            .filter(|one| one["Resource"].as_str().unwrap().contains(":instance/"))
            .map(|one| one["Condition"].clone())
            .collect::<Vec<Value>>()
    };
    let tagged = json!({"StringEquals": {"aws:ResourceTag/mcp-managed": "true"}});
    assert_eq!(changes(&document(&PolicyLimits::default())), [tagged.clone(), tagged.clone()]);
    let added = statement_for("ec2:StopInstances", &PolicyLimits::default());
    assert_eq!(added.iter().map(|one| one["Condition"].clone()).collect::<Vec<_>>(), [tagged]);
    let any = document(&PolicyLimits { tags: [].into(), ..PolicyLimits::default() });
    assert_eq!(changes(&any), [Value::Null, Value::Null]);
}

#[test]
fn only_keys_that_are_named_can_be_granted_and_only_to_services_of_aws() {
    let granted = |limits: &PolicyLimits| statement_for("kms:CreateGrant", limits);
    assert!(granted(&PolicyLimits::default()).is_empty());
    assert!(!document(&PolicyLimits::default()).to_string().contains("kms:"));
    let expected = json!({
        "Effect": "Allow",
        "Action": ["kms:CreateGrant"],
        "Resource": KEY,
        "Condition": {"Bool": {"kms:GrantIsForAWSResource": "true"}},
    });
    assert_eq!(granted(&with_a_key()), [expected]);
    let other = KEY.replace("1234abcd", "0123abcd");
    let both = PolicyLimits { keys: [KEY.to_owned(), other.clone()].into(), ..limited(&[PolicyPart::Write]) };
    assert_eq!(statement(&document(&both), "MusterWriteKeys")["Resource"], json!([other, KEY]));
    let reading = PolicyLimits { parts: [PolicyPart::Read].into(), ..both };
    assert!(!document(&reading).to_string().contains("kms:"), "whoever only reads starts nothing");
}

#[test]
fn the_arns_are_those_of_the_partition() {
    for partition in Partition::ALL {
        let region = partition.home();
        let policy = document(&PolicyLimits { partition, regions: [region.to_owned()].into(), ..with_a_key() });
        let arn = format!("arn:{partition}:sqs:*:*:muster-*");
        assert_eq!(statement(&policy, "MusterReadEvents")["Resource"], arn);
        let equal = json!({"StringEquals": {"aws:RequestedRegion": region}});
        assert_eq!(statement(&policy, "MusterRead")["Condition"], equal);
        let whole = document(&PolicyLimits { partition, ..PolicyLimits::default() }).to_string();
        assert_eq!(whole.matches("arn:").count(), whole.matches(&format!("arn:{partition}:")).count(), "{whole}");
    }
}

#[test]
fn the_statement_that_adds_an_action_is_as_narrow_as_the_policys() {
    let statement_for = |action| super::statement_for(action, &PolicyLimits::default());
    let read = json!([{"Effect": "Allow", "Action": ["ec2:DescribeVpcs"], "Resource": "*"}]);
    assert_eq!(json!(statement_for("ec2:DescribeVpcs")), read);
    assert_eq!(statement_for("ec2:CreateSnapshots").len(), 3);
    let rules = statement_for("events:DescribeRule");
    assert_eq!(rules.len(), 1, "once, although setup has it too: {rules:?}");
    assert!(statement_for("ec2:TerminateInstances").is_empty());
}
