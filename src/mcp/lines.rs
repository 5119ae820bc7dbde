//! Lines of bounded length.

use std::io;

use tokio::io::{AsyncBufRead, AsyncBufReadExt};

/// The longest line that is carried between a client and a server.
pub(super) const MAX_LINE: usize = 16 * 1024 * 1024;
/// A buffer that grew beyond this for one line is released before the next line.
const KEPT: usize = 1024 * 1024;
/// How much of the beginning of a line that is too long is still shown.
const SHOWN: usize = 4096;

/// The result of reading a line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum LineRead<'a> {
    /// A line with its newline. The last one before the end may lack it.
    Whole(&'a [u8]),
    /// The beginning of a line beyond the limit; the rest is skipped.
    TooLong(&'a [u8]),
    /// The other side closed the stream.
    End,
}

/// Reads lines without ever holding more than the limit.
pub(super) struct Lines<R> {
    from: R,
    limit: usize,
    line: Vec<u8>,
    too_long: bool,
    /// The line was handed out, so the next call begins another one.
    done: bool,
}

impl<R: AsyncBufRead + Unpin> Lines<R> {
    pub(super) fn new(from: R, limit: usize) -> Self {
        Lines { from, limit, line: Vec::new(), too_long: false, done: false }
    }

    /// The next line. Dropping the future loses nothing: the next call continues with the same line.
    pub(super) async fn next(&mut self) -> io::Result<LineRead<'_>> {
        if self.done {
            self.line.clear();
            self.line.shrink_to(KEPT);
            self.too_long = false;
            self.done = false;
        }
        loop {
            // There is no further await after this one, so dropping the future loses nothing.
            let available = self.from.fill_buf().await?;
            let newline = available.iter().position(|byte| *byte == b'\n');
            let length = newline.map_or(available.len(), |at| at + 1);
            let has_ended = available.is_empty();
            if !self.too_long && self.line.len() + length > self.limit {
                self.too_long = true;
                self.line.truncate(SHOWN);
            }
            let room = if self.too_long { SHOWN.saturating_sub(self.line.len()) } else { length };
            self.line.extend(available.iter().take(length.min(room)));
            self.from.consume(length);
            if newline.is_some() || has_ended {
                self.done = true;
                return Ok(match (self.too_long, self.line.is_empty()) {
                    (true, _) => LineRead::TooLong(&self.line),
                    (false, true) => LineRead::End,
                    (false, false) => LineRead::Whole(&self.line),
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncWriteExt, BufReader};

    use super::*;

    #[tokio::test]
    async fn a_line_beyond_the_limit_is_skipped_and_the_next_one_read() {
        let text: &[u8] = b"one\nmuch too long\ntwo\nlast";
        for capacity in [1, 3, 64] {
            let mut lines = Lines::new(BufReader::with_capacity(capacity, text), 5);
            assert_eq!(lines.next().await.unwrap(), LineRead::Whole(b"one\n"));
            assert_eq!(lines.next().await.unwrap(), LineRead::TooLong(b"much too long\n"));
            assert_eq!(lines.next().await.unwrap(), LineRead::Whole(b"two\n"));
            assert_eq!(lines.next().await.unwrap(), LineRead::Whole(b"last"));
            assert_eq!(lines.next().await.unwrap(), LineRead::End);
        }
    }

    #[tokio::test]
    async fn of_a_line_beyond_the_limit_only_the_beginning_is_held() {
        let mut text = vec![b'x'; 100_000];
        text.extend(b"\nnext\n");
        let mut lines = Lines::new(text.as_slice(), 10_000);
        assert_eq!(lines.next().await.unwrap(), LineRead::TooLong(&[b'x'; SHOWN]));
        assert_eq!(lines.next().await.unwrap(), LineRead::Whole(b"next\n"));
    }

    #[tokio::test]
    async fn a_wait_that_is_dropped_in_the_middle_of_a_line_loses_nothing() {
        let (mut client, server) = tokio::io::duplex(64);
        let mut lines = Lines::new(BufReader::new(server), 100);
        client.write_all(b"first half, ").await.unwrap();
        tokio::select! {
            biased;
            line = lines.next() => panic!("no line has ended: {line:?}"),
            () = tokio::task::yield_now() => {}
        }
        client.write_all(b"second half\n").await.unwrap();
        assert_eq!(lines.next().await.unwrap(), LineRead::Whole(b"first half, second half\n"));
    }
}
