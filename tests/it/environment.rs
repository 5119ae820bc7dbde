//! Environments and command lines as MCP clients make them: blank, padded, not filled in.

use std::io::Write;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::harness::muster::{RARELY, Sandbox};
use crate::harness::process::Running;
use crate::harness::rpc::Client;
use crate::harness::simulator::Simulator;
use crate::harness::{PATIENCE, eventually};

/// Waits until the client's inventory counts `instances`.
fn counts(client: &mut Client, instances: u64) {
    eventually("the instances are counted", || {
        let counted = client.call("count_inventory", &json!({"kind": "instance"})).unwrap();
        (!counted.is_error && counted.structured["total"] == instances).then_some(())
    });
}

/// A front end that cannot be used as it is started answers every call with all of `parts`, changes nothing, says it on standard
/// error, and ends with the code of an unusable command line.
fn apologises(sandbox: &Sandbox, flags: &[&str], parts: &[&str]) {
    let arguments = sandbox.mcp_arguments(flags);
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut child = sandbox.muster(&words);
    let mut child = child.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let meta = json!({"io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {}});
    let request = |id: u64, method: &str, mut params: Value| {
        params["_meta"] = meta.clone();
        json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}).to_string() + "\n"
    };
    let mut stdin = child.stdin.take().unwrap();
    for line in [
        request(1, "server/discover", json!({})),
        request(2, "tools/list", json!({})),
        request(3, "tools/call", json!({"name": "search_inventory", "arguments": {"kind": "instance"}})),
        request(4, "resources/list", json!({})),
        request(
            5,
            "tools/call",
            json!({"name": "stop_instance", "arguments": {"instance_ids": ["i-0123456789abcdef0"]}}),
        ),
    ] {
        stdin.write_all(line.as_bytes()).unwrap();
    }
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    let answers: Vec<Value> =
        String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let answer = |id: u64| answers.iter().find(|answer| answer["id"] == id).unwrap_or_else(|| panic!("{id}: {errors}"));
    assert!(answer(1)["result"]["supportedVersions"].is_array(), "{}", answer(1));
    let tools = answer(2)["result"]["tools"].to_string();
    assert!(tools.contains("search_inventory") && !tools.contains("stop_instance"), "{tools}");
    assert_eq!(answer(3)["result"]["isError"], true, "{}", answer(3));
    for said in [answer(3).to_string(), answer(4).to_string(), errors.clone()] {
        for part in parts {
            assert!(said.contains(part), "{flags:?}: {part:?} is not in {said}");
        }
    }
    assert!(answer(5)["result"]["isError"] == true || answer(5)["error"].is_object(), "{}", answer(5));
    assert_eq!(output.status.code(), Some(2), "{errors}");
}

#[test]
fn blank_variables_and_blank_flags_say_nothing() {
    let simulator = Simulator::start(10, &[]);
    let mut sandbox = Sandbox::new(&simulator.endpoint());
    let config = format!("[default]\nregion = {}\n", simulator.endpoint().region);
    std::fs::create_dir(sandbox.path().join("home/.aws")).unwrap();
    std::fs::write(sandbox.path().join("home/.aws/config"), config).unwrap();
    for name in [
        "AWS_REGION",
        "AWS_DEFAULT_REGION",
        "AWS_PROFILE",
        "AWS_SESSION_TOKEN",
        "AWS_CA_BUNDLE",
        "AWS_CONFIG_FILE",
        "AWS_ENDPOINT_URL_EC2",
        "AWS_USE_FIPS_ENDPOINT",
        "AWS_MAX_ATTEMPTS",
        "MUSTER_ALLOW_WRITES",
        "MUSTER_AWS_SHARE",
        "MUSTER_INTERVAL",
        "MUSTER_REGIONS",
        "MUSTER_LIST",
        "MUSTER_HTTP",
        "MUSTER_RETAIN_SIZE",
        "MUSTER_LOG_FORMAT",
        "MUSTER_QUEUE_URL",
    ] {
        sandbox.set(name, if name.len() % 2 == 0 { "" } else { " \t" });
    }
    let blanks = ["--region", "", "--list=", "--canary-interval", " ", "--allow-writes", "", ""];
    let mut client = Client::stdio(&sandbox, &[&RARELY[..], &blanks].concat());
    counts(&mut client, 10);
    assert!(!client.tools().contains(&"stop_instance".to_owned()), "a blank is not yes");
}

#[test]
fn a_command_line_that_cannot_be_read_is_told_over_mcp() {
    let sandbox = Sandbox::bare();
    apologises(&sandbox, &["--allow-writes", "--nonsense"], &["--nonsense"]);
    apologises(&sandbox, &["--allow-writes=perhaps"], &["--allow-writes"]);
    apologises(&sandbox, &["--aws-share", "lots"], &["`lots` is not a share", "--aws-share"]);
    apologises(&sandbox, &["--log", "="], &["--log"]);
    apologises(&sandbox, &["--regions", "eu-cental-1"], &["did you mean `eu-central-1`?"]);
}

#[test]
fn a_variable_that_cannot_be_read_is_told_over_mcp_by_its_name() {
    for (name, value, parts) in [
        ("MUSTER_ALLOW_WRITES", "perhaps", &["MUSTER_ALLOW_WRITES", "perhaps"][..]),
        ("MUSTER_INTERVAL", "instance=soon", &["MUSTER_INTERVAL", "`soon` is not a duration"]),
        ("MUSTER_LIST", "some", &["MUSTER_LIST", "auto, all, collections"]),
        ("MUSTER_REGION", "Frankfurt", &["MUSTER_REGION names the region `Frankfurt`"]),
        ("MUSTER_KEEP_FREE", "-1", &["MUSTER_KEEP_FREE"]),
        ("MUSTER_WRITE_TAG", "", &["MUSTER_WRITE_TAG", "it is blank"]),
        ("MUSTER_DENY_WRITE", "prod", &["MUSTER_DENY_WRITE", "tag:Env=prod"]),
        ("MUSTER_DENY_WRITE", "tag:Env=prod,", &["MUSTER_DENY_WRITE", "it is blank"]),
        ("MUSTER_AUDIT_REQUIRED", "", &["MUSTER_AUDIT_REQUIRED"]),
    ] {
        let mut sandbox = Sandbox::bare();
        sandbox.set(name, value);
        apologises(&sandbox, &[], parts);
    }
}

#[test]
fn a_variable_that_only_a_server_reads_does_not_keep_the_front_end_from_starting_one() {
    let simulator = Simulator::start(3, &[]);
    let mut sandbox = Sandbox::new(&simulator.endpoint());
    sandbox.set("MUSTER_HTTP", "nonsense");
    counts(&mut Client::stdio(&sandbox, &RARELY), 3);
}

#[test]
fn other_commands_end_at_once_with_the_reason_and_help_is_help() {
    let mut sandbox = Sandbox::bare();
    sandbox.set("AWS_REGION", "${input:region}");
    let output = sandbox.muster(&["search", "state=running"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("AWS_REGION holds the placeholder `${input:region}`"), "{said}");
    for words in [&["mcp", "--help"][..], &["--version"], &["mcp", "--version"]] {
        let output = sandbox.muster(words).output().unwrap();
        assert!(output.status.success() && !output.stdout.is_empty(), "{words:?}");
    }
}

#[test]
fn a_value_that_the_client_did_not_fill_in_is_named_as_what_it_is() {
    for (name, value) in [
        ("AWS_REGION", "${input:region}"),
        ("AWS_REGION", "<region>"),
        ("AWS_PROFILE", "{{profile}}"),
        ("AWS_DEFAULT_REGION", "$REGION"),
        ("AWS_ACCESS_KEY_ID", "${env:KEY}"),
        ("AWS_ENDPOINT_URL", "%ENDPOINT%"),
        ("MUSTER_AWS_SHARE", "${user_config.share}"),
    ] {
        let mut sandbox = Sandbox::bare();
        sandbox.set(name, value);
        apologises(&sandbox, &[], &[name, value, "placeholder"]);
    }
    apologises(&Sandbox::bare(), &["--region", "${input:region}"], &["--region", "${input:region}", "placeholder"]);
}

#[test]
fn a_region_with_spaces_around_it_is_that_region_and_several_are_named_as_several() {
    let simulator = Simulator::start(4, &[]);
    let mut sandbox = Sandbox::new(&simulator.endpoint());
    sandbox.set("AWS_REGION", &format!(" {}\n", simulator.endpoint().region));
    let server = sandbox.serve(&RARELY);
    server.swept();
    let mut client = Client::http(&server.http);
    counts(&mut client, 4);
    let summary = client.read("ec2://inventory/summary");
    assert_eq!(summary["watched_regions"], json!([simulator.endpoint().region]));
    for several in ["us-east-1,eu-west-1", "us-east-1 eu-west-1", "us-east-1;eu-west-1"] {
        sandbox.set("AWS_REGION", several);
        apologises(&sandbox, &[], &["AWS_REGION holds several regions", several, "MUSTER_REGIONS"]);
    }
}

#[test]
fn a_home_in_the_data_directory_is_the_home() {
    let simulator = Simulator::start(2, &[]);
    for (place, (variable, flag)) in
        [(Some("~/kept"), None), (Some("$HOME/kept"), None), (None, Some("${HOME}/kept")), (None, Some("~/kept"))]
            .map(|(variable, flag)| (variable.or(flag).unwrap(), (variable, flag)))
    {
        let mut sandbox = Sandbox::new(&simulator.endpoint());
        let mut arguments = vec!["serve", "--http", "127.0.0.1:0"];
        match (variable, flag) {
            (Some(variable), _) => sandbox.set("MUSTER_DATA_DIR", variable),
            (_, flag) => arguments.extend(["--data-dir", flag.unwrap()]),
        }
        let running = Running::start("serve", sandbox.muster(&arguments));
        let said: Value = serde_json::from_str(&running.line(PATIENCE)).unwrap();
        let home = sandbox.path().join("home/kept");
        assert_eq!(said["data_dir"].as_str(), home.to_str(), "{place}");
        assert!(!sandbox.path().join("~").exists(), "{place}");
    }
}

#[test]
fn a_home_that_nobody_has_is_named() {
    for place in ["~nobody-here/kept", "$UNSET_HERE/kept", "%APPDATA%/kept"] {
        let mut sandbox = Sandbox::bare();
        sandbox.set("MUSTER_DATA_DIR", place);
        let output = sandbox.muster(&["doctor"]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(place) && said.contains("MUSTER_DATA_DIR"), "{said}");
        assert_eq!(std::fs::read_dir(sandbox.path()).unwrap().count(), 3, "a directory of that name was made");
    }
}

#[test]
fn a_configuration_file_below_the_home_is_found_however_the_home_is_written() {
    let simulator = Simulator::start(2, &[]);
    let region = simulator.endpoint().region;
    for written in ["~/aws/config", "$HOME/aws/config", "${HOME}/aws/config"] {
        let mut sandbox = Sandbox::new(&simulator.endpoint());
        sandbox.unset("AWS_REGION");
        std::fs::create_dir(sandbox.path().join("home/aws")).unwrap();
        std::fs::write(sandbox.path().join("home/aws/config"), format!("[default]\nregion = {region}\n")).unwrap();
        sandbox.set("AWS_CONFIG_FILE", written);
        let server = sandbox.serve(&RARELY);
        server.swept();
        counts(&mut Client::http(&server.http), 2);
    }
}

/// With the variable of clients in the shell, Muster's own commands looked at another data directory, and did not say why.
#[test]
fn a_variable_of_clients_that_leads_muster_itself_elsewhere_is_named() {
    let mut sandbox = Sandbox::bare();
    sandbox.set("AWS_REGION", "eu-central-1");
    let said =
        |sandbox: &Sandbox, words: &[&str]| String::from_utf8(sandbox.muster(words).output().unwrap().stderr).unwrap();
    let data = sandbox.data().to_str().unwrap().to_owned();
    let commands: [&[&str]; 6] = [&["status"], &["stop"], &["search"], &["count"], &["changes"], &["reload"]];
    for words in commands {
        assert!(!said(&sandbox, words).contains("AWS_ENDPOINT_URL"), "{words:?}");
    }
    for variable in ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_EC2"] {
        sandbox.set(variable, "http://127.0.0.1:8378");
        for words in commands {
            let told = said(&sandbox, words);
            assert!(told.contains(&format!("muster: {variable} is set, so this is about another EC2")), "{told}");
            let placed = said(&sandbox, &[words, &["--data-dir", &data]].concat());
            assert!(!placed.contains("AWS_ENDPOINT_URL"), "{placed}");
        }
    }
    sandbox.unset("AWS_ENDPOINT_URL");
    let told = said(&sandbox, &["config", "--client", "claude-code"]);
    assert!(told.contains("The block uses AWS_ENDPOINT_URL_EC2=http://127.0.0.1:8378"), "{told}");
}
