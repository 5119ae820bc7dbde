//! Counts of what the writer loop did, and whether it goes on.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::model::{Cause, CountedDurations, DurationTally, Kind};

/// The bounds of durations of commits.
const COMMIT: &[Duration] = &[
    Duration::from_millis(1),
    Duration::from_micros(2_500),
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(25),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(250),
    Duration::from_secs(1),
    Duration::from_secs(5),
];

/// The bounds of durations of sweeps.
const SWEEP: &[Duration] = &[
    Duration::from_millis(100),
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_millis(2_500),
    Duration::from_secs(5),
    Duration::from_secs(10),
    Duration::from_secs(30),
    Duration::from_mins(1),
    Duration::from_mins(5),
    Duration::from_mins(15),
];

/// The causes that records are counted by.
const CAUSES: [&str; 8] = ["baseline", "sweep", "refresh", "event", "call", "tool", "resumed", "attempt"];

/// Which lane a commit is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommitLane {
    /// What tools do, and what is refused.
    Tools,
    /// Events of AWS.
    Events,
    /// Describes of single resources.
    Refresh,
    /// Pages of sweeps.
    Pages,
    /// What folds old records.
    Retention,
}

impl CommitLane {
    /// All of them, with their names.
    pub const ALL: [(CommitLane, &'static str); 5] = [
        (CommitLane::Tools, "tools"),
        (CommitLane::Events, "events"),
        (CommitLane::Refresh, "refresh"),
        (CommitLane::Pages, "pages"),
        (CommitLane::Retention, "retention"),
    ];

    /// The lane of a record with this cause.
    fn of(cause: &Cause) -> Self {
        match cause {
            Cause::Tool { .. } | Cause::Attempt => CommitLane::Tools,
            Cause::Notification { .. } | Cause::Call { .. } => CommitLane::Events,
            Cause::Refresh => CommitLane::Refresh,
            Cause::Baseline | Cause::Sweep | Cause::Resumed { .. } => CommitLane::Pages,
        }
    }
}

/// The counts of the writer loop since it began.
#[derive(Debug)]
pub struct IngestTally {
    begun: Instant,
    /// Since when it is at one piece of work, in milliseconds since it began; one more than that, and 0 while it waits for work.
    busy: AtomicU64,
    commits: [DurationTally; CommitLane::ALL.len()],
    records: [AtomicU64; CAUSES.len()],
    sweeps: Mutex<BTreeMap<Kind, SweepTally>>,
}

/// The records of a commit by their causes, counted before it is given away.
#[derive(Clone, Debug, Default)]
pub(super) struct CommitCount {
    /// The lane of the first record.
    lane: Option<CommitLane>,
    records: [u64; CAUSES.len()],
}

impl<'a> FromIterator<&'a Cause> for CommitCount {
    fn from_iter<T: IntoIterator<Item = &'a Cause>>(causes: T) -> Self {
        let mut commit = CommitCount::default();
        for cause in causes {
            commit.lane.get_or_insert_with(|| CommitLane::of(cause));
            let name = named(cause);
            if let Some((_, count)) = CAUSES.iter().zip(&mut commit.records).find(|(known, _)| **known == name) {
                *count += 1;
            }
        }
        commit
    }
}

#[derive(Debug)]
struct SweepTally {
    complete: DurationTally,
    failed: u64,
}

/// The sweeps of a kind.
#[derive(Clone, Debug, PartialEq)]
pub struct CountedSweeps {
    /// The kind.
    pub kind: Kind,
    /// Those that were complete.
    pub complete: CountedDurations,
    /// How many failed.
    pub failed: u64,
}

impl Default for IngestTally {
    fn default() -> Self {
        IngestTally {
            begun: Instant::now(),
            busy: AtomicU64::new(0),
            commits: std::array::from_fn(|_| DurationTally::new(COMMIT)),
            records: std::array::from_fn(|_| AtomicU64::new(0)),
            sweeps: Mutex::default(),
        }
    }
}

impl IngestTally {
    /// Says that the loop begins with a piece of work, or goes on with one.
    pub(super) fn beat(&self) {
        let millis = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX - 1);
        self.busy.store(millis + 1, Ordering::Relaxed);
    }

    /// Says that the loop waits for work.
    pub(super) fn rest(&self) {
        self.busy.store(0, Ordering::Relaxed);
    }

    /// For how long the loop has been at one step of its work; `None` while it waits for work.
    #[must_use]
    pub fn busy_for(&self) -> Option<Duration> {
        let since = self.busy.load(Ordering::Relaxed).checked_sub(1)?;
        Some(self.begun.elapsed().saturating_sub(Duration::from_millis(since)))
    }

    /// Counts a commit that took this long.
    pub(super) fn note_commit(&self, commit: &CommitCount, took: Duration) {
        for (total, records) in self.records.iter().zip(commit.records) {
            total.fetch_add(records, Ordering::Relaxed);
        }
        if let Some(lane) = commit.lane {
            self.note_lane(lane, took);
        }
    }

    /// Counts a commit of a lane.
    pub(super) fn note_lane(&self, lane: CommitLane, took: Duration) {
        if let Some((_, times)) = CommitLane::ALL.iter().zip(&self.commits).find(|((known, _), _)| *known == lane) {
            times.note(took);
        }
    }

    /// Counts a sweep that ended: `complete` after so long, or not.
    pub(super) fn note_sweep(&self, kind: &Kind, complete: Option<Duration>) {
        let mut sweeps = self.sweeps.lock();
        let new = || SweepTally { complete: DurationTally::new(SWEEP), failed: 0 };
        let tally = sweeps.entry(kind.clone()).or_insert_with(new);
        match complete {
            Some(took) => tally.complete.note(took),
            None => tally.failed += 1,
        }
    }

    /// The commits so far, by the name of their lane.
    #[must_use]
    pub fn commits(&self) -> Vec<(&'static str, CountedDurations)> {
        CommitLane::ALL.iter().zip(&self.commits).map(|((_, name), times)| (*name, times.counted())).collect()
    }

    /// The committed records so far, by the name of their cause.
    #[must_use]
    pub fn records(&self) -> Vec<(&'static str, u64)> {
        CAUSES.iter().zip(&self.records).map(|(name, count)| (*name, count.load(Ordering::Relaxed))).collect()
    }

    /// The sweeps so far, by kind.
    #[must_use]
    pub fn sweeps(&self) -> Vec<CountedSweeps> {
        let sweeps = self.sweeps.lock();
        let counted = sweeps.iter().map(|(kind, tally)| CountedSweeps {
            kind: kind.clone(),
            complete: tally.complete.counted(),
            failed: tally.failed,
        });
        counted.collect()
    }
}

/// What a cause is counted as.
fn named(cause: &Cause) -> &'static str {
    match cause {
        Cause::Baseline => "baseline",
        Cause::Sweep => "sweep",
        Cause::Refresh => "refresh",
        Cause::Notification { .. } => "event",
        Cause::Call { .. } => "call",
        Cause::Tool { .. } => "tool",
        Cause::Resumed { .. } => "resumed",
        Cause::Attempt => "attempt",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_loop_that_hangs_is_busy_for_longer_and_longer_and_one_that_waits_is_not() {
        let tally = IngestTally::default();
        assert_eq!(tally.busy_for(), None);
        tally.beat();
        assert_eq!(tally.busy_for(), Some(Duration::ZERO));
        tokio::time::advance(Duration::from_secs(40)).await;
        assert_eq!(tally.busy_for(), Some(Duration::from_secs(40)));
        tally.beat();
        assert_eq!(tally.busy_for(), Some(Duration::ZERO), "it goes on");
        tally.rest();
        tokio::time::advance(Duration::from_hours(1)).await;
        assert_eq!(tally.busy_for(), None);
    }

    #[test]
    fn records_count_by_cause_and_commits_by_the_lane_of_the_first() {
        let tally = IngestTally::default();
        let took = Duration::from_millis(3);
        tally.note_commit(&[&Cause::Sweep, &Cause::Sweep, &Cause::Baseline].into_iter().collect(), took);
        tally.note_commit(&CommitCount::default(), took);
        let records: Vec<(&str, u64)> = tally.records().into_iter().filter(|(_, count)| *count > 0).collect();
        assert_eq!(records, [("baseline", 1), ("sweep", 2)]);
        let commits: Vec<(&str, u64)> = tally
            .commits()
            .into_iter()
            .map(|(lane, times)| (lane, times.count))
            .filter(|(_, count)| *count > 0)
            .collect();
        assert_eq!(commits, [("pages", 1)]);
    }
}
