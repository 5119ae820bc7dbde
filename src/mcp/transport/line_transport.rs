//! A transport of lines: the socket, or stdio without a server process.
//!
//! Reading stops while too many requests wait for an answer and too many messages wait to be written, so a client that does not
//! read its answers is not read either. Its further requests wait in the socket's buffer, and [`stall`](crate::mcp::stall) closes
//! a connection that stays so. rmcp itself has no such bound: it builds every answer at once and keeps it until it is written.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::sync::Arc;

use futures::SinkExt;
use parking_lot::Mutex as SyncMutex;
use rmcp::model::{ClientJsonRpcMessage, ServerJsonRpcMessage};
use rmcp::service::RoleServer;
use rmcp::transport::Transport;
use tokio::io::{AsyncRead, AsyncWrite, BufReader};
use tokio::sync::Mutex;
use tokio_util::bytes::{BufMut, BytesMut};
use tokio_util::codec::{Encoder, FramedWrite};
use tokio_util::sync::CancellationToken;

use crate::mcp::lines::{LineRead, Lines, MAX_LINE};
use crate::mcp::normalise::{self, Conversation, MessageDecision, MessageKind};
use crate::mcp::relay::state::GOODBYE;

mod write_backlog;

use write_backlog::WriteBacklog;

/// A connection of lines, each of which is normalised before rmcp sees it.
pub(super) struct LineTransport<R, W> {
    lines: Lines<BufReader<R>>,
    write: Arc<Mutex<Option<FramedWrite<W, Json>>>>,
    conversation: Arc<SyncMutex<Conversation>>,
    /// Answers of this transport that are still to be written.
    owed: VecDeque<Vec<u8>>,
    /// Whether such an answer may still be in the buffer of the writer.
    is_unflushed: bool,
    backlog: WriteBacklog,
    /// Cancelled once the client has closed its end. Whoever waits for something answers then, while the answer can still be written.
    left: CancellationToken,
    /// Once it is cancelled nothing more is sent.
    silence: Option<CancellationToken>,
}

/// Says goodbye on a connection.
pub(super) struct Farewell<W>(Arc<Mutex<Option<FramedWrite<W, Json>>>>);

impl<W: AsyncWrite + Unpin> Farewell<W> {
    /// Tells the front end that the server stops on purpose, so that it goes on with another one.
    pub(super) async fn say(&self) {
        let line = format!("{{\"jsonrpc\":\"2.0\",\"method\":\"{GOODBYE}\"}}\n").into_bytes();
        let said = match self.0.lock().await.as_mut() {
            Some(write) => write.send(Out::Line(line)).await,
            None => Ok(()),
        };
        if let Err(error) = said {
            tracing::debug!(%error, "a front end no longer reads");
        }
    }
}

impl<R: AsyncRead + Unpin, W: AsyncWrite + Unpin> LineTransport<R, W> {
    /// What says goodbye.
    pub(super) fn farewell(&self) -> Farewell<W> {
        Farewell(Arc::clone(&self.write))
    }

    /// A connection on which nothing is sent once `silence` is cancelled.
    pub(super) fn new(
        read: R,
        write: W,
        conversation: Arc<SyncMutex<Conversation>>,
        left: CancellationToken,
        silence: Option<CancellationToken>,
    ) -> Self {
        LineTransport {
            lines: Lines::new(BufReader::new(read), MAX_LINE),
            write: Arc::new(Mutex::new(Some(FramedWrite::new(write, Json)))),
            conversation,
            owed: VecDeque::new(),
            is_unflushed: false,
            backlog: WriteBacklog::default(),
            left,
            silence,
        }
    }

    /// Writes the answers of this transport. Dropping the future loses none and repeats none.
    async fn settle(&mut self) -> io::Result<()> {
        if self.owed.is_empty() && !self.is_unflushed {
            return Ok(());
        }
        let mut write = self.write.lock().await;
        let write = write.as_mut().ok_or_else(closed)?;
        while !self.owed.is_empty() {
            poll_fn(|context| write.poll_ready_unpin(context)).await?;
            // Until the next await the answer is in one place only.
            if let Some(line) = self.owed.pop_front() {
                self.is_unflushed = true;
                write.start_send_unpin(Out::Line(line))?;
            }
        }
        write.flush().await?;
        self.is_unflushed = false;
        Ok(())
    }
}

impl<R, W> Transport<RoleServer> for LineTransport<R, W>
where
    R: AsyncRead + Send + Unpin,
    W: AsyncWrite + Send + Unpin + 'static,
{
    type Error = io::Error;

    fn send(&mut self, item: ServerJsonRpcMessage) -> impl Future<Output = io::Result<()>> + Send + 'static {
        let write = Arc::clone(&self.write);
        // The message counts from here, and not from when its task is first polled.
        let unwritten = self.backlog.add();
        let silence = self.silence.clone();
        async move {
            let _unwritten = unwritten;
            let mut write = write.lock().await;
            // The front end asks the next server.
            if silence.is_some_and(|silence| silence.is_cancelled()) {
                return Ok(());
            }
            write.as_mut().ok_or_else(closed)?.send(Out::Message(Box::new(item))).await
        }
    }

    async fn receive(&mut self) -> Option<ClientJsonRpcMessage> {
        loop {
            if let Err(error) = self.settle().await {
                tracing::debug!(%error, "the client no longer reads");
                self.left.cancel();
                return None;
            }
            let conversation = &self.conversation;
            self.backlog.room(|| conversation.lock().in_flight()).await;
            let outcome = match self.lines.next().await {
                Ok(LineRead::Whole(line)) => self.conversation.lock().hear(line),
                Ok(LineRead::TooLong(start)) => MessageDecision::Answer(normalise::too_long(start, MAX_LINE)),
                Ok(LineRead::End) => {
                    self.left.cancel();
                    return None;
                }
                Err(error) => {
                    tracing::warn!(%error, "the connection can no longer be read");
                    self.left.cancel();
                    return None;
                }
            };
            match outcome {
                MessageDecision::Forward(message) => match (serde_json::from_slice(message.bytes()), message.said()) {
                    (Ok(message), _) => return Some(message),
                    (Err(_), MessageKind::Request { id, .. }) => {
                        self.conversation.lock().answered(id);
                        self.owed.push_back(normalise::unreadable(id).line());
                    }
                    (Err(error), MessageKind::Notification { .. } | MessageKind::Response) => {
                        tracing::debug!(%error, "a message that wants no answer could not be read");
                    }
                },
                MessageDecision::Answer(refusals) => {
                    self.owed.extend(refusals.iter().map(normalise::ErrorResponse::line));
                }
                MessageDecision::Drop => {}
            }
        }
    }

    async fn close(&mut self) -> io::Result<()> {
        drop(self.write.lock().await.take());
        Ok(())
    }
}

fn closed() -> io::Error {
    io::Error::new(io::ErrorKind::NotConnected, "the connection is closed")
}

/// An item that is written to a client.
enum Out {
    Message(Box<ServerJsonRpcMessage>),
    Line(Vec<u8>),
}

/// Writes messages as lines.
struct Json;

impl Encoder<Out> for Json {
    type Error = io::Error;

    fn encode(&mut self, item: Out, to: &mut BytesMut) -> io::Result<()> {
        match item {
            Out::Message(message) => {
                serde_json::to_writer(to.writer(), &message)?;
                to.put_u8(b'\n');
            }
            Out::Line(line) => to.extend_from_slice(&line),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
