//! The small records of the `meta` table: the file's format, its log id, the ledger and the counts.

/// The key of the file's format. Its value is four bare bytes (`u32`, little-endian), outside the framing of records, so that every
/// version of Muster can read it.
pub(super) const FORMAT_KEY: &[u8] = b"format";
/// The key of the log's id.
pub(super) const LOG_KEY: &[u8] = b"log";
/// The key of the ledger.
pub(super) const LEDGER_KEY: &[u8] = b"ledger";

/// The first component of keys of scopes that are no longer watched: `retired`, account, region -> since when.
pub(super) const RETIRED: &str = "retired";

/// The format of the file that this build writes, and the only one that it opens. Until version 0.1.0 there is one format at a
/// time: a file of another format is refused and never touched.
pub const FORMAT: u32 = 7;
