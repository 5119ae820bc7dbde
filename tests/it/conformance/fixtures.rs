//! The tools, resources and prompts that the conformance suite asks for, around Muster's own handler: whatever is none of them
//! goes to it.

mod replies;
mod rounds;
mod tools;

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Mutex;
use std::time::Duration;

use muster::mcp::Handler;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, CompleteRequestParams, CompleteResult, CustomRequest,
    CustomResult, DiscoverResult, GetPromptRequestParams, GetPromptResponse, ListPromptsResult,
    ListResourceTemplatesResult, ListResourcesResult, ListToolsResult, PaginatedRequestParams,
    ProgressNotificationParam, Prompt, ProtocolVersion, ReadResourceRequestParams, ReadResourceResponse, ServerConfig,
    ServerRequest, SubscribeRequestParams, SubscriptionFilter, Tool, UnsubscribeRequestParams,
};
#[expect(deprecated, reason = "the suite tests it")]
use rmcp::model::{LoggingLevel, LoggingMessageNotificationParam, SetLevelRequestParams};
use rmcp::service::{NotificationContext, RequestContext, RoleServer, SubscriptionContext};
use rmcp::{ErrorData, ServerHandler};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// Muster's handler, with the fixtures around it.
pub(super) struct Fixtures {
    inner: Handler,
    watched: Mutex<HashSet<String>>,
}

/// The URIs of the fixtures.
const SCHEME: &str = "test://";

/// A value of the protocol, written as its JSON.
fn made<T: DeserializeOwned>(json: Value) -> T {
    serde_json::from_value(json).unwrap()
}

/// A whole result; the older protocols are not told that it is one.
fn complete<T: DeserializeOwned>(mut json: Value) -> T {
    json["resultType"] = json!("complete");
    made(json)
}

impl Fixtures {
    pub(super) fn around(inner: Handler) -> Self {
        Fixtures { inner, watched: Mutex::default() }
    }

    /// Asks the client something in the middle of a request, as the older protocols do.
    async fn ask(&self, context: &RequestContext<RoleServer>, request: Value) -> Result<Value, ErrorData> {
        let request: ServerRequest = made(request);
        let answer = context.peer.send_request(request).await;
        let answer = answer.map_err(|error| ErrorData::internal_error(error.to_string(), None))?;
        Ok(serde_json::to_value(answer).unwrap())
    }

    #[expect(deprecated, reason = "the suite tests it")]
    async fn log(&self, context: &RequestContext<RoleServer>, text: &str) {
        let message = LoggingMessageNotificationParam::new(LoggingLevel::Info, json!(text));
        context.peer.notify_logging_message(message).await.unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
    }

    /// The answer of a fixture's tool; `None` when it is none.
    async fn fixture(
        &self,
        request: &CallToolRequestParams,
        context: &RequestContext<RoleServer>,
    ) -> Result<Option<CallToolResponse>, ErrorData> {
        if let Some(response) = rounds::tool(request, context)? {
            return Ok(Some(response));
        }
        let argument = |name: &str| {
            let given = request.arguments.as_ref().and_then(|arguments| arguments.get(name));
            given.and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        let text = match &*request.name {
            "test_tool_with_progress" => {
                for progress in [0.0, 50.0, 100.0] {
                    if let Some(token) = context.meta.get_progress_token() {
                        let said = ProgressNotificationParam::new(token, progress).with_total(100.0);
                        context.peer.notify_progress(said).await.unwrap();
                    }
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                "progress was told".to_owned()
            }
            "test_tool_with_logging" => {
                for text in ["Tool execution started", "Tool processing data", "Tool execution completed"] {
                    self.log(context, text).await;
                }
                "messages were logged".to_owned()
            }
            "test_logging_tool" => {
                if context.meta.log_level().is_some() {
                    self.log(context, "asked for").await;
                }
                "messages were logged if they were asked for".to_owned()
            }
            "test_sampling" => {
                let asked = json!({"type": "text", "text": argument("prompt")});
                let params = json!({"messages": [{"role": "user", "content": asked}], "maxTokens": 100});
                let answer = self.ask(context, json!({"method": "sampling/createMessage", "params": params})).await?;
                format!("LLM response: {}", answer["content"]["text"].as_str().unwrap_or_default())
            }
            "test_elicitation" | "test_elicitation_sep1034_defaults" | "test_elicitation_sep1330_enums" => {
                let schema = tools::elicited(&request.name);
                let message = argument("message");
                let message = if message.is_empty() { "Please fill in".to_owned() } else { message };
                let params = json!({"mode": "form", "message": message, "requestedSchema": schema});
                let answer = self.ask(context, json!({"method": "elicitation/create", "params": params})).await?;
                format!(
                    "User response: action={}, content={}",
                    answer["action"].as_str().unwrap_or_default(),
                    answer["content"]
                )
            }
            name => return Ok(replies::tool(name, request.arguments.as_ref()).map(Into::into)),
        };
        let result: CallToolResult = complete(json!({"content": [{"type": "text", "text": text}]}));
        Ok(Some(result.into()))
    }
}

impl ServerHandler for Fixtures {
    fn get_info(&self) -> ServerConfig {
        ServerHandler::get_info(&self.inner)
    }

    fn supported_protocol_versions(&self) -> Cow<'static, [ProtocolVersion]> {
        ServerHandler::supported_protocol_versions(&self.inner)
    }

    async fn discover(&self, context: RequestContext<RoleServer>) -> Result<DiscoverResult, ErrorData> {
        self.inner.discover(context).await
    }

    async fn list_tools(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let mut listed = self.inner.list_tools(request, context).await?;
        listed.tools.extend(tools::all());
        Ok(listed)
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        tools::all().into_iter().find(|tool| tool.name == name).or_else(|| self.inner.get_tool(name))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        match self.fixture(&request, &context).await? {
            Some(response) => Ok(response),
            None => self.inner.call_tool(request, context).await,
        }
    }

    async fn list_resources(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        self.inner.list_resources(request, context).await
    }

    async fn list_resource_templates(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        self.inner.list_resource_templates(request, context).await
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        match replies::resource(&request.uri) {
            Some(result) => Ok(result.into()),
            None => self.inner.read_resource(request, context).await,
        }
    }

    async fn list_prompts(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        let mut listed = self.inner.list_prompts(request, context).await?;
        listed.prompts.extend(replies::PROMPTS.map(|name| Prompt::new(name, Some("a fixture"), None)));
        Ok(listed)
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        if let Some(response) = rounds::prompt(&request) {
            return Ok(response);
        }
        match replies::prompt(&request) {
            Some(result) => Ok(result.into()),
            None => self.inner.get_prompt(request, context).await,
        }
    }

    async fn complete(
        &self,
        request: CompleteRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        match request.r#ref.as_prompt_name() {
            Some(name) if replies::PROMPTS.contains(&name) => {
                Ok(complete(json!({"completion": {"values": ["paris", "park"], "total": 2, "hasMore": false}})))
            }
            _ => self.inner.complete(request, context).await,
        }
    }

    #[expect(deprecated, reason = "the suite tests it")]
    async fn set_level(
        &self,
        request: SetLevelRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.inner.set_level(request, context).await
    }

    async fn on_custom_request(
        &self,
        request: CustomRequest,
        context: RequestContext<RoleServer>,
    ) -> Result<CustomResult, ErrorData> {
        self.inner.on_custom_request(request, context).await
    }

    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        self.inner.accepted_subscription_filter(requested)
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        self.inner.listen(context).await
    }

    async fn on_initialized(&self, context: NotificationContext<RoleServer>) {
        self.inner.on_initialized(context).await;
    }

    #[expect(deprecated, reason = "the suite tests it")]
    async fn subscribe(
        &self,
        request: SubscribeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        if request.uri.starts_with(SCHEME) {
            self.watched.lock().unwrap().insert(request.uri);
            return Ok(());
        }
        self.inner.subscribe(request, context).await
    }

    #[expect(deprecated, reason = "the suite tests it")]
    async fn unsubscribe(
        &self,
        request: UnsubscribeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        if self.watched.lock().unwrap().remove(&request.uri) {
            return Ok(());
        }
        self.inner.unsubscribe(request, context).await
    }
}
