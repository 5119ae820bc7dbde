//! The IAM permissions: the policy holds what the sources call and AWS knows, and each action is for what the table says.

mod enforced;
mod known;
mod set_up;
mod tools;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use muster::aws::permissions::{IMPLIED, all};
use serde_json::Value;

use crate::harness::muster::Sandbox;
use crate::modules::gather;

/// The services that Muster calls, as actions name them.
const SERVICES: [&str; 7] = ["cloudtrail", "ec2", "events", "organizations", "servicequotas", "sqs", "sts"];

/// What `muster policy iam` prints.
fn printed(flags: &[&str]) -> Value {
    let output = Sandbox::bare().muster(&[&["policy", "iam"], flags].concat()).output().unwrap();
    assert!(output.status.success(), "{flags:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The names of actions in the text of a source file: `service:Name` in quotes.
fn named(source: &str) -> impl Iterator<Item = &str> {
    let is_action = |text: &&str| {
        text.split_once(':').is_some_and(|(service, name)| {
            SERVICES.contains(&service)
                && name.starts_with(|letter: char| letter.is_ascii_uppercase())
                && name.bytes().all(|letter| letter.is_ascii_alphanumeric())
        })
    };
    source.split('"').filter(is_action)
}

#[test]
fn every_call_in_the_sources_is_in_the_table_and_every_action_of_the_table_is_called() {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files: Vec<PathBuf> = Vec::new();
    for seam in ["aws", "kinds"] {
        gather(&sources.join(seam), &mut files);
    }
    // The table itself, the limits that AWS documents, and tests call nothing.
    let calls = |path: &&PathBuf| {
        let path = path.strip_prefix(&sources).unwrap().to_str().unwrap();
        !["aws/permissions", "aws/limiter", "aws/scripted"].iter().any(|other| path.starts_with(other))
            && !path.ends_with("tests.rs")
            && !path.contains("/tests/")
    };
    let mut called = BTreeSet::from(IMPLIED.map(str::to_owned));
    for path in files.iter().filter(calls) {
        let text = fs::read_to_string(path).unwrap();
        let product = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
        called.extend(named(product).map(str::to_owned));
    }
    let table: BTreeSet<String> = all().iter().map(|permission| permission.action.to_owned()).collect();
    assert_eq!(called, table, "left: what the sources call, right: aws::permissions::all");
}

#[test]
fn the_whole_policy_that_is_printed_is_the_file() {
    let file = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("iam-policy.json")).unwrap();
    let file: Value = serde_json::from_slice(&file).unwrap();
    assert_eq!(printed(&["--events", "--organization", "--writes", "--setup"]), file);
    assert_ne!(printed(&[]), file);
    assert_ne!(printed(&["--events", "--organization", "--writes", "--setup", "--any-instance"]), file);
}

#[test]
fn a_flag_that_cannot_be_used_prints_no_policy() {
    for (flags, named) in [
        (&["--region", ""][..], "--region"),
        (&["--region="], "--region"),
        (&["--region", "mars"], "`mars`"),
        (&["--writes", "--tag", " "], "--tag"),
        (&["--writes", "--tag="], "--tag"),
        (&["--writes", "--tag", "Env=a", "--tag", "Env=b"], "--tag Env=b"),
        (&["--tag", "Env=a"], "--writes"),
        (&["--writes", "--tag", "Env=a", "--any-instance"], "--any-instance"),
        (&["--writes", "--kms-key", "alias/disks"], "`alias/disks`"),
        (&["--region", "us-east-1", "--region", "us-gov-west-1"], "us-gov-west-1"),
    ] {
        let output = Sandbox::bare().muster(&[&["policy", "iam"], flags].concat()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!((output.status.code(), output.stdout.is_empty()), (Some(2), true), "{flags:?}: {said}");
        assert!(said.contains(named), "{flags:?}: {said}");
    }
}
