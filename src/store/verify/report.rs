//! What a check of the store found.

use crate::model::{LogId, Seq};
use crate::store::codec::{DecodeError, Live};
use crate::store::open_error::Damage;

/// How many mismatches are reported one by one.
const SHOWN: usize = 100;

/// The outcome of a check.
#[derive(Debug, Default)]
pub struct Report {
    /// Which log; `None` when the file does not even say that.
    pub log: Option<LogId>,
    /// Up to which record the log is folded away.
    pub horizon: Seq,
    /// The newest record.
    pub newest: Seq,
    /// Records replayed.
    pub records: u64,
    /// Resources that exist after the last.
    pub resources: u64,
    /// Resources that were removed and did not come back.
    pub removed: u64,
    /// How many things are not as the log says.
    pub mismatches: u64,
    /// The first hundred of them.
    pub shown: Vec<Mismatch>,
    /// Rows that another version of their kind's projection made, which are made anew when they are read. They are no fault.
    pub other_rows: u64,
    /// Bytes of keys and values found alive, by table.
    pub live: Live,
}

/// One thing that is not as the log says.
#[derive(Debug)]
pub enum Mismatch {
    /// The file is not whole: the database layer, or what every store holds, says so. Nothing else was looked at.
    File(Damage),
    /// The header says that a commit is the newest which is not: whoever opened the file would miss the last commit.
    Stale {
        /// The transaction that is in use.
        used: u64,
        /// The newer one beside it.
        newer: u64,
    },
    /// A table that no Muster makes.
    Table {
        /// Its name, as it stands in the file.
        name: String,
    },
    /// The log skips or repeats a seq.
    Gap {
        /// The seq that should come next.
        expected: Seq,
        /// The seq that came.
        found: Seq,
    },
    /// A record is damaged.
    Damaged(DecodeError),
    /// An event changes a resource that does not exist at that point.
    Orphan {
        /// The event.
        seq: Seq,
    },
    /// `table` does not hold for this key what the log says, or holds something where the log has nothing.
    Differs {
        /// The table.
        table: &'static str,
        /// The key, made readable.
        key: String,
    },
    /// `table` does not hold as many entries as the log says.
    Entries {
        /// The table.
        table: &'static str,
        /// How many it should hold.
        expected: u64,
        /// How many it holds.
        found: u64,
    },
    /// The ledger does not count as many bytes alive as there are.
    Live {
        /// What the tables hold.
        counted: Live,
        /// What the ledger says.
        stored: Live,
    },
}

impl Report {
    /// Whether everything is as the log says.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.mismatches == 0
    }

    /// A report of one thing.
    pub(super) fn of(mismatch: Mismatch) -> Self {
        let mut report = Report::default();
        report.add(mismatch);
        report
    }

    pub(super) fn add(&mut self, mismatch: Mismatch) {
        self.mismatches += 1;
        if self.shown.len() < SHOWN {
            self.shown.push(mismatch);
        }
    }

    /// Compares how many entries a table should hold with how many it holds.
    pub(super) fn count(&mut self, table: &'static str, expected: u64, found: u64) {
        if expected != found {
            self.add(Mismatch::Entries { table, expected, found });
        }
    }
}
