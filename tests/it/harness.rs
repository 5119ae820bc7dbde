//! What the tests start, and how they talk to it.
//!
//! Everything that runs is a [`process::Running`]: on loopback, bounded in time, its output kept in `target/it/logs`, and
//! ended by its process id when its owner drops it. Nothing is skipped when a prerequisite is missing: the test fails with
//! the line that installs it.

pub(crate) mod account;
pub(crate) mod authority;
pub(crate) mod caller;
pub(crate) mod collection;
pub(crate) mod differences;
pub(crate) mod driver;
pub(crate) mod ec2_caller;
pub(crate) mod gate;
pub(crate) mod hand;
pub(crate) mod middle;
pub(crate) mod moto;
pub(crate) mod muster;
pub(crate) mod node;
pub(crate) mod process;
pub(crate) mod promtool;
pub(crate) mod proxy;
pub(crate) mod python;
pub(crate) mod recorder;
mod relay;
pub(crate) mod roles;
pub(crate) mod rotating_key;
pub(crate) mod rpc;
pub(crate) mod rust;
pub(crate) mod simulator;
#[cfg(target_os = "linux")]
pub(crate) mod web;

use std::time::Duration;

use tokio::time::Instant;

/// How long anything that only has to happen may take before the test calls it a failure: far above what a loaded machine
/// needs, since no test is about speed.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// The first `Some` of `look`, asked every 50 ms.
///
/// # Panics
///
/// With `what` when [`PATIENCE`] runs out.
pub(crate) fn eventually<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    eventually_within(PATIENCE, what, look)
}

/// The same with a patience of its own.
pub(crate) fn eventually_within<T>(patience: Duration, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(started.elapsed() < patience, "{what}: not within {patience:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}
