//! `muster simulate`.

use std::time::Duration;

use clap::Args;

use super::output::Output;
use crate::app::signals::Signals;
use crate::config;
use crate::simulator::{self, Options};

/// What to simulate. Everything not given is [`Options::default`]'s.
#[derive(Clone, Debug, Args)]
pub(super) struct Simulate {
    /// How many instances the account has [default: 1000]
    #[arg(long, value_name = "N")]
    instances: Option<usize>,
    /// Equal seeds give equal accounts [default: 1]
    #[arg(long, value_name = "SEED")]
    seed: Option<u64>,
    /// The port on 127.0.0.1; 0 takes a free one [default: 0]
    #[arg(long, value_name = "PORT")]
    port: Option<u16>,
    /// The region that holds the instances [default: us-east-1]
    #[arg(long, value_name = "REGION")]
    region: Option<String>,
    /// The account's number [default: 123456789012]
    #[arg(long, value_name = "ACCOUNT")]
    account: Option<String>,
    /// How long a started instance is pending [default: 2s]
    #[arg(long, value_name = "DURATION", value_parser = config::duration)]
    start_delay: Option<Duration>,
    /// How long a stopped instance is stopping [default: 2s]
    #[arg(long, value_name = "DURATION", value_parser = config::duration)]
    stop_delay: Option<Duration>,
    /// How long status checks are initializing [default: 10s]
    #[arg(long, value_name = "DURATION", value_parser = config::duration)]
    initializing: Option<Duration>,
    /// Changes a second that nobody asked for: starts, stops and tags [default: 0]
    #[arg(long, value_name = "RATE")]
    churn: Option<f64>,
}

impl Simulate {
    /// Simulates until a signal comes.
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let mut signals = Signals::take()?;
        let mut printed = Ok(());
        let ready = |simulator: &simulator::Simulator| printed = Output::stdout().line(&simulator.banner());
        let stop = async {
            signals.next().await;
        };
        simulator::run(self.options(), ready, stop).await?;
        Ok(printed?)
    }

    fn options(self) -> Options {
        let base = Options::default();
        Options {
            instances: self.instances.unwrap_or(base.instances),
            seed: self.seed.unwrap_or(base.seed),
            port: self.port.unwrap_or(base.port),
            region: self.region.unwrap_or(base.region),
            account: self.account.unwrap_or(base.account),
            start_delay: self.start_delay.unwrap_or(base.start_delay),
            stop_delay: self.stop_delay.unwrap_or(base.stop_delay),
            initializing: self.initializing.unwrap_or(base.initializing),
            churn_per_second: self.churn.unwrap_or(base.churn_per_second),
            ..base
        }
    }
}
