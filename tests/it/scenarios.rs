//! Simulations as files and flags describe them.

use std::fs;
use std::path::Path;

use serde_json::json;

use crate::harness::muster::Sandbox;
use crate::harness::simulator::Simulator;

const STORM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/scenarios/storm.toml");

#[test]
fn a_scenarios_faults_are_set_and_flags_go_before_them() {
    let simulator = Simulator::start(50, &["--scenario", STORM, "--throttle", "0.5", "--lag-jitter"]);
    let faults = simulator.control("GET", "/faults", &json!(null));
    assert_eq!(faults["throttle"]["share"], json!(0.5), "{faults}");
    assert_eq!(faults["lag"], json!({"most": "5s", "jitter": true, "actions": [], "at": []}));
    assert_eq!(faults["failing_pages"]["share"], json!(0.1));
}

#[test]
fn every_scenario_of_the_tests_can_be_used() {
    for entry in fs::read_dir(Path::new(STORM).parent().unwrap()).unwrap() {
        let path = entry.unwrap().path();
        let simulator = Simulator::start(50, &["--scenario", path.to_str().unwrap()]);
        assert!(simulator.control("GET", "/faults", &json!(null)).is_object(), "{}", path.display());
    }
}

#[test]
fn a_scenario_or_flag_that_cannot_be_used_says_what_is_allowed() {
    let sandbox = Sandbox::bare();
    let wrong = sandbox.path().join("wrong.toml");
    fs::write(&wrong, "instances = 5\n[faults.throttle]\nshare = 20\n").unwrap();
    let wrong = wrong.to_str().unwrap().to_owned();
    for (flags, said) in [
        (["--scenario", &wrong], "20 is no share; give a number from 0 to 1"),
        (["--scenario", "nowhere.toml"], "cannot read the scenario nowhere.toml"),
        (["--throttle", "20"], "20 is no share; give a number from 0 to 1"),
        (["--denied", "Nothing"], "\"Nothing\" is no action the simulator has"),
    ] {
        let output = sandbox.muster(&["simulate", flags[0], flags[1]]).output().unwrap();
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{errors}");
        assert!(errors.contains(said), "{errors}");
    }
}
