//! `kill -9` at any moment loses nothing that was acknowledged, and leaves a log that folds to exactly the snapshot.

use std::fs;
use std::path::Path;
use std::time::Duration;

use muster::store::verify::{self, VerifyReport};
use muster::store::{self, StoreOptions};
use serde_json::json;
use tokio::time::Instant;

use crate::harness::moto::Moto;
use crate::harness::muster::{Endpoint, OFTEN, RARELY, Sandbox};
use crate::harness::rpc::Client;
use crate::harness::simulator::Simulator;

const KILLS: u64 = 50;

#[test]
fn after_each_of_fifty_kills_the_log_folds_to_the_snapshot() {
    let simulator = Simulator::start(400, &["--churn", "50"]);
    let sandbox = Sandbox::new(&simulator.endpoint());
    let copy = sandbox.path().join("copy");
    let mut slowest = Duration::ZERO;
    let mut last = 0;
    for round in 0..KILLS {
        let mut server = sandbox.serve(&OFTEN);
        // However slow the machine is, some are killed with the account in their store.
        if round % 10 == 9 {
            server.swept();
        }
        // From amid the first sweep to amid a later one, spread by a multiplier without a pattern.
        std::thread::sleep(Duration::from_millis(20 + round * 367 % 1_200));
        server.kill();
        if last == 0 && !sandbox.store().exists() {
            // Killed before it had made its store.
            continue;
        }

        if copy.exists() {
            fs::remove_dir_all(&copy).unwrap();
        }
        fs::create_dir(&copy).unwrap();
        fs::copy(sandbox.store(), copy.join("muster.redb")).unwrap();
        let (reopened, report) = folds(&copy);
        slowest = slowest.max(reopened);
        assert!(report.records >= last, "round {round}: {} records, {last} before", report.records);
        last = report.records;
    }
    eprintln!("{KILLS} kills, {last} records, slowest reopening {slowest:?}");
    assert!(last > 400, "the account was never swept between kills");
}

/// Opens the store in `directory` and folds its log: how long opening took, and what was found.
fn folds(directory: &Path) -> (Duration, VerifyReport) {
    let started = Instant::now();
    let options = StoreOptions::new(directory, muster::kinds::project);
    let (_writer, store) = store::open(options).unwrap();
    let took = started.elapsed();
    let snapshot = store.snapshot().unwrap();
    let report = verify::fold_log(&snapshot).unwrap();
    assert!(report.is_clean(), "{report:?}");
    (took, report)
}

#[test]
fn what_a_tool_was_told_is_there_after_a_kill() {
    let moto = Moto::start();
    let instance = moto.launch(1).remove(0);
    let uri = format!("ec2://instance/{instance}");
    let mut sandbox = Sandbox::new(&moto.endpoint());
    let mut server = sandbox.serve(&[&RARELY[..], &["--allow-writes"]].concat());
    server.swept();
    let answer = Client::http(&server.http).call("stop_instance", &json!({"instance_ids": [instance]})).unwrap();
    server.kill();
    assert!(!answer.is_error, "{}", answer.text);

    sandbox.set("AWS_ENDPOINT_URL", &Endpoint::dead().url);
    let server = sandbox.serve(&RARELY);
    let body = Client::http(&server.http).read(&uri);
    let state = body["document"]["State"]["Name"].as_str().unwrap();
    assert!(["stopping", "stopped"].contains(&state), "{body}");
    assert!(body["seq"].as_u64() >= answer.structured["seq"].as_u64(), "{body}");
}
