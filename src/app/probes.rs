//! Whether a server is well, for whoever runs it: `/healthz` and `/readyz`.
//!
//! Both answer one word, to everybody: what they say is no secret, and a probe has no token. Neither depends on AWS. A server that
//! cannot reach AWS still answers, and to start it again would not help.

use std::time::Duration;

use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::mcp::Readiness;

/// For how long the writer may be at one step of its work: with a disk that answers it takes milliseconds.
const STEP: Duration = Duration::from_secs(30);

/// After this long a server counts as ready although something was never swept: sweeps that AWS does not let through may take for
/// ever, and what is known is served meanwhile with what it lacks.
const WARM: Duration = Duration::from_mins(1);

/// What a probe is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ProbeAnswer {
    /// All is well.
    Ok,
    /// The writer has been at one step of its work for too long.
    Stuck,
    /// The store is being opened.
    Opening,
    /// The store cannot be used.
    Failed,
    /// Something was not swept yet.
    Pending,
}

/// Where a server is, as far as probes ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ServerStage {
    /// The store is being opened.
    Opening,
    /// The store cannot be used, or its disk fails.
    Failed,
    /// The store is open.
    Open {
        /// For how long the writer has been at one step of its work; `None` while it waits for work.
        busy: Option<Duration>,
        /// Whether something was not swept yet.
        is_pending: bool,
    },
}

impl ProbeAnswer {
    /// What `/healthz` answers: whether to start the server again would help.
    fn of_health(stage: ServerStage) -> Self {
        match stage {
            ServerStage::Open { busy: Some(busy), .. } if busy >= STEP => ProbeAnswer::Stuck,
            _ => ProbeAnswer::Ok,
        }
    }

    /// What `/readyz` answers `since` the start: whether to send clients there.
    fn of_readiness(stage: ServerStage, since: Duration) -> Self {
        match stage {
            ServerStage::Opening => ProbeAnswer::Opening,
            ServerStage::Failed => ProbeAnswer::Failed,
            ServerStage::Open { is_pending: true, .. } if since < WARM => ProbeAnswer::Pending,
            ServerStage::Open { .. } => ProbeAnswer::Ok,
        }
    }

    fn word(self) -> &'static str {
        match self {
            ProbeAnswer::Ok => "ok",
            ProbeAnswer::Stuck => "stuck",
            ProbeAnswer::Opening => "opening",
            ProbeAnswer::Failed => "failed",
            ProbeAnswer::Pending => "pending",
        }
    }
}

impl IntoResponse for ProbeAnswer {
    fn into_response(self) -> Response {
        let status = if self == ProbeAnswer::Ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        (status, [(header::CACHE_CONTROL, "no-store")], format!("{}\n", self.word())).into_response()
    }
}

/// Where the server is now.
fn stage(readiness: &watch::Receiver<Readiness>) -> ServerStage {
    match &*readiness.borrow() {
        Readiness::Opening => ServerStage::Opening,
        Readiness::Failed(_) => ServerStage::Failed,
        Readiness::Ready(core) if core.store.is_failing() => ServerStage::Failed,
        Readiness::Ready(core) => ServerStage::Open {
            busy: core.ingest.tally().busy_for(),
            is_pending: core.ingest.freshness().has_pending(),
        },
    }
}

/// The routes of a server that began at `begun`.
pub(super) fn routes(readiness: &watch::Receiver<Readiness>, begun: Instant) -> Router {
    let (of_health, of_readiness) = (readiness.clone(), readiness.clone());
    let health = move || std::future::ready(ProbeAnswer::of_health(stage(&of_health)));
    let ready = move || std::future::ready(ProbeAnswer::of_readiness(stage(&of_readiness), begun.elapsed()));
    Router::new().route("/healthz", get(health)).route("/readyz", get(ready))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(busy: Option<u64>, is_pending: bool) -> ServerStage {
        ServerStage::Open { busy: busy.map(Duration::from_secs), is_pending }
    }

    #[test]
    fn only_a_writer_that_hangs_is_a_reason_to_start_the_server_again() {
        for stage in [ServerStage::Opening, ServerStage::Failed, open(None, true), open(Some(29), false)] {
            assert_eq!(ProbeAnswer::of_health(stage), ProbeAnswer::Ok, "{stage:?}");
        }
        assert_eq!(ProbeAnswer::of_health(open(Some(30), false)), ProbeAnswer::Stuck);
    }

    #[test]
    fn a_server_is_ready_once_everything_was_swept_or_a_minute_has_passed() {
        let ready = |stage, seconds| ProbeAnswer::of_readiness(stage, Duration::from_secs(seconds));
        assert_eq!(ready(open(None, true), 59), ProbeAnswer::Pending);
        assert_eq!(ready(open(None, true), 60), ProbeAnswer::Ok, "AWS may be down");
        assert_eq!(ready(open(None, false), 0), ProbeAnswer::Ok);
        assert_eq!(ready(open(Some(100), false), 0), ProbeAnswer::Ok, "reads need no writer");
        assert_eq!(ready(ServerStage::Opening, 1_000), ProbeAnswer::Opening);
        assert_eq!(ready(ServerStage::Failed, 1_000), ProbeAnswer::Failed);
    }
}
