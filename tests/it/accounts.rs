//! Several accounts by one server, each reached by a role: each resource stands in its own account, one account's trouble is not
//! another's, and accounts come and go while clients read.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;

use crate::harness::account::Account;
use crate::harness::eventually;
use crate::harness::moto::Moto;
use crate::harness::muster::{Endpoint, OFTEN, RARELY, Sandbox};
use crate::harness::roles::{AccountsFile, role};
use crate::harness::rpc::Client;
use crate::harness::simulator::Simulator;

const ACCOUNTS: [(&str, &str); 3] = [("one", "200000000001"), ("two", "200000000002"), ("three", "200000000003")];
const REGIONS: [&str; 2] = ["us-east-1", "eu-west-1"];

/// A simulator with instances in three accounts and two regions.
fn three_accounts() -> Simulator {
    Simulator::start(5, &["--accounts", "3", "--account-regions", "us-east-1,eu-west-1", "--account-instances", "60"])
}

/// How many instances a client is told of in an account, if the answers hold all of them.
fn instances(client: &mut Client, account: &str) -> Option<u64> {
    let counts = REGIONS.map(|region| {
        let asked = json!({"kind": "instance", "account": account, "region": region});
        let found = client.call("count_inventory", &asked).unwrap();
        let is_whole = !found.is_error && found.structured["at_least"] != true;
        is_whole.then(|| found.structured["total"].as_u64()).flatten()
    });
    counts.into_iter().sum()
}

/// How many instances the simulator has in an account.
fn held(simulator: &Simulator, account: &str) -> u64 {
    let counts = REGIONS.map(|region| {
        let endpoint = Endpoint { region: region.to_owned(), ..simulator.endpoint() };
        let boto3 = Account::by_role(&endpoint, &role(account));
        ids(&boto3).len() as u64
    });
    counts.iter().sum()
}

/// The ids of all instances that boto3 lists.
fn ids(boto3: &Account) -> BTreeSet<String> {
    let reservations = boto3.every("ec2.describe_instances", "Reservations", &json!({}));
    let instances = reservations.iter().flat_map(|reservation| reservation["Instances"].as_array().unwrap());
    instances.map(|instance| instance["InstanceId"].as_str().unwrap().to_owned()).collect()
}

/// Sets a mark when it is dropped.
struct SetOnDrop<'a>(&'a AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn every_resource_stands_in_its_own_account_and_region() {
    let moto = Moto::alone();
    let accounts = ["111122223333", "222233334444", "333344445555"];
    let regions = ["eu-west-1", "eu-west-2", "us-east-2"];
    let sandbox = Sandbox::new(&moto.endpoint());
    let file = AccountsFile::new(&sandbox, &regions);
    file.write(&[("one", accounts[0]), ("two", accounts[1]), ("three", accounts[2])]);
    let scopes = accounts
        .iter()
        .enumerate()
        .flat_map(|(n, account)| regions.iter().enumerate().map(move |(m, region)| (*account, *region, 1 + n + 3 * m)));
    let made: Vec<_> = scopes
        .map(|(account, region, count)| {
            let endpoint = Endpoint { region: region.to_owned(), ..moto.endpoint() };
            let boto3 = Account::by_role(&endpoint, &role(account));
            let launched: BTreeSet<String> = boto3.launch(count).into_iter().collect();
            (account, region, boto3, launched)
        })
        .collect();

    let server = sandbox.serve(&[&RARELY[..], &["--config", file.path()]].concat());
    server.swept();
    let mut client = Client::http(&server.http);
    for (account, region, boto3, launched) in &made {
        assert_eq!(&ids(boto3), launched);
        for id in launched {
            let read = client.read(&format!("ec2://inventory/{account}/{region}/instance/{id}"));
            assert_eq!((&read["account"], &read["region"]), (&json!(account), &json!(region)), "{id}");
        }
        for (kind, operation, member) in [
            ("instance", "", ""),
            ("vpc", "ec2.describe_vpcs", "Vpcs"),
            ("subnet", "ec2.describe_subnets", "Subnets"),
            ("security-group", "ec2.describe_security_groups", "SecurityGroups"),
            ("volume", "ec2.describe_volumes", "Volumes"),
        ] {
            let expected = match operation {
                "" => launched.len(),
                operation => boto3.every(operation, member, &json!({})).len(),
            };
            let asked = json!({"kind": kind, "account": account, "region": region});
            let counted = client.call("count_inventory", &asked).unwrap();
            assert_eq!(counted.structured["total"], expected, "{account} {region} {kind}: {}", counted.text);
        }
    }
    let all = client.call("count_inventory", &json!({"kind": "instance"})).unwrap();
    assert_eq!(all.structured["total"], made.iter().map(|made| made.3.len()).sum::<usize>(), "{}", all.text);
}

#[test]
fn an_account_whose_trust_is_taken_away_fails_alone_and_recovers_without_a_restart() {
    let simulator = three_accounts();
    simulator.control("PATCH", "/faults", &json!({"roles": {"denied": [ACCOUNTS[1].1]}}));
    let sandbox = Sandbox::new(&simulator.endpoint());
    let file = AccountsFile::new(&sandbox, &REGIONS);
    file.write(&ACCOUNTS);
    let server = sandbox.serve(&[&OFTEN[..], &["--config", file.path()]].concat());
    let mut client = Client::http(&server.http);
    for (name, account) in [ACCOUNTS[0], ACCOUNTS[2]] {
        let expected = held(&simulator, account);
        assert!(expected > 0);
        eventually(&format!("account {name} is complete beside one that fails"), || {
            instances(&mut client, account).filter(|count| *count == expected)
        });
    }
    eventually("the summary says which account fails, and why", || {
        let summary = client.call("get_inventory_summary", &json!({})).unwrap();
        let said = summary.text.contains("sts:AssumeRole") && summary.text.contains(ACCOUNTS[1].1);
        (said && summary.structured["complete"] == false).then_some(())
    });
    simulator.control("PATCH", "/faults", &json!({"roles": null}));
    let expected = held(&simulator, ACCOUNTS[1].1);
    eventually("the account is complete once it trusts again", || {
        instances(&mut client, ACCOUNTS[1].1).filter(|count| *count == expected)
    });
    server.swept();
}

#[test]
fn answers_name_exactly_the_account_and_region_that_a_policy_closes() {
    let simulator = three_accounts();
    let (account, region) = (ACCOUNTS[1].1, REGIONS[1]);
    let closed = json!([{"at": [format!("{account}/{region}")], "by": "service-control"}]);
    simulator.control("PATCH", "/faults", &json!({"denied": closed}));
    let sandbox = Sandbox::new(&simulator.endpoint());
    let file = AccountsFile::new(&sandbox, &REGIONS);
    file.write(&ACCOUNTS);
    let server = sandbox.serve(&[&OFTEN[..], &["--config", file.path()]].concat());
    let mut client = Client::http(&server.http);
    let said = eventually("only one of six accounts and regions is not covered, and why is said", || {
        let counted = client.call("count_inventory", &json!({"kind": "instance"})).unwrap();
        let failed = counted.structured["failed"].as_array().cloned().unwrap_or_default();
        let is_whole = counted.structured["incomplete"].as_array().is_none_or(Vec::is_empty);
        (failed.len() == 1 && is_whole).then_some(counted)
    });
    let failed = &said.structured["failed"][0];
    assert_eq!((&failed["scopes"], &failed["examples"]), (&json!(1), &json!([format!("{account}/{region}")])));
    let told = format!("{} {}", failed["what"], failed["fix"]);
    assert!(told.contains("service control policy"), "{told}");
    for (_, other) in [ACCOUNTS[0], ACCOUNTS[2]] {
        assert_eq!(instances(&mut client, other), Some(held(&simulator, other)));
    }
}

#[test]
fn a_role_that_asks_for_an_external_id_is_assumed_with_it() {
    let simulator = three_accounts();
    let external_ids = json!({ACCOUNTS[0].1: "for-one", ACCOUNTS[1].1: "for-two"});
    simulator.control("PATCH", "/faults", &json!({"roles": {"external_ids": external_ids}}));
    let sandbox = Sandbox::new(&simulator.endpoint());
    let file = AccountsFile::new(&sandbox, &REGIONS);
    let given = [Some("for-one"), Some("for-two"), None];
    let accounts: Vec<_> = ACCOUNTS.iter().zip(given).map(|((name, account), id)| (*name, *account, id)).collect();
    file.write_with_ids(&accounts);
    let server = sandbox.serve(&[&RARELY[..], &["--config", file.path()]].concat());
    server.swept();
}

#[test]
fn sessions_that_end_in_the_middle_are_renewed() {
    let simulator = three_accounts();
    let sandbox = Sandbox::new(&simulator.endpoint());
    let file = AccountsFile::new(&sandbox, &REGIONS);
    file.write(&ACCOUNTS);
    let server = sandbox.serve(&[&OFTEN[..], &["--config", file.path()]].concat());
    server.swept();
    let mut client = Client::http(&server.http);
    let (_, account) = ACCOUNTS[0];
    let stopped = |client: &mut Client| {
        let filters = json!({"instance-state-name": ["stopped"]});
        let asked = json!({"kind": "instance", "account": account, "region": REGIONS[0], "filters": filters});
        let counted = client.call("count_inventory", &asked).unwrap();
        assert!(!counted.is_error, "{}", counted.text);
        counted.structured["total"].as_u64()
    };
    let ended = simulator.control("POST", "/sessions/end", &json!({}));
    assert!(ended["ended"].as_u64() >= Some(3), "{ended}");
    let before = stopped(&mut client);
    let flip = json!({"account": account, "region": REGIONS[0], "from": 0, "count": 10_000});
    let flipped = simulator.control("POST", "/flip", &flip);
    assert!(!flipped["flipped"].as_array().unwrap().is_empty());
    eventually("what happens after the sessions ended is seen", || (stopped(&mut client) != before).then_some(()));
    server.swept();
}

#[test]
fn accounts_come_and_go_while_clients_read() {
    let simulator = three_accounts();
    let sandbox = Sandbox::new(&simulator.endpoint());
    let file = AccountsFile::new(&sandbox, &REGIONS);
    file.write(&ACCOUNTS[..2]);
    let server = sandbox.serve(&[&OFTEN[..], &["--config", file.path()]].concat());
    server.swept();
    let counts = ACCOUNTS.map(|(_, account)| held(&simulator, account));
    let reload = || {
        let data = sandbox.data();
        let told = sandbox.muster(&["reload", "--data-dir", data.to_str().unwrap()]).output().unwrap();
        assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
    };
    let over = AtomicBool::new(false);
    std::thread::scope(|threads| {
        // Ends the readers whether the test passes or not.
        let _end = SetOnDrop(&over);
        for _ in 0..4 {
            threads.spawn(|| {
                let mut client = Client::http(&server.http);
                while !over.load(Ordering::Relaxed) {
                    let found = client.call("search_inventory", &json!({"kind": "instance"})).unwrap();
                    assert!(!found.is_error, "{}", found.text);
                    client.read("ec2://inventory/summary");
                    let first = instances(&mut client, ACCOUNTS[0].1);
                    assert!(first.is_none_or(|count| count == counts[0]), "{first:?}");
                    std::thread::sleep(Duration::from_millis(50));
                }
            });
        }
        let mut client = Client::http(&server.http);
        let total = |client: &mut Client| {
            let found = client.call("count_inventory", &json!({"kind": "instance"})).unwrap();
            found.structured["total"].as_u64()
        };
        file.write(&ACCOUNTS);
        reload();
        eventually("the account that was added is complete", || {
            instances(&mut client, ACCOUNTS[2].1).filter(|count| *count == counts[2])
        });
        assert_eq!(total(&mut client), Some(counts.iter().sum()));
        file.write(&[ACCOUNTS[0], ACCOUNTS[2]]);
        reload();
        eventually("the account that was removed leaves the totals", || {
            (total(&mut client) == Some(counts[0] + counts[2])).then_some(())
        });
        file.write(&ACCOUNTS);
        reload();
        eventually("the account that came back is in them again", || {
            (total(&mut client) == Some(counts.iter().sum())).then_some(())
        });
    });
}
