//! Accounts and regions in which nothing happens are swept rarely, and at once when somebody asks for what is there.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::account::Account;
use crate::harness::eventually;
use crate::harness::moto::Moto;
use crate::harness::muster::{Endpoint, Sandbox};
use crate::harness::roles::{AccountsFile, role};
use crate::harness::rpc::Client;

const ACCOUNT: &str = "111122223333";
/// In each of them moto makes a default network for an account, as AWS does, and nothing else.
const REGIONS: [&str; 2] = ["eu-west-1", "us-east-2"];
/// How often a quiet account and region is swept, in seconds.
const RARE: u64 = 3_600;

/// How often volumes are swept in a region, in seconds.
fn interval(client: &mut Client, region: &str) -> u64 {
    let freshness = client.read("ec2://inventory/freshness");
    let scopes: &Vec<Value> = freshness["scopes"].as_array().unwrap();
    let volumes = scopes.iter().find(|scope| scope["region"] == region && scope["kind"] == "volume");
    volumes.unwrap()["interval_seconds"].as_u64().unwrap()
}

/// Makes a volume in a region.
fn volume(moto: &Moto, region: &str) -> String {
    let endpoint = Endpoint { region: region.to_owned(), ..moto.endpoint() };
    let boto3 = Account::by_role(&endpoint, &role(ACCOUNT));
    let made = boto3.call("ec2.create_volume", &json!({"AvailabilityZone": format!("{region}a"), "Size": 1}));
    made["VolumeId"].as_str().unwrap().to_owned()
}

#[test]
fn what_is_quiet_is_swept_at_once_for_an_id_and_as_often_as_others_for_a_subscriber() {
    let moto = Moto::alone();
    let sandbox = Sandbox::new(&moto.endpoint());
    let file = AccountsFile::new(&sandbox, &REGIONS);
    file.write(&[("one", ACCOUNT)]);
    // A scope is judged while none of its sweeps runs, so they leave it some seconds on a busy machine.
    let flags = ["--interval", "all=5s", "--config", file.path(), "--quiet-after", "1ms"];
    let server = sandbox.serve(&flags);
    server.swept();
    let mut client = Client::http(&server.http);
    eventually("both regions are quiet", || {
        REGIONS.iter().all(|region| interval(&mut client, region) == RARE).then_some(())
    });

    let made = volume(&moto, REGIONS[0]);
    let counted = client.call("count_inventory", &json!({"kind": "volume"})).unwrap();
    assert_eq!(counted.structured["total"], 0, "counts wake nothing: {}", counted.text);
    let read = client.read(&format!("ec2://volume/{made}"));
    assert_eq!((&read["id"], &read["region"]), (&json!(made), &json!(REGIONS[0])));
    eventually("the region that holds a volume is quiet no more", || {
        (interval(&mut client, REGIONS[0]) < RARE).then_some(())
    });
    eventually("the other region, which was swept as well, is quiet again", || {
        (interval(&mut client, REGIONS[1]) == RARE).then_some(())
    });

    let list = format!("ec2://inventory/{ACCOUNT}/{}/volume", REGIONS[1]);
    let listening = client.listen(&[&list], false);
    eventually("the region to which somebody subscribed is not quiet", || {
        (interval(&mut client, REGIONS[1]) < RARE).then_some(())
    });
    volume(&moto, REGIONS[1]);
    let told = listening.updated(Duration::from_mins(1));
    assert_eq!(told.as_deref(), Some(list.as_str()), "the subscriber is told within its usual interval");
}
