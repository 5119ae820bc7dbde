//! Watches AWS: runs the sources of each scope into the writer.

pub mod canaries;
pub mod events;
pub mod intervals;
pub mod listening;
pub mod refresh;
pub mod sweeps;
pub mod tasks;
