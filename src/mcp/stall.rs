//! Bounds how long a write waits for its reader. No message is dropped, so a client that does not read holds its connection back.
//! If it reads nothing for [`PATIENCE`] while a message waits, it loses its connection, so that it holds no memory and no
//! connection slot. The same holds for a server that does not read what the front end sends.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncBufRead, AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// How long a client may read nothing while a message waits.
pub const PATIENCE: Duration = Duration::from_mins(2);

/// A stream whose writes fail once they have made no progress for [`PATIENCE`].
#[derive(Debug)]
pub struct Bounded<S> {
    stream: S,
    waiting: Option<Pin<Box<Sleep>>>,
    stalled: CancellationToken,
}

impl<S> Bounded<S> {
    /// Bounds the writes to `stream`.
    pub fn new(stream: S) -> Self {
        Bounded { stream, waiting: None, stalled: CancellationToken::new() }
    }

    /// Cancelled when a write failed because nobody reads.
    pub fn stalled(&self) -> CancellationToken {
        self.stalled.clone()
    }

    fn bound<T>(&mut self, cx: &mut Context<'_>, outcome: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if outcome.is_ready() {
            self.waiting = None;
            return outcome;
        }
        let waiting = self.waiting.get_or_insert_with(|| Box::pin(sleep(PATIENCE)));
        ready!(waiting.as_mut().poll(cx));
        self.stalled.cancel();
        let text = format!("the other side has read nothing for {} s", PATIENCE.as_secs());
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, text)))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Bounded<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.bound(cx, outcome)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.stream).poll_flush(cx);
        self.bound(cx, outcome)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.bound(cx, outcome)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write_vectored(cx, bytes);
        self.bound(cx, outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Bounded<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

/// A reader that ends as soon as the other half of its connection is [`Bounded::stalled`].
#[derive(Debug)]
pub struct ReadUntil<R> {
    reader: R,
    end: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl<R> ReadUntil<R> {
    /// Reads from `reader` until `end` is cancelled.
    pub fn new(reader: R, end: CancellationToken) -> Self {
        ReadUntil { reader, end: Box::pin(end.cancelled_owned()) }
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for ReadUntil<R> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.end.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.reader).poll_read(cx, buffer)
    }
}

impl<R: AsyncBufRead + Unpin> AsyncBufRead for ReadUntil<R> {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let this = self.get_mut();
        if this.end.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Ok(&[]));
        }
        Pin::new(&mut this.reader).poll_fill_buf(cx)
    }

    fn consume(mut self: Pin<&mut Self>, amount: usize) {
        Pin::new(&mut self.reader).consume(amount);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
    use tokio::time::Instant;

    use crate::mcp::relay::state::Welcome;
    use crate::mcp::relay::{ServerEnds, relay};

    #[tokio::test(start_paused = true)]
    async fn who_reads_nothing_loses_the_connection_after_a_bounded_time() {
        let (stream, _unread) = tokio::io::duplex(8);
        let mut bounded = Bounded::new(stream);
        let begun = Instant::now();
        let error = bounded.write_all(&[0; 64]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(begun.elapsed() >= PATIENCE && bounded.stalled().is_cancelled());
    }

    #[tokio::test(start_paused = true)]
    async fn who_reads_slowly_gets_everything() {
        let (stream, mut slow) = tokio::io::duplex(8);
        let mut bounded = Bounded::new(stream);
        let reading = async {
            let mut read = [0; 8];
            for _ in 0..8 {
                sleep(PATIENCE / 2).await;
                slow.read_exact(&mut read).await.unwrap();
            }
        };
        let (written, ()) = tokio::join!(bounded.write_all(&[0; 64]), reading);
        written.unwrap();
        assert!(!bounded.stalled().is_cancelled());
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_reads_nothing_is_given_up_and_what_waits_for_it_is_answered() {
        let (server, _unread) = tokio::io::duplex(8);
        let (reader, writer) = tokio::io::split(server);
        let writer = Bounded::new(writer);
        let reader = ReadUntil::new(tokio::io::BufReader::new(reader), writer.stalled());
        let (client, front) = tokio::io::duplex(1024);
        let (input, output) = tokio::io::split(front);
        let (said, mut asked) = tokio::io::split(client);
        asked.write_all(b"{\"jsonrpc\":\"2.0\",\"id\":5,\"method\":\"tools/list\"}\n").await.unwrap();
        let first = ServerEnds { reader, writer, welcome: Welcome::default() };
        let none = async || Err("there is none".to_owned());
        let relaying = relay(tokio::io::BufReader::new(input), output, first, none, async || true);
        let mut said = tokio::io::BufReader::new(said).lines();
        let said = tokio::select! {
            end = relaying => panic!("the client is still there: {end:?}"),
            said = said.next_line() => said.unwrap().unwrap(),
        };
        assert!(said.contains("\"id\":5") && said.contains("no longer reads"), "{said}");
    }
}
