//! The bodies of requests that are answered without being read.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::Response;
use futures::{StreamExt, stream};
use http_body::Body as _;
use tokio::time::timeout;

/// How much of a body is read and dropped, and for how long.
const READ_AWAY: (usize, Duration) = (1024 * 1024, Duration::from_secs(1));

/// An answer to a request whose body, or the rest of it, nobody reads. Once it is sent, what of the body has come is read and dropped: a
/// client that is still sending could not read why it is refused, and its next request on the connection would be lost.
pub(super) fn unread(answer: Response, body: Body) -> Response {
    if body.is_end_stream() {
        return answer;
    }
    let (most, patience) = READ_AWAY;
    let dropping = async move {
        let (mut chunks, mut length) = (body.into_data_stream(), 0);
        while let Some(Ok(chunk)) = chunks.next().await {
            length += chunk.len();
            if length > most {
                break;
            }
        }
    };
    let dropped = stream::once(async move {
        drop(timeout(patience, dropping).await);
        Ok::<Bytes, axum::Error>(Bytes::new())
    });
    let (mut parts, answer) = answer.into_parts();
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, Body::from_stream(answer.into_data_stream().chain(dropped)))
}
