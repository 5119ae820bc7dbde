//! Answers that are on their way from the handler to the stream of their request.
//!
//! rmcp finds that stream by the client's id. A client may use an id again as soon as it has the answer, so the id is free before the
//! answer is sent. But a request that came with the same id while the answer is on its way would be given it, and the first one would
//! wait for ever. So such a request waits until the answer has gone.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use rmcp::model::RequestId;
use tokio::sync::watch;
use tokio::time::timeout;

/// How long a request waits. An answer takes longer only where its client does not read.
const LEAVES: Duration = Duration::from_secs(5);

/// The ids of answers that are on their way.
#[derive(Clone, Default)]
pub(super) struct LeavingAnswers(Arc<watch::Sender<HashSet<RequestId>>>);

/// An answer on its way. Dropped when it has gone.
pub(super) struct LeavingAnswer {
    leaving: LeavingAnswers,
    id: RequestId,
}

impl LeavingAnswers {
    /// Notes that the answer to a request leaves.
    pub(super) fn begin(&self, id: &RequestId) -> LeavingAnswer {
        self.0.send_modify(|ids| {
            ids.insert(id.clone());
        });
        LeavingAnswer { leaving: self.clone(), id: id.clone() }
    }

    /// Waits until no answer with this id is on its way.
    pub(super) async fn gone(&self, id: &RequestId) {
        if self.0.borrow().contains(id) {
            let mut ids = self.0.subscribe();
            // The sender lives as long as this.
            drop(timeout(LEAVES, ids.wait_for(|ids| !ids.contains(id))).await);
        }
    }
}

impl Drop for LeavingAnswer {
    fn drop(&mut self) {
        self.leaving.0.send_modify(|ids| {
            ids.remove(&self.id);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_request_waits_for_the_answer_with_its_id_and_for_no_other() {
        let leaving = LeavingAnswers::default();
        let (one, other) = (RequestId::Number(1), RequestId::Number(2));
        let answer = leaving.begin(&one);
        leaving.gone(&other).await;
        let waits = leaving.gone(&one);
        tokio::pin!(waits);
        assert!(timeout(Duration::from_millis(20), &mut waits).await.is_err());
        drop(answer);
        waits.await;
        leaving.gone(&one).await;
    }
}
