//! What Muster says when something it needs is missing, broken or forbidden: cause, object, next step, and never an empty
//! list in place of an error.

use std::fs::{self, File};
use std::time::Duration;

use http_body_util::Full;
use hyper::Request;
use hyper::body::Bytes;
use rustix::process::Signal;
use serde_json::json;
use tokio::time::Instant;

use crate::harness::driver::{Driver, Flavour, Transport};
use crate::harness::moto::Moto;
use crate::harness::muster::{Endpoint, OFTEN, RARELY, Sandbox};
use crate::harness::process::Running;
use crate::harness::rpc::Client;
use crate::harness::simulator::Simulator;
use crate::harness::{PATIENCE, eventually, rpc};

/// The front end introduces itself and lists its tools, whatever is wrong behind it.
fn introduces_itself(client: &mut Client) {
    let discovered = client.must("server/discover", &json!({}));
    assert!(discovered["supportedVersions"].to_string().contains("2025-11-25"), "{discovered}");
    let tools = client.tools();
    for tool in ["search_inventory", "get_instance_status"] {
        assert!(tools.contains(&tool.to_owned()), "{tools:?}");
    }
}

/// Each call is an error that says all `parts`, at the latest once the first attempt has failed.
fn complains(client: &mut Client, parts: &[&str]) {
    for (tool, arguments) in [
        ("search_inventory", &json!({"kind": "instance"})),
        ("get_instance_status", &json!({"instance_ids": ["i-0123456789abcdef0"]})),
    ] {
        let started = Instant::now();
        loop {
            let answer = client.call(tool, arguments).unwrap();
            assert!(answer.is_error, "{tool} answers as if nothing were wrong: {}", answer.text);
            let said = answer.text.to_lowercase();
            let Some(missing) = parts.iter().find(|part| !said.contains(&part.to_lowercase())) else { break };
            assert!(started.elapsed() < PATIENCE, "{tool} does not say {missing:?}: {}", answer.text);
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

#[test]
fn without_credentials_the_front_end_works_and_each_call_says_how_to_give_them() {
    let mut sandbox = Sandbox::bare();
    sandbox.set("AWS_REGION", "eu-central-1");
    let mut client = Client::stdio(&sandbox, &[]);
    introduces_itself(&mut client);
    complains(&mut client, &["credentials", "AWS_PROFILE"]);
}

#[test]
fn an_expired_login_is_answered_with_the_command_that_renews_it() {
    let mut sandbox = Sandbox::bare();
    let config = "[profile dev]\nsso_session = corp\nsso_account_id = 123456789012\nsso_role_name = reader\n\
                  region = eu-central-1\n\n[sso-session corp]\nsso_start_url = https://corp.awsapps.com/start\n\
                  sso_region = eu-central-1\n";
    let directory = sandbox.path().join("home/.aws");
    fs::create_dir(&directory).unwrap();
    fs::write(directory.join("config"), config).unwrap();
    sandbox.set("AWS_PROFILE", "dev");
    let mut client = Client::stdio(&sandbox, &[]);
    introduces_itself(&mut client);
    complains(&mut client, &["aws sso login --profile dev"]);
}

#[test]
fn without_a_region_the_front_end_works_and_each_call_says_how_to_give_one() {
    let mut sandbox = Sandbox::new(&Endpoint::dead());
    sandbox.unset("AWS_REGION");
    let mut client = Client::stdio(&sandbox, &[]);
    introduces_itself(&mut client);
    complains(&mut client, &["region", "AWS_REGION"]);
}

#[test]
fn without_a_network_the_front_end_works_and_each_call_says_where_to_look() {
    let sandbox = Sandbox::new(&Endpoint::dead());
    let mut client = Client::stdio(&sandbox, &[]);
    introduces_itself(&mut client);
    complains(&mut client, &["could not be reached", "AWS_ENDPOINT_URL"]);
}

#[test]
fn before_the_first_sweep_an_unknown_id_is_not_ready_rather_than_not_found() {
    let sandbox = Sandbox::new(&Endpoint::dead());
    let server = sandbox.serve(&[]);
    let mut client = Client::http(&server.http);
    let error = client.try_read("ec2://instance/i-0123456789abcdef0").unwrap_err();
    assert_ne!(error.code, -32602, "{error:?}");
    assert!(!error.message.contains("not found"), "{error:?}");
}

#[test]
fn a_damaged_store_is_refused_with_its_path_and_left_as_it_is() {
    let sandbox = Sandbox::new(&Endpoint::dead());
    let damage = b"this is no store".repeat(1000);
    fs::create_dir(sandbox.data()).unwrap();
    fs::write(sandbox.store(), &damage).unwrap();
    refuses_the_store(&sandbox);
    assert_eq!(fs::read(sandbox.store()).unwrap(), damage);
}

/// The way out that the message names works for the client that was told it, and for the server that told it.
#[test]
fn a_damaged_store_that_was_moved_away_is_made_anew_under_a_client_that_stayed() {
    let sandbox = Sandbox::new(&Endpoint::dead());
    fs::create_dir(sandbox.data()).unwrap();
    fs::write(sandbox.store(), b"this is no store").unwrap();
    let mut client = Client::stdio(&sandbox, &[]);
    complains(&mut client, &["damaged", "move it away"]);
    fs::rename(sandbox.store(), sandbox.path().join("kept")).unwrap();
    complains(&mut client, &["could not be reached"]);
}

#[test]
fn a_store_that_lost_its_end_is_refused_with_its_path_and_left_as_it_is() {
    let moto = Moto::start();
    moto.launch(3);
    let sandbox = Sandbox::new(&moto.endpoint());
    let mut server = sandbox.serve(&RARELY);
    server.swept();
    server.terminate();
    let whole = fs::read(sandbox.store()).unwrap();
    let half = &whole[..whole.len() / 2];
    fs::write(sandbox.store(), half).unwrap();
    refuses_the_store(&sandbox);
    assert!(fs::read(sandbox.store()).unwrap() == half, "the damaged store was changed");
}

#[test]
fn a_store_of_a_newer_format_is_refused_with_both_formats_and_left_as_it_is() {
    let sandbox = Sandbox::new(&Endpoint::dead());
    drop(muster::store::open(muster::store::StoreOptions::new(sandbox.data(), muster::kinds::project)).unwrap());
    let database = redb::Database::open(sandbox.store()).unwrap();
    let transaction = database.begin_write().unwrap();
    let meta = redb::TableDefinition::<&[u8], &[u8]>::new("meta");
    transaction.open_table(meta).unwrap().insert(&b"format"[..], &999_u32.to_le_bytes()[..]).unwrap();
    transaction.commit().unwrap();
    drop(database);
    let before = fs::read(sandbox.store()).unwrap();
    let said = refuses_the_store(&sandbox);
    assert!(said.contains("999"), "{said}");
    assert!(fs::read(sandbox.store()).unwrap() == before, "the newer store was changed");
}

#[test]
fn a_store_that_another_process_has_open_is_refused_with_its_path() {
    let sandbox = Sandbox::new(&Endpoint::dead());
    let _held = muster::store::open(muster::store::StoreOptions::new(sandbox.data(), muster::kinds::project)).unwrap();
    refuses_the_store(&sandbox);
}

/// `muster serve` ends with the path; `muster mcp` goes on and each call says it.
fn refuses_the_store(sandbox: &Sandbox) -> String {
    let path = sandbox.store();
    let path = path.to_str().unwrap();
    let (code, said) = fails_to_serve(sandbox);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains(path), "{said}");
    let mut client = Client::stdio(sandbox, &[]);
    introduces_itself(&mut client);
    complains(&mut client, &[path]);
    said
}

/// The exit code and words of a `muster serve` that cannot serve.
fn fails_to_serve(sandbox: &Sandbox) -> (i32, String) {
    let mut command = sandbox.muster(&["serve", "--data-dir"]);
    command.arg(sandbox.data());
    let mut server = Running::start("serve", command);
    let status = server.wait(PATIENCE);
    (status.code().expect("it ends by itself"), server.errors())
}

#[test]
fn a_second_server_on_one_data_directory_ends_and_names_the_first() {
    let simulator = Simulator::start(10, &[]);
    let sandbox = Sandbox::new(&simulator.endpoint());
    let first = sandbox.serve(&RARELY);
    let (code, said) = fails_to_serve(&sandbox);
    assert_eq!(code, 3, "{said}");
    assert!(said.contains(sandbox.data().to_str().unwrap()), "{said}");
    assert!(said.contains(&first.running.pid().to_string()), "{said}");
    first.swept();
}

#[test]
fn a_data_directory_held_by_something_silent_is_named_and_the_front_end_goes_on() {
    let sandbox = Sandbox::new(&Endpoint::dead());
    fs::create_dir(sandbox.data()).unwrap();
    let lock = File::create(sandbox.data().join("muster.lock")).unwrap();
    lock.lock().unwrap();
    let (code, said) = fails_to_serve(&sandbox);
    assert_eq!(code, 3, "{said}");
    assert!(said.contains(sandbox.data().to_str().unwrap()), "{said}");
    let mut client = Client::stdio(&sandbox, &[]);
    introduces_itself(&mut client);
    complains(&mut client, &[sandbox.data().to_str().unwrap()]);
    drop(lock);
}

#[test]
fn an_account_without_instances_is_answered_with_the_region_that_was_looked_at() {
    let moto = Moto::start();
    let sandbox = Sandbox::new(&moto.endpoint());
    let server = sandbox.serve(&RARELY);
    server.swept();
    let mut client = Client::http(&server.http);
    let found = client.call("search_inventory", &json!({"kind": "instance"})).unwrap();
    assert!(!found.is_error, "{}", found.text);
    assert_eq!(found.structured["total"], 0);
    assert!(found.text.contains(&moto.endpoint().region), "{}", found.text);
}

#[test]
fn a_resource_that_does_not_exist_is_not_found_in_each_eras_own_code() {
    let moto = Moto::start();
    moto.launch(1);
    let sandbox = Sandbox::new(&moto.endpoint());
    let server = sandbox.serve(&RARELY);
    server.swept();
    let uri = "ec2://instance/i-0123456789abcdef0";
    for (flavour, code) in [(Flavour::Auto, -32602), (Flavour::Legacy, -32002), (Flavour::Old, -32002)] {
        for transport in [Transport::Http(&server.http), Transport::Stdio(&sandbox, &[])] {
            let error = Driver::connect(flavour, &transport).try_read(uri).unwrap_err();
            assert_eq!(error["code"], code, "{flavour:?}: {error}");
            assert_eq!(error["data"]["uri"], uri, "{flavour:?}: {error}");
        }
    }
    let mut client = Client::http(&server.http);
    for wrong in
        ["ec2://instance", "ec2://instances/i-1", "ec2://instance/../vpc", "https://example.com/", "ec2://vpc/v?x"]
    {
        let error = client.try_read(wrong).unwrap_err();
        assert_eq!((error.code, &error.data["uri"]), (-32602, &json!(wrong)), "{error:?}");
    }
}

#[test]
fn a_call_that_aws_denies_shows_in_the_summary_and_the_other_kinds_go_on() {
    let moto = Moto::alone();
    moto.launch(2);
    let (key, secret) = moto.enforce(&[
        "ec2:DescribeInstances",
        "ec2:DescribeInstanceStatus",
        "ec2:DescribeSecurityGroups",
        "sts:GetCallerIdentity",
    ]);
    let mut sandbox = Sandbox::new(&moto.endpoint());
    sandbox.set("AWS_ACCESS_KEY_ID", &key);
    sandbox.set("AWS_SECRET_ACCESS_KEY", &secret);
    let server = sandbox.serve(&OFTEN);
    let mut client = Client::http(&server.http);
    let summary = eventually("the denial is in the summary", || {
        let summary = client.try_read("ec2://inventory/summary").ok()?.to_string();
        summary.contains("DescribeVpcs").then_some(summary)
    });
    assert!(summary.contains("ec2:DescribeVpcs"), "the permission to ask for is named: {summary}");
    eventually("instances are swept completely", || {
        let found = client.call("search_inventory", &json!({"kind": "instance"})).unwrap();
        assert!(!found.is_error, "{}", found.text);
        (found.structured["total"] == 2 && found.structured["incomplete"] == json!([])).then_some(())
    });
    let denied = client.call("search_inventory", &json!({"kind": "vpc"})).unwrap();
    assert!(denied.is_error || denied.text.contains("DescribeVpcs"), "no empty list for an error: {}", denied.text);
}

#[test]
fn sigterm_and_ctrl_c_stop_a_server_within_two_seconds() {
    let simulator = Simulator::start(2_000, &["--churn", "20"]);
    for signal in [Signal::TERM, Signal::INT] {
        let sandbox = Sandbox::new(&simulator.endpoint());
        let server = sandbox.serve(&OFTEN);
        let mut running = server.running;
        let _listening = Client::http(&server.http).listen(&["ec2://inventory/summary"], true);
        let mut front_end = Client::stdio(&sandbox, &[]);
        front_end.must("server/discover", &json!({}));
        assert!(running.signal(signal));
        let status = running.wait(Duration::from_secs(2));
        assert!(status.success(), "{signal:?}: {status}{}", running.tail());
    }
}

#[test]
fn http_answers_only_loopback_names_and_origins() {
    let sandbox = Sandbox::new(&Endpoint::dead());
    let server = sandbox.serve(&[]);
    let url: hyper::Uri = server.http.parse().unwrap();
    let own = url.authority().unwrap().as_str().to_owned();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let status = |host: &str, origin: Option<&str>| {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": "server/discover", "params": {"_meta": {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
        }}});
        let mut request = Request::post(url.path())
            .header("host", host)
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream")
            .header("mcp-protocol-version", "2026-07-28")
            .header("mcp-method", "server/discover");
        if let Some(origin) = origin {
            request = request.header("origin", origin);
        }
        let request = request.body(Full::new(Bytes::from(body.to_string()))).unwrap();
        runtime.block_on(rpc::send(&url, request)).status().as_u16()
    };
    assert_eq!(status(&own, None), 200);
    assert_eq!(status(&own, Some("http://localhost:6274")), 200);
    assert_eq!(status(&own, Some("https://evil.example")), 403);
    assert_eq!(status("evil.example", None), 403);

    let open = sandbox.muster(&["serve", "--http", "0.0.0.0:0"]).output().unwrap();
    assert!(!open.status.success());
    let said = String::from_utf8_lossy(&open.stderr).into_owned();
    assert!(said.contains("0.0.0.0") && said.contains("127.0.0.1"), "{said}");
}

#[test]
fn the_first_page_that_fails_says_why_at_once_while_the_first_sweep_goes_on() {
    let simulator = Simulator::start(5, &[]);
    simulator.control("PATCH", "/faults", &json!({"cut": {"share": 1.0, "actions": ["DescribeVpcs"]}}));
    let sandbox = Sandbox::new(&simulator.endpoint());
    let server = sandbox.serve(&RARELY);
    let mut client = Client::http(&server.http);
    let vpcs = |client: &mut Client| {
        let freshness = client.read("ec2://inventory/freshness");
        let scopes = freshness["scopes"].as_array().cloned().unwrap_or_default();
        scopes.into_iter().find(|scope| scope["kind"] == "vpc").unwrap_or_default()
    };
    let scope =
        eventually("the failure shows", || Some(vpcs(&mut client)).filter(|scope| scope["failure"].is_object()));
    let (failure, stale) = (&scope["failure"], scope["stale"]["why"].as_str().unwrap());
    assert!(scope["sweeping_since"].is_string(), "it was given up before anything was said: {scope}");
    assert!(stale.starts_with("never swept: ec2:DescribeVpcs"), "{stale}");
    assert!(failure["retry_at"].as_str() > failure["since"].as_str(), "{failure}");
    let summary = client.call("get_inventory_summary", &json!({})).unwrap();
    assert!(summary.text.contains("failing: ec2:DescribeVpcs"), "{}", summary.text);
    simulator.control("PATCH", "/faults", &json!({"cut": null}));
    eventually("it passes", || (vpcs(&mut client)["sweep"] == "complete").then_some(()));
    assert!(vpcs(&mut client)["failure"].is_null());
}

#[test]
fn an_aws_that_takes_calls_and_never_answers_is_named_in_the_first_answer() {
    // Connections are accepted by the system, and nobody reads them.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let sandbox = Sandbox::new(&Endpoint { url, region: "eu-central-1".to_owned() });
    let mut client = Client::stdio(&sandbox, &[]);
    let found = client.call("search_inventory", &json!({})).unwrap();
    let said = "AWS has not answered sts:GetCallerIdentity in eu-central-1";
    assert!(found.is_error && found.text.contains(said), "{}", found.text);
    let summary = client.call("get_inventory_summary", &json!({})).unwrap();
    assert!(summary.text.contains(said), "{}", summary.text);
}
