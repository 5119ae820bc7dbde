//! Puts canaries on the bus of one scope: what comes back of them through the queue proves the rules alive.

use std::time::Duration;

use serde_json::{Map, json};
use tokio::time::sleep;

use crate::aws::bus::CustomEvent;
use crate::aws::{Aws, AwsError};
use crate::freshness::Freshness;
use crate::freshness::path::Listening;
use crate::kinds::rules::{CANARY_SOURCE, RULES};
use crate::model::{ErrorClass, Scope, Timestamp};
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
        let pause = match aws.put_events(&scope.region, &events).await {
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

/// One canary for each rule, from `sent_by`, dated `at`.
pub(crate) fn canaries(name: &str, sent_by: &str, at: Timestamp) -> impl Iterator<Item = CustomEvent> {
    RULES.iter().map(move |rule| {
        let said = [("sent_by".to_owned(), json!(sent_by)), ("sent_at".to_owned(), json!(at))];
        CustomEvent {
            source: CANARY_SOURCE.to_owned(),
            detail_type: rule.canary_type(name),
            detail: rule.canary_detail(Map::from_iter(said)).to_string(),
        }
    })
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::model::Clock as _;

    #[test]
    fn there_is_a_canary_for_each_rule_and_it_bears_its_sender_and_its_date() {
        let at = crate::aws::clock::AwsClock::default().now();
        let canaries: Vec<CustomEvent> = canaries("a", "serve-1", at).collect();
        assert_eq!(canaries.len(), RULES.len());
        for (rule, canary) in RULES.iter().zip(canaries) {
            assert_eq!(canary.detail_type, rule.canary_type("a"));
            let detail: Value = serde_json::from_str(&canary.detail).unwrap();
            assert_eq!(detail["sent_by"], "serve-1");
            assert_eq!(Timestamp::parse(detail["sent_at"].as_str().unwrap()), Some(at), "it comes back as it went");
        }
    }
}
