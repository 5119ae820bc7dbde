//! The body of an answer that takes a turn until it is sent, so that clients who read slowly do not make others' answers pile up.
//!
//! A client that reads nothing loses its connection by itself. One that reads a little now and then would keep its turn, and with
//! others like it everybody's: so an answer has a time to be sent in, by its size, and ends in the middle when that is over.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Bytes, HttpBody};
use http_body::{Frame, SizeHint};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

/// How much is handed on at once, so that the connection holds no more of it than that.
const PIECE: usize = 64 * 1024;

/// How long any answer may take to be sent.
const LEAST: Duration = Duration::from_mins(1);
/// How many bytes of it have to be read in each second that it takes longer.
const RATE: usize = 256 * 1024;

/// What is left to send of a body, and the turn that it takes. The turn is over when the last piece is handed on, or nobody wants the
/// rest.
pub(super) struct TurnBody {
    left: Bytes,
    until: Instant,
    _turn: OwnedSemaphorePermit,
}

impl TurnBody {
    /// A body that takes a turn.
    pub(super) fn new(body: Vec<u8>, turn: OwnedSemaphorePermit) -> Self {
        let until = Instant::now() + time_for(body.len());
        TurnBody { left: body.into(), until, _turn: turn }
    }
}

/// How long an answer of this size, or a part of one, may take to be sent.
pub(super) fn time_for(size: usize) -> Duration {
    LEAST + Duration::from_secs(u64::try_from(size / RATE).unwrap_or(u64::MAX / 2))
}

impl HttpBody for TurnBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if self.left.is_empty() {
            return Poll::Ready(None);
        }
        if Instant::now() > self.until {
            self.left = Bytes::new();
            tracing::warn!("ended an answer of EC2's read API that its client reads too slowly");
            return Poll::Ready(Some(Err(io::Error::new(io::ErrorKind::TimedOut, "the client reads too slowly"))));
        }
        let length = self.left.len().min(PIECE);
        let piece = self.left.split_to(length);
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.left.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(u64::try_from(self.left.len()).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use axum::body::{Body, to_bytes};
    use tokio::sync::Semaphore;

    use super::*;

    #[tokio::test]
    async fn a_turn_lasts_until_the_body_is_sent_or_dropped() {
        let turns = Arc::new(Semaphore::new(1));
        let take = || Arc::clone(&turns).try_acquire_owned();
        let sent: Vec<u8> = (0..=255).cycle().take(3 * PIECE + 1).collect();
        let body = Body::new(TurnBody::new(sent.clone(), take().unwrap()));
        assert_eq!(body.size_hint().exact(), Some(sent.len() as u64));
        assert!(take().is_err());
        assert_eq!(to_bytes(body, usize::MAX).await.unwrap(), sent);
        let body = Body::new(TurnBody::new(sent, take().unwrap()));
        assert!(take().is_err());
        drop(body);
        assert!(take().is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn who_reads_a_little_now_and_then_loses_the_turn_in_the_end() {
        use futures::StreamExt as _;

        let turns = Arc::new(Semaphore::new(1));
        let take = || Arc::clone(&turns).try_acquire_owned();
        let size = 1_000 * PIECE;
        assert_eq!(time_for(size), Duration::from_secs(60 + 250));
        let mut pieces = Body::new(TurnBody::new(vec![0; size], take().unwrap())).into_data_stream();
        let mut read = 0;
        let error = loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            match pieces.next().await.expect("it ends before it is read") {
                Ok(piece) => read += piece.len(),
                Err(error) => break error,
            }
        };
        assert!(error.to_string().contains("too slowly") && read == 310 * PIECE, "{error}: {read}");
        assert!(pieces.next().await.is_none());
        drop(pieces);
        assert!(take().is_ok());
    }
}
