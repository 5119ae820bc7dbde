//! Watches an AWS account: runs the sources of each scope into the writer.
//!
//! ```text
//! members: several accounts   --> account (one watcher each)
//! account: whose credentials, which regions --> scope_watcher (one each)
//!                                                 |-- sweeps      full listings of each kind    --> ingest
//!                                                 |-- refresh     one a kind: ids that are wanted --> ingest
//!                                                 |-- events      messages of the queue           --> ingest
//!                                                 |-- canaries    prove that events arrive        --> freshness
//!                                                 `-- intervals   slow the sweeps while they do
//! ```
//!
//! Everything here ends when its [`tasks::Tasks`] are told to stop; nothing ends because AWS fails.

pub mod account;
mod canaries;
mod events;
mod files;
mod intervals;
mod listener;
mod member;
pub mod members;
mod queue_receivers;
pub mod quiet;
mod refresh;
mod scope;
mod scope_watcher;
pub mod settings;
mod sweeps;
pub mod tasks;
mod turns;
mod voice;
