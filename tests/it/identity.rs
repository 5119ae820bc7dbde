//! Whose credentials are in use where STS cannot be reached, is slow, or comes back with another answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::eventually;
use crate::harness::middle::{Fate, Middle};
use crate::harness::muster::{Endpoint, OFTEN, RARELY, Sandbox};
use crate::harness::rpc::Client;
use crate::harness::simulator::Simulator;

/// A sandbox that reaches EC2 at the simulator, and STS at `sts`.
fn apart(simulator: &Simulator, sts: &Endpoint) -> Sandbox {
    let mut sandbox = Sandbox::new(&simulator.endpoint());
    sandbox.set("AWS_ENDPOINT_URL_STS", &sts.url);
    sandbox
}

/// The accounts that are watched, and what is said of their identity.
fn seen(client: &mut Client) -> (Vec<String>, Value) {
    let freshness = client.read("ec2://inventory/freshness");
    let scopes = freshness["scopes"].as_array().cloned().unwrap_or_default();
    let mut accounts: Vec<String> =
        scopes.iter().filter_map(|scope| Some(scope["account"].as_str()?.to_owned())).collect();
    accounts.dedup();
    (accounts, freshness["identity"].clone())
}

/// The account of a simulator that is not told another.
const OWN: &str = "123456789012";

#[test]
fn where_only_ec2_can_be_reached_the_owner_of_the_reservations_stands_in_and_it_is_said() {
    let simulator = Simulator::start(5, &[]);
    let sandbox = apart(&simulator, &Endpoint::dead());
    let server = sandbox.serve(&RARELY);
    server.swept();
    let mut client = Client::http(&server.http);
    let (accounts, identity) = seen(&mut client);
    assert_eq!(accounts.len(), 1, "{accounts:?}");
    assert_eq!(identity["proved"], false, "{identity}");
    assert!(identity["what"].as_str().unwrap().contains("GetCallerIdentity"), "{identity}");
    let summary = client.call("get_inventory_summary", &json!({})).unwrap();
    assert_eq!(summary.structured["totals"]["instance"], 5, "{}", summary.text);
    assert!(summary.text.contains("not proved by STS"), "{}", summary.text);
    assert_eq!(summary.structured["identity"]["proved"], false);
}

#[test]
fn an_account_that_is_named_stands_in_and_the_wrong_one_is_refused() {
    let simulator = Simulator::start(5, &[]);
    let mut sandbox = apart(&simulator, &Endpoint::dead());
    sandbox.set("MUSTER_ACCOUNT", OWN);
    let server = sandbox.serve(&RARELY);
    server.swept();
    assert_eq!(seen(&mut Client::http(&server.http)).0, [OWN]);
    drop(server);

    for sts in [Endpoint::dead(), simulator.endpoint()] {
        let sandbox = apart(&simulator, &sts);
        let server = sandbox.serve(&[&RARELY[..], &["--account", "111111111111"]].concat());
        let mut client = Client::http(&server.http);
        eventually("the account error", || {
            let answer = client.call("search_inventory", &json!({"kind": "instance"})).unwrap();
            assert!(answer.is_error, "another account's inventory is served: {}", answer.text);
            (answer.text.contains("111111111111") && answer.text.contains(OWN)).then_some(())
        });
    }
}

#[test]
fn a_slow_sts_holds_no_sweep_for_ever_and_proves_the_account_in_the_end() {
    let simulator = Simulator::start(5, &[]);
    let sts = Middle::plain(&simulator.endpoint(), |_, _| Fate::After(Duration::from_secs(15)));
    let sandbox = apart(&simulator, &sts.endpoint());
    let server = sandbox.serve(&RARELY);
    server.swept();
    let mut client = Client::http(&server.http);
    eventually("STS proves the account", || seen(&mut client).1.is_null().then_some(()));
    assert_eq!(client.call("count_inventory", &json!({"kind": "instance"})).unwrap().structured["total"], 5);
}

#[test]
fn an_sts_that_comes_back_proves_the_account() {
    let simulator = Simulator::start(5, &[]);
    let open = Arc::new(AtomicU8::new(0));
    let fate = Arc::clone(&open);
    let sts = Middle::plain(&simulator.endpoint(), move |_, _| match fate.load(Ordering::SeqCst) {
        0 => Fate::Drop,
        _ => Fate::Pass,
    });
    let sandbox = apart(&simulator, &sts.endpoint());
    let server = sandbox.serve(&OFTEN);
    server.swept();
    let mut client = Client::http(&server.http);
    assert_eq!(seen(&mut client).1["proved"], false);
    open.store(1, Ordering::SeqCst);
    eventually("STS proves the account", || seen(&mut client).1.is_null().then_some(()));
    // And when it is gone again, the sweeps go on.
    open.store(0, Ordering::SeqCst);
    eventually("it is unproved again", || (seen(&mut client).1["proved"] == false).then_some(()));
    let now = client.read("ec2://inventory/freshness")["now"].as_str().unwrap().to_owned();
    eventually("a sweep that began after that is complete", || {
        let freshness = client.read("ec2://inventory/freshness");
        let scopes = freshness["scopes"].as_array().unwrap();
        scopes.iter().all(|scope| scope["as_of"].as_str().is_some_and(|at| at > now.as_str())).then_some(())
    });
}

#[test]
fn an_sts_that_comes_back_with_another_account_stops_the_sweeps() {
    let (simulator, other) = (Simulator::start(5, &[]), Simulator::start(1, &["--account", "222222222222"]));
    let open = Arc::new(AtomicU8::new(0));
    let fate = Arc::clone(&open);
    let sts = Middle::plain(&other.endpoint(), move |_, _| match fate.load(Ordering::SeqCst) {
        0 => Fate::Drop,
        _ => Fate::Pass,
    });
    let sandbox = apart(&simulator, &sts.endpoint());
    let server = sandbox.serve(&OFTEN);
    server.swept();
    open.store(1, Ordering::SeqCst);
    let mut client = Client::http(&server.http);
    eventually("every sweep fails with the account error", || {
        let freshness = client.read("ec2://inventory/freshness");
        let scopes = freshness["scopes"].as_array().unwrap();
        let says = |scope: &Value| scope["failure"]["what"].as_str().is_some_and(|what| what.contains("222222222222"));
        scopes.iter().all(says).then_some(())
    });
    let found = client.call("count_inventory", &json!({"kind": "instance"})).unwrap();
    assert_eq!(found.structured["total"], 5, "nothing was removed: {}", found.text);
}

#[test]
fn doctor_tells_an_account_that_stands_in_and_goes_on() {
    let simulator = Simulator::start(5, &[]);
    let sandbox = apart(&simulator, &Endpoint::dead());
    let data = sandbox.data();
    let output = sandbox.muster(&["doctor", "--json", "--data-dir", data.to_str().unwrap()]).output().unwrap();
    let body: Value = serde_json::from_slice(&output.stdout).unwrap();
    let findings = body["findings"].as_array().unwrap();
    let find = |check: &str, subject: &str| {
        let found = |finding: &&Value| {
            finding["check"] == check && finding["subject"].as_str().is_some_and(|found| found.contains(subject))
        };
        findings.iter().find(found).unwrap_or_else(|| panic!("no {check} {subject}: {findings:#?}"))
    };
    let identity = find("identity", "credentials");
    assert_eq!(identity["verdict"], "warning", "{identity}");
    assert!(identity["fact"].as_str().unwrap().contains(OWN), "{identity}");
    assert_eq!(find("endpoint", "STS")["verdict"], "failed");
    assert_eq!(find("endpoint", "EC2")["verdict"], "ok");
}
