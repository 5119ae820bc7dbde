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
