//! The small records of the `meta` table: the file's format, its log id, the ledger and the counts.

/// Where the file's format stands. Its value is four bare bytes (`u32`, little-endian), outside the records' framing, so
/// that every version of Muster can read it.
pub(super) const FORMAT_KEY: &[u8] = b"format";
/// Where the log's id stands.
pub(super) const LOG_KEY: &[u8] = b"log";
/// Where the ledger stands.
pub(super) const LEDGER_KEY: &[u8] = b"ledger";

/// Where it stands which scopes are no longer watched: `retired`, account, region -> since when.
pub(super) const RETIRED: &str = "retired";

/// The format of the whole file that this build writes, and the only one that it opens. Until version 0.1.0 there is one format
/// at a time: a file of another one is refused and never touched.
pub const FORMAT: u32 = 5;
