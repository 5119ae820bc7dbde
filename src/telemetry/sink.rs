//! Writes lines to where they belong on a thread of its own, so that nobody who logs waits for it.
//!
//! # Why not `tracing-appender`
//! Its non-blocking writer bounds lines and not bytes, counts no line that could not be written, tells of nothing when the
//! reader comes back, and, when its queue is full at the end of the process, prints to standard output, which belongs to MCP.

use std::io::{self, Write};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use super::backlog::LogBacklog;

/// The bytes that may wait: some thousand lines.
const WAITING: usize = 256 << 10;

/// The pause before a descriptor that must not be waited on (`O_NONBLOCK`, set by whoever shares it) is tried again.
const AGAIN: Duration = Duration::from_millis(20);

/// How the end of the process waits for lines: in steps, for as long as some are written, and at most this many steps.
const STEP: Duration = Duration::from_millis(100);
const STEPS: u32 = 50;
/// How many steps without a line written mean that nobody reads.
const STALLED: u32 = 10;

/// Takes lines for one destination. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct LogSink(Arc<Inbox>);

#[derive(Debug)]
struct Inbox {
    state: Mutex<Writing>,
    /// A line came in.
    came: Condvar,
    /// Nothing waits any more.
    drained: Condvar,
}

#[derive(Debug)]
struct Writing {
    backlog: LogBacklog,
    /// A line is being written.
    busy: bool,
    /// Attempts to write, whether or not they failed.
    attempts: u64,
}

impl LogSink {
    /// Starts the thread that writes to `destination`.
    pub(super) fn start(destination: impl Write + Send + 'static) -> Self {
        let state = Writing { backlog: LogBacklog::new(WAITING), busy: false, attempts: 0 };
        let shared = Inbox { state: Mutex::new(state), came: Condvar::new(), drained: Condvar::new() };
        let sink = LogSink(Arc::new(shared));
        let writing = sink.clone();
        let started = thread::Builder::new().name("log".to_owned()).spawn(move || writing.write_to(destination));
        // Without a thread everything is dropped, and counted, once the queue is full.
        drop(started);
        sink
    }

    /// Takes a line. It may be dropped, and never waits.
    pub(super) fn push(&self, line: &[u8]) {
        self.0.state.lock().backlog.push(line);
        self.0.came.notify_one();
    }

    /// How many lines were dropped so far.
    pub(super) fn dropped(&self) -> u64 {
        self.0.state.lock().backlog.dropped()
    }

    /// Waits until everything is written; not for a destination that takes nothing.
    pub(super) fn flush(&self) {
        let mut state = self.0.state.lock();
        let (mut stalled, mut attempts) = (0, state.attempts);
        for _ in 0..STEPS {
            if (state.backlog.is_empty() && !state.busy) || stalled >= STALLED {
                return;
            }
            self.0.drained.wait_for(&mut state, STEP);
            stalled = if state.attempts == attempts { stalled + 1 } else { 0 };
            attempts = state.attempts;
        }
    }

    fn write_to(&self, mut destination: impl Write) {
        let mut torn = false;
        loop {
            let line = self.next();
            let outcome = write(&mut destination, &line, torn);
            torn = outcome.is_err_and(|begun| begun || torn);
            let mut state = self.0.state.lock();
            state.attempts += 1;
            state.busy = false;
            let unreported = if outcome.is_ok() {
                state.backlog.written()
            } else {
                state.backlog.lost();
                None
            };
            drop(state);
            if let Some(lines) = unreported {
                // As any other line, it goes to the end of the queue.
                tracing::warn!(
                    lines,
                    "log lines were dropped: they were not read, or could not be written, fast enough"
                );
            }
        }
    }

    fn next(&self) -> Box<[u8]> {
        let mut state = self.0.state.lock();
        loop {
            if let Some(line) = state.backlog.pop() {
                state.busy = true;
                return line;
            }
            self.0.drained.notify_all();
            self.0.came.wait(&mut state);
        }
    }
}

/// Writes a whole line, on a line of its own where the one before is `torn`. An error says whether a part of it was written.
fn write(destination: &mut impl Write, line: &[u8], torn: bool) -> Result<(), bool> {
    let begun = if torn { Some(&b"\n"[..]) } else { None };
    let mut written = 0;
    for part in begun.into_iter().chain([line]) {
        let mut left = part;
        while !left.is_empty() {
            match destination.write(left) {
                Ok(0) => return Err(written > 0),
                Ok(count) => {
                    written += count;
                    left = left.get(count..).unwrap_or_default();
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => thread::sleep(AGAIN),
                Err(_) => return Err(written > 0),
            }
        }
    }
    Ok(())
}

impl Write for LogSink {
    /// Takes all of `line`, which is one whole line.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::io::Read;
    use std::sync::mpsc;

    /// Fails as told, else keeps what is written.
    #[derive(Clone, Default)]
    struct FullDisk(Arc<Mutex<(bool, Vec<u8>)>>);

    impl Write for FullDisk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut disk = self.0.lock();
            if disk.0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            disk.1.extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_pipe_that_nobody_reads_delays_nobody_and_the_lines_without_room_are_counted() {
        let (mut reader, writer) = io::pipe().unwrap();
        let sink = LogSink::start(writer);
        let line = vec![b'x'; 1023];
        for _ in 0..2000 {
            sink.push(&line);
            sink.push(b"\n");
        }
        let dropped = sink.dropped();
        assert!(dropped > 2000, "{dropped}");
        // The end of the process does not wait for ever either.
        sink.flush();
        assert_eq!(sink.dropped(), dropped);
        // Read again, the rest comes, and new lines are taken.
        let (said, heard) = mpsc::channel();
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = reader.read(&mut buffer) {
                said.send(buffer[..count].to_vec()).unwrap();
            }
        });
        let mut all = Vec::new();
        while !all.ends_with(b"back\n") {
            sink.push(b"back\n");
            all.extend(heard.recv_timeout(Duration::from_secs(30)).expect("what was kept is written"));
        }
    }

    #[test]
    fn a_disk_that_is_full_for_a_while_costs_lines_which_are_counted_and_later_ones_are_written() {
        let disk = FullDisk::default();
        disk.0.lock().0 = true;
        let sink = LogSink::start(disk.clone());
        for _ in 0..5 {
            sink.push(b"lost\n");
        }
        sink.flush();
        assert_eq!(sink.dropped(), 5);
        disk.0.lock().0 = false;
        sink.push(b"kept\n");
        sink.flush();
        assert_eq!(disk.0.lock().1, b"kept\n");
    }

    #[test]
    fn a_line_that_was_written_in_part_does_not_run_into_the_next_one() {
        struct Half(Vec<u8>, usize);
        impl Write for Half {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.1 += 1;
                match self.1 {
                    1 => {
                        self.0.extend(&bytes[..3]);
                        Ok(3)
                    }
                    2 => Err(io::ErrorKind::StorageFull.into()),
                    3 => Err(io::ErrorKind::WouldBlock.into()),
                    _ => {
                        self.0.extend(bytes);
                        Ok(bytes.len())
                    }
                }
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut half = Half(Vec::new(), 0);
        assert_eq!(write(&mut half, b"first\n", false), Err(true));
        assert_eq!(write(&mut half, b"second\n", true), Ok(()));
        assert_eq!(half.0, b"fir\nsecond\n");
    }
}
