//! The MCP server, and its side of each connection.
//!
//! A [`McpServer`] is shared by all connections; a [`Handler`] serves one connection of the Unix socket, one HTTP session of
//! the older era, one HTTP request, or one subscription of the newer era. Discovery and the lists of tools, prompts and templates
//! never wait for anything.

mod methods;
mod ready_answers;
mod requests;
mod tool_calls;

use std::sync::Arc;

use parking_lot::Mutex;
use rmcp::model::{Implementation, ListResourcesResult, MetaObject};
use rmcp::service::{Peer, RequestContext, RoleServer};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::requests::{is_modern, session_id};
use super::calls::{CallBook, CallMeta};
use super::claim_desk::ClaimDesk;
use super::core::{Core, Readiness, View};
use super::error::RequestError;
use super::operations::Operations;
use super::policy::{ServerPolicy, Writes};
use super::remembered_sessions::RememberedSessions;
use super::resources::Content;
use super::resources::answer_cache::AnswerCache;
use super::resources::page_text::PageText;
use super::subscriptions::{ListenSlot, SessionSubscriptions};
use super::told::{ClientNotifier, LogLevel, ProgressNote};
use super::view_book::ViewBook;
use crate::model::Principal;
use crate::policy::{self, Visibility, WritePolicy};

/// The size of the cache of frequent answers: for reads, for list pages, and for list pages as text each.
const CACHE_BYTES: usize = 8 << 20;
/// The metadata key that names the server in every result.
const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";

/// The server, which all connections share. Cheap to clone.
#[derive(Clone)]
pub struct McpServer(Arc<ServerState>);

struct ServerState {
    readiness: watch::Receiver<Readiness>,
    policy: ServerPolicy,
    tasks: TaskTracker,
    stop: CancellationToken,
    info: Implementation,
    meta: MetaObject,
    reads: AnswerCache<Content>,
    pages: AnswerCache<ListResourcesResult>,
    page_texts: AnswerCache<PageText>,
    calls: CallBook,
    views: ViewBook,
    claims: Arc<ClaimDesk>,
    operations: Arc<Operations>,
    /// Cancelled when the server is about to stop: nobody is waited for then.
    stopping: CancellationToken,
}

/// What kind of connection a handler serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// What the connection itself allows tools to change. The server's own policy still decides.
    pub writes: WritePolicy,
    /// What is not as the connection asked for it, each with what to do.
    pub remarks: Arc<[String]>,
    /// Whether it came over HTTP, where a request without a session cannot receive notifications.
    pub http: bool,
    /// Who is at the other end, as far as the connection proves it. Over HTTP each request names its session.
    pub principal: Principal,
    /// The name that a front end keeps when it connects again.
    pub front_end: Option<Arc<str>>,
    /// What whoever is at the other end may see.
    pub visibility: Visibility,
    /// Whether they are known, and have no grant to change anything.
    pub ungranted: bool,
}

impl Link {
    /// A connection of a byte stream.
    #[must_use]
    pub fn socket(writes: WritePolicy, remarks: Vec<String>) -> Self {
        let principal = Principal::of_user("local");
        let visibility = Visibility::everything();
        Link { writes, remarks: remarks.into(), http: false, principal, front_end: None, visibility, ungranted: false }
    }

    /// The same, with who is at the other end.
    #[must_use]
    pub fn of(self, principal: Principal) -> Self {
        Link { principal, ..self }
    }

    /// The same, of the front end with this name.
    #[must_use]
    pub fn of_front_end(self, front_end: Option<String>) -> Self {
        Link { front_end: front_end.map(Arc::from), ..self }
    }

    /// Whom a confirmation is given to: a front end of a user, over all its connections, or this connection alone.
    fn holder(&self) -> Arc<str> {
        match &self.front_end {
            Some(front_end) => format!("{} {front_end}", self.principal.user).into(),
            None => format!("{:016x}", fastrand::u64(..)).into(),
        }
    }

    /// A request or session over HTTP. There the server's policy applies alone, because a connection cannot request less.
    #[must_use]
    pub fn http() -> Self {
        let principal = Principal::of_user("http");
        let (writes, remarks, visibility) = (WritePolicy::of(true), Arc::default(), Visibility::everything());
        Link { writes, remarks, http: true, principal, front_end: None, visibility, ungranted: false }
    }

    /// The same for somebody whom the server knows: they see what they may see, and change nothing unless they may change something
    /// of it. Records of what they do name them as `user`.
    #[must_use]
    pub fn known_as(self, known: &policy::Grantee, user: &str) -> Self {
        let may_change = known.writes && known.visibility.may_change_anything();
        let writes = if may_change { self.writes } else { WritePolicy::of(false) };
        let (principal, visibility) = (Principal::of_user(user), Visibility::clone(&known.visibility));
        Link { writes, principal, visibility, ungranted: !may_change, ..self }
    }
}

/// Serves one connection.
pub struct Handler {
    server: McpServer,
    link: Link,
    /// What it sees of the store.
    view: Arc<View>,
    writes: Writes,
    /// Names the connection or its front end: what was confirmed there counts nowhere else.
    holder: Arc<str>,
    session: Arc<SessionSubscriptions>,
    listening: ListenSlot,
    /// The least level of log messages that a client of the older era asked for.
    level: Mutex<Option<LogLevel>>,
    /// Ends what waits, and subscriptions: the server stops, or the client has closed its end.
    stop: CancellationToken,
    /// What to remember of the sessions of HTTP.
    remembered: Option<Arc<RememberedSessions>>,
}

impl McpServer {
    /// Makes a server that answers at once, and serves requests once it is ready. `tasks` runs the futures that notify
    /// clients of the older era; `stop` ends subscriptions.
    #[must_use]
    pub fn new(
        readiness: watch::Receiver<Readiness>,
        policy: ServerPolicy,
        tasks: TaskTracker,
        stop: CancellationToken,
    ) -> Self {
        let info = Implementation::new("muster", env!("CARGO_PKG_VERSION"))
            .with_title("Muster: EC2 inventory")
            .with_description(env!("CARGO_PKG_DESCRIPTION"));
        let mut meta = MetaObject::new();
        if let Ok(value) = serde_json::to_value(&info) {
            meta.insert(SERVER_INFO.to_owned(), value);
        }
        let (reads, pages) = (AnswerCache::new(CACHE_BYTES), AnswerCache::new(CACHE_BYTES));
        let page_texts = AnswerCache::new(CACHE_BYTES);
        McpServer(Arc::new(ServerState {
            readiness,
            policy,
            tasks,
            stop,
            info,
            meta,
            reads,
            pages,
            page_texts,
            calls: CallBook::default(),
            views: ViewBook::default(),
            claims: Arc::default(),
            operations: Arc::default(),
            stopping: CancellationToken::new(),
        }))
    }

    /// A handler for one connection.
    #[must_use]
    pub fn handler(&self, link: Link) -> Handler {
        Handler {
            server: self.clone(),
            writes: self.0.policy.writes(&link.writes).of_somebody(link.ungranted).seen_by(&link.visibility),
            holder: link.holder(),
            view: self.0.views.view(&link.visibility),
            link,
            session: Arc::default(),
            listening: ListenSlot::default(),
            level: Mutex::default(),
            stop: self.0.stop.child_token(),
            remembered: None,
        }
    }

    /// The token that ends subscriptions.
    #[must_use]
    pub fn stop(&self) -> &CancellationToken {
        &self.0.stop
    }

    /// Withdraws the questions that people were asked, and asks none from now on: the server is about to stop, and a call that waits
    /// for a person has done nothing yet.
    pub fn withdraw_questions(&self) {
        self.0.stopping.cancel();
    }

    /// The counts of what clients ask for.
    #[must_use]
    pub fn operations(&self) -> &Arc<Operations> {
        &self.0.operations
    }

    /// What the server permits and lists.
    #[must_use]
    pub fn policy(&self) -> &ServerPolicy {
        &self.0.policy
    }
}

impl Handler {
    /// A handler of the same connection for one subscription of the newer era.
    #[must_use]
    pub fn for_listening(&self) -> Handler {
        Handler { stop: self.stop.clone(), ..self.server.handler(self.link.clone()) }
    }

    /// Cancelled once the client has taken the acknowledgement of the subscription that this handler serves.
    #[must_use]
    pub fn begun(&self) -> &CancellationToken {
        self.listening.begun()
    }

    /// The counts of what clients ask for.
    #[must_use]
    pub fn operations(&self) -> &Arc<Operations> {
        self.server.operations()
    }

    /// Ends what waits on this connection, and its subscriptions, when cancelled.
    #[must_use]
    pub fn stop(&self) -> &CancellationToken {
        &self.stop
    }

    /// Remembers the subscriptions of HTTP sessions in `remembered`.
    #[must_use]
    pub(super) fn remembering(self, remembered: Arc<RememberedSessions>) -> Self {
        Handler { remembered: Some(remembered), ..self }
    }

    /// Begins to notify a client of the older era, of what it subscribed to before its session was restored too.
    fn start(&self, core: &Arc<Core>, peer: Peer<RoleServer>, session: Option<&str>) {
        let remembered = self.remembered.as_ref().zip(session);
        let earlier = || remembered.map(|(remembered, session)| remembered.uris(session)).unwrap_or_default();
        self.session.start(core, peer, &self.server.0.tasks, &self.stop, earlier);
    }

    /// Whether the client may come to see other tools: a front end goes on with another server, which may have other rules, and says
    /// so then. Over HTTP a client of another server begins anew.
    fn tools_may_change(&self) -> bool {
        !self.link.http
    }

    /// Who makes a request.
    fn principal(&self, context: &RequestContext<RoleServer>) -> Principal {
        let (principal, info) = (self.link.principal.clone(), context.client_info());
        let info = info.as_ref();
        let principal =
            principal.with_client(info.map(|info| info.name.as_str()), info.map(|info| info.version.as_str()));
        match session_id(&context.extensions) {
            Some(session) => principal.in_session(Some(&session)),
            None => principal,
        }
    }

    /// The server's name, as every result carries it.
    fn meta(&self) -> MetaObject {
        self.server.0.meta.clone()
    }

    async fn core(&self) -> Result<Arc<Core>, RequestError> {
        Readiness::ready(&self.server.0.readiness, &self.view).await
    }

    /// Serves a read, and repeats it if the disk fails meanwhile. The client is told how far it is.
    async fn serve<T, F>(
        &self,
        context: &RequestContext<RoleServer>,
        method: &str,
        read: impl Fn(Arc<Core>) -> F,
    ) -> Result<T, RequestError>
    where
        F: Future<Output = Result<T, RequestError>>,
    {
        let readiness = &self.server.0.readiness;
        let serving = Readiness::serve(readiness, &self.view, Result::is_err, read);
        self.notifier(context).during(method, &ProgressNote::default(), (readiness, &self.view), serving).await?
    }

    /// Tells the client of a request how far it is.
    fn notifier(&self, context: &RequestContext<RoleServer>) -> ClientNotifier {
        let level = if is_modern(context) { context.meta.log_level() } else { *self.level.lock() };
        ClientNotifier::new(context, level, CallMeta::of(&context.meta).elapsed)
    }
}

#[cfg(test)]
mod tests;
