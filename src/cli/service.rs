//! `muster service`: a server that runs from login on, so that the history has no gaps while no client runs.
//!
//! It writes one file for systemd or launchd and prints the commands that make it count. It starts nothing itself.

mod launchd;
mod systemd;

use std::ffi::OsString;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};

use super::access_flags::AccessFlags;
use super::client_config::{DEFAULT_PROFILE, ServerEntry};
use super::host_flags::HostFlags;
use super::listen_flags::ListenFlags;
use super::output::Output;
use super::servable::servable;
use super::server_flags::ServerFlags;
use crate::config::{Environment, ListenSettings, OwnEndpoint};
use crate::model::shell_word::command_line;
use crate::model::text::shown;
use crate::telemetry;

/// What every file holds that was written here, so that none of a person's is overwritten or removed.
const MARK: &str = "Written by `muster service install`";

/// The longest line of a file, or of what is said about it, that is shown.
const SHOWN: usize = 2_000;

/// What is said of a service that asks nobody who they are.
const OPEN: &str = "muster: over HTTP this service lets in whoever can connect to its address, as every local user can. To let in only \
                    those who have a token, give --token-file FILE: see `muster help http-auth`";

/// The arguments of `muster service`.
#[derive(Clone, Debug, Subcommand)]
pub(super) enum Service {
    /// Write a service that runs `muster serve` with these flags from login on
    Install(Box<InstallService>),
    /// Remove the service again
    Uninstall(UninstallService),
}

/// The arguments of `muster service install`.
#[derive(Clone, Debug, Args)]
pub(super) struct InstallService {
    #[command(flatten)]
    connection: ServerFlags,
    #[command(flatten)]
    listen: ListenFlags,
    #[command(flatten)]
    hosts: HostFlags,
    #[command(flatten)]
    access: AccessFlags,
    #[command(flatten)]
    place: ServicePlace,
    /// Print the file instead of writing it
    #[arg(long, conflicts_with = "force")]
    print: bool,
    /// Replace a service of this name that runs the server in another way
    #[arg(long)]
    force: bool,
}

/// The arguments of `muster service uninstall`.
#[derive(Clone, Debug, Args)]
pub(super) struct UninstallService {
    #[command(flatten)]
    place: ServicePlace,
}

/// Which service it is.
#[derive(Clone, Debug, Args)]
struct ServicePlace {
    /// The name of the service, for several of them: letters, digits, - and _
    #[arg(long, value_name = "NAME", default_value = "muster", value_parser = service_name)]
    name: String,
    /// What runs the service [default: launchd on macOS, else systemd]
    #[arg(long, value_name = "MANAGER")]
    manager: Option<ServiceManager>,
}

/// What runs services.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ServiceManager {
    Systemd,
    Launchd,
}

/// A service as a file.
struct ServiceFile {
    path: PathBuf,
    /// What makes it count.
    start: Vec<String>,
    /// What makes a service that runs read it again.
    again: Vec<String>,
    /// What to do once it is removed.
    end: Vec<String>,
}

/// Why a service is not written or removed.
#[derive(Debug, thiserror::Error)]
pub(super) enum ServiceError {
    /// There is no place for it.
    #[error("no home directory is known: set HOME")]
    NoHome,
    /// systemd refuses the path of the program.
    #[error("systemd runs no program whose path holds quotes, a backslash or control characters: move {} elsewhere", program.escape_debug())]
    Program {
        /// The program.
        program: String,
    },
    /// Clients would not find it again.
    #[error(
        "{flag} needs a port of its own, since what connects to a service looks for it there: port 0 changes at each start"
    )]
    PassingPort {
        /// The flag.
        flag: &'static str,
    },
    /// A person wrote the file.
    #[error("{} was not written by `muster service install`: move it away, or give another --name", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// It runs the server in another way.
    #[error("{} runs the server in another way: give --force to replace it, or another --name. What would change:\n{changes}", path.display())]
    Differs {
        /// The file.
        path: PathBuf,
        /// The lines that differ.
        changes: String,
    },
    /// There is none.
    #[error("there is no service {}", path.display())]
    Absent {
        /// The file.
        path: PathBuf,
    },
    /// The file system refuses.
    #[error("cannot write {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the file system answered.
        #[source]
        source: std::io::Error,
    },
}

fn service_name(text: &str) -> Result<String, String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if (1..=64).contains(&text.len()) && text.chars().all(is_plain) && !text.starts_with('-') {
        Ok(text.to_owned())
    } else {
        Err("a name has 1 to 64 letters, digits, - and _".to_owned())
    }
}

/// Checks that clients find the server again at the addresses where it listens.
fn lasting(listen: &ListenSettings) -> Result<(), ServiceError> {
    let ec2_api = listen.ec2_api.address;
    let addresses = [("--http", listen.http_address()), ("--metrics", listen.metrics), ("--ec2-api", ec2_api)];
    match addresses.into_iter().find(|(_, address)| address.is_some_and(|address| address.port() == 0)) {
        Some((flag, _)) => Err(ServiceError::PassingPort { flag }),
        None => Ok(()),
    }
}

impl Service {
    /// Writes or removes the service, and prints what was done and what to run. `logging` are the arguments of logging.
    ///
    /// # Errors
    /// [`ServiceError`], or what is wrong with a flag.
    pub(super) fn run(self, environment: &Environment, logging: Vec<OsString>) -> anyhow::Result<()> {
        match self {
            Service::Install(install) => install.run(environment, logging),
            Service::Uninstall(uninstall) => uninstall.run(),
        }
    }
}

impl InstallService {
    fn run(self, environment: &Environment, logging: Vec<OsString>) -> anyhow::Result<()> {
        let mut words = self.connection.clone().for_client(environment).words();
        // The service has another working directory.
        let (listen, access) = (self.listen.clone().settings(environment), self.access.clone().options(environment));
        words.extend(ListenFlags::of(&listen).words());
        words.extend(self.hosts.words());
        words.extend(AccessFlags::of(&access).words());
        words.extend(logging);
        let config = self.connection.clone().config(environment)?;
        let (listen, access) = (listen.over(&config.listen), access.over(config.access.clone()));
        lasting(&listen)?;
        servable(&listen, &access)?;
        if listen.http.is_some() && !access.lets_in_known_only() {
            telemetry::say(OPEN);
        }
        // Keys of the environment are not written, so the service serves the directory of a profile.
        let data_dir = match config.selection.profile() {
            Some(_) => config.data_dir.clone(),
            None => self.connection.or_profile(DEFAULT_PROFILE).config(environment)?.data_dir,
        };
        let server = ServerEntry::new(&std::env::current_exe()?, "serve", &words, &config.selection);
        // It has the variables of its file, and no others.
        if let Some(address) = listen.ec2_api.address
            && let Some(own) = OwnEndpoint::among(address, |name| server.variable(name))
        {
            return Err(own.refusal(address).into());
        }
        for gap in server.gaps() {
            telemetry::say(gap);
        }
        for note in server.endpoint_notes("The service") {
            telemetry::say(&note);
        }
        let manager = self.place.manager();
        if manager == ServiceManager::Systemd && !systemd::can_run(server.command()) {
            return Err(ServiceError::Program { program: server.command().to_owned() }.into());
        }
        let text = match manager {
            ServiceManager::Systemd => systemd::unit(&server, MARK),
            ServiceManager::Launchd => launchd::agent(&server, &self.place.name, &home()?, MARK),
        };
        if self.print {
            return Ok(Output::stdout().text(text.as_bytes())?);
        }
        let file = self.place.file()?;
        let failed = |source| ServiceError::Io { path: file.path.clone(), source };
        let known = read(&file.path)?;
        let done = match &known {
            Some(known) if !known.contains(MARK) => return Err(ServiceError::Foreign { path: file.path }.into()),
            Some(known) if *known == text => "this is already",
            Some(known) if !self.force => {
                return Err(ServiceError::Differs { changes: changes(known, &text), path: file.path }.into());
            }
            Some(_) => "replaced",
            None => "wrote",
        };
        if let Some(directory) = file.path.parent() {
            fs::create_dir_all(directory).map_err(failed)?;
        }
        let mut output = Output::stdout();
        output.line(&format!("{done} {}", file.path.display()))?;
        if let Some(known) = known.filter(|known| *known != text) {
            output.line(&changes(&known, &text))?;
        }
        fs::write(&file.path, text).map_err(failed)?;
        let stop = command_line(["muster", "stop", "--data-dir", data_dir.to_string_lossy().as_ref()]);
        output.line("The service takes the place of a server that an MCP client started. End one that you started:")?;
        output.line(&format!("  {}", shown(&stop, SHOWN)))?;
        said(&mut output, "Start the service, now and at each login:", &file.start)?;
        if done == "replaced" {
            said(&mut output, "If it runs already, start it again:", &file.again)?;
        }
        if manager == ServiceManager::Systemd {
            said(&mut output, "Let it run without a login too:", &["loginctl enable-linger".to_owned()])?;
            let log = format!("journalctl --user --unit {}.service", self.place.name);
            said(&mut output, "Read its log:", &[log])?;
        }
        Ok(())
    }
}

impl UninstallService {
    fn run(self) -> anyhow::Result<()> {
        let file = self.place.file()?;
        match read(&file.path)? {
            None => return Err(ServiceError::Absent { path: file.path }.into()),
            Some(known) if !known.contains(MARK) => return Err(ServiceError::Foreign { path: file.path }.into()),
            Some(_) => {}
        }
        let mut removed = vec![file.path.clone()];
        if let Some(link) = systemd::wanted(&file.path).filter(|_| self.place.manager() == ServiceManager::Systemd) {
            removed.push(link);
        }
        let mut output = Output::stdout();
        for path in removed {
            match fs::remove_file(&path) {
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(source) => return Err(ServiceError::Io { path, source }.into()),
                Ok(()) => output.line(&format!("removed {}", path.display()))?,
            }
        }
        said(&mut output, "End the service that runs:", &file.end)
    }
}

impl ServicePlace {
    fn manager(&self) -> ServiceManager {
        let own = if cfg!(target_os = "macos") { ServiceManager::Launchd } else { ServiceManager::Systemd };
        self.manager.unwrap_or(own)
    }

    fn file(&self) -> Result<ServiceFile, ServiceError> {
        let home = home()?;
        let name = &self.name;
        Ok(match self.manager() {
            ServiceManager::Systemd => {
                let config = std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
                let directory = config.unwrap_or_else(|| home.join(".config")).join("systemd/user");
                ServiceFile {
                    path: directory.join(format!("{name}.service")),
                    start: vec![
                        "systemctl --user daemon-reload".to_owned(),
                        format!("systemctl --user enable --now {name}.service"),
                    ],
                    again: vec![format!("systemctl --user restart {name}.service")],
                    end: vec![
                        format!("systemctl --user stop {name}.service"),
                        "systemctl --user daemon-reload".to_owned(),
                    ],
                }
            }
            ServiceManager::Launchd => {
                let label = launchd::label(name);
                let path = home.join("Library/LaunchAgents").join(format!("{label}.plist"));
                let start = vec![format!("launchctl bootstrap gui/$(id -u) '{}'", path.display())];
                let end = vec![format!("launchctl bootout gui/$(id -u)/{label}")];
                let again = end.iter().chain(&start).cloned().collect();
                ServiceFile { path, start, again, end }
            }
        })
    }
}

/// The lines of a file that are no longer there, and those that are new.
fn changes(before: &str, after: &str) -> String {
    let missing = |of: &str, from: &str, sign: char| -> Vec<String> {
        let kept: Vec<&str> = from.lines().collect();
        let gone = of.lines().filter(|line| !kept.contains(line));
        gone.map(|line| format!("  {sign} {}", shown(line, SHOWN))).collect()
    };
    let lines = [missing(before, after, '-'), missing(after, before, '+')].concat();
    lines.join("\n")
}

/// The text of a file; `None` where there is none.
fn read(path: &Path) -> Result<Option<String>, ServiceError> {
    match fs::read(path) {
        Ok(text) => Ok(Some(String::from_utf8_lossy(&text).into_owned())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(source) => Err(ServiceError::Io { path: path.to_owned(), source }),
    }
}

fn home() -> Result<PathBuf, ServiceError> {
    std::env::home_dir().filter(|home| home.is_absolute()).ok_or(ServiceError::NoHome)
}

fn said(output: &mut Output<std::io::Stdout>, what: &str, commands: &[String]) -> anyhow::Result<()> {
    output.line(what)?;
    for command in commands {
        output.line(&format!("  {command}"))?;
    }
    Ok(())
}
