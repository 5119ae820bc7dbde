//! Sweeps: full listings of one kind in one scope, page after page, again and again.
//!
//! The state machine is `Sweep::step`, which is pure; [`sweeps`] drives it with a lister, the clocks and the waits. What
//! a sweep means (who is new, who is gone) is for the reader of its messages to decide.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures::Stream;
use futures::stream::unfold;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, sleep_until};

use super::backoff::Backoff;
use crate::aws::{Aws, AwsError, Class, Listed};
use crate::kinds::{Item, KindSpec};
use crate::model::{Scope, SharedClock, Timestamp};

/// How often in a row a page may fail before its sweep is given up.
const PAGE_FAILURES: u32 = 5;
/// How long a page may go on failing before its sweep is given up, so that trouble shows while attempts time out.
const PAGE_PATIENCE: Duration = Duration::from_mins(1);
/// How often a sweep starts over because AWS no longer takes a page token.
const RESTARTS: u32 = 3;
/// The pause before asking again for what a policy denies: only a person changes that.
const DENIED_PAUSE: Duration = Duration::from_mins(5);
/// The pause before asking again what cannot succeed as configured: a login in another window may mend it.
const FATAL_PAUSE: Duration = Duration::from_secs(30);

/// Lists pages of a kind. [`Aws`] does; tests have their own.
pub trait List: Send + Sync {
    /// One page of everything of a kind in a scope.
    fn page(
        &self,
        scope: &Scope,
        spec: &'static KindSpec,
        token: Option<String>,
    ) -> impl Future<Output = Result<Listed, AwsError>> + Send;
}

impl List for Aws {
    /// Confirms at both ends of a listing that it is the scope's account that answers: credentials can change under a
    /// running process, and another account's empty listing would read as everything gone.
    async fn page(&self, scope: &Scope, spec: &'static KindSpec, token: Option<String>) -> Result<Listed, AwsError> {
        let first = token.is_none();
        if first {
            self.confirm(scope).await?;
        }
        let listed = Aws::page(self, scope, spec, token).await?;
        if listed.next.is_none() {
            self.confirm(scope).await?;
        }
        Ok(listed)
    }
}

/// What to sweep, and how often.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Where.
    pub scope: Scope,
    /// What.
    pub spec: &'static KindSpec,
    /// From the start of one sweep to the start of the next, less up to a tenth. A sweep that takes longer is followed
    /// by the next at once; two never overlap. It may change at any time: a shorter one also counts from the last start, so that
    /// a sweep that it makes overdue begins at once; a longer one counts from the next sweep on.
    pub interval: watch::Receiver<Duration>,
    /// Asks for a sweep now; asked during a sweep, for another one right after it.
    pub trigger: Arc<Notify>,
}

impl Plan {
    /// Sweeps of a kind in a scope at the kind's own interval.
    #[must_use]
    pub fn new(scope: Scope, spec: &'static KindSpec) -> Self {
        let (_, interval) = watch::channel(spec.interval);
        Plan { scope, spec, interval, trigger: Arc::default() }
    }
}

/// One step of a sweep.
#[derive(Clone, Debug)]
pub struct Message {
    /// Where.
    pub scope: Scope,
    /// What is swept.
    pub spec: &'static KindSpec,
    /// The step.
    pub what: What,
}

/// What happened.
#[derive(Clone, Debug)]
pub enum What {
    /// A sweep begins. If one was under way it has started over, and what it showed proves no absence.
    Started {
        /// In AWS time.
        at: Timestamp,
    },
    /// A page is there.
    Page {
        /// AWS time when it was asked for.
        sent_at: Timestamp,
        /// The resources on it; there may be none.
        items: Vec<Item>,
    },
    /// Every page since the last [`What::Started`] was answered: what was on none of them was not listed.
    Completed {
        /// When the sweep began, in AWS time.
        started: Timestamp,
        /// When its last page was there, in AWS time.
        ended: Timestamp,
    },
    /// The sweep was given up: what it did not show may well exist.
    Failed {
        /// Why.
        error: AwsError,
        /// When the next sweep begins, in AWS time.
        will_retry_at: Timestamp,
    },
}

/// A sweep under way.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Sweep {
    /// When it began, in AWS time.
    started: Timestamp,
    /// The page to ask for next; `None` is the first.
    token: Option<String>,
    /// How often that page has failed in a row.
    failures: u32,
    /// How long that page has been failing.
    failing: Duration,
    /// How often the sweep has started over.
    restarts: u32,
}

/// What to do after an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Next {
    /// Ask for the next page.
    Ask(Sweep),
    /// The last page was there.
    Complete,
    /// Ask for the same page again, after a pause: a page that succeeds on retry counts.
    Retry(Sweep),
    /// Start over: AWS does not take the token any more.
    Restart {
        /// How often, this time included.
        restarts: u32,
    },
    /// Leave it.
    GiveUp,
}

impl Sweep {
    fn new(started: Timestamp, restarts: u32) -> Self {
        Sweep { started, token: None, failures: 0, failing: Duration::ZERO, restarts }
    }

    /// `answer` is the next page's token, or the failure; `took` is how long the answer took, with the pause before it.
    fn step(self, answer: Result<Option<String>, &AwsError>, took: Duration) -> Next {
        match answer {
            // AWS has more: each page's token is good for the next one.
            Ok(Some(token)) => Next::Ask(Sweep { token: Some(token), failures: 0, failing: Duration::ZERO, ..self }),
            // AWS has no more.
            Ok(None) => Next::Complete,
            // The token has expired, or a deployment of AWS forgot it.
            Err(error) if self.token.is_some() && error.is_token_refused() => {
                let restarts = self.restarts + 1;
                if restarts > RESTARTS { Next::GiveUp } else { Next::Restart { restarts } }
            }
            // A failure of the moment: the page is asked for again, with the same token.
            Err(error) if matches!(error.class, Class::Throttled | Class::Transient) => {
                let (failures, failing) = (self.failures + 1, self.failing + took);
                if failures >= PAGE_FAILURES || failing >= PAGE_PATIENCE {
                    Next::GiveUp
                } else {
                    Next::Retry(Sweep { failures, failing, ..self })
                }
            }
            // Denied or impossible: asking again now changes nothing.
            Err(_) => Next::GiveUp,
        }
    }
}

/// The driver's place between two messages.
#[derive(Debug)]
enum State {
    /// Until the next sweep is due, after one that completed. The interval counts for `part` of it.
    Resting { part: f64 },
    /// Until it is tried again, after one that was given up.
    Waiting { due: Instant },
    /// A sweep begins now.
    Starting { restarts: u32 },
    /// A page is to be asked for, after a pause.
    Paging { sweep: Sweep, pause: Duration },
    /// The last page was delivered.
    Ending { started: Timestamp },
}

struct Driver<L> {
    lister: L,
    clock: SharedClock,
    plan: Plan,
    state: State,
    backoff: Backoff,
    /// When the sweep under way, or the last one, began.
    began: Instant,
}

/// Sweeps without end, the first at once. Dropping the stream ends them; a page under way is abandoned.
///
/// The stream never ends by itself and never fails: a sweep that fails is a [`What::Failed`], and the next one follows
/// after a pause that grows with failures in a row (5 minutes when denied, so that a kind without permission disturbs
/// nobody). Nothing is asked of AWS while nobody polls the stream.
pub fn sweeps<L: List + 'static>(lister: L, clock: SharedClock, plan: Plan) -> impl Stream<Item = Message> + Send {
    let state = State::Starting { restarts: 0 };
    let driver = Driver { lister, clock, plan, state, backoff: Backoff::new(), began: Instant::now() };
    unfold(driver, |mut driver| async move {
        let what = driver.next().await;
        let message = Message { scope: driver.plan.scope.clone(), spec: driver.plan.spec, what };
        Some((message, driver))
    })
}

impl<L: List> Driver<L> {
    async fn next(&mut self) -> What {
        loop {
            match std::mem::replace(&mut self.state, State::Starting { restarts: 0 }) {
                State::Resting { part } => {
                    self.rest(part).await;
                    self.state = State::Starting { restarts: 0 };
                }
                State::Waiting { due } => {
                    tokio::select! {
                        () = sleep_until(due) => {}
                        () = self.plan.trigger.notified() => {}
                    }
                    self.state = State::Starting { restarts: 0 };
                }
                State::Starting { restarts } => {
                    let at = self.clock.now();
                    if restarts == 0 {
                        self.began = Instant::now();
                    }
                    self.state = State::Paging { sweep: Sweep::new(at, restarts), pause: Duration::ZERO };
                    return What::Started { at };
                }
                State::Paging { sweep, pause } => {
                    let asked = Instant::now();
                    sleep(pause).await;
                    let answer = self.lister.page(&self.plan.scope, self.plan.spec, sweep.token.clone()).await;
                    if let Some(what) = self.answered(sweep, answer, asked.elapsed()) {
                        return what;
                    }
                }
                State::Ending { started } => {
                    self.state = State::Resting { part: jitter() };
                    return What::Completed { started, ended: self.clock.now() };
                }
            }
        }
    }

    /// Waits until the next sweep is due. Only ever shortened: what was due by a shorter interval stays due.
    async fn rest(&mut self, part: f64) {
        let Plan { interval, trigger, .. } = &mut self.plan;
        let mut due = self.began + interval.borrow_and_update().mul_f64(part);
        loop {
            tokio::select! {
                () = sleep_until(due) => return,
                () = trigger.notified() => return,
                interval = changed(interval) => due = due.min(self.began + interval.mul_f64(part)),
            }
        }
    }

    /// Takes an answer in; gives the message that came of it, if one did.
    fn answered(&mut self, sweep: Sweep, answer: Result<Listed, AwsError>, took: Duration) -> Option<What> {
        let started = sweep.started;
        let next = sweep.step(answer.as_ref().map(|listed| listed.next.clone()), took);
        match answer {
            Ok(Listed { items, sent_at, .. }) => {
                self.backoff.succeeded();
                self.state = match next {
                    Next::Ask(sweep) => State::Paging { sweep, pause: Duration::ZERO },
                    _ => State::Ending { started },
                };
                Some(What::Page { sent_at, items })
            }
            Err(error) => {
                tracing::debug!(%error, "a page failed");
                match next {
                    Next::Retry(sweep) => self.state = State::Paging { sweep, pause: self.backoff.failed() },
                    Next::Restart { restarts } => self.state = State::Starting { restarts },
                    _ => return Some(self.given_up(error)),
                }
                None
            }
        }
    }

    fn given_up(&mut self, error: AwsError) -> What {
        let pause = match error.class {
            Class::Denied => DENIED_PAUSE,
            Class::Throttled | Class::Transient => self.backoff.failed(),
            Class::NotFound | Class::Fatal | Class::DryRun => FATAL_PAUSE,
        };
        self.state = State::Waiting { due: Instant::now() + pause };
        What::Failed { error, will_retry_at: self.clock.now() + pause }
    }
}

/// The part of an interval that counts: less up to a tenth, so that sweeps of many scopes and processes spread out. Never more: what is
/// older than an interval counts as stale.
fn jitter() -> f64 {
    0.9 + 0.1 * fastrand::f64()
}

/// The interval when it changes; never when nobody can change it.
async fn changed(interval: &mut watch::Receiver<Duration>) -> Duration {
    match interval.changed().await {
        Ok(()) => *interval.borrow_and_update(),
        Err(_) => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
