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
use super::auth::KnownCaller;
use crate::model::{Clock, Timestamp};

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
        let mut ended = 0;
        for record in file.read().await {
            table.apply(&record);
            ended = record.at;
        }
        table.resume(Timestamp::from_millis(ended));
        table.trim(clock.now());
        RememberedSessions { table: Mutex::new(table), file: tokio::sync::Mutex::new(file), clock }
    }

    /// Whether whoever makes this request can have a session restored.
    pub(super) fn contains(&self, session: &str) -> bool {
        self.table.lock().is_of(session, asking().as_ref(), self.clock.now())
    }

    /// Forgets a session, whose client may not use it any more.
    pub(super) async fn forget(&self, session: &str) {
        self.note(session, SessionNews::Ended).await;
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
        self.note(session, SessionNews::Left).await;
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

    /// Writes nothing from now on: what is served now counts as served until the end of the process.
    pub(super) async fn close(&self) {
        self.file.lock().await.close();
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

/// Whose the sessions are that this request opens.
fn asking() -> Option<Arc<str>> {
    KnownCaller::current().map(|caller| Arc::clone(caller.rights()))
}

#[async_trait::async_trait]
impl SessionStore for RememberedSessions {
    async fn load(&self, session: &str) -> Result<Option<SessionState>, SessionStoreError> {
        let opening = self.table.lock().opening(session, self.clock.now());
        Ok(opening.filter(|_| self.contains(session)).map(SessionState::new))
    }

    async fn store(&self, session: &str, state: &SessionState) -> Result<(), SessionStoreError> {
        self.opened(session, state.initialize_params.clone()).await;
        Ok(())
    }

    async fn delete(&self, session: &str) -> Result<(), SessionStoreError> {
        self.forget(session).await;
        Ok(())
    }
}

impl RememberedSessions {
    async fn opened(&self, session: &str, initialize: InitializeRequestParams) {
        let (initialize, owner) = (Box::new(initialize), asking());
        self.note(session, SessionNews::Opened { initialize, uris: Vec::new(), left: false, owner }).await;
        self.served(session);
    }
}

#[cfg(test)]
mod tests;
