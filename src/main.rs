//! The `muster` command: everything it does is in the library.

use std::process::ExitCode;

/// Documents are trees of small allocations; the system's allocator spent a third of a first sweep on them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    muster::cli::main()
}
