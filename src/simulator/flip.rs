//! Stops and starts many instances in one request: `POST /_simulator/flip`.
//!
//! `{"from": 0, "count": 100}` looks at 100 instances from number 0 on. It stops those that run and starts those that
//! are stopped; it skips instances that are changing state, terminated or managed. The transitions have the same delays
//! and events as those of an API call, except CloudTrail's, because no call was made. The answer lists the flipped
//! instances and the number where the next round begins; the first instance follows the last. Load tests use this where
//! one call per instance would take too long.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::simulator::instance::State;
use crate::simulator::world::{UnknownScope, World};

/// The most instances that one request looks at.
const MAX_COUNT: u64 = 10_000;

/// Why no instance was flipped.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FlipError {
    /// The body is not a flip request.
    #[error("the body is not a flip request: {source}; send {{\"from\": 0, \"count\": 100}}")]
    Body {
        /// The error from serde.
        #[from]
        source: serde_json::Error,
    },
    /// There is no such account or region.
    #[error(transparent)]
    Scope(#[from] UnknownScope),
    /// The request asks for too many instances.
    #[error("{count} instances are too many for one request; give at most {MAX_COUNT}")]
    Count {
        /// How many instances it asked for.
        count: u64,
    },
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Flip {
    account: Option<String>,
    region: Option<String>,
    from: u64,
    count: u64,
}

/// Flips instances.
///
/// # Errors
/// When the body is not a flip request, asks for too many instances, or names an unknown account or region.
pub(crate) fn flip(world: &World, body: &[u8]) -> Result<Value, FlipError> {
    let Flip { account, region, from, count } = serde_json::from_slice(body)?;
    let (account, region) = world.scope(account.as_deref(), region.as_deref())?;
    if count > MAX_COUNT {
        return Err(FlipError::Count { count });
    }
    let account = world.account(account, region);
    let mut edit = account.edit();
    let end = edit.end();
    let (mut flipped, mut next) = (Vec::new(), from);
    for _ in 0..count.min(end) {
        next = if next < end { next } else { 0 };
        let number = next;
        next += 1;
        let Some(instance) = edit.instance(number).filter(|instance| !instance.managed) else { continue };
        match instance.state(edit.now()) {
            State::Running => edit.stop(number),
            State::Stopped => edit.start(number),
            _ => continue,
        }
        flipped.push(account.plan().id(&instance));
    }
    Ok(json!({ "next": next, "flipped": flipped }))
}
