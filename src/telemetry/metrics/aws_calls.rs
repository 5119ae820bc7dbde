//! What Muster costs AWS: calls, throttling, and how long calls wait for Muster's share of the limits.

use std::time::Duration;

use super::metric_spec::{MetricForm, MetricSpec, MetricUnit};
use super::metrics_page::{MetricValue, MetricsPage};
use crate::aws::{Aws, CountedCalls};

static CALLS: MetricSpec = MetricSpec {
    name: "muster_aws_calls",
    unit: MetricUnit::None,
    form: MetricForm::Counter,
    labels: &["action", "outcome"],
    help: "Calls to AWS that have ended, by the action that IAM knows them by: answered, throttled or failed",
};

static WAIT: MetricSpec = MetricSpec {
    name: "muster_aws_limiter_wait",
    unit: MetricUnit::Seconds,
    form: MetricForm::Histogram,
    labels: &["priority"],
    help: "How long calls to AWS waited until Muster's share of AWS's limits let them go: those of tools, sweeps and refreshes, and what \
           clients of EC2's API have AWS asked",
};

static PACE: MetricSpec = MetricSpec {
    name: "muster_aws_pace",
    unit: MetricUnit::Ratio,
    form: MetricForm::Gauge,
    labels: &["action"],
    help: "The present rate of calls as a part of Muster's share, in the account and region where it is lowest: below 1 after AWS \
           throttled",
};

static CLOCK: MetricSpec = MetricSpec {
    name: "muster_aws_clock_offset",
    unit: MetricUnit::Seconds,
    form: MetricForm::Gauge,
    labels: &[],
    help: "How far AWS's clock is ahead of this machine's; negative where it is behind",
};

/// The metrics that are described here.
pub(super) static SPECS: &[&MetricSpec] = &[&CALLS, &WAIT, &PACE, &CLOCK];

/// Adds the calls of a connection.
pub(super) fn add(page: &mut MetricsPage, aws: &Aws) {
    for CountedCalls { action, answered, throttled, failed } in aws.call_totals() {
        for (outcome, count) in [("answered", answered), ("throttled", throttled), ("failed", failed)] {
            page.add(&CALLS, [action, outcome], MetricValue::Count(count));
        }
    }
    for (priority, waits) in aws.limiter_waits() {
        page.add(&WAIT, [priority], MetricValue::Durations(waits));
    }
    for (action, pace) in aws.paces() {
        page.add(&PACE, [action], MetricValue::Amount(pace));
    }
    let offset = aws.clock_offset_millis();
    let ahead = Duration::from_millis(offset.unsigned_abs()).as_secs_f64();
    page.amount(&CLOCK, if offset < 0 { -ahead } else { ahead });
}
