//! A search finds what brute force finds.
//!
//! `tests/python/search.py` describes a simulated account with boto3, makes up searches from a seed and evaluates them itself, item
//! by item. A server that has swept the same account is asked the same. Where Muster refuses a value because it can never match,
//! brute force must find nothing either.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::moto::ACCOUNT;
use crate::harness::muster::{RARELY, Sandbox};
use crate::harness::process::Running;
use crate::harness::python::Environment;
use crate::harness::rpc::Client;
use crate::harness::simulator::Simulator;

const PATIENCE: Duration = Duration::from_mins(1);

/// How many searches are compared; `MUSTER_SEARCHES` takes another number.
const SEARCHES: usize = 1_000;

/// Instances of the account.
const INSTANCES: usize = 300;

/// The ids that a search finds, on all its pages, or why it is refused.
fn found(client: &mut Client, arguments: &Value) -> Result<Vec<String>, String> {
    let mut arguments = arguments.clone();
    let mut found = Vec::new();
    loop {
        let page = client.call("search_inventory", &arguments).unwrap();
        if page.is_error {
            return Err(page.text);
        }
        let rows = page.structured["rows"].as_array().unwrap();
        found.extend(rows.iter().map(|row| row["id"].as_str().unwrap().to_owned()));
        let Some(next) = page.structured.get("next_cursor") else {
            assert_eq!(page.structured["total"], found.len(), "{arguments}");
            return Ok(found);
        };
        arguments["cursor"] = next.clone();
    }
}

#[test]
fn a_search_finds_what_brute_force_over_boto3_finds() {
    let simulator = Simulator::start(INSTANCES, &[]);
    let endpoint = simulator.endpoint();
    let sandbox = Sandbox::new(&endpoint);
    let server = sandbox.serve(&RARELY);
    server.swept();
    let mut client = Client::http(&server.http);

    let number = std::env::var("MUSTER_SEARCHES").map_or(SEARCHES, |number| number.parse().unwrap());
    let seed = std::env::var("MUSTER_SEED").map_or(1, |seed| seed.parse::<u64>().unwrap());
    let mut script = Environment::Moto.script("search.py");
    let settings = json!({"endpoint": endpoint.url, "region": endpoint.region, "account": ACCOUNT, "seed": seed, "number": number});
    script.arg(settings.to_string());
    let judge = Running::start("search", script);
    let (mut refused, mut empty) = (0, 0);
    for _ in 0..number {
        let wanted: Value = serde_json::from_str(&judge.line(PATIENCE)).unwrap();
        let mut ids: Vec<String> = serde_json::from_value(wanted["ids"].clone()).unwrap();
        let asked = json!({"kind": wanted["kind"], "filters": wanted["filters"], "limit": 500, "fields": ["tag:Name"]});
        match found(&mut client, &asked) {
            Ok(mut rows) => {
                rows.sort();
                ids.sort();
                assert_eq!(rows, ids, "{asked}: left Muster, right brute force; seed {seed}");
                empty += usize::from(ids.is_empty());
            }
            Err(why) => {
                assert!(ids.is_empty(), "{asked} is refused, and brute force finds {}: {why}", ids.len());
                refused += 1;
            }
        }
    }
    assert!(refused + empty < number / 2, "of {number} searches {refused} are refused and {empty} find nothing");
}
