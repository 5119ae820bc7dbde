//! What the process takes from its machine, under the names that every exporter uses. Only Linux says it.

use std::fs;
use std::time::Duration;

use rustix::process::{Resource, getrlimit};

use super::metric_spec::{MetricForm, MetricSpec, MetricUnit};
use super::metrics_page::{MetricValue, MetricsPage};

static CPU: MetricSpec = MetricSpec {
    name: "process_cpu",
    unit: MetricUnit::Seconds,
    form: MetricForm::Counter,
    labels: &[],
    help: "CPU time of the process",
};

static RESIDENT: MetricSpec = MetricSpec {
    name: "process_resident_memory",
    unit: MetricUnit::Bytes,
    form: MetricForm::Gauge,
    labels: &[],
    help: "Memory of the process that is in use",
};

static FILES: MetricSpec = MetricSpec {
    name: "process_open_fds",
    unit: MetricUnit::None,
    form: MetricForm::Gauge,
    labels: &[],
    help: "Open files of the process; each connection is one",
};

static MOST_FILES: MetricSpec = MetricSpec {
    name: "process_max_fds",
    unit: MetricUnit::None,
    form: MetricForm::Gauge,
    labels: &[],
    help: "How many files the process may open",
};

static START: MetricSpec = MetricSpec {
    name: "process_start_time",
    unit: MetricUnit::Seconds,
    form: MetricForm::Gauge,
    labels: &[],
    help: "When the process started, in Unix time",
};

static DROPPED: MetricSpec = MetricSpec {
    name: "muster_log_lines_dropped",
    unit: MetricUnit::None,
    form: MetricForm::Counter,
    labels: &[],
    help: "Lines for people that were dropped, because nobody read them or they could not be written",
};

static BUILD: MetricSpec = MetricSpec {
    name: "muster_build",
    unit: MetricUnit::None,
    form: MetricForm::Info,
    labels: &["version"],
    help: "The version of Muster",
};

/// In how many parts of a second Linux tells programs CPU time, on every machine.
const TICKS: u64 = 100;

/// The metrics that are described here.
pub(super) static SPECS: &[&MetricSpec] = &[&CPU, &RESIDENT, &FILES, &MOST_FILES, &START, &DROPPED, &BUILD];

/// What the system says of a process.
#[derive(Clone, Copy, Debug, PartialEq)]
struct ProcessFigures {
    cpu_seconds: f64,
    start_seconds: f64,
    resident_bytes: u64,
}

/// Adds what the system says of this process, and what the process says of itself.
pub(super) fn add(page: &mut MetricsPage, dropped_lines: u64) {
    if let Some(figures) = figures() {
        page.amount(&CPU, figures.cpu_seconds);
        page.count(&RESIDENT, figures.resident_bytes);
        page.amount(&START, figures.start_seconds);
    }
    if let Ok(files) = fs::read_dir("/proc/self/fd") {
        page.count(&FILES, files.count() as u64);
    }
    if let Some(most) = getrlimit(Resource::Nofile).current {
        page.count(&MOST_FILES, most);
    }
    page.count(&DROPPED, dropped_lines);
    page.add(&BUILD, [env!("CARGO_PKG_VERSION")], MetricValue::Count(1));
}

fn figures() -> Option<ProcessFigures> {
    let [stat, status, system] = ["/proc/self/stat", "/proc/self/status", "/proc/stat"].map(fs::read_to_string);
    read(&stat.ok()?, &status.ok()?, &system.ok()?)
}

/// Reads what the system says of a process, and when it was started itself.
fn read(stat: &str, status: &str, system: &str) -> Option<ProcessFigures> {
    // The name of the program may hold blanks and parentheses.
    let (_, fields) = stat.rsplit_once(')')?;
    let fields: Vec<u64> = fields.split_whitespace().map(|field| field.parse().unwrap_or_default()).collect();
    let seconds = |ticks: u64| Duration::from_millis(ticks * 1_000 / TICKS).as_secs_f64();
    let boot = system.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse::<u32>().ok()?;
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = resident.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(ProcessFigures {
        cpu_seconds: seconds(fields.get(11)? + fields.get(12)?),
        start_seconds: f64::from(boot) + seconds(*fields.get(19)?),
        resident_bytes: kibibytes * 1_024,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_says_is_read_whatever_the_program_is_called() {
        let stat = "4711 (a) b (c)) S 1 4711 4711 0 -1 4194560 1 0 0 0 250 50 0 0 20 0 9 0 12345 1000 300";
        let (status, system) =
            ("Name:\ta) b (c)\nVmRSS:\t    1200 kB\n", "cpu  1 2 3\nbtime 1800000000\nprocesses 5\n");
        let figures = read(stat, status, system).unwrap();
        let expected =
            ProcessFigures { cpu_seconds: 3.0, start_seconds: 1_800_000_123.45, resident_bytes: 1_200 * 1_024 };
        assert_eq!(figures, expected);
        assert_eq!(read("4711 (a", status, system), None);
        assert_eq!(read(stat, "Name: a", system), None);
        assert_eq!(read(stat, status, "cpu 1"), None);
    }
}
