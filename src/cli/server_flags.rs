//! The flags of the commands that serve one account's inventory, or look at what such a server needs.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::BoolishValueParser;
use clap::{Args, ValueEnum};

use super::access_flags::AccessFlags;
use super::audit_flags::AuditFlags;
use super::file_settings::{self, ReadFile};
use super::idle_exit::IdleExit;
use super::kind_flags::KindFlags;
use super::listen_flags::ListenFlags;
use super::quiet_flags::QuietFlags;
use super::store_flags::{StoreFlags, settled};
use super::write_flags::{WriteFlags, given_or};
use crate::config::{
    self, Config, ConfigError, ConfigFault, Environment, Given, GivenFile, Interval, ListMode, Queue, REDACT_NOTHING,
    RequestShare, Size,
};
use crate::kinds::KINDS;
use crate::kinds::rules::DEFAULT_NAME;
use crate::model::AccountId;
use crate::model::text::chain;
use crate::query::prices::PriceTable;

/// The flags that say which account is served, from which store, and how.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct ServerFlags {
    #[command(flatten)]
    store: StoreFlags,
    /// The AWS account that the credentials have to belong to [default: the account that STS names]
    ///
    /// It is a number of 12 digits, such as 123456789012. Credentials of another account are refused. Where STS cannot be
    /// reached, this account is assumed without proof.
    #[arg(long, env = "MUSTER_ACCOUNT", value_name = "ACCOUNT", value_parser = config::account, hide_env_values = true)]
    account: Option<AccountId>,
    /// The AWS region, such as eu-central-1 [default: `AWS_REGION`, else `AWS_DEFAULT_REGION`, else the profile's]
    #[arg(long, env = "MUSTER_REGION", value_name = "REGION", hide_env_values = true)]
    region: Option<String>,
    #[command(flatten)]
    writes: WriteFlags,
    /// What resources/list shows; `auto` shows everything in a small account, else collections [default: auto]
    ///
    /// `auto` lists everything up to 500 resources; above that it lists summaries, VPCs and one collection for each kind.
    /// `all` and `collections` do one or the other, whatever the number.
    #[arg(long, env = "MUSTER_LIST", value_name = "MODE", hide_env_values = true)]
    list: Option<ListFlag>,
    #[command(flatten)]
    kinds: KindFlags,
    /// How often a kind is swept, such as instance=30s, or all=1m for every other kind (repeatable) [default: 60s for instances and their status, 600s for snapshots and images, else 300s]
    ///
    /// It is the time from the start of one sweep to the start of the next, at least 1s. Several are separated by commas.
    #[arg(long, env = "MUSTER_INTERVAL", value_name = "KIND=DURATION", value_delimiter = ',', hide_env_values = true)]
    interval: Vec<Interval>,
    /// The share of AWS's request limits to use, from 0.01 to 1 [default: 0.25]
    ///
    /// AWS limits the requests of an account by region and action. Tools take precedence over sweeps within the share.
    #[arg(long, env = "MUSTER_AWS_SHARE", value_name = "SHARE", hide_env_values = true)]
    aws_share: Option<RequestShare>,
    /// Assume the profile's role with a source identity for the clients of tools that change AWS
    ///
    /// It is the name of the client's session. The role's trust policy has to allow sts:SetSourceIdentity. `muster help
    /// credentials` says which of AWS's records show it.
    #[arg(long, env = "MUSTER_SOURCE_IDENTITY", value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = BoolishValueParser::new(), hide_env_values = true)]
    source_identity: Option<bool>,
    /// An SQS queue that EventBridge writes this account's events to (repeatable)
    ///
    /// Use it for a queue of any name; --events finds the queue that `muster setup` makes. Write REGION=URL where the URL names
    /// no region.
    #[arg(long, env = "MUSTER_QUEUE_URL", value_name = "URL", value_delimiter = ',', hide_env_values = true)]
    queue_url: Vec<Queue>,
    /// Listen to the events that `muster setup` sends to the queue NAME-events of each watched region [default name: muster]
    ///
    /// Without it, and without --queue-url, only sweeps find changes: see `muster help events`.
    #[arg(long, env = "MUSTER_EVENTS", value_name = "NAME", num_args = 0..=1, default_missing_value = DEFAULT_NAME, hide_env_values = true)]
    events: Option<String>,
    /// How often a kind is swept while events are proved to arrive, such as instance=10m (repeatable) [default: instance=5m, else 1h]
    ///
    /// Only a kind whose every change causes an event can have one: instance, vpc and security-group. At least 1s; a value below
    /// the kind's --interval has no effect.
    #[arg(long, env = "MUSTER_RELAXED", value_name = "KIND=DURATION", value_delimiter = ',', hide_env_values = true)]
    relaxed: Vec<Interval>,
    /// How often a canary is sent through each EventBridge rule to prove that events arrive [default: 60s]
    ///
    /// It is between 1s and 1h. A canary is a custom event, which AWS bills: see `muster help events`.
    #[arg(long, env = "MUSTER_CANARY_INTERVAL", value_name = "DURATION", value_parser = config::duration, hide_env_values = true)]
    canary_interval: Option<Duration>,
    /// How long the log keeps changes [default: 30d]
    ///
    /// At least 1s. Older changes are folded into the state at the beginning of the log. A smaller --retain-size may
    /// drop changes earlier.
    #[arg(long, env = "MUSTER_RETAIN_AGE", value_name = "DURATION", value_parser = config::duration, hide_env_values = true)]
    retain_age: Option<Duration>,
    /// How large the log may grow, such as 2GiB [default: the larger of 1GiB and 20KB a resource, at most a quarter of the disk]
    ///
    /// At least 1MiB. KiB, MiB, GiB and TiB count in 1024, KB, MB, GB and TB in 1000. Changes of the last five minutes are kept
    /// whatever their size.
    #[arg(long, env = "MUSTER_RETAIN_SIZE", value_name = "SIZE", hide_env_values = true)]
    retain_size: Option<Size>,
    /// How much of the disk to keep free; nothing is written below that [default: 256MiB]
    ///
    /// With less free space the server records nothing, serves what it knows as stale, and goes on when there is space again.
    /// 0 turns this off.
    #[arg(long, env = "MUSTER_KEEP_FREE", value_name = "SIZE", hide_env_values = true)]
    keep_free: Option<Size>,
    /// Tag keys whose values are redacted, such as *password*,pin, or none [default: keys that look like those of passwords, tokens and other secrets]
    ///
    /// It replaces the default patterns. * and ? are wildcards; letter case and -_.:/ in keys do not matter. `muster help
    /// configuration` lists the default patterns.
    #[arg(long, env = "MUSTER_REDACT_TAG_KEYS", value_name = "PATTERN", value_delimiter = ',', hide_env_values = true)]
    redact_tag_keys: Vec<String>,
    /// A file of list prices, in the form that `muster prices --print` prints [default: the prices that Muster carries]
    #[arg(long, env = "MUSTER_PRICES", value_name = "FILE", hide_env_values = true)]
    prices: Option<PathBuf>,
    #[command(flatten)]
    audit: AuditFlags,
    #[command(flatten)]
    quiet: QuietFlags,
}

/// What a configuration file may say: these flags, and those of the server itself.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct FileFlags {
    #[command(flatten)]
    shared: ServerFlags,
    #[command(flatten)]
    listen: ListenFlags,
    #[command(flatten)]
    idle_exit: IdleExit,
    #[command(flatten)]
    access: AccessFlags,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ListFlag {
    Auto,
    All,
    Collections,
}

impl ServerFlags {
    /// The flags that give `config` to another process, without those about writes: whoever starts that process decides on them.
    pub(super) fn of(config: &Config) -> Self {
        let given = |(kind, every): (&String, &Duration)| Interval { kind: kind.clone(), every: *every };
        ServerFlags {
            store: StoreFlags {
                config: config.file.clone(),
                data_dir: Some(config.data_dir.clone()),
                profile: config.selection.profile.clone(),
                regions: config.selection.regions().to_vec(),
            },
            account: config.account.clone(),
            region: config.selection.region.clone(),
            writes: WriteFlags::default(),
            list: Some(match config.list {
                ListMode::Auto => ListFlag::Auto,
                ListMode::All => ListFlag::All,
                ListMode::Collections => ListFlag::Collections,
            }),
            kinds: KindFlags::of(config),
            interval: config.intervals.iter().map(given).collect(),
            aws_share: Some(config.aws_share),
            source_identity: config.source_identity.then_some(true),
            queue_url: config.queues.clone(),
            events: config.events.clone(),
            relaxed: config.relaxed.iter().map(given).collect(),
            canary_interval: Some(config.canary_interval),
            retain_age: Some(config.retain_age),
            retain_size: config.retain_size.map(Size::of),
            keep_free: Some(Size::of(config.keep_free)),
            redact_tag_keys: match config.redact_tag_keys.as_slice() {
                [] => vec![REDACT_NOTHING.to_owned()],
                patterns => patterns.to_vec(),
            },
            prices: config.prices.clone(),
            audit: AuditFlags::of(config.audit.as_ref()),
            quiet: QuietFlags::of(config),
        }
    }

    /// The flags of a server that has a configuration file and nothing else.
    pub(super) fn of_file(path: PathBuf) -> Self {
        ServerFlags { store: StoreFlags { config: Some(path), ..StoreFlags::default() }, ..ServerFlags::default() }
    }

    /// These flags for a client's configuration. There a variable gives the region, and paths are absolute, since the client has
    /// another working directory. A profile stays a flag: only a flag takes precedence over keys in the client's environment.
    pub(super) fn for_client(self, environment: &Environment) -> Self {
        let data_dir = self.store.data_dir.map(|dir| environment.absolute(&dir));
        let config = self.store.config.map(|path| environment.absolute(&path));
        let prices = self.prices.map(|path| environment.absolute(&path));
        let audit_file = self.audit.audit_file.map(|path| environment.absolute(&path));
        ServerFlags {
            prices,
            audit: AuditFlags { audit_file, ..self.audit },
            store: StoreFlags { config, data_dir, profile: self.store.profile, ..StoreFlags::default() },
            region: None,
            ..self
        }
    }

    /// These flags with `profile` where they name none.
    pub(super) fn or_profile(mut self, profile: &str) -> Self {
        self.store.profile.get_or_insert_with(|| profile.to_owned());
        self
    }

    /// The flags that give `config` to another process as arguments. What a configuration file says is not among them, since that
    /// process reads the file itself.
    pub(super) fn handed_on(config: &Config) -> Vec<OsString> {
        Self::given(config).into_iter().flat_map(|(_, words)| words).collect()
    }

    /// The same without the data directory.
    pub(super) fn handed_on_without_directory(config: &Config) -> Vec<OsString> {
        let given = Self::given(config).into_iter().filter(|(flag, _)| *flag != "--data-dir");
        given.flat_map(|(_, words)| words).collect()
    }

    fn given(config: &Config) -> Vec<(&'static str, Vec<OsString>)> {
        let flags = Self::of(config);
        if config.file.is_none() {
            return flags.pairs();
        }
        let off = |flag: &str, is_on: bool| (!is_on && config.named.contains(flag)).then_some(false);
        let required = config.audit.as_ref().is_some_and(|audit| audit.required);
        let audit_required = flags.audit.audit_required.or(off("--audit-required", required));
        let flags = ServerFlags {
            source_identity: flags.source_identity.or(off("--source-identity", config.source_identity)),
            audit: AuditFlags { audit_required, ..flags.audit },
            ..flags
        };
        let always = ["--config", "--data-dir"];
        let pairs = flags.pairs().into_iter();
        pairs.filter(|(flag, _)| always.contains(flag) || config.named.contains(*flag)).collect()
    }

    /// The flags as arguments of a command line.
    pub(super) fn words(&self) -> Vec<OsString> {
        self.pairs().into_iter().flat_map(|(_, words)| words).collect()
    }

    /// The flags that are given.
    fn named(&self) -> impl Iterator<Item = String> {
        self.pairs().into_iter().map(|(flag, _)| flag.to_owned())
    }

    /// The flags with their arguments. Those of writes have no name of their own here.
    fn pairs(&self) -> Vec<(&'static str, Vec<OsString>)> {
        let mut words: Vec<(&'static str, Vec<OsString>)> = Vec::new();
        let mut flag = |name: &'static str, value: Option<OsString>| {
            words.extend(value.map(|value| (name, vec![OsString::from(name), value])));
        };
        let StoreFlags { config, data_dir, profile, regions } = &self.store;
        flag("--config", config.clone().map(Into::into));
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
        flag("--canary-interval", self.canary_interval.map(|every| config::duration_text(every).into()));
        flag("--retain-age", self.retain_age.map(|age| config::duration_text(age).into()));
        flag("--retain-size", self.retain_size.map(|size| size.to_string().into()));
        flag("--keep-free", self.keep_free.map(|size| size.to_string().into()));
        flag("--redact-tag-keys", Some(self.redact_tag_keys.join(",")).filter(|keys| !keys.is_empty()).map(Into::into));
        flag("--prices", self.prices.clone().map(Into::into));
        let switch = |flag: &str, is_on: bool| vec![if is_on { flag.into() } else { format!("{flag}=false").into() }];
        words.extend(self.source_identity.map(|is_on| ("--source-identity", switch("--source-identity", is_on))));
        let AuditFlags { audit_file, audit_required } = &self.audit;
        let audit_file = audit_file.clone().map(|path| vec!["--audit-file".into(), path.into()]);
        words.extend(audit_file.map(|file| ("--audit-file", file)));
        words.extend(audit_required.map(|is_on| ("--audit-required", switch("--audit-required", is_on))));
        words.extend(self.kinds.pair());
        words.extend(self.quiet.pairs().map(|(flag, value)| (flag, vec![flag.into(), value])));
        words.push(("", self.writes.words()));
        words
    }

    /// These flags, and those of a file where they are not given. A flag replaces all values that its name has in the file.
    fn over(self, file: ServerFlags) -> Self {
        let (store, region) = self.store.over(self.region, file.store, file.region);
        ServerFlags {
            store,
            region,
            account: self.account.or(file.account),
            writes: self.writes.over(file.writes),
            list: self.list.or(file.list),
            kinds: self.kinds.over(file.kinds),
            interval: given_or(self.interval, file.interval),
            aws_share: self.aws_share.or(file.aws_share),
            source_identity: self.source_identity.or(file.source_identity),
            queue_url: given_or(self.queue_url, file.queue_url),
            events: self.events.or(file.events),
            relaxed: given_or(self.relaxed, file.relaxed),
            canary_interval: self.canary_interval.or(file.canary_interval),
            retain_age: self.retain_age.or(file.retain_age),
            retain_size: self.retain_size.or(file.retain_size),
            keep_free: self.keep_free.or(file.keep_free),
            redact_tag_keys: given_or(self.redact_tag_keys, file.redact_tag_keys),
            prices: self.prices.or(file.prices),
            audit: self.audit.over(file.audit),
            quiet: self.quiet.over(&file.quiet),
        }
    }

    /// Merges these flags, and those of the file that they name, into a configuration.
    ///
    /// # Errors
    /// What is wrong with the file, or with a flag.
    pub(super) fn config(self, environment: &Environment) -> Result<Config, ConfigError> {
        let Some(path) = self.store.config.clone() else { return self.merged(None, environment) };
        let read = ReadFile::<FileFlags>::whole(&path, environment)?;
        let of_file = read.flags()?;
        judged(&read, &of_file, environment)?;
        let named = self.named().filter(|flag| !["", "--config", "--data-dir"].contains(&flag.as_str()));
        let FileFlags { shared, listen, idle_exit, access } = of_file;
        let file = read.given(named.collect::<Vec<_>>());
        let access = access.options(environment).with_lists_of(file.access);
        let listen = listen.settings(environment);
        let file = GivenFile { listen, idle_exit: idle_exit.idle_exit, access, ..file };
        self.over(shared).merged(Some(file), environment)
    }

    fn merged(self, file: Option<GivenFile>, environment: &Environment) -> Result<Config, ConfigError> {
        let audit_required = self.audit.is_required();
        let given = Given {
            file,
            data_dir: self.store.data_dir,
            profile: self.store.profile,
            account: self.account,
            region: self.region,
            regions: self.store.regions,
            writes: self.writes.policy(),
            list: self.list.map(|list| match list {
                ListFlag::Auto => ListMode::Auto,
                ListFlag::All => ListMode::All,
                ListFlag::Collections => ListMode::Collections,
            }),
            kinds: self.kinds.kinds,
            intervals: self.interval,
            aws_share: self.aws_share,
            source_identity: self.source_identity == Some(true),
            queues: self.queue_url,
            events: self.events,
            relaxed: self.relaxed,
            canary_interval: self.canary_interval,
            retain_age: self.retain_age,
            retain_size: self.retain_size,
            keep_free: self.keep_free,
            redact_tag_keys: self.redact_tag_keys,
            prices: self.prices,
            audit_file: self.audit.audit_file,
            audit_required,
            quiet_interval: self.quiet.quiet_interval,
            quiet_after: self.quiet.quiet_after,
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

/// Checks the settings of a file by themselves, so that what is wrong with one is said with its place.
fn judged(read: &ReadFile<FileFlags>, whole: &FileFlags, environment: &Environment) -> Result<(), ConfigError> {
    let environment = environment.with_endpoint_only();
    let check = |flags: FileFlags| {
        let FileFlags { shared: mut flags, listen, .. } = flags;
        // Whether clients have to say who they are, another setting says.
        listen.settings(&environment).check(true)?;
        // Without a home directory there would be no place for a store, but flags may name one.
        flags.store.data_dir.get_or_insert_with(|| PathBuf::from("/"));
        flags.merged(None, &environment).map(drop)
    };
    let Err(error) = check(whole.clone()) else { return Ok(()) };
    let said = |error: &ConfigError| file_settings::of_keys::<FileFlags>(&chain(error));
    let faults = read.each().filter_map(|(setting, flags)| {
        // One that needs another is no fault of its own.
        let error = check(flags)
            .err()
            .filter(|error| !matches!(error, ConfigError::AuditFile | ConfigError::HalfOfTls { .. }))?;
        let what = said(&error);
        let what = what.strip_prefix(&format!("{} ", setting.key)).map(str::to_owned).unwrap_or(what);
        Some(file_settings::fault(setting, what))
    });
    let mut faults: Vec<ConfigFault> = faults.collect();
    faults.sort_by_key(|fault| fault.place);
    Err(read.refused(if faults.is_empty() { vec![ConfigFault::of_all(said(&error))] } else { faults }))
}

#[cfg(test)]
mod tests;
