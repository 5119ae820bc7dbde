//! A region that goes down while it is watched.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::oracle::{Oracle, kind, now};
use super::watch::Watch;
use super::{LONG, patiently, scopes};
use crate::harness::eventually;
use crate::harness::hand::Hand;
use crate::harness::muster::{Endpoint, OFTEN, Sandbox};
use crate::harness::rpc::Client;
use crate::harness::simulator::Simulator;

#[test]
fn a_region_that_goes_down_shows_and_holds_no_other_and_is_fresh_again_when_it_is_back() {
    let simulator = Simulator::start(60, &["--regions", "eu-west-1=40"]);
    let sandbox = Sandbox::new(&simulator.endpoint());
    let server = sandbox.serve(&[&OFTEN[..], &["--regions", "us-east-1,eu-west-1"]].concat());
    server.swept();
    let watch = Watch::start(&server.http);
    let mut client = Client::http(&server.http);
    let there = Oracle::new(&Endpoint { region: "eu-west-1".to_owned(), ..simulator.endpoint() });
    let there = there.all(kind("instance"), now()).into_keys().next().unwrap();
    simulator.control("PATCH", "/faults", &json!({"dead_regions": {"regions": ["eu-west-1"]}}));
    eventually("every scope of the dead region fails and is stale", || {
        let scopes = scopes(&mut client);
        let mut dead = scopes.iter().filter(|scope| scope["region"] == "eu-west-1");
        dead.all(|scope| scope["failure"].is_object() && scope["stale"].is_object()).then_some(())
    });
    let body = client.read(&format!("ec2://instance/{there}"));
    assert!(body["stale"].is_object() && body["document"].is_object(), "{body}");
    let summary = client.call("get_inventory_summary", &json!({})).unwrap();
    assert!(summary.text.contains("eu-west-1") && summary.text.contains("failing"), "{}", summary.text);

    // The other one goes on: sweeps end, changes show, nothing is stale.
    let before = watch.sweeps();
    watch.swept_again_where(3, LONG, |scope| scope.starts_with("us-east-1"));
    let of = |sweeps: &BTreeMap<String, u64>| -> u64 {
        sweeps.iter().filter(|(scope, _)| scope.starts_with("eu-west-1")).map(|(_, sweeps)| *sweeps).sum()
    };
    assert_eq!(of(&before), of(&watch.sweeps()), "a dead region was swept");
    let here = Oracle::new(&simulator.endpoint()).all(kind("instance"), now());
    let (here, _) = here.into_iter().find(|(_, document)| document["State"]["Name"] == "running").unwrap();
    Hand::on(&simulator.endpoint()).terminate(std::slice::from_ref(&here));
    eventually("a change in the living region shows", || {
        let body = client.read(&format!("ec2://instance/{here}"));
        (body["document"]["State"]["Name"] == "terminated").then_some(())
    });
    assert!(scopes(&mut client).iter().all(|scope| scope["region"] == "eu-west-1" || scope["failure"].is_null()));

    simulator.control("PATCH", "/faults", &json!({"dead_regions": null}));
    patiently("the region is fresh again", || {
        let fresh = |scope: &Value| scope["failure"].is_null() && scope["stale"].is_null();
        scopes(&mut client).iter().all(fresh).then_some(())
    });
}
