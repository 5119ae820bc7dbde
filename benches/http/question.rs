//! What is asked: modern-era stateless requests over HTTP, as an MCP client of 2026-07-28 sends them.

use anyhow::Context as _;
use http_body_util::Full;
use hyper::Request;
use hyper::body::Bytes;
use hyper::header::{ACCEPT, CONTENT_TYPE, HOST};
use serde_json::{Value, json};

const PROTOCOL: &str = "2026-07-28";

/// One request that can be sent any number of times.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    method: &'static str,
    /// The header `Mcp-Name`, which a proxy may route by and the server compares with the body.
    name: Option<String>,
    body: Bytes,
}

impl Question {
    /// `resources/read` of one resource.
    pub(crate) fn read(uri: &str) -> Self {
        Self::new("resources/read", Some(uri), json!({ "uri": uri }))
    }

    /// A request of this method about the resource of this name.
    pub(crate) fn new(method: &'static str, name: Option<&str>, mut params: Value) -> Self {
        if let Some(params) = params.as_object_mut() {
            params.insert(
                "_meta".to_owned(),
                json!({
                    "io.modelcontextprotocol/protocolVersion": PROTOCOL,
                    "io.modelcontextprotocol/clientInfo": { "name": "muster-bench", "version": env!("CARGO_PKG_VERSION") },
                    "io.modelcontextprotocol/clientCapabilities": {},
                }),
            );
        }
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        Question { method, name: name.map(str::to_owned), body: Bytes::from(body.to_string()) }
    }

    /// The HTTP request to the server at `authority` (`127.0.0.1:PORT`).
    pub(crate) fn request(&self, authority: &str) -> anyhow::Result<Request<Full<Bytes>>> {
        let mut request = Request::post("/mcp")
            .header(HOST, authority)
            .header(CONTENT_TYPE, "application/json")
            .header(ACCEPT, "application/json, text/event-stream")
            .header("mcp-protocol-version", PROTOCOL)
            .header("mcp-method", self.method);
        if let Some(name) = &self.name {
            request = request.header("mcp-name", name);
        }
        request.body(Full::new(self.body.clone())).context("cannot build the request")
    }
}
