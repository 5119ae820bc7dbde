//! The report of a verification.

use crate::model::{LogId, Seq};
use crate::store::codec::{DecodeError, Live};
use crate::store::open_error::FileDamage;

/// How many mismatches are reported individually.
const SHOWN: usize = 100;

/// The result of a verification.
#[derive(Debug, Default)]
pub struct VerifyReport {
    /// The log's id; `None` if it cannot be read.
    pub log: Option<LogId>,
    /// The newest folded record.
    pub horizon: Seq,
    /// The newest record.
    pub newest: Seq,
    /// The number of replayed records.
    pub records: u64,
    /// The number of resources that exist after the last record.
    pub resources: u64,
    /// The number of removed resources that did not come back.
    pub removed: u64,
    /// The number of mismatches.
    pub mismatches: u64,
    /// The first hundred mismatches.
    pub shown: Vec<Mismatch>,
    /// Rows that another version of their kind's projection made. They are made again when read, so this is not a fault.
    pub other_rows: u64,
    /// Bytes of keys and values in use, by table.
    pub live: Live,
}

/// Something that does not match the log.
#[derive(Debug)]
pub enum Mismatch {
    /// The file is incomplete, according to the database layer or the records that every store has. Nothing else was checked.
    File(FileDamage),
    /// The header does not name the newest commit: opening the file would lose the last commit.
    Stale {
        /// The transaction in use.
        used: u64,
        /// The newer transaction in the other slot.
        newer: u64,
    },
    /// A table that Muster does not create.
    Table {
        /// Its name in the file.
        name: String,
    },
    /// The log skips or repeats a seq.
    Gap {
        /// The expected next seq.
        expected: Seq,
        /// The seq found.
        found: Seq,
    },
    /// A record is damaged.
    Damaged(DecodeError),
    /// An event changes a resource that does not exist at that point.
    Orphan {
        /// The event.
        seq: Seq,
    },
    /// `table` differs from the log at this key: its value is different, missing or superfluous.
    Differs {
        /// The table.
        table: &'static str,
        /// The key in readable form.
        key: String,
    },
    /// `table` has another number of entries than follows from the log.
    Entries {
        /// The table.
        table: &'static str,
        /// The expected number.
        expected: u64,
        /// The number found.
        found: u64,
    },
    /// The ledger's count of bytes in use is wrong.
    Live {
        /// The bytes counted in the tables.
        counted: Live,
        /// The bytes in the ledger.
        stored: Live,
    },
}

impl VerifyReport {
    /// Whether no mismatch was found.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.mismatches == 0
    }

    /// A report with one mismatch.
    pub(super) fn of(mismatch: Mismatch) -> Self {
        let mut report = VerifyReport::default();
        report.add(mismatch);
        report
    }

    pub(super) fn add(&mut self, mismatch: Mismatch) {
        self.mismatches += 1;
        if self.shown.len() < SHOWN {
            self.shown.push(mismatch);
        }
    }

    /// Compares the expected number of entries of a table with the number found.
    pub(super) fn count(&mut self, table: &'static str, expected: u64, found: u64) {
        if expected != found {
            self.add(Mismatch::Entries { table, expected, found });
        }
    }
}
