//! What rmcp serves on a connection of lines: the handler of the connection, and for each subscription of the newer era a handler
//! of its own, which registers the subscription before it is acknowledged.

use std::borrow::Cow;
use std::pin::pin;

use rmcp::ErrorData;
use rmcp::model::{ClientNotification, ClientRequest, ProtocolVersion, ServerConfig, ServerResult};
use rmcp::service::{NotificationContext, RequestContext, RoleServer, Service};
use serde_json::json;
use tokio::time::{Instant, sleep};
use tracing::{Instrument, Span};

use crate::mcp::operations::{AskedOperation, NetworkTransport, OperationKey, failure, mark_failed};
use crate::mcp::protocol::worded;
use crate::mcp::request_trace::RequestTrace;
use crate::mcp::server::Handler;
use crate::mcp::subscriptions::SEND;

/// Serves one connection of lines.
pub(super) struct SocketService(pub(super) Handler);

impl Service<RoleServer> for SocketService {
    async fn handle_request(
        &self,
        request: ClientRequest,
        context: RequestContext<RoleServer>,
    ) -> Result<ServerResult, ErrorData> {
        let protocol = match &request {
            // The context does not know it yet.
            ClientRequest::InitializeRequest(request) => Some(request.params.protocol_version.clone()),
            _ => context.protocol_version(),
        };
        let asked = AskedOperation::of(&request, protocol.as_ref(), NetworkTransport::Unix);
        let begun = Instant::now();
        let span = asked.map_or_else(Span::none, |asked| RequestTrace::of(&context).span(&asked));
        let answer = match request {
            ClientRequest::SubscriptionsListenRequest(_) => subscribe(self.0.for_listening(), request, context).await,
            request => self.0.handle_request(request, context).instrument(span.clone()).await,
        };
        if let Some(asked) = asked {
            let error = failure(&answer);
            if let Some(error) = error {
                mark_failed(&span, error);
            }
            self.0.operations().note(OperationKey { asked, error }, begun.elapsed());
        }
        answer.map_err(worded)
    }

    async fn handle_notification(
        &self,
        notification: ClientNotification,
        context: NotificationContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.0.handle_notification(notification, context).await
    }

    fn get_info(&self) -> ServerConfig {
        Service::get_info(&self.0)
    }

    fn supported_protocol_versions(&self) -> Cow<'static, [ProtocolVersion]> {
        Service::supported_protocol_versions(&self.0)
    }
}

/// Serves a subscription until it ends; with an error if the client does not read its acknowledgement.
async fn subscribe(
    handler: Handler,
    request: ClientRequest,
    context: RequestContext<RoleServer>,
) -> Result<ServerResult, ErrorData> {
    let mut serving = pin!(handler.handle_request(request, context));
    tokio::select! {
        result = &mut serving => return result,
        () = handler.begun().cancelled() => {}
        () = sleep(SEND) => {
            tracing::warn!(seconds = SEND.as_secs(), "dropped a subscriber that does not read");
            let why = format!("the acknowledgement of the subscription was not read within {} s: listen again", SEND.as_secs());
            return Err(ErrorData::internal_error(why, Some(json!({"retryable": true}))));
        }
    }
    serving.await
}

#[cfg(test)]
mod tests;
