//! The IAM permissions of Muster: which actions it calls, why, what does not work without each, and the policy that allows them.
//!
//! [`all`] is the one table of actions, and [`STATEMENTS`] are the statements that they stand in. `iam-policy.json`, the output of
//! `muster policy iam` and the table in `muster help permissions` are written from both. The describes are those of
//! [`crate::kinds`].

mod document;
mod statement;
mod table;

pub use document::{PolicyLimits, document, statement_for};
pub use statement::{PolicyPart, PolicyStatement, STATEMENTS};
pub use table::{Breakage, IMPLIED, Permission, all, of};

#[cfg(test)]
mod tests;
