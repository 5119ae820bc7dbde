//! Follows AWS's configuration files: what failed because of them is tried again as soon as they change.

use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::sleep;

use crate::aws::Aws;
use crate::aws::profiles::stamps::FileStamps;
use crate::freshness::Signal;
use crate::ingest::IngestHandle;

/// How often it is looked whether they changed.
const LOOK: Duration = Duration::from_secs(2);

/// Looks at the files again and again.
pub(super) async fn follow(aws: Aws, ingest: IngestHandle) {
    let mut known = None;
    loop {
        // A look that panics tells nothing.
        let found = spawn_blocking(FileStamps::now).await.ok();
        if known.is_some() && found.is_some() && found != known {
            tracing::info!("AWS's configuration files have changed: they are read again");
            aws.files_changed().await;
            ingest.signal(Signal::TryNow);
        }
        known = found.or(known);
        sleep(LOOK).await;
    }
}
