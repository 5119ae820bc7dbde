//! What the threads of a process have used, as `/proc` tells. Elsewhere than on Linux nothing is known.

use std::collections::BTreeMap;
use std::fs;

use anyhow::Context as _;

/// CPU time of threads, in nanoseconds, and how often they were given the processor; by their names.
pub(crate) struct Threads(BTreeMap<String, (u64, u64)>);

impl Threads {
    /// Those of a process, now.
    pub(crate) fn of(pid: u32) -> anyhow::Result<Self> {
        let mut threads = BTreeMap::new();
        let path = format!("/proc/{pid}/task");
        for task in fs::read_dir(&path).with_context(|| format!("cannot read {path}"))? {
            let task = task?.path();
            // A thread may end between two looks.
            let Ok(name) = fs::read_to_string(task.join("comm")) else { continue };
            let Ok(figures) = fs::read_to_string(task.join("schedstat")) else { continue };
            let mut figures = figures.split_whitespace().map(|figure| figure.parse::<u64>().unwrap_or_default());
            let (spent, times) = (figures.next().unwrap_or_default(), figures.nth(1).unwrap_or_default());
            let sum: &mut (u64, u64) = threads.entry(name.trim().to_owned()).or_default();
            *sum = (sum.0 + spent, sum.1 + times);
        }
        Ok(Threads(threads))
    }

    /// What they used since `before`, a line each.
    pub(crate) fn since(&self, before: &Threads) -> String {
        let line = |(name, (spent, times)): (&String, &(u64, u64))| {
            let (old_spent, old_times) = before.0.get(name).copied().unwrap_or_default();
            let millis = spent.saturating_sub(old_spent) / 1_000_000;
            format!("  {name}: {millis} ms, on the processor {} times", times.saturating_sub(old_times))
        };
        self.0.iter().map(line).collect::<Vec<_>>().join("\n")
    }
}
