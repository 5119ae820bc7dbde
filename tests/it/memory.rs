//! The log as memory: what was served once is what is served as of then, also across a crash; and who waits for a change hears
//! of it.

use std::collections::BTreeMap;
use std::thread::{self, sleep};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::harness::muster::{OFTEN, RARELY, Sandbox};
use crate::harness::rpc::Client;
use crate::harness::simulator::Simulator;
use crate::harness::{eventually, muster::Serve};

/// What one answer showed, and the record it was read at.
#[derive(Debug)]
struct Served {
    seq: u64,
    rows: Value,
    total: Value,
    groups: Value,
    document: Option<(String, Value)>,
}

fn ask(client: &mut Client, tool: &str, arguments: &Value) -> Value {
    let answer = client.call(tool, arguments).unwrap_or_else(|error| panic!("{tool} {arguments}: {error:?}"));
    answer.structured
}

/// Everything that some questions answer now, if nothing was committed between them.
fn served(client: &mut Client, ids: &[String]) -> Option<Served> {
    let found = ask(client, "search_inventory", &json!({"limit": 200}));
    let counted = ask(client, "count_inventory", &json!({"group_by": "instance-state-name"}));
    let id = &ids[fastrand::usize(..ids.len())];
    let read = client.call("get_resource", &json!({"id": id, "full": true})).ok().map(|answer| answer.structured);
    let seqs = [
        found["seq"].as_u64()?,
        counted["seq"].as_u64()?,
        read.as_ref().map_or(found["seq"].as_u64(), |read| read["seq"].as_u64())?,
    ];
    if seqs.iter().any(|seq| *seq != seqs[0]) {
        return None;
    }
    let document =
        read.filter(|read| read["removed_at"].is_null()).map(|mut read| (id.clone(), read["document"].take()));
    Some(Served {
        seq: seqs[0],
        rows: found["rows"].clone(),
        total: found["total"].clone(),
        groups: counted["groups"].clone(),
        document,
    })
}

fn ids(client: &mut Client) -> Vec<String> {
    let found = ask(client, "search_inventory", &json!({"limit": 500}));
    found["rows"].as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
}

/// Every record, in order, by following cursors.
fn all_changes(client: &mut Client) -> Vec<Value> {
    let mut changes: Vec<Value> = Vec::new();
    let mut arguments = json!({"order": "oldest", "include_baseline": true, "limit": 500});
    loop {
        let page = ask(client, "list_changes", &arguments);
        changes.extend(page["changes"].as_array().unwrap().iter().cloned());
        if page["more"] == false {
            return changes;
        }
        arguments["cursor"] = page["next_cursor"].clone();
    }
}

#[test]
fn what_was_served_is_what_is_served_as_of_then_also_after_a_crash() {
    // As many as one answer has room for, of now and of the past.
    let simulator = Simulator::start(30, &["--churn", "8", "--start-delay", "1s", "--stop-delay", "1s"]);
    let sandbox = Sandbox::new(&simulator.endpoint());
    let mut server = sandbox.serve(&OFTEN);
    server.swept();
    let mut past: BTreeMap<u64, Served> = BTreeMap::new();
    for crash in [true, false] {
        let mut client = Client::http(&server.http);
        let ids = ids(&mut client);
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(8) {
            if let Some(served) = served(&mut client, &ids) {
                past.insert(served.seq, served);
            }
            sleep(Duration::from_millis(50));
        }
        if crash {
            server.kill();
            server = sandbox.serve(&OFTEN);
            server.swept();
        }
    }
    assert!(past.len() > 5, "the account hardly changes: {:?}", past.keys());

    let mut client = Client::http(&server.http);
    for (seq, then) in &past {
        let as_of = json!(format!("seq:{seq}"));
        let found = ask(&mut client, "search_inventory", &json!({"limit": 200, "as_of": as_of}));
        assert_eq!(found["total"], then.total, "as of {seq}");
        assert_eq!(found["rows"], then.rows, "as of {seq}");
        let counted = ask(&mut client, "count_inventory", &json!({"group_by": "instance-state-name", "as_of": as_of}));
        assert_eq!(counted["groups"], then.groups, "as of {seq}");
        if let Some((id, document)) = &then.document {
            let read = ask(&mut client, "get_resource", &json!({"id": id, "full": true, "as_of": as_of}));
            assert_eq!(read["document"], *document, "{id} as of {seq}");
        }
    }

    // The same points by their times, where one record alone has it.
    let changes = all_changes(&mut client);
    let seqs: Vec<u64> = changes.iter().map(|change| change["seq"].as_u64().unwrap()).collect();
    assert!(seqs.windows(2).all(|pair| pair[0] + 1 == pair[1]) && seqs[0] == 1, "every record once: {seqs:?}");
    let mut compared = 0;
    for (seq, then) in &past {
        let at = |seq: u64| usize::try_from(seq - 1).ok().and_then(|place| changes.get(place)?["recorded_at"].as_str());
        let Some(time) = at(*seq).filter(|time| at(seq + 1).is_some_and(|next| next != *time)) else { continue };
        let found = ask(&mut client, "search_inventory", &json!({"limit": 200, "as_of": time}));
        assert_eq!((&found["seq"], &found["rows"]), (&json!(seq), &then.rows), "as of {time}");
        compared += 1;
    }
    eprintln!("{} points in the past compared by seq, {compared} of them by time; {} records", past.len(), seqs.len());
}

/// Stops one running instance by the simulator's own call, as somebody else would.
fn stop_one(simulator: &Simulator, id: &str) {
    simulator.control("POST", "/status", &json!({"id": id, "check": "system", "impaired": true}));
}

#[test]
fn what_changed_while_nobody_looked_says_between_when_it_happened() {
    let simulator = Simulator::start(20, &[]);
    let sandbox = Sandbox::new(&simulator.endpoint());
    let mut server = sandbox.serve(&OFTEN);
    server.swept();
    let id = ids(&mut Client::http(&server.http)).remove(0);
    server.terminate();
    stop_one(&simulator, &id);
    // Longer than sweeps are usually apart.
    sleep(Duration::from_secs(4));
    let server = sandbox.serve(&OFTEN);
    server.swept();
    let mut client = Client::http(&server.http);
    let change = eventually("the change is recorded", || {
        let page = ask(&mut client, "list_changes", &json!({"id": id, "limit": 1, "kind": "instance"}));
        page["changes"].get(0).cloned()
    });
    let between = &change["observed_between"];
    let (from, to) = (between[0].as_str(), between[1].as_str());
    assert!(from.is_some() && from < to, "{change}");
    let all = json!({"order": "oldest", "kind": "instance-status", "include_baseline": true});
    let page = ask(&mut client, "list_changes", &all);
    assert!(!page["unobserved"].as_array().unwrap().is_empty(), "nobody was looking for a while: {page}");
}

#[test]
fn two_who_wait_hear_of_one_change() {
    let simulator = Simulator::start(20, &[]);
    // As AWS's: an event that came before the tool's own answer is recorded would be the change's cause.
    simulator.control("PATCH", "/faults", &json!({"events": {"delay_ms": [2000, 2000]}}));
    let queue = simulator.control("POST", "/listen", &json!({"name": "waits"}))["queue_url"].take();
    let sandbox = Sandbox::new(&simulator.endpoint());
    let queue = format!("{}={}", simulator.endpoint().region, queue.as_str().unwrap());
    let server: Serve = sandbox.serve(&[&RARELY[..], &["--queue-url", &queue, "--allow-writes"]].concat());
    server.swept();
    let mut client = Client::http(&server.http);
    let running = json!({"filters": {"instance-state-name": ["running"]}, "limit": 1});
    let id = ask(&mut client, "search_inventory", &running)["rows"][0]["id"].as_str().unwrap().to_owned();
    // However late they begin to wait, they hear of what comes after this.
    let since = ask(&mut client, "list_changes", &json!({"limit": 1}))["newest_cursor"].take();
    let waiters: Vec<_> = (0..2)
        .map(|_| {
            let (http, id, since) = (server.http.clone(), id.clone(), since.clone());
            thread::spawn(move || {
                let question =
                    json!({"id": id, "cause": "tool", "wait_seconds": 45, "field": "State.Name", "since": since});
                let answer = ask(&mut Client::http(&http), "list_changes", &question);
                (answer, Instant::now())
            })
        })
        .collect();
    sleep(Duration::from_secs(1));
    ask(&mut client, "stop_instance", &json!({"instance_ids": [id]}));
    let committed = Instant::now();
    for waiter in waiters {
        let (answer, heard) = waiter.join().unwrap();
        let changes = answer["changes"].as_array().unwrap();
        assert_eq!(changes.len(), 1, "{answer}");
        assert_eq!(changes[0]["cause"]["tool"], "stop_instance", "{answer}");
        assert!(answer["next_cursor"].is_string(), "{answer}");
        let after = heard.saturating_duration_since(committed);
        eprintln!("heard {after:?} after the tool that changed it had its own answer");
    }
}
