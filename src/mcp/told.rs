//! What a client is told while its request is served: how far it is, for a client that gave a progress token, and log messages, for
//! one that asked for their level.

use crate::model::ScopeFilter;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
#[expect(deprecated, reason = "clients of every era that is served use it")]
use rmcp::model::{LoggingLevel, LoggingMessageNotificationParam};
use rmcp::model::{ProgressNotificationParam, ProgressToken};
use rmcp::service::{Peer, RequestContext, RoleServer};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use super::core::{Readiness, View};
use crate::kinds::KINDS;
use crate::model::text::shown;

/// How often a client is told.
const EVERY: Duration = Duration::from_secs(1);
/// How long a log message may take to be written. One that nobody reads must not hold its answer back.
const WRITE: Duration = Duration::from_secs(1);
/// How much is said at once.
const SAID: usize = 300;

/// The level of a log message.
#[expect(deprecated, reason = "clients of every era that is served use it")]
pub type LogLevel = LoggingLevel;

/// How far a call is. Clones share it: the tool writes it, and the client is told of it.
#[derive(Clone, Default)]
pub struct ProgressNote(Arc<Mutex<Option<(String, Duration)>>>);

impl ProgressNote {
    /// Notes how far the call is, and how long it takes at most.
    pub fn put(&self, said: String, whole: Duration) {
        *self.0.lock() = Some((said, whole));
    }
}

/// Tells the client of one request.
pub struct ClientNotifier {
    peer: Peer<RoleServer>,
    token: Option<ProgressToken>,
    level: Option<LogLevel>,
    begun: Instant,
    /// How long the request had waited before, at a server that was lost.
    waited: Duration,
}

#[expect(deprecated, reason = "clients of every era that is served use it")]
impl ClientNotifier {
    /// For a request, whose client asked for log messages of `level` and above and has `waited` for it already.
    #[must_use]
    pub fn new(context: &RequestContext<RoleServer>, level: Option<LogLevel>, waited: Duration) -> Self {
        ClientNotifier {
            peer: context.peer.clone(),
            token: context.meta.get_progress_token(),
            level,
            begun: Instant::now(),
            waited,
        }
    }

    /// Serves the request, and tells of it meanwhile.
    pub async fn during<T>(
        &self,
        what: &str,
        note: &ProgressNote,
        (readiness, view): (&watch::Receiver<Readiness>, &View),
        serving: impl Future<Output = T>,
    ) -> T {
        if self.token.is_none() && self.level.is_none() {
            return serving.await;
        }
        // On the heap: most requests are told of nothing.
        Box::pin(async {
            tokio::select! {
                served = serving => served,
                never = self.tell(what, note, readiness, view) => match never {},
            }
        })
        .await
    }

    /// Logs that `what`, such as a tool, failed, with the kind of the failure.
    pub async fn failed(&self, what: &str, code: Option<&Value>) {
        self.log(LoggingLevel::Warning, what, json!({"failed": code})).await;
    }

    /// Sends a log message about `what`, if its client asked for this level.
    async fn log(&self, level: LogLevel, what: &str, data: Value) {
        if self.level.is_some_and(|wanted| level as u8 >= wanted as u8) {
            let message = LoggingMessageNotificationParam::new(level, data).with_logger(format!("muster/{what}"));
            if !matches!(timeout(WRITE, self.peer.notify_logging_message(message)).await, Ok(Ok(()))) {
                tracing::debug!("a log message was not taken by its client");
            }
        }
    }

    async fn tell(
        &self,
        what: &str,
        note: &ProgressNote,
        readiness: &watch::Receiver<Readiness>,
        view: &View,
    ) -> Infallible {
        let mut is_logged = false;
        loop {
            sleep(EVERY).await;
            let noted = note.0.lock().clone();
            let (said, whole) = match noted {
                Some((said, whole)) => (Some(said), Some(whole)),
                None => (unready(readiness, view), None),
            };
            if let Some(token) = &self.token {
                let elapsed = (self.waited + self.begun.elapsed()).as_secs_f64();
                let mut progress = ProgressNotificationParam::new(token.clone(), elapsed);
                progress.total = whole.map(|whole| whole.as_secs_f64().max(elapsed));
                progress.message.clone_from(&said);
                if let Err(error) = self.peer.notify_progress(progress).await {
                    tracing::debug!(%error, "a client no longer hears how far its request is");
                }
            }
            if let Some(said) = said.filter(|_| !is_logged) {
                self.log(LoggingLevel::Info, what, json!({"waits": said})).await;
                is_logged = true;
            }
        }
    }
}

/// What a request waits for while it waits for anything but its own work: the store, or a first sweep.
fn unready(readiness: &watch::Receiver<Readiness>, view: &View) -> Option<String> {
    match &*readiness.borrow() {
        Readiness::Opening => Some("the store is being opened".to_owned()),
        Readiness::Failed(_) => None,
        Readiness::Ready(core) => {
            let progress = view.core(core).progress(KINDS, &ScopeFilter::Everywhere);
            progress.is_pending().then(|| shown(&format!("first sweep: {progress}"), SAID))
        }
    }
}

#[cfg(test)]
mod tests;
