//! Keeps Muster to its share of AWS's request limits, and backs off when AWS throttles all the same.
//!
//! AWS refills one token bucket for each account, region and action ([`documented`]), and everything else in the account
//! draws on the same buckets (autoscalers, storage drivers, deployments). Muster takes a share of each, by default a
//! quarter. Sweeps, refreshes and tools draw on that share: tools have priority over sweeps, and sweeps over refreshes, which
//! get at most half of it. A throttled call halves the pace of its action in that account and region, and time without one
//! brings it back ([`lane`]). Every attempt passes here, also the second one of a call: the SDK's own retries are off.
//!
//! What a call may do and when is decided in [`lane`], without a clock; this is the part that waits.

mod documented;
mod lane;
mod tally;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::{Instant, sleep};

use crate::model::{AccountId, Region, Scope};
use lane::Lane;
#[cfg(test)]
pub(super) use lane::PAUSE;
pub use lane::Priority;
pub(super) use tally::Outcome;
use tally::Tally;

/// The part of AWS's limits that Muster takes unless told otherwise, in percent.
pub const DEFAULT_SHARE_PERCENT: u8 = 25;

/// How often a call that lets a more urgent one go first looks again.
const OUTRANKED: Duration = Duration::from_millis(20);

/// The calls of one action in one account and region since this process started.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct CallCount {
    /// The account; empty for calls made before it was known.
    pub account: AccountId,
    /// The region.
    pub region: Region,
    /// The IAM action, which is the call's name.
    pub action: &'static str,
    /// All calls, each attempt counted.
    pub total: u64,
    /// Those that AWS turned away for its limits.
    pub throttled: u64,
    /// Those that failed for another reason than limits or a resource that is not there.
    pub failed: u64,
    /// Those of the last 60 seconds.
    pub last_minute: u64,
    /// How many calls a second Muster allows itself now: its share, less while it backs off.
    pub pace_per_second: f64,
    /// How many calls a second are its share.
    pub share_per_second: f64,
    /// How many calls a second AWS documents for the whole account.
    pub documented_per_second: u32,
}

/// Lets calls through at the configured share of AWS's limits.
#[derive(Debug)]
pub(super) struct Limiter {
    percent: u8,
    start: Instant,
    queues: Mutex<BTreeMap<(Scope, &'static str), Arc<Queue>>>,
}

/// Everything that one action in one account and region shares.
#[derive(Debug)]
struct Queue {
    scope: Scope,
    action: &'static str,
    start: Instant,
    lane: Mutex<Lane>,
    tally: Mutex<Tally>,
    /// Calls that wait, by priority. A call lets every more urgent one go first.
    waiting: [AtomicUsize; 3],
}

/// A call that was let through. Dropped unfinished, it counts as made, with no outcome.
#[derive(Debug)]
pub(super) struct Admitted {
    queue: Arc<Queue>,
    sent: Duration,
}

impl Limiter {
    /// A limiter that takes `percent` of AWS's limits (1 to 100).
    pub(super) fn new(percent: u8) -> Self {
        Limiter { percent: percent.clamp(1, 100), start: Instant::now(), queues: Mutex::default() }
    }

    /// Waits until a call of `action` that names `instances` instances may go, and counts it.
    pub(super) async fn admit(
        &self,
        scope: &Scope,
        action: &'static str,
        priority: Priority,
        instances: usize,
    ) -> Admitted {
        let queue = self.queue(scope, action);
        let sent = {
            let _waiting = Waiting::new(&queue, priority);
            loop {
                if queue.is_outranked(priority) {
                    sleep(OUTRANKED).await;
                    continue;
                }
                let now = queue.start.elapsed();
                let taken = queue.lane.lock().take(priority, instances, now);
                match taken {
                    Ok(()) => break now,
                    Err(wait) => sleep(wait).await,
                }
            }
        };
        queue.tally.lock().sent(sent);
        Admitted { queue, sent }
    }

    /// What was called so far, by account, region and action.
    pub(super) fn calls(&self) -> Vec<CallCount> {
        let queues: Vec<Arc<Queue>> = self.queues.lock().values().cloned().collect();
        queues.iter().map(|queue| queue.count()).collect()
    }

    fn queue(&self, scope: &Scope, action: &'static str) -> Arc<Queue> {
        let mut queues = self.queues.lock();
        let queue = queues.entry((scope.clone(), action)).or_insert_with(|| {
            Arc::new(Queue {
                scope: scope.clone(),
                action,
                start: self.start,
                lane: Mutex::new(Lane::new(
                    documented::requests(action),
                    documented::instances(action),
                    documented::share(action, self.percent),
                )),
                tally: Mutex::default(),
                waiting: [const { AtomicUsize::new(0) }; 3],
            })
        });
        Arc::clone(queue)
    }
}

impl Admitted {
    /// Tells how the call ended: a throttled one slows its action down.
    pub(super) fn finished(self, outcome: Outcome) {
        let Admitted { queue, sent } = self;
        queue.tally.lock().ended(outcome);
        if outcome != Outcome::Throttled {
            return;
        }
        let now = queue.start.elapsed();
        let mut lane = queue.lane.lock();
        lane.throttled(sent, now);
        let per_second = lane.per_second(now);
        drop(lane);
        tracing::warn!(aws.action = queue.action, scope = %queue.scope, per_second, "throttled by AWS, slowing down");
    }
}

impl Queue {
    fn is_outranked(&self, priority: Priority) -> bool {
        self.waiting.iter().take(priority as usize).any(|waiting| waiting.load(Ordering::Relaxed) > 0)
    }

    fn count(&self) -> CallCount {
        let now = self.start.elapsed();
        let (pace, share) = {
            let lane = self.lane.lock();
            (lane.per_second(now), lane.share_per_second())
        };
        let tally = self.tally.lock();
        CallCount {
            account: self.scope.account.clone(),
            region: self.scope.region.clone(),
            action: self.action,
            total: tally.total(),
            throttled: tally.throttled(),
            failed: tally.failed(),
            last_minute: tally.last_minute(now),
            pace_per_second: pace,
            share_per_second: share,
            documented_per_second: documented::requests(self.action).per_second,
        }
    }
}

/// Counts a call as waiting for as long as it lives.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn new(queue: &'a Queue, priority: Priority) -> Option<Self> {
        let count = queue.waiting.get(priority as usize)?;
        count.fetch_add(1, Ordering::Relaxed);
        Some(Waiting(count))
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
