//! Lines of bounded length.

use std::io;

use tokio::io::{AsyncBufRead, AsyncBufReadExt};

/// A buffer that grew beyond this for one line is given back before the next.
const KEPT: usize = 1024 * 1024;

/// What was read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line<'a> {
    /// A line with its newline. The last one before the end may lack it.
    Whole(&'a [u8]),
    /// A line beyond the limit; it is skipped.
    TooLong,
    /// The other side closed.
    End,
}

/// Reads lines without ever holding more than the limit.
pub(super) struct Lines<R> {
    from: R,
    limit: usize,
    line: Vec<u8>,
}

impl<R: AsyncBufRead + Unpin> Lines<R> {
    pub(super) fn new(from: R, limit: usize) -> Self {
        Lines { from, limit, line: Vec::new() }
    }

    /// The next line. Not cancel-safe: a dropped wait loses what was read of it.
    pub(super) async fn next(&mut self) -> io::Result<Line<'_>> {
        self.line.clear();
        self.line.shrink_to(KEPT);
        let mut too_long = false;
        loop {
            let available = self.from.fill_buf().await?;
            if available.is_empty() {
                return Ok(match (too_long, self.line.is_empty()) {
                    (true, _) => Line::TooLong,
                    (false, true) => Line::End,
                    (false, false) => Line::Whole(&self.line),
                });
            }
            let newline = available.iter().position(|byte| *byte == b'\n');
            let length = newline.map_or(available.len(), |at| at + 1);
            too_long |= self.line.len() + length > self.limit;
            if !too_long {
                self.line.extend(available.iter().take(length));
            }
            self.from.consume(length);
            match (newline, too_long) {
                (Some(_), true) => return Ok(Line::TooLong),
                (Some(_), false) => return Ok(Line::Whole(&self.line)),
                (None, _) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::BufReader;

    use super::*;

    #[tokio::test]
    async fn a_line_beyond_the_limit_is_skipped_and_the_next_one_read() {
        let text: &[u8] = b"one\nmuch too long\ntwo\nlast";
        for capacity in [1, 3, 64] {
            let mut lines = Lines::new(BufReader::with_capacity(capacity, text), 5);
            assert_eq!(lines.next().await.unwrap(), Line::Whole(b"one\n"));
            assert_eq!(lines.next().await.unwrap(), Line::TooLong);
            assert_eq!(lines.next().await.unwrap(), Line::Whole(b"two\n"));
            assert_eq!(lines.next().await.unwrap(), Line::Whole(b"last"));
            assert_eq!(lines.next().await.unwrap(), Line::End);
        }
    }
}
