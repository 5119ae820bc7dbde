//! The lines that wait to be written, and the count of those that had no room.

use std::collections::VecDeque;

/// A bounded queue of log lines. Once it is full, new lines are dropped and counted until half of it is free again, so that
/// what is missing is one gap in the log and not many.
#[derive(Debug)]
pub(super) struct LogBacklog {
    lines: VecDeque<Box<[u8]>>,
    bytes: usize,
    most: usize,
    dropping: bool,
    unreported: u64,
    dropped: u64,
}

impl LogBacklog {
    /// An empty queue that holds at most `most` bytes.
    pub(super) fn new(most: usize) -> Self {
        LogBacklog { lines: VecDeque::new(), bytes: 0, most, dropping: false, unreported: 0, dropped: 0 }
    }

    /// Takes a line in, or drops and counts it where there is no room.
    pub(super) fn push(&mut self, line: &[u8]) {
        if self.dropping || self.bytes.saturating_add(line.len()) > self.most {
            self.dropping = !self.lines.is_empty();
            self.lost();
            return;
        }
        self.bytes += line.len();
        self.lines.push_back(line.into());
    }

    /// The oldest line, which is then no longer here.
    pub(super) fn pop(&mut self) -> Option<Box<[u8]>> {
        let line = self.lines.pop_front()?;
        self.bytes -= line.len();
        self.dropping &= self.bytes > self.most / 2;
        Some(line)
    }

    /// Counts a line that could not be written.
    pub(super) fn lost(&mut self) {
        self.unreported += 1;
        self.dropped += 1;
    }

    /// Notes that a line was written. Returns how many were dropped before, once there is room again: somebody should say so.
    pub(super) fn written(&mut self) -> Option<u64> {
        if self.dropping || self.unreported == 0 {
            return None;
        }
        Some(std::mem::take(&mut self.unreported))
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// How many lines were dropped so far.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use proptest::prelude::*;

    #[derive(Clone, Debug)]
    enum BacklogStep {
        Push(u8),
        Written,
        Failed,
    }

    fn steps() -> impl Strategy<Value = Vec<BacklogStep>> {
        let step = prop_oneof![
            3 => (0_u8..40).prop_map(BacklogStep::Push),
            2 => Just(BacklogStep::Written),
            1 => Just(BacklogStep::Failed),
        ];
        prop::collection::vec(step, 0..200)
    }

    proptest! {
        /// Whatever happens: every line is written in its order or counted once, memory is bounded, and the counts told add up.
        #[test]
        fn every_line_is_written_in_order_or_counted_as_dropped(steps in steps()) {
            let mut backlog = LogBacklog::new(100);
            let (mut pushed, mut written, mut failed, mut told) = (0_u64, Vec::new(), 0_u64, 0_u64);
            for step in steps {
                match step {
                    BacklogStep::Push(length) => {
                        pushed += 1;
                        let mut line = pushed.to_le_bytes().to_vec();
                        line.resize(8 + usize::from(length), 0);
                        backlog.push(&line);
                    }
                    BacklogStep::Written => if let Some(line) = backlog.pop() {
                        written.push(u64::from_le_bytes(line[..8].try_into().unwrap()));
                        told += backlog.written().unwrap_or(0);
                    },
                    BacklogStep::Failed => if backlog.pop().is_some() {
                        failed += 1;
                        backlog.lost();
                    },
                }
                let waiting = backlog.lines.iter().map(|line| line.len()).sum::<usize>();
                prop_assert!(waiting <= 100 && waiting == backlog.bytes);
            }
            prop_assert!(written.is_sorted());
            let waiting = backlog.lines.len() as u64;
            prop_assert_eq!(pushed, written.len() as u64 + waiting + backlog.dropped());
            prop_assert!(backlog.dropped() >= failed);
            // Emptied, it has told of everything, and takes lines again.
            while backlog.pop().is_some() {
                told += backlog.written().unwrap_or(0);
            }
            backlog.push(b"next");
            prop_assert!(backlog.pop().is_some());
            told += backlog.written().unwrap_or(0);
            prop_assert_eq!(told, backlog.dropped());
        }
    }

    #[test]
    fn what_is_dropped_is_one_gap_and_not_every_other_line() {
        let mut backlog = LogBacklog::new(10);
        for _ in 0..12 {
            backlog.push(b"x");
        }
        backlog.pop();
        assert_eq!(backlog.written(), None);
        backlog.push(b"x");
        assert_eq!(backlog.dropped(), 3);
        let told: Vec<u64> = (0..9).filter_map(|_| backlog.pop().and_then(|_| backlog.written())).collect();
        assert_eq!(told, [3]);
    }
}
