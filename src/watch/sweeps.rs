//! Passes the sweeps of one kind in one scope to the writer.
//!
//! If another kind is listed by the ids that this one refers to, a sweep with new ids triggers a sweep of that kind. The first
//! sweep of that other kind waits until the ids are known, so that it is complete.

use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::{FutureExt, StreamExt};
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use super::tasks::AFTER_PANIC;
use crate::freshness::Freshness;
use crate::ingest::IngestHandle;
use crate::kinds;
use crate::model::{ErrorClass, Kind, Scope, SharedClock, SweepMessage, SweepStep, Trouble};
use crate::source::poll::{self, SweepPlan};
use crate::source::referred::{Referred, ReferredIds};
use crate::source::sweeper::Sweeper;

/// How long to wait for the writer to process the end of a sweep before the ids are read anyway.
const TAKEN_IN: Duration = Duration::from_secs(30);

/// A kind that is listed by the ids that another refers to.
#[derive(Clone)]
pub(super) struct Referring {
    /// Returns these ids.
    pub(super) ids: ReferredIds,
    /// Requests a sweep of it.
    pub(super) trigger: Arc<Notify>,
}

/// Sweeps as planned until the writer stops, also after a panic: that is shown as the scope's trouble, and the other scopes
/// continue. It can be cancelled at any await: an unfinished sweep proves nothing.
pub(super) async fn run(
    aws: Referred<Sweeper>,
    clock: SharedClock,
    plan: SweepPlan,
    ingest: IngestHandle,
    to: Vec<Referring>,
) {
    let (scope, spec) = (plan.scope.clone(), plan.spec);
    while AssertUnwindSafe(sweep(aws.clone(), Arc::clone(&clock), plan.clone(), ingest.clone(), to.clone()))
        .catch_unwind()
        .await
        .is_err()
    {
        let trouble = Trouble {
            class: ErrorClass::Fatal.into(),
            what: format!("sweeping {} of {scope} failed because of a bug in Muster", spec.plural),
            fix: "Muster tries again by itself; please report it with the server's log".to_owned(),
            since: clock.now(),
            retry_at: Some(clock.now() + AFTER_PANIC),
        };
        let step = SweepStep::Failed { trouble };
        if ingest.sweep(SweepMessage { scope: scope.clone(), kind: spec.kind(), step }).await.is_err() {
            return;
        }
        sleep(AFTER_PANIC).await;
    }
}

async fn sweep(aws: Referred<Sweeper>, clock: SharedClock, plan: SweepPlan, ingest: IngestHandle, to: Vec<Referring>) {
    let (scope, kind) = (plan.scope.clone(), plan.spec.kind());
    let freshness = ingest.freshness();
    let by: Vec<Kind> =
        plan.spec.also_by_id.iter().filter_map(|(slug, _)| Some(kinds::by_slug(slug)?.kind())).collect();
    until(freshness, || by.iter().all(|kind| is_tried(freshness, &scope, kind))).await;
    let mut referred = vec![BTreeSet::new(); to.len()];
    let mut steps = pin!(poll::sweeps(aws, clock, plan));
    while let Some(message) = steps.next().await {
        if to.is_empty() || !matches!(message.step, SweepStep::Completed { .. }) {
            if ingest.sweep(message).await.is_err() {
                return;
            }
            continue;
        }
        // The other kind's first sweep waits for this one if this one was never tried.
        let is_waited_for = !is_tried(freshness, &scope, &kind);
        let complete = || freshness.of(&scope, &kind).and_then(|state| state.complete);
        let last = complete();
        if ingest.sweep(message).await.is_err() {
            return;
        }
        // If the writer takes longer, the next sweep brings the rest.
        drop(timeout(TAKEN_IN, until(freshness, || complete() != last)).await);
        for (kind, known) in to.iter().zip(&mut referred) {
            let ids = (kind.ids)(&scope).await;
            if !is_waited_for && !ids.is_subset(known) {
                kind.trigger.notify_one();
            }
            *known = ids;
        }
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
