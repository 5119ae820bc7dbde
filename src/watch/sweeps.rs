//! Runs the sweeps of one kind in one scope into the writer.
//!
//! Where another kind is asked for by the ids that this one refers to, a sweep that brings new ones has that kind swept, too.

use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;

use futures::{FutureExt, StreamExt};
use tokio::sync::Notify;
use tokio::time::sleep;

use super::tasks::AFTER_PANIC;
use crate::aws::Aws;
use crate::ingest::Handle;
use crate::model::{ErrorClass, SharedClock, SweepMessage, SweepStep, Trouble};
use crate::source::poll::{self, Plan};
use crate::source::referred::{Referred, ReferredIds};

/// A kind that is asked for by the ids that another refers to.
#[derive(Clone)]
pub(super) struct Referring {
    /// Answers these ids.
    pub(super) ids: ReferredIds,
    /// Asks for a sweep of it.
    pub(super) trigger: Arc<Notify>,
}

/// Sweeps as planned until the writer takes nothing more, also after a panic: that shows as the scope's trouble, and the
/// other scopes go on. Dropping it at any await is safe: a sweep that does not end proves nothing.
pub(super) async fn run(aws: Referred<Aws>, clock: SharedClock, plan: Plan, ingest: Handle, to: Vec<Referring>) {
    let (scope, spec) = (plan.scope.clone(), plan.spec);
    while AssertUnwindSafe(sweep(aws.clone(), Arc::clone(&clock), plan.clone(), ingest.clone(), to.clone()))
        .catch_unwind()
        .await
        .is_err()
    {
        let trouble = Trouble {
            class: ErrorClass::Fatal.into(),
            what: format!("sweeping {} of {scope} failed by a fault of Muster", spec.plural),
            fix: "It is tried again by itself; please report it with the server's log".to_owned(),
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

async fn sweep(aws: Referred<Aws>, clock: SharedClock, plan: Plan, ingest: Handle, to: Vec<Referring>) {
    let scope = plan.scope.clone();
    let mut referred = vec![BTreeSet::new(); to.len()];
    let mut steps = pin!(poll::sweeps(aws, clock, plan));
    while let Some(message) = steps.next().await {
        let is_complete = matches!(message.step, SweepStep::Completed { .. });
        if ingest.sweep(message).await.is_err() {
            return;
        }
        for (kind, known) in to.iter().zip(&mut referred).filter(|_| is_complete) {
            let ids = (kind.ids)(&scope).await;
            if !ids.is_subset(known) {
                kind.trigger.notify_one();
            }
            *known = ids;
        }
    }
}
