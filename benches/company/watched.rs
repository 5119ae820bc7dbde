//! Many accounts, and a server that watches them.

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::child::Child;
use crate::connection;
use crate::footprint::Footprint;
use crate::program::program;
use crate::question::Question;
use crate::requests::Calls;
use crate::usage;

/// How long the picture may take to become complete.
const COMPLETE: Duration = Duration::from_mins(20);

/// How often it is looked whether it is.
const LOOK: Duration = Duration::from_secs(1);

/// Accounts to simulate and to watch.
pub(crate) struct Company<'a> {
    pub(crate) accounts: usize,
    /// Further arguments of the simulator.
    pub(crate) arguments: &'a [&'a str],
    pub(crate) quiet_after: &'a str,
}

/// What a server did that watched them.
pub(crate) struct WatchedCompany {
    /// From its start until every account and region was swept or given up.
    pub(crate) complete_in: Duration,
    /// Its CPU time until then.
    pub(crate) cpu: Duration,
    /// Its memory then.
    pub(crate) then: Footprint,
    /// Its memory some time later.
    pub(crate) later: Footprint,
    pub(crate) calls: Calls,
    /// About how many tokens its summary needs for what fails.
    pub(crate) failed_tokens: f64,
}

impl Company<'_> {
    /// Watches them until the picture is complete, and for `settle` more.
    pub(crate) async fn watch(&self, settle: Duration) -> anyhow::Result<WatchedCompany> {
        let directory = tempfile::tempdir()?;
        let path = |name: &str| directory.path().join(name);
        let accounts = self.accounts.to_string();
        let simulated = ["simulate", "--instances", "0", "--accounts", &accounts, "--port", "0"];
        let arguments = [&simulated[..], self.arguments].concat();
        let simulator = Child::start(&program(), &arguments, &[], &path("simulate.log")).await?;
        let endpoint = simulator.banner.get("endpoint").and_then(Value::as_str).context("no endpoint")?.to_owned();

        let mut file = String::from("regions = \"all\"\n");
        for number in 1..=self.accounts {
            let account = 200_000_000_000 + number;
            write!(
                file,
                "\n[[accounts]]\nname = \"team-{number:03}\"\nrole_arn = \"arn:aws:iam::{account}:role/reader\"\n"
            )?;
        }
        std::fs::write(path("muster.toml"), file)?;
        let text = |name: &str| -> anyhow::Result<String> {
            Ok(path(name).to_str().context("the temporary directory's path is not UTF-8")?.to_owned())
        };
        let (file, data, home) = (text("muster.toml")?, text("data")?, text("")?);
        let arguments = ["serve", "--config", &file, "--data-dir", &data, "--http", "127.0.0.1:0"];
        let arguments = [&arguments[..], &["--quiet-after", self.quiet_after]].concat();
        let environment = [
            ("HOME", home.as_str()),
            ("XDG_RUNTIME_DIR", home.as_str()),
            ("AWS_ENDPOINT_URL", endpoint.as_str()),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", "123456789012"),
            ("AWS_SECRET_ACCESS_KEY", "bench"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
        ];
        let begun = Instant::now();
        let server = Child::start(&program(), &arguments, &environment, &path("serve.log")).await?;
        let authority = server.authority("http")?;
        let failed = complete(&authority, self.accounts).await?;
        let complete_in = begun.elapsed();
        let (cpu, then) = (usage::cpu(server.pid)?, Footprint::of(server.pid)?);
        sleep(settle).await;
        let later = Footprint::of(server.pid)?;
        let calls = Calls::of(&simulator.authority("endpoint")?)?;
        server.stop().await?;
        simulator.stop().await?;
        let failed_tokens = failed.to_string().len() as f64 / 4.0;
        Ok(WatchedCompany { complete_in, cpu, then, later, calls, failed_tokens })
    }
}

/// Waits until nothing is pending, and returns what fails.
async fn complete(authority: &str, accounts: usize) -> anyhow::Result<Value> {
    connection::with(authority, |mut connection| async move {
        let until = Instant::now() + COMPLETE;
        let summary = Question::new(
            "tools/call",
            Some("get_inventory_summary"),
            json!({ "name": "get_inventory_summary", "arguments": {} }),
        );
        let accounts_of = Question::new(
            "tools/call",
            Some("query_inventory"),
            json!({ "name": "query_inventory", "arguments": { "sql": "SELECT count(*) AS accounts FROM account" } }),
        );
        while Instant::now() < until {
            let answer = connection.result(&summary).await?;
            let said = |key: &str| answer.pointer(&format!("/structuredContent/{key}")).cloned().unwrap_or_default();
            let is_pending = said("incomplete").as_array().is_some_and(|pending| !pending.is_empty());
            let has_some = said("totals").as_object().is_some_and(|totals| !totals.is_empty());
            if has_some && !is_pending {
                let known = connection.result(&accounts_of).await?;
                let known = known.pointer("/structuredContent/rows/0/accounts").and_then(Value::as_u64);
                if known.is_some_and(|known| known >= accounts as u64) {
                    return Ok(said("failed"));
                }
            }
            sleep(LOOK).await;
        }
        bail!("the picture was not complete within {COMPLETE:?}")
    })
    .await
}
