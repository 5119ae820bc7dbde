//! A subscriber is told when what it subscribed to changes, and only then.

use std::time::Duration;

use muster::model::Timestamp;
use serde_json::json;

use crate::harness::PATIENCE;
use crate::harness::driver::{Driver, Flavour, Transport};
use crate::harness::moto::Moto;
use crate::harness::muster::{OFTEN, Sandbox};
use crate::harness::rpc::Client;

/// Several sweeps: long enough for a notification that must not come.
const SEVERAL_SWEEPS: Duration = Duration::from_secs(3);

fn hears_of_its_instance_only(flavour: Flavour) {
    let moto = Moto::start();
    let instances = moto.launch(2);
    let uri = |instance: &String| format!("ec2://instance/{instance}");
    let sandbox = Sandbox::new(&moto.endpoint());
    let server = sandbox.serve(&OFTEN);
    server.swept();
    for (name, transport) in [("http", Transport::Http(&server.http)), ("stdio", Transport::Stdio(&sandbox, &[]))] {
        let mut client = Driver::connect(flavour, &transport);
        client.subscribe(&instances.iter().map(uri).collect::<Vec<_>>());
        let (changing, still) = (&instances[0], &instances[1]);
        let toggle = if name == "http" { "ec2.stop_instances" } else { "ec2.start_instances" };
        moto.call(toggle, &json!({"InstanceIds": [changing]}));
        let expected = if name == "http" { "stopped" } else { "running" };
        let mut told = Vec::new();
        // Who subscribes is told of the changes of the last seconds too, so the first may be of the one before.
        let body = loop {
            let (heard, at) = client.updated(PATIENCE).expect("the subscriber hears of the change");
            assert_eq!(heard, uri(changing));
            told.push(at);
            let body = client.read(&uri(changing));
            if body["document"]["State"]["Name"] == expected {
                break body;
            }
        };
        // Its status changes too, in a sweep of its own, and counts as its change.
        let started = tokio::time::Instant::now();
        while let Some((heard, at)) = client.updated(SEVERAL_SWEEPS.saturating_sub(started.elapsed())) {
            assert_eq!(heard, uri(changing), "{still} did not change");
            told.push(at);
        }
        let committed = Timestamp::parse(body["changed_at"].as_str().unwrap()).unwrap();
        let committed = Duration::from_millis(committed.as_millis().unsigned_abs()).as_secs_f64();
        let latency = told.iter().map(|at| at - committed).find(|latency| *latency >= 0.0);
        let latency = latency.unwrap_or_else(|| panic!("committed at {committed}, told only at {told:?}"));
        eprintln!("{flavour:?} over {name}: told {latency:.3} s after the commit");
        assert!(latency < 10.0, "{flavour:?} over {name}: told {latency} s after the commit");
    }
}

#[test]
fn a_client_of_the_newer_era_hears_of_its_instance_and_of_no_other() {
    hears_of_its_instance_only(Flavour::Auto);
}

#[test]
fn a_newer_client_with_the_older_handshake_hears_of_its_instance_and_of_no_other() {
    hears_of_its_instance_only(Flavour::Legacy);
}

#[test]
fn an_older_client_hears_of_its_instance_and_of_no_other() {
    hears_of_its_instance_only(Flavour::Old);
}

#[test]
fn the_list_changes_with_a_new_instance_and_not_with_a_state() {
    let moto = Moto::start();
    let instance = moto.launch(1).remove(0);
    let sandbox = Sandbox::new(&moto.endpoint());
    let server = sandbox.serve(&OFTEN);
    server.swept();
    let uri = format!("ec2://instance/{instance}");
    let listening = Client::http(&server.http).listen(&[&uri], true);
    // What the first sweep did to the list a moment ago is told to who comes a moment later.
    while listening.next(SEVERAL_SWEEPS).is_some() {}
    moto.call("ec2.stop_instances", &json!({"InstanceIds": [instance]}));
    let first = listening.next(PATIENCE).expect("the stop is told");
    assert_eq!((&first["method"], &first["params"]["uri"]), (&json!("notifications/resources/updated"), &json!(uri)));
    while let Some(next) = listening.next(SEVERAL_SWEEPS) {
        // The status changes in a sweep of its own.
        assert_eq!(next["params"]["uri"], *uri, "{next}");
    }
    moto.launch(1);
    loop {
        let next = listening.next(PATIENCE).expect("the new instance is told");
        if next["method"] == "notifications/resources/list_changed" {
            break;
        }
        assert_eq!(next["params"]["uri"], *uri, "{next}");
    }
}
