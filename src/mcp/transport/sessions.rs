//! The sessions of HTTP, each with its conversation.
//!
//! Most clients never end a session. A session without an open stream is idle, and only some idle ones stay served. When there are
//! more, the one that has been idle for the longest time is no longer served, but remembered, and its next request restores it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, StreamExt, stream};
use parking_lot::Mutex;
use rmcp::model::{ClientJsonRpcMessage, ClientNotification, CustomNotification, RequestId, ServerJsonRpcMessage};
use rmcp::transport::streamable_http_server::session::local::{
    LocalSessionManager, LocalSessionManagerError, SessionTransport,
};
use rmcp::transport::streamable_http_server::session::{RestoreOutcome, ServerSseMessage, SessionId, SessionManager};
use tokio::sync::MutexGuard;
use tokio::time::Instant;

use super::leaving_answers::LeavingAnswers;
use super::numbered::Numbered;
use crate::mcp::auth::{AccessGate, KnownCaller};
use crate::mcp::idle::IdleQueue;
use crate::mcp::normalise::Conversation;
use crate::mcp::operations::{NetworkTransport, Operations};
use crate::mcp::protocol::STREAM_OPENED;
use crate::mcp::remembered_sessions::RememberedSessions;
use crate::model::Timestamp;

/// A session ends after this long without a message. rmcp does not count an open stream as activity, so this has to be long.
const KEEP: Duration = Duration::from_hours(12);
/// When a client whose stream broke should open another.
const RETRY: Duration = Duration::from_secs(3);
/// How long sessions may be served at most after their owners' tokens have ended. What they are told ends with the tokens.
const LOOK: Duration = Duration::from_mins(1);
/// How many sessions can be restored at once, at least.
const RESTORES: usize = 64;

/// rmcp's sessions, the conversation of each, and what is remembered of those that are not served.
pub(super) struct HttpSessions {
    local: LocalSessionManager,
    table: Arc<Mutex<ServedSessions>>,
    remembered: Arc<RememberedSessions>,
    /// Held while a session is restored, or is sent from those that are served, by a digest of its id. rmcp answers the second of two requests that restore the same
    /// session with an error.
    restores: [tokio::sync::Mutex<()>; RESTORES],
    most_idle: usize,
}

/// The sessions that are served.
#[derive(Default)]
struct ServedSessions {
    sessions: HashMap<SessionId, ServedSession>,
    idle: IdleQueue<SessionId>,
    /// How often rmcp will still report the end of sessions that are no longer served.
    ending: HashMap<SessionId, usize>,
    /// Where ended sessions are counted.
    operations: Option<Arc<Operations>>,
}

struct ServedSession {
    conversation: Arc<Mutex<Conversation>>,
    leaving: LeavingAnswers,
    /// Whose it is, by the token that ends last of those that were used; `None` where nobody has to say who they are.
    owner: Option<Arc<KnownCaller>>,
    /// Tells the streams of this session from those before it was restored: their events have the same numbers.
    epoch: u32,
    /// Since when it is served.
    since: Instant,
    streams: usize,
    /// Its number in the queue of idle sessions.
    idle: Option<u64>,
}

/// An open stream of a session, which is not idle meanwhile.
struct OpenStream {
    table: Arc<Mutex<ServedSessions>>,
    session: SessionId,
    epoch: u32,
}

impl HttpSessions {
    /// Serves at most `most_idle` sessions that have no open stream.
    pub(super) fn new(remembered: Arc<RememberedSessions>, most_idle: usize) -> Self {
        let mut local = LocalSessionManager::default();
        local.session_config.keep_alive = Some(KEEP);
        let restores = std::array::from_fn(|_| tokio::sync::Mutex::default());
        HttpSessions { local, table: Arc::default(), remembered, restores, most_idle }
    }

    /// Counts the sessions that end from now on.
    pub(super) fn measured(self, operations: Arc<Operations>) -> Self {
        self.table.lock().operations = Some(operations);
        self
    }

    /// What is remembered of sessions.
    pub(super) fn remembered(&self) -> &Arc<RememberedSessions> {
        &self.remembered
    }

    /// Whether a session is served or can be restored.
    pub(super) fn is_known(&self, session: &str) -> bool {
        self.table.lock().sessions.contains_key(session) || self.remembered.contains(session)
    }

    /// Whether a session is not somebody else's than whose request this is.
    pub(super) fn admits(&self, session: &str, caller: &Arc<KnownCaller>) -> bool {
        if let Some(served) = self.table.lock().sessions.get_mut(session) {
            return served.admits(caller);
        }
        self.remembered.contains(session)
    }

    /// Ends the sessions of those who are not let in any more. Where only their time is over, they can have their sessions again with
    /// another token. Never ends.
    pub(super) async fn keep_to_owners(&self, gate: &AccessGate) {
        let mut changes = gate.changes();
        loop {
            changes.borrow_and_update();
            let over = self.table.lock().over(gate);
            for (session, is_revoked) in over {
                self.rest(&session).await;
                if is_revoked {
                    self.remembered.forget(&session).await;
                }
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                _ = changes.changed() => {}
            }
        }
    }

    /// The conversation of a session; `None` for one that is not served.
    pub(super) fn conversation(&self, session: &str) -> Option<Arc<Mutex<Conversation>>> {
        self.table.lock().sessions.get(session).map(|served| Arc::clone(&served.conversation))
    }

    /// Waits until no answer with this id is on its way in a session.
    pub(super) async fn gone(&self, session: &str, id: &RequestId) {
        let leaving = self.table.lock().sessions.get(session).map(|served| served.leaving.clone());
        if let Some(leaving) = leaving {
            leaving.gone(id).await;
        }
    }

    /// Waits for its turn to restore a session; `None` when there is nothing to restore.
    pub(super) async fn restoring(&self, session: &str) -> Option<MutexGuard<'_, ()>> {
        let is_restorable = || !self.table.lock().sessions.contains_key(session) && self.remembered.contains(session);
        if !is_restorable() {
            return None;
        }
        let turn = self.restores.get(digest(session))?.lock().await;
        is_restorable().then_some(turn)
    }

    /// Begins to serve a session. Whoever `restores` it holds the turn of it.
    async fn serve(&self, id: &SessionId, transport: SessionTransport, restores: bool) -> Numbered<SessionTransport> {
        self.remembered.served(id);
        let (conversation, leaving) = self.table.lock().add(id);
        let held = restores.then(|| digest(id));
        loop {
            // It is restored only once it has gone. Waiting for a turn while another one is held could last for ever: where the turn
            // is taken, the session stays until the next one begins.
            let mut turn = None;
            let has_turn = |idle: &SessionId| {
                let digest = digest(idle);
                turn = self.restores.get(digest).and_then(|turn| turn.try_lock().ok());
                turn.is_some() || held == Some(digest)
            };
            let idle = self.table.lock().remove_idle(self.most_idle, has_turn);
            let Some(idle) = idle else { break };
            self.left(&idle).await;
        }
        Numbered::new(transport, conversation, leaving)
    }

    /// Ends a session that has been taken from those that are served, and remembers it.
    async fn left(&self, session: &SessionId) {
        if let Err(error) = self.local.close_session(session).await {
            tracing::debug!(%error, "a session that is no longer served had ended already");
        }
        self.remembered.left(session).await;
    }

    /// No longer serves a session, and remembers it.
    pub(super) async fn rest(&self, session: &SessionId) {
        // Nobody has it restored before it has gone.
        let _turn = match self.restores.get(digest(session)) {
            Some(turn) => Some(turn.lock().await),
            None => None,
        };
        let is_served = self.table.lock().take(session);
        if is_served {
            self.left(session).await;
        }
    }

    /// Counts a stream of a session.
    fn stream(&self, id: &SessionId) -> Result<OpenStream, LocalSessionManagerError> {
        let epoch = self.table.lock().open(id);
        let epoch = epoch.ok_or_else(|| LocalSessionManagerError::SessionNotFound(id.clone()))?;
        Ok(OpenStream { table: Arc::clone(&self.table), session: id.clone(), epoch })
    }

    /// Tells the handler of a session that a stream for notifications is open.
    async fn opened(&self, id: &SessionId) -> Result<(), LocalSessionManagerError> {
        let opened = CustomNotification::new(STREAM_OPENED, None);
        let opened = ClientJsonRpcMessage::notification(ClientNotification::CustomNotification(opened));
        self.local.accept_message(id, opened).await
    }
}

/// Which turn is that of a session.
fn digest(session: &str) -> usize {
    session.bytes().fold(0_usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into())) % RESTORES
}

impl ServedSessions {
    fn add(&mut self, id: &SessionId) -> (Arc<Mutex<Conversation>>, LeavingAnswers) {
        let conversation = Arc::new(Mutex::new(Conversation::opened()));
        let leaving = LeavingAnswers::default();
        let idle = Some(self.idle.add(id.clone()));
        let served = ServedSession {
            conversation: Arc::clone(&conversation),
            leaving: leaving.clone(),
            owner: KnownCaller::current(),
            epoch: fastrand::u32(..),
            since: Instant::now(),
            streams: 0,
            idle,
        };
        self.sessions.insert(id.clone(), served);
        (conversation, leaving)
    }

    /// Removes the session that has been idle for the longest time, if more than `most` are idle and it `may_go`.
    fn remove_idle(&mut self, most: usize, may_go: impl FnOnce(&SessionId) -> bool) -> Option<SessionId> {
        if self.idle.len() <= most || !self.idle.longest().is_some_and(may_go) {
            return None;
        }
        let id = self.idle.remove_longest()?;
        if let Some(served) = self.sessions.remove(&id) {
            self.count(&served);
        }
        *self.ending.entry(id.clone()).or_default() += 1;
        Some(id)
    }

    /// Removes a session that is no longer to be served. False where it is not.
    fn take(&mut self, id: &SessionId) -> bool {
        let Some(served) = self.sessions.remove(id) else { return false };
        if let Some(number) = served.idle {
            self.idle.remove(number);
        }
        *self.ending.entry(id.clone()).or_default() += 1;
        true
    }

    /// Removes a session that ended. False for the end of one that is no longer served.
    fn remove(&mut self, id: &SessionId) -> bool {
        if let Some(ending) = self.ending.get_mut(id) {
            *ending -= 1;
            if *ending == 0 {
                self.ending.remove(id);
            }
            return false;
        }
        if let Some(served) = self.sessions.remove(id) {
            self.count(&served);
            if let Some(number) = served.idle {
                self.idle.remove(number);
            }
        }
        true
    }

    /// Counts a session that is no longer served.
    fn count(&self, served: &ServedSession) {
        if let Some(operations) = &self.operations {
            operations.note_session(NetworkTransport::Tcp, served.since.elapsed());
        }
    }

    /// The sessions whose owners are not let in any more, each with whether their rights were taken away.
    fn over(&self, gate: &AccessGate) -> Vec<(SessionId, bool)> {
        let now = gate.clock().now();
        let owned = self.sessions.iter().filter_map(|(id, served)| Some((id, served.owner.as_ref()?)));
        owned.filter(|(_, owner)| owner.is_over(now)).map(|(id, owner)| (id.clone(), owner.is_revoked())).collect()
    }

    fn open(&mut self, id: &SessionId) -> Option<u32> {
        let served = self.sessions.get_mut(id)?;
        served.streams += 1;
        if let Some(number) = served.idle.take() {
            self.idle.remove(number);
        }
        Some(served.epoch)
    }

    fn close(&mut self, id: &SessionId, epoch: u32) {
        let Some(served) = self.sessions.get_mut(id).filter(|served| served.epoch == epoch) else { return };
        served.streams -= 1;
        if served.streams == 0 {
            served.idle = Some(self.idle.add(id.clone()));
        }
    }
}

impl ServedSession {
    /// Whether it is theirs. It is served for as long as any of their tokens counts.
    fn admits(&mut self, caller: &Arc<KnownCaller>) -> bool {
        let Some(owner) = self.owner.as_mut().filter(|owner| owner.is_same(caller)) else { return false };
        let ends = |caller: &KnownCaller| caller.grantee().ends.map_or(i64::MAX, Timestamp::as_millis);
        if owner.is_revoked() || ends(caller) > ends(owner) {
            *owner = Arc::clone(caller);
        }
        true
    }
}

impl OpenStream {
    /// The messages of `inner`, with ids that no other stream of the session has.
    fn of<S>(self, inner: S) -> impl Stream<Item = ServerSseMessage> + Send + Sync + 'static
    where
        S: Stream<Item = ServerSseMessage> + Send + Sync + 'static,
    {
        inner.map(move |mut message| {
            // The whole of it is held: the stream is open for as long as the messages are taken.
            let open = &self;
            message.event_id = message.event_id.map(|id| format!("{:08x}-{id}", open.epoch));
            message
        })
    }

    /// rmcp's id of an event of this session; `None` for one of before it was restored.
    fn event<'a>(&self, id: &'a str) -> Option<&'a str> {
        id.split_once('-').filter(|(epoch, _)| u32::from_str_radix(epoch, 16) == Ok(self.epoch)).map(|(_, id)| id)
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.table.lock().close(&self.session, self.epoch);
    }
}

impl SessionManager for HttpSessions {
    type Error = LocalSessionManagerError;
    type Transport = Numbered<SessionTransport>;

    async fn create_session(&self) -> Result<(SessionId, Self::Transport), Self::Error> {
        let (id, transport) = self.local.create_session().await?;
        let transport = self.serve(&id, transport, false).await;
        Ok((id, transport))
    }

    async fn restore_session(&self, id: SessionId) -> Result<RestoreOutcome<Self::Transport>, Self::Error> {
        Ok(match self.local.restore_session(id.clone()).await? {
            RestoreOutcome::Restored(transport) => RestoreOutcome::Restored(self.serve(&id, transport, true).await),
            RestoreOutcome::AlreadyPresent => RestoreOutcome::AlreadyPresent,
            _ => RestoreOutcome::NotSupported,
        })
    }

    async fn initialize_session(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<ServerJsonRpcMessage, Self::Error> {
        let _open = self.stream(id)?;
        self.local.initialize_session(id, message).await
    }

    async fn has_session(&self, id: &SessionId) -> Result<bool, Self::Error> {
        Ok(self.table.lock().sessions.contains_key(id) && self.local.has_session(id).await?)
    }

    async fn close_session(&self, id: &SessionId) -> Result<(), Self::Error> {
        if self.table.lock().remove(id) {
            self.local.close_session(id).await?;
            self.remembered.left(id).await;
        }
        Ok(())
    }

    async fn create_stream(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Self::Error> {
        let open = self.stream(id)?;
        self.remembered.used(id).await;
        Ok(open.of(self.local.create_stream(id, message).await?))
    }

    async fn accept_message(&self, id: &SessionId, message: ClientJsonRpcMessage) -> Result<(), Self::Error> {
        self.local.accept_message(id, message).await
    }

    async fn create_standalone_stream(
        &self,
        id: &SessionId,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Self::Error> {
        let open = self.stream(id)?;
        self.remembered.used(id).await;
        let messages = self.local.create_standalone_stream(id).await?;
        self.opened(id).await?;
        Ok(open.of(stream::iter([ServerSseMessage::retry(RETRY)]).chain(messages)))
    }

    async fn resume(
        &self,
        id: &SessionId,
        last_event_id: String,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Self::Error> {
        let open = self.stream(id)?;
        let event = open.event(&last_event_id);
        // The answer to a request has a slash in its ids; the stream of notifications has none.
        let is_answer = last_event_id.contains('/');
        let messages = match event {
            Some(event) => self.local.resume(id, event.to_owned()).await?.left_stream(),
            None if is_answer => return Err(LocalSessionManagerError::SessionNotFound(id.clone())),
            None => self.local.create_standalone_stream(id).await?.right_stream(),
        };
        if !is_answer {
            self.opened(id).await?;
        }
        Ok(open.of(messages))
    }
}
