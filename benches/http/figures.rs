//! The figures of a report, for the file that they are drawn from.

use std::time::Duration;

use crate::record::{Budget, Record};
use crate::report::Report;
use crate::usage::Memory;

/// Adds everything that has a budget, and what stands in the picture of `benches/report.rs`.
pub(crate) fn add(report: &Report, record: &mut Record) {
    let mut figure = |name: &str, value, unit, budget| record.figure(name, report.size, value, unit, budget);
    for outcome in &report.outcomes {
        let name = format!("{}, of the bare server's rate", outcome.case.name);
        let least = Budget::AtLeast(outcome.case.budget * 100.0);
        figure(&name, outcome.ratio() * 100.0, "%", Some(least));
    }
    let parts = [("one read", report.one, report.bare.0), ("one list page", report.page, report.bare.1)];
    for (what, (ours, sdk), bare) in parts {
        for (who, time) in [("ours", ours), ("SDK", sdk), ("bare rmcp", bare)] {
            figure(&format!("{what}, {who}"), micros(time), "us", None);
        }
    }
    figure("memory, ours", megabytes(report.loaded), "MB", None);
    figure("memory, bare rmcp", megabytes(report.bare_loaded), "MB", None);
    figure("first sweep of all kinds", report.first_sweep.as_secs_f64(), "s", None);
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

fn megabytes(memory: Memory) -> f64 {
    f64::from(u32::try_from(memory.now / 1_000).unwrap_or(u32::MAX)) / 1e3
}
