//! Events through a real queue: EventBridge's and SQS's behaviour as moto has it, and a server that is killed where it hurts.
//!
//! An event must not be lost, and must not count twice, wherever the server dies on the way from receiving to deleting it.
//! `MUSTER_KILLS` says how often it is killed in each of the two places; the documented run has 50. `MUSTER_FLOOD` says how many
//! events the simulator sends in a row.

use std::collections::BTreeMap;
use std::time::Duration;

use muster::model::{Cause, Event, Recorded, Seq, Value as Content};
use muster::store::verify::fold_log;
use muster::store::{self, StoreOptions};
use serde_json::{Value, json};

use crate::harness::gate::{Gate, Kill};
use crate::harness::moto::{ACCOUNT, Moto};
use crate::harness::muster::{RARELY, Sandbox};
use crate::harness::rpc::Client;
use crate::harness::simulator::Simulator;
use crate::harness::{PATIENCE, eventually};

fn setting(name: &str, default: usize) -> usize {
    std::env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name} is not a number")))
}

/// A queue that a rule of the default bus feeds with everything of EC2. Messages come again after two seconds.
struct Feed<'m> {
    moto: &'m Moto,
    url: String,
}

impl<'m> Feed<'m> {
    fn make(moto: &'m Moto) -> Self {
        let region = moto.endpoint().region;
        let attributes = json!({"VisibilityTimeout": "2"});
        let made = moto.call("sqs.create_queue", &json!({"QueueName": "muster-events", "Attributes": attributes}));
        let pattern = json!({"source": ["aws.ec2"]}).to_string();
        moto.call("events.put_rule", &json!({"Name": "muster-instances", "EventPattern": pattern}));
        let arn = format!("arn:aws:sqs:{region}:{ACCOUNT}:muster-events");
        let targets = json!([{"Id": "muster", "Arn": arn}]);
        let put = moto.call("events.put_targets", &json!({"Rule": "muster-instances", "Targets": targets}));
        assert_eq!(put["FailedEntryCount"], 0, "{put}");
        Feed { moto, url: made["QueueUrl"].as_str().unwrap().to_owned() }
    }

    /// The flag that has a server listen.
    fn flags(&self) -> Vec<String> {
        let queue = format!("{}={}", self.moto.endpoint().region, self.url);
        RARELY.iter().map(|flag| (*flag).to_owned()).chain(["--queue-url".to_owned(), queue]).collect()
    }

    /// Stops an instance, and puts on the bus what AWS would: the call, by somebody whose agent is `agent`, and the state.
    fn stop(&self, instance: &str, agent: &str) {
        self.moto.call("ec2.stop_instances", &json!({"InstanceIds": [instance]}));
        let region = self.moto.endpoint().region;
        let call = json!({
            "eventVersion": "1.10", "eventTime": now(), "eventSource": "ec2.amazonaws.com", "eventName": "StopInstances",
            "awsRegion": region, "sourceIPAddress": "192.0.2.1", "userAgent": agent, "eventID": agent,
            "recipientAccountId": ACCOUNT, "readOnly": false, "eventType": "AwsApiCall",
            "userIdentity": {"type": "IAMUser", "arn": format!("arn:aws:iam::{ACCOUNT}:user/ann")},
            "requestParameters": {"instancesSet": {"items": [{"instanceId": instance}]}},
            "responseElements": {"instancesSet": {"items": [{"instanceId": instance}]}},
        });
        let state = json!({"instance-id": instance, "state": "stopped"});
        let arn = format!("arn:aws:ec2:{region}:{ACCOUNT}:instance/{instance}");
        let entry = |kind: &str, detail: &Value, resources: Value| json!({"Source": "aws.ec2", "DetailType": kind, "Detail": detail.to_string(), "Resources": resources});
        let entries = json!([
            entry("AWS API Call via CloudTrail", &call, json!([])),
            entry("EC2 Instance State-change Notification", &state, json!([arn])),
        ]);
        let put = self.moto.call("events.put_events", &json!({"Entries": entries}));
        assert_eq!(put["FailedEntryCount"], 0, "{put}");
    }

    /// How many messages are in the queue, those that somebody holds included.
    fn depth(&self) -> u64 {
        let names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"];
        let asked = json!({"QueueUrl": self.url, "AttributeNames": names});
        let told = self.moto.call("sqs.get_queue_attributes", &asked);
        names.iter().map(|name| told["Attributes"][name].as_str().unwrap().parse::<u64>().unwrap()).sum()
    }
}

/// Now, as CloudTrail writes it.
fn now() -> String {
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_millis();
    let now = muster::model::Timestamp::from_millis(i64::try_from(now).unwrap() / 1000 * 1000).to_string();
    now.replace(".000Z", "Z")
}

/// All records of a store that nobody has open, which must be as its log says.
fn records(sandbox: &Sandbox) -> Vec<Recorded> {
    let options = StoreOptions::new(sandbox.data(), muster::kinds::project);
    let (_writer, store) = store::open(options).unwrap();
    let snapshot = store.snapshot().unwrap();
    let report = fold_log(&snapshot).unwrap();
    assert!(report.is_clean(), "{report:?}");
    snapshot.records(Seq(1), usize::MAX).unwrap()
}

/// How often the log says that somebody with an agent called.
fn calls(records: &[Recorded]) -> BTreeMap<String, usize> {
    let mut calls = BTreeMap::new();
    for record in records {
        if let (Event::Called { .. }, Cause::Call { call, .. }) = (&record.event, &record.cause) {
            *calls.entry(call.agent.clone().unwrap_or_default()).or_default() += 1;
        }
    }
    calls
}

/// How often the log says that each instance changed its state to `stopped`.
fn stops(records: &[Recorded]) -> BTreeMap<String, usize> {
    let stopped = Content::from("stopped");
    let mut stops = BTreeMap::new();
    for record in records {
        if let Event::Changed { id, changes, .. } = &record.event {
            let stop = |path: &str, after: &Option<Content>| path == "State.Name" && after.as_ref() == Some(&stopped);
            let count = changes.iter().filter(|change| stop(&change.path, &change.after)).count();
            if count > 0 {
                *stops.entry(id.id.to_string()).or_default() += count;
            }
        }
    }
    stops
}

#[test]
fn a_state_change_comes_to_the_client_by_its_event() {
    let moto = Moto::start();
    let instance = moto.launch(1).remove(0);
    let feed = Feed::make(&moto);
    let sandbox = Sandbox::new(&moto.endpoint());
    let mut server = sandbox.serve(&feed.flags().iter().map(String::as_str).collect::<Vec<_>>());
    server.swept();
    let uri = format!("ec2://instance/{instance}");
    let listening = Client::http(&server.http).listen(&[&uri], false);
    feed.stop(&instance, "by-event");
    assert_eq!(listening.updated(PATIENCE).as_deref(), Some(uri.as_str()), "{}", server.running.tail());
    eventually("the read shows it", || {
        let body = Client::http(&server.http).read(&uri);
        (body["document"]["State"]["Name"] == "stopped").then_some(())
    });
    eventually("what was recorded is deleted", || (feed.depth() == 0).then_some(()));
    server.terminate();
    let records = records(&sandbox);
    assert_eq!(calls(&records), BTreeMap::from([("by-event".to_owned(), 1)]));
    assert_eq!(stops(&records), BTreeMap::from([(instance, 1)]));
}

#[test]
fn events_are_neither_lost_nor_counted_twice_wherever_the_server_is_killed() {
    let moto = Moto::start();
    let kills = setting("MUSTER_KILLS", 10);
    let instances = moto.launch(2 * kills);
    let feed = Feed::make(&moto);
    let gate = Gate::open(&moto.endpoint());
    let sandbox = Sandbox::new(&gate.endpoint());
    let flags = feed.flags();
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    {
        // Everything is known before the first event.
        let mut server = sandbox.serve(&flags);
        server.swept();
        server.terminate();
    }
    let (mut uncommitted, mut committed, mut undeleted) = (0, 0, 0);
    for (round, instance) in instances.iter().enumerate() {
        let agent = format!("round-{round}");
        let mut server = sandbox.serve(&flags);
        let kill = match round % 2 {
            // From at once, which is before the commit, to long enough for most commits.
            0 => Kill::Received(Duration::from_micros(u64::try_from(round).unwrap() * 7_370 % 40_000)),
            _ => Kill::Deleting,
        };
        gate.arm(server.running.pid(), kill);
        feed.stop(instance, &agent);
        let status = server.running.wait(PATIENCE);
        assert!(status.code().is_none(), "round {round}: {status} instead of a kill");
        let recorded = calls(&records(&sandbox));
        match (kill, recorded.get(&agent)) {
            (Kill::Received(_), None) => uncommitted += 1,
            (Kill::Received(_), Some(_)) => committed += 1,
            (Kill::Deleting, _) => undeleted += 1,
        }
        assert!(feed.depth() > 0, "round {round}: deleted, although nothing was passed on");
        assert!(recorded.values().all(|count| *count == 1), "round {round}: {recorded:?}");
    }
    let mut server = sandbox.serve(&flags);
    server.swept();
    eventually("the queue is empty", || (feed.depth() == 0).then_some(()));
    let mut client = Client::http(&server.http);
    for instance in &instances {
        let uri = format!("ec2://instance/{instance}");
        eventually("the instance is stopped", || {
            (client.read(&uri)["document"]["State"]["Name"] == "stopped").then_some(())
        });
    }
    server.terminate();
    let records = records(&sandbox);
    let once = |names: Vec<String>| names.into_iter().map(|name| (name, 1)).collect::<BTreeMap<_, _>>();
    assert_eq!(calls(&records), once((0..instances.len()).map(|round| format!("round-{round}")).collect()));
    assert_eq!(stops(&records), once(instances));
    eprintln!(
        "{kills} kills after a receive: {uncommitted} before the commit, {committed} after it; {undeleted} kills before a delete"
    );
    assert!(uncommitted > 0, "no kill fell between receive and commit");
    assert_eq!(undeleted, kills);
}

#[test]
fn of_thousands_of_events_with_repeats_none_is_lost_and_none_recorded_twice() {
    let wanted = setting("MUSTER_FLOOD", 5_000);
    let simulator = Simulator::start(1_000, &["--start-delay", "1s", "--stop-delay", "1s"]);
    let listening = simulator.control("POST", "/listen", &json!({"name": "events"}));
    simulator.control("PATCH", "/faults", &json!({"events": {"duplicate": 0.2}}));
    let sandbox = Sandbox::new(&simulator.endpoint());
    let queue = format!("{}={}", simulator.endpoint().region, listening["queue_url"].as_str().unwrap());
    let mut server = sandbox.serve(&[&RARELY[..], &["--queue-url", &queue]].concat());
    server.swept();
    let (mut flips, mut next, mut sent) = (BTreeMap::<String, usize>::new(), json!(0), 0);
    // Each flip has two events: one as it begins, one as it ends.
    while 2 * sent < wanted {
        let said = simulator.control("POST", "/flip", &json!({"from": next, "count": 100}));
        for id in said["flipped"].as_array().unwrap() {
            *flips.entry(id.as_str().unwrap().to_owned()).or_default() += 1;
            sent += 1;
        }
        next = said["next"].clone();
        std::thread::sleep(Duration::from_millis(100));
    }
    let mut client = Client::http(&server.http);
    let told = || simulator.control("GET", "/faults/counts", &Value::Null)["events"].clone();
    let mut before = json!(null);
    let counts = eventually("everything that was delivered is deleted", || {
        std::thread::sleep(Duration::from_millis(2_500));
        let told = told();
        let counts = client.read("ec2://inventory/freshness")["event_counts"].clone();
        let rests = told == before && counts["deleted"].as_u64() >= told["delivered"].as_u64();
        before = told;
        rests.then_some(counts)
    });
    server.terminate();
    eprintln!("{before}\n{counts}");
    let count = |name: &str| counts[name].as_u64().unwrap();
    assert!(before["duplicated"].as_u64() > Some(0) && count("repeated") > 0, "nothing came twice: {counts}");
    assert_eq!((count("delete_failures"), count("undecodable"), count("let_go")), (0, 0, 0), "{counts}");
    assert_eq!(count("received"), count("applied") + count("repeated") + count("unchanged"), "{counts}");

    let options = StoreOptions::new(sandbox.data(), muster::kinds::project);
    let (_writer, store) = store::open(options).unwrap();
    let snapshot = store.snapshot().unwrap();
    let (mut recorded, mut begun) = (BTreeMap::new(), BTreeMap::new());
    for record in snapshot.records(Seq(1), usize::MAX).unwrap() {
        match (&record.cause, &record.event) {
            (Cause::Notification { event_id }, Event::Changed { .. }) => {
                *recorded.entry(event_id.clone()).or_insert(0) += 1;
            }
            (_, Event::Discovered { id, document, .. }) => {
                begun.insert(id.clone(), document.text("State.Name").map(str::to_owned));
            }
            _ => {}
        }
    }
    assert!(recorded.values().all(|times| *times == 1), "recorded twice: {recorded:?}");
    assert!(recorded.keys().all(|event_id| snapshot.is_notified(event_id).unwrap()));
    for (id, before) in begun.into_iter().filter(|(id, _)| id.kind.as_str() == "AWS::EC2::Instance") {
        let Some(times) = flips.get(&*id.id) else { continue };
        let before = before.unwrap();
        let other = if before == "running" { "stopped" } else { "running" };
        let expected = if times % 2 == 0 { &before } else { other };
        let current = snapshot.current(&id).unwrap().unwrap();
        assert_eq!(current.state(), Some(expected), "{id} was {before} and flipped {times} times");
    }
}
