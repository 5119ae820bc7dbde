//! `muster log export`.

use std::str::FromStr;
use std::time::Duration;

use clap::Args;
use futures::FutureExt;
use tokio::time::{Instant, sleep};

use crate::app::client::admin::{AdminError, AdminOutput, AdminStream};
use crate::app::signals::Signals;
use crate::cli::output::Output;
use crate::cli::store_flags::RegionalStoreFlags;
use crate::cli::warnings::say;
use crate::config::{self, Config, Environment};
use crate::connection::admin::{AdminRequest, LogPlace};
use crate::model::Timestamp;

/// How many bytes are printed at once.
const CHUNK: usize = 64 << 10;

/// How long to wait for a server that has gone.
const PATIENCE: Duration = Duration::from_mins(1);

/// How often to look for it meanwhile.
const STEP: Duration = Duration::from_millis(250);

/// The arguments of `muster log export`.
#[derive(Clone, Debug, Args)]
pub(in crate::cli) struct Export {
    /// The first record: its number, a time such as 2026-11-17T12:00:00Z, or -15m for 15 minutes ago [default: the oldest kept]
    #[arg(long, value_name = "SEQ|TIME", allow_hyphen_values = true)]
    since: Option<Since>,
    /// Wait for new records and print them until Ctrl-C; needs a running server
    ///
    /// It goes on when the server is restarted, if that takes less than a minute.
    #[arg(long)]
    follow: bool,
    #[command(flatten)]
    store: RegionalStoreFlags,
}

/// The place in the log to begin at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Since(LogPlace);

/// The text names no place in the log.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{given}` is neither a record's number nor a time: give 1234, 2026-11-17T12:00:00Z or -15m")]
struct SinceError {
    given: String,
}

impl FromStr for Since {
    type Err = SinceError;

    fn from_str(text: &str) -> Result<Self, SinceError> {
        let text = text.trim();
        if let Ok(seq) = text.parse() {
            return Ok(Since(LogPlace::Seq(seq)));
        }
        if let Some(at) = Timestamp::parse(text) {
            return Ok(Since(LogPlace::At(at.as_millis())));
        }
        let ago = text.strip_prefix('-').and_then(|ago| config::duration(ago).ok());
        let millis = ago.and_then(|ago| u64::try_from(ago.as_millis()).ok());
        millis.map(|millis| Since(LogPlace::Ago(millis))).ok_or_else(|| SinceError { given: text.to_owned() })
    }
}

impl Export {
    /// Prints the records on standard output.
    pub(super) async fn run(self, environment: &Environment) -> anyhow::Result<()> {
        let config = self.store.config(environment)?;
        let mut exporting = Exporting {
            since: self.since.map(|Since(since)| since),
            follow: self.follow,
            log: None,
            pending: Vec::new(),
            output: Output::stdout(),
        };
        if !self.follow {
            return exporting.run(&config).await;
        }
        let mut signals = Signals::take()?;
        tokio::select! {
            outcome = exporting.run(&config) => outcome,
            _ = signals.next() => Ok(()),
        }
    }
}

/// An export. It continues where it was after the server restarts or closes the connection of a slow reader.
struct Exporting {
    since: Option<LogPlace>,
    follow: bool,
    log: Option<String>,
    pending: Vec<u8>,
    output: Output<std::io::Stdout>,
}

impl Exporting {
    async fn run(&mut self, config: &Config) -> anyhow::Result<()> {
        let mut deadline = Instant::now();
        loop {
            let before = self.since;
            match self.stream(config).await {
                Ok(()) => return Ok(()),
                // Everything printed so far is whole, whatever the error.
                Err(error) if self.log.is_none() || !is_passing(&error) => return Err(error),
                Err(error) => {
                    if before != self.since {
                        deadline = Instant::now() + PATIENCE;
                    }
                    if Instant::now() >= deadline {
                        return Err(error);
                    }
                }
            }
            sleep(STEP).await;
        }
    }

    /// Prints records until the stream ends.
    async fn stream(&mut self, config: &Config) -> anyhow::Result<()> {
        let request = AdminRequest::Export { since: self.since, follow: self.follow, log: self.log.clone() };
        let mut stream = AdminStream::start(config, &request).await?;
        loop {
            let brought = if let Some(brought) = stream.next().now_or_never() {
                brought
            } else {
                self.flush()?;
                stream.next().await
            };
            if let Some(log) = stream.log().filter(|_| self.log.is_none()) {
                self.log = Some(log.to_owned());
            }
            let brought = match brought {
                Ok(brought) => brought,
                Err(error) => {
                    self.flush()?;
                    return Err(error.into());
                }
            };
            match brought {
                AdminOutput::Record(line) => {
                    self.pending.extend_from_slice(&line);
                    self.since = seq(&line).map(|seq| LogPlace::Seq(seq + 1)).or(self.since);
                    if self.pending.len() >= CHUNK {
                        self.flush()?;
                    }
                }
                AdminOutput::Note(note) => say(&note),
                AdminOutput::Done(_) => return self.flush(),
            }
            if self.output.is_closed() {
                return Ok(());
            }
        }
    }

    fn flush(&mut self) -> anyhow::Result<()> {
        if !self.pending.is_empty() {
            self.output.text(&self.pending)?;
            self.pending.clear();
        }
        Ok(())
    }
}

/// Whether a later attempt may continue where this one stopped.
fn is_passing(error: &anyhow::Error) -> bool {
    error.downcast_ref().is_some_and(AdminError::is_passing)
}

/// Reads the number of a record from the beginning of its line.
fn seq(line: &[u8]) -> Option<u64> {
    let rest = line.strip_prefix(b"{\"seq\":")?;
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).copied().collect();
    String::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_number_or_a_time() {
        assert_eq!("17".parse(), Ok(Since(LogPlace::Seq(17))));
        assert_eq!("1970-01-01T00:00:01Z".parse(), Ok(Since(LogPlace::At(1000))));
        assert_eq!("-15m".parse(), Ok(Since(LogPlace::Ago(900_000))));
        assert_eq!("-30d".parse(), Ok(Since(LogPlace::Ago(2_592_000_000))));
        for wrong in ["", "yesterday", "15m", "-", "1.5"] {
            assert!(wrong.parse::<Since>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_line_tells_its_number() {
        assert_eq!(seq(b"{\"seq\":42,\"recorded_at\":\"..\"}\n"), Some(42));
        assert_eq!(seq(b"{\"admin\":\"done\"}\n"), None);
    }
}
