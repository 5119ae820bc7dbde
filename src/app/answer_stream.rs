//! The body of an answer that is read while it is sent: one part is on its way, and the next is read meanwhile, so that an answer without
//! pages takes no more memory than two parts, however large it is and however slowly its client reads. Each part takes a turn while it is
//! read, and has a time to be sent in, by its size. Where a part cannot be had, or that time is over, the answer breaks off, which clients
//! see: what they have is no whole document.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Bytes, HttpBody};
use http_body::Frame;
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::spawn_blocking;

use super::answer_turns::AnswerTurns;
use super::timed_part::TimedPart;
use crate::ec2_api::answer_rest::{AnswerPart, AnswerRest};

/// An answer on its way, and the place that it takes until the last of it is handed on or nobody wants the rest.
pub(super) struct AnswerStream {
    ready: TimedPart,
    /// What follows; `None` at the end.
    coming: Option<ComingPart>,
    turns: AnswerTurns,
    _place: OwnedSemaphorePermit,
}

/// What follows a part.
enum ComingPart {
    /// Nobody reads it yet.
    Unread(AnswerRest),
    /// It is read, or waits for its turn while the client waits for it.
    Reading(PartReading),
}

/// Ends with the part, or with why it cannot be had.
type PartReading = Pin<Box<dyn Future<Output = Result<AnswerPart, String>> + Send>>;

impl AnswerStream {
    /// An answer of which this is the first part. What follows is read in turns.
    pub(super) fn new(first: Vec<u8>, rest: AnswerRest, place: OwnedSemaphorePermit, turns: AnswerTurns) -> Self {
        let coming = Some(ComingPart::Unread(rest));
        let mut stream = AnswerStream { ready: TimedPart::new(first), coming, turns, _place: place };
        stream.read_ahead();
        stream
    }

    /// Has the next part read while this one is sent, if there is a turn for it. It never waits for one: a client that reads slowly would
    /// keep it.
    fn read_ahead(&mut self) {
        let unread = self.coming.take_if(|coming| matches!(coming, ComingPart::Unread(_)));
        let Some(ComingPart::Unread(rest)) = unread else { return };
        self.coming = Some(match self.turns.ahead() {
            Some(turn) => ComingPart::Reading(read(rest, turn)),
            None => ComingPart::Unread(rest),
        });
    }
}

/// Reads a part in a turn, which is over when it is read.
fn read(rest: AnswerRest, turn: OwnedSemaphorePermit) -> PartReading {
    let reading = spawn_blocking(move || {
        let part = rest.next();
        drop(turn);
        part
    });
    Box::pin(async move {
        match reading.await {
            Ok(part) => part.map_err(|fault| fault.to_string()),
            Err(error) => Err(error.to_string()),
        }
    })
}

/// Reads a part once there is a turn for it.
fn read_in_turn(rest: AnswerRest, turns: AnswerTurns) -> PartReading {
    Box::pin(async move {
        let turn = turns.whole(AnswerTurns::soon()).await.map_err(|fault| fault.to_string())?;
        read(rest, turn).await
    })
}

impl HttpBody for AnswerStream {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let stream = self.get_mut();
        stream.read_ahead();
        while stream.ready.is_empty() {
            let mut reading = match stream.coming.take() {
                None => return Poll::Ready(None),
                Some(ComingPart::Unread(rest)) => read_in_turn(rest, stream.turns.clone()),
                Some(ComingPart::Reading(reading)) => reading,
            };
            let Poll::Ready(part) = reading.as_mut().poll(cx) else {
                stream.coming = Some(ComingPart::Reading(reading));
                return Poll::Pending;
            };
            match part {
                Ok(AnswerPart { body, rest }) => {
                    stream.ready = TimedPart::new(body);
                    stream.coming = rest.map(ComingPart::Unread);
                    stream.read_ahead();
                }
                Err(why) => {
                    tracing::warn!(why, "an answer of EC2's read API breaks off");
                    return Poll::Ready(Some(Err(io::Error::other(why))));
                }
            }
        }
        let piece = stream.ready.piece();
        if let Some(Err(_)) = piece {
            stream.coming = None;
        }
        Poll::Ready(piece)
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
    use crate::app::timed_part::PIECE;
    use crate::ec2_api::copy_fault::CopyFault;

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

    fn body(wrong: Option<u8>, places: &Arc<Semaphore>, read: &Arc<AtomicUsize>) -> Body {
        let place = Arc::clone(places).try_acquire_owned().unwrap();
        Body::new(AnswerStream::new(vec![0; PIECE + 1], rest(1, 5, wrong, read), place, AnswerTurns::new()))
    }

    #[tokio::test]
    async fn every_part_is_sent_in_its_order_and_no_more_than_one_is_read_ahead() {
        let (places, read) = (Arc::new(Semaphore::new(1)), Arc::default());
        let mut pieces = body(None, &places, &read).into_data_stream();
        let (mut sent, mut begun) = (Vec::new(), 0);
        while let Some(piece) = pieces.next().await {
            sent.extend_from_slice(&piece.unwrap());
            sleep(Duration::from_millis(20)).await;
            begun = begun.max(usize::from(*sent.last().unwrap()));
            assert!(read.load(Ordering::SeqCst) <= begun + 2, "{begun}");
            assert!(places.available_permits() == 0 || sent.len() > 4 * 2 * PIECE);
        }
        let mut expected = vec![0; PIECE + 1];
        expected.extend([1, 3, 4, 5].into_iter().flat_map(|part| vec![part; 2 * PIECE + 1]));
        assert!(sent == expected, "{} bytes", sent.len());
        drop(pieces);
        assert_eq!(places.available_permits(), 1);
    }

    #[tokio::test]
    async fn what_breaks_off_is_no_whole_answer_of_http() {
        for wrong in [None, Some(4)] {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let (places, read) = (Arc::new(Semaphore::new(1)), Arc::default());
            let routes = Router::new().fallback(move || std::future::ready(body(wrong, &places, &read)));
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
        let (places, read) = (Arc::new(Semaphore::new(1)), Arc::default());
        let mut pieces = body(Some(3), &places, &read).into_data_stream();
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
        assert_eq!(places.available_permits(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn who_reads_slowly_has_no_turn_and_in_the_end_no_answer() {
        let (turns, read) = (AnswerTurns::new(), Arc::default());
        let all = turns.free();
        let size = 1_000 * PIECE;
        let place = turns.place(AnswerTurns::soon()).await.unwrap();
        let stream = AnswerStream::new(vec![0; size], rest(1, 5, None, &read), place, turns.clone());
        let mut pieces = Body::new(stream).into_data_stream();
        let mut sent = 0;
        let error = loop {
            sleep(Duration::from_secs(1)).await;
            match pieces.next().await.expect("it ends before it is read") {
                Ok(piece) => sent += piece.len(),
                Err(error) => break error,
            }
            assert!(sent < 2 * PIECE || turns.free()[0] == all[0], "{sent}");
        };
        assert!(error.to_string().contains("too slowly") && sent == 310 * PIECE, "{error}: {sent}");
        assert!(pieces.next().await.is_none());
        drop(pieces);
        assert_eq!(turns.free(), all);
    }

    #[tokio::test(start_paused = true)]
    async fn a_part_waits_for_its_turn_and_not_without_end() {
        for is_given in [true, false] {
            let (turns, read) = (AnswerTurns::new(), Arc::default());
            let mut others = Vec::new();
            while turns.free()[0] > 0 {
                others.push(turns.whole(AnswerTurns::soon()).await.unwrap());
            }
            let place = turns.place(AnswerTurns::soon()).await.unwrap();
            let stream = AnswerStream::new(vec![0; PIECE], rest(1, 1, None, &read), place, turns.clone());
            let mut pieces = Body::new(stream).into_data_stream();
            assert_eq!(pieces.next().await.unwrap().unwrap().len(), PIECE);
            let give = async {
                sleep(Duration::from_secs(5)).await;
                assert_eq!(read.load(Ordering::SeqCst), 0);
                if is_given {
                    others.pop();
                }
            };
            let (next, ()) = tokio::join!(pieces.next(), give);
            match next.unwrap() {
                Ok(piece) => assert!(is_given && piece.len() == PIECE),
                Err(error) => assert!(!is_given && error.to_string().contains("ask again later"), "{error}"),
            }
        }
    }
}
