//! EventBridge over the socket, and the path of an event from a happening to a queue.

use std::time::Duration;

use serde_json::{Value, json};

use crate::simulator::bus::{Pattern, Target};
use crate::simulator::clock::Moment;
use crate::simulator::happening::{Happening, What};
use crate::simulator::tests::sqs::{Reply, call, post};
use crate::simulator::tests::{START, options};
use crate::simulator::world::World;
use crate::simulator::{EventFaults, Simulator};

const ACCOUNT: &str = "123456789012";
const REGION: &str = "us-east-1";
const QUEUE: &str = "arn:aws:sqs:us-east-1:123456789012:muster";

async fn events(simulator: &Simulator, action: &str, body: Value) -> Reply {
    call(simulator, "AKIAX/20261122/us-east-1/events", &format!("AWSEvents.{action}"), &body).await
}

async fn sqs(simulator: &Simulator, action: &str, body: Value) -> Value {
    call(simulator, "AKIAX/20261122/us-east-1/sqs", &format!("AmazonSQS.{action}"), &body).await.ok()
}

async fn start() -> Simulator {
    Simulator::start(options(5)).await.unwrap()
}

fn state(world: &World, id: &str, state: &'static str, at: Moment) {
    push(world, at, What::InstanceState { id: id.to_owned(), state });
}

fn push(world: &World, at: Moment, what: What) {
    world.outbox().push(Happening { at, account: ACCOUNT.to_owned(), region: REGION.to_owned(), what });
}

/// All messages in the queue, oldest first, without waiting.
async fn drain(simulator: &Simulator, url: &str) -> Vec<Value> {
    let mut bodies = Vec::new();
    loop {
        let got = sqs(simulator, "ReceiveMessage", json!({ "QueueUrl": url, "MaxNumberOfMessages": 10 })).await;
        let Some(messages) = got["Messages"].as_array() else { return bodies };
        bodies.extend(messages.iter().map(|message| {
            let body: Value = serde_json::from_str(message["Body"].as_str().unwrap()).unwrap();
            body
        }));
    }
}

/// The events of some happenings, received through a queue that gets everything.
async fn delivered(whats: Vec<What>) -> Vec<Value> {
    let simulator = start().await;
    let world = simulator.world();
    let url = world.listen(ACCOUNT, REGION, "all");
    for what in whats {
        push(&world, world.clock().moment(), what);
    }
    let events = drain(&simulator, &url).await;
    simulator.stop().await;
    events
}

#[tokio::test]
async fn a_rule_is_put_described_listed_switched_and_deleted() {
    let simulator = start().await;
    let pattern = r#"{"source":["aws.ec2"]}"#;
    let put = json!({ "Name": "muster", "EventPattern": pattern, "Description": "d", "Tags": [{ "Key": "a", "Value": "b" }] });
    let arn = events(&simulator, "PutRule", put).await.ok()["RuleArn"].clone();
    assert_eq!(arn, "arn:aws:events:us-east-1:123456789012:rule/muster");
    let described = events(&simulator, "DescribeRule", json!({ "Name": "muster" })).await.ok();
    let wanted = json!({
        "Name": "muster", "Arn": arn, "EventPattern": pattern, "State": "ENABLED", "Description": "d",
        "EventBusName": "default", "CreatedBy": ACCOUNT,
    });
    assert_eq!(described, wanted);
    assert_eq!(events(&simulator, "DisableRule", json!({ "Name": "muster" })).await.ok(), Value::Null);
    assert_eq!(events(&simulator, "DescribeRule", json!({ "Name": "muster" })).await.ok()["State"], "DISABLED");
    events(&simulator, "EnableRule", json!({ "Name": "muster" })).await.ok();
    for name in ["b1", "b2", "b3"] {
        events(&simulator, "PutRule", json!({ "Name": name, "EventPattern": pattern })).await.ok();
    }
    let page = events(&simulator, "ListRules", json!({ "NamePrefix": "b", "Limit": 2 })).await.ok();
    assert_eq!(page["Rules"].as_array().unwrap().len(), 2);
    let rest = json!({ "NamePrefix": "b", "Limit": 2, "NextToken": page["NextToken"] });
    let rest = events(&simulator, "ListRules", rest).await.ok();
    assert_eq!((&rest["Rules"][0]["Name"], rest.get("NextToken")), (&json!("b3"), None));

    let tags = json!({ "ResourceARN": arn });
    let more = json!({ "ResourceARN": arn, "Tags": [{ "Key": "c", "Value": "d" }] });
    events(&simulator, "TagResource", more).await.ok();
    events(&simulator, "UntagResource", json!({ "ResourceARN": arn, "TagKeys": ["a"] })).await.ok();
    let tags = events(&simulator, "ListTagsForResource", tags).await.ok();
    assert_eq!(tags, json!({ "Tags": [{ "Key": "c", "Value": "d" }] }));

    let targets = json!([
        { "Id": "queue", "Arn": QUEUE },
        { "Id": "far", "Arn": "arn:aws:sqs:eu-west-1:123456789012:muster" },
        { "Id": "lambda", "Arn": "arn:aws:lambda:us-east-1:123456789012:function:x" },
        { "Id": "shaped", "Arn": QUEUE, "InputPath": "$.detail" },
    ]);
    let put = events(&simulator, "PutTargets", json!({ "Rule": "muster", "Targets": targets })).await.ok();
    assert_eq!((&put["FailedEntryCount"], &put["FailedEntries"][1]["TargetId"]), (&json!(3), &json!("lambda")));
    let listed = events(&simulator, "ListTargetsByRule", json!({ "Rule": "muster" })).await.ok();
    assert_eq!(listed, json!({ "Targets": [{ "Id": "queue", "Arn": QUEUE }] }));
    let named = events(&simulator, "ListRuleNamesByTarget", json!({ "TargetArn": QUEUE })).await.ok();
    assert_eq!(named, json!({ "RuleNames": ["muster"] }));
    let held = events(&simulator, "DeleteRule", json!({ "Name": "muster" })).await.refused();
    assert_eq!(held, ("ValidationException".to_owned(), "Rule can't be deleted since it has targets.".to_owned()));
    let removed = events(&simulator, "RemoveTargets", json!({ "Rule": "muster", "Ids": ["queue"] })).await.ok();
    assert_eq!(removed["FailedEntryCount"], 0);
    events(&simulator, "DeleteRule", json!({ "Name": "muster" })).await.ok();
    let (code, message) = events(&simulator, "DescribeRule", json!({ "Name": "muster" })).await.refused();
    assert_eq!(code, "ResourceNotFoundException");
    assert_eq!(message, "Rule muster does not exist on EventBus default.");
    simulator.stop().await;
}

#[tokio::test]
async fn wrong_rules_are_refused_in_eventbridges_words() {
    let simulator = start().await;
    let pattern = r#"{"source":["x"]}"#;
    for (action, body, code) in [
        ("PutRule", json!({ "Name": "r", "EventPattern": r#"{"source":"x"}"# }), "InvalidEventPatternException"),
        ("PutRule", json!({ "Name": "r" }), "ValidationException"),
        ("PutRule", json!({ "EventPattern": pattern }), "ValidationException"),
        ("PutRule", json!({ "Name": "a b", "EventPattern": pattern }), "ValidationException"),
        ("PutRule", json!({ "Name": "r", "ScheduleExpression": "rate(1 minute)" }), "ValidationException"),
        ("PutRule", json!({ "Name": "r", "EventPattern": pattern, "State": "ON" }), "ValidationException"),
        (
            "PutRule",
            json!({ "Name": "r", "EventPattern": pattern, "EventBusName": "own" }),
            "ResourceNotFoundException",
        ),
        ("PutTargets", json!({ "Rule": "r", "Targets": [{ "Id": "1", "Arn": QUEUE }] }), "ResourceNotFoundException"),
        ("PutTargets", json!({ "Rule": "r", "Targets": [] }), "ValidationException"),
        ("TestEventPattern", json!({ "EventPattern": "{}", "Event": "{}" }), "InvalidEventPatternException"),
        ("TestEventPattern", json!({ "EventPattern": pattern, "Event": "{}" }), "ValidationException"),
        ("ListArchives", json!({}), "UnknownOperationException"),
    ] {
        let refused = events(&simulator, action, body.clone()).await;
        assert_eq!(refused.status, 400);
        assert!(!refused.head.contains("x-amzn-query-error"));
        assert_eq!(refused.refused().0, code, "{action} {body}");
    }
    events(&simulator, "PutRule", json!({ "Name": "r", "EventPattern": pattern })).await.ok();
    let many: Vec<Value> = (0..6).map(|n| json!({ "Id": n.to_string(), "Arn": QUEUE })).collect();
    let over = events(&simulator, "PutTargets", json!({ "Rule": "r", "Targets": many })).await;
    assert_eq!(over.refused().0, "LimitExceededException");
    let event = json!({ "id": "1", "account": "1", "source": "x", "time": "t", "region": "r", "resources": [], "detail-type": "d" });
    let test = json!({ "EventPattern": pattern, "Event": event.to_string() });
    assert_eq!(events(&simulator, "TestEventPattern", test).await.ok(), json!({ "Result": true }));
    simulator.stop().await;
}

#[tokio::test]
async fn custom_events_reach_the_queue_only_under_a_policy_that_lets_the_rule_in() {
    let simulator = start().await;
    let world = simulator.world();
    let made = sqs(&simulator, "CreateQueue", json!({ "QueueName": "muster" })).await;
    let url = made["QueueUrl"].as_str().unwrap().to_owned();
    let rule = json!({ "Name": "canary", "EventPattern": r#"{"source":["custom.canary"],"detail":{"n":[{"numeric":[">",1]}]}}"# });
    let rule = events(&simulator, "PutRule", rule).await.ok()["RuleArn"].clone();
    let targets = json!({ "Rule": "canary", "Targets": [{ "Id": "1", "Arn": QUEUE }] });
    events(&simulator, "PutTargets", targets).await.ok();
    let entry = |source: &str, detail: &str| json!({ "Source": source, "DetailType": "Canary", "Detail": detail });
    let put = json!({ "Entries": [
        entry("custom.canary", r#"{"n":2}"#),
        entry("custom.canary", r#"{"n":1}"#),
        entry("aws.ec2", "{}"),
        entry("custom.canary", "[]"),
        { "Source": "custom.canary", "Detail": "{}" },
    ] });
    let answer = events(&simulator, "PutEvents", put.clone()).await.ok();
    assert_eq!(answer["FailedEntryCount"], 3);
    let codes: Vec<Option<&str>> = (0..5).map(|n| answer["Entries"][n]["ErrorCode"].as_str()).collect();
    assert_eq!(
        codes,
        [None, None, Some("NotAuthorizedForSourceException"), Some("MalformedDetail"), Some("InvalidArgument")]
    );
    // The queue has no policy yet.
    assert_eq!(drain(&simulator, &url).await, Vec::<Value>::new());
    assert_eq!((world.event_counts().undeliverable, world.event_counts().unmatched), (1, 1));

    let statement = json!({
        "Effect": "Allow", "Principal": { "Service": "events.amazonaws.com" }, "Action": "sqs:SendMessage",
        "Resource": QUEUE, "Condition": { "ArnEquals": { "aws:SourceArn": rule } },
    });
    let policy = json!({ "Version": "2012-10-17", "Statement": [statement] }).to_string();
    sqs(&simulator, "SetQueueAttributes", json!({ "QueueUrl": url, "Attributes": { "Policy": policy } })).await;
    let answer = events(&simulator, "PutEvents", put).await.ok();
    let got = drain(&simulator, &url).await;
    assert_eq!(got.len(), 1);
    assert_eq!(got[0]["id"], answer["Entries"][0]["EventId"]);
    assert_eq!((&got[0]["detail"], &got[0]["time"]), (&json!({ "n": 2 }), &json!(START)));
    simulator.stop().await;
}

#[tokio::test]
async fn what_lies_ahead_is_told_when_its_moment_comes_and_only_if_it_came_true() {
    let simulator = start().await;
    let (world, home) = (simulator.world(), simulator.world().home());
    let url = world.listen(ACCOUNT, REGION, "muster");
    let id = home.instance_ids_in("running").remove(0);
    home.stop(&id).unwrap();
    // A start that was announced, but that another call prevented.
    state(&world, &id, "running", world.clock().moment().plus(Duration::from_secs(1)));
    let states = |events: &[Value]| events.iter().map(|event| event["detail"]["state"].clone()).collect::<Vec<_>>();
    assert_eq!(states(&drain(&simulator, &url).await), ["stopping"]);
    world.clock().advance(Duration::from_secs(2));
    let later = drain(&simulator, &url).await;
    assert_eq!(states(&later), ["stopped"]);
    assert_eq!(later[0]["time"], "2026-11-22T12:00:02Z");
    simulator.stop().await;
}

/// Uses the API, so the call's record and the tags' version are checked as well.
#[tokio::test]
async fn a_call_is_followed_by_the_events_aws_sends() {
    let simulator = start().await;
    let url = simulator.world().listen(ACCOUNT, REGION, "muster");
    let id = simulator.world().home().instance_ids_in("running").remove(0);
    let query = [
        format!("Action=CreateTags&Version=2016-11-15&ResourceId.1={id}&Tag.1.Key=a&Tag.1.Value=b"),
        format!("Action=CreateTags&Version=2016-11-15&ResourceId.1={id}&Tag.1.Key=a&Tag.1.Value=c"),
        format!("Action=StopInstances&Version=2016-11-15&InstanceId.1={id}"),
    ];
    for body in query {
        let answer = post(&simulator, "AKIAX/20261122/us-east-1/ec2", "", &body).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    simulator.world().clock().advance(Duration::from_mins(1));
    let got = drain(&simulator, &url).await;
    let kinds: Vec<(&str, &str)> = got
        .iter()
        .map(|event| {
            let detail = &event["detail"];
            let what = detail["state"].as_str().or(detail["eventName"].as_str()).unwrap_or_default();
            (event["detail-type"].as_str().unwrap(), what)
        })
        .collect();
    let (tag, call, state) =
        ("Tag Change on Resource", "AWS API Call via CloudTrail", "EC2 Instance State-change Notification");
    for wanted in [(tag, ""), (call, "CreateTags"), (call, "StopInstances"), (state, "stopping"), (state, "stopped")] {
        assert!(kinds.contains(&wanted), "{wanted:?} in {kinds:?}");
    }
    let versions: Vec<u64> = got.iter().filter_map(|event| event["detail"]["version"].as_u64()).collect();
    assert!(versions.len() == 2 && versions[0] < versions[1], "{versions:?}");
}

#[tokio::test]
async fn events_have_the_shapes_of_ec2s_and_the_tag_services_events() {
    let at = Moment::of(START.parse().unwrap());
    let got = delivered(vec![
        What::InstanceState { id: "i-1".to_owned(), state: "pending" },
        What::Volume {
            id: "vol-1".to_owned(),
            event: "createVolume",
            result: "available",
            cause: String::new(),
            request: "r".to_owned(),
        },
        What::Tags {
            resource: "i-1".to_owned(),
            resource_type: "instance",
            changed: vec!["Name".to_owned()],
            version: 5,
            tags: vec![("Name".to_owned(), "web".to_owned()), ("env".to_owned(), "prod".to_owned())],
        },
        What::Snapshots {
            instance: "i-1".to_owned(),
            result: "succeeded",
            started: at,
            ended: at.plus(Duration::from_secs(9)),
            snapshots: vec![("snap-1".to_owned(), "vol-1".to_owned(), "completed")],
        },
        What::Call {
            name: "RunInstances",
            request: json!({ "instancesSet": {} }),
            response: Value::Null,
            error: Some(("DryRunOperation".to_owned(), "Request would have succeeded.".to_owned())),
            request_id: "r-1".to_owned(),
            by: Box::default(),
        },
    ])
    .await;
    let mut state = got[0].clone();
    assert_eq!(state["id"].take().as_str().unwrap().len(), 36);
    let wanted = json!({
        "version": "0", "id": null, "detail-type": "EC2 Instance State-change Notification", "source": "aws.ec2",
        "account": ACCOUNT, "time": START, "region": REGION,
        "resources": ["arn:aws:ec2:us-east-1:123456789012:instance/i-1"],
        "detail": { "instance-id": "i-1", "state": "pending" },
    });
    assert_eq!(state, wanted);
    assert_eq!(got[1]["resources"], json!(["arn:aws:ec2:us-east-1:123456789012:volume/vol-1"]));
    let detail = json!({ "result": "available", "cause": "", "event": "createVolume", "request-id": "r" });
    assert_eq!(got[1]["detail"], detail);
    assert_eq!(got[2]["source"], "aws.tag");
    let detail = json!({
        "changed-tag-keys": ["Name"], "service": "ec2", "resource-type": "instance", "version": 5,
        "tags": { "Name": "web", "env": "prod" },
    });
    assert_eq!(got[2]["detail"], detail);
    assert_eq!(
        (&got[3]["detail"]["event"], &got[3]["detail"]["endTime"]),
        (&json!("createSnapshots"), &json!("2026-11-22T12:00:09Z"))
    );
    assert!(got[3]["detail"]["snapshots"][0]["source"].as_str().unwrap().ends_with("volume/vol-1"));
    assert_eq!((&got[4]["detail-type"], &got[4]["resources"]), (&json!("AWS API Call via CloudTrail"), &json!([])));
    assert_eq!(got[4]["detail"]["errorCode"], "Client.DryRunOperation");
    assert_eq!((&got[4]["detail"]["responseElements"], &got[4]["detail"]["readOnly"]), (&Value::Null, &json!(false)));
}

#[tokio::test]
async fn snapshots_are_named_in_both_of_ebs_spellings() {
    let at = Moment::of(START.parse().unwrap());
    let snapshot = |n: u32| What::Snapshot {
        id: format!("snap-{n}"),
        volume: "vol-1".to_owned(),
        event: "createSnapshot",
        result: "succeeded",
        cause: String::new(),
        started: at,
        ended: at,
    };
    let got = delivered((0..20).map(snapshot).collect()).await;
    let arns: Vec<&str> = got.iter().map(|event| event["detail"]["snapshot_id"].as_str().unwrap()).collect();
    for beginning in ["arn:aws:ec2::us-east-1:snapshot/snap-", "arn:aws:ec2:us-east-1::snapshot/snap-"] {
        assert!(arns.iter().any(|arn| arn.starts_with(beginning)), "{arns:?}");
    }
}

#[tokio::test]
async fn read_only_calls_are_told_only_to_rules_that_ask_for_them() {
    let simulator = start().await;
    let world = simulator.world();
    let url = world.listen(ACCOUNT, REGION, "muster");
    let read = || What::Call {
        name: "DescribeInstances",
        request: Value::Null,
        response: Value::Null,
        error: None,
        request_id: "r".to_owned(),
        by: Box::default(),
    };
    push(&world, world.clock().moment(), read());
    assert_eq!(drain(&simulator, &url).await.len(), 0);
    let all = json!({
        "Name": "muster", "EventPattern": r#"{"source":["aws.ec2"]}"#,
        "State": "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS",
    });
    events(&simulator, "PutRule", all).await.ok();
    push(&world, world.clock().moment(), read());
    assert_eq!(drain(&simulator, &url).await.len(), 1);
    simulator.stop().await;
}

#[tokio::test]
async fn events_are_dropped_repeated_held_back_and_stripped_as_told_and_counted() {
    let simulator = start().await;
    let world = simulator.world();
    let url = world.listen(ACCOUNT, REGION, "muster");
    let faults =
        EventFaults { drop: 0.2, duplicate: 0.3, reorder: 0.3, without_account: 0.5, ..EventFaults::default() };
    world.set_event_faults(faults.clone());
    assert_eq!(world.event_faults(), faults);
    let (now, sent) = (world.clock().moment(), 200_u32);
    for n in 0..sent {
        state(&world, &format!("i-{n}"), "pending", now.plus(Duration::from_millis(u64::from(n))));
    }
    world.clock().advance(Duration::from_secs(10));
    let got = drain(&simulator, &url).await;
    let counts = world.event_counts();
    assert_eq!(counts.emitted, u64::from(sent));
    assert_eq!(counts.delivered, counts.emitted - counts.dropped + counts.duplicated);
    assert_eq!(got.len() as u64, counts.delivered);
    for (count, share) in [(counts.dropped, 40), (counts.duplicated, 48), (counts.reordered, 48)] {
        assert!((share / 2..share * 2).contains(&count), "{counts:?}");
    }
    let mut ids: Vec<&str> = got.iter().map(|event| event["id"].as_str().unwrap()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len() as u64, counts.emitted - counts.dropped);
    assert!(got.iter().any(|event| event.get("account").is_none()));
    let numbers: Vec<u32> =
        got.iter().map(|event| event["detail"]["instance-id"].as_str().unwrap()[2..].parse().unwrap()).collect();
    assert!(!numbers.is_sorted());

    // Every event is late by a second, so nothing arrives before.
    world.set_event_faults(EventFaults { delay_ms: [1_000, 1_000], ..EventFaults::default() });
    state(&world, "i-late", "pending", world.clock().moment());
    assert_eq!(drain(&simulator, &url).await.len(), 0);
    world.clock().advance(Duration::from_secs(1));
    assert_eq!(drain(&simulator, &url).await.len(), 1);
    simulator.stop().await;
}

#[tokio::test]
async fn a_rule_sends_to_the_default_bus_of_another_account_by_a_role_and_no_further() {
    const MEMBER: &str = "111122223333";
    const THIRD: &str = "444455556666";
    const SENDER: &str = "arn:aws:iam::123456789012:role/forwarder";
    let bus = |account: &str| format!("arn:aws:events:us-east-1:{account}:event-bus/default");
    let simulator = start().await;
    let world = simulator.world();
    let url = world.listen(ACCOUNT, REGION, "central");
    for (account, name) in [(ACCOUNT, "central"), (MEMBER, "member"), (THIRD, "third")] {
        drop(world.listen(account, REGION, name));
        let rules = world.bus().rules(account, REGION);
        let mut rules = rules.write();
        let rule = rules.0.get_mut(name).unwrap();
        rule.pattern = Pattern::parse(r#"{"source":["custom.canary"]}"#).unwrap();
        if account == MEMBER {
            let target = Target { arn: bus(ACCOUNT), shown: json!({ "Id": "bus", "Arn": bus(ACCOUNT) }) };
            rule.targets = [("bus".to_owned(), target)].into();
        }
    }
    let rule = json!({ "Name": "onward", "EventPattern": r#"{"source":["custom.canary"]}"# });
    events(&simulator, "PutRule", rule).await.ok();
    let targets = json!([
        { "Id": "bus", "Arn": bus(THIRD), "RoleArn": SENDER },
        { "Id": "no-role", "Arn": bus(MEMBER) },
        { "Id": "itself", "Arn": bus(ACCOUNT), "RoleArn": SENDER },
    ]);
    let put = events(&simulator, "PutTargets", json!({ "Rule": "onward", "Targets": targets })).await.ok();
    let failed: Vec<&str> = (0..2).map(|n| put["FailedEntries"][n]["TargetId"].as_str().unwrap()).collect();
    assert_eq!((&put["FailedEntryCount"], failed), (&json!(2), vec!["no-role", "itself"]));

    let event = |account: &str| {
        json!({
            "id": "e-1", "source": "custom.canary", "detail-type": "Canary", "account": account, "region": REGION,
            "time": "2026-11-22T00:00:00Z", "resources": [], "detail": {},
        })
    };
    world.emit(MEMBER, REGION, event(MEMBER));
    assert_eq!(drain(&simulator, &url).await, [event(MEMBER)], "a bus leaves the envelope as it is");
    assert_eq!(world.queue_length(THIRD, REGION, "third"), Some(0), "and sends nothing on to a third one");
    world.emit(ACCOUNT, REGION, event(ACCOUNT));
    assert_eq!(drain(&simulator, &url).await, [event(ACCOUNT)]);
    assert_eq!(world.queue_length(THIRD, REGION, "third"), Some(1));
    simulator.stop().await;
}

#[tokio::test]
async fn a_long_poll_hears_of_what_the_clock_brings() {
    let simulator = start().await;
    let world = simulator.world();
    let url = world.listen(ACCOUNT, REGION, "muster");
    state(&world, "i-1", "pending", world.clock().moment().plus(Duration::from_mins(5)));
    let poll = sqs(&simulator, "ReceiveMessage", json!({ "QueueUrl": url, "WaitTimeSeconds": 20 }));
    let moving = async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        world.clock().advance(Duration::from_mins(5));
    };
    assert_eq!(tokio::join!(poll, moving).0["Messages"].as_array().unwrap().len(), 1);
    assert_eq!(world.queue_length(ACCOUNT, REGION, "muster"), Some(1));
    simulator.stop().await;
}
