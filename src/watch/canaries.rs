//! Puts canaries on the bus of one scope: what comes back of them through the queue proves the rules alive.

use std::time::Duration;

use tokio::time::sleep;

use crate::aws::bus::CustomEvent;
use crate::aws::canary::canaries;
use crate::aws::{Aws, AwsError};
use crate::freshness::Freshness;
use crate::freshness::path::Listening;
use crate::model::{ErrorClass, Scope};
use crate::source::backoff::Backoff;

/// The pause before canaries are put again that AWS refuses for good: only a person changes that.
const REFUSED_PAUSE: Duration = Duration::from_mins(1);

/// Puts one canary a rule, all with one call, every interval less up to a tenth; after a failure later. What keeps them from being put shows
/// as why events are not proved to arrive.
pub(crate) async fn run(aws: Aws, freshness: Freshness, scope: Scope, listening: Listening) {
    let (clock, every) = (aws.clock(), listening.every);
    let (mut backoff, mut failing) = (Backoff::new(), None);
    loop {
        let at = clock.now();
        // Before the call: what comes back may do so before the call is answered.
        freshness.canaries_put(&scope, at);
        let events: Vec<CustomEvent> = canaries(&listening.name, &listening.sent_by, at).collect();
        let pause = match aws.put_events(&scope, &events).await {
            Ok(_) => {
                failing = None;
                backoff.succeeded();
                every.mul_f64(0.9 + 0.1 * fastrand::f64())
            }
            Err(error) => {
                tracing::warn!(%scope, %error, fix = error.fix(), "no canaries are put on the bus");
                let since = *failing.get_or_insert(at);
                freshness.putting(&scope, Some(error.to_trouble(since)));
                after(&error, every, &mut backoff)
            }
        };
        if failing.is_none() {
            freshness.putting(&scope, None);
        }
        sleep(pause).await;
    }
}

/// The pause after a failure. One of the moment must not let what is proved lapse.
fn after(error: &AwsError, every: Duration, backoff: &mut Backoff) -> Duration {
    match error.class {
        ErrorClass::Throttled | ErrorClass::Transient => backoff.failed(),
        ErrorClass::Denied | ErrorClass::NotFound | ErrorClass::Fatal | ErrorClass::DryRun => every.max(REFUSED_PAUSE),
    }
}
