use std::collections::BTreeSet;
use std::time::Duration;

use parking_lot::Mutex;

use super::*;
use crate::aws::scripted::{failure, not_found};
use crate::kinds;
use crate::model::fixtures::{RuntimeClock, scope};
use crate::model::{Document, Item, Map, Timestamp, Value};

/// An AWS that holds some running instances, and notes what it was asked.
#[derive(Clone, Debug, Default)]
struct Account {
    held: Arc<Mutex<BTreeSet<String>>>,
    failing: Arc<Mutex<u32>>,
    asked: Arc<Mutex<Vec<Vec<String>>>>,
    /// A clock that jumps while the next call is under way.
    jumping: Arc<Mutex<Option<Arc<RuntimeClock>>>>,
}

impl DescribeIds for Account {
    async fn describe(&self, _: &Scope, _: &'static KindSpec, ids: &[String]) -> Result<Page, AwsError> {
        self.asked.lock().push(ids.to_vec());
        if let Some(clock) = self.jumping.lock().take() {
            clock.jump(Duration::from_mins(1));
        }
        if *self.failing.lock() > 0 {
            *self.failing.lock() -= 1;
            return Err(failure(ErrorClass::Throttled, "RequestLimitExceeded"));
        }
        let held = self.held.lock();
        let missing: Vec<String> = ids.iter().filter(|id| !held.contains(*id)).cloned().collect();
        if !missing.is_empty() {
            return Err(not_found(&missing));
        }
        let state = Value::Map(Map::from([("Name", "running".into())]));
        let document = Document::new(Map::from([("State", state)]));
        let items = ids.iter().map(|id| Item::new(id.as_str(), document.clone())).collect();
        Ok(Page { items, ..Page::default() })
    }
}

struct Line {
    account: Account,
    plan: SweepPlan,
    wanted: mpsc::UnboundedSender<Wanted>,
    refresher: Refresher<Account>,
    clock: Arc<RuntimeClock>,
}

impl Line {
    fn open(held: &[&str]) -> Self {
        let account = Account::default();
        account.held.lock().extend(held.iter().map(|id| (*id).to_owned()));
        let plan = SweepPlan::new(scope(), kinds::by_slug("instance").unwrap());
        let (wanted, receiver) = mpsc::unbounded_channel();
        let clock = Arc::new(RuntimeClock::from(Timestamp::EPOCH));
        let refresher = Refresher::new(account.clone(), Arc::clone(&clock) as SharedClock, plan.clone(), receiver);
        Line { account, plan, wanted, refresher, clock }
    }

    fn want(&self, id: &str, expects: Option<&str>) {
        let id = ResourceId::new(&self.plan.scope, &self.plan.spec.kind(), id);
        self.wanted.send(Wanted { id, expects: expects.map(str::to_owned), is_changing: false }).unwrap();
    }

    async fn round(&mut self) -> Round {
        let round = self.refresher.next().await.unwrap();
        self.refresher.settle(&round, &[]);
        round
    }
}

#[tokio::test(start_paused = true)]
async fn who_is_wanted_is_asked_for_together_and_whom_aws_does_not_know_is_not_found() {
    let mut line = Line::open(&["i-1", "i-2"]);
    for id in ["i-1", "i-3", "i-2", "i-1"] {
        line.want(id, None);
    }
    let mut round = line.round().await;
    round.observations.sort_by(|a, b| a.id.cmp(&b.id));
    let seen: Vec<(&str, bool)> = round.observations.iter().map(|o| (&*o.id.id, o.seen == Seen::NotFound)).collect();
    assert_eq!(seen, [("i-1", false), ("i-2", false), ("i-3", true)]);
    assert_eq!(line.account.asked.lock().iter().map(Vec::len).collect::<Vec<_>>(), [3, 2]);
    assert!(round.observations[2].at <= Timestamp::EPOCH + Duration::from_secs(2), "dated before the call");
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_disagrees_with_the_event_is_asked_for_three_times_in_all() {
    let mut line = Line::open(&["i-1"]);
    line.want("i-1", Some("stopped"));
    let begun = Instant::now();
    for seconds in [2, 15, 60] {
        line.round().await;
        assert_eq!(begun.elapsed().as_secs(), seconds);
    }
    drop(line.wanted);
    assert!(line.refresher.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_failed_call_is_made_again_and_loses_nobody() {
    let mut line = Line::open(&["i-1"]);
    *line.account.failing.lock() = 2;
    line.want("i-1", None);
    let mut seen = 0;
    while seen == 0 {
        seen = line.round().await.observations.len();
    }
    assert_eq!(line.account.asked.lock().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn too_many_at_once_are_a_sweep_instead() {
    let mut line = Line::open(&["i-last"]);
    for n in 0..=queue::MAX_WAITING {
        line.want(&format!("i-{n}"), None);
    }
    line.want("i-last", None);
    let round = line.round().await;
    assert_eq!(round.observations.len(), 1);
    line.plan.trigger.requested().await;
}

#[tokio::test(start_paused = true)]
async fn answers_during_which_the_clock_jumped_are_not_used_and_asked_for_again() {
    let mut line = Line::open(&["i-1"]);
    *line.account.jumping.lock() = Some(Arc::clone(&line.clock));
    line.want("i-1", None);
    line.want("i-2", None);
    assert_eq!(line.round().await.observations, [], "nobody can tell whether they are older than what is known");
    let again: Vec<bool> = line.round().await.observations.iter().map(|o| o.seen == Seen::NotFound).collect();
    assert_eq!(again, [false, true]);
}
