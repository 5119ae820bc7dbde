//! Prometheus finds instances to scrape: it is made of the SDK for Go, version 1.
//!
//! It can be had from Debian only, which not every machine that runs the tests reaches: `cargo test --test it -- --ignored prometheus`.

use serde_json::{Map, Value};

use super::Recorded;
use super::asked::recorded;
use crate::harness::eventually;
use crate::harness::promtool::promtool;
use crate::harness::recorder::Answered;

#[test]
#[ignore = "its program is a package of Debian: see above"]
fn prometheus_finds_the_instances_that_it_finds_at_aws() {
    let account = Recorded::of(20, &[], &[]);
    let config = account.snippet("Prometheus", 0);
    let aws = account.aws.url.clone();
    let [ours, theirs] = [account.recorder.url(), &aws].map(|ec2| {
        let file = account.write("prometheus.yml", &config.replace(account.recorder.url(), ec2));
        let mut tool = promtool();
        tool.args(["check", "service-discovery", "--timeout", "15s"]).arg(file).arg("instances");
        let told = super::printed(account.somebodys(tool, "http://127.0.0.1:9").env_remove("AWS_ENDPOINT_URL_EC2"));
        serde_json::from_str::<Vec<Value>>(&told).unwrap_or_else(|error| panic!("{error}: {told}"))
    });
    let labels = |targets: Vec<Value>| -> Map<String, Value> {
        let labels = targets.into_iter().map(|mut target| target["discoveredLabels"].take());
        labels.map(|labels| (labels["__meta_ec2_instance_id"].to_string(), labels)).collect()
    };
    let (ours, theirs) = (labels(ours), labels(theirs));
    assert!(ours.len() > 10, "{ours:?}");
    super::same("targets", &Value::Object(theirs), &Value::Object(ours));
    recorded("Prometheus", &account.recorder.take());
}

/// AWS's SDKs repeat some errors for minutes: not that the copy is too old.
#[test]
#[ignore = "its program is a package of Debian: see above"]
fn the_sdk_for_go_asks_once_for_what_is_too_old() {
    let account = Recorded::of(3, &[], &["--max-stale", "1s"]);
    let file = account.write("prometheus.yml", &account.snippet("Prometheus", 0));
    eventually("the copy is too old", || {
        let mut tool = promtool();
        tool.args(["check", "service-discovery", "--timeout", "3s"]).arg(&file).arg("instances");
        account.somebodys(tool, "http://127.0.0.1:9").env_remove("AWS_ENDPOINT_URL_EC2").output().unwrap();
        let asked = account.recorder.take();
        let calls: Vec<_> = asked.iter().filter(|call| call.action == "DescribeInstances").collect();
        let is_old = calls.first()?.answered == Answered::Error("MusterStale".to_owned());
        assert!(!is_old || calls.len() == 1, "{calls:?}");
        is_old.then_some(())
    });
}
