//! Scenarios: the options and the faults of a simulator in a TOML file.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::simulator::faults::{Faults, Span};
use crate::simulator::{Clock, Options};

/// A scenario. What it does not name is as in [`Options::default`].
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Scenario {
    instances: Option<usize>,
    seed: Option<u64>,
    region: Option<String>,
    /// Further regions, with the number of instances in each.
    regions: BTreeMap<String, usize>,
    account: Option<String>,
    accounts: Option<usize>,
    account_regions: Vec<String>,
    account_instances: Option<usize>,
    port: Option<u16>,
    start_delay: Option<Span>,
    stop_delay: Option<Span>,
    initializing: Option<Span>,
    volume_delay: Option<Span>,
    snapshot_delay: Option<Span>,
    nat_delay: Option<Span>,
    terminated_retention: Option<Span>,
    stopped_percent: Option<u8>,
    terminated_percent: Option<u8>,
    churn: Option<f64>,
    faults: Faults,
}

/// Why a scenario cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// The file cannot be read.
    #[error("cannot read the scenario {}; name a TOML file", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The error from the operating system.
        #[source]
        source: std::io::Error,
    },
    /// The file contains something unknown or impossible.
    #[error("the scenario {} cannot be used", path.display())]
    Wrong {
        /// The file.
        path: PathBuf,
        /// The error, with its place in the file and what is allowed.
        #[source]
        source: toml::de::Error,
    },
}

impl Scenario {
    /// Reads a file.
    ///
    /// # Errors
    /// When the file cannot be read, or contains something unknown or impossible.
    pub fn read(path: &Path) -> Result<Self, ScenarioError> {
        let path_of = || path.to_owned();
        let text = fs::read_to_string(path).map_err(|source| ScenarioError::Unreadable { path: path_of(), source })?;
        toml::from_str(&text).map_err(|source| ScenarioError::Wrong { path: path_of(), source })
    }

    /// The options of the scenario, with the wall clock.
    #[must_use]
    pub fn options(self) -> Options {
        let base = Options::default();
        Options {
            instances: self.instances.unwrap_or(base.instances),
            seed: self.seed.unwrap_or(base.seed),
            region: self.region.unwrap_or(base.region),
            regions: self.regions.into_iter().collect(),
            account: self.account.unwrap_or(base.account),
            accounts: self.accounts.unwrap_or(base.accounts),
            account_regions: self.account_regions,
            account_instances: self.account_instances.unwrap_or(base.account_instances),
            port: self.port.unwrap_or(base.port),
            start_delay: self.start_delay.map_or(base.start_delay, Span::get),
            stop_delay: self.stop_delay.map_or(base.stop_delay, Span::get),
            initializing: self.initializing.map_or(base.initializing, Span::get),
            volume_delay: self.volume_delay.map_or(base.volume_delay, Span::get),
            snapshot_delay: self.snapshot_delay.map_or(base.snapshot_delay, Span::get),
            nat_delay: self.nat_delay.map_or(base.nat_delay, Span::get),
            terminated_retention: self.terminated_retention.map_or(base.terminated_retention, Span::get),
            stopped_percent: self.stopped_percent.unwrap_or(base.stopped_percent),
            terminated_percent: self.terminated_percent.unwrap_or(base.terminated_percent),
            churn_per_second: self.churn.unwrap_or(base.churn_per_second),
            faults: self.faults,
            clock: Clock::Wall,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_scenario_names_options_and_faults_and_leaves_the_rest() {
        let text = "instances = 20\nchurn = 50\naccounts = 3\naccount_regions = [\"all\"]\naccount_instances = 9\nstart_delay = \"500ms\"\nregions = {eu-west-1 = 5}\n[faults.lag]\nmost = \"5s\"\n";
        let options = toml::from_str::<Scenario>(text).unwrap().options();
        assert_eq!((options.instances, options.start_delay), (20, Duration::from_millis(500)));
        assert_eq!(options.regions, [("eu-west-1".to_owned(), 5)]);
        assert_eq!((options.accounts, options.account_instances), (3, 9));
        assert_eq!(options.fleet().regions.len(), 17);
        assert_eq!(options.faults.lag.most.get(), Duration::from_secs(5));
        assert_eq!(options.stop_delay, Options::default().stop_delay);
    }

    #[test]
    fn what_is_wrong_in_a_scenario_is_said_with_its_line() {
        for (text, line, said) in [
            ("[faults.throttle]\nshare = 1.5\n", "share = 1.5", "1.5 is no share; give a number from 0 to 1"),
            ("rain = 1\n", "rain = 1", "unknown field `rain`, expected one of `instances`"),
            ("[faults]\ndenied = [\"Nothing\"]\n", "\"Nothing\"", "\"Nothing\" is no action"),
        ] {
            let error = toml::from_str::<Scenario>(text).unwrap_err().to_string();
            assert!(error.contains(line) && error.contains(said), "{error}");
        }
    }
}
