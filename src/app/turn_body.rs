//! The body of an answer that takes a turn until it is sent, so that clients who read slowly do not make others' answers pile up.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Bytes, HttpBody};
use http_body::{Frame, SizeHint};
use tokio::sync::OwnedSemaphorePermit;

/// How much is handed on at once, so that the connection holds no more of it than that.
const PIECE: usize = 64 * 1024;

/// What is left to send of a body, and the turn that it takes. The turn is over when the last piece is handed on, or nobody wants the
/// rest.
pub(super) struct TurnBody {
    left: Bytes,
    _turn: OwnedSemaphorePermit,
}

impl TurnBody {
    /// A body that takes a turn.
    pub(super) fn new(body: Vec<u8>, turn: OwnedSemaphorePermit) -> Self {
        TurnBody { left: body.into(), _turn: turn }
    }
}

impl HttpBody for TurnBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let length = self.left.len().min(PIECE);
        let piece = self.left.split_to(length);
        Poll::Ready((length > 0).then(|| Ok(Frame::data(piece))))
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
}
