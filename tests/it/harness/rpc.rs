//! A small MCP client of our own for what needs no foreign one: the 2026-07-28 era over stdio and HTTP.

use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::PATIENCE;
use super::muster::Sandbox;
use super::process::Running;

/// The revision this client speaks.
const PROTOCOL: &str = "2026-07-28";
/// What it calls itself.
const NAME: &str = "muster-tests";

/// A JSON-RPC error.
#[derive(Debug, Clone)]
pub(crate) struct RpcError {
    pub(crate) code: i64,
    pub(crate) message: String,
    pub(crate) data: Value,
}

/// What a tool answered.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) is_error: bool,
    /// All text blocks, joined.
    pub(crate) text: String,
    pub(crate) structured: Value,
    /// What kind of failure it is; null where nothing failed.
    pub(crate) code: Value,
}

/// A client that asks one thing at a time.
pub(crate) struct Client {
    wire: Wire,
    asked: u64,
    /// What it calls itself.
    name: &'static str,
}

enum Wire {
    Stdio(Running),
    Http(Http),
}

struct Http {
    url: Uri,
    runtime: Runtime,
}

impl Client {
    /// Launches `muster mcp` in `sandbox`.
    pub(crate) fn stdio(sandbox: &Sandbox, flags: &[&str]) -> Client {
        let arguments = sandbox.mcp_arguments(flags);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        Client { wire: Wire::Stdio(Running::start("mcp", sandbox.muster(&arguments))), asked: 0, name: NAME }
    }

    /// Talks to a front end that runs already.
    pub(crate) fn over(running: Running) -> Client {
        Client { wire: Wire::Stdio(running), asked: 0, name: NAME }
    }

    /// Talks to the endpoint at `url`.
    pub(crate) fn http(url: &str) -> Client {
        Client { wire: Wire::Http(Http::new(url)), asked: 0, name: NAME }
    }

    /// The same, under another name.
    pub(crate) fn named(self, name: &'static str) -> Client {
        Client { name, ..self }
    }

    /// The front end's process, of a client over stdio.
    pub(crate) fn front_end(&mut self) -> &mut Running {
        match &mut self.wire {
            Wire::Stdio(running) => running,
            Wire::Http(_) => panic!("this client has no front end"),
        }
    }

    /// Sends a request and waits for its answer.
    pub(crate) fn request(&mut self, method: &str, params: &Value) -> Result<Value, RpcError> {
        self.asked += 1;
        let id = self.asked;
        let message = message(self.name, id, method, params.clone());
        let answer = match &mut self.wire {
            Wire::Stdio(running) => {
                assert!(running.say(&message.to_string()), "the front end has ended{}", running.tail());
                loop {
                    let said: Value = serde_json::from_str(&running.line(PATIENCE)).unwrap();
                    if said["id"] == id {
                        break said;
                    }
                }
            }
            Wire::Http(http) => http.answer(&message),
        };
        outcome(answer)
    }

    /// A request that has to succeed.
    pub(crate) fn must(&mut self, method: &str, params: &Value) -> Value {
        self.request(method, params).unwrap_or_else(|error| panic!("{method} fails: {error:?}"))
    }

    /// The JSON body of a resource.
    pub(crate) fn read(&mut self, uri: &str) -> Value {
        self.try_read(uri).unwrap_or_else(|error| panic!("{uri}: {error:?}"))
    }

    /// The JSON body of a resource, or why there is none.
    pub(crate) fn try_read(&mut self, uri: &str) -> Result<Value, RpcError> {
        let result = self.request("resources/read", &json!({ "uri": uri }))?;
        let text = result["contents"][0]["text"].as_str().unwrap_or_else(|| panic!("{uri} has no text: {result}"));
        Ok(serde_json::from_str(text).unwrap())
    }

    /// Calls a tool, and agrees to the plan that it is shown, if any: `Err` only for a JSON-RPC error.
    pub(crate) fn call(&mut self, tool: &str, arguments: &Value) -> Result<Answer, RpcError> {
        let shown = self.ask(tool, arguments)?;
        let token = &shown.structured["confirmation"]["token"];
        if token.is_null() {
            return Ok(shown);
        }
        let mut arguments = arguments.clone();
        arguments["confirmation"] = token.clone();
        self.ask(tool, &arguments)
    }

    /// Calls a tool, and agrees to nothing.
    pub(crate) fn ask(&mut self, tool: &str, arguments: &Value) -> Result<Answer, RpcError> {
        let result = self.request("tools/call", &json!({"name": tool, "arguments": arguments}))?;
        let blocks = result["content"].as_array().cloned().unwrap_or_default();
        let texts: Vec<&str> = blocks.iter().filter_map(|block| block["text"].as_str()).collect();
        Ok(Answer {
            is_error: result["isError"].as_bool().unwrap_or(false),
            text: texts.join("\n"),
            structured: result["structuredContent"].clone(),
            code: result["_meta"]["muster/code"].clone(),
        })
    }

    /// The names of all tools.
    pub(crate) fn tools(&mut self) -> Vec<String> {
        let pages = self.pages("tools/list", "tools");
        pages.concat().iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect()
    }

    /// All pages of a listing.
    pub(crate) fn pages(&mut self, method: &str, field: &str) -> Vec<Vec<Value>> {
        let mut pages = Vec::new();
        let mut cursor = Value::Null;
        loop {
            let params = if cursor.is_null() { json!({}) } else { json!({ "cursor": cursor }) };
            let mut page = self.must(method, &params);
            pages.push(serde_json::from_value(page[field].take()).unwrap());
            cursor = page["nextCursor"].take();
            if cursor.is_null() {
                return pages;
            }
            assert!(pages.len() < 10_000, "{method} never ends");
        }
    }

    /// Whether every watched scope has been swept completely.
    pub(crate) fn is_swept(&mut self) -> bool {
        self.try_read("ec2://inventory/summary").is_ok_and(|summary| summary["complete"] == true)
    }

    /// Subscribes over HTTP; the stream's messages arrive until the answer is dropped.
    pub(crate) fn listen(&mut self, uris: &[&str], list_changed: bool) -> Listening {
        self.asked += 1;
        let params = json!({"notifications": {"resourceSubscriptions": uris, "resourcesListChanged": list_changed}});
        let message = message(self.name, self.asked, "subscriptions/listen", params);
        let Wire::Http(http) = &self.wire else { panic!("listen is for HTTP here") };
        Listening::open(http.url.clone(), message)
    }
}

fn message(name: &str, id: u64, method: &str, mut params: Value) -> Value {
    let meta = &mut params["_meta"];
    meta["io.modelcontextprotocol/protocolVersion"] = json!(PROTOCOL);
    meta["io.modelcontextprotocol/clientCapabilities"] = json!({});
    meta["io.modelcontextprotocol/clientInfo"] = json!({"name": name, "version": "0"});
    json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params})
}

fn outcome(mut answer: Value) -> Result<Value, RpcError> {
    match answer.get_mut("error") {
        Some(error) => Err(RpcError {
            code: error["code"].as_i64().unwrap(),
            message: error["message"].as_str().unwrap().to_owned(),
            data: error["data"].take(),
        }),
        None => Ok(answer["result"].take()),
    }
}

impl Http {
    fn new(url: &str) -> Http {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        Http { url: url.parse().unwrap(), runtime }
    }

    fn answer(&self, message: &Value) -> Value {
        self.runtime.block_on(async {
            let exchange = async {
                let response = post(&self.url, message).await;
                let status = response.status();
                let mut frames = Frames::of(response);
                let id = &message["id"];
                loop {
                    match frames.next().await {
                        Some(said) if said["id"] == *id || status != StatusCode::OK => return said,
                        Some(_) => {}
                        None => panic!("{} ends with {status} and no answer", message["method"]),
                    }
                }
            };
            let what = &message["method"];
            tokio::time::timeout(PATIENCE, exchange).await.unwrap_or_else(|_| panic!("{what} takes over {PATIENCE:?}"))
        })
    }
}

/// One request on a connection of its own.
async fn post(url: &Uri, message: &Value) -> Response<Incoming> {
    let params = &message["params"];
    let mut request = Request::post(url.path())
        .header("host", url.authority().unwrap().as_str())
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream")
        .header("mcp-protocol-version", PROTOCOL)
        .header("mcp-method", message["method"].as_str().unwrap());
    if let Some(name) = params["name"].as_str().or(params["uri"].as_str()) {
        request = request.header("mcp-name", name);
    }
    let request = request.body(Full::new(Bytes::from(message.to_string()))).unwrap();
    send(url, request).await
}

/// Sends any request to the host of `url`.
pub(crate) async fn send(url: &Uri, request: Request<Full<Bytes>>) -> Response<Incoming> {
    let stream = tokio::net::TcpStream::connect(url.authority().unwrap().as_str()).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::runtime::Handle::current().spawn(connection);
    sender.send_request(request).await.unwrap()
}

/// What a control endpoint answers; fails the test when it refuses.
pub(crate) fn control(method: &str, url: &str, body: &Value) -> Value {
    let url: Uri = url.parse().unwrap();
    let path = url.path_and_query().unwrap().as_str();
    let request = Request::builder().method(method).uri(path).header("host", url.host().unwrap());
    let request = request.header("content-type", "application/json").body(Full::from(body.to_string())).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (status, text) = runtime.block_on(async {
        let response = send(&url, request).await;
        (response.status(), response.into_body().collect().await.unwrap().to_bytes())
    });
    assert!(status.is_success(), "{method} {url} answers {status}: {}", String::from_utf8_lossy(&text));
    serde_json::from_slice(&text).unwrap()
}

/// The JSON messages of a response, whether it is one or a stream of server-sent events.
struct Frames {
    body: Incoming,
    stream: bool,
    pending: Vec<u8>,
}

impl Frames {
    fn of(response: Response<Incoming>) -> Frames {
        let kind = response.headers().get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let stream = kind.starts_with("text/event-stream");
        Frames { body: response.into_body(), stream, pending: Vec::new() }
    }

    async fn next(&mut self) -> Option<Value> {
        loop {
            if self.stream
                && let Some(end) = self.pending.windows(2).position(|pair| pair == b"\n\n")
            {
                let event: Vec<u8> = self.pending.drain(..end + 2).collect();
                let event = String::from_utf8(event).unwrap();
                let data: String = event.lines().filter_map(|line| line.strip_prefix("data:")).collect();
                if let Ok(message) = serde_json::from_str(&data) {
                    return Some(message);
                }
                // A comment or a priming event without data.
                continue;
            }
            match self.body.frame().await {
                Some(Ok(frame)) => self.pending.extend(frame.into_data().unwrap_or_default()),
                _ if self.stream || self.pending.is_empty() => return None,
                _ => {
                    let whole = std::mem::take(&mut self.pending);
                    let text = String::from_utf8_lossy(&whole);
                    return Some(serde_json::from_str(&text).unwrap_or_else(|_| panic!("not JSON: {text}")));
                }
            }
        }
    }
}

/// An open subscription.
pub(crate) struct Listening {
    messages: Receiver<Value>,
    // Dropping it closes the connection.
    _runtime: Runtime,
}

impl Listening {
    fn open(url: Uri, message: Value) -> Listening {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (sender, messages) = mpsc::channel();
        runtime.spawn(async move {
            let mut frames = Frames::of(post(&url, &message).await);
            while let Some(message) = frames.next().await {
                if sender.send(message).is_err() {
                    break;
                }
            }
        });
        let listening = Listening { messages, _runtime: runtime };
        let first = listening.next(PATIENCE).expect("the server acknowledges");
        assert_eq!(first["method"], "notifications/subscriptions/acknowledged", "{first}");
        listening
    }

    /// The next message of the stream.
    pub(crate) fn next(&self, patience: Duration) -> Option<Value> {
        self.messages.recv_timeout(patience).ok()
    }

    /// The URI of the next `updated` notification.
    pub(crate) fn updated(&self, patience: Duration) -> Option<String> {
        loop {
            let message = self.next(patience)?;
            if message["method"] == "notifications/resources/updated" {
                return Some(message["params"]["uri"].as_str().unwrap().to_owned());
            }
        }
    }
}
