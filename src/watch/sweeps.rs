//! Passes the sweeps of all kinds of one scope to the writer.
//!
//! One task has the kinds of a scope. Each sweep takes one of the server's [`SweepTurns`]. Once nothing is under way, and no kind knows
//! anything that is to be kept until its next sweep, the scope rests.
//!
//! If another kind is listed by the ids that this one refers to, a sweep with new ids triggers a sweep of that kind. The first
//! sweep of that other kind waits until the ids are known, so that it is complete.

use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use tokio::sync::{Notify, OwnedSemaphorePermit};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::quiet::QuietScope;
use super::refresh::ScopeRefreshers;
use super::tasks::AFTER_PANIC;
use super::turns::{Manner, SweepTurn, SweepTurns};
use crate::freshness::{Freshness, Signal};
use crate::ingest::IngestHandle;
use crate::kinds::KindSpec;
use crate::model::{ErrorClass, Kind, Scope, SharedClock, SweepMessage, SweepStep, Trouble};
use crate::source::poll::trigger::SweepTrigger;
use crate::source::poll::{Gate, SweepInterval, SweepRest, Sweeping, Wakes};
use crate::source::referred::{Referred, ReferredIds};
use crate::source::sweeper::Sweeper;

/// How long to wait for the writer to process the end of a sweep before the ids are read anyway.
const TAKEN_IN: Duration = Duration::from_secs(30);

/// How long a scope may hold others back while what was due does not end.
const AWAKE: Duration = Duration::from_secs(20);

/// How long until it is judged again whether a scope is quiet, while the writer has not taken in the end of its sweeps.
const JUDGED_AGAIN: Duration = Duration::from_millis(100);

/// A kind that is listed by the ids that another refers to.
#[derive(Clone)]
pub(super) struct Referring {
    /// Returns these ids.
    pub(super) ids: ReferredIds,
    /// Requests a sweep of it.
    pub(super) trigger: Arc<SweepTrigger>,
}

/// The sweeps of one kind.
pub(super) struct KindSweeps {
    pub(super) sweeping: Sweeping<Referred<Sweeper>>,
    /// Sets the time from one sweep to the next.
    pub(super) interval: Arc<SweepInterval>,
    /// The interval while the scope is not quiet.
    pub(super) usual: Duration,
    /// The kinds that its first sweep waits for.
    pub(super) waits_for: Vec<Kind>,
    /// The kinds that it refers to.
    pub(super) to: Vec<Referring>,
    /// The ids of each of these that were known after the last sweep.
    pub(super) referred: Vec<BTreeSet<Arc<str>>>,
    /// How the last sweep went.
    pub(super) manner: Manner,
}

/// How long a kind of a scope rests.
#[derive(Clone, Copy, Debug)]
pub(super) struct KindRest {
    pub(super) spec: &'static KindSpec,
    pub(super) rest: SweepRest,
}

/// The sweeps of all kinds of one scope.
pub(super) struct ScopeSweeps {
    pub(super) scope: Scope,
    pub(super) kinds: Vec<KindSweeps>,
    pub(super) gate: Arc<Gate>,
    pub(super) ingest: IngestHandle,
    pub(super) clock: SharedClock,
    pub(super) turns: SweepTurns,
    /// Has this scope look again which sweeps are due. It stands for no question: thousands of quiet scopes may be told at once.
    pub(super) replan: Arc<Notify>,
    /// Wakes this scope: somebody asks about it, or something happened there. If it is quiet, all its kinds are swept.
    pub(super) wake: Arc<Notify>,
    pub(super) refreshers: Arc<ScopeRefreshers>,
}

/// A sweep that runs, or one whose kind waits; the writer has stopped if nothing is returned.
type RunningSweep = BoxFuture<'static, Option<Box<KindSweeps>>>;

impl ScopeSweeps {
    /// Sweeps as planned until the scope may rest, and returns how long each kind does; `None` if the writer has stopped. It can be
    /// cancelled at any await: an unfinished sweep proves nothing. `turn` is given back once what was due is swept, or does not get on.
    pub(super) async fn run(
        self,
        quiet: &mut Option<QuietScope>,
        mut turn: Option<OwnedSemaphorePermit>,
    ) -> Option<Vec<KindRest>> {
        let ScopeSweeps { scope, kinds, gate, ingest, clock, turns, replan, wake, refreshers } = self;
        let triggers: Vec<Arc<SweepTrigger>> =
            kinds.iter().map(|kind| Arc::clone(&kind.sweeping.plan().trigger)).collect();
        // Tells the sweeps that wait for their turn that somebody waits for the scope.
        let hurry = Arc::new(Notify::new());
        // Not collected in place: that would keep the room of the kinds themselves.
        let mut idle: Vec<Box<KindSweeps>> = Vec::with_capacity(kinds.len());
        idle.extend(kinds.into_iter().map(Box::new));
        for kind in &mut idle {
            kind.waits_for.retain(|other| !is_tried(ingest.freshness(), &scope, other));
        }
        let mut running: FuturesUnordered<RunningSweep> = FuturesUnordered::new();
        // When it is judged whether the scope is quiet.
        let mut judged = None::<Instant>;
        let begun = Instant::now();
        let (mut turn_order, mut calls) = (gate.changes(), ingest.freshness().tries());
        loop {
            if judged.is_none()
                && running.is_empty()
                && let Some(rests) = idle.iter().map(|kind| kind.rest()).collect::<Option<Vec<KindRest>>>()
                && refreshers.rest()
            {
                return Some(rests);
            }
            turn_order.mark_unchanged();
            let mut next = None::<Instant>;
            for number in (0..idle.len()).rev() {
                let Some(kind) = idle.get(number) else { continue };
                if !kind.waits_for.is_empty() {
                    continue;
                }
                match kind.sweeping.wakes() {
                    Wakes::At(at) if at > Instant::now() => next = Some(next.map_or(at, |next| next.min(at))),
                    Wakes::Changed => {}
                    Wakes::Now | Wakes::At(_) => {
                        let kind = idle.swap_remove(number);
                        let (ingest, clock, turns) = (ingest.clone(), Arc::clone(&clock), turns.clone());
                        let asked = asked(ingest.freshness().clone(), scope.clone(), Arc::clone(&hurry));
                        running.push(round(kind, ingest, clock, turns, asked).boxed());
                    }
                }
            }
            let due = async {
                match next {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                ended = running.next(), if !running.is_empty() => {
                    let Some(Some(kind)) = ended else { return None };
                    let ended = kind.sweeping.plan().spec.kind();
                    idle.push(kind);
                    for kind in &mut idle {
                        kind.waits_for.retain(|other| *other != ended);
                    }
                    if running.is_empty() {
                        turn = None;
                    }
                    judged = quiet.as_ref().filter(|_| running.is_empty()).map(|_| Instant::now());
                }
                () = due => {}
                () = sleep_until(begun + AWAKE), if turn.is_some() => turn = None,
                () = replan.notified() => {}
                () = sleep_until(judged.unwrap_or_else(Instant::now)), if judged.is_some() => {
                    // What a sweep under way has shown so far says nothing: its end is judged.
                    let Some(quiet) = quiet.as_mut().filter(|_| running.is_empty()) else {
                        judged = None;
                        continue;
                    };
                    let specs: Vec<&'static KindSpec> = idle.iter().map(|kind| kind.sweeping.plan().spec).collect();
                    let has_changed = quiet.judge(&scope, &specs, &ingest, clock.now()).await;
                    // What rests for long would be judged long after the writer knows.
                    judged = has_changed.is_none().then(|| Instant::now() + JUDGED_AGAIN);
                    if has_changed == Some(true) {
                        for kind in &idle {
                            kind.pace(quiet.interval(kind.usual), &ingest);
                        }
                    }
                }
                // Something was asked for or happened here: what rests for long is swept at once.
                () = wake.notified() => {
                    if ingest.freshness().is_ahead(&scope) {
                        hurry.notify_waiters();
                    }
                    if quiet.as_ref().is_some_and(QuietScope::is_quiet) {
                        for trigger in triggers.iter().filter(|trigger| !trigger.is_requested()) {
                            trigger.request_silently();
                        }
                    }
                }
                has_changed = turn_order.changed() => if has_changed.is_err() { return None },
                called = calls.changed() => {
                    if called.is_err() {
                        return None;
                    }
                    gate.try_now();
                }
            }
        }
    }
}

/// Runs one sweep of a kind to its end or failure. After a panic that is shown as the scope's trouble, and the other kinds go on.
async fn round(
    mut kind: Box<KindSweeps>,
    ingest: IngestHandle,
    clock: SharedClock,
    turns: SweepTurns,
    asked: impl Future<Output = ()>,
) -> Option<Box<KindSweeps>> {
    let mut turn = turns.take(kind.manner, asked).await;
    let began = Instant::now();
    if let Ok(manner) = AssertUnwindSafe(kind.sweep(&ingest, &turns, &mut turn)).catch_unwind().await {
        kind.manner = manner?.after(began.elapsed());
        return Some(kind);
    }
    drop(turn);
    let (scope, spec) = (kind.sweeping.plan().scope.clone(), kind.sweeping.plan().spec);
    let trouble = Trouble {
        class: ErrorClass::Fatal.into(),
        what: format!("sweeping {} of {scope} failed because of a bug in Muster", spec.plural),
        fix: "Muster tries again by itself; please report it with the server's log".to_owned(),
        since: clock.now(),
        retry_at: Some(clock.now() + AFTER_PANIC),
    };
    let step = SweepStep::Failed { trouble };
    ingest.sweep(SweepMessage { scope, kind: spec.kind(), step }).await.ok()?;
    sleep(AFTER_PANIC).await;
    Some(kind)
}

impl KindSweeps {
    /// How long the kind rests, if it can be swept anew after it as if for the first time.
    fn rest(&self) -> Option<KindRest> {
        let is_known = self.referred.iter().all(BTreeSet::is_empty);
        let is_plain = self.waits_for.is_empty() && is_known && self.manner == Manner::Well;
        let rest = self.sweeping.rest().filter(|_| is_plain)?;
        Some(KindRest { spec: self.sweeping.plan().spec, rest })
    }

    /// Passes the messages of one sweep to the writer; `None` if that has stopped.
    async fn sweep(
        &mut self,
        ingest: &IngestHandle,
        turns: &SweepTurns,
        turn: &mut Option<SweepTurn>,
    ) -> Option<Manner> {
        let (scope, kind) = (self.sweeping.plan().scope.clone(), self.sweeping.plan().spec.kind());
        let freshness = ingest.freshness();
        let mut pages = 0;
        loop {
            let message = self.sweeping.next().await;
            match &message.step {
                SweepStep::Page(_) => pages += 1,
                // What does not answer goes on beside others that do not.
                SweepStep::Stumbled { .. } => turns.yield_to_others(turn).await,
                SweepStep::Failed { .. } => {
                    ingest.sweep(message).await.ok()?;
                    return Some(Manner::Failed);
                }
                SweepStep::Completed { .. } => {
                    if self.to.is_empty() {
                        ingest.sweep(message).await.ok()?;
                        return Some(Manner::Ended { pages });
                    }
                    break self.complete(message, &scope, &kind, freshness, ingest).await?;
                }
                _ => {}
            }
            ingest.sweep(message).await.ok()?;
        }
        Some(Manner::Ended { pages })
    }

    /// Passes the end of a sweep to the writer, and triggers sweeps of the kinds of which new ids are known then.
    async fn complete(
        &mut self,
        message: SweepMessage,
        scope: &Scope,
        kind: &Kind,
        freshness: &Freshness,
        ingest: &IngestHandle,
    ) -> Option<()> {
        // The other kind's first sweep waits for this one if this one was never tried.
        let is_waited_for = !is_tried(freshness, scope, kind);
        let complete = || freshness.of(scope, kind).and_then(|state| state.complete);
        let last = complete();
        ingest.sweep(message).await.ok()?;
        // If the writer takes longer, the next sweep brings the rest.
        drop(timeout(TAKEN_IN, until(freshness, || complete() != last)).await);
        self.referred.resize_with(self.to.len(), BTreeSet::new);
        for (other, known) in self.to.iter().zip(&mut self.referred) {
            let ids = (other.ids)(scope).await;
            if !is_waited_for && !ids.is_subset(known) {
                other.trigger.request();
            }
            *known = ids;
        }
        Some(())
    }

    /// Sets how often the kind is swept, and shows it.
    pub(super) fn pace(&self, interval: Duration, ingest: &IngestHandle) {
        let (scope, kind) = (self.sweeping.plan().scope.clone(), self.sweeping.plan().spec.kind());
        ingest.signal(Signal::Expected { scope: scope.clone(), kind: kind.clone(), interval });
        // Events may allow a longer one.
        let interval = ingest.freshness().interval(&scope, &kind);
        self.interval.set(interval);
    }
}

/// Waits until somebody waits for the scope. `hurry` wakes it then.
async fn asked(freshness: Freshness, scope: Scope, hurry: Arc<Notify>) {
    let mut told = pin!(hurry.notified());
    // From now on, so that nothing is missed in between.
    told.as_mut().enable();
    if !freshness.is_ahead(&scope) {
        told.await;
    }
}

/// Whether a kind was ever swept completely in a scope, or its sweep fails, or nobody watches it.
fn is_tried(freshness: &Freshness, scope: &Scope, kind: &Kind) -> bool {
    freshness.of(scope, kind).is_none_or(|state| state.complete.is_some() || state.trouble.is_some())
}

/// Waits until `holds` is true for freshness.
async fn until(freshness: &Freshness, holds: impl Fn() -> bool) {
    let mut changes = freshness.changes();
    loop {
        changes.mark_unchanged();
        if holds() || changes.changed().await.is_err() {
            return;
        }
    }
}
