//! The SDK for JavaScript.

use std::process::Command;

use serde_json::{Value, json};

use super::asked::recorded;
use super::{Recorded, UNKNOWN};
use crate::harness::{eventually, node};

fn script(settings: &Value) -> Command {
    let mut script = node::script("ec2.mjs");
    script.arg(settings.to_string());
    script
}

#[test]
fn the_sdk_for_javascript_reads_what_it_reads_of_aws() {
    let account = Recorded::of(30, &[], &[]);
    // The path names the account, as it does where several are watched.
    let muster = format!("{}/123456789012/", account.recorder.url());
    let [ours, theirs] = [muster, account.aws.url.clone()].map(|ec2| {
        let told = super::printed(&mut account.somebodys(script(&json!({"unknown": UNKNOWN})), &ec2));
        serde_json::from_str::<Value>(&told).unwrap()
    });
    for part in ["instances", "volumes", "states"] {
        super::same(part, &theirs[part], &ours[part]);
    }
    let count = ours["instances"].as_array().unwrap().len();
    assert_eq!((count, &ours["states"]), (30, &json!(["SUCCESS", "SUCCESS"])));
    for part in ["name", "status", "attempts"] {
        assert_eq!(ours["unknown"][part], theirs["unknown"][part]);
    }
    assert_eq!((&ours["keys"]["name"], &ours["keys"]["attempts"]), (&json!("InvalidAction"), &json!(1)));
    let program = account.write("report.mjs", &account.snippet("SDK for JavaScript", 0));
    let mut report = account.somebodys(node::script_at(&program), "http://127.0.0.1:9");
    let told = super::printed(report.env_remove("AWS_ENDPOINT_URL_EC2"));
    assert_eq!(told.lines().count(), 30, "{told}");
    recorded("SDK for JavaScript", &account.recorder.take());
}

/// AWS's SDKs repeat some errors for minutes: not that the copy is too old.
#[test]
fn the_sdk_for_javascript_asks_once_for_what_is_too_old() {
    let account = Recorded::of(3, &[], &["--max-stale", "1s"]);
    eventually("the copy is too old", || {
        account.recorder.take();
        let mut told = account.somebodys(script(&json!({"refused": true})), account.recorder.url());
        let failure: Value = serde_json::from_str(&super::printed(&mut told)).unwrap();
        let is_old = failure["name"] == "MusterStale";
        assert!(!is_old || (failure["attempts"] == 1 && account.recorder.take().len() == 1), "{failure}");
        is_old.then_some(())
    });
}
