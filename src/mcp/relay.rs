//! The stdio front end: carries JSON-RPC lines between an MCP client and the server process.
//!
//! Lines of the client go through [`normalise`], which answers invalid requests. When the server process ends, the relay answers
//! every waiting request, and every later one, with a JSON-RPC error that says so. Otherwise a client would wait for ever, or
//! show "server crashed" without a reason.

use std::io;
use std::time::Duration;

use parking_lot::Mutex as SyncMutex;
use rmcp::model::RequestId;
use tokio::io::{AsyncBufRead, AsyncWrite, AsyncWriteExt};
use tokio::sync::Mutex;
use tracing::warn;

use super::lines::{LineRead, Lines};
use super::normalise::{self, Conversation, ErrorResponse, MessageDecision, MessageKind};

/// The longest line that is carried, on both ends.
pub const MAX_LINE: usize = 16 * 1024 * 1024;
/// How long answers may still arrive after the client closed its end.
const DRAIN: Duration = Duration::from_secs(8);

const ENDED: &str = "the Muster server process ended or no longer reads, so this request was not answered. A write may or may not have \
    happened: check before repeating it. Restart this MCP server in the client to go on";

/// How a relay ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RelayEnd {
    /// The client closed its end, and the server was there until then.
    ClientClosed,
    /// The server was gone when the client closed its end.
    ServerEnded,
}

/// Carries lines until the client closes its end.
///
/// `input` and `output` face the client, `from_server` and `to_server` the server, after the handshake.
///
/// # Errors
/// When the client's end can no longer be read or written.
pub async fn relay(
    input: impl AsyncBufRead + Unpin,
    output: impl AsyncWrite + Unpin,
    from_server: impl AsyncBufRead + Unpin,
    to_server: impl AsyncWrite + Unpin,
) -> io::Result<RelayEnd> {
    let relay = Relay { output: Mutex::new(output), waiting: SyncMutex::new(PendingRequests::none()) };
    let up = relay.up(Lines::new(input, MAX_LINE), to_server);
    let down = relay.down(Lines::new(from_server, MAX_LINE));
    tokio::pin!(up, down);
    let mut down_ended = false;
    loop {
        tokio::select! {
            // If both have ended, the client left first.
            biased;
            // Ends when the client closes its end.
            ended = &mut up => {
                ended?;
                break;
            }
            // The server has ended; `up` answers the client's requests from now on.
            ended = &mut down, if !down_ended => {
                ended?;
                down_ended = true;
            }
        }
    }
    if down_ended {
        return Ok(RelayEnd::ServerEnded);
    }
    if let Ok(ended) = tokio::time::timeout(DRAIN, down).await {
        ended?;
    } else {
        warn!("the server did not close the connection within {} s of the client leaving", DRAIN.as_secs());
    }
    Ok(RelayEnd::ClientClosed)
}

struct Relay<O> {
    output: Mutex<O>,
    waiting: SyncMutex<PendingRequests>,
}

/// The requests that wait for an answer.
struct PendingRequests {
    /// The conversation counts as opened, because the server checks the handshake.
    conversation: Conversation,
    server_ended: bool,
}

impl<O: AsyncWrite + Unpin> Relay<O> {
    async fn up(
        &self,
        mut input: Lines<impl AsyncBufRead + Unpin>,
        mut to_server: impl AsyncWrite + Unpin,
    ) -> io::Result<()> {
        loop {
            let outcome = match input.next().await? {
                LineRead::Whole(line) => self.waiting.lock().hear(line),
                LineRead::TooLong(start) => MessageDecision::Answer(normalise::too_long(start, MAX_LINE)),
                LineRead::End => break,
            };
            match outcome {
                // A failed write means that the server is gone; `down` then answers all waiting requests.
                MessageDecision::Forward(message) => {
                    if let Err(error) = to_server.write_all(message.bytes()).await.and(to_server.flush().await) {
                        tracing::debug!(%error, "the server no longer reads");
                    }
                }
                MessageDecision::Answer(refusals) => self.refuse(&refusals).await?,
                MessageDecision::Drop => {}
            }
        }
        if let Err(error) = to_server.shutdown().await {
            tracing::debug!(%error, "the server's end was closed already");
        }
        Ok(())
    }

    async fn down(&self, mut from_server: Lines<impl AsyncBufRead + Unpin>) -> io::Result<()> {
        loop {
            match from_server.next().await {
                Ok(LineRead::Whole(line)) => {
                    if let Some(id) = normalise::answered_by(line) {
                        self.waiting.lock().conversation.answered(&id);
                    }
                    self.write(line).await?;
                }
                Ok(LineRead::TooLong(_)) => warn!("dropped a line of more than {MAX_LINE} bytes from the server"),
                Ok(LineRead::End) => break,
                Err(error) => {
                    warn!(%error, "reading from the server failed");
                    break;
                }
            }
        }
        let waiting = self.waiting.lock().end();
        self.refuse(&waiting).await
    }

    async fn refuse(&self, refusals: &[ErrorResponse]) -> io::Result<()> {
        for refusal in refusals {
            self.write(&refusal.line()).await?;
        }
        Ok(())
    }

    async fn write(&self, line: &[u8]) -> io::Result<()> {
        let mut output = self.output.lock().await;
        output.write_all(line).await?;
        output.flush().await
    }
}

impl PendingRequests {
    fn none() -> Self {
        PendingRequests { conversation: Conversation::opened(), server_ended: false }
    }

    /// Decides what happens to a line from the client. When the server has ended, requests are refused.
    fn hear<'a>(&mut self, line: &'a [u8]) -> MessageDecision<'a> {
        let outcome = self.conversation.hear(line);
        match &outcome {
            MessageDecision::Forward(message) => match message.said() {
                MessageKind::Request { .. } if self.server_ended => MessageDecision::Answer(self.end()),
                // A cancelled request is not answered.
                MessageKind::Notification { cancels: Some(id) } => {
                    self.conversation.answered(id);
                    outcome
                }
                _ => outcome,
            },
            MessageDecision::Answer(_) | MessageDecision::Drop => outcome,
        }
    }

    /// Marks the server as ended, and returns the answers to the requests in flight.
    fn end(&mut self) -> Vec<ErrorResponse> {
        self.server_ended = true;
        let ended = |id: RequestId| ErrorResponse::failed(Some(id.into_json_value()), ENDED.to_owned());
        self.conversation.take_in_flight().into_iter().map(ended).collect()
    }
}

#[cfg(test)]
mod tests;
