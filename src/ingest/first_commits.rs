//! The commits of first sweeps: how many rows each holds.

use std::time::Duration;

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
pub(super) struct FirstCommits {
    least: usize,
    most: usize,
}

impl FirstCommits {
    /// Those of a process that has not made one: as many as any commit may hold.
    pub(super) fn new(least: usize) -> Self {
        FirstCommits { least, most: least }
    }

    pub(super) fn most(self) -> usize {
        self.most
    }

    /// The same after a commit of `rows` rows that took `took`.
    pub(super) fn after(self, rows: usize, took: Duration) -> Self {
        let most = if took > LONG {
            (self.most / 2).max(self.least)
        } else if took < SHORT && rows >= self.most {
            (self.most * 3 / 2).min(MOST)
        } else {
            self.most
        };
        FirstCommits { most, ..self }
    }
}

#[cfg(test)]
impl FirstCommits {
    /// As after many short commits.
    pub(super) fn grown(least: usize) -> Self {
        FirstCommits { least, most: MOST }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commits_grow_while_they_are_short_and_shrink_when_they_are_long() {
        let (short, medium, long) = (Duration::from_millis(5), Duration::from_millis(20), Duration::from_millis(31));
        let mut rows = FirstCommits::new(200);
        assert_eq!(rows.most(), 200);
        assert_eq!(rows.after(100, short), rows, "half a commit says nothing about a larger one");
        for _ in 0..5 {
            rows = rows.after(rows.most(), short);
        }
        assert_eq!(rows.most(), MOST);
        assert_eq!(rows.after(MOST, medium), rows);
        assert_eq!(rows.after(MOST, long).most(), MOST / 2);
        assert_eq!(FirstCommits::new(200).after(200, long).most(), 200);
    }
}
