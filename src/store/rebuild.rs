//! A new store file made of base rows and records: what a backup and a repair both do.
//!
//! `base` and the log are the truth, and everything else follows from them, so a new file takes just these two and derives the
//! rest anew: `by_resource`, `times` and `dedupe` from the records, `current`, `rows`, `tombstones` and the counts from folding each
//! resource's records over its base. Both come in key order and in large transactions, as redb writes them fastest: a million
//! records take some ten seconds. Memory holds the keys of all resources and eight bytes for each record.
//!
//! The new file is another log ([`LogId`]): what is recorded in it from now on is not what the old one records, so a cursor of
//! one means nothing in the other.

mod backup;
mod builder;
mod repair;
mod salvage;

pub use self::backup::{BackedUp, BackupError};
pub use self::repair::{RepairError, Repaired, repair};

#[cfg(test)]
mod tests;
