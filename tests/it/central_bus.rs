//! The events of several accounts through one queue of a central account: the account and region that AWS wrote into each choose where
//! it lands, and what is about nothing that is watched makes no scope.

use std::collections::BTreeSet;
use std::fs;

use serde_json::{Value, json};

use crate::harness::account::Account;
use crate::harness::eventually;
use crate::harness::muster::{Endpoint, RARELY, Sandbox, Serve};
use crate::harness::roles::{AccountsFile, role};
use crate::harness::rpc::Client;
use crate::harness::simulator::Simulator;

const WATCHED: [(&str, &str); 2] = [("one", "200000000001"), ("two", "200000000002")];
/// An account whose events come through the queue, and which is not watched.
const STRANGER: &str = "200000000003";
/// The account of the central bus and its queue, which is not watched either.
const CENTRAL: &str = "123456789012";
const REGIONS: [&str; 2] = ["us-east-1", "eu-west-1"];

/// A simulator with instances in three accounts and two regions.
fn simulator() -> Simulator {
    Simulator::start(5, &["--accounts", "3", "--account-regions", "us-east-1,eu-west-1", "--account-instances", "60"])
}

fn boto3(simulator: &Simulator, account: &str, region: &str) -> Account {
    Account::by_role(&Endpoint { region: region.to_owned(), ..simulator.endpoint() }, &role(account))
}

/// A running instance of an account and region.
fn running(simulator: &Simulator, account: &str, region: &str) -> String {
    let filters = json!([{"Name": "instance-state-name", "Values": ["running"]}]);
    let found =
        boto3(simulator, account, region).every("ec2.describe_instances", "Reservations", &json!({"Filters": filters}));
    found[0]["Instances"][0]["InstanceId"].as_str().unwrap().to_owned()
}

/// The attributes of the central queue by which messages that nobody deletes come again at once.
fn come_again(simulator: &Simulator, url: &str) -> Account {
    let central = Account::at(&Endpoint { region: REGIONS[0].to_owned(), ..simulator.endpoint() });
    let attributes = json!({"QueueUrl": url, "Attributes": {"VisibilityTimeout": "1"}});
    central.call("sqs.set_queue_attributes", &attributes);
    central
}

fn depth(central: &Account, url: &str) -> u64 {
    let names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"];
    let told = central.call("sqs.get_queue_attributes", &json!({"QueueUrl": url, "AttributeNames": names}));
    names.iter().map(|name| told["Attributes"][name].as_str().unwrap().parse::<u64>().unwrap()).sum()
}

/// Stops an instance as somebody in its account does; the simulator tells of it.
fn stop(simulator: &Simulator, account: &str, region: &str) -> String {
    let instance = running(simulator, account, region);
    boto3(simulator, account, region).call("ec2.stop_instances", &json!({"InstanceIds": [instance]}));
    instance
}

fn state(client: &mut Client, account: &str, region: &str, instance: &str) -> Value {
    client.read(&format!("ec2://inventory/{account}/{region}/instance/{instance}"))["document"]["State"]["Name"].take()
}

fn counts(client: &mut Client) -> Value {
    client.read("ec2://inventory/freshness")["event_counts"].take()
}

/// The accounts that answers know of.
fn accounts(client: &mut Client) -> BTreeSet<String> {
    let freshness = client.read("ec2://inventory/freshness");
    let scopes = freshness["scopes"].as_array().unwrap();
    scopes.iter().map(|scope| scope["account"].as_str().unwrap().to_owned()).collect()
}

fn watched() -> BTreeSet<String> {
    WATCHED.iter().map(|(_, account)| (*account).to_owned()).collect()
}

fn said(sandbox: &Sandbox, words: &[&str]) -> String {
    let data = sandbox.data();
    let words = [words, &["--data-dir", data.to_str().unwrap()]].concat();
    let output = sandbox.muster(&words).output().unwrap();
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Each watched account's instances stop in their own places; a stranger's events are counted and deleted and make no scope.
fn events_find_their_places(simulator: &Simulator, sandbox: &Sandbox, server: &Serve, url: &str, central: &Account) {
    let mut client = Client::http(&server.http);
    for (_, account) in WATCHED {
        for region in REGIONS {
            let instance = stop(simulator, account, region);
            eventually("the instance stops in its own account and region", || {
                (state(&mut client, account, region, &instance) == "stopped").then_some(())
            });
        }
    }
    assert_eq!(counts(&mut client)["elsewhere"], 0);
    stop(simulator, STRANGER, REGIONS[1]);
    eventually("the events of an account that is not watched are counted", || {
        (counts(&mut client)["elsewhere"].as_u64() >= Some(2)).then_some(())
    });
    eventually("and deleted", || (depth(central, url) == 0).then_some(()));
    assert_eq!(accounts(&mut client), watched());
    let status = said(sandbox, &["status"]);
    assert!(status.contains("about accounts or regions that are not watched"), "{status}");
    let told = counts(&mut client);
    assert_eq!((&told["undecodable"], &told["let_go"]), (&json!(0), &json!(0)), "{told}");
}

#[test]
fn a_queue_for_all_brings_each_event_to_its_account_and_region_and_unnamed_ones_are_kept() {
    let simulator = simulator();
    let from: Vec<String> = WATCHED
        .iter()
        .map(|(_, account)| *account)
        .chain([STRANGER])
        .flat_map(|account| REGIONS.iter().map(move |region| format!("{account}/{region}")))
        .collect();
    let listen = json!({"account": CENTRAL, "region": REGIONS[0], "name": "muster-central-events", "from": from});
    let url = simulator.control("POST", "/listen", &listen)["queue_url"].as_str().unwrap().to_owned();
    let central = come_again(&simulator, &url);
    let sandbox = Sandbox::new(&simulator.endpoint());
    let file = AccountsFile::new(&sandbox, &REGIONS);
    file.write(&WATCHED);
    let queue = format!("{}={url}", REGIONS[0]);
    let flags = [&RARELY[..], &["--config", file.path(), "--queue-url", &queue]].concat();
    let server = sandbox.serve(&flags);
    server.swept();
    events_find_their_places(&simulator, &sandbox, &server, &url, &central);

    // Nobody can tell whose event that is.
    let mut client = Client::http(&server.http);
    let (_, account) = WATCHED[0];
    let instance = running(&simulator, account, REGIONS[0]);
    let unnamed = json!({
        "id": "unnamed", "detail-type": "EC2 Instance State-change Notification", "source": "aws.ec2",
        "time": "2035-11-11T21:29:54Z", "region": REGIONS[0], "resources": [],
        "detail": {"instance-id": instance, "state": "terminated"},
    });
    central.call("sqs.send_message", &json!({"QueueUrl": url, "MessageBody": unnamed.to_string()}));
    eventually("it is kept in the store after some receives", || (counts(&mut client)["parked"] == 1).then_some(()));
    eventually("and then deleted", || (depth(&central, &url) == 0).then_some(()));
    assert_eq!(state(&mut client, account, REGIONS[0], &instance), "running");
    let stat = said(&sandbox, &["log", "stat", "--json"]);
    assert!(stat.contains("`account`"), "{stat}");
}

#[test]
fn the_accounts_whose_entries_name_a_queue_speak_through_a_central_bus() {
    let simulator = simulator();
    // The bus of the central account has a rule with a queue; the accounts' rules send to the bus by a role.
    let from = [format!("{CENTRAL}/{}", REGIONS[0])];
    let listen = json!({"account": CENTRAL, "region": REGIONS[0], "name": "muster-central-events", "from": from});
    let url = simulator.control("POST", "/listen", &listen)["queue_url"].as_str().unwrap().to_owned();
    let central = come_again(&simulator, &url);
    let pattern = json!({"source": ["aws.ec2", "aws.tag"]}).to_string();
    let bus = format!("arn:aws:events:{}:{CENTRAL}:event-bus/default", REGIONS[0]);
    for account in WATCHED.map(|(_, account)| account).into_iter().chain([STRANGER]) {
        for region in REGIONS {
            let member = boto3(&simulator, account, region);
            member.call("events.put_rule", &json!({"Name": "muster-all", "EventPattern": pattern}));
            let target = json!({"Id": "muster", "Arn": bus, "RoleArn": role(account)});
            let put = member.call("events.put_targets", &json!({"Rule": "muster-all", "Targets": [target]}));
            assert_eq!(put["FailedEntryCount"], 0, "{put}");
        }
    }
    let sandbox = Sandbox::new(&simulator.endpoint());
    let arn = format!("arn:aws:sqs:{}:{CENTRAL}:muster-central-events", REGIONS[0]);
    let entry = |account: &str| format!("\n[[accounts]]\nrole_arn = {:?}\nevents = {arn:?}\n", role(account));
    let head = format!("regions = {REGIONS:?}\ninterval = {{ all = \"1h\" }}\naws_share = 1\n");
    let text: String = std::iter::once(head).chain(WATCHED.iter().map(|(_, account)| entry(account))).collect();
    let file = sandbox.path().join("muster.toml");
    fs::write(&file, &text).unwrap();
    let server = sandbox.serve(&["--config", file.to_str().unwrap()]);
    server.swept();
    events_find_their_places(&simulator, &sandbox, &server, &url, &central);

    // An account that is watched, but whose entry names no queue, cannot be spoken for through it.
    fs::write(&file, format!("{text}\n[[accounts]]\nrole_arn = {:?}\n", role(STRANGER))).unwrap();
    said(&sandbox, &["reload"]);
    let mut client = Client::http(&server.http);
    let before = counts(&mut client)["elsewhere"].as_u64().unwrap();
    let instance = running(&simulator, STRANGER, REGIONS[0]);
    let uri = format!("ec2://inventory/{STRANGER}/{}/instance/{instance}", REGIONS[0]);
    eventually("the account that was added is watched", || client.try_read(&uri).ok());
    let claim = json!({
        "id": "claim", "detail-type": "EC2 Instance State-change Notification", "source": "aws.ec2", "account": STRANGER,
        "time": "2035-11-11T21:29:54Z", "region": REGIONS[0], "resources": [],
        "detail": {"instance-id": instance, "state": "terminated"},
    });
    central.call("sqs.send_message", &json!({"QueueUrl": url, "MessageBody": claim.to_string()}));
    eventually("the claim is counted", || (counts(&mut client)["elsewhere"].as_u64() > Some(before)).then_some(()));
    eventually("and deleted", || (depth(&central, &url) == 0).then_some(()));
    assert_eq!(state(&mut client, STRANGER, REGIONS[0], &instance), "running");
}
