//! The handler of a request or session of HTTP, which counts what it is asked for.

use std::borrow::Cow;

#[expect(deprecated, reason = "the older protocols have it")]
use rmcp::model::SetLevelRequestParams;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CompleteRequestParams, CompleteResult, CustomNotification, CustomRequest,
    CustomResult, DiscoverResult, GetPromptRequestParams, GetPromptResponse, InitializeRequestParams, InitializeResult,
    ListPromptsResult, ListResourceTemplatesResult, ListResourcesResult, ListToolsResult, PaginatedRequestParams,
    ProtocolVersion, ReadResourceRequestParams, ReadResourceResponse, ServerConfig, SubscribeRequestParams,
    SubscriptionFilter, Tool, UnsubscribeRequestParams,
};
use rmcp::service::{NotificationContext, RequestContext, RoleServer, SubscriptionContext};
use rmcp::{ErrorData, ServerHandler};

use crate::mcp::operations::{AskedOperation, NetworkTransport};
use crate::mcp::request_trace::RequestTrace;
use crate::mcp::server::Handler;

/// A handler whose operations are counted.
pub(super) struct MeasuredHandler(pub(super) Handler);

impl MeasuredHandler {
    async fn during<T>(
        &self,
        asked: AskedOperation,
        trace: RequestTrace,
        serving: impl Future<Output = Result<T, ErrorData>>,
    ) -> Result<T, ErrorData> {
        self.0.operations().during(asked, trace.span(&asked), serving, |_| false).await
    }
}

/// An operation of this method in the protocol of the request.
fn asked(method: &str, context: &RequestContext<RoleServer>) -> AskedOperation {
    let protocol = context.protocol_version();
    AskedOperation::new(method, NetworkTransport::Tcp).in_protocol(protocol.as_ref().map(ProtocolVersion::as_str))
}

/// Whether a call of a tool failed.
fn has_failed(response: &CallToolResponse) -> bool {
    matches!(response, CallToolResponse::Complete(result) if result.is_error == Some(true))
}

impl ServerHandler for MeasuredHandler {
    fn get_info(&self) -> ServerConfig {
        ServerHandler::get_info(&self.0)
    }

    fn supported_protocol_versions(&self) -> Cow<'static, [ProtocolVersion]> {
        ServerHandler::supported_protocol_versions(&self.0)
    }

    async fn ping(&self, context: RequestContext<RoleServer>) -> Result<(), ErrorData> {
        self.during(asked("ping", &context), RequestTrace::of(&context), self.0.ping(context)).await
    }

    async fn initialize(
        &self,
        request: InitializeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<InitializeResult, ErrorData> {
        // The context does not know the protocol yet.
        let asked = asked("initialize", &context).in_protocol(Some(request.protocol_version.as_str()));
        self.during(asked, RequestTrace::of(&context), self.0.initialize(request, context)).await
    }

    async fn discover(&self, context: RequestContext<RoleServer>) -> Result<DiscoverResult, ErrorData> {
        self.during(asked("server/discover", &context), RequestTrace::of(&context), self.0.discover(context)).await
    }

    async fn list_tools(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        self.during(asked("tools/list", &context), RequestTrace::of(&context), self.0.list_tools(request, context))
            .await
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        self.0.get_tool(name)
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let asked = asked("tools/call", &context).of_tool(&request.name);
        let span = RequestTrace::of(&context).span(&asked);
        self.0.operations().during(asked, span, self.0.call_tool(request, context), has_failed).await
    }

    async fn list_resources(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        self.during(
            asked("resources/list", &context),
            RequestTrace::of(&context),
            self.0.list_resources(request, context),
        )
        .await
    }

    async fn list_resource_templates(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        let asked = asked("resources/templates/list", &context);
        self.during(asked, RequestTrace::of(&context), self.0.list_resource_templates(request, context)).await
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        // On the heap, as the others are not: it is the largest.
        self.during(
            asked("resources/read", &context),
            RequestTrace::of(&context),
            Box::pin(self.0.read_resource(request, context)),
        )
        .await
    }

    async fn list_prompts(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        self.during(asked("prompts/list", &context), RequestTrace::of(&context), self.0.list_prompts(request, context))
            .await
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        let asked = asked("prompts/get", &context).of_prompt(&request.name);
        self.during(asked, RequestTrace::of(&context), self.0.get_prompt(request, context)).await
    }

    async fn complete(
        &self,
        request: CompleteRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        self.during(
            asked("completion/complete", &context),
            RequestTrace::of(&context),
            self.0.complete(request, context),
        )
        .await
    }

    #[expect(deprecated, reason = "the older protocols have it")]
    async fn set_level(
        &self,
        request: SetLevelRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.during(asked("logging/setLevel", &context), RequestTrace::of(&context), self.0.set_level(request, context))
            .await
    }

    async fn on_custom_request(
        &self,
        request: CustomRequest,
        context: RequestContext<RoleServer>,
    ) -> Result<CustomResult, ErrorData> {
        self.during(
            asked(&request.method, &context),
            RequestTrace::of(&context),
            self.0.on_custom_request(request, context),
        )
        .await
    }

    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        self.0.accepted_subscription_filter(requested)
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        self.0.listen(context).await
    }

    async fn on_initialized(&self, context: NotificationContext<RoleServer>) {
        self.0.on_initialized(context).await;
    }

    async fn on_custom_notification(&self, notification: CustomNotification, context: NotificationContext<RoleServer>) {
        self.0.on_custom_notification(notification, context).await;
    }

    #[expect(deprecated, reason = "the older protocols have it")]
    async fn subscribe(
        &self,
        request: SubscribeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.during(
            asked("resources/subscribe", &context),
            RequestTrace::of(&context),
            self.0.subscribe(request, context),
        )
        .await
    }

    #[expect(deprecated, reason = "the older protocols have it")]
    async fn unsubscribe(
        &self,
        request: UnsubscribeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.during(
            asked("resources/unsubscribe", &context),
            RequestTrace::of(&context),
            self.0.unsubscribe(request, context),
        )
        .await
    }
}
