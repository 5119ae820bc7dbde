//! Clients of EC2 read it from Muster as they read it from AWS, unchanged but for one variable. What each asks is recorded, and is
//! the table of `muster help ec2-clients`; what that page says of how each is set is what runs here.

mod ansible;
mod asked;
mod javascript;
mod others;
mod prometheus;
mod waiters;

use std::path::PathBuf;
use std::process::{Command, Output};

use muster::kinds::KINDS;
use serde_json::{Value, json};

use self::asked::{recorded, snippet};
use crate::fields::{boto3, compare};
use crate::harness::account::Account;
use crate::harness::muster::{Endpoint, RARELY, Sandbox, Serve};
use crate::harness::python::Environment;
use crate::harness::recorder::Recorder;
use crate::harness::rpc::Client;
use crate::harness::simulator::Simulator;

/// The region of the page's examples.
const REGION: &str = "eu-central-1";

/// An id that no instance has.
const UNKNOWN: &str = "i-0123456789abcdef0";

/// An account, a server that has swept it and answers EC2's API, and a recorder before that.
struct Recorded {
    aws: Endpoint,
    sandbox: Sandbox,
    server: Serve,
    recorder: Recorder,
    // Held for its end.
    _simulator: Option<Simulator>,
}

impl Recorded {
    /// One with so many instances, simulated with these flags; flags of the server follow.
    fn of(instances: usize, simulated: &[&str], flags: &[&str]) -> Recorded {
        let simulator = Simulator::start(instances, &[&["--region", REGION], simulated].concat());
        let account = Recorded::at(&simulator.endpoint(), &[&RARELY[..], flags].concat());
        Recorded { _simulator: Some(simulator), ..account }
    }

    /// The account that is there.
    fn at(aws: &Endpoint, flags: &[&str]) -> Recorded {
        let sandbox = Sandbox::new(aws);
        let server = sandbox.serve(&[&["--ec2-api", "127.0.0.1:0"], flags].concat());
        server.swept();
        let recorder = Recorder::before(server.ec2_api.as_deref().unwrap());
        Recorded { aws: aws.clone(), sandbox, server, recorder, _simulator: None }
    }

    /// Has a program run as somebody's who has AWS at `aws`, and EC2 at `ec2`.
    fn somebodys(&self, mut command: Command, ec2: &str) -> Command {
        let home = self.sandbox.path().join("home");
        let programs = PathBuf::from(command.get_program());
        let beside = programs.parent().unwrap().display();
        let path = format!("{beside}:{}", std::env::var("PATH").unwrap_or_default());
        command.env_clear().current_dir(&home).env("HOME", &home).env("PATH", path).env("LANG", "C.UTF-8");
        for (name, value) in [
            ("AWS_ENDPOINT_URL", self.aws.url.as_str()),
            ("AWS_ENDPOINT_URL_EC2", ec2),
            ("AWS_REGION", &self.aws.region),
            ("AWS_DEFAULT_REGION", &self.aws.region),
            ("AWS_ACCESS_KEY_ID", "testing"),
            ("AWS_SECRET_ACCESS_KEY", "testing"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
        ] {
            command.env(name, value);
        }
        command
    }

    /// A piece of the page's code, with this server in it.
    fn snippet(&self, heading: &str, number: usize) -> String {
        let port = self.recorder.url().rsplit(':').next().unwrap();
        let text = snippet(heading, number);
        assert!(text.contains("8378"), "{text}");
        text.replace("8378", port)
    }

    /// Writes a file into the home directory, and answers its path.
    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.sandbox.path().join("home").join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// What a line of the page prints in a shell, beside whose programs `program` is.
    fn shell(&self, program: &Command, line: &str) -> String {
        let mut shell = self.somebodys(Command::new(program.get_program()), "http://127.0.0.1:9");
        let path = shell.get_envs().find(|(name, _)| *name == "PATH").unwrap().1.unwrap().to_owned();
        let variables: Vec<_> =
            shell.get_envs().map(|(name, value)| (name.to_owned(), value.unwrap().to_owned())).collect();
        let home = shell.get_current_dir().unwrap().to_owned();
        shell = Command::new("sh");
        shell.env_clear().envs(variables).env("PATH", path).env_remove("AWS_ENDPOINT_URL_EC2").current_dir(home);
        printed(shell.args(["-ec", line]))
    }
}

/// What a program prints, which must succeed.
fn printed(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{command:?}: {}: {errors}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout)
    );
    String::from_utf8(output.stdout).unwrap()
}

/// What differs between what was read of AWS and of Muster, in any order.
fn same(what: &str, expected: &Value, read: &Value) {
    let mut differences = Vec::new();
    compare("client", what, "", expected, read, &mut differences);
    assert!(differences.is_empty(), "{} differences:\n{}", differences.len(), differences.join("\n"));
}

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
    let recorder = Recorder::before(server.ec2_api.as_deref().unwrap());
    second.set("AWS_ENDPOINT_URL_EC2", recorder.url());
    let reader = second.serve(&RARELY);
    reader.swept();
    recorded("SDK for Rust", &recorder.take());
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
struct Cli<'a> {
    account: &'a Recorded,
    url: String,
}

impl Cli<'_> {
    fn run(&self, words: &[&str]) -> Output {
        let mut aws = Environment::AwsCli.program("aws");
        aws.arg("ec2").args(words);
        if !words.contains(&"--output") {
            aws.args(["--output", "json"]);
        }
        self.account.somebodys(aws, &self.url).output().unwrap()
    }

    /// The text that it prints.
    fn text(&self, words: &[&str]) -> String {
        let output = self.run(words);
        assert!(output.status.success(), "aws {words:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// What it prints.
    fn prints(&self, words: &[&str]) -> Value {
        serde_json::from_str(&self.text(words)).unwrap_or(Value::Null)
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
    let simulator = Simulator::start(30, &["--region", REGION]);
    let account = Recorded::at(&simulator.endpoint(), &RARELY);
    let aws = Cli { account: &account, url: account.aws.url.clone() };
    // The path names the account, as it does where several are watched.
    let muster = Cli { account: &account, url: format!("{}/123456789012/", account.recorder.url()) };
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
    let first = muster.prints(&["describe-volumes", "--page-size", "5", "--max-items", "7"]);
    assert_eq!(first["Volumes"].as_array().unwrap().len(), 7);
    let rest = muster.prints(&["describe-volumes", "--starting-token", first["NextToken"].as_str().unwrap()]);
    let profile = account.write("config", &account.snippet("A profile", 0));
    let program = Environment::AwsCli.program("aws");
    // The variable for all services would go before the profile.
    let of_profile = format!(
        "unset AWS_ENDPOINT_URL; AWS_CONFIG_FILE={} aws --profile muster ec2 describe-vpcs --output json",
        profile.display()
    );
    let by_profile: Value = serde_json::from_str(&account.shell(&program, &of_profile)).unwrap();
    let by_variable = account.shell(&program, &account.snippet("AWS CLI", 0));
    assert_eq!(described(&simulator), before, "what is read from the copy costs no calls");
    let count = |whole: &Value| whole["Volumes"].as_array().unwrap().len();
    assert_eq!(count(&first) + count(&rest), count(&aws.prints(&["describe-volumes"])));
    same("by a profile", &aws.prints(&["describe-vpcs"]), &by_profile);
    assert!(by_variable.contains(running), "{by_variable}");
    for (words, read) in questions.iter().zip(&read) {
        let expected = aws.prints(words);
        assert!(!matches!(&expected, Value::Array(list) if list.is_empty()), "{words:?} finds nothing");
        same(&words.join(" "), &expected, read);
    }
    for format in ["text", "table"] {
        let words = ["describe-instances", "--query", &named, "--output", format];
        let lines = |cli: &Cli| {
            let mut lines: Vec<String> = cli.text(&words).lines().map(str::to_owned).collect();
            lines.sort();
            lines
        };
        assert_eq!(lines(&muster), lines(&aws), "{format}");
    }

    for words in [
        &["describe-instances", "--instance-ids", UNKNOWN][..],
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
    recorded("AWS CLI", &account.recorder.take());
}
