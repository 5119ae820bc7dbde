//! Muster.

pub mod simulator;
