//! How often something took how long.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Counts durations by how long they are, for many threads at once and without a lock: noting one costs as much as looking at a clock.
#[derive(Debug)]
pub struct DurationTally {
    bounds: &'static [Duration],
    /// One for each bound, and one for what is longer than the last.
    counts: Box<[AtomicU64]>,
    nanos: AtomicU64,
}

/// What a [`DurationTally`] has counted.
#[derive(Clone, Debug, PartialEq)]
pub struct CountedDurations {
    /// How many there were.
    pub count: u64,
    /// Their sum in seconds.
    pub seconds: f64,
    /// How many were at most as long as each bound, in seconds, and longer than the one before; the last bound is infinite.
    pub buckets: Vec<(f64, u64)>,
}

impl DurationTally {
    /// Counts by these bounds, which have to be in order.
    #[must_use]
    pub fn new(bounds: &'static [Duration]) -> Self {
        let counts = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        DurationTally { bounds, counts, nanos: AtomicU64::new(0) }
    }

    /// Counts one.
    pub fn note(&self, took: Duration) {
        let place = self.bounds.partition_point(|bound| *bound < took);
        if let Some(count) = self.counts.get(place) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        self.nanos.fetch_add(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// What was counted so far.
    #[must_use]
    pub fn counted(&self) -> CountedDurations {
        let bounds = self.bounds.iter().map(Duration::as_secs_f64).chain([f64::INFINITY]);
        let counts = self.counts.iter().map(|count| count.load(Ordering::Relaxed));
        let buckets: Vec<(f64, u64)> = bounds.zip(counts).collect();
        // Of the buckets themselves: a total of its own could differ from them for a moment.
        let count = buckets.iter().map(|(_, count)| count).sum();
        let seconds = Duration::from_nanos(self.nanos.load(Ordering::Relaxed)).as_secs_f64();
        CountedDurations { count, seconds, buckets }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BOUNDS: &[Duration] = &[Duration::from_millis(1), Duration::from_millis(10), Duration::from_secs(1)];

    #[test]
    fn a_duration_counts_in_the_first_bucket_that_holds_it() {
        let tally = DurationTally::new(BOUNDS);
        for millis in [0, 1, 2, 10, 11, 1_000, 1_001] {
            tally.note(Duration::from_millis(millis));
        }
        let counted = tally.counted();
        assert_eq!(counted.buckets, [(0.001, 2), (0.01, 2), (1.0, 2), (f64::INFINITY, 1)]);
        assert_eq!((counted.count, counted.seconds), (7, 2.025));
    }

    proptest! {
        #[test]
        fn counts_agree_with_a_list_of_all(micros in prop::collection::vec(0_u64..3_000_000, 0..50)) {
            let tally = DurationTally::new(BOUNDS);
            let all: Vec<Duration> = micros.into_iter().map(Duration::from_micros).collect();
            for took in &all {
                tally.note(*took);
            }
            let counted = tally.counted();
            let mut below = 0;
            for (place, (_, count)) in counted.buckets.iter().enumerate() {
                below += count;
                let known = all.iter().filter(|took| BOUNDS.get(place).is_none_or(|bound| *took <= bound)).count();
                prop_assert_eq!(below, known as u64);
            }
            prop_assert_eq!(counted.count, all.len() as u64);
        }
    }
}
