//! The sessions of HTTP, each with its conversation.

use std::collections::HashMap;
use std::sync::Arc;

use futures::Stream;
use parking_lot::Mutex;
use rmcp::model::{ClientJsonRpcMessage, ServerJsonRpcMessage};
use rmcp::transport::streamable_http_server::session::local::{
    LocalSessionManager, LocalSessionManagerError, SessionTransport,
};
use rmcp::transport::streamable_http_server::session::{ServerSseMessage, SessionId, SessionManager};

use super::numbered::Numbered;
use crate::mcp::normalise::Conversation;

/// rmcp's sessions, and the conversation of each.
pub(super) struct HttpSessions {
    local: LocalSessionManager,
    conversations: Mutex<HashMap<SessionId, Arc<Mutex<Conversation>>>>,
}

impl HttpSessions {
    pub(super) fn new(local: LocalSessionManager) -> Self {
        HttpSessions { local, conversations: Mutex::default() }
    }

    /// How many sessions are open.
    pub(super) fn count(&self) -> usize {
        self.conversations.lock().len()
    }

    /// The conversation of a session; `None` for an unknown session.
    pub(super) fn conversation(&self, session: &str) -> Option<Arc<Mutex<Conversation>>> {
        self.conversations.lock().get(session).cloned()
    }
}

impl SessionManager for HttpSessions {
    type Error = LocalSessionManagerError;
    type Transport = Numbered<SessionTransport>;

    async fn create_session(&self) -> Result<(SessionId, Self::Transport), Self::Error> {
        let (id, transport) = self.local.create_session().await?;
        let conversation = Arc::new(Mutex::new(Conversation::opened()));
        self.conversations.lock().insert(id.clone(), Arc::clone(&conversation));
        Ok((id, Numbered::new(transport, conversation)))
    }

    async fn initialize_session(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<ServerJsonRpcMessage, Self::Error> {
        self.local.initialize_session(id, message).await
    }

    async fn has_session(&self, id: &SessionId) -> Result<bool, Self::Error> {
        self.local.has_session(id).await
    }

    async fn close_session(&self, id: &SessionId) -> Result<(), Self::Error> {
        self.conversations.lock().remove(id);
        self.local.close_session(id).await
    }

    async fn create_stream(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Self::Error> {
        self.local.create_stream(id, message).await
    }

    async fn accept_message(&self, id: &SessionId, message: ClientJsonRpcMessage) -> Result<(), Self::Error> {
        self.local.accept_message(id, message).await
    }

    async fn create_standalone_stream(
        &self,
        id: &SessionId,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Self::Error> {
        self.local.create_standalone_stream(id).await
    }

    async fn resume(
        &self,
        id: &SessionId,
        last_event_id: String,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Self::Error> {
        self.local.resume(id, last_event_id).await
    }
}
