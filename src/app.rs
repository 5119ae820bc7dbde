//! The processes: everything that starts tasks, takes locks, listens or spawns.
//!
//! [`serve`] is the one server of a data directory: it holds the [`lock`], and its [`reception`] greets clients on the
//! [`socket`] with [`hello`] while its [`engine`] keeps the store up to date: it sweeps, at a pace that depends on whether events are
//! proved to arrive, and receives events. [`front`] is what MCP clients start: it
//! gets to that server through [`attach`]. Commands of people come through [`asking`], which reads the store by itself where
//! no server runs ([`offline`]); what is no question is an [`errand`], and
//! [`inspection`] looks at a store that may be damaged. [`setup`] makes what brings events, and takes it away; [`doctor`] looks at
//! all that Muster needs. [`demo`] is a server and a client in one process.

pub mod asking;
pub mod demo;
pub mod engine;
pub mod examination;
pub mod front;
pub mod inspection;
pub mod offline;
pub mod reception;
pub mod serve;
pub mod signals;
