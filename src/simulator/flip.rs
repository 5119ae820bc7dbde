//! Stops and starts by request, many at once: `POST /_simulator/flip`.
//!
//! `{"from": 0, "count": 100}` stops those of the next so many instances that run, and starts those that are stopped; the others,
//! which move, are terminated or managed, stay. The transitions are those of a call, with their delays and events, but for
//! CloudTrail's: nobody called. The answer names who was flipped, and where the next round begins: past the last instance it is
//! the first again. For load that must not wait for a call of each.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::simulator::instance::State;
use crate::simulator::world::{UnknownScope, World};

/// The most instances that are looked at in one request.
const MAX_COUNT: u64 = 10_000;

/// Why nothing was flipped.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FlipError {
    /// The body says something else.
    #[error("the body is not a flip: {source}; send {{\"from\": 0, \"count\": 100}}")]
    Body {
        /// What serde said.
        #[from]
        source: serde_json::Error,
    },
    /// There is no such account or region.
    #[error(transparent)]
    Scope(#[from] UnknownScope),
    /// Too many.
    #[error("{count} instances are too many for one request; give at most {MAX_COUNT}")]
    Count {
        /// How many were asked for.
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
/// When the body does not say which.
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
