//! How often each kind of one scope is swept, as what is proved of its events turns.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::freshness::Freshness;
use crate::kinds::rules::RULES;
use crate::model::{Kind, Scope, SharedClock};
use crate::notify::{ChangeHub, Topic};

/// Sets the pace of each kind as long as the server runs: when something turns it, and when time alone does, because no canary came.
/// Then it also tells whoever waits for freshness, or subscribed to it.
pub(crate) async fn run(
    freshness: Freshness,
    hub: ChangeHub,
    clock: SharedClock,
    scope: Scope,
    paces: Vec<(Kind, watch::Sender<Duration>)>,
) {
    let mut changes = freshness.changes();
    let mut proved = vec![false; RULES.len()];
    loop {
        changes.mark_unchanged();
        let now = Instant::now();
        let path = freshness.path(&scope).unwrap_or_default();
        let mut turned = false;
        for (rule, proved) in RULES.iter().zip(&mut proved) {
            let unproved = path.unproved(&[rule.slug], None, now);
            if std::mem::replace(proved, unproved.is_none()) == unproved.is_none() {
                continue;
            }
            turned = true;
            if let Some(why) = unproved {
                tracing::warn!(%scope, rule = rule.slug, %why, "events are no longer proved to arrive");
            } else {
                tracing::info!(%scope, rule = rule.slug, "events are proved to arrive");
            }
        }
        for (kind, pace) in &paces {
            let new = freshness.pace(&scope, kind);
            turned |= pace.send_if_modified(|pace| std::mem::replace(pace, new) != new);
        }
        if turned {
            freshness.turned();
            hub.mark([Topic::Freshness, Topic::Summary], clock.now());
        }
        let turns = async {
            match freshness.turns(&scope) {
                Some(at) => sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = turns => {}
            told = changes.changed() => if told.is_err() { return },
        }
    }
}
