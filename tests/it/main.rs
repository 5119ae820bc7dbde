//! Muster as a whole, from outside: the real binary against the AWS emulator moto and its own simulator, driven by the MCP
//! clients that people use.
//!
//! The harness installs what it needs from PyPI under `target/it` on first use.

#[cfg(test)]
mod clients;
#[cfg(test)]
mod harness;
