//! Metrics for Prometheus: what an operator watches a server by.
//!
//! Almost nothing is counted here: each part of Muster keeps the counts of what it does, and a page is made of them when somebody asks
//! for it. What a metric is called, its unit, its labels and what it says stand beside what fills it. A page has at most
//! [`MOST_SERIES`] series, however many accounts are watched and whatever clients send.

mod aws_calls;
mod clients;
mod event_delivery;
mod metric_spec;
mod metrics_page;
mod metrics_table;
mod process;
mod records;
mod scopes;
#[cfg(test)]
mod tests;

use tokio::time::Instant;

use crate::ec2_api::call_tally::Ec2CallTally;
use crate::mcp::{Core, Operations};
use crate::telemetry::dropped;

pub use metric_spec::{MetricForm, MetricSpec, MetricUnit};
pub use metrics_page::{MetricValue, MetricsPage, PageFormat};

/// How many series a page has at most.
pub const MOST_SERIES: usize = 20_000;

/// Alert rules for Prometheus.
pub const ALERTS: &str = include_str!("alerts.yaml");

/// A dashboard for Grafana.
pub const DASHBOARD: &str = include_str!("dashboard.json");

static READY: MetricSpec = MetricSpec {
    name: "muster_ready",
    unit: MetricUnit::None,
    form: MetricForm::Gauge,
    labels: &[],
    help: "1 while the store is open, so that questions are answered; else 0",
};

static SPECS: &[&MetricSpec] = &[&READY];

/// Every metric, in the order in which a page has them.
pub fn all() -> impl Iterator<Item = &'static MetricSpec> {
    let areas =
        [SPECS, clients::SPECS, scopes::SPECS, aws_calls::SPECS, event_delivery::SPECS, records::SPECS, process::SPECS];
    areas.into_iter().flatten().copied()
}

/// The metrics as a page of help.
#[must_use]
pub fn table() -> String {
    metrics_table::table(all())
}

/// The values of all metrics now. Without an open store there are those of clients and of the process. `connected` are the MCP clients
/// of the socket. Blocks on the disk.
#[must_use]
pub fn gather(core: Option<&Core>, operations: &Operations, calls: &Ec2CallTally, connected: usize) -> MetricsPage {
    let mut page = MetricsPage::default();
    page.count(&READY, u64::from(core.is_some_and(|core| !core.store.is_failing())));
    clients::add_operations(&mut page, operations, connected);
    clients::add_read_api(&mut page, calls);
    if let Some(core) = core {
        clients::add_notifications(&mut page, core.hub.tally().counted());
        let freshness = core.ingest.freshness();
        let census = freshness.census(scopes::LIMITS);
        scopes::add(&mut page, &census);
        scopes::add_troubles(&mut page, freshness.trouble().as_ref(), &freshness.members());
        aws_calls::add(&mut page, &core.aws);
        event_delivery::add(&mut page, &freshness.event_totals(), &freshness.paths(), Instant::now());
        records::add(&mut page, core.ingest.tally());
        if let Err(error) = records::add_store(&mut page, &core.store, &census.kinds) {
            tracing::debug!(%error, "the metrics lack what the store holds");
        }
    }
    process::add(&mut page, dropped());
    page
}
