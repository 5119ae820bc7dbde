//! What the measurements of one size come to, beside the budgets.

use std::fmt;
use std::time::Duration;

use crate::rounds::{Outcome, median};
use crate::table::Table;
use crate::tools::ToolOutcome;
use crate::usage::Memory;

/// Everything measured at one size.
pub(crate) struct Report {
    /// Instances.
    pub(crate) size: usize,
    /// Entries of `resources/list`.
    pub(crate) listed: usize,
    /// Pages of `resources/list`.
    pub(crate) pages: usize,
    /// Ours beside the bare server.
    pub(crate) outcomes: Vec<Outcome>,
    /// Calls of tools.
    pub(crate) tools: Vec<ToolOutcome>,
    /// From the server's first start to the end of the last kind's sweep.
    pub(crate) first_sweep: Duration,
    /// Memory after the first sweep.
    pub(crate) swept: Memory,
    /// Memory after the load.
    pub(crate) loaded: Memory,
    /// Memory after a restart on the same store and an unchanged sweep.
    pub(crate) restarted: Memory,
    /// The median time of reading one instance, ours and the SDK's.
    pub(crate) one: (Duration, Duration),
    /// The median time of listing one page, ours and the SDK's.
    pub(crate) page: (Duration, Duration),
    /// The same two of the bare server.
    pub(crate) bare: (Duration, Duration),
    /// Memory of the bare server after the load.
    pub(crate) bare_loaded: Memory,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entries = self.listed / self.pages.max(1);
        writeln!(f, "{} instances: {} entries on {} pages (of {entries})\n", self.size, self.listed, self.pages)?;
        writeln!(f, "{}", self.throughput())?;
        writeln!(f, "{}", self.single())?;
        writeln!(f, "{}", self.tools())?;
        writeln!(f, "{}", self.memory())?;
        writeln!(f, "  first sweep of all kinds: {:.2} s", self.first_sweep.as_secs_f64())
    }
}

impl Report {
    fn throughput(&self) -> Table {
        let mut table = Table::new(&[
            "16 connections",
            "ours/s",
            "bare/s",
            "ratio",
            "rounds",
            "budget",
            "",
            "KB",
            "p50 ours",
            "bare",
            "p99 ours",
            "bare",
            "CPU ours",
            "bare",
        ]);
        for outcome in &self.outcomes {
            let (ours, bare) = (&outcome.ours, &outcome.bare);
            let (ratio, ratios) = (outcome.ratio(), outcome.ratios());
            let range = |at: Option<&f64>| at.map_or(0.0, |ratio| ratio * 100.0);
            let budget = outcome.case.budget;
            table.row([
                outcome.case.name.to_owned(),
                format!("{:.0}", rate(ours)),
                format!("{:.0}", rate(bare)),
                format!("{:.0} %", ratio * 100.0),
                format!("{:.0}-{:.0}", range(ratios.first()), range(ratios.last())),
                format!("{:.0} %", budget * 100.0),
                if ratio >= budget { "within" } else { "UNDER" }.to_owned(),
                format!("{}", median(ours, |load| load.size) / 1000),
                us(median(ours, |load| load.p50)),
                us(median(bare, |load| load.p50)),
                us(median(ours, |load| load.p99)),
                us(median(bare, |load| load.p99)),
                us(median(ours, |load| load.server_cpu)),
                us(median(bare, |load| load.server_cpu)),
            ]);
        }
        table
    }

    fn single(&self) -> Table {
        let mut table = Table::new(&["one question at a time", "ours", "SDK", "times faster"]);
        for (name, (ours, sdk)) in [("one instance", self.one), ("one page", self.page)] {
            let faster = sdk.as_secs_f64() / ours.as_secs_f64().max(f64::EPSILON);
            table.row([name.to_owned(), us(ours), us(sdk), format!("{faster:.1}")]);
        }
        table
    }

    fn tools(&self) -> Table {
        let mut table = Table::new(&["tools, one call at a time", "p50", "p99", "CPU", "KB", "budget at 100,000", ""]);
        for ToolOutcome { name, load, budget } in &self.tools {
            table.row([
                (*name).to_owned(),
                us(load.p50),
                us(load.p99),
                us(load.server_cpu),
                (load.size / 1000).to_string(),
                us(*budget),
                if load.p50 <= *budget { "within" } else { "OVER" }.to_owned(),
            ]);
        }
        table
    }

    fn memory(&self) -> Table {
        // The bench of memory has the budgets.
        let mut table = Table::new(&["memory of the server, MB", "resident", "peak"]);
        let moments = [
            ("after the first sweep", self.swept),
            ("after the load", self.loaded),
            ("after a restart", self.restarted),
        ];
        for (name, memory) in moments {
            let megabytes = |bytes: u64| (bytes / 1_000_000).to_string();
            table.row([name.to_owned(), megabytes(memory.now), megabytes(memory.peak)]);
        }
        table
    }
}

fn rate(loads: &[crate::load::Load]) -> f64 {
    let mut rates: Vec<f64> = loads.iter().map(|load| load.rate).collect();
    rates.sort_by(f64::total_cmp);
    rates.get(rates.len() / 2).copied().unwrap_or_default()
}

fn us(time: Duration) -> String {
    format!("{:.0} us", micros(time))
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}
