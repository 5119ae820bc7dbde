use std::collections::VecDeque;
use std::pin::{Pin, pin};

use futures::StreamExt;
use parking_lot::Mutex;

use super::*;
use crate::aws::{Details, Origin, Trouble};
use crate::kinds;
use crate::model::{AccountId, Clock, Document, Region};

/// A clock that starts at the epoch and goes with the runtime's.
struct TestClock(Instant);

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::EPOCH + self.0.elapsed()
    }
}

/// A next token, or a failure.
type Answer = Result<Option<&'static str>, AwsError>;
/// When a page was asked for, and with which token.
type Asked = (Duration, Option<String>);

/// Plays a script: each request takes the next answer; after the last one, every answer is an empty last page.
#[derive(Clone, Default)]
struct Script {
    answers: Arc<Mutex<VecDeque<Answer>>>,
    asked: Arc<Mutex<Vec<Asked>>>,
    under_way: Arc<Mutex<usize>>,
    latency: Duration,
    start: Option<Instant>,
}

impl Script {
    fn new(answers: impl IntoIterator<Item = Answer>) -> Self {
        let answers = Arc::new(Mutex::new(answers.into_iter().collect()));
        Script { answers, latency: Duration::from_millis(100), start: Some(Instant::now()), ..Script::default() }
    }

    fn tokens(&self) -> Vec<Option<String>> {
        self.asked.lock().iter().map(|(_, token)| token.clone()).collect()
    }

    fn times(&self) -> Vec<f64> {
        self.asked.lock().iter().map(|(at, _)| at.as_secs_f64()).collect()
    }

    fn sweeps(&self, plan: Plan) -> impl Stream<Item = Message> + Send + use<> {
        sweeps(self.clone(), Arc::new(TestClock(Instant::now())), plan)
    }
}

impl List for Script {
    async fn page(&self, _: &Scope, _: &'static KindSpec, token: Option<String>) -> Result<Listed, AwsError> {
        *self.under_way.lock() += 1;
        assert_eq!(*self.under_way.lock(), 1, "two pages of one kind at once");
        let at = self.start.unwrap().elapsed();
        self.asked.lock().push((at, token.clone()));
        sleep(self.latency).await;
        *self.under_way.lock() -= 1;
        let next = self.answers.lock().pop_front().unwrap_or(Ok(None))?;
        let id = format!("i-{}", token.unwrap_or_default());
        let items = vec![Item { id, document: Document::default() }];
        Ok(Listed { items, next: next.map(str::to_owned), sent_at: Timestamp::EPOCH + at })
    }
}

fn failure(class: Class, code: &str) -> AwsError {
    AwsError::from(Details {
        class,
        trouble: Trouble::Answered,
        code: Some(code.to_owned()),
        message: format!("{code}: made up"),
        action: "ec2:DescribeInstances",
        region: None,
        ids: Vec::new(),
        origin: Origin::Emulator,
        perhaps_done: false,
    })
}

fn plan() -> Plan {
    let scope = Scope { account: AccountId::new("123456789012"), region: Region::new("us-east-1") };
    Plan::new(scope, kinds::by_slug("instance").unwrap())
}

/// The first `count` messages, in short.
async fn short(mut stream: Pin<&mut (impl Stream<Item = Message> + Send)>, count: usize) -> Vec<String> {
    let mut told = Vec::new();
    while told.len() < count {
        told.push(match stream.next().await.unwrap().what {
            What::Started { .. } => "started".to_owned(),
            What::Page { items, .. } => format!("page {}", items[0].id),
            What::Completed { .. } => "completed".to_owned(),
            What::Failed { error, .. } => format!("failed {}", error.code.as_deref().unwrap()),
        });
    }
    told
}

#[tokio::test(start_paused = true)]
async fn a_sweep_starts_at_once_and_follows_the_tokens_to_the_last_page() {
    let script = Script::new([Ok(Some("b")), Ok(Some("c")), Ok(None)]);
    let mut stream = pin!(script.sweeps(plan()));
    assert_eq!(short(stream.as_mut(), 5).await, ["started", "page i-", "page i-b", "page i-c", "completed"]);
    assert_eq!(script.tokens(), [None, Some("b".to_owned()), Some("c".to_owned())]);
    assert!(script.times()[0] < 0.001);
}

#[tokio::test(start_paused = true)]
async fn a_failed_page_is_asked_for_again_with_its_token() {
    let throttled = || Err(failure(Class::Throttled, "RequestLimitExceeded"));
    let script = Script::new([Ok(Some("b")), throttled(), throttled(), Ok(None)]);
    let mut stream = pin!(script.sweeps(plan()));
    assert_eq!(short(stream.as_mut(), 4).await, ["started", "page i-", "page i-b", "completed"]);
    let b = || Some("b".to_owned());
    assert_eq!(script.tokens(), [None, b(), b(), b()]);
    let times = script.times();
    assert!((0.8..1.8).contains(&(times[2] - times[1])) && (1.6..3.4).contains(&(times[3] - times[2])), "{times:?}");
}

#[tokio::test(start_paused = true)]
async fn a_page_that_never_succeeds_fails_the_sweep_and_the_next_one_starts_from_the_first_page() {
    let down = || Err(failure(Class::Transient, "Unavailable"));
    let script = Script::new([Ok(Some("b")), down(), down(), down(), down(), down(), Ok(None)]);
    let mut stream = pin!(script.sweeps(plan()));
    assert_eq!(
        short(stream.as_mut(), 6).await,
        ["started", "page i-", "failed Unavailable", "started", "page i-", "completed"]
    );
    assert_eq!(script.tokens().last(), Some(&None));
}

#[tokio::test(start_paused = true)]
async fn a_page_whose_attempts_take_long_is_given_up_after_a_minute() {
    let down = || Err(failure(Class::Transient, "Unavailable"));
    let script = Script { latency: Duration::from_secs(35), ..Script::new([down(), down()]) };
    let mut stream = pin!(script.sweeps(plan()));
    assert_eq!(short(stream.as_mut(), 2).await, ["started", "failed Unavailable"]);
    assert_eq!(script.tokens().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_refused_token_starts_the_sweep_over() {
    let script = Script::new([Ok(Some("b")), Err(failure(Class::Fatal, "InvalidNextToken")), Ok(None)]);
    let mut stream = pin!(script.sweeps(plan()));
    assert_eq!(short(stream.as_mut(), 5).await, ["started", "page i-", "started", "page i-", "completed"]);
}

#[tokio::test(start_paused = true)]
async fn a_sweep_that_starts_over_too_often_fails() {
    let refused = || [Ok(Some("b")), Err(failure(Class::Fatal, "InvalidNextToken"))];
    let script = Script::new((0..4).flat_map(|_| refused()));
    let mut stream = pin!(script.sweeps(plan()));
    assert_eq!(short(stream.as_mut(), 9).await.last().unwrap(), "failed InvalidNextToken");
}

#[tokio::test(start_paused = true)]
async fn sweeps_follow_one_another_from_start_to_start_within_a_tenth_of_the_interval() {
    let script = Script::new([]);
    let mut stream = pin!(script.sweeps(plan()));
    short(stream.as_mut(), 3 * 60).await;
    let times = script.times();
    let gaps: Vec<f64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(gaps.iter().all(|gap| (53.9..66.1).contains(gap)), "{gaps:?}");
    let spread = gaps.iter().fold(0.0_f64, |most, gap| most.max((gap - 60.0).abs()));
    assert!(spread > 3.0, "no jitter: {gaps:?}");
}

#[tokio::test(start_paused = true)]
async fn a_sweep_longer_than_its_interval_is_followed_at_once_and_never_overlapped() {
    let script = Script { latency: Duration::from_secs(100), ..Script::new([]) };
    let mut stream = pin!(script.sweeps(plan()));
    short(stream.as_mut(), 9).await;
    let times = script.times();
    assert!(times.windows(2).all(|pair| (100.0..100.1).contains(&(pair[1] - pair[0]))), "{times:?}");
}

#[tokio::test(start_paused = true)]
async fn a_denied_kind_goes_on_asking_every_five_minutes() {
    let denied = || Err(failure(Class::Denied, "UnauthorizedOperation"));
    let script = Script::new([denied(), denied(), Ok(None)]);
    let mut stream = pin!(script.sweeps(plan()));
    let told = short(stream.as_mut(), 7).await;
    assert_eq!(
        told,
        [
            "started",
            "failed UnauthorizedOperation",
            "started",
            "failed UnauthorizedOperation",
            "started",
            "page i-",
            "completed"
        ]
    );
    let times = script.times();
    assert!(times.windows(2).all(|pair| (300.0..300.2).contains(&(pair[1] - pair[0]))), "{times:?}");
}

#[tokio::test(start_paused = true)]
async fn a_failure_says_when_the_next_sweep_begins() {
    let script = Script::new([Err(failure(Class::Fatal, "AuthFailure"))]);
    let mut stream = pin!(script.sweeps(plan()));
    stream.next().await.unwrap();
    let What::Failed { will_retry_at, .. } = stream.next().await.unwrap().what else { panic!("no failure") };
    let What::Started { at } = stream.next().await.unwrap().what else { panic!("no start") };
    assert!(at.since(will_retry_at) < Duration::from_millis(5) && will_retry_at.since(at) < Duration::from_millis(5));
}

#[tokio::test(start_paused = true)]
async fn a_trigger_sweeps_now_and_during_a_sweep_right_after_it() {
    let script = Script::new([]);
    let plan = plan();
    let trigger = Arc::clone(&plan.trigger);
    let mut stream = pin!(script.sweeps(plan));
    short(stream.as_mut(), 3).await;
    trigger.notify_one();
    short(stream.as_mut(), 1).await;
    trigger.notify_one();
    short(stream.as_mut(), 5).await;
    assert!(script.times()[2] < 0.5, "{:?}", script.times());
}

/// A plan whose interval the test changes.
fn paced(interval: Duration) -> (watch::Sender<Duration>, Plan) {
    let (pace, interval) = watch::channel(interval);
    (pace, Plan { interval, ..plan() })
}

#[tokio::test(start_paused = true)]
async fn a_shorter_interval_makes_a_sweep_that_it_finds_overdue_begin_at_once() {
    let script = Script::new([]);
    let (pace, plan) = paced(Duration::from_mins(5));
    let mut stream = pin!(script.sweeps(plan));
    short(stream.as_mut(), 3).await;
    let quicken = async {
        sleep(Duration::from_secs(100)).await;
        pace.send_replace(Duration::from_mins(1));
    };
    tokio::join!(quicken, short(stream.as_mut(), 1));
    let again = script.start.unwrap().elapsed().as_secs_f64();
    assert!((100.0..100.5).contains(&again), "{again}");
    short(stream.as_mut(), 5).await;
    let times = script.times();
    assert!((53.9..60.1).contains(&(times[2] - times[1])), "and it stays: {times:?}");
}

#[tokio::test(start_paused = true)]
async fn a_shorter_interval_counts_from_the_last_start() {
    let script = Script::new([]);
    let (pace, plan) = paced(Duration::from_mins(5));
    let mut stream = pin!(script.sweeps(plan));
    short(stream.as_mut(), 3).await;
    let quicken = async {
        sleep(Duration::from_secs(20)).await;
        pace.send_replace(Duration::from_mins(1));
    };
    tokio::join!(quicken, short(stream.as_mut(), 2));
    let times = script.times();
    assert!((53.9..60.1).contains(&(times[1] - times[0])), "{times:?}");
}

#[tokio::test(start_paused = true)]
async fn a_longer_interval_leaves_the_sweep_that_is_due_and_counts_from_the_next_on() {
    let script = Script::new([]);
    let (pace, plan) = paced(Duration::from_mins(1));
    let mut stream = pin!(script.sweeps(plan));
    short(stream.as_mut(), 3).await;
    let slow = async {
        sleep(Duration::from_secs(20)).await;
        pace.send_replace(Duration::from_mins(5));
    };
    tokio::join!(slow, short(stream.as_mut(), 5));
    let times = script.times();
    assert!((53.9..60.1).contains(&(times[1] - times[0])), "{times:?}");
    assert!((269.9..300.1).contains(&(times[2] - times[1])), "{times:?}");
}

#[tokio::test(start_paused = true)]
async fn an_interval_that_nobody_can_change_any_more_stays() {
    let script = Script::new([]);
    let (pace, plan) = paced(Duration::from_mins(2));
    drop(pace);
    let mut stream = pin!(script.sweeps(plan));
    short(stream.as_mut(), 6).await;
    let times = script.times();
    assert!((107.9..120.1).contains(&(times[1] - times[0])), "{times:?}");
}

#[tokio::test(start_paused = true)]
async fn a_pause_after_a_failure_is_not_shortened_by_the_interval() {
    let script = Script::new([Err(failure(Class::Denied, "UnauthorizedOperation"))]);
    let (pace, plan) = paced(Duration::from_mins(5));
    let mut stream = pin!(script.sweeps(plan));
    short(stream.as_mut(), 2).await;
    pace.send_replace(Duration::from_secs(10));
    short(stream.as_mut(), 2).await;
    let times = script.times();
    assert!((300.0..300.2).contains(&(times[1] - times[0])), "{times:?}");
}

#[tokio::test(start_paused = true)]
async fn completed_tells_the_time_of_the_last_start() {
    let script = Script::new([Ok(Some("b")), Err(failure(Class::Fatal, "InvalidNextToken")), Ok(None)]);
    let stream = pin!(script.sweeps(plan()));
    let told: Vec<What> = stream.take(5).map(|message| message.what).collect().await;
    let (What::Started { at }, What::Completed { started, ended }) = (&told[2], &told[4]) else { panic!("{told:?}") };
    assert_eq!(at, started);
    assert!(ended.since(*started) >= Duration::from_millis(100));
}

/// Credentials that change under a running process are noticed even where another account's answer is empty, or names no
/// owner: that would read as everything gone.
#[tokio::test]
async fn a_listing_by_another_accounts_credentials_is_refused_before_its_first_page() {
    let options = crate::simulator::Options { instances: 10, ..crate::simulator::Options::default() };
    let simulator = crate::simulator::Simulator::start(options).await.unwrap();
    let aws = crate::aws::scripted::at(&simulator.endpoint());
    let region = Region::new("us-east-1");
    let theirs = Scope { account: AccountId::new("123456789012"), region: region.clone() };
    let others = Scope { account: AccountId::new("999999999999"), region };
    for spec in kinds::KINDS {
        assert!(List::page(&aws, &theirs, spec, None).await.is_ok());
        let refused = List::page(&aws, &others, spec, None).await.unwrap_err();
        assert!(matches!(refused.trouble, Trouble::OtherAccount { .. }), "{refused}");
    }
    assert_eq!(simulator.world().requests("DescribeVpcs"), 1);
    simulator.stop().await;
}
