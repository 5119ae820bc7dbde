use super::*;
use crate::model::fixtures::scope;

const DESCRIBE: &str = "ec2:DescribeInstances";

async fn seconds(limiter: &Limiter, action: &'static str, priority: Priority, calls: usize) -> f64 {
    let start = Instant::now();
    for _ in 0..calls {
        limiter.admit(&scope(), action, priority, 1).await.finished(AttemptOutcome::Answered);
    }
    start.elapsed().as_secs_f64()
}

#[tokio::test(start_paused = true)]
async fn a_quarter_of_the_describe_bucket_is_25_at_once_and_5_a_second() {
    let limiter = Limiter::new(25);
    assert!(seconds(&limiter, DESCRIBE, Priority::Sweep, 25).await < 0.01);
    let next = seconds(&limiter, DESCRIBE, Priority::Sweep, 50).await;
    assert!((9.9..10.2).contains(&next), "{next}");
}

#[tokio::test(start_paused = true)]
async fn a_refresh_gets_half_of_the_share() {
    let limiter = Limiter::new(25);
    seconds(&limiter, DESCRIBE, Priority::Refresh, 12).await;
    let next = seconds(&limiter, DESCRIBE, Priority::Refresh, 26).await;
    assert!((9.5..10.7).contains(&next), "{next}");
}

#[tokio::test(start_paused = true)]
async fn a_tool_takes_precedence_over_sweeps_that_wait_longer() {
    let limiter = Limiter::new(25);
    seconds(&limiter, DESCRIBE, Priority::Sweep, 25).await;
    let order = Mutex::new(Vec::new());
    let call = async |priority, name| {
        limiter.admit(&scope(), DESCRIBE, priority, 0).await;
        order.lock().push(name);
    };
    let tool = async {
        sleep(Duration::from_millis(10)).await;
        call(Priority::Tool, "tool").await;
    };
    tokio::join!(
        call(Priority::Passed, "passed"),
        call(Priority::Sweep, "sweep"),
        call(Priority::Refresh, "refresh"),
        tool
    );
    assert_eq!(*order.lock(), ["tool", "sweep", "refresh", "passed"]);
}

#[tokio::test(start_paused = true)]
async fn starting_more_instances_than_the_bucket_holds_waits_only_until_it_is_full() {
    let limiter = Limiter::new(25);
    limiter.admit(&scope(), "ec2:StartInstances", Priority::Tool, 9999).await;
    assert!(seconds(&limiter, "ec2:StartInstances", Priority::Tool, 1).await >= 2.0);
}

#[tokio::test(start_paused = true)]
async fn accounts_regions_and_actions_do_not_share_buckets() {
    let limiter = Limiter::new(1);
    let start = Instant::now();
    for account in ["123456789012", "999999999999"] {
        for region in ["us-east-1", "eu-west-1"] {
            for action in [DESCRIBE, "ec2:DescribeVpcs"] {
                let scope = Scope { account: AccountId::new(account), region: Region::new(region) };
                limiter.admit(&scope, action, Priority::Sweep, 0).await;
            }
        }
    }
    assert!(start.elapsed() < Duration::from_millis(10));
    assert_eq!(limiter.calls().len(), 8);
}

#[tokio::test(start_paused = true)]
async fn throttling_slows_down_only_its_own_action() {
    let limiter = Limiter::new(25);
    limiter.admit(&scope(), DESCRIBE, Priority::Sweep, 0).await.finished(AttemptOutcome::Throttled);
    assert!(seconds(&limiter, "ec2:DescribeVpcs", Priority::Sweep, 25).await < 0.01);
    // A second's pause, in which two and a half tokens are refilled; then two and a half a second.
    let throttled = seconds(&limiter, DESCRIBE, Priority::Sweep, 5).await;
    assert!((1.9..2.2).contains(&throttled), "{throttled}");
    let peace = sleep(Duration::from_secs(50));
    peace.await;
    let [count] = &limiter.calls()[..1] else { panic!("a count") };
    assert!((count.pace_per_second - 5.0).abs() < 1e-9, "{count:?}");
}

#[tokio::test(start_paused = true)]
async fn calls_are_counted_by_region_action_and_outcome_with_their_limits() {
    let limiter = Limiter::new(25);
    for outcome in [AttemptOutcome::Answered, AttemptOutcome::Throttled, AttemptOutcome::Failed] {
        limiter.admit(&scope(), DESCRIBE, Priority::Sweep, 0).await.finished(outcome);
    }
    // A caller that stopped waiting for the answer has still made the call.
    drop(limiter.admit(&scope(), DESCRIBE, Priority::Sweep, 0).await);
    sleep(Duration::from_secs(61)).await;
    limiter.admit(&scope(), DESCRIBE, Priority::Sweep, 0).await.finished(AttemptOutcome::Answered);
    let expected = CallCount {
        account: scope().account,
        region: scope().region,
        action: DESCRIBE,
        total: 5,
        throttled: 1,
        failed: 1,
        last_minute: 1,
        pace_per_second: 5.0,
        share_per_second: 5.0,
        documented_per_second: DocumentedRate { per_minute: 1_200 },
    };
    assert_eq!(limiter.calls(), [expected]);
}

#[tokio::test(start_paused = true)]
async fn what_rests_keeps_its_counts_and_is_called_again_as_if_it_had_never_rested() {
    let limiter = Limiter::new(25);
    seconds(&limiter, DESCRIBE, Priority::Sweep, 3).await;
    let held = limiter.admit(&scope(), "ec2:DescribeVpcs", Priority::Sweep, 0).await;
    let kept = |limiter: &Limiter| limiter.queues.lock().used.len();
    sleep(Duration::from_secs(59)).await;
    limiter.rest(&scope());
    assert_eq!(kept(&limiter), 2, "the calls of the last minute are told");
    sleep(Duration::from_secs(2)).await;
    limiter.rest(&scope());
    assert_eq!(kept(&limiter), 1, "what is not answered does not rest");
    assert_eq!(limiter.unanswered(Duration::ZERO, None).map(|call| call.action), Some("ec2:DescribeVpcs"));
    drop(held);
    let counts = || limiter.calls().iter().map(|call| (call.action, call.total, call.failed)).collect::<Vec<_>>();
    assert_eq!(counts(), [(DESCRIBE, 3, 0), ("ec2:DescribeVpcs", 1, 0)], "as told before");
    assert!(limiter.calls().iter().all(|call| (call.pace_per_second - call.share_per_second).abs() < 1e-9));
    seconds(&limiter, DESCRIBE, Priority::Sweep, 1).await;
    assert_eq!((kept(&limiter), counts()[0]), (2, (DESCRIBE, 4, 0)));
}

#[tokio::test(start_paused = true)]
async fn what_was_throttled_does_not_rest_before_its_rate_is_whole() {
    let limiter = Limiter::new(25);
    for _ in 0..4 {
        limiter.admit(&scope(), DESCRIBE, Priority::Sweep, 0).await.finished(AttemptOutcome::Throttled);
    }
    sleep(Duration::from_secs(62)).await;
    limiter.rest(&scope());
    let count = &limiter.calls()[0];
    assert!(count.pace_per_second < count.share_per_second, "{count:?}");
    sleep(Duration::from_mins(2)).await;
    limiter.rest(&scope());
    assert!(limiter.queues.lock().used.is_empty());
}

#[tokio::test(start_paused = true)]
async fn calls_that_wait_for_the_share_of_their_action_hold_up_no_other_action() {
    const SLOW: &str = "ec2:DescribeCapacityBlockOfferings";
    let (limiter, turns) = (Limiter::new(25), PassTurns::new(4));
    let until = Instant::now() + Duration::from_secs(20);
    let scope = scope();
    let slow = || limiter.admit_in_turn(&scope, SLOW, &turns, until);
    drop(slow().await.unwrap());
    let waiting = futures::future::join_all((0..24).map(|_| slow()));
    let other = async {
        sleep(Duration::from_millis(10)).await;
        let begun = Instant::now();
        drop(limiter.admit_in_turn(&scope, DESCRIBE, &turns, until).await.unwrap());
        begun.elapsed()
    };
    let (waited, took) = tokio::join!(waiting, other);
    assert!(took < Duration::from_millis(1), "{took:?}");
    let lacked: Vec<Unadmitted> = waited.into_iter().filter_map(Result::err).collect();
    assert!(lacked.len() > 20 && lacked.iter().all(|lacked| *lacked == Unadmitted::Share), "{lacked:?}");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_lacks_a_turn_says_so_and_uses_nothing_of_the_share() {
    let (limiter, turns) = (Limiter::new(25), PassTurns::new(1));
    let soon = || Instant::now() + Duration::from_secs(20);
    let (_, held) = limiter.admit_in_turn(&scope(), DESCRIBE, &turns, soon()).await.unwrap();
    let other = limiter.admit_in_turn(&scope(), "ec2:DescribeVolumes", &turns, soon()).await;
    assert_eq!(other.unwrap_err(), Unadmitted::Turn);
    assert_eq!(limiter.calls().iter().map(|count| count.total).sum::<u64>(), 1);
    drop(held);
    assert!(limiter.admit_in_turn(&scope(), "ec2:DescribeVolumes", &turns, soon()).await.is_ok());
}
