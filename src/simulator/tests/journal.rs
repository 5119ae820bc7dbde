//! What was true when: lag, the journal, the oracle, and a clock that is set back.

use std::time::Duration;

use jiff::Timestamp;

use crate::simulator::churn;
use crate::simulator::clock::Moment;
use crate::simulator::journal;
use crate::simulator::request::{Caller, Params};
use crate::simulator::tests::{Aws, options, text, texts};
use crate::simulator::view::{Lag, Loss, View};
use crate::simulator::world::World;
use crate::simulator::{Check, Options};

/// A view that shows everything as it was `back` milliseconds ago.
fn late(aws: &Aws, back: i64) -> View {
    View::clear(Moment(aws.0.clock().moment().0 - back))
}

fn seconds(aws: &Aws, id: &str) -> Vec<i64> {
    let start: Timestamp = crate::simulator::tests::START.parse().unwrap();
    aws.0.home().moments(id).into_iter().map(|at| at.as_second() - start.as_second()).collect()
}

#[test]
fn an_instance_is_shown_as_it_was_at_the_moment_asked_for() {
    let aws = Aws::with(50);
    let home = aws.0.home();
    let id = aws.first("running");
    let named = [("InstanceId.1", id.as_str())];
    let original = aws.get("DescribeInstances", &named);
    aws.advance(10);
    aws.get("StopInstances", &named);
    aws.advance(10);
    home.set_tag(&id, "late", "yes").unwrap();
    let new = home.launch();
    aws.advance(10);

    let then = |back: i64| Aws::ask_of(&home, late(&aws, back * 1_000), "DescribeInstances", &named).unwrap();
    assert_eq!(then(21), original);
    assert!(then(20).contains("<name>stopping<") && then(18).contains("<name>stopped<"));
    assert!(!then(11).contains("<key>late<") && then(10).contains("<key>late<"));
    let fresh = [("InstanceId.1", new.as_str())];
    let refused = Aws::ask_of(&home, late(&aws, 10_001), "DescribeInstances", &fresh).unwrap_err();
    assert_eq!(refused.code, "InvalidInstanceID.NotFound");
    assert!(Aws::ask_of(&home, late(&aws, 10_000), "DescribeInstances", &fresh).unwrap().contains("<name>pending<"));
    // Changes are never late: a caller that knows a new id can stop the instance at once.
    let mut view = late(&aws, 10_001);
    assert!(Aws::ask_of(&home, view, "StopInstances", &fresh).is_ok());
    view = late(&aws, 0);
    assert!(Aws::ask_of(&home, view, "DescribeInstances", &fresh).unwrap().contains("<name>stopping<"));
}

#[test]
fn a_lens_hides_what_it_hides_and_takes_tags_but_is_never_not_found() {
    let aws = Aws::with(400);
    let now = aws.0.clock().moment();
    let (some, none) = (Loss { seed: 3, share: 0.4 }, Loss { seed: 0, share: 0.0 });
    let hiding = View::faulty(now, Lag::NONE, some, none, none);
    let seen = texts(&Aws::ask_of(&aws.0.home(), hiding, "DescribeInstances", &[]).unwrap(), "instanceId");
    assert!((200..280).contains(&seen.len()), "{}", seen.len());
    let missing = aws.0.home().instance_ids().into_iter().find(|id| !seen.contains(id)).unwrap();
    let asked = Aws::ask_of(&aws.0.home(), hiding, "DescribeInstances", &[("InstanceId.1", &missing)]).unwrap();
    assert!(texts(&asked, "instanceId").is_empty());
    let bare = View::faulty(now, Lag::NONE, none, Loss { seed: 3, share: 1.0 }, none);
    for action in ["DescribeInstances", "DescribeVpcs", "DescribeSecurityGroups"] {
        assert!(!Aws::ask_of(&aws.0.home(), bare, action, &[]).unwrap().contains("tagSet"), "{action}");
    }
}

#[test]
fn the_journal_lists_each_moment_at_which_something_changed() {
    let aws = Aws::with(50);
    let home = aws.0.home();
    let id = aws.first("running");
    assert!(home.touched_ids().is_empty());
    aws.advance(10);
    home.stop(&id).unwrap();
    aws.advance(20);
    home.start(&id).unwrap();
    aws.advance(1);
    // `running` is still a second away.
    let before = seconds(&aws, &id);
    assert_eq!(before[before.len() - 3..], [10, 12, 30]);
    aws.advance(20);
    home.set_impaired(&id, Check::System, true).unwrap();
    home.set_tag(&id, "a", "b").unwrap();
    aws.advance(9);
    home.terminate(&id).unwrap();
    aws.advance(7_200);
    let all = seconds(&aws, &id);
    // Stop, stopped, start, running, initialized, impaired and tagged, terminate, terminated, no longer listed.
    assert_eq!(all[all.len() - 9..], [10, 12, 30, 32, 42, 51, 60, 62, 3_662]);
    assert_eq!(home.touched_ids(), std::slice::from_ref(&id));
    let at = |second: i64| format!("{}", Timestamp::from_second(1_795_348_800 + second).unwrap());
    assert!(home.exists_at(&id, at(3_661).parse().unwrap()) && !home.exists_at(&id, at(3_662).parse().unwrap()));
    assert_eq!(home.state_then(&id, at(61).parse().unwrap()), Some("shutting-down"));
    assert_eq!(journal::journal(&home, Some(&id))["kind"], "instance");

    let group = home.security_group_ids().remove(1);
    let rule = [
        ("GroupId", group.as_str()),
        ("IpProtocol", "tcp"),
        ("FromPort", "1"),
        ("ToPort", "2"),
        ("CidrIp", "10.0.0.0/8"),
    ];
    aws.get("AuthorizeSecurityGroupIngress", &rule);
    assert_eq!(seconds(&aws, &group), [7_260]);
    assert_eq!(journal::journal(&home, None)["ids"].as_array().unwrap().len(), 2);
    assert!(home.moments("i-0123456789abcdef0").is_empty());
}

#[test]
fn between_two_moments_of_the_journal_every_describe_shows_the_same() {
    let aws = Aws(World::new(Options { terminated_retention: Duration::from_secs(20), ..options(40) }));
    let home = aws.0.home();
    let mut rng = fastrand::Rng::with_seed(5);
    for n in 0..400 {
        churn::change(&aws.0, &mut rng);
        if n % 10 == 0 {
            // Churn makes these changes rarely, so add more of them.
            churn::change_volume(&mut home.edit(), &mut rng);
            churn::change_network(&mut home.edit(), &mut rng);
        }
        aws.0.clock().advance(Duration::from_millis(rng.u64(0..400)));
    }
    let (end, start) = (aws.0.clock().moment().0, 1_795_348_800_000);
    let show = |id: &str, at: i64| -> Vec<Result<String, String>> {
        let calls: &[(&str, &str)] = match id.split('-').next() {
            Some("i") => &[("DescribeInstances", "InstanceId.1"), ("DescribeInstanceStatus", "InstanceId.1")],
            Some("vol") => &[("DescribeVolumes", "VolumeId.1")],
            Some("sg") => &[("DescribeSecurityGroups", "GroupId.1")],
            Some("snap") => &[("DescribeSnapshots", "SnapshotId.1")],
            Some("rtb") => &[("DescribeRouteTables", "RouteTableId.1")],
            Some("igw") => &[("DescribeInternetGateways", "InternetGatewayId.1")],
            Some("nat") => &[("DescribeNatGateways", "NatGatewayId.1")],
            Some("acl") => &[("DescribeNetworkAcls", "NetworkAclId.1")],
            Some("ami") => &[("DescribeImages", "ImageId.1")],
            other => panic!("{other:?}"),
        };
        let view = View::clear(Moment(at));
        let ask = |(action, parameter): &(&str, &str)| {
            let all = (*action == "DescribeInstanceStatus").then_some(("IncludeAllInstances", "true"));
            let parameters: Vec<_> = [(*parameter, id)].into_iter().chain(all).collect();
            Aws::ask_of(&home, view, action, &parameters).map_err(|refusal| refusal.message)
        };
        calls.iter().map(ask).collect()
    };
    let mut changes = [0, 0, 0];
    for id in home.touched_ids() {
        let moments: Vec<i64> = home.moments(&id).into_iter().map(Timestamp::as_millisecond).collect();
        let edges: Vec<i64> =
            [start - 1].into_iter().chain(moments.iter().copied().filter(|at| *at >= start)).collect();
        for (at, edge) in edges.iter().enumerate() {
            let next = edges.get(at + 1).copied().unwrap_or(end + 1);
            let shown = show(&id, *edge);
            assert_eq!(shown, show(&id, next - 1), "{id} from {edge} to {next}");
            if at > 0 {
                let of = match id.split('-').next() {
                    Some("i" | "sg") => 0,
                    Some("vol") => 1,
                    _ => 2,
                };
                changes[of] += usize::from(shown != show(&id, *edge - 1));
            }
        }
    }
    // Nearly every moment of a journal changes something that is shown.
    assert!(changes[0] > 350 && changes[1] > 60 && changes[2] > 40, "{changes:?}");
}

#[test]
fn the_oracle_answers_the_past_and_refuses_to_change_it() {
    let aws = Aws::with(50);
    let id = aws.first("running");
    let caller = Caller { access_key: "AKIAX".to_owned(), region: "us-east-1".to_owned(), service: "ec2".to_owned() };
    let start = aws.0.clock().moment().0;
    aws.advance(10);
    aws.0.home().stop(&id).unwrap();
    aws.advance(10);
    let ask = |ms: &str, body: &str| {
        let params = Params::parse("", format!("{body}&Version=2016-11-15").as_bytes());
        journal::at(&aws.0, ms, &caller, &params, "r")
    };
    let describe = format!("Action=DescribeInstances&InstanceId.1={id}");
    let state = |ms: i64| text(&text(&ask(&format!("{ms}/"), &describe).unwrap(), "instanceState"), "name");
    assert_eq!(
        (state(start), state(start + 10_000), state(start + 12_000)),
        ("running".to_owned(), "stopping".to_owned(), "stopped".to_owned())
    );
    assert_eq!(aws.0.requests("DescribeInstances"), 0);
    let stop = format!("Action=StartInstances&InstanceId.1={id}");
    assert_eq!(ask(&start.to_string(), &stop).unwrap_err().code, "UnsupportedOperation");
    assert_eq!(ask("yesterday", &describe).unwrap_err().status, 404);
    assert_eq!(ask(&i64::MAX.to_string(), &describe).unwrap_err().status, 404);
    let sts = Caller { service: "sts".to_owned(), ..caller.clone() };
    let params = Params::parse("", b"Action=AssumeRole&Version=2011-06-15");
    assert_eq!(journal::at(&aws.0, "0/", &sts, &params, "r").unwrap_err().code, "UnsupportedOperation");
}

#[test]
fn a_clock_put_back_takes_nothing_away() {
    let aws = Aws::with(50);
    let home = aws.0.home();
    let (stopped, running) = (aws.first("stopped"), aws.first("running"));
    aws.advance(7_200);
    home.start(&stopped).unwrap();
    home.set_tag(&running, "a", "b").unwrap();
    let new = home.launch();
    home.terminate(&running).unwrap();
    aws.advance(1);
    aws.0.clock().set(crate::simulator::tests::START.parse().unwrap());
    // Launches and tags stay, although the clock now says that they happen in an hour.
    assert!(home.instance_ids().contains(&new));
    assert_eq!(home.tag(&running, "a").as_deref(), Some("b"));
    assert_eq!((home.state(&stopped), home.state(&new)), (Some("pending"), Some("pending")));
    aws.advance(2);
    assert_eq!((home.state(&stopped), home.state(&new)), (Some("running"), Some("running")));
    assert_eq!(home.state(&running), Some("terminated"));
    home.stop(&stopped).unwrap();
    assert_eq!(home.state(&stopped), Some("stopping"));
    let moments = home.moments(&stopped);
    assert!(moments.is_sorted(), "{moments:?}");
    aws.advance(2);
    assert_eq!(home.state(&stopped), Some("stopped"));
}

#[test]
fn an_instance_that_was_forgotten_stays_so_under_a_clock_put_back() {
    let aws = Aws::with(400);
    let home = aws.0.home();
    let id = aws.first("terminated");
    aws.advance(3_600);
    assert!(home.instance_ids_in("terminated").is_empty());
    aws.0.clock().set(crate::simulator::tests::START.parse().unwrap());
    assert!(home.instance_ids_in("terminated").is_empty());
    let now = aws.0.clock().now();
    assert!(!home.exists_at(&id, now) && home.exists_at(&id, now - Duration::from_millis(1)));
    assert_eq!(home.moments(&id).last(), Some(&now));
}
