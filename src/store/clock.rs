//! At which time a commit is dated when this machine's clock was set back.
//!
//! `as_of` asks for the last record that was committed up to a time, so it is right only while times do not go back. A clock
//! that was wrong for a while must neither show an earlier `as_of` what was recorded later, nor keep everything that is recorded
//! from now on behind a date that lies far ahead.

use std::time::Duration;

use super::snapshot::{ReadError, Snapshot};
use crate::model::Timestamp;

/// The longest step back of a clock that is bridged. Wrong time zones and daylight saving time are within it.
pub(super) const BRIDGED: Duration = Duration::from_hours(2);

/// The time at which a commit is recorded when the clock says `now`. `dated` is the latest time at or before `now` and
/// [`BRIDGED`] at which something was committed.
///
/// After a step back of up to [`BRIDGED`] the newest time stands still until the clock has caught up, so nothing that is recorded
/// from now on shows at a time before what was there already. What is dated still later comes of a clock that was ahead: it is
/// not waited for, and its times count no more.
pub(super) fn recorded_at(now: Timestamp, dated: Option<Timestamp>) -> Timestamp {
    dated.map_or(now, |dated| dated.max(now))
}

impl Snapshot {
    /// The latest time at or before `until` at which something was committed that is still dated so.
    pub(super) fn dated_until(&self, until: Timestamp) -> Result<Option<Timestamp>, ReadError> {
        let kept = self.last_time(until)?.map(|(at, _)| at);
        let ledger = self.0.ledger;
        let folded = (ledger.horizon > 0).then(|| Timestamp::from_millis(ledger.horizon_at));
        Ok(kept.or_else(|| folded.filter(|at| *at <= until)))
    }
}

#[cfg(test)]
mod tests;
