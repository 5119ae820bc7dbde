//! Every shape that AWS documents, each in a file of its own under `fixtures/`.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::*;
use crate::kinds;
use crate::model::known::state_name;
use crate::model::{ApiCall, Notice, Seen};

const INSTANCE: &str = "i-0abcd1234ef015678";

/// What each fixture says, one line for each resource.
const TOLD: &[(&str, &[&str])] = &[
    ("instance-state", &["Instance i-0abcd1234ef015678 state stopping"]),
    ("instance-state-without-account", &["Instance i-0abcd1234ef015678 state terminated"]),
    (
        "spot-interruption",
        &["InstanceStatus i-0abcd1234ef015678 spot-interruption terminate from 21:31:54 to 21:41:54"],
    ),
    ("spot-hibernation", &["InstanceStatus i-0abcd1234ef015678 spot-interruption hibernate from 21:29:54 to 21:39:54"]),
    ("rebalance", &["InstanceStatus i-0abcd1234ef015678 rebalance-recommendation rebalance to 21:29:54"]),
    ("rebalance-recommended", &["InstanceStatus i-0abcd1234ef015678 rebalance-recommendation rebalance to 21:29:54"]),
    ("volume-created", &["Volume vol-01234567890abcdef"]),
    ("volume-create-failed", &["Volume vol-01234567890abcdef"]),
    ("volume-attach-failed", &["Volume vol-01234567890abcdef"]),
    ("volume-attach-failed-key-first", &["Volume vol-01234567890abcdef"]),
    ("volume-modified", &["Volume vol-01234567890abcdef"]),
    ("volume-deleted", &["Volume vol-01234567890abcdef"]),
    ("volume-initialized", &["Volume vol-01234567890abcdef"]),
    ("snapshot-region-first", &["Snapshot snap-0123456789abcdef0"]),
    ("snapshot-region-last", &["Snapshot snap-0123456789abcdef0"]),
    ("snapshot-copied", &["Snapshot snap-0123456789abcdef0"]),
    (
        "snapshots-completed",
        &[
            "Snapshot snap-0123456789abcdef0",
            "Snapshot snap-0fedcba9876543210",
            "Volume vol-01234567890abcdef",
            "Volume vol-0fedcba9876543210",
        ],
    ),
    ("tags", &["Volume vol-01234567890abcdef tags 5 b=2 a=1"]),
    ("tags-all-removed", &["Instance i-0abcd1234ef015678 tags 6"]),
    ("tags-of-another-service", &["nothing"]),
    ("tags-of-an-image", &["Image ami-1 tags 6"]),
    (
        "health-scheduled",
        &[
            "InstanceStatus i-0abcd1234ef015678 health AWS_EC2_INSTANCE_REBOOT_MAINTENANCE_SCHEDULED from 06:00:00 to 08:00:00",
        ],
    ),
    (
        "health-closed",
        &[
            "InstanceStatus i-0abcd1234ef015678 health AWS_EC2_INSTANCE_REBOOT_MAINTENANCE_SCHEDULED over from 06:00:00 to 21:29:54",
        ],
    ),
    (
        "health-open-issue",
        &[
            "InstanceStatus i-0abcd1234ef015678 health AWS_EC2_OPERATIONAL_ISSUE from 20:00:00 to 21:29:54",
            "Volume vol-01234567890abcdef",
        ],
    ),
    ("health-without-entities", &["nothing"]),
    ("alarm-of-an-instance", &["InstanceStatus i-0abcd1234ef015678"]),
    ("alarm-of-a-table", &["nothing"]),
    (
        "call-stop",
        &[
            "Instance i-0abcd1234ef015678",
            "Instance i-0fedcba9876543210",
            "StopInstances on i-0abcd1234ef015678 i-0fedcba9876543210",
        ],
    ),
    (
        "call-run",
        &[
            "Image ami-0123456789abcdef0",
            "Subnet subnet-0123456789abcdef0",
            "Instance i-0abcd1234ef015678",
            "VPC vpc-0123456789abcdef0",
            "SecurityGroup sg-0123456789abcdef0",
            "NetworkInterface eni-0123456789abcdef0",
            "RunInstances on i-0abcd1234ef015678 eni-0123456789abcdef0",
        ],
    ),
    ("call-create-vpc", &["VPC vpc-0123456789abcdef0", "CreateVpc on vpc-0123456789abcdef0"]),
    (
        "call-create-tags",
        &[
            "Instance i-0abcd1234ef015678",
            "VPC vpc-0123456789abcdef0",
            "CreateTags on i-0abcd1234ef015678 vpc-0123456789abcdef0",
        ],
    ),
    (
        "call-authorize",
        &["SecurityGroup sg-0123456789abcdef0", "AuthorizeSecurityGroupIngress on sg-0123456789abcdef0"],
    ),
    (
        "call-detach-volume",
        &[
            "Volume vol-01234567890abcdef",
            "Instance i-0abcd1234ef015678",
            "DetachVolume on vol-01234567890abcdef i-0abcd1234ef015678",
        ],
    ),
    (
        "call-create-snapshots",
        &[
            "Instance i-0abcd1234ef015678",
            "Snapshot snap-0123456789abcdef0",
            "Volume vol-01234567890abcdef",
            "CreateSnapshots on i-0abcd1234ef015678 snap-0123456789abcdef0 vol-01234567890abcdef",
        ],
    ),
    (
        "call-endpoint",
        &["VPC vpc-0123456789abcdef0", "Subnet subnet-0123456789abcdef0", "CreateVpcEndpoint on vpc-0123456789abcdef0"],
    ),
    (
        "call-create-subnet",
        &["VPC vpc-0123456789abcdef0", "Subnet subnet-0123456789abcdef0", "CreateSubnet on subnet-0123456789abcdef0"],
    ),
    ("call-by-a-service", &["Instance i-0abcd1234ef015678", "TerminateInstances on i-0abcd1234ef015678"]),
    ("call-without-account", &["EIP eipalloc-0123456789abcdef0", "ReleaseAddress on eipalloc-0123456789abcdef0"]),
    ("call-failed", &["a call in 123456789012/us-east-1"]),
    ("call-dry-run", &["a call in 123456789012/us-east-1"]),
    ("call-of-another-kind", &["a call in 123456789012/us-east-1"]),
    ("call-empty-lists", &["Instance i-0abcd1234ef015678", "ModifyInstanceAttribute on i-0abcd1234ef015678"]),
    ("unknown", &["nothing"]),
];

fn fixtures() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/source/events/fixtures")
}

fn fixture(name: &str) -> Json {
    let text = fs::read_to_string(fixtures().join(format!("{name}.json"))).unwrap_or_else(|e| panic!("{name}: {e}"));
    serde_json::from_str(&text).unwrap()
}

fn told(event: &Json) -> DecodedEvent {
    DecodedEvent::read(&event.to_string(), None).unwrap()
}

fn notification(name: &str) -> Notification {
    match told(&fixture(name)).says {
        EventContent::Resources(notification) => notification,
        other => panic!("{name}: {other:?}"),
    }
}

/// The observations of an event; none when it says nothing.
fn read(event: &Json) -> Vec<Observation> {
    match told(event).says {
        EventContent::Resources(notification) => notification.observations,
        EventContent::Canary(_) | EventContent::Call { .. } | EventContent::Nothing => Vec::new(),
    }
}

fn time(at: Timestamp) -> String {
    at.to_string()[11..19].to_owned()
}

fn line(observation: &Observation) -> String {
    let kind = observation.id.kind.as_str().rsplit("::").next().unwrap();
    let seen = match &observation.seen {
        Seen::Mentioned => String::new(),
        Seen::StateAsserted(state) => format!(" state {}", state_name(state).unwrap()),
        Seen::TagsAsserted { tags, version } => {
            let tags = serde_json::to_value(tags).unwrap();
            let shown = |tag: &Json| format!(" {}={}", tag["Key"].as_str().unwrap(), tag["Value"].as_str().unwrap());
            format!(" tags {version}{}", tags.as_array().unwrap().iter().map(shown).collect::<String>())
        }
        Seen::Noticed(Notice { kind, code, over, begins, until, .. }) => {
            let over = if *over { " over" } else { "" };
            let begins = begins.map(|begins| format!(" from {}", time(begins))).unwrap_or_default();
            format!(" {} {code}{over}{begins} to {}", kind.name(), time(*until))
        }
        other => panic!("{other:?}"),
    };
    format!("{kind} {}{seen}", observation.id.id)
}

fn lines(told: &DecodedEvent) -> Vec<String> {
    match &told.says {
        EventContent::Nothing => vec!["nothing".to_owned()],
        EventContent::Call { scope, .. } => vec![format!("a call in {scope}")],
        EventContent::Canary(canary) => vec![format!("{canary:?}")],
        EventContent::Resources(Notification { observations, called, .. }) => {
            let of_call = called.iter().map(|called| {
                let targets: Vec<&str> = called.targets.iter().map(|id| &*id.id).collect();
                format!("{} on {}", called.call.name, targets.join(" "))
            });
            observations.iter().map(line).chain(of_call).collect()
        }
    }
}

#[test]
fn every_shape_that_aws_documents_says_what_it_means() {
    for (name, expected) in TOLD {
        assert_eq!(lines(&told(&fixture(name))), *expected, "{name}");
    }
}

#[test]
fn every_fixture_is_read_and_every_type_of_event_that_comes_through_a_rule_has_one() {
    let files = fs::read_dir(fixtures()).unwrap().map(|file| file.unwrap().path());
    let files: BTreeSet<String> = files.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
    assert_eq!(files, TOLD.iter().map(|(name, _)| (*name).to_owned()).collect());
    let seen: BTreeSet<String> = TOLD
        .iter()
        .filter(|(_, said)| said != &["nothing"])
        .map(|(name, _)| told(&fixture(name)).detail_type)
        .collect();
    for detail_type in kinds::rules::RULES.iter().flat_map(|rule| rule.detail_types) {
        assert!(seen.contains(*detail_type), "{detail_type} has no fixture that says something");
    }
}

#[test]
fn an_observation_is_dated_by_the_event_and_a_call_by_its_own_time() {
    let observation = &notification("instance-state").observations[0];
    assert_eq!(observation.id.to_string(), format!("AWS::EC2::Instance {INSTANCE} (123456789012/us-east-1)"));
    assert_eq!(observation.at.to_string(), "2026-11-11T21:29:54.000Z");
    let call = notification("call-stop");
    assert_eq!(call.observations[0].at.to_string(), "2026-11-11T21:29:50.000Z");
    assert_eq!(call.called.unwrap().at.to_string(), "2026-11-11T21:29:50.000Z");
}

#[test]
fn a_call_tells_who_made_it_from_where_and_with_what() {
    let call = notification("call-stop").called.unwrap().call;
    let expected = ApiCall {
        name: "StopInstances".to_owned(),
        actor: "arn:aws:sts::123456789012:assumed-role/Admin/alice".to_owned(),
        address: Some("198.51.100.7".to_owned()),
        agent: Some("aws-cli/2.31.0".to_owned()),
    };
    assert_eq!(call, expected);
    assert_eq!(notification("call-by-a-service").called.unwrap().call.actor, "autoscaling.amazonaws.com");
}

#[test]
fn a_call_proves_a_trail_whatever_became_of_it_and_nothing_else_does() {
    for (name, _) in TOLD {
        let told = told(&fixture(name));
        assert_eq!(told.trail().is_some(), name.starts_with("call-"), "{name}");
    }
}

#[test]
fn a_call_names_no_resource_that_it_only_refers_to_nor_what_is_no_resource() {
    let mut event = fixture("call-authorize");
    event["detail"]["requestParameters"]["ipPermissions"]["items"][0]["groups"] =
        json!({"items": [{"groupId": "sg-0fedcba9876543210"}]});
    assert_eq!(lines(&told(&event))[0], "SecurityGroup sg-0123456789abcdef0");
    assert_eq!((lines(&told(&event)).len(), told(&event).untold()), (2, Vec::new()));
    event["detail"]["requestParameters"]["groupId"] = Json::Null;
    event["detail"]["requestParameters"]["groupName"] = json!("default");
    assert_eq!(told(&event).trail().unwrap().1.to_string(), "2026-11-11T21:29:50.000Z");
    assert_eq!(told(&event).untold(), [kinds::by_slug("security-group").unwrap().kind()]);
    event["detail"]["eventName"] = json!("DetachNetworkInterface");
    event["detail"]["requestParameters"] = json!({"attachmentId": "eni-attach-0123456789abcdef0"});
    assert_eq!(lines(&told(&event)), ["a call in 123456789012/us-east-1"]);
    assert_eq!(told(&event).untold(), [kinds::INSTANCE.kind()]);
    event["detail"]["eventName"] = json!("ModifyNetworkInterfaceAttribute");
    event["detail"]["requestParameters"] = json!({"networkInterfaceId": "eni-0123456789abcdef0"});
    assert_eq!(told(&event).untold(), [kinds::INSTANCE.kind()]);
    event["detail"]["errorCode"] = json!("Client.UnauthorizedOperation");
    assert_eq!(told(&event).untold(), []);
    for harmless in ["call-run", "call-stop", "call-create-tags", "call-create-snapshots", "call-endpoint"] {
        assert_eq!(told(&fixture(harmless)).untold(), [], "{harmless}");
    }
}

#[test]
fn a_state_that_is_not_known_mentions_its_instance() {
    let mut event = fixture("instance-state");
    event["detail"]["state"] = json!("resting");
    assert_eq!(lines(&told(&event)), [format!("Instance {INSTANCE}")]);
}

#[test]
fn health_names_the_region_and_account_that_it_concerns() {
    let observation = &notification("health-scheduled").observations[0];
    assert_eq!(observation.id.scope().to_string(), "210987654321/eu-west-1");
    let Seen::Noticed(notice) = &observation.seen else { panic!("{observation:?}") };
    assert_eq!(notice.description.as_deref(), Some("Your instance is scheduled for a reboot."));
    assert_eq!(notice.until.to_string(), "2026-11-25T08:00:00.000Z");
}

#[test]
fn a_list_of_one_call_is_cut_at_a_thousand_and_texts_are_cut() {
    let mut event = fixture("call-stop");
    let items: Vec<Json> = (0..1500).map(|n| json!({"instanceId": format!("i-{n:017x}")})).collect();
    event["detail"]["requestParameters"] = json!({"instancesSet": {"items": items}});
    event["detail"]["userAgent"] = json!("x".repeat(5000));
    let EventContent::Resources(notification) = told(&event).says else { panic!() };
    assert_eq!(notification.observations.len(), MAX_RESOURCES);
    let called = notification.called.unwrap();
    assert_eq!((called.targets.len(), called.call.agent.unwrap().len()), (MAX_RESOURCES, 512));
}

#[test]
fn an_account_that_is_missing_is_found_in_the_arn_the_record_or_the_queue() {
    let mut event = fixture("instance-state-without-account");
    assert_eq!(read(&event)[0].id.account.as_str(), "123456789012");
    assert_eq!(notification("call-without-account").observations[0].id.account.as_str(), "123456789012");
    event["resources"] = json!([]);
    let owner = AccountId::new("210987654321");
    let EventContent::Resources(told) = DecodedEvent::read(&event.to_string(), Some(&owner)).unwrap().says else {
        panic!()
    };
    assert_eq!(told.observations[0].id.account, owner);
    assert!(matches!(DecodedEvent::read(&event.to_string(), None), Err(Undecodable::Field { field: "account", .. })));
}

#[test]
fn what_is_broken_is_an_error_that_names_the_field() {
    assert!(matches!(DecodedEvent::read("{}", None), Err(Undecodable::Foreign { .. })));
    for missing in ["time", "region"] {
        let mut broken = fixture("instance-state");
        broken.as_object_mut().unwrap().remove(missing);
        let error = DecodedEvent::read(&broken.to_string(), None).unwrap_err();
        assert!(error.to_string().contains(&format!("`{missing}`")), "{error}");
    }
    for (name, path, field) in [
        ("instance-state", "/detail/state", "detail.state"),
        ("instance-state", "/time", "time"),
        ("tags", "/detail/version", "detail.version"),
        ("tags", "/detail/tags", "detail.tags"),
        ("spot-interruption", "/detail/instance-action", "detail.instance-action"),
        ("health-scheduled", "/detail/eventArn", "detail.eventArn"),
        ("call-stop", "/detail/eventName", "detail.eventName"),
    ] {
        let mut broken = fixture(name);
        *broken.pointer_mut(path).unwrap() = if path == "/time" { json!("soon") } else { json!(-1) };
        let error = DecodedEvent::read(&broken.to_string(), None).unwrap_err();
        assert!(error.to_string().contains(&format!("`{field}`")), "{error}");
    }
}

#[test]
fn an_event_that_came_through_an_sns_topic_says_the_same() {
    for (name, expected) in TOLD {
        let wrapped = json!({
            "Type": "Notification",
            "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
            "TopicArn": "arn:aws:sns:us-east-1:123456789012:events",
            "Message": fixture(name).to_string(),
            "Timestamp": "2026-11-11T21:30:00.000Z",
            "SignatureVersion": "1",
        });
        let read = DecodedEvent::read(&wrapped.to_string(), None).unwrap();
        assert_eq!(lines(&read), *expected, "{name}");
        assert_eq!(read, DecodedEvent::read(&format!("\u{feff} {wrapped}\n"), None).unwrap());
    }
}

fn any_json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        "[a-z0-9:/ -]{0,12}".prop_map(Json::from),
        Just(json!("i-0abc")),
        Just(json!("Wed, 25 Nov 2026 06:00:00 GMT")),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        let names = prop::sample::select(vec![
            "instanceId",
            "items",
            "tags",
            "affectedEntities",
            "entityValue",
            "snapshots",
            "snapshot_id",
            "attributes",
            "eventDescription",
            "requestParameters",
            "userIdentity",
            "arn",
            "endTime",
            "resourcesSet",
            "content",
        ]);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Json::from),
            prop::collection::btree_map(names.prop_map(str::to_owned), inner, 0..6)
                .prop_map(|map| Json::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    /// Whatever stands in place of any part of any event, reading it ends in an answer or an error.
    #[test]
    fn nothing_that_a_message_holds_makes_reading_it_panic(
        which in 0..TOLD.len(), place in any::<prop::sample::Index>(), put in any_json()
    ) {
        let mut event = fixture(TOLD[which].0);
        let paths = paths(&event, "");
        *event.pointer_mut(&paths[place.index(paths.len())]).unwrap() = put;
        drop(DecodedEvent::read(&event.to_string(), None));
    }

    #[test]
    fn text_that_is_no_event_is_an_error(text in ".{0,64}") {
        prop_assert!(DecodedEvent::read(&text, None).is_err());
    }
}

/// The pointer of every value within `value`.
fn paths(value: &Json, prefix: &str) -> Vec<String> {
    let mut found = vec![prefix.to_owned()];
    match value {
        Json::Array(list) => {
            found.extend(list.iter().enumerate().flat_map(|(n, one)| paths(one, &format!("{prefix}/{n}"))));
        }
        Json::Object(map) => found.extend(map.iter().flat_map(|(name, one)| paths(one, &format!("{prefix}/{name}")))),
        _ => {}
    }
    found
}
