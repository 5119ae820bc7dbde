//! What an operator is told of EC2's own read API: by `muster doctor`, by `muster status`, by metrics, and by a server that would read
//! its own copy in place of AWS.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::authority::Authority;
use crate::harness::ec2_caller::Ec2Caller;
use crate::harness::eventually;
use crate::harness::muster::{RARELY, Sandbox};
use crate::harness::roles::AccountsFile;
use crate::harness::simulator::Simulator;

/// What doctor finds of the read API with these flags: the verdict, and what it says.
fn found(sandbox: &Sandbox, flags: &[&str]) -> Vec<(String, String)> {
    found_by("read-api", sandbox, flags)
}

/// What a check of doctor finds.
fn found_by(check: &str, sandbox: &Sandbox, flags: &[&str]) -> Vec<(String, String)> {
    let data = sandbox.data();
    let words = ["doctor", "--json", "--data-dir", data.to_str().unwrap()];
    let output = sandbox.muster(&[&words[..], flags].concat()).output().unwrap();
    let said: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    let all = said["findings"].as_array().unwrap().iter().filter(|finding| finding["check"] == check);
    let text = |finding: &Value, name: &str| finding[name].as_str().unwrap_or_default().to_owned();
    let told = all.map(|finding| {
        let said = ["subject", "fact", "fix"].map(|name| text(finding, name)).join(" ");
        (text(finding, "verdict"), said)
    });
    told.collect()
}

/// A port of this machine where nothing listens.
fn free() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

#[test]
fn doctor_asks_the_read_api_as_a_client_does_and_names_what_is_wrong() {
    let simulator = Simulator::start(3, &[]);
    let endpoint = simulator.endpoint();
    let mut sandbox = Sandbox::new(&endpoint);
    let server = sandbox.serve(&[&RARELY[..], &["--ec2-api", "127.0.0.1:0"]].concat());
    server.swept();
    let address = server.ec2_api.clone().unwrap().strip_prefix("http://").unwrap().to_owned();
    assert!(found(&sandbox, &[]).is_empty(), "it is not configured");
    let [(verdict, said)] = &found(&sandbox, &["--ec2-api", &address])[..] else { panic!("one finding") };
    assert!(verdict == "ok" && said.contains("as of"), "{verdict} {said}");
    let elsewhere = free();
    let [(verdict, said)] = &found(&sandbox, &["--ec2-api", &elsewhere])[..] else { panic!("one finding") };
    assert!(verdict == "failed" && said.contains(&format!("answers it at {address}")), "{verdict} {said}");
    let file = sandbox.path().join("keys.toml");
    fs::write(&file, "[[keys]]\nid = \"AKIAMUSTEREXAMPLE1\"\nsecret = \"made-up-for-this-very-test\"\n").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let flags = ["--ec2-api", &address, "--ec2-api-keys", file.to_str().unwrap()];
    let [(verdict, said), (open, told)] = &found(&sandbox, &flags)[..] else { panic!("two findings") };
    assert!(verdict == "failed" && said.contains("chmod 600") && !said.contains("made-up"), "{verdict} {said}");
    assert!(open == "failed" && told.contains("without a signature"), "{open} {told}");
    sandbox.set("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true");
    let all = found(&sandbox, &["--ec2-api", &address]);
    let ignored = all.iter().find(|(_, said)| said.starts_with("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"));
    assert!(ignored.is_some_and(|(verdict, _)| verdict == "warning"), "{all:?}");
    sandbox.unset("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS");
    sandbox.set("AWS_ENDPOINT_URL_EC2", &format!("http://localhost:{}", address.rsplit_once(':').unwrap().1));
    let all = found(&sandbox, &["--ec2-api", &address]);
    let own = all.iter().find(|(_, said)| said.starts_with("AWS_ENDPOINT_URL_EC2 "));
    assert!(own.is_some_and(|(verdict, said)| verdict == "failed" && said.contains("Unset")), "{all:?}");
    sandbox.unset("AWS_ENDPOINT_URL_EC2");
    // Muster itself heeds ranges of addresses, and boto3 does not.
    sandbox.set("HTTP_PROXY", "http://somebody:secret@127.0.0.1:9");
    sandbox.set("NO_PROXY", "127.0.0.0/8");
    let [(warning, told), (verdict, said)] = &found(&sandbox, &["--ec2-api", &address])[..] else { panic!("two") };
    assert!(verdict == "ok" && warning == "warning" && told.starts_with("HTTP_PROXY"), "{told} {said}");
    assert!(told.contains("Add 127.0.0.1 to no_proxy, or to NO_PROXY") && !told.contains("secret"), "{told}");
    sandbox.set("NO_PROXY", "127.0.0.1");
    assert_eq!(found(&sandbox, &["--ec2-api", &address]).len(), 1);
    // The whole command line of a server, and any port.
    let others = ["--http", "127.0.0.1:0", "--idle-exit", "5m", "--allowed-host", "a.test", "--rate-limit", "9"];
    for address in [&*address, "127.0.0.1:0"] {
        let [(verdict, said)] = &found(&sandbox, &[&["--ec2-api", address][..], &others].concat())[..] else {
            panic!("one finding")
        };
        assert!(verdict == "ok" && said.contains("as of"), "{verdict} {said}");
    }
    drop(server);
    for (address, why) in [(&*elsewhere, "no server runs"), ("127.0.0.1:0", "port 0")] {
        let [(verdict, said)] = &found(&sandbox, &["--ec2-api", address])[..] else { panic!("one finding") };
        assert!(verdict == "skipped" && said.contains(why), "{verdict} {said}");
    }
}

#[test]
fn doctor_refuses_what_the_server_would_refuse() {
    let simulator = Simulator::start(1, &[]);
    let mut sandbox = Sandbox::new(&simulator.endpoint());
    let refused = |sandbox: &Sandbox, flags: &[&str]| -> Vec<String> {
        let all = found_by("configuration", sandbox, flags).into_iter();
        let ours = all.filter(|(_, said)| said.contains("`muster serve` refuses to start with it"));
        ours.map(|(verdict, said)| format!("{verdict} {said}")).collect()
    };
    for flags in [
        &["--http", "0.0.0.0:0"][..],
        &["--ec2-api", "0.0.0.0:0"],
        &["--ec2-api", "127.0.0.1:0", "--tls-cert", "cert.pem"],
    ] {
        let [said] = &refused(&sandbox, flags)[..] else { panic!("one finding for {flags:?}") };
        assert!(said.starts_with("failed "), "{said}");
        let output = sandbox.muster(&[&["serve"], flags].concat()).output().unwrap();
        let reason = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && !reason.is_empty(), "{flags:?}: {reason}");
    }
    assert!(refused(&sandbox, &["--ec2-api", "127.0.0.1:0", "--http", "127.0.0.1:0"]).is_empty());
    assert!(refused(&sandbox, &[]).is_empty());
    sandbox.set("MUSTER_EC2_API", "0.0.0.0:0");
    assert_eq!(refused(&sandbox, &[]).len(), 1, "by a variable");
}

#[test]
fn doctor_asks_for_a_kind_that_is_watched() {
    let simulator = Simulator::start(3, &[]);
    let sandbox = Sandbox::new(&simulator.endpoint());
    let server = sandbox.serve(&[&RARELY[..], &["--kinds", "instance", "--ec2-api", "127.0.0.1:0"]].concat());
    server.swept();
    let address = server.ec2_api.clone().unwrap().strip_prefix("http://").unwrap().to_owned();
    let flags = ["--kinds", "instance", "--ec2-api", &address];
    let [(verdict, said)] = &found(&sandbox, &flags)[..] else { panic!("one finding") };
    assert!(verdict == "ok" && said.contains("as of"), "{verdict} {said}");
}

#[test]
fn doctor_asks_about_one_of_the_accounts_of_a_configuration_file() {
    const REGION: &str = "us-east-1";
    let flags = ["--accounts", "2", "--account-regions", REGION, "--account-instances", "10"];
    let simulator = Simulator::start(3, &flags);
    let sandbox = Sandbox::new(&simulator.endpoint());
    let file = AccountsFile::new(&sandbox, &[REGION]);
    file.write(&[("one", "200000000001"), ("two", "200000000002")]);
    let server = sandbox.serve(&[&RARELY[..], &["--config", file.path(), "--ec2-api", "127.0.0.1:0"]].concat());
    server.swept();
    let address = server.ec2_api.clone().unwrap().strip_prefix("http://").unwrap().to_owned();
    let flags = ["--config", file.path(), "--ec2-api", &address];
    let [(verdict, said)] = &found(&sandbox, &flags)[..] else { panic!("one finding") };
    assert!(verdict == "ok" && said.contains("as of"), "{verdict} {said}");
}

#[test]
fn doctor_reaches_a_read_api_with_keys_by_tls() {
    let simulator = Simulator::start(3, &[]);
    let sandbox = Sandbox::new(&simulator.endpoint());
    let authority = Authority::new(sandbox.path());
    let (signed, file) = (authority.sign("server"), sandbox.path().join("keys.toml"));
    fs::write(&file, "[[keys]]\nid = \"AKIAMUSTEREXAMPLE1\"\nsecret = \"made-up-for-this-very-test\"\n").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let flags = ["--ec2-api", "0.0.0.0:0", "--ec2-api-keys", file.to_str().unwrap()];
    let server = sandbox.serve(&[&RARELY[..], &flags, &signed.flags()].concat());
    let address = server.ec2_api.clone().unwrap().strip_prefix("https://").unwrap().to_owned();
    let flags = ["--ec2-api", &address, "--ec2-api-keys", file.to_str().unwrap()];
    let [(verdict, said)] = &found(&sandbox, &flags)[..] else { panic!("one finding") };
    assert!(verdict == "ok" && said.contains("signs with a key"), "{verdict} {said}");
    let [(verdict, said)] = &found(&sandbox, &["--ec2-api", &address])[..] else { panic!("one finding") };
    assert!(verdict == "failed" && said.contains("Give --ec2-api-keys as the server has it"), "{verdict} {said}");
    let local = address.replace("0.0.0.0", "127.0.0.1");
    let [(verdict, said)] = &found(&sandbox, &["--ec2-api", &local])[..] else { panic!("one finding") };
    assert!(verdict == "failed" && said.contains(&format!("answers it at {address}")), "{verdict} {said}");
    let status = sandbox.muster(&["status", "--data-dir", sandbox.data().to_str().unwrap()]).output().unwrap();
    let status = String::from_utf8(status.stdout).unwrap();
    assert!(status.contains(&format!("EC2's read API at https://{address}: 0 requests")), "{status}");
}

#[test]
fn a_server_that_would_read_its_own_copy_does_not_start_and_names_the_variable() {
    let simulator = Simulator::start(3, &[]);
    let mut sandbox = Sandbox::new(&simulator.endpoint());
    let address = free();
    for url in [format!("http://{address}"), format!("http://localhost:{}/", address.rsplit_once(':').unwrap().1)] {
        sandbox.set("AWS_ENDPOINT_URL_EC2", &url);
        let data = sandbox.data();
        let words = ["serve", "--ec2-api", &address, "--data-dir", data.to_str().unwrap()];
        let output = sandbox.muster(&words).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(&format!("AWS_ENDPOINT_URL_EC2={url}")) && said.contains("unset"), "{said}");
    }
    // Another Muster may be read.
    sandbox.set("AWS_ENDPOINT_URL_EC2", &simulator.endpoint().url);
    let server = sandbox.serve(&[&RARELY[..], &["--ec2-api", &address]].concat());
    server.swept();
}

#[test]
fn what_aws_was_saved_is_counted_and_told() {
    let simulator = Simulator::start(6, &[]);
    let endpoint = simulator.endpoint();
    let sandbox = Sandbox::new(&endpoint);
    let flags = ["--ec2-api", "127.0.0.1:0", "--ec2-api-miss", "live"];
    let server = sandbox.serve(&[&RARELY[..], &flags].concat());
    server.swept();
    let boto3 = Ec2Caller::at(&server.ec2_api.clone().unwrap(), &endpoint.region);
    let (_, sizes) = boto3.pages("describe_instances", &json!({}), &json!({}), "Reservations", 5);
    boto3.items(
        "describe_tags",
        &json!({"Filters": [{"Name": "resource-type", "Values": ["vpc"]}]}),
        &json!({}),
        "Tags",
    );
    boto3.call("describe_volumes", &json!({"VolumeIds": ["vol-0123456789abcdef0"]}));
    boto3.call("describe_key_pairs", &json!({}));
    for _ in 0..2 {
        boto3.call("describe_regions", &json!({}));
    }
    let page = scraped(&server.http.replace("/mcp", "/metrics"));
    let count = |action: &str| {
        let start = format!("muster_read_api_calls_saved_total{{action=\"{action}\"}} ");
        page.lines().find_map(|line| line.strip_prefix(&start)).map(str::to_owned)
    };
    assert_eq!(count("DescribeInstances"), Some(sizes.len().to_string()), "{page}");
    assert_eq!(count("DescribeTags").as_deref(), Some("1"), "{page}");
    assert_eq!(count("DescribeRegions").as_deref(), Some("1"), "the first was asked of AWS: {page}");
    assert_eq!((count("DescribeVolumes"), count("_OTHER")), (None, None), "{page}");
    let (url, count) = (server.ec2_api.clone().unwrap(), sizes.len() + 2);
    let told = format!("EC2's read API at {url}: {count} requests answered from the copy today, 2 asked of AWS");
    let data = sandbox.data();
    eventually("the status says so", || {
        let status = sandbox.muster(&["status", "--data-dir", data.to_str().unwrap()]).output().unwrap();
        String::from_utf8(status.stdout).unwrap().contains(&told).then_some(())
    });
    assert_eq!(sandbox.server_facts()["read_api"], json!({"from_copy": sizes.len() + 2, "asked": 2}));
}

/// A page of metrics.
fn scraped(url: &str) -> String {
    let (address, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
    let head = format!("GET /{path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}
