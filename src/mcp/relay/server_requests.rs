//! The requests of the server to the client.
//!
//! Each server process numbers its requests and progress tokens from the beginning, so the client sees them as `<epoch>:<id>`,
//! where an epoch is one connection. What the client answers to a request of an older epoch is dropped.

use std::collections::HashMap;

use rmcp::model::RequestId;
use serde_json::{Value, json};

use super::rewrite::{self, Members};

/// The requests of the present server that the client has not answered.
#[derive(Debug, Default)]
pub(super) struct ServerRequests {
    epoch: u64,
    /// By the id that the client sees.
    open: HashMap<String, OpenRequest>,
}

#[derive(Debug)]
struct OpenRequest {
    id: RequestId,
    /// The server's progress token, under which it hears of the client's progress.
    token: Option<Value>,
}

impl ServerRequests {
    /// The line of a request as the client sees it.
    pub(super) fn forward(&mut self, line: &[u8]) -> Option<Vec<u8>> {
        let mut message = rewrite::members(line);
        let id: RequestId = serde_json::from_value(message.get("id")?.clone()).ok()?;
        let seen = self.seen(&id.clone().into_json_value());
        message.insert("id".to_owned(), json!(seen));
        let token = rewrite::meta(&message, "progressToken").cloned();
        if let Some(token) = &token {
            let token = self.seen(token);
            rewrite::set_meta(&mut message, "progressToken", json!(token));
        }
        self.open.insert(seen, OpenRequest { id, token });
        Some(rewrite::line(message))
    }

    /// The server's notification that it no longer wants the answer to a request, as the client sees it; `None` if the client
    /// has answered.
    pub(super) fn cancel(&mut self, mut message: Members) -> Option<Vec<u8>> {
        let id = rewrite::id_parameter(&message, "requestId")?;
        let seen = self.seen(&id.into_json_value());
        self.open.remove(&seen)?;
        rewrite::set_parameter(&mut message, "requestId", json!(seen));
        Some(rewrite::line(message))
    }

    /// The client's answer as the server expects it; `None` if the present server does not wait for it.
    pub(super) fn answer(&mut self, line: &[u8]) -> Option<Vec<u8>> {
        let mut message = rewrite::members(line);
        let open = self.open.remove(message.get("id")?.as_str()?)?;
        message.insert("id".to_owned(), open.id.into_json_value());
        Some(rewrite::line(message))
    }

    /// The client's progress with a request as the server expects it; `None` if the present server does not wait for it.
    pub(super) fn progress(&self, mut message: Members) -> Option<Vec<u8>> {
        let seen = rewrite::parameter(&message, "progressToken")?.as_str()?.to_owned();
        let is_meant = |token: &&Value| self.seen(token) == seen;
        let token = self.open.values().filter_map(|open| open.token.as_ref()).find(is_meant)?;
        rewrite::set_parameter(&mut message, "progressToken", token.clone());
        Some(rewrite::line(message))
    }

    /// Ends the epoch. Returns the cancellations of the requests that the client has not answered.
    pub(super) fn lose(&mut self) -> Vec<Vec<u8>> {
        self.epoch += 1;
        let mut open: Vec<String> = self.open.drain().map(|(seen, _)| seen).collect();
        open.sort_unstable();
        let cancelled = |seen: String| rewrite::cancelled(&RequestId::String(seen.into()), "the server process ended");
        open.into_iter().map(cancelled).collect()
    }

    fn seen(&self, id: &Value) -> String {
        format!("{}:{id}", self.epoch)
    }
}
