//! The MCP server: what each method of the protocol does.
//!
//! A [`McpServer`] is shared by all connections; a [`Handler`] serves one connection of the Unix socket, one HTTP session of
//! the older era, or one HTTP request. Discovery and the lists of tools, prompts and templates never wait for anything.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use axum::http::request::Parts;
use rmcp::model::{
    CacheScope, CallToolRequestParams, CallToolResponse, CallToolResult, CompleteRequestParams, CompleteResult,
    CustomRequest, CustomResult, DiscoverResult, ErrorCode, GetPromptRequestParams, GetPromptResponse, Implementation,
    ListPromptsResult, ListResourceTemplatesResult, ListResourcesResult, ListToolsResult, MetaObject,
    PaginatedRequestParams, ProtocolVersion, ReadResourceRequestParams, ReadResourceResponse, ServerCapabilities,
    ServerConfig, ServerResult, SubscribeRequestParams, SubscriptionFilter, Tool, UnsubscribeRequestParams,
};
use rmcp::service::{NotificationContext, Peer, RequestContext, RoleServer, SubscriptionContext};
use rmcp::{ErrorData, ServerHandler};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::instrument;

use super::calls::{CallBook, CallMeta};
use super::complete::complete;
use super::core::{Core, Readiness};
use super::error::RequestError;
use super::policy::{ServerPolicy, Writes};
use super::protocol::{SESSION, VERSIONS};
use super::resources::answer_cache::AnswerCache;
use super::resources::{Content, list, read, templates};
use super::subscriptions::{self, SessionSubscriptions};
use super::tools::fate;
use super::uri::Address;
use super::{instructions, parameters, prompts, tools};
use crate::query::CursorError;

/// How long clients may cache what only a new version of Muster changes.
const FIXED: Duration = Duration::from_hours(1);
/// The size of the cache of frequent answers, for reads and for list pages each.
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
    calls: CallBook,
}

/// What kind of connection a handler serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// Whether the connection requested write tools. The server's own policy still decides.
    pub writes: bool,
    /// Whether it came over HTTP, where a request without a session cannot receive notifications.
    pub http: bool,
}

/// Serves one connection.
pub struct Handler {
    server: McpServer,
    link: Link,
    session: Arc<SessionSubscriptions>,
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
        McpServer(Arc::new(ServerState {
            readiness,
            policy,
            tasks,
            stop,
            info,
            meta,
            reads,
            pages,
            calls: CallBook::default(),
        }))
    }

    /// A handler for one connection.
    #[must_use]
    pub fn handler(&self, link: Link) -> Handler {
        Handler { server: self.clone(), link, session: Arc::default() }
    }

    /// The token that ends subscriptions.
    #[must_use]
    pub fn stop(&self) -> &CancellationToken {
        &self.0.stop
    }
}

impl Handler {
    fn writes(&self) -> Writes {
        Writes::of(self.link.writes, self.server.0.policy.allow_writes)
    }

    /// The server's name, as every result carries it.
    fn meta(&self) -> MetaObject {
        self.server.0.meta.clone()
    }

    async fn core(&self) -> Result<Arc<Core>, RequestError> {
        Readiness::ready(&self.server.0.readiness).await
    }

    /// Says what became of a call that an earlier server, or another connection, did not answer.
    async fn call_fate(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let spec = tools::TOOLS.iter().find(|spec| spec.name == request.name && spec.is_write());
        let Some(spec) = spec else { return self.call_tool(request, context).await };
        let Some(name) = CallMeta::of(&context.meta).name else {
            let why = "it does not name the call".to_owned();
            return Err(RequestError::Params { method: fate::METHOD.to_owned(), why }.protocol(None));
        };
        self.server.0.calls.settle(&name).await;
        let told = async {
            // It is asked once, so it waits as long as the store needs to open.
            let core = loop {
                match self.core().await {
                    Err(RequestError::Opening) => {}
                    core => break core?,
                }
            };
            fate::fate(spec, core, name, request.arguments.unwrap_or_default()).await
        };
        let mut result = match told.await {
            Ok(told) => told.result(),
            // What the tool would have refused was not sent to AWS.
            Err(fault @ RequestError::Argument(_)) => fault.with_example(spec.example).result(),
            Err(fault) => RequestError::FateUnknown { why: fault.to_string() }.result(),
        };
        result.meta.get_or_insert_default().extend(self.meta());
        Ok(result.into())
    }

    /// Goes on with a subscription that an earlier server had, as soon as the store is open.
    fn resume(&self, uri: String, peer: Peer<RoleServer>) {
        let (server, session) = (self.server.clone(), Arc::clone(&self.session));
        drop(self.server.0.tasks.spawn(async move {
            let ServerState { readiness, stop, tasks, .. } = &*server.0;
            if let Some(core) = subscriptions::opened(readiness, stop).await {
                session.start(&core, peer, tasks, stop);
                match session.add(&core, &uri) {
                    Ok(()) => session.mark(Some(&uri)),
                    Err(error) => tracing::warn!(%error, "a subscription does not go on"),
                }
            }
        }));
    }

    /// Serves a read, and repeats it if the disk fails meanwhile.
    async fn serve<T, F>(&self, read: impl Fn(Arc<Core>) -> F) -> Result<T, RequestError>
    where
        F: Future<Output = Result<T, RequestError>>,
    {
        Readiness::serve(&self.server.0.readiness, Result::is_err, read).await?
    }
}

impl ServerHandler for Handler {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder()
            .enable_resources()
            .enable_resources_subscribe()
            .enable_resources_list_changed()
            .enable_tools()
            .enable_prompts()
            .enable_completions()
            .build();
        ServerConfig::new(capabilities)
            .with_server_info(self.server.0.info.clone())
            .with_instructions(instructions::instructions(self.writes()))
    }

    fn supported_protocol_versions(&self) -> Cow<'static, [ProtocolVersion]> {
        Cow::Borrowed(&VERSIONS)
    }

    async fn discover(&self, _: RequestContext<RoleServer>) -> Result<DiscoverResult, ErrorData> {
        let versions = self.supported_protocol_versions().into_owned();
        Ok(DiscoverResult::from_server_info(versions, self.get_info())
            .with_ttl_ms(millis(FIXED))
            .with_cache_scope(CacheScope::Private))
    }

    async fn list_tools(
        &self,
        request: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        whole(request.as_ref())?;
        let mut result = ListToolsResult::with_all_items(tools::listed(self.writes().are_allowed()))
            .with_ttl_ms(millis(FIXED))
            .with_cache_scope(CacheScope::Private);
        result.meta = Some(self.meta());
        Ok(result)
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        tools::listed(self.writes().are_allowed()).into_iter().find(|tool| tool.name == name)
    }

    #[instrument(name = "tools/call", skip_all, fields(tool = %request.name, writes = self.writes().are_allowed()))]
    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let mut result = match tools::find(&request.name, self.writes()) {
            Ok(spec) => {
                // A call that changes AWS is never repeated.
                let again = |result: &CallToolResult| !spec.is_write() && result.is_error == Some(true);
                let (writes, stop) = (self.writes(), &self.server.0.stop);
                let CallMeta { name, elapsed } = CallMeta::of(&context.meta);
                let running = self.server.0.calls.begin(name.as_ref().filter(|_| spec.is_write()));
                let call = |core| {
                    let (arguments, running) = (request.arguments.clone(), running.clone());
                    async move {
                        match running {
                            Some(running) => tools::call(spec, core, arguments, writes, stop, (elapsed, running)).await,
                            None => RequestError::CallOver.result(),
                        }
                    }
                };
                let called = tokio::select! {
                    called = Readiness::serve(&self.server.0.readiness, again, call) => called,
                    // Nobody waits for the answer any more. A call that changes AWS continues anyway.
                    () = context.ct.cancelled(), if !spec.is_write() => Err(RequestError::Stopping),
                };
                called.unwrap_or_else(|fault| fault.result())
            }
            Err(fault @ RequestError::WritesOff { .. }) => fault.result(),
            Err(fault) => return Err(fault.protocol(None)),
        };
        result.meta.get_or_insert_default().extend(self.meta());
        Ok(result.into())
    }

    #[instrument(name = "resources/list", level = "debug", skip_all)]
    async fn list_resources(
        &self,
        request: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        let cursor = request.and_then(|request| request.cursor).filter(|cursor| !is_blank(cursor));
        let ServerState { policy, pages, .. } = &*self.server.0;
        let cursor = &cursor;
        let listed = self.serve(|core| async move { list::list(&core, pages, policy.list, cursor.clone()).await });
        let mut result = listed.await.map_err(|fault| fault.protocol(None))?;
        result.meta.get_or_insert_default().extend(self.meta());
        Ok(result)
    }

    async fn list_resource_templates(
        &self,
        request: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        whole(request.as_ref())?;
        let mut result = ListResourceTemplatesResult::with_all_items(templates::all())
            .with_ttl_ms(millis(FIXED))
            .with_cache_scope(CacheScope::Private);
        result.meta = Some(self.meta());
        Ok(result)
    }

    #[instrument(name = "resources/read", level = "debug", skip_all, fields(uri = %request.uri))]
    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let uri = request.uri;
        let result = async {
            let address = Address::parse(&uri)?;
            let (address, uri) = (&address, &uri);
            let read = |core: Arc<Core>| async move {
                let content = read::read(&core, &self.server.0.reads, address, uri, self.writes()).await?;
                Ok(content.result(uri, core.now()))
            };
            self.serve(read).await
        };
        let mut result = result.await.map_err(|fault| fault.protocol(Some(&uri)))?;
        result.meta = Some(self.meta());
        Ok(result.into())
    }

    async fn list_prompts(
        &self,
        request: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        whole(request.as_ref())?;
        let mut result = ListPromptsResult::with_all_items(prompts::all())
            .with_ttl_ms(millis(FIXED))
            .with_cache_scope(CacheScope::Private);
        result.meta = Some(self.meta());
        Ok(result)
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        let got = prompts::get(&request.name, request.arguments.as_ref(), self.writes());
        let mut result = got.map_err(|fault| fault.protocol(None))?;
        result.meta = Some(self.meta());
        Ok(result.into())
    }

    async fn complete(
        &self,
        request: CompleteRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        // Completion does not wait: before the store is open it offers nothing.
        let core = match &*self.server.0.readiness.borrow() {
            Readiness::Ready(core) => Some(Arc::clone(core)),
            Readiness::Opening | Readiness::Failed(_) => None,
        };
        let completion = match core {
            Some(core) => {
                core.walk(move |core| complete(core, &request)).await.map_err(|fault| fault.protocol(None))?
            }
            None => rmcp::model::CompletionInfo::default(),
        };
        let mut result = CompleteResult::new(completion);
        result.meta = Some(self.meta());
        Ok(result)
    }

    async fn on_custom_request(
        &self,
        request: CustomRequest,
        context: RequestContext<RoleServer>,
    ) -> Result<CustomResult, ErrorData> {
        let CustomRequest { method, params, .. } = request;
        let asks_fate = method == fate::METHOD;
        let known = if asks_fate { "tools/call" } else { &method };
        let Some(read) = parameters::read(known, params) else {
            return Err(ErrorData::new(ErrorCode::METHOD_NOT_FOUND, method, None));
        };
        let version = context.protocol_version();
        let call = read.map_err(|fault| fault.protocol(None))?;
        let called =
            if asks_fate { self.call_fate(call, context).await? } else { self.call_tool(call, context).await? };
        let called = ServerResult::from(called);
        let mut result = serde_json::to_value(called).map_err(|error| RequestError::from(error).protocol(None))?;
        let is_old = version.is_none_or(|version| version.as_str() < ProtocolVersion::V_2026_07_28.as_str());
        if let (true, Some(result)) = (is_old, result.as_object_mut()) {
            // The older era does not define this member.
            result.remove("resultType");
        }
        Ok(CustomResult::new(result))
    }

    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        Some(subscriptions::accepted(requested))
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        let stop = &self.server.0.stop;
        let core = tokio::select! {
            core = subscriptions::opened(&self.server.0.readiness, stop) => core,
            () = context.cancelled() => None,
        };
        if let Some(core) = core {
            subscriptions::listen(&context, &core, stop).await;
        }
        Ok(())
    }

    async fn on_initialized(&self, context: NotificationContext<RoleServer>) {
        let stop = &self.server.0.stop;
        let resumes = subscriptions::resumes(&context.meta);
        if let Some(core) = subscriptions::opened(&self.server.0.readiness, stop).await {
            self.session.start(&core, context.peer, &self.server.0.tasks, stop);
            if resumes {
                self.session.mark(None);
            }
        }
    }

    async fn subscribe(
        &self,
        request: SubscribeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        let uri = request.uri;
        if subscriptions::resumes(&context.meta) && Address::parse(&uri).is_ok() {
            self.resume(uri, context.peer);
            return Ok(());
        }
        let subscribed = async {
            if self.link.http && !has_session(&context) {
                return Err(RequestError::NoSession);
            }
            let core = self.core().await?;
            // The client's `initialized` may still be on its way.
            self.session.start(&core, context.peer, &self.server.0.tasks, &self.server.0.stop);
            self.session.add(&core, &uri)
        };
        subscribed.await.map_err(|fault| fault.protocol(Some(&uri)))
    }

    async fn unsubscribe(
        &self,
        request: UnsubscribeRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        Address::parse(&request.uri).map_err(|error| RequestError::from(error).protocol(Some(&request.uri)))?;
        self.session.remove(&request.uri);
        Ok(())
    }
}

/// Refuses a cursor for a list that has one page.
fn whole(request: Option<&PaginatedRequestParams>) -> Result<(), ErrorData> {
    match request.and_then(|request| request.cursor.as_ref()).filter(|cursor| !is_blank(cursor)) {
        Some(_) => Err(RequestError::from(CursorError::Garbled).protocol(None)),
        None => Ok(()),
    }
}

/// Whether a cursor is blank, which counts as none.
fn is_blank(cursor: &str) -> bool {
    cursor.trim().is_empty()
}

fn has_session(context: &RequestContext<RoleServer>) -> bool {
    context.extensions.get::<Parts>().is_some_and(|parts| parts.headers.contains_key(SESSION))
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
