//! The flags that lead to a data directory, and so to a server and its store.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use super::arguments::OperandError;
use super::file_settings::ReadFile;
use super::table::text;
use super::warnings::{self, field};
use super::write_flags::given_or;
use crate::app::client::InventoryClient;
use crate::config::{Config, ConfigError, Environment, Given};
use crate::connection::data_dir::{self, by_key};
use crate::connection::lock;
use crate::model::text::shown;
use crate::telemetry;

/// The flags, except for the region, that lead to a data directory.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct StoreFlags {
    /// A configuration file, with settings under the names of flags, and the accounts to watch [default: none is read]
    ///
    /// Flags and variables take precedence over the file. `muster config init` writes one, `muster config check` says what it
    /// means: see `muster help configuration`.
    #[arg(long, env = "MUSTER_CONFIG", value_name = "FILE", hide_env_values = true)]
    pub(super) config: Option<PathBuf>,
    /// Where the store, the lock and the socket are [default: a directory for this account in ~/.local/state/muster]
    ///
    /// Without it there is one directory for each profile (or access key), set of regions and endpoint. The directory is made
    /// for this user only. Where others can write the given directory, Muster makes one of its own inside it.
    #[arg(long, env = "MUSTER_DATA_DIR", value_name = "DIR", hide_env_values = true)]
    pub(super) data_dir: Option<PathBuf>,
    /// The AWS profile; takes precedence over keys in the environment [default: `AWS_PROFILE`, else `default`]
    ///
    /// As for the AWS CLI, keys in the environment take precedence over `AWS_PROFILE`. A profile may hold keys, a role or an
    /// SSO login: see `muster help credentials`.
    #[arg(long, env = "MUSTER_PROFILE", value_name = "NAME", hide_env_values = true)]
    pub(super) profile: Option<String>,
    /// Several AWS regions, or `all` that are enabled for the account; takes precedence over --region
    ///
    /// Names are separated by commas, such as us-east-1,eu-west-1. With `all`, AWS is asked for the regions at the start and
    /// every hour.
    #[arg(long, env = "MUSTER_REGIONS", value_name = "REGIONS", value_delimiter = ',', hide_env_values = true)]
    pub(super) regions: Vec<String>,
}

/// The flags of a command about a store as a whole.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct RegionalStoreFlags {
    #[command(flatten)]
    store: StoreFlags,
    /// The AWS region, such as eu-central-1 [default: `AWS_REGION`, else `AWS_DEFAULT_REGION`, else the profile's]
    ///
    /// Like --regions it selects the server, and its store, of these regions, so neither goes with --data-dir. They leave nothing
    /// out of an answer.
    #[arg(long, env = "MUSTER_REGION", value_name = "REGION", hide_env_values = true)]
    region: Option<String>,
}

/// The flags of a question, which may be about one region of several.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct QuestionFlags {
    #[command(flatten)]
    store: StoreFlags,
    /// Only this AWS region
    ///
    /// Without --regions and --data-dir it also says which server to ask: the one that `muster serve --region` started.
    #[arg(long, value_name = "REGION")]
    pub(super) region: Option<String>,
    // The variable leads to the server, and narrows no answer.
    #[arg(long, env = "MUSTER_REGION", value_name = "REGION", hide = true, hide_env_values = true)]
    home_region: Option<String>,
    /// Print the answer as JSON, as the server gives it to programs
    ///
    /// It is one document. Control characters are escaped.
    #[arg(long)]
    pub(super) json: bool,
}

/// Replaces the data directory by the one that the keys of the environment lead to. Where others can write the directory, as in a
/// container's volume, replaces it by a private one inside it.
pub(super) fn settled(config: Config) -> Config {
    let data_dir = by_key::locate(&config.data_dir, config.key_place.as_ref());
    Config { data_dir: data_dir::settle(&data_dir), ..config }
}

/// Says that `variable` led to a data directory on which no server runs.
fn elsewhere(variable: &str, is_ignored: bool) -> String {
    let about = if is_ignored { "" } else { "another EC2 than AWS's own, and about " };
    format!(
        "muster: {variable} is set, so this is about {about}a data directory of its own, on which no server runs. Where the variable is \
         meant for clients of EC2's read API, run `muster` itself without it"
    )
}

impl RegionalStoreFlags {
    /// The configuration file, if one is named.
    pub(super) fn file(&self) -> Option<&PathBuf> {
        self.store.config.as_ref()
    }
}

impl StoreFlags {
    /// Merges these flags, and those of the file where they are not given. A region of a question does not lead to accounts of a file.
    ///
    /// A file that cannot be used is told, and keeps nobody from a data directory that is known nevertheless.
    fn config(
        mut self,
        region: Option<String>,
        asked: Option<String>,
        environment: &Environment,
    ) -> Result<Config, ConfigError> {
        let read = self.config.take().map(|path| ReadFile::<RegionalStoreFlags>::selecting(&path, environment));
        let read = match read {
            None => None,
            Some((read, fault)) => match fault.or_else(|| read.flags().err()) {
                None => Some(read),
                Some(fault) => {
                    let Some(read) = self.despite(read, environment) else { return Err(fault) };
                    let way = "it is not needed to ask what is known, so this goes on without it";
                    telemetry::say(&format!("muster: the configuration file cannot be used; {way}:\n{fault}"));
                    Some(read)
                }
            },
        };
        let region = asked.filter(|_| read.as_ref().is_none_or(|read| !read.file.has_accounts)).or(region);
        let (store, region, file) = match read {
            None => (self, region, None),
            Some(read) => {
                let RegionalStoreFlags { store, region: of_file } = read.flags()?;
                let regions = [("--region", region.is_some()), ("--regions", !self.regions.is_empty())];
                let named = regions.into_iter().filter(|(_, is_given)| *is_given).map(|(flag, _)| flag.to_owned());
                let file = read.given(named);
                let (store, region) = self.over(region, store, of_file);
                (store, region, Some(file))
            }
        };
        let StoreFlags { config: _, data_dir, profile, regions } = store;
        let is_named = data_dir.is_some();
        let given = Given { file, data_dir, profile, region, regions, ..Given::default() };
        let config = Config::merge(given, environment, &[]).map(settled)?;
        let is_served = || lock::probe(&config.data_dir).is_err() || lock::is_restarting(&config.data_dir);
        if let Some(variable) = config.selection.endpoint_variable().filter(|_| !is_named && !is_served()) {
            telemetry::say(&elsewhere(variable, environment.ignores_endpoints()));
        }
        Ok(config)
    }

    /// What of a file that cannot be used leads to a data directory: its `data_dir`, or that it lists accounts, or that a server has
    /// watched its accounts; `None` where the data directory cannot be told.
    fn despite(
        &self,
        read: ReadFile<RegionalStoreFlags>,
        environment: &Environment,
    ) -> Option<ReadFile<RegionalStoreFlags>> {
        let mut read = read.with_only("data_dir");
        let of_file = read.flags().ok()?.store.data_dir;
        if self.data_dir.is_some() || of_file.is_some() || read.file.has_accounts {
            return Some(read);
        }
        read.file.has_accounts = true;
        let given = Given { file: Some(read.given([])), ..Given::default() };
        let watched = Config::merge(given, environment, &[]).map(settled).ok()?;
        data_dir::store(&watched.data_dir).exists().then_some(read)
    }

    /// These flags and `region`, and those of a file where they are not given. One region that is given replaces all of the file.
    pub(super) fn over(self, region: Option<String>, file: Self, of_file: Option<String>) -> (Self, Option<String>) {
        let names_regions = region.is_some() || !self.regions.is_empty();
        let (of_file, regions) = if names_regions { (None, Vec::new()) } else { (of_file, file.regions) };
        let store = StoreFlags {
            config: self.config,
            data_dir: self.data_dir.or(file.data_dir),
            profile: self.profile.or(file.profile),
            regions: given_or(self.regions, regions),
        };
        (store, region.or(of_file))
    }
}

impl RegionalStoreFlags {
    /// Merges these flags into a configuration.
    ///
    /// # Errors
    /// [`OperandError::TwoServers`] for a region beside a data directory, where it would say nothing; or what is wrong with a flag.
    pub(super) fn config(&self, environment: &Environment) -> anyhow::Result<Config> {
        if let Some(data_dir) = &self.store.data_dir
            && let Some(flag) = self.region_flag(environment)
        {
            let named = environment.source("--data-dir", &data_dir.to_string_lossy());
            return Err(OperandError::TwoServers { flag, named }.into());
        }
        Ok(self.store.clone().config(self.region.clone(), None, environment)?)
    }

    /// The flag of the command line that names regions. Variables may name them for every command.
    fn region_flag(&self, environment: &Environment) -> Option<&'static str> {
        let is_given =
            |flag: &str, name: &str| !name.trim().is_empty() && environment.source(flag, name.trim()) == flag;
        let is_one = self.region.as_deref().is_some_and(|name| is_given("--region", name));
        let are_several = self.store.regions.iter().any(|name| is_given("--regions", name));
        if is_one { Some("--region") } else { are_several.then_some("--regions") }
    }
}

impl QuestionFlags {
    /// Merges these flags into a configuration.
    pub(super) fn config(&self, environment: &Environment) -> Result<Config, ConfigError> {
        let elsewhere = self.store.data_dir.is_some() || !self.store.regions.is_empty();
        let asked = if elsewhere { None } else { self.region.clone() };
        self.store.clone().config(self.home_region.clone(), asked, environment)
    }

    /// Connects to the server, or opens the store. Checks that the regions of the command line are watched there.
    ///
    /// # Errors
    /// When nobody answers; [`OperandError::NotWatched`] for a region that is not watched.
    pub(super) async fn client(&self, config: &Config) -> anyhow::Result<InventoryClient> {
        let client = InventoryClient::connect(config).await?;
        watched(&client, &self.regions()).await?;
        Ok(client)
    }

    /// The regions of the command line, where something else leads to the server.
    pub(super) fn regions(&self) -> Vec<String> {
        let StoreFlags { data_dir, regions, .. } = &self.store;
        // Without a data directory they lead to the server that watches exactly these.
        let named = if data_dir.is_some() { regions.as_slice() } else { &[] };
        let named = named.iter().map(|name| name.trim()).filter(|name| !name.is_empty() && *name != ALL);
        named.map(str::to_owned).collect()
    }
}

/// The word for every region that is enabled for the account.
const ALL: &str = "all";

/// Refuses regions that the server does not watch. Otherwise an empty answer would look as if they held nothing.
///
/// # Errors
/// [`OperandError::NotWatched`], or when nobody answers.
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
    // A store without a server knows no region before the first sweep.
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

    #[derive(Parser)]
    struct StoreLine {
        #[command(flatten)]
        store: RegionalStoreFlags,
    }

    #[test]
    fn of_a_store_as_a_whole_a_region_does_not_go_with_a_data_directory() {
        let environment = Environment::of(&[("AWS_REGION", "us-east-1")], Some("/home/me/.local/state"));
        let config = |words: &str| {
            let line = StoreLine::try_parse_from(["muster"].into_iter().chain(words.split_whitespace())).unwrap();
            line.store.config(&environment)
        };
        for flag in ["--region eu-west-1", "--regions eu-west-1,mars", "--regions all"] {
            assert!(config(flag.trim_end_matches(",mars")).is_ok(), "{flag}");
            let error = config(&format!("--data-dir /d {flag}")).unwrap_err();
            let name = flag.split(' ').next().unwrap();
            assert!(error.is::<OperandError>() && error.to_string().starts_with(&format!("{name} selects")), "{error}");
        }
        assert_eq!(config("--data-dir /d").unwrap().data_dir, PathBuf::from("/d"));
    }
}
