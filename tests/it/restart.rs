//! What a server knew it serves again after a restart, says how old it is, and writes nothing when nothing changed.

use std::fs;
use std::time::Duration;

use serde_json::json;

use crate::harness::eventually;
use crate::harness::moto::Moto;
use crate::harness::muster::{Endpoint, OFTEN, RARELY, Sandbox};
use crate::harness::rpc::Client;

#[test]
fn a_restarted_server_serves_what_it_knew_and_says_that_it_is_stale() {
    let moto = Moto::start();
    let instance = moto.launch(3).remove(0);
    let uri = format!("ec2://instance/{instance}");
    let mut sandbox = Sandbox::new(&moto.endpoint());
    let mut server = sandbox.serve(&RARELY);
    server.swept();
    let before = Client::http(&server.http).read(&uri);
    assert!(before["stale"].is_null(), "{before}");
    let (status, _) = server.terminate();
    assert!(status.success(), "{status}");

    sandbox.set("AWS_ENDPOINT_URL", &Endpoint::dead().url);
    let server = sandbox.serve(&OFTEN);
    let mut client = Client::http(&server.http);
    let after = client.read(&uri);
    assert_eq!(after["document"], before["document"]);
    assert_eq!(after["changed_seq"], before["changed_seq"]);
    // As soon as AWS has failed to answer, the reason is there too.
    let stale = eventually("the read says why it is stale", || {
        let body = client.read(&uri);
        body["stale"]["why"].as_str().is_some_and(|why| why.contains("could not be reached")).then_some(body)
    });
    assert_eq!(stale["document"], before["document"]);
    let listed = client.pages("resources/list", "resources").concat();
    assert!(listed.iter().any(|entry| entry["uri"] == uri), "{listed:?}");
    let found = client.call("search_inventory", &json!({"kind": "instance"})).unwrap();
    assert_eq!(found.structured["total"], 3, "{}", found.structured);
}

#[test]
fn a_change_in_aws_reaches_the_subscriber_of_an_instance_its_status_and_its_collection() {
    let moto = Moto::start();
    let instance = moto.launch(1).remove(0);
    let region = moto.endpoint().region;
    let sandbox = Sandbox::new(&moto.endpoint());
    let server = sandbox.serve(&OFTEN);
    server.swept();
    let uris = [
        format!("ec2://instance/{instance}"),
        format!("EC2://instance/{instance}/status"),
        format!("ec2://inventory/{}/{region}/instance", crate::harness::moto::ACCOUNT),
    ];
    let listening = Client::http(&server.http).listen(&uris.each_ref().map(String::as_str), false);
    moto.call("ec2.stop_instances", &json!({"InstanceIds": [instance]}));
    let mut awaited = uris.to_vec();
    while !awaited.is_empty() {
        let heard = listening.updated(Duration::from_secs(30)).unwrap_or_else(|| panic!("nothing about {awaited:?}"));
        assert!(uris.contains(&heard), "{heard} is not spelled as the client did");
        awaited.retain(|uri| *uri != heard);
    }
}

#[test]
fn sweeping_an_unchanged_account_does_not_touch_the_store() {
    let moto = Moto::start();
    moto.launch(5);
    let sandbox = Sandbox::new(&moto.endpoint());
    let server = sandbox.serve(&OFTEN);
    server.swept();
    let mut client = Client::http(&server.http);
    let content = |sandbox: &Sandbox| (fs::metadata(sandbox.store()).unwrap().modified().unwrap(), digest(sandbox));
    let sweeps = |client: &mut Client| client.read("ec2://inventory/freshness").to_string();

    // The follow-up work of the first sweep is over when two looks a second apart agree.
    let mut before = content(&sandbox);
    eventually("the store comes to rest", || {
        std::thread::sleep(Duration::from_millis(1500));
        let now = content(&sandbox);
        let rests = now == before;
        before = now;
        rests.then_some(())
    });
    for _ in 0..3 {
        let seen = sweeps(&mut client);
        eventually("another sweep ends", || (sweeps(&mut client) != seen).then_some(()));
        std::thread::sleep(Duration::from_millis(1100));
    }
    assert_eq!(content(&sandbox), before, "an idle sweep wrote to the store");
}

fn digest(sandbox: &Sandbox) -> u64 {
    xxhash_rust::xxh3::xxh3_64(&fs::read(sandbox.store()).unwrap())
}
