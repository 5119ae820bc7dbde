//! A row of `base` on its way into a new file.

/// A row of `base` with its body, as stored.
pub(super) struct BaseRow {
    /// The resource's key.
    pub(super) key: Vec<u8>,
    /// The row.
    pub(super) known: Vec<u8>,
    /// The version that it shows.
    pub(super) version: u64,
    /// The record of `bodies` under that version.
    pub(super) body: Vec<u8>,
}
