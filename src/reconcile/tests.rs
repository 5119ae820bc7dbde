use proptest::prelude::*;

use super::memory::{How, Note};
use super::*;
use crate::model::fixtures::{at, id};
use crate::model::kind_rules::ABSENCE_AFTER;
use crate::model::known::fold;
use crate::model::{Cause, KindRules, NoticeKind, Recorded, Seq};

const RULES: KindRules = KindRules {
    mapping: 1,
    masked: &["Noise"],
    state_path: Some("State.Name"),
    gone_states: &["terminated"],
    made_by: &[],
    passing: None,
    absence_after: ABSENCE_AFTER,
};

fn state(name: &str) -> Value {
    let code = match name {
        "pending" => 0,
        "running" => 16,
        "shutting-down" => 32,
        "terminated" => 48,
        "stopping" => 64,
        _ => 80,
    };
    Value::Map(Map::from([("Code", code.into()), ("Name", name.into())]))
}

fn instance(name: &str, tag: &str, size: &str) -> Document {
    let tag = Map::from([("Key", "Name".into()), ("Value", tag.into())]);
    Document::new(Map::from([
        ("InstanceType", size.into()),
        ("State", state(name)),
        ("Tags", Value::List(vec![tag.into()])),
    ]))
}

fn describe(second: i64, document: Document) -> Observation {
    Observation { source: Source::Sweep, at: at(second), id: id("i-1"), seen: Seen::Described(Arc::new(document)) }
}

fn assertion(source: Source, millis: i64, name: &str) -> Observation {
    Observation { source, at: Timestamp::from_millis(millis), id: id("i-1"), seen: Seen::StateAsserted(state(name)) }
}

fn absent(second: i64) -> Observation {
    Observation { source: Source::Refresh, at: at(second), id: id("i-1"), seen: Seen::Absent }
}

/// The log of one resource and the memory of its scope, as the writer loop keeps them.
#[derive(Default)]
struct World {
    current: Option<Current>,
    removed_at: Option<Timestamp>,
    memory: ScopeMemory,
    steady: Timestamp,
    seq: u64,
    swept: bool,
}

impl World {
    fn with(document: Document) -> Self {
        let mut world = World { swept: true, ..World::default() };
        world.see(&describe(100, document));
        world
    }

    fn see(&mut self, observation: &Observation) -> Judgment {
        // Notices expire; the other rules use the time only if a clock was wrong.
        let now = if matches!(observation.seen, Seen::Noticed(_)) { 400 } else { 10_000 };
        self.see_with(observation, RULES, at(now))
    }

    fn see_at(&mut self, observation: &Observation, now: i64) -> Judgment {
        self.see_with(observation, RULES, at(now))
    }

    fn see_with(&mut self, observation: &Observation, rules: KindRules, now: Timestamp) -> Judgment {
        let known = self.memory.known("i-1", self.current.as_ref(), self.removed_at);
        let moment = DecisionTime { now, started: at(50), steady: self.steady, swept: self.swept };
        let verdict = decide(known, observation, rules, moment);
        let mut note = match &observation.seen {
            Seen::Described(_) => Some(Note::Shown {
                at: observation.at,
                how: match verdict.reading {
                    Judgment::Applied | Judgment::Confirmed => How::Exactly,
                    Judgment::Tagless => How::Tagless,
                    Judgment::Lag => How::Lagging,
                    Judgment::Late | Judgment::Hint => How::Partly,
                },
                swept: observation.source == Source::Sweep,
                gone: false,
            }),
            Seen::NotFound | Seen::Absent => None,
            _ => Some(Note::Told { at: observation.at }),
        };
        for event in verdict.events {
            self.seq += 1;
            if let Event::Removed { at, .. } = &event {
                self.removed_at = Some(*at);
                note = Some(Note::Removed);
            }
            let record = Recorded { seq: Seq(self.seq), recorded_at: observation.at, cause: Cause::Sweep, event };
            self.current = fold(self.current.take(), &record);
        }
        if let Some(note) = note {
            self.memory.take(&Arc::from("i-1"), note, now);
        }
        verdict.reading
    }

    /// A complete listing from `started` on without the resource. Returns whether that removes it.
    fn lacked(&mut self, started: i64) -> bool {
        let moment = DecisionTime { now: at(10_000), started: at(50), steady: self.steady, swept: true };
        let newest = self.memory.known("i-1", self.current.as_ref(), None).newest(moment);
        let unseen = vec![absence::Unseen { id: "i-1".into(), newest, gone: false }];
        let absence = self.memory.complete(unseen, RULES.absence_after, at(started), at(started + 5));
        for _ in &absence.removed {
            self.see(&absent(started));
        }
        self.current.is_none()
    }

    fn state(&self) -> &str {
        self.current.as_ref().and_then(Current::state).unwrap_or("absent")
    }

    fn provisional(&self) -> bool {
        self.current.as_ref().is_some_and(|current| current.provisional.is_some())
    }

    fn document(&self) -> &Document {
        &self.current.as_ref().expect("the resource exists").document
    }
}

#[test]
fn an_equal_describe_changes_nothing() {
    let mut world = World::with(instance("running", "web", "t3.micro"));
    assert_eq!(world.see(&describe(160, instance("running", "web", "t3.micro"))), Judgment::Confirmed);
    assert_eq!(world.seq, 1);
}

#[test]
fn a_describe_sent_before_the_evidence_is_ignored() {
    let mut world = World::with(instance("running", "web", "t3.micro"));
    assert_eq!(world.see(&describe(99, instance("stopped", "old", "t3.nano"))), Judgment::Late);
    assert_eq!(world.document(), &instance("running", "web", "t3.micro"));
}

#[test]
fn a_describe_sent_before_an_unrecorded_confirmation_is_ignored() {
    let mut world = World::with(instance("running", "web", "t3.micro"));
    world.see(&describe(160, instance("running", "web", "t3.micro")));
    assert_eq!(world.see(&describe(130, instance("stopped", "web", "t3.micro"))), Judgment::Late);
    assert_eq!(world.state(), "running");
}

#[test]
fn a_tools_answer_outlives_the_lagging_page_that_follows_it() {
    let mut world = World::with(instance("running", "web", "t3.micro"));
    assert_eq!(world.see(&assertion(Source::Tool, 200_500, "stopping")), Judgment::Applied);
    assert!(world.provisional());
    assert_eq!(world.see(&describe(205, instance("running", "web2", "t3.micro"))), Judgment::Lag);
    assert_eq!(world.state(), "stopping");
    assert_eq!(world.document().tag("Name"), Some("web2"), "the other groups of a lagging describe count");
}

#[test]
fn a_describe_that_shows_another_state_wins_at_once() {
    let mut world = World::with(instance("running", "web", "t3.micro"));
    world.see(&assertion(Source::Tool, 200_500, "stopping"));
    world.see(&describe(205, instance("stopped", "web", "t3.micro")));
    assert_eq!((world.state(), world.provisional()), ("stopped", false));
}

#[test]
fn after_the_lag_window_every_describe_wins() {
    let mut world = World::with(instance("running", "web", "t3.micro"));
    world.see(&assertion(Source::Tool, 200_500, "stopping"));
    world.see(&describe(231, instance("running", "web", "t3.micro")));
    assert_eq!((world.state(), world.provisional()), ("running", false));
}

#[test]
fn a_describe_that_agrees_settles_the_assertion() {
    let mut world = World::with(instance("running", "web", "t3.micro"));
    world.see(&assertion(Source::Tool, 200_500, "stopping"));
    assert_eq!(world.see(&describe(203, instance("stopping", "web", "t3.micro"))), Judgment::Applied);
    assert_eq!((world.state(), world.provisional()), ("stopping", false));
}

#[test]
fn lag_reaches_back_over_every_state_of_the_last_thirty_seconds() {
    let mut world = World::with(instance("stopped", "web", "t3.micro"));
    world.see(&assertion(Source::Tool, 200_000, "pending"));
    world.see(&assertion(Source::Notification, 210_000, "running"));
    assert_eq!(world.see(&describe(212, instance("stopped", "web", "t3.micro"))), Judgment::Lag);
    assert_eq!(world.see(&describe(213, instance("pending", "web", "t3.micro"))), Judgment::Lag);
    assert_eq!(world.state(), "running");
}

#[test]
fn two_events_of_one_second_give_the_later_state_in_either_order() {
    for order in [["pending", "running"], ["running", "pending"]] {
        let mut world = World::with(instance("stopped", "web", "t3.micro"));
        for name in order {
            world.see(&assertion(Source::Notification, 200_000, name));
        }
        assert_eq!(world.state(), "running");
    }
}

#[test]
fn an_assertion_older_than_the_evidence_is_a_hint() {
    let mut world = World::with(instance("running", "web", "t3.micro"));
    assert_eq!(world.see(&assertion(Source::Notification, 90_000, "stopped")), Judgment::Hint);
    assert_eq!(world.state(), "running");
}

#[test]
fn an_event_older_than_the_process_is_a_hint_until_the_first_sweep() {
    let mut world = World::default();
    world.see(&describe(10, instance("running", "web", "t3.micro")));
    assert_eq!(world.see(&assertion(Source::Notification, 40_000, "stopping")), Judgment::Hint);
    world.swept = true;
    assert_eq!(world.see(&assertion(Source::Notification, 40_000, "stopping")), Judgment::Applied);
}

#[test]
fn terminated_is_accepted_whatever_its_time_and_never_left() {
    let mut world = World::with(instance("running", "web", "t3.micro"));
    assert_eq!(world.see(&assertion(Source::Notification, 20_000, "terminated")), Judgment::Applied);
    world.see(&assertion(Source::Notification, 300_000, "running"));
    world.see(&describe(400, instance("running", "web", "t3.micro")));
    assert_eq!(world.state(), "terminated");
}

#[test]
fn events_never_create_a_resource() {
    let mut world = World { swept: true, ..World::default() };
    assert_eq!(world.see(&assertion(Source::Notification, 200_000, "running")), Judgment::Hint);
    assert!(world.current.is_none());
}

#[test]
fn a_slow_page_landing_after_a_removal_does_not_bring_the_resource_back() {
    let mut world = World::with(instance("running", "web", "t3.micro"));
    assert_eq!(world.see(&absent(300)), Judgment::Applied);
    assert_eq!(world.see(&describe(250, instance("running", "web", "t3.micro"))), Judgment::Late);
    assert!(world.current.is_none());
    world.see(&describe(350, instance("running", "web", "t3.micro")));
    assert_eq!(world.state(), "running");
}

#[test]
fn absence_older_than_the_evidence_removes_nothing() {
    let mut world = World::with(instance("running", "web", "t3.micro"));
    world.see(&describe(400, instance("running", "web", "t3.micro")));
    assert_eq!(world.see(&absent(390)), Judgment::Late);
    assert_eq!(world.state(), "running");
}

#[test]
fn evidence_from_a_clock_an_hour_ahead_counts_as_unknown() {
    let mut world = World { swept: true, ..World::default() };
    world.see_with(&describe(3_700, instance("running", "web", "t3.micro")), RULES, at(3_700));
    world.see_with(&describe(110, instance("stopped", "web", "t3.micro")), RULES, at(110));
    assert_eq!(world.state(), "stopped");
}

#[test]
fn masked_fields_are_no_change() {
    let noisy = |noise: &str| {
        let mut fields = instance("running", "web", "t3.micro").fields().clone();
        fields.insert("Noise", noise.into());
        Document::new(fields)
    };
    let mut world = World::with(noisy("a"));
    assert_eq!(world.see(&describe(200, noisy("b"))), Judgment::Confirmed);
}

#[test]
fn a_field_that_a_newer_mapping_added_is_remapped_not_changed() {
    let mut fields = instance("running", "web", "t3.large").fields().clone();
    fields.insert("CpuOptions", Map::new().into());
    let mut world = World::with(instance("running", "web", "t3.micro"));
    let current = world.current.clone();
    let known = KnownResource { current: current.as_ref(), ..KnownResource::default() };
    let moment = DecisionTime { now: at(200), started: at(50), steady: Timestamp::EPOCH, swept: true };
    let newer = KindRules { mapping: 2, ..RULES };
    let verdict = decide(known, &describe(200, Document::new(fields.clone())), newer, moment);
    let [Event::Remapped { changes: learnt, mapping: 2, .. }, Event::Changed { changes: real, .. }] =
        &verdict.events[..]
    else {
        panic!("{:?}", verdict.events);
    };
    assert_eq!(learnt[0].path, "CpuOptions");
    assert_eq!(real[0].path, "InstanceType");
    world.see_with(&describe(200, Document::new(fields.clone())), newer, at(200));
    assert_eq!(world.document(), &Document::new(fields));
}

#[test]
fn a_new_sorting_rule_is_recorded_without_a_change() {
    let interface = |id: &str, index: i32| {
        let attachment = Map::from([("DeviceIndex", index.into())]);
        Value::Map(Map::from([("Attachment", attachment.into()), ("NetworkInterfaceId", id.into())]))
    };
    let with = |list: Vec<Value>| {
        let mut fields = instance("running", "web", "t3.micro").fields().clone();
        fields.insert("NetworkInterfaces", Value::List(list));
        Document::new(fields)
    };
    let mut world = World::with(with(vec![interface("eni-1", 1), interface("eni-9", 0)]));
    let described = describe(200, with(vec![interface("eni-9", 0), interface("eni-1", 1)]));
    let newer = KindRules { mapping: 2, ..RULES };
    let current = world.current.clone();
    let moment = DecisionTime { now: at(200), started: at(50), steady: Timestamp::EPOCH, swept: true };
    let known = KnownResource { current: current.as_ref(), ..KnownResource::default() };
    let verdict = decide(known, &described, newer, moment);
    assert!(
        matches!(&verdict.events[..], [Event::Remapped { changes, mapping: 2, .. }] if changes.is_empty()),
        "{:?}",
        verdict.events
    );
    world.see_with(&described, newer, at(200));
    assert_eq!(world.see_with(&describe(300, world.document().clone()), newer, at(300)), Judgment::Confirmed);
}

fn tags(value: &str) -> Value {
    Value::List(vec![Map::from([("Key", "Name".into()), ("Value", value.into())]).into()])
}

fn tag_event(second: i64, version: u64, value: &str) -> Observation {
    let seen = Seen::TagsAsserted { tags: tags(value), version };
    Observation { source: Source::Notification, at: at(second), id: id("i-1"), seen }
}

fn untagged(second: i64) -> Observation {
    let mut fields = instance("running", "web", "t3.micro").fields().clone();
    fields.remove("Tags");
    describe(second, Document::new(fields))
}

fn not_found(second: i64) -> Observation {
    Observation { source: Source::Refresh, at: at(second), id: id("i-1"), seen: Seen::NotFound }
}

#[test]
fn a_lost_running_event_after_pending_is_repaired_by_the_next_describe() {
    let mut world = World::with(instance("stopped", "web", "t3.micro"));
    world.see(&assertion(Source::Notification, 200_000, "pending"));
    assert_eq!(world.see(&describe(205, instance("stopped", "web", "t3.micro"))), Judgment::Lag);
    world.see(&describe(206, instance("running", "web", "t3.micro")));
    assert_eq!((world.state(), world.provisional()), ("running", false));
}

#[test]
fn a_tag_event_delayed_behind_a_sweep_that_shows_the_next_version_changes_nothing() {
    let mut world = World::with(instance("running", "v4", "t3.micro"));
    world.see(&describe(205, instance("running", "v6", "t3.micro")));
    assert_eq!(world.see(&tag_event(202, 5, "v5")), Judgment::Hint);
    assert_eq!(world.document().tag("Name"), Some("v6"));
}

#[test]
fn tag_events_count_by_version_and_a_describe_of_the_superseded_tags_is_lag_for_thirty_seconds() {
    let mut world = World::with(instance("running", "v4", "t3.micro"));
    assert_eq!(world.see(&tag_event(202, 6, "v6")), Judgment::Applied);
    assert_eq!(world.see(&tag_event(203, 5, "v5")), Judgment::Late);
    assert_eq!(world.see(&describe(231, instance("running", "v4", "t3.micro"))), Judgment::Lag);
    assert_eq!(world.document().tag("Name"), Some("v6"));
    assert_eq!(world.see(&describe(233, instance("running", "v4", "t3.micro"))), Judgment::Applied);
}

#[test]
fn tags_that_were_all_lost_come_back_unless_a_second_answer_two_seconds_later_agrees() {
    let mut world = World::with(instance("running", "web", "t3.micro"));
    assert_eq!(world.see(&untagged(200)), Judgment::Tagless);
    assert_eq!(world.see(&untagged(201)), Judgment::Tagless);
    assert_eq!((world.seq, world.document().tag("Name")), (1, Some("web")));
    assert_eq!(world.see(&describe(202, instance("running", "web", "t3.micro"))), Judgment::Confirmed);
    assert_eq!(world.see(&untagged(204)), Judgment::Tagless, "the doubt begins anew");
    assert_eq!(world.see(&untagged(206)), Judgment::Applied);
    assert_eq!(world.document().tag("Name"), None);
}

#[test]
fn a_tag_event_without_tags_is_applied_at_once() {
    let mut world = World::with(instance("running", "web", "t3.micro"));
    let seen = Seen::TagsAsserted { tags: Value::List(Vec::new()), version: 2 };
    world.see(&Observation { source: Source::Notification, at: at(200), id: id("i-1"), seen });
    assert_eq!(world.document().tag("Name"), None);
    assert_eq!(world.see(&untagged(201)), Judgment::Confirmed);
}

#[test]
fn an_instance_launched_during_a_sweep_stays_although_its_refresh_said_not_found() {
    let mut world = World { swept: true, ..World::default() };
    assert_eq!(world.see(&assertion(Source::Notification, 200_000, "pending")), Judgment::Hint);
    assert_eq!(world.see(&not_found(202)), Judgment::Hint);
    world.see(&describe(215, instance("running", "web", "t3.micro")));
    assert!(!world.lacked(199), "the sweep that was under way says nothing");
    assert_eq!(world.see(&not_found(220)), Judgment::Hint);
    assert_eq!(world.state(), "running");
}

#[test]
fn not_found_removes_only_what_a_complete_sweep_that_ended_before_it_lacked() {
    let mut world = World::with(instance("running", "web", "t3.micro"));
    assert_eq!(world.see(&not_found(300)), Judgment::Hint);
    assert!(!world.lacked(310));
    assert_eq!(world.see(&not_found(314)), Judgment::Hint, "sent before the sweep ended");
    assert_eq!(world.see(&not_found(316)), Judgment::Applied);
    assert!(world.current.is_none());
}

#[test]
fn a_describe_between_two_sweeps_that_lack_the_resource_keeps_it() {
    let mut world = World::with(instance("running", "web", "t3.micro"));
    assert!(!world.lacked(200));
    world.see(&describe(210, instance("running", "web", "t3.micro")));
    assert!(!world.lacked(300));
    assert!(world.lacked(400));
}

#[test]
fn a_terminated_instance_is_removed_when_not_found_a_minute_after_it_was_last_seen() {
    let mut world = World::with(instance("terminated", "web", "t3.micro"));
    assert_eq!(world.see(&not_found(159)), Judgment::Hint);
    assert_eq!(world.see(&not_found(160)), Judgment::Applied);
    let late = describe(170, instance("terminated", "web", "t3.micro"));
    assert_eq!(world.see(&late), Judgment::Lag, "an answer that lags does not bring it back");
}

#[test]
fn after_a_restart_an_event_that_was_delayed_over_it_asks_for_a_describe_and_changes_nothing() {
    let mut world = World::default();
    world.see(&describe(40, instance("running", "web", "t3.micro")));
    assert_eq!(world.see(&assertion(Source::Notification, 45_000, "stopping")), Judgment::Hint);
    assert_eq!(world.see(&tag_event(45, 7, "other")), Judgment::Hint);
    assert_eq!((world.state(), world.document().tag("Name")), ("running", Some("web")));
}

#[test]
fn a_clock_that_jumped_an_hour_ahead_removes_nothing_and_recovers() {
    let mut world = World::with(instance("running", "web", "t3.micro"));
    world.steady = at(3_800);
    assert!(!world.lacked(3_810), "its last sight cannot be compared with the new time");
    assert_eq!(world.see(&not_found(3_820)), Judgment::Hint);
    world.see_with(&assertion(Source::Tool, 3_830_000, "stopping"), RULES, at(3_830));
    // Back in time: the assertion is ahead of now and orders nothing.
    world.steady = at(240);
    world.see_with(&describe(250, instance("running", "web", "t3.micro")), RULES, at(250));
    assert_eq!((world.state(), world.provisional()), ("running", false));
}

fn notice(second: i64, until: i64, over: bool) -> Notice {
    Notice {
        at: at(second),
        over,
        key: format!("event-{}", until % 3),
        kind: NoticeKind::Health,
        code: "AWS_EC2_INSTANCE_STOP_SCHEDULED".to_owned(),
        description: None,
        begins: None,
        until: at(until),
    }
}

fn announcement(second: i64, until: i64, over: bool) -> Observation {
    Observation {
        source: Source::Notification,
        at: at(second),
        id: id("i-1"),
        seen: Seen::Noticed(notice(second, until, over)),
    }
}

#[test]
fn a_notice_stays_through_describes_until_one_is_sent_after_it_expired() {
    let shown = || instance("running", "web", "t3.micro");
    let mut world = World::with(shown());
    assert_eq!(world.see_at(&announcement(150, 300, false), 151), Judgment::Applied);
    assert_eq!(notice::of(world.document()), [notice(150, 300, false)]);
    let recorded = world.seq;
    assert_eq!(world.see_at(&describe(200, shown()), 201), Judgment::Confirmed);
    assert_eq!((world.seq, notice::of(world.document()).len()), (recorded, 1), "nothing is recorded again");
    assert_eq!(world.see_at(&describe(300, shown()), 301), Judgment::Applied);
    assert_eq!(world.document(), &shown());
}

#[test]
fn a_describe_that_changes_something_else_keeps_the_notices() {
    let mut world = World::with(instance("running", "web", "t3.micro"));
    world.see_at(&announcement(150, 300, false), 151);
    world.see_at(&describe(200, instance("stopped", "db", "t3.large")), 201);
    assert_eq!((world.state(), world.document().text("InstanceType")), ("stopped", Some("t3.large")));
    assert_eq!(notice::of(world.document()).len(), 1);
}

#[test]
fn a_notice_takes_no_evidence_from_what_was_described() {
    let mut world = World::with(instance("running", "web", "t3.micro"));
    world.see_at(&announcement(150, 300, false), 151);
    assert_eq!(world.see_at(&describe(120, instance("running", "web", "t3.large")), 152), Judgment::Applied);
    assert_eq!(world.document().text("InstanceType"), Some("t3.large"));
}

#[test]
fn a_closed_notice_is_not_reopened_by_an_older_event_and_an_expired_one_is_late() {
    let mut world = World::with(instance("running", "web", "t3.micro"));
    assert_eq!(world.see_at(&announcement(160, 300, true), 161), Judgment::Applied);
    assert_eq!(world.see_at(&announcement(150, 300, false), 162), Judgment::Late);
    assert_eq!(world.see_at(&announcement(160, 300, true), 163), Judgment::Confirmed);
    assert!(!notice::of(world.document())[0].holds(at(163)));
    assert_eq!(world.see_at(&announcement(170, 299, false), 299), Judgment::Late);
}

#[test]
fn a_notice_about_an_unknown_resource_is_a_hint() {
    let mut world = World { swept: true, ..World::default() };
    assert_eq!(world.see_at(&announcement(150, 300, false), 151), Judgment::Hint);
    assert!(world.current.is_none());
}

fn any_notice() -> impl Strategy<Value = Observation> {
    (0..300_i64, 300..900_i64, any::<bool>()).prop_map(|(second, until, over)| announcement(second, until, over))
}

fn any_observation() -> impl Strategy<Value = Observation> {
    let state = prop::sample::select(vec!["pending", "running", "stopping", "stopped", "terminated"]);
    let tag = prop::sample::select(vec!["a", "b"]);
    let source = prop::sample::select(vec![Source::Tool, Source::Notification]);
    prop_oneof![
        4 => (0..400_i64, state.clone(), tag).prop_map(|(second, s, t)| describe(second, instance(s, t, "t3.micro"))),
        3 => (0..400_000_i64, state, source).prop_map(|(millis, s, source)| assertion(source, millis, s)),
        1 => (0..400_i64).prop_map(absent),
        2 => any_notice(),
    ]
}

/// A document without its notices, which no describe shows.
fn described_part(document: &Document) -> Document {
    let mut fields = document.fields().clone();
    fields.remove(notice::FIELD);
    Document::new(fields)
}

proptest! {
    /// Sources repeat: the same observation twice in a row is news at most once.
    #[test]
    fn repeating_an_observation_records_nothing_more(
        history in prop::collection::vec(any_observation(), 0..12), last in any_observation()
    ) {
        let mut world = World { swept: true, ..World::default() };
        for observation in &history {
            world.see(observation);
        }
        world.see(&last);
        let (seq, current) = (world.seq, world.current.clone());
        world.see(&last);
        prop_assert_eq!(world.seq, seq);
        prop_assert_eq!(world.current, current);
    }

    /// Once sources are quiet, a describe sent after everything else decides every group (unless terminated).
    #[test]
    fn a_later_describe_settles_everything(
        history in prop::collection::vec(any_observation(), 0..12), tag in "[ab]"
    ) {
        let mut world = World { swept: true, ..World::default() };
        for observation in &history {
            world.see(observation);
        }
        let terminated = world.state() == "terminated";
        let truth = instance(if terminated { "terminated" } else { "running" }, &tag, "t3.small");
        world.see(&describe(500, truth.clone()));
        prop_assert_eq!(&described_part(world.document()), &truth);
        prop_assert!(!world.provisional());
        prop_assert!(notice::of(world.document()).iter().all(|notice| notice.until > at(500)));
    }

    /// Notices arrive late, twice and in any order, with describes in between: until one expires, the same ones count.
    #[test]
    fn the_same_notices_count_in_whatever_order_they_arrive(
        notices in prop::collection::vec(any_notice(), 0..8), order in any::<prop::sample::Index>()
    ) {
        let shown = || instance("running", "web", "t3.micro");
        let mut worlds = [World::with(shown()), World::with(shown())];
        let turned = (0..notices.len()).map(|n| &notices[(n + order.index(notices.len().max(1))) % notices.len()]);
        for (second, observation) in (200..).zip(&notices) {
            worlds[0].see_at(observation, 290);
            worlds[0].see_at(&describe(second, shown()), 290);
        }
        for observation in turned.chain(&notices) {
            worlds[1].see_at(observation, 290);
        }
        prop_assert_eq!(worlds[0].document(), worlds[1].document());
    }

    /// A state that is not provisional was described, and terminated is final.
    #[test]
    fn an_unmarked_state_was_described(history in prop::collection::vec(any_observation(), 0..16)) {
        let mut world = World { swept: true, ..World::default() };
        let mut described = std::collections::BTreeSet::new();
        let mut dead = false;
        for observation in &history {
            if let Seen::Described(document) = &observation.seen {
                described.extend(document.fields().get("State").and_then(state_name).map(str::to_owned));
            }
            world.see(observation);
            prop_assert!(world.current.is_none() || world.provisional() || described.contains(world.state()));
            dead = world.current.is_some() && (dead || world.state() == "terminated");
            prop_assert!(!dead || world.state() == "terminated");
        }
    }
}
