//! Merges the settings of a process once into an immutable [`Config`]: flags take precedence over `MUSTER_*` variables, these over
//! the configuration file, and the file over defaults.
//!
//! clap (in `cli`) reads flags, variables and the values of the file, and leaves the others unset, so all defaults are here. Merging
//! is pure: [`Environment`] is captured once, at the start of the process, and the file is read before by [`ConfigFile`].

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

mod access_options;
mod account;
mod aws;
mod checks;
mod client_proxies;
mod ec2_api_settings;
pub mod environment;
mod error;
mod events_name;
pub mod file;
mod given;
mod http_place;
mod interval;
mod key_place;
mod kind_name;
mod listen_settings;
mod listening_address;
mod own_endpoint;
pub mod path_expansion;
pub mod placeholder;
mod regions;
pub mod selection;
mod server_options;
mod share;
pub mod size;
pub mod tidy;

use crate::audit::AuditOptions;
pub use crate::aws::queue::Queue;
use crate::aws::{AccountPlan, AccountSources, OrganizationPlan};
use crate::kinds::KINDS;
pub use crate::mcp::ListMode;
use crate::model::kind_rules::ABSENCE_AFTER;
use crate::model::secret_tags::SECRET_KEYS;
use crate::model::{AccountId, KindSelection};
use crate::policy::{WritePolicy, WriteRule};
pub use access_options::AccessOptions;
pub use account::{AccountError, account};
pub use client_proxies::ClientProxies;
pub use ec2_api_settings::{Ec2ApiMiss, Ec2ApiMissError, Ec2ApiPass, Ec2ApiPassError, Ec2ApiSettings};
pub use environment::Environment;
pub use error::ConfigError;
pub use events_name::{EventsName, EventsNameError};
pub use file::{ConfigFault, ConfigFile, FileSetting, SettingValue};
pub use given::{Given, GivenFile};
pub use http_place::{HttpPlace, HttpPlaceError};
pub use interval::{Interval, IntervalError, duration, duration_text};
pub use key_place::KeyPlace;
pub use kind_name::{KindName, KindNameError};
pub use listen_settings::ListenSettings;
pub use listening_address::{ListeningAddressError, listening_address};
pub use own_endpoint::OwnEndpoint;
pub use regions::is_region;
pub use selection::{FileChoice, Selection};
pub use server_options::ServerOptions;
pub use share::{RequestShare, RequestShareError};
pub use size::Size;

/// The shortest sweep interval that is accepted: below it a sweep never ends before the next is due.
pub const MIN_INTERVAL: Duration = Duration::from_secs(1);

/// The default of `--canary-interval`: how often canaries are put on the bus.
pub const CANARY_INTERVAL: Duration = Duration::from_mins(1);

/// The range of `--canary-interval`.
pub const CANARY_INTERVALS: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_hours(1);

/// The default of `--retain-age`: how long the log keeps records.
pub const RETAIN_AGE: Duration = Duration::from_hours(30 * 24);

/// The shortest `--retain-age` that is accepted.
pub const MIN_RETAIN_AGE: Duration = Duration::from_secs(1);

/// The smallest `--retain-size` that is accepted: about what a few hundred changes take.
pub const MIN_RETAIN_SIZE: u64 = 1 << 20;

/// The default of `--keep-free`: how many bytes of the disk stay free.
pub const KEEP_FREE: u64 = 256 << 20;

/// The default of `--quiet-interval`: from one sweep to the next of an account and region in which nothing happens.
pub const QUIET_INTERVAL: Duration = Duration::from_hours(1);

/// The default of `--quiet-after`: how long nothing must have happened.
pub const QUIET_AFTER: Duration = Duration::from_hours(24);

/// What `--redact-tag-keys` says to redact nothing.
pub const REDACT_NOTHING: &str = "none";

/// The settings of a process, shared by all its parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// What selects the account and the regions.
    pub selection: Selection,
    /// The account that the credentials have to belong to, if `--account` names one.
    pub account: Option<AccountId>,
    /// The configuration file, as an absolute path.
    pub file: Option<PathBuf>,
    /// With a configuration file: the flags that were given, also by their variables. Only these are given to another process, which
    /// reads the file itself.
    pub named: BTreeSet<String>,
    /// The accounts to watch, as the configuration file lists them; without any and without an organization, the one of the
    /// credentials is watched.
    pub accounts: Vec<AccountPlan>,
    /// The organization whose accounts are watched as well.
    pub organization: Option<OrganizationPlan>,
    /// The directory of the store, the lock and the socket (or a link to it), as an absolute path.
    pub data_dir: PathBuf,
    /// The place of keys in the environment, if they are in use and select `data_dir`.
    pub key_place: Option<KeyPlace>,
    /// The directory for sockets, if the operating system names one.
    pub runtime_dir: Option<PathBuf>,
    /// What tools may change in AWS.
    pub writes: WritePolicy,
    /// What `resources/list` shows.
    pub list: ListMode,
    /// The kinds that are watched.
    pub kinds: KindSelection,
    /// Sweep intervals that differ from their kind's own, by slug.
    pub intervals: BTreeMap<String, Duration>,
    /// The share of AWS's request limits that is used.
    pub aws_share: RequestShare,
    /// Whether roles are assumed with a source identity for the clients of tools that change AWS.
    pub source_identity: bool,
    /// The queues that EventBridge sends events to. Without queues only sweeps find changes.
    pub queues: Vec<Queue>,
    /// The name that the queues of each watched region begin with; `None`: no queue is looked for.
    pub events: Option<String>,
    /// Sweep intervals that hold while events are proved to arrive and differ from their kind's own, by slug.
    pub relaxed: BTreeMap<String, Duration>,
    /// How often canaries are put on the bus.
    pub canary_interval: Duration,
    /// How long the log keeps records before they are folded away.
    pub retain_age: Duration,
    /// How many bytes the log may use before its oldest records are folded away; `None`: the store decides.
    pub retain_size: Option<u64>,
    /// The bytes of the disk that stay free: writing stops before fewer are left.
    pub keep_free: u64,
    /// For how long evidence of a resource outweighs its absence from a listing. Only tests, which cannot wait for minutes, set it.
    pub absence_after: Duration,
    /// The patterns of tag keys whose values are redacted; none: no tag is.
    pub redact_tag_keys: Vec<String>,
    /// A file of list prices in place of those that Muster carries, as an absolute path.
    pub prices: Option<PathBuf>,
    /// The audit file, if there is one.
    pub audit: Option<AuditOptions>,
    /// From one sweep to the next of an account and region in which nothing happens, where several accounts are watched.
    pub quiet_interval: Duration,
    /// How long nothing must have happened there.
    pub quiet_after: Duration,
    /// Where the server listens beside its socket, as the configuration file says.
    pub listen: ListenSettings,
    /// How long the server goes on after its last client, as the configuration file says.
    pub idle_exit: Option<Duration>,
    /// Who is let in over HTTP, as the configuration file says.
    pub access: AccessOptions,
    /// The URL of an emulator to ask in place of AWS. Only the demo sets it; other emulators are reached with `AWS_ENDPOINT_URL`.
    pub emulator: Option<String>,
}

impl Config {
    /// The accounts in the rules for writes that are none of those that are watched, with these: the rules permit nothing there.
    /// Nobody can tell while AWS has to say which accounts these are.
    #[must_use]
    pub fn unlisted_writes(&self) -> Option<(Vec<String>, Vec<String>)> {
        let listed = self.accounts.iter().map(|plan| Some(plan.account.as_ref()?.as_str().to_owned()));
        let listed: Vec<String> = listed.collect::<Option<_>>()?;
        if listed.is_empty() || self.organization.is_some() {
            return None;
        }
        let named = self.writes.rules().into_iter().flat_map(|rule| match rule {
            WriteRule::Accounts(names) => names,
            _ => BTreeSet::new(),
        });
        let unlisted: Vec<String> = named.filter(|name| !listed.contains(name)).collect();
        (!unlisted.is_empty()).then_some((unlisted, listed))
    }

    /// Merges flags and variables, AWS's own variables and defaults. `kinds` are the slugs that may have an interval.
    ///
    /// # Errors
    /// When a value is out of range, a kind is unknown, or there is no place for the data directory.
    pub fn merge(given: Given, environment: &Environment, kinds: &[&str]) -> Result<Self, ConfigError> {
        let given = given.said();
        checks::filled(&given, environment)?;
        let mut intervals = BTreeMap::new();
        // An interval of one kind takes precedence over one of all kinds, whatever their order.
        let (all, each): (Vec<_>, Vec<_>) =
            given.intervals.into_iter().partition(|interval| interval.kind == selection::ALL);
        let of_all =
            |all: Interval| kinds.iter().map(move |kind| Interval { kind: (*kind).to_owned(), every: all.every });
        for Interval { kind, every } in all.into_iter().flat_map(of_all).chain(each) {
            if !kinds.contains(&kind.as_str()) {
                return Err(ConfigError::UnknownKind { kind, known: kinds.join(", ") });
            }
            if every < MIN_INTERVAL {
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
        if let Some(Err(source)) = events.as_ref().map(|name| name.parse::<EventsName>()) {
            return Err(ConfigError::EventsName { source });
        }
        let regions = region_names(&given.regions)?;
        let region = checks::region(given.region.as_deref(), environment)
            .filter(|_| regions.iter().all(|name| name == selection::ALL));
        let file = given.file.unwrap_or_default();
        let account = given.account;
        if file.has_accounts {
            checks::beside_accounts(
                account.as_ref(),
                given.region.as_deref(),
                &given.regions,
                &file.path,
                environment,
            )?;
        }
        let choice = choice(&file, given.region.is_some() || !regions.is_empty());
        let selection = Selection::new(given.profile, given.region, &regions, environment).of_file(choice);
        checks::regions(&regions, region, environment, selection.has_endpoint())?;
        checks::rules(&given.writes, environment, selection.has_endpoint())?;
        let chosen = environment.state_home().map(|home| home.join("muster").join(selection.digest()));
        let data_dir = match given.data_dir {
            Some(dir) => checks::located(&dir, environment)?,
            None => chosen.clone().ok_or(ConfigError::NoHome)?,
        };
        // A front end gives the directory to the server that it starts. It lies beside the place of the key.
        let key_place =
            chosen.filter(|own| selection.has_keys() && !selection.has_accounts() && own.parent() == data_dir.parent());
        let key_place = key_place.map(|own| KeyPlace { own, selection: selection.digest_without_key() });
        if let Some(given) = given.quiet_interval.filter(|every| *every < MIN_INTERVAL) {
            return Err(ConfigError::QuietInterval { given });
        }
        if let Some(given) = given.retain_age.filter(|age| *age < MIN_RETAIN_AGE) {
            return Err(ConfigError::TooYoung { given });
        }
        if let Some(given) = given.retain_size.filter(|size| size.bytes() < MIN_RETAIN_SIZE) {
            return Err(ConfigError::TooSmall { given });
        }
        let accounts = file.accounts.into_iter().map(|plan| with_base(plan, selection.profile.as_deref()));
        let organization = file
            .organization
            .map(|plan| OrganizationPlan { profile: plan.profile.or_else(|| selection.profile.clone()), ..plan });
        Ok(Config {
            account,
            file: Some(file.path).filter(|path| !path.as_os_str().is_empty()),
            named: file.named,
            accounts: accounts.collect(),
            organization,
            selection,
            data_dir,
            key_place,
            runtime_dir: environment.runtime_dir().map(PathBuf::from),
            writes: if given.audit_required { given.writes.and(WriteRule::Audit) } else { given.writes },
            list: given.list.unwrap_or_default(),
            kinds: KindName::selection(&given.kinds),
            intervals,
            aws_share: given.aws_share.unwrap_or_default(),
            source_identity: given.source_identity,
            queues: given.queues,
            events,
            relaxed,
            canary_interval,
            retain_age: given.retain_age.unwrap_or(RETAIN_AGE),
            retain_size: given.retain_size.map(Size::bytes),
            keep_free: given.keep_free.map_or(KEEP_FREE, Size::bytes),
            absence_after: ABSENCE_AFTER,
            redact_tag_keys: redacted_keys(given.redact_tag_keys),
            prices: given.prices.map(|path| environment.absolute(&path)),
            audit: audit(given.audit_file.map(|path| environment.absolute(&path)), given.audit_required)?,
            quiet_interval: given.quiet_interval.unwrap_or(QUIET_INTERVAL),
            quiet_after: given.quiet_after.unwrap_or(QUIET_AFTER),
            listen: file.listen,
            idle_exit: file.idle_exit,
            access: file.access,
            emulator: None,
        })
    }
}

impl Config {
    /// Where the accounts come from that are watched beside one another.
    #[must_use]
    pub fn account_sources(&self) -> AccountSources {
        AccountSources { listed: self.accounts.clone(), organization: self.organization.clone() }
    }
}

/// What a configuration file chooses of what leads to a data directory. `names_regions` tells whether it, or a flag, names some.
fn choice(file: &GivenFile, names_regions: bool) -> FileChoice {
    if file.has_accounts {
        return FileChoice::Accounts(file.canonical.clone());
    }
    let is_overruled = ["--region", "--regions"].iter().any(|flag| file.named.contains(*flag));
    if !is_overruled && !file.path.as_os_str().is_empty() && names_regions {
        return FileChoice::Regions;
    }
    FileChoice::Nothing
}

/// A plan whose first role is assumed by the profile of `--profile`, where it names none itself.
fn with_base(mut plan: AccountPlan, profile: Option<&str>) -> AccountPlan {
    if plan.credentials.profile.is_none() {
        plan.credentials.profile = profile.map(str::to_owned);
    }
    plan
}

/// Reads the intervals of `--relaxed`. Only a kind whose every change causes an event may have one.
fn relaxed(given: Vec<Interval>) -> Result<BTreeMap<String, Duration>, ConfigError> {
    let relaxable = || KINDS.iter().filter(|spec| spec.relaxed.is_some()).map(|spec| spec.slug);
    let mut relaxed = BTreeMap::new();
    for Interval { kind, every } in given {
        if !relaxable().any(|slug| slug == kind) {
            return Err(ConfigError::NotRelaxable { kind, known: relaxable().collect::<Vec<_>>().join(", ") });
        }
        if every < MIN_INTERVAL {
            return Err(ConfigError::RelaxedTooShort { kind, every });
        }
        relaxed.insert(kind, every);
    }
    Ok(relaxed)
}

/// Reads `--audit-file` and `--audit-required`, which needs the former.
fn audit(path: Option<PathBuf>, required: bool) -> Result<Option<AuditOptions>, ConfigError> {
    match path {
        Some(path) => Ok(Some(AuditOptions { path, required })),
        None if required => Err(ConfigError::AuditFile),
        None => Ok(None),
    }
}

/// Reads `--redact-tag-keys`: patterns, or `none` alone; the usual ones where none is given.
fn redacted_keys(given: Vec<String>) -> Vec<String> {
    let patterns: Vec<String> = given.into_iter().map(|pattern| pattern.trim().to_owned()).collect();
    let patterns: Vec<String> = patterns.into_iter().filter(|pattern| !pattern.is_empty()).collect();
    match patterns.as_slice() {
        [] => SECRET_KEYS.map(str::to_owned).into(),
        [none] if none.eq_ignore_ascii_case(REDACT_NOTHING) => Vec::new(),
        _ => patterns,
    }
}

/// Reads `--regions`: names, without repetition, or `all` alone.
fn region_names(given: &[String]) -> Result<Vec<String>, ConfigError> {
    let mut regions: Vec<String> = Vec::new();
    for name in given.iter().map(|name| name.trim()).filter(|name| !name.is_empty()) {
        let name =
            if name.eq_ignore_ascii_case(selection::ALL) { selection::ALL.into() } else { regions::written(name) };
        if !regions.iter().any(|known| *known == name) {
            regions.push(name.into_owned());
        }
    }
    if regions.len() > 1 && regions.iter().any(|name| name == selection::ALL) {
        return Err(ConfigError::AllAndOthers);
    }
    Ok(regions)
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
        assert_eq!(config.writes, WritePolicy::of(false));
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
    fn a_region_of_a_rule_for_writes_is_checked_like_every_other() {
        let ruled = |rule| merge(Given { writes: WritePolicy::with([rule]), ..Given::default() });
        let only = |name: &str| WriteRule::Regions([name.to_owned()].into());
        assert!(ruled(only("eu-west-1")).is_ok());
        for rule in [only("eu-cental-1"), WriteRule::Deny("region:eu-cental-1".parse().unwrap())] {
            let error = ruled(rule).unwrap_err().to_string();
            assert!(error.contains("`eu-cental-1`: did you mean `eu-central-1`?"), "{error}");
        }
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
    fn patterns_of_secret_tags_replace_the_usual_ones() {
        let of = |given: &[&str]| {
            let redact_tag_keys = given.iter().map(|pattern| (*pattern).to_owned()).collect();
            merge(Given { redact_tag_keys, ..Given::default() }).unwrap().redact_tag_keys
        };
        assert_eq!(of(&[]), SECRET_KEYS);
        assert_eq!(of(&["", " "]), SECRET_KEYS, "a template filled with nothing");
        assert_eq!(of(&["pin", " *key* "]), ["pin", "*key*"]);
        assert!(of(&["None"]).is_empty());
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
    fn only_kinds_whose_every_change_events_tell_of_are_relaxed() {
        let relaxed = |text: &str| merge(Given { relaxed: vec![text.parse().unwrap()], ..Given::default() });
        assert_eq!(relaxed("instance=10m").unwrap().relaxed.get("instance"), Some(&Duration::from_mins(10)));
        assert!(relaxed("subnet=10m").unwrap_err().to_string().contains("which are instance"));
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
}
