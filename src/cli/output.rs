//! Prints to standard output.

use std::io::{self, ErrorKind, Write};

/// Prints to a writer. When the reader has gone (`muster ... | head`), that is not an error.
#[derive(Debug)]
pub(super) struct Output<W> {
    to: W,
    closed: bool,
}

impl Output<io::Stdout> {
    /// This process's standard output.
    pub(super) fn stdout() -> Self {
        Output { to: io::stdout(), closed: false }
    }
}

impl<W: Write> Output<W> {
    /// Prints `text` and a line end, at once.
    pub(super) fn line(&mut self, text: &str) -> io::Result<()> {
        self.text(format!("{text}\n").as_bytes())
    }

    /// Prints `text` as it is, at once.
    pub(super) fn text(&mut self, text: &[u8]) -> io::Result<()> {
        match self.to.write_all(text).and_then(|()| self.to.flush()) {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                self.closed = true;
                Ok(())
            }
            done => done,
        }
    }

    /// Whether the last attempt to print found that the reader has gone.
    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }
}

/// Lets other code write in pieces.
impl<W: Write> Write for Output<W> {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.text(text)?;
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        // `text` has flushed every piece.
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct ClosedReader;

    impl Write for ClosedReader {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_has_gone_is_no_failure() {
        let mut output = Output { to: ClosedReader, closed: false };
        output.line("text").unwrap();
        assert!(output.is_closed());
    }

    #[test]
    fn a_line_ends() {
        let mut output = Output { to: Vec::new(), closed: false };
        output.line("text").unwrap();
        assert_eq!(output.to, b"text\n");
    }
}
