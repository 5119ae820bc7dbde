//! What was recorded, and how much room it takes.

use std::collections::BTreeSet;

use super::metric_spec::{MetricForm, MetricSpec, MetricUnit};
use super::metrics_page::{MetricValue, MetricsPage};
use super::scopes::{seconds, slug};
use crate::ingest::{CountedSweeps, IngestTally};
use crate::model::{Kind, ScopeFilter};
use crate::store::{ReadError, Store};

static RECORDS: MetricSpec = MetricSpec {
    name: "muster_records_committed",
    unit: MetricUnit::None,
    form: MetricForm::Counter,
    labels: &["cause"],
    help: "Records that were added to the log, by what caused them",
};

static COMMIT: MetricSpec = MetricSpec {
    name: "muster_commit_duration",
    unit: MetricUnit::Seconds,
    form: MetricForm::Histogram,
    labels: &["lane"],
    help: "How long commits took until they were durable, by whose they were: tools, events, refresh, pages of sweeps, retention",
};

static SWEEP: MetricSpec = MetricSpec {
    name: "muster_sweep_duration",
    unit: MetricUnit::Seconds,
    form: MetricForm::Histogram,
    labels: &["kind"],
    help: "How long complete sweeps took, from the first request to the last answer",
};

static SWEEP_FAILURES: MetricSpec = MetricSpec {
    name: "muster_sweep_failures",
    unit: MetricUnit::None,
    form: MetricForm::Counter,
    labels: &["kind"],
    help: "Sweeps that did not come to their end",
};

static RESOURCES: MetricSpec = MetricSpec {
    name: "muster_resources",
    unit: MetricUnit::None,
    form: MetricForm::Gauge,
    labels: &["kind"],
    help: "Resources that are known, of watched kinds in watched accounts and regions",
};

static BYTES: MetricSpec = MetricSpec {
    name: "muster_store",
    unit: MetricUnit::Bytes,
    form: MetricForm::Gauge,
    labels: &["what"],
    help: "The size of the store's file; and of what is in use: log, the records with what finds them; state, the resources as they \
           are now; base, as they were where the log begins; other",
};

static HORIZON: MetricSpec = MetricSpec {
    name: "muster_log_horizon_timestamp",
    unit: MetricUnit::Seconds,
    form: MetricForm::Gauge,
    labels: &[],
    help: "The earliest time that questions about the past can name, in Unix time",
};

static FAILURES: MetricSpec = MetricSpec {
    name: "muster_store_failures",
    unit: MetricUnit::None,
    form: MetricForm::Counter,
    labels: &[],
    help: "How often the disk failed under the store, which was then opened again",
};

static BUSY: MetricSpec = MetricSpec {
    name: "muster_writer_busy",
    unit: MetricUnit::Seconds,
    form: MetricForm::Gauge,
    labels: &[],
    help: "For how long the writer has been at one step of its work; 0 while it waits for work. From 30 s on, /healthz fails",
};

/// The metrics that are described here.
pub(super) static SPECS: &[&MetricSpec] =
    &[&RECORDS, &COMMIT, &SWEEP, &SWEEP_FAILURES, &RESOURCES, &BYTES, &HORIZON, &FAILURES, &BUSY];

/// Adds what the writer did.
pub(super) fn add(page: &mut MetricsPage, tally: &IngestTally) {
    for (cause, count) in tally.records() {
        page.add(&RECORDS, [cause], MetricValue::Count(count));
    }
    for (lane, times) in tally.commits() {
        page.add(&COMMIT, [lane], MetricValue::Durations(times));
    }
    for CountedSweeps { kind, complete, failed } in tally.sweeps() {
        page.add(&SWEEP, [slug(&kind)], MetricValue::Durations(complete));
        page.add(&SWEEP_FAILURES, [slug(&kind)], MetricValue::Count(failed));
    }
    page.amount(&BUSY, tally.busy_for().unwrap_or_default().as_secs_f64());
}

/// Adds what the store holds: of resources, those of these kinds. Blocks on the disk.
///
/// # Errors
/// When the store cannot be read; what does not need it is added all the same.
pub(super) fn add_store(page: &mut MetricsPage, store: &Store, kinds: &BTreeSet<Kind>) -> Result<(), ReadError> {
    page.count(&FAILURES, store.failures());
    if let Ok(file) = std::fs::metadata(store.path()) {
        page.add(&BYTES, ["file"], MetricValue::Count(file.len()));
    }
    let snapshot = store.snapshot()?;
    let live = snapshot.live();
    for (what, bytes) in [
        ("log", live.events + live.by_resource + live.times),
        ("state", live.current + live.bodies + live.rows),
        ("base", live.base),
        ("other", live.tombstones + live.dedupe),
    ] {
        page.add(&BYTES, [what], MetricValue::Count(bytes));
    }
    if let Some(earliest) = snapshot.earliest()? {
        page.amount(&HORIZON, seconds(earliest));
    }
    for kind in kinds {
        let count = snapshot.count(kind, &ScopeFilter::Everywhere)?;
        page.add(&RESOURCES, [slug(kind)], MetricValue::Count(count));
    }
    Ok(())
}
