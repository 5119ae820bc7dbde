//! How many calls a server makes, beside what AWS allows.

use std::fmt::Write as _;

use muster::kinds::KINDS;
use serde_json::{Value, json};

use super::{number, scopes};
use crate::harness::muster::{RARELY, Sandbox};
use crate::harness::rpc::Client;
use crate::harness::simulator::Simulator;

#[test]
fn an_account_at_rest_costs_a_small_part_of_what_aws_allows() {
    let instances = number("MUSTER_STORM_INSTANCES", 2_000);
    let simulator = Simulator::start(instances, &[]);
    let sandbox = Sandbox::new(&simulator.endpoint());
    // One sweep of each kind; how often they come by default is known.
    let server = sandbox.serve(&RARELY);
    server.swept();
    let mut client = Client::http(&server.http);
    let calls = client.read("ec2://inventory/freshness")["aws_calls"].take();
    let scopes = scopes(&mut client);
    let mut table = format!("calls a minute at {instances} instances, by the default intervals:\n");
    for kind in KINDS {
        let call = calls.as_array().unwrap().iter().find(|call| call["action"] == kind.action()).unwrap();
        let seen = scopes.iter().find(|scope| scope["kind"] == kind.slug).unwrap()["seen"].as_u64().unwrap();
        let sweep = call["total"].as_u64().unwrap();
        let documented = 60 * call["documented_per_second"].as_u64().unwrap();
        let minute = 60.0 * f64::from(u32::try_from(sweep).unwrap()) / kind.interval.as_secs_f64();
        let (action, interval) = (kind.action(), kind.interval);
        writeln!(table, "  {action}: {minute:.1} ({sweep} for {seen}, every {interval:?}) of {documented}").unwrap();
        let pages = seen.div_ceil(u64::try_from(kind.max_results).unwrap()) + kind.also_by_id.len() as u64;
        assert!(sweep <= pages + 1, "{action} took {sweep} calls for {seen}");
        assert!(minute * 4.0 <= f64::from(u32::try_from(documented).unwrap()), "{table}");
    }
    eprintln!("{table}");
}

/// What the server asked of AWS, as a table.
pub(super) fn table(client: &mut Client) -> String {
    let summary = client.call("get_inventory_summary", &json!({})).unwrap().structured;
    let mut table =
        "calls a minute: action, last minute, AWS's documented, all, of those throttled and failed\n".to_owned();
    for call in summary["aws_calls"].as_array().unwrap() {
        let number = |name: &str| call[name].as_u64().unwrap_or(0);
        writeln!(
            table,
            "  {:<32}{:>6}{:>7}{:>8}{:>7}{:>6}",
            call["action"].as_str().unwrap(),
            number("last_minute"),
            number("documented_per_minute"),
            number("total"),
            number("throttled"),
            number("failed"),
        )
        .unwrap();
    }
    table
}

/// What was asked of SQS, as a table.
pub(super) fn queues(asked: &Value) -> String {
    let asked = asked.as_array().unwrap().iter();
    let asked = asked.filter(|asked| asked["action"].as_str().unwrap().contains("Message"));
    let lines: Vec<String> =
        asked.map(|asked| format!("  sqs:{} {}", asked["action"].as_str().unwrap(), asked["outcomes"])).collect();
    lines.join("\n")
}
