use std::collections::BTreeSet;

use super::*;
use crate::aws::scripted::{Reply, Rotating, Scripted, named, signed};
use crate::aws::{AwsError, AwsErrorKind};
use crate::model::fixtures::scope;

fn request(tags: &[(&str, &str)]) -> CreateSnapshots {
    CreateSnapshots {
        description: "before the upgrade".to_owned(),
        exclude_boot: false,
        exclude_data: Vec::new(),
        tags: tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
        action: ActionId(7),
        dry_run: false,
    }
}

#[tokio::test]
async fn starting_returns_the_state_before_and_now() {
    let body = "<instancesSet><item><instanceId>i-1</instanceId>\
                <previousState><code>80</code><name>stopped</name></previousState>\
                <currentState><code>0</code><name>pending</name></currentState></item></instancesSet>";
    let server = Scripted::new([Reply::described(&["i-1"]), Reply::ok(body)]).await;
    let (aws, named) = (server.aws().pinned().await, named(&["i-1"]));
    let chosen = named.choose(&scope(), |_| true);
    aws.look(&chosen).await.unwrap();
    let answer = aws.start_instances(&chosen, false).await.unwrap();
    let WriteAnswer::Done(WriteResult { result, .. }) = answer else { panic!("{answer:?}") };
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
    let allowed = Reply::error(412, "DryRunOperation", "Request would have succeeded");
    let server = Scripted::new([Reply::described(&["i-1"]), allowed]).await;
    let (aws, named) = (server.aws().pinned().await, named(&["i-1"]));
    let chosen = named.choose(&scope(), |_| true);
    aws.look(&chosen).await.unwrap();
    assert_eq!(aws.stop_instances(&chosen, StopManner::Orderly, true).await.unwrap(), WriteAnswer::WouldBeAllowed);
    // The endpoint shows first, and once, that it heeds the flag.
    assert_eq!(aws.stop_instances(&chosen, StopManner::Orderly, true).await.unwrap(), WriteAnswer::WouldBeAllowed);
    let asked = server.asked();
    assert!(asked[1].contains("Action=DescribeInstances") && asked[1].contains("DryRun=true"), "{asked:?}");
    assert!(asked[2].contains("DryRun=true") && !asked[2].contains("Force"), "{asked:?}");
    assert_eq!(asked.iter().filter(|body| body.contains("Action=StopInstances")).count(), 2);
    assert_eq!(asked.len(), 4, "{asked:?}");
}

#[tokio::test]
async fn an_endpoint_that_ignores_the_flag_on_a_describe_gets_no_dry_run_of_a_change() {
    let server = Scripted::new([Reply::described(&["i-1"])]).await;
    let (aws, named) = (server.aws().pinned().await, named(&["i-1"]));
    let chosen = named.choose(&scope(), |_| true);
    aws.look(&chosen).await.unwrap();
    let snapshots = CreateSnapshots { dry_run: true, ..request(&[]) };
    let errors = [
        aws.start_instances(&chosen, true).await.unwrap_err(),
        aws.stop_instances(&chosen, StopManner::Orderly, true).await.unwrap_err(),
        aws.reboot_instances(&chosen, true).await.unwrap_err(),
        aws.create_snapshots(&chosen, &snapshots).await.unwrap_err(),
    ];
    for error in errors {
        assert_eq!((&error.kind, error.perhaps_done), (&AwsErrorKind::DryRunIgnored, false), "{error}");
    }
    let asked = server.asked();
    assert!(asked.iter().all(|body| body.contains("Action=DescribeInstances")), "{asked:?}");
}

#[tokio::test]
async fn snapshots_cover_every_volume_at_once_and_name_their_creator() {
    let body = "<snapshotSet><item><snapshotId>snap-1</snapshotId><volumeId>vol-1</volumeId><state>pending</state>\
                <volumeSize>8</volumeSize><encrypted>true</encrypted></item></snapshotSet>";
    let server = Scripted::new([Reply::described(&["i-1"]), Reply::ok(body)]).await;
    let request = request(&[("Team", "web"), ("muster:created-by", "somebody else")]);
    let (aws, named) = (server.aws().pinned().await, named(&["i-1"]));
    let chosen = named.choose(&scope(), |_| true);
    aws.look(&chosen).await.unwrap();
    let answer = aws.create_snapshots(&chosen, &request).await.unwrap();
    let WriteAnswer::Done(WriteResult { result, .. }) = answer else { panic!("{answer:?}") };
    assert_eq!(result[0].snapshot_id, "snap-1");
    assert_eq!((result[0].state.as_deref(), result[0].volume_size), (Some("pending"), Some(8)));
    let asked = form_urlencoded::parse(server.asked()[1].as_bytes()).into_owned().collect::<BTreeSet<_>>();
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

#[tokio::test]
async fn results_for_unnamed_ids_are_kept_apart_and_each_id_counts_once() {
    let change = |id: &str, now: &str| {
        format!("<item><instanceId>{id}</instanceId><currentState><name>{now}</name></currentState></item>")
    };
    let items =
        [change("i-2", "stopping"), change("i-1", "stopping"), change("i-1", "running"), change("I-1", "stopping")];
    let body = format!("<instancesSet>{}</instancesSet>", items.concat());
    let server = Scripted::new([Reply::described(&["i-1"]), Reply::ok(&body)]).await;
    let (aws, named) = (server.aws().pinned().await, named(&["i-1"]));
    let chosen = named.choose(&scope(), |_| true);
    aws.look(&chosen).await.unwrap();
    let answer = aws.stop_instances(&chosen, StopManner::Orderly, false).await.unwrap();
    let WriteAnswer::Done(WriteResult { result, others, .. }) = answer else { panic!("{answer:?}") };
    let ids = |changes: &[StateChange]| changes.iter().map(|change| change.id.clone()).collect::<Vec<_>>();
    assert_eq!((ids(&result), ids(&others)), (vec!["i-1".to_owned()], vec!["i-2".to_owned(), "I-1".to_owned()]));
    assert_eq!(result[0].current.as_ref().and_then(crate::model::known::state_name), Some("stopping"));
}

/// The result of a call without a look before it, if STS answers `told`.
async fn unlooked(told: Reply) -> (Result<WriteAnswer<StateChange>, AwsError>, Vec<String>) {
    let server = Scripted::new([told]).await;
    let (aws, named) = (server.aws().pinned().await, named(&["i-1"]));
    let answer = aws.stop_instances(&named.choose(&scope(), |_| true), StopManner::Orderly, false).await;
    (answer, server.asked())
}

#[tokio::test]
async fn no_call_leaves_before_the_account_of_its_credentials_is_proved() {
    let (answer, asked) = unlooked(Reply::error(403, "AccessDenied", "no")).await;
    assert_eq!(answer.unwrap_err().kind, AwsErrorKind::IdentityUnproved);
    assert!(asked.iter().all(|body| body.contains("Action=GetCallerIdentity")), "{asked:?}");
    let other = "<GetCallerIdentityResult><Account>999999999999</Account></GetCallerIdentityResult>";
    let (answer, asked) = unlooked(Reply::ok(other)).await;
    assert_eq!(answer.unwrap_err().kind, AwsErrorKind::OtherAccount { expected: scope().account });
    assert!(asked.iter().all(|body| body.contains("Action=GetCallerIdentity")), "{asked:?}");
}

/// A look that shows no owner.
const UNOWNED: &str = "<reservationSet><item><reservationId>r-1</reservationId><instancesSet><item>\
                       <instanceId>i-1</instanceId></item></instancesSet></item></reservationSet>";

#[tokio::test]
async fn a_call_uses_the_same_credentials_as_the_look_before_it() {
    let own = scope().account;
    let told = format!("<GetCallerIdentityResult><Account>{own}</Account></GetCallerIdentityResult>");
    let gone = Reply::error(400, "InvalidInstanceID.NotFound", "The instance ID 'i-2' does not exist");
    let acted = Reply::ok("<instancesSet/>");
    for (both, answers) in [
        (false, vec![Reply::described(&["i-1"]), acted.clone()]),
        // Two describes, because one id does not exist.
        (true, vec![gone, Reply::described(&["i-1"]), acted.clone()]),
        // No owner is shown, so STS is asked in between.
        (false, vec![Reply::ok(UNOWNED), Reply::ok(&told), acted.clone()]),
    ] {
        let (calls, server) = (answers.len(), Scripted::new(answers).await);
        // The provider returns another account's credentials each time the SDK asks.
        let aws = signed(server.endpoint(), Rotating::new(&["123456789012", "111111111111", "222222222222"]));
        let (aws, named) = (aws.pinned().await, named(&["i-1", "i-2"]));
        aws.look(&named.choose(&scope(), |id| both || id == "i-1")).await.unwrap();
        drop(aws.stop_instances(&named.choose(&scope(), |id| id == "i-1"), StopManner::Orderly, false).await.unwrap());
        let keys: Vec<String> = server.requests().into_iter().map(|request| request.key).collect();
        assert_eq!(keys, vec!["123456789012"; calls]);
    }
}

#[tokio::test]
async fn a_call_without_ids_is_not_made() {
    let server = Scripted::new([Reply::ok("<instancesSet/>")]).await;
    let (aws, named) = (server.aws().pinned().await, named(&["i-1"]));
    let nobody = named.choose(&scope(), |_| false);
    assert!(aws.stop_instances(&nobody, StopManner::Orderly, false).await.is_err());
    assert!(aws.create_snapshots(&nobody, &request(&[])).await.is_err());
    assert!(server.asked().is_empty());
}
