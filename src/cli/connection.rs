//! The flags of everything that serves one account's inventory.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::BoolishValueParser;
use clap::{Args, ValueEnum};

use super::store_flags::{StoreFlags, settled};
use crate::config::{self, Config, ConfigError, Environment, Given, Interval, ListMode, Queue, Share, Size};
use crate::kinds::KINDS;
use crate::kinds::rules::DEFAULT_NAME;
use crate::model::AccountId;
use crate::query::prices::PriceTable;

/// Which account, which store, and how it is served.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct Connection {
    #[command(flatten)]
    store: StoreFlags,
    /// The AWS account that the credentials have to belong to; needed where STS cannot be reached [default: as STS says]
    #[arg(long, env = "MUSTER_ACCOUNT", value_name = "ACCOUNT", value_parser = config::account, hide_env_values = true)]
    account: Option<AccountId>,
    /// The AWS region [default: `AWS_REGION`, else the profile's]
    #[arg(long, env = "MUSTER_REGION", value_name = "REGION", hide_env_values = true)]
    region: Option<String>,
    /// Offer the tools that change AWS: start, stop and snapshot instances
    #[arg(long, env = "MUSTER_ALLOW_WRITES", value_parser = BoolishValueParser::new(), hide_env_values = true)]
    allow_writes: bool,
    /// What resources/list shows; `auto` shows everything in a small account, else collections [default: auto]
    #[arg(long, env = "MUSTER_LIST", value_name = "MODE", hide_env_values = true)]
    list: Option<List>,
    /// How often a kind is swept, such as instance=30s, or all=1m for every kind not named (repeatable) [default: 60s for instances and their status, 600s for snapshots and images, else 300s]
    #[arg(long, env = "MUSTER_INTERVAL", value_name = "KIND=DURATION", value_delimiter = ',', hide_env_values = true)]
    interval: Vec<Interval>,
    /// The share of AWS's request limits to use [default: 0.25]
    #[arg(long, env = "MUSTER_AWS_SHARE", value_name = "SHARE", hide_env_values = true)]
    aws_share: Option<Share>,
    /// An SQS queue that EventBridge writes this account's events to; REGION=URL where the URL names no region (repeatable)
    #[arg(long, env = "MUSTER_QUEUE_URL", value_name = "URL", value_delimiter = ',', hide_env_values = true)]
    queue_url: Vec<Queue>,
    /// Listen to the events that `muster setup` sends to the queue NAME-events of each watched region [default name: muster]
    #[arg(long, env = "MUSTER_EVENTS", value_name = "NAME", num_args = 0..=1, default_missing_value = DEFAULT_NAME, hide_env_values = true)]
    events: Option<String>,
    /// How often a kind is swept while events are proved to arrive, such as instance=10m (repeatable) [default: instance=5m, else 1h]
    #[arg(long, env = "MUSTER_RELAXED", value_name = "KIND=DURATION", value_delimiter = ',', hide_env_values = true)]
    relaxed: Vec<Interval>,
    /// How often a canary is sent through each EventBridge rule to prove that events arrive [default: 60s]
    #[arg(long, env = "MUSTER_CANARY_INTERVAL", value_name = "DURATION", value_parser = config::duration, hide_env_values = true)]
    canary_interval: Option<Duration>,
    /// How long the log keeps changes [default: 30d]
    #[arg(long, env = "MUSTER_RETAIN_AGE", value_name = "DURATION", value_parser = config::duration, hide_env_values = true)]
    retain_age: Option<Duration>,
    /// How large the log may grow, such as 2GiB [default: the larger of 1GiB and 20KB a resource, at most a quarter of the disk]
    #[arg(long, env = "MUSTER_RETAIN_SIZE", value_name = "SIZE", hide_env_values = true)]
    retain_size: Option<Size>,
    /// How much of the disk to keep free; nothing is written below that [default: 256MiB]
    #[arg(long, env = "MUSTER_KEEP_FREE", value_name = "SIZE", hide_env_values = true)]
    keep_free: Option<Size>,
    /// A file of list prices, in the form that `muster prices --print` prints [default: the prices that Muster carries]
    #[arg(long, env = "MUSTER_PRICES", value_name = "FILE", hide_env_values = true)]
    prices: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum List {
    Auto,
    All,
    Collections,
}

impl Connection {
    /// The flags that say all of `config`, except for `--allow-writes`: how far another process may go is for its starter
    /// to decide.
    pub(super) fn of(config: &Config) -> Self {
        let given = |(kind, every): (&String, &Duration)| Interval { kind: kind.clone(), every: *every };
        Connection {
            store: StoreFlags {
                data_dir: Some(config.data_dir.clone()),
                profile: config.selection.profile.clone(),
                regions: config.selection.regions().to_vec(),
            },
            account: config.account.clone(),
            region: config.selection.region.clone(),
            allow_writes: false,
            list: Some(match config.list {
                ListMode::Auto => List::Auto,
                ListMode::All => List::All,
                ListMode::Collections => List::Collections,
            }),
            interval: config.intervals.iter().map(given).collect(),
            aws_share: Some(config.aws_share),
            queue_url: config.queues.clone(),
            events: config.events.clone(),
            relaxed: config.relaxed.iter().map(given).collect(),
            canary_interval: Some(config.canary_interval),
            retain_age: Some(config.retain_age),
            retain_size: config.retain_size.map(Size::of),
            keep_free: Some(Size::of(config.keep_free)),
            prices: config.prices.clone(),
        }
    }

    /// These flags for a client's configuration: the region is said in a variable there, and the client has another working
    /// directory. A profile that was asked for stays a flag: only as one does it take precedence over keys that the client may
    /// have in its environment.
    pub(super) fn for_client(self, environment: &Environment) -> Self {
        let data_dir = self.store.data_dir.map(|dir| environment.absolute(&dir));
        let prices = self.prices.map(|path| environment.absolute(&path));
        Connection {
            prices,
            store: StoreFlags { data_dir, profile: self.store.profile, ..StoreFlags::default() },
            region: None,
            ..self
        }
    }

    /// The flags as words of a command line.
    pub(super) fn words(&self) -> Vec<OsString> {
        let mut words = Vec::new();
        let mut flag = |name: &str, value: Option<OsString>| {
            words.extend(value.into_iter().flat_map(|value| [OsString::from(name), value]));
        };
        let StoreFlags { data_dir, profile, regions } = &self.store;
        flag("--data-dir", data_dir.clone().map(Into::into));
        flag("--profile", profile.clone().map(Into::into));
        flag("--account", self.account.as_ref().map(|account| account.as_str().into()));
        flag("--region", self.region.clone().map(Into::into));
        flag("--regions", Some(regions.join(",")).filter(|names| !names.is_empty()).map(Into::into));
        flag("--list", self.list.and_then(|list| Some(list.to_possible_value()?.get_name().into())));
        for interval in &self.interval {
            flag("--interval", Some(interval.to_string().into()));
        }
        flag("--aws-share", self.aws_share.map(|share| share.to_string().into()));
        for queue in &self.queue_url {
            flag("--queue-url", Some(queue.to_string().into()));
        }
        flag("--events", self.events.clone().map(Into::into));
        for relaxed in &self.relaxed {
            flag("--relaxed", Some(relaxed.to_string().into()));
        }
        flag("--canary-interval", self.canary_interval.map(|every| format!("{}ms", every.as_millis()).into()));
        flag("--retain-age", self.retain_age.map(|age| format!("{}ms", age.as_millis()).into()));
        flag("--retain-size", self.retain_size.map(|size| size.to_string().into()));
        flag("--keep-free", self.keep_free.map(|size| size.to_string().into()));
        flag("--prices", self.prices.clone().map(Into::into));
        if self.allow_writes {
            words.push("--allow-writes".into());
        }
        words
    }

    /// Merges these flags into a configuration.
    pub(super) fn config(self, environment: &Environment) -> Result<Config, ConfigError> {
        let given = Given {
            data_dir: self.store.data_dir,
            profile: self.store.profile,
            account: self.account,
            region: self.region,
            regions: self.store.regions,
            allow_writes: self.allow_writes,
            list: self.list.map(|list| match list {
                List::Auto => ListMode::Auto,
                List::All => ListMode::All,
                List::Collections => ListMode::Collections,
            }),
            intervals: self.interval,
            aws_share: self.aws_share,
            queues: self.queue_url,
            events: self.events,
            relaxed: self.relaxed,
            canary_interval: self.canary_interval,
            retain_age: self.retain_age,
            retain_size: self.retain_size,
            keep_free: self.keep_free,
            prices: self.prices,
        };
        let kinds: Vec<&str> = KINDS.iter().map(|spec| spec.slug).collect();
        let config = Config::merge(given, environment, &kinds).map(settled)?;
        if let Some(path) = &config.prices
            && let Err(error) = PriceTable::read(path)
        {
            let source_name = environment.source("--prices", &path.to_string_lossy());
            return Err(ConfigError::Prices { source_name, why: error.to_string() });
        }
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        connection: Connection,
    }

    fn parse(arguments: impl IntoIterator<Item = OsString>) -> Config {
        let line = Line::try_parse_from([OsString::from("muster")].into_iter().chain(arguments)).unwrap();
        line.connection.config(&Environment::of(&[], Some("/home/me/.local/state"))).unwrap()
    }

    #[test]
    fn flags_made_from_a_configuration_lead_back_to_it() {
        let given = "--profile dev --account 123456789012 --region eu-west-1 --list all --interval instance=30s --interval vpc=1h --aws-share 0.5 \
             --retain-age 7d --retain-size 32MiB --keep-free 1GiB --queue-url https://sqs.eu-west-1.amazonaws.com/123456789012/events \
             --events --relaxed instance=10m --canary-interval 30s";
        let config = parse(given.split_whitespace().map(OsString::from));
        assert_eq!(parse(Connection::of(&config).words()), config);
        assert_eq!(config.events.as_deref(), Some("muster"), "without a name it is the default one");
        for regions in ["us-west-2,eu-west-1", "all"] {
            let config = parse(["--regions", regions, "--region", "eu-west-3"].map(OsString::from));
            assert_eq!(parse(Connection::of(&config).words()), config, "{regions}");
        }
        let bare = parse([]);
        assert_eq!(parse(Connection::of(&bare).words()), bare);
    }
}
