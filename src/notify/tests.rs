use futures::FutureExt;

use super::*;
use crate::model::Seq;
use crate::model::fixtures::{at, scope};

fn kind(name: &str) -> Kind {
    Kind::new(format!("AWS::EC2::{name}"))
}

fn hub() -> ChangeHub {
    ChangeHub::new(vec![(kind("InstanceStatus"), kind("Instance"))])
}

fn committed(kind_name: &str, id: &str, what: ChangeKind, quiet: bool) -> Committed {
    let id = ResourceId::new(&scope(), &kind(kind_name), id);
    let touched = TouchedResource { id, seq: Seq(1), what, quiet, listed: what != ChangeKind::Changed };
    Committed { first: Seq(1), last: Seq(1), touched: vec![touched] }
}

fn instance(id: &str) -> (ChangeTopic, Arc<str>) {
    (
        ChangeTopic::Resource { kind: kind("Instance"), id: id.into(), scope: None },
        format!("ec2://instance/{id}").into(),
    )
}

fn told(subscription: &Subscription) -> Vec<String> {
    let dirty = subscription.next().now_or_never().unwrap_or_default();
    let mut told: Vec<String> = dirty.uris.iter().map(ToString::to_string).collect();
    if dirty.list_changed {
        told.push("list".into());
    }
    told
}

#[test]
fn only_the_subscribed_resource_is_reported() {
    let hub = hub();
    let subscription = hub.register(false, vec![instance("i-1")], at(0));
    hub.publish(&committed("Instance", "i-2", ChangeKind::Changed, false), at(1));
    assert!(told(&subscription).is_empty());
    hub.publish(&committed("Instance", "i-1", ChangeKind::Changed, false), at(1));
    assert_eq!(told(&subscription), ["ec2://instance/i-1"]);
    assert!(told(&subscription).is_empty());
}

#[test]
fn a_status_change_is_a_change_of_the_instance_too() {
    let hub = hub();
    let collection = ChangeTopic::Collection { scope: scope(), kind: kind("Instance") };
    let topics = vec![instance("i-1"), (collection, "all".into())];
    let subscription = hub.register(false, topics, at(0));
    hub.publish(&committed("InstanceStatus", "i-1", ChangeKind::Changed, false), at(1));
    assert_eq!(told(&subscription), ["all", "ec2://instance/i-1"]);
}

#[test]
fn many_changes_are_reported_once_to_a_busy_subscriber() {
    let hub = hub();
    let subscription = hub.register(true, vec![instance("i-1")], at(0));
    for _ in 0..1000 {
        hub.publish(&committed("Instance", "i-1", ChangeKind::Changed, false), at(1));
        hub.publish(&committed("Instance", "i-9", ChangeKind::Appeared, false), at(1));
    }
    assert_eq!(told(&subscription), ["ec2://instance/i-1", "list"]);
    assert!(told(&subscription).is_empty());
}

#[test]
fn a_change_just_before_registration_is_reported() {
    let hub = hub();
    hub.publish(&committed("Instance", "i-1", ChangeKind::Changed, false), at(10));
    assert_eq!(told(&hub.register(false, vec![instance("i-1")], at(11))), ["ec2://instance/i-1"]);
    assert!(told(&hub.register(false, vec![instance("i-2")], at(11))).is_empty());
    assert!(told(&hub.register(false, vec![instance("i-1")], at(60))).is_empty());
}

#[test]
fn more_recent_changes_than_the_ring_holds_report_everything() {
    let hub = hub();
    for n in 0..RING {
        hub.publish(&committed("Instance", &format!("i-{n}"), ChangeKind::Changed, false), at(10));
    }
    assert_eq!(told(&hub.register(false, vec![instance("i-x")], at(11))), ["ec2://instance/i-x"]);
}

#[test]
fn a_baseline_is_not_reported_one_by_one() {
    let hub = hub();
    let summary = (ChangeTopic::Summary, "summary".into());
    let subscription = hub.register(true, vec![instance("i-1"), summary], at(0));
    hub.publish(&committed("Instance", "i-1", ChangeKind::Appeared, true), at(1));
    assert_eq!(told(&subscription), ["summary", "list"]);
}

#[test]
fn a_dropped_or_removed_subscription_is_forgotten() {
    let hub = hub();
    let first = hub.register(false, vec![instance("i-1")], at(0));
    let second = hub.register(false, vec![instance("i-1"), instance("i-2")], at(0));
    drop(first);
    second.remove("ec2://instance/i-1");
    assert_eq!(hub.subscribers(), 1);
    hub.publish(&committed("Instance", "i-1", ChangeKind::Changed, false), at(1));
    assert!(told(&second).is_empty());
    hub.publish(&committed("Instance", "i-2", ChangeKind::Changed, false), at(1));
    assert_eq!(told(&second), ["ec2://instance/i-2"]);
}

#[tokio::test]
async fn a_waiting_subscriber_wakes() {
    let hub = hub();
    let subscription = hub.register(false, vec![instance("i-1")], at(0));
    let waiting = async { subscription.next().await.uris.len() };
    let publishing = async {
        tokio::task::yield_now().await;
        hub.publish(&committed("Instance", "i-1", ChangeKind::Changed, false), at(1));
    };
    assert_eq!(tokio::join!(waiting, publishing).0, 1);
}
