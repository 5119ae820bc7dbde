//! The processes: what starts tasks, takes locks, listens or spawns.
//!
//! - [`serve`] runs the one server of a data directory: its [`listener`] accepts clients while its [`engine`] keeps the store up
//!   to date.
//! - [`front`] is what MCP clients start; it attaches to that server.
//! - [`client`] is how commands ask: the server, or the store by itself where no server runs ([`offline`]).
//! - [`admin`] does what commands ask that is not a question: exports, figures, backups.
//! - [`inspection`] looks at a store that may be damaged.
//! - [`demo`] runs a simulated account, a server and a client in one process.

pub mod admin;
pub mod client;
#[cfg(feature = "simulator")]
pub mod demo;
pub mod engine;
pub mod examination;
pub mod front;
pub mod inspection;
pub mod listener;
pub mod offline;
pub mod serve;
pub mod signals;
