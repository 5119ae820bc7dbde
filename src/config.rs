//! What a process was told to do: flags over `MUSTER_*` over defaults, merged once into an immutable [`Config`].
//!
//! clap reads flags and `MUSTER_*` alike (`cli`), and leaves what nobody gave unset, so defaults exist here only. A
//! `muster.toml` would come in as a third [`Given`] between the variables and the defaults; there is none yet.
//! Merging is pure: [`Environment`] is captured once, by whoever runs the process.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

mod account;
mod aws;
pub mod environment;
mod meant;
pub mod place;
pub mod placeholder;
mod regions;
pub mod selection;
pub mod size;
pub mod tidy;

pub use crate::aws::queue::Queue;
use crate::kinds::KINDS;
pub use crate::mcp::ListMode;
use crate::model::AccountId;
use crate::setup::{Name, NameError};
pub use account::{AccountError, account};
pub use environment::Environment;
pub use selection::Selection;
pub use size::Size;

/// The shortest sweep interval that is accepted: below it a sweep never ends before the next is due.
pub const SHORTEST_INTERVAL: Duration = Duration::from_secs(1);

/// How often canaries are put on the bus unless told otherwise.
pub const CANARY_INTERVAL: Duration = Duration::from_mins(1);

/// How often canaries may be put.
pub const CANARY_INTERVALS: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_hours(1);

/// How long the log keeps records unless told otherwise.
pub const RETAIN_AGE: Duration = Duration::from_hours(30 * 24);

/// The shortest `--retain-age` that is accepted.
pub const SHORTEST_AGE: Duration = Duration::from_secs(1);

/// The smallest `--retain-size` that is accepted: about what a few hundred changes take.
pub const SMALLEST_LOG: u64 = 1 << 20;

/// How much of the disk stays free unless told otherwise.
pub const KEEP_FREE: u64 = 256 << 20;

/// What flags and `MUSTER_*` variables said; `None` and empty where they said nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Given {
    /// `--data-dir`.
    pub data_dir: Option<PathBuf>,
    /// `--profile`.
    pub profile: Option<String>,
    /// `--account`.
    pub account: Option<AccountId>,
    /// `--region`.
    pub region: Option<String>,
    /// `--regions`: names, or `all`.
    pub regions: Vec<String>,
    /// `--allow-writes`.
    pub allow_writes: bool,
    /// `--list`.
    pub list: Option<ListMode>,
    /// `--interval`, in the order given; the last of a kind counts, and before those of the kind `all`.
    pub intervals: Vec<Interval>,
    /// `--aws-share`.
    pub aws_share: Option<Share>,
    /// `--queue-url`.
    pub queues: Vec<Queue>,
    /// `--events`.
    pub events: Option<String>,
    /// `--relaxed`, in the order given; the last of a kind counts.
    pub relaxed: Vec<Interval>,
    /// `--canary-interval`.
    pub canary_interval: Option<Duration>,
    /// `--retain-age`.
    pub retain_age: Option<Duration>,
    /// `--retain-size`.
    pub retain_size: Option<Size>,
    /// `--keep-free`.
    pub keep_free: Option<Size>,
}

/// A part of AWS's request limits, in whole percent from 1 to 100.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share(u8);

/// How often one kind is swept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interval {
    /// The kind's slug, such as `instance`, or `all`.
    pub kind: String,
    /// From the start of one sweep to the start of the next.
    pub every: Duration,
}

/// What this process serves, and from where. Shared by every part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Which account and regions.
    pub selection: Selection,
    /// The account that the credentials have to belong to, where a person named it.
    pub account: Option<AccountId>,
    /// Where the store, the lock and the socket (or a link to it) are; absolute.
    pub data_dir: PathBuf,
    /// Where the operating system wants sockets, if it says so.
    pub runtime_dir: Option<PathBuf>,
    /// Whether tools that change AWS are offered.
    pub allow_writes: bool,
    /// What `resources/list` shows.
    pub list: ListMode,
    /// Sweep intervals that differ from their kind's own, by slug.
    pub intervals: BTreeMap<String, Duration>,
    /// The share of AWS's request limits to stay within.
    pub aws_share: Share,
    /// The queues that EventBridge's events come through; without any, only sweeps tell what changed.
    pub queues: Vec<Queue>,
    /// What the queues begin with that are to be found in each watched region; `None`: none is looked for.
    pub events: Option<String>,
    /// Sweep intervals, while events are proved to tell of every change, that differ from their kind's own, by slug.
    pub relaxed: BTreeMap<String, Duration>,
    /// How often canaries are put on the bus.
    pub canary_interval: Duration,
    /// How long the log keeps records before they are folded away.
    pub retain_age: Duration,
    /// How many live bytes the log may have before its oldest records are folded away; `None`: as the store decides.
    pub retain_size: Option<u64>,
    /// Writing stops when less than this many bytes would be left on the disk.
    pub keep_free: u64,
    /// The URL of an emulator to ask in place of AWS; only the demo sets it. (Others are reached with `AWS_ENDPOINT_URL`.)
    pub emulator: Option<String>,
}

/// What only a server is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listening {
    /// Where to serve Streamable HTTP; always loopback. `None`: the Unix socket only.
    pub http: Option<SocketAddr>,
    /// `Host` names to accept besides loopback's, for a proxy in front.
    pub allowed_hosts: Vec<String>,
    /// `Origin`s to accept besides loopback's.
    pub allowed_origins: Vec<String>,
    /// `Some`: started by `muster mcp` without a terminal, to exit this long after its last client left.
    pub linger: Option<Duration>,
}

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ConfigError {
    /// Neither a data directory nor a home directory is known.
    #[error("no home directory is known, so there is no place for the store: give --data-dir or set HOME")]
    NoHome,
    /// A data directory that begins with something that nothing replaced.
    #[error(
        "{source_name} is {}, and `{part}` names no home directory here: write the whole path, from / on",
        path.display()
    )]
    NoSuchHome {
        /// The flag or variable.
        source_name: String,
        /// What it holds.
        path: PathBuf,
        /// The part that is not known.
        part: String,
    },
    /// A value that a client did not fill in.
    #[error(
        "{source_name} holds the placeholder `{found}`, which the client's configuration did not fill in: write the value \
         itself there, or leave it out"
    )]
    Unfilled {
        /// The flag or variable.
        source_name: String,
        /// The placeholder.
        found: String,
    },
    /// Several regions where one belongs.
    #[error(
        "{source_name} holds several regions, `{given}`: it takes one; give several in MUSTER_REGIONS or --regions"
    )]
    SeveralRegions {
        /// The flag or variable.
        source_name: String,
        /// What was given.
        given: String,
    },
    /// An interval for a kind that does not exist.
    #[error("--interval names the kind `{kind}`: give all or one of {known}; for example --interval instance=30s")]
    UnknownKind {
        /// What was given.
        kind: String,
        /// Every slug.
        known: String,
    },
    /// An interval below [`SHORTEST_INTERVAL`].
    #[error("--interval {kind}={every:?} is too short: give at least 1s, for example {kind}=30s")]
    TooShort {
        /// The kind.
        kind: String,
        /// What was given.
        every: Duration,
    },
    /// A `--relaxed` for a kind that has changes which no event tells of, or that does not exist.
    #[error(
        "--relaxed names the kind `{kind}`: events tell of every change of {known} only; for example --relaxed instance=10m"
    )]
    Untold {
        /// What was given.
        kind: String,
        /// Every slug that may have one.
        known: String,
    },
    /// A `--relaxed` below [`SHORTEST_INTERVAL`].
    #[error("--relaxed {kind}={every:?} is too short: give at least 1s, for example {kind}=10m")]
    RelaxedTooShort {
        /// The kind.
        kind: String,
        /// What was given.
        every: Duration,
    },
    /// A `--canary-interval` out of [`CANARY_INTERVALS`].
    #[error("--canary-interval {given:?} is not between 1s and 1h: give for example 60s")]
    CanaryInterval {
        /// What was given.
        given: Duration,
    },
    /// An `--events` that names nothing that could be set up.
    #[error("--events names nothing that can be set up")]
    EventsName {
        /// Why.
        source: NameError,
    },
    /// A `--retain-age` below [`SHORTEST_AGE`].
    #[error("--retain-age {given:?} is too short: give at least 1s, for example 30d")]
    TooYoung {
        /// What was given.
        given: Duration,
    },
    /// A `--retain-size` below [`SMALLEST_LOG`].
    #[error("--retain-size {given} is too small: give at least 1MiB, for example 2GiB")]
    TooSmall {
        /// What was given.
        given: Size,
    },
    /// A region that nobody has.
    #[error("{source_name} names the region `{given}`{}", meant(*nearest))]
    UnknownRegion {
        /// The flag or variable.
        source_name: String,
        /// What was given.
        given: String,
        /// The known one that was probably meant.
        nearest: Option<&'static str>,
    },
    /// `all` beside names.
    #[error(
        "--regions names regions beside `all`: give either, for example --regions all or --regions us-east-1,eu-west-1"
    )]
    AllAndOthers,
    /// A listening address that others could reach.
    #[error(
        "--http {address} is not a loopback address: Muster does not authenticate HTTP clients, so it listens on \
         127.0.0.1 or [::1] only; put a proxy that authenticates in front, and name it with --allowed-host"
    )]
    NotLoopback {
        /// What was given.
        address: SocketAddr,
    },
}

fn meant(nearest: Option<&str>) -> String {
    match nearest {
        Some(nearest) => format!(": did you mean `{nearest}`?"),
        None => ", and no region has a name of that form: give one such as eu-central-1".to_owned(),
    }
}

impl Config {
    /// Merges what was given over AWS's own variables over the defaults. `kinds` are the slugs that may have an interval.
    ///
    /// # Errors
    /// A value out of range, an unknown kind, or no place for the data directory.
    pub fn merge(given: Given, environment: &Environment, kinds: &[&str]) -> Result<Self, ConfigError> {
        let given = given.said();
        meant::filled(&given, environment)?;
        let mut intervals = BTreeMap::new();
        // What is given for a kind takes precedence over what is given for all, in whatever order they stand.
        let (all, each): (Vec<_>, Vec<_>) =
            given.intervals.into_iter().partition(|interval| interval.kind == selection::ALL);
        let of_all =
            |all: Interval| kinds.iter().map(move |kind| Interval { kind: (*kind).to_owned(), every: all.every });
        for Interval { kind, every } in all.into_iter().flat_map(of_all).chain(each) {
            if !kinds.contains(&kind.as_str()) {
                return Err(ConfigError::UnknownKind { kind, known: kinds.join(", ") });
            }
            if every < SHORTEST_INTERVAL {
                return Err(ConfigError::TooShort { kind, every });
            }
            intervals.insert(kind, every);
        }
        let relaxed = relaxed(given.relaxed)?;
        let canary_interval = given.canary_interval.unwrap_or(CANARY_INTERVAL);
        if !CANARY_INTERVALS.contains(&canary_interval) {
            return Err(ConfigError::CanaryInterval { given: canary_interval });
        }
        let events = given.events;
        if let Some(Err(source)) = events.as_ref().map(|name| name.parse::<Name>()) {
            return Err(ConfigError::EventsName { source });
        }
        let regions = regions(&given.regions)?;
        let region = meant::region(given.region.as_deref(), environment)
            .filter(|_| regions.iter().all(|name| name == selection::ALL));
        let selection = Selection::new(given.profile, given.region, &regions, environment);
        let regions = regions.iter().map(|name| (environment.source("--regions", name), name.as_str()));
        let one = region.iter().map(|(source, name)| (source.clone(), name.as_str()));
        regions.chain(one).try_for_each(|(source, name)| meant::check(source, name, selection.has_endpoint()))?;
        let data_dir = match given.data_dir {
            Some(dir) => meant::located(&dir, environment)?,
            None => environment.state_home().ok_or(ConfigError::NoHome)?.join("muster").join(selection.digest()),
        };
        if let Some(given) = given.retain_age.filter(|age| *age < SHORTEST_AGE) {
            return Err(ConfigError::TooYoung { given });
        }
        if let Some(given) = given.retain_size.filter(|size| size.bytes() < SMALLEST_LOG) {
            return Err(ConfigError::TooSmall { given });
        }
        Ok(Config {
            selection,
            account: given.account,
            data_dir,
            runtime_dir: environment.runtime_dir().map(PathBuf::from),
            allow_writes: given.allow_writes,
            list: given.list.unwrap_or_default(),
            intervals,
            aws_share: given.aws_share.unwrap_or_default(),
            queues: given.queues,
            events,
            relaxed,
            canary_interval,
            retain_age: given.retain_age.unwrap_or(RETAIN_AGE),
            retain_size: given.retain_size.map(Size::bytes),
            keep_free: given.keep_free.map_or(KEEP_FREE, Size::bytes),
            emulator: None,
        })
    }
}

/// The intervals of `--relaxed`, of kinds whose every change events tell of.
fn relaxed(given: Vec<Interval>) -> Result<BTreeMap<String, Duration>, ConfigError> {
    let told = || KINDS.iter().filter(|spec| spec.relaxed.is_some()).map(|spec| spec.slug);
    let mut relaxed = BTreeMap::new();
    for Interval { kind, every } in given {
        if !told().any(|slug| slug == kind) {
            return Err(ConfigError::Untold { kind, known: told().collect::<Vec<_>>().join(", ") });
        }
        if every < SHORTEST_INTERVAL {
            return Err(ConfigError::RelaxedTooShort { kind, every });
        }
        relaxed.insert(kind, every);
    }
    Ok(relaxed)
}

/// The regions of `--regions`, each once: none, names, or `all` alone.
fn regions(given: &[String]) -> Result<Vec<String>, ConfigError> {
    let mut regions: Vec<String> = Vec::new();
    for name in given.iter().map(|name| name.trim()).filter(|name| !name.is_empty()) {
        let name = if name.eq_ignore_ascii_case(selection::ALL) { selection::ALL } else { name };
        if !regions.iter().any(|known| known == name) {
            regions.push(name.to_owned());
        }
    }
    if regions.len() > 1 && regions.iter().any(|name| name == selection::ALL) {
        return Err(ConfigError::AllAndOthers);
    }
    Ok(regions)
}

impl Listening {
    /// Checks what a server was told. A detached server has no HTTP listener, whatever `MUSTER_HTTP` says.
    ///
    /// # Errors
    /// [`ConfigError::NotLoopback`] when others could reach the address.
    pub fn check(self) -> Result<Self, ConfigError> {
        match self.http {
            _ if self.linger.is_some() => Ok(Listening { http: None, ..self }),
            Some(address) if !address.ip().is_loopback() => Err(ConfigError::NotLoopback { address }),
            _ => Ok(self),
        }
    }
}

impl Default for Share {
    fn default() -> Self {
        Share(25)
    }
}

impl Share {
    /// In percent, 1 to 100.
    #[must_use]
    pub fn percent(self) -> u8 {
        self.0
    }
}

/// Why text is not a [`Share`].
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{given}` is not a share: give a number from 0.01 to 1, for example 0.25")]
pub struct ShareError {
    given: String,
}

impl FromStr for Share {
    type Err = ShareError;

    fn from_str(text: &str) -> Result<Self, ShareError> {
        let share: Option<f64> = text.trim().parse().ok();
        let percent = |share: f64| (1..=100).find(|percent| (f64::from(*percent) / 100.0 - share).abs() < 0.005);
        share.and_then(percent).map(Share).ok_or_else(|| ShareError { given: text.to_owned() })
    }
}

impl fmt::Display for Share {
    /// As [`FromStr`] reads it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.2}", f64::from(self.0) / 100.0)
    }
}

/// Why text is not an [`Interval`] or a duration.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum IntervalError {
    /// No `=`.
    #[error("give KIND=DURATION, for example instance=30s")]
    NoKind,
    /// The duration is not one.
    #[error("`{given}` is not a duration: give a number with a unit, for example 30s, 5m or 1h")]
    NotADuration {
        /// What was given.
        given: String,
    },
}

impl FromStr for Interval {
    type Err = IntervalError;

    fn from_str(text: &str) -> Result<Self, IntervalError> {
        let (kind, every) = text.split_once('=').ok_or(IntervalError::NoKind)?;
        Ok(Interval { kind: kind.trim().to_owned(), every: duration(every)? })
    }
}

impl fmt::Display for Interval {
    /// As [`FromStr`] reads it, in whole milliseconds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}ms", self.kind, self.every.as_millis())
    }
}

/// Parses a duration as people write it: `30s`, `5m`, `1h 30m`, `30d`. A day is 24 hours.
///
/// # Errors
/// [`IntervalError::NotADuration`], also for negative ones.
pub fn duration(text: &str) -> Result<Duration, IntervalError> {
    let wrong = || IntervalError::NotADuration { given: text.to_owned() };
    let days = text.trim().strip_suffix('d').and_then(|days| days.trim_end().parse::<u32>().ok());
    if let Some(days) = days {
        return Ok(Duration::from_hours(24) * days);
    }
    let signed: jiff::SignedDuration = text.trim().parse().map_err(|_| wrong())?;
    Duration::try_from(signed).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment() -> Environment {
        Environment::of(&[("AWS_REGION", "eu-central-1")], Some("/home/me/.local/state"))
    }

    fn merge(given: Given) -> Result<Config, ConfigError> {
        Config::merge(given, &environment(), &["instance", "vpc"])
    }

    #[test]
    fn nothing_given_means_defaults_and_aws_variables() {
        let config = merge(Given::default()).unwrap();
        assert_eq!(config.selection.region.as_deref(), Some("eu-central-1"));
        assert_eq!(config.list, ListMode::Auto);
        assert!(!config.allow_writes);
        assert_eq!(config.aws_share.percent(), 25);
        assert_eq!(config.retain_age, duration("30d").unwrap());
        assert_eq!((config.retain_size, config.keep_free), (None, 256 << 20));
        assert!(config.data_dir.starts_with("/home/me/.local/state/muster"));
    }

    #[test]
    fn a_given_value_wins_over_the_variable() {
        let given = Given { region: Some("us-east-1".into()), data_dir: Some("d".into()), ..Given::default() };
        let config = merge(given).unwrap();
        assert_eq!(config.selection.region.as_deref(), Some("us-east-1"));
        assert_eq!(config.data_dir, PathBuf::from("/work/d"));
    }

    fn of_regions(regions: &[&str], region: Option<&str>) -> Result<Config, ConfigError> {
        let regions = regions.iter().map(|name| (*name).to_owned()).collect();
        merge(Given { regions, region: region.map(str::to_owned), ..Given::default() })
    }

    #[test]
    fn an_unknown_region_is_refused_with_the_near_miss() {
        for (regions, region) in [(&["us-east-1", "eu-cental-1"][..], None), (&[], Some("eu-cental-1"))] {
            let error = of_regions(regions, region).unwrap_err();
            assert!(error.to_string().contains("`eu-cental-1`: did you mean `eu-central-1`?"), "{error}");
        }
        assert!(of_regions(&["Frankfurt"], None).unwrap_err().to_string().contains("such as eu-central-1"));
        assert!(of_regions(&[], Some("")).is_ok());
    }

    #[test]
    fn behind_another_endpoint_any_region_may_be() {
        let environment = Environment::of(&[("AWS_ENDPOINT_URL", "http://127.0.0.1:5000")], Some("/s"));
        let given = Given { regions: vec!["RegionOne".into()], ..Given::default() };
        assert!(Config::merge(given, &environment, &[]).is_ok());
    }

    #[test]
    fn all_regions_stand_alone() {
        assert_eq!(of_regions(&["all", "us-east-1"], None), Err(ConfigError::AllAndOthers));
        let config = of_regions(&["ALL", " all", ""], Some("us-west-2")).unwrap();
        assert_eq!(config.selection.regions(), ["all"]);
        assert_eq!(config.selection.region.as_deref(), Some("us-west-2"));
    }

    #[test]
    fn an_interval_of_all_kinds_counts_for_those_that_are_not_named() {
        for given in [["all=1s", "vpc=1h"], ["vpc=1h", "all=1s"]] {
            let intervals = given.map(|text| text.parse().unwrap()).to_vec();
            let config = merge(Given { intervals, ..Given::default() }).unwrap();
            let expected = [("instance", Duration::from_secs(1)), ("vpc", Duration::from_hours(1))];
            assert_eq!(config.intervals, expected.map(|(kind, every)| (kind.to_owned(), every)).into());
        }
        let intervals = vec!["all=1ms".parse().unwrap()];
        assert!(matches!(merge(Given { intervals, ..Given::default() }), Err(ConfigError::TooShort { .. })));
    }

    #[test]
    fn the_last_interval_of_a_kind_counts() {
        let intervals = vec!["instance=30s".parse().unwrap(), "instance=2m".parse().unwrap()];
        let config = merge(Given { intervals, ..Given::default() }).unwrap();
        assert_eq!(config.intervals.get("instance"), Some(&Duration::from_mins(2)));
    }

    #[test]
    fn an_unknown_kind_is_refused_with_the_known_ones() {
        let intervals = vec!["instances=30s".parse().unwrap()];
        let error = merge(Given { intervals, ..Given::default() }).unwrap_err();
        assert!(error.to_string().contains("instance, vpc"), "{error}");
    }

    #[test]
    fn a_share_must_be_a_share() {
        for wrong in ["0", "-0.5", "1.5", "NaN", "25", "inf", "a quarter"] {
            assert!(wrong.parse::<Share>().is_err(), "{wrong}");
        }
        for (text, percent) in [("1", 100), ("0.25", 25), ("0.01", 1), (".5", 50)] {
            let share: Share = text.parse().unwrap();
            assert_eq!(share.percent(), percent);
            assert_eq!(share.to_string().parse::<Share>().unwrap(), share);
        }
    }

    #[test]
    fn an_interval_below_a_second_is_refused() {
        let intervals = vec!["vpc=10ms".parse().unwrap()];
        assert!(matches!(merge(Given { intervals, ..Given::default() }), Err(ConfigError::TooShort { .. })));
    }

    #[test]
    fn a_log_that_could_hold_nothing_is_refused() {
        let age = Given { retain_age: Some(Duration::ZERO), ..Given::default() };
        assert!(matches!(merge(age), Err(ConfigError::TooYoung { .. })));
        let size = Given { retain_size: Some(Size::of(1000)), ..Given::default() };
        assert!(merge(size).unwrap_err().to_string().starts_with("--retain-size 1000 is too small"));
        assert_eq!(duration("7d"), Ok(Duration::from_hours(7 * 24)));
        assert!(duration("99999999999d").is_err());
    }

    #[test]
    fn intervals_read_back_as_they_are_written() {
        let interval: Interval = "instance=1m 30s".parse().unwrap();
        assert_eq!(interval.every, Duration::from_secs(90));
        assert_eq!(interval.to_string().parse::<Interval>().unwrap(), interval);
        for wrong in ["instance", "instance=", "instance=-5s", "instance=5"] {
            assert!(wrong.parse::<Interval>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn only_kinds_whose_every_change_events_tell_of_are_relaxed() {
        let relaxed = |text: &str| merge(Given { relaxed: vec![text.parse().unwrap()], ..Given::default() });
        assert_eq!(relaxed("instance=10m").unwrap().relaxed.get("instance"), Some(&Duration::from_mins(10)));
        assert!(relaxed("subnet=10m").unwrap_err().to_string().contains("every change of instance"));
        assert!(matches!(relaxed("instance=1ms"), Err(ConfigError::RelaxedTooShort { .. })));
    }

    #[test]
    fn a_name_that_no_rule_could_have_is_refused_and_an_empty_one_is_none() {
        let named = |name: &str| merge(Given { events: Some(name.to_owned()), ..Given::default() });
        assert_eq!(named("team-a_1").unwrap().events.as_deref(), Some("team-a_1"));
        assert_eq!(named("").unwrap().events, None);
        for wrong in ["a b", "a.fifo", "x/y", "1a", "a-", &"a".repeat(41)] {
            assert!(matches!(named(wrong), Err(ConfigError::EventsName { .. })), "{wrong}");
        }
    }

    #[test]
    fn canaries_come_neither_all_the_time_nor_once_a_day() {
        let every = |seconds| merge(Given { canary_interval: Some(Duration::from_secs(seconds)), ..Given::default() });
        assert_eq!(every(1).unwrap().canary_interval, Duration::from_secs(1));
        assert!(every(0).is_err() && every(3601).is_err());
    }

    #[test]
    fn http_listens_on_loopback_only() {
        let listening = |http: &str, linger| {
            let http = Some(http.parse().unwrap());
            Listening { http, allowed_hosts: vec![], allowed_origins: vec![], linger }.check()
        };
        assert!(listening("127.0.0.1:0", None).is_ok());
        assert!(listening("[::1]:8080", None).is_ok());
        assert!(matches!(listening("0.0.0.0:8080", None), Err(ConfigError::NotLoopback { .. })));
        assert_eq!(listening("127.0.0.1:1", Some(Duration::ZERO)).unwrap().http, None);
    }
}
