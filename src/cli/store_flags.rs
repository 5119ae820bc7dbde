//! Which server, and which store: the flags that lead to a data directory.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use super::arguments::OperandError;
use super::table::text;
use super::warnings::{self, field};
use crate::app::client::InventoryClient;
use crate::config::{Config, ConfigError, Environment, Given};
use crate::connection::data_dir::{self, by_key};
use crate::model::text::shown;

/// What leads to a data directory, beside the region.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct StoreFlags {
    /// Where the store, the lock and the socket are [default: a directory for this account in ~/.local/state/muster]
    #[arg(long, env = "MUSTER_DATA_DIR", value_name = "DIR", hide_env_values = true)]
    pub(super) data_dir: Option<PathBuf>,
    /// The AWS profile; takes precedence over keys in the environment [default: `AWS_PROFILE`, else `default`]
    #[arg(long, env = "MUSTER_PROFILE", value_name = "NAME", hide_env_values = true)]
    pub(super) profile: Option<String>,
    /// Several AWS regions, or `all` that are enabled for the account; takes precedence over --region
    #[arg(long, env = "MUSTER_REGIONS", value_name = "REGIONS", value_delimiter = ',', hide_env_values = true)]
    pub(super) regions: Vec<String>,
}

/// The place of a command about a store as a whole.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct RegionalStoreFlags {
    #[command(flatten)]
    store: StoreFlags,
    /// The AWS region [default: `AWS_REGION`, else the profile's]
    #[arg(long, env = "MUSTER_REGION", value_name = "REGION", hide_env_values = true)]
    region: Option<String>,
}

/// The place of a question, which may be about one region of several.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct QuestionFlags {
    #[command(flatten)]
    store: StoreFlags,
    /// Only this AWS region. Without --regions and --data-dir it also says whose server to ask, as for `muster serve`
    #[arg(long, value_name = "REGION")]
    pub(super) region: Option<String>,
    // The variable says whose server it is, and narrows nothing.
    #[arg(long, env = "MUSTER_REGION", value_name = "REGION", hide = true, hide_env_values = true)]
    home_region: Option<String>,
    /// Print the answer as JSON, as the server gives it to programs
    #[arg(long)]
    pub(super) json: bool,
}

/// Goes to where the keys of the environment lead, and keeps a store inside the directory that was named where others can write that, in a container's volume for example.
pub(super) fn settled(config: Config) -> Config {
    let data_dir = by_key::locate(&config.data_dir, config.key_place.as_ref());
    Config { data_dir: data_dir::settle(&data_dir), ..config }
}

impl StoreFlags {
    fn config(self, region: Option<String>, environment: &Environment) -> Result<Config, ConfigError> {
        let StoreFlags { data_dir, profile, regions } = self;
        let given = Given { data_dir, profile, region, regions, ..Given::default() };
        Config::merge(given, environment, &[]).map(settled)
    }
}

impl RegionalStoreFlags {
    /// Merges these flags into a configuration.
    pub(super) fn config(&self, environment: &Environment) -> Result<Config, ConfigError> {
        self.store.clone().config(self.region.clone(), environment)
    }
}

impl QuestionFlags {
    /// Merges these flags into a configuration.
    pub(super) fn config(&self, environment: &Environment) -> Result<Config, ConfigError> {
        let elsewhere = self.store.data_dir.is_some() || !self.store.regions.is_empty();
        let region = if elsewhere { None } else { self.region.clone() };
        self.store.clone().config(region.or_else(|| self.home_region.clone()), environment)
    }

    /// Connects to the server, or opens the store, and checks that the regions of the command line are watched there.
    ///
    /// # Errors
    /// When nobody answers; [`OperandError::NotWatched`] for a region that is not watched.
    pub(super) async fn client(&self, config: &Config) -> anyhow::Result<InventoryClient> {
        let client = InventoryClient::connect(config).await?;
        watched(&client, &self.regions()).await?;
        Ok(client)
    }

    /// The regions that the command line names for a server that is found without them.
    pub(super) fn regions(&self) -> Vec<String> {
        let StoreFlags { data_dir, regions, .. } = &self.store;
        // Without a data directory they lead to the server that watches just these.
        let named = if data_dir.is_some() { regions.as_slice() } else { &[] };
        let named = named.iter().map(|name| name.trim()).filter(|name| !name.is_empty() && *name != ALL);
        named.map(str::to_owned).collect()
    }
}

/// What stands for every region that is enabled for the account.
const ALL: &str = "all";

/// Refuses regions that nobody watches: an answer without them would look like one about them.
///
/// # Errors
/// [`OperandError::NotWatched`]; when nobody answers.
pub(super) async fn watched(client: &InventoryClient, regions: &[String]) -> anyhow::Result<()> {
    if regions.is_empty() {
        return Ok(());
    }
    let summary = warnings::granted(client.ask("get_inventory_summary", json!({})).await?)?;
    let all = |name: &str| summary.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let mut known: Vec<String> = all("watched_regions").iter().map(text).collect();
    known.extend(all("scopes").iter().map(|scope| field(scope, "region")));
    known.sort();
    known.dedup();
    // A store without a server knows of no region before its first sweep.
    let unknown = regions.iter().find(|region| !known.is_empty() && !known.contains(region));
    match unknown {
        Some(region) => Err(OperandError::NotWatched { region: shown(region, 80), watched: known }.into()),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use clap::Parser;

    #[derive(Parser)]
    struct QuestionLine {
        #[command(flatten)]
        question: QuestionFlags,
    }

    fn data_dir(words: &str) -> PathBuf {
        let environment = Environment::of(&[("AWS_REGION", "us-east-1")], Some("/home/me/.local/state"));
        let line = QuestionLine::try_parse_from(["muster"].into_iter().chain(words.split_whitespace())).unwrap();
        line.question.config(&environment).unwrap().data_dir
    }

    #[test]
    fn a_region_names_the_server_unless_something_else_does() {
        assert_ne!(data_dir("--region eu-west-1"), data_dir(""));
        assert_eq!(data_dir("--region us-east-1"), data_dir(""));
        assert_eq!(data_dir("--regions all --region eu-west-1"), data_dir("--regions all"));
        assert_eq!(data_dir("--data-dir /d --region eu-west-1"), PathBuf::from("/d"));
    }
}
