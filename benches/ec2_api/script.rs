//! A Python program of `tests/python` that has boto3.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, ensure};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

/// The variable that names a Python.
const PYTHON: &str = "MUSTER_BENCH_PYTHON";

/// A running program, which says JSON values, one a line. Killed when dropped.
pub(crate) struct Script {
    name: &'static str,
    process: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Script {
    /// Starts a program with these settings. What it complains of is shown.
    pub(crate) fn start(name: &'static str, settings: &Value, home: &Path) -> anyhow::Result<Self> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python").join(name);
        let mut process = Command::new(python()?)
            .args(["-u", "-B"])
            .arg(path)
            .arg(settings.to_string())
            .env_clear()
            .envs([("HOME", home), ("XDG_RUNTIME_DIR", home)])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        let stdout = process.stdout.take().context("the program has no standard output")?;
        Ok(Script { name, process, lines: BufReader::new(stdout).lines() })
    }

    /// The next that it says; `None` at its end.
    pub(crate) async fn line(&mut self) -> anyhow::Result<Option<Value>> {
        let Some(line) = self.lines.next_line().await? else { return Ok(None) };
        Ok(Some(serde_json::from_str(&line).with_context(|| format!("{} says {line}", self.name))?))
    }

    /// Waits for its end, which is an error unless it is content.
    pub(crate) async fn end(mut self) -> anyhow::Result<()> {
        let status = self.process.wait().await?;
        ensure!(status.success(), "{} ended with {status}", self.name);
        Ok(())
    }
}

/// A Python that has boto3.
fn python() -> anyhow::Result<PathBuf> {
    if let Some(python) = std::env::var_os(PYTHON) {
        return Ok(python.into());
    }
    let environments = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("it");
    let found = std::fs::read_dir(&environments).with_context(|| format!("cannot read {}", environments.display()))?;
    let named = |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("moto-"));
    let mut found: Vec<PathBuf> = found.filter_map(Result::ok).map(|entry| entry.path()).filter(named).collect();
    found.retain(|path| path.join("finished").exists());
    let newest = found.pop().with_context(|| format!("no Python with boto3: name one by {PYTHON}"))?;
    Ok(newest.join("bin/python"))
}
