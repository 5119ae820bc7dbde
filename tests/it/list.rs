//! `resources/list` of a large account: everything exactly once, or a small list that leads to everything.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::harness::account::Account;
use crate::harness::muster::{RARELY, Sandbox};
use crate::harness::rpc::Client;
use crate::harness::simulator::Simulator;

/// As many as the issue asks for: enough for several pages in every mode.
const INSTANCES: usize = 10_000;

/// The ids that boto3 sees.
fn truth(simulator: &Simulator) -> BTreeSet<String> {
    let account = Account::at(&simulator.endpoint());
    let statuses =
        account.every("ec2.describe_instance_status", "InstanceStatuses", &json!({"IncludeAllInstances": true}));
    let ids: BTreeSet<String> =
        statuses.iter().map(|status| status["InstanceId"].as_str().unwrap().to_owned()).collect();
    assert_eq!(ids.len(), INSTANCES, "the simulator has as many instances as asked");
    ids
}

/// Compares without printing ten thousand ids.
fn same(found: &BTreeSet<String>, truth: &BTreeSet<String>) {
    let missing: Vec<_> = truth.difference(found).collect();
    let extra: Vec<_> = found.difference(truth).collect();
    let some = |ids: &[&String]| ids.iter().take(5).map(ToString::to_string).collect::<Vec<_>>();
    assert!(
        missing.is_empty() && extra.is_empty(),
        "{} found, {} missing (such as {:?}), {} that boto3 does not see (such as {:?})",
        found.len(),
        missing.len(),
        some(&missing),
        extra.len(),
        some(&extra)
    );
}

fn instances_in(entries: &[Value]) -> Vec<String> {
    let ids = entries.iter().filter_map(|entry| {
        let id = entry["uri"].as_str().unwrap().strip_prefix("ec2://instance/")?;
        (!id.contains('/')).then(|| id.to_owned())
    });
    ids.collect()
}

/// One account for both modes: its first sweep is most of the time.
#[test]
fn ten_thousand_instances_are_listed_once_each_or_reached_through_their_collection() {
    let simulator = Simulator::start(INSTANCES, &[]);
    let sandbox = Sandbox::new(&simulator.endpoint());
    let mut server = sandbox.serve(&[&RARELY[..], &["--list", "all"]].concat());
    server.swept();
    lists_all(&mut Client::http(&server.http), &simulator);
    server.terminate();
    let server = sandbox.serve(&RARELY);
    server.swept();
    leads_to_all(&mut Client::http(&server.http), &simulator);
}

/// With `--list all`.
fn lists_all(client: &mut Client, simulator: &Simulator) {
    let pages = client.pages("resources/list", "resources");
    assert!((2..=50).contains(&pages.len()), "{} pages", pages.len());
    let entries = pages.concat();
    let uris: BTreeSet<&str> = entries.iter().map(|entry| entry["uri"].as_str().unwrap()).collect();
    assert_eq!(uris.len(), entries.len(), "an entry came twice");
    let listed = instances_in(&entries);
    assert_eq!(listed.len(), INSTANCES);
    same(&listed.into_iter().collect(), &truth(simulator));

    let bad = client.request("resources/list", &json!({"cursor": "nonsense"})).unwrap_err();
    assert_eq!(bad.code, -32602, "{}", bad.message);
}

/// In the default mode.
fn leads_to_all(client: &mut Client, simulator: &Simulator) {
    let endpoint = simulator.endpoint();
    let pages = client.pages("resources/list", "resources");
    let entries = pages.concat();
    assert_eq!(pages.len(), 1);
    assert!(entries.len() <= 250, "{} entries", entries.len());
    assert!(instances_in(&entries).is_empty());
    let is_collection = |entry: &&Value| entry["uri"].as_str().unwrap().ends_with("/instance");
    let collection = entries.iter().find(is_collection).unwrap_or_else(|| panic!("no collection in {entries:?}"));
    let collection = collection["uri"].as_str().unwrap();
    assert!(collection.contains(&endpoint.region), "{collection}");
    let body = client.read(collection);
    assert_eq!(body["count"], INSTANCES, "the collection says how many it has: {body}");

    let mut found = BTreeSet::new();
    let mut add = |rows: &Value| {
        for row in rows.as_array().unwrap_or_else(|| panic!("{rows} are no rows")) {
            assert!(found.insert(row["id"].as_str().unwrap().to_owned()), "{row} came twice");
        }
    };
    add(&body["members"]);
    // The body says itself how to go on.
    let tool = body["more"]["tool"].as_str().unwrap();
    let mut arguments = body["more"]["arguments"].clone();
    loop {
        let answer = client.call(tool, &arguments).unwrap();
        assert!(!answer.is_error, "{}", answer.text);
        assert_eq!(answer.structured["total"], INSTANCES);
        add(&answer.structured["rows"]);
        let Some(cursor) = answer.structured.get("next_cursor") else { break };
        arguments["cursor"] = cursor.clone();
    }
    same(&found, &truth(simulator));
}
