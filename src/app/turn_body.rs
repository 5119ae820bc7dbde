//! The body of an answer that takes a turn until it is sent, so that clients who read slowly do not make others' answers pile up. It
//! ends in the middle when the time that it has to be sent in is over.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Bytes, HttpBody};
use http_body::{Frame, SizeHint};

use super::timed_part::TimedPart;

/// What is left to send of a body, and the turn that it takes. The turn is over when the last piece is handed on, or nobody wants the
/// rest.
pub(super) struct TurnBody<T> {
    part: TimedPart,
    _turn: T,
}

impl<T> TurnBody<T> {
    /// A body that takes a turn.
    pub(super) fn new(body: Vec<u8>, turn: T) -> Self {
        TurnBody { part: TimedPart::new(body), _turn: turn }
    }
}

impl<T: Unpin> HttpBody for TurnBody<T> {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        Poll::Ready(self.part.piece())
    }

    fn is_end_stream(&self) -> bool {
        self.part.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(u64::try_from(self.part.len()).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use axum::body::{Body, to_bytes};
    use tokio::sync::Semaphore;

    use super::*;
    use crate::app::timed_part::PIECE;

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
