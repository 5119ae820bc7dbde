//! The Model Context Protocol face: resources, subscriptions, tools and prompts, in both protocol eras. Everything served is a
//! cached copy and says so: each answer carries the time at which it was known to be true, why it may be stale, and what has not
//! been seen yet. rmcp speaks the protocol. Three things answer outside of it: [`normalise`], to invalid requests; the stdio relay,
//! when the server process is gone; and HTTP, to reads and lists that are like one that rmcp has answered.

pub mod auth;
pub mod call_origin;
pub mod calls;
pub mod cause;
pub mod checked_json;
pub mod claim_desk;
pub mod client;
pub mod complete;
pub mod confirmer;
pub mod core;
pub mod damage;
pub mod error;
pub mod exposed;
pub mod failed_scopes;
pub mod fresh;
mod idle;
pub mod instructions;
pub mod key_book;
pub mod limited_watch;
mod lines;
pub mod looks;
pub mod lookup;
pub mod normalise;
pub mod operations;
mod own_task;
pub mod parameters;
pub mod past;
pub mod places;
pub mod policy;
pub mod progress;
pub mod prompts;
mod protocol;
pub mod relay;
mod remembered_sessions;
mod request_trace;
pub mod resources;
pub mod rousing;
pub mod server;
pub mod stale;
pub mod stale_scopes;
pub mod stall;
pub mod subscription_filter;
pub mod subscriptions;
#[cfg(test)]
mod tests;
pub mod told;
pub mod tools;
pub mod touched;
pub mod transport;
pub mod unobserved;
pub mod unreadable;
pub mod unsure;
pub mod unwatched;
pub mod uri;
pub mod view_book;
pub mod watched_kinds;
pub mod who;

pub use core::{Core, Readiness};
pub use error::Failure;
pub use operations::Operations;
pub use policy::{ListMode, ServerPolicy};
pub use server::{Handler, Link, McpServer};

/// The default log filter for rmcp, which otherwise logs three lines per request, and an error for each client that closes while
/// an answer is under way.
pub const LOG: &str = "rmcp=warn,rmcp::service=off";
