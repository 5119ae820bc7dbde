//! The newest change that an answer includes although it is newer than the time as of which the answer is complete: events, live
//! looks and tools' calls are seen between sweeps.

use crate::kinds::KindSpec;
use crate::mcp::core::Core;
use crate::mcp::error::RequestError;
use crate::model::{Cause, Recorded, Scope, Seq, Timestamp};

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
    scope: Option<&Scope>,
    as_of: Timestamp,
) -> Result<Option<Timestamp>, RequestError> {
    let snapshot = core.snapshot()?;
    // Almost always the first few records decide.
    let (mut before, mut step, mut looked_at, mut any) = (Seq(u64::MAX), 8, 0, None);
    while looked_at < LOOKED_AT {
        let records = snapshot.records_before(before, step)?;
        for record in &records {
            if record.recorded_at <= as_of {
                return Ok(None);
            }
            if !is_between_sweeps(record) {
                continue;
            }
            any = any.or(Some(record.recorded_at));
            let is_asked = record.event.resource().is_some_and(|id| {
                kinds.iter().any(|kind| kind.name == id.kind.as_str()) && scope.is_none_or(|scope| *scope == id.scope())
            });
            if is_asked {
                return Ok(Some(record.recorded_at));
            }
        }
        let Some(last) = records.last().filter(|_| records.len() == step) else { return Ok(None) };
        (before, looked_at, step) = (last.seq, looked_at + records.len(), 100);
    }
    Ok(any)
}

/// Whether something else than a sweep saw a change. What a sweep saw is as of the sweep.
fn is_between_sweeps(record: &Recorded) -> bool {
    let is_swept = matches!(record.cause, Cause::Baseline | Cause::Sweep | Cause::Resumed { .. });
    !is_swept && record.event.resource().is_some()
}
