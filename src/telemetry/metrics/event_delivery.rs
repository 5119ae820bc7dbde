//! Whether AWS's events arrive, and what they brought.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::metric_spec::{MetricForm, MetricSpec, MetricUnit};
use super::metrics_page::{MetricValue, MetricsPage};
use crate::freshness::{EventPath, EventTotals};
use crate::model::Scope;

static EVENTS: MetricSpec = MetricSpec {
    name: "muster_events",
    unit: MetricUnit::None,
    form: MetricForm::Counter,
    labels: &["outcome"],
    help: "Messages of queues: received; and what became of them: applied, repeated, unchanged (no news), unknown (of a type that \
           Muster does not use), undecodable, parked, canary, let_go (about what never became known), elsewhere (of accounts and \
           regions that are not watched), deleted, delete_failed; receive_failed are receives",
};

static CANARY: MetricSpec = MetricSpec {
    name: "muster_canary_age",
    unit: MetricUnit::Seconds,
    form: MetricForm::Gauge,
    labels: &["rule"],
    help: "How long ago the last canary came back through a rule, in the account and region where that is longest ago",
};

static SILENT: MetricSpec = MetricSpec {
    name: "muster_canary_missing",
    unit: MetricUnit::None,
    form: MetricForm::Gauge,
    labels: &["rule"],
    help: "In how many accounts and regions that receive events no canary of this server proves that a rule delivers",
};

static PATHS: MetricSpec = MetricSpec {
    name: "muster_event_paths",
    unit: MetricUnit::None,
    form: MetricForm::Gauge,
    labels: &["state"],
    help: "In how many accounts and regions events are listened to (listening), or meant to be but have no queue (absent)",
};

/// The metrics that are described here.
pub(super) static SPECS: &[&MetricSpec] = &[&EVENTS, &CANARY, &SILENT, &PATHS];

/// Adds how events arrive.
pub(super) fn add(page: &mut MetricsPage, totals: &EventTotals, paths: &BTreeMap<Scope, EventPath>, now: Instant) {
    for (outcome, count) in [
        ("received", totals.received),
        ("applied", totals.applied),
        ("repeated", totals.repeated),
        ("unchanged", totals.unchanged),
        ("unknown", totals.unknown_types.values().sum()),
        ("undecodable", totals.undecodable),
        ("parked", totals.parked),
        ("canary", totals.canaries),
        ("let_go", totals.let_go),
        ("elsewhere", totals.elsewhere),
        ("deleted", totals.deleted),
        ("delete_failed", totals.delete_failures),
        ("receive_failed", totals.receive_failures),
    ] {
        page.add(&EVENTS, [outcome], MetricValue::Count(count));
    }
    let mut rules: BTreeMap<&'static str, (Option<Duration>, u64)> = BTreeMap::new();
    let [mut listening, mut absent] = [0, 0];
    for path in paths.values() {
        absent += u64::from(path.absent().is_some());
        let Some(source) = path.source().filter(|_| path.absent().is_none()) else { continue };
        listening += 1;
        for rule in &source.rules {
            let (silence, missing) = rules.entry(rule.slug).or_default();
            *silence = (*silence).max(path.silence(rule.slug, now));
            *missing += u64::from(!path.proved(rule.slug, now));
        }
    }
    for (rule, (silence, missing)) in rules {
        if let Some(silence) = silence {
            page.add(&CANARY, [rule], MetricValue::Amount(silence.as_secs_f64()));
        }
        page.add(&SILENT, [rule], MetricValue::Count(missing));
    }
    for (state, count) in [("listening", listening), ("absent", absent)] {
        page.add(&PATHS, [state], MetricValue::Count(count));
    }
}
