//! Places for calls that wait.

use rmcp::ErrorData;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, InitializeRequestParams, InitializeResult, ProgressNotificationParam,
    ServerConfig,
};
use rmcp::service::{RequestContext, RoleServer};

use super::*;
use crate::mcp::transport::WAITING;

/// A handler whose calls of tools last until they are cancelled. Who asks for it is told at once that they have begun.
struct Patient(Handler);

impl ServerHandler for Patient {
    fn get_info(&self) -> ServerConfig {
        ServerHandler::get_info(&self.0)
    }

    async fn initialize(
        &self,
        request: InitializeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<InitializeResult, ErrorData> {
        self.0.initialize(request, context).await
    }

    async fn call_tool(
        &self,
        _: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        if let Some(token) = context.meta.get_progress_token() {
            context.peer.notify_progress(ProgressNotificationParam::new(token, 1.0)).await.unwrap();
        }
        context.ct.cancelled().await;
        Err(ErrorData::internal_error("it was cancelled", None))
    }
}

/// How many ask for plain answers.
const PLAIN: usize = 16;

/// A call that may wait.
fn call(id: usize) -> String {
    request(id, "tools/call", &json!({"name": "wait_for", "arguments": {"wait_seconds": 40}}))
}

#[tokio::test]
async fn a_bounded_number_of_calls_wait_and_one_more_is_told_to_come_later() {
    let desk = Arc::new(Desk::around(World::small().await, 256, None, Patient).await);
    let session = desk.session(&[]).await;
    let json = [("content-type", "application/json"), ("mcp-session-id", session.as_str())];
    let both = [&json[..], &[("accept", "application/json, text/event-stream")]].concat();
    // Some ask for plain answers, which come when the wait is over, and the rest for streams, which begin at once.
    let plain: Vec<_> = (0..PLAIN)
        .map(|id| {
            let (desk, session) = (Arc::clone(&desk), session.clone());
            let posted = async move { desk.post(&[("mcp-session-id", &session)], call(id)).await };
            tokio::runtime::Handle::current().spawn(posted)
        })
        .collect();
    let mut streams = Vec::new();
    for id in PLAIN..WAITING {
        let response = desk.respond(Method::POST, &both, call(id)).await;
        assert_eq!(response.status(), StatusCode::OK);
        streams.push(response);
    }
    let late = async |id| {
        let answer = desk.respond(Method::POST, &both, call(id)).await;
        (answer.status().as_u16(), answer)
    };
    let (status, refused) = late(WAITING).await;
    assert_eq!((status, &refused.headers()["retry-after"]), (503, &HeaderValue::from_static("5")));
    let body = to_bytes(refused.into_body(), usize::MAX).await.unwrap();
    let refused: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!((&refused["id"], &refused["error"]["code"]), (&json!(WAITING), &json!(-32603)));
    assert!(refused["error"]["message"].as_str().unwrap().contains("ask again without wait_seconds, or later"));
    let counted = desk.world.server.operations().refused();
    assert!(counted.contains(&("waiting", 1)), "{counted:?}");

    // What does not wait is answered.
    assert_eq!(desk.post(&json[1..], request("ping", "ping", &json!({}))).await.status, 200);
    // Who leaves makes no room, since his call goes on; who says that he does not wait any more does.
    streams.clear();
    assert_eq!(late(WAITING).await.0, 503);
    let cancelled = json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": PLAIN}});
    assert_eq!(desk.post(&json[1..], cancelled.to_string()).await.status, 202);
    let room = async {
        while late(WAITING).await.0 == 503 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), room).await.expect("there is room for one");
    assert_eq!(late(WAITING + 1).await.0, 503, "and for no more");
    plain.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test]
async fn a_call_without_a_session_has_its_place_until_its_stream_ends() {
    let desk = Desk::around(World::small().await, 256, None, Patient).await;
    let headers = [
        ("content-type", "application/json"),
        ("accept", "application/json, text/event-stream"),
        ("mcp-protocol-version", "2026-07-28"),
        ("mcp-method", "tools/call"),
        ("mcp-name", "wait_for"),
    ];
    let ask = async |id: usize| {
        let meta = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
            "progressToken": id,
        });
        let call = json!({"name": "wait_for", "arguments": {"wait_seconds": 40}, "_meta": meta});
        desk.respond(Method::POST, &headers, request(id, "tools/call", &call)).await
    };
    let mut streams = Vec::new();
    for id in 0..WAITING {
        let response = ask(id).await;
        assert_eq!((response.status(), form(response.headers())), (StatusCode::OK, STREAM));
        streams.push(response);
    }
    assert_eq!(ask(WAITING).await.status(), StatusCode::SERVICE_UNAVAILABLE);
    // Who leaves ends his call, and makes room for one.
    streams.pop();
    let next = ask(WAITING).await;
    assert_eq!(next.status(), StatusCode::OK);
    assert_eq!(ask(WAITING + 1).await.status(), StatusCode::SERVICE_UNAVAILABLE);
}
