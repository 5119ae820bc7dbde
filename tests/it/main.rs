//! Muster as a whole, from outside: the real binary against the AWS emulator moto and its own simulator, driven by the MCP
//! clients that people use.
//!
//! The harness installs what it needs from `PyPI` and npm under `target/it` on first use.
//!
//! # What is tested
//! `cargo test` runs everything, a minute of storm among it: `muster serve` watches a simulator under
//! `tests/it/scenarios/storm.toml` (throttles, failing pages, describes that lag, events lost, repeated and
//! reordered) while a client reads all the time and holds every answer against what AWS held when. So does a model test, with
//! 10,000 random programs of changes, faults, restarts, clock jumps, and accounts that come and go. EventBridge's rules are disabled
//! under churn, one and all, until the label shows, sweeps quicken and the copy equals AWS. A server that hears events from moto's queue
//! is killed before it has stored them, and before it has deleted them: none is lost, none counts twice. The store is cut off at every
//! sync of a recorded workload, its disk fails at every call, single bits of its file are flipped. The longer runs are the same tests
//! with other numbers, and the simulator at a million instances; they print their figures:
//!
//! ```console
//! MUSTER_PROGRAMS=1000000 MUSTER_PROGRAMS_ON_DISK=1000 cargo test --release --lib truth:: -- --nocapture
//! MUSTER_STORM_SECONDS=600 MUSTER_STORM_INSTANCES=20000 cargo test --release --test it storm:: -- --nocapture
//! MUSTER_FLIPS=2000 cargo test --release --lib flipped -- --nocapture
//! MUSTER_TEARS=40 MUSTER_FAULTS=all cargo test --release --lib -- store::crash ingest:: --skip truth:: --nocapture
//! MUSTER_KILLS=50 MUSTER_FLOOD=100000 cargo test --release --test it kills:: -- --nocapture
//! MUSTER_WRITE_KILLS=500 cargo test --release --test it write_kills:: -- --nocapture
//! MUSTER_READ_ONLY=5000 cargo test --release --test it read_only:: -- --nocapture
//! MUSTER_TAKEOVERS=50 cargo test --release --test it takeover:: -- --nocapture
//! MUSTER_DISK_SECONDS=60 cargo test --release --test it disk:: -- --nocapture
//! MUSTER_CUT_SECONDS=600 cargo test --release --test it events:: -- --nocapture
//! MUSTER_FROZEN_SECONDS=600 cargo test --release --test it frozen:: -- --nocapture
//! MUSTER_FUZZ_SECONDS=600 cargo test --release -- fuzz --nocapture
//! MUSTER_QUESTIONS=1000,10000,100000 cargo test --release --test it questions::table -- --nocapture
//! MUSTER_SEARCHES=20000 MUSTER_SEED=7 cargo test --release --test it searches:: -- --nocapture
//! MUSTER_SUBSCRIBER_SECONDS=300 cargo test --release --test it subscribers:: -- --nocapture
//! MUSTER_CROWD_SECONDS=60 cargo test --release --test it crowds:: -- --nocapture
//! MUSTER_SOAK_MINUTES=30 MUSTER_SOAK_SIZE=100000 cargo test --release --test it soak:: -- --nocapture
//! MUSTER_STATEMENTS=20000 cargo test --release --test it sql:: -- --nocapture
//! MUSTER_COLD_STARTS=50 cargo test --release --test it cold_start -- --nocapture
//! MUSTER_BENCH_SECONDS=300 cargo bench --bench events
//! MUSTER_BENCH_RESOURCES=100000 MUSTER_BENCH_EVENTS=1000000 MUSTER_BENCH_RETAIN_MIB=32 cargo bench --bench history
//! MUSTER_BENCH_INSTANCES=1000000 MUSTER_BENCH_CHANGES=100000 cargo bench --bench simulator
//! ```

#[cfg(test)]
mod accounts;
#[cfg(test)]
mod agents;
#[cfg(test)]
mod audit;
#[cfg(target_os = "linux")]
#[cfg(test)]
mod bodies;
#[cfg(test)]
mod central_bus;
#[cfg(test)]
mod clients;
#[cfg(test)]
mod company;
#[cfg(test)]
mod config;
#[cfg(test)]
mod confirmation;
#[cfg(test)]
mod conformance;
#[cfg(test)]
mod crash;
#[cfg(test)]
mod credentials;
#[cfg(target_os = "linux")]
#[cfg(test)]
mod crowds;
#[cfg(test)]
mod damage;
#[cfg(test)]
mod demo;
#[cfg(test)]
mod departures;
#[cfg(test)]
mod discovery;
#[cfg(target_os = "linux")]
#[cfg(test)]
mod disk;
#[cfg(test)]
mod doctor;
#[cfg(test)]
mod ec2_api;
#[cfg(test)]
mod ec2_clients;
#[cfg(test)]
mod ec2_passed;
#[cfg(test)]
mod ec2_scale;
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
mod http_auth;
#[cfg(test)]
mod https;
#[cfg(test)]
mod iam;
#[cfg(test)]
mod identity;
#[cfg(test)]
mod key_offers;
#[cfg(test)]
mod kills;
#[cfg(test)]
mod kinds;
#[cfg(test)]
mod list;
#[cfg(test)]
mod listener;
#[cfg(test)]
mod memory;
#[cfg(test)]
mod modules;
#[cfg(test)]
mod named;
#[cfg(test)]
mod operators;
#[cfg(test)]
mod organizations;
#[cfg(test)]
mod parity;
#[cfg(test)]
mod parked;
#[cfg(test)]
mod places;
#[cfg(test)]
mod prices;
#[cfg(target_os = "linux")]
#[cfg(test)]
mod processes;
#[cfg(test)]
mod profiles;
#[cfg(test)]
mod protocol;
#[cfg(test)]
mod proxy;
#[cfg(test)]
mod questions;
#[cfg(test)]
mod queues;
#[cfg(test)]
mod quiet;
#[cfg(target_os = "linux")]
#[cfg(test)]
mod read_only;
#[cfg(test)]
mod readme;
#[cfg(test)]
mod regions;
#[cfg(test)]
mod restart;
#[cfg(test)]
mod retired;
#[cfg(test)]
mod scenarios;
#[cfg(test)]
mod searches;
#[cfg(test)]
mod secrets;
#[cfg(target_os = "linux")]
#[cfg(test)]
mod services;
#[cfg(test)]
mod setup;
#[cfg(test)]
mod shell;
#[cfg(target_os = "linux")]
#[cfg(test)]
mod signatures;
#[cfg(test)]
mod soak;
#[cfg(test)]
mod sql;
#[cfg(test)]
mod storm;
#[cfg(test)]
mod strangers;
#[cfg(test)]
mod subscribe;
#[cfg(target_os = "linux")]
#[cfg(test)]
mod subscribers;
#[cfg(target_os = "linux")]
#[cfg(test)]
mod successors;
#[cfg(target_os = "linux")]
#[cfg(test)]
mod takeover;
#[cfg(test)]
mod traces;
#[cfg(test)]
mod transcripts;
#[cfg(test)]
mod two_clients;
#[cfg(test)]
mod volumes;
#[cfg(test)]
mod watched;
#[cfg(test)]
mod who;
#[cfg(test)]
mod wire_names;
#[cfg(target_os = "linux")]
#[cfg(test)]
mod write_kills;
#[cfg(test)]
mod write_paths;
#[cfg(test)]
mod writes;
