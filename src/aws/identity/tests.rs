use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::aws::scripted::{Reply, Scripted};
use crate::model::fixtures::scope;

fn reservation(owner: &str) -> Reply {
    Reply::ok(&format!(
        "<reservationSet><item><reservationId>r-1</reservationId><ownerId>{owner}</ownerId>\
         <instancesSet><item><instanceId>i-1</instanceId></item></instancesSet></item></reservationSet>"
    ))
}

fn group(owner: &str, name: &str) -> Reply {
    Reply::ok(&format!(
        "<securityGroupInfo><item><groupId>sg-1</groupId><groupName>{name}</groupName><ownerId>{owner}</ownerId>\
         </item></securityGroupInfo>"
    ))
}

fn identity(account: &str) -> Reply {
    Reply::ok(&format!("<GetCallerIdentityResult><Account>{account}</Account></GetCallerIdentityResult>"))
}

/// STS's answers where only EC2 can be reached: a proxy blocks it.
fn stopped() -> [Reply; 2] {
    [(); 2].map(|()| Reply { status: 403, date: None, body: "<html>blocked</html>".to_owned() })
}

const OURS: &str = "123456789012";
const OTHER: &str = "999999999999";

#[tokio::test]
async fn where_sts_cannot_be_reached_the_owner_of_the_reservations_is_the_account() {
    let server = Scripted::new(stopped().into_iter().chain([reservation(OURS), identity(OURS)])).await;
    let aws = server.aws();
    assert_eq!(aws.account().await.unwrap().as_str(), OURS);
    let unproved = aws.unproved().unwrap();
    assert!(unproved.what.contains("not proved by STS") && unproved.what.contains("GetCallerIdentity"), "{unproved:?}");
    aws.ask_silent().await;
    assert_eq!(aws.unproved(), None, "STS has answered");
}

#[tokio::test]
async fn an_account_without_instances_is_known_by_its_default_security_group_only() {
    let none = Reply::ok("<reservationSet/>");
    let server = Scripted::new(stopped().into_iter().chain([none.clone(), group(OURS, "default")])).await;
    assert_eq!(server.aws().account().await.unwrap().as_str(), OURS);
    let server = Scripted::new(stopped().into_iter().chain([none, group(OTHER, "shared")])).await;
    let error = server.aws().account().await.unwrap_err();
    assert!(error.to_string().contains("--account"), "{error}");
}

#[tokio::test]
async fn a_named_account_is_assumed_and_another_one_is_refused() {
    let none = || [Reply::ok("<reservationSet/>"), Reply::ok("<securityGroupInfo/>")];
    let server = Scripted::new(stopped().into_iter().chain(none())).await;
    assert_eq!(server.aws_of(Some(OURS)).account().await.unwrap().as_str(), OURS);
    for answers in [stopped().into_iter().chain([reservation(OTHER)]).collect(), vec![identity(OTHER)]] {
        let server = Scripted::new(answers).await;
        let error = server.aws_of(Some(OURS)).account().await.unwrap_err();
        assert_eq!(error.kind, AwsErrorKind::OtherAccount { expected: AccountId::new(OURS) }, "{error}");
    }
}

#[tokio::test]
async fn a_listing_is_checked_against_the_shown_owner_and_proves_nothing_without_one() {
    let server = Scripted::new(stopped().into_iter().chain([
        reservation(OURS),
        reservation(OURS),
        reservation(OTHER),
        Reply::ok("<reservationSet/>"),
        Reply::ok("<securityGroupInfo/>"),
    ]))
    .await;
    let aws = server.aws();
    aws.account().await.unwrap();
    aws.confirm(&scope()).await.unwrap();
    let error = aws.confirm(&scope()).await.unwrap_err();
    assert!(matches!(error.kind, AwsErrorKind::OtherAccount { .. }), "{error}");
    let error = aws.confirm(&scope()).await.unwrap_err();
    assert!(error.to_string().contains("no absent resource is removed"), "{error}");
}

#[tokio::test]
async fn when_sts_falls_silent_later_ec2_is_used_until_sts_answers_again() {
    let answers =
        [identity(OURS)].into_iter().chain(stopped()).chain([reservation(OURS), identity(OTHER), identity(OTHER)]);
    let server = Scripted::new(answers).await;
    let aws = server.aws();
    assert_eq!((aws.account().await.unwrap().as_str(), aws.unproved()), (OURS, None));
    aws.confirm(&scope()).await.unwrap();
    assert!(aws.unproved().is_some());
    aws.ask_silent().await;
    let error = aws.confirm(&scope()).await.unwrap_err();
    assert!(matches!(error.kind, AwsErrorKind::OtherAccount { .. }), "{error}");
}

#[tokio::test]
async fn credentials_that_sts_refuses_are_refused() {
    for code in ["InvalidClientTokenId", "ExpiredToken", "SignatureDoesNotMatch"] {
        let body = format!("<ErrorResponse><Error><Code>{code}</Code><Message>no</Message></Error></ErrorResponse>");
        let server = Scripted::new([Reply { status: 403, date: None, body }, reservation(OURS)]).await;
        let error = server.aws().account().await.unwrap_err();
        assert_eq!((error.code.as_deref(), server.asked().len()), (Some(code), 1));
    }
}

#[tokio::test]
async fn where_sts_is_silent_calls_for_others_ask_ec2_once_for_a_key_and_after_the_sweeps() {
    let server = Scripted::answering(|form| {
        if form.contains("Action=GetCallerIdentity") { stopped()[0].clone() } else { reservation(OURS) }
    })
    .await;
    let aws = server.aws();
    aws.account().await.unwrap();
    let waits = |name: &str| aws.0.limiter.waits().into_iter().find(|(of, _)| *of == name).unwrap().1.count;
    let scope = scope();
    let (sweeps, begun) = (waits("sweep"), server.asked().len());
    for confirmed in join_all((0..8).map(|_| aws.confirm_for(&scope, Priority::Passed))).await {
        confirmed.unwrap();
    }
    aws.confirm_for(&scope, Priority::Tool).await.unwrap();
    assert_eq!((server.asked().len() - begun, waits("sweep"), waits("passed")), (1, sweeps, 1));
    aws.confirm(&scope).await.unwrap();
    assert_eq!(server.asked().len() - begun, 2, "a listing is proved anew");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_goes_after_sweeps_does_not_wait_for_a_slow_sts_where_ec2_shows_the_account() {
    let identified = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&identified);
    let server = Scripted::answering(move |form| {
        if form.contains("Action=GetCallerIdentity") {
            counted.fetch_add(1, Ordering::Relaxed);
            tokio::task::block_in_place(|| std::thread::sleep(BRIEF + Duration::from_secs(1)));
            identity(OURS)
        } else {
            reservation(OURS)
        }
    })
    .await;
    let aws = server.aws();
    aws.confirm_for(&scope(), Priority::Passed).await.unwrap();
    let asked = server.asked();
    assert!(asked.len() == 1 && asked[0].contains("Action=DescribeInstances"), "{asked:?}");
    assert_eq!(aws.unproved(), None, "only sweeps find out whether STS is silent");
    aws.confirm(&scope()).await.unwrap();
    assert_eq!(identified.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn an_error_of_sts_in_answer_to_a_call_for_others_says_nothing_to_sweeps() {
    let throttled = || {
        let body = "<ErrorResponse><Error><Code>Throttling</Code><Message>slow</Message></Error></ErrorResponse>";
        Reply { status: 400, date: None, body: body.to_owned() }
    };
    let server = Scripted::new([throttled(), throttled(), reservation(OURS), identity(OURS)]).await;
    let aws = server.aws();
    aws.confirm_for(&scope(), Priority::Passed).await.unwrap();
    assert_eq!(aws.unproved(), None);
    aws.confirm(&scope()).await.unwrap();
    assert!(server.asked()[3].contains("Action=GetCallerIdentity"), "{:?}", server.asked());
}
