//! The columns that are looked up for the rows that need them, and the functions that do so.

/// What is looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lazy {
    /// The whole document.
    Document,
    /// When the resource was first seen, as far back as the log reaches.
    FirstSeen,
    /// When what is known of it changed last.
    ChangedAt,
}

/// The functions, by what they look up.
pub(super) const FUNCTIONS: [(Lazy, &str); 3] = [
    (Lazy::Document, "muster_document"),
    (Lazy::FirstSeen, "muster_first_seen"),
    (Lazy::ChangedAt, "muster_changed_at"),
];
