//! Has the linker pack the program's relocations, where the machine's C library can read them.
//!
//! There are some 108,000 of them in a release build. Unpacked they are a table of 2.6 MB (9 MB in a debug build) that every process
//! reads as it starts, so that each front end has it in memory; packed they take 27 KB. A program whose relocations are packed does not start with a
//! C library that is older than glibc 2.36 (August 2022): it is packed only if this machine has that one, and builds for itself.

use std::env;
use std::process::Command;

/// The first version of glibc that reads packed relocations.
const SINCE: (u32, u32) = (2, 36);

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let variable = |name: &str| env::var(name).unwrap_or_default();
    let is_for_itself = variable("HOST") == variable("TARGET");
    let is_glibc = variable("CARGO_CFG_TARGET_OS") == "linux" && variable("CARGO_CFG_TARGET_ENV") == "gnu";
    if is_for_itself && is_glibc && glibc().is_some_and(|version| version >= SINCE) {
        println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}

/// The version of this machine's glibc.
fn glibc() -> Option<(u32, u32)> {
    let told = Command::new("getconf").arg("GNU_LIBC_VERSION").output().ok()?;
    let told = String::from_utf8(told.stdout).ok()?;
    let (major, minor) = told.trim().strip_prefix("glibc ")?.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}
