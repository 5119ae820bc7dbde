//! A front end that is used: `muster mcp`, asked for the tools and for one of them.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use crate::estate::Estate;
use crate::program::program;

/// How long an answer or the end may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running front end. Killed when dropped.
pub(crate) struct FrontEnd {
    process: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

/// Starts a front end beside the server of an estate, and has it carry some requests.
pub(crate) async fn asked(estate: &Estate) -> anyhow::Result<FrontEnd> {
    let log = std::fs::OpenOptions::new().create(true).append(true).open(estate.file("mcp.log"))?;
    let mut process = Command::new(program())
        .arg("mcp")
        .arg("--data-dir")
        .arg(estate.file("data"))
        .env_clear()
        .envs(estate.environment()?)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(log)
        .kill_on_drop(true)
        .spawn()?;
    let input = process.stdin.take().context("the front end has no standard input")?;
    let output = process.stdout.take().context("the front end has no standard output")?;
    let mut front_end = FrontEnd { process, input, output: BufReader::new(output).lines() };
    front_end.ask("tools/list", json!({})).await?;
    for _ in 0..20 {
        front_end.ask("tools/call", json!({ "name": "search_inventory", "arguments": { "limit": 100 } })).await?;
    }
    Ok(front_end)
}

impl FrontEnd {
    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.process.id().unwrap_or_default()
    }

    /// Asks and sees that the answer is a result.
    async fn ask(&mut self, method: &str, mut params: Value) -> anyhow::Result<()> {
        if let Some(params) = params.as_object_mut() {
            params.insert(
                "_meta".to_owned(),
                json!({
                    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                    "io.modelcontextprotocol/clientInfo": { "name": "muster-bench", "version": env!("CARGO_PKG_VERSION") },
                    "io.modelcontextprotocol/clientCapabilities": {},
                }),
            );
        }
        let message = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        self.input.write_all(format!("{message}\n").as_bytes()).await?;
        let line = timeout(PATIENCE, self.output.next_line()).await.context("the front end does not answer")??;
        let answer: Value = serde_json::from_str(&line.context("the front end has ended")?)?;
        ensure!(answer.get("result").is_some(), "{method}: {answer}");
        Ok(())
    }

    /// Closes its input and waits for its end.
    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        let FrontEnd { mut process, input, .. } = self;
        drop(input);
        timeout(PATIENCE, process.wait()).await.context("the front end does not end")??;
        Ok(())
    }
}
