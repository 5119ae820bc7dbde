//! `muster token`: the tokens of clients over HTTP.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::access_flags::{AccessFlags, given_path};
use super::file_settings::ReadFile;
use super::output::Output;
use super::server_flags::ServerFlags;
use super::store_flags::RegionalStoreFlags;
use super::table::{Medium, Table};
use crate::app::client::process::{self, RestartError};
use crate::app::reload_report::{REFUSED, TOKENS};
use crate::aws::AwsClock;
use crate::config::Environment;
use crate::mcp::auth::bearer::BearerToken;
use crate::mcp::auth::{TokenEntry, TokenFile};
use crate::model::text::shown;
use crate::model::{Clock, Timestamp};
use crate::telemetry;

/// The longest list of grants that is shown.
const SHOWN: usize = 200;
/// The longest time that a token may be given.
const MOST_DAYS: i64 = 3650;

/// What to do about tokens.
#[derive(Clone, Debug, Subcommand)]
pub(super) enum TokenCommand {
    /// Make a token, and print it this once
    #[command(after_long_help = "How tokens and grants are used: muster help http-auth")]
    Add(TokenAdd),
    /// Show whose tokens there are; the tokens themselves are nowhere
    List(TokenList),
    /// Take a token's rights away, and end its sessions
    Revoke(TokenRevoke),
}

/// Where the tokens are, and the server that has to know of changes.
#[derive(Clone, Debug, Args)]
pub(super) struct TokenPlace {
    #[command(flatten)]
    store: RegionalStoreFlags,
    /// The file of tokens, as `muster serve` has it; without it, that of the configuration file
    #[arg(long, env = "MUSTER_TOKEN_FILE", value_name = "FILE", value_parser = given_path(), hide_env_values = true)]
    token_file: Option<PathBuf>,
}

/// The arguments of `muster token add`.
#[derive(Clone, Debug, Args)]
pub(super) struct TokenAdd {
    /// Whose it is, such as ci or alice@example.com: records of what its client does show this name
    name: String,
    /// A grant of the configuration file, which says what it lets see and change (repeatable) [default: everything]
    #[arg(long = "grant", value_name = "GRANT", value_delimiter = ',')]
    grants: Vec<String>,
    /// For how many days it counts [default: for ever]
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(i64).range(1..=MOST_DAYS))]
    days: Option<i64>,
    /// Let it change nothing, whatever its grants and the server allow
    #[arg(long)]
    read_only: bool,
    /// Print the answer as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: TokenPlace,
}

/// The arguments of `muster token list`.
#[derive(Clone, Debug, Args)]
pub(super) struct TokenList {
    /// Print the answer as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: TokenPlace,
}

/// The arguments of `muster token revoke`.
#[derive(Clone, Debug, Args)]
pub(super) struct TokenRevoke {
    /// Whose it is
    name: String,
    #[command(flatten)]
    place: TokenPlace,
}

/// Why tokens cannot be looked for or made.
#[derive(Debug, thiserror::Error)]
pub(super) enum TokenCommandError {
    /// Nothing names a file.
    #[error(
        "no file of tokens is named: give --token-file FILE, as muster serve has it, or token_file in the configuration file"
    )]
    NoFile,
    /// A grant that the configuration file does not have.
    #[error("the configuration file has no grant {grant}: {known}")]
    Grant {
        /// The grant.
        grant: String,
        /// The grants that there are.
        known: String,
    },
}

/// A server runs, and may go on by what the file said before.
#[derive(Debug, thiserror::Error)]
#[error("the file is changed, but the server that runs may still go by what it said before: {0}")]
struct Untold(Box<RestartError>);

impl TokenCommand {
    /// Runs the command.
    ///
    /// # Errors
    /// When the file cannot be used.
    pub(super) async fn run(self, environment: &Environment) -> anyhow::Result<()> {
        match self {
            TokenCommand::Add(add) => add.run(environment).await,
            TokenCommand::List(list) => list.run(environment),
            TokenCommand::Revoke(revoke) => revoke.run(environment).await,
        }
    }
}

impl TokenPlace {
    fn file(&self, environment: &Environment) -> anyhow::Result<TokenFile> {
        let given = match (&self.token_file, self.store.file()) {
            (Some(path), _) => Some(environment.absolute(path)),
            (None, Some(config)) => {
                let (read, fault) = ReadFile::<AccessFlags>::selecting(config, environment);
                if let Some(fault) = fault {
                    return Err(fault.into());
                }
                read.flags()?.options(environment).token_file
            }
            (None, None) => None,
        };
        Ok(given.map(TokenFile::at).ok_or(TokenCommandError::NoFile)?)
    }

    /// Refuses grants that the configuration file does not have, where one is given.
    fn check(&self, grants: &[String], environment: &Environment) -> anyhow::Result<()> {
        let Some(config) = self.store.file().filter(|_| !grants.is_empty()) else { return Ok(()) };
        let book = ServerFlags::of_file(config.clone()).config(environment)?.access.grants;
        let unknown = grants.iter().find(|grant| !book.has(grant));
        match unknown {
            None => Ok(()),
            Some(grant) => {
                let names = book.names();
                let known =
                    if names.is_empty() { "it has none".to_owned() } else { format!("it has {}", names.join(", ")) };
                Err(TokenCommandError::Grant { grant: shown(grant, SHOWN), known }.into())
            }
        }
    }

    /// Has the server that runs go by the file as it is now, and says whether it does.
    ///
    /// # Errors
    /// When a server runs and does not take the change.
    async fn tell(self, file: &TokenFile, environment: &Environment) -> Result<(), Untold> {
        let told = match self.store.config(environment) {
            Ok(config) => match process::reload(&config.data_dir).await {
                Ok(report) if unread(&report).is_some() => {
                    let why = shown(unread(&report).unwrap_or_default(), SHOWN);
                    return Err(Untold(Box::new(RestartError::Refused(why))));
                }
                Ok(report) if goes_by(&report, file.path()) => "muster: the server that runs goes by it now".to_owned(),
                Ok(_) => format!(
                    "muster: the server that runs on {} goes by another file of tokens, or by none, so that nothing changes for it. One \
                     that goes by {} has to be told by `muster reload` or SIGHUP",
                    config.data_dir.display(),
                    file.path().display()
                ),
                Err(error @ RestartError::NotRunning { .. }) => untold(&error.into()),
                Err(error) => return Err(Untold(Box::new(error))),
            },
            Err(error) => untold(&error),
        };
        telemetry::say(&told);
        Ok(())
    }
}

/// Why a server that gave this report could not read its file of tokens again; `None` where it could, or has none.
fn unread(report: &Value) -> Option<&str> {
    report.get(REFUSED)?.get(TOKENS)?.as_str()
}

/// Whether a server that gave this report goes by a file of tokens.
fn goes_by(report: &Value, file: &Path) -> bool {
    let Some(named) = report.get("token_file").and_then(Value::as_str) else { return false };
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    named == file.to_string_lossy() || real(Path::new(named)) == real(file)
}

fn untold(error: &anyhow::Error) -> String {
    format!("muster: no server was told, so one that runs goes by it after `muster reload` or SIGHUP ({error:#})")
}

impl TokenAdd {
    async fn run(self, environment: &Environment) -> anyhow::Result<()> {
        let file = self.place.file(environment)?;
        self.place.check(&self.grants, environment)?;
        let token = BearerToken::random().ok_or_else(|| anyhow::anyhow!("the system gives no random bytes"))?;
        let now = AwsClock::default().now();
        let expires = self.days.map(|days| now + Duration::from_hours(24) * u32::try_from(days).unwrap_or(u32::MAX));
        let entry = TokenEntry {
            name: self.name,
            hash: token.hash(),
            created: Some(now),
            expires,
            grants: Some(self.grants).filter(|grants| !grants.is_empty()),
            read_only: self.read_only,
        };
        let rights = rights(&entry);
        let name = entry.name.clone();
        file.edit(|book| book.add(entry))?;
        let mut output = Output::stdout();
        if self.json {
            let answer = json!({"name": name, "token": token.reveal(), "expires": expires});
            output.line(&format!("{answer:#}"))?;
        } else {
            let ends = expires.map_or_else(|| "does not end".to_owned(), |at| format!("ends at {at}"));
            telemetry::say(&format!("muster: the token of {name}, which {ends}, may {rights}. It is shown this once:"));
            output.line(token.reveal())?;
        }
        // The token is made and shown all the same.
        if let Err(error) = self.place.tell(&file, environment).await {
            telemetry::say(&format!("muster: {error}"));
        }
        Ok(())
    }
}

impl TokenList {
    fn run(self, environment: &Environment) -> anyhow::Result<()> {
        let file = self.place.file(environment)?;
        let book = file.read()?.unwrap_or_default();
        let mut output = Output::stdout();
        if self.json {
            let tokens = book.entries().iter().map(|entry| {
                json!({
                    "name": entry.name, "created": entry.created, "expires": entry.expires, "grants": entry.grants,
                    "read_only": entry.read_only,
                })
            });
            let answer = json!({"file": file.path(), "tokens": tokens.collect::<Vec<_>>()});
            return Ok(output.line(&format!("{answer:#}"))?);
        }
        let now = AwsClock::default().now();
        let mut tokens = Table::new(&["name", "created", "ends", "may"]);
        for entry in book.entries() {
            let at = |at: Option<Timestamp>| at.map_or_else(|| "-".to_owned(), |at| at.to_string());
            let ended = if entry.expires.is_some_and(|ends| ends <= now) { " (ended)" } else { "" };
            let ends = format!("{}{ended}", at(entry.expires));
            tokens.row(vec![entry.name.clone(), at(entry.created), ends, rights(entry)]);
        }
        Ok(output.text(tokens.print(Medium::stdout()).as_bytes())?)
    }
}

impl TokenRevoke {
    async fn run(self, environment: &Environment) -> anyhow::Result<()> {
        let file = self.place.file(environment)?;
        file.edit(|book| book.revoke(&self.name))?;
        Output::stdout().line(&format!("the token of {} is revoked", self.name))?;
        Ok(self.place.tell(&file, environment).await?)
    }
}

/// What a token lets do, in words.
fn rights(entry: &TokenEntry) -> String {
    let sees = match &entry.grants {
        None => "see everything".to_owned(),
        Some(grants) => format!("see what these grants hold: {}", shown(&grants.join(", "), SHOWN)),
    };
    if entry.read_only { format!("{sees}, and change nothing") } else { sees }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_said_to_go_by_a_file_only_if_it_names_that_file() {
        let dir = tempfile::tempdir().unwrap();
        let (file, link) = (dir.path().join("tokens.toml"), dir.path().join("link.toml"));
        std::fs::write(&file, "").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        for (report, is_by_it) in [
            (json!({"tokens": 1, "token_file": file.to_str()}), true),
            (json!({"tokens": 1, "token_file": link.to_str()}), true),
            (json!({"tokens": 1, "token_file": "/etc/muster/tokens.toml"}), false),
            (json!({"tokens": 0, "token_file": null}), false),
            (json!({"file": "/etc/muster.toml"}), false),
        ] {
            assert_eq!(goes_by(&report, &file), is_by_it, "{report}");
            assert_eq!(unread(&report), None);
        }
        let unread_file = json!({"file": "/etc/muster.toml", "refused": {"tokens": "line 1", "certificate": "none"}});
        assert_eq!(unread(&unread_file), Some("line 1"));
        assert_eq!(unread(&json!({"tokens": 1, "refused": {"config": "line 1"}})), None);
    }
}
