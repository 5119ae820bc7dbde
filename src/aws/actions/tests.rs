use std::collections::BTreeSet;

use super::*;
use crate::aws::scripted::{Answer as Reply, Scripted, scope};

fn request(tags: &[(&str, &str)]) -> CreateSnapshots {
    CreateSnapshots {
        instance_id: "i-1".to_owned(),
        description: "before the upgrade".to_owned(),
        exclude_boot: false,
        tags: tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
        action: ActionId(7),
        dry_run: false,
    }
}

#[tokio::test]
async fn starting_tells_the_state_before_and_now() {
    let body = "<instancesSet><item><instanceId>i-1</instanceId>\
                <previousState><code>80</code><name>stopped</name></previousState>\
                <currentState><code>0</code><name>pending</name></currentState></item></instancesSet>";
    let server = Scripted::new([Reply::ok(body)]).await;
    let answer = server.aws().start_instances(&scope().region, &["i-1".to_owned()], false).await.unwrap();
    let Answer::Done { result, .. } = answer else { panic!("{answer:?}") };
    let state = |code: i32, name: &str| {
        Some(Value::Map([("Code".to_owned(), Value::from(code)), ("Name".to_owned(), Value::from(name))].into()))
    };
    assert_eq!(
        result,
        [StateChange { id: "i-1".to_owned(), previous: state(80, "stopped"), current: state(0, "pending") }]
    );
}

#[tokio::test]
async fn a_dry_run_that_would_be_allowed_is_an_answer_not_an_error() {
    let server = Scripted::new([Reply::error(412, "DryRunOperation", "Request would have succeeded")]).await;
    let answer = server.aws().stop_instances(&scope().region, &["i-1".to_owned()], false, true).await.unwrap();
    assert_eq!(answer, Answer::WouldBeAllowed);
    assert!(server.asked()[0].contains("DryRun=true") && !server.asked()[0].contains("Force"));
}

#[tokio::test]
async fn snapshots_cover_every_volume_at_once_and_carry_who_made_them() {
    let body = "<snapshotSet><item><snapshotId>snap-1</snapshotId><volumeId>vol-1</volumeId><state>pending</state>\
                <volumeSize>8</volumeSize><encrypted>true</encrypted></item></snapshotSet>";
    let server = Scripted::new([Reply::ok(body)]).await;
    let request = request(&[("Team", "web"), ("muster:created-by", "somebody else")]);
    let answer = server.aws().create_snapshots(&scope().region, &request).await.unwrap();
    let Answer::Done { result, .. } = answer else { panic!("{answer:?}") };
    assert_eq!(result[0].snapshot_id, "snap-1");
    assert_eq!((result[0].state.as_deref(), result[0].volume_size), (Some("pending"), Some(8)));
    let asked = form_urlencoded::parse(server.asked()[0].as_bytes()).into_owned().collect::<BTreeSet<_>>();
    for (key, value) in [
        ("Action", "CreateSnapshots"),
        ("InstanceSpecification.InstanceId", "i-1"),
        ("Description", "before the upgrade"),
        ("CopyTagsFromSource", "volume"),
        ("TagSpecification.1.ResourceType", "snapshot"),
        ("TagSpecification.1.Tag.1.Key", "Team"),
        ("TagSpecification.1.Tag.2.Key", "muster:created-by"),
        ("TagSpecification.1.Tag.2.Value", "muster"),
        ("TagSpecification.1.Tag.3.Key", "muster:action"),
        ("TagSpecification.1.Tag.3.Value", "act-0000000000000007"),
    ] {
        assert!(asked.contains(&(key.to_owned(), value.to_owned())), "{key}={value} not in {asked:?}");
    }
}

/// The actions of the policy's statements whose `Sid` starts with `prefix`.
fn allowed(prefix: &str) -> BTreeSet<String> {
    let policy: serde_json::Value = serde_json::from_str(include_str!("../../../iam-policy.json")).unwrap();
    let statements = policy["Statement"].as_array().unwrap();
    let statements = statements.iter().filter(|statement| statement["Sid"].as_str().unwrap().starts_with(prefix));
    statements
        .flat_map(|statement| statement["Action"].as_array().unwrap())
        .map(|action| action.as_str().unwrap().to_owned())
        .collect()
}

fn called(write: bool) -> BTreeSet<String> {
    of(ACTIONS.iter().filter(|action| action.write == write))
}

fn of<'a>(actions: impl IntoIterator<Item = &'a ActionSpec>) -> BTreeSet<String> {
    actions.into_iter().flat_map(|action| action.iam).map(|action| (*action).to_owned()).collect()
}

#[test]
fn the_iam_policy_allows_exactly_what_is_called() {
    let describes = kinds::KINDS.iter().flat_map(|spec| spec.actions).map(|action| (*action).to_owned());
    assert_eq!(allowed("MusterRead"), called(false).into_iter().chain(describes).collect());
    assert_eq!(allowed("MusterWrite"), called(true));
    assert_eq!(allowed("MusterSetup"), of(SETUP));
    assert_eq!(allowed("MusterDoctor"), of(DOCTOR));
}

#[test]
fn every_statement_of_the_iam_policy_says_who_needs_it() {
    let parts = ["MusterRead", "MusterWrite", "MusterSetup", "MusterDoctor"];
    assert_eq!(allowed(""), parts.into_iter().flat_map(allowed).collect());
}

#[test]
fn looking_at_what_was_set_up_changes_nothing() {
    assert!(DOCTOR.iter().all(|action| !action.write));
    let changes = |action: &&ActionSpec| {
        ["Put", "Tag", "Create", "Delete", "Remove", "Set", "Enable"]
            .iter()
            .any(|verb| action.iam[0].contains(&format!(":{verb}")))
    };
    assert_eq!(of(SETUP.iter().filter(|action| action.write)), of(SETUP.iter().filter(changes)));
}

#[test]
fn action_names_are_unique() {
    for list in [ACTIONS, SETUP, DOCTOR] {
        let names: BTreeSet<&str> = list.iter().map(|action| action.name).collect();
        assert_eq!(names.len(), list.len());
    }
}
