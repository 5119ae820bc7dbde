//! Several regions by one server: each is swept on its own, and one that fails is said to and holds no other.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::harness::eventually;
use crate::harness::moto::{ACCOUNT, Moto};
use crate::harness::muster::{OFTEN, RARELY, Sandbox};
use crate::harness::rpc::Client;
use crate::harness::simulator::Simulator;

#[test]
fn the_regions_that_are_named_are_swept_by_one_server() {
    let (first, second) = (Moto::start(), Moto::start());
    let (here, there) = (first.launch(1).remove(0), second.launch(1).remove(0));
    let (near, far) = (first.endpoint().region, second.endpoint().region);
    let sandbox = Sandbox::new(&first.endpoint());
    let regions = format!("{near},{far}");
    let server = sandbox.serve(&[&RARELY[..], &["--regions", &regions]].concat());
    server.swept();
    let mut client = Client::http(&server.http);
    let found = client.call("search_inventory", &json!({"kind": "instance"})).unwrap();
    assert_eq!(found.structured["total"], 2, "{}", found.text);
    for (id, region) in [(&here, &near), (&there, &far)] {
        assert_eq!(client.read(&format!("ec2://instance/{id}"))["region"], json!(region));
        client.read(&format!("ec2://inventory/{ACCOUNT}/{region}/instance/{id}"));
    }
    let summary = client.read("ec2://inventory/summary");
    assert_eq!(summary["watched_regions"], json!([near, far]));
    let called: BTreeSet<&str> =
        rows(&summary["aws_calls"]).iter().filter_map(|call| call["action"].as_str()).collect();
    assert!(called.contains("ec2:DescribeVolumes") && called.contains("sts:GetCallerIdentity"), "{called:?}");
    let freshness = client.read("ec2://inventory/freshness");
    let regions = rows(&freshness["aws_calls"]).iter().filter_map(|call| call["region"].as_str());
    assert_eq!(regions.collect::<BTreeSet<_>>(), BTreeSet::from([near.as_str(), far.as_str()]));
    let mut describes = rows(&freshness["aws_calls"]).iter().filter(|call| call["action"] == "ec2:DescribeVolumes");
    assert!(describes.all(|call| call["account"] == ACCOUNT && call["documented_per_second"] == 20), "{freshness}");
}

#[test]
fn all_regions_are_watched_and_a_dead_one_holds_no_other() {
    let simulator = Simulator::start(20, &["--dead-region", "eu-west-1"]);
    let sandbox = Sandbox::new(&simulator.endpoint());
    let server = sandbox.serve(&[&RARELY[..], &["--regions", "all"]].concat());
    let mut client = Client::http(&server.http);
    let scopes = eventually("every region but the dead one is swept, and that one fails", || {
        let scopes = client.read("ec2://inventory/freshness")["scopes"].take();
        let done = |scope: &&Value| scope["sweep"] == "complete";
        let failed = |scope: &&Value| scope["region"] == "eu-west-1" && scope["failure"].is_object();
        let scopes = rows(&scopes).to_vec();
        (scopes.len() > muster::kinds::KINDS.len() && scopes.iter().all(|scope| done(&scope) || failed(&scope)))
            .then_some(scopes)
    });
    let regions: BTreeSet<&str> = scopes.iter().filter_map(|scope| scope["region"].as_str()).collect();
    assert!(regions.len() > 10 && regions.contains("eu-west-1"), "{regions:?}");
    let dead: Vec<&Value> = scopes.iter().filter(|scope| scope["region"] == "eu-west-1").collect();
    assert_eq!(dead.len(), scopes.len() / regions.len());
    for scope in dead {
        assert!(scope["failure"]["what"].as_str().unwrap().contains("eu-west-1"), "{scope}");
        assert_eq!(scope["sweep"], "not complete yet");
    }
    let home = json!({"kind": "instance", "account": scopes[0]["account"], "region": simulator.endpoint().region});
    let found = client.call("search_inventory", &home).unwrap();
    assert_eq!((found.structured["total"].as_u64(), &found.structured["at_least"]), (Some(20), &json!(false)));
    let summary = client.call("get_inventory_summary", &json!({})).unwrap();
    assert!(summary.text.contains("failing: ") && summary.text.contains("eu-west-1"), "{}", summary.text);
    assert!(!summary.structured["complete"].as_bool().unwrap());
}

#[test]
fn a_region_that_is_not_enabled_fails_alone_even_as_the_first() {
    let simulator = Simulator::start(20, &[]);
    let sandbox = Sandbox::new(&simulator.endpoint());
    let regions = format!("af-south-1,{}", simulator.endpoint().region);
    let server = sandbox.serve(&[&RARELY[..], &["--regions", &regions]].concat());
    let mut client = Client::http(&server.http);
    let text = eventually("one region is swept and the other fails", || {
        let summary = client.call("get_inventory_summary", &json!({})).unwrap();
        let scopes = rows(&summary.structured["scopes"]).iter();
        let is_settled = |scope: &Value| scope["sweep"] == "complete" || scope["failure"].is_object();
        (scopes.len() == 2 * muster::kinds::KINDS.len() && scopes.clone().all(is_settled)).then_some(summary.text)
    });
    assert!(text.contains("failing: ") && text.contains("check that region af-south-1 is enabled"), "{text}");
}

#[test]
fn an_account_that_is_throttled_is_swept_all_the_same_and_the_summary_says_how_much() {
    let simulator = Simulator::start(20, &["--throttle", "0.3"]);
    let sandbox = Sandbox::new(&simulator.endpoint());
    let server = sandbox.serve(&OFTEN);
    server.swept();
    let mut client = Client::http(&server.http);
    let summary = client.call("get_inventory_summary", &json!({})).unwrap();
    let throttled: u64 =
        rows(&summary.structured["aws_calls"]).iter().filter_map(|call| call["throttled"].as_u64()).sum();
    assert!(throttled > 0 && summary.text.contains("throttled so far"), "{}", summary.text);
}

#[test]
fn a_slip_in_a_regions_name_is_refused_with_what_was_meant() {
    let sandbox = Sandbox::bare();
    for flags in [["--regions", "us-east-1,eu-cental-1"], ["--region", "eu-cental-1"]] {
        let refused = sandbox.muster(&["serve"]).args(flags).output().unwrap();
        let said = String::from_utf8(refused.stderr).unwrap();
        assert_eq!(refused.status.code(), Some(2), "{said}");
        assert!(said.contains("`eu-cental-1`: did you mean `eu-central-1`?"), "{said}");
    }
}

fn rows(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}
