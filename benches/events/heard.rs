//! A client that is subscribed to some instances, and notes when it was told of each.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use anyhow::{Context as _, ensure};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::client::conn::http1::handshake;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::task::{AbortHandle, spawn_local};
use tokio::time::Instant;

use crate::bed::question;

/// A running subscription.
pub(crate) struct QueueListener {
    /// When each instance was told of.
    told: DecodedEvent,
    task: AbortHandle,
}

type DecodedEvent = Rc<RefCell<HashMap<String, Vec<Instant>>>>;

impl QueueListener {
    /// Subscribes to instances.
    pub(crate) async fn open(authority: &str, ids: &[String]) -> anyhow::Result<Self> {
        let uris: Vec<String> = ids.iter().map(|id| format!("ec2://instance/{id}")).collect();
        let params = json!({ "notifications": { "resourceSubscriptions": uris, "resourcesListChanged": false } });
        let stream = TcpStream::connect(authority).await?;
        stream.set_nodelay(true)?;
        let (mut sender, connection) = handshake(TokioIo::new(stream)).await?;
        spawn_local(connection);
        let response = sender.send_request(question(authority, "subscriptions/listen", None, params)?).await?;
        ensure!(response.status().is_success(), "the subscription is answered with {}", response.status());
        let told = DecodedEvent::default();
        let task = spawn_local(hear(response.into_body(), Rc::clone(&told), sender)).abort_handle();
        Ok(QueueListener { told, task })
    }

    /// How long it took to be told of each of these flips, in seconds, the shortest first; those that were never told are missing.
    /// Forgets what was told.
    pub(crate) fn took(&self, flips: &[(String, Instant)]) -> Vec<f64> {
        let told = self.told.take();
        let first = |id: &str, asked: Instant| told.get(id)?.iter().find(|at| **at >= asked).copied();
        let took = flips.iter().filter_map(|(id, asked)| Some(first(id, *asked)?.duration_since(*asked).as_secs_f64()));
        let mut took: Vec<f64> = took.collect();
        took.sort_by(f64::total_cmp);
        took
    }
}

impl Drop for QueueListener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Notes what is told until the stream ends. `_sender` keeps the connection open.
async fn hear<S>(mut body: Incoming, told: DecodedEvent, _sender: S) -> anyhow::Result<()> {
    let mut pending: Vec<u8> = Vec::new();
    loop {
        let frame = body.frame().await.context("the subscription ended")??;
        pending.extend(frame.into_data().unwrap_or_default());
        let now = Instant::now();
        while let Some(end) = pending.windows(2).position(|pair| pair == b"\n\n") {
            let event: Vec<u8> = pending.drain(..end + 2).collect();
            let data = event.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(b"data:"));
            let Some(message) = data.and_then(|data| serde_json::from_slice::<Value>(data).ok()) else { continue };
            let uri = message.pointer("/params/uri").and_then(Value::as_str);
            if let Some(id) = uri.and_then(|uri| uri.strip_prefix("ec2://instance/")) {
                told.borrow_mut().entry(id.to_owned()).or_default().push(now);
            }
        }
    }
}
