//! `muster simulate`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::output::Output;
use crate::app::signals::Signals;
use crate::config;
use crate::simulator::{self, Options, Scenario, ScenarioError};

mod faults;

use faults::FaultFlags;

/// The arguments of `muster simulate`. A flag takes precedence over the scenario, which takes precedence over
/// [`Options::default`].
#[derive(Clone, Debug, Args)]
pub(super) struct Simulate {
    /// A TOML file with the same options and faults; flags take precedence over it
    ///
    /// `muster help simulator` lists its keys.
    #[arg(long, value_name = "FILE")]
    scenario: Option<PathBuf>,
    /// How many instances the account has [default: 1000]
    #[arg(long, value_name = "N")]
    instances: Option<usize>,
    /// The seed of the account and of the faults; equal seeds give equal accounts [default: 1]
    #[arg(long, value_name = "SEED")]
    seed: Option<u64>,
    /// The port on 127.0.0.1; 0 takes a free port [default: 0]
    #[arg(long, value_name = "PORT")]
    port: Option<u16>,
    /// The region that holds the instances [default: us-east-1]
    #[arg(long, value_name = "REGION")]
    region: Option<String>,
    /// A further region that holds instances, and how many, such as eu-west-1=200 (repeatable)
    #[arg(long, value_name = "REGION=N", value_delimiter = ',', value_parser = populated)]
    regions: Vec<(String, usize)>,
    /// The number of the account [default: 123456789012]
    #[arg(long, value_name = "ACCOUNT")]
    account: Option<String>,
    /// How many further accounts there are, numbered from 200000000001 on [default: 0]
    ///
    /// They form an organization with the account, which is its management account. Roles in all of them can be assumed.
    #[arg(long, value_name = "N")]
    accounts: Option<usize>,
    /// The regions in which the further accounts have instances, or `all` (comma-separated) [default: that of --region]
    #[arg(long, value_name = "REGION", value_delimiter = ',')]
    account_regions: Vec<String>,
    /// How many instances the further accounts have together [default: 0]
    #[arg(long, value_name = "N")]
    account_instances: Option<usize>,
    /// How long an instance is pending after a start [default: 2s]
    #[arg(long, value_name = "DURATION", value_parser = config::duration)]
    start_delay: Option<Duration>,
    /// How long an instance is stopping after a stop [default: 2s]
    #[arg(long, value_name = "DURATION", value_parser = config::duration)]
    stop_delay: Option<Duration>,
    /// How long status checks are initializing after a start [default: 10s]
    #[arg(long, value_name = "DURATION", value_parser = config::duration)]
    initializing: Option<Duration>,
    /// How many changes a second happen by themselves, at most 100000 [default: 0]
    ///
    /// They start, stop and tag instances, as other people and programs do in a real account.
    #[arg(long, value_name = "RATE")]
    churn: Option<f64>,
    #[command(flatten)]
    faults: FaultFlags,
}

impl Simulate {
    /// Runs the simulator until a signal comes.
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let mut signals = Signals::take()?;
        let mut printed = Ok(());
        let ready = |simulator: &simulator::Simulator| printed = Output::stdout().line(&simulator.banner());
        let stop = async {
            signals.next().await;
        };
        simulator::run(self.options()?, ready, stop).await?;
        Ok(printed?)
    }

    fn options(self) -> Result<Options, ScenarioError> {
        let scenario = self.scenario.as_deref().map(Scenario::read).transpose()?.unwrap_or_default();
        let base = scenario.options();
        Ok(Options {
            instances: self.instances.unwrap_or(base.instances),
            seed: self.seed.unwrap_or(base.seed),
            port: self.port.unwrap_or(base.port),
            region: self.region.unwrap_or(base.region),
            regions: if self.regions.is_empty() { base.regions } else { self.regions },
            account: self.account.unwrap_or(base.account),
            accounts: self.accounts.unwrap_or(base.accounts),
            account_regions: if self.account_regions.is_empty() { base.account_regions } else { self.account_regions },
            account_instances: self.account_instances.unwrap_or(base.account_instances),
            start_delay: self.start_delay.unwrap_or(base.start_delay),
            stop_delay: self.stop_delay.unwrap_or(base.stop_delay),
            initializing: self.initializing.unwrap_or(base.initializing),
            churn_per_second: self.churn.unwrap_or(base.churn_per_second),
            faults: self.faults.over(base.faults),
            ..base
        })
    }
}

/// The text is not a region with a number of instances.
#[derive(Debug, thiserror::Error)]
#[error("{given:?} is not a region with a number of instances: give one such as eu-west-1=200")]
struct NotPopulated {
    given: String,
}

fn populated(text: &str) -> Result<(String, usize), NotPopulated> {
    let parts = text.split_once('=').and_then(|(region, count)| Some((region.to_owned(), count.parse().ok()?)));
    parts.ok_or_else(|| NotPopulated { given: text.to_owned() })
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct SimulateLine {
        #[command(flatten)]
        simulate: Simulate,
    }

    fn options(words: &[&str]) -> Options {
        SimulateLine::parse_from(["simulate"].iter().chain(words)).simulate.options().unwrap()
    }

    const STORM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/scenarios/storm.toml");

    #[test]
    fn flags_go_before_the_scenario_and_the_scenario_before_the_defaults() {
        let plain = options(&[]);
        assert_eq!((plain.instances, plain.faults), (1_000, simulator::Faults::default()));
        let storm = options(&["--scenario", STORM]);
        assert_eq!((storm.instances, storm.churn_per_second), (20_000, 50.0));
        let two = options(&["--regions", "eu-west-1=20,eu-west-2=5"]).regions;
        assert_eq!(two, [("eu-west-1".to_owned(), 20), ("eu-west-2".to_owned(), 5)]);
        let many =
            options(&["--accounts", "3", "--account-regions", "eu-west-1,eu-west-2", "--account-instances", "50"]);
        assert_eq!((many.accounts, many.account_regions.len(), many.account_instances), (3, 2, 50));
        let calmer = options(&["--scenario", STORM, "--instances", "50", "--throttle", "0", "--skew", "-90s"]);
        assert_eq!((calmer.instances, calmer.faults.throttle.share.get()), (50, 0.0));
        let rest =
            simulator::Faults { throttle: calmer.faults.throttle.clone(), clock: calmer.faults.clock, ..storm.faults };
        assert_eq!(calmer.faults, rest);
    }
}
