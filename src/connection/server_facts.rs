//! What a server says of itself: which program it is, who started it, and with which arguments.

use std::ffi::OsString;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::flag_set::FlagSet;

/// Who started a server, and so may end it without asking a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StartedBy {
    /// `muster mcp`, which found none.
    FrontEnd,
    /// A unit of systemd.
    Systemd,
    /// An agent of launchd.
    Launchd,
    /// A person, or a program of theirs.
    #[serde(other)]
    Person,
}

impl StartedBy {
    /// Who started this process: a front end where it is `detached`, else who its environment names.
    pub fn of(detached: bool, pid: u32, variable: &dyn Fn(&str) -> Option<String>) -> Self {
        // Programs that a service starts have these variables as well, so systemd's names the process.
        let is_unit = variable("SYSTEMD_EXEC_PID").is_some_and(|unit| unit == pid.to_string());
        let is_agent = variable("XPC_SERVICE_NAME").is_some_and(|name| name.starts_with("muster."));
        match () {
            () if detached => StartedBy::FrontEnd,
            () if is_unit => StartedBy::Systemd,
            () if is_agent => StartedBy::Launchd,
            () => StartedBy::Person,
        }
    }
}

impl fmt::Display for StartedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            StartedBy::FrontEnd => "started by an MCP client",
            StartedBy::Systemd => "started by systemd",
            StartedBy::Launchd => "started by launchd",
            StartedBy::Person => "started by hand",
        })
    }
}

/// How this server was started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerLaunch {
    /// The program.
    pub program: PathBuf,
    /// Its arguments, as they were given.
    pub arguments: Vec<OsString>,
    /// Who started it.
    pub started_by: StartedBy,
    /// The settings that its arguments, variables and defaults come to, as flags.
    pub flags: FlagSet,
    /// A program that this process was to become and that did not start.
    pub unusable: Option<PathBuf>,
    /// Whether this process was another server before, which is started again where this one does not start.
    pub has_former: bool,
    /// Why the server that was to come instead of this one did not start.
    pub kept_because: Option<String>,
    /// Whether a person chose its flags with `muster restart`.
    pub is_chosen: bool,
}

/// What a server says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerFacts {
    /// Its process.
    pub pid: u32,
    /// Its version.
    pub version: String,
    /// Who started it.
    pub started_by: StartedBy,
    /// Its program.
    pub program: PathBuf,
    /// Its arguments; absent where one of them is not UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arguments: Option<Vec<String>>,
    /// When it began to serve, in milliseconds since 1970.
    pub since_ms: i64,
    /// How many MCP clients are connected to its socket.
    pub clients: usize,
    /// How many tasks its runtime has that have not ended: a few for each client and request.
    #[serde(default)]
    pub tasks: usize,
    /// The URL at which it serves HTTP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<String>,
    /// Why it runs as it did before although it was to start again in another way; absent where that did not happen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept_because: Option<String>,
    /// How many seconds without a client it goes on; absent where it does so for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_exit_s: Option<u64>,
    /// The rules that narrow what tools may change in AWS, as flags.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<String>,
    /// What EC2's read API answered today; absent where it is not served.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_api: Option<ReadApiDay>,
    /// Where it answers EC2's read API; absent where it does not, or is of a version that does not say so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_api_address: Option<SocketAddr>,
    /// Whether it does so by TLS; absent where the address is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_api_tls: Option<bool>,
}

impl ServerFacts {
    /// The URL of EC2's read API, where the server says it.
    #[must_use]
    pub fn read_api_url(&self) -> Option<String> {
        let scheme = if self.read_api_tls? { "https" } else { "http" };
        Some(format!("{scheme}://{}", self.read_api_address?))
    }
}

/// How EC2's read API answered the requests of a day, in UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadApiDay {
    /// How many it answered from the copy.
    pub from_copy: u64,
    /// How many AWS was asked for.
    pub asked: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_started_it_is_known_only_where_its_own_process_is_named() {
        let of = |detached, name: &'static str, value: &'static str| {
            StartedBy::of(detached, 7, &|asked| (asked == name).then(|| value.to_owned()))
        };
        assert_eq!(of(true, "SYSTEMD_EXEC_PID", "7"), StartedBy::FrontEnd);
        assert_eq!(of(false, "SYSTEMD_EXEC_PID", "7"), StartedBy::Systemd);
        assert_eq!(of(false, "SYSTEMD_EXEC_PID", "6"), StartedBy::Person, "a terminal that systemd started");
        assert_eq!(of(false, "XPC_SERVICE_NAME", "muster.1f2e3d4c"), StartedBy::Launchd);
        assert_eq!(of(false, "XPC_SERVICE_NAME", "application.com.apple.Terminal"), StartedBy::Person);
    }

    #[test]
    fn a_starter_of_a_later_version_reads_as_a_person() {
        assert_eq!(serde_json::from_str::<StartedBy>("\"cron\"").unwrap(), StartedBy::Person);
        assert_eq!(serde_json::to_string(&StartedBy::FrontEnd).unwrap(), "\"front_end\"");
    }
}
