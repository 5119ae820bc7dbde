//! Every client reaches everything, over stdio and HTTP.

use serde_json::{Value, json};

use crate::harness::driver::{Driver, Flavour, Transport};
use crate::harness::moto::{ACCOUNT, Moto};
use crate::harness::muster::{RARELY, Sandbox};
use crate::harness::rpc::Client;

#[test]
fn every_client_walks_tools_templates_and_resources_and_reads_what_it_finds() {
    let moto = Moto::start();
    let launched = moto.launch(3);
    let sandbox = Sandbox::new(&moto.endpoint());
    let server = sandbox.serve(&RARELY);
    server.swept();
    for flavour in Flavour::ALL {
        for transport in [Transport::Http(&server.http), Transport::Stdio(&sandbox, &[])] {
            let mut client = Driver::connect(flavour, &transport);
            assert_eq!(client.ready["protocol"], flavour.protocol(), "{}", client.ready);
            assert_eq!(client.ready["server"]["name"], "muster", "{}", client.ready);
            let resources = &client.ready["capabilities"]["resources"];
            assert!(resources["subscribe"] == true && resources["listChanged"] == true, "{}", client.ready);

            for tool in client.tools() {
                let hints = &tool["annotations"];
                for hint in ["readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint"] {
                    assert!(hints[hint].is_boolean(), "{flavour:?}: {} leaves {hint} to be guessed", tool["name"]);
                }
            }
            let templates: Vec<Value> = client.templates().iter().map(|one| one["uriTemplate"].clone()).collect();
            for template in ["ec2://instance/{id}", "ec2://instance/{id}/status", "ec2://vpc/{id}"] {
                assert!(templates.contains(&json!(template)), "{flavour:?}: {templates:?}");
            }
            let resources = client.resources();
            let uris: Vec<&str> = resources.iter().map(|resource| resource["uri"].as_str().unwrap()).collect();
            for instance in &launched {
                assert!(uris.contains(&format!("ec2://instance/{instance}").as_str()), "{flavour:?}: {uris:?}");
            }
            for uri in uris {
                assert_eq!(client.read(uri)["uri"], uri, "{flavour:?}: a body names its URI as the client spelled it");
            }
            let found = client.call("search_inventory", &json!({"kind": "instance"}));
            assert_eq!(found["structuredContent"]["total"], 3, "{flavour:?}: {found}");
        }
    }
}

#[test]
fn what_a_write_can_change_is_never_cached_by_a_client() {
    let moto = Moto::start();
    let instance = moto.launch(1).remove(0);
    let sandbox = Sandbox::new(&moto.endpoint());
    let server = sandbox.serve(&RARELY);
    server.swept();
    let mut client = Client::http(&server.http);
    let read = |client: &mut Client, uri: &str| client.must("resources/read", &json!({ "uri": uri }));
    let instance = read(&mut client, &format!("ec2://instance/{instance}"));
    assert_eq!((&instance["ttlMs"], &instance["cacheScope"]), (&json!(0), &json!("private")));
    let vpc = moto.every("ec2.describe_vpcs", "Vpcs", &json!({})).remove(0);
    let vpc = read(&mut client, &format!("ec2://vpc/{}", vpc["VpcId"].as_str().unwrap()));
    assert!(vpc["ttlMs"].as_u64().is_some_and(|ttl| (1..=5000).contains(&ttl)), "{vpc}");
    for method in ["tools/list", "resources/templates/list"] {
        assert_eq!(client.must(method, &json!({}))["ttlMs"], 3_600_000, "{method}");
    }
}

#[test]
fn the_emulator_answers_boto3_and_keeps_regions_apart() {
    let (here, there) = (Moto::start(), Moto::start());
    let launched = here.launch(2);
    assert_eq!(here.state_of(&launched[0]), "running");
    assert_eq!(here.call("sts.get_caller_identity", &json!({}))["Account"], ACCOUNT);
    assert!(there.every("ec2.describe_instances", "Reservations", &json!({})).is_empty());
    assert_eq!(here.every("ec2.describe_instances", "Reservations", &json!({})).len(), 1);
}
