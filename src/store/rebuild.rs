//! Makes a new store file from base rows with their bodies and records, for a backup or a repair.
//!
//! Everything else follows from `base` and the log, so a new file takes just these two and derives the rest: `by_resource`, `times`
//! and `dedupe` from the records; `current`, its bodies, `rows`, `tombstones` and the counts from folding each resource's records into its
//! base. Both are written in key order and in large transactions, as redb writes them fastest: a million records take some ten
//! seconds. Memory holds the keys of all resources and eight bytes per record.
//!
//! The new file is another log ([`LogId`]): its future records differ from the old one's, so a cursor of one means nothing in the
//! other.

mod backup;
mod base_row;
mod builder;
mod repair;
mod salvage;
mod side_file;

pub use self::backup::{BackedUp, CopyError};
pub use self::repair::{RepairError, Repaired, repair};

#[cfg(test)]
mod tests;
