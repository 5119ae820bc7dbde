//! What each method of the protocol does on one connection.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

#[expect(deprecated, reason = "the older protocols have it")]
use rmcp::model::SetLevelRequestParams;
use rmcp::model::{
    CacheScope, CallToolRequestParams, CallToolResponse, CompleteRequestParams, CompleteResult, CustomNotification,
    CustomRequest, CustomResult, DiscoverResult, GetPromptRequestParams, GetPromptResponse, ListPromptsResult,
    ListResourceTemplatesResult, ListResourcesResult, ListToolsResult, PaginatedRequestParams, ProtocolVersion,
    ReadResourceRequestParams, ReadResourceResponse, ServerCapabilities, ServerConfig, ServerResult,
    SubscribeRequestParams, SubscriptionFilter, Tool, UnsubscribeRequestParams,
};
use rmcp::service::{NotificationContext, Peer, RequestContext, RoleServer, SubscriptionContext};
use rmcp::transport::streamable_http_server::session::SessionRestoreMarker;
use rmcp::{ErrorData, ServerHandler};
use tokio::time::Instant;
use tracing::instrument;

use super::requests::{is_blank, is_modern, millis, session_id, whole};
use super::{Handler, ServerState};
use crate::mcp::complete::CompletionSource;
use crate::mcp::core::{Core, Readiness};
use crate::mcp::error::RequestError;
use crate::mcp::protocol::{STREAM_OPENED, VERSIONS, unknown_method};
use crate::mcp::resources::{list, read, templates};
use crate::mcp::subscription_filter::accepted;
use crate::mcp::subscriptions;
use crate::mcp::tools::fate;
use crate::mcp::uri::Address;
use crate::mcp::{instructions, parameters, prompts, tools};

/// How long clients may cache what only a new version of Muster changes.
const FIXED: Duration = Duration::from_hours(1);

impl Handler {
    /// Goes on with a subscription that an earlier server had, as soon as the store is open, unless the client ends it before.
    fn resume(&self, uri: String, peer: Peer<RoleServer>) {
        let (server, session, view) = (self.server.clone(), Arc::clone(&self.session), Arc::clone(&self.view));
        session.want(&uri);
        drop(self.server.0.tasks.spawn(async move {
            let ServerState { readiness, stop, tasks, .. } = &*server.0;
            if let Some(core) = subscriptions::opened(readiness, &view, stop).await {
                session.start(&core, peer, tasks, stop, Vec::new);
                match session.add_wanted(&uri) {
                    Ok(true) => session.mark(Some(&uri)),
                    Ok(false) => {}
                    Err(error) => tracing::warn!(%error, "a subscription does not go on"),
                }
            }
        }));
    }
}

impl ServerHandler for Handler {
    #[expect(deprecated, reason = "clients of every era that is served use log messages")]
    fn get_info(&self) -> ServerConfig {
        let mut capabilities = ServerCapabilities::builder()
            .enable_resources()
            .enable_resources_subscribe()
            .enable_resources_list_changed()
            .enable_tools()
            .enable_prompts()
            .enable_completions()
            .enable_logging()
            .build();
        if let Some(tools) = capabilities.tools.as_mut().filter(|_| self.tools_may_change()) {
            tools.list_changed = Some(true);
        }
        ServerConfig::new(capabilities)
            .with_server_info(self.server.0.info.clone())
            .with_instructions(instructions::instructions(&self.writes, &self.link.remarks))
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
        let mut result = ListToolsResult::with_all_items(tools::listed(&self.writes))
            .with_ttl_ms(millis(FIXED))
            .with_cache_scope(CacheScope::Private);
        result.meta = Some(self.meta());
        Ok(result)
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        tools::listed(&self.writes).into_iter().find(|tool| tool.name == name)
    }

    #[instrument(name = "tools/call", skip_all, fields(tool = %request.name, writes = self.writes.are_allowed()))]
    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        // On the heap: rmcp keeps room for the largest method as long as any request lasts, and a subscription lasts.
        Box::pin(self.served_call(request, context)).await
    }

    #[instrument(name = "resources/list", level = "debug", skip_all)]
    async fn list_resources(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        let cursor = request.and_then(|request| request.cursor).filter(|cursor| !is_blank(cursor));
        let ServerState { policy, pages, .. } = &*self.server.0;
        let cursor = &cursor;
        let list = |core: Arc<Core>| async move { list::list(&core, pages, policy.list, cursor.clone()).await };
        let listed = self.serve(&context, "resources/list", list);
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
        context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let (uri, begun) = (request.uri, Instant::now());
        let result = async {
            let address = Address::parse(&uri)?;
            let (address, uri) = (&address, &uri);
            let read = |core: Arc<Core>| async move {
                let body = read::read(&core, &self.server.0.reads, address, uri, &self.writes).await?;
                Ok(body.result(uri, core.now()))
            };
            self.serve(&context, "resources/read", read).await
        };
        let mut result = match result.await {
            Ok(result) => result,
            Err(fault) => {
                self.view.unhurried(begun).await;
                return Err(fault.protocol(Some(&uri)));
            }
        };
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
        let got = prompts::get(&request.name, request.arguments.as_ref(), &self.writes);
        let mut result = got.map_err(|fault| fault.protocol(None))?;
        result.meta = Some(self.meta());
        Ok(result.into())
    }

    async fn complete(
        &self,
        request: CompleteRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        let source = CompletionSource::of(&request).map_err(|fault| fault.protocol(None))?;
        // Completion does not wait: before the store is open it offers nothing.
        let core = match &*self.server.0.readiness.borrow() {
            Readiness::Ready(core) => Some(self.view.core(core)),
            Readiness::Opening | Readiness::Failed(_) => None,
        };
        let completion = match core {
            Some(core) => {
                let found = core.walk(move |core| source.complete(core, &request)).await;
                found.map_err(|fault| fault.protocol(None))?
            }
            None => rmcp::model::CompletionInfo::default(),
        };
        let mut result = CompleteResult::new(completion);
        result.meta = Some(self.meta());
        Ok(result)
    }

    #[expect(deprecated, reason = "the older protocols have it")]
    async fn set_level(
        &self,
        request: SetLevelRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        if is_modern(&context) {
            return Err(unknown_method("logging/setLevel"));
        }
        if self.link.http && session_id(&context.extensions).is_none() {
            let instead = "name io.modelcontextprotocol/logLevel in params._meta of each request";
            let fault = RequestError::NoSession { method: "logging/setLevel", instead };
            return Err(fault.protocol(None));
        }
        *self.level.lock() = Some(request.level);
        Ok(())
    }

    async fn on_custom_request(
        &self,
        request: CustomRequest,
        context: RequestContext<RoleServer>,
    ) -> Result<CustomResult, ErrorData> {
        let CustomRequest { method, params, .. } = request;
        let is_old = !is_modern(&context);
        let mut params = params.unwrap_or_default();
        let asks_fate = method == fate::METHOD;
        let method = if asks_fate { "tools/call".to_owned() } else { method };
        // What does not fit is refused before it gets here, so this is a second net.
        let refused = match parameters::fit(&method, !is_old, &mut params) {
            None => return Err(unknown_method(&method)),
            Some(Err(why)) => Some(why),
            Some(Ok(_)) if method != "tools/call" => Some(format!("{method} does not take these parameters")),
            Some(Ok(_)) => None,
        };
        if let Some(why) = refused {
            return Err(ErrorData::invalid_params(why, None));
        }
        let call =
            serde_json::from_value(params).map_err(|error| ErrorData::invalid_params(error.to_string(), None))?;
        // On the heap: these are large futures, and such requests are rare.
        let called = if asks_fate {
            Box::pin(self.call_fate(call, context)).await?
        } else {
            Box::pin(self.call_tool(call, context)).await?
        };
        let called = ServerResult::from(called);
        let mut result = serde_json::to_value(called).map_err(|error| RequestError::from(error).protocol(None))?;
        if let (true, Some(result)) = (is_old, result.as_object_mut()) {
            // The older era does not define this member.
            result.remove("resultType");
        }
        Ok(CustomResult::new(result))
    }

    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        let accepted = accepted(requested, self.tools_may_change());
        self.listening.register(&self.server.0.readiness, &self.view, &accepted);
        Some(accepted)
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        self.listening.listen(&context, &self.server.0.readiness, &self.view, &self.stop).await;
        Ok(())
    }

    async fn on_initialized(&self, context: NotificationContext<RoleServer>) {
        let session = session_id(&context.extensions);
        let resumes = subscriptions::resumes(&context.meta);
        let is_restored = context.extensions.get::<SessionRestoreMarker>().is_some();
        if let Some(core) = subscriptions::opened(&self.server.0.readiness, &self.view, &self.stop).await {
            self.start(&core, context.peer, session.as_deref());
            if is_restored || resumes {
                self.session.mark_all();
            }
        }
    }

    async fn on_custom_notification(&self, notification: CustomNotification, _: NotificationContext<RoleServer>) {
        if notification.method == STREAM_OPENED {
            self.session.mark_missed();
        }
    }

    async fn subscribe(
        &self,
        request: SubscribeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        let uri = request.uri;
        let session = session_id(&context.extensions);
        if self.link.http && session.is_none() {
            return Err(subscriptions::NO_SESSION.protocol(Some(&uri)));
        }
        if subscriptions::resumes(&context.meta) && Address::parse(&uri).is_ok() {
            self.resume(uri, context.peer);
            return Ok(());
        }
        let subscribed = async {
            let core = self.core().await?;
            // The client's `initialized` may still be on its way.
            self.start(&core, context.peer, session.as_deref());
            self.session.add(&uri)?;
            if let Ok(address) = Address::parse(&uri) {
                core.rouse_subscribed(&address);
            }
            if let Some((remembered, session)) = self.remembered.as_ref().zip(session) {
                remembered.subscribed(&session, &uri).await;
            }
            Ok::<(), RequestError>(())
        };
        subscribed.await.map_err(|fault| fault.protocol(Some(&uri)))
    }

    async fn unsubscribe(
        &self,
        request: UnsubscribeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        Address::parse(&request.uri).map_err(|error| RequestError::from(error).protocol(Some(&request.uri)))?;
        // Forgotten first, so that a session which is being restored does not bring the subscription back.
        if let Some((remembered, session)) = self.remembered.as_ref().zip(session_id(&context.extensions)) {
            remembered.unsubscribed(&session, &request.uri).await;
        }
        self.session.remove(&request.uri);
        Ok(())
    }
}
