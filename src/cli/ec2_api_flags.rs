//! The flags that say whether and how EC2's own read API is answered from the copy.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::config::{self, Ec2ApiMiss, Ec2ApiPass, Ec2ApiSettings, Environment};

/// Whether and how EC2's own read API is answered.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct Ec2ApiFlags {
    /// Also answer EC2's own read API from the copy, at this address, such as 127.0.0.1:8378
    ///
    /// Clients of AWS use it with `AWS_ENDPOINT_URL_EC2=http://127.0.0.1:8378`, besides a region and any key: see `muster help
    /// ec2-api`. Port 0 takes a free port. Every local user can connect to it, and is answered unless --ec2-api-keys is given. A
    /// loopback address is always served without TLS, also where --tls-cert is given.
    #[arg(long, env = "MUSTER_EC2_API", value_name = "ADDRESS", value_parser = |text: &str| config::listening_address(text, 8378), hide_env_values = true)]
    ec2_api: Option<SocketAddr>,
    /// Refuse to answer EC2's read API from a copy that is older than this [default: answer, and say how old it is]
    ///
    /// It is counted from the start of the last complete sweep, such as 10m, and is at least 1s. While events are proved to report every
    /// change, the age of a copy does not count: see `muster help ec2-api`.
    #[arg(long, env = "MUSTER_MAX_STALE", value_name = "DURATION", value_parser = config::duration, hide_env_values = true)]
    max_stale: Option<Duration>,
    /// What to do about an id that the copy lacks: `live` asks AWS; `error` says `NotFound`, or refuses where the copy may be out of date [default: error]
    #[arg(long, env = "MUSTER_EC2_API_MISS", value_name = "RULE", hide_env_values = true)]
    ec2_api_miss: Option<Ec2ApiMiss>,
    /// What AWS is asked where the copy cannot answer a request of EC2's read API: `reads` passes on what only reads, and `off` nothing [default: off]
    ///
    /// Muster asks with its own credentials, at the pace that --aws-share allows. Calls that change something, and those that show
    /// secrets such as user data, are never passed on: see `muster help ec2-api`.
    #[arg(long, env = "MUSTER_EC2_API_PASS", value_name = "RULE", hide_env_values = true)]
    ec2_api_pass: Option<Ec2ApiPass>,
    /// Answer only requests of EC2's read API that are signed with a key of this file: see `muster help ec2-api`
    ///
    /// With it and --tls-cert, --ec2-api may be an address that other machines reach.
    #[arg(long, env = "MUSTER_EC2_API_KEYS", value_name = "FILE", hide_env_values = true)]
    ec2_api_keys: Option<PathBuf>,
}

impl Ec2ApiFlags {
    /// The flags that give these settings.
    pub(super) fn of(settings: Ec2ApiSettings) -> Self {
        let Ec2ApiSettings { address, max_stale, miss, pass, keys } = settings;
        Ec2ApiFlags { ec2_api: address, max_stale, ec2_api_miss: miss, ec2_api_pass: pass, ec2_api_keys: keys }
    }

    /// What they say.
    pub(super) fn settings(self, environment: &Environment) -> Ec2ApiSettings {
        Ec2ApiSettings {
            address: self.ec2_api,
            max_stale: self.max_stale,
            miss: self.ec2_api_miss,
            pass: self.ec2_api_pass,
            keys: self.ec2_api_keys.map(|path| environment.absolute(&path)),
        }
    }

    /// The flags as arguments.
    pub(super) fn words(&self) -> impl Iterator<Item = OsString> {
        let all: [(&str, Option<OsString>); 5] = [
            ("--ec2-api", self.ec2_api.map(|address| address.to_string().into())),
            ("--max-stale", self.max_stale.map(|most| config::duration_text(most).into())),
            ("--ec2-api-miss", self.ec2_api_miss.map(|miss| miss.to_string().into())),
            ("--ec2-api-pass", self.ec2_api_pass.map(|pass| pass.to_string().into())),
            ("--ec2-api-keys", self.ec2_api_keys.clone().map(Into::into)),
        ];
        all.into_iter().flat_map(|(flag, value)| value.into_iter().flat_map(move |value| [flag.into(), value]))
    }
}
