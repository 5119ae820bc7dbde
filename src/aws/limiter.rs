//! Keeps Muster within its share of AWS's request limits, and slows down when AWS throttles anyway.
//!
//! AWS refills one token bucket per account, region and action ([`documented`]); everything else in the account (autoscalers,
//! storage drivers, deployments) uses the same buckets. Muster takes a share of each, by default a quarter. Tools have priority
//! over sweeps, sweeps over refreshes, and refreshes over what clients of EC2's API have asked for them; the last two together get at
//! most half of the share. A throttled call halves the rate of its action in that account and region; time without throttling restores
//! it ([`allowance`]). Every attempt of a call passes here, also a repeated one: the SDK's own retries are off.
//!
//! [`allowance`] decides when a call may go, without a clock; this module waits.

mod allowance;
mod call_sums;
mod documented;
mod rested_counts;
mod tally;

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::{Instant, sleep, timeout_at};
use tracing::field::Empty;
use tracing::{Level, Span};

use super::pass_turns::{PassTurn, PassTurns};
use crate::model::spans::SPANS;
use crate::model::{AccountId, CountedDurations, Region, Scope};
use allowance::Allowance;
#[cfg(test)]
pub(super) use allowance::PAUSE;
pub use allowance::Priority;
pub use call_sums::CountedCalls;
use call_sums::{ActionSums, CallSums};
pub use documented::DocumentedRate;
use rested_counts::RestedCounts;
pub(super) use tally::AttemptOutcome;
use tally::{CallTally, CallTotals};

/// Muster's default share of AWS's limits, in percent.
pub const DEFAULT_SHARE_PERCENT: u8 = 25;

/// How often a call checks again whether more urgent calls still wait.
const OUTRANKED: Duration = Duration::from_millis(20);

/// The calls of one action in one account and region since this process started.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct CallCount {
    /// The account; empty for calls made before it was known.
    pub account: AccountId,
    /// The region.
    pub region: Region,
    /// The IAM action, which names the call.
    pub action: &'static str,
    /// All attempts.
    pub total: u64,
    /// The attempts that AWS throttled.
    pub throttled: u64,
    /// The attempts that failed for another reason than throttling or a missing resource.
    pub failed: u64,
    /// The attempts of the last 60 seconds.
    pub last_minute: u64,
    /// The current number of calls per second: the share, or less after throttling.
    pub pace_per_second: f64,
    /// The share: calls per second without throttling.
    pub share_per_second: f64,
    /// How many calls per second AWS documents for the whole account, or a smaller guess for reads that are only passed on.
    pub documented_per_second: DocumentedRate,
}

/// A call that AWS has not answered yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnansweredCall {
    /// The region.
    pub region: Region,
    /// The IAM action, which names the call.
    pub action: &'static str,
    /// How long ago it was sent.
    pub waited: Duration,
}

impl fmt::Display for UnansweredCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let UnansweredCall { region, action, waited } = self;
        write!(f, "AWS has not answered {action} in {region} for {} s", waited.as_secs())
    }
}

/// Admits calls at the configured share of AWS's limits.
#[derive(Debug)]
pub(super) struct Limiter {
    percent: u8,
    /// The shares of accounts that have one of their own.
    shares: Mutex<BTreeMap<AccountId, u8>>,
    start: Instant,
    queues: Mutex<ActionQueues>,
    sums: CallSums,
}

/// The actions of all accounts and regions.
#[derive(Debug, Default)]
struct ActionQueues {
    /// Those that are or may soon be called.
    used: BTreeMap<(Scope, &'static str), Arc<ActionQueue>>,
    /// What is left of those that rest.
    rested: RestedCounts,
}

/// The state of one action in one account and region.
#[derive(Debug)]
struct ActionQueue {
    scope: Scope,
    action: &'static str,
    start: Instant,
    allowance: Mutex<Allowance>,
    tally: Mutex<CallTally>,
    /// When the calls that AWS has not answered yet were sent.
    unanswered: Mutex<Vec<Duration>>,
    /// The number of waiting calls, by priority. A call waits for all more urgent ones.
    waiting: [AtomicUsize; Priority::ALL.len()],
    /// Held by the first of the calls that are passed on: they go in the order in which they came.
    passing: tokio::sync::Mutex<()>,
}

/// What a call that is passed on lacked when its time was over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unadmitted {
    /// The share of AWS's limits, which others use as well.
    Share,
    /// A turn, of which others had all.
    Turn,
}

/// A call that was admitted. If dropped unfinished, it counts as made, without an outcome.
#[derive(Debug)]
pub(super) struct Admitted {
    queue: Arc<ActionQueue>,
    sums: Arc<ActionSums>,
    sent: Duration,
    span: Span,
}

impl Limiter {
    /// A limiter that takes `percent` of AWS's limits (1 to 100).
    pub(super) fn new(percent: u8) -> Self {
        let percent = percent.clamp(1, 100);
        Limiter {
            percent,
            shares: Mutex::default(),
            start: Instant::now(),
            queues: Mutex::default(),
            sums: CallSums::default(),
        }
    }

    /// Takes `percent` of AWS's limits for calls to this account (1 to 100).
    pub(super) fn share(&self, account: &AccountId, percent: u8) {
        let percent = percent.clamp(1, 100);
        if self.shares.lock().insert(account.clone(), percent).unwrap_or(self.percent) != percent {
            // Made again with the new share by the next call.
            self.queues.lock().used.retain(|(scope, _), _| scope.account != *account);
        }
    }

    /// Waits until a call of `action` that names `instances` instances is allowed, and counts it.
    pub(super) async fn admit(
        &self,
        scope: &Scope,
        action: &'static str,
        priority: Priority,
        instances: usize,
    ) -> Admitted {
        let waiting = tracing::info_span!(target: SPANS, "limiter", muster.action = action);
        let queue = self.queue(scope, action);
        let begun = queue.start.elapsed();
        let sent = {
            let _waiting = WaitingCall::new(&queue, priority);
            loop {
                if queue.is_outranked(priority) {
                    sleep(OUTRANKED).await;
                    continue;
                }
                let now = queue.start.elapsed();
                let taken = queue.allowance.lock().take(priority, instances, now);
                match taken {
                    Ok(()) => break now,
                    Err(wait) => sleep(wait).await,
                }
            }
        };
        drop(waiting);
        self.admitted(queue, priority, begun, sent)
    }

    /// Waits until a call that is passed on is allowed and gets one of `turns`, and counts it. It takes no turn while it waits for the
    /// share, so that no action holds up another one, and nothing of the share while it waits for a turn.
    ///
    /// # Errors
    /// What it lacked at `until`.
    pub(super) async fn admit_in_turn(
        &self,
        scope: &Scope,
        action: &'static str,
        turns: &PassTurns,
        until: Instant,
    ) -> Result<(Admitted, PassTurn), Unadmitted> {
        let waiting = tracing::info_span!(target: SPANS, "limiter", muster.action = action);
        let queue = self.queue(scope, action);
        let begun = queue.start.elapsed();
        let Ok((sent, turn)) = timeout_at(until, queue.turn(turns)).await else {
            return Err(if queue.may_pass() { Unadmitted::Turn } else { Unadmitted::Share });
        };
        drop(waiting);
        Ok((self.admitted(queue, Priority::Passed, begun, sent), turn))
    }

    fn admitted(&self, queue: Arc<ActionQueue>, priority: Priority, begun: Duration, sent: Duration) -> Admitted {
        self.sums.waited(priority, sent.saturating_sub(begun));
        queue.tally.lock().sent(sent);
        queue.unanswered.lock().push(sent);
        let span = call_span(&queue.scope, queue.action);
        Admitted { sums: self.sums.of(queue.action), sent, span, queue }
    }

    /// The calls so far, by account, region and action.
    pub(super) fn calls(&self) -> Vec<CallCount> {
        let queues = self.queues.lock();
        let used: Vec<Arc<ActionQueue>> = queues.used.values().cloned().collect();
        let rested: Vec<_> =
            queues.rested.all().map(|(scope, action, totals)| (scope.clone(), action, totals)).collect();
        drop(queues);
        let rested = rested.into_iter().map(|(scope, action, totals)| self.new_queue(&scope, action, totals).count());
        let mut calls: Vec<CallCount> = used.iter().map(|queue| queue.count()).chain(rested).collect();
        calls.sort_by(|one, other| {
            (&one.account, &one.region, one.action).cmp(&(&other.account, &other.region, other.action))
        });
        calls
    }

    /// The calls that have ended, by action, over all accounts and regions.
    pub(super) fn totals(&self) -> Vec<CountedCalls> {
        self.sums.calls()
    }

    /// How long calls waited until they could go, by the name of their priority.
    pub(super) fn waits(&self) -> Vec<(&'static str, CountedDurations)> {
        self.sums.waits()
    }

    /// The lowest present rate of each action as a part of the share, of all accounts and regions where it is used.
    pub(super) fn paces(&self) -> BTreeMap<&'static str, f64> {
        let queues: Vec<Arc<ActionQueue>> = self.queues.lock().used.values().cloned().collect();
        let (now, mut paces) = (self.start.elapsed(), BTreeMap::new());
        for queue in queues {
            let allowance = queue.allowance.lock();
            let pace = (allowance.per_second(now) / allowance.share_per_second()).min(1.0);
            paces.entry(queue.action).and_modify(|lowest: &mut f64| *lowest = lowest.min(pace)).or_insert(pace);
        }
        paces
    }

    /// The call that AWS has not answered for the longest time, if for `patience` at least; with `of`, of this account.
    pub(super) fn unanswered(&self, patience: Duration, of: Option<&AccountId>) -> Option<UnansweredCall> {
        let now = self.start.elapsed();
        let queues = self.queues.lock();
        let first = |of: &AccountId| (Scope { account: of.clone(), region: Region::new("") }, "");
        let from = of.map_or(Bound::Unbounded, |of| Bound::Included(first(of)));
        let asked = queues.used.range((from, Bound::Unbounded)).map(|(_, queue)| queue);
        let asked = asked.take_while(|queue| of.is_none_or(|of| queue.scope.account == *of));
        let oldest = asked.filter_map(|queue| Some((queue.unanswered.lock().iter().min().copied()?, queue)));
        let (sent, queue) = oldest.min_by_key(|(sent, _)| *sent)?;
        let waited = now.saturating_sub(sent);
        (waited >= patience).then(|| UnansweredCall {
            region: queue.scope.region.clone(),
            action: queue.action,
            waited,
        })
    }

    /// Keeps no more than the counts of the actions of a scope, because it is not called for long. One that was called within the last
    /// minute, or whose allowance is not whole, stays as it is.
    pub(super) fn rest(&self, scope: &Scope) {
        let now = self.start.elapsed();
        let mut queues = self.queues.lock();
        let ActionQueues { used, rested } = &mut *queues;
        let of_scope = used.range((scope.clone(), "")..).take_while(|((of, _), _)| of == scope);
        // Nobody else has one: it is given away only while the queues are locked.
        let rests = of_scope.filter(|(_, queue)| Arc::strong_count(queue) == 1 && queue.rests(now));
        let those: Vec<(&'static str, CallTotals)> =
            rests.map(|((_, action), queue)| (*action, queue.tally.lock().totals())).collect();
        for (action, totals) in those {
            used.remove(&(scope.clone(), action));
            rested.put(scope, action, totals);
        }
    }

    fn queue(&self, scope: &Scope, action: &'static str) -> Arc<ActionQueue> {
        let mut queues = self.queues.lock();
        let ActionQueues { used, rested } = &mut *queues;
        let make = || Arc::new(self.new_queue(scope, action, rested.take(scope, action)));
        Arc::clone(used.entry((scope.clone(), action)).or_insert_with(make))
    }

    fn new_queue(&self, scope: &Scope, action: &'static str, before: CallTotals) -> ActionQueue {
        let own = self.shares.lock().get(&scope.account).copied();
        let percent = documented::share(action, own.unwrap_or(self.percent));
        let (requests, instances) = (documented::requests(action), documented::instances(action));
        ActionQueue {
            scope: scope.clone(),
            action,
            start: self.start,
            allowance: Mutex::new(Allowance::new(requests, instances, percent)),
            tally: Mutex::new(CallTally::of(before)),
            unanswered: Mutex::default(),
            waiting: [const { AtomicUsize::new(0) }; Priority::ALL.len()],
            passing: tokio::sync::Mutex::default(),
        }
    }
}

/// The span of a call, as OpenTelemetry's conventions for the AWS SDK have it.
fn call_span(scope: &Scope, action: &'static str) -> Span {
    if !tracing::span_enabled!(target: SPANS, Level::INFO) {
        return Span::none();
    }
    // The service is EC2 in `ec2:DescribeInstances`.
    let (service, operation) = action.split_once(':').unwrap_or(("aws", action));
    let method = format!("{}/{operation}", service.to_uppercase());
    tracing::info_span!(
        target: SPANS,
        "call",
        otel.name = method,
        otel.kind = "client",
        otel.status_code = Empty,
        rpc.system.name = "aws-api",
        rpc.method = method,
        cloud.provider = "aws",
        cloud.region = scope.region.as_str(),
        cloud.account.id = scope.account.as_str(),
        aws.request_id = Empty,
        error.r#type = Empty,
    )
}

impl Admitted {
    /// The span of the call.
    pub(super) fn span(&self) -> &Span {
        &self.span
    }

    /// Records how the call ended: throttling slows its action down.
    pub(super) fn finished(self, outcome: AttemptOutcome) {
        let Admitted { queue, sums, sent, .. } = &self;
        queue.tally.lock().ended(outcome);
        sums.ended(outcome);
        if outcome != AttemptOutcome::Throttled {
            return;
        }
        let now = queue.start.elapsed();
        let mut allowance = queue.allowance.lock();
        allowance.throttled(*sent, now);
        let per_second = allowance.per_second(now);
        drop(allowance);
        tracing::warn!(aws.action = queue.action, scope = %queue.scope, per_second, "throttled by AWS, slowing down");
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let mut unanswered = self.queue.unanswered.lock();
        if let Some(place) = unanswered.iter().position(|sent| *sent == self.sent) {
            unanswered.swap_remove(place);
        }
    }
}

impl ActionQueue {
    /// Waits for the share and a turn for a call that is passed on, and takes both at once. Also gives when.
    async fn turn(&self, turns: &PassTurns) -> (Duration, PassTurn) {
        let _first = self.passing.lock().await;
        loop {
            if self.is_outranked(Priority::Passed) {
                sleep(OUTRANKED).await;
                continue;
            }
            let lacked = self.allowance.lock().clone().take(Priority::Passed, 0, self.start.elapsed());
            if let Err(wait) = lacked {
                sleep(wait).await;
                continue;
            }
            let turn = turns.turn(&self.scope).await;
            let now = self.start.elapsed();
            // Others may have used the share meanwhile.
            let is_taken =
                !self.is_outranked(Priority::Passed) && self.allowance.lock().take(Priority::Passed, 0, now).is_ok();
            if is_taken {
                return (now, turn);
            }
        }
    }

    /// Whether a call that is passed on may go now.
    fn may_pass(&self) -> bool {
        let allows = || self.allowance.lock().clone().take(Priority::Passed, 0, self.start.elapsed()).is_ok();
        !self.is_outranked(Priority::Passed) && allows()
    }

    fn is_outranked(&self, priority: Priority) -> bool {
        self.waiting.iter().take(priority as usize).any(|waiting| waiting.load(Ordering::Relaxed) > 0)
    }

    /// Whether it is as if it had not been called for a minute.
    fn rests(&self, now: Duration) -> bool {
        self.tally.lock().last_minute(now) == 0 && self.allowance.lock().is_untouched(now)
    }

    fn count(&self) -> CallCount {
        let now = self.start.elapsed();
        let (pace, share) = {
            let allowance = self.allowance.lock();
            (allowance.per_second(now), allowance.share_per_second())
        };
        let tally = self.tally.lock();
        CallCount {
            account: self.scope.account.clone(),
            region: self.scope.region.clone(),
            action: self.action,
            total: tally.totals().total,
            throttled: tally.totals().throttled,
            failed: tally.totals().failed,
            last_minute: tally.last_minute(now),
            pace_per_second: pace,
            share_per_second: share,
            documented_per_second: documented::requests(self.action).rate,
        }
    }
}

/// Counts a call as waiting while this value lives.
struct WaitingCall<'a>(&'a AtomicUsize);

impl<'a> WaitingCall<'a> {
    fn new(queue: &'a ActionQueue, priority: Priority) -> Option<Self> {
        let count = queue.waiting.get(priority as usize)?;
        count.fetch_add(1, Ordering::Relaxed);
        Some(WaitingCall(count))
    }
}

impl Drop for WaitingCall<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
