//! The small records of the `meta` table: the file's format, its log id, the ledger and the counts.

/// Where the file's format stands. Its value is four bare bytes (`u32`, little-endian), outside the records' framing, so
/// that every version of Muster can read it.
pub(super) const FORMAT_KEY: &[u8] = b"format";
/// Where the log's id stands.
pub(super) const LOG_KEY: &[u8] = b"log";
/// Where the ledger stands.
pub(super) const LEDGER_KEY: &[u8] = b"ledger";

/// The format of the whole file that this build writes, and the newest it opens.
///
/// History: 1, the first; 2, resources remember their last tag event, and the dictionary holds the words of more kinds; 3, the
/// oldest records may be folded into `base`, and `times` finds a record by its time; 4, calls of AWS are records of their own, and `dedupe` remembers notifications.
pub const FORMAT: u32 = 4;
