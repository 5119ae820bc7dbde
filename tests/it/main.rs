//! Muster as a whole, from outside: the real binary against the AWS emulator moto and its own simulator, driven by the MCP
//! clients that people use.
//!
//! The harness installs what it needs from `PyPI` under `target/it` on first use.

#[cfg(test)]
mod clients;
#[cfg(test)]
mod config;
#[cfg(test)]
mod crash;
#[cfg(test)]
mod credentials;
#[cfg(test)]
mod damage;
#[cfg(test)]
mod demo;
#[cfg(target_os = "linux")]
#[cfg(test)]
mod disk;
#[cfg(test)]
mod doctor;
#[cfg(test)]
mod environment;
#[cfg(test)]
mod events;
#[cfg(test)]
mod failures;
#[cfg(test)]
mod fields;
#[cfg(test)]
mod filters;
#[cfg(test)]
mod frozen;
#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod harness;
#[cfg(test)]
mod identity;
#[cfg(test)]
mod kills;
#[cfg(test)]
mod list;
#[cfg(test)]
mod memory;
#[cfg(test)]
mod modules;
#[cfg(test)]
mod named;
#[cfg(test)]
mod parity;
#[cfg(test)]
mod parked;
#[cfg(test)]
mod places;
#[cfg(test)]
mod protocol;
#[cfg(test)]
mod proxy;
#[cfg(test)]
mod readme;
#[cfg(test)]
mod regions;
#[cfg(test)]
mod restart;
#[cfg(test)]
mod scenarios;
#[cfg(test)]
mod setup;
#[cfg(test)]
mod shell;
#[cfg(test)]
mod storm;
#[cfg(test)]
mod subscribe;
#[cfg(test)]
mod two_clients;
#[cfg(test)]
mod volumes;
#[cfg(test)]
mod watched;
#[cfg(test)]
mod who;
#[cfg(test)]
mod writes;
