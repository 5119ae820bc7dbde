//! Keys in the environment rotate: those of one role lead to one server, which uses the best of them, and nothing keeps them.

use std::fs;
use std::path::{Path, PathBuf};

use aws_credential_types::Credentials;
use aws_sdk_sts::config::{BehaviorVersion, Region};
use serde_json::{Value, json};

use crate::harness::eventually;
use crate::harness::muster::{Endpoint, RARELY, Sandbox};
use crate::harness::process::Running;
use crate::harness::rpc::Client;
use crate::harness::simulator::Simulator;

/// Puts the keys of a new session of a role into the sandbox's environment, and returns them.
fn session(sandbox: &mut Sandbox, endpoint: &Endpoint, role: &str, name: &str, expires: &str) -> [String; 2] {
    let config = aws_sdk_sts::Config::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .credentials_provider(Credentials::new("testing", "testing", None, None, "keys"))
        .region(Region::new(endpoint.region.clone()))
        .endpoint_url(&endpoint.url)
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    let call = aws_sdk_sts::Client::from_conf(config).assume_role().role_arn(role).role_session_name(name).send();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let keys = runtime.block_on(call).unwrap().credentials.unwrap();
    sandbox.set("AWS_ACCESS_KEY_ID", &keys.access_key_id);
    sandbox.set("AWS_SECRET_ACCESS_KEY", &keys.secret_access_key);
    sandbox.set("AWS_SESSION_TOKEN", &keys.session_token);
    sandbox.set("AWS_CREDENTIAL_EXPIRATION", expires);
    [keys.secret_access_key, keys.session_token]
}

/// A client whose data directory is the one that its keys lead to.
fn client(sandbox: &Sandbox) -> Client {
    Client::over(Running::start("mcp", sandbox.muster(&[&["mcp"], &RARELY[..]].concat())))
}

/// The status of the server that the keys of the environment lead to.
fn status(sandbox: &Sandbox) -> Value {
    serde_json::from_slice(&sandbox.muster(&["status", "--json"]).output().unwrap().stdout).unwrap_or_default()
}

/// Ends the server that the keys of the environment lead to.
fn stop(sandbox: &Sandbox) {
    assert!(sandbox.muster(&["stop"]).output().unwrap().status.success());
}

/// Every file below a directory.
fn files(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            files(&entry, found);
        } else if entry.is_file() {
            found.push(entry);
        }
    }
}

#[test]
fn newer_keys_of_a_role_are_offered_to_its_server_and_those_of_another_role_are_not() {
    let simulator = Simulator::start(5, &[]);
    let endpoint = simulator.endpoint();
    let mut sandbox = Sandbox::new(&endpoint);
    let reader = "arn:aws:iam::123456789012:role/reader";
    let mut secrets = session(&mut sandbox, &endpoint, reader, "monday", "2030-01-01T00:00:00Z").to_vec();
    let mut first = client(&sandbox);
    eventually("the first sweep ends", || first.is_swept().then_some(()));
    let server = status(&sandbox);

    secrets.extend(session(&mut sandbox, &endpoint, reader, "tuesday", "2031-01-01T00:00:00Z"));
    let mut second = client(&sandbox);
    second.must("server/discover", &json!({}));
    let same = status(&sandbox);
    assert_eq!((&same["server"]["pid"], &same["data_dir"]), (&server["server"]["pid"], &server["data_dir"]));
    let log = Path::new(server["data_dir"].as_str().unwrap()).join("muster.log");
    let taken = || fs::read_to_string(&log).unwrap().matches("the keys of a client take the place").count();
    eventually("the server uses the newer keys", || (taken() == 1).then_some(()));

    // Older ones are not taken, however late they come.
    secrets.extend(session(&mut sandbox, &endpoint, reader, "sunday", "2029-01-01T00:00:00Z"));
    let mut third = client(&sandbox);
    assert!(third.call("count_inventory", &json!({"kind": "instance"})).is_ok());
    assert_eq!(status(&sandbox)["server"]["clients"], 3);
    assert_eq!(taken(), 1);
    stop(&sandbox);

    let writer = "arn:aws:iam::123456789012:role/writer";
    secrets.extend(session(&mut sandbox, &endpoint, writer, "monday", "2032-01-01T00:00:00Z"));
    let mut other = client(&sandbox);
    other.must("server/discover", &json!({}));
    let elsewhere = eventually("the other role is proved", || {
        let elsewhere = status(&sandbox);
        elsewhere["server"]["pid"].is_u64().then_some(elsewhere)
    });
    assert_ne!(elsewhere["data_dir"], server["data_dir"]);
    stop(&sandbox);

    // Nothing that a client said of its keys is on the disk.
    let mut found = Vec::new();
    files(&sandbox.path().join("state"), &mut found);
    assert!(found.iter().any(|file| file.ends_with("muster.redb")), "{found:?}");
    for file in found {
        let content = fs::read(&file).unwrap();
        for secret in &secrets {
            let holds = content.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!holds, "{} holds a secret", file.display());
        }
    }
}
