use std::time::Duration;

use axum::Router;
use axum::http::Request as HttpRequest;
use rmcp::ServerHandler;
use serde_json::json;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::*;
use crate::aws::AwsClock;
use crate::mcp::Readiness;
use crate::mcp::remembered_sessions::RememberedSessions;
use crate::mcp::server::Handler;
use crate::mcp::tests::World;
use crate::mcp::transport::{HttpOptions, PATH, router};

mod precedents;
mod sessions;
mod waiting;

/// A server without a socket, and who asks it.
struct Desk {
    world: World,
    router: Router,
}

/// What came back.
#[derive(Debug)]
struct Reply {
    status: u16,
    headers: HeaderMap,
    text: String,
}

impl Reply {
    fn json(&self) -> Value {
        assert_eq!(form(&self.headers), JSON, "{self:?}");
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The status, the id and the code of a refusal.
    fn refusal(&self) -> (u16, Value, i64) {
        let json = self.json();
        assert!(json["error"]["message"].as_str().is_some_and(|message| message.len() > 10), "{json}");
        (self.status, json["id"].clone(), json["error"]["code"].as_i64().unwrap())
    }
}

impl Desk {
    async fn new() -> Desk {
        Desk::with_idle_sessions(256).await
    }

    async fn with_idle_sessions(idle: usize) -> Desk {
        let world = World::small().await;
        let precedents = Some(Precedents::new(world.server.clone()));
        Desk::around(world, idle, precedents, |handler| handler).await
    }

    async fn around<H: ServerHandler>(
        world: World,
        idle: usize,
        precedents: Option<Precedents>,
        wrap: impl Fn(Handler) -> H + Send + Sync + 'static,
    ) -> Desk {
        let remembered = RememberedSessions::open(None, Arc::new(AwsClock::default())).await;
        let origins = vec!["https://app.example.com:443".to_owned()];
        let options = HttpOptions { origins, ..HttpOptions::default() };
        let streams = CancellationToken::new();
        let sessions = Arc::new(HttpSessions::new(Arc::new(remembered), idle));
        let router = router(&world.server, wrap, precedents, &options, &streams, &sessions);
        Desk { world, router }
    }

    /// The response, whose body is still to be read.
    async fn respond(&self, method: Method, headers: &[(&str, &str)], body: impl Into<Body>) -> Response {
        let mut request = HttpRequest::builder().method(method).uri(PATH).header("host", "127.0.0.1");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.router.clone().oneshot(request.body(body.into()).unwrap()).await.unwrap()
    }

    async fn ask(&self, method: Method, headers: &[(&str, &str)], body: impl Into<Body>) -> Reply {
        let response = self.respond(method, headers, body).await;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let reading = to_bytes(response.into_body(), usize::MAX);
        let body = tokio::time::timeout(Duration::from_secs(20), reading).await.expect("the answer ends").unwrap();
        Reply { status, headers, text: String::from_utf8(body.to_vec()).unwrap() }
    }

    /// A POST of JSON, with `Accept` as of curl unless it is given.
    async fn post(&self, headers: &[(&str, &str)], body: impl Into<Body>) -> Reply {
        let plain = [("content-type", "application/json")];
        self.ask(Method::POST, &[plain.as_slice(), headers].concat(), body).await
    }

    async fn session(&self, accept: &[(&str, &str)]) -> String {
        let params = json!({"protocolVersion": "2025-11-25", "clientInfo": {"name": "desk"}});
        let reply = self.post(accept, request(0, "initialize", &params)).await;
        assert_eq!(reply.json()["result"]["protocolVersion"], "2025-11-25");
        let session = reply.headers["mcp-session-id"].to_str().unwrap().to_owned();
        let initialized = json!({"jsonrpc": "2.0", "method": "notifications/initialized"}).to_string();
        let told = self.post(&[("mcp-session-id", &session)], initialized).await;
        assert_eq!((told.status, told.text.as_str()), (202, ""));
        session
    }
}

fn request(id: impl Into<Value>, method: &str, params: &Value) -> String {
    json!({"jsonrpc": "2.0", "id": id.into(), "method": method, "params": params}).to_string()
}

fn modern(id: impl Into<Value>, method: &str) -> String {
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    request(id, method, &json!({"_meta": meta, "notifications": {}}))
}

const TOOLS: [(&str, &str); 2] = [("mcp-protocol-version", "2026-07-28"), ("mcp-method", "tools/list")];

#[tokio::test]
async fn a_client_that_does_not_ask_for_a_stream_gets_json_in_both_eras() {
    let desk = Desk::new().await;
    for accept in [
        &[] as &[(&str, &str)],
        &[("accept", "application/json")],
        &[("accept", "*/*")],
        &[("accept", "application/*;q=0.9")],
        &[("accept", "text/html"), ("accept", "application/json; charset=utf-8")],
    ] {
        let reply = desk.post(&[&TOOLS, accept].concat(), modern(1, "tools/list")).await;
        assert_eq!(reply.json()["id"], 1, "{accept:?}");
        assert!(reply.json()["result"]["tools"].is_array(), "{accept:?}");
        let session = desk.session(accept).await;
        let headers = [&[("mcp-session-id", session.as_str())], accept].concat();
        let reply = desk.post(&headers, request("one", "tools/list", &json!({}))).await;
        assert_eq!((reply.status, &reply.json()["id"]), (200, &json!("one")), "{accept:?}");
        assert!(reply.json()["result"]["tools"].is_array());
    }
}

#[tokio::test]
async fn a_client_that_asks_for_a_stream_gets_what_the_protocol_says() {
    let desk = Desk::new().await;
    let both = [("accept", "application/json, text/event-stream")];
    let session = desk.session(&[]).await;
    let headers = [both[0], ("mcp-session-id", session.as_str())];
    let reply = desk.post(&headers, request(1, "tools/list", &json!({}))).await;
    assert_eq!(form(&reply.headers), STREAM);
    let reply = desk.post(&[&TOOLS, both.as_slice()].concat(), modern(1, "tools/list")).await;
    assert!(reply.json()["result"]["tools"].is_array());
    // A stream and nothing else: the answer is the one event of a stream.
    let reply =
        desk.post(&[&TOOLS, [("accept", "text/event-stream")].as_slice()].concat(), modern(2, "tools/list")).await;
    assert_eq!(form(&reply.headers), STREAM);
    let data = data(reply.text.as_bytes());
    assert_eq!(serde_json::from_slice::<Value>(&data).unwrap()["id"], 2);
    assert!(reply.text.ends_with("\n\n"));
}

#[tokio::test]
async fn what_can_only_be_a_stream_is_one_unless_the_client_excludes_it() {
    let desk = Desk::new().await;
    let listen = [("mcp-protocol-version", "2026-07-28"), ("mcp-method", "subscriptions/listen")];
    let reply = desk.post(&[&listen, [("accept", "application/json")].as_slice()].concat(), modern(3, LISTEN)).await;
    assert_eq!(reply.refusal(), (406, json!(3), -32600));
    for accept in ["*/*", "text/event-stream", "application/json, text/*"] {
        let headers = [&listen, [("accept", accept), ("content-type", JSON)].as_slice()].concat();
        let response = desk.respond(Method::POST, &headers, modern(3, LISTEN)).await;
        assert_eq!((response.status().as_u16(), form(response.headers())), (200, STREAM), "{accept}");
    }
    let reply = desk.post(&[&TOOLS, [("accept", "text/html")].as_slice()].concat(), modern("4", "tools/list")).await;
    assert_eq!(reply.refusal(), (406, json!("4"), -32600));
}

#[tokio::test]
async fn bodies_that_cannot_be_read_are_refused_as_json_with_the_id_where_it_can_be_seen() {
    let desk = Desk::new().await;
    let session = desk.session(&[]).await;
    for (body, id, code) in [
        (br#"{"jsonrpc":"2.0","id":1,"method":"ping","params":{"x":"\ud83d"}}"#.as_slice(), json!(1), -32700),
        (br#"{"jsonrpc":"2.0","id":"a","method":"ping",}"#, json!("a"), -32700),
        (br#"{"jsonrpc":"2.0","id":1,"method":"ping"}{"jsonrpc":"2.0","id":2,"method":"ping"}"#, Value::Null, -32700),
        (b"\xff\xfe\0{", Value::Null, -32700),
        (b"", Value::Null, -32700),
        (b" \r\n", Value::Null, -32700),
        (b"hello=world", Value::Null, -32700),
        (
            br#"[{"jsonrpc":"2.0","id":1,"method":"ping"},{"jsonrpc":"2.0","id":2,"method":"ping"}]"#,
            Value::Null,
            -32600,
        ),
        (br#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#, json!(1), -32600),
        (br#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#, Value::Null, -32600),
        (br#"{"jsonrpc":"2.0","id":3,"method":"ping","params":"x"}"#, json!(3), -32602),
        (br#"{"jsonrpc":"2.0","id":3,"method":"initialize","params":{}}"#, json!(3), -32602),
    ] {
        for headers in
            [&[] as &[(&str, &str)], &[("mcp-session-id", &session)], &[("mcp-protocol-version", "2026-07-28")]]
        {
            let reply = desk.post(headers, body).await;
            assert_eq!(reply.refusal(), (400, id.clone(), code), "{}", String::from_utf8_lossy(body));
        }
    }
    let long = format!(
        "{{\"jsonrpc\":\"2.0\",\"id\":9,\"method\":\"ping\",\"params\":{{\"x\":\"{}\"}}}}",
        "x".repeat(2 * BODY)
    );
    assert_eq!(desk.post(&[], long).await.refusal(), (413, json!(9), -32600));
}

#[tokio::test]
async fn json_by_any_of_its_names_is_read_and_other_bodies_are_refused_with_the_id() {
    let desk = Desk::new().await;
    let of = |kind: &'static [(&'static str, &'static str)]| [TOOLS.as_slice(), kind].concat();
    for kind in [
        &[] as &[(&str, &str)],
        &[("content-type", "application/json; charset=utf-8")],
        &[("content-type", "text/json")],
        &[("content-type", "application/json"), ("content-encoding", "identity")],
    ] {
        let reply = desk.ask(Method::POST, &of(kind), modern(1, "tools/list")).await;
        assert!(reply.json()["result"]["tools"].is_array(), "{kind:?}");
    }
    let with_mark = format!("\u{feff}{}\r\n", modern(1, "tools/list"));
    assert!(desk.post(&TOOLS, with_mark).await.json()["result"]["tools"].is_array());
    for kind in [
        &[("content-type", "text/plain")] as &[(&str, &str)],
        &[("content-type", "application/x-www-form-urlencoded")],
        &[("content-type", "application/json"), ("content-encoding", "gzip")],
    ] {
        let reply = desk.ask(Method::POST, &of(kind), modern(1, "tools/list")).await;
        assert_eq!(reply.refusal(), (415, json!(1), -32600), "{kind:?}");
    }
}

#[tokio::test]
async fn notifications_and_responses_without_a_session_are_ignored() {
    let desk = Desk::new().await;
    for message in [
        json!({"jsonrpc": "2.0", "method": "notifications/initialized"}),
        json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}}),
        json!({"jsonrpc": "2.0", "id": 1, "result": {}}),
        json!({"jsonrpc": "2.0", "id": 1, "error": {"code": 1, "message": "m"}}),
    ] {
        for headers in [
            &[] as &[(&str, &str)],
            &[("mcp-protocol-version", "2026-07-28")],
            &[("mcp-protocol-version", "2025-11-25")],
        ] {
            let reply = desk.post(headers, message.to_string()).await;
            assert_eq!((reply.status, reply.text.as_str()), (202, ""), "{message}");
        }
    }
    let early = desk.post(&[], request("early", "tools/list", &json!({}))).await;
    assert_eq!(early.refusal(), (400, json!("early"), -32602));
    assert!(early.text.contains("Mcp-Session-Id") && early.text.contains("io.modelcontextprotocol"), "{}", early.text);
}

#[tokio::test]
async fn what_rmcp_refuses_is_refused_as_json_with_the_id() {
    let desk = Desk::new().await;
    let ping = || request("p", "ping", &json!({}));
    let reply = desk.post(&[("mcp-session-id", "nobody")], ping()).await;
    assert_eq!(reply.refusal(), (404, json!("p"), -32600));
    let reply = desk.post(&[("mcp-session-id", "nobody"), ("mcp-protocol-version", "1999-01-01")], ping()).await;
    assert_eq!(reply.refusal(), (400, json!("p"), -32600));
    let reply = desk.post(&[("origin", "http://evil.test")], ping()).await;
    assert_eq!(reply.refusal(), (403, json!("p"), -32600));
    let reply =
        desk.post(&[&TOOLS, [("origin", "http://evil.test")].as_slice()].concat(), modern(1, "tools/list")).await;
    assert_eq!(reply.refusal(), (403, json!(1), -32600));
    // The modern era names what its own metadata lacks.
    let reply = desk.post(&TOOLS, request(1, "tools/list", &json!({}))).await;
    assert_eq!(reply.refusal(), (400, json!(1), -32602));
    assert!(reply.text.contains("clientCapabilities"), "{}", reply.text);
    for (method, headers, status) in [
        (Method::GET, &[("accept", "application/json")], 406),
        (Method::GET, &[("accept", "*/*")], 400),
        (Method::DELETE, &[("accept", "*/*")], 400),
        (Method::PUT, &[("accept", "*/*")], 405),
        (Method::GET, &[("mcp-protocol-version", "2026-07-28")], 405),
    ] {
        let reply = desk.ask(method.clone(), headers, Body::empty()).await;
        assert_eq!(reply.refusal(), (status, Value::Null, -32600), "{method} {headers:?}");
    }
    let session = desk.session(&[]).await;
    let response = desk.respond(Method::GET, &[("mcp-session-id", &session)], Body::empty()).await;
    assert_eq!((response.status().as_u16(), form(response.headers())), (200, STREAM), "without Accept");
}

#[tokio::test]
async fn an_id_in_flight_in_a_session_is_refused_at_once_and_the_first_request_is_answered() {
    let desk = Desk::new().await;
    let session = desk.session(&[]).await;
    let other = desk.session(&[]).await;
    let ready = desk.world.readiness.send_replace(Readiness::Opening);
    let read = request(1, "resources/read", &json!({"uri": "ec2://inventory/summary"}));
    let of = |session: &'static str| [("mcp-session-id", session)];
    let (session, other) = (&*session.leak(), &*other.leak());
    let first = async {
        let reply = desk.post(&of(session), read.clone()).await;
        assert!(reply.json()["result"]["contents"].is_array(), "{reply:?}");
    };
    let second = async {
        let reply = desk.post(&of(session), request(1, "tools/list", &json!({}))).await;
        assert_eq!(reply.refusal(), (400, json!(1), -32600));
        assert!(reply.text.contains("request id 1 is in flight already"), "{}", reply.text);
        // The same id as a text, in another session, and without one: none of them is the same request.
        for (headers, id) in [(of(session).to_vec(), json!("1")), (of(other).to_vec(), json!(1))] {
            let reply = desk.post(&headers, request(id, "tools/list", &json!({}))).await;
            assert!(reply.json()["result"]["tools"].is_array());
        }
        for headers in [TOOLS.to_vec(), [TOOLS.as_slice(), &of(session)].concat()] {
            assert!(desk.post(&headers, modern(1, "tools/list")).await.json()["result"]["tools"].is_array());
        }
        desk.world.readiness.send_replace(ready);
    };
    // The first one is in flight before the second begins.
    tokio::join!(biased; first, second);
    let again = desk.post(&of(session), request(1, "tools/list", &json!({}))).await;
    assert!(again.json()["result"]["tools"].is_array(), "answered, the id is free again");
}

#[tokio::test]
async fn a_client_that_goes_away_leaves_its_id_taken_until_the_answer_is_there() {
    let desk = Desk::new().await;
    let session = desk.session(&[]).await;
    let headers = [("mcp-session-id", session.as_str()), ("content-type", JSON), ("accept", BOTH)];
    let ready = desk.world.readiness.send_replace(Readiness::Opening);
    let read = request(1, "resources/read", &json!({"uri": "ec2://inventory/summary"}));
    drop(desk.respond(Method::POST, &headers, read).await);
    let second = || desk.post(&headers[..1], request(1, "tools/list", &json!({})));
    assert_eq!(second().await.refusal(), (400, json!(1), -32600));
    desk.world.readiness.send_replace(ready);
    for _ in 0..2000 {
        let reply = second().await;
        if reply.status == 200 {
            assert!(reply.json()["result"]["tools"].is_array(), "{reply:?}");
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("the id is never free again");
}

#[tokio::test]
async fn the_id_of_a_cancelled_request_is_free_in_its_session() {
    let desk = Desk::new().await;
    let session = desk.session(&[]).await;
    let headers = [("mcp-session-id", session.as_str()), ("content-type", JSON), ("accept", BOTH)];
    let ready = desk.world.readiness.send_replace(Readiness::Opening);
    let read = |uri: &str| request(1, "resources/read", &json!({"uri": uri}));
    let first = desk.respond(Method::POST, &headers, read("ec2://inventory/summary")).await;
    let cancel = json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}});
    assert_eq!(desk.post(&headers[..1], cancel.to_string()).await.status, 202);
    // The notification is on its way to the session.
    let mut second = desk.respond(Method::POST, &headers, read("ec2://inventory/freshness")).await;
    while second.status() != StatusCode::OK {
        tokio::task::yield_now().await;
        second = desk.respond(Method::POST, &headers, read("ec2://inventory/freshness")).await;
    }
    desk.world.readiness.send_replace(ready);
    let second = to_bytes(second.into_body(), usize::MAX).await.unwrap();
    assert!(String::from_utf8_lossy(&second).contains("ec2://inventory/freshness"), "{second:?}");
    let first = to_bytes(first.into_body(), usize::MAX).await.unwrap();
    assert!(!String::from_utf8_lossy(&first).contains("contents"), "the cancelled request has no answer: {first:?}");
}

#[tokio::test]
async fn of_a_stream_the_answer_is_taken_and_one_without_is_an_error() {
    let of = |events: &'static str| {
        let response = ([(header::CONTENT_TYPE, STREAM), (header::CACHE_CONTROL, "no-cache")], events).into_response();
        async move {
            let response = gathered(response, &RequestId::Number(1)).await;
            assert_eq!((form(response.headers()), response.headers().get(header::CACHE_CONTROL)), (JSON, None));
            let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
            serde_json::from_slice::<Value>(&body).unwrap()
        }
    };
    let whole = of(
        "id: 0\nretry: 3000\ndata:\n\n:\n\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\"}\n\n\
        data: {\"jsonrpc\":\"2.0\",\"id\":2,\"result\":{}}\n\nid: 1\ndata: {\"jsonrpc\":\"2.0\",\ndata: \"id\":1,\"result\":{\"a\":1}}\n\n",
    );
    assert_eq!(whole.await, json!({"jsonrpc": "2.0", "id": 1, "result": {"a": 1}}));
    let cut = of("data:\n\ndata: {\"jsonrpc\":\"2.0\",\"id\":2,\"result\":{}}\n\n").await;
    assert_eq!((&cut["id"], &cut["error"]["code"]), (&json!(1), &json!(-32603)));
}

#[tokio::test]
async fn mcp_is_served_at_its_path_and_nowhere_below() {
    let desk = Desk::new().await;
    for (path, status) in [("/mcp", 200), ("/mcp/", 200), ("/mcp/x", 404), ("/", 404)] {
        let mut request = HttpRequest::builder().method(Method::POST).uri(path).header("host", "127.0.0.1");
        for (name, value) in TOOLS {
            request = request.header(name, value);
        }
        let request = request.body(Body::from(modern(1, "tools/list"))).unwrap();
        let response = desk.router.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status().as_u16(), status, "{path}");
    }
}

#[tokio::test]
async fn a_page_of_an_accepted_origin_can_call_and_one_of_another_cannot() {
    let desk = Desk::new().await;
    let preflight = |origin: &'static str| {
        [
            ("origin", origin),
            ("access-control-request-method", "POST"),
            ("access-control-request-headers", "content-type, Authorization,mcp-protocol-version, x-other"),
        ]
    };
    for origin in ["https://app.example.com", "http://localhost:5173"] {
        let reply = desk.ask(Method::OPTIONS, &preflight(origin), Body::empty()).await;
        assert_eq!((reply.status, reply.text.as_str()), (204, ""), "{reply:?}");
        assert_eq!(reply.headers["access-control-allow-origin"], origin);
        assert_eq!(reply.headers["access-control-allow-methods"], "GET, POST, DELETE");
        let sendable = "content-type, authorization, mcp-protocol-version";
        assert_eq!(reply.headers["access-control-allow-headers"], sendable);
        let params = json!({"protocolVersion": "2025-11-25"});
        let reply = desk.post(&[("origin", origin)], request(0, "initialize", &params)).await;
        assert_eq!(
            (reply.status, &reply.headers["access-control-allow-origin"]),
            (200, &HeaderValue::from_static(origin))
        );
        let exposed = reply.headers["access-control-expose-headers"].to_str().unwrap();
        assert!(exposed.contains("mcp-session-id") && reply.headers.contains_key("mcp-session-id"), "{exposed}");
        // A page can read why it is refused.
        let reply = desk.post(&[("origin", origin)], "nonsense").await;
        assert_eq!((reply.status, reply.headers.contains_key("access-control-allow-origin")), (400, true));
    }
    for origin in ["https://evil.test", "https://app.example.com:444", "null"] {
        for (method, body) in [(Method::OPTIONS, String::new()), (Method::POST, modern(1, "tools/list"))] {
            let reply = desk.ask(method, &preflight(origin), body).await;
            assert_eq!((reply.status, reply.headers.contains_key("access-control-allow-origin")), (403, false));
        }
        for body in ["nonsense", ""] {
            let reply = desk.post(&[("origin", origin)], body).await;
            let is_echoed = reply.headers.contains_key("access-control-allow-origin");
            assert_eq!((reply.status, is_echoed), (400, false), "refused before rmcp looks at it");
        }
    }
    let reply = desk.post(&TOOLS, modern(1, "tools/list")).await;
    assert!(!reply.headers.contains_key("access-control-allow-origin"), "no page asks");
    assert_eq!(desk.ask(Method::OPTIONS, &[], Body::empty()).await.status, 405);
}
