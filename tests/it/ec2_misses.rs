//! EC2's own read API about what the copy does not have: what was made a moment ago, what nobody has, and what AWS does not say.

use std::collections::BTreeSet;
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
    // What is no id is told at once, whoever would know.
    let before = it.calls("DescribeSecurityGroups");
    let none = json!({"GroupIds": ["sg-123"]});
    it.boto3.refused("describe_security_groups", &none, &json!({}), (400, "InvalidGroupId.Malformed"));
    assert_eq!(it.calls("DescribeSecurityGroups"), before);
    // What only AWS takes for no id.
    let none = json!({"VpcIds": ["vpc-123"]});
    let said = it.boto3.refused("describe_vpcs", &none, &json!({}), (400, "InvalidVpcID.Malformed"));
    assert!(said.contains("'vpc-123' (expecting 'vpc-...;"), "{said}");
    // More than one call may ask for.
    let many: Vec<String> = (0..150).map(|n| format!("vol-0123456789abc{n:04x}")).collect();
    let all = json!({"VolumeIds": many});
    let said = it.boto3.refused("describe_volumes", &all, &json!({}), (400, "InvalidVolume.NotFound"));
    assert!(said.contains(&many[0]), "{said}");
    let tags = json!({"Filters": [{"Name": "resource-id", "Values": many}]});
    let told = it.boto3.call("describe_tags", &tags);
    assert_eq!(told["answer"]["Tags"], json!([]), "{told}");
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

/// A bug: a Muster that watched another never saw its images whole where an instance named one that AWS does not show any more, since
/// the first refused to say anything of it.
#[test]
fn an_image_that_instances_name_and_aws_does_not_show_any_more_does_not_exist_and_another_muster_sees_so() {
    let simulator = Simulator::start(1000, &[]);
    let (endpoint, sandbox) = (simulator.endpoint(), Sandbox::new(&simulator.endpoint()));
    let server = sandbox.serve(&[&RARELY[..], &["--ec2-api", "127.0.0.1:0"]].concat());
    server.swept();
    let (aws, url) = (Account::at(&endpoint), server.ec2_api.clone().unwrap());
    let reservations = aws.every("ec2.describe_instances", "Reservations", &json!({}));
    let instances = reservations.iter().flat_map(|reservation| reservation["Instances"].as_array().unwrap());
    let named: BTreeSet<&str> = instances.map(|instance| instance["ImageId"].as_str().unwrap()).collect();
    let images = aws.every("ec2.describe_images", "Images", &json!({}));
    let shown: BTreeSet<&str> = images.iter().map(|image| image["ImageId"].as_str().unwrap()).collect();
    let gone: Vec<&str> = named.difference(&shown).copied().collect();
    assert!(!gone.is_empty(), "every instance's image is there");
    let boto3 = Ec2Caller::at(&url, &endpoint.region);
    let expected = (400, "InvalidAMIID.NotFound");
    let said = boto3.refused("describe_images", &json!({"ImageIds": gone}), &json!({}), expected);
    assert!(gone.iter().all(|id| said.contains(id)) && said.contains("in the copy of Muster"), "{said}");
    let other = json!({"ImageIds": ["ami-0123456789abcdef0"]});
    boto3.refused("describe_images", &other, &json!({}), (400, "UnsupportedOperation"));
    let mut second = Sandbox::new(&endpoint);
    second.set("AWS_ENDPOINT_URL_EC2", &url);
    second.serve(&RARELY).swept();
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
    assert!(said.contains("ec2:DescribeVolumes") && said.contains("AWS did not say"), "{said}");
    it.simulator.control("PATCH", "/faults", &json!({"denied": null}));

    let flags = ["--ec2-api", "127.0.0.1:0", "--ec2-api-miss", "error"];
    let it = Missing::with(&[&OFTEN[..], &flags].concat());
    let told = eventually("the copy is fresh", || {
        let told = it.boto3.call("describe_volumes", &id);
        (told["code"] == "InvalidVolume.NotFound").then_some(told)
    });
    let as_of = told["headers"]["x-muster-as-of"].as_str().unwrap_or_else(|| panic!("{told}"));
    assert!(told["message"].as_str().unwrap().ends_with(&format!("(as of {as_of}, in the copy of Muster)")), "{told}");
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

#[test]
fn tags_of_what_was_made_a_moment_ago_are_asked_of_aws_and_what_nobody_has_has_none() {
    let it = Missing::with(&[&RARELY[..], &LIVE].concat());
    let made = it.volume();
    it.aws.call("ec2.create_tags", &json!({"Resources": [made], "Tags": [{"Key": "team", "Value": "web"}]}));
    let of = |ids: &[&str]| json!({"Filters": [{"Name": "resource-id", "Values": ids}]});
    let before = it.calls("DescribeVolumes");
    for told in it.boto3.crowd(20, "describe_tags", &of(&[&made, "vpc-0123456789abcdef0"])) {
        let tags = told["answer"]["Tags"].as_array().unwrap_or_else(|| panic!("{told}"));
        assert_eq!((tags.len(), &tags[0]["ResourceId"], &tags[0]["Value"]), (1, &json!(made), &json!("web")), "{told}");
    }
    assert_eq!(it.calls("DescribeVolumes"), before + 1, "20 clients cost one call");
    let told = it.boto3.call("describe_tags", &of(&["vol-0123456789abcdef0"]));
    assert_eq!(told["answer"]["Tags"], json!([]), "{told}");
    assert_eq!(it.calls("DescribeVolumes"), before + 2, "AWS was asked");
    it.simulator.control("PATCH", "/faults", &json!({"denied": ["DescribeVolumes"]}));
    let other = of(&["vol-0123456789abcdef1"]);
    let said = it.boto3.refused("describe_tags", &other, &json!({}), (400, "MusterStale"));
    assert!(said.contains("ec2:DescribeVolumes") && said.contains("vol-0123456789abcdef1"), "{said}");
}

#[test]
fn what_is_named_by_something_else_than_its_id_is_asked_of_aws_as_well() {
    let it = Missing::with(&[&RARELY[..], &LIVE].concat());
    let made = it.aws.call("ec2.allocate_address", &json!({"Domain": "vpc"}));
    let by_ip = json!({"PublicIps": [made["PublicIp"]]});
    let before = it.calls("DescribeAddresses");
    for told in it.boto3.crowd(20, "describe_addresses", &by_ip) {
        assert_eq!(told["answer"]["Addresses"][0]["AllocationId"], made["AllocationId"], "{told}");
    }
    // Who comes after a call was sent shares the next one: what it asks for may have been made meanwhile.
    let calls = it.calls("DescribeAddresses") - before;
    assert!((1..=4).contains(&calls), "20 clients cost {calls} calls");
    let unknown = json!({"PublicIps": ["192.0.2.77"]});
    let said = it.boto3.refused("describe_addresses", &unknown, &json!({}), (400, "InvalidAddress.NotFound"));
    assert!(!said.contains("copy"), "AWS says so: {said}");
    let named = json!({"GroupNames": ["nobody has this*"]});
    let before = it.calls("DescribeSecurityGroups");
    let told = it.boto3.call("describe_security_groups", &named);
    assert!(["InvalidGroup.NotFound", "VPCIdNotSpecified"].contains(&told["code"].as_str().unwrap()), "{told}");
    assert!(!told["message"].as_str().unwrap().contains("copy"), "{told}");
    assert_eq!(it.calls("DescribeSecurityGroups"), before + 1, "AWS was asked");
    it.simulator.control("PATCH", "/faults", &json!({"denied": ["DescribeAddresses"]}));
    let unknown = json!({"PublicIps": ["192.0.2.78"]});
    let said = it.boto3.refused("describe_addresses", &unknown, &json!({}), (400, "MusterStale"));
    assert!(said.contains("ec2:DescribeAddresses") && said.contains("192.0.2.78"), "{said}");
}
