//! Lines that wait to be written.

use std::collections::VecDeque;
use std::io;

use tokio::io::{AsyncWrite, AsyncWriteExt};

/// How many bytes may wait before nothing more is read that could add to them.
const ROOM: usize = 256 * 1024;

/// Lines that wait to be written, in their order.
#[derive(Debug, Default)]
pub(super) struct LineQueue {
    lines: VecDeque<Vec<u8>>,
    bytes: usize,
    /// How much of the first line is written.
    written: usize,
    is_unflushed: bool,
}

impl LineQueue {
    /// Adds a line.
    pub(super) fn push(&mut self, line: Vec<u8>) {
        self.bytes += line.len();
        self.lines.push_back(line);
    }

    /// Whether every line is written, though perhaps not flushed.
    pub(super) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Whether every line is written and flushed.
    pub(super) fn is_done(&self) -> bool {
        self.lines.is_empty() && !self.is_unflushed
    }

    /// Whether so little waits that more may be read.
    pub(super) fn has_room(&self) -> bool {
        self.bytes < ROOM
    }

    /// Writes a part of the lines, or flushes if all are written. Dropping the future loses nothing and repeats nothing.
    pub(super) async fn advance(&mut self, to: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
        let Some(line) = self.lines.front() else {
            to.flush().await?;
            self.is_unflushed = false;
            return Ok(());
        };
        let written = to.write(line.get(self.written..).unwrap_or_default()).await?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.is_unflushed = true;
        self.written += written;
        if self.written >= line.len() {
            self.bytes -= line.len();
            self.written = 0;
            self.lines.pop_front();
        }
        Ok(())
    }
}
