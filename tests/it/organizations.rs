//! The simulator's organization as boto3 reads it, beside moto's.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::harness::moto::Moto;
use crate::harness::python::Environment;
use crate::harness::simulator::Simulator;

/// What moto's answers lack: the paths of accounts and units, which AWS has given since 2026, and types of policies that a
/// new organization has not enabled there.
const BEYOND: [&str; 7] = [
    "DescribeAccount Account.Paths[]: str",
    "DescribeOrganizationalUnit OrganizationalUnit.Path: str",
    "ListAccounts Accounts[].Paths[]: str",
    "ListAccountsForParent Accounts[].Paths[]: str",
    "ListOrganizationalUnitsForParent OrganizationalUnits[].Path: str",
    "ListRoots Roots[].PolicyTypes[].Status: str",
    "ListRoots Roots[].PolicyTypes[].Type: str",
];

/// An account of the simulator's organization.
const OTHER: &str = "200000000002";

/// Everything that boto3 reads of the organization at an endpoint, which it first makes where `make` is set.
fn read(endpoint: &str, make: bool) -> Value {
    let mut boto3 = Environment::Moto.script("organizations.py");
    let settings = json!({"endpoint": endpoint, "make": make, "role": format!("arn:aws:iam::{OTHER}:role/reader")});
    let output = boto3.arg(settings.to_string()).output().unwrap();
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)))
}

/// Each call with the name and the type of each member of its answers.
fn forms(read: &Value) -> BTreeSet<String> {
    let calls = read["forms"].as_object().unwrap().iter();
    calls.flat_map(|(call, forms)| texts(forms).into_iter().map(move |form| format!("{call} {form}"))).collect()
}

fn texts(value: &Value) -> Vec<&str> {
    value.as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect()
}

#[test]
fn boto3_reads_the_simulators_organization_as_it_reads_motos() {
    let moto = Moto::alone();
    let theirs = read(&moto.endpoint().url, true);
    let simulator = Simulator::start(1, &["--accounts", "45"]);
    simulator.control("PATCH", "/organization", &json!({"account": "200000000001", "administrator": true}));
    let ours = read(&simulator.endpoint().url, false);

    assert_eq!((&theirs["wrong"], &ours["wrong"]), (&json!([]), &json!([])));
    let (theirs, forms) = (forms(&theirs), forms(&ours));
    let missing: Vec<&String> = theirs.difference(&forms).collect();
    assert!(missing.is_empty(), "the simulator has no {missing:?}");
    assert_eq!(forms.difference(&theirs).collect::<Vec<_>>(), BEYOND);

    let accounts = texts(&ours["accounts"]);
    assert_eq!((accounts.len(), accounts[0], accounts[45]), (46, "123456789012", "200000000045"));
    assert_eq!(ours["administrators"], json!(["200000000001"]));
    let tree = ours["tree"].as_object().unwrap();
    let units: Vec<&str> = tree.keys().map(String::as_str).collect();
    assert_eq!(tree["/"], json!(["123456789012"]));
    assert!(units.contains(&"/Workloads/Production") && units.contains(&"/Sandbox"), "{units:?}");
    assert_eq!(tree.values().map(|accounts| texts(accounts).len()).sum::<usize>(), 46);
    assert_eq!(
        ours["ends"],
        json!({
            "ListAccounts": "AccessDeniedException",
            "DescribeOrganization": "allowed",
            "DescribeAccount": "AccountNotFoundException",
            "ListAccountsForParent": "ParentNotFoundException",
            "ListTagsForResource": "TargetNotFoundException",
            "AssumeRole": "allowed",
        })
    );
}

#[test]
fn roles_of_a_closed_account_cannot_be_assumed_and_those_of_one_that_left_can() {
    let simulator = Simulator::start(1, &["--accounts", "3"]);
    let after = |change: Value| {
        let shown = simulator.control("PATCH", "/organization", &change)["accounts"].take();
        let found = shown.as_array().unwrap().iter().find(|found| found["account"] == OTHER);
        let read = read(&simulator.endpoint().url, false);
        let state = found.map(|found| found["state"].clone()).unwrap_or_default();
        (state, read["accounts"].as_array().unwrap().len(), read["ends"]["AssumeRole"].clone())
    };
    let account = |state: &str| json!({"account": OTHER, "state": state});
    assert_eq!(after(account("CLOSED")), (json!("CLOSED"), 4, json!("AccessDenied")));
    assert_eq!(after(account("ACTIVE")), (json!("ACTIVE"), 4, json!("allowed")));
    assert_eq!(after(json!({"account": OTHER, "member": false})), (json!(null), 3, json!("allowed")));
}
