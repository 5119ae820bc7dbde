use futures::FutureExt;

use super::*;
use crate::model::fixtures::{RuntimeClock, at_millis, kind, scope};
use crate::model::{Canary, Clock, ErrorClass, Region};

const NORMAL: Duration = Duration::from_mins(1);
const RELAXED: Duration = Duration::from_mins(5);
const RULES: [&str; 3] = ["instances", "tags", "calls"];

struct World {
    freshness: Freshness,
    clock: Arc<RuntimeClock>,
}

impl World {
    /// A watched kind whose changes events cover, with a queue.
    fn new() -> World {
        let clock = Arc::new(RuntimeClock::from(at_millis(1_800_000_000_000)));
        let rules = EventRules { interval: RELAXED, rules: &RULES, trail: Some("calls") };
        let rules = HashMap::from([(kind(), rules)]);
        let freshness = Freshness::new(Vec::new(), Vec::new(), &|_| NORMAL, rules, &BTreeMap::new(), clock.clone());
        freshness.signal(Signal::Expected { scope: scope(), kind: kind(), interval: NORMAL });
        let source = EventSource {
            queue: "queue".into(),
            name: "muster".into(),
            rules: RULES.map(|slug| EventRule { slug, name: format!("muster-{slug}").into() }).to_vec(),
            sent_by: "serve-1".into(),
            every: Duration::from_mins(1),
            since: clock.now(),
        };
        freshness.signal(Signal::Listening { scope: scope(), source });
        World { freshness, clock }
    }

    /// Canaries come back at once through these rules.
    fn canaries(&self, rules: &[&'static str]) {
        let at = self.clock.now();
        self.freshness.signal(Signal::CanariesSent { scope: scope(), at });
        for rule in rules {
            let (name, sent_by) = ("muster".to_owned(), "serve-1".to_owned());
            let canary = Canary { scope: scope(), rule, name, sent_by, sent_at: at };
            self.freshness.signal(Signal::CanarySeen(canary));
        }
    }

    fn proved(&self) {
        self.canaries(&RULES);
        self.freshness.signal(Signal::CallSeen { scope: scope(), at: self.clock.now() });
    }

    /// A sweep of no duration.
    fn sweep(&self) -> Continuity {
        let at = self.clock.now();
        self.freshness.update(&scope(), &kind(), |watched| watched.completed(Swept { started: at, ended: at }, 0))
    }

    fn state(&self) -> ScopeFreshness {
        self.freshness.of(&scope(), &kind()).unwrap()
    }

    fn interval(&self) -> Duration {
        self.freshness.interval(&scope(), &kind())
    }

    fn stale(&self) -> Option<String> {
        self.state().stale(self.clock.now())
    }
}

async fn pass(seconds: u64) {
    tokio::time::advance(Duration::from_secs(seconds)).await;
}

#[tokio::test(start_paused = true)]
async fn sweeps_relax_only_after_one_that_began_when_everything_was_proved() {
    let world = World::new();
    assert_eq!(world.interval(), NORMAL);
    world.sweep();
    pass(10).await;
    world.proved();
    assert_eq!(world.interval(), NORMAL, "what changed before the proof nobody told");
    pass(50).await;
    world.canaries(&RULES);
    world.sweep();
    assert_eq!(world.interval(), RELAXED);
}

#[tokio::test(start_paused = true)]
async fn without_one_of_the_rules_or_without_a_trail_sweeps_do_not_relax() {
    let world = World::new();
    world.canaries(&RULES);
    world.sweep();
    assert_eq!(world.interval(), NORMAL, "no trail");
    let world = World::new();
    world.canaries(&["instances", "calls"]);
    world.freshness.signal(Signal::CallSeen { scope: scope(), at: world.clock.now() });
    world.sweep();
    assert_eq!(world.interval(), NORMAL, "no tags");
}

#[tokio::test(start_paused = true)]
async fn while_events_are_proved_a_scope_is_fresh_for_the_longer_interval_and_when_the_proof_ends_stale_at_once() {
    let world = World::new();
    world.proved();
    pass(60).await;
    world.canaries(&RULES);
    world.sweep();
    for _ in 0..2 {
        pass(60).await;
        world.canaries(&RULES);
        assert_eq!(world.stale(), None);
    }
    assert_eq!(world.interval(), RELAXED);
    pass(60).await;
    // Tags are no longer reported.
    world.canaries(&["instances", "calls"]);
    pass(60).await;
    world.canaries(&["instances", "calls"]);
    pass(14).await;
    assert_eq!((world.stale(), world.interval()), (None, RELAXED));
    pass(1).await;
    assert_eq!(world.interval(), NORMAL);
    pass(1).await;
    assert_eq!(
        world.stale().unwrap(),
        "events are not proved to arrive: no canary came through muster-tags for 136 s; run `muster doctor`; last complete sweep \
         256 s ago"
    );
    // Whose queue and rules they are, is not for everybody.
    let account = scope().account;
    let grant = crate::policy::Grant::of_accounts("own", [account.as_str()]);
    let limited = world.freshness.seen_by(&Visibility::of([grant]));
    let state = limited.of(&scope(), &kind()).unwrap();
    assert_eq!(
        state.stale(world.clock.now()).unwrap(),
        "events are not proved to arrive: no canary arrives; last complete sweep 256 s ago"
    );
}

#[tokio::test(start_paused = true)]
async fn a_lost_canary_leaves_a_scope_fresh_that_was_swept_within_the_normal_interval() {
    let world = World::new();
    world.proved();
    pass(100).await;
    world.sweep();
    assert_eq!(world.interval(), RELAXED);
    pass(40).await;
    assert_eq!((world.stale(), world.interval()), (None, NORMAL));
    pass(21).await;
    assert!(world.stale().unwrap().starts_with("events are not proved to arrive: no canary came"));
    world.sweep();
    assert_eq!(world.stale(), None);
}

#[tokio::test(start_paused = true)]
async fn proved_events_do_not_outlast_the_longer_interval() {
    let world = World::new();
    world.proved();
    world.sweep();
    for _ in 0..5 {
        pass(60).await;
        world.canaries(&RULES);
    }
    assert_eq!(world.stale(), None);
    pass(1).await;
    assert_eq!(world.stale().unwrap(), "last complete sweep 301 s ago, later than expected");
}

#[tokio::test(start_paused = true)]
async fn a_run_of_watching_goes_on_over_a_longer_interval_that_events_cover_and_over_no_other() {
    let world = World::new();
    world.proved();
    assert_eq!(world.sweep(), Continuity::First);
    for _ in 0..4 {
        pass(60).await;
        world.canaries(&RULES);
    }
    assert_eq!(world.sweep(), Continuity::Continues, "by choice");
    pass(180).await;
    let since = world.freshness.update(&scope(), &kind(), |watched| watched.unwatched_since(world.clock.now()));
    assert_eq!(since, world.state().complete.map(|swept| swept.started), "nobody told what came after the last canary");
    assert!(matches!(world.sweep(), Continuity::Interrupted(_)));
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_jumps_ends_no_proof_and_makes_none() {
    let world = World::new();
    world.proved();
    world.sweep();
    world.clock.ahead(Duration::from_hours(48));
    assert_eq!(world.interval(), RELAXED, "the silence is as long as it was");
    pass(135).await;
    assert_eq!(world.interval(), NORMAL);
    world.clock.ahead(Duration::ZERO);
    assert_eq!(world.interval(), NORMAL);
}

#[tokio::test(start_paused = true)]
async fn without_events_the_interval_is_the_kinds_own() {
    let world = World::new();
    let elsewhere = Scope { region: Region::new("eu-west-1"), ..scope() };
    world.freshness.signal(Signal::Expected { scope: elsewhere.clone(), kind: kind(), interval: NORMAL });
    assert_eq!(world.freshness.of(&elsewhere, &kind()).unwrap().events, None);
    assert_eq!(world.freshness.interval(&elsewhere, &kind()), NORMAL);
}

#[tokio::test(start_paused = true)]
async fn whoever_paces_a_scope_is_told_what_may_change_that_and_nothing_else() {
    let world = World::new();
    let moves = world.freshness.proof_moves(&scope());
    let is_told = || moves.notified().now_or_never().is_some();
    world.canaries(&RULES);
    assert!(is_told(), "the rules are proved");
    pass(60).await;
    world.canaries(&RULES);
    assert!(!is_told(), "the proof goes on");
    let call = |world: &World| world.freshness.signal(Signal::CallSeen { scope: scope(), at: world.clock.now() });
    call(&world);
    assert!(is_told(), "a trail logs");
    call(&world);
    assert!(!is_told(), "it still does");
    world.sweep();
    assert!(is_told(), "the first sweep that the proof covers");
    assert_eq!(world.interval(), RELAXED);
    pass(1).await;
    world.sweep();
    world.freshness.signal(Signal::ProofChanged);
    world.freshness.signal(Signal::Counted(EventCount::Received, 1));
    assert!(!is_told(), "one sweep more, and what is said about everything");
    let elsewhere = Scope { region: Region::new("elsewhere"), ..scope() };
    world.freshness.signal(Signal::Missed { scope: elsewhere, kind: kind(), at: world.clock.now() });
    assert!(!is_told(), "another scope");
    world.freshness.signal(Signal::Missed { scope: scope(), kind: kind(), at: world.clock.now() });
    assert!(is_told(), "only a sweep shows what a call did");
    world.freshness.signal(Signal::Expected { scope: scope(), kind: kind(), interval: NORMAL / 2 });
    assert!(is_told(), "another interval");
}

#[tokio::test(start_paused = true)]
async fn trouble_with_a_queue_is_told_to_its_scopes_when_it_begins_and_ends_unless_it_may_pass() {
    let world = World::new();
    let moves = world.freshness.proof_moves(&scope());
    let is_told = || moves.notified().now_or_never().is_some();
    let report = |queue: &str, class: Option<ErrorClass>| {
        let (what, fix, since) = ("made up".to_owned(), String::new(), world.clock.now());
        let trouble = class.map(|class| Trouble { class: class.into(), what, fix, since, retry_at: None });
        world.freshness.signal(Signal::Receiving { queue: queue.to_owned(), trouble });
    };
    report("queue", Some(ErrorClass::Transient));
    assert!(!is_told(), "the proof lasts until its time is over");
    report("another", Some(ErrorClass::Denied));
    assert!(!is_told());
    report("queue", Some(ErrorClass::Denied));
    assert!(is_told());
    report("queue", Some(ErrorClass::Denied));
    assert!(!is_told(), "again and again");
    report("queue", None);
    assert!(is_told());
}

#[tokio::test(start_paused = true)]
async fn a_scope_whose_events_are_no_longer_meant_to_be_received_is_swept_as_without_events() {
    let world = World::new();
    world.proved();
    world.sweep();
    assert_eq!(world.interval(), RELAXED);
    let moves = world.freshness.proof_moves(&scope());
    world.freshness.signal(Signal::Unlistened { scope: scope() });
    assert!(moves.notified().now_or_never().is_some());
    assert_eq!((world.interval(), world.state().events), (NORMAL, None));
    assert!(world.freshness.paths().is_empty());
    world.freshness.signal(Signal::Unlistened { scope: scope() });
    assert!(moves.notified().now_or_never().is_none(), "nothing changes");
}
