//! Of which time a resource is shown.

use crate::kinds::KindSpec;
use crate::mcp::core::Core;
use crate::mcp::error::RequestError;
use crate::mcp::fresh::part_of;
use crate::mcp::lookup::{FoundResource, Part};
use crate::mcp::past::{RemovedResource, Then};
use crate::mcp::tools::as_of::AsOf;
use crate::mcp::unobserved::GapQuery;
use crate::model::{ScopeFilter, Seq, Timestamp};
use crate::query::Point;

/// The time that an answer is about.
pub(super) enum Age {
    /// Now.
    Now,
    /// At a point in the past.
    Then(AsOf),
    /// When the resource was last seen; it is gone.
    Gone { removed_at: Timestamp, removed_seq: Seq },
}

/// A resource as it was known at a point in the past.
pub(super) fn then(
    core: &Core,
    kind: &'static KindSpec,
    id: &str,
    scope: &ScopeFilter,
    point: Point,
) -> Result<(FoundResource, Age), RequestError> {
    let then = core.then(kind, id, scope, point)?;
    let as_of = AsOf::new(core, &GapQuery::of(&[kind], &then.id.scope().into()), point)?;
    Ok((known(kind, then, point.at, point.seq), Age::Then(as_of)))
}

/// The last known state of a removed resource; `None` when nothing is left of it.
pub(super) fn last(
    core: &Core,
    kind: &'static KindSpec,
    id: &str,
    scope: &ScopeFilter,
) -> Result<Option<(FoundResource, Age)>, RequestError> {
    let Some(RemovedResource { last, removed_at, removed_seq }) = core.gone(kind, id, scope)? else { return Ok(None) };
    let as_of = last.current.evidence.oldest();
    Ok(Some((known(kind, last, as_of, core.snapshot()?.seq()), Age::Gone { removed_at, removed_seq })))
}

fn known(kind: &'static KindSpec, then: Then, as_of: Timestamp, seq: Seq) -> FoundResource {
    let Then { id, current, part } = then;
    let part = part_of(kind).map(|_| Part { known: part.map(|part| (as_of, part)), stale: None });
    FoundResource { id, current, as_of, stale: None, part, seq }
}
