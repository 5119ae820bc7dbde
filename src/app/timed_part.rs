//! A part of an answer on its way to its client, who has a time to read it in, by its size. It is handed on in pieces, so that the
//! connection holds no more of it than one.
//!
//! A client that reads nothing loses its connection by itself. One that reads a little now and then would keep its turn, and with
//! others like it everybody's.

use std::io;
use std::time::Duration;

use axum::body::Bytes;
use http_body::Frame;
use tokio::time::Instant;

/// How much is handed on at once.
pub(super) const PIECE: usize = 64 * 1024;

/// How long any part may take to be sent.
const LEAST: Duration = Duration::from_mins(1);
/// How many bytes of it have to be read in each second that it takes longer.
const RATE: usize = 256 * 1024;

/// What is left to send of a part, and until when it must have been handed on.
pub(super) struct TimedPart {
    left: Bytes,
    until: Instant,
}

impl TimedPart {
    /// A part whose time begins now.
    pub(super) fn new(body: Vec<u8>) -> Self {
        let until = Instant::now() + time_for(body.len());
        TimedPart { left: body.into(), until }
    }

    /// Whether all of it was handed on.
    pub(super) fn is_empty(&self) -> bool {
        self.left.is_empty()
    }

    /// How much is left.
    pub(super) fn len(&self) -> usize {
        self.left.len()
    }

    /// The next piece; `None` once all of it was handed on. An error, after which nothing is left, if its time is over.
    pub(super) fn piece(&mut self) -> Option<io::Result<Frame<Bytes>>> {
        if self.left.is_empty() {
            return None;
        }
        if Instant::now() > self.until {
            self.left = Bytes::new();
            tracing::warn!("ended an answer of EC2's read API that its client reads too slowly");
            return Some(Err(io::Error::new(io::ErrorKind::TimedOut, "the client reads too slowly")));
        }
        let length = self.left.len().min(PIECE);
        Some(Ok(Frame::data(self.left.split_to(length))))
    }
}

/// How long a part of this size may take to be sent.
fn time_for(size: usize) -> Duration {
    LEAST + Duration::from_secs(u64::try_from(size / RATE).unwrap_or(u64::MAX / 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_part_is_handed_on_in_pieces_until_its_time_is_over() {
        let size = 2 * PIECE + 1;
        let mut part = TimedPart::new(vec![7; size]);
        let mut lengths = Vec::new();
        while let Some(piece) = part.piece() {
            lengths.push(piece.unwrap().into_data().unwrap().len());
            assert_eq!(part.len(), size - lengths.iter().sum::<usize>());
        }
        assert!(lengths == [PIECE, PIECE, 1] && part.is_empty(), "{lengths:?}");
        let size = 1_000 * PIECE;
        assert_eq!(time_for(size), Duration::from_secs(60 + 250));
        let mut part = TimedPart::new(vec![7; size]);
        tokio::time::advance(time_for(size)).await;
        assert!(part.piece().unwrap().is_ok());
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(part.piece().unwrap().unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert!(part.piece().is_none() && part.is_empty());
    }
}
