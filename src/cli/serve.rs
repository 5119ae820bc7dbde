//! `muster serve`.

use std::net::SocketAddr;
use std::time::Duration;

use clap::Args;

use super::connection::Connection;
use super::output::Output;
use crate::app::serve;
use crate::config::{self, Config, ConfigError, Environment, ServerOptions};
use crate::connection::data_dir;
use crate::telemetry::Destination;

/// How long a detached server outlives its last client.
const LINGER: Duration = Duration::from_mins(15);

/// Which inventory to serve, and where.
#[derive(Clone, Debug, Args)]
pub(super) struct Serve {
    #[command(flatten)]
    connection: Connection,
    /// Serve Streamable HTTP at /mcp of this loopback address, such as 127.0.0.1:8377
    #[arg(long, env = "MUSTER_HTTP", value_name = "ADDRESS", hide_env_values = true)]
    http: Option<SocketAddr>,
    /// Accept this Host over HTTP besides loopback's, for a proxy in front (repeatable)
    #[arg(long, env = "MUSTER_ALLOWED_HOST", value_name = "HOST", value_delimiter = ',', hide_env_values = true)]
    allowed_host: Vec<String>,
    /// Accept this Origin over HTTP besides loopback's, such as `https://app.example.com:443` (repeatable)
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

/// Leaves the session of whoever started this process, so that closing their terminal does not end it, and says where to
/// log instead.
pub(super) fn detach(config: &Config) -> anyhow::Result<Destination> {
    if let Err(error) = rustix::process::setsid() {
        // Only a process that leads its group already is refused, and that one has no session to leave.
        tracing::debug!(%error, "no session of its own");
    }
    data_dir::prepare(&config.data_dir)?;
    Ok(Destination::File(data_dir::log(&config.data_dir)))
}

/// Serves until stopped. In the foreground, one line on standard output says where.
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
