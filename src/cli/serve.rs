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

/// Which inventory to serve, and where.
#[derive(Clone, Debug, Args)]
pub(super) struct Serve {
    #[command(flatten)]
    connection: ServerFlags,
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
        Ok((self.connection.config(environment)?, options.check()?))
    }
}

/// Leaves the session of whoever started this process, so that closing their terminal does not end it, and says where to
/// log instead.
pub(super) fn detach(config: &Config) -> anyhow::Result<LogDestination> {
    if let Err(error) = rustix::process::setsid() {
        // Only a process that leads its group already is refused, and that one has no session to leave.
        tracing::debug!(%error, "no session of its own");
    }
    data_dir::prepare(&config.data_dir)?;
    Ok(LogDestination::File(data_dir::log(&config.data_dir)))
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
