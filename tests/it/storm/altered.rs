//! An answer that differs in one character: sweeps do not decode what they know, and see it all the same.

use serde_json::json;

use super::oracle::Oracle;
use super::watch::Watch;
use super::{LONG, log, none, patiently, seq};
use crate::harness::muster::{OFTEN, Sandbox};
use crate::harness::rpc::Client;
use crate::harness::simulator::Simulator;

/// How many answers are altered at least.
const ALTERED: u64 = 12;

/// What every document shows all fields of.
const ACTIONS: [&str; 3] = ["DescribeVolumes", "DescribeSecurityGroups", "DescribeSubnets"];

#[test]
fn one_character_that_an_answer_has_wrong_is_a_change_and_the_next_sweep_takes_it_back() {
    let simulator = Simulator::start(300, &[]);
    let sandbox = Sandbox::new(&simulator.endpoint());
    let mut server = sandbox.serve(&OFTEN);
    server.swept();
    let watch = Watch::start(&server.http);
    // From here on everything is known by its bytes.
    watch.all_swept_again(2, LONG);
    let mut client = Client::http(&server.http);
    let before = seq(&mut client);
    let struck = || simulator.control("GET", "/faults/counts", &json!(null))["alter"].as_u64().unwrap_or(0);
    simulator.control("PATCH", "/faults", &json!({"alter": {"share": 1, "actions": ACTIONS}}));
    patiently("answers are altered", || (struck() >= ALTERED).then_some(()));
    simulator.control("PATCH", "/faults", &json!({"alter": null}));
    let altered = struck();
    watch.all_swept_again(2, LONG);
    let changes = seq(&mut client) - before;
    // Each is a change, and most are taken back by another one.
    assert!(changes > altered, "{altered} altered answers made {changes} changes");
    let oracle = Oracle::new(&simulator.endpoint());
    log::converges(&sandbox, &oracle, LONG);
    none("holds", &watch.stop().holds);
    server.terminate();
    let store = log::open(&sandbox);
    let records = log::read(&store.snapshot().unwrap(), &oracle);
    assert_eq!(records.causes["sweep"], changes, "{records:?}");
    none("false removals", &records.false_removals);
    eprintln!("{altered} altered answers made {changes} changes, and all were taken back");
}
