//! How often each kind of one scope is swept, as what is proved of its events turns.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep_until;

use crate::ingest::Freshness;
use crate::ingest::path::Unproved;
use crate::kinds::rules::RULES;
use crate::model::{Kind, Scope, SharedClock};
use crate::notify::{ChangeHub, Topic};

/// Sets the pace of each kind as long as the server runs: when something turns it, and when time alone does, because no canary came.
/// Then it also tells whoever waits for freshness, or subscribed to it.
pub(super) async fn run(
    freshness: Freshness,
    hub: ChangeHub,
    clock: SharedClock,
    scope: Scope,
    paces: Vec<(Kind, watch::Sender<Duration>)>,
) {
    let mut changes = freshness.changes();
    let mut before = Vec::new();
    loop {
        changes.mark_unchanged();
        let mut turned = false;
        for (kind, pace) in &paces {
            let now = freshness.pace(&scope, kind);
            turned |= pace.send_if_modified(|pace| std::mem::replace(pace, now) != now);
        }
        let proofs = proofs(&freshness, &scope);
        turned |= before != proofs;
        if turned {
            for (rule, unproved) in proofs.iter().filter(|proof| !before.contains(proof)) {
                match unproved {
                    Some(why) => tracing::warn!(%scope, rule, %why, "events are not proved to arrive"),
                    None => tracing::info!(%scope, rule, "events are proved to arrive"),
                }
            }
            freshness.turned();
            hub.mark([Topic::Freshness, Topic::Summary], clock.now());
        }
        before = proofs;
        let turns = async {
            match freshness.turns(&scope) {
                Some(at) => sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = turns => {}
            changed = changes.changed() => if changed.is_err() { return },
        }
    }
}

/// What is proved of each rule, where events are listened to.
fn proofs(freshness: &Freshness, scope: &Scope) -> Vec<(&'static str, bool)> {
    unimplemented!()
}
