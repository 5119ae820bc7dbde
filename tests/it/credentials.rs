//! Whose credentials are used, and which files, certificates and proxies lead to them.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::{Request, Uri};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::harness::PATIENCE;
use crate::harness::middle::{Middle, certificate};
use crate::harness::muster::{RARELY, Sandbox, Serve};
use crate::harness::process::Running;
use crate::harness::rpc::{Client, send};
use crate::harness::simulator::Simulator;

/// Writes a file of AWS's configuration below the sandbox's home.
fn configure(sandbox: &Sandbox, name: &str, content: &[u8]) {
    let directory = sandbox.path().join("home/.aws");
    fs::create_dir_all(&directory).unwrap();
    fs::write(directory.join(name), content).unwrap();
}

/// A sandbox that watches the simulator with credentials and a region from the files only.
fn by_files(simulator: &Simulator) -> Sandbox {
    let mut sandbox = Sandbox::new(&simulator.endpoint());
    for name in ["AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] {
        sandbox.unset(name);
    }
    sandbox
}

const KEYS: &str = "[default]\naws_access_key_id = AKIDFILE\naws_secret_access_key = s3cret\n";

/// The findings of `muster doctor`.
fn doctor(sandbox: &Sandbox, flags: &[&str]) -> Vec<Value> {
    let data = sandbox.data();
    let arguments = [&["doctor", "--json", "--data-dir", data.to_str().unwrap()], flags].concat();
    let output = sandbox.muster(&arguments).output().unwrap();
    let body: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    body["findings"].as_array().unwrap().clone()
}

fn finding<'a>(findings: &'a [Value], check: &str) -> &'a Value {
    findings.iter().find(|finding| finding["check"] == check).unwrap_or_else(|| panic!("no {check}: {findings:?}"))
}

/// Each call of a tool is an error that says all `parts`.
fn complains(client: &mut Client, parts: &[&str]) {
    let started = Instant::now();
    loop {
        let answer = client.call("search_inventory", &json!({"kind": "instance"})).unwrap();
        assert!(answer.is_error, "answers as if nothing were wrong: {}", answer.text);
        let Some(missing) = parts.iter().find(|part| !answer.text.contains(**part)) else { return };
        assert!(started.elapsed() < PATIENCE, "it does not say {missing:?}: {}", answer.text);
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// A server on the sandbox sweeps `instances`.
fn sweeps(sandbox: &Sandbox, instances: u64) {
    let server = sandbox.serve(&RARELY);
    server.swept();
    let mut client = Client::http(&server.http);
    let counted = client.call("count_inventory", &json!({"kind": "instance"})).unwrap();
    assert_eq!(counted.structured["total"], instances, "{}", counted.text);
}

/// What the summary of a server says of its credentials.
fn credentials(sandbox: &Sandbox, flags: &[&str]) -> (String, String) {
    let server = sandbox.serve(&[&RARELY[..], flags].concat());
    server.swept();
    let mut client = Client::http(&server.http);
    let summary = client.call("get_inventory_summary", &json!({})).unwrap();
    let freshness = client.read("ec2://inventory/freshness");
    let said = summary.structured["credentials"].as_str().unwrap().to_owned();
    assert!(summary.text.contains(&format!("Credentials: {said}")), "{}", summary.text);
    assert_eq!(freshness["credentials"], said.as_str());
    (said, summary.structured["scopes"][0]["account"].as_str().unwrap().to_owned())
}

/// The role of another account of the simulator, by a profile of the files.
fn corp(simulator: &Simulator) -> String {
    format!(
        "[profile corp]\nrole_arn = arn:aws:iam::999999999999:role/reader\nsource_profile = base\nregion = {}\n\
         [profile base]\naws_access_key_id = AKIDBASE\naws_secret_access_key = s3cret\n",
        simulator.endpoint().region
    )
}

#[test]
fn a_profile_asked_for_by_name_is_used_though_the_environment_holds_keys() {
    let simulator = Simulator::start(3, &[]);
    let mut sandbox = Sandbox::new(&simulator.endpoint());
    configure(&sandbox, "config", corp(&simulator).as_bytes());
    let (said, environments) = credentials(&sandbox, &[]);
    assert_eq!(said, "environment (AWS_ACCESS_KEY_ID)");
    sandbox.set("AWS_PROFILE", "corp");
    assert_eq!(credentials(&sandbox, &[]).0, "environment (AWS_ACCESS_KEY_ID)", "keys go before AWS_PROFILE");
    let identity = doctor(&sandbox, &[]);
    assert_eq!(finding(&identity, "identity")["subject"], "credentials: environment (AWS_ACCESS_KEY_ID)");

    for (name, value) in [
        ("AWS_SESSION_TOKEN", "token"),
        ("AWS_ROLE_ARN", "arn:aws:iam::111111111111:role/x"),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", "/nowhere"),
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1:1/"),
    ] {
        sandbox.set(name, value);
    }
    let identity = doctor(&sandbox, &["--profile", "corp"]);
    let identity = finding(&identity, "identity");
    assert_eq!((&identity["subject"], &identity["verdict"]), (&json!("credentials: profile corp"), &json!("ok")));
    let fact = identity["fact"].as_str().unwrap();
    assert!(fact.contains("999999999999") && !fact.contains(&environments), "{fact}");
}

#[test]
fn the_block_for_a_client_names_the_profile_so_that_keys_of_the_client_do_not_matter() {
    let mut sandbox = Sandbox::bare();
    sandbox.set("AWS_REGION", "eu-central-1");
    sandbox.set("AWS_ACCESS_KEY_ID", "AKIDEXAMPLEKEY");
    sandbox.set("AWS_SECRET_ACCESS_KEY", "a-secret-to-keep");
    let printed = |flags: &[&str], sandbox: &Sandbox| -> Value {
        let arguments = [&["config", "--client", "claude-desktop"], flags].concat();
        serde_json::from_slice(&sandbox.muster(&arguments).output().unwrap().stdout).unwrap()
    };
    let expected = json!(["mcp", "--profile", "corp"]);
    let block = printed(&["--profile", "corp"], &sandbox);
    let server = &block["mcpServers"]["muster"];
    assert_eq!((&server["args"], &server["env"]), (&expected, &json!({"AWS_REGION": "eu-central-1"})));
    sandbox.set("MUSTER_PROFILE", "corp");
    assert_eq!(printed(&[], &sandbox)["mcpServers"]["muster"]["args"], expected);
}

#[test]
fn refused_keys_of_the_environment_are_not_blamed_on_a_profile() {
    let moto = crate::harness::moto::Moto::alone();
    let (_, _) = moto.enforce(&["ec2:DescribeInstances"]);
    let mut sandbox = Sandbox::new(&moto.endpoint());
    sandbox.set("AWS_PROFILE", "corp");
    sandbox.set("AWS_ACCESS_KEY_ID", "AKIDNOBODY");
    configure(&sandbox, "config", b"[profile corp]\noutput = json\n");
    let identity = doctor(&sandbox, &[]);
    let identity = finding(&identity, "identity");
    assert_eq!(identity["verdict"], "failed", "{identity}");
    let fix = identity["fix"].as_str().unwrap();
    assert!(fix.contains("AWS_ACCESS_KEY_ID") && !fix.contains("corp"), "{fix}");
}

#[test]
fn configuration_files_are_read_as_the_aws_cli_reads_them() {
    let simulator = Simulator::start(3, &[]);
    let region = simulator.endpoint().region;
    for config in [
        format!("\u{feff}[default]\nregion = {region}\n"),
        format!("[default]\n  region = {region}\n  output = json\n"),
        format!("[default]\r\nregion = {region}\r\n"),
        format!("[default] ; mine\n\t# a comment\n\tregion: {region}\n"),
        format!("[default]\ns3 =\n  max_queue_size = 1\n  # ten\nregion = {region}\nca_bundle =\n"),
    ] {
        let sandbox = by_files(&simulator);
        configure(&sandbox, "config", config.as_bytes());
        configure(&sandbox, "credentials", format!("\u{feff}{}", KEYS.replace("aws_", "  aws_")).as_bytes());
        sweeps(&sandbox, 3);
    }
}

#[test]
fn what_is_wrong_with_a_configuration_file_is_named_with_its_line_in_tools_log_and_doctor() {
    let simulator = Simulator::start(3, &[]);
    let region = simulator.endpoint().region;
    let wide: Vec<u8> = "\u{feff}[default]\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    for (config, place, what) in [
        (
            format!("[default]\nregion = {region}\n[profile other\nregion = x\n").into_bytes(),
            "config line 3",
            "[profile other",
        ),
        (
            format!("[default]\nregion = {region}\n[profile b]\nnonsense s3cret\n").into_bytes(),
            "config line 4",
            "name = value",
        ),
        (format!("region = {region}\n").into_bytes(), "config line 1", "precedes the first header"),
        (wide, "config", "UTF-16"),
        (b"[default]\n# caf\xe9\n".to_vec(), "config line 2", "UTF-8"),
        (b"[default]\nregion = <region>\n".to_vec(), "config line 2", "<region>"),
    ] {
        let sandbox = by_files(&simulator);
        configure(&sandbox, "config", &config);
        configure(&sandbox, "credentials", KEYS.as_bytes());
        let server = sandbox.serve(&RARELY);
        complains(&mut Client::http(&server.http), &[place, what]);
        let log = server.running.errors();
        assert!(log.contains(place) && log.contains(what) && !log.contains("s3cret"), "{log}");
        let findings = doctor(&sandbox, &[]);
        let found = finding(&findings, "configuration");
        assert_eq!(found["verdict"], "failed", "{found}");
        assert!(found["subject"].as_str().unwrap().ends_with(place), "{found}");
        assert!(found["fact"].as_str().unwrap().contains(what), "{found}");
        if what == "UTF-16" {
            // Mended, it is read again without a restart.
            configure(&sandbox, "config", format!("[default]\nregion = {region}\n").as_bytes());
            server.swept();
        }
    }
}

#[test]
fn a_configuration_file_that_is_not_there_or_no_file_is_named_where_something_is_missing() {
    let simulator = Simulator::start(3, &[]);
    let mut sandbox = by_files(&simulator);
    sandbox.set("AWS_REGION", &simulator.endpoint().region);
    let directory = sandbox.path().to_str().unwrap().to_owned();
    sandbox.set("AWS_CONFIG_FILE", &directory);
    sandbox.set("AWS_SHARED_CREDENTIALS_FILE", "/nowhere/credentials");
    let server = sandbox.serve(&RARELY);
    let mut client = Client::http(&server.http);
    complains(&mut client, &[&directory, "is a directory", "AWS_CONFIG_FILE names it"]);
    complains(&mut client, &["/nowhere/credentials: it does not exist (AWS_SHARED_CREDENTIALS_FILE names it)"]);
    drop(server);
    // Who needs none of them is not kept from working.
    sandbox.set("AWS_ACCESS_KEY_ID", "testing");
    sandbox.set("AWS_SECRET_ACCESS_KEY", "testing");
    sweeps(&sandbox, 3);
    let findings = doctor(&sandbox, &[]);
    assert_eq!(finding(&findings, "configuration")["verdict"], "warning");
}

#[test]
fn a_certificate_of_a_private_authority_is_trusted_by_variable_and_by_profile() {
    let simulator = Simulator::start(3, &[]);
    let tls = Middle::tls(&simulator.endpoint());
    let authority = certificate("authority.pem");
    let authority = authority.to_str().unwrap();
    let mut sandbox = Sandbox::new(&tls.endpoint());
    sandbox.set("AWS_CA_BUNDLE", authority);
    sweeps(&sandbox, 3);
    let sandbox = Sandbox::new(&tls.endpoint());
    configure(&sandbox, "config", format!("[default]\nca_bundle = {authority}\n").as_bytes());
    sweeps(&sandbox, 3);
}

#[test]
fn a_certificate_that_is_not_trusted_names_the_variable() {
    let simulator = Simulator::start(3, &[]);
    let tls = Middle::tls(&simulator.endpoint());
    let server = Sandbox::new(&tls.endpoint());
    let server = (server.serve(&RARELY), server);
    complains(&mut Client::http(&server.0.http), &["UnknownIssuer", "AWS_CA_BUNDLE"]);
    let findings = doctor(&server.1, &[]);
    assert!(finding(&findings, "identity")["fix"].as_str().unwrap().contains("AWS_CA_BUNDLE"));

    for (bundle, parts) in [
        (certificate("other.pem"), &["UnknownIssuer", "AWS_CA_BUNDLE", "other.pem"][..]),
        (certificate("README"), &["README", "no certificate", "AWS_CA_BUNDLE"]),
        ("/nowhere/ca.pem".into(), &["/nowhere/ca.pem", "does not exist", "AWS_CA_BUNDLE"]),
    ] {
        let mut sandbox = Sandbox::new(&tls.endpoint());
        sandbox.set("AWS_CA_BUNDLE", bundle.to_str().unwrap());
        let server = sandbox.serve(&RARELY);
        complains(&mut Client::http(&server.http), parts);
    }
}

#[test]
fn proxies_are_used_and_left_out_as_their_variables_say() {
    let simulator = Simulator::start(3, &[]);
    for lower in [false, true] {
        let spelled = |name: &str| if lower { name.to_lowercase() } else { name.to_owned() };
        let proxy = Middle::proxy();
        let mut sandbox = Sandbox::new(&simulator.endpoint());
        sandbox.set(&spelled("HTTP_PROXY"), &proxy.endpoint().url);
        sweeps(&sandbox, 3);
        assert!(proxy.asked().iter().any(|line| line.starts_with("POST http://127.0.0.1")), "{:?}", proxy.asked());
        let used = proxy.asked().len();
        sandbox.set(&spelled("NO_PROXY"), "example.com,127.0.0.1");
        fs::remove_dir_all(sandbox.data()).unwrap();
        sweeps(&sandbox, 3);
        assert_eq!(proxy.asked().len(), used, "NO_PROXY is not heeded");

        let (tls, proxy) = (Middle::tls(&simulator.endpoint()), Middle::proxy());
        let mut sandbox = Sandbox::new(&tls.endpoint());
        sandbox.set("AWS_CA_BUNDLE", certificate("authority.pem").to_str().unwrap());
        sandbox.set(&spelled("HTTPS_PROXY"), &proxy.endpoint().url);
        sweeps(&sandbox, 3);
        assert!(proxy.asked().iter().any(|line| line.starts_with("CONNECT 127.0.0.1")), "{:?}", proxy.asked());
    }
}

/// The temporary key of a session of a role of the simulator.
fn session_key(simulator: &Simulator, role: &str, session: &str) -> String {
    let url: Uri = simulator.endpoint().url.parse().unwrap();
    let arn = format!("arn:aws:iam::111111111111:role/{role}");
    let body = format!("Action=AssumeRole&Version=2011-06-15&RoleArn={arn}&RoleSessionName={session}");
    let scope = format!("AKIDBASE/20261122/{}/sts/aws4_request", simulator.endpoint().region);
    let request = Request::post("/")
        .header("host", url.authority().unwrap().as_str())
        .header("content-type", "application/x-www-form-urlencoded")
        .header("authorization", format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=x"))
        .body(Full::from(body))
        .unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let answer = runtime.block_on(async { send(&url, request).await.into_body().collect().await.unwrap().to_bytes() });
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let key = answer.split_once("<AccessKeyId>").and_then(|(_, rest)| rest.split_once('<'));
    key.unwrap_or_else(|| panic!("no key: {answer}")).0.to_owned()
}

/// Where a server goes that is started with a key in its environment and no directory, and how many records its store has
/// once it is swept.
fn served_with(sandbox: &mut Sandbox, key: &str) -> (PathBuf, u64) {
    sandbox.set("AWS_ACCESS_KEY_ID", key);
    sandbox.set("AWS_SESSION_TOKEN", "token");
    let running = Running::start("serve", sandbox.muster(&[&["serve", "--http", "127.0.0.1:0"], &RARELY[..]].concat()));
    let said: Value = serde_json::from_str(&running.line(PATIENCE)).unwrap();
    let mut server = Serve { running, http: said["http"].as_str().unwrap().to_owned(), metrics: None, ec2_api: None };
    server.swept();
    let summary = Client::http(&server.http).call("get_inventory_summary", &json!({})).unwrap();
    server.terminate();
    (PathBuf::from(said["data_dir"].as_str().unwrap()), summary.structured["seq"].as_u64().unwrap())
}

#[test]
fn new_keys_of_one_role_find_its_history_and_those_of_another_role_do_not() {
    let simulator = Simulator::start(3, &[]);
    let mut sandbox = Sandbox::new(&simulator.endpoint());
    let keys = [("reader", "monday"), ("reader", "tuesday"), ("writer", "monday")];
    let keys = keys.map(|(role, session)| session_key(&simulator, role, session));
    let (first, records) = served_with(&mut sandbox, &keys[0]);
    assert!(records > 0);
    let (second, later) = served_with(&mut sandbox, &keys[1]);
    assert_eq!(second, first, "the same store");
    assert!(later >= records, "its log goes on: {later} after {records}");
    assert!(!first.with_file_name("by-key").join(keys[1].as_str()).exists());
    let (other, _) = served_with(&mut sandbox, &keys[2]);
    assert_ne!(other, first, "another role");
    assert_eq!(served_with(&mut sandbox, &keys[0]).0, first, "a key goes where it went before");
    for entry in walk(&sandbox.path().join("state")) {
        let name = entry.to_string_lossy();
        assert!(keys.iter().all(|key| !name.contains(key.as_str())), "{name}");
        let bytes = fs::read(&entry).unwrap_or_default();
        let holds = |key: &String| bytes.windows(key.len()).any(|part| part == key.as_bytes());
        assert!(!keys.iter().any(holds), "{name} holds a key");
    }
}

/// The files below a directory.
fn walk(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}
