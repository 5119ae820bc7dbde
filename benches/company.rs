//! What a company of many accounts costs: the time to a complete picture, memory, and calls.
//!
//! `cargo bench --bench company` lets one server watch the accounts of `tests/it/scenarios/company.toml` in 17 regions each: some
//! accounts deny everything, some throttle, and one region is slow. It tells when every account and region has its verdict, how much
//! memory the server takes then and a while later, how many calls a minute it makes for each account and region, how often it assumes
//! roles, and how long the list of what fails is. Then another server watches accounts that hold nothing but what AWS makes in every
//! region: what many quiet accounts and regions cost.
//!
//! `MUSTER_BENCH_ACCOUNTS` sets how many accounts the company has (20; the scenario is made for 200), `MUSTER_BENCH_QUIET` how many
//! quiet accounts there are (20; the budget of 150 MB is for 10,000 accounts and regions, which are 588), `MUSTER_BENCH_SETTLE` for
//! how many seconds the servers go on after that (90). With 200 and 588 it takes about a quarter of an hour.

#![allow(clippy::cast_precision_loss, reason = "counts and bytes far below 2^52")]

#[path = "http/child.rs"]
mod child;
#[path = "http/connection.rs"]
mod connection;
#[allow(dead_code, reason = "each bench uses what it needs of it")]
#[path = "memory/footprint.rs"]
mod footprint;
#[allow(dead_code, reason = "each bench uses what it needs of it")]
#[path = "http/program.rs"]
mod program;
#[allow(dead_code, reason = "each bench uses what it needs of it")]
#[path = "http/question.rs"]
mod question;
mod record;
#[path = "company/requests.rs"]
mod requests;
#[allow(dead_code, reason = "each bench uses what it needs of it")]
#[path = "http/usage.rs"]
mod usage;
#[path = "company/watched.rs"]
mod watched;

use std::io::Write as _;
use std::time::Duration;

use anyhow::Context as _;

use record::{Budget, Record};
use watched::{Company, WatchedCompany};

/// How many instances an account of the company has.
const INSTANCES: usize = 2_500;

/// The regions of each account.
const REGIONS: usize = 17;

/// The most memory of 10,000 quiet accounts and regions, in MB.
const QUIET: f64 = 150.0;

/// About how many tokens what fails may take in an answer.
const TOKENS: f64 = 300.0;

fn main() -> anyhow::Result<()> {
    // `cargo test --all-targets` runs benchmarks too, without this flag, to see that they build.
    if !std::env::args().any(|argument| argument == "--bench") {
        return Ok(writeln!(std::io::stdout(), "nothing measured: use cargo bench --bench company")?);
    }
    let accounts = setting("MUSTER_BENCH_ACCOUNTS", 20)?;
    let quiet = setting("MUSTER_BENCH_QUIET", 20)?;
    let settle = Duration::from_secs(u64::try_from(setting("MUSTER_BENCH_SETTLE", 90)?)?);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut record = Record::new("company");
    if accounts > 0 {
        let size = accounts * INSTANCES;
        let scenario = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/scenarios/company.toml");
        let instances = size.to_string();
        let arguments = ["--scenario", scenario, "--account-instances", &instances];
        let company = Company { accounts, arguments: &arguments, quiet_after: "24h" };
        let seen = runtime.block_on(company.watch(settle)).context("the company")?;
        tell(&mut record, "a company", size, accounts, &seen);
        record.figure(
            "what fails in a company, in tokens",
            size,
            seen.failed_tokens,
            "tokens",
            Some(Budget::AtMost(TOKENS)),
        );
    }
    if quiet > 0 {
        let company = Company { accounts: quiet, arguments: &["--account-regions", "all"], quiet_after: "1s" };
        let seen = runtime.block_on(company.watch(settle)).context("the quiet accounts")?;
        let scopes = quiet * REGIONS;
        tell(&mut record, "quiet accounts", scopes, quiet, &seen);
        let budget = (9_900..=10_100).contains(&scopes).then_some(Budget::AtMost(QUIET));
        record.figure("memory of quiet accounts and regions", scopes, seen.later.resident as f64 / 1e6, "MB", budget);
    }
    record.write()
}

fn tell(record: &mut Record, what: &str, size: usize, accounts: usize, seen: &WatchedCompany) {
    let mut add =
        |name: &str, value: f64, unit: &str| record.figure(&format!("{what}: {name}"), size, value, unit, None);
    add("time to a complete picture", seen.complete_in.as_secs_f64(), "s");
    add("CPU until then", seen.cpu.as_secs_f64(), "s");
    add("memory then", seen.then.resident as f64 / 1e6, "MB");
    add("memory later", seen.later.resident as f64 / 1e6, "MB");
    add("peak of memory", seen.later.peak as f64 / 1e6, "MB");
    add("calls a minute of an account and region", seen.calls.mean, "calls");
    add("the most of them", seen.calls.most, "calls");
    add("roles assumed for each account", seen.calls.assumed / accounts as f64, "calls");
}

/// An environment variable's number, or the default.
fn setting(name: &str, default: usize) -> anyhow::Result<usize> {
    match std::env::var(name) {
        Ok(text) => text.trim().parse().with_context(|| format!("{name}: `{text}` is no number")),
        Err(_) => Ok(default),
    }
}
