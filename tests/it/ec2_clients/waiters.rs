//! boto3 by the page, botocore's waiters, and a wait for what Muster itself stops.

use std::collections::BTreeSet;

use muster::kinds::KINDS;
use serde_json::{Map, Value, json};

use super::Recorded;
use super::asked::recorded;
use crate::fields::Describe;
use crate::harness::PATIENCE;
use crate::harness::eventually;
use crate::harness::muster::OFTEN;
use crate::harness::process::Running;
use crate::harness::python::Environment;
use crate::harness::recorder::{Answered, Recorder};
use crate::harness::rpc::Client;
use crate::harness::simulator::Simulator;

#[test]
fn boto3_is_set_as_the_page_says() {
    let account = Recorded::of(12, &[], &[]);
    let program = account.write("report.py", &account.snippet("boto3", 0));
    let mut python = Environment::Moto.program("python");
    let told = super::printed(
        account
            .somebodys(
                {
                    python.arg(&program);
                    python
                },
                "http://127.0.0.1:9",
            )
            .env_remove("AWS_ENDPOINT_URL_EC2"),
    );
    assert_eq!(told.lines().count(), 12, "{told}");
    recorded("boto3", &account.recorder.take());
}

/// How a waiter's action lists everything, and names what it waits for.
fn waited_for() -> Map<String, Value> {
    let actions = KINDS.iter().map(|kind| {
        let Describe { member, arguments, .. } = Describe::of(kind);
        let ids = if kind.slug == "security-group" { "GroupIds".to_owned() } else { format!("{}s", kind.id_field) };
        let unknown = format!("{}0123456789abcdef0", kind.prefix.unwrap_or("i-"));
        let action = kind.actions[0].strip_prefix("ec2:").unwrap().to_owned();
        (action, json!({"arguments": arguments, "member": member, "ids": ids, "unknown": unknown}))
    });
    actions.collect()
}

#[test]
fn every_waiter_of_botocore_ends_as_it_ends_at_aws() {
    let account = Recorded::of(40, &[], &[]);
    let mut script = Environment::Moto.script("ec2_waiters.py");
    let aws = account.aws.url.clone();
    script.arg(json!({"aws": aws, "region": super::REGION, "actions": waited_for()}).to_string());
    let told = super::printed(&mut account.somebodys(script, account.recorder.url()));
    let ends: Vec<Value> = serde_json::from_str(&told).unwrap();
    let text = |end: &Value, name: &str| end[name].as_str().unwrap().to_owned();
    let mut waiters = BTreeSet::new();
    let mut done = 0;
    for end in &ends {
        let (waiter, theirs, ours) = (text(end, "waiter"), text(end, "aws"), text(end, "muster"));
        if theirs == "done" {
            done += 1;
        }
        // Others may own what the copy has no images or snapshots of.
        let is_others = ["Image", "Snapshot"].iter().any(|kind| waiter.starts_with(kind));
        if is_others && theirs.contains("NotFound") {
            assert!(ours.contains("(UnsupportedOperation)"), "{end}");
        } else {
            // What the copy lacks is said with its date, which AWS's words have none of.
            let said = ours.split(" (as of ").next().unwrap();
            assert_eq!(said, theirs, "{end}");
        }
        waiters.insert(waiter);
    }
    assert!(waiters.len() >= 20 && done >= 15, "{done} of {} waits end well: {waiters:?}", ends.len());
    recorded("botocore's waiters", &account.recorder.take());
    eprintln!("{} waits of {} waiters end as they end at AWS, {done} of them well", ends.len(), waiters.len());
}

/// The waiter looks at the copy alone, which holds what Muster did as soon as it is done.
#[test]
fn the_aws_clis_wait_for_a_stop_sees_the_one_that_muster_makes() {
    let simulator = Simulator::start(10, &["--region", super::REGION, "--stop-delay", "3s"]);
    let mut endpoint = simulator.endpoint();
    let aws = Recorder::before(&endpoint.url);
    endpoint.url = aws.url().to_owned();
    let account = Recorded::at(&endpoint, &[&OFTEN[..], &["--allow-writes"]].concat());
    let mut client = Client::http(&account.server.http);
    let asked =
        json!({"kind": "instance", "filters": [{"Name": "instance-state-name", "Values": ["running"]}], "limit": 1});
    let found = client.call("search_inventory", &asked).unwrap();
    let id = found.structured["rows"][0]["id"].as_str().unwrap().to_owned();
    let mut wait = Environment::AwsCli.program("aws");
    wait.args(["ec2", "wait", "instance-stopped", "--instance-ids", &id]);
    let mut waiting = Running::start("aws wait", account.somebodys(wait, account.recorder.url()));
    let looks = || account.recorder.take();
    let mut seen = eventually("the wait looks", || Some(looks()).filter(|calls| !calls.is_empty()));
    let stopped = client.call("stop_instance", &json!({"instance_id": id})).unwrap();
    assert!(!stopped.is_error, "{}", stopped.text);
    assert!(waiting.wait(PATIENCE).success(), "{}", waiting.errors());
    seen.extend(looks());
    assert!(seen.len() > 1, "one look is no wait");
    assert!(seen.iter().all(|call| call.answered == Answered::Copy && call.agent.starts_with("aws-cli/")), "{seen:?}");
    let of_wait: Vec<_> = aws.take().into_iter().filter(|call| call.agent.starts_with("aws-cli/")).collect();
    assert!(of_wait.is_empty(), "AWS is asked for nothing that the wait asks: {of_wait:?}");
}
