use std::collections::{BTreeMap, VecDeque};
use std::pin::{Pin, pin};

use futures::StreamExt;
use parking_lot::Mutex;

use super::super::sweeper::Sweeper;
use super::*;
use crate::aws::scripted::{Reply, Scripted, failure};
use crate::aws::{AwsErrorKind, Details};
use crate::kinds;
use crate::model::fixtures::{RuntimeClock, scope};
use crate::model::{self, AccountId, Document, Item, Region, Timestamp};

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
    sizes: Arc<Mutex<Vec<i32>>>,
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

    fn sweeps(&self, plan: SweepPlan) -> impl Stream<Item = SweepMessage> + Send + use<> {
        sweeps(self.clone(), Arc::new(RuntimeClock::from(Timestamp::EPOCH)), plan)
    }
}

impl ListPages for Script {
    async fn page(&self, _: &Scope, _: &'static KindSpec, token: Option<String>, size: i32) -> Result<Page, AwsError> {
        *self.under_way.lock() += 1;
        assert_eq!(*self.under_way.lock(), 1, "two pages of one kind at once");
        let at = self.start.unwrap().elapsed();
        self.sizes.lock().push(size);
        self.asked.lock().push((at, token.clone()));
        sleep(self.latency).await;
        *self.under_way.lock() -= 1;
        let next = self.answers.lock().pop_front().unwrap_or(Ok(None))?;
        let id = format!("i-{}", token.unwrap_or_default());
        let items = vec![Item::new(id, Document::default())];
        let sent_at = Timestamp::EPOCH + at;
        Ok(Page { items, next: next.map(str::to_owned), sent_at, ..Page::default() })
    }
}

fn plan() -> SweepPlan {
    SweepPlan::new(scope(), kinds::by_slug("instance").unwrap())
}

/// The first `count` messages, in short.
async fn short(mut stream: Pin<&mut (impl Stream<Item = SweepMessage> + Send)>, count: usize) -> Vec<String> {
    let mut told = Vec::new();
    while told.len() < count {
        // That a page is asked for again is a matter of tests of its own.
        told.extend(Some(named(&stream.next().await.unwrap().step)).filter(|what| !what.starts_with("stumbled")));
    }
    told
}

/// What follows the call in a trouble's text: AWS's code, or what happened.
fn code(trouble: &model::Trouble) -> String {
    trouble.what.split(": ").nth(1).unwrap().to_owned()
}

/// A step in short.
fn named(step: &SweepStep) -> String {
    match step {
        SweepStep::Started { .. } => "started".to_owned(),
        SweepStep::Page(page) => format!("page {}", page.items[0].id),
        SweepStep::Completed { .. } => "completed".to_owned(),
        SweepStep::Failed { trouble } => format!("failed {}", code(trouble)),
        SweepStep::Stumbled { trouble } => format!("stumbled {}", code(trouble)),
        SweepStep::LeftOut { names, first } => format!("left out {:?} {first}", names.names()),
    }
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
    let throttled = || Err(failure(ErrorClass::Throttled, "RequestLimitExceeded"));
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
    let down = || Err(failure(ErrorClass::Transient, "Unavailable"));
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
    let down = || Err(failure(ErrorClass::Transient, "Unavailable"));
    let script = Script { latency: Duration::from_secs(35), ..Script::new([down(), down()]) };
    let mut stream = pin!(script.sweeps(plan()));
    assert_eq!(short(stream.as_mut(), 2).await, ["started", "failed Unavailable"]);
    assert_eq!(script.tokens().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_refused_token_starts_the_sweep_over() {
    let script = Script::new([Ok(Some("b")), Err(failure(ErrorClass::Fatal, "InvalidNextToken")), Ok(None)]);
    let mut stream = pin!(script.sweeps(plan()));
    assert_eq!(short(stream.as_mut(), 5).await, ["started", "page i-", "started", "page i-", "completed"]);
}

#[tokio::test(start_paused = true)]
async fn a_sweep_that_starts_over_too_often_fails() {
    let refused = || [Ok(Some("b")), Err(failure(ErrorClass::Fatal, "InvalidNextToken"))];
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
async fn a_denied_kind_is_asked_for_again_after_one_one_two_and_then_five_minutes() {
    let denied = || Err(failure(ErrorClass::Denied, "UnauthorizedOperation"));
    let script = Script::new([denied(), denied(), denied(), denied(), denied(), Ok(None)]);
    let mut stream = pin!(script.sweeps(plan()));
    let told = short(stream.as_mut(), 13).await;
    let failed = ["started", "failed UnauthorizedOperation"];
    assert_eq!(told, [&failed.repeat(5)[..], &["started", "page i-", "completed"]].concat());
    assert_gaps(&script.times(), &[60.0, 60.0, 120.0, 300.0, 300.0]);
}

/// Each of `times` is so long after the one before, but for a fraction of a second.
fn assert_gaps(times: &[f64], gaps: &[f64]) {
    let found: Vec<f64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let fits =
        found.len() == gaps.len() && found.iter().zip(gaps).all(|(found, gap)| (0.0..0.3).contains(&(found - gap)));
    assert!(fits, "{found:?} and not {gaps:?}");
}

#[tokio::test(start_paused = true)]
async fn a_failure_says_when_the_next_sweep_begins() {
    let script = Script::new([Err(failure(ErrorClass::Fatal, "AuthFailure"))]);
    let mut stream = pin!(script.sweeps(plan()));
    stream.next().await.unwrap();
    let SweepStep::Failed { trouble } = stream.next().await.unwrap().step else { panic!("no failure") };
    let SweepStep::Started { at } = stream.next().await.unwrap().step else { panic!("no start") };
    let will_retry_at = trouble.retry_at.unwrap();
    assert!(at.since(will_retry_at) < Duration::from_millis(5) && will_retry_at.since(at) < Duration::from_millis(5));
}

#[tokio::test(start_paused = true)]
async fn a_trigger_sweeps_now_and_during_a_sweep_right_after_it() {
    let script = Script::new([]);
    let plan = plan();
    let trigger = Arc::clone(&plan.trigger);
    let mut stream = pin!(script.sweeps(plan));
    short(stream.as_mut(), 3).await;
    trigger.request();
    short(stream.as_mut(), 1).await;
    trigger.request();
    short(stream.as_mut(), 5).await;
    assert!(script.times()[2] < 0.5, "{:?}", script.times());
}

/// A plan whose interval the test changes.
fn paced(interval: Duration) -> (Arc<SweepInterval>, SweepPlan) {
    let interval = Arc::new(SweepInterval::new(interval));
    (Arc::clone(&interval), SweepPlan { interval, ..plan() })
}

#[tokio::test(start_paused = true)]
async fn a_shorter_interval_makes_a_sweep_that_it_finds_overdue_begin_at_once() {
    let script = Script::new([]);
    let (pace, plan) = paced(Duration::from_mins(5));
    let mut stream = pin!(script.sweeps(plan));
    short(stream.as_mut(), 3).await;
    let quicken = async {
        sleep(Duration::from_secs(100)).await;
        pace.set(Duration::from_mins(1));
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
        pace.set(Duration::from_mins(1));
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
        pace.set(Duration::from_mins(5));
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
    let script = Script::new([Err(failure(ErrorClass::Denied, "UnauthorizedOperation"))]);
    let (pace, plan) = paced(Duration::from_mins(5));
    let mut stream = pin!(script.sweeps(plan));
    short(stream.as_mut(), 2).await;
    pace.set(Duration::from_secs(10));
    short(stream.as_mut(), 2).await;
    assert_gaps(&script.times(), &[60.0]);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_succeed_as_it_is_asked_is_asked_for_again_after_one_one_two_and_then_five_minutes() {
    let wrong = || Err(failure(ErrorClass::Fatal, "InvalidParameterCombination"));
    let script = Script::new([wrong(), wrong(), wrong(), wrong(), wrong(), Ok(None)]);
    let mut stream = pin!(script.sweeps(plan()));
    short(stream.as_mut(), 13).await;
    assert_gaps(&script.times(), &[60.0, 60.0, 120.0, 300.0, 300.0]);
}

#[tokio::test(start_paused = true)]
async fn the_first_failure_of_a_page_is_told_at_once_with_the_time_of_the_next_try() {
    let down = || Err(failure(ErrorClass::Transient, "Unavailable"));
    let script = Script::new([down(), down(), Ok(None)]);
    let mut stream = pin!(script.sweeps(plan()));
    let mut told = Vec::new();
    for _ in 0..5 {
        let step = stream.next().await.unwrap().step;
        if let SweepStep::Stumbled { trouble } = &step {
            let asked = script.asked.lock().len();
            let next = trouble.retry_at.unwrap().since(Timestamp::EPOCH).as_secs_f64();
            told.push(format!("asked {asked}, again within {}", next.ceil()));
        } else {
            told.push(named(&step));
        }
    }
    assert_eq!(told[0], "started");
    assert!(told[1].starts_with("asked 1, again") && told[2].starts_with("asked 2, again"), "{told:?}");
    assert_eq!(told[3..], ["page i-", "completed"]);
}

#[tokio::test(start_paused = true)]
async fn a_listing_whose_pages_all_name_the_same_next_one_fails_and_says_so_and_completes_nothing() {
    let script = Script::new((0..40).map(|_| Ok(Some("again"))));
    let mut stream = pin!(script.sweeps(plan()));
    assert_eq!(short(stream.as_mut(), 3).await, ["started", "page i-", "failed the listing does not end"]);
    assert_eq!(script.tokens().len(), 2);
    short(stream.as_mut(), 2).await;
    assert_gaps(&script.times()[1..], &[60.0]);
}

#[tokio::test(start_paused = true)]
async fn a_cycle_of_tokens_and_one_that_a_retry_comes_back_to_are_told_apart() {
    let throttled = || Err(failure(ErrorClass::Throttled, "RequestLimitExceeded"));
    let script = Script::new([Ok(Some("b")), throttled(), Ok(Some("c")), throttled(), Ok(None)]);
    let mut stream = pin!(script.sweeps(plan()));
    assert_eq!(short(stream.as_mut(), 5).await, ["started", "page i-", "page i-b", "page i-c", "completed"]);
    let script = Script::new([Ok(Some("b")), Ok(Some("c")), Ok(Some("d")), Ok(Some("b"))]);
    let mut stream = pin!(script.sweeps(plan()));
    assert_eq!(short(stream.as_mut(), 5).await.last().unwrap(), "failed the listing does not end");
}

#[tokio::test(start_paused = true)]
async fn tokens_that_are_always_new_fail_the_sweep_at_twenty_times_the_last_ones_pages() {
    const TOKENS: [&str; 26] = [
        "a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p", "q", "r", "s", "t", "u", "v",
        "w", "x", "y", "z",
    ];
    let script = Script::new([Ok(None)].into_iter().chain(TOKENS.map(|token| Ok(Some(token)))));
    let mut stream = pin!(script.sweeps(plan()));
    let what = loop {
        if let SweepStep::Failed { trouble } = stream.next().await.unwrap().step {
            break trouble.what;
        }
    };
    assert_eq!(script.tokens().len(), 1 + 20);
    assert!(what.contains("page 20 is not the last, though the last complete listing had 1"), "{what}");
}

#[tokio::test(start_paused = true)]
async fn pages_that_are_too_large_shrink_with_a_new_walk_and_stay_small() {
    for too_large in [
        failure(ErrorClass::Fatal, "InvalidParameterValue"),
        failure(ErrorClass::Fatal, "RequestEntityTooLarge"),
        failure(ErrorClass::Transient, "Unreadable"),
    ] {
        let message = match too_large.code.as_deref() {
            Some("InvalidParameterValue") => "InvalidParameterValue: Value (1000) for parameter maxResults is invalid",
            Some("Unreadable") => "AWS's answer could not be read: HTTP status 413, but not in AWS's form",
            _ => "RequestEntityTooLarge: no",
        };
        let too_large = || AwsError::from(Details { message: message.to_owned(), ..(*too_large).clone() });
        let script = Script::new([Ok(Some("b")), Err(too_large()), Err(too_large()), Ok(Some("c")), Ok(None)]);
        let mut stream = pin!(script.sweeps(plan()));
        let told = short(stream.as_mut(), 10).await;
        let restarted = ["started", "page i-", "started", "started", "page i-", "page i-c", "completed"];
        assert_eq!(told, [&restarted[..], &["started", "page i-", "completed"]].concat(), "{message}");
        assert_eq!(*script.sizes.lock(), [1000, 1000, 250, 62, 62, 62]);
    }
}

#[tokio::test(start_paused = true)]
async fn pages_that_are_too_large_at_the_smallest_size_fail_the_sweep() {
    let too_large = || Err(failure(ErrorClass::Fatal, "EntityTooLarge"));
    let script = Script::new((0..6).map(|_| too_large()));
    let mut stream = pin!(script.sweeps(plan()));
    assert_eq!(short(stream.as_mut(), 6).await.last().unwrap(), "failed EntityTooLarge");
    assert_eq!(*script.sizes.lock(), [1000, 250, 62, 15, 5]);
}

#[tokio::test(start_paused = true)]
async fn a_sweep_that_starts_over_tells_when_it_did_and_when_it_ended() {
    let script = Script::new([Ok(Some("b")), Err(failure(ErrorClass::Fatal, "InvalidNextToken")), Ok(None)]);
    let stream = pin!(script.sweeps(plan()));
    let told: Vec<SweepStep> = stream.take(5).map(|message| message.step).collect().await;
    let (SweepStep::Started { at: first }, SweepStep::Started { at }) = (&told[0], &told[2]) else {
        panic!("{told:?}")
    };
    let SweepStep::Completed { ended } = &told[4] else { panic!("{told:?}") };
    assert!(at.since(*first) >= Duration::from_millis(200));
    assert!(ended.since(*at) >= Duration::from_millis(100));
}

/// Whose answers differ by kind: what it denies, and whether anything is answered at all.
#[derive(Clone)]
struct Account {
    denied: Arc<Mutex<Vec<&'static str>>>,
    expired: Arc<Mutex<bool>>,
    asked: Arc<Mutex<Vec<(f64, &'static str)>>>,
    start: Instant,
}

impl ListPages for Account {
    async fn page(&self, _: &Scope, spec: &'static KindSpec, _: Option<String>, _: i32) -> Result<Page, AwsError> {
        self.asked.lock().push((self.start.elapsed().as_secs_f64(), spec.slug));
        sleep(Duration::from_millis(100)).await;
        if *self.expired.lock() {
            return Err(failure(ErrorClass::Fatal, "ExpiredToken"));
        }
        if self.denied.lock().contains(&spec.slug) {
            return Err(failure(ErrorClass::Denied, "UnauthorizedOperation"));
        }
        Ok(Page::default())
    }
}

impl Account {
    /// Sweeps `kinds` through one gate for as long as `seconds`, and tells what failed last of each.
    async fn sweep(&self, gate: &Arc<Gate>, kinds: &[&str], seconds: u64) -> BTreeMap<&'static str, (String, f64)> {
        let streams = kinds.iter().map(|slug| {
            let plan = SweepPlan { spec: kinds::by_slug(slug).unwrap(), gate: Arc::clone(gate), ..plan() };
            Box::pin(sweeps(self.clone(), Arc::new(RuntimeClock::from(Timestamp::EPOCH + self.start.elapsed())), plan))
        });
        let mut all = futures::stream::select_all(streams);
        let mut failures = BTreeMap::new();
        let until = sleep(Duration::from_secs(seconds));
        let mut until = pin!(until);
        loop {
            tokio::select! {
                () = &mut until => return failures,
                message = all.next() => {
                    let message = message.unwrap();
                    let slug = kinds::of(&message.kind).unwrap().slug;
                    match &message.step {
                        SweepStep::Failed { trouble } => {
                            let at = trouble.retry_at.unwrap().since(Timestamp::EPOCH).as_secs_f64();
                            failures.insert(slug, (code(trouble), at));
                        }
                        SweepStep::Completed { .. } => drop(failures.remove(slug)),
                        _ => {}
                    }
                }
            }
        }
    }

    fn new() -> Self {
        Account { denied: Arc::default(), expired: Arc::default(), asked: Arc::default(), start: Instant::now() }
    }

    /// When which kinds were asked for after `from`, to the minute.
    fn since(&self, from: f64) -> Vec<(u64, Vec<&'static str>)> {
        let mut minutes: Vec<(u64, Vec<&'static str>)> = Vec::new();
        for (at, slug) in self.asked.lock().iter().filter(|(at, _)| *at >= from) {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "seconds of a test")]
            let minute = ((at + 5.0) / 60.0) as u64;
            match minutes.last_mut() {
                Some((last, slugs)) if *last == minute => slugs.push(slug),
                _ => minutes.push((minute, vec![slug])),
            }
        }
        minutes
    }
}

const FOUR: [&str; 4] = ["instance", "volume", "vpc", "subnet"];

#[tokio::test(start_paused = true)]
async fn expired_credentials_cost_one_call_at_a_time_for_all_kinds_and_every_kind_says_why_and_when() {
    let account = Account::new();
    *account.expired.lock() = true;
    let failures = account.sweep(&Arc::default(), &FOUR, 600).await;
    let calls: Vec<(u64, usize)> = account.since(1.0).iter().map(|(minute, slugs)| (*minute, slugs.len())).collect();
    // The first is a second after the session was over, when it may have been renewed.
    assert_eq!(calls, [(0, 1), (1, 1), (2, 1), (4, 1), (9, 1)], "{:?}", account.since(0.0));
    assert_eq!(failures.len(), 4, "{failures:?}");
    for (slug, (code, at)) in failures {
        assert!(code == "ExpiredToken" && (841.0..844.0).contains(&at), "{slug}: {code} at {at}");
    }
}

#[tokio::test(start_paused = true)]
async fn renewed_credentials_let_every_kind_sweep_as_soon_as_one_was_answered() {
    let account = Account::new();
    *account.expired.lock() = true;
    let gate = Arc::default();
    let renew = async {
        sleep(Duration::from_secs(90)).await;
        *account.expired.lock() = false;
    };
    let (failures, ()) = tokio::join!(account.sweep(&gate, &FOUR, 125), renew);
    assert!(failures.is_empty(), "{failures:?}");
    let [.., (2, after)] = &account.since(1.0)[..] else { panic!("{:?}", account.since(0.0)) };
    assert_eq!(after.len(), 4, "{after:?}");
}

#[tokio::test(start_paused = true)]
async fn of_denied_kinds_one_is_asked_for_at_a_time_in_turn_and_others_go_on() {
    let account = Account::new();
    *account.denied.lock() = vec!["volume", "vpc", "subnet"];
    let failures = account.sweep(&Arc::default(), &FOUR, 600).await;
    assert_eq!(failures.len(), 3, "{failures:?}");
    let denied: Vec<(u64, Vec<&str>)> = account
        .since(1.0)
        .into_iter()
        .map(|(minute, slugs)| (minute, slugs.into_iter().filter(|slug| *slug != "instance").collect::<Vec<_>>()))
        .filter(|(_, slugs)| !slugs.is_empty())
        .collect();
    assert_eq!(denied, [(1, vec!["volume"]), (2, vec!["vpc"]), (4, vec!["subnet"]), (9, vec!["volume"])]);
    assert!(account.since(1.0).len() >= 9, "the kind that is allowed goes on: {:?}", account.since(1.0));
}

#[tokio::test(start_paused = true)]
async fn a_policy_that_is_mended_shows_for_all_denied_kinds_at_the_next_try_and_at_once_when_somebody_asks() {
    let account = Account::new();
    *account.denied.lock() = vec!["volume", "vpc", "subnet"];
    let gate: Arc<Gate> = Arc::default();
    let mend = async {
        sleep(Duration::from_secs(70)).await;
        account.denied.lock().clear();
    };
    let (failures, ()) = tokio::join!(account.sweep(&gate, &FOUR, 125), mend);
    assert!(failures.is_empty(), "{failures:?}");

    let account = Account::new();
    *account.denied.lock() = vec!["volume", "vpc"];
    let gate: Arc<Gate> = Arc::default();
    let mend = async {
        sleep(Duration::from_secs(10)).await;
        *account.denied.lock() = vec!["vpc"];
        gate.try_now();
    };
    let (failures, ()) = tokio::join!(account.sweep(&gate, &FOUR, 15), mend);
    assert_eq!(failures.keys().collect::<Vec<_>>(), [&"vpc"]);
    let (_, at) = failures["vpc"];
    assert!((70.0..71.0).contains(&at), "the count begins again: {at}");
}

#[tokio::test(start_paused = true)]
async fn a_call_for_everything_to_be_tried_ends_a_pause_after_passing_failures_too() {
    let down = || Err(failure(ErrorClass::Transient, "Unavailable"));
    let script = Script::new((0..5).map(|_| down()));
    let plan = plan();
    let gate = Arc::clone(&plan.gate);
    let mut stream = pin!(script.sweeps(plan));
    short(stream.as_mut(), 2).await;
    let failed = script.start.unwrap().elapsed();
    gate.try_now();
    short(stream.as_mut(), 2).await;
    assert!(script.asked.lock()[5].0 < failed + Duration::from_millis(200), "{:?}", script.times());
}

/// Answers without the parameters of `left_out`, a sweep each.
#[derive(Clone)]
struct Forgetful(Arc<Mutex<VecDeque<LeftOut>>>);

impl ListPages for Forgetful {
    async fn page(&self, _: &Scope, _: &'static KindSpec, _: Option<String>, _: i32) -> Result<Page, AwsError> {
        Ok(Page { left_out: self.0.lock().pop_front().unwrap_or_default(), ..Page::default() })
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_sweep_without_a_parameter_is_told_apart_from_those_that_follow() {
    let without = || LeftOut::of(["IncludeManagedResources"]);
    let answers = [LeftOut::default(), without(), without(), LeftOut::default(), LeftOut::default()];
    let lister = Forgetful(Arc::new(Mutex::new(answers.into())));
    let mut stream = pin!(sweeps(lister, Arc::new(RuntimeClock::from(Timestamp::EPOCH)), plan()));
    let mut told = Vec::new();
    while told.iter().filter(|what| *what == "completed").count() < 5 {
        match stream.next().await.unwrap().step {
            SweepStep::Started { .. } | SweepStep::Page(_) => {}
            step => told.push(named(&step)),
        }
    }
    let left_out = r#"left out ["IncludeManagedResources"]"#;
    let expected = [
        "completed".to_owned(),
        format!("{left_out} true"),
        "completed".to_owned(),
        format!("{left_out} false"),
        "completed".to_owned(),
        "left out [] true".to_owned(),
        "completed".to_owned(),
        "completed".to_owned(),
    ];
    assert_eq!(told, expected);
}

/// Credentials that change under a running process are noticed even where another account's answer is empty, or names no
/// owner: that would read as everything gone.
#[tokio::test]
async fn a_listing_by_another_accounts_credentials_is_refused_before_its_first_page() {
    let options = crate::simulator::Options { instances: 10, ..crate::simulator::Options::default() };
    let simulator = crate::simulator::Simulator::start(options).await.unwrap();
    let aws = Sweeper::new(crate::aws::scripted::at(&simulator.endpoint()), None);
    let region = Region::new("us-east-1");
    let theirs = Scope { account: AccountId::new("123456789012"), region: region.clone() };
    let others = Scope { account: AccountId::new("999999999999"), region };
    for spec in kinds::KINDS {
        assert!(ListPages::page(&aws, &theirs, spec, None, spec.max_results).await.is_ok());
        let refused = ListPages::page(&aws, &others, spec, None, spec.max_results).await.unwrap_err();
        assert!(matches!(refused.kind, AwsErrorKind::OtherAccount { .. }), "{refused}");
    }
    assert_eq!(simulator.world().requests("DescribeVpcs"), 1);
    simulator.stop().await;
}

/// Over the wire: what an endpoint answers, from whose account it is asked to whether the sweep completes.
#[tokio::test]
async fn an_endpoint_that_hands_out_one_token_for_ever_fails_the_sweep_with_that_reason() {
    let identity = "<GetCallerIdentityResult><Account>123456789012</Account></GetCallerIdentityResult>";
    let page = "<volumeSet><item><volumeId>vol-1</volumeId></item></volumeSet><nextToken>once more</nextToken>";
    let server = Scripted::new([Reply::ok(identity), Reply::ok(page)]).await;
    let aws = server.aws();
    let plan = SweepPlan { spec: kinds::by_slug("volume").unwrap(), ..plan() };
    let mut stream = pin!(sweeps(Sweeper::new(aws.clone(), None), aws.clock(), plan));
    assert!(matches!(stream.next().await.unwrap().step, SweepStep::Started { .. }));
    assert!(matches!(stream.next().await.unwrap().step, SweepStep::Page(_)));
    let SweepStep::Failed { trouble } = stream.next().await.unwrap().step else { panic!("it goes on") };
    assert_eq!(trouble.class, ErrorClass::Fatal.into());
    assert!(
        trouble.what.contains("the listing does not end: page 2 names a next page that this listing has already read")
    );
    assert!(trouble.fix.contains("us-east-1") && trouble.fix.contains("goes on trying"), "{}", trouble.fix);
    assert!(trouble.retry_at.unwrap() > aws.clock().now());
    assert_eq!(server.asked().len(), 3);
}
