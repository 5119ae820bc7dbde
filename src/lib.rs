//! Muster keeps a truthful local copy of an AWS account's EC2 inventory and serves it over the Model Context Protocol.
//!
//! The data goes one way:
//!
//! - [`model`] is the vocabulary: identities, documents, observations, events. Pure.
//! - [`kinds`] has one file a kind of resource, and turns the SDK's structs into documents.
//! - [`aws`] is the one seam to AWS: paced, timed, its failures classified.
//! - [`source`] watches AWS: streams of what sweeps see.
//! - [`reconcile`] decides what an observation means for what is known. Pure.
//! - [`store`] keeps the log of events and everything derived from it, in one file.
//! - [`ingest`] is the one writer: observations in, decided, committed, told, acknowledged.
//! - [`notify`] tells subscribers what changed, without ever waiting for one.
//! - [`audit`] writes what tools did to a file for a log shipper, without ever holding up a write.
//! - [`query`] answers questions about many resources, from the store.
//! - [`policy`] says what a connection may change. Pure.
//! - [`mcp`] serves it all to clients, and carries out what tools are asked to do.
//! - [`ec2_api`] speaks EC2's own read API, for clients of AWS.
//! - `simulator` (a cargo feature, on by default) is an AWS account on loopback, for the demo, tests and benchmarks.
//! - [`config`], [`telemetry`], [`app`] and [`cli`] make processes of it.

pub mod app;
pub mod audit;
pub mod aws;
pub mod cli;
pub mod config;
pub mod connection;
pub mod doctor;
pub mod ec2_api;
pub mod freshness;
pub mod ingest;
pub mod kinds;
pub mod mcp;
pub mod model;
pub mod notify;
pub mod policy;
pub mod query;
pub mod reconcile;
pub mod setup;
#[cfg(feature = "simulator")]
pub mod simulator;
pub mod source;
pub mod store;
pub mod telemetry;
pub mod watch;
