//! Reads the configuration file again while clients stay connected, for `muster reload` and SIGHUP.
//!
//! Only the accounts and kinds, and who is let in over HTTP, can change while a server runs. Other settings that differ are named, and
//! count when the server starts again. The files of tokens, of the certificate and of the keys of EC2's read API are read again too. A
//! file that cannot be used changes nothing, and keeps none of the others back: a token that was revoked does not wait until somebody
//! mends another file.

use std::convert::Infallible;
use std::fmt;
use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Map, Value};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::spawn_blocking;

use super::access::AccessDesk;
use super::ec2_keys::Ec2KeyDesk;
use super::reload_report::{ReloadReport, RereadFile};
use super::stop_order::{StopOrder, StopSender};
use super::tls_files::TlsFiles;
use crate::aws::{AccountPlan, AccountSources};
use crate::config::AccessOptions;
use crate::config::file::ISSUERS;
use crate::connection::flag_set::FlagSet;
use crate::kinds::KINDS;
use crate::model::KindSelection;
use crate::model::text::chain;

/// What is watched, as a configuration says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WatchSources {
    /// Where the accounts come from that are watched beside one another.
    pub accounts: AccountSources,
    /// The kinds.
    pub kinds: KindSelection,
}

/// What of a configuration a server compares when it reads the file again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileContents {
    /// What is watched.
    pub watched: WatchSources,
    /// All other settings, as flags.
    pub settings: FlagSet,
    /// Who is let in over HTTP.
    pub access: AccessOptions,
}

/// Reads the configuration file again, and lays the flags of the server over it.
pub type FileReader = Arc<dyn Fn() -> Result<FileContents, String> + Send + Sync>;

/// The configuration file of a server.
#[derive(Clone)]
pub struct FileSource {
    /// The file.
    pub path: PathBuf,
    /// What the server began with.
    pub contents: FileContents,
    /// Reads it again.
    pub read: FileReader,
}

impl fmt::Debug for FileSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileSource").field("path", &self.path).finish_non_exhaustive()
    }
}

/// Asks a server to read its configuration file again.
#[derive(Clone, Debug)]
pub struct ReloadSender(mpsc::Sender<oneshot::Sender<Result<Value, String>>>);

/// Where the requests to read the configuration file again come in.
#[derive(Debug)]
pub struct ReloadRequests {
    asked: mpsc::Receiver<oneshot::Sender<Result<Value, String>>>,
    hangup: Option<Signal>,
    source: Option<FileSource>,
    access: Option<AccessDesk>,
    /// The certificate of HTTP, which is read again as well.
    tls: Option<TlsFiles>,
    /// The keys of EC2's read API, which are read again as well.
    ec2_keys: Option<Ec2KeyDesk>,
    orders: StopSender,
    /// Whether the server writes to a terminal.
    has_terminal: bool,
}

impl ReloadSender {
    /// A sender whose requests nobody hears.
    #[must_use]
    pub fn unheard() -> Self {
        ReloadSender(mpsc::channel(1).0)
    }

    /// Has the file read again, and returns what changed.
    ///
    /// # Errors
    /// Why nothing changed.
    pub async fn ask(&self) -> Result<Value, String> {
        let (sender, answer) = oneshot::channel();
        let over = || "the server ends".to_owned();
        self.0.send(sender).await.map_err(|_| over())?;
        answer.await.map_err(|_| over())?
    }
}

impl ReloadRequests {
    /// Takes SIGHUP over, where there is a configuration file or one of tokens; without, it ends the process, as ever. The signal comes
    /// as well when the terminal of a server closes, which then ends by an order.
    ///
    /// # Errors
    /// When the system refuses a handler.
    pub fn take(
        source: Option<FileSource>,
        access: Option<AccessDesk>,
        orders: StopSender,
    ) -> io::Result<(Self, ReloadSender)> {
        let has_files = source.is_some() || access.is_some();
        let hangup = has_files.then(|| signal(SignalKind::hangup())).transpose()?;
        let (sender, asked) = mpsc::channel(1);
        let has_terminal = io::stderr().is_terminal();
        let (tls, ec2_keys) = (None, None);
        let requests = ReloadRequests { asked, hangup, source, access, tls, ec2_keys, orders, has_terminal };
        Ok((requests, ReloadSender(sender)))
    }

    /// Reads this certificate again as well, and so takes SIGHUP over.
    ///
    /// # Errors
    /// When the system refuses a handler.
    pub fn with_tls(self, tls: Option<TlsFiles>) -> io::Result<Self> {
        let hangup = match (self.hangup, &tls) {
            (None, Some(_)) => Some(signal(SignalKind::hangup())?),
            (hangup, _) => hangup,
        };
        Ok(ReloadRequests { hangup, tls, ..self })
    }

    /// Reads these keys again as well, and so takes SIGHUP over.
    ///
    /// # Errors
    /// When the system refuses a handler.
    pub fn with_ec2_keys(self, ec2_keys: Option<Ec2KeyDesk>) -> io::Result<Self> {
        let hangup = match (self.hangup, &ec2_keys) {
            (None, Some(_)) => Some(signal(SignalKind::hangup())?),
            (hangup, _) => hangup,
        };
        Ok(ReloadRequests { hangup, ec2_keys, ..self })
    }

    /// Answers the requests, and passes on what is watched by a file that was read again.
    pub async fn answer(mut self, watched: &watch::Sender<WatchSources>) -> Infallible {
        loop {
            let hangup = async {
                match &mut self.hangup {
                    Some(hangup) => drop(hangup.recv().await),
                    None => std::future::pending().await,
                }
            };
            let asker = tokio::select! {
                Some(asker) = self.asked.recv() => Some(asker),
                () = hangup => None,
            };
            if asker.is_none() && self.has_terminal && !io::stderr().is_terminal() {
                self.orders.order(StopOrder::Signal("SIGHUP"));
                continue;
            }
            let report = self.reload(watched).await;
            for why in report.refused() {
                tracing::error!(why, "a file of this server could not be read again: what it said before still counts");
            }
            let outcome = report.answer();
            if let Ok(report) = &outcome {
                tracing::info!(%report, "the files of this server were read again");
            }
            if let Some(asker) = asker {
                // Whoever asked may have gone.
                drop(asker.send(outcome));
            }
        }
    }

    async fn reload(&self, watched: &watch::Sender<WatchSources>) -> ReloadReport {
        let mut report = ReloadReport::default();
        if let Some(tls) = &self.tls {
            match with_certificate(tls.clone()).await {
                Ok(facts) => report.take(facts),
                Err(why) => report.refuse(RereadFile::Certificate, why),
            }
        }
        let now = match &self.source {
            Some(source) => match self.contents(source).await {
                Ok(now) => Some(now),
                Err(why) => {
                    report.refuse(RereadFile::Config, why);
                    None
                }
            },
            None => None,
        };
        if let Some(access) = &self.access {
            match access.reload(now.as_ref().map(|now| &now.access)).await {
                Ok(facts) if now.is_some() || access.has_token_file() => report.take(facts),
                Ok(_) => {}
                Err(why) => report.refuse(RereadFile::Tokens, why),
            }
        }
        if let Some(keys) = &self.ec2_keys {
            match keys.reload(now.as_ref().map(|now| &now.access.grants)).await {
                Ok(facts) => report.take(facts),
                Err(why) => report.refuse(RereadFile::Ec2Keys, why),
            }
        }
        if let (Some(source), Some(now)) = (&self.source, now) {
            report.take(Value::Object(apply(source, now, watched, self.access.is_some())));
        }
        let has_others = self.access.is_some() || self.tls.is_some() || self.ec2_keys.is_some();
        if self.source.is_none() && !has_others {
            let why = "this server has no configuration file: `muster restart -- --config FILE` gives it one";
            report.refuse(RereadFile::Config, why.to_owned());
        }
        report
    }

    /// What the configuration file says now, if the server can go by it while it runs.
    async fn contents(&self, source: &FileSource) -> Result<FileContents, String> {
        let read = Arc::clone(&source.read);
        let now = spawn_blocking(move || read()).await.map_err(|error| error.to_string())??;
        let now = usable(source, now)?;
        if let Some(access) = &self.access {
            access.check(&now.access)?;
        }
        Ok(now)
    }
}

/// Reads a certificate again. Returns its file.
async fn with_certificate(tls: TlsFiles) -> Result<Value, String> {
    let read = spawn_blocking(move || tls.reload().map(|()| serde_json::json!({"certificate": tls.certificate()})));
    read.await.map_err(|error| error.to_string())?.map_err(|error| chain(&error))
}

/// A configuration that the server can go by while it runs.
fn usable(FileSource { path, contents, .. }: &FileSource, now: FileContents) -> Result<FileContents, String> {
    let accounts = &now.watched.accounts;
    if accounts.is_empty() == contents.watched.accounts.is_empty() {
        return Ok(now);
    }
    let lists = if accounts.is_empty() { "lists no accounts any more" } else { "lists accounts now" };
    Err(format!(
        "{} {lists}, so that another data directory belongs to it: end this server with `muster stop`, and start it again",
        path.display()
    ))
}

/// Has what a configuration file says now count, as far as it can while a server runs, and says what changed. `asks_who` says whether
/// the server lets in only whom it knows.
fn apply(
    FileSource { path, contents, .. }: &FileSource,
    now: FileContents,
    watched: &watch::Sender<WatchSources>,
    asks_who: bool,
) -> Map<String, Value> {
    let (before, accounts) = (watched.borrow().clone(), &now.watched.accounts);
    let has_other = before.accounts.organization != accounts.organization;
    let mut report = changes(&before.accounts.listed, &accounts.listed);
    let differing = now.settings.differing(&contents.settings);
    let gone = contents.settings.differing(&now.settings);
    let key = |flag: &str| flag.trim_start_matches("--").replace('-', "_");
    let mut restart: Vec<String> = differing.iter().chain(&gone).map(|one| key(&one.flag)).collect();
    if !asks_who && !now.access.issuers.is_empty() {
        restart.push(ISSUERS.to_owned());
    }
    restart.sort();
    restart.dedup();
    report.insert("file".to_owned(), path.to_string_lossy().into());
    report.insert("organization".to_owned(), has_other.into());
    report.insert("restart".to_owned(), restart.into());
    report.extend(turned(&before.kinds, &now.watched.kinds));
    watched.send_if_modified(|known| {
        let is_other = *known != now.watched;
        *known = now.watched;
        is_other
    });
    report
}

/// Which kinds are watched from now on, and which are not any more, by their slugs, where there are such.
fn turned(before: &KindSelection, now: &KindSelection) -> impl Iterator<Item = (String, Value)> {
    let only = |of: &KindSelection, other: &KindSelection| -> Vec<&str> {
        let specs = KINDS.iter().filter(|spec| of.watches(&spec.kind()) && !other.watches(&spec.kind()));
        specs.map(|spec| spec.slug).collect()
    };
    let turned = [("kinds_added", only(now, before)), ("kinds_removed", only(before, now))];
    turned.into_iter().filter(|(_, slugs)| !slugs.is_empty()).map(|(name, slugs)| (name.to_owned(), slugs.into()))
}

/// Which accounts were added, removed and changed, by their names.
fn changes(before: &[AccountPlan], now: &[AccountPlan]) -> Map<String, Value> {
    let same = |one: &AccountPlan, other: &AccountPlan| match (&one.account, &other.account) {
        (Some(one), Some(other)) => one == other,
        _ => one.credentials == other.credentials,
    };
    let labels = |plans: Vec<&AccountPlan>| plans.into_iter().map(AccountPlan::label).collect::<Vec<_>>();
    let known = |plan: &AccountPlan, among: &[AccountPlan]| among.iter().find(|other| same(plan, other)).cloned();
    let added: Vec<&AccountPlan> = now.iter().filter(|plan| known(plan, before).is_none()).collect();
    let removed = before.iter().filter(|plan| known(plan, now).is_none()).collect();
    let changed = now.iter().filter(|plan| known(plan, before).is_some_and(|known| known != **plan)).collect();
    let unchanged = now.iter().filter(|plan| known(plan, before).is_some_and(|known| known == **plan)).count();
    let lists = [("added", added), ("removed", removed), ("changed", changed)];
    let mut report: Map<String, Value> =
        lists.into_iter().map(|(what, plans)| (what.to_owned(), labels(plans).into())).collect();
    report.insert("unchanged".to_owned(), unchanged.into());
    report
}

#[cfg(test)]
mod tests {
    use parking_lot::Mutex;
    use serde_json::json;

    use super::*;
    use crate::aws::{CredentialPlan, EventPlan, Regions};
    use crate::model::Region;

    fn plan(profile: &str, region: &str) -> AccountPlan {
        AccountPlan {
            account: None,
            name: None,
            ou: None,
            credentials: CredentialPlan { profile: Some(profile.to_owned()), roles: Vec::new() },
            regions: Regions::Named(vec![Region::new(region)]),
            share_percent: None,
            events: EventPlan::default(),
        }
    }

    fn contents(accounts: &[AccountPlan], flags: &str) -> FileContents {
        let accounts = AccountSources { listed: accounts.to_vec(), organization: None };
        let watched = WatchSources { accounts, kinds: KindSelection::All };
        FileContents { watched, settings: FlagSet::of(flags.split_whitespace()), access: AccessOptions::default() }
    }

    #[tokio::test]
    async fn accounts_change_at_once_other_settings_are_named_and_a_bad_file_changes_nothing() {
        let began = contents(&[plan("a", "eu-west-1"), plan("b", "eu-west-1")], "--list auto --aws-share 0.5");
        let file = Arc::new(Mutex::new(Ok(began.clone())));
        let held = Arc::clone(&file);
        let source =
            FileSource { path: "/m.toml".into(), contents: began.clone(), read: Arc::new(move || held.lock().clone()) };
        let (requests, sender) = ReloadRequests::take(Some(source), None, StopSender::unheard()).unwrap();
        let (sources, watched) = watch::channel(began.watched.clone());
        let asked = async {
            let now = [plan("b", "us-east-1"), plan("c", "eu-west-1")];
            let others = KindSelection::Only([KINDS[0].kind(), KINDS[2].kind()].into());
            let mut changed = contents(&now, "--list all --events muster");
            changed.watched.kinds = others.clone();
            *file.lock() = Ok(changed);
            let mut report = sender.ask().await.unwrap();
            let removed = report.as_object_mut().unwrap().remove("kinds_removed").unwrap();
            assert!(removed.as_array().is_some_and(|kinds| kinds.len() == KINDS.len() - 2), "{removed}");
            let expected = json!({
                "added": ["profile c"], "removed": ["profile a"], "changed": ["profile b"], "unchanged": 0, "file": "/m.toml", "organization": false,
                "restart": ["aws_share", "events", "list"],
            });
            assert_eq!(report, expected);
            assert_eq!((&watched.borrow().accounts.listed[..], &watched.borrow().kinds), (&now[..], &others));
            *file.lock() = Err("m.toml:1:1: wrong".to_owned());
            assert_eq!(sender.ask().await, Err("m.toml:1:1: wrong".to_owned()));
            *file.lock() = Ok(contents(&[], ""));
            assert!(sender.ask().await.unwrap_err().contains("lists no accounts any more"));
            assert_eq!(watched.borrow().accounts.listed, now);
        };
        tokio::select! {
            never = requests.answer(&sources) => match never {},
            () = asked => {}
        }
    }

    #[tokio::test]
    async fn a_server_without_a_file_says_so() {
        let (requests, sender) = ReloadRequests::take(None, None, StopSender::unheard()).unwrap();
        let sources = watch::Sender::new(WatchSources::default());
        let error = tokio::select! {
            never = requests.answer(&sources) => match never {},
            outcome = sender.ask() => outcome.unwrap_err(),
        };
        assert!(error.contains("--config FILE"), "{error}");
    }
}
