//! Ansible's collection `amazon.aws`, under `target/it`; made once.
//!
//! It comes from the `PyPI` package that holds all of Ansible's collections, of which this one is unpacked.

use std::fs::{self, File};
use std::path::PathBuf;

use xxhash_rust::xxh3::xxh3_64;

use super::python::{Environment, directory, run};

/// The package, pinned.
const PINS: &str = include_str!("../../requirements-collections.txt");

/// Unpacks the collection from a wheel: a script, whose arguments are where the wheel lies, and where the collection goes.
const UNPACK: &str = "
import pathlib, sys, zipfile
[wheel] = pathlib.Path(sys.argv[1]).glob('ansible-*.whl')
with zipfile.ZipFile(wheel) as packed:
    packed.extractall(sys.argv[2], [name for name in packed.namelist() if name.startswith('ansible_collections/amazon/aws/')])
wheel.unlink()
";

/// The path of the collections, for the variable `ANSIBLE_COLLECTIONS_PATH`.
///
/// # Panics
///
/// When the package cannot be had: with what to do.
pub(crate) fn path() -> PathBuf {
    let made = directory().join(format!("collections-{:016x}", xxh3_64(PINS.as_bytes())));
    let finished = made.join("finished");
    fs::create_dir_all(directory()).unwrap();
    let lock = File::create(directory().join("collections.lock")).unwrap();
    lock.lock().unwrap();
    if finished.exists() {
        return made;
    }
    if made.exists() {
        fs::remove_dir_all(&made).unwrap();
    }
    fs::create_dir_all(&made).unwrap();
    let package = PINS.lines().find(|line| line.starts_with("ansible==")).unwrap();
    let mut download = Environment::Readers.program("python");
    download.args(["-m", "pip", "download", "--quiet", "--no-input", "--disable-pip-version-check", "--no-deps", "-d"]);
    run(download.arg(&made).arg(package), "the tests need packages from PyPI: check that pip reaches it");
    let mut unpack = Environment::Readers.program("python");
    run(unpack.args(["-c", UNPACK]).args([&made, &made]), "the wheel of Ansible holds the collection amazon.aws");
    File::create(finished).unwrap();
    made
}
