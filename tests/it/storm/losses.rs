//! What listings lose, and what AWS forgets: the one is no event, the other is.

use std::thread::sleep;
use std::time::Duration;

use muster::kinds::KINDS;
use serde_json::json;

use super::oracle::{Oracle, kind, now};
use super::watch::Watch;
use super::{LONG, log, none, patiently, scenario, scope, seq};
use crate::harness::hand::Hand;
use crate::harness::muster::{OFTEN, RARELY, Sandbox};
use crate::harness::rpc::Client;
use crate::harness::simulator::Simulator;

#[test]
fn tags_lost_in_one_sweep_are_no_event() {
    let simulator = Simulator::start(400, &[]);
    let sandbox = Sandbox::new(&simulator.endpoint());
    let server = sandbox.serve(&OFTEN);
    server.swept();
    let watch = Watch::start(&server.http);
    watch.all_swept_again(2, LONG);
    let mut client = Client::http(&server.http);
    let before = seq(&mut client);
    simulator.control("PATCH", "/faults", &json!({"lose_tags": {"share": 0.3, "sweeps": 1}}));
    // The third sweep from here began after the one that lost them.
    watch.all_swept_again(3, LONG);
    let struck = simulator.control("GET", "/faults/counts", &json!(null));
    assert!(struck["lose_tags"].as_u64() >= Some(KINDS.len() as u64 - 1), "{struck}");
    assert_eq!(seq(&mut client), before, "tags lost by one listing were recorded");
    let oracle = Oracle::new(&simulator.endpoint());
    for (id, document) in oracle.all(kind("instance"), now()).iter().take(50) {
        assert_eq!(client.read(&format!("ec2://instance/{id}"))["document"], *document);
    }
    none("holds", &watch.stop().holds);
}

#[test]
fn what_one_sweep_lacks_is_held_and_what_aws_forgets_is_removed_without_a_hold() {
    // Both wait for what evidence outweighs, so they wait together.
    std::thread::scope(|scope| {
        let forgotten = scope.spawn(a_sixth_that_is_terminated_and_ages_out_over_an_hour_is_removed_without_a_hold);
        two_in_five_that_one_sweep_lacks_are_held_and_shown_and_come_back_with_the_next();
        forgotten.join().unwrap();
    });
}

fn two_in_five_that_one_sweep_lacks_are_held_and_shown_and_come_back_with_the_next() {
    let simulator = Simulator::start(300, &[]);
    let sandbox = Sandbox::new(&simulator.endpoint());
    // Recent evidence outweighs a listing, so the sweeps lie further apart.
    let server = sandbox.serve(&[&RARELY[..], &["--interval", "instance=12s", "--absence-after", "6s"]].concat());
    server.swept();
    let mut client = Client::http(&server.http);
    let all = Oracle::new(&simulator.endpoint()).all(kind("instance"), now());
    let before = seq(&mut client);
    let hide = json!({"hide": {"share": 0.4, "sweeps": 1, "actions": ["DescribeInstances"]}});
    simulator.control("PATCH", "/faults", &hide);
    let held = patiently("the sweep that lacks them is held, and the sample was asked for", || {
        let held = scope(&mut client, "instance")["held"].take();
        (held["asked"].as_u64() > Some(0)).then_some(held)
    });
    let (vanished, of) = (held["vanished"].as_u64().unwrap(), held["of"].as_u64().unwrap());
    assert!((85..155).contains(&vanished) && (280..=300).contains(&of), "{held}");
    assert_eq!(held["not_found"], 0, "{held}");
    // The terminated ones that it lacked are missing, too, and hold nothing up.
    let missing = scope(&mut client, "instance")["missing_unproved"].as_u64().unwrap();
    assert!((vanished..vanished + 20).contains(&missing), "{missing}: {held}");
    let summary = client.call("get_inventory_summary", &json!({})).unwrap();
    let shown = summary.structured["scopes"].as_array().unwrap().iter().any(|scope| scope["held"].is_object());
    assert!(shown, "the summary does not show it: {}", summary.structured);
    let found = client.call("search_inventory", &json!({"kind": "instance", "limit": 1})).unwrap();
    assert_eq!(found.structured["total"], all.len(), "{}", found.text);
    patiently("the next sweep shows them again", || {
        let scope = scope(&mut client, "instance");
        (scope["held"].is_null() && scope["missing_unproved"].is_null()).then_some(())
    });
    assert_eq!(seq(&mut client), before, "what one listing lacked was recorded");
}

fn a_sixth_that_is_terminated_and_ages_out_over_an_hour_is_removed_without_a_hold() {
    const BATCHES: usize = 16;
    const BATCH: usize = 4;
    let sandbox = Sandbox::bare();
    // An hour in a minute: each of the batches is a hundredth of the instances.
    let scenario = scenario(&sandbox, "terminated_retention = \"15s\"\nterminated_percent = 0\n", "");
    let simulator = Simulator::start(100 * BATCH, &["--scenario", &scenario, "--stop-delay", "500ms"]);
    let sandbox = Sandbox::new(&simulator.endpoint());
    let mut server = sandbox.serve(&[&OFTEN[..], &["--absence-after", "5s"]].concat());
    server.swept();
    let watch = Watch::start(&server.http);
    let mut client = Client::http(&server.http);
    let oracle = Oracle::new(&simulator.endpoint());
    let all = oracle.all(kind("instance"), now());
    let free = all.iter().filter(|(_, document)| document["Operator"]["Managed"] != json!(true));
    let ended: Vec<String> = free.map(|(id, _)| id.clone()).take(BATCHES * BATCH).collect();
    let hand = Hand::on(&simulator.endpoint());
    for batch in ended.chunks(BATCH) {
        hand.terminate(batch);
        sleep(Duration::from_secs(1));
    }
    patiently("all that AWS forgot is removed", || {
        let totals = client.read("ec2://inventory/summary")["totals"].take();
        let gone = totals["instance"] == json!(all.len() - ended.len());
        let rest = ["volume", "network-interface"].iter();
        let rest = rest.map(|slug| (totals[slug].as_u64().unwrap(), oracle.all(kind(slug), now()).len() as u64));
        (gone && rest.into_iter().all(|(copy, aws)| copy == aws)).then_some(())
    });
    watch.all_swept_again(2, LONG);
    none("holds", &watch.stop().holds);
    server.terminate();
    let store = log::open(&sandbox);
    let snapshot = store.snapshot().unwrap();
    let log = log::read(&snapshot, &oracle);
    none("false removals", &log.false_removals);
    assert!(log.records["removed"] >= (BATCHES * BATCH) as u64, "{:?}", log.records);
    let (compared, differences) = log::differences(&snapshot, &oracle);
    none("differences", &differences);
    assert!(compared > 1_000, "{compared}");
}
