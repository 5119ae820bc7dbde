//! Proves that everything derived from the log matches the log.

mod file;
mod log;
mod report;
mod resources;

pub use self::file::{VerifyError, check};
pub use self::log::fold_log;
pub use self::report::{Mismatch, VerifyReport};

#[cfg(test)]
pub(super) mod tests;
