//! Carries what sweeps see to the writer, in the words of each.

use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;

use futures::{FutureExt, StreamExt};
use tokio::time::sleep;

use super::tasks::AFTER_PANIC;
use crate::aws::{Aws, AwsError, Class};
use crate::freshness::Trouble;
use crate::ingest::{Handle, SweepMessage, SweepStep};
use crate::model::Timestamp;
use crate::source::poll::{self, Message, Plan, What};

/// Sweeps as planned until the writer takes nothing more, also after a panic: that shows as the scope's trouble, and the
/// other scopes go on. Dropping it at any await is safe: a sweep that does not end proves nothing.
pub async fn run(aws: Aws, plan: Plan, ingest: Handle) {
    let (scope, spec, clock) = (plan.scope.clone(), plan.spec, aws.clock());
    while AssertUnwindSafe(sweep(aws.clone(), plan.clone(), ingest.clone())).catch_unwind().await.is_err() {
        let trouble = Trouble {
            class: "fatal",
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
    let mut messages = pin!(poll::sweeps(aws, Arc::clone(&clock), plan));
    while let Some(message) = messages.next().await {
        if let What::Failed { error, will_retry_at } = &message.what {
            let kind = message.spec.slug;
            tracing::warn!(scope = %message.scope, kind, %error, fix = error.fix(), %will_retry_at, "sweep given up");
        }
        if ingest.sweep(step(message, clock.now())).await.is_err() {
            return;
        }
    }
}

/// What the writer is told of a message.
fn step(message: Message, now: Timestamp) -> SweepMessage {
    let step = match message.what {
        What::Started { at } => SweepStep::Started { at },
        What::Page { sent_at, items, unreadable } => {
            let items = items.into_iter().map(|item| (Arc::from(item.id), Arc::new(item.document)));
            SweepStep::Page { sent_at, items: items.collect(), unreadable }
        }
        What::Stumbled { error, will_retry_at } => {
            SweepStep::Stumbled { trouble: Trouble { retry_at: Some(will_retry_at), ..trouble(&error, now) } }
        }
        What::LeftOut { names, first } => SweepStep::LeftOut { names: names.names().to_vec(), first },
        What::Completed { ended, .. } => SweepStep::Completed { ended },
        What::Failed { error, will_retry_at } => {
            SweepStep::Failed { trouble: Trouble { retry_at: Some(will_retry_at), ..trouble(&error, now) } }
        }
    };
    SweepMessage { scope: message.scope, kind: message.spec.kind(), step }
}

/// A failed call as it shows in answers.
pub(crate) fn trouble(error: &AwsError, since: Timestamp) -> Trouble {
    let class = match error.class {
        Class::Throttled => "throttled",
        Class::Denied => "denied",
        Class::NotFound => "not_found",
        Class::Transient => "transient",
        Class::Fatal => "fatal",
        Class::DryRun => "dry_run",
    };
    Trouble { class, what: error.to_string(), fix: error.fix(), since, retry_at: None }
}
