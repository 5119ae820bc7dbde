//! The effect of each fault on calls: off by default, at about its share, and the same again with the same seed.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use crate::simulator::clock::Moment;
use crate::simulator::faults::{Board, Case, Fate, Faults, Judgement, Mangling};
use crate::simulator::ident::Kind;
use crate::simulator::refusal::Refusal;
use crate::simulator::request::{Params, Service};

const NOW: Moment = Moment(1_795_348_800_000);
const PAGED: &str = "Action=DescribeVpcs&MaxResults=5";

fn board(faults: &Value) -> Board {
    Board::new(7, Faults::read(faults).unwrap())
}

/// Judges one EC2 call, whose form names the action.
fn judge(board: &Board, form: &str) -> Judgement {
    judge_in(board, "us-east-1", form)
}

fn judge_in(board: &Board, region: &str, form: &str) -> Judgement {
    let params = Params::parse("", form.as_bytes());
    let action = params.get("Action").unwrap();
    board.judge(&case(Service::Ec2, action, region, &params), NOW)
}

/// A call of the simulator's own account.
fn case<'a>(service: Service, action: &'a str, region: &'a str, params: &'a Params) -> Case<'a> {
    Case { service, action, account: "123456789012", region, who: "arn:aws:iam::123456789012:user/muster", params }
}

/// How many of 2,000 calls have a fate that `is` accepts.
fn count(board: &Board, form: &str, is: impl Fn(&Judgement) -> bool) -> usize {
    (0..2_000).filter(|_| is(&judge(board, form))).count()
}

fn refused(judgement: &Judgement, code: &str) -> bool {
    matches!(&judgement.fate, Fate::Refuse(refusal) if refusal.code == code)
}

fn refusal(judgement: Judgement) -> Refusal {
    match judgement.fate {
        Fate::Refuse(refusal) => refusal,
        other => panic!("{other:?} is no refusal"),
    }
}

/// Every fault that strikes a share of calls, with a call that it can strike.
fn shares() -> Vec<(&'static str, Value, &'static str)> {
    vec![
        ("throttle", json!({"throttle": {"share": 0.2}}), PAGED),
        ("failing_pages", json!({"failing_pages": {"share": 0.2}}), PAGED),
        ("truncate", json!({"truncate": {"share": 0.2}}), PAGED),
        ("garble", json!({"garble": {"share": 0.2}}), PAGED),
        ("alter", json!({"alter": {"share": 0.2}}), PAGED),
        ("cut", json!({"cut": {"share": 0.2}}), PAGED),
    ]
}

#[test]
fn nothing_goes_wrong_by_default() {
    let board = board(&json!({}));
    for form in [PAGED, "Action=StopInstances&InstanceId.1=i-1", "Action=DescribeInstances&InstanceId.1=i-1"] {
        let untouched = |judged: &Judgement| judged.fate == Fate::Answer(None) && judged.latency.is_zero();
        assert_eq!(count(&board, form, untouched), 2_000, "{form}");
        let sight = judge(&board, form).view.of(Kind::Instance, 1);
        assert_eq!((sight.at, sight.hidden, sight.tagless), (NOW, false, false));
    }
    assert_eq!(board.counts(), BTreeMap::new());
}

#[test]
fn a_share_of_calls_is_about_that_share_and_is_counted() {
    for (name, faults, form) in shares() {
        let board = board(&faults);
        let struck = count(&board, form, |judged| judged.fate != Fate::Answer(None));
        assert!((320..480).contains(&struck), "{name}: {struck}");
        assert_eq!(board.counts(), BTreeMap::from([(name, u64::try_from(struck).unwrap())]));
    }
}

#[test]
fn the_same_seed_decides_the_same_calls_whatever_is_asked_between() {
    for (name, faults, form) in shares() {
        let fates = |seed: u64, disturbed: bool| {
            let board = Board::new(seed, Faults::read(&faults).unwrap());
            let fate = |_| {
                if disturbed {
                    judge(&board, "Action=DescribeInstances");
                    judge_in(&board, "eu-west-1", form);
                }
                judge(&board, form).fate
            };
            (0..200).map(fate).collect::<Vec<_>>()
        };
        assert_eq!(fates(7, false), fates(7, true), "{name}");
        assert_ne!(fates(7, false), fates(8, false), "{name}");
    }
}

#[test]
fn a_fault_of_some_accounts_and_regions_leaves_the_others_alone() {
    let places = [("111122223333", "eu-west-1"), ("111122223333", "us-east-1"), ("444455556666", "eu-west-1")];
    let at = |board: &Board, form: &str| {
        places.map(|(account, region)| {
            let params = Params::parse("", form.as_bytes());
            let action = params.get("Action").unwrap();
            board.judge(&Case { account, ..case(Service::Ec2, action, region, &params) }, NOW)
        })
    };
    for (limit, expected) in [
        (json!([]), [true, true, true]),
        (json!(["111122223333"]), [true, true, false]),
        (json!(["eu-west-1"]), [true, false, true]),
        (json!(["111122223333/us-east-1"]), [false, true, false]),
        (json!(["444455556666", "111122223333/us-east-1"]), [false, true, true]),
    ] {
        for faults in [
            json!({"throttle": {"share": 1, "at": limit}}),
            json!({"cut": {"share": 1, "at": limit}}),
            json!({"garble": {"share": 1, "at": limit}}),
            json!({"failing_pages": {"share": 1, "at": limit}}),
            json!({"denied": [{"at": limit}]}),
        ] {
            let struck = at(&board(&faults), PAGED).map(|judged| judged.fate != Fate::Answer(None));
            assert_eq!(struck, expected, "{faults}");
        }
        let slow = board(&json!({"latency": {"fixed": "1s", "at": limit}}));
        assert_eq!(at(&slow, PAGED).map(|judged| !judged.latency.is_zero()), expected, "{limit}");
        let stale = board(&json!({"lag": {"most": "1h", "at": limit}, "hide": {"share": 1, "at": limit}}));
        let seen = at(&stale, PAGED).map(|judged| judged.view.of(Kind::Instance, 1));
        assert_eq!(seen.map(|sight| sight.hidden && sight.at < NOW), expected, "{limit}");
        let dead = board(&json!({"dead_regions": {"at": limit}}));
        let named = limit.as_array().is_some_and(|limit| !limit.is_empty());
        let struck = at(&dead, PAGED).map(|judged| judged.fate != Fate::Answer(None));
        assert_eq!(struck, if named { expected } else { [false; 3] }, "{limit}");
    }
    let both = board(&json!({"dead_regions": {"regions": ["eu-west-1"], "at": ["111122223333"]}}));
    assert_eq!(at(&both, PAGED).map(|judged| refused(&judged, "Unavailable")), [true, false, false]);
}

#[test]
fn a_denial_names_its_policy() {
    let by = |policy: &str| {
        let board = board(&json!({"denied": [{"by": policy}]}));
        refusal(judge(&board, "Action=DescribeVpcs")).message
    };
    let who = "You are not authorized to perform this operation. User: arn:aws:iam::123456789012:user/muster is not \
               authorized to perform: ec2:DescribeVpcs";
    assert_eq!(by("service-control"), format!("{who} with an explicit deny in a service control policy"));
    let reason = "because no identity-based policy allows the ec2:DescribeVpcs action";
    assert_eq!(by("identity"), format!("{who} {reason}"));
}

#[test]
fn a_fault_of_some_actions_leaves_the_others_alone() {
    let board = board(&json!({
        "throttle": {"share": 1, "actions": ["DescribeVpcs"]},
        "denied": ["StopInstances"],
        "latency": {"fixed": "1s", "actions": ["DescribeRegions"]},
    }));
    let throttled = refusal(judge(&board, PAGED));
    assert_eq!((throttled.status, throttled.code.as_ref()), (503, "RequestLimitExceeded"));
    assert_eq!(
        throttled.message,
        "Request limit exceeded. Account 123456789012 has been throttled on ec2:DescribeVpcs because it exceeded its \
         request rate limit."
    );
    let denied = refusal(judge(&board, "Action=StopInstances&InstanceId.1=i-1"));
    assert_eq!((denied.status, denied.code.as_ref()), (403, "UnauthorizedOperation"));
    let started = judge(&board, "Action=StartInstances&InstanceId.1=i-1");
    assert_eq!((started.fate, started.latency), (Fate::Answer(None), Duration::ZERO));
    assert_eq!(judge(&board, "Action=DescribeRegions").latency, Duration::from_secs(1));
}

#[test]
fn other_services_have_codes_of_their_own() {
    let throttle = json!({"throttle": {"share": 1}});
    let denied = json!({"denied": ["GetCallerIdentity", "ReceiveMessage", "PutRule"]});
    let dead = json!({"dead_regions": {"regions": ["us-east-1"]}});
    for (service, action, faults, status, code) in [
        (Service::Sts, "GetCallerIdentity", &throttle, 400, "Throttling"),
        (Service::Sts, "GetCallerIdentity", &denied, 403, "AccessDenied"),
        (Service::Sts, "GetCallerIdentity", &dead, 503, "ServiceUnavailable"),
        (Service::Sqs, "ReceiveMessage", &throttle, 400, "ThrottlingException"),
        (Service::Sqs, "ReceiveMessage", &denied, 403, "AccessDenied"),
        (Service::Events, "PutRule", &throttle, 400, "ThrottlingException"),
        (Service::Events, "PutRule", &denied, 400, "AccessDeniedException"),
        (Service::Events, "PutRule", &dead, 503, "ServiceUnavailable"),
    ] {
        let params = Params::default();
        let case = case(service, action, "us-east-1", &params);
        let refusal = refusal(board(faults).judge(&case, NOW));
        assert_eq!((refusal.status, refusal.code.as_ref()), (status, code), "{action}");
    }
}

#[test]
fn buckets_refuse_what_is_above_awss_figures_when_they_are_on() {
    let limited = |judged: &Judgement| refused(judged, "RequestLimitExceeded");
    assert_eq!(count(&board(&json!({"buckets": {"scale": 2}})), PAGED, limited), 0);
    assert_eq!(count(&board(&json!({"buckets": {"on": true}})), PAGED, limited), 1_900);
    assert_eq!(count(&board(&json!({"buckets": {"on": true, "scale": 2}})), PAGED, limited), 1_800);
}

#[test]
fn latency_lies_between_its_fixed_part_and_that_and_its_jitter() {
    let board = board(&json!({"latency": {"fixed": "100ms", "jitter": "400ms"}}));
    let waits: Vec<Duration> = (0..500).map(|_| judge(&board, PAGED).latency).collect();
    let (low, high) = (waits.iter().min().unwrap(), waits.iter().max().unwrap());
    assert!(*low >= Duration::from_millis(100) && *low < Duration::from_millis(120), "{low:?}");
    assert!(*high <= Duration::from_millis(500) && *high > Duration::from_millis(480), "{high:?}");
}

#[test]
fn a_marked_page_fails_in_each_walk_as_often_as_it_is_told() {
    let board = board(&json!({"failing_pages": {"page": 2, "attempts": 1}}));
    for _walk in 0..3 {
        let failed: Vec<bool> = ["", "&NextToken=a", "&NextToken=a", "&NextToken=b"]
            .iter()
            .map(|token| judge(&board, &format!("{PAGED}{token}")).fate != Fate::Answer(None))
            .collect();
        assert_eq!(failed, [false, true, false, false]);
    }
    // A call by id has no pages.
    board.patch(&json!({"failing_pages": {"share": 1}})).unwrap();
    assert_eq!(judge(&board, "Action=DescribeVpcs&VpcId.1=vpc-1").fate, Fate::Answer(None));
    let codes: Vec<String> = (0..50).map(|_| refusal(judge(&board, PAGED)).code.into_owned()).collect();
    assert!(codes.iter().any(|code| code == "InternalError") && codes.iter().any(|code| code == "Unavailable"));
}

#[test]
fn a_token_that_expired_stays_so_for_its_walk() {
    let board = board(&json!({"expired_tokens": {"share": 0.3}}));
    let expired = |judged: &Judgement| refused(judged, "InvalidNextToken") || refused(judged, "InvalidParameterValue");
    let mut struck = 0;
    for _walk in 0..1_000 {
        assert_eq!(judge(&board, PAGED).fate, Fate::Answer(None));
        let asked = || expired(&judge(&board, &format!("{PAGED}&NextToken=a")));
        let first = asked();
        assert_eq!(first, asked());
        struck += usize::from(first);
    }
    assert!((250..350).contains(&struck), "{struck}");
}

#[test]
fn a_dead_region_answers_nothing_good_or_nothing_at_all() {
    let board = board(&json!({"dead_regions": {"regions": ["eu-west-1"]}}));
    assert_eq!(judge(&board, PAGED).fate, Fate::Answer(None));
    let dead = refusal(judge_in(&board, "eu-west-1", PAGED));
    assert_eq!((dead.status, dead.code.as_ref()), (503, "Unavailable"));
    board.patch(&json!({"dead_regions": {"hang": true}})).unwrap();
    assert_eq!(judge_in(&board, "eu-west-1", PAGED).fate, Fate::Hang);
}

#[test]
fn lag_is_one_for_all_describes_of_a_resource_and_stays_within_its_most() {
    let board = board(&json!({"lag": {"most": "5s"}}));
    let by_list = judge(&board, "Action=DescribeInstances&MaxResults=1000").view;
    let by_id = judge(&board, "Action=DescribeInstances&InstanceId.1=i-1").view;
    let elsewhere = judge_in(&board, "eu-west-1", "Action=DescribeInstances").view;
    let mut same = 0;
    for number in 0..1_000 {
        let at = by_list.of(Kind::Instance, number).at;
        assert_eq!(at, by_id.of(Kind::Instance, number).at);
        assert!((NOW.0 - 5_000..=NOW.0).contains(&at.0));
        same += usize::from(at == elsewhere.of(Kind::Instance, number).at);
    }
    assert!(same < 10, "{same}");
    assert_eq!(board.counts()["lag"], 3);
    board.patch(&json!({"lag": {"jitter": true}})).unwrap();
    let ats: Vec<Moment> =
        (0..50).map(|_| judge(&board, "Action=DescribeInstances").view.of(Kind::Instance, 1).at).collect();
    assert!(!ats.is_sorted());
}

#[test]
fn a_loss_of_one_sweep_strikes_the_next_walk_alone_the_same_ones_on_all_its_pages() {
    let board = board(&json!({}));
    let missing = |form: &str| {
        let view = judge(&board, form).view;
        (0..1_000).filter(|number| view.of(Kind::Instance, *number).hidden).collect::<Vec<u64>>()
    };
    let first = "Action=DescribeInstances&MaxResults=1000";
    let second = "Action=DescribeInstances&MaxResults=1000&NextToken=a";
    let third = "Action=DescribeInstances&MaxResults=1000&NextToken=b";
    assert!(missing(first).is_empty());
    for _again in 0..2 {
        board.patch(&json!({"hide": {"share": 0.4, "sweeps": 1}})).unwrap();
        // The walk in progress loses nothing, and neither does a call by id.
        assert!(missing(second).is_empty());
        assert!(missing("Action=DescribeInstances&InstanceId.1=i-1").is_empty());
        let lost = missing(first);
        assert!((350..450).contains(&lost.len()), "{}", lost.len());
        assert_eq!(lost, missing(second));
        assert_eq!(lost, missing(third));
        assert!(missing(first).is_empty());
    }
    board.patch(&json!({"hide": {"sweeps": null}})).unwrap();
    assert_ne!(missing(first), missing(first), "each sweep loses others");
    board.patch(&json!({"hide": {"by_id": true}})).unwrap();
    assert!(!missing("Action=DescribeInstances&InstanceId.1=i-1").is_empty());
}

#[test]
fn a_first_page_that_failed_does_not_use_up_the_sweep() {
    let board = board(&json!({"lose_tags": {"share": 0.3, "sweeps": 1}, "throttle": {"share": 1}}));
    for _ in 0..3 {
        assert!(refused(&judge(&board, PAGED), "RequestLimitExceeded"));
    }
    board.patch(&json!({"throttle": null})).unwrap();
    let tagless = |view: crate::simulator::view::View| (0..1_000).filter(|n| view.of(Kind::Vpc, *n).tagless).count();
    let lost = tagless(judge(&board, PAGED).view);
    assert!((250..350).contains(&lost), "{lost}");
    assert_eq!(tagless(judge(&board, PAGED).view), 0);
}

#[test]
fn a_share_of_snapshots_sticks() {
    let board = board(&json!({"stuck_snapshots": {"share": 0.3}}));
    let view = judge(&board, "Action=CreateSnapshots&InstanceSpecification.InstanceId=i-1").view;
    let stuck = (0..1_000).filter(|number| view.sticks(Kind::Snapshot, *number)).count();
    assert!((250..350).contains(&stuck), "{stuck}");
    assert_eq!(board.counts(), BTreeMap::from([("stuck_snapshots", 1)]));
}

#[test]
fn every_count_has_the_name_of_its_fault() {
    let board = board(&json!({
        "buckets": {"on": true}, "latency": {"fixed": "1s"}, "lag": {"most": "1s"}, "hide": {"share": 0.1},
        "lose_tags": {"share": 0.1}, "truncate": {"share": 0.5}, "garble": {"share": 0.5}, "cut": {"share": 0.5},
        "alter": {"share": 0.5},
        "expired_tokens": {"share": 1}, "failing_pages": {"share": 0.5}, "denied": ["DescribeRegions"],
        "stuck_snapshots": {"share": 1}, "dead_regions": {"regions": ["eu-west-1"]}, "throttle": {"share": 0.1},
        "ignored": {"dry_run": ["CreateSnapshots"]}, "no_capacity": ["DescribeVolumes"],
        "roles": {"denied": ["111122223333"]},
    }));
    // A bucket empties quickly, so each kind of call here uses a bucket of its own.
    for form in
        [PAGED, "Action=DescribeSubnets&MaxResults=5&NextToken=a", "Action=DescribeRegions", "Action=DescribeVolumes"]
    {
        count(&board, form, |_| true);
    }
    count(&board, "Action=CreateSnapshots&DryRun=true", |_| true);
    judge_in(&board, "eu-west-1", PAGED);
    board.trusts("arn:aws:iam::111122223333:role/reader", "111122223333", None);
    let faults = Faults::default().json();
    let names: Vec<&String> =
        faults.as_object().unwrap().keys().filter(|name| !matches!(name.as_str(), "clock" | "events")).collect();
    let counted: Vec<&str> = board.counts().into_keys().collect();
    for name in names {
        assert!(counted.contains(&name.as_str()), "{name} is not among {counted:?}");
    }
    assert!(counted.iter().all(|name| faults.get(name).is_some()), "{counted:?}");
}

#[test]
fn damage_is_drawn_anew_for_each_answer() {
    let board = board(&json!({"truncate": {"share": 1}}));
    let drawn = |judged: Judgement| match judged.fate {
        Fate::Answer(Some(Mangling::Truncate(drawn))) => drawn,
        other => panic!("{other:?}"),
    };
    assert_ne!(drawn(judge(&board, PAGED)), drawn(judge(&board, PAGED)));
}

#[test]
fn an_ignored_parameter_is_left_out_of_what_the_named_actions_hear() {
    let board = board(&json!({"ignored": {"ids": ["DescribeInstances"], "dry_run": ["StopInstances"]}}));
    let heard =
        |form: &str| judge(&board, form).heard.map(|params| params.pairs().map(|(k, _)| k.to_owned()).collect());
    let left = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect::<Vec<String>>());
    let named = "Action=DescribeInstances&InstanceId.1=i-1&InstanceId.2=i-2&IncludeManagedResources=true";
    assert_eq!(heard(named), left(&["Action", "IncludeManagedResources"]));
    assert_eq!(heard("Action=DescribeVolumes&VolumeId.1=vol-1"), None);
    assert_eq!(heard("Action=StopInstances&InstanceId.1=i-1&DryRun=true"), left(&["Action", "InstanceId.1"]));
    assert_eq!(heard("Action=StartInstances&InstanceId.1=i-1&DryRun=true"), None);
    assert_eq!(heard("Action=StopInstances&InstanceId.1=i-1"), None, "there was nothing to ignore");
    assert_eq!(board.counts()["ignored"], 2);
}
