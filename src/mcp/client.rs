//! A client of an MCP server, with which `muster demo`, `muster doctor`, the command line and tests query a running Muster.

use std::time::Duration;

use rmcp::model::{
    CallToolRequestParams, CallToolResult, JsonObject, PaginatedRequestParams, ProtocolVersion,
    ReadResourceRequestParams, Resource, ResourceContents, ServerNotification, SubscriptionFilter, Tool,
};
use rmcp::service::{
    ClientInitializeError, ClientLifecycleMode, ClientServiceExt, Peer, QuitReason, RoleClient, RunningService,
    ServiceError, Subscription,
};
use serde_json::Value;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};

/// A connection of the 2026-07-28 era.
pub struct McpClient {
    running: RunningService<RoleClient, ()>,
}

/// A page of the list, and where the next one starts.
#[derive(Clone, Debug, Default)]
pub struct ResourcePage {
    /// The listed resources.
    pub resources: Vec<Resource>,
    /// The cursor of the next page.
    pub next: Option<String>,
}

/// Why the client failed.
#[derive(Debug, Error)]
pub enum ClientError {
    /// The protocol could not be opened.
    #[error("the server did not answer as an MCP server: {0}")]
    Open(#[source] Box<ClientInitializeError>),
    /// A request failed.
    #[error("the server refused: {0}")]
    Request(#[source] Box<ServiceError>),
    /// The answer is not what Muster serves.
    #[error("the server's answer is no JSON text: {0}")]
    Answer(#[from] serde_json::Error),
    /// Nothing came in time.
    #[error("no notification came within {} ms", .0.as_millis())]
    Silence(Duration),
    /// The connection's task died.
    #[error("the connection failed: {0}")]
    Task(#[from] tokio::task::JoinError),
}

impl From<ServiceError> for ClientError {
    fn from(error: ServiceError) -> Self {
        ClientError::Request(Box::new(error))
    }
}

/// A subscription that is open.
pub struct ResourceSubscription(Subscription);

impl McpClient {
    /// Opens the protocol over a stream, after any handshake line.
    ///
    /// # Errors
    /// When the other side does not answer discovery.
    pub async fn connect<R, W>(read: R, write: W) -> Result<Self, ClientError>
    where
        R: AsyncRead + Send + Unpin + 'static,
        W: AsyncWrite + Send + Unpin + 'static,
    {
        let lifecycle = ClientLifecycleMode::Discover { preferred_versions: vec![ProtocolVersion::LATEST] };
        let running = ().serve_with_lifecycle((read, write), lifecycle).await;
        Ok(McpClient { running: running.map_err(|error| ClientError::Open(Box::new(error)))? })
    }

    /// rmcp's own client, for requests that this one does not wrap.
    #[must_use]
    pub fn peer(&self) -> &Peer<RoleClient> {
        self.running.peer()
    }

    /// Lists the tools.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn tools(&self) -> Result<Vec<Tool>, ClientError> {
        Ok(self.peer().list_all_tools().await?)
    }

    /// One page of the list of resources.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn list(&self, cursor: Option<String>) -> Result<ResourcePage, ClientError> {
        let params = PaginatedRequestParams::default().with_cursor(cursor);
        let result = self.peer().list_resources(Some(params)).await?;
        Ok(ResourcePage { resources: result.resources, next: result.next_cursor })
    }

    /// Reads a resource as JSON.
    ///
    /// # Errors
    /// When the server refuses, or its answer is no JSON.
    pub async fn read(&self, uri: &str) -> Result<Value, ClientError> {
        let result = self.peer().read_resource(ReadResourceRequestParams::new(uri)).await?;
        let text = result.contents.into_iter().find_map(|contents| match contents {
            ResourceContents::TextResourceContents { text, .. } => Some(text),
            _ => None,
        });
        Ok(serde_json::from_str(&text.unwrap_or_default())?)
    }

    /// Calls a tool.
    ///
    /// # Errors
    /// When the server refuses. A tool that fails answers with `is_error`.
    pub async fn call(&self, tool: &str, arguments: Value) -> Result<CallToolResult, ClientError> {
        let arguments = match arguments {
            Value::Object(arguments) => arguments,
            _ => JsonObject::new(),
        };
        let params = CallToolRequestParams::new(tool.to_owned()).with_arguments(arguments);
        Ok(self.peer().call_tool(params).await?)
    }

    /// Calls a tool that changes AWS, and agrees to the plan that it answers with.
    ///
    /// # Errors
    /// As for [`McpClient::call`].
    pub async fn agree(&self, tool: &str, arguments: Value) -> Result<CallToolResult, ClientError> {
        let shown = self.call(tool, arguments.clone()).await?;
        let offer = shown.structured_content.as_ref().and_then(|content| content.get("confirmation"));
        let Some(token) = offer.and_then(|offer| offer.get("token")).cloned() else { return Ok(shown) };
        let Value::Object(mut arguments) = arguments else { return Ok(shown) };
        arguments.insert("confirmation".to_owned(), token);
        self.call(tool, Value::Object(arguments)).await
    }

    /// Subscribes to resources, and to the list of them.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn listen(&self, uris: &[&str], list_changed: bool) -> Result<ResourceSubscription, ClientError> {
        let mut filter = SubscriptionFilter::builder().resource_subscriptions(uris.iter().copied());
        if list_changed {
            filter = filter.resources_list_changed();
        }
        Ok(ResourceSubscription(self.peer().listen(filter.build()).await?))
    }

    /// Closes the connection.
    ///
    /// # Errors
    /// When its task died.
    pub async fn close(self) -> Result<QuitReason, ClientError> {
        Ok(self.running.cancel().await?)
    }
}

impl ResourceSubscription {
    /// The URIs that the server honours.
    #[must_use]
    pub fn honoured(&self) -> Vec<String> {
        self.0.acknowledged().resource_subscriptions.clone().unwrap_or_default()
    }

    /// The next notification: the URI that changed, or `None` for the list. The end of a subscription is an error,
    /// [`ClientError::Silence`], never `Ok(None)`.
    ///
    /// # Errors
    /// When nothing comes within `wait`, or the subscription ended.
    pub async fn next(&mut self, wait: Duration) -> Result<Option<String>, ClientError> {
        match tokio::time::timeout(wait, self.0.next()).await {
            Ok(Ok(Some(ServerNotification::ResourceUpdatedNotification(updated)))) => Ok(Some(updated.params.uri)),
            Ok(Ok(Some(_))) => Ok(None),
            Ok(Err(error)) => Err(error.into()),
            Ok(Ok(None)) | Err(_) => Err(ClientError::Silence(wait)),
        }
    }
}
