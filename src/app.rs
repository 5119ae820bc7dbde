//! The processes: everything that starts tasks, takes locks, listens or spawns.
//!
//! One server owns a data directory: it holds [`lock`], listens on [`socket`], and greets each client with [`hello`].

pub mod attach;
pub mod clients;
pub mod data_dir;
pub mod hello;
pub mod lock;
pub mod signals;
pub mod socket;
pub mod tasks;
