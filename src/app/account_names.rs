//! Keeps in the data directory what is known of the accounts, and why some are no longer watched.

use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::connection::kept_accounts;
use crate::model::KnownAccounts;

/// The shortest time between two writes: many accounts become known one after the other.
const PAUSE: Duration = Duration::from_millis(200);

/// Writes what is known of the accounts to `data_dir` whenever it changes, until `stop`.
pub(super) async fn keep(mut known: watch::Receiver<KnownAccounts>, data_dir: PathBuf, stop: CancellationToken) {
    loop {
        tokio::select! {
            // What is not written yet comes first.
            biased;
            changed = known.changed() => if changed.is_err() { return },
            () = stop.cancelled() => return,
        }
        let (now, data_dir) = (known.borrow_and_update().clone(), data_dir.clone());
        // A panic is logged where it happens.
        if let Ok(Err(error)) = spawn_blocking(move || kept_accounts::write(&now, &data_dir)).await {
            tracing::warn!(%error, "the names of the accounts cannot be kept for the next start");
        }
        stop.run_until_cancelled(sleep(PAUSE)).await;
    }
}
