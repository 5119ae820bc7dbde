//! The exit codes of `muster` that are more than success (0), failure (1) and a command line that cannot be used (2).

/// Another server serves the data directory and goes on, so that another attempt does not help.
pub(super) const TAKEN: u8 = 3;
