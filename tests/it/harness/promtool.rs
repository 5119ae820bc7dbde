//! Prometheus's promtool: the one of this machine, or Debian's, unpacked under `target/it`; that is made once.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::Command;

use super::python::{directory, run};

const ADVICE: &str = "the tests need promtool; on Debian: apt-get install prometheus";

/// A command that runs it.
///
/// # Panics
///
/// When there is none: with what to do.
pub(crate) fn promtool() -> Command {
    let is_here = Command::new("promtool").arg("--version").output().is_ok_and(|output| output.status.success());
    Command::new(if is_here { PathBuf::from("promtool") } else { unpacked() })
}

/// Unpacks Debian's package, by lists of packages of its own, so that neither the machine's are needed nor root.
fn unpacked() -> PathBuf {
    let made = directory().join("prometheus");
    let program = made.join("usr/bin/promtool");
    fs::create_dir_all(directory()).unwrap();
    let lock = File::create(directory().join("prometheus.lock")).unwrap();
    lock.lock().unwrap();
    if made.join("finished").exists() {
        return program;
    }
    if made.exists() {
        fs::remove_dir_all(&made).unwrap();
    }
    let parts = ["lists", "cache"].map(|name| made.join(name));
    for part in ["lists/partial", "cache/archives/partial"] {
        fs::create_dir_all(made.join(part)).unwrap();
    }
    let apt = || {
        let mut apt = Command::new("apt-get");
        for (name, path) in ["Dir::State::lists", "Dir::Cache"].iter().zip(&parts) {
            apt.arg("-o").arg(format!("{name}={}", path.display()));
        }
        apt.args(["-o", "Acquire::Languages=none", "-qq"]).current_dir(&made);
        apt
    };
    run(apt().arg("update"), ADVICE);
    run(apt().args(["download", "prometheus"]), ADVICE);
    let files = fs::read_dir(&made).unwrap().map(|entry| entry.unwrap().path());
    let package = files.into_iter().find(|path| path.extension().is_some_and(|extension| extension == "deb")).unwrap();
    run(Command::new("dpkg").arg("-x").arg(&package).arg(&made), ADVICE);
    fs::remove_file(package).unwrap();
    for part in parts {
        fs::remove_dir_all(part).unwrap();
    }
    File::create(made.join("finished")).unwrap();
    program
}
