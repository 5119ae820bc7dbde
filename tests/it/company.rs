//! A company of many accounts, some of which deny, throttle or answer slowly: the bounded twin of `tests/it/scenarios/company.toml`.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::eventually_within;
use crate::harness::muster::{OFTEN, Sandbox};
use crate::harness::roles::AccountsFile;
use crate::harness::rpc::Client;
use crate::harness::simulator::Simulator;

const ACCOUNTS: usize = 48;
const REGIONS: [&str; 2] = ["us-east-1", "eu-west-1"];
/// What the names of failed accounts and regions may take in an answer.
const TOKENS: usize = 300;

fn account(number: usize) -> String {
    format!("{:012}", 200_000_000_000 + number)
}

/// The accounts whose numbers leave this rest.
fn every(twelfth: usize) -> Vec<String> {
    (1..=ACCOUNTS).filter(|number| number % 12 == twelfth).map(account).collect()
}

#[test]
fn what_fails_in_a_company_is_named_and_hides_nothing_else() {
    let accounts = ACCOUNTS.to_string();
    let simulator = Simulator::start(
        3,
        &["--accounts", &accounts, "--account-regions", "us-east-1,eu-west-1", "--account-instances", "960"],
    );
    let (denied, closed) = (every(5), every(8));
    simulator.control(
        "PATCH",
        "/faults",
        &json!({
            "denied": [{"at": denied}, {"at": closed, "by": "service-control"}],
            "throttle": {"share": 0.5, "at": every(2)},
            "latency": {"fixed": "400ms", "jitter": "200ms", "at": [REGIONS[1]]},
        }),
    );
    let sandbox = Sandbox::new(&simulator.endpoint());
    let file = AccountsFile::new(&sandbox, &REGIONS);
    let named: Vec<(String, String)> = (1..=ACCOUNTS).map(|n| (format!("team-{n:02}"), account(n))).collect();
    let named: Vec<(&str, &str)> = named.iter().map(|(name, account)| (name.as_str(), account.as_str())).collect();
    file.write(&named);
    let server = sandbox.serve(&[&OFTEN[..], &["--config", file.path()]].concat());
    let mut client = Client::http(&server.http);

    let failing: BTreeSet<String> = denied.iter().chain(&closed).cloned().collect();
    let counted = eventually_within(Duration::from_mins(3), "all that can be read is complete", || {
        let asked = json!({"kind": "instance", "group_by": ["account"], "limit": 100});
        let counted = client.call("count_inventory", &asked).unwrap();
        let is_pending = counted.structured["incomplete"].as_array().is_some_and(|pending| !pending.is_empty());
        let failed: u64 = groups(&counted.structured).iter().filter_map(|group| group["scopes"].as_u64()).sum();
        (!is_pending && failed == (failing.len() * REGIONS.len()) as u64).then_some(counted.structured)
    });
    let told = groups(&counted);
    assert_eq!(told.len(), 2, "one group for each cause: {told:#?}");
    for example in told.iter().flat_map(|group| group["examples"].as_array().unwrap()) {
        let account = example.as_str().unwrap().split('/').next().unwrap();
        assert!(failing.contains(account), "{example} is told to fail and does not");
    }
    let size = serde_json::to_string(&told).unwrap().len() / 4;
    assert!(size <= TOKENS, "about {size} tokens: {told:#?}");

    // What each account has, by Muster and by the simulator's own count.
    let has: BTreeSet<&str> =
        counted["groups"].as_array().unwrap().iter().map(|group| group["values"][0].as_str().unwrap()).collect();
    let readable: BTreeSet<String> = (1..=ACCOUNTS).map(account).filter(|one| !failing.contains(one)).collect();
    assert_eq!(has, readable.iter().map(String::as_str).collect::<BTreeSet<_>>());
    let sql = "SELECT count(*) AS resources, count(DISTINCT id) AS ids, count(DISTINCT account) AS accounts FROM instance";
    let rows = client.call("query_inventory", &json!({"sql": sql})).unwrap();
    let row = &rows.structured["rows"][0];
    assert_eq!(row[0], row[1], "an instance stands in two accounts: {}", rows.text);
    assert_eq!(row[2], readable.len(), "{}", rows.text);
    let one_each = 960 / ACCOUNTS as u64;
    let total = counted["total"].as_u64().unwrap();
    assert_eq!(total, readable.len() as u64 * one_each, "{counted:#}");
}

/// The groups of accounts and regions that an answer says to fail.
fn groups(answer: &Value) -> Vec<Value> {
    answer["failed"].as_array().cloned().unwrap_or_default()
}
