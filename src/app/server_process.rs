//! The process of a server, as clients see it: which it is, and what they may have it do.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, UNIX_EPOCH};

use serde_json::Value;
use tokio::runtime::Handle;

use super::next_server;
use super::reload::ReloadSender;
use super::stop_order::{NextProgram, StopOrder, StopSender};
use crate::aws::AwsClock;
use crate::connection::admin::{AdminMessage, ProcessRequest};
use crate::connection::flag_set::FlagSet;
use crate::connection::handshake::ServerTerms;
use crate::connection::lock;
use crate::connection::server_facts::{ReadApiDay, ServerFacts, ServerLaunch, StartedBy};
use crate::connection::version::{self, current};
use crate::ec2_api::call_tally::Ec2CallTally;
use crate::mcp;
use crate::model::shell_word::command_line;
use crate::model::{Clock, FailureCode};
use crate::policy::{PolicyWidening, WritePolicy, WriteRule};

/// How a server without writes says so among its rules.
const NO_WRITES: &str = "no --allow-writes";

/// The process of a server.
#[derive(Debug)]
pub struct ServerProcess {
    launch: ServerLaunch,
    since_ms: i64,
    idle_exit: Option<Duration>,
    http: OnceLock<(Option<SocketAddr>, String)>,
    /// The counts of EC2's read API, its address, and whether it is answered there by TLS, where it is answered.
    read_api: OnceLock<(Arc<Ec2CallTally>, Option<SocketAddr>, bool)>,
    orders: StopSender,
    reloads: ReloadSender,
    terms: ServerTerms,
}

impl ServerProcess {
    /// The process that serves `data_dir`, whose lock it holds.
    #[must_use]
    pub fn new(
        launch: ServerLaunch,
        data_dir: &Path,
        writes: WritePolicy,
        idle_exit: Option<Duration>,
        orders: StopSender,
    ) -> Self {
        let since = lock::taken_at(data_dir).and_then(|at| at.duration_since(UNIX_EPOCH).ok());
        let since_ms = since.and_then(|since| i64::try_from(since.as_millis()).ok()).unwrap_or_default();
        // The directory stands for the store, which need not be open yet.
        let store = data_dir.canonicalize().ok().map(|directory| directory.to_string_lossy().into_owned());
        let data_dir = data_dir.to_string_lossy();
        let terms = ServerTerms {
            writes,
            flags: launch.flags.clone(),
            read_tools: mcp::tools::read_only(),
            write_tools: mcp::tools::writing(),
            store,
            hands_over: launch.started_by == StartedBy::FrontEnd,
            restart: command_line(["muster", "restart", "--data-dir", data_dir.as_ref()]),
            stop: command_line(["muster", "stop", "--data-dir", data_dir.as_ref()]),
        };
        let reloads = ReloadSender::unheard();
        let (http, read_api) = (OnceLock::new(), OnceLock::new());
        ServerProcess { launch, since_ms, idle_exit, http, read_api, orders, reloads, terms }
    }

    /// A server inside a process that is something else as well: it can be asked which it is, and nobody can end it.
    #[must_use]
    pub fn inner(writes: WritePolicy) -> Self {
        let launch = ServerLaunch {
            program: PathBuf::new(),
            arguments: Vec::new(),
            started_by: StartedBy::Person,
            flags: FlagSet::default(),
            unusable: None,
            has_former: false,
            kept_because: None,
            is_chosen: false,
        };
        ServerProcess::new(launch, Path::new(""), writes, None, StopSender::unheard())
    }

    /// This process, whose configuration file is read again where `reloads` asks for it.
    #[must_use]
    pub fn reloading(self, reloads: ReloadSender) -> Self {
        ServerProcess { reloads, ..self }
    }

    /// Reads the configuration file again, and says what changed.
    pub async fn reload(&self) -> AdminMessage {
        match self.reloads.ask().await {
            Ok(result) => AdminMessage::Done { result },
            Err(error) => AdminMessage::Failed { code: FailureCode::Refused, error },
        }
    }

    /// Says at which URL the server is reached over HTTP, and at which address, if it has one.
    pub fn serves_http(&self, address: Option<SocketAddr>, url: String) {
        // It listens once.
        drop(self.http.set((address, url)));
    }

    /// Says that the server answers EC2's read API, whose requests are counted here, at this address, and whether by TLS.
    pub fn serves_read_api(&self, calls: Arc<Ec2CallTally>, address: Option<SocketAddr>, by_tls: bool) {
        drop(self.read_api.set((calls, address, by_tls)));
    }

    /// What clients' terms are held against.
    #[must_use]
    pub fn terms(&self) -> &ServerTerms {
        &self.terms
    }

    /// Answers a request about the process, with what is to happen once the client has read the answer. `clients` are the MCP
    /// clients of the socket.
    #[must_use]
    pub fn answer(&self, request: ProcessRequest, clients: usize) -> (AdminMessage, Option<StopOrder>) {
        let facts = self.facts(clients);
        match request {
            // What a reload answers takes time: see `reload`.
            ProcessRequest::Describe | ProcessRequest::Reload => (done(&facts), None),
            ProcessRequest::Stop => (done(&facts), Some(StopOrder::Stop)),
            ProcessRequest::Restart { arguments, program, version, widen: _ } => {
                // Whoever starts a server by hand or by a unit decides on the program; and no store goes back by chance.
                let is_theirs = self.launch.started_by == StartedBy::FrontEnd;
                let is_older = version::is_newer(current(), &version);
                let program = Some(program).filter(|_| is_theirs && !is_older);
                (done(&facts), Some(StopOrder::Restart(NextProgram { program, arguments })))
            }
            ProcessRequest::GiveWay if self.launch.started_by == StartedBy::FrontEnd => {
                (done(&facts), Some(StopOrder::GiveWay))
            }
            ProcessRequest::GiveWay => {
                let by = self.launch.started_by;
                let error = format!("this server was {by}, and only a person ends it: {}", self.terms.stop);
                (AdminMessage::Failed { code: FailureCode::Refused, error }, None)
            }
            ProcessRequest::HandOver { version, program } => {
                let refusal = match self.launch.started_by {
                    StartedBy::FrontEnd if self.launch.unusable.as_ref() == Some(&program) => Some(format!(
                        "this server could not start {} before: `{}` tries again",
                        program.display(),
                        self.terms.restart
                    )),
                    StartedBy::FrontEnd if version::is_newer(&version, current()) => None,
                    StartedBy::FrontEnd => Some(format!("this server runs version {}, which is not older", current())),
                    by => {
                        Some(format!("this server was {by}, and only a person starts it again: {}", self.terms.restart))
                    }
                };
                match refusal {
                    None => {
                        let next = NextProgram { program: Some(program), arguments: None };
                        (done(&facts), Some(StopOrder::Restart(next)))
                    }
                    Some(error) => (AdminMessage::Failed { code: FailureCode::Refused, error }, None),
                }
            }
        }
    }

    /// Checks what an order needs while the server still runs: one to start again with other arguments is given only where the
    /// next server can have them, and has every rule for writes that this one has, unless they `may_widen` what is allowed. Returns
    /// what tools may change then that they may not change now.
    ///
    /// # Errors
    /// Why the order is not to be given.
    pub async fn check(&self, order: &StopOrder, may_widen: bool) -> Result<Option<String>, String> {
        let StopOrder::Restart(NextProgram { program, arguments: Some(arguments) }) = order else { return Ok(None) };
        let program = program.as_ref().unwrap_or(&self.launch.program);
        let arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
        let next = next_server::check(program, &arguments, self.http.get().and_then(|(address, _)| *address)).await?;
        let Some(next) = next else { return self.check_unsaid(program, may_widen) };
        let widening = PolicyWidening::between(&self.terms.writes, &next);
        if !widening.dropped.is_empty() && !may_widen {
            return Err(format!(
                "these flags would drop rules for writes that it has ({}). A flag takes the place of all its earlier values: name \
                 again those that are to stay, or write `muster restart --widen` to drop them",
                listed(&widening.dropped)
            ));
        }
        Ok(told(&widening))
    }

    /// The same where `program` does not say which rules for writes it would have, so that it may have none of those of this one.
    fn check_unsaid(&self, program: &Path, may_widen: bool) -> Result<Option<String>, String> {
        let (rules, program) = (self.rules().join(", "), program.display());
        if rules.is_empty() {
            return Ok(None);
        }
        if may_widen {
            return Ok(Some(format!(
                "{program} does not say which rules for writes it has: tools may change more in AWS through this server, which had {rules}"
            )));
        }
        Err(format!(
            "{program} does not say which rules for writes it would have with these flags, so that those that this server has could be \
             dropped ({rules}): `muster restart --widen` starts it all the same"
        ))
    }

    /// Gives the order that an answer came with.
    pub fn order(&self, order: StopOrder) {
        self.orders.order(order);
    }

    /// The rules that narrow what tools may change, as flags.
    fn rules(&self) -> Vec<String> {
        if !self.terms.writes.allow {
            return vec![NO_WRITES.to_owned()];
        }
        let rules = self.terms.writes.rules().into_iter().filter(|rule| !matches!(rule, WriteRule::Writes(_)));
        rules.map(|rule| rule.to_string()).collect()
    }

    fn facts(&self, clients: usize) -> ServerFacts {
        let arguments = self.launch.arguments.iter().map(|word| word.to_str().map(str::to_owned)).collect();
        ServerFacts {
            pid: std::process::id(),
            version: current().to_owned(),
            started_by: self.launch.started_by,
            program: self.launch.program.clone(),
            arguments,
            since_ms: self.since_ms,
            clients,
            tasks: Handle::try_current().map_or(0, |runtime| runtime.metrics().num_alive_tasks()),
            http: self.http.get().map(|(_, url)| url.clone()),
            kept_because: self.launch.kept_because.clone(),
            idle_exit_s: self.idle_exit.map(|idle| idle.as_secs()),
            rules: self.rules(),
            read_api: self.read_api.get().map(|(calls, ..)| read_api(calls)),
            read_api_address: self.read_api.get().and_then(|(_, address, _)| *address),
            read_api_tls: self.read_api.get().and_then(|(_, address, by_tls)| address.map(|_| *by_tls)),
        }
    }
}

/// What EC2's read API answered today.
fn read_api(calls: &Ec2CallTally) -> ReadApiDay {
    let today = calls.today(AwsClock::default().now());
    ReadApiDay { from_copy: today.from_copy, asked: today.asked }
}

fn listed(rules: &[WriteRule]) -> String {
    rules.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// Says what tools may change that they could not before; nothing where that is nothing.
fn told(widening: &PolicyWidening) -> Option<String> {
    let opened = widening.opened.as_ref().map(|rule| format!("it has {rule} now"));
    let dropped = Some(&widening.dropped).filter(|dropped| !dropped.is_empty());
    let parts = opened.into_iter().chain(dropped.map(|rules| format!("it has no longer {}", listed(rules))));
    let parts: Vec<String> = parts.collect();
    (!parts.is_empty()).then(|| format!("tools may change more in AWS through this server: {}", parts.join(", and ")))
}

fn done(facts: &ServerFacts) -> AdminMessage {
    AdminMessage::Done { result: serde_json::to_value(facts).unwrap_or(Value::Null) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn started_by(started_by: StartedBy) -> ServerProcess {
        let launch = ServerLaunch {
            program: "/opt/muster".into(),
            arguments: ["serve", "--detached"].map(Into::into).into(),
            started_by,
            flags: FlagSet::default(),
            unusable: Some("/unusable/muster".into()),
            has_former: false,
            kept_because: None,
            is_chosen: false,
        };
        ServerProcess::new(
            launch,
            Path::new("/d a"),
            WritePolicy::of(true),
            Some(Duration::from_mins(15)),
            StopSender::unheard(),
        )
    }

    fn hand_over(version: &str) -> ProcessRequest {
        ProcessRequest::HandOver { version: version.to_owned(), program: "/new/muster".into() }
    }

    #[test]
    fn only_a_server_that_a_front_end_started_hands_over_and_only_to_a_newer_one() {
        let (answer, order) = started_by(StartedBy::FrontEnd).answer(hand_over("99.0.0"), 1);
        assert!(matches!(answer, AdminMessage::Done { .. }));
        let next = NextProgram { program: Some("/new/muster".into()), arguments: None };
        assert_eq!(order, Some(StopOrder::Restart(next)));
        for (by, version) in
            [(StartedBy::FrontEnd, current()), (StartedBy::Person, "99.0.0"), (StartedBy::Systemd, "99.0.0")]
        {
            let (answer, order) = started_by(by).answer(hand_over(version), 1);
            assert!(matches!(answer, AdminMessage::Failed { .. }) && order.is_none(), "{by:?} {version}: {answer:?}");
        }
    }

    #[test]
    fn only_a_server_that_a_front_end_started_gives_way_to_that_of_a_service() {
        let give_way = |by| started_by(by).answer(ProcessRequest::GiveWay, 1);
        assert_eq!(give_way(StartedBy::FrontEnd).1, Some(StopOrder::GiveWay));
        for by in [StartedBy::Person, StartedBy::Systemd] {
            let (AdminMessage::Failed { error, .. }, None) = give_way(by) else { panic!("{by:?} gives way") };
            assert!(error.contains("only a person ends it: muster stop"), "{error}");
        }
    }

    #[test]
    fn a_program_that_could_not_be_started_is_tried_again_only_where_a_person_wants_it() {
        let (version, program) = ("99.0.0".to_owned(), PathBuf::from("/unusable/muster"));
        let process = started_by(StartedBy::FrontEnd);
        let asked = ProcessRequest::HandOver { version: version.clone(), program: program.clone() };
        let (AdminMessage::Failed { error, .. }, None) = process.answer(asked, 1) else { panic!("not refused") };
        assert!(error.contains("/unusable/muster") && error.contains("muster restart --data-dir '/d a'"), "{error}");
        let restart = ProcessRequest::Restart { arguments: None, program: program.clone(), version, widen: false };
        let next = NextProgram { program: Some(program), arguments: None };
        assert_eq!(process.answer(restart, 1).1, Some(StopOrder::Restart(next)));
    }

    #[tokio::test]
    async fn a_program_that_does_not_say_its_rules_may_have_dropped_all_of_them() {
        let ruled = |writes: WritePolicy| ServerProcess {
            terms: ServerTerms { writes, ..started_by(StartedBy::FrontEnd).terms },
            ..started_by(StartedBy::FrontEnd)
        };
        let next = NextProgram { program: Some("/bin/true".into()), arguments: Some(vec!["serve".to_owned()]) };
        let order = StopOrder::Restart(next);
        for (writes, rule) in
            [(WritePolicy::with([WriteRule::Human]), "--require-human"), (WritePolicy::of(false), NO_WRITES)]
        {
            let process = ruled(writes);
            let why = process.check(&order, false).await.unwrap_err();
            assert!(why.contains("/bin/true does not say") && why.contains(rule) && why.contains("--widen"), "{why}");
            let widened = process.check(&order, true).await.unwrap().unwrap();
            assert!(widened.contains(rule), "{widened}");
        }
        assert_eq!(ruled(WritePolicy::of(true)).check(&order, false).await, Ok(None), "it has no rule to drop");
    }

    #[test]
    fn a_restart_keeps_the_program_that_a_person_chose() {
        let restart = |version: &str| {
            let (program, version) = ("/new/muster".into(), version.to_owned());
            ProcessRequest::Restart { arguments: None, program, version, widen: false }
        };
        let own = Some(StopOrder::Restart(NextProgram::default()));
        assert_eq!(started_by(StartedBy::Person).answer(restart("99.0.0"), 0).1, own);
        assert_eq!(started_by(StartedBy::FrontEnd).answer(restart("0.0.1"), 0).1, own, "an older one asks");
        for version in ["99.0.0", current()] {
            let (_, order) = started_by(StartedBy::FrontEnd).answer(restart(version), 0);
            assert!(matches!(order, Some(StopOrder::Restart(NextProgram { program: Some(_), .. }))), "{version}");
        }
    }

    #[test]
    fn a_server_says_which_it_is_and_how_it_is_started_again() {
        let process = started_by(StartedBy::FrontEnd);
        let (AdminMessage::Done { result }, None) = process.answer(ProcessRequest::Describe, 3) else {
            panic!("not done")
        };
        let facts: ServerFacts = serde_json::from_value(result).unwrap();
        assert_eq!((facts.clients, facts.idle_exit_s, facts.pid), (3, Some(900), std::process::id()));
        assert_eq!(facts.arguments, Some(["serve", "--detached"].map(str::to_owned).into()));
        assert_eq!(process.terms().restart, "muster restart --data-dir '/d a'");
        assert!(process.terms().hands_over && process.terms().writes.allow);
    }
}
