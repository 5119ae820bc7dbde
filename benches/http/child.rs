//! A process that is measured: started with a banner on its standard output, stopped with SIGTERM.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;

/// How long a process may take to print its banner.
const START: Duration = Duration::from_mins(1);

/// How long a process may take to stop; then it is killed.
const STOP: Duration = Duration::from_secs(5);

/// A running process. Killed when dropped.
pub(crate) struct Child {
    process: tokio::process::Child,
    /// Its process id.
    pub(crate) pid: u32,
    /// The JSON object on its first line.
    pub(crate) banner: Value,
}

impl Child {
    /// Starts `program` with only this environment and reads its banner. Its log goes to `log`.
    pub(crate) async fn start(
        program: &Path,
        arguments: &[&str],
        environment: &[(&str, &str)],
        log: &Path,
    ) -> anyhow::Result<Self> {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(log)?;
        let mut process = Command::new(program)
            .args(arguments)
            .env_clear()
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        let pid = process.id().context("the process ended at once")?;
        let stdout = process.stdout.take().context("the process has no standard output")?;
        let mut lines = BufReader::new(stdout).lines();
        let Ok(line) = tokio::time::timeout(START, lines.next_line()).await else {
            bail!("{} {} printed no banner within {START:?}", program.display(), arguments.join(" "));
        };
        let line = line?.with_context(|| format!("{} {} ended early", program.display(), arguments.join(" ")))?;
        let banner = serde_json::from_str(&line).with_context(|| format!("the banner is no JSON: {line}"))?;
        Ok(Child { process, pid, banner })
    }

    /// The authority (`127.0.0.1:PORT`) in the URL that the banner holds under `key`.
    pub(crate) fn authority(&self, key: &str) -> anyhow::Result<String> {
        let url = self.banner.get(key).and_then(Value::as_str);
        let rest = url.and_then(|url| url.strip_prefix("http://"));
        let authority = rest.and_then(|rest| rest.split('/').next());
        Ok(authority.with_context(|| format!("the banner has no URL `{key}`: {}", self.banner))?.to_owned())
    }

    /// Asks it to stop and waits for that.
    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        let pid = Pid::from_raw(i32::try_from(self.pid)?).context("the process has no id")?;
        kill_process(pid, Signal::TERM)?;
        match tokio::time::timeout(STOP, self.process.wait()).await {
            Ok(status) => drop(status?),
            Err(_) => self.process.kill().await?,
        }
        Ok(())
    }
}
