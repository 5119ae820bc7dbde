//! Muster against answers that a proxy throttles, cuts off, breaks, loses or holds up on their way from the emulator.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::eventually;
use crate::harness::moto::ACCOUNT;
use crate::harness::muster::{RARELY, Sandbox};
use crate::harness::proxy::Proxy;
use crate::harness::rpc::{Answer, Client};

/// As of `harness::muster`, but for snapshots: the emulator has a thousand public ones, and takes a second to show them.
const OFTEN: [&str; 4] = ["--interval", "all=1s,snapshot=5s,image=5s", "--aws-share", "1"];

/// One reservation each, so that each is a page.
fn launch(aws: &Proxy, count: usize) -> Vec<String> {
    (0..count).flat_map(|_| aws.launch(1)).collect()
}

fn uri(instance: &str) -> String {
    format!("ec2://instance/{instance}")
}

fn state(body: &Value) -> &str {
    body["document"]["State"]["Name"].as_str().unwrap_or_else(|| panic!("no state in {body}"))
}

fn rows(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn search(client: &mut Client, kind: &str) -> Answer {
    client.call("search_inventory", &json!({"kind": kind})).unwrap()
}

/// What the freshness view says of a kind.
fn scope(client: &mut Client, kind: &str) -> Value {
    let freshness = client.read("ec2://inventory/freshness");
    rows(&freshness["scopes"]).iter().find(|scope| scope["kind"] == kind).cloned().unwrap_or_default()
}

/// Waits for a complete sweep of `kind` that began after this was called.
fn swept_again(client: &mut Client, kind: &str) {
    let now = client.read("ec2://inventory/freshness")["now"].as_str().unwrap().to_owned();
    eventually("a sweep that began after now is complete", || {
        let as_of = scope(client, kind)["as_of"].as_str()?.to_owned();
        (as_of > now).then_some(())
    });
}

/// The calls of each EC2 action as Muster counts them: all, throttled.
fn counted(client: &mut Client) -> BTreeMap<String, (u64, u64)> {
    let summary = client.call("get_inventory_summary", &json!({})).unwrap();
    let calls = rows(&summary.structured["aws_calls"]).iter().filter_map(|call| {
        let action = call["action"].as_str()?.strip_prefix("ec2:")?.to_owned();
        Some((action, (call["total"].as_u64()?, call["throttled"].as_u64().unwrap_or(0))))
    });
    calls.collect()
}

#[test]
fn throttled_calls_are_made_again_at_a_slower_pace_and_an_action_that_always_is_fails_alone_until_it_is_not() {
    let aws = Proxy::start();
    launch(&aws, 2);
    let error = json!({"code": "RequestLimitExceeded", "status": 503, "message": "Request limit exceeded."});
    let rules = aws.rules(&[
        json!({"service": "ec2", "operation": "DescribeInstances", "sequence": {"fail": 2, "pass": 1}, "error": error}),
        json!({"service": "ec2", "operation": "DescribeVolumes", "error": error}),
        json!({"service": "ec2"}),
    ]);
    let sandbox = Sandbox::new(&aws.endpoint());
    let server = sandbox.serve(&RARELY);
    let mut client = Client::http(&server.http);
    eventually("the throttled sweep completes", || {
        (scope(&mut client, "instance")["sweep"] == "complete").then_some(())
    });
    assert_eq!(search(&mut client, "instance").structured["total"], 2);
    assert_eq!(aws.count(rules[0]), 4, "each of two pages is turned away twice");
    assert_eq!(counted(&mut client)["DescribeInstances"], (6, 4));
    let freshness = client.read("ec2://inventory/freshness");
    let lane = rows(&freshness["aws_calls"]).iter().find(|call| call["action"] == "ec2:DescribeInstances").unwrap();
    assert!(lane["pace_per_second"].as_f64() < lane["share_per_second"].as_f64(), "no backing off: {lane}");

    let failed = eventually("the action that is always throttled shows as its kind's failure", || {
        Some(scope(&mut client, "volume")["failure"].take()).filter(Value::is_object)
    });
    let said = failed["what"].as_str().unwrap();
    assert!(said.contains("DescribeVolumes") && said.contains("RequestLimitExceeded"), "{failed}");
    assert_eq!(failed["class"], "throttled");
    assert!(!failed["fix"].as_str().unwrap().is_empty(), "{failed}");
    let volumes = search(&mut client, "volume");
    assert!(volumes.is_error || volumes.structured["incomplete"] != json!([]), "an empty list: {}", volumes.text);
    for scope in rows(&client.read("ec2://inventory/freshness")["scopes"]) {
        assert!(scope["kind"] == "volume" || scope["sweep"] == "complete", "{scope}");
    }
    // Both go on counting while they are read.
    eventually("every attempt is counted once", || {
        let mut passed = BTreeMap::<String, (u64, u64)>::new();
        for fired in aws.fired() {
            let count = passed.entry(fired.operation).or_default();
            count.0 += 1;
            count.1 += u64::from(fired.rule != rules[2]);
        }
        (counted(&mut client) == passed).then_some(())
    });

    aws.rules(&[]);
    eventually("it heals by itself", || (scope(&mut client, "volume")["sweep"] == "complete").then_some(()));
    let volumes = search(&mut client, "volume");
    assert_eq!((&volumes.structured["total"], &volumes.structured["incomplete"]), (&json!(2), &json!([])));
}

#[test]
fn a_page_that_is_cut_off_or_broken_is_asked_for_again_and_nothing_in_it_is_believed() {
    let aws = Proxy::start();
    let faults = [
        json!({"response": {"truncate_frac": 0.5}}),
        json!({"response": {"truncate_frac": 0.98}}),
        json!({"response": {"truncate_bytes": 0}}),
        json!({"response": {"abort_frac": 0.5}}),
        json!({"reset": true}),
        json!({"response": {"corrupt_bytes": 8}}),
    ];
    let all = faults.len() + 1;
    launch(&aws, all);
    let reservations = aws.every("ec2.describe_instances", "Reservations", &json!({}));
    let mut rules = Vec::new();
    for (mut rule, before) in faults.iter().cloned().zip(&reservations) {
        let token = before["ReservationId"].as_str().unwrap();
        rule["operation"] = json!("DescribeInstances");
        rule["body"] = json!(format!("NextToken == '{token}'"));
        rule["times"] = json!(1);
        rules.push(rule);
    }
    rules.push(json!({"operation": "DescribeInstances", "body": "NextToken"}));
    rules.push(json!({"operation": "DescribeInstances"}));
    let rules = aws.rules(&rules);
    let sandbox = Sandbox::new(&aws.endpoint());
    let mut server = sandbox.serve(&RARELY);
    server.swept();
    for (rule, fault) in rules.iter().zip(&faults) {
        assert_eq!(aws.count(*rule), 1, "{fault}");
    }
    let (later, first) = (aws.count(rules[faults.len()]), aws.count(rules[faults.len() + 1]));
    assert_eq!((later, first), (faults.len(), 1), "each page again with its own token, the sweep not from its start");
    let mut client = Client::http(&server.http);
    assert_eq!(search(&mut client, "instance").structured["total"], all);
    let seq = client.read("ec2://inventory/summary")["seq"].as_u64().unwrap();
    server.terminate();

    // Every kind, every fault, over and over: whatever half of an answer was believed would be in the log.
    let often = |fault: Value, pass: u64| {
        let mut rule = fault;
        rule["service"] = json!("ec2");
        rule["sequence"] = json!({"fail": 1, "pass": pass});
        rule
    };
    let rules = aws.rules(&[
        often(json!({"response": {"truncate_frac": 0.6}}), 4),
        often(json!({"response": {"corrupt_bytes": 5}}), 6),
        often(json!({"response": {"abort_frac": 0.7}}), 8),
        often(json!({"reset": true}), 9),
    ]);
    let server = sandbox.serve(&OFTEN);
    let mut client = Client::http(&server.http);
    eventually("thirty answers are broken", || {
        assert_eq!(search(&mut client, "instance").structured["total"], all);
        (aws.fired().iter().filter(|fired| rules.contains(&fired.rule)).count() >= 30).then_some(())
    });
    aws.rules(&[]);
    for kind in ["instance", "instance-status", "vpc", "subnet", "security-group", "network-interface", "volume"] {
        swept_again(&mut client, kind);
    }
    assert_eq!(client.read("ec2://inventory/summary")["seq"], seq, "something untrue was recorded");
}

#[test]
fn a_tools_lost_answer_is_unknown_and_the_sweeps_tell_what_happened() {
    let aws = Proxy::start();
    let [half, lost, snapped] = launch(&aws, 3).try_into().unwrap();
    let sandbox = Sandbox::new(&aws.endpoint());
    let server = sandbox.serve(&[&OFTEN[..], &["--allow-writes"]].concat());
    server.swept();
    let mut client = Client::http(&server.http);
    let unknown = |client: &mut Client, tool: &str, instance: &str| {
        let answer = client.call(tool, &json!({"instance_ids": [instance]})).unwrap();
        assert_eq!(answer.structured["results"][0]["verdict"], "unknown", "{tool}: {}", answer.text);
        assert!(answer.is_error && answer.text.contains("may have happened"), "{tool}: {}", answer.text);
    };

    // It happened, and half of AWS's word of it is lost.
    aws.rules(&[json!({"operation": "StopInstances", "response": {"truncate_frac": 0.6}})]);
    unknown(&mut client, "stop_instance", &half);
    assert_eq!(aws.state_of(&half), "stopped");
    eventually("the stop is seen", || (state(&client.read(&uri(&half))) == "stopped").then_some(()));

    // It did not happen, which nobody can tell from a connection that ends.
    aws.rules(&[json!({"operation": "StopInstances", "reset": true})]);
    unknown(&mut client, "stop_instance", &lost);
    assert_eq!((aws.state_of(&lost).as_str(), state(&client.read(&uri(&lost)))), ("running", "running"));
    swept_again(&mut client, "instance");
    assert_eq!(state(&client.read(&uri(&lost))), "running");

    let created = aws.rules(&[
        json!({"operation": "CreateSnapshots", "response": {"abort_frac": 0.5}}),
        json!({"operation": "CreateSnapshot", "response": {"abort_frac": 0.5}}),
    ]);
    unknown(&mut client, "create_snapshot", &snapped);
    assert_eq!(created.iter().map(|rule| aws.count(*rule)).sum::<usize>(), 1, "a lost snapshot is not made again");
    let found = aws.call("ec2.describe_instances", &json!({"InstanceIds": [snapped]}));
    let volume = found["Reservations"][0]["Instances"][0]["BlockDeviceMappings"][0]["Ebs"]["VolumeId"].clone();
    let filter = json!({"Filters": [{"Name": "volume-id", "Values": [volume]}]});
    let snapshots = aws.every("ec2.describe_snapshots", "Snapshots", &filter);
    assert_eq!(snapshots.len(), 1);
    let snapshot = format!("ec2://snapshot/{}", snapshots[0]["SnapshotId"].as_str().unwrap());
    eventually("the snapshot is seen", || client.try_read(&snapshot).ok());

    aws.rules(&[]);
    let stopped = client.call("stop_instance", &json!({"instance_ids": [lost]})).unwrap();
    assert_eq!(stopped.structured["results"][0]["verdict"], "done", "{}", stopped.text);
}

#[test]
fn sweeps_slower_than_their_interval_follow_one_another_and_what_is_served_says_that_it_is_stale() {
    let aws = Proxy::start();
    let instance = launch(&aws, 1).remove(0);
    let sandbox = Sandbox::new(&aws.endpoint());
    let server = sandbox.serve(&OFTEN);
    server.swept();
    let mut client = Client::http(&server.http);
    let slow = aws.rules(&[json!({"operation": "DescribeInstances", "latency": 2500})])[0];
    eventually("it is stale", || {
        let why = client.read(&uri(&instance))["stale"]["why"].as_str()?.to_owned();
        why.contains("later than expected").then_some(())
    });
    // A machine that is busy may be late with it once, but not for good.
    eventually("another kind goes on", || scope(&mut client, "vpc")["stale"].is_null().then_some(()));
    eventually("three slow sweeps have begun", || (aws.count(slow) >= 3).then_some(()));
    let times: Vec<f64> = aws.fired().iter().filter(|fired| fired.rule == slow).map(|fired| fired.at).collect();
    for pair in times.windows(2) {
        assert!(pair[1] - pair[0] > 2.4, "two sweeps overlap: {times:?}");
    }
    aws.rules(&[]);
    eventually("it is fresh again", || client.read(&uri(&instance))["stale"].is_null().then_some(()));
}

#[test]
fn events_reach_the_store_by_a_queue_whose_answers_are_cut_off_and_each_message_goes_once_it_is_durable() {
    let aws = Proxy::start();
    let region = aws.endpoint().region;
    let instances = launch(&aws, 5);
    let attributes = json!({"QueueName": "muster", "Attributes": {"VisibilityTimeout": "2"}});
    let queue = aws.call("sqs.create_queue", &attributes)["QueueUrl"].as_str().unwrap().to_owned();
    let pattern = json!({"source": ["aws.ec2"]}).to_string();
    aws.call("events.put_rule", &json!({"Name": "muster", "EventPattern": pattern}));
    let target = json!([{"Id": "muster", "Arn": format!("arn:aws:sqs:{region}:{ACCOUNT}:muster")}]);
    aws.call("events.put_targets", &json!({"Rule": "muster", "Targets": target}));
    let tell = |instance: &str, state: &str| {
        let told = aws.call(
            "events.put_events",
            &json!({"Entries": [{
                "Source": "aws.ec2",
                "DetailType": "EC2 Instance State-change Notification",
                "Resources": [format!("arn:aws:ec2:{region}:{ACCOUNT}:instance/{instance}")],
                "Detail": json!({"instance-id": instance, "state": state}).to_string(),
            }]}),
        );
        assert_eq!(told["FailedEntryCount"], 0, "{told}");
    };
    let broken = aws.rules(&[
        json!({"operation": "ReceiveMessage", "sequence": {"fail": 1, "pass": 1}, "response": {"truncate_frac": 0.5}}),
        json!({"operation": "DeleteMessageBatch", "times": 1, "reset": true}),
        json!({"operation": "DeleteMessageBatch", "times": 1, "error": {"code": "ServiceUnavailable", "status": 503}}),
    ]);
    let sandbox = Sandbox::new(&aws.endpoint());
    let server = sandbox.serve(&[&RARELY[..], &["--queue-url", &format!("{region}={queue}")]].concat());
    server.swept();
    let mut client = Client::http(&server.http);

    // AWS goes on saying `running`, so only the event can be what is read.
    let (asserted, stopped) = instances.split_first().unwrap();
    tell(asserted, "stopping");
    let body = eventually("the event's state is asserted", || {
        Some(client.read(&uri(asserted))).filter(|body| state(body) == "stopping")
    });
    assert!(!rows(&body["provisional"]).is_empty(), "nothing says that it is provisional: {body}");
    for instance in stopped {
        aws.call("ec2.stop_instances", &json!({"InstanceIds": [instance]}));
        tell(instance, "stopped");
    }
    for instance in stopped {
        eventually("the event's state is read", || (state(&client.read(&uri(instance))) == "stopped").then_some(()));
    }
    eventually("every message is deleted", || {
        let names = json!(["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]);
        let asked = json!({"QueueUrl": queue, "AttributeNames": names});
        let left = aws.call("sqs.get_queue_attributes", &asked)["Attributes"].take();
        std::thread::sleep(Duration::from_millis(200));
        left.as_object().unwrap().values().all(|count| count == "0").then_some(())
    });
    for rule in broken {
        assert!(aws.count(rule) >= 1, "no answer was broken by rule {rule}");
    }
}
