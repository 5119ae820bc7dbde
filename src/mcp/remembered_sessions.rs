//! What is remembered of the sessions of HTTP, so that a request of one that is no longer served restores it.
//!
//! A session of the older era costs memory as long as it is served, and most clients never end theirs. So only some idle ones stay
//! served. Of the others, and across a restart of the server, what the client said when it opened the session is kept, and the URIs
//! that it subscribed to: [`MOST`](table::MOST) sessions, each until [`KEPT`](table::KEPT) after its last request.

mod file;
mod record;
mod table;

use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::Mutex;
use rmcp::model::InitializeRequestParams;
use rmcp::transport::streamable_http_server::session::{SessionState, SessionStore, SessionStoreError};

use self::file::SessionFile;
use self::record::{SessionNews, SessionRecord};
use self::table::SessionTable;
use crate::model::Clock;

/// Remembers sessions, in memory and in a file.
pub(super) struct RememberedSessions {
    table: Mutex<SessionTable>,
    file: tokio::sync::Mutex<SessionFile>,
    clock: Arc<dyn Clock>,
}

impl RememberedSessions {
    /// Reads what `path` holds, and keeps it up to date. Without a path nothing outlives the process.
    pub(super) async fn open(path: Option<PathBuf>, clock: Arc<dyn Clock>) -> Self {
        let mut table = SessionTable::default();
        let file = SessionFile::new(path);
        for record in file.read().await {
            table.apply(&record);
        }
        table.trim(clock.now());
        RememberedSessions { table: Mutex::new(table), file: tokio::sync::Mutex::new(file), clock }
    }

    /// Whether a session can be restored.
    pub(super) fn contains(&self, session: &str) -> bool {
        self.table.lock().contains(session, self.clock.now())
    }

    /// The URIs to which the client of a session is subscribed.
    pub(super) fn uris(&self, session: &str) -> Vec<String> {
        self.table.lock().uris(session)
    }

    /// Keeps a session for as long as it is served.
    pub(super) fn served(&self, session: &str) {
        self.table.lock().served(session);
    }

    /// Records that a session is no longer served.
    pub(super) async fn left(&self, session: &str) {
        self.table.lock().left(session);
        self.note(session, SessionNews::Used).await;
    }

    /// Records that a session is in use, which it does now and then.
    pub(super) async fn used(&self, session: &str) {
        if self.table.lock().is_due(session, self.clock.now()) {
            self.note(session, SessionNews::Used).await;
        }
    }

    /// Records that the client of a session subscribed to `uri`.
    pub(super) async fn subscribed(&self, session: &str, uri: &str) {
        self.note(session, SessionNews::Subscribed { uri: uri.to_owned() }).await;
    }

    /// Records that the client of a session is no longer subscribed to `uri`.
    pub(super) async fn unsubscribed(&self, session: &str, uri: &str) {
        self.note(session, SessionNews::Unsubscribed { uri: uri.to_owned() }).await;
    }

    async fn note(&self, session: &str, news: SessionNews) {
        let record = SessionRecord { session: session.to_owned(), at: self.clock.now().as_millis(), news };
        // The file is locked first, so that its lines are in the order of the changes.
        let mut file = self.file.lock().await;
        let whole = {
            let mut table = self.table.lock();
            if !table.apply(&record) {
                return;
            }
            table.trim(self.clock.now());
            file.is_long(table.len()).then(|| table.records())
        };
        match whole {
            Some(records) => file.rewrite(&records).await,
            None => file.append(&record).await,
        }
    }
}

#[async_trait::async_trait]
impl SessionStore for RememberedSessions {
    async fn load(&self, session: &str) -> Result<Option<SessionState>, SessionStoreError> {
        Ok(self.table.lock().opening(session, self.clock.now()).map(SessionState::new))
    }

    async fn store(&self, session: &str, state: &SessionState) -> Result<(), SessionStoreError> {
        self.opened(session, state.initialize_params.clone()).await;
        Ok(())
    }

    async fn delete(&self, session: &str) -> Result<(), SessionStoreError> {
        self.note(session, SessionNews::Ended).await;
        Ok(())
    }
}

impl RememberedSessions {
    async fn opened(&self, session: &str, initialize: InitializeRequestParams) {
        self.note(session, SessionNews::Opened { initialize: Box::new(initialize), uris: Vec::new() }).await;
        self.served(session);
    }
}

#[cfg(test)]
mod tests;
