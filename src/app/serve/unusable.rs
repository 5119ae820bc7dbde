//! What a server does while its store cannot be used: clients are told why until somebody did something about it.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::app::engine::{Foreign, StartError};
use crate::app::listener::ClientListener;
use crate::aws::Aws;
use crate::config::Config;
use crate::connection::data_dir;
use crate::mcp::Failure;
use crate::model::text::chain;

/// How often a server looks whether somebody touched the file of its store.
const LOOK: Duration = Duration::from_secs(1);

/// When it tries again anyway.
const RETRY: Duration = Duration::from_secs(15);

/// Tells clients why the store is not usable until somebody did something about it: then it is worth opening again. False
/// once they have left without, for `patience`.
pub(super) async fn mended(
    data_dir: &Path,
    listener: &ClientListener,
    error: &StartError,
    patience: Option<Duration>,
) -> bool {
    tracing::error!(error = %chain(error), "the store is not usable; clients are told so");
    let (begun, before) = (Instant::now(), stamp(data_dir));
    listener.fail(failure(error));
    let touched = async {
        // Another process's hold on the file does not show on it.
        while stamp(data_dir) == before && begun.elapsed() < RETRY {
            sleep(LOOK).await;
        }
    };
    tokio::select! {
        () = touched => true,
        () = deserted(listener, patience) => false,
    }
}

/// Tells clients that the store is another account's, until the credentials are that account's or somebody put another store
/// there. False once they have left without, for `patience`.
pub(super) async fn regained(
    config: &Config,
    listener: &ClientListener,
    foreign: &Foreign,
    patience: Option<Duration>,
) -> bool {
    let before = stamp(&config.data_dir);
    listener.fail(foreign_failure(foreign));
    let regained = async {
        loop {
            sleep(LOOK).await;
            if stamp(&config.data_dir) != before {
                return;
            }
            // Loaded anew each time: a profile may be another one's by now.
            let aws = Aws::load(config.aws_settings()).await;
            if aws.identify().await.is_ok_and(|account| account == foreign.stored) {
                return;
            }
            sleep(RETRY).await;
        }
    };
    tokio::select! {
        () = regained => true,
        () = deserted(listener, patience) => false,
    }
}

/// Why the store of another account is not served, for clients.
pub(super) fn foreign_failure(foreign: &Foreign) -> Failure {
    Failure { what: foreign.to_string(), fix: foreign.fix() }
}

/// Tells one state of the store's file from another, as far as can be seen from outside.
fn stamp(data_dir: &Path) -> Option<(u64, u64, i64, i64)> {
    let file = std::fs::metadata(data_dir::store(data_dir)).ok()?;
    Some((file.ino(), file.len(), file.mtime(), file.mtime_nsec()))
}

/// Why the store is not usable, for clients.
pub(super) fn failure(error: &dyn std::error::Error) -> Failure {
    let fix = "The server opens it again by itself within seconds";
    Failure { what: chain(error), fix: fix.to_owned() }
}

/// Waits until no MCP client has been there for `linger`; for ever without one. A command that asks does not prolong the time, and
/// is let finish.
pub(super) async fn deserted(listener: &ClientListener, linger: Option<Duration>) {
    let Some(linger) = linger else { return std::future::pending().await };
    loop {
        listener.conversations().gone_for(linger).await;
        listener.clients().gone_for(Duration::ZERO).await;
        if listener.conversations().now() == 0 {
            return;
        }
    }
}
