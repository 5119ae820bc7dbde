//! `muster metrics`: which metrics a server has, and what to watch them with.

use clap::{Args, Subcommand};

use super::output::Output;
use crate::telemetry::metrics::{self, ALERTS, DASHBOARD};

/// The arguments of `muster metrics`.
#[derive(Clone, Debug, Args)]
pub(super) struct Metrics {
    #[command(subcommand)]
    what: Option<MetricsText>,
}

/// What can be printed.
#[derive(Clone, Copy, Debug, Subcommand)]
enum MetricsText {
    /// Print alert rules for Prometheus, as YAML
    Alerts,
    /// Print a dashboard for Grafana, as JSON
    Dashboard,
}

impl Metrics {
    /// Prints the list of metrics, or what is asked for.
    pub(super) fn run(self) -> anyhow::Result<()> {
        let text = match self.what {
            None => metrics::table(),
            Some(MetricsText::Alerts) => ALERTS.to_owned(),
            Some(MetricsText::Dashboard) => DASHBOARD.to_owned(),
        };
        Ok(Output::stdout().text(text.as_bytes())?)
    }
}
