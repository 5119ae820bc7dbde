//! The time of a commit after this machine's clock was set back.
//!
//! `as_of` finds the last record committed up to a time, so it needs times that never go back. After a clock was wrong for a while,
//! an earlier `as_of` must not show later records, and new records must not stay hidden behind a time far in the future.

use std::time::Duration;

use super::snapshot::{ReadError, Snapshot};
use crate::model::Timestamp;

/// The longest step back of a clock that is bridged; it covers wrong time zones and daylight saving time.
pub(super) const BRIDGED: Duration = Duration::from_hours(2);

/// The recorded time of a commit made at `now`. `dated` is the latest commit time up to `now` plus [`BRIDGED`].
///
/// After a step back of up to [`BRIDGED`], commits get the newest recorded time until the clock has caught up, so new records never
/// appear at a time before existing ones. Still later times come from a clock that was ahead: they are ignored.
pub(super) fn recorded_at(now: Timestamp, dated: Option<Timestamp>) -> Timestamp {
    dated.map_or(now, |dated| dated.max(now))
}

impl Snapshot {
    /// The latest commit time at or before `until` that is still valid.
    pub(super) fn dated_until(&self, until: Timestamp) -> Result<Option<Timestamp>, ReadError> {
        let kept = self.last_time(until)?.map(|(at, _)| at);
        let ledger = self.0.ledger;
        let folded = (ledger.horizon > 0).then(|| Timestamp::from_millis(ledger.horizon_at));
        Ok(kept.or_else(|| folded.filter(|at| *at <= until)))
    }
}

#[cfg(test)]
mod tests;
