//! The stdio front end: carries JSON-RPC lines between an MCP client and the server process, and looks at nothing else.
//!
//! The one thing it adds: when the server process ends, every request still waiting, and every later one, is answered with
//! a JSON-RPC error that says so. A client left without an answer would wait for ever, and a front end that just exited
//! would show as "server crashed" without a reason.

mod lines;

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use parking_lot::Mutex as SyncMutex;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Value, json};
use tokio::io::{AsyncBufRead, AsyncWrite, AsyncWriteExt};
use tokio::sync::Mutex;
use tracing::warn;

use lines::{Line, Lines};

/// The longest line that is carried; rmcp's own limit on both ends.
pub const MAX_LINE: usize = 16 * 1024 * 1024;
/// How long answers may still arrive after the client closed its end.
const DRAIN: Duration = Duration::from_secs(8);

const ENDED: &str = "the Muster server process ended or no longer reads, so this request was not answered. A write may or may not have \
    happened: look before repeating it. Restart this MCP server in the client to go on";
const TOO_LONG: &str = "the message is longer than 16 MiB and was not passed on";

/// How a relay ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The client closed its end, and the server was there until then.
    ClientClosed,
    /// The server was gone when the client closed its end.
    ServerEnded,
}

/// Carries lines until the client closes its end.
///
/// `input` and `output` face the client, `from_server` and `to_server` the server, after its hello line.
///
/// # Errors
/// Fails only when the client's end can no longer be read or written: there is nobody left to tell.
pub async fn relay(
    input: impl AsyncBufRead + Unpin,
    output: impl AsyncWrite + Unpin,
    from_server: impl AsyncBufRead + Unpin,
    to_server: impl AsyncWrite + Unpin,
) -> io::Result<End> {
    let relay = Relay { output: Mutex::new(output), waiting: SyncMutex::new(Waiting::default()) };
    let up = relay.up(Lines::new(input, MAX_LINE), to_server);
    let down = relay.down(Lines::new(from_server, MAX_LINE));
    tokio::pin!(up, down);
    let mut down_ended = false;
    loop {
        tokio::select! {
            // When both have ended, the client's leaving is what explains it.
            biased;
            // Ends when the client closes its end.
            ended = &mut up => {
                ended?;
                break;
            }
            // The server's end; the client's requests are answered by `up` from now on.
            ended = &mut down, if !down_ended => {
                ended?;
                down_ended = true;
            }
        }
    }
    if down_ended {
        return Ok(End::ServerEnded);
    }
    if let Ok(ended) = tokio::time::timeout(DRAIN, down).await {
        ended?;
    } else {
        warn!("the server did not close the connection within {} s of the client leaving", DRAIN.as_secs());
    }
    Ok(End::ClientClosed)
}

struct Relay<O> {
    output: Mutex<O>,
    waiting: SyncMutex<Waiting>,
}

/// Requests that the server has not answered, by the text of their id.
#[derive(Default)]
struct Waiting {
    ids: BTreeMap<String, Value>,
    server_ended: bool,
}

impl<O: AsyncWrite + Unpin> Relay<O> {
    async fn up(
        &self,
        mut input: Lines<impl AsyncBufRead + Unpin>,
        mut to_server: impl AsyncWrite + Unpin,
    ) -> io::Result<()> {
        loop {
            let line = match input.next().await? {
                Line::Whole(line) => line,
                Line::TooLong => {
                    self.refuse(Value::Null, -32600, TOO_LONG).await?;
                    continue;
                }
                Line::End => break,
            };
            let heads = Head::of(line);
            let unanswerable = self.waiting.lock().sent(&heads);
            if unanswerable.is_empty() && to_server.write_all(line).await.and(to_server.flush().await).is_ok() {
                continue;
            }
            for id in unanswerable {
                self.refuse(id, -32603, ENDED).await?;
            }
            // A failed write means that the server is gone; reading its end tells that for all waiting requests.
        }
        if let Err(error) = to_server.shutdown().await {
            tracing::debug!(%error, "the server's end was closed already");
        }
        Ok(())
    }

    async fn down(&self, mut from_server: Lines<impl AsyncBufRead + Unpin>) -> io::Result<()> {
        loop {
            match from_server.next().await {
                Ok(Line::Whole(line)) => {
                    self.waiting.lock().answered(&Head::of(line));
                    self.write(line).await?;
                }
                Ok(Line::TooLong) => warn!("dropped a line of more than {MAX_LINE} bytes from the server"),
                Ok(Line::End) => break,
                Err(error) => {
                    warn!(%error, "reading from the server failed");
                    break;
                }
            }
        }
        let waiting = {
            let mut waiting = self.waiting.lock();
            waiting.server_ended = true;
            std::mem::take(&mut waiting.ids)
        };
        for id in waiting.into_values() {
            self.refuse(id, -32603, ENDED).await?;
        }
        Ok(())
    }

    async fn refuse(&self, id: Value, code: i32, message: &str) -> io::Result<()> {
        let error = json!({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": message}});
        self.write(format!("{error}\n").as_bytes()).await
    }

    async fn write(&self, line: &[u8]) -> io::Result<()> {
        let mut output = self.output.lock().await;
        output.write_all(line).await?;
        output.flush().await
    }
}

impl Waiting {
    /// Notes requests that go to the server. Returns the ids of those that nobody will answer.
    fn sent(&mut self, heads: &[Head]) -> Vec<Value> {
        let mut unanswerable = Vec::new();
        for head in heads {
            match (&head.id, head.method.as_deref()) {
                (Some(id), Some(_)) if self.server_ended => unanswerable.push(id.clone()),
                (Some(id), Some(_)) => drop(self.ids.insert(id.to_string(), id.clone())),
                // A cancelled request is not answered.
                (None, Some("notifications/cancelled")) => {
                    let id = head.params.as_ref().and_then(|params| params.request_id.as_ref());
                    drop(id.and_then(|id| self.ids.remove(&id.to_string())));
                }
                _ => {}
            }
        }
        unanswerable
    }

    fn answered(&mut self, heads: &[Head]) {
        for head in heads.iter().filter(|head| head.result.is_some() || head.error.is_some()) {
            if let Some(id) = &head.id {
                self.ids.remove(&id.to_string());
            }
        }
    }
}

/// As much of a message as tells requests from answers.
#[derive(Deserialize)]
struct Head {
    id: Option<Value>,
    method: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    params: Option<Cancelled>,
    #[serde(default)]
    result: Option<IgnoredAny>,
    #[serde(default)]
    error: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Cancelled {
    #[serde(rename = "requestId")]
    request_id: Option<Value>,
}

/// Parameters of any form; only an object can hold what is looked for.
fn lenient<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Cancelled>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Params {
        Cancelled(Cancelled),
        Other(IgnoredAny),
    }
    Ok(match Params::deserialize(from)? {
        Params::Cancelled(params) => Some(params),
        Params::Other(_) => None,
    })
}

impl Head {
    /// The heads of a message or a batch; none when the line is neither (the server answers that itself).
    fn of(line: &[u8]) -> Vec<Head> {
        if line.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[') {
            return serde_json::from_slice(line).unwrap_or_default();
        }
        serde_json::from_slice(line).map(|head| vec![head]).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
