//! A client that writes and reads lines as they are.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{
    AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream, Lines as TokioLines, ReadHalf, WriteHalf, split,
};

use super::World;

/// Far above what any answer takes.
const PATIENCE: Duration = Duration::from_secs(20);

pub(in crate::mcp) struct RawClient {
    pub(in crate::mcp) write: WriteHalf<DuplexStream>,
    lines: TokioLines<BufReader<ReadHalf<DuplexStream>>>,
}

impl RawClient {
    /// A client that has not said anything.
    pub(in crate::mcp) fn silent(world: &World) -> Self {
        let (read, write) = split(world.connect(true));
        RawClient { write, lines: BufReader::new(read).lines() }
    }

    /// A client of the older era.
    pub(in crate::mcp) async fn legacy(world: &World) -> Self {
        let mut client = RawClient::silent(world);
        client.ask("initialize", json!(super::hello())).await;
        client.say(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await;
        client
    }

    pub(in crate::mcp) async fn say(&mut self, message: &Value) {
        self.write.write_all(format!("{message}\n").as_bytes()).await.unwrap();
    }

    /// The next message of the server; `None` once it has closed its end.
    pub(in crate::mcp) async fn hear(&mut self) -> Option<Value> {
        let line = tokio::time::timeout(PATIENCE, self.lines.next_line()).await.expect("a line").unwrap();
        line.map(|line| serde_json::from_str(&line).unwrap())
    }

    /// Everything up to the answer to `id`, which is the last.
    pub(in crate::mcp) async fn hear_answer(&mut self, id: &Value) -> Vec<Value> {
        let mut heard = Vec::new();
        loop {
            heard.push(self.hear().await.unwrap_or_else(|| panic!("no answer to {id}: {heard:?}")));
            if heard.last().unwrap()["id"] == *id {
                return heard;
            }
        }
    }

    /// The answer to a request whose id is its method.
    pub(in crate::mcp) async fn ask(&mut self, method: &str, params: Value) -> Value {
        self.say(&json!({"jsonrpc": "2.0", "id": method, "method": method, "params": params})).await;
        self.hear_answer(&json!(method)).await.pop().unwrap()
    }
}

/// The parameters of a request of the newer era.
pub(in crate::mcp) fn modern(mut params: Value) -> Value {
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let given = params["_meta"].as_object().cloned().unwrap_or_default();
    params["_meta"] = meta;
    params["_meta"].as_object_mut().unwrap().extend(given);
    params
}
