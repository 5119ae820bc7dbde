//! A queue without a dead-letter queue, and messages in it that are no events: they are kept, shown and deleted.

use serde_json::{Value, json};

use crate::harness::account::Account;
use crate::harness::eventually;
use crate::harness::muster::{RARELY, Sandbox};
use crate::harness::rpc::Client;
use crate::harness::simulator::Simulator;

/// What people find in such queues, and what Muster calls it.
fn odd() -> Vec<(String, &'static str)> {
    let event = |time: Option<&str>| {
        let mut event = json!({
            "id": "e-1", "detail-type": "EC2 Instance State-change Notification", "source": "aws.ec2",
            "account": "123456789012", "region": "us-east-1", "resources": [],
            "detail": {"instance-id": "i-0abcd1234ef015678", "state": "stopped"},
        });
        if let Some(time) = time {
            event["time"] = json!(time);
        }
        event
    };
    vec![
        (json!({"Service": "AWS Auto Scaling", "Event": "autoscaling:TEST_NOTIFICATION", "AutoScalingGroupARN": "arn"}).to_string(), "Auto Scaling"),
        (json!([event(Some("2026-11-11T21:29:54Z"))]).to_string(), "a list"),
        (event(None).to_string(), "`time`"),
        (json!({"Type": "SubscriptionConfirmation", "TopicArn": "t", "Message": "m", "SubscribeURL": "https://sns"}).to_string(), "confirm a subscription"),
        ("<xml/>".to_owned(), "not JSON"),
    ]
}

#[test]
fn messages_that_are_no_events_leave_a_queue_without_a_dead_letter_queue_and_doctor_shows_them() {
    let simulator = Simulator::start(3, &[]);
    let endpoint = simulator.endpoint();
    let account = Account::at(&endpoint);
    let attributes = json!({"VisibilityTimeout": "1"});
    let made = account.call("sqs.create_queue", &json!({"QueueName": "team", "Attributes": attributes}));
    let url = made["QueueUrl"].as_str().unwrap().to_owned();
    let send = |body: &str| account.call("sqs.send_message", &json!({"QueueUrl": url, "MessageBody": body}));
    for (body, _) in odd() {
        send(&body);
    }
    let sandbox = Sandbox::new(&endpoint);
    let queue = format!("{}={url}", endpoint.region);
    let flags = [RARELY.as_slice(), &["--queue-url", &queue]].concat();
    let serve = sandbox.serve(&flags);
    serve.swept();

    let depth = || {
        let names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"];
        let told = account.call("sqs.get_queue_attributes", &json!({"QueueUrl": url, "AttributeNames": names}));
        names.iter().map(|name| told["Attributes"][name].as_str().unwrap().parse::<u64>().unwrap()).sum::<u64>()
    };
    eventually("the queue is empty", || (depth() == 0).then_some(()));

    let data = sandbox.data();
    let data = data.to_str().unwrap();
    let run = |words: &[&str]| -> Value {
        let output = sandbox.muster(words).output().unwrap();
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{words:?}: {error}: {output:?}"))
    };
    let stat = run(&["log", "stat", "--json", "--data-dir", data]);
    let kept = stat["unreadable_messages"].as_array().unwrap();
    assert_eq!(kept.len(), odd().len(), "{stat:#}");
    for (body, what) in odd() {
        let found = kept.iter().find(|message| message["body"] == body.as_str()).unwrap_or_else(|| panic!("{body}"));
        assert!(found["why"].as_str().unwrap().contains(what), "{found:#}");
        assert!(found["receives"].as_u64().unwrap() >= 10, "{found:#}");
    }
    let told = run(&["doctor", "--json", "--data-dir", data, "--queue-url", &queue]);
    let findings = told["findings"].as_array().unwrap();
    let finding = findings.iter().find(|finding| finding["check"] == "unreadable-messages").unwrap();
    assert_eq!(finding["verdict"], "warning", "{finding:#}");
    assert!(finding["fact"].as_str().unwrap().starts_with("5 messages"), "{finding:#}");

    // The queue works on: an event that comes through an SNS topic is read.
    let mut client = Client::http(&serve.http);
    let instance =
        account.call("ec2.describe_instances", &json!({}))["Reservations"][0]["Instances"][0]["InstanceId"].clone();
    let event = json!({
        "id": "e-2", "detail-type": "EC2 Instance State-change Notification", "source": "aws.ec2", "account": "123456789012",
        "time": "2020-01-01T00:00:00Z", "region": endpoint.region, "resources": [],
        "detail": {"instance-id": instance, "state": "running"},
    });
    let wrapped =
        json!({"Type": "Notification", "TopicArn": "arn:aws:sns:us-east-1:1:t", "Message": event.to_string()});
    send(&wrapped.to_string());
    eventually("the event is deleted", || (depth() == 0).then_some(()));
    let freshness = client.read("ec2://inventory/freshness");
    let counts = &freshness["event_counts"];
    assert_eq!(counts["parked"], 5, "{freshness:#}");
    assert_eq!(counts["unchanged"].as_u64().unwrap() + counts["applied"].as_u64().unwrap(), 1, "{counts:#}");
}
