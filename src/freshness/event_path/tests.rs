use super::*;
use crate::freshness::EventRule;
use crate::model::ErrorClass;
use crate::model::fixtures::scope;

const EVERY: Duration = Duration::from_mins(1);
const WINDOW: Duration = Duration::from_secs(135);
const ALL: [&str; 3] = ["instances", "tags", "calls"];

/// A path, with both clocks.
struct World {
    path: EventPath,
    begun: Instant,
    seconds: u64,
}

impl World {
    /// Receives from second 0 on.
    fn new() -> World {
        let rules = ALL.map(|slug| EventRule { slug, name: format!("muster-{slug}").into() });
        let source = EventSource {
            queue: "queue".into(),
            name: "muster".into(),
            rules: rules.to_vec(),
            sent_by: "serve-1".into(),
            every: EVERY,
            since: dated(0),
        };
        let mut path = EventPath::default();
        path.listen(source);
        // Some time after the steady clock's start, so that there is a past.
        World { path, begun: Instant::now() + Duration::from_hours(100), seconds: 0 }
    }

    fn now(&self) -> Instant {
        self.begun + Duration::from_secs(self.seconds)
    }

    fn pass(&mut self, seconds: u64) {
        self.seconds += seconds;
    }

    /// Sends canaries, and returns their date.
    fn put(&mut self) -> Timestamp {
        let at = dated(self.seconds);
        let now = self.now();
        self.path.canaries_sent(at, now);
        at
    }

    fn seen(&mut self, rule: &'static str, sent_by: &str, sent_at: Timestamp) -> bool {
        let (at, now) = (dated(self.seconds), self.now());
        self.path.canary_seen(&canary("muster", rule, sent_by, sent_at), at, now)
    }

    /// Sends canaries that come back at once through these rules.
    fn round(&mut self, rules: &[&'static str]) {
        let at = self.put();
        for rule in rules {
            self.seen(rule, "serve-1", at);
        }
    }

    fn why(&self, rules: &[&str], trail: Option<&str>) -> Option<String> {
        Some(self.path.unproved(rules, trail, self.now())?.to_string())
    }

    fn is_proved(&self, rule: &str) -> bool {
        self.path.proved(rule, self.now())
    }

    fn called(&mut self, ago: u64) -> bool {
        let now = self.now();
        let at = dated(self.seconds) - Duration::from_secs(ago);
        self.path.call_seen(at, Duration::from_secs(ago), now)
    }
}

fn dated(second: u64) -> Timestamp {
    Timestamp::from_millis(1_800_000_000_000) + Duration::from_secs(second)
}

fn canary(name: &str, rule: &'static str, sent_by: &str, sent_at: Timestamp) -> Canary {
    Canary { scope: scope(), rule, name: name.to_owned(), sent_by: sent_by.to_owned(), sent_at }
}

fn trouble(what: &str) -> Trouble {
    Trouble {
        class: ErrorClass::Denied.into(),
        what: what.to_owned(),
        fix: "Mend it".to_owned(),
        since: dated(0),
        retry_at: None,
    }
}

#[test]
fn an_own_canary_proves_its_rule_for_two_intervals_and_a_grace_and_then_the_rule_is_named() {
    let mut world = World::new();
    assert_eq!(
        world.why(&["instances"], None).unwrap(),
        "no canary has come through muster-instances yet; run `muster doctor` if that lasts"
    );
    world.round(&["instances"]);
    assert!(world.is_proved("instances") && !world.is_proved("tags"), "it proves that rule and no other");
    world.pass(134);
    assert!(world.is_proved("instances"), "one may be late");
    world.pass(1);
    assert_eq!(
        world.why(&["instances"], None).unwrap(),
        "no canary came through muster-instances for 135 s; run `muster doctor`"
    );
    world.round(&["instances"]);
    assert!(world.is_proved("instances"));
}

#[test]
fn a_late_canary_proves_only_since_it_was_sent() {
    let mut world = World::new();
    let at = world.put();
    world.pass(100);
    assert!(world.seen("instances", "serve-1", at));
    assert!(world.is_proved("instances"));
    world.pass(35);
    assert!(!world.is_proved("instances"), "events are as late as it was");
    let at = world.put();
    world.pass(200);
    world.seen("instances", "serve-1", at);
    assert!(!world.is_proved("instances"), "too late to prove anything");
}

#[test]
fn canaries_of_others_prove_nothing() {
    let mut world = World::new();
    let at = world.put();
    let later = at + Duration::from_millis(1);
    assert!(!world.seen("instances", "serve-1", later), "nothing was put then");
    assert!(!world.seen("instances", "doctor-1", at));
    let (seen_at, now) = (dated(0), world.now());
    assert!(!world.path.canary_seen(&canary("other", "instances", "serve-1", at), seen_at, now));
    assert!(!world.is_proved("instances"));
    let senders: Vec<&str> = world.path.seen("instances").map(|seen| &*seen.sent_by).collect();
    assert_eq!(senders, ["serve-1", "doctor-1", "serve-1"], "all of it shows");
}

#[test]
fn while_another_server_takes_events_from_the_queue_nothing_is_proved_and_then_a_new_run_begins() {
    let mut world = World::new();
    world.round(&ALL);
    assert!(world.is_proved("tags"));
    world.pass(30);
    assert!(world.seen("instances", "serve-2", dated(29)), "it turns what is proved");
    assert!(world.why(&["tags"], None).unwrap().starts_with("another server (serve-2) receives from this queue too"));
    assert_eq!(world.path.cover(&["tags"], None, world.now()), None);
    world.pass(30);
    world.round(&ALL);
    assert!(!world.is_proved("tags"), "what else is on the queue may have been taken");
    world.pass(60);
    world.round(&ALL);
    world.pass(60);
    assert!(world.is_proved("tags"), "the other has gone");
    assert!(world.path.cover(&ALL, None, world.now()).unwrap().since > dated(30));
}

#[test]
fn canaries_of_an_earlier_process_or_of_doctor_are_not_another_server() {
    let mut world = World::new();
    world.pass(1);
    world.round(&ALL);
    assert!(!world.seen("instances", "serve-0", dated(0)), "put before this process listened");
    assert!(!world.seen("instances", "doctor-9", dated(1)));
    assert!(world.is_proved("instances"));
}

#[test]
fn a_run_begins_with_its_first_canary_and_a_lapse_ends_it() {
    let mut world = World::new();
    let since = |world: &World| world.path.cover(&["instances"], None, world.now()).unwrap().since;
    world.pass(10);
    world.round(&["instances"]);
    world.pass(60);
    world.round(&["instances"]);
    world.pass(120);
    world.round(&["instances"]);
    assert_eq!(since(&world), dated(10), "nothing was put in between");
    world.pass(136);
    assert_eq!(since(&world), dated(10), "until when it lasted stays known");
    assert!(world.path.cover(&["instances"], None, world.now()).unwrap().until < world.now());
    world.round(&["instances"]);
    assert_eq!(since(&world), dated(326), "what was missed in between nobody knows");
}

#[test]
fn a_canary_that_comes_again_or_out_of_order_changes_nothing() {
    let mut world = World::new();
    let first = world.put();
    world.pass(60);
    let second = world.put();
    assert!(world.seen("tags", "serve-1", second));
    let cover = world.path.cover(&["tags"], None, world.now());
    assert!(!world.seen("tags", "serve-1", first) && !world.seen("tags", "serve-1", second));
    assert_eq!(world.path.cover(&["tags"], None, world.now()), cover);
}

#[test]
fn several_rules_cover_what_all_of_them_cover() {
    let mut world = World::new();
    world.round(&["instances", "calls"]);
    assert_eq!(world.path.cover(&ALL, None, world.now()), None);
    world.pass(60);
    world.round(&["tags", "calls"]);
    let cover = world.path.cover(&ALL, None, world.now()).unwrap();
    assert_eq!((cover.since, cover.until), (dated(60), world.begun + WINDOW));
    assert_eq!(world.path.unproved(&ALL, None, world.now()), None);
}

#[test]
fn an_event_of_a_call_proves_for_a_day_that_a_trail_logs() {
    let mut world = World::new();
    world.round(&ALL);
    let why = world.why(&ALL, Some("calls")).unwrap();
    assert!(why.starts_with("no recorded call came through muster-calls within 24 hours"), "{why}");
    assert!(!world.called(25 * 3600), "too old a call");
    assert!(world.called(3600) && !world.called(7200), "the first turns it");
    assert_eq!(world.why(&ALL, Some("calls")), None);
    world.pass(23 * 3600 - 1);
    world.round(&ALL);
    assert_eq!(world.why(&ALL, Some("calls")), None, "counted from the call, not from its event");
    world.pass(1);
    assert!(world.why(&ALL, Some("calls")).is_some());
    assert_eq!(world.why(&ALL, None), None, "the rules are alive all the same");
    assert!(world.called(0));
    let cover = world.path.cover(&ALL, Some("calls"), world.now()).unwrap();
    assert_eq!(cover.since, dated(world.seconds), "the day in between counts for nothing");
}

#[test]
fn the_reason_is_the_first_one_that_somebody_can_repair() {
    let mut world = World::new();
    world.path.canaries_answered(Some(trouble("events:PutEvents was denied")));
    assert_eq!(world.why(&ALL, None).unwrap(), "no canary can be put on the bus: events:PutEvents was denied. Mend it");
    world.path.canaries_answered(None);
    world.path.receiving(Some(trouble("sqs:ReceiveMessage was denied")));
    let denied = "nothing can be taken in: sqs:ReceiveMessage was denied";
    assert!(world.why(&ALL, None).unwrap().starts_with(denied));
    world.round(&ALL);
    assert!(
        world.why(&ALL, None).unwrap().starts_with(denied),
        "what is known to be broken is not proved by what came before"
    );
    assert_eq!(world.path.cover(&ALL, None, world.now()), None);
    world.path.receiving(Some(Trouble { class: ErrorClass::Transient.into(), ..trouble("the connection was reset") }));
    assert_eq!(world.why(&ALL, None), None, "while it is proved a failure of the moment says nothing");
    world.path.miss(trouble("there is no queue"));
    assert_eq!(world.why(&ALL, None).unwrap(), "there is no queue. Mend it");
    assert_eq!(world.path.cover(&ALL, None, world.now()), None);
}

#[test]
fn a_hostile_sender_name_is_shown_without_control_characters() {
    let mut world = World::new();
    world.seen("instances", "serve-\u{202e}\n2", dated(5));
    let why = world.why(&ALL, None).unwrap();
    assert!(why.contains("serve-") && !why.contains(['\u{202e}', '\n']), "{why:?}");
}

#[test]
fn the_proof_changes_when_the_first_part_expires() {
    let mut world = World::new();
    assert_eq!(world.path.lapses(world.now()), None);
    world.round(&["instances"]);
    world.pass(60);
    world.round(&["tags"]);
    let begun = world.begun;
    assert_eq!(world.path.lapses(world.now()), Some(begun + WINDOW));
    world.pass(75);
    assert_eq!(world.path.lapses(world.now()), Some(begun + Duration::from_mins(1) + WINDOW), "the next");
}

#[test]
fn a_lost_canary_ends_the_run_of_a_working_rule_and_one_never_sent_does_not() {
    let mut world = World::new();
    let since = |world: &World| world.path.cover(&["tags"], None, world.now()).unwrap().since;
    world.round(&["tags"]);
    world.pass(60);
    world.put();
    world.path.canaries_answered(Some(trouble("events:PutEvents failed")));
    world.path.canaries_answered(None);
    world.pass(10);
    world.round(&["tags"]);
    assert_eq!(since(&world), dated(0));
    world.pass(60);
    world.round(&["instances"]);
    world.pass(60);
    world.round(&["tags"]);
    assert!(world.is_proved("tags"));
    assert_eq!(since(&world), dated(190), "another server may have taken it, and events too");
}

#[test]
fn canaries_prove_also_after_the_clock_was_set_back() {
    let mut world = World::new();
    for _ in 0..UNDER_WAY {
        world.round(&["tags"]);
        world.pass(60);
    }
    let at = dated(0) - Duration::from_hours(1);
    let now = world.now();
    world.path.canaries_sent(at, now);
    world.seen("tags", "serve-1", at);
    world.pass(100);
    assert!(world.is_proved("tags"));
}

#[test]
fn only_later_sweeps_show_what_a_call_changed_without_naming_it() {
    let mut world = World::new();
    let (instance, vpc) = (Kind::new("AWS::EC2::Instance"), Kind::new("AWS::EC2::VPC"));
    world.path.missed(instance.clone(), dated(20));
    world.path.missed(instance.clone(), dated(10));
    assert_eq!((world.path.shows(&instance), world.path.shows(&vpc)), (dated(20) + LAG_WINDOW, Timestamp::EPOCH));
}
