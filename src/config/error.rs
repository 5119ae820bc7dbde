//! The errors of settings. Each names the flag or variable that holds the value, and a value to give instead.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::events_name::EventsNameError;
use super::file::fault::{ConfigFault, told};
use super::size::Size;
use crate::model::text::shown;
use crate::model::{Partition, Region};

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ConfigError {
    /// No data directory is given, and no home directory is known.
    #[error("no home directory is known, so there is no place for the store: give --data-dir, or set HOME")]
    NoHome,
    /// A data directory that begins with a home directory or variable that is not known.
    #[error(
        "{source_name} is {}, but `{part}` is not known here: write the whole path, beginning with /",
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
    /// A configuration file that cannot be used.
    #[error("{}", told(path, faults))]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        faults: Vec<ConfigFault>,
    },
    /// A setting of the one account of the credentials, beside a configuration file that lists accounts.
    #[error(
        "{source_name} says which account or regions to serve, but so does the configuration file {}, which lists accounts: leave it \
         out, or write it there",
        file.display()
    )]
    BesideAccounts {
        /// The flag or variable.
        source_name: String,
        /// The file.
        file: PathBuf,
    },
    /// A file of prices that cannot be used.
    #[error("{source_name}: {why}")]
    Prices {
        /// The flag or variable.
        source_name: String,
        /// The file, and what is wrong with it.
        why: String,
    },
    /// An audit file is required, and none is named.
    #[error("--audit-required needs --audit-file: name the file that the records of tools' calls are written to")]
    AuditFile,
    /// A placeholder in place of a value.
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
    /// Regions of several partitions.
    #[error(
        "{source_name} names {} of {} and {} of {}: an account is in one partition of AWS, so give the regions of one",
        first.0, first.1, other.0, other.1
    )]
    TwoPartitions {
        /// The flag, variable or key.
        source_name: String,
        /// The first region.
        first: (Region, Partition),
        /// The first one that is of another partition.
        other: (Region, Partition),
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
    #[error(
        "--interval names the unknown kind `{kind}`: give `all` or one of {known}, for example --interval instance=30s"
    )]
    UnknownKind {
        /// What was given.
        kind: String,
        /// Every slug.
        known: String,
    },
    /// An interval below [`MIN_INTERVAL`](super::MIN_INTERVAL).
    #[error("--interval {kind}={every:?} is too short: give at least 1s, for example {kind}=30s")]
    TooShort {
        /// The kind.
        kind: String,
        /// What was given.
        every: Duration,
    },
    /// A `--relaxed` for a kind that does not exist, or some of whose changes cause no event.
    #[error(
        "--relaxed cannot be given for the kind `{kind}`: it takes only kinds whose every change causes an event, which are {known}; for example --relaxed instance=10m"
    )]
    NotRelaxable {
        /// What was given.
        kind: String,
        /// Every slug that may have one.
        known: String,
    },
    /// A `--relaxed` below [`MIN_INTERVAL`](super::MIN_INTERVAL).
    #[error("--relaxed {kind}={every:?} is too short: give at least 1s, for example {kind}=10m")]
    RelaxedTooShort {
        /// The kind.
        kind: String,
        /// What was given.
        every: Duration,
    },
    /// A `--quiet-interval` below [`MIN_INTERVAL`](super::MIN_INTERVAL).
    #[error("--quiet-interval {given:?} is too short: give at least 1s, for example 1h")]
    QuietInterval {
        /// What was given.
        given: Duration,
    },
    /// A `--canary-interval` out of [`CANARY_INTERVALS`](super::CANARY_INTERVALS).
    #[error("--canary-interval {given:?} is not between 1s and 1h: give for example 60s")]
    CanaryInterval {
        /// What was given.
        given: Duration,
    },
    /// A name for `--events` that queues and rules cannot have.
    #[error("--events cannot be used")]
    EventsName {
        /// Why.
        source: EventsNameError,
    },
    /// A `--retain-age` below [`MIN_RETAIN_AGE`](super::MIN_RETAIN_AGE).
    #[error("--retain-age {given:?} is too short: give at least 1s, for example 30d")]
    TooYoung {
        /// What was given.
        given: Duration,
    },
    /// A `--retain-size` below [`MIN_RETAIN_SIZE`](super::MIN_RETAIN_SIZE).
    #[error("--retain-size {given} is too small: give at least 1MiB, for example 2GiB")]
    TooSmall {
        /// What was given.
        given: Size,
    },
    /// A region that does not exist.
    #[error("{source_name} names the region `{given}`{}", meant(*nearest))]
    UnknownRegion {
        /// The flag or variable.
        source_name: String,
        /// What was given.
        given: String,
        /// The known region that is closest to it.
        nearest: Option<&'static str>,
    },
    /// `all` together with names.
    #[error(
        "--regions holds both `all` and names: give either, for example --regions all or --regions us-east-1,eu-west-1"
    )]
    AllAndOthers,
    /// A listening address that other machines could reach.
    #[error(
        "--http {address} is not a loopback address: strangers could connect, and what clients say could be read on the way. Have \
         clients say who they are (--token-file, or issuers in the configuration file) and give --tls-cert and --tls-key; or put a \
         proxy in front that does both, and name its address with --behind-proxy; or listen on 127.0.0.1"
    )]
    NotLoopback {
        /// What was given.
        address: SocketAddr,
    },
    /// An address of EC2's read API that other machines could reach.
    #[error(
        "--ec2-api {address} is not a loopback address: strangers could read the inventory. Have requests verified (--ec2-api-keys) and \
         give --tls-cert and --tls-key, or answer on 127.0.0.1"
    )]
    Ec2ApiNotLoopback {
        /// What was given.
        address: SocketAddr,
    },
    /// A setting of EC2's read API, which is not answered.
    #[error(
        "{flag} has no effect without --ec2-api, which says where EC2's read API is answered, such as 127.0.0.1:8378"
    )]
    Ec2ApiAbsent {
        /// The flag.
        flag: &'static str,
    },
    /// A `--max-stale` that no copy keeps to.
    #[error("--max-stale {given:?} is too short: give at least 1s, for example 10m")]
    MaxStale {
        /// What was given.
        given: Duration,
    },
    /// Two that listen at one address.
    #[error("{flag} and {other} both have the address {address}: give each a port of its own")]
    SameAddress {
        /// One flag.
        flag: &'static str,
        /// The other one.
        other: &'static str,
        /// The address.
        address: SocketAddr,
    },
    /// A server would read EC2 from itself.
    #[error(
        "{variable}={url} would have Muster read EC2 from its own read API (--ec2-api {address}) in place of AWS: unset {variable} for \
         Muster itself, and set it for the clients that are to read the copy"
    )]
    OwnEndpoint {
        /// The variable.
        variable: &'static str,
        /// Its value.
        url: String,
        /// The address of the read API.
        address: SocketAddr,
    },
    /// A certificate without its key, or the other way round.
    #[error("{given} needs {missing}: a certificate and its key are two files")]
    HalfOfTls {
        /// The flag that is given.
        given: &'static str,
        /// The flag that is missing.
        missing: &'static str,
    },
    /// An issuer whose tokens may be for any server.
    #[error(
        "the issuer {} has no audiences: give audiences of its [[issuers]], which is what tokens for this server say as aud, or \
         --public-url; without them, tokens for other servers would count here",
        shown(issuer, 200)
    )]
    NoAudience {
        /// The issuer.
        issuer: String,
    },
    /// Metrics at an address that is not loopback.
    #[error(
        "--metrics {address} is not a loopback address: nobody is asked for a token there, so metrics are served on 127.0.0.1 or \
         [::1] only; to read them from another machine, put a proxy or an agent of your monitoring in front"
    )]
    MetricsNotLoopback {
        /// What was given.
        address: SocketAddr,
    },
}

fn meant(nearest: Option<&str>) -> String {
    match nearest {
        Some(nearest) => format!(": did you mean `{nearest}`?"),
        None => ", which is not the form of a region's name: give one such as eu-central-1".to_owned(),
    }
}
