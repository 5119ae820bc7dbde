mod bus;
mod documents;
mod news;

use super::scripted::{Reply, Rotating, Scripted, named, signed};
use super::*;
use crate::kinds::{self, KindSpec};
use crate::model::fixtures::scope;
use crate::model::{ErrorClass, Region, Scope, Timestamp, UnreadableItem};

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
    assert_eq!(listed.items.iter().map(|item| &*item.id).collect::<Vec<_>>(), ["i-1", "i-2"]);
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
async fn what_does_not_exist_is_asked_by_a_key_whose_account_is_proved() {
    let gone = Reply::error(400, "InvalidInstanceID.NotFound", "The instance ID 'i-1' does not exist");
    for (keys, signed_by, is_proved) in [
        (&["A"][..], vec!["A"], true),
        (&["A", "B"], vec!["A", "B"], true),
        (&["A", "B", "C", "D"], vec!["A", "C"], false),
    ] {
        let server = Scripted::confirmed([gone.clone()]).await;
        let aws = signed(server.endpoint(), Rotating::new(keys));
        let (described, unproved) =
            aws.describe_proved(&scope(), instances(), &["i-1".to_owned()], Priority::Tool).await;
        assert_eq!(described.not_found, ["i-1".into()]);
        let used: Vec<String> = server.requests().into_iter().map(|request| request.key).collect();
        assert_eq!((used, unproved.is_none()), (signed_by.iter().map(ToString::to_string).collect(), is_proved));
        assert!(unproved.is_none_or(|error| error.kind == AwsErrorKind::CredentialsExchanged));
    }
}

#[tokio::test]
async fn what_filters_find_is_asked_by_a_key_whose_account_is_proved() {
    let filters = [("private-ip-address", vec!["10.0.0.1".to_owned()])];
    for (keys, signed_by, is_proved) in [
        (&["A"][..], vec!["A"], true),
        (&["A", "B"], vec!["A", "B"], true),
        (&["A", "B", "C", "D"], vec!["A", "C"], false),
    ] {
        let server = Scripted::confirmed([Reply::described(&["i-1"])]).await;
        let aws = signed(server.endpoint(), Rotating::new(keys));
        let found = aws.describe_by(&scope(), instances(), &filters, Priority::Tool).await;
        let used: Vec<String> = server.requests().into_iter().map(|request| request.key).collect();
        assert_eq!((used, found.is_ok()), (signed_by.iter().map(ToString::to_string).collect(), is_proved));
        assert!(found.err().is_none_or(|error| error.kind == AwsErrorKind::CredentialsExchanged));
    }
}

#[tokio::test]
async fn a_page_of_another_account_is_fatal() {
    let server = Scripted::new([Reply::ok(&reservation("999999999999", &["i-1"]))]).await;
    let error = server.aws().page(&scope(), instances(), None).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Fatal);
    assert_eq!(error.kind, AwsErrorKind::OtherAccount { expected: scope().account });
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
        assert_eq!(listed.items.iter().map(|item| &*item.id).collect::<Vec<_>>(), ["snap-1"]);
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
    assert_eq!(listed.items.iter().map(|item| &*item.id).collect::<Vec<_>>(), ["203.0.113.9", "eipalloc-1"]);
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
    assert_eq!(error.kind, AwsErrorKind::NotWatched);
    assert!(error.message.contains("this server watches us-east-1"), "{error}");
    assert!(error.fix().contains("--regions"), "{}", error.fix());
}

#[tokio::test]
async fn a_describe_is_tried_twice_and_a_change_once() {
    let server = Scripted::new([Reply::error(500, "InternalError", "oops")]).await;
    let aws = server.aws();
    let error = aws.page(&scope(), instances(), None).await.unwrap_err();
    assert_eq!((error.class, server.asked().len()), (ErrorClass::Transient, 2));
    let server = Scripted::new([Reply::described(&["i-1"]), Reply::error(500, "InternalError", "oops")]).await;
    let (pinned, named) = (server.aws().pinned().await, named(&["i-1"]));
    let chosen = named.choose(&scope(), |_| true);
    pinned.look(&chosen).await.unwrap();
    let error = pinned.start_instances(&chosen, false).await.unwrap_err();
    assert_eq!((error.class, error.perhaps_done, server.asked().len()), (ErrorClass::Transient, true, 2));
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

/// A volume; `size` is the text of its number.
fn volume(id: &str, size: &str) -> String {
    format!("<item><volumeId>{id}</volumeId><size>{size}</size><tagSet/></item>")
}

fn bad(items: &[UnreadableItem]) -> Vec<(Option<&str>, String)> {
    items.iter().map(|item| (item.id.as_deref(), item.why())).collect()
}

#[tokio::test]
async fn one_unreadable_value_hides_only_its_item_and_is_reported_with_id_and_field() {
    let item = |id: &str, launched: &str, more: &str| {
        format!("<item><instanceId>{id}</instanceId><launchTime>{launched}</launchTime>{more}</item>")
    };
    let good = item("i-1", "2026-11-22T12:55:10.000Z", "");
    let odd = item("i-2", "yesterday &amp; today", "");
    let deep = item(
        "i-3",
        "2026-11-22T12:55:10.000Z",
        "<networkInterfaceSet><item><attachment><deviceIndex>first</deviceIndex></attachment></item></networkInterfaceSet>\
         <ebsOptimized>perhaps</ebsOptimized>",
    );
    let set = |items: &[&str]| {
        format!(
            "<item><reservationId>r-1</reservationId><ownerId>123456789012</ownerId><instancesSet>{}</instancesSet></item>",
            items.concat()
        )
    };
    let last = item("i-4", "2026-11-22T12:55:10.000Z", "");
    let body = format!(
        "<reservationSet>{}{}</reservationSet><nextToken>more</nextToken>",
        set(&[&good, &odd]),
        set(&[&deep, &last])
    );
    let server = Scripted::new([Reply::ok(&body)]).await;
    let listed = server.aws().page(&scope(), instances(), None).await.unwrap();
    assert_eq!(listed.items.iter().map(|item| &*item.id).collect::<Vec<_>>(), ["i-1", "i-4"]);
    assert_eq!(listed.next.as_deref(), Some("more"), "the listing goes on");
    assert_eq!(
        bad(&listed.unreadable),
        [
            (Some("i-2"), "launchTime \"yesterday &amp; today\" cannot be read".to_owned()),
            (
                Some("i-3"),
                "networkInterfaceSet.item.attachment.deviceIndex \"first\" cannot be read, ebsOptimized \"perhaps\" cannot be read"
                    .to_owned()
            ),
        ]
    );
    assert_eq!(server.asked().len(), 1, "nothing is asked for again");
}

#[tokio::test]
async fn unreadable_numbers_references_and_elements_are_found_in_every_kind() {
    for (slug, set, good, odd, why) in [
        ("volume", "volumeSet", volume("vol-1", "8"), volume("vol-2", "8 GiB"), "size \"8 GiB\" cannot be read"),
        ("volume", "volumeSet", volume("vol-1", "8"), volume("vol-2", "99999999999"), "size \"99999999999\" cannot be read"),
        (
            "vpc",
            "vpcSet",
            "<item><vpcId>vpc-1</vpcId></item>".to_owned(),
            "<item><vpcId>vpc-2</vpcId><cidrBlock>&nbsp;</cidrBlock></item>".to_owned(),
            "cidrBlock \"&nbsp;\" cannot be read",
        ),
        (
            "snapshot",
            "snapshotSet",
            "<item><snapshotId>snap-1</snapshotId></item>".to_owned(),
            "<item><snapshotId>snap-2</snapshotId><startTime><date>2026</date></startTime></item>".to_owned(),
            "startTime.date \"2026\" cannot be read, startTime \"\" cannot be read",
        ),
        (
            "network-interface",
            "networkInterfaceSet",
            "<item><networkInterfaceId>eni-1</networkInterfaceId></item>".to_owned(),
            "<n:item xmlns:n='u'><n:networkInterfaceId>eni-2</n:networkInterfaceId><n:sourceDestCheck>no!</n:sourceDestCheck></n:item>"
                .to_owned(),
            "sourceDestCheck \"no!\" cannot be read",
        ),
    ] {
        let body = format!("<{set}><!-- <item> -->{odd}{good}</{set}>");
        let server = Scripted::new([Reply::ok(&body)]).await;
        let listed = server.aws().page(&scope(), kinds::by_slug(slug).unwrap(), None).await.unwrap();
        assert_eq!(listed.items.len(), 1, "{slug}");
        assert!(listed.items[0].id.ends_with("-1"), "{slug}");
        let [(Some(id), said)] = &bad(&listed.unreadable)[..] else { panic!("{slug}: {:?}", listed.unreadable) };
        assert!(id.ends_with("-2") && said == why, "{slug} {id}: {said}");
    }
}

#[tokio::test]
async fn a_body_that_is_cut_off_is_an_unreadable_answer() {
    let body = format!("<volumeSet>{}{}</volumeSet>", volume("vol-1", "x"), volume("vol-2", "8"));
    let whole = format!("<DescribeVolumesResponse>{body}</DescribeVolumesResponse>");
    let cut = Reply { status: 201, date: None, body: whole[..whole.len() - 40].to_owned() };
    let server = Scripted::new([cut]).await;
    let error = server.aws().page(&scope(), kinds::by_slug("volume").unwrap(), None).await.unwrap_err();
    assert_eq!(error.kind, AwsErrorKind::Unreadable);
}

#[tokio::test]
async fn a_public_snapshot_of_another_account_is_left_out_even_when_it_cannot_be_read() {
    let item = |id: &str, owner: &str| {
        format!("<item><snapshotId>{id}</snapshotId><ownerId>{owner}</ownerId><volumeSize>big</volumeSize></item>")
    };
    let set = [item("snap-1", "999999999999"), item("snap-2", "123456789012")].concat();
    let server = Scripted::new([Reply::ok(&format!("<snapshotSet>{set}</snapshotSet>"))]).await;
    let listed = server.aws().page(&scope(), kinds::by_slug("snapshot").unwrap(), None).await.unwrap();
    assert_eq!(bad(&listed.unreadable), [(Some("snap-2"), "volumeSize \"big\" cannot be read".to_owned())]);
}

#[tokio::test]
async fn a_tool_learns_which_value_of_its_resource_cannot_be_read() {
    let server = Scripted::new([Reply::ok(&format!("<volumeSet>{}</volumeSet>", volume("vol-1", "x")))]).await;
    let spec = kinds::by_slug("volume").unwrap();
    let described = server.aws().describe(&scope(), spec, &["vol-1".to_owned()], Priority::Tool).await;
    assert_eq!(described.unreadable, [("vol-1".into(), "size \"x\" cannot be read".to_owned())]);
    assert!(described.silent.is_empty() && described.failed.is_none(), "{described:?}");
    assert!(described.answers.iter().all(|listed| listed.items.is_empty()), "{described:?}");
    let listed = server.aws().describe_once(&scope(), spec, &["vol-1".to_owned()], Priority::Refresh).await.unwrap();
    assert_eq!(bad(&listed.unreadable), [(Some("vol-1"), "size \"x\" cannot be read".to_owned())]);
}

#[tokio::test]
async fn items_without_an_id_are_counted_in_every_kind_and_an_address_is_identified_by_its_ip() {
    for spec in kinds::KINDS.iter().filter(|spec| spec.slug != "address") {
        let [outer @ .., last] = spec.list else { panic!("no path") };
        let open = outer.iter().flat_map(|name| ["<", name, ">"]).collect::<String>();
        let close = outer.iter().rev().flat_map(|name| ["</", name, ">"]).collect::<String>();
        let id = spec.id_elements().next().unwrap();
        let body =
            format!("{open}<{last}><x>1</x></{last}><{last}><{id}/></{last}><{last}><{id}>a-1</{id}></{last}>{close}");
        let server = Scripted::new([Reply::ok(&body)]).await;
        let listed = server.aws().page(&scope(), spec, None).await.unwrap();
        assert_eq!(listed.items.len(), 1, "{}", spec.slug);
        let why = format!("{id} is missing");
        assert_eq!(bad(&listed.unreadable), [(None, why.clone()), (None, why)], "{}", spec.slug);
    }
    let set = "<addressesSet><item><publicIp>203.0.113.9</publicIp></item><item><allocationId/><publicIp>203.0.113.10</publicIp>\
        </item><item><allocationId>eipalloc-1</allocationId></item><item><domain>vpc</domain></item></addressesSet>";
    let server = Scripted::new([Reply::ok(set)]).await;
    let (aws, spec) = (server.aws(), kinds::by_slug("address").unwrap());
    let listed = aws.page(&scope(), spec, None).await.unwrap();
    assert_eq!(
        listed.items.iter().map(|item| &*item.id).collect::<Vec<_>>(),
        ["203.0.113.9", "203.0.113.10", "eipalloc-1"]
    );
    assert_eq!(bad(&listed.unreadable), [(None, "allocationId is missing, publicIp is missing".to_owned())]);
    aws.describe_once(&scope(), spec, &["203.0.113.9".to_owned()], Priority::Tool).await.unwrap_err();
    assert!(server.asked().last().unwrap().contains("PublicIp.1=203.0.113.9"), "{:?}", server.asked());
}

fn unknown_parameter() -> Reply {
    Reply::error(400, "UnknownParameter", "The parameter IncludeManagedResources is not recognized")
}

#[tokio::test]
async fn an_unknown_parameter_is_left_out_and_that_is_remembered_and_reported() {
    for refusal in [
        unknown_parameter(),
        Reply::error(400, "InvalidParameterValue", "includeManagedResources: unsupported"),
        Reply::error(400, "UnknownParameter", "an unexpected parameter was given"),
        Reply::error(400, "ValidationError", "Unexpected key: IncludeManagedResources"),
    ] {
        let server = Scripted::new([refusal, Reply::ok("<volumeSet/>")]).await;
        let (aws, spec) = (server.aws(), kinds::by_slug("volume").unwrap());
        for _ in 0..2 {
            let listed = aws.page(&scope(), spec, None).await.unwrap();
            assert_eq!(listed.left_out.names(), ["IncludeManagedResources"]);
        }
        let sent: Vec<bool> = server.asked().iter().map(|body| body.contains("IncludeManagedResources")).collect();
        assert_eq!(sent, [true, false, false]);
    }
}

#[tokio::test]
async fn parameters_that_bound_or_complete_a_listing_are_never_left_out() {
    for (slug, name) in [("snapshot", "Owner"), ("instance-status", "IncludeAllInstances"), ("vpc", "MaxResults")] {
        let message = format!("The parameter {name} is not recognized");
        let server = Scripted::new([Reply::error(400, "UnknownParameter", &message), Reply::ok("<vpcSet/>")]).await;
        let error = server.aws().page(&scope(), kinds::by_slug(slug).unwrap(), None).await.unwrap_err();
        assert!(error.to_string().contains(name), "{slug}: {error}");
        assert_eq!(server.asked().len(), 1, "{slug}");
    }
    let server = Scripted::new([
        Reply::error(400, "UnknownParameter", "IncludeManagedResources"),
        Reply::ok("<instanceStatusSet/>"),
    ])
    .await;
    server.aws().page(&scope(), kinds::by_slug("instance-status").unwrap(), None).await.unwrap();
    assert!(server.asked().iter().all(|body| body.contains("IncludeAllInstances=true")), "{:?}", server.asked());
}

#[tokio::test]
async fn a_parameter_that_was_once_accepted_is_never_left_out() {
    let server = Scripted::new([Reply::ok("<volumeSet/>"), unknown_parameter(), Reply::ok("<volumeSet/>")]).await;
    let (aws, spec) = (server.aws(), kinds::by_slug("volume").unwrap());
    aws.page(&scope(), spec, None).await.unwrap();
    let error = aws.page(&scope(), spec, None).await.unwrap_err();
    assert_eq!(error.code.as_deref(), Some("UnknownParameter"));
    let listed = aws.page(&scope(), spec, None).await.unwrap();
    assert!(listed.left_out.names().is_empty());
}

#[tokio::test]
async fn a_refusal_that_persists_without_the_parameter_is_not_remembered() {
    let server = Scripted::new([unknown_parameter(), unknown_parameter(), Reply::ok("<volumeSet/>")]).await;
    let (aws, spec) = (server.aws(), kinds::by_slug("volume").unwrap());
    aws.page(&scope(), spec, None).await.unwrap_err();
    assert!(aws.page(&scope(), spec, None).await.unwrap().left_out.names().is_empty());
    assert!(server.asked().last().unwrap().contains("IncludeManagedResources=true"));
}

#[tokio::test]
async fn pages_that_are_too_large_are_distinguished_from_other_refusals() {
    for (reply, too_large) in [
        (Reply::error(400, "InvalidParameterValue", "Value (1000) for parameter MaxResults is invalid."), true),
        (Reply { status: 413, date: None, body: "<html>Payload Too Large</html>".to_owned() }, true),
        (Reply::error(413, "RequestEntityTooLarge", "no"), true),
        (Reply::error(500, "InternalError", "response too large for this gateway"), true),
        (Reply::error(400, "UnknownParameter", "MaxResults"), false),
        (Reply::error(400, "InvalidParameterValue", "Unable to parse pagination token"), false),
        (Reply { status: 502, date: None, body: "<html>Bad Gateway</html>".to_owned() }, false),
    ] {
        let said = reply.body.clone();
        let server = Scripted::new([reply]).await;
        let error = server.aws().page(&scope(), kinds::by_slug("vpc").unwrap(), None).await.unwrap_err();
        assert_eq!(error.is_page_too_large(), too_large, "{said}: {error}");
    }
}
