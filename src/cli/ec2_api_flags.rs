//! The flags that say whether and how EC2's own read API is answered from the copy.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::time::Duration;

use clap::Args;

use crate::config::{self, Ec2ApiMiss, Ec2ApiSettings};

/// Whether and how EC2's own read API is answered.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct Ec2ApiFlags {
    /// Also answer EC2's own read API from the copy, at this loopback address, such as 127.0.0.1:8378
    ///
    /// Clients of AWS use it with `AWS_ENDPOINT_URL_EC2=http://127.0.0.1:8378` and nothing else: see `muster help ec2-api`. Port 0
    /// takes a free port. Every local user can connect to it.
    #[arg(long, env = "MUSTER_EC2_API", value_name = "ADDRESS", hide_env_values = true)]
    ec2_api: Option<SocketAddr>,
    /// Refuse to answer EC2's read API from a copy that is older than this [default: answer, and say how old it is]
    ///
    /// It is counted from the start of the last complete sweep, such as 10m.
    #[arg(long, env = "MUSTER_MAX_STALE", value_name = "DURATION", value_parser = config::duration, hide_env_values = true)]
    max_stale: Option<Duration>,
    /// What to do about an id that is not in a copy that may be out of date: `live` asks AWS, `error` refuses the request [default: error]
    #[arg(long, env = "MUSTER_EC2_API_MISS", value_name = "RULE", hide_env_values = true)]
    ec2_api_miss: Option<Ec2ApiMiss>,
}

impl Ec2ApiFlags {
    /// The flags that give these settings.
    pub(super) fn of(settings: Ec2ApiSettings) -> Self {
        Ec2ApiFlags { ec2_api: settings.address, max_stale: settings.max_stale, ec2_api_miss: settings.miss }
    }

    /// What they say.
    pub(super) fn settings(&self) -> Ec2ApiSettings {
        Ec2ApiSettings { address: self.ec2_api, max_stale: self.max_stale, miss: self.ec2_api_miss }
    }

    /// The flags as arguments.
    pub(super) fn words(&self) -> impl Iterator<Item = OsString> {
        let address = self.ec2_api.map(|address| address.to_string());
        let max_stale = self.max_stale.map(config::duration_text);
        let miss = self.ec2_api_miss.map(|miss| miss.to_string());
        let all = [("--ec2-api", address), ("--max-stale", max_stale), ("--ec2-api-miss", miss)];
        all.into_iter().flat_map(|(flag, value)| value.into_iter().flat_map(move |value| [flag.into(), value.into()]))
    }
}
