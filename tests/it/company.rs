//! A company of many accounts, some of which deny, throttle or answer slowly: the bounded twin of `tests/it/scenarios/company.toml`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::account::Account;
use crate::harness::eventually_within;
use crate::harness::muster::{Endpoint, OFTEN, Sandbox};
use crate::harness::roles::{AccountsFile, role};
use crate::harness::rpc::Client;
use crate::harness::simulator::Simulator;

const ACCOUNTS: usize = 72;
const REGIONS: [&str; 2] = ["us-east-1", "eu-west-1"];
/// How many instances most accounts have. Every tenth, from the first on, is large and has six times as many.
const USUAL: u64 = 20;
/// How many instances they have together.
const INSTANCES: u64 = USUAL * (ACCOUNTS as u64 + 5 * (ACCOUNTS as u64).div_ceil(10));
/// What everything about failed accounts and regions may take in an answer's text, and in its data.
const TOKENS: usize = 300;
/// The fields of an answer that are about them.
const ABOUT_FAILURES: [&str; 5] =
    ["failed", "failed_causes_not_shown", "unreached_accounts", "unreached_accounts_in_all", "coverage"];

fn account(number: usize) -> String {
    format!("{:012}", 200_000_000_000 + number)
}

/// The accounts whose numbers leave this rest.
fn every(twelfth: usize) -> Vec<String> {
    (1..=ACCOUNTS).filter(|number| number % 12 == twelfth).map(account).collect()
}

/// How many instances the simulator gives an account.
fn size(number: usize) -> u64 {
    if number % 10 == 1 { 6 * USUAL } else { USUAL }
}

/// The rows that a statement has.
fn rows(client: &mut Client, sql: &str) -> Vec<Value> {
    let found = client.call("query_inventory", &json!({"sql": sql})).unwrap();
    assert!(!found.is_error, "{sql}: {}", found.text);
    let rows = found.structured["rows"].as_array().unwrap().clone();
    assert_eq!(found.structured["total"], rows.len(), "some rows are not shown: {}", found.text);
    rows
}

/// The ids of the instances that boto3 lists in an account, in all of its regions.
fn listed(simulator: &Simulator, account: &str) -> BTreeSet<String> {
    let reservations = REGIONS.iter().flat_map(|region| {
        let endpoint = Endpoint { region: (*region).to_owned(), ..simulator.endpoint() };
        Account::by_role(&endpoint, &role(account)).every("ec2.describe_instances", "Reservations", &json!({}))
    });
    let instances = reservations.flat_map(|reservation| reservation["Instances"].as_array().unwrap().clone());
    instances.map(|instance| instance["InstanceId"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn what_fails_in_a_company_is_named_and_hides_nothing_else() {
    let (accounts, instances) = (ACCOUNTS.to_string(), INSTANCES.to_string());
    let simulator = Simulator::start(
        3,
        &["--accounts", &accounts, "--account-regions", "us-east-1,eu-west-1", "--account-instances", &instances],
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
        let asked = json!({"kind": "instance", "group_by": ["account"], "top": 100});
        let counted = client.call("count_inventory", &asked).unwrap();
        let is_pending = counted.structured["incomplete"].as_array().is_some_and(|pending| !pending.is_empty());
        let failed: u64 = groups(&counted.structured).iter().filter_map(|group| group["scopes"].as_u64()).sum();
        let is_whole = !counted.is_error && !is_pending && failed == (failing.len() * REGIONS.len()) as u64;
        is_whole.then_some(counted)
    });

    // What fails is told by cause, and nothing else is told to fail.
    let told = groups(&counted.structured);
    assert!(!told.is_empty() && told.len() <= 2, "one group for each cause: {told:#?}");
    assert!(told.iter().all(|group| group["class"] == "denied"), "{told:#?}");
    for example in told.iter().flat_map(|group| group["examples"].as_array().unwrap()) {
        let account = example.as_str().unwrap().split('/').next().unwrap();
        assert!(failing.contains(account), "{example} is told to fail and does not");
    }
    let field = |name: &str| counted.structured.get(name).map_or(0, |value| name.len() + value.to_string().len());
    let data: usize = ABOUT_FAILURES.into_iter().map(field).sum();
    let text = counted.text.lines().filter(|line| line.starts_with("Not looked at")).map(str::len);
    let sizes = [data / 4, text.sum::<usize>() / 4];
    assert!(sizes.iter().all(|size| (1..=TOKENS).contains(size)), "about {sizes:?} tokens: {}", counted.text);

    // Exactly these accounts and regions failed, by SQL.
    let sql = "SELECT account, region, why FROM freshness WHERE kind = 'instance' AND standing = 'failed'";
    let failed = rows(&mut client, sql);
    let places: BTreeSet<(&str, &str)> =
        failed.iter().map(|row| (row["account"].as_str().unwrap(), row["region"].as_str().unwrap())).collect();
    let expected: BTreeSet<(&str, &str)> =
        failing.iter().flat_map(|account| REGIONS.map(|region| (account.as_str(), region))).collect();
    assert_eq!(places, expected);
    for row in &failed {
        let is_closed = closed.iter().any(|account| row["account"] == account.as_str());
        assert_eq!(row["why"].as_str().unwrap().contains("service control policy"), is_closed, "{row}");
    }
    eventually_within(Duration::from_mins(3), "exactly these accounts fail, in all kinds", || {
        let accounts = rows(&mut client, "SELECT account, state, reason FROM account ORDER BY account");
        assert_eq!(accounts.len(), ACCOUNTS);
        let failed = accounts.iter().filter(|row| row["state"] == "failed");
        let has_reason = failed.clone().all(|row| row["reason"].as_str().is_some_and(|reason| !reason.is_empty()));
        let failed: BTreeSet<&str> = failed.map(|row| row["account"].as_str().unwrap()).collect();
        let others = accounts.iter().filter(|row| row["state"] == "watched" && row.get("reason").is_none()).count();
        let is_exact = failed.iter().copied().eq(failing.iter().map(String::as_str));
        (is_exact && has_reason && others == ACCOUNTS - failing.len()).then_some(())
    });

    // What each other account has, as the simulator spreads the instances.
    let has = counted.structured["groups"].as_array().unwrap().iter();
    let has: BTreeMap<String, u64> =
        has.map(|group| (group["value"].as_str().unwrap().to_owned(), group["count"].as_u64().unwrap())).collect();
    let numbers = (1..=ACCOUNTS).map(|number| (account(number), size(number)));
    let readable: BTreeMap<String, u64> = numbers.filter(|(account, _)| !failing.contains(account)).collect();
    assert_eq!(has, readable);
    assert_eq!(counted.structured["total"], readable.values().sum::<u64>(), "{}", counted.text);
    let sql =
        "SELECT count(*) AS resources, count(DISTINCT id) AS ids, count(DISTINCT account) AS accounts FROM instance";
    let row = &rows(&mut client, sql)[0];
    assert_eq!(row["resources"], row["ids"], "an instance stands in two accounts: {row}");
    assert_eq!(row["accounts"], readable.len(), "{row}");

    // More accounts than the SDK's cache of keys has room for, and still one session each.
    let requests = simulator.control("GET", "/requests", &json!(null));
    let assumed = requests["requests"].as_array().unwrap().iter().filter(|one| one["action"] == "AssumeRole");
    assert_eq!(assumed.map(|one| one["total"].as_u64().unwrap()).sum::<u64>(), ACCOUNTS as u64);

    // Of some accounts, one that is throttled among them, also which they are, by boto3, which would not try as often as Muster.
    simulator.control("PATCH", "/faults", &json!({"throttle": {"share": 0.0}}));
    for number in [2, 3, 4] {
        let account = account(number);
        let held = rows(&mut client, &format!("SELECT id FROM instance WHERE account = '{account}'"));
        let held: BTreeSet<String> = held.iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect();
        assert_eq!(held, listed(&simulator, &account), "{account}");
        assert_eq!(held.len() as u64, size(number), "{account}");
    }
}

/// The groups of accounts and regions that an answer says to fail.
fn groups(answer: &Value) -> Vec<Value> {
    answer["failed"].as_array().cloned().unwrap_or_default()
}
