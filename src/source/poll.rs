//! Sweeps: full listings of one kind in one scope, page after page, again and again.
//!
//! The state machine is `SweepProgress::step`, which is pure; [`Sweeping`] drives it with a lister, the clocks and the waits. The
//! reader of its messages decides which resources are new or gone.

mod gate;
mod interval;
mod page_walk;
mod progress;
mod rest;
pub mod trigger;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures::Stream;
use futures::stream::unfold;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

use super::backoff::Patience;
use crate::aws::AwsError;
use crate::kinds::KindSpec;
use crate::model::{ErrorClass, LeftOut, Page, Scope, SharedClock, SweepMessage, SweepStep};

pub use gate::Gate;
use gate::Turn;
pub use interval::SweepInterval;
use page_walk::{Bounds, Endless};
use progress::{NextStep, SMALLEST, SweepProgress, shown};
pub use rest::SweepRest;
use trigger::SweepTrigger;

/// By how much a page that is too large is made smaller.
const SHRINK: u32 = 4;

/// Lists pages of a kind. A [`Sweeper`](super::sweeper::Sweeper) does; tests have their own.
pub trait ListPages: Send + Sync {
    /// One page of everything of a kind in a scope, with at most `size` resources on it.
    fn page(
        &self,
        scope: &Scope,
        spec: &'static KindSpec,
        token: Option<String>,
        size: i32,
    ) -> impl Future<Output = Result<Page, AwsError>> + Send;
}

/// What to sweep, how often, and when to start early.
#[derive(Clone, Debug)]
pub struct SweepPlan {
    /// The scope.
    pub scope: Scope,
    /// The kind.
    pub spec: &'static KindSpec,
    /// From the start of one sweep to the start of the next, less up to a tenth. A sweep that takes longer is followed
    /// by the next at once; two never overlap. It may change at any time: a shorter one also counts from the last start, so that
    /// a sweep that it makes overdue begins at once; a longer one counts from the next sweep on.
    pub interval: Arc<SweepInterval>,
    /// Requests a sweep now, or during a sweep another one right after it.
    pub trigger: Arc<SweepTrigger>,
    /// Decides which kind of the scope may call AWS after a refusal; shared by all kinds of the scope.
    pub gate: Arc<Gate>,
}

impl SweepPlan {
    /// Sweeps of a kind in a scope at the kind's own interval.
    #[must_use]
    pub fn new(scope: Scope, spec: &'static KindSpec) -> Self {
        let interval = Arc::new(SweepInterval::new(spec.interval));
        SweepPlan { scope, spec, interval, trigger: Arc::default(), gate: Arc::default() }
    }
}

/// The state of the driver between two messages.
#[derive(Debug)]
enum SweepState {
    /// Waits until the next sweep is due.
    Resting(SweepRest),
    /// Waits until a sweep that was given up is tried again.
    Waiting { due: Instant },
    /// Waits until the scope's gate allows a call; `told` is the time that was reported for that.
    Blocked { told: Option<Instant> },
    /// A sweep begins now.
    Starting { restarts: u32 },
    /// Requests a page, after a pause.
    Paging { sweep: Box<SweepProgress>, pause: Duration },
    /// The last page was delivered.
    Ending { sweep: Box<SweepProgress> },
    /// All messages of the sweep but its completion were delivered.
    Ended,
}

/// The sweeps of one kind in one scope, one after the other. It is small while none runs.
pub struct Sweeping<L> {
    lister: L,
    clock: SharedClock,
    plan: SweepPlan,
    state: SweepState,
    patience: Patience,
    /// How many resources a page should hold.
    size: i32,
    bounds: Bounds,
    /// The optional parameters that the last complete sweep was made without.
    left_out: LeftOut,
    /// Changes when somebody wants failed sweeps tried at once.
    calls: watch::Receiver<u64>,
    /// When the sweep under way began.
    began: Instant,
}

/// When sweeps want to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wakes {
    /// Now.
    Now,
    /// At this time, or when something changes.
    At(Instant),
    /// When the turn order of the scope changes.
    Changed,
}

/// Sweeps without end, the first at once. Dropping the stream ends them; a page under way is abandoned. See [`Sweeping::next`].
pub fn sweeps<L: ListPages + 'static>(
    lister: L,
    clock: SharedClock,
    plan: SweepPlan,
) -> impl Stream<Item = SweepMessage> + Send {
    unfold(Sweeping::new(lister, clock, plan), |mut sweeping| async move {
        let message = sweeping.next().await;
        Some((message, sweeping))
    })
}

impl<L> Sweeping<L> {
    /// Sweeps as planned, the first of them at once.
    #[must_use]
    pub fn new(lister: L, clock: SharedClock, plan: SweepPlan) -> Self {
        Sweeping {
            lister,
            clock,
            state: SweepState::Starting { restarts: 0 },
            patience: Patience::default(),
            size: plan.spec.max_results,
            bounds: Bounds::default(),
            left_out: LeftOut::default(),
            calls: plan.gate.calls(),
            began: Instant::now(),
            plan,
        }
    }

    /// Goes on after a rest, as [`Sweeping::rest`] told it.
    #[must_use]
    pub fn resume(lister: L, clock: SharedClock, plan: SweepPlan, rest: SweepRest) -> Self {
        Sweeping { state: SweepState::Resting(rest), ..Sweeping::new(lister, clock, plan) }
    }

    /// How long these sweeps rest, if they can be made anew after it as they are: the last one was complete, had one page, and taught
    /// nothing that the next has to know.
    #[must_use]
    pub fn rest(&self) -> Option<SweepRest> {
        let SweepState::Resting(rest) = &self.state else { return None };
        let is_whole = self.size == self.plan.spec.max_results && self.left_out.names().is_empty();
        let is_plain = is_whole && self.bounds.are_plain();
        (is_plain && !self.plan.trigger.is_requested()).then_some(*rest)
    }

    /// What is swept, and how often.
    #[must_use]
    pub fn plan(&self) -> &SweepPlan {
        &self.plan
    }

    /// When [`Sweeping::next`] has something to do. It may be left alone until then.
    #[must_use]
    pub fn wakes(&self) -> Wakes {
        match &self.state {
            SweepState::Resting(_) | SweepState::Waiting { .. } if self.plan.trigger.is_requested() => Wakes::Now,
            SweepState::Resting(rest) => Wakes::At(rest.due(self.plan.interval.get())),
            SweepState::Waiting { .. } if self.calls.has_changed().unwrap_or(false) => Wakes::Now,
            SweepState::Waiting { due } => Wakes::At(*due),
            SweepState::Blocked { told } => match self.plan.gate.turn(self.plan.spec.slug) {
                Turn::Go => Wakes::Now,
                Turn::Wait { at, .. } if *told != Some(at) => Wakes::Now,
                Turn::Wait { at, own: true, .. } => Wakes::At(at),
                Turn::Wait { own: false, .. } => Wakes::Changed,
            },
            SweepState::Starting { .. } | SweepState::Paging { .. } | SweepState::Ending { .. } | SweepState::Ended => {
                Wakes::Now
            }
        }
    }
}

impl<L: ListPages> Sweeping<L> {
    /// The next message. It waits while no sweep is due.
    ///
    /// It never ends and never fails: a sweep that fails is a [`SweepStep::Failed`], and the next one follows after a pause that
    /// grows with failures in a row: seconds if it may pass by itself, minutes if somebody has to fix it, and then in turn with the
    /// other kinds of the scope ([`Gate`]). Nothing is asked of AWS while nobody waits for a message.
    pub async fn next(&mut self) -> SweepMessage {
        let step = self.step().await;
        SweepMessage { scope: self.plan.scope.clone(), kind: self.plan.spec.kind(), step }
    }

    async fn step(&mut self) -> SweepStep {
        loop {
            match std::mem::replace(&mut self.state, SweepState::Starting { restarts: 0 }) {
                SweepState::Resting(rest) => {
                    self.until_due(rest).await;
                    self.state = SweepState::Starting { restarts: 0 };
                }
                SweepState::Waiting { due } => {
                    tokio::select! {
                        () = sleep_until(due) => {}
                        () = self.plan.trigger.requested() => {}
                        () = called(&mut self.calls) => {}
                    }
                    self.state = SweepState::Starting { restarts: 0 };
                }
                SweepState::Blocked { told } => {
                    if let Some(step) = self.blocked(told).await {
                        return step;
                    }
                }
                SweepState::Starting { restarts } => {
                    if self.plan.gate.turn(self.plan.spec.slug) != Turn::Go {
                        self.state = SweepState::Blocked { told: None };
                        continue;
                    }
                    let at = self.clock.now();
                    if restarts == 0 {
                        self.began = Instant::now();
                    }
                    self.state =
                        SweepState::Paging { sweep: Box::new(SweepProgress::new(restarts)), pause: Duration::ZERO };
                    return SweepStep::Started { at };
                }
                SweepState::Paging { sweep, pause } => {
                    let asked = Instant::now();
                    sleep(pause).await;
                    let SweepPlan { scope, spec, .. } = &self.plan;
                    let answer = self.lister.page(scope, spec, sweep.token.clone(), self.size).await;
                    if let Some(step) = self.answered(*sweep, answer, asked.elapsed()) {
                        return step;
                    }
                }
                SweepState::Ending { sweep } => {
                    self.state = SweepState::Ended;
                    self.bounds.completed(&sweep.walk);
                    self.patience.succeeded();
                    let left_out = sweep.left_out;
                    let before = std::mem::replace(&mut self.left_out, left_out.clone());
                    if !before.names().is_empty() || !left_out.names().is_empty() {
                        let first = before != left_out;
                        return SweepStep::LeftOut { names: left_out, first };
                    }
                }
                SweepState::Ended => {
                    self.state = SweepState::Resting(SweepRest::new(self.began, jitter(), self.plan.interval.get()));
                    return SweepStep::Completed { ended: self.clock.now() };
                }
            }
        }
    }

    /// Waits until the next sweep is due. A change of the interval can only shorten the wait.
    async fn until_due(&mut self, mut rest: SweepRest) {
        let SweepPlan { interval, trigger, .. } = &self.plan;
        loop {
            rest.shorten(interval.get());
            tokio::select! {
                () = sleep_until(rest.due(interval.get())) => return,
                () = trigger.requested() => return,
                () = interval.changed() => {}
            }
        }
    }

    /// Waits until the gate allows a call. Returns a message each time the expected time changes.
    async fn blocked(&mut self, told: Option<Instant>) -> Option<SweepStep> {
        let mut changes = self.plan.gate.changes();
        match self.plan.gate.turn(self.plan.spec.slug) {
            Turn::Go => self.state = SweepState::Starting { restarts: 0 },
            Turn::Wait { at, error, .. } if told != Some(at) => {
                self.state = SweepState::Blocked { told: Some(at) };
                return Some(self.failed(&error, at));
            }
            Turn::Wait { at, own, .. } => {
                self.state = SweepState::Blocked { told };
                tokio::select! {
                    () = sleep_until(at), if own => {}
                    () = called(&mut changes) => {}
                }
            }
        }
        None
    }

    /// Processes an answer, and returns a message if there is one.
    fn answered(
        &mut self,
        mut sweep: SweepProgress,
        answer: Result<Page, AwsError>,
        took: Duration,
    ) -> Option<SweepStep> {
        if let Ok(page) = &answer {
            page.left_out.names().iter().for_each(|name| sweep.left_out.add(name));
        }
        let next = sweep.step(answer.as_ref().map(shown), took, self.size, &self.bounds);
        match answer {
            Ok(page) => {
                self.patience.answered();
                self.plan.gate.answered(self.plan.spec.slug);
                self.state = match next {
                    NextStep::Ask(sweep) => SweepState::Paging { sweep: Box::new(sweep), pause: Duration::ZERO },
                    NextStep::Complete(sweep) => SweepState::Ending { sweep: Box::new(sweep) },
                    NextStep::Stop(endless) => return Some(self.stopped(endless)),
                    // None of these follows an answer.
                    NextStep::Retry(_) | NextStep::Restart { .. } | NextStep::Shrink | NextStep::GiveUp => {
                        SweepState::Starting { restarts: 0 }
                    }
                };
                Some(SweepStep::Page(page))
            }
            Err(error) => {
                tracing::debug!(%error, "a page failed");
                match next {
                    NextStep::Retry(sweep) => {
                        let pause = self.patience.failed(&error);
                        self.state = SweepState::Paging { sweep: Box::new(sweep), pause };
                        let now = self.clock.now();
                        Some(SweepStep::Stumbled { trouble: error.to_trouble(now).retried_at(now + pause) })
                    }
                    NextStep::Restart { restarts } => {
                        self.state = SweepState::Starting { restarts };
                        None
                    }
                    NextStep::Shrink => {
                        self.size = (self.size / SHRINK.cast_signed()).max(SMALLEST);
                        self.bounds.shrunk(SHRINK);
                        tracing::info!(%error, size = self.size, "pages are too large: smaller ones from now on");
                        self.state = SweepState::Starting { restarts: 0 };
                        None
                    }
                    NextStep::Ask(_) | NextStep::Complete(_) | NextStep::Stop(_) | NextStep::GiveUp => {
                        Some(self.given_up(&error))
                    }
                }
            }
        }
    }

    fn stopped(&mut self, endless: Endless) -> SweepStep {
        self.bounds.given_up(endless);
        let SweepPlan { scope, spec, .. } = &self.plan;
        self.given_up(&AwsError::endless(&endless.to_string(), spec.action(), &scope.region))
    }

    fn given_up(&mut self, error: &AwsError) -> SweepStep {
        let kind = self.plan.spec.slug;
        let by_turns = matches!(error.class, ErrorClass::Denied | ErrorClass::Fatal)
            && (error.is_about_scope() || error.class == ErrorClass::Denied);
        let at = if by_turns {
            let at = self.plan.gate.refused(kind, error);
            self.state = SweepState::Blocked { told: Some(at) };
            at
        } else {
            let pause = self.patience.failed(error);
            self.plan.gate.unsure(kind, pause);
            let due = Instant::now() + pause;
            self.calls.mark_unchanged();
            self.state = SweepState::Waiting { due };
            due
        };
        self.failed(error, at)
    }

    fn failed(&self, error: &AwsError, at: Instant) -> SweepStep {
        let (kind, scope) = (self.plan.spec.slug, &self.plan.scope);
        let now = self.clock.now();
        let will_retry_at = now + at.saturating_duration_since(Instant::now());
        tracing::warn!(%scope, kind, %error, fix = error.fix(), %will_retry_at, "sweep given up");
        SweepStep::Failed { trouble: error.to_trouble(now).retried_at(will_retry_at) }
    }
}

/// Waits for the next change; for ever when the sender is gone.
async fn called(changes: &mut watch::Receiver<u64>) {
    if changes.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// The part of an interval after which the next sweep starts: up to a tenth less, so that sweeps of many scopes and processes
/// spread out; never more, because a copy older than an interval counts as stale.
fn jitter() -> f64 {
    0.9 + 0.1 * fastrand::f64()
}

#[cfg(test)]
mod tests;
