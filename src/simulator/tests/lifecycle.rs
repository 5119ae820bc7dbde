//! Starts, stops, terminations and snapshots, with a clock that is moved by hand.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::simulator::Options;
use crate::simulator::tests::{Aws, options, text, texts};
use crate::simulator::world::World;

#[test]
fn stop_and_start_go_through_the_states_between_and_leave_their_traces() {
    let aws = Aws::with(100);
    let home = aws.0.home();
    let public = aws.get(
        "DescribeInstances",
        &[
            ("Filter.1.Name", "ip-address"),
            ("Filter.1.Value.1", "*"),
            ("Filter.2.Name", "instance-state-name"),
            ("Filter.2.Value.1", "running"),
        ],
    );
    let id = texts(&public, "instanceId").remove(0);
    let named = [("InstanceId.1", id.as_str())];
    let body = || aws.get("DescribeInstances", &named);
    let pair_of = |xml: &str| {
        let name = |tag| text(&text(xml, tag), "name");
        (name("previousState"), name("currentState"))
    };
    let pair = |before: &str, after: &str| (before.to_owned(), after.to_owned());
    let address = texts(&body(), "ipAddress");

    assert_eq!(pair_of(&aws.get("StartInstances", &named)), pair("running", "running"));
    assert_eq!(pair_of(&aws.get("StopInstances", &named)), pair("running", "stopping"));
    assert_eq!(pair_of(&aws.get("StopInstances", &named)), pair("stopping", "stopping"));
    let (number, code, message) = aws.refused("StartInstances", &named);
    assert_eq!((number, code.as_str()), (400, "IncorrectInstanceState"));
    assert_eq!(message, format!("The instance '{id}' is not in a state from which it can be started."));
    aws.advance(2);
    assert_eq!(home.state(&id), Some("stopped"));
    assert_eq!(pair_of(&aws.get("StopInstances", &named)), pair("stopped", "stopped"));
    let stopped = body();
    assert_eq!(text(&stopped, "reason"), "User initiated (2026-11-22 12:00:00 GMT)");
    assert!(text(&stopped, "stateReason").contains("<code>Client.UserInitiatedShutdown</code>"));
    assert!(texts(&stopped, "ipAddress").is_empty() && texts(&stopped, "association").is_empty());

    aws.advance(58);
    assert_eq!(pair_of(&aws.get("StartInstances", &named)), pair("stopped", "pending"));
    assert_eq!(pair_of(&aws.get("StartInstances", &named)), pair("pending", "pending"));
    assert_eq!(aws.refused("StopInstances", &named).1, "IncorrectInstanceState");
    aws.advance(2);
    let started = body();
    assert_eq!(home.state(&id), Some("running"));
    assert_eq!(text(&started, "launchTime"), "2026-11-22T12:01:00.000Z");
    assert!(started.contains("<reason/>") && !started.contains("stateReason"));
    assert_ne!(texts(&started, "ipAddress"), address);
}

#[test]
fn one_instance_that_cannot_be_started_stops_the_whole_call() {
    let aws = Aws::with(300);
    let (stopped, gone) = (aws.first("stopped"), aws.first("terminated"));
    let (_, code, message) = aws.refused("StartInstances", &[("InstanceId.1", &stopped), ("InstanceId.2", &gone)]);
    assert_eq!(code, "IncorrectInstanceState");
    assert!(message.contains(&gone));
    assert_eq!(aws.0.home().state(&stopped), Some("stopped"));
    assert!(text(&aws.get("RebootInstances", &[("InstanceId.1", &aws.first("running"))]), "return") == "true");
    assert_eq!(aws.refused("RebootInstances", &[("InstanceId.1", &stopped)]).1, "IncorrectInstanceState");
    assert_eq!(text(&aws.get("RebootInstances", &[("InstanceId.1", &gone)]), "return"), "true");
}

#[test]
fn a_move_that_takes_no_time_is_still_answered_as_begun() {
    let aws = Aws(World::new(Options { start_delay: Duration::ZERO, stop_delay: Duration::ZERO, ..options(50) }));
    let id = aws.first("running");
    let stopped = aws.get("StopInstances", &[("InstanceId.1", &id)]);
    assert_eq!(text(&text(&stopped, "currentState"), "name"), "stopping");
    assert_eq!(aws.0.home().state(&id), Some("stopped"));
    let started = aws.get("StartInstances", &[("InstanceId.1", &id)]);
    assert_eq!(text(&text(&started, "currentState"), "name"), "pending");
    assert_eq!(aws.0.home().state(&id), Some("running"));
}

#[test]
fn a_terminated_instance_loses_its_network_and_ages_out_after_an_hour() {
    let aws = Aws::with(50);
    let id = aws.first("running");
    let named = [("InstanceId.1", id.as_str())];
    let answer = aws.get("TerminateInstances", &named);
    assert_eq!(text(&text(&answer, "currentState"), "name"), "shutting-down");
    aws.advance(2);
    let body = aws.get("DescribeInstances", &named);
    assert!(body.contains("<name>terminated</name>"));
    assert!(!body.contains("vpcId") && !body.contains("privateIpAddress>") && !body.contains("volumeId"));
    aws.advance(3_599);
    assert_eq!(aws.0.home().state(&id), Some("terminated"));
    aws.advance(1);
    assert_eq!(aws.0.home().state(&id), None);
    assert_eq!(aws.refused("DescribeInstances", &named).1, "InvalidInstanceID.NotFound");
}

#[test]
fn instances_born_terminated_age_out_within_the_hour_after_the_start() {
    let aws = Aws::with(1_000);
    let home = aws.0.home();
    let terminated = home.instance_ids_in("terminated").len();
    assert!(terminated > 5);
    aws.advance(1_799);
    assert_eq!(home.instance_ids_in("terminated").len(), terminated);
    aws.advance(1_801);
    assert!(home.instance_ids_in("terminated").is_empty());
    assert_eq!(home.instance_ids().len(), 1_000 - terminated);
}

#[test]
fn create_snapshots_takes_each_volume_but_the_excluded_ones() {
    let aws = Aws::with(300);
    let database = [
        ("Filter.1.Name", "tag:role"),
        ("Filter.1.Value.1", "db"),
        ("Filter.2.Name", "instance-state-name"),
        ("Filter.2.Value.1", "running"),
    ];
    let body = aws.get("DescribeInstances", &database);
    let id = texts(&body, "instanceId").remove(0);
    let body = aws.get("DescribeInstances", &[("InstanceId.1", &id)]);
    let volumes = texts(&body, "volumeId");
    assert_eq!(volumes.len(), 3);
    let instance = ("InstanceSpecification.InstanceId", id.as_str());
    let all = aws.get(
        "CreateSnapshots",
        &[
            instance,
            ("Description", "before <upgrade>"),
            ("CopyTagsFromSource", "volume"),
            ("TagSpecification.1.ResourceType", "snapshot"),
            ("TagSpecification.1.Tag.1.Key", "by"),
            ("TagSpecification.1.Tag.1.Value", "test"),
        ],
    );
    assert_eq!(texts(&all, "volumeId"), volumes);
    assert_eq!(texts(&all, "state"), ["pending"; 3]);
    assert_eq!(texts(&all, "startTime")[0], "2026-11-22T12:00:00.000Z");
    assert_eq!(texts(&all, "ownerId"), ["123456789012"; 3]);
    assert!(all.contains("before &lt;upgrade&gt;") && all.contains("<key>by</key><value>test</value>"));
    assert!(all.contains("<key>role</key><value>db</value>"));
    let some = aws.get(
        "CreateSnapshots",
        &[
            instance,
            ("InstanceSpecification.ExcludeBootVolume", "true"),
            ("InstanceSpecification.ExcludeDataVolumeId.1", &volumes[1]),
        ],
    );
    assert_eq!(texts(&some, "volumeId"), [volumes[2].clone()]);
    let taken = aws.0.home().snapshots();
    assert_eq!(taken.len(), 4);
    assert_eq!(taken.iter().map(|snapshot| &snapshot.id).collect::<BTreeSet<_>>().len(), 4);
    let root = [instance, ("InstanceSpecification.ExcludeDataVolumeId.1", volumes[0].as_str())];
    assert_eq!(aws.refused("CreateSnapshots", &root).1, "InvalidParameterValue");
}
