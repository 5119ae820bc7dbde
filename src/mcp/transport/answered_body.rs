//! A body that keeps something until it has gone out.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::response::Response;

/// A body that keeps something until it has gone out, or nobody waits for it any more.
pub(super) struct AnsweredBody<T> {
    body: Body,
    _kept: T,
}

impl<T: Send + Unpin + 'static> AnsweredBody<T> {
    /// The same response, which keeps `kept` until its body has gone out.
    pub(super) fn keeping(response: Response, kept: T) -> Response {
        response.map(|body| Body::new(AnsweredBody { body, _kept: kept }))
    }
}

impl<T: Unpin> HttpBody for AnsweredBody<T> {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.body.size_hint()
    }
}
