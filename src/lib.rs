//! Muster keeps a truthful local copy of an AWS account's EC2 inventory and serves it over the Model Context Protocol.

pub mod app;
pub mod aws;
pub mod cli;
pub mod config;
pub mod ingest;
pub mod kinds;
pub mod mcp;
pub mod model;
pub mod notify;
pub mod query;
pub mod reconcile;
pub mod simulator;
pub mod source;
pub mod store;
pub mod telemetry;
