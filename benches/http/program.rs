//! The program under test, and how it is kept from doing anything but what is measured.

use std::path::PathBuf;

/// The program under test, unless [`PROGRAM`] names another build of it.
const MUSTER: &str = env!("CARGO_BIN_EXE_muster");

/// The variable that names another build.
const PROGRAM: &str = "MUSTER_BENCH_PROGRAM";

/// Sweeps far apart: after the first, nothing runs but what is measured.
pub(crate) const INTERVALS: &str = "all=12h";

/// Where the program is.
pub(crate) fn program() -> PathBuf {
    std::env::var_os(PROGRAM).map_or_else(|| PathBuf::from(MUSTER), PathBuf::from)
}
