//! The stdio front end: carries JSON-RPC lines between an MCP client and the server process.
//!
//! Lines of the client go through [`normalise`], which answers what is no valid request. The one thing added here: when the server process ends, every request still waiting, and every later one, is answered with
//! a JSON-RPC error that says so. A client left without an answer would wait for ever, and a front end that just exited
//! would show as "server crashed" without a reason.

use std::io;
use std::time::Duration;

use parking_lot::Mutex as SyncMutex;
use rmcp::model::RequestId;
use tokio::io::{AsyncBufRead, AsyncWrite, AsyncWriteExt};
use tokio::sync::Mutex;
use tracing::warn;

use super::lines::{Line, Lines};
use super::normalise::{self, Conversation, Outcome, Refusal, Said};

/// The longest line that is carried, on both ends.
pub const MAX_LINE: usize = 16 * 1024 * 1024;
/// How long answers may still arrive after the client closed its end.
const DRAIN: Duration = Duration::from_secs(8);

const ENDED: &str = "the Muster server process ended or no longer reads, so this request was not answered. A write may or may not have \
    happened: check before repeating it. Restart this MCP server in the client to go on";

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
/// `input` and `output` face the client, `from_server` and `to_server` the server, after the handshake.
///
/// # Errors
/// Fails only when the client's end can no longer be read or written: there is nobody left to tell.
pub async fn relay(
    input: impl AsyncBufRead + Unpin,
    output: impl AsyncWrite + Unpin,
    from_server: impl AsyncBufRead + Unpin,
    to_server: impl AsyncWrite + Unpin,
) -> io::Result<End> {
    let relay = Relay { output: Mutex::new(output), waiting: SyncMutex::new(Waiting::none()) };
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

/// What is waited for.
struct Waiting {
    /// The handshake is the server's business.
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
                Line::Whole(line) => self.waiting.lock().hear(line),
                Line::TooLong(start) => Outcome::Answer(normalise::too_long(start, MAX_LINE)),
                Line::End => break,
            };
            match outcome {
                // A failed write means that the server is gone; reading its end tells that for all waiting requests.
                Outcome::Forward(message) => {
                    if let Err(error) = to_server.write_all(message.bytes()).await.and(to_server.flush().await) {
                        tracing::debug!(%error, "the server no longer reads");
                    }
                }
                Outcome::Answer(refusals) => self.refuse(&refusals).await?,
                Outcome::Drop => {}
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
                Ok(Line::Whole(line)) => {
                    if let Some(id) = normalise::answered_by(line) {
                        self.waiting.lock().conversation.answered(&id);
                    }
                    self.write(line).await?;
                }
                Ok(Line::TooLong(_)) => warn!("dropped a line of more than {MAX_LINE} bytes from the server"),
                Ok(Line::End) => break,
                Err(error) => {
                    warn!(%error, "reading from the server failed");
                    break;
                }
            }
        }
        let waiting = self.waiting.lock().end();
        self.refuse(&waiting).await
    }

    async fn refuse(&self, refusals: &[Refusal]) -> io::Result<()> {
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

impl Waiting {
    fn none() -> Self {
        Waiting { conversation: Conversation::opened(), server_ended: false }
    }

    /// Decides what becomes of a line from the client, which nobody answers when the server has ended.
    fn hear<'a>(&mut self, line: &'a [u8]) -> Outcome<'a> {
        let outcome = self.conversation.hear(line);
        match &outcome {
            Outcome::Forward(message) => match message.said() {
                Said::Request { .. } if self.server_ended => Outcome::Answer(self.end()),
                // A cancelled request is not answered.
                Said::Notification { cancels: Some(id) } => {
                    self.conversation.answered(id);
                    outcome
                }
                _ => outcome,
            },
            Outcome::Answer(_) | Outcome::Drop => outcome,
        }
    }

    /// The server has ended, and these are the answers to what is in flight.
    fn end(&mut self) -> Vec<Refusal> {
        self.server_ended = true;
        let ended = |id: RequestId| Refusal::failed(Some(id.into_json_value()), ENDED.to_owned());
        self.conversation.take_in_flight().into_iter().map(ended).collect()
    }
}

#[cfg(test)]
mod tests;
