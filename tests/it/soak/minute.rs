//! What was so after a part of the run, and in it.

use std::fmt;
use std::path::Path;

use super::client::{Counts, Shared};
use crate::harness::web::process_figure;

/// The figures of one part.
#[derive(Debug)]
pub(super) struct Minute {
    /// Resident memory of the server, in KiB.
    pub(super) memory: u64,
    /// Length of the store's file, in KiB.
    pub(super) file: u64,
    pub(super) read: Answered,
    pub(super) searched: Answered,
    /// Notifications of all listeners.
    pub(super) heard: u64,
    /// Reads of what had been removed.
    pub(super) gone: u64,
}

/// How many answers there were, and how long they took.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) count: u64,
    /// In microseconds.
    pub(super) p99_us: u64,
}

impl Minute {
    /// Takes what was counted since the last time, and looks at the server.
    pub(super) fn take(shared: &Shared, pid: u32, file: &Path) -> Minute {
        let Counts { mut reads, mut searches, heard, gone, .. } = shared.take();
        let memory = process_figure(pid, "VmRSS");
        let file = std::fs::metadata(file).unwrap().len() / 1024;
        Minute { memory, file, read: Answered::of(&mut reads), searched: Answered::of(&mut searches), heard, gone }
    }
}

impl Answered {
    fn of(micros: &mut [u64]) -> Answered {
        micros.sort_unstable();
        let p99_us = micros.get(micros.len().saturating_sub(1) * 99 / 100).copied().unwrap_or_default();
        Answered { count: micros.len() as u64, p99_us }
    }
}

impl fmt::Display for Minute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Minute { memory, file, read, searched, heard, gone } = self;
        write!(
            f,
            "memory {} MiB, file {} MiB; {} reads, p99 {} us, {gone} of them gone; ",
            memory >> 10,
            file >> 10,
            read.count,
            read.p99_us
        )?;
        write!(f, "{} searches, p99 {} us; {heard} notifications", searched.count, searched.p99_us)
    }
}

/// The most of a figure.
pub(super) fn most(minutes: &[Minute], figure: impl Fn(&Minute) -> u64) -> u64 {
    minutes.iter().map(figure).max().unwrap_or_default()
}
