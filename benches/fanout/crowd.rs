//! Many subscribers of one era, each with a connection of its own, all in this process.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::task::{AbortHandle, spawn_local};
use tokio::time::Instant;

use crate::bed::question;

/// How many subscribe at once.
const AT_ONCE: usize = 16;

/// The older protocol.
const OLDER: &str = "2025-11-25";

/// Which protocol the subscribers speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Era {
    /// `subscriptions/listen`.
    Newer,
    /// `resources/subscribe`, in a session.
    Older,
}

/// The subscribers. Dropping it ends their connections.
pub(crate) struct Crowd {
    heard: Rc<Heard>,
    tasks: Vec<AbortHandle>,
}

/// What all of them heard together.
#[derive(Default)]
struct Heard {
    /// When something was last had changed, by URI, and how often so far.
    asked: RefCell<HashMap<String, (u64, Instant)>>,
    /// How long it took until each subscriber heard of it first.
    took: RefCell<Vec<Duration>>,
    notifications: Cell<u64>,
}

impl Crowd {
    /// Has so many clients subscribe to the same resources.
    pub(crate) async fn open(authority: &str, era: Era, count: usize, uris: &[String]) -> anyhow::Result<Self> {
        let heard = Rc::new(Heard::default());
        let opening = (0..count).map(|_| async {
            let (response, sender, connection) = match era {
                Era::Newer => listen(authority, uris).await?,
                Era::Older => subscribe(authority, uris).await?,
            };
            ensure!(response.status().is_success(), "the subscription is answered with {}", response.status());
            let hearing = spawn_local(hear(response.into_body(), Rc::clone(&heard), sender)).abort_handle();
            anyhow::Ok([hearing, connection])
        });
        let tasks: Vec<[AbortHandle; 2]> = stream::iter(opening).buffer_unordered(AT_ONCE).try_collect().await?;
        Ok(Crowd { heard, tasks: tasks.into_iter().flatten().collect() })
    }

    /// Notes that something is about to change.
    pub(crate) fn ask(&self, uri: &str) {
        let mut asked = self.heard.asked.borrow_mut();
        let number = asked.get(uri).map_or(0, |(number, _)| *number);
        asked.insert(uri.to_owned(), (number + 1, Instant::now()));
    }

    /// How long it took each subscriber to hear of each change, the shortest first, and how many notifications there were, of what
    /// followed from the changes too.
    pub(crate) fn heard(&self) -> (Vec<Duration>, u64) {
        let mut took = self.heard.took.take();
        took.sort_unstable();
        (took, self.heard.notifications.take())
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

type Opened = (Response<Incoming>, SendRequest<Full<Bytes>>, AbortHandle);

async fn connect(authority: &str) -> anyhow::Result<(SendRequest<Full<Bytes>>, AbortHandle)> {
    let stream = TcpStream::connect(authority).await.with_context(|| format!("cannot connect to {authority}"))?;
    stream.set_nodelay(true)?;
    let (sender, connection) = handshake(TokioIo::new(stream)).await?;
    Ok((sender, spawn_local(async move { drop(connection.await) }).abort_handle()))
}

async fn listen(authority: &str, uris: &[String]) -> anyhow::Result<Opened> {
    let (mut sender, connection) = connect(authority).await?;
    let params = json!({ "notifications": { "resourceSubscriptions": uris } });
    let response = sender.send_request(question(authority, "subscriptions/listen", None, params)?).await?;
    Ok((response, sender, connection))
}

async fn subscribe(authority: &str, uris: &[String]) -> anyhow::Result<Opened> {
    let (mut sender, connection) = connect(authority).await?;
    let info = json!({ "name": "muster-bench", "version": env!("CARGO_PKG_VERSION") });
    let params = json!({ "protocolVersion": OLDER, "capabilities": {}, "clientInfo": info });
    let message = json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params });
    let response = sender.send_request(older(authority, None, &message)?).await?;
    let session = response.headers().get("mcp-session-id").context("no session")?.to_str()?.to_owned();
    drained(response).await?;
    let session = session.as_str();
    let message = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    let mut messages = vec![message];
    messages.extend(uris.iter().enumerate().map(|(number, uri)| {
        json!({ "jsonrpc": "2.0", "id": number + 1, "method": "resources/subscribe", "params": { "uri": uri } })
    }));
    for message in messages {
        sender.ready().await?;
        drained(sender.send_request(older(authority, Some(session), &message)?).await?).await?;
    }
    let stream = Request::get("/mcp").header("host", authority).header("accept", "text/event-stream");
    let stream = stream.header("mcp-protocol-version", OLDER).header("mcp-session-id", session);
    sender.ready().await?;
    let response = sender.send_request(stream.body(Full::default())?).await?;
    Ok((response, sender, connection))
}

fn older(authority: &str, session: Option<&str>, message: &Value) -> anyhow::Result<Request<Full<Bytes>>> {
    let mut request = Request::post("/mcp")
        .header("host", authority)
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream");
    if let Some(session) = session {
        request = request.header("mcp-protocol-version", OLDER).header("mcp-session-id", session);
    }
    Ok(request.body(Full::new(Bytes::from(message.to_string())))?)
}

async fn drained(response: Response<Incoming>) -> anyhow::Result<()> {
    let status = response.status();
    let text = response.into_body().collect().await?.to_bytes();
    ensure!(status.is_success(), "answered with {status}: {}", String::from_utf8_lossy(&text));
    Ok(())
}

/// Notes what one subscriber is told until the stream ends. `_sender` keeps the connection open.
async fn hear<S>(mut body: Incoming, heard: Rc<Heard>, _sender: S) {
    let mut pending: Vec<u8> = Vec::new();
    let mut known: HashMap<String, u64> = HashMap::new();
    while let Some(Ok(frame)) = body.frame().await {
        pending.extend(frame.into_data().unwrap_or_default());
        let now = Instant::now();
        let Some(end) = memchr::memmem::rfind(&pending, b"\n\n") else { continue };
        let whole: Vec<u8> = pending.drain(..end + 2).collect();
        for place in memchr::memmem::find_iter(&whole, b"ec2://instance/") {
            let uri = whole.get(place..).and_then(|rest| rest.split(|byte| *byte == b'"').next());
            let Some(uri) = uri.and_then(|uri| std::str::from_utf8(uri).ok()) else { continue };
            heard.notifications.set(heard.notifications.get() + 1);
            let Some((number, at)) = heard.asked.borrow().get(uri).copied() else { continue };
            if known.get(uri) != Some(&number) {
                known.insert(uri.to_owned(), number);
                heard.took.borrow_mut().push(now - at);
            }
        }
    }
}
