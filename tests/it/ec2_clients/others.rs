//! Cloud Custodian, which is made of boto3, and Apache Libcloud, which signs, asks and reads by itself.

use std::fs;

use serde_json::{Value, json};

use super::Recorded;
use super::asked::recorded;
use crate::harness::python::Environment;

/// Policies that look, by their names, and what each of them is about.
const POLICIES: [(&str, &str, &str); 8] = [
    ("instances", "aws.ec2", "[{\"State.Name\": running}, {\"tag:Name\": present}]"),
    ("old", "aws.ec2", "[{type: instance-age, days: 1}]"),
    ("volumes", "aws.ebs", "[{State: in-use}]"),
    ("vpcs", "aws.vpc", "[]"),
    ("subnets", "aws.subnet", "[]"),
    ("groups", "aws.security-group", "[{GroupName: default}]"),
    ("interfaces", "aws.eni", "[]"),
    ("snapshots", "aws.ebs-snapshot", "[]"),
];

#[test]
fn policies_of_cloud_custodian_find_what_they_find_at_aws() {
    let account = Recorded::of(30, &[], &[]);
    let policies = POLICIES.map(|(name, resource, filters)| {
        format!("  - name: {name}\n    resource: {resource}\n    filters: {filters}\n")
    });
    account.write("policies.yml", &format!("policies:\n{}", policies.concat()));
    let program = Environment::Readers.program("custodian");
    let line = account.snippet("Cloud Custodian", 0);
    let ours_at = account.recorder.url().to_owned();
    for (folder, ec2) in [("muster", &ours_at), ("aws", &account.aws.url)] {
        let line = line.replace(&ours_at, ec2).replace(" -s out ", &format!(" -s {folder} "));
        account.shell(&program, &line);
    }
    for (name, ..) in POLICIES {
        let [ours, theirs] = ["muster", "aws"].map(|folder| {
            let file = account.sandbox.path().join("home").join(folder).join(name).join("resources.json");
            let text = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
            serde_json::from_str::<Value>(&text).unwrap()
        });
        assert!(!ours.as_array().unwrap().is_empty(), "{name} finds nothing");
        super::same(name, &theirs, &ours);
    }
    recorded("Cloud Custodian", &account.recorder.take());
}

/// It retries without the ids that it takes out of an error, so that a wrong one has it fail.
#[test]
fn cloud_custodian_takes_the_right_ids_out_of_errors() {
    let account = Recorded::of(5, &[], &[]);
    let unknown = |prefix: &str| ["0123456789abcdef0", "0123456789abcdef1"].map(|rest| format!("{prefix}-{rest}"));
    let (ebs, ami) = ("c7n.resources.ebs", "c7n.resources.ami");
    let (of_tags, of_volume) =
        (json!(["c7n.tags", "extract_bad_resource_ids"]), json!([ebs, "ErrorHandler", "extract_bad_volume"]));
    let [volume, other] = unknown("vol");
    let asked = [
        ("describe_volumes", "VolumeIds", vec![volume.clone()], of_volume, "InvalidVolume.NotFound"),
        ("describe_volumes", "VolumeIds", vec![volume, other], of_tags.clone(), "InvalidVolume.NotFound"),
        ("describe_instances", "InstanceIds", unknown("i").to_vec(), of_tags.clone(), "InvalidInstanceID.NotFound"),
        ("describe_instances", "InstanceIds", vec!["i-123".to_owned()], of_tags.clone(), "InvalidInstanceID.Malformed"),
        ("describe_security_groups", "GroupIds", unknown("sg").to_vec(), of_tags.clone(), "InvalidGroup.NotFound"),
        ("describe_subnets", "SubnetIds", unknown("subnet").to_vec(), of_tags, "InvalidSubnetID.NotFound"),
        (
            "describe_snapshots",
            "SnapshotIds",
            vec!["snap-123".to_owned()],
            json!([ebs, "ErrorHandler", "extract_bad_snapshot"]),
            "InvalidSnapshotID.Malformed",
        ),
        (
            "describe_images",
            "ImageIds",
            vec!["ami-1-2".to_owned()],
            json!([ami, "ErrorHandler", "extract_bad_ami"]),
            "InvalidAMIID.Malformed",
        ),
    ];
    let settings: Vec<Value> = asked
        .iter()
        .map(|(operation, name, ids, by, _)| json!({"operation": operation, "arguments": {*name: ids}, "by": by}))
        .collect();
    let mut script = Environment::Readers.script("ec2_custodian.py");
    script.arg(Value::from(settings).to_string());
    let told = super::printed(&mut account.somebodys(script, account.server.ec2_api.as_deref().unwrap()));
    let told: Vec<Value> = serde_json::from_str(&told).unwrap();
    assert_eq!(told.len(), asked.len());
    for (told, (.., ids, _, code)) in told.iter().zip(asked) {
        assert_eq!((&told["code"], &told["ids"]), (&json!(code), &json!(ids)), "{told}");
    }
}

#[test]
fn apache_libcloud_lists_what_it_lists_of_aws() {
    let account = Recorded::of(30, &[], &[]);
    let told = |ec2: &str, signature: &str| {
        let port: u16 = ec2.rsplit(':').next().unwrap().parse().unwrap();
        let mut script = Environment::Readers.script("ec2_libcloud.py");
        let settings = json!({"host": "127.0.0.1", "port": port, "region": super::REGION, "signature": signature});
        script.arg(settings.to_string());
        let told = super::printed(&mut account.somebodys(script, "http://127.0.0.1:9"));
        serde_json::from_str::<Value>(&told).unwrap()
    };
    let ours = told(account.recorder.url(), "4");
    let theirs = told(&account.aws.url, "4");
    for (listing, expected) in theirs.as_object().unwrap() {
        if let Some(ids) = expected.as_array() {
            assert!(!ids.is_empty(), "{listing} finds nothing");
            assert_eq!(&ours[listing], expected, "{listing}");
        }
    }
    let refused = ours["list_key_pairs"].as_str().unwrap();
    assert!(refused.contains("InvalidAction: DescribeKeyPairs"), "{refused}");
    let program = account.write("nodes.py", &account.snippet("Apache Libcloud", 0));
    let mut python = Environment::Readers.program("python");
    python.arg(program);
    let nodes = super::printed(&mut account.somebodys(python, "http://127.0.0.1:9"));
    assert_eq!(nodes.lines().count(), 30, "{nodes}");
    recorded("Apache Libcloud", &account.recorder.take());
    let refused = told(account.recorder.url(), "2");
    let said = refused["list_nodes"].as_str().unwrap();
    assert!(said.contains("AuthFailure") && said.contains("Sign it with version 4"), "{said}");
}
