//! How many rows a commit of a first sweep holds.

use std::time::Duration;

use super::MAX_ROWS;

/// The most rows of such a commit. Each commit waits for the disk twice, and a page of the file that several of its rows are on is
/// written once, so few large ones are faster than many small ones.
const MOST: usize = 500;

/// A commit that took longer than this was too large: a tool that comes at its beginning waits for all of it, and then for its own.
const LONG: Duration = Duration::from_millis(30);

/// After a commit that took less than this, the next one may be larger.
const SHORT: Duration = Duration::from_millis(15);

/// How many rows the next commit of a first sweep may hold while nothing more urgent waits: as many as this disk and this account
/// take in a time that a tool can wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FirstRows(usize);

impl Default for FirstRows {
    fn default() -> Self {
        FirstRows(MAX_ROWS)
    }
}

impl FirstRows {
    pub(super) fn most(self) -> usize {
        self.0
    }

    /// The same after a commit of `rows` rows that took `took`.
    pub(super) fn after(self, rows: usize, took: Duration) -> Self {
        FirstRows(if took > LONG {
            (self.0 / 2).max(MAX_ROWS)
        } else if took < SHORT && rows >= self.0 {
            (self.0 * 3 / 2).min(MOST)
        } else {
            self.0
        })
    }
}

#[cfg(test)]
impl FirstRows {
    /// As after many short commits.
    pub(super) fn grown() -> Self {
        FirstRows(MOST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commits_grow_while_they_are_short_and_shrink_when_they_are_long() {
        let (short, medium, long) = (Duration::from_millis(5), Duration::from_millis(20), Duration::from_millis(31));
        let mut rows = FirstRows::default();
        assert_eq!(rows.most(), MAX_ROWS);
        assert_eq!(rows.after(MAX_ROWS / 2, short), rows, "half a commit says nothing about a larger one");
        for _ in 0..5 {
            rows = rows.after(rows.most(), short);
        }
        assert_eq!(rows.most(), MOST);
        assert_eq!(rows.after(MOST, medium), rows);
        assert_eq!(rows.after(MOST, long).most(), MOST / 2);
        assert_eq!(FirstRows::default().after(MAX_ROWS, long).most(), MAX_ROWS);
    }
}
