//! The Model Context Protocol face: resources, subscriptions, tools and prompts, in both protocol eras.
//!
//! Everything served is a cached copy and says so: each answer carries the time it was known to be true, why it may be
//! stale, and what is not seen yet. rmcp speaks the protocol; what answers outside of it is [`normalise`], to what is no valid
//! request, and the stdio relay when the server process is gone.

pub mod client;
pub mod complete;
pub mod core;
pub mod damage;
pub mod error;
pub mod exposed;
pub mod fresh;
mod lines;
pub mod lookup;
pub mod normalise;
pub mod once;
pub mod parameters;
pub mod past;
pub mod policy;
pub mod progress;
pub mod prompts;
mod protocol;
pub mod relay;
pub mod resources;
pub mod server;
pub mod stale;
pub mod stall;
pub mod subscriptions;
#[cfg(test)]
mod tests;
pub mod tools;
pub mod transport;
pub mod unobserved;
pub mod unreadable;
pub mod unsure;
pub mod uri;
pub mod who;

pub use core::{Core, Phase};
pub use error::Failure;
pub use policy::{ListMode, Policy};
pub use server::{Handler, Link, Server};

/// What the log shows of rmcp unless asked for more: it tells three lines a request, and an error for each client that
/// closes with an answer under way.
pub const LOG: &str = "rmcp=warn,rmcp::service=off";
