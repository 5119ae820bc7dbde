//! Profiles that go from AWS's files and come back while a server of several accounts runs.

use std::fs;
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::account::Account;
use crate::harness::driver::{Driver, Flavour, Transport};
use crate::harness::muster::{Endpoint, OFTEN, Sandbox};
use crate::harness::roles::role;
use crate::harness::rpc::Client;
use crate::harness::simulator::Simulator;
use crate::harness::{eventually, eventually_within};

const REGION: &str = "us-east-1";
const KEPT: &str = "200000000001";
const LOST: &str = "200000000002";

/// A profile with keys of an account of the simulator.
fn keys(name: &str, account: &str) -> String {
    format!("[{name}]\naws_access_key_id = {account}\naws_secret_access_key = s3cret\n")
}

/// What each client sees of an account that is reached by `entry`, when the profile `lost` goes from the files and comes back.
fn a_profile_goes_and_comes_back(lost: &str, entry: &str) {
    let simulator = Simulator::start(
        5,
        &["--accounts", "2", "--account-regions", "us-east-1,eu-west-1", "--account-instances", "30"],
    );
    let mut sandbox = Sandbox::new(&simulator.endpoint());
    for name in ["AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] {
        sandbox.unset(name);
    }
    let (config, credentials) = (sandbox.path().join("aws-config"), sandbox.path().join("aws-credentials"));
    sandbox.set("AWS_CONFIG_FILE", config.to_str().unwrap());
    sandbox.set("AWS_SHARED_CREDENTIALS_FILE", credentials.to_str().unwrap());
    fs::write(&config, "").unwrap();
    let both = keys("kept", KEPT) + &keys(lost, LOST);
    fs::write(&credentials, &both).unwrap();
    let file = sandbox.path().join("muster.toml");
    let accounts = "[[accounts]]\nname = \"kept\"\nprofile = \"kept\"\n";
    fs::write(&file, format!("regions = [{REGION:?}]\n{accounts}\n[[accounts]]\nname = \"lost\"\n{entry}")).unwrap();
    let server = sandbox.serve(&[&OFTEN[..], &["--config", file.to_str().unwrap()]].concat());
    server.swept();

    let mut client = Client::http(&server.http);
    let count = |client: &mut Client, account: &str| {
        let counted = client.call("count_inventory", &json!({"kind": "instance", "account": account})).unwrap();
        assert!(!counted.is_error, "{}", counted.text);
        counted.structured["total"].clone()
    };
    let (kept, held) = (count(&mut client, KEPT), count(&mut client, LOST));
    assert!(kept.as_u64() > Some(0) && held.as_u64() > Some(0));
    let endpoint = Endpoint { region: REGION.to_owned(), ..simulator.endpoint() };
    let listed = Account::by_role(&endpoint, &role(LOST)).every("ec2.describe_instances", "Reservations", &json!({}));
    let uri = format!("ec2://instance/{}", listed[0]["Instances"][0]["InstanceId"].as_str().unwrap());
    let mut clients =
        [Flavour::Rust, Flavour::RustLegacy].map(|flavour| Driver::connect(flavour, &Transport::Http(&server.http)));
    let before = client.read(&uri);

    fs::write(&credentials, keys("kept", KEPT)).unwrap();
    let says = |told: &Value| {
        let told = told.to_string();
        told.contains(&format!("no profile {lost}")) && told.contains("aws-credentials")
    };
    for client in &mut clients {
        eventually("each client reads that the profile is gone, and from which file", || {
            let read = client.read(&uri);
            assert_eq!(read["document"], before["document"], "what is known stays");
            says(&read["stale"]).then_some(())
        });
    }
    eventually("the summary says so too", || {
        let summary = client.call("get_inventory_summary", &json!({})).unwrap();
        assert!(summary.structured["unwatched"].as_array().is_none_or(Vec::is_empty), "{}", summary.text);
        says(&json!(summary.text)).then_some(())
    });
    assert_eq!((count(&mut client, KEPT), count(&mut client, LOST)), (kept, held), "nothing is retired");
    let counted = client.call("count_inventory", &json!({"kind": "instance", "account": LOST})).unwrap();
    assert!(says(&json!(counted.text)) || says(&counted.structured), "{}", counted.text);
    let other = client.call("count_inventory", &json!({"kind": "instance", "account": KEPT})).unwrap();
    assert!(!says(&json!(other.text)), "the other account is as before: {}", other.text);

    // What happens meanwhile is seen once the profile is back.
    let flip = json!({"account": LOST, "region": REGION, "from": 0, "count": 10_000});
    simulator.control("POST", "/flip", &flip);
    fs::write(&credentials, &both).unwrap();
    for client in &mut clients {
        eventually("each client reads what is so now", || {
            let read = client.read(&uri);
            (read["stale"].is_null() && read["document"]["State"] != before["document"]["State"]).then_some(())
        });
    }
    eventually_within(Duration::from_mins(2), "everything is complete", || client.is_swept().then_some(()));
}

#[test]
fn a_profile_that_goes_from_the_files_fails_its_account_alone_until_it_is_back() {
    a_profile_goes_and_comes_back("lost", "profile = \"lost\"\n");
}

#[test]
fn a_role_whose_source_profile_goes_fails_its_account_alone_until_that_is_back() {
    let role = role(LOST);
    a_profile_goes_and_comes_back("source", &format!("source_profile = \"source\"\nrole_arn = {role:?}\n"));
}
