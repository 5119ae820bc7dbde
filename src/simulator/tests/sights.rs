//! What Describe calls show under faults: late, with resources missing, without tags.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use crate::simulator::ec2::{Call, answer};
use crate::simulator::faults::Case;
use crate::simulator::happening::RecordedCaller;
use crate::simulator::refusal::Refusal;
use crate::simulator::request::{Params, Service};
use crate::simulator::tests::{Aws, text, texts};

/// Calls as the server does, with the faults that are set; the faults in this file refuse no call.
fn ask(aws: &Aws, form: &str) -> Result<String, Refusal> {
    let params = Params::parse("", format!("{form}&Version=2016-11-15").as_bytes());
    let action = params.get("Action").unwrap();
    let (account, region) = ("123456789012", "us-east-1");
    let case = Case { service: Service::Ec2, action, account, region, who: "", params: &params };
    let now = aws.0.clock().moment();
    let view = aws.0.faults().judge(&case, now).view;
    let account = aws.0.home();
    answer(
        &Call { params: &params, account: &account, now, view, request: "r", by: &RecordedCaller::default() },
        action,
    )
}

/// One walk over all instances: the document of each page.
fn sweep(aws: &Aws) -> Vec<String> {
    let first = "Action=DescribeInstances&MaxResults=50";
    let mut pages = vec![ask(aws, first).unwrap()];
    while let Some(token) = texts(pages.last().unwrap(), "nextToken").pop() {
        let token: String = form_urlencoded::byte_serialize(token.as_bytes()).collect();
        pages.push(ask(aws, &format!("{first}&NextToken={token}")).unwrap());
    }
    pages
}

fn ids(pages: &[String]) -> BTreeSet<String> {
    pages.iter().flat_map(|page| texts(page, "instanceId")).collect()
}

fn set(aws: &Aws, faults: &Value) {
    aws.0.faults().patch(faults).unwrap();
}

#[test]
fn a_share_of_instances_is_missing_from_one_sweep_and_still_there_by_id() {
    let aws = Aws::with(500);
    let all = ids(&sweep(&aws));
    set(&aws, &json!({"hide": {"share": 0.4, "sweeps": 1, "actions": ["DescribeInstances"]}}));
    let seen = ids(&sweep(&aws));
    let missing: Vec<&String> = all.difference(&seen).collect();
    assert!((150..250).contains(&missing.len()), "{}", missing.len());
    let named = ask(&aws, &format!("Action=DescribeInstances&InstanceId.1={}", missing[0])).unwrap();
    assert_eq!(text(&named, "instanceId"), *missing[0]);
    assert_eq!(ids(&sweep(&aws)), all);
}

#[test]
fn a_share_of_instances_loses_its_tags_in_one_sweep() {
    let aws = Aws::with(500);
    let tagless = || {
        let pages = sweep(&aws).concat();
        pages.split("<instanceId>").skip(1).filter(|instance| !instance.contains("<key>Name</key>")).count()
    };
    let before = tagless();
    set(&aws, &json!({"lose_tags": {"share": 0.3, "sweeps": 1}}));
    let during = tagless();
    assert!((100..200).contains(&(during - before)), "{before} {during}");
    assert_eq!(tagless(), before);
}

#[test]
fn describes_lag_behind_a_change_and_catch_up() {
    let aws = Aws::with(100);
    set(&aws, &json!({"lag": {"most": "5s"}}));
    let id = aws.first("running");
    aws.advance(60);
    aws.get("StopInstances", &[("InstanceId.1", &id)]);
    let mut states = Vec::new();
    for _ in 0..100 {
        let document = ask(&aws, &format!("Action=DescribeInstances&InstanceId.1={id}")).unwrap();
        let (_, state) = document.split_once("<instanceState>").unwrap();
        states.push(texts(state, "name").swap_remove(0));
        aws.0.clock().advance(Duration::from_millis(100));
    }
    states.dedup();
    assert_eq!(states, ["running", "stopping", "stopped"]);
}

#[test]
fn a_new_instance_is_not_found_for_a_while() {
    let aws = Aws::with(20);
    set(&aws, &json!({"lag": {"most": "30s"}}));
    let image = text(
        &ask(&aws, &format!("Action=DescribeInstances&InstanceId.1={}", aws.first("running"))).unwrap(),
        "imageId",
    );
    let launch = [("ImageId", image.as_str()), ("InstanceType", "t3.micro"), ("MinCount", "10"), ("MaxCount", "10")];
    let launched = texts(&aws.get("RunInstances", &launch), "instanceId");
    let unknown = |id: &&String| {
        let asked = ask(&aws, &format!("Action=DescribeInstances&InstanceId.1={id}"));
        asked.is_err_and(|refusal| refusal.code == "InvalidInstanceID.NotFound")
    };
    assert!(launched.iter().filter(unknown).count() >= 9);
    let listed = ids(&sweep(&aws));
    assert!(launched.iter().filter(|id| listed.contains(*id)).count() <= 1);
    aws.advance(31);
    assert_eq!(launched.iter().filter(unknown).count(), 0);
}
