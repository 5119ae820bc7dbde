//! `muster serve`.

use std::net::SocketAddr;
use std::time::Duration;

use clap::Args;

use super::output::Output;
use super::server_flags::ServerFlags;
use crate::app::serve;
use crate::config::{self, Config, ConfigError, Environment, ServerOptions};
use crate::connection::data_dir;
use crate::telemetry::LogDestination;

/// How long a detached server outlives its last client.
const LINGER: Duration = Duration::from_mins(15);

/// The arguments of `muster serve`.
#[derive(Clone, Debug, Args)]
pub(super) struct Serve {
    #[command(flatten)]
    connection: ServerFlags,
    /// Also serve MCP over Streamable HTTP at /mcp of this loopback address, such as 127.0.0.1:8377
    ///
    /// Port 0 takes a free port. HTTP has no authentication, and every local user can connect to it.
    #[arg(long, env = "MUSTER_HTTP", value_name = "ADDRESS", hide_env_values = true)]
    http: Option<SocketAddr>,
    /// Also accept HTTP requests with this Host header, for a proxy in front (repeatable)
    ///
    /// It is a name such as muster.example.com. Hosts of loopback are always accepted.
    #[arg(long, env = "MUSTER_ALLOWED_HOST", value_name = "HOST", value_delimiter = ',', hide_env_values = true)]
    allowed_host: Vec<String>,
    /// Also accept HTTP requests with this Origin header, such as `https://app.example.com:443` (repeatable)
    ///
    /// Browsers send this header. Origins of loopback are always accepted.
    #[arg(long, env = "MUSTER_ALLOWED_ORIGIN", value_name = "ORIGIN", value_delimiter = ',', hide_env_values = true)]
    allowed_origin: Vec<String>,
    /// Leave the terminal, log to a file, and end when no client is left; how `muster mcp` starts it
    #[arg(long, hide = true)]
    detached: bool,
    /// How long a detached server outlives its last client [default: 15m]
    #[arg(long, hide = true, value_name = "DURATION", value_parser = config::duration)]
    linger: Option<Duration>,
    /// For how long evidence of a resource outweighs its absence from a listing, for tests against an emulator [default: 1m]
    #[arg(long, hide = true, value_name = "DURATION", value_parser = config::duration)]
    absence_after: Option<Duration>,
}

impl Serve {
    /// Merges these flags into a configuration.
    pub(super) fn config(self, environment: &Environment) -> Result<(Config, ServerOptions), ConfigError> {
        let options = ServerOptions {
            http: self.http,
            allowed_hosts: self.allowed_host,
            allowed_origins: self.allowed_origin,
            linger: self.detached.then(|| self.linger.unwrap_or(LINGER)),
        };
        let mut config = self.connection.config(environment)?;
        // AWS itself is judged by the rule and nothing else.
        if let Some(absence_after) = self.absence_after.filter(|_| config.selection.has_endpoint()) {
            config.absence_after = absence_after;
        }
        Ok((config, options.check()?))
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

/// Serves until stopped. In the foreground it prints one line of JSON with its addresses.
pub(super) async fn run(config: &Config, options: ServerOptions) -> anyhow::Result<()> {
    let detached = options.linger.is_some();
    let mut printed = Ok(());
    let announce = |listens: &serve::Listens| {
        if !detached {
            printed = Output::stdout().line(&listens.line());
        }
    };
    // On the heap: serving is a large future.
    Box::pin(serve::run(config, options, announce)).await?;
    Ok(printed?)
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
    fn only_an_emulator_is_judged_by_another_rule_than_aws() {
        fn absence_after(variables: &[(&'static str, &str)]) -> Duration {
            let line = Line::try_parse_from(["muster", "--absence-after", "5s"]).unwrap();
            line.serve.config(&Environment::of(variables, Some("/home/me/.local/state"))).unwrap().0.absence_after
        }
        assert_eq!(absence_after(&[("AWS_ENDPOINT_URL", "http://127.0.0.1:1")]), Duration::from_secs(5));
        assert_eq!(absence_after(&[]), ABSENCE_AFTER);
    }
}
