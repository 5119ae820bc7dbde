//! Some kinds are watched and others are not: what that costs, what answers say, and how a file that is read again changes it.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::account::Account;
use crate::harness::eventually;
use crate::harness::muster::{OFTEN, RARELY, Sandbox, Serve};
use crate::harness::roles::role;
use crate::harness::rpc::Client;
use crate::harness::simulator::Simulator;

/// Several sweeps: long enough for a notification that must not come.
const SEVERAL_SWEEPS: Duration = Duration::from_secs(3);
/// What lists instances, with their status checks, and VPCs.
const CALLS: [&str; 3] = ["DescribeInstanceStatus", "DescribeInstances", "DescribeVpcs"];

/// The describes that the simulator was asked for.
fn described(simulator: &Simulator) -> BTreeSet<String> {
    let requests = simulator.control("GET", "/requests", &Value::Null);
    let actions = requests["requests"].as_array().unwrap().iter().map(|call| call["action"].as_str().unwrap());
    actions.filter(|action| action.starts_with("Describe") && *action != "DescribeRegions").map(str::to_owned).collect()
}

fn calls() -> BTreeSet<String> {
    CALLS.iter().map(|name| (*name).to_owned()).collect()
}

/// Calls a tool that refuses, and returns what it says.
fn refused(client: &mut Client, tool: &str, arguments: &Value) -> String {
    let answer = client.call(tool, arguments).unwrap();
    assert!(
        answer.is_error && answer.code == "invalid_argument",
        "{tool} {arguments}: {} {}",
        answer.code,
        answer.text
    );
    answer.text
}

fn total(client: &mut Client, kind: &str) -> u64 {
    let answer = client.call("count_inventory", &json!({"kind": kind})).unwrap();
    assert!(!answer.is_error, "{}", answer.text);
    answer.structured["total"].as_u64().unwrap()
}

fn reload(sandbox: &Sandbox) -> String {
    let output = sandbox.muster(&["reload", "--data-dir", sandbox.data().to_str().unwrap()]).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8(said).unwrap();
    assert!(output.status.success(), "{said}");
    said
}

fn doctor(sandbox: &Sandbox, file: &str) -> String {
    let data = sandbox.data();
    let words = ["doctor", "--config", file, "--data-dir", data.to_str().unwrap()];
    String::from_utf8(sandbox.muster(&words).output().unwrap().stdout).unwrap()
}

/// Every question about volumes, which are not watched, is refused or labelled.
fn volumes_are_no_zero(client: &mut Client) {
    let volumes = json!({"kind": "volume"});
    for tool in ["search_inventory", "count_inventory"] {
        let said = refused(client, tool, &volumes);
        assert!(said.contains("volumes are not watched here") && said.contains("add `volume` to `kinds`"), "{said}");
    }
    for sql in ["SELECT count(*) FROM volume", "SELECT * FROM instance_volume", "SELECT vpc.id FROM vpc, snapshot"] {
        let said = refused(client, "query_inventory", &json!({"sql": sql}));
        assert!(said.contains("are not watched here"), "{said}");
    }
    let tags = client.call("query_inventory", &json!({"sql": "SELECT DISTINCT kind FROM tag"})).unwrap();
    assert!(!tags.is_error && !tags.structured["rows"].to_string().contains("volume"), "{}", tags.text);
    assert!(tags.text.contains("not watched here: ") && tags.text.contains("volumes"), "{}", tags.text);
    let unknown = refused(client, "get_resource", &json!({"id": "vol-0123456789abcdef0"}));
    assert!(unknown.contains("volumes are not watched here"), "{unknown}");
    let error = client.try_read("ec2://volume/vol-0123456789abcdef0").unwrap_err();
    assert!(error.message.contains("volumes are not watched here"), "{}", error.message);
    let summary = client.call("get_inventory_summary", &json!({})).unwrap();
    assert!(summary.structured["totals"].get("volume").is_none(), "{}", summary.text);
    let left_out = &summary.structured["unwatched_kinds"];
    assert!(left_out["kinds"].as_array().unwrap().iter().any(|kind| kind["kind"] == "volume"), "{left_out}");
    assert!(summary.text.contains("not watched here: ") && summary.structured["complete"] == true, "{}", summary.text);
    let freshness = client.read("ec2://inventory/freshness");
    assert_eq!(freshness["unwatched_kinds"], *left_out);
    let changes = client.call("list_changes", &volumes).unwrap();
    assert!(changes.text.contains("not watched here: volumes"), "{}", changes.text);
    let instance = client.call("search_inventory", &json!({"limit": 1})).unwrap().structured["rows"][0]["id"].clone();
    let relations = client.call("find_relations", &json!({"id": instance})).unwrap();
    let unsure = relations.structured["kinds_unsure"].to_string();
    assert!(unsure.contains("volume: not watched here"), "{}", relations.text);
    assert!(!client.call("get_resource", &json!({"id": instance})).unwrap().is_error);
}

#[test]
fn a_file_names_the_kinds_and_is_read_again_while_clients_stay() {
    let simulator = Simulator::start(12, &[]);
    let sandbox = Sandbox::new(&simulator.endpoint());
    let path = sandbox.path().join("muster.toml");
    let file = path.to_str().unwrap();
    let write = |kinds: &str| fs::write(&path, format!("kinds = {kinds}\n")).unwrap();
    write("[\"instance\", \"vpc\"]");
    let server = sandbox.serve(&[&OFTEN[..], &["--config", file]].concat());
    server.swept();
    let mut client = Client::http(&server.http);
    let (instances, vpcs) = (total(&mut client, "instance"), total(&mut client, "vpc"));
    assert!(instances == 12 && vpcs > 0);
    volumes_are_no_zero(&mut client);
    assert_eq!(described(&simulator), calls(), "questions cost no calls either");
    let examined = doctor(&sandbox, file);
    assert!(examined.contains("not watched here: ") && !examined.contains("DescribeVolumes"), "{examined}");

    // They come: known before, so that nobody is told of each.
    let vpc =
        client.call("search_inventory", &json!({"kind": "vpc", "limit": 1})).unwrap().structured["rows"][0].clone();
    let place = [&vpc["account"], &vpc["region"]].map(|part| part.as_str().unwrap().to_owned()).join("/");
    let listening = client.listen(&[&format!("ec2://inventory/{place}/volume")], false);
    write("[\"instance\", \"vpc\", \"AWS::EC2::Volume\"]");
    assert!(reload(&sandbox).contains("kinds watched from now on: volume"));
    let volumes = eventually("volumes are counted", || {
        let answer = client.call("count_inventory", &json!({"kind": "volume"})).unwrap();
        answer.structured["total"].as_u64().filter(|count| *count > 0 && answer.structured["at_least"] == false)
    });
    let changes = client.call("list_changes", &json!({"kind": "volume"})).unwrap();
    assert_eq!(changes.structured["changes"].as_array().map(Vec::len), Some(0), "{}", changes.text);
    assert!(changes.structured["hidden"].as_u64() >= Some(volumes), "{}", changes.text);
    let mut told = 0;
    while listening.updated(SEVERAL_SWEEPS).is_some() {
        told += 1;
    }
    assert!((1..volumes).contains(&told), "the list is told, and not each of {volumes}: {told}");
    let volume = client.call("search_inventory", &json!({"kind": "volume", "limit": 1})).unwrap().structured["rows"][0]
        ["id"]
        .clone();
    let seen = client.call("get_inventory_summary", &json!({})).unwrap().structured["now"].clone();

    // They go: out of every answer but those that say that they are no longer watched.
    write("[\"instance\", \"vpc\"]");
    assert!(reload(&sandbox).contains("kinds no longer watched: volume"));
    eventually("volumes are not counted any more", || {
        client.call("count_inventory", &json!({"kind": "volume"})).unwrap().is_error.then_some(())
    });
    volumes_are_no_zero(&mut client);
    assert_eq!((total(&mut client, "instance"), total(&mut client, "vpc")), (instances, vpcs));
    let held = client.call("get_resource", &json!({"id": volume})).unwrap();
    let why = held.structured["stale"]["why"].as_str().unwrap_or_default();
    assert!(why.contains("no longer watched since") && why.contains("`kinds`"), "{}", held.text);
    let refused = refused(&mut client, "get_resource", &json!({"id": volume, "live": true}));
    assert!(refused.contains("volumes are not watched here"), "{refused}");
    let then = client.call("count_inventory", &json!({"kind": "volume", "as_of": seen})).unwrap();
    assert_eq!(then.structured["total"], volumes, "{}", then.text);
    assert!(then.text.contains("not watched here: volumes (since "), "{}", then.text);

    // What happened meanwhile is found as known before.
    write("\"all\"");
    let said = reload(&sandbox);
    assert!(said.contains("kinds watched from now on: ") && said.contains("volume"), "{said}");
    eventually("everything is watched", || {
        let summary = client.call("get_inventory_summary", &json!({})).unwrap().structured;
        (summary["complete"] == true && summary["totals"]["volume"] == volumes).then_some(())
    });
    let summary = client.call("get_inventory_summary", &json!({})).unwrap();
    assert!(summary.structured.get("unwatched_kinds").is_none(), "{}", summary.text);
}

#[test]
fn flags_and_variables_choose_kinds_and_a_wrong_name_is_refused_with_the_right_one() {
    let simulator = Simulator::start(3, &[]);
    let mut sandbox = Sandbox::new(&simulator.endpoint());
    sandbox.set("MUSTER_KINDS", " ");
    let run = |sandbox: &Sandbox, words: &[&str]| {
        let output = sandbox.muster(words).output().unwrap();
        String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
    };
    let path = sandbox.path().join("muster.toml");
    for (text, expected) in [
        (
            "list = \"all\"\nkinds = [\"instance\", \"volumes\"]\n",
            "muster.toml:2:1: kinds: `volumes` is no kind (did you mean `volume`?)",
        ),
        ("kinds = []\n", "muster.toml:1:9: kinds: it is empty"),
        ("kinds = true\n", "kinds: "),
    ] {
        fs::write(&path, text).unwrap();
        let said = run(&sandbox, &["config", "check", "muster.toml"]);
        assert!(said.contains(expected), "{text}{said}");
    }
    let said = run(&sandbox, &["serve", "--kinds", "snapshit"]);
    assert!(said.contains("did you mean `snapshot`"), "{said}");
    let policy = run(&sandbox, &["policy", "iam", "--kinds", "instance,vpc"]);
    let policy: Value = serde_json::from_str(&policy).unwrap();
    let actions = policy["Statement"][0]["Action"].to_string();
    for action in CALLS {
        assert!(actions.contains(&format!("\"ec2:{action}\"")), "{actions}");
    }
    assert!(!actions.contains("DescribeVolumes"), "{actions}");

    let mut server = sandbox.serve(&[&RARELY[..], &["--kinds", "vpc,subnet"]].concat());
    server.swept();
    let only = ["DescribeSubnets", "DescribeVpcs"].map(str::to_owned);
    assert_eq!(described(&simulator), only.into());
    let said = refused(&mut Client::http(&server.http), "search_inventory", &json!({}));
    assert!(said.contains("instances are not watched here") && said.contains("--kinds"), "{said}");
    let subnets = Client::http(&server.http).call("search_inventory", &json!({"kind": "subnet"})).unwrap();
    let subnet = &subnets.structured["rows"][0]["id"];
    let seen = Client::http(&server.http).call("get_inventory_summary", &json!({})).unwrap().structured["now"].clone();
    server.terminate();

    // The next server leaves out what this one watched, and knows since when.
    sandbox.set("MUSTER_KINDS", "vpc");
    let server = sandbox.serve(&RARELY);
    server.swept();
    let mut client = Client::http(&server.http);
    let said = refused(&mut client, "search_inventory", &json!({"kind": "subnet"}));
    assert!(said.contains("subnets are not watched here") && said.contains(" since "), "{said}");
    let then = client.call("search_inventory", &json!({"kind": "subnet", "as_of": seen})).unwrap();
    assert_eq!(then.structured["total"], subnets.structured["total"], "{}", then.text);
    assert!(then.text.contains("not watched here: subnets (since "), "{}", then.text);
    let held = client.call("get_resource", &json!({"id": subnet})).unwrap();
    assert!(held.text.contains("no longer watched since"), "{}", held.text);
    let list = client.pages("resources/list", "resources").concat();
    assert!(list.iter().all(|entry| !entry["uri"].as_str().unwrap().contains("subnet")), "{list:?}");
}

/// Two accounts of a file have the kinds of the file.
#[test]
fn several_accounts_watch_the_same_kinds_and_events_of_others_are_acknowledged() {
    const REGION: &str = "us-east-1";
    const ACCOUNTS: [&str; 2] = ["200000000001", "200000000002"];
    let flags = ["--accounts", "2", "--account-regions", REGION, "--account-instances", "10"];
    let simulator = Simulator::start(5, &flags);
    let from = ACCOUNTS.map(|account| format!("{account}/{REGION}"));
    let listen = json!({"account": "123456789012", "region": REGION, "name": "muster-central-events", "from": from});
    let url = simulator.control("POST", "/listen", &listen)["queue_url"].as_str().unwrap().to_owned();
    let sandbox = Sandbox::new(&simulator.endpoint());
    let path = sandbox.path().join("muster.toml");
    let write = |kinds: &str| {
        let entries = ACCOUNTS.map(|account| format!("[[accounts]]\nrole_arn = {:?}\n", role(account))).concat();
        fs::write(&path, format!("kinds = {kinds}\nregions = [{REGION:?}]\n{entries}")).unwrap();
    };
    write("[\"vpc\"]");
    let queue = format!("{REGION}={url}");
    let server: Serve =
        sandbox.serve(&[&RARELY[..], &["--config", path.to_str().unwrap(), "--queue-url", &queue]].concat());
    server.swept();
    let mut client = Client::http(&server.http);
    assert_eq!(described(&simulator), ["DescribeVpcs".to_owned()].into());
    let boto3 = Account::by_role(&simulator.endpoint(), &role(ACCOUNTS[0]));
    let filters = json!({"Filters": [{"Name": "instance-state-name", "Values": ["running"]}]});
    let found = boto3.every("ec2.describe_instances", "Reservations", &filters);
    let instance = found[0]["Instances"][0]["InstanceId"].clone();
    boto3.call("ec2.stop_instances", &json!({"InstanceIds": [instance]}));
    eventually("its events are counted and acknowledged", || {
        let counts = client.read("ec2://inventory/freshness")["event_counts"].take();
        (counts["other_kinds"].as_u64() >= Some(1) && counts["deleted"] == counts["received"]).then_some(())
    });
    let said = refused(&mut client, "count_inventory", &json!({"kind": "instance"}));
    assert!(said.contains("instances are not watched here"), "{said}");

    write("[\"vpc\", \"instance\"]");
    assert!(reload(&sandbox).contains("kinds watched from now on: instance, instance-status"));
    eventually("the instances of both accounts are counted", || {
        let answer = client.call("count_inventory", &json!({"group_by": ["account"]})).unwrap();
        let is_whole = !answer.is_error && answer.structured["at_least"] == false;
        let groups = answer.structured["groups"].as_array().map_or(0, Vec::len);
        (is_whole && groups == ACCOUNTS.len()).then_some(())
    });
}
