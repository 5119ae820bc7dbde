//! HTTP clients of both eras by the thousand: each is one connection, and all share one runtime.

use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Method, Request, Response, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::{TcpSocket, TcpStream};
use tokio::runtime::Runtime;
use tokio::time::Instant;

/// A runtime for many clients.
pub(crate) fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// One kept connection, of a session of the older era or of the newer era.
pub(crate) struct WebClient {
    url: Uri,
    sender: SendRequest<Full<Bytes>>,
    session: Option<String>,
    asked: u64,
}

impl WebClient {
    /// Connects, without a word.
    pub(crate) async fn connect(url: &str) -> WebClient {
        let url: Uri = url.parse().unwrap();
        let stream = TcpStream::connect(url.authority().unwrap().as_str()).await.unwrap();
        WebClient::over(url, stream).await
    }

    /// Connects, without a word; `None` where nobody listens.
    pub(crate) async fn try_connect(url: &str) -> Option<WebClient> {
        let url: Uri = url.parse().unwrap();
        let stream = TcpStream::connect(url.authority().unwrap().as_str()).await.ok()?;
        Some(WebClient::over(url, stream).await)
    }

    /// Connects, with next to no room for what is not read.
    pub(crate) async fn cramped(url: &str) -> WebClient {
        let url: Uri = url.parse().unwrap();
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        let stream = socket.connect(url.authority().unwrap().as_str().parse().unwrap()).await.unwrap();
        WebClient::over(url, stream).await
    }

    async fn over(url: Uri, stream: TcpStream) -> WebClient {
        let (sender, connection) = handshake(TokioIo::new(stream)).await.unwrap();
        tokio::runtime::Handle::current().spawn(connection);
        WebClient { url, sender, session: None, asked: 0 }
    }

    /// The same client on a new connection; `None` where nobody listens.
    pub(crate) async fn again(&self) -> Option<WebClient> {
        let stream = TcpStream::connect(self.url.authority().unwrap().as_str()).await.ok()?;
        let connected = WebClient::over(self.url.clone(), stream).await;
        Some(WebClient { session: self.session.clone(), asked: self.asked, ..connected })
    }

    /// This client with a session of the older era.
    pub(crate) async fn older(mut self) -> WebClient {
        self.open_session().await;
        let initialized = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
        let told = self.send(Method::POST, "application/json", &initialized.to_string()).await;
        assert_eq!(told.status(), StatusCode::ACCEPTED);
        drained(told).await;
        self
    }

    /// Opens a session, and forgets the one before.
    pub(crate) async fn open_session(&mut self) {
        self.session = None;
        let info = json!({"name": "muster-tests", "version": "0"});
        let params = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": info});
        let message = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params});
        let response = self.send(Method::POST, "application/json", &message.to_string()).await;
        let session = response.headers().get("mcp-session-id").map(|id| id.to_str().unwrap().to_owned());
        let text = drained(response).await;
        self.session = Some(session.unwrap_or_else(|| panic!("no session: {text}")));
    }

    /// The same session on a connection to another address.
    pub(crate) async fn moved(self, url: &str) -> WebClient {
        WebClient { session: self.session, asked: self.asked, ..WebClient::connect(url).await }
    }

    /// A request that has to succeed, in the era of this client.
    pub(crate) async fn must(&mut self, method: &str, params: &Value) -> Value {
        let message = self.message(method, params);
        let response = self.send(Method::POST, "application/json", &message.to_string()).await;
        let text = drained(response).await;
        let mut answer: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{method}: {error}: {text}"));
        assert!(answer.get("result").is_some(), "{method} {params}: {answer}");
        answer["result"].take()
    }

    /// A request; `None` where the connection breaks before there is a result.
    pub(crate) async fn ask(&mut self, method: &str, params: &Value) -> Option<Value> {
        self.answer(method, params).await?.get_mut("result").map(Value::take)
    }

    /// A request; what answers it, be that a result or an error. `None` where the connection breaks before.
    pub(crate) async fn answer(&mut self, method: &str, params: &Value) -> Option<Value> {
        let message = self.message(method, params);
        let response = self.try_send(Method::POST, "application/json", &message.to_string()).await.ok()?;
        let text = response.into_body().collect().await.ok()?.to_bytes();
        serde_json::from_slice(&text).ok()
    }

    /// Opens the stream of notifications: of a session that is subscribed, or about `uris`. `None` where the server does not open it.
    pub(crate) async fn listen(mut self, uris: &[String]) -> Option<Response<Incoming>> {
        let opened = if self.session.is_some() {
            self.try_send(Method::GET, "text/event-stream", "").await
        } else {
            let params = json!({"notifications": {"resourceSubscriptions": uris}});
            let message = self.message("subscriptions/listen", &params);
            self.try_send(Method::POST, "application/json, text/event-stream", &message.to_string()).await
        };
        opened.ok().filter(|response| response.status() == StatusCode::OK)
    }

    /// Opens a stream of notifications about `uris`.
    pub(crate) async fn subscribe(mut self, uris: &[String]) -> Response<Incoming> {
        if self.session.is_some() {
            for uri in uris {
                self.must("resources/subscribe", &json!({"uri": uri})).await;
            }
        }
        self.listen(uris).await.expect("a stream")
    }

    fn message(&mut self, method: &str, params: &Value) -> Value {
        self.asked += 1;
        let mut params = params.clone();
        if self.session.is_none() {
            params["_meta"] = json!({
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientCapabilities": {},
            });
        }
        json!({"jsonrpc": "2.0", "id": self.asked, "method": method, "params": params})
    }

    async fn send(&mut self, method: Method, accept: &str, body: &str) -> Response<Incoming> {
        self.try_send(method, accept, body).await.unwrap()
    }

    async fn try_send(&mut self, method: Method, accept: &str, body: &str) -> hyper::Result<Response<Incoming>> {
        let mut request = Request::builder().method(method).uri(self.url.path());
        request = request.header("host", self.url.authority().unwrap().as_str()).header("accept", accept);
        request = request.header("content-type", "application/json");
        if let Some(session) = &self.session {
            request = request.header("mcp-session-id", session);
        } else if let Ok(message) = serde_json::from_str::<Value>(body)
            && message["method"] != "initialize"
        {
            request = request.header("mcp-protocol-version", "2026-07-28");
            request = request.header("mcp-method", message["method"].as_str().unwrap());
            if let Some(name) = message["params"]["name"].as_str().or(message["params"]["uri"].as_str()) {
                request = request.header("mcp-name", name);
            }
        }
        let request = request.body(Full::from(body.to_owned())).unwrap();
        self.sender.ready().await?;
        self.sender.send_request(request).await
    }
}

async fn drained(response: Response<Incoming>) -> String {
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

/// How long answers took.
#[derive(Debug, Default)]
pub(crate) struct Latencies(Vec<Duration>);

impl Latencies {
    /// Asks for the summary on a connection of its own, and on one that is kept, until `until` is over.
    pub(crate) async fn of_reads(url: &str, until: impl Future<Output = ()>) -> Latencies {
        let mut latencies = Latencies::default();
        let summary = json!({"uri": "ec2://inventory/summary"});
        let asking = async {
            loop {
                let begun = Instant::now();
                WebClient::connect(url).await.must("resources/read", &summary).await;
                latencies.0.push(begun.elapsed());
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::select! {
            () = asking => {}
            () = until => {}
        }
        assert!(!latencies.0.is_empty(), "nothing was answered");
        latencies
    }

    /// What 99 of 100 answers took at most.
    pub(crate) fn p99(&mut self) -> Duration {
        self.0.sort_unstable();
        self.0[(self.0.len() - 1) * 99 / 100]
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }
}

/// A line of `/proc/<pid>/status`, such as `VmRSS` in KiB or `Threads`.
#[cfg(target_os = "linux")]
pub(crate) fn process_figure(pid: u32, name: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or_else(|| panic!("no {name}: {status}"))
}
