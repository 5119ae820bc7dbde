//! EC2's own read API about what the copy does not have: what was made a moment ago, what nobody has, and what AWS does not say.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::harness::account::Account;
use crate::harness::ec2_caller::Ec2Caller;
use crate::harness::eventually;
use crate::harness::muster::{OFTEN, RARELY, Sandbox, Serve};
use crate::harness::simulator::Simulator;

const LIVE: [&str; 4] = ["--ec2-api", "127.0.0.1:0", "--ec2-api-miss", "live"];

/// A simulated account, and a server that has swept it and answers EC2's API.
struct Missing {
    simulator: Simulator,
    _sandbox: Sandbox,
    _server: Serve,
    aws: Account,
    boto3: Ec2Caller,
}

impl Missing {
    fn with(flags: &[&str]) -> Missing {
        let simulator = Simulator::start(6, &[]);
        let endpoint = simulator.endpoint();
        let sandbox = Sandbox::new(&endpoint);
        let server = sandbox.serve(flags);
        server.swept();
        let boto3 = Ec2Caller::at(&server.ec2_api.clone().unwrap(), &endpoint.region);
        Missing { aws: Account::at(&endpoint), simulator, _sandbox: sandbox, _server: server, boto3 }
    }

    /// How many calls of an action AWS was asked for.
    fn calls(&self, action: &str) -> u64 {
        let requests = self.simulator.control("GET", "/requests", &Value::Null);
        let of = requests["requests"].as_array().unwrap().iter().filter(|call| call["action"] == action);
        of.map(|call| call["total"].as_u64().unwrap()).sum()
    }

    fn volume(&self) -> String {
        let zone = format!("{}a", self.simulator.endpoint().region);
        let made = self.aws.call("ec2.create_volume", &json!({"AvailabilityZone": zone, "Size": 5}));
        made["VolumeId"].as_str().unwrap().to_owned()
    }
}

#[test]
fn what_the_copy_lacks_is_asked_of_aws_once_however_many_ask_and_though_the_copy_is_fresh() {
    let it = Missing::with(&[&RARELY[..], &LIVE].concat());
    let made = it.volume();
    let before = it.calls("DescribeVolumes");
    let named = |id: &str| json!({"VolumeIds": [id]});
    let answers = it.boto3.crowd(20, "describe_volumes", &named(&made));
    for told in &answers {
        assert_eq!(told["answer"]["Volumes"][0]["VolumeId"], json!(made), "{told}");
        assert_eq!(told["attempts"], 1, "{told}");
    }
    assert_eq!(it.calls("DescribeVolumes"), before + 1, "20 clients cost one call");
    let before = before + 1;
    // What nobody has.
    let begun = Instant::now();
    let answers = it.boto3.crowd(20, "describe_volumes", &named("vol-0123456789abcdef0"));
    for told in &answers {
        assert_eq!((&told["status"], &told["code"]), (&json!(400), &json!("InvalidVolume.NotFound")), "{told}");
        assert_eq!(told["attempts"], 1, "{told}");
    }
    // What AWS said counts for five seconds, which a busy machine may need more of.
    let asked = it.calls("DescribeVolumes") - before;
    assert!((1..=1 + begun.elapsed().as_secs() / 5).contains(&asked), "20 clients cost {asked} calls");
    // What is removed is asked for as well: only AWS knows.
    it.aws.call("ec2.delete_volume", &named_one(&made));
    // One's own snapshots and images, and others', which are not held.
    let snapshot = it.aws.call("ec2.create_snapshot", &named_one(&attached(&it)));
    let snapshot = snapshot["SnapshotId"].as_str().unwrap();
    let told = it.boto3.call("describe_snapshots", &json!({"SnapshotIds": [snapshot]}));
    assert_eq!(told["answer"]["Snapshots"][0]["SnapshotId"], json!(snapshot), "{told}");
    let unknown = json!({"SnapshotIds": ["snap-0123456789abcdef0"]});
    it.boto3.refused("describe_snapshots", &unknown, &json!({}), (400, "InvalidSnapshot.NotFound"));
    let of_others = it.aws.every("ec2.describe_snapshots", "Snapshots", &json!({"OwnerIds": ["amazon"]}));
    let foreign = json!({"SnapshotIds": [of_others[0]["SnapshotId"]]});
    let said = it.boto3.refused("describe_snapshots", &foreign, &json!({}), (400, "UnsupportedOperation"));
    assert!(said.contains("what the account itself owns"), "{said}");
    // More than one request may ask for.
    let many: Vec<String> = (0..101).map(|n| format!("vol-0123456789abcd{n:03x}")).collect();
    let said = it.boto3.refused("describe_volumes", &json!({"VolumeIds": many}), &json!({}), (400, "MusterStale"));
    assert!(said.contains("at most 100 ids"), "{said}");
}

fn named_one(volume: &str) -> Value {
    json!({"VolumeId": volume})
}

/// A volume that an instance has.
fn attached(it: &Missing) -> String {
    let volumes = it.aws.every("ec2.describe_volumes", "Volumes", &json!({}));
    let used = volumes.iter().find(|volume| volume["State"] == "in-use").expect("a volume that is in use");
    used["VolumeId"].as_str().unwrap().to_owned()
}

#[test]
fn a_status_that_aws_does_not_show_of_an_instance_that_it_shows_is_not_said_to_be_unknown() {
    let it = Missing::with(&[&RARELY[..], &LIVE].concat());
    let reservations = it.aws.every("ec2.describe_instances", "Reservations", &json!({}));
    let images = json!({"ImageId": reservations[0]["Instances"][0]["ImageId"], "SubnetId": reservations[0]["Instances"][0]["SubnetId"],
        "MinCount": 1, "MaxCount": 1, "InstanceType": "t3.micro"});
    let launched = it.aws.call("ec2.run_instances", &images);
    let id = launched["Instances"][0]["InstanceId"].as_str().unwrap().to_owned();
    let named = json!({"InstanceIds": [id], "IncludeAllInstances": true});
    let told = it.boto3.call("describe_instance_status", &named);
    assert_eq!(told["answer"]["InstanceStatuses"][0]["InstanceId"], json!(id), "{told}");
    it.simulator.control("PATCH", "/faults", &json!({"denied": ["DescribeInstanceStatus"]}));
    let other = it.aws.call("ec2.run_instances", &images)["Instances"][0]["InstanceId"].as_str().unwrap().to_owned();
    let named = json!({"InstanceIds": [other], "IncludeAllInstances": true});
    let said = it.boto3.refused("describe_instance_status", &named, &json!({}), (400, "MusterStale"));
    assert!(said.contains("ec2:DescribeInstanceStatus") && said.contains(&other), "{said}");
    it.simulator.control("PATCH", "/faults", &json!({"denied": null}));
}

#[test]
fn what_aws_does_not_say_is_refused_with_the_reason_and_absence_is_as_of_the_copy() {
    let it = Missing::with(&[&RARELY[..], &LIVE].concat());
    let id = json!({"VolumeIds": ["vol-0123456789abcdef1"]});
    it.simulator.control("PATCH", "/faults", &json!({"denied": ["DescribeVolumes"]}));
    let said = it.boto3.refused("describe_volumes", &id, &json!({}), (400, "MusterStale"));
    assert!(said.contains("ec2:DescribeVolumes") && said.contains("AWS was asked"), "{said}");
    it.simulator.control("PATCH", "/faults", &json!({"denied": null}));

    let flags = ["--ec2-api", "127.0.0.1:0", "--ec2-api-miss", "error"];
    let it = Missing::with(&[&OFTEN[..], &flags].concat());
    let told = eventually("the copy is fresh", || {
        let told = it.boto3.call("describe_volumes", &id);
        (told["code"] == "InvalidVolume.NotFound").then_some(told)
    });
    let as_of = told["headers"]["x-muster-as-of"].as_str().unwrap_or_else(|| panic!("{told}"));
    assert!(told["message"].as_str().unwrap().ends_with(&format!("(in Muster's copy as of {as_of})")), "{told}");
    it.simulator.control("PATCH", "/faults", &json!({"cut": {"share": 1.0}}));
    eventually("the copy is out of date", || {
        let told = it.boto3.call("describe_volumes", &json!({}));
        told["headers"]["x-muster-stale"].is_string().then_some(())
    });
    let said = it.boto3.refused("describe_volumes", &id, &json!({}), (400, "MusterStale"));
    assert!(said.contains("may be out of date") && said.contains("--ec2-api-miss live"), "{said}");
}

#[test]
fn while_a_first_sweep_runs_a_client_waits_and_gets_through() {
    let simulator = Simulator::start(6, &[]);
    let endpoint = simulator.endpoint();
    simulator.control("PATCH", "/faults", &json!({"latency": {"fixed": "4s", "actions": ["DescribeVpcs"]}}));
    let sandbox = Sandbox::new(&endpoint);
    let server = sandbox.serve(&[&RARELY[..], &["--ec2-api", "127.0.0.1:0"]].concat());
    let url = server.ec2_api.clone().unwrap();
    let boto3 = Ec2Caller::at(&url, &endpoint.region);
    let answer = eventually("it is said that the first sweep runs", || {
        let answer = raw(&url, &endpoint.region);
        answer.contains("for the first time").then_some(answer)
    });
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("<Code>Unavailable</Code>"), "{answer}");
    assert!(answer.contains("retry-after: 2\r\n"), "{answer}");
    // It repeats the request by itself, and gives up where that takes long.
    let attempts = eventually("a client gets through", || {
        let told = boto3.call_so("describe_vpcs", &json!({}), &json!({"mode": "standard"}));
        assert!(told["status"].is_null() || told["code"] == "Unavailable", "{told}");
        told["answer"]["Vpcs"].as_array().filter(|vpcs| !vpcs.is_empty()).map(|_| told["attempts"].clone())
    });
    eprintln!("it got through with attempt {attempts}");
}

/// What an unsigned request for VPCs is answered.
fn raw(url: &str, region: &str) -> String {
    let mut stream = TcpStream::connect(url.strip_prefix("http://").unwrap()).unwrap();
    stream.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
    let head = format!(
        "GET /?Action=DescribeVpcs&Version=2016-11-15 HTTP/1.1\r\nHost: ec2.{region}.localhost\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}
