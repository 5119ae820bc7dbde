//! How long something took, again and again.

use std::time::Duration;

use tokio::time::Instant;

/// Times of one operation.
#[derive(Debug, Default)]
pub(crate) struct Times(Vec<Duration>);

impl Times {
    /// Does `operation` and keeps how long it took.
    pub(crate) fn measure<T>(&mut self, operation: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
        let begun = Instant::now();
        let outcome = std::hint::black_box(operation()?);
        self.0.push(begun.elapsed());
        Ok(outcome)
    }

    /// Keeps a time that was measured elsewhere.
    pub(crate) fn add(&mut self, time: Duration) {
        self.0.push(time);
    }

    /// How many times there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The time that `percent` of 100 do not exceed, in microseconds.
    pub(crate) fn percentile(&self, percent: usize) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let place = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
        sorted.get(place).map_or(0.0, |time| time.as_secs_f64() * 1e6)
    }

    /// Median, 99th percentile and number, for a line of output.
    pub(crate) fn shown(&self) -> String {
        format!("p50 {:.1} us, p99 {:.1} us, of {}", self.percentile(50), self.percentile(99), self.0.len())
    }
}
