//! Clients of EC2 other than boto3 read it from Muster as they read it from AWS, unchanged but for one variable: the AWS CLI, and
//! the SDK for Rust, which another Muster uses.

use std::process::Output;

use muster::kinds::KINDS;
use serde_json::{Value, json};

use crate::fields::{boto3, compare};
use crate::harness::account::Account;
use crate::harness::muster::{RARELY, Sandbox, Serve};
use crate::harness::python::Environment;
use crate::harness::rpc::Client;
use crate::harness::simulator::Simulator;

/// A server that has swept the account and answers EC2's API.
fn serving(sandbox: &Sandbox) -> Serve {
    let server = sandbox.serve(&[&RARELY[..], &["--ec2-api", "127.0.0.1:0"]].concat());
    server.swept();
    server
}

/// How many calls of Describe actions AWS was asked for.
fn described(simulator: &Simulator) -> u64 {
    let requests = simulator.control("GET", "/requests", &Value::Null);
    let calls = requests["requests"].as_array().unwrap().iter();
    let described = calls.filter(|call| call["action"].as_str().unwrap().starts_with("Describe"));
    described.map(|call| call["total"].as_u64().unwrap()).sum()
}

#[test]
fn another_muster_reads_the_copy_as_it_reads_aws() {
    let simulator = Simulator::start(60, &[]);
    let sandbox = Sandbox::new(&simulator.endpoint());
    let server = serving(&sandbox);
    let before = described(&simulator);
    let mut second = Sandbox::new(&simulator.endpoint());
    second.set("AWS_ENDPOINT_URL_EC2", server.ec2_api.as_deref().unwrap());
    let reader = second.serve(&RARELY);
    reader.swept();
    assert_eq!(described(&simulator), before, "the other Muster asks AWS for nothing");

    let resources = boto3(&Account::at(&simulator.endpoint()));
    let (mut first, mut other) = (Client::http(&server.http), Client::http(&reader.http));
    let (mut compared, mut differences) = (0, Vec::new());
    for spec in KINDS {
        assert!(!resources[spec.slug].is_empty(), "no {} to compare", spec.slug);
        for (id, _) in &resources[spec.slug] {
            let uri = match spec.status_of {
                Some(whole) => format!("ec2://{whole}/{id}/status"),
                None => format!("ec2://{}/{id}", spec.slug),
            };
            let [held, read] = [&mut first, &mut other].map(|client| client.read(&uri)["document"].take());
            compare(spec.slug, id, "", &held, &read, &mut differences);
            compared += 1;
        }
    }
    assert!(differences.is_empty(), "{} differences:\n{}", differences.len(), differences.join("\n"));
    eprintln!("{compared} resources are read from the copy as they are in it");
}

/// An AWS CLI whose EC2 is at `url`.
struct Cli {
    url: String,
    region: String,
}

impl Cli {
    fn run(&self, words: &[&str]) -> Output {
        let mut aws = Environment::AwsCli.program("aws");
        aws.env_clear().arg("ec2").args(words).args(["--output", "json"]);
        for (name, value) in [
            ("AWS_ENDPOINT_URL_EC2", self.url.as_str()),
            ("AWS_DEFAULT_REGION", self.region.as_str()),
            ("AWS_ACCESS_KEY_ID", "testing"),
            ("AWS_SECRET_ACCESS_KEY", "testing"),
            ("AWS_CONFIG_FILE", "/dev/null"),
            ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
            ("PATH", "/usr/bin:/bin"),
        ] {
            aws.env(name, value);
        }
        aws.output().unwrap()
    }

    /// What it prints.
    fn prints(&self, words: &[&str]) -> Value {
        let output = self.run(words);
        assert!(output.status.success(), "aws {words:?}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap_or(Value::Null)
    }

    /// The exit code with which it fails, and what it says.
    fn fails(&self, words: &[&str]) -> (Option<i32>, String) {
        let output = self.run(words);
        assert!(!output.status.success(), "aws {words:?}: {}", String::from_utf8_lossy(&output.stdout));
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    }
}

#[test]
fn the_aws_cli_prints_what_it_prints_of_aws() {
    let simulator = Simulator::start(30, &[]);
    let endpoint = simulator.endpoint();
    let sandbox = Sandbox::new(&endpoint);
    let server = serving(&sandbox);
    let aws = Cli { url: endpoint.url.clone(), region: endpoint.region.clone() };
    let muster = Cli { url: server.ec2_api.clone().unwrap(), region: endpoint.region.clone() };
    let instances = "Reservations[].Instances[]";
    let running = aws.prints(&[
        "describe-instances",
        "--filters",
        "Name=instance-state-name,Values=running",
        "--query",
        &format!("{instances}.InstanceId"),
    ]);
    let running = running[0].as_str().unwrap();
    let named = format!("{instances}.[InstanceId,State.Name,Tags[?Key=='Name']|[0].Value]");
    let questions: &[&[&str]] = &[
        &["describe-instances", "--query", &named],
        &["describe-instances", "--page-size", "5", "--query", &named],
        &["describe-instances", "--instance-ids", running, "--query", instances],
        &["describe-instances", "--filters", "Name=tag:Name,Values=*1*", "Name=instance-type,Values=t3.*,m5.*"],
        &["describe-instances", "--query", &format!("length({instances})")],
        &["describe-instance-status", "--include-all-instances"],
        &["describe-vpcs"],
        &["describe-subnets", "--page-size", "5"],
        &["describe-route-tables"],
        &["describe-internet-gateways"],
        &["describe-nat-gateways", "--filter", "Name=state,Values=available"],
        &["describe-network-acls"],
        &["describe-security-groups", "--query", "SecurityGroups[].IpPermissions[]"],
        &["describe-network-interfaces", "--query", "NetworkInterfaces[].PrivateIpAddresses[]"],
        &["describe-addresses"],
        &["describe-volumes", "--page-size", "6"],
        &["describe-snapshots", "--owner-ids", "self"],
        &["describe-images", "--owners", "self"],
    ];
    let before = described(&simulator);
    let read: Vec<Value> = questions.iter().map(|words| muster.prints(words)).collect();
    let vpcs = muster.prints(&["describe-tags", "--filters", "Name=resource-type,Values=vpc"]);
    assert!(vpcs["Tags"].is_array(), "{vpcs}");
    // Its first look is enough.
    assert_eq!(muster.prints(&["wait", "instance-running", "--instance-ids", running]), Value::Null);
    assert_eq!(described(&simulator), before, "what is read from the copy costs no calls");
    let mut differences = Vec::new();
    for (words, read) in questions.iter().zip(&read) {
        let expected = aws.prints(words);
        assert!(!matches!(&expected, Value::Array(list) if list.is_empty()), "{words:?} finds nothing");
        compare("aws", &words.join(" "), "", &expected, read, &mut differences);
    }
    assert!(differences.is_empty(), "{} differences:\n{}", differences.len(), differences.join("\n"));

    for words in [
        &["describe-instances", "--instance-ids", "i-0123456789abcdef0"][..],
        &["describe-volumes", "--volume-ids", "nonsense"],
        &["describe-vpcs", "--filters", "Name=no-such-filter,Values=x"],
        &["describe-vpcs", "--dry-run"],
    ] {
        let ((theirs, expected), (ours, said)) = (aws.fails(words), muster.fails(words));
        let code = |text: &str| text.split(['(', ')']).nth(1).map(str::to_owned);
        assert_eq!((theirs, code(&expected)), (ours, code(&said)), "{words:?}: {expected} {said}");
    }
    let (_, said) = muster.fails(&["terminate-instances", "--instance-ids", running]);
    assert!(said.contains("(UnauthorizedOperation)") && said.contains("Nothing was done"), "{said}");
    let left =
        aws.prints(&["describe-instances", "--instance-ids", running, "--query", &format!("{instances}.State.Name")]);
    assert_eq!(left, json!(["running"]));
}
