//! The body of an answer that is read while it is sent: one part is on its way, and the next is read meanwhile, so that an answer without
//! pages takes no more memory than two parts, however large it is and however slowly its client reads. Where a part cannot be had, the
//! answer breaks off, which clients see: what they have is no whole document.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::{Bytes, HttpBody};
use http_body::Frame;
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::{JoinHandle, spawn_blocking};

use crate::ec2_api::answer_rest::{AnswerPart, AnswerRest};
use crate::ec2_api::copy_fault::CopyFault;

/// How much is handed on at once.
const PIECE: usize = 64 * 1024;

/// An answer on its way, and the turn that it takes until the last of it is handed on or nobody wants the rest.
pub(super) struct AnswerStream {
    ready: Bytes,
    /// What follows; `None` at the end.
    coming: Option<JoinHandle<Result<AnswerPart, CopyFault>>>,
    _turn: OwnedSemaphorePermit,
}

impl AnswerStream {
    /// An answer of which this is the first part.
    pub(super) fn new(first: Vec<u8>, rest: AnswerRest, turn: OwnedSemaphorePermit) -> Self {
        AnswerStream { ready: first.into(), coming: Some(read(rest)), _turn: turn }
    }
}

fn read(rest: AnswerRest) -> JoinHandle<Result<AnswerPart, CopyFault>> {
    spawn_blocking(move || rest.next())
}

impl HttpBody for AnswerStream {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        while self.ready.is_empty() {
            let Some(coming) = &mut self.coming else { return Poll::Ready(None) };
            let part = match ready!(Pin::new(coming).poll(cx)) {
                Ok(part) => part.map_err(|fault| fault.to_string()),
                Err(error) => Err(error.to_string()),
            };
            self.coming = None;
            match part {
                Ok(AnswerPart { body, rest }) => {
                    self.ready = body.into();
                    self.coming = rest.map(read);
                }
                Err(why) => {
                    tracing::warn!(why, "an answer of EC2's read API breaks off");
                    return Poll::Ready(Some(Err(io::Error::other(why))));
                }
            }
        }
        let length = self.ready.len().min(PIECE);
        Poll::Ready(Some(Ok(Frame::data(self.ready.split_to(length)))))
    }

    fn is_end_stream(&self) -> bool {
        self.ready.is_empty() && self.coming.is_none()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use axum::Router;
    use axum::body::Body;
    use futures::StreamExt as _;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};
    use tokio::sync::Semaphore;
    use tokio::time::sleep;

    use super::*;

    /// The rest of an answer of `parts` parts, of which `wrong` fails; counts what is read.
    fn rest(part: u8, parts: u8, wrong: Option<u8>, read: &Arc<AtomicUsize>) -> AnswerRest {
        let read = Arc::clone(read);
        AnswerRest::new(move || {
            read.fetch_add(1, Ordering::SeqCst);
            if wrong == Some(part) {
                return Err(CopyFault::Token);
            }
            // One part of all has nothing.
            let body = vec![part; if part == 2 { 0 } else { 2 * PIECE + 1 }];
            Ok(AnswerPart { body, rest: (part < parts).then(|| rest(part + 1, parts, wrong, &read)) })
        })
    }

    fn body(wrong: Option<u8>, turns: &Arc<Semaphore>, read: &Arc<AtomicUsize>) -> Body {
        let turn = Arc::clone(turns).try_acquire_owned().unwrap();
        Body::new(AnswerStream::new(vec![0; PIECE + 1], rest(1, 5, wrong, read), turn))
    }

    #[tokio::test]
    async fn every_part_is_sent_in_its_order_and_no_more_than_one_is_read_ahead() {
        let (turns, read) = (Arc::new(Semaphore::new(1)), Arc::default());
        let mut pieces = body(None, &turns, &read).into_data_stream();
        let (mut sent, mut begun) = (Vec::new(), 0);
        while let Some(piece) = pieces.next().await {
            sent.extend_from_slice(&piece.unwrap());
            sleep(Duration::from_millis(20)).await;
            begun = begun.max(usize::from(*sent.last().unwrap()));
            assert!(read.load(Ordering::SeqCst) <= begun + 2, "{begun}");
            assert!(turns.available_permits() == 0 || sent.len() > 4 * 2 * PIECE);
        }
        let mut expected = vec![0; PIECE + 1];
        expected.extend([1, 3, 4, 5].into_iter().flat_map(|part| vec![part; 2 * PIECE + 1]));
        assert!(sent == expected, "{} bytes", sent.len());
        drop(pieces);
        assert_eq!(turns.available_permits(), 1);
    }

    #[tokio::test]
    async fn what_breaks_off_is_no_whole_answer_of_http() {
        for wrong in [None, Some(4)] {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let (turns, read) = (Arc::new(Semaphore::new(1)), Arc::default());
            let routes = Router::new().fallback(move || std::future::ready(body(wrong, &turns, &read)));
            let ask = async {
                let mut stream = TcpStream::connect(address).await.unwrap();
                stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
                let mut answer = Vec::new();
                stream.read_to_end(&mut answer).await.ok();
                answer
            };
            let answer = tokio::select! {
                answer = ask => answer,
                _ = axum::serve(listener, routes) => unreachable!("it is served for ever"),
            };
            let is_whole = answer.starts_with(b"HTTP/1.1 200") && answer.ends_with(b"\r\n0\r\n\r\n");
            assert_eq!(is_whole, wrong.is_none(), "{wrong:?}: {} bytes", answer.len());
        }
    }

    #[tokio::test]
    async fn an_answer_whose_part_cannot_be_had_breaks_off() {
        let (turns, read) = (Arc::new(Semaphore::new(1)), Arc::default());
        let mut pieces = body(Some(3), &turns, &read).into_data_stream();
        let mut sent = 0;
        let error = loop {
            match pieces.next().await.expect("it seems to be whole") {
                Ok(piece) => sent += piece.len(),
                Err(error) => break error,
            }
        };
        assert_eq!(sent, PIECE + 1 + 2 * PIECE + 1);
        assert!(error.to_string().contains("token is invalid"), "{error}");
        drop(pieces);
        assert_eq!(turns.available_permits(), 1);
    }
}
