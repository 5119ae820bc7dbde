//! Pinned Python environments under `target/it`, each made once.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use xxhash_rust::xxh3::xxh3_64;

/// A set of pinned packages: a requirements file of ours.
#[derive(Clone, Copy)]
pub(crate) enum Environment {
    /// The AWS emulator and boto3.
    Moto,
    /// The linter of CloudFormation templates.
    CfnLint,
    /// The proxy that breaks AWS's answers.
    Proxy,
    /// The MCP client of the 2026-07-28 era.
    Mcp2,
    /// The MCP client of the 2025-11-25 era.
    Mcp1,
    /// The fastmcp client.
    FastMcp,
    /// The MCP server that others use for AWS.
    Awslabs,
    /// The parsers of metrics and alert rules.
    Metrics,
    /// The AWS CLI.
    AwsCli,
    /// The messages of OpenTelemetry's protocol.
    Traces,
    /// Programs that read EC2.
    Readers,
}

impl Environment {
    fn name(self) -> &'static str {
        match self {
            Environment::Moto => "moto",
            Environment::CfnLint => "cfn-lint",
            Environment::Proxy => "proxy",
            Environment::Mcp2 => "mcp2",
            Environment::Mcp1 => "mcp1",
            Environment::FastMcp => "fastmcp",
            Environment::Awslabs => "awslabs",
            Environment::Metrics => "metrics",
            Environment::AwsCli => "awscli",
            Environment::Traces => "traces",
            Environment::Readers => "readers",
        }
    }

    /// A command that runs one of our scripts in this environment, which is made first if it is missing.
    ///
    /// # Panics
    ///
    /// When Python or its venv module is missing, or the packages do not install: with what to do.
    pub(crate) fn script(self, script: &str) -> Command {
        let mut command = Command::new(self.ensure().join("bin/python"));
        // Unbuffered, and without leaving compiled files beside the sources.
        command.args(["-u", "-B"]).arg(sources().join("python").join(script));
        command
    }

    /// A program of this environment, which is made first if it is missing.
    ///
    /// # Panics
    ///
    /// As [`Environment::script`].
    pub(crate) fn program(self, name: &str) -> Command {
        Command::new(self.ensure().join("bin").join(name))
    }

    /// Makes the environment unless it is there, under a lock that other test processes hold to.
    ///
    /// The directory carries the hash of the requirements, so changed pins make a new one; a mark that is written last tells
    /// a finished environment from one whose making was interrupted.
    fn ensure(self) -> PathBuf {
        let requirements = sources().join(format!("requirements-{}.txt", self.name()));
        let pins = fs::read(&requirements).unwrap();
        let directory = directory().join(format!("{}-{:016x}", self.name(), xxh3_64(&pins)));
        let finished = directory.join("finished");
        fs::create_dir_all(self::directory()).unwrap();
        let lock = File::create(self::directory().join(format!("{}.lock", self.name()))).unwrap();
        lock.lock().unwrap();
        if finished.exists() {
            return directory;
        }
        if directory.exists() {
            fs::remove_dir_all(&directory).unwrap();
        }
        run(
            Command::new("python3").args(["-c", "import sys; sys.exit(sys.version_info < (3, 11))"]),
            "the tests need Python 3.11 or newer as python3; on Debian: apt-get install python3 python3-venv",
        );
        run(
            Command::new("python3").args(["-m", "venv"]).arg(&directory),
            "the tests need Python's venv module; on Debian: apt-get install python3-venv",
        );
        run(
            Command::new(directory.join("bin/python"))
                .args([
                    "-m",
                    "pip",
                    "install",
                    "--quiet",
                    "--no-input",
                    "--disable-pip-version-check",
                    "--no-deps",
                    "-r",
                ])
                .arg(&requirements),
            "the tests need packages from PyPI: check that pip reaches it (pip download --no-deps six)",
        );
        File::create(finished).unwrap();
        directory
    }
}

/// Where the tests keep what they make: `target/it`.
pub(crate) fn directory() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("it")
}

fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")
}

pub(crate) fn run(command: &mut Command, advice: &str) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}\n{advice}"));
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}{}\n{advice}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}
