mod bus;
mod documents;

use super::scripted::{Answer as Reply, Scripted, named, scope};
use super::*;
use crate::kinds;

fn instances() -> &'static KindSpec {
    kinds::by_slug("instance").unwrap()
}

fn reservation(owner: &str, ids: &[&str]) -> String {
    let items: Vec<String> = ids.iter().map(|id| format!("<item><instanceId>{id}</instanceId></item>")).collect();
    let items = items.concat();
    format!(
        "<reservationSet><item><reservationId>r-1</reservationId><ownerId>{owner}</ownerId>\
         <instancesSet>{items}</instancesSet></item></reservationSet>"
    )
}

#[tokio::test]
async fn a_page_carries_its_items_its_token_and_when_it_was_asked_for() {
    let body = reservation("123456789012", &["i-1", "i-2"]) + "<nextToken>more</nextToken>";
    let server = Scripted::new([Reply::ok(&body)]).await;
    let aws = server.aws();
    let before = aws.clock().now();
    let listed = aws.page(&scope(), instances(), Some("from".to_owned())).await.unwrap();
    assert_eq!(listed.items.iter().map(|item| item.id.as_str()).collect::<Vec<_>>(), ["i-1", "i-2"]);
    assert_eq!(listed.next.as_deref(), Some("more"));
    assert!(listed.sent_at >= before && listed.sent_at <= aws.clock().now());
    let asked = server.asked().remove(0);
    for part in ["Action=DescribeInstances", "MaxResults=1000", "NextToken=from", "IncludeManagedResources=true"] {
        assert!(asked.contains(part), "{part} not in {asked}");
    }
}

#[tokio::test]
async fn ids_are_asked_for_a_hundred_at_a_time_and_without_a_page_size() {
    let server = Scripted::new([Reply::ok(&reservation("123456789012", &["i-1"]))]).await;
    let ids: Vec<String> = (0..250).map(|n| format!("i-{n}")).collect();
    let status = kinds::by_slug("instance-status").unwrap();
    server.aws().describe(&scope(), status, &ids, Priority::Tool).await;
    let asked = server.asked();
    assert_eq!(asked.iter().map(|body| body.matches("InstanceId.").count()).collect::<Vec<_>>(), [100, 100, 50]);
    assert!(asked.iter().all(|body| !body.contains("MaxResults") && body.contains("IncludeAllInstances=true")));
}

#[tokio::test]
async fn no_ids_are_no_call() {
    let server = Scripted::new([Reply::ok("")]).await;
    let described = server.aws().describe(&scope(), instances(), &[], Priority::Refresh).await;
    assert!(described.answers.is_empty() && server.asked().is_empty());
}

#[tokio::test]
async fn a_page_of_another_account_is_fatal() {
    let server = Scripted::new([Reply::ok(&reservation("999999999999", &["i-1"]))]).await;
    let error = server.aws().page(&scope(), instances(), None).await.unwrap_err();
    assert_eq!(error.class, Class::Fatal);
    assert_eq!(error.trouble, Trouble::OtherAccount { expected: scope().account });
    assert!(error.to_string().contains("999999999999") && error.fix().contains("123456789012"), "{error}");
}

#[tokio::test]
async fn vpcs_and_subnets_that_another_account_shares_are_listed() {
    let vpc = "<vpcSet><item><vpcId>vpc-1</vpcId><ownerId>999999999999</ownerId></item></vpcSet>";
    let subnet = "<subnetSet><item><subnetId>subnet-1</subnetId><ownerId>999999999999</ownerId></item></subnetSet>";
    for (slug, shared) in [("vpc", vpc), ("subnet", subnet)] {
        let server = Scripted::new([Reply::ok(shared)]).await;
        let listed = server.aws().page(&scope(), kinds::by_slug(slug).unwrap(), None).await.unwrap();
        assert_eq!(listed.items.len(), 1, "{slug}");
    }
}

#[tokio::test]
async fn only_the_accounts_own_snapshots_are_asked_for_and_kept() {
    let own = "<item><snapshotId>snap-1</snapshotId><ownerId>123456789012</ownerId></item>";
    let public = "<item><snapshotId>snap-2</snapshotId><ownerId>999999999999</ownerId></item>";
    let server = Scripted::new([Reply::ok(&format!("<snapshotSet>{own}{public}</snapshotSet>"))]).await;
    let (aws, spec) = (server.aws(), kinds::by_slug("snapshot").unwrap());
    let page = aws.page(&scope(), spec, None).await.unwrap();
    let named = aws.describe_once(&scope(), spec, &["snap-1".to_owned()], Priority::Refresh).await.unwrap();
    for listed in [page, named] {
        assert_eq!(listed.items.iter().map(|item| item.id.as_str()).collect::<Vec<_>>(), ["snap-1"]);
    }
    assert!(server.asked().iter().all(|body| body.contains("Owner.1=self")), "{:?}", server.asked());
}

#[tokio::test]
async fn managed_resources_are_asked_for_wherever_aws_may_hide_them() {
    for slug in ["instance", "instance-status", "volume", "network-interface"] {
        let server = Scripted::new([Reply::ok("")]).await;
        server.aws().page(&scope(), kinds::by_slug(slug).unwrap(), None).await.unwrap();
        assert!(server.asked().remove(0).contains("IncludeManagedResources=true"), "{slug}");
    }
}

#[tokio::test]
async fn addresses_are_listed_in_one_answer_because_aws_does_not_page_them() {
    let set = "<addressesSet><item><publicIp>203.0.113.9</publicIp></item><item><allocationId>eipalloc-1</allocationId>\
        </item></addressesSet><nextToken>none</nextToken>";
    let server = Scripted::new([Reply::ok(set)]).await;
    let listed = server.aws().page(&scope(), kinds::by_slug("address").unwrap(), None).await.unwrap();
    assert_eq!(listed.items.iter().map(|item| item.id.as_str()).collect::<Vec<_>>(), ["eipalloc-1"]);
    assert_eq!(listed.next, None);
    assert!(!server.asked().remove(0).contains("MaxResults"));
}

#[tokio::test]
async fn the_date_of_answers_sets_the_clock() {
    let date = Some("Sun, 22 Nov 2035 12:00:00 GMT");
    let server = Scripted::new([Reply { date, ..Reply::ok("<vpcSet/>") }]).await;
    let aws = server.aws();
    aws.page(&scope(), kinds::by_slug("vpc").unwrap(), None).await.unwrap();
    let off = aws.clock().now().since(Timestamp::parse("2035-11-22T12:00:00Z").unwrap());
    assert!(off.as_secs() < 2 && aws.clock_offset_millis() > 0, "{off:?}");
}

#[tokio::test]
async fn a_region_that_is_not_watched_says_how_to_name_one() {
    let server = Scripted::new([Reply::ok("")]).await;
    let scope = Scope { region: Region::new("eu-west-9"), ..scope() };
    let error = server.aws().page(&scope, instances(), None).await.unwrap_err();
    assert_eq!(error.trouble, Trouble::NoRegion);
}

#[tokio::test]
async fn a_describe_is_tried_twice_and_a_change_once() {
    let server = Scripted::new([Reply::error(500, "InternalError", "oops")]).await;
    let aws = server.aws();
    let error = aws.page(&scope(), instances(), None).await.unwrap_err();
    assert_eq!((error.class, server.asked().len()), (Class::Transient, 2));
    let server = Scripted::new([Reply::described(&["i-1"]), Reply::error(500, "InternalError", "oops")]).await;
    let (pinned, named) = (server.aws().pinned().await, named(&["i-1"]));
    let chosen = named.choose(&scope(), |_| true);
    pinned.look(&chosen).await.unwrap();
    let error = pinned.start_instances(&chosen, false).await.unwrap_err();
    assert_eq!((error.class, error.perhaps_done, server.asked().len()), (Class::Transient, true, 2));
}

#[tokio::test]
async fn every_attempt_is_counted_and_a_throttled_one_slows_its_action_down() {
    let throttled = Reply::error(503, "RequestLimitExceeded", "Request limit exceeded.");
    let server = Scripted::new([throttled, Reply::ok("<vpcSet/>")]).await;
    let aws = server.aws();
    let vpcs = kinds::by_slug("vpc").unwrap();
    let before = aws.clock().now();
    let listed = aws.page(&scope(), vpcs, None).await.unwrap();
    assert!(listed.sent_at.since(before) >= limiter::PAUSE, "the answer is as old as the attempt that was answered");
    let [count] = &aws.calls()[..] else { panic!("one action was called") };
    assert_eq!((count.account.clone(), count.region.clone()), (scope().account, scope().region));
    assert_eq!((count.action, count.total, count.throttled, count.failed), ("ec2:DescribeVpcs", 2, 1, 0));
    assert!(count.pace_per_second < count.share_per_second, "{count:?}");
}

#[tokio::test]
async fn identify_names_the_account() {
    let body = "<GetCallerIdentityResult><Account>123456789012</Account></GetCallerIdentityResult>";
    let server = Scripted::new([Reply::ok(body)]).await;
    assert_eq!(server.aws().identify().await.unwrap(), scope().account);
}
