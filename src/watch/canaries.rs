//! Puts canaries on the bus of one scope: those that come back through the queue prove that the rules work.

use std::time::Duration;

use tokio::time::sleep;

use crate::aws::bus::CustomEvent;
use crate::aws::canary::canaries;
use crate::aws::{Aws, AwsError};
use crate::freshness::{EventSource, Signal};
use crate::ingest::Handle;
use crate::model::{ErrorClass, Scope};
use crate::source::backoff::Backoff;

/// The pause before canaries are put again that AWS refuses for good: only a person changes that.
const REFUSED_PAUSE: Duration = Duration::from_mins(1);

/// Puts one canary for each rule with one call, every interval less up to a tenth, or later after a failure. A failure shows as the
/// reason why events are not proved to arrive.
pub(super) async fn run(aws: Aws, ingest: Handle, scope: Scope, source: EventSource) {
    let (clock, every) = (aws.clock(), source.every);
    let (mut backoff, mut failing) = (Backoff::new(), None);
    loop {
        let at = clock.now();
        // Before the call: what comes back may do so before the call is answered.
        ingest.signal(Signal::CanariesSent { scope: scope.clone(), at });
        let events: Vec<CustomEvent> = canaries(&source.name, &source.sent_by, at).collect();
        let (trouble, pause) = match aws.put_events(&scope, &events).await {
            Ok(_) => {
                failing = None;
                backoff.succeeded();
                (None, every.mul_f64(0.9 + 0.1 * fastrand::f64()))
            }
            Err(error) => {
                tracing::warn!(%scope, %error, fix = error.fix(), "no canaries are put on the bus");
                let since = *failing.get_or_insert(at);
                (Some(error.to_trouble(since)), after(&error, every, &mut backoff))
            }
        };
        ingest.signal(Signal::CanariesAnswered { scope: scope.clone(), trouble });
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
