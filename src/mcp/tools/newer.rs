//! The newest change that an answer includes although it is newer than the time as of which the answer is complete: events, live
//! looks and tools' calls are seen between sweeps.

use std::ops::ControlFlow;

use crate::kinds::KindSpec;
use crate::mcp::core::Core;
use crate::mcp::error::RequestError;
use crate::model::{Cause, Recorded, ScopeFilter, Seq, Timestamp};

/// How many of the newest records are looked at, so that no answer walks the log.
const LOOKED_AT: usize = 500;

/// When the newest change of these kinds after `as_of` was recorded; `None` when there is none. Where too much was recorded since to
/// look at all of it, it is the newest change of any kind: everything up to it is included too.
///
/// # Errors
/// When the store cannot be read.
pub(super) fn newest_after(
    core: &Core,
    kinds: &[&'static KindSpec],
    scope: &ScopeFilter,
    as_of: Timestamp,
) -> Result<Option<Timestamp>, RequestError> {
    let snapshot = core.snapshot()?;
    // Almost always the first few records decide, and most of the others are what a first sweep found.
    let (mut any, mut found, mut is_all) = (None, None, false);
    let has_none_left = snapshot.each_sealed_before(Seq(u64::MAX), LOOKED_AT, |sealed| {
        let baseline = sealed.baseline().map(|record| record.recorded_at);
        let record = if baseline.is_none() { sealed.open() } else { None };
        let Some(at) = baseline.or(record.as_ref().map(|record| record.recorded_at)) else {
            return ControlFlow::Continue(());
        };
        if at <= as_of {
            is_all = true;
            return ControlFlow::Break(());
        }
        let Some(record) = record.filter(is_between_sweeps) else { return ControlFlow::Continue(()) };
        any = any.or(Some(record.recorded_at));
        let is_asked = record
            .event
            .resource()
            .is_some_and(|id| kinds.iter().any(|kind| kind.name == id.kind.as_str()) && scope.takes(&id.scope()));
        if is_asked {
            found = Some(record.recorded_at);
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    })?;
    // All that is newer was looked at: what is of other kinds does not count.
    Ok(found.or(any.filter(|_| !is_all && !has_none_left)))
}

/// Whether something else than a sweep saw a change. What a sweep saw is as of the sweep.
fn is_between_sweeps(record: &Recorded) -> bool {
    let is_swept = matches!(record.cause, Cause::Baseline | Cause::Sweep | Cause::Resumed { .. });
    !is_swept && record.event.resource().is_some()
}
