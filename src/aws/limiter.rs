//! Keeps Muster to its share of AWS's request limits.
//!
//! AWS refills one token bucket for each account, region and action, and everything else in the account draws on the same
//! buckets (autoscalers, storage drivers, deployments). Muster takes a share of each, by default a quarter, and lets
//! tools go before sweeps, and sweeps before refreshes, which get at most half of it. Figures: EC2 developer guide,
//! "Request throttling for the Amazon EC2 API".

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use parking_lot::Mutex;
use tokio::time::{Instant, sleep, sleep_until};

use crate::model::Region;

/// The part of AWS's limits that Muster takes unless told otherwise, in percent.
pub const DEFAULT_SHARE_PERCENT: u8 = 25;

/// The first and the longest pause after AWS throttled a call; each throttled call in a row doubles it.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Who asks, most urgent first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// Somebody waits for a tool's answer.
    Tool,
    /// A sweep.
    Sweep,
    /// A describe of named ids to confirm what an event or tool said.
    Refresh,
}

/// A token bucket as AWS documents it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Limit {
    burst: u32,
    per_second: u32,
}

/// The bucket of requests of an IAM action.
fn requests(action: &str) -> Limit {
    match action {
        "ec2:StartInstances" => Limit { burst: 5, per_second: 2 },
        "ec2:StopInstances" | "ec2:RebootInstances" => Limit { burst: 50, per_second: 5 },
        "ec2:CreateSnapshots" => Limit { burst: 100, per_second: 5 },
        _ => Limit { burst: 100, per_second: 20 },
    }
}

/// The bucket of instances named in requests of an IAM action, where there is one.
fn instances(action: &str) -> Option<Limit> {
    match action {
        "ec2:StartInstances" => Some(Limit { burst: 1000, per_second: 2 }),
        "ec2:StopInstances" => Some(Limit { burst: 1000, per_second: 20 }),
        _ => None,
    }
}

type Tokens = RateLimiter<NotKeyed, InMemoryState, RuntimeClock, NoOpMiddleware<Duration>>;

/// Lets calls through at the configured share of AWS's limits.
#[derive(Debug)]
pub(super) struct Limiter {
    percent: u32,
    clock: RuntimeClock,
    lanes: Mutex<HashMap<(Region, &'static str), Arc<Lane>>>,
}

/// Everything that one action in one region shares.
#[derive(Debug)]
struct Lane {
    requests: Tokens,
    /// Half of `requests`, which refreshes must pass as well.
    refreshes: Tokens,
    instances: Option<(Tokens, NonZeroU32)>,
    /// Calls that wait, by priority. A call lets every more urgent one go first.
    waiting: [AtomicUsize; 3],
    pause: Mutex<Pause>,
}

/// Silence after AWS throttled a call.
#[derive(Debug, Default)]
struct Pause {
    until: Option<Instant>,
    last: Duration,
}

impl Limiter {
    /// A limiter that takes `percent` of AWS's limits (1 to 100).
    pub(super) fn new(percent: u8) -> Self {
        Limiter {
            percent: u32::from(percent.clamp(1, 100)),
            clock: RuntimeClock(Instant::now()),
            lanes: Mutex::new(HashMap::new()),
        }
    }

    /// Waits until a call of `action` that names `instances` instances may go.
    pub(super) async fn admit(&self, region: &Region, action: &'static str, priority: Priority, instances: usize) {
        let lane = self.lane(region, action);
        let _waiting = Waiting::new(&lane, priority);
        if priority == Priority::Refresh {
            lane.take(&lane.refreshes, NonZeroU32::MIN, priority).await;
        }
        if let Some((tokens, burst)) = &lane.instances {
            let named = u32::try_from(instances).unwrap_or(u32::MAX).min(burst.get());
            lane.take(tokens, NonZeroU32::new(named).unwrap_or(NonZeroU32::MIN), priority).await;
        }
        lane.take(&lane.requests, NonZeroU32::MIN, priority).await;
    }

    /// Tells how a call ended: a throttled one silences its action in that region for a while.
    pub(super) fn finished(&self, region: &Region, action: &'static str, throttled: bool) {
        let lane = self.lane(region, action);
        let mut pause = lane.pause.lock();
        if throttled {
            pause.last = (pause.last * 2).clamp(FIRST_PAUSE, LONGEST_PAUSE);
            pause.until = Some(Instant::now() + pause.last);
            tracing::warn!(aws.action = action, aws.region = %region, pause_s = pause.last.as_secs(), "throttled by AWS");
        } else if pause.until.is_none_or(|until| until <= Instant::now()) {
            // A success during the silence was sent before it.
            *pause = Pause::default();
        }
    }

    fn lane(&self, region: &Region, action: &'static str) -> Arc<Lane> {
        let mut lanes = self.lanes.lock();
        let lane = lanes.entry((region.clone(), action)).or_insert_with(|| {
            let tokens = |limit: Limit, percent: u32| {
                let (quota, burst) = quota(limit, percent);
                (RateLimiter::direct_with_clock(quota, self.clock), burst)
            };
            Arc::new(Lane {
                requests: tokens(requests(action), self.percent).0,
                refreshes: tokens(requests(action), self.percent.div_ceil(2)).0,
                instances: instances(action).map(|limit| tokens(limit, self.percent)),
                waiting: [const { AtomicUsize::new(0) }; 3],
                pause: Mutex::default(),
            })
        });
        Arc::clone(lane)
    }
}

/// `percent` of a limit; never less than one call at a time.
fn quota(limit: Limit, percent: u32) -> (Quota, NonZeroU32) {
    let burst = NonZeroU32::new(limit.burst * percent / 100).unwrap_or(NonZeroU32::MIN);
    let period = Duration::from_secs(100) / (limit.per_second * percent).max(1);
    let quota = Quota::with_period(period).unwrap_or(Quota::per_second(NonZeroU32::MIN));
    (quota.allow_burst(burst), burst)
}

impl Lane {
    /// Takes `count` tokens, at most the bucket's burst, after everybody more urgent.
    async fn take(&self, tokens: &Tokens, count: NonZeroU32, priority: Priority) {
        loop {
            let until = self.pause.lock().until;
            if let Some(until) = until.filter(|until| *until > Instant::now()) {
                sleep_until(until).await;
                continue;
            }
            if self.is_outranked(priority) {
                sleep(Duration::from_millis(20)).await;
                continue;
            }
            match tokens.check_n(count) {
                Ok(Err(wait)) => sleep(wait.wait_time_from(tokens.clock().now())).await,
                // `count` above the burst cannot happen; waiting for it would never end.
                Ok(Ok(())) | Err(_) => return,
            }
        }
    }

    fn is_outranked(&self, priority: Priority) -> bool {
        self.waiting.iter().take(priority as usize).any(|waiting| waiting.load(Ordering::Relaxed) > 0)
    }
}

/// Counts a call as waiting for as long as it lives.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn new(lane: &'a Lane, priority: Priority) -> Option<Self> {
        let count = lane.waiting.get(priority as usize)?;
        count.fetch_add(1, Ordering::Relaxed);
        Some(Waiting(count))
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The runtime's clock, so that tests can pause it.
#[derive(Clone, Copy, Debug)]
struct RuntimeClock(Instant);

impl Clock for RuntimeClock {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DESCRIBE: &str = "ec2:DescribeInstances";

    fn region() -> Region {
        Region::new("us-east-1")
    }

    async fn seconds(limiter: &Limiter, action: &'static str, priority: Priority, calls: usize) -> f64 {
        let start = Instant::now();
        for _ in 0..calls {
            limiter.admit(&region(), action, priority, 1).await;
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
        seconds(&limiter, DESCRIBE, Priority::Refresh, 13).await;
        let next = seconds(&limiter, DESCRIBE, Priority::Refresh, 26).await;
        assert!((9.5..10.5).contains(&next), "{next}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_tool_goes_before_sweeps_that_wait_longer() {
        let limiter = Limiter::new(25);
        seconds(&limiter, DESCRIBE, Priority::Sweep, 25).await;
        let order = Mutex::new(Vec::new());
        let call = async |priority, name| {
            limiter.admit(&region(), DESCRIBE, priority, 0).await;
            order.lock().push(name);
        };
        let tool = async {
            sleep(Duration::from_millis(10)).await;
            call(Priority::Tool, "tool").await;
        };
        tokio::join!(call(Priority::Sweep, "sweep"), call(Priority::Refresh, "refresh"), tool);
        assert_eq!(*order.lock(), ["tool", "sweep", "refresh"]);
    }

    #[tokio::test(start_paused = true)]
    async fn starting_more_instances_than_the_bucket_holds_waits_for_the_bucket_not_for_ever() {
        let limiter = Limiter::new(25);
        limiter.admit(&region(), "ec2:StartInstances", Priority::Tool, 9999).await;
        assert!(seconds(&limiter, "ec2:StartInstances", Priority::Tool, 1).await >= 2.0);
    }

    #[tokio::test(start_paused = true)]
    async fn regions_and_actions_do_not_share_buckets() {
        let limiter = Limiter::new(1);
        let start = Instant::now();
        for region in ["us-east-1", "eu-west-1"] {
            for action in [DESCRIBE, "ec2:DescribeVpcs"] {
                limiter.admit(&Region::new(region), action, Priority::Sweep, 0).await;
            }
        }
        assert!(start.elapsed() < Duration::from_millis(10));
    }

    #[tokio::test(start_paused = true)]
    async fn throttling_silences_the_action_longer_each_time_until_a_call_succeeds() {
        let limiter = Limiter::new(25);
        for expected in [1.0, 2.0, 4.0] {
            limiter.finished(&region(), DESCRIBE, true);
            let waited = seconds(&limiter, DESCRIBE, Priority::Tool, 1).await;
            assert!((expected..expected + 0.1).contains(&waited), "{waited}");
        }
        limiter.finished(&region(), DESCRIBE, false);
        assert!(seconds(&limiter, DESCRIBE, Priority::Tool, 1).await < 0.1);
    }
}
