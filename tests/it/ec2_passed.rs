//! What the copy cannot answer is passed on to AWS, if it only reads and shows no secrets; and nothing else ever is.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use muster::kinds::KINDS;
use serde_json::{Value, json};

use crate::ec2_api::{key_of, post, script, told};
use crate::harness::middle::{Fate, Middle};
use crate::harness::muster::{RARELY, Sandbox, Serve};
use crate::harness::process::Running;
use crate::harness::rotating_key::RotatingKey;
use crate::harness::simulator::Simulator;

/// A password in a tag.
const HUSH: &str = "hush-hush-hush";

/// Key pairs, as AWS lists them.
const KEY_PAIRS: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
    <DescribeKeyPairsResponse xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\"><requestId>of-aws</requestId><keySet><item>\
    <keyPairId>key-1</keyPairId><keyName>ops</keyName><tagSet><item><key>team</key><value>data</value></item>\
    <item><key>db-password</key><value>hush-hush-hush</value></item></tagSet></item></keySet></DescribeKeyPairsResponse>";

/// That AWS throttles.
const THROTTLED: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Response><Errors><Error><Code>RequestLimitExceeded</Code>\
    <Message>Request limit exceeded.</Message></Error></Errors><RequestID>of-aws</RequestID></Response>";

/// What answers an action in place of the simulator where it has nothing: everything that it does not know.
fn nothing(action: &str) -> &'static str {
    let answer = format!("<{action}Response><requestId>of-aws</requestId></{action}Response>");
    Box::leak(format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{answer}").into_boxed_str())
}

/// A simulated account behind a recorder, and a server that has swept it and passes reads on.
struct Passing {
    simulator: Simulator,
    recorder: Middle,
    asked: Arc<Mutex<Vec<String>>>,
    sandbox: Sandbox,
}

fn decoded(form: &str) -> Vec<(String, String)> {
    form_urlencoded::parse(form.as_bytes()).into_owned().collect()
}

/// The lists of names in the sources.
fn names(file: &str) -> BTreeSet<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/ec2_api/wire").join(file);
    let text = fs::read_to_string(path).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

impl Passing {
    fn of(simulator: Simulator) -> Passing {
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let seen = Arc::clone(&asked);
        let reads = names("reads.txt");
        let simulated: BTreeSet<String> = KINDS.iter().map(|kind| kind.action().replace("ec2:", "")).collect();
        let recorder = Middle::plain(&simulator.endpoint(), move |_, body| {
            seen.lock().unwrap_or_else(PoisonError::into_inner).push(body.to_owned());
            let action = decoded(body).into_iter().find(|(name, _)| name == "Action").map(|(_, action)| action);
            match action.as_deref() {
                Some("DescribeKeyPairs") => Fate::Answer(200, KEY_PAIRS),
                Some("DescribePlacementGroups") => Fate::Answer(503, THROTTLED),
                Some("DescribeRegions" | "DescribeAvailabilityZones") => Fate::Pass,
                Some(other) if reads.contains(other) && !simulated.contains(other) => Fate::Answer(200, nothing(other)),
                _ => Fate::Pass,
            }
        });
        let sandbox = Sandbox::new(&recorder.endpoint());
        Passing { simulator, recorder, asked, sandbox }
    }

    fn serve(&self, flags: &[&str]) -> Serve {
        let server = self.sandbox.serve(&[&RARELY[..], &["--ec2-api", "127.0.0.1:0"], flags].concat());
        server.swept();
        server
    }

    fn boto3(&self, server: &Serve, more: &[(&str, &str)]) -> Running {
        let muster = server.ec2_api.clone().unwrap();
        let mut settings =
            json!({"aws": self.simulator.endpoint().url, "muster": muster, "region": self.recorder.endpoint().region});
        for (name, value) in more {
            settings[*name] = json!(value);
        }
        script(&settings)
    }

    /// The forms that AWS was asked since the last look.
    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn ask(boto3: &mut Running, what: &str, how: &Value) -> Value {
    assert!(boto3.say(&json!({what: how}).to_string()), "boto3 has ended{}", boto3.tail());
    told(boto3, how)
}

#[test]
fn boto3_reads_of_aws_what_the_copy_cannot_answer() {
    let passing = Passing::of(Simulator::start(40, &[]));
    let server = passing.serve(&["--ec2-api-pass", "reads"]);
    let mut boto3 = passing.boto3(&server, &[]);
    passing.asked();
    let others = ask(&mut boto3, "head", &json!({"operation": "describe_images", "arguments": {"Owners": ["amazon"]}}));
    assert_eq!((&others["x-muster-source"], &others["x-muster-seq"]), (&json!("aws"), &Value::Null), "{others}");
    for (operation, member, arguments, page) in [
        ("describe_snapshots", "Snapshots", json!({}), Value::Null),
        // Tokens of AWS lead through a walk.
        ("describe_snapshots", "Snapshots", json!({}), json!(5)),
        ("describe_images", "Images", json!({"Owners": ["amazon"]}), Value::Null),
        ("describe_images", "Images", json!({"Filters": [{"Name": "architecture", "Values": ["arm64"]}]}), Value::Null),
        ("describe_volumes", "Volumes", json!({}), Value::Null),
    ] {
        let how = json!({"operation": operation, "member": member, "arguments": arguments, "page": page});
        let told = ask(&mut boto3, "compare", &how);
        assert!(told["same"] == json!(true) && told["ours"].as_u64().unwrap() > 0, "{how}: {told}");
    }
    let asked = passing.asked();
    assert!(asked.iter().filter(|form| form.contains("Action=DescribeSnapshots&")).count() > 2, "{asked:#?}");
    assert!(!asked.iter().any(|form| form.contains("Action=DescribeVolumes&")), "the copy answers: {asked:#?}");
    // Errors of AWS are AWS's, with one attempt.
    let unknown = json!({"operation": "describe_images", "arguments": {"ImageIds": ["ami-0123456789abcdef0"]}});
    let answers = ask(&mut boto3, "fail", &unknown);
    assert_eq!(answers["theirs"], answers["ours"], "{answers}");
    assert_eq!(answers["ours"]["attempts"], json!(1), "{answers}");
    // A test that AWS makes of Muster's permissions.
    let dry = json!({"operation": "describe_snapshots", "arguments": {"DryRun": true}});
    assert_eq!(ask(&mut boto3, "fail", &dry)["ours"]["code"], json!("DryRunOperation"));
}

#[test]
fn a_filter_that_nobody_here_knows_is_judged_by_aws() {
    let passing = Passing::of(Simulator::start(20, &[]));
    let server = passing.serve(&["--ec2-api-pass", "reads"]);
    let mut boto3 = passing.boto3(&server, &[]);
    let by = |name: &str, value: &str| json!({"Filters": [{"Name": name, "Values": [value]}]});
    for (name, value) in [("placement.tenancy", "default"), ("group-id", "sg-*")] {
        let arguments = by(name, value);
        let how = json!({"operation": "describe_instances", "member": "Reservations", "arguments": arguments});
        let told = ask(&mut boto3, "compare", &how);
        assert!(told["same"] == json!(true) && told["ours"].as_u64().unwrap() > 0, "{how}: {told}");
        let headers = ask(&mut boto3, "head", &json!({"operation": "describe_instances", "arguments": arguments}));
        assert_eq!(headers["x-muster-source"], json!("aws"), "{name}: {headers}");
    }
    let headers = ask(&mut boto3, "head", &json!({"operation": "describe_tags", "arguments": by("colour", "red")}));
    assert_eq!(headers["x-muster-source"], json!("aws"), "{headers}");
    for operation in ["describe_instances", "describe_regions"] {
        let how = json!({"operation": operation, "arguments": by("colour", "red")});
        let told = ask(&mut boto3, "fail", &how);
        assert_eq!(told["theirs"], told["ours"], "{told}");
    }
    passing.asked();
    for operation in ["describe_instances", "describe_tags"] {
        let how = json!({"operation": operation, "arguments": by("tag-value", "hush*")});
        let ours = ask(&mut boto3, "fail", &how)["ours"].take();
        assert_eq!(ours["code"], json!("InvalidParameterValue"), "{ours}");
        assert!(ours["message"].as_str().unwrap().contains("--redact-tag-keys"), "{ours}");
    }
    assert_eq!(passing.asked(), Vec::<String>::new());
}

#[test]
fn kinds_that_are_not_watched_are_read_of_aws_page_by_page() {
    let passing = Passing::of(Simulator::start(40, &[]));
    let server = passing.serve(&["--ec2-api-pass", "reads", "--kinds", "instance"]);
    let mut boto3 = passing.boto3(&server, &[]);
    passing.asked();
    for page in [Value::Null, json!(5)] {
        let how = json!({"operation": "describe_subnets", "member": "Subnets", "arguments": {}, "page": page});
        let told = ask(&mut boto3, "compare", &how);
        assert!(told["same"] == json!(true) && told["ours"].as_u64().unwrap() > 5, "{how}: {told}");
    }
    let how = json!({"operation": "describe_instances", "member": "Reservations", "arguments": {}, "page": 7});
    assert_eq!(ask(&mut boto3, "compare", &how)["same"], json!(true));
    let asked = passing.asked();
    assert!(asked.iter().filter(|form| form.contains("NextToken=")).count() > 0, "{asked:#?}");
    // After each answer STS says whose it is.
    let is_expected = |form: &String| {
        ["DescribeSubnets", "GetCallerIdentity"].iter().any(|action| form.contains(&format!("Action={action}&")))
    };
    assert!(asked.iter().all(is_expected), "{asked:#?}");
}

#[test]
fn a_call_that_aws_throttles_is_made_once_each_time_that_the_client_asks() {
    let passing = Passing::of(Simulator::start(3, &[]));
    let server = passing.serve(&["--ec2-api-pass", "reads"]);
    let mut boto3 = passing.boto3(&server, &[]);
    passing.asked();
    let how = json!({"operation": "describe_placement_groups", "arguments": {}, "mode": "standard"});
    let ours = ask(&mut boto3, "fail", &how)["ours"].take();
    assert_eq!((&ours["code"], &ours["status"]), (&json!("RequestLimitExceeded"), &json!(503)), "{ours}");
    let attempts = usize::try_from(ours["attempts"].as_u64().unwrap()).unwrap();
    assert!(attempts > 1 && passing.asked().len() == attempts, "{ours}");
}

#[test]
fn what_credentials_of_another_account_read_is_never_told() {
    let mut passing = Passing::of(Simulator::start(3, &[]));
    let key = RotatingKey::of(&mut passing.sandbox);
    let server = passing.serve(&["--ec2-api-pass", "reads", "--ec2-api-miss", "live"]);
    let mut boto3 = passing.boto3(&server, &[]);
    let told = ask(&mut boto3, "head", &json!({"operation": "describe_key_pairs", "arguments": {}}));
    assert_eq!(told["x-muster-source"], json!("aws"), "{told}");
    key.belongs_to("210987654321");
    for (operation, arguments) in [
        ("describe_key_pairs", json!({})),
        ("describe_regions", json!({})),
        ("describe_volumes", json!({"VolumeIds": ["vol-0123456789abcdef0"]})),
    ] {
        let ours = ask(&mut boto3, "fail", &json!({"operation": operation, "arguments": arguments}))["ours"].take();
        assert_eq!((&ours["status"], &ours["attempts"]), (&json!(400), &json!(1)), "{operation}: {ours}");
        assert!(ours["message"].as_str().is_some_and(|said| said.contains("210987654321")), "{operation}: {ours}");
    }
}

#[test]
fn redacted_tags_stay_redacted_and_nobody_finds_them_by_trying() {
    let passing = Passing::of(Simulator::start(3, &[]));
    let server = passing.serve(&["--ec2-api-pass", "reads"]);
    let address = server.ec2_api.clone().unwrap().strip_prefix("http://").unwrap().to_owned();
    let region = passing.recorder.endpoint().region;
    let ask = |rest: &str| {
        let body = format!("Action=DescribeKeyPairs&Version=2016-11-15{rest}");
        post(&address, "/", &address, &key_of("testing", &region), &body)
    };
    let answer = ask("");
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("x-muster-source: aws"), "{answer}");
    assert!(answer.contains("<value>data</value>") && answer.contains("<value>redacted</value>"), "{answer}");
    assert!(!answer.contains(HUSH), "{answer}");
    passing.asked();
    for name in ["tag:db-password", "tag-value"] {
        let answer = ask(&format!("&Filter.1.Name={name}&Filter.1.Value.1=hush*"));
        assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("it redacts"), "{answer}");
    }
    assert_eq!(passing.asked(), Vec::<String>::new());
}

#[test]
fn what_is_not_passed_on_says_why() {
    let passing = Passing::of(Simulator::start(3, &[]));
    let off = passing.serve(&[]);
    let mut boto3 = passing.boto3(&off, &[]);
    passing.asked();
    let key_pairs = json!({"operation": "describe_key_pairs", "arguments": {}});
    let of = |boto3: &mut Running, how: &Value| ask(boto3, "fail", how)["ours"].take();
    let said = of(&mut boto3, &key_pairs);
    assert_eq!((&said["code"], &said["attempts"]), (&json!("InvalidAction"), &json!(1)), "{said}");
    assert!(said["message"].as_str().unwrap().contains("--ec2-api-pass reads"), "{said}");
    let others = json!({"operation": "describe_images", "arguments": {"Owners": ["amazon"]}});
    assert!(of(&mut boto3, &others)["message"].as_str().unwrap().contains("--ec2-api-pass reads"));
    let secret = json!({"operation": "get_password_data", "arguments": {"InstanceId": "i-0123456789abcdef0"}});
    let said = of(&mut boto3, &secret);
    let message = said["message"].as_str().unwrap();
    assert!(message.contains("secrets") && !message.contains("--ec2-api-pass"), "{said}");
    drop(boto3);
    drop(off);

    let file = passing.sandbox.path().join("keys.toml");
    let (whole, part, secret_of) = ("AKIAMUSTEREXAMPLE1", "AKIAMUSTEREXAMPLE2", "made-up-for-this-very-test");
    let key = |id: &str, rest: &str| format!("[[keys]]\nid = {id:?}\nsecret = {secret_of:?}\n{rest}");
    fs::write(&file, format!("{}{}", key(whole, ""), key(part, "grants = [\"some\"]\n"))).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let config = passing.sandbox.path().join("muster.toml");
    fs::write(&config, format!("[[grants]]\nname = \"some\"\nregions = [{:?}]\n", passing.recorder.endpoint().region))
        .unwrap();
    let flags =
        ["--ec2-api-pass", "reads", "--ec2-api-keys", file.to_str().unwrap(), "--config", config.to_str().unwrap()];
    let server = passing.serve(&flags);
    passing.asked();
    let mut limited = passing.boto3(&server, &[("key", part), ("secret", secret_of)]);
    for how in [&key_pairs, &others] {
        let said = of(&mut limited, how);
        assert!(said["message"].as_str().unwrap().contains("a key without grants"), "{said}");
    }
    // Of the regions it sees those that its grants allow.
    let regions = json!({"operation": "describe_regions", "member": "Regions", "arguments": {}});
    let compared = ask(&mut limited, "compare", &regions);
    assert_eq!(compared["ours"], json!(1), "{compared}");
    let mut all = passing.boto3(&server, &[("key", whole), ("secret", secret_of)]);
    let told = ask(&mut all, "head", &key_pairs);
    assert_eq!(told["x-muster-source"], json!("aws"), "{told}");
    let asked = passing.asked();
    assert_eq!(asked.iter().filter(|form| form.contains("DescribeKeyPairs")).count(), 1, "{asked:#?}");
}

#[test]
fn nothing_but_listed_reads_reaches_aws_whatever_is_sent() {
    let passing = Passing::of(Simulator::start(3, &[]));
    let server = passing.serve(&["--ec2-api-pass", "reads"]);
    let address = server.ec2_api.clone().unwrap().strip_prefix("http://").unwrap().to_owned();
    let region = passing.recorder.endpoint().region;
    let send = |query: &str, body: &str| {
        let path = if query.is_empty() { "/".to_owned() } else { format!("/?{query}") };
        let answer = post(&address, &path, &address, &key_of("testing", &region), body);
        assert!(answer.starts_with("HTTP/1.1 "), "{body}: {answer}");
        answer
    };
    let (reads, all) = (names("reads.txt"), names("actions.txt"));
    assert!(reads.is_subset(&all) && all.len() > 800);
    passing.asked();
    let version = "Version=2016-11-15";
    let mut passed = BTreeSet::new();
    for name in &all {
        let attribute = if name.ends_with("Attribute") { "&Attribute=sriovNetSupport" } else { "" };
        let answer = send("", &format!("Action={name}&{version}{attribute}"));
        if answer.contains("x-muster-source: aws") {
            passed.insert(name.clone());
        }
    }
    let missing: Vec<&String> = reads.difference(&passed).collect();
    // What the copy holds or answers itself.
    assert!(missing.len() < 20 && passed.is_subset(&reads), "{missing:?}");
    let held: BTreeSet<&String> = all.iter().filter(|name| !reads.contains(*name)).collect();
    let bad = "TerminateInstances";
    for query in ["", "Action=TerminateInstances", "Action=DescribeKeyPairs", "action=TerminateInstances", "Action"] {
        for body in [
            format!("Action={bad}&{version}&InstanceId.1=i-1"),
            format!("Action=DescribeKeyPairs&{version}&Action={bad}"),
            format!("Action={bad}&{version}&Action=DescribeKeyPairs"),
            format!("action={bad}&{version}&Action=DescribeKeyPairs"),
            format!("Action=DescribeKeyPairs&{version}&ACTION={bad}"),
            format!("Action=DescribeKeyPairs&{version}&Action.1={bad}"),
            format!("Action=DescribeKeyPairs&{version}&KeyName.1=a%26Action%3D{bad}"),
            format!("Action=DescribeKeyPairs%00&{version}"),
            format!("Action=DescribeKeyPairs%26Action%3D{bad}&{version}"),
            format!("Action=DescribeKeyPairs&{version}&%41ction={bad}"),
            format!("Action=DescribeInstanceAttribute&{version}&Attribute=userData&InstanceId.1=i-1"),
            format!("Action=DescribeInstanceAttribute&{version}&Attribute=UserData&InstanceId=i-1"),
            format!("Action=DescribeInstanceAttribute&{version}&Attribute=kernel&InstanceId=i-1&Attribute=userData"),
            version.to_owned(),
        ] {
            send(query, &body);
        }
    }
    let mut rng = fastrand::Rng::with_seed(fastrand::u64(..));
    eprintln!("seed {}", rng.get_seed());
    let everything: Vec<&String> = all.iter().collect();
    for _ in 0..600 {
        let name = everything[rng.usize(0..everything.len())];
        let mutated = match rng.u8(0..6) {
            0 => name.to_lowercase(),
            1 => format!("{name}%20"),
            2 => format!("+{name}"),
            3 => name.chars().rev().collect(),
            4 => format!("{name}&Action={}", everything[rng.usize(0..everything.len())]),
            _ => name[..name.len() - 1].to_owned(),
        };
        send("", &format!("Action={mutated}&{version}"));
    }
    let asked = passing.asked();
    for form in &asked {
        let pairs = decoded(form);
        let actions: Vec<&str> = pairs
            .iter()
            .filter(|(name, _)| name.trim().to_lowercase().starts_with("action"))
            .map(|(_, action)| action.as_str())
            .collect();
        let [action] = actions[..] else { panic!("{form}") };
        let is_own = ["GetCallerIdentity", "GetAccessKeyInfo"].contains(&action);
        assert!(is_own || reads.contains(action), "{form}");
        assert!(!held.contains(&action.to_owned()) || is_own, "{form}");
        assert!(!form.to_lowercase().contains("userdata"), "{form}");
    }
    let of_aws: BTreeSet<String> =
        asked.iter().flat_map(|form| decoded(form)).filter(|(name, _)| name == "Action").map(|(_, it)| it).collect();
    assert!(passed.is_subset(&of_aws) && of_aws.len() > 200, "{} of {}", of_aws.len(), passed.len());
    eprintln!("{} reads of {} actions reached AWS, by {} requests", passed.len(), all.len(), asked.len());
}
