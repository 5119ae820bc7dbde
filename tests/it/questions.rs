//! Questions that people ask of a fleet, from beginning to end: what stopped machines cost, who can reach a port, what uses a
//! security group. Each answer is held against others that say the same in another way.

mod table;
mod thirty;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Output;

use serde_json::{Value, json};

use crate::harness::muster::{RARELY, Sandbox};
use crate::harness::rpc::{Answer, Client};
use crate::harness::simulator::Simulator;

/// Instances of the account: several VPCs, with public and private subnets.
const INSTANCES: usize = 240;

fn ask(client: &mut Client, tool: &str, arguments: &Value) -> Answer {
    let answer = client.call(tool, arguments).unwrap();
    assert!(!answer.is_error, "{tool} {arguments}: {}", answer.text);
    answer
}

fn ids(answer: &Answer) -> BTreeSet<String> {
    let rows = answer.structured["rows"].as_array().unwrap();
    rows.iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
}

/// The ids that a search finds, on all its pages.
fn found(client: &mut Client, filters: &Value) -> BTreeSet<String> {
    let mut arguments = json!({"filters": filters, "limit": 500, "fields": ["instance-id"]});
    let mut found = BTreeSet::new();
    loop {
        let page = ask(client, "search_inventory", &arguments);
        found.extend(ids(&page));
        match page.structured.get("next_cursor") {
            Some(next) => arguments["cursor"] = next.clone(),
            None => return found,
        }
    }
}

/// Cents.
fn amount(value: &Value) -> u64 {
    let text = value.as_str().unwrap_or_else(|| panic!("{value} is no amount"));
    text.replace('.', "").parse().unwrap()
}

#[test]
fn a_month_of_stopped_machines_who_can_reach_a_port_and_what_uses_a_group() {
    let simulator = Simulator::start(INSTANCES, &[]);
    let sandbox = Sandbox::new(&simulator.endpoint());
    let server = sandbox.serve(&RARELY);
    server.swept();
    let mut client = Client::http(&server.http);

    // What do our stopped machines cost?
    let stopped = found(&mut client, &json!({"instance-state-name": ["stopped"]}));
    let report = ask(&mut client, "report_stopped_instances", &json!({"limit": 500}));
    assert_eq!(ids(&report), stopped);
    assert!(!stopped.is_empty(), "the account has stopped instances");
    let (rows, month) = (report.structured["rows"].as_array().unwrap(), &report.structured["month"]);
    let costs: Vec<u64> = rows.iter().map(|row| amount(&row["stopped"])).collect();
    assert!(costs.is_sorted_by(|a, b| a >= b), "{costs:?}");
    // Each is rounded by itself.
    let difference = costs.iter().sum::<u64>().abs_diff(amount(&month["stopped"]));
    assert!(difference <= rows.len() as u64, "{costs:?} {month}");
    assert_eq!(month["unpriced"]["stopped"], 0, "{month}");
    for row in rows {
        let volumes = json!({"kind": "volume", "filters": {"attachment.instance-id": [row["id"]]}, "fields": ["size"]});
        let volumes = ask(&mut client, "search_inventory", &volumes);
        let gib: u64 = volumes.structured["rows"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| row["size"].as_str().unwrap().parse::<u64>().unwrap())
            .sum();
        assert_eq!(gib > 0, amount(&row["volumes"]) > 0, "{row}");
    }
    for said in ["US dollars a month", "AWS's list of 2026-10-15", "without discounts", "Only stopped instances"] {
        assert!(report.text.contains(said), "{said}: {}", report.text);
    }
    let old = ask(&mut client, "report_stopped_instances", &json!({"older_than": "3650d"}));
    assert_eq!(old.structured["total"], 0, "{}", old.text);
    let refused = client.call("report_stopped_instances", &json!({"older_than": "long"})).unwrap();
    assert!(refused.is_error && refused.text.contains("`older_than` must be how long"), "{}", refused.text);

    // Who can reach port 443? The same by each instance alone.
    let exposed = found(&mut client, &json!({"exposed": ["443"]}));
    let all = found(&mut client, &Value::Null);
    assert_eq!(all.len(), INSTANCES);
    let mut open = BTreeSet::new();
    let mut groups: BTreeMap<String, u64> = BTreeMap::new();
    for id in &all {
        let one = ask(&mut client, "get_resource", &json!({"id": id, "full": true})).structured;
        let of = one["exposure"]["open"].as_array().unwrap_or_else(|| panic!("{id} says nothing of it: {one}"));
        assert_eq!(one["exposure"]["unknown"], Value::Null, "{one}");
        if of.iter().any(|open| open["protocol"] == "tcp" && open["ports"] == "443") {
            assert!(one["document"]["PublicIpAddress"].is_string() || !one["document"]["NetworkInterfaces"].is_null());
            open.insert(id.clone());
            for group in one["document"]["SecurityGroups"].as_array().unwrap() {
                *groups.entry(group["GroupId"].as_str().unwrap().to_owned()).or_default() += 1;
            }
        }
    }
    assert!(!exposed.is_empty() && exposed.len() < all.len(), "{} of {}", exposed.len(), all.len());
    assert_eq!(exposed, open, "left: by the filter, right: by each instance alone");
    // SSH is open to an office only.
    let ssh = ask(&mut client, "count_inventory", &json!({"filters": {"exposed": ["22", "udp/53"]}}));
    assert_eq!(ssh.structured["total"], 0, "{}", ssh.text);
    assert!(ssh.text.contains("the internet reaches tcp/22, udp/53 of no instance"), "{}", ssh.text);
    let wrong = client.call("search_inventory", &json!({"filters": {"exposed": ["ssh"]}})).unwrap();
    assert!(wrong.is_error && wrong.text.contains("ports that the internet can reach"), "{}", wrong.text);
    let past = client.call("search_inventory", &json!({"filters": {"exposed": ["443"]}, "as_of": "-1s"})).unwrap();
    assert!(past.is_error, "{}", past.text);

    // What uses this security group?
    let group = groups.keys().next().unwrap();
    let related = ask(&mut client, "find_relations", &json!({"kind": "security-group", "id": group})).structured;
    assert_eq!(related["in_use"], "yes", "{related}");
    for (kind, filter) in [("instance", "instance.group-id"), ("network-interface", "group-id")] {
        let count =
            ask(&mut client, "count_inventory", &json!({"kind": kind, "filters": {filter: [group]}})).structured;
        let by = related["used_by"].as_array().unwrap().iter().find(|by| by["kind"] == kind).unwrap();
        assert_eq!(by["count"], count["total"], "{related}");
        assert_eq!(by["via"], json!([filter]));
    }
    let searched = related["kinds_searched"].as_array().unwrap();
    assert!(searched.contains(&json!("instance")) && related["kinds_unsure"] == json!([]), "{related}");
    let image = json!({"kind": "image", "id": "ami-00000000000000000"});
    assert!(client.call("find_relations", &image).unwrap().is_error);

    people_ask_the_same(&sandbox, &report.structured, &exposed, group);
}

/// What a command printed.
fn said(output: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
}

fn people_ask_the_same(sandbox: &Sandbox, report: &Value, exposed: &BTreeSet<String>, group: &str) {
    let data = sandbox.data().to_str().unwrap().to_owned();
    let muster = |words: &[&str]| said(&sandbox.muster(&[words, &["--data-dir", &data]].concat()).output().unwrap());
    let (code, out, err) = muster(&["stopped", "--limit", "5"]);
    assert!(code == 0 && out.starts_with("ID ") && err.contains("stopped instances cost "), "{code} {out} {err}");
    assert!(err.contains(&format!("cost {} US dollars", report["month"]["stopped"].as_str().unwrap())), "{err}");
    assert!(err.contains("prices: AWS's list of 2026-10-15"), "{err}");
    let (code, out, err) = muster(&["search", "exposed=443", "--all", "--json"]);
    assert_eq!(code, 0, "{err}");
    let rows: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(rows["total"].as_u64(), Some(exposed.len() as u64), "{rows}");
    let (code, _, err) = muster(&["search", "exposed=ssh"]);
    assert!(code == 2 && err.contains("exposed=ssh: give ports that the internet can reach"), "{code} {err}");
    let (code, out, err) = muster(&["related", group]);
    assert!(code == 0 && out.contains("used by") && err.contains(&format!("{group} is in use")), "{code} {out} {err}");
}

#[test]
fn prices_say_of_when_they_are_and_another_file_replaces_them_or_is_refused() {
    let sandbox = Sandbox::bare();
    let muster = |words: &[&str]| said(&sandbox.muster(words).output().unwrap());
    let (code, out, err) = muster(&["prices"]);
    assert!(
        code == 0 && out.contains("2026-10-15T19:13:16.000Z") && out.contains("36: af-south-1"),
        "{code} {out} {err}"
    );
    let (_, table, _) = muster(&["prices", "--print"]);
    let path = sandbox.path().join("mine.txt");
    fs::write(&path, table.replace("published 2026-10-15T19:13:16Z", "published 2020-01-01T00:00:00Z")).unwrap();
    let (code, out, err) = muster(&["prices", "--prices", path.to_str().unwrap()]);
    assert!(
        code == 0 && out.contains("2020-01-01") && err.contains("list prices may have changed"),
        "{code} {out} {err}"
    );
    fs::write(&path, table.replace("micro-USD", "USD")).unwrap();
    let path = path.to_str().unwrap();
    for words in [&["prices", "--prices", path][..], &["serve", "--region", "us-east-1", "--prices", path]] {
        let (code, _, err) = muster(words);
        assert_eq!(code, 2, "{words:?}: {err}");
        assert!(
            err.contains(&format!("the price table {path} cannot be used: its unit is `USD`, not micro-USD")),
            "{err}"
        );
    }
}
