//! Runs the sweeps of one kind in one scope into the writer.

use std::panic::AssertUnwindSafe;
use std::pin::pin;

use futures::{FutureExt, StreamExt};
use tokio::time::sleep;

use super::tasks::AFTER_PANIC;
use crate::aws::Aws;
use crate::ingest::Handle;
use crate::model::{ErrorClass, SweepMessage, SweepStep, Trouble};
use crate::source::poll::{self, Plan};

/// Sweeps as planned until the writer takes nothing more, also after a panic: that shows as the scope's trouble, and the
/// other scopes go on. Dropping it at any await is safe: a sweep that does not end proves nothing.
pub(super) async fn run(aws: Aws, plan: Plan, ingest: Handle) {
    let (scope, spec, clock) = (plan.scope.clone(), plan.spec, aws.clock());
    while AssertUnwindSafe(sweep(aws.clone(), plan.clone(), ingest.clone())).catch_unwind().await.is_err() {
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

async fn sweep(aws: Aws, plan: Plan, ingest: Handle) {
    let clock = aws.clock();
    let mut steps = pin!(poll::sweeps(aws, clock, plan));
    while let Some(step) = steps.next().await {
        if ingest.sweep(step).await.is_err() {
            return;
        }
    }
}
