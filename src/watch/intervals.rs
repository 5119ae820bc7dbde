//! Sets how often each kind of one scope is swept: less often while its events are proved to arrive.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until};

use crate::freshness::Signal;
use crate::ingest::IngestHandle;
use crate::kinds::rules::RULES;
use crate::model::{Kind, Scope};
use crate::source::poll::SweepInterval;

/// How long what changes is gathered: the writer changes freshness with every commit.
const GATHERED: Duration = Duration::from_millis(100);

/// Sets the interval of each kind while the server runs: when a signal changes it, and when time alone does, because no canary
/// arrived. In the latter case it also wakes whoever waits for or subscribed to freshness.
pub(super) async fn run(
    ingest: IngestHandle,
    scope: Scope,
    intervals: Vec<(Kind, Arc<SweepInterval>)>,
    wake: Arc<Notify>,
) {
    let freshness = ingest.freshness();
    let mut changes = freshness.changes();
    let mut proved = vec![false; RULES.len()];
    loop {
        changes.mark_unchanged();
        let now = Instant::now();
        let path = freshness.path(&scope).unwrap_or_default();
        let mut has_changed = false;
        for (rule, proved) in RULES.iter().zip(&mut proved) {
            let unproved = path.unproved(&[rule.slug], None, now);
            if std::mem::replace(proved, unproved.is_none()) == unproved.is_none() {
                continue;
            }
            has_changed = true;
            if let Some(why) = unproved {
                tracing::warn!(%scope, rule = rule.slug, %why, "events are no longer proved to arrive");
            } else {
                tracing::info!(%scope, rule = rule.slug, "events are proved to arrive");
            }
        }
        for (kind, interval) in &intervals {
            let new = freshness.interval(&scope, kind);
            has_changed |= interval.set(new);
        }
        if has_changed {
            wake.notify_one();
            ingest.signal(Signal::ProofChanged);
        }
        let lapse = async {
            match freshness.proof_lapses(&scope) {
                Some(at) => sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = lapse => {}
            outcome = changes.changed() => {
                if outcome.is_err() {
                    return;
                }
                sleep(GATHERED).await;
            }
        }
    }
}
