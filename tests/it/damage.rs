//! One damaged record of a store: everything else is served, and every answer that may lack it says so.

use serde_json::{Value, json};

use crate::harness::account::Account;
use crate::harness::ec2_caller::Ec2Caller;
use crate::harness::eventually;
use crate::harness::muster::{Endpoint, OFTEN, RARELY, Sandbox};
use crate::harness::rpc::Client;
use crate::harness::simulator::Simulator;

const ACCOUNT: &str = "123456789012";
const REPAIR: &str = "`muster log verify --repair`";

type Plain = redb::TableDefinition<'static, &'static [u8], &'static [u8]>;

/// A closed store of six instances, and the simulator that holds them.
fn closed() -> (Simulator, Sandbox) {
    let simulator = Simulator::start(6, &[]);
    let sandbox = Sandbox::new(&simulator.endpoint());
    let mut server = sandbox.serve(&RARELY);
    server.swept();
    server.terminate();
    (simulator, sandbox)
}

/// Flips a bit in the middle of the first instance's value in a table, and names the instance.
fn flip(sandbox: &Sandbox, table: &'static str) -> String {
    // Where the id stands in a key: `current` has what one account and region holds together.
    let place = if table == "current" { 2 } else { 0 };
    let database = redb::Database::open(sandbox.store()).unwrap();
    let txn = database.begin_write().unwrap();
    let id = {
        use redb::ReadableTable;
        let mut table = txn.open_table(Plain::new(table)).unwrap();
        let prefix = b"AWS::EC2::Instance\0".as_slice();
        let (key, mut value) = {
            let (key, value) = table.range(prefix..).unwrap().next().unwrap().unwrap();
            (key.value().to_vec(), value.value().to_vec())
        };
        let middle = value.len() / 2;
        value[middle] ^= 4;
        table.insert(key.as_slice(), value.as_slice()).unwrap();
        let id = key[prefix.len()..].split(|byte| *byte == 0).nth(place).unwrap();
        String::from_utf8(id.to_vec()).unwrap()
    };
    txn.commit().unwrap();
    id
}

/// Flips a bit in the record that found an instance first, and names both.
fn flip_record(sandbox: &Sandbox) -> (u64, String) {
    let database = redb::Database::open(sandbox.store()).unwrap();
    let txn = database.begin_write().unwrap();
    let found = {
        use redb::ReadableTable;
        let prefix = b"AWS::EC2::Instance\0".as_slice();
        let places = txn.open_table(redb::TableDefinition::<&[u8], ()>::new("by_resource")).unwrap();
        let place = places.range(prefix..).unwrap().next().unwrap().unwrap().0.value().to_vec();
        let (id, seq) = place.split_at(place.len() - 8);
        let seq = u64::from_be_bytes(seq.try_into().unwrap());
        let id = id[prefix.len()..].split(|byte| *byte == 0).next().unwrap();
        let mut events = txn.open_table(redb::TableDefinition::<u64, &[u8]>::new("events")).unwrap();
        let mut value = events.get(seq).unwrap().unwrap().value().to_vec();
        let middle = value.len() / 2;
        value[middle] ^= 4;
        events.insert(seq, value.as_slice()).unwrap();
        (seq, String::from_utf8(id.to_vec()).unwrap())
    };
    txn.commit().unwrap();
    found
}

/// A server without AWS over the sandbox's store, and a client of it.
fn offline(sandbox: &mut Sandbox) -> (crate::harness::muster::Serve, Client) {
    sandbox.set("AWS_ENDPOINT_URL", &Endpoint::dead().url);
    let server = sandbox.serve(&RARELY);
    let client = Client::http(&server.http);
    (server, client)
}

fn names(body: &Value, table: &str, id: &str) -> bool {
    body["damaged"].as_array().is_some_and(|all| all.iter().any(|one| one["table"] == table && one["id"] == id))
}

#[test]
fn a_damaged_row_is_named_by_every_answer_that_may_lack_it_and_the_rest_is_served() {
    let (simulator, mut sandbox) = closed();
    let id = flip(&sandbox, "rows");
    let region = simulator.endpoint().region;
    let (server, mut client) = offline(&mut sandbox);
    for (tool, arguments) in [
        ("search_inventory", json!({})),
        ("search_inventory", json!({"filters": {"instance-state-name": ["*"]}})),
        ("count_inventory", json!({})),
        ("count_inventory", json!({"group_by": "instance-type"})),
        ("query_inventory", json!({"sql": "SELECT id, name FROM instance"})),
    ] {
        let found = client.call(tool, &arguments).unwrap();
        assert!(!found.is_error && found.structured["total"].as_u64().unwrap() >= 5, "{}", found.text);
        assert!(names(&found.structured, "rows", &id) && found.structured["at_least"] == true, "{}", found.structured);
        assert!([REPAIR, &id, "at least"].iter().all(|part| found.text.contains(part)), "{}", found.text);
    }
    let summary = client.call("get_inventory_summary", &json!({})).unwrap();
    assert!(names(&summary.structured, "rows", &id) && summary.text.contains(REPAIR), "{}", summary.text);
    assert!(
        summary.structured["totals"]["instance"].as_u64().unwrap() >= 5 && summary.structured["totals"]["vpc"].is_u64()
    );
    let collection = client.read(&format!("ec2://inventory/{ACCOUNT}/{region}/instance"));
    assert!(names(&collection, "rows", &id) && collection["count_is"] == "at least", "{collection}");
    assert!(collection["members"].as_array().unwrap().len() >= 5);
    let listed = client.must("resources/list", &json!({}));
    assert!(listed["_meta"]["muster/damaged"].to_string().contains(&id), "{}", listed["_meta"]);
    assert!(names(&client.read("ec2://inventory/freshness"), "rows", &id));
    // Of other kinds nothing is missing.
    let volumes = client.call("search_inventory", &json!({"kind": "volume"})).unwrap();
    assert!(volumes.structured.get("damaged").is_none() && volumes.structured["at_least"] == false, "{}", volumes.text);
    // Its body is whole, and says it all.
    assert_eq!(client.read(&format!("ec2://instance/{id}"))["document"]["InstanceId"], id);
    drop(server);
}

#[test]
fn a_damaged_body_is_an_error_of_its_own_with_what_mends_it_and_the_rest_is_served() {
    let (simulator, sandbox) = closed();
    let id = flip(&sandbox, "current");
    // Sweeps of the others go on.
    let mut server = sandbox.serve(&RARELY);
    server.swept();
    let mut client = Client::http(&server.http);
    let refused = client.call("get_resource", &json!({"id": id})).unwrap();
    assert!(refused.is_error && refused.text.contains(REPAIR), "{}", refused.text);
    let error = client.try_read(&format!("ec2://instance/{id}")).unwrap_err();
    assert!(error.message.contains(REPAIR) && error.data["retryable"] == false, "{error:?}");
    let found = client.call("search_inventory", &json!({})).unwrap();
    // All rows are there, and one of them cannot be brought up to date any more.
    assert_eq!(found.structured["total"], 6, "{}", found.text);
    assert!(names(&found.structured, "current", &id) && found.structured["at_least"] == true, "{}", found.text);
    let summary = client.call("get_inventory_summary", &json!({})).unwrap();
    assert!(names(&summary.structured, "current", &id), "{}", summary.text);
    assert_eq!(summary.structured["complete"], true, "{}", summary.text);
    server.terminate();
    // As the text says: a repair, after which everything is there.
    let repaired = sandbox.muster(&["log", "verify", "--repair", "--data-dir"]).arg(sandbox.data()).output().unwrap();
    assert!(repaired.status.success(), "{repaired:?}");
    let server = sandbox.serve(&RARELY);
    server.swept();
    let mut client = Client::http(&server.http);
    assert_eq!(client.read(&format!("ec2://instance/{id}"))["document"]["InstanceId"], id);
    assert!(client.read("ec2://inventory/summary").get("damaged").is_none());
    drop(simulator);
}

#[test]
fn a_damaged_record_is_named_by_changes_and_export_and_by_the_past() {
    let (_simulator, mut sandbox) = closed();
    let (seq, id) = flip_record(&sandbox);
    let (mut server, mut client) = offline(&mut sandbox);
    let changes = client.call("list_changes", &json!({"include_baseline": true, "limit": 500})).unwrap();
    assert!(!changes.is_error && changes.text.contains(REPAIR), "{}", changes.text);
    let told = changes.structured["changes"].as_array().unwrap();
    assert!(told.len() > 5 && told.iter().all(|change| change["seq"] != seq), "{}", changes.structured);
    assert_eq!(changes.structured["damaged"][0]["key"], json!(seq.to_string()), "{}", changes.structured["damaged"]);
    let history = client.read(&format!("ec2://instance/{id}/history"));
    assert_eq!(history["damaged"].as_array().map(Vec::len), Some(1), "{history}");
    // It holds what the instance is, too, which is an error of its own; the others are whole.
    let error = client.try_read(&format!("ec2://instance/{id}")).unwrap_err();
    assert!(error.message.contains(REPAIR) && error.data["retryable"] == false, "{error:?}");
    let counted = client.call("count_inventory", &json!({})).unwrap();
    assert!(names(&counted.structured, "current", &id), "{}", counted.text);
    // The past of that instance is not known, and answers about the past say so.
    let last = changes.structured["seq"].as_u64().unwrap();
    let then = eventually("the past is answered", || {
        let counted = client.call("count_inventory", &json!({"as_of": format!("seq:{}", last - 1)})).unwrap();
        (!counted.is_error).then_some(counted)
    });
    assert!(then.structured["total"].as_u64().unwrap() >= 5, "{}", then.text);
    server.terminate();
    let exported = sandbox.muster(&["log", "export", "--data-dir"]).arg(sandbox.data()).output().unwrap();
    let (lines, said) = (String::from_utf8(exported.stdout).unwrap(), String::from_utf8(exported.stderr).unwrap());
    assert!(exported.status.success() && said.contains(REPAIR) && said.contains(&seq.to_string()), "{said}");
    assert_eq!(lines.lines().count() as u64, last - 1);
}

#[test]
fn ec2s_read_api_refuses_lists_that_may_lack_something_and_answers_the_others() {
    let simulator = Simulator::start(6, &[]);
    let mut sandbox = Sandbox::new(&simulator.endpoint());
    let mut server = sandbox.serve(&OFTEN);
    server.swept();
    let mut client = Client::http(&server.http);
    let account = Account::at(&simulator.endpoint());
    let reservations = account.every("ec2.describe_instances", "Reservations", &json!({}));
    let held = reservations.iter().flat_map(|one| one["Instances"].as_array().unwrap());
    let first = held.map(|one| one["InstanceId"].as_str().unwrap().to_owned()).min().unwrap();
    account.call("ec2.create_tags", &json!({"Resources": [first], "Tags": [{"Key": "since", "Value": "flipped"}]}));
    eventually("the first instance has changed", || {
        client.read(&format!("ec2://instance/{first}"))["document"]["Tags"]
            .to_string()
            .contains("flipped")
            .then_some(())
    });
    server.terminate();
    // What the instance was at first cannot be read any more, and what it is can.
    assert_eq!(flip_record(&sandbox).1, first);
    let api = [&RARELY[..], &["--ec2-api", "127.0.0.1:0"]].concat();
    let mut server = sandbox.serve(&api);
    server.swept();
    let mut client = Client::http(&server.http);
    let history = client.read(&format!("ec2://instance/{first}/history"));
    assert_eq!(history["damaged"].as_array().map(Vec::len), Some(1), "{history}");
    let region = simulator.endpoint().region;
    let boto3 = Ec2Caller::at(&server.ec2_api.clone().unwrap(), &region);
    let none = json!({});
    assert_eq!(boto3.items("describe_instances", &none, &none, "Reservations").len(), reservations.len());
    server.terminate();
    flip(&sandbox, "rows");
    sandbox.set("AWS_ENDPOINT_URL", &Endpoint::dead().url);
    let server = sandbox.serve(&api);
    let boto3 = Ec2Caller::at(&server.ec2_api.clone().unwrap(), &region);
    assert!(!boto3.items("describe_vpcs", &none, &none, "Vpcs").is_empty(), "of other kinds nothing is missing");
    let said = boto3.refused("describe_instances", &none, &none, (400, "MusterScopeUnavailable"));
    assert!(said.contains(REPAIR), "{said}");
}
