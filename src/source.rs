//! The sources of observations: streams that watch AWS.
//!
//! A source never ends over a failure: failures are messages on its stream, and the stream goes on.

pub mod backoff;
pub mod events;
pub mod poll;
pub mod referred;
pub mod refresh;
pub mod sweeper;
