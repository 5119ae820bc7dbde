//! The accounts of an organization, found in AWS Organizations: they are watched by a role each, come and go with the organization,
//! and stay while it cannot be asked.

use std::fs;

use serde_json::{Value, json};

use crate::harness::account::Account;
use crate::harness::eventually;
use crate::harness::muster::{Endpoint, OFTEN, Sandbox};
use crate::harness::roles::role;
use crate::harness::rpc::Client;
use crate::harness::simulator::Simulator;

const OWN: &str = "123456789012";
const ACCOUNTS: [&str; 4] = ["200000000001", "200000000002", "200000000003", "200000000004"];

/// A simulator whose organization has four further accounts with instances.
fn organization() -> Simulator {
    Simulator::start(5, &["--accounts", "4", "--account-regions", "us-east-1", "--account-instances", "40"])
}

/// Writes a configuration file that finds the accounts, with these lines more, and returns its path.
fn file(sandbox: &Sandbox, lines: &str) -> String {
    let path = sandbox.path().join("muster.toml");
    let head = "regions = [\"us-east-1\"]\n\n[organization]\nrole_name = \"path/reader\"\nrefresh = \"2s\"\n";
    fs::write(&path, format!("{head}{lines}\n")).unwrap();
    path.to_str().unwrap().to_owned()
}

/// How many instances a client is told of in an account, if the answer holds all of them.
fn instances(client: &mut Client, account: &str) -> Option<u64> {
    let found = client.call("count_inventory", &json!({"kind": "instance", "account": account})).unwrap();
    let is_whole = !found.is_error && found.structured["at_least"] != true;
    is_whole.then(|| found.structured["total"].as_u64()).flatten()
}

/// How many instances a client is told of altogether.
fn total(client: &mut Client) -> Option<u64> {
    client.call("count_inventory", &json!({"kind": "instance"})).unwrap().structured["total"].as_u64()
}

/// How many instances the simulator has in an account.
fn held(simulator: &Simulator, account: &str) -> u64 {
    let endpoint = Endpoint { region: "us-east-1".to_owned(), ..simulator.endpoint() };
    let boto3 = Account::by_role(&endpoint, &role(account));
    let reservations = boto3.every("ec2.describe_instances", "Reservations", &json!({}));
    reservations.iter().map(|reservation| reservation["Instances"].as_array().unwrap().len() as u64).sum()
}

/// What the summary says to a client.
fn summary(client: &mut Client) -> String {
    client.call("get_inventory_summary", &json!({})).unwrap().text
}

fn change(simulator: &Simulator, change: &Value) {
    simulator.control("PATCH", "/organization", change);
}

fn reload(sandbox: &Sandbox) -> String {
    let told = sandbox.muster(&["reload", "--data-dir", sandbox.data().to_str().unwrap()]).output().unwrap();
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
    String::from_utf8_lossy(&told.stdout).into_owned()
}

#[test]
fn accounts_are_watched_as_they_join_and_leave_the_organization() {
    let simulator = organization();
    let counts = ACCOUNTS.map(|account| held(&simulator, account));
    change(&simulator, &json!({"account": ACCOUNTS[3], "member": false}));
    simulator.control("PATCH", "/faults", &json!({"roles": {"denied": [ACCOUNTS[1]]}}));
    let sandbox = Sandbox::new(&simulator.endpoint());
    let path = file(&sandbox, "forget_after = \"3s\"");
    let server = sandbox.serve(&[&OFTEN[..], &["--config", &path]].concat());
    let mut client = Client::http(&server.http);
    for number in [0, 2] {
        eventually("an account of the organization is complete", || {
            instances(&mut client, ACCOUNTS[number]).filter(|count| *count == counts[number])
        });
    }
    let own = eventually("the account of the credentials is watched by them", || instances(&mut client, OWN));
    eventually("the account whose role cannot be assumed is named with the reason", || {
        let said = summary(&mut client);
        (said.contains("sts:AssumeRole") && said.contains(ACCOUNTS[1])).then_some(())
    });
    let asked = json!({"kind": "instance", "ou": "/Workloads/Development"});
    let below = client.call("count_inventory", &asked).unwrap();
    assert_eq!(below.structured["total"], counts[0], "{}", below.text);

    change(&simulator, &json!({"account": ACCOUNTS[3], "member": true}));
    eventually("an account that joined is complete", || {
        instances(&mut client, ACCOUNTS[3]).filter(|count| *count == counts[3])
    });
    simulator.control("PATCH", "/faults", &json!({"roles": null}));
    change(&simulator, &json!({"account": ACCOUNTS[2], "state": "CLOSED"}));
    eventually("an account that was closed leaves the totals, and the one that trusts again is in them", || {
        (total(&mut client) == Some(own + counts[0] + counts[1] + counts[3])).then_some(())
    });
    file(&sandbox, &format!("forget_after = \"3s\"\nexclude = [\"{}\"]", ACCOUNTS[0]));
    let told = reload(&sandbox);
    assert!(told.contains("the accounts of the organization are listed again"), "{told}");
    eventually("an account that the file excludes leaves them", || {
        (total(&mut client) == Some(own + counts[1] + counts[3])).then_some(())
    });
}

#[test]
fn many_accounts_that_are_lacking_at_once_stay_and_so_do_all_while_the_organization_does_not_answer() {
    let simulator = organization();
    let counts = ACCOUNTS.map(|account| held(&simulator, account));
    let sandbox = Sandbox::new(&simulator.endpoint());
    let path = file(&sandbox, "forget_after = \"1s\"");
    let mut server = sandbox.serve(&[&OFTEN[..], &["--config", &path]].concat());
    let mut client = Client::http(&server.http);
    let all = |client: &mut Client| {
        ACCOUNTS.iter().zip(counts).all(|(account, count)| instances(client, account) == Some(count)).then_some(())
    };
    eventually("all accounts are complete", || all(&mut client));
    for account in &ACCOUNTS[1..] {
        change(&simulator, &json!({"account": account, "member": false}));
    }
    eventually("the summary says that accounts are held", || {
        summary(&mut client).contains("3 of 5 accounts are lacking").then_some(())
    });
    all(&mut client).unwrap();

    assert!(server.terminate().0.success());
    simulator.control("PATCH", "/faults", &json!({"denied": ["ListAccounts"]}));
    let server = sandbox.serve(&[&OFTEN[..], &["--config", &path]].concat());
    let mut client = Client::http(&server.http);
    eventually("the accounts of the last good listing are watched", || all(&mut client));
    let unlisted = |client: &mut Client| {
        let found = client.call("get_inventory_summary", &json!({})).unwrap().structured;
        found["unreached_accounts"].to_string().contains("organizations:ListAccounts")
    };
    eventually("the summary says why the organization cannot be listed", || unlisted(&mut client).then_some(()));
    simulator.control("PATCH", "/faults", &json!({"denied": null}));
    for account in &ACCOUNTS[1..] {
        change(&simulator, &json!({"account": account, "member": true}));
    }
    eventually("nothing is wrong any more", || (!unlisted(&mut client)).then_some(()));
    all(&mut client).unwrap();
}
