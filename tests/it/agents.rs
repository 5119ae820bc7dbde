//! AWS's records tell the clients apart that changed something.

use std::fs;

use http_body_util::{BodyExt, Full};
use hyper::{Request, Uri};
use serde_json::{Value, json};

use crate::harness::muster::{RARELY, Sandbox};
use crate::harness::rpc::{Client, send};
use crate::harness::simulator::Simulator;

/// The account of the simulator whose instances are stopped.
const ACCOUNT: &str = "123456789012";

/// The events of these names that CloudTrail recorded in an account of the simulator.
fn recorded(simulator: &Simulator, account: &str, name: &str) -> Vec<Value> {
    let endpoint = simulator.endpoint();
    let url: Uri = endpoint.url.parse().unwrap();
    let scope = format!("{account}/20261122/{}/cloudtrail/aws4_request", endpoint.region);
    let asked = json!({"LookupAttributes": [{"AttributeKey": "EventName", "AttributeValue": name}]});
    let request = Request::post("/")
        .header("host", url.authority().unwrap().as_str())
        .header("content-type", "application/x-amz-json-1.1")
        .header("x-amz-target", "CloudTrail_20131101.LookupEvents")
        .header("authorization", format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=x"))
        .body(Full::from(asked.to_string()))
        .unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let answer = runtime.block_on(async { send(&url, request).await.into_body().collect().await.unwrap().to_bytes() });
    let answer: Value = serde_json::from_slice(&answer).unwrap();
    let events = answer["Events"].as_array().unwrap_or_else(|| panic!("{answer}"));
    events.iter().map(|event| serde_json::from_str(event["CloudTrailEvent"].as_str().unwrap()).unwrap()).collect()
}

/// Two clients of these names stop an instance each; what CloudTrail recorded of that, the first client's first.
fn two_stops(simulator: &Simulator, sandbox: &Sandbox, account: &str, flags: &[&str]) -> [Value; 2] {
    let server = sandbox.serve(&[&RARELY[..], &["--allow-writes"], flags].concat());
    server.swept();
    let mut found = Vec::new();
    for name in ["alpha agent", "beta"] {
        let mut client = Client::http(&server.http).named(name);
        let running = json!({"filters": {"instance-state-name": ["running"]}, "limit": 1});
        let rows = client.call("search_inventory", &running).unwrap().structured;
        let id = rows["rows"][0]["id"].as_str().unwrap_or_else(|| panic!("{rows}")).to_owned();
        let stopped = client.call("stop_instance", &json!({"instance_id": id})).unwrap();
        assert_eq!(stopped.structured["results"][0]["verdict"], "done", "{}", stopped.text);
        let records = recorded(simulator, account, "StopInstances");
        let of = |record: &&Value| record["requestParameters"].to_string().contains(&id);
        found.push(records.iter().find(of).unwrap_or_else(|| panic!("{records:?}")).clone());
    }
    found.try_into().unwrap()
}

/// Has the profile `corp` assume a role.
fn assume(simulator: &Simulator, sandbox: &Sandbox) {
    let files = format!(
        "[profile corp]\nrole_arn = arn:aws:iam::{ACCOUNT}:role/writer\nsource_profile = base\nregion = {}\n\
         [profile base]\naws_access_key_id = AKIDBASE\naws_secret_access_key = s3cret\n",
        simulator.endpoint().region
    );
    let directory = sandbox.path().join("home/.aws");
    fs::create_dir_all(&directory).unwrap();
    fs::write(directory.join("config"), files).unwrap();
}

#[test]
fn each_client_has_a_session_of_its_own_where_muster_assumes_the_role() {
    let simulator = Simulator::start(20, &[]);
    let sandbox = Sandbox::new(&simulator.endpoint());
    assume(&simulator, &sandbox);
    let records = two_stops(&simulator, &sandbox, ACCOUNT, &["--profile", "corp"]);
    let source = |record: &Value| record["userIdentity"]["sessionContext"]["sourceIdentity"].clone();
    assert!(records.iter().all(|record| source(record).is_null()), "nobody asked for it");
    let arn = |record: &Value| record["userIdentity"]["arn"].as_str().unwrap().to_owned();
    let [alpha, beta] = [arn(&records[0]), arn(&records[1])];
    assert!(alpha.starts_with("arn:aws:sts::123456789012:assumed-role/writer/muster-alpha-agent-http-"), "{alpha}");
    assert!(beta.starts_with("arn:aws:sts::123456789012:assumed-role/writer/muster-beta-http-"), "{beta}");
}

#[test]
fn a_source_identity_is_given_where_it_is_asked_for() {
    let simulator = Simulator::start(20, &[]);
    let sandbox = Sandbox::new(&simulator.endpoint());
    assume(&simulator, &sandbox);
    let records = two_stops(&simulator, &sandbox, ACCOUNT, &["--profile", "corp", "--source-identity"]);
    for record in records {
        let identity = &record["userIdentity"];
        let (arn, source) = (&identity["arn"], &identity["sessionContext"]["sourceIdentity"]);
        let (arn, source) = (arn.as_str().unwrap(), source.as_str().unwrap_or_else(|| panic!("{identity}")));
        assert!(source.starts_with("muster-") && arn.ends_with(&format!("/{source}")), "{identity}");
    }
}

#[test]
fn the_user_agent_names_the_client_where_no_role_is_assumed() {
    let simulator = Simulator::start(20, &[]);
    let sandbox = Sandbox::new(&simulator.endpoint());
    let records = two_stops(&simulator, &sandbox, ACCOUNT, &[]);
    let agent = |record: &Value| record["userAgent"].as_str().unwrap().to_owned();
    let [alpha, beta] = [agent(&records[0]), agent(&records[1])];
    assert!(alpha.contains("app/muster-alpha-agent-http-"), "{alpha}");
    assert!(beta.contains("app/muster-beta-http-"), "{beta}");
}
