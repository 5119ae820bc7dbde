//! `muster serve`.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;

use super::access_flags::AccessFlags;
use super::audit_flags::AuditFlags;
use super::host_flags::HostFlags;
use super::idle_exit::IdleExit;
use super::listen_flags::ListenFlags;
use super::output::Output;
use super::server_flags::ServerFlags;
use super::succession::Inheritance;
use super::write_flags;
use crate::app::reload::{FileContents, FileSource, WatchSources};
use crate::app::serve::{self, ServerEnd};
use crate::config::{self, Config, ConfigError, Environment, OwnEndpoint, ServerOptions};
use crate::connection::data_dir;
use crate::connection::flag_set::FlagSet;
use crate::connection::server_facts::{ServerLaunch, StartedBy};
use crate::connection::serving_record;
use crate::model::text::chain;
use crate::policy::WriteRule;
use crate::telemetry::LogDestination;

/// The arguments of `muster serve`.
#[derive(Clone, Debug, Args)]
pub(super) struct Serve {
    #[command(flatten)]
    connection: ServerFlags,
    #[command(flatten)]
    listen: ListenFlags,
    #[command(flatten)]
    hosts: HostFlags,
    /// Leave the terminal, log to a file, and end when no client is left; how `muster mcp` starts it
    #[arg(long, hide = true)]
    detached: bool,
    /// Permit over HTTP what a detached server permits: how one takes over from a server that a person started
    #[arg(long, hide = true)]
    http_writes: bool,
    #[command(flatten)]
    idle_exit: IdleExit,
    #[command(flatten)]
    access: AccessFlags,
    /// Only check whether this server could start once the one that listens at this address has ended
    #[arg(long, hide = true, value_name = "ADDRESS", num_args = 0..=1)]
    #[expect(clippy::option_option, reason = "clap's form of a flag whose value may be left out")]
    check: Option<Option<SocketAddr>>,
    /// For how long evidence of a resource outweighs its absence from a listing, for tests against an emulator [default: 1m]
    #[arg(long, hide = true, value_name = "DURATION", value_parser = config::duration)]
    absence_after: Option<Duration>,
}

impl Serve {
    /// Whether to check only, and beside which address.
    #[expect(clippy::option_option, reason = "clap's form of a flag whose value may be left out")]
    pub(super) fn check(&self) -> Option<Option<SocketAddr>> {
        self.check
    }

    /// Merges these flags into a configuration.
    pub(super) fn config(self, environment: &Environment) -> Result<(Config, ServerOptions), ConfigError> {
        let mut config = self.connection.config(environment)?;
        // AWS itself is judged by the rule and nothing else.
        let absence_after = self.absence_after.filter(|_| config.selection.has_endpoint());
        if let Some(absence_after) = absence_after {
            config.absence_after = absence_after;
        }
        let listen = self.listen.settings(environment).over(&config.listen);
        let has_http = listen.http.is_some() || listen.ec2_api.address.is_some();
        let idle_exit = self.idle_exit.over(config.idle_exit);
        let access = self.access.options(environment).over(config.access.clone());
        let mut options = ServerOptions {
            listen,
            allowed_hosts: self.hosts.allowed_host,
            allowed_origins: self.hosts.allowed_origin,
            detached: self.detached,
            http_writes: self.http_writes,
            successor: Vec::new(),
            rules: rules(&config),
            // Nobody counts the clients of HTTP.
            idle_exit: idle_exit.of(self.detached).filter(|_| !has_http),
            access,
        };
        if let Some(address) = options.listen.ec2_api.address
            && let Some(own) = OwnEndpoint::of(address, environment)
        {
            return Err(own.refusal(address));
        }
        options.successor = successor(&config, &options, absence_after);
        Ok((config, options.check()?))
    }
}

impl Serve {
    /// Where the server of these flags reads its settings again, if it has a configuration file.
    pub(super) fn source(self, config: &Config, environment: &Environment) -> Option<FileSource> {
        let (path, contents, environment) = (config.file.clone()?, contents(config), environment.clone());
        let read = move || match self.clone().config(&environment) {
            Ok((config, _)) => Ok(self::contents(&config)),
            Err(error) => Err(chain(&error)),
        };
        Some(FileSource { path, contents, read: Arc::new(read) })
    }
}

/// What of a configuration is compared when its file is read again.
fn contents(config: &Config) -> FileContents {
    let listen = ListenFlags::of(&config.listen).words();
    let of_server = listen.into_iter().chain(IdleExit { idle_exit: config.idle_exit }.words());
    let of_server = of_server.chain(AccessFlags::of(&config.access).words());
    let words = ServerFlags::of(config).words().into_iter().chain(write_flags::words(&config.writes)).chain(of_server);
    FileContents {
        watched: WatchSources { accounts: config.account_sources(), kinds: config.kinds.clone() },
        settings: flags_of(&words.collect::<Vec<_>>()).without(&["--config", "--kinds"]),
        access: config.access.clone(),
    }
}

/// Leaves the terminal session of the process that started this one, so that closing the terminal does not end it. Returns where
/// to log.
pub(super) fn detach(config: &Config) -> anyhow::Result<LogDestination> {
    if let Err(error) = rustix::process::setsid() {
        // Only a process that already leads a group is refused, and it has no session to leave.
        tracing::debug!(%error, "no session of its own");
    }
    data_dir::prepare(&config.data_dir)?;
    Ok(LogDestination::File(data_dir::log(&config.data_dir)))
}

/// How this process was started, to serve `config`.
pub(super) fn launch(config: &Config, options: &ServerOptions) -> std::io::Result<ServerLaunch> {
    let idle_exit = IdleExit { idle_exit: Some(options.idle_exit.unwrap_or_default()) };
    let variable = |name: &str| std::env::var(name).ok();
    let Inheritance { unusable, has_former, kept_because, is_chosen } = Inheritance::read();
    Ok(ServerLaunch {
        program: std::env::current_exe()?,
        arguments: std::env::args_os().skip(1).collect(),
        started_by: StartedBy::of(options.detached, std::process::id(), &variable),
        flags: settings(config, &idle_exit),
        unusable,
        has_former,
        kept_because,
        is_chosen,
    })
}

/// The arguments of a detached server with these settings, without the data directory, `--http` and how to log; none where one of them
/// is not UTF-8.
fn successor(config: &Config, options: &ServerOptions, absence_after: Option<Duration>) -> Vec<String> {
    let mut words: Vec<OsString> = serving_record::DETACHED.map(Into::into).into();
    if config.writes.allow {
        words.extend(write_flags::words(&config.writes));
        words.extend((!options.is_http_read_only()).then(|| "--http-writes".into()));
    }
    words.extend(ServerFlags::handed_on_without_directory(config));
    let (allowed_host, allowed_origin) = (options.allowed_hosts.clone(), options.allowed_origins.clone());
    words.extend(HostFlags { allowed_host, allowed_origin }.words());
    words.extend(ListenFlags::of(&options.listen).words_but_address());
    let access = AccessFlags::of(&options.access);
    // What the file says, that one reads itself.
    let access = AccessFlags {
        token_file: access.token_file.filter(|file| config.access.token_file.as_ref() != Some(file)),
        public_url: access.public_url.filter(|url| config.access.public_url.as_ref() != Some(url)),
    };
    words.extend(access.words());
    words.extend(IdleExit { idle_exit: Some(options.idle_exit.unwrap_or_default()) }.words());
    let absence = |after: Duration| [OsString::from("--absence-after"), format!("{}ms", after.as_millis()).into()];
    words.extend(absence_after.into_iter().flat_map(absence));
    words.into_iter().map(|word| word.into_string().ok()).collect::<Option<_>>().unwrap_or_default()
}

/// The flags that give another server the rules for writes of `config`, with the audit file where a rule demands one; none where it
/// has no rules, or permits nothing that they could narrow.
fn rules(config: &Config) -> Vec<String> {
    let rules = config.writes.rules();
    if !config.writes.allow || rules.iter().all(|rule| matches!(rule, WriteRule::Writes(_))) {
        return Vec::new();
    }
    let mut words = write_flags::words(&config.writes);
    if rules.contains(&WriteRule::Audit) {
        words.extend(AuditFlags::of(config.audit.as_ref()).words());
    }
    let words = words.into_iter().map(|word| word.into_string().ok()).collect::<Option<_>>();
    // What cannot be kept could forbid anything.
    words.unwrap_or_else(|| vec!["--allow-writes=false".to_owned()])
}

/// The settings of a server of `config` as flags, to compare them.
pub(super) fn settings(config: &Config, idle_exit: &IdleExit) -> FlagSet {
    let words: Vec<OsString> = ServerFlags::of(config).words().into_iter().chain(idle_exit.words()).collect();
    flag_set(&words)
}

/// Reads flags. What is not UTF-8 is no value that could be compared.
pub(super) fn flag_set(words: &[OsString]) -> FlagSet {
    flags_of(words).without(&["--data-dir", "--allow-writes"])
}

fn flags_of(words: &[OsString]) -> FlagSet {
    FlagSet::of(words.iter().filter_map(|word| word.to_str()))
}

/// Serves until stopped. In the foreground it prints one line of JSON with its addresses.
pub(super) async fn run(
    config: &Config,
    options: ServerOptions,
    launch: ServerLaunch,
    source: Option<FileSource>,
) -> anyhow::Result<ServerEnd> {
    let detached = options.detached;
    let mut printed = Ok(());
    let announce = |listens: &serve::Listens| {
        if !detached {
            printed = Output::stdout().line(&listens.line());
        }
    };
    // On the heap: serving is a large future.
    let end = Box::pin(serve::run(config, options, launch, source, announce)).await?;
    printed?;
    Ok(end)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::model::kind_rules::ABSENCE_AFTER;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        serve: Serve,
    }

    #[test]
    fn the_server_that_comes_after_a_crash_has_every_rule_for_writes() {
        let environment = Environment::of(&[], Some("/home/me/.local/state"));
        let config = |words: &[&str]| {
            let line = Line::try_parse_from(["muster"].iter().chain(words)).unwrap();
            line.serve.config(&environment).unwrap()
        };
        for given in [
            &["--allow-writes=snapshot", "--write-tag", "Env=dev", "--write-region", "eu-west-1"][..],
            &["--allow-writes", "--deny-write", "tag:Env=prod,tool:reboot_instance", "--write-cap", "20/1h"],
            &["--allow-writes", "--require-human", "--audit-required", "--audit-file", "/logs/audit.jsonl"],
            &["--write-tag", "Env=dev"],
        ] {
            let (ruled, options) = config(given);
            let words: Vec<&str> = options.successor.iter().skip(1).map(String::as_str).collect();
            let (next, _) = config(&words);
            let allows = ruled.writes.allow;
            assert!(next.writes == ruled.writes || (!allows && !next.writes.allow), "{words:?}");
            // The rules alone are kept where the server is ended.
            let front_ends: Vec<&str> = options.rules.iter().map(String::as_str).collect();
            assert!(!allows || config(&front_ends).0.writes == ruled.writes, "{front_ends:?}");
            assert_eq!(front_ends.is_empty(), !allows);
        }
    }

    #[test]
    fn the_server_that_takes_over_has_the_same_settings_and_permits_no_more() {
        let parsed = |words: &[String]| {
            let line = Line::try_parse_from(["muster".to_owned()].iter().chain(words)).unwrap();
            line.serve.config(&Environment::of(&[], Some("/home/me/.local/state"))).unwrap()
        };
        let rules = "--allow-writes=snapshot --write-tag Env=dev --deny-write tag:Env=prod --write-cap 5/1h --list all";
        for (given, is_read_only) in [
            (format!("{rules} --http 127.0.0.1:1 --idle-exit 3m"), false),
            ("--detached --allow-writes --http 127.0.0.1:1".to_owned(), true),
            ("--interval all=1m --allowed-host muster.test --metrics 127.0.0.1:2 --ec2-api 127.0.0.1:3 --max-stale 5m --ec2-api-miss live --ec2-api-pass reads --ec2-api-keys /k.toml".to_owned(), true),
        ] {
            let (config, options) = parsed(&given.split(' ').map(str::to_owned).collect::<Vec<_>>());
            let place = ["--data-dir".to_owned(), config.data_dir.to_str().unwrap().to_owned()];
            let words: Vec<String> = options.successor.iter().skip(1).cloned().chain(place).collect();
            let (again, next) = parsed(&words);
            assert_eq!(again, config, "{words:?}");
            assert_eq!((next.allowed_hosts.clone(), next.idle_exit), (options.allowed_hosts, options.idle_exit));
            assert_eq!((next.listen.metrics, &next.listen.ec2_api), (options.listen.metrics, &options.listen.ec2_api));
            assert_eq!((next.detached, next.is_http_read_only()), (true, is_read_only), "{words:?}");
        }
    }

    #[test]
    fn only_an_emulator_is_judged_by_another_rule_than_aws() {
        fn absence_after(variables: &[(&'static str, &str)]) -> Duration {
            let line = Line::try_parse_from(["muster", "--absence-after", "5s"]).unwrap();
            line.serve.config(&Environment::of(variables, Some("/home/me/.local/state"))).unwrap().0.absence_after
        }
        assert_eq!(absence_after(&[("AWS_ENDPOINT_URL", "http://127.0.0.1:1")]), Duration::from_secs(5));
        assert_eq!(absence_after(&[]), ABSENCE_AFTER);
    }
}
