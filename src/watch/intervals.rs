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

/// How long what changes is gathered: what many canaries prove, and what the sweeps of all kinds show, comes together.
const GATHERED: Duration = Duration::from_millis(100);

/// Sets the interval of each kind while the server runs: when something that is told of the scope changes it, and when time alone
/// does, because no canary arrived. Then it also wakes whoever waits for or subscribed to freshness. `replan` is notified when
/// sweeps may be due at another time.
pub(super) async fn run(
    ingest: IngestHandle,
    scope: Scope,
    intervals: Vec<(Kind, Arc<SweepInterval>)>,
    replan: Arc<Notify>,
) {
    let freshness = ingest.freshness();
    let moves = freshness.proof_moves(&scope);
    let mut proved = vec![false; RULES.len()];
    loop {
        let now = Instant::now();
        let path = freshness.path(&scope).unwrap_or_default();
        let (mut has_changed, mut is_paced_anew) = (false, false);
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
            is_paced_anew |= interval.set(new);
        }
        if is_paced_anew {
            replan.notify_one();
        }
        if has_changed || is_paced_anew {
            ingest.signal(Signal::ProofChanged);
        }
        let lapse = async {
            // Not by the time that it is by then: what lapsed in between would never be looked at.
            match freshness.proof_lapses(&scope, now) {
                Some(at) => sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = lapse => {}
            () = moves.notified() => sleep(GATHERED).await,
        }
    }
}
