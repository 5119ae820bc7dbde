use std::net::SocketAddr;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use super::http::BODY;
use super::*;
use crate::mcp::stall::PATIENCE;
use crate::mcp::tests::World;

struct Http {
    world: World,
    address: SocketAddr,
    serving: JoinHandle<io::Result<()>>,
}

/// What a request was answered with: as much as arrived before the connection closed or `until` was seen.
struct Reply {
    status: u16,
    head: String,
    text: String,
    stream: TcpStream,
}

impl Reply {
    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            line.split_once(": ").filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
        })
    }

    /// The JSON-RPC message that an event stream or a JSON body holds last.
    fn message(&self) -> Value {
        let line = self.text.lines().rev().map(|line| line.strip_prefix("data: ").unwrap_or(line));
        line.filter_map(|line| serde_json::from_str(line).ok()).find(Value::is_object).expect(&self.text)
    }

    async fn rest(mut self, until: &str) -> String {
        let mut buffer = [0; 4096];
        while !self.text.contains(until) {
            let read = tokio::time::timeout(Duration::from_secs(5), self.stream.read(&mut buffer)).await;
            match read.expect("the stream goes on").unwrap() {
                0 => break,
                read => self.text.push_str(&String::from_utf8_lossy(&buffer[..read])),
            }
        }
        self.text
    }
}

impl Http {
    async fn start() -> Self {
        Self::with(|server, listener| async move {
            let options = HttpOptions { hosts: vec!["muster.test".to_owned()], ..HttpOptions::default() };
            serve_http(&server, listener, &options).await
        })
        .await
    }

    #[expect(clippy::disallowed_methods, reason = "the server runs beside the test that is its client")]
    async fn with<F>(serve: impl FnOnce(McpServer, TcpListener) -> F) -> Self
    where
        F: Future<Output = io::Result<()>> + Send + 'static,
    {
        let world = World::small().await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = tokio::spawn(serve(world.server.clone(), listener));
        Http { world, address, serving }
    }

    async fn post(&self, headers: &[(&str, &str)], body: &Value, until: &str) -> Reply {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let body = body.to_string();
        let mut head = format!("POST {PATH} HTTP/1.1\r\nContent-Type: application/json\r\n");
        if !headers.iter().any(|(name, _)| *name == "Host") {
            head.push_str("Host: 127.0.0.1\r\n");
        }
        head.push_str("Accept: application/json, text/event-stream\r\n");
        for (name, value) in headers {
            head.push_str(name);
            head.push_str(": ");
            head.push_str(value);
            head.push_str("\r\n");
        }
        let close = if until.is_empty() { "Connection: close\r\n" } else { "" };
        let request = format!("{head}{close}Content-Length: {}\r\n\r\n{body}", body.len());
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut text = String::new();
        let mut buffer = [0; 4096];
        loop {
            let read = tokio::time::timeout(Duration::from_secs(8), stream.read(&mut buffer)).await;
            let read = read.expect("an answer").unwrap();
            text.push_str(&String::from_utf8_lossy(&buffer[..read]));
            if read == 0 || (!until.is_empty() && text.contains(until)) {
                break;
            }
        }
        let (head, text) = text.split_once("\r\n\r\n").expect("a head");
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Reply { status, head: head.to_owned(), text: text.to_owned(), stream }
    }

    /// A request of the modern era.
    async fn modern(&self, method: &str, params: Value, until: &str) -> Reply {
        let mut params = params;
        params["_meta"] = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
        });
        let name = params.get("uri").or(params.get("name")).and_then(Value::as_str).unwrap_or_default().to_owned();
        let mut headers = vec![("MCP-Protocol-Version", "2026-07-28"), ("Mcp-Method", method)];
        if !name.is_empty() {
            headers.push(("Mcp-Name", &name));
        }
        let body = json!({"jsonrpc": "2.0", "id": 7, "method": method, "params": params});
        self.post(&headers, &body, until).await
    }

    /// Opens a session of the older era and returns its id.
    async fn session(&self) -> String {
        let params = json!({
            "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"},
        });
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params});
        let reply = self.post(&[], &body, "").await;
        assert_eq!(reply.message()["result"]["serverInfo"]["name"], "muster", "{}", reply.text);
        let session = reply.header("mcp-session-id").expect("a session").to_owned();
        let initialized = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
        assert_eq!(self.post(&[("Mcp-Session-Id", &session)], &initialized, "").await.status, 202);
        session
    }
}

#[tokio::test]
async fn a_modern_request_is_answered_as_plain_json() {
    let http = Http::start().await;
    let reply = http.modern("resources/read", json!({"uri": "ec2://inventory/freshness"}), "").await;
    assert_eq!((reply.status, reply.header("content-type")), (200, Some("application/json")));
    let message = reply.message();
    assert_eq!(message["result"]["resultType"], "complete");
    assert_eq!(message["result"]["_meta"]["io.modelcontextprotocol/serverInfo"]["name"], "muster");
    let reply = http.modern("server/discover", json!({}), "").await;
    assert_eq!(reply.message()["result"]["ttlMs"], 3_600_000);
}

#[tokio::test]
async fn hosts_and_origins_of_elsewhere_are_forbidden() {
    let http = Http::start().await;
    let params =
        json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}});
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params});
    for (headers, status) in [
        ([("Host", "evil.test"), ("X-A", "")], 403),
        ([("Host", "127.0.0.1"), ("Origin", "http://evil.test")], 403),
        ([("Host", "127.0.0.1"), ("Origin", "null")], 403),
        ([("Host", "muster.test"), ("Origin", "http://localhost:5173")], 200),
    ] {
        assert_eq!(http.post(&headers, &body, "").await.status, status, "{headers:?}");
    }
}

#[tokio::test]
async fn a_request_that_is_too_large_is_refused() {
    let http = Http::start().await;
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "ping", "params": {"x": "x".repeat(BODY)}});
    assert_eq!(http.post(&[], &body, "").await.status, 413);
}

#[tokio::test]
async fn subscribing_without_a_session_is_refused_and_with_one_works() {
    let http = Http::start().await;
    let params = json!({"uri": "ec2://inventory/summary"});
    let body = json!({"jsonrpc": "2.0", "id": 2, "method": "resources/subscribe", "params": params});
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2025-11-25",
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let stateless = json!({"jsonrpc": "2.0", "id": 2, "method": "resources/subscribe",
        "params": {"uri": "ec2://inventory/summary", "_meta": meta}});
    let reply = http.post(&[("MCP-Protocol-Version", "2025-11-25")], &stateless, "").await;
    assert!(reply.text.contains("needs a session"), "{} {}", reply.status, reply.text);
    let session = http.session().await;
    let reply = http.post(&[("Mcp-Session-Id", &session)], &body, "").await;
    assert_eq!(reply.message()["result"], json!({}), "{}", reply.text);
}

#[tokio::test]
async fn stopping_tells_subscribers_first_and_ends_within_two_seconds() {
    let http = Http::start().await;
    let notifications = json!({"resourceSubscriptions": ["ec2://inventory/summary"]});
    let reply = http.modern("subscriptions/listen", json!({"notifications": notifications}), "acknowledged").await;
    assert_eq!(reply.header("content-type"), Some("text/event-stream"));
    let stopping = tokio::time::Instant::now();
    http.world.stop.cancel();
    let text = reply.rest("\"result\"").await;
    assert!(text.contains("\"resultType\":\"complete\""), "{text}");
    http.serving.await.unwrap().unwrap();
    assert!(stopping.elapsed() < Duration::from_secs(2), "{:?}", stopping.elapsed());
}

#[tokio::test]
async fn a_client_that_reads_nothing_of_its_answers_loses_its_connection_after_a_while() {
    let http = Http::start().await;
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut stream = socket.connect(http.address).await.unwrap();
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {},
    });
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": meta}}).to_string();
    let request = format!(
        "POST {PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n\
         Accept: application/json, text/event-stream\r\nMCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/list\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    // Many megabytes of answers on one connection: more than both ends of it hold.
    for _ in 0..500 {
        stream.write_all(request.as_bytes()).await.unwrap();
    }
    tokio::time::pause();
    for _ in 0..100 {
        // The server runs on this thread as well, and the system carries bytes meanwhile.
        std::thread::sleep(Duration::from_millis(5));
        tokio::time::advance(PATIENCE / 20).await;
    }
    tokio::time::resume();
    // What was on its way comes, and then the end; a server that goes on would send all 500 answers and wait for more.
    let mut rest = Vec::new();
    let ended = tokio::time::timeout(Duration::from_secs(30), stream.read_to_end(&mut rest)).await;
    drop(ended.expect("the connection is closed"));
    let answers = String::from_utf8_lossy(&rest).matches("HTTP/1.1 200").count();
    assert!((1..500).contains(&answers), "{answers}");
}
