use futures::FutureExt;

use super::*;
use crate::model::Seq;
use crate::model::fixtures::scope;

fn kind(name: &str) -> Kind {
    Kind::new(format!("AWS::EC2::{name}"))
}

fn hub() -> ChangeHub {
    ChangeHub::new(vec![(kind("InstanceStatus"), kind("Instance"))])
}

fn committed(kind_name: &str, id: &str, what: ChangeKind, quiet: bool) -> Committed {
    let id = ResourceId::new(&scope(), &kind(kind_name), id);
    let touched = TouchedResource { id, seq: Seq(1), what, quiet, listed: what != ChangeKind::Changed, tagged: false };
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
    let subscription = hub.register(false, vec![instance("i-1")]);
    hub.publish(&committed("Instance", "i-2", ChangeKind::Changed, false));
    assert!(told(&subscription).is_empty());
    hub.publish(&committed("Instance", "i-1", ChangeKind::Changed, false));
    assert_eq!(told(&subscription), ["ec2://instance/i-1"]);
    assert!(told(&subscription).is_empty());
}

#[test]
fn a_status_change_is_a_change_of_the_instance_too() {
    let hub = hub();
    let collection = ChangeTopic::Collection { scope: scope(), kind: kind("Instance") };
    let topics = vec![instance("i-1"), (collection, "all".into())];
    let subscription = hub.register(false, topics);
    hub.publish(&committed("InstanceStatus", "i-1", ChangeKind::Changed, false));
    assert_eq!(told(&subscription), ["all", "ec2://instance/i-1"]);
}

#[test]
fn a_change_of_an_instance_may_show_its_status_to_who_does_not_see_everything() {
    let hub = hub();
    let status = ChangeTopic::Resource { kind: kind("InstanceStatus"), id: "i-1".into(), scope: None };
    let collection = ChangeTopic::Collection { scope: scope(), kind: kind("InstanceStatus") };
    let topics = || vec![(status.clone(), "status".into()), (collection.clone(), "all".into())];
    let (unlimited, judged) = (hub.register(false, topics()), hub.register_judged(false, topics()));
    hub.publish(&committed("Instance", "i-2", ChangeKind::Changed, false));
    assert_eq!(told(&judged), ["all"]);
    hub.publish(&committed("Instance", "i-1", ChangeKind::Changed, false));
    assert_eq!(told(&judged), ["all", "status"]);
    assert!(told(&unlimited).is_empty());
}

#[test]
fn many_changes_are_reported_once_to_a_busy_subscriber() {
    let hub = hub();
    let subscription = hub.register(true, vec![instance("i-1")]);
    for _ in 0..1000 {
        hub.publish(&committed("Instance", "i-1", ChangeKind::Changed, false));
        hub.publish(&committed("Instance", "i-9", ChangeKind::Appeared, false));
    }
    assert_eq!(told(&subscription), ["ec2://instance/i-1", "list"]);
    assert!(told(&subscription).is_empty());
}

#[test]
fn what_changed_before_a_registration_is_not_reported_unless_all_of_it_is_marked() {
    let hub = hub();
    hub.publish(&committed("Instance", "i-1", ChangeKind::Appeared, false));
    let subscription = hub.register(true, vec![instance("i-1"), instance("i-2")]);
    let other = hub.register(false, vec![instance("i-1")]);
    assert!(told(&subscription).is_empty());
    subscription.mark_all();
    assert_eq!(told(&subscription), ["ec2://instance/i-1", "ec2://instance/i-2", "list"]);
    assert!(told(&other).is_empty());
    other.mark_all();
    assert_eq!(told(&other), ["ec2://instance/i-1"]);
}

#[test]
fn a_baseline_is_not_reported_one_by_one() {
    let hub = hub();
    let summary = (ChangeTopic::Summary, "summary".into());
    let subscription = hub.register(true, vec![instance("i-1"), summary]);
    hub.publish(&committed("Instance", "i-1", ChangeKind::Appeared, true));
    assert_eq!(told(&subscription), ["summary", "list"]);
}

#[test]
fn a_dropped_or_removed_subscription_is_forgotten() {
    let hub = hub();
    let first = hub.register(false, vec![instance("i-1")]);
    let second = hub.register(false, vec![instance("i-1"), instance("i-2")]);
    drop(first);
    second.remove("ec2://instance/i-1");
    assert_eq!(hub.subscribers(), 1);
    hub.publish(&committed("Instance", "i-1", ChangeKind::Changed, false));
    assert!(told(&second).is_empty());
    hub.publish(&committed("Instance", "i-2", ChangeKind::Changed, false));
    assert_eq!(told(&second), ["ec2://instance/i-2"]);
}

#[tokio::test]
async fn a_waiting_subscriber_wakes() {
    let hub = hub();
    let subscription = hub.register(false, vec![instance("i-1")]);
    let waiting = async { subscription.next().await.uris.len() };
    let publishing = async {
        tokio::task::yield_now().await;
        hub.publish(&committed("Instance", "i-1", ChangeKind::Changed, false));
    };
    assert_eq!(tokio::join!(waiting, publishing).0, 1);
}

#[test]
fn what_is_judged_comes_with_why_it_is_dirty() {
    let hub = hub();
    let subscription = hub.register_judged(true, vec![instance("i-1"), instance("i-2"), instance("i-3")]);
    let uri = |id: &str| instance(id).1;
    hub.publish(&committed("Instance", "i-1", ChangeKind::Changed, false));
    hub.mark([instance("i-2").0]);
    subscription.mark([uri("i-3")], true);
    let UnjudgedChanges { dirty, marked, own, published, silent } =
        subscription.next_unjudged().now_or_never().unwrap();
    assert_eq!(dirty, Dirty { uris: ["i-1", "i-2", "i-3"].map(uri).into(), list_changed: true });
    assert_eq!(marked, Dirty { uris: ["i-2", "i-3"].map(uri).into(), list_changed: true });
    assert_eq!(own, Dirty { uris: [uri("i-3")].into(), list_changed: true });
    assert_eq!((published, silent, subscription.has_told()), (Seq(1), Seq(0), false));
    subscription.note_told();
    assert!(subscription.has_told() && subscription.next_unjudged().now_or_never().is_none());
}

#[test]
fn what_is_judged_comes_with_the_record_before_the_first_that_may_be_about_it() {
    let hub = hub();
    let subscription = hub.register_judged(false, vec![instance("i-1")]);
    let commit = |id: &str, first: u64| {
        let committed = committed("Instance", id, ChangeKind::Changed, false);
        hub.publish(&Committed { first: Seq(first), last: Seq(first + 9), ..committed });
    };
    let silent = || subscription.next_unjudged().now_or_never().map(|unjudged| unjudged.silent);
    commit("i-2", 1);
    assert_eq!(silent(), None);
    commit("i-1", 1_001);
    commit("i-2", 1_011);
    commit("i-1", 1_021);
    assert_eq!(silent(), Some(Seq(1_000)));
    commit("i-2", 2_001);
    hub.mark([instance("i-1").0]);
    assert_eq!(silent(), Some(Seq(2_010)), "all that was published before was taken");
    hub.mark_all();
    assert_eq!(silent(), Some(Seq::ZERO), "a record about it may have been published to nobody");
}

#[test]
fn other_tags_may_change_the_list_of_who_does_not_see_everything_and_of_nobody_else() {
    let hub = hub();
    let fresh = || vec![(ChangeTopic::Freshness, Arc::<str>::from("fresh"))];
    let (all, judged) = (hub.register(true, fresh()), hub.register_judged(true, fresh()));
    let mut commit = committed("Instance", "i-1", ChangeKind::Changed, false);
    hub.publish(&commit);
    assert!(told(&all).is_empty() && told(&judged).is_empty());
    commit.touched[0].tagged = true;
    hub.publish(&commit);
    assert!(told(&all).is_empty());
    assert_eq!(told(&judged), ["fresh", "list"], "what is counted where somebody sees it may be counted otherwise");
}
