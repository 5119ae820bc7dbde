//! A secret in a tag never leaves the connection to AWS: not into the store, an answer, a log or an export. That it was changed is
//! told all the same.

use std::fs;
use std::process::Stdio;

use aws_sdk_ec2::types::Tag;
use serde_json::json;

use crate::harness::eventually;
use crate::harness::hand::Hand;
use crate::harness::muster::{RARELY, Sandbox};
use crate::harness::rpc::Client;
use crate::harness::simulator::Simulator;

const SECRETS: [&str; 3] = ["correct-horse-battery", "staple-of-secrets", "rotated-hunter2"];
/// A value that is no secret: where it is found, a secret would be found as well.
const PLAIN: &str = "plainly-visible-value";

fn tag(hand: &Hand, id: &str, tags: &[(&str, &str)]) {
    let tags = tags.iter().map(|(key, value)| Tag::builder().key(*key).value(*value).build()).collect();
    hand.runtime.block_on(hand.ec2.create_tags().resources(id).set_tags(Some(tags)).send()).unwrap();
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

#[track_caller]
fn is_free_of_secrets(what: &str, bytes: &[u8]) {
    for secret in SECRETS {
        assert!(!holds(bytes, secret), "{what} holds {secret}");
    }
}

/// The instance's tag `key` in an answer of `get_resource`.
fn shown(client: &mut Client, id: &str, key: &str) -> String {
    let answer = client.call("get_resource", &json!({"kind": "instance", "id": id, "paths": ["Tags"]})).unwrap();
    is_free_of_secrets("get_resource", format!("{} {}", answer.text, answer.structured).as_bytes());
    let tags = answer.structured["document"]["Tags"].as_array().unwrap();
    let tag = tags.iter().find(|tag| tag["Key"] == key).unwrap_or_else(|| panic!("no {key} in {tags:?}"));
    tag["Value"].as_str().unwrap().to_owned()
}

#[test]
fn a_secret_in_a_tag_is_nowhere_but_a_change_of_it_is_seen() {
    let simulator = Simulator::start(12, &[]);
    let hand = Hand::on(&simulator.endpoint());
    let listed = hand.runtime.block_on(hand.ec2.describe_instances().send()).unwrap();
    let id = listed.reservations()[0].instances()[0].instance_id().unwrap().to_owned();
    tag(&hand, &id, &[("DB-Password", SECRETS[0]), ("api_token", SECRETS[1]), ("note", PLAIN)]);
    let queue = simulator.control("POST", "/listen", &json!({"name": "events"}))["queue_url"].take();
    let sandbox = Sandbox::new(&simulator.endpoint());
    let log = sandbox.path().join("server.log");
    let flags = [&RARELY[..], &["--queue-url", queue.as_str().unwrap(), "--log", "debug"]].concat();
    let errors = Stdio::from(fs::File::create(&log).unwrap());
    let mut server = sandbox.serve_complaining_to(&flags, Some(errors));
    server.swept();
    let mut client = Client::http(&server.http);

    let before = shown(&mut client, &id, "DB-Password");
    assert!(before.starts_with("redacted:") && before.len() == "redacted:".len() + 8, "{before}");
    assert_ne!(shown(&mut client, &id, "api_token"), before);
    assert_eq!(shown(&mut client, &id, "note"), PLAIN);

    // An event tells of the change, and then a describe. Both leave the same mark.
    tag(&hand, &id, &[("DB-Password", SECRETS[2])]);
    let after = eventually("the change of the password", || {
        Some(shown(&mut client, &id, "DB-Password")).filter(|now| *now != before)
    });
    assert!(after.starts_with("redacted:"), "{after}");
    let asked = json!({"kind": "instance", "id": id, "field": "Tags", "limit": 50});
    let changes = client.call("list_changes", &asked).unwrap();
    for mark in [&before, &after] {
        assert!(changes.text.contains(mark.as_str()), "{mark} is not in {}", changes.text);
    }

    // Filters say that they cannot compare; presence can be asked for.
    let found = |client: &mut Client, value: &str| {
        client.call("search_inventory", &json!({"filters": {"tag:DB-Password": [value]}})).unwrap()
    };
    for value in [SECRETS[2], "correct*", after.as_str()] {
        let refused = found(&mut client, value);
        assert!(refused.is_error && refused.text.contains("are redacted"), "{}", refused.text);
    }
    assert_eq!(found(&mut client, "@present").structured["total"], 1);
    let keys = client.call("search_inventory", &json!({"filters": {"tag-key": ["DB-Password"]}})).unwrap();
    assert_eq!(keys.structured["total"], 1, "{}", keys.text);

    let sql = json!({"sql": "SELECT key, value FROM tag UNION SELECT id, tags FROM instance UNION SELECT path, after FROM change \
                             WHERE time > ago('1d')"});
    for (tool, arguments) in
        [("query_inventory", sql), ("list_changes", json!({"include_baseline": true, "limit": 50}))]
    {
        let answer = client.call(tool, &arguments).unwrap();
        assert!(!answer.is_error, "{}", answer.text);
        is_free_of_secrets(tool, format!("{} {}", answer.text, answer.structured).as_bytes());
    }
    for uri in [format!("ec2://instance/{id}"), format!("ec2://instance/{id}/history")] {
        is_free_of_secrets(&uri, client.read(&uri).to_string().as_bytes());
    }

    // The same key, and so the same marks, after a restart.
    server.terminate();
    let mut server = sandbox.serve(&flags);
    server.swept();
    let mut client = Client::http(&server.http);
    assert_eq!(shown(&mut client, &id, "DB-Password"), after);
    server.terminate();

    let store = fs::read(sandbox.store()).unwrap();
    is_free_of_secrets("the store", &store);
    assert!(holds(&store, PLAIN), "the store does not hold texts as they are: this test sees nothing");
    is_free_of_secrets("the server's log", &fs::read(log).unwrap());
    let data = sandbox.data();
    let export = sandbox.muster(&["log", "export", "--data-dir", data.to_str().unwrap()]).output().unwrap();
    is_free_of_secrets("the export", &export.stdout);
    assert!(holds(&export.stdout, PLAIN), "{}", String::from_utf8_lossy(&export.stdout));
    let refused =
        sandbox.muster(&["search", "tag:api_token=x", "--data-dir", data.to_str().unwrap()]).output().unwrap();
    assert!(String::from_utf8_lossy(&refused.stderr).contains("are redacted"), "{refused:?}");
}

#[test]
fn other_patterns_can_be_set_and_none() {
    for (patterns, redacted) in [("note,pin-*", true), ("none", false)] {
        let simulator = Simulator::start(4, &[]);
        let hand = Hand::on(&simulator.endpoint());
        let listed = hand.runtime.block_on(hand.ec2.describe_instances().send()).unwrap();
        let id = listed.reservations()[0].instances()[0].instance_id().unwrap().to_owned();
        tag(&hand, &id, &[("password", "kept"), ("Note", PLAIN)]);
        let sandbox = Sandbox::new(&simulator.endpoint());
        let server = sandbox.serve(&[&RARELY[..], &["--redact-tag-keys", patterns]].concat());
        server.swept();
        let mut client = Client::http(&server.http);
        assert_eq!(shown(&mut client, &id, "password"), "kept", "{patterns}");
        assert_eq!(shown(&mut client, &id, "Note").starts_with("redacted:"), redacted, "{patterns}");
    }
}
