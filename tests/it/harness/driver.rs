//! MCP clients that people use, each a process or a thread that obeys a test.

use std::collections::VecDeque;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::muster::{MUSTER, Sandbox};
use super::process::{Running, Silence};
use super::python::Environment;
use super::rust::{RustClient, RustTransport};
use super::{PATIENCE, node};

/// Which client, and how it opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flavour {
    /// `mcp` 2.3, which asks `server/discover` first.
    Auto,
    /// `mcp` 2.3, which takes the newer protocol for granted.
    Modern,
    /// `mcp` 2.3 with the older handshake.
    Legacy,
    /// `mcp` 1.30.
    Old,
    /// `fastmcp`, which asks `server/discover` first. It has no subscriptions of the newer era.
    Fast,
    /// `fastmcp` with the older handshake.
    FastLegacy,
    /// `@modelcontextprotocol/client` of npm, which asks `server/discover` first.
    Npm,
    /// `@modelcontextprotocol/client` of npm with the older handshake.
    NpmLegacy,
    /// rmcp, which asks `server/discover` first.
    Rust,
    /// rmcp with the older handshake.
    RustLegacy,
}

impl Flavour {
    /// The clients of `PyPI`'s `mcp`, each with the handshakes that it prefers.
    pub(crate) const ALL: [Flavour; 3] = [Flavour::Auto, Flavour::Legacy, Flavour::Old];

    /// Every client in every mode.
    pub(crate) const MATRIX: [Flavour; 10] = [
        Flavour::Auto,
        Flavour::Modern,
        Flavour::Legacy,
        Flavour::Old,
        Flavour::Fast,
        Flavour::FastLegacy,
        Flavour::Npm,
        Flavour::NpmLegacy,
        Flavour::Rust,
        Flavour::RustLegacy,
    ];

    /// The revision of the protocol that this client has to end up with.
    pub(crate) fn protocol(self) -> &'static str {
        match self {
            Flavour::Auto | Flavour::Modern | Flavour::Fast | Flavour::Npm | Flavour::Rust => "2026-07-28",
            Flavour::Legacy | Flavour::Old | Flavour::FastLegacy | Flavour::NpmLegacy | Flavour::RustLegacy => {
                "2025-11-25"
            }
        }
    }

    /// Whether the client can subscribe in this mode.
    pub(crate) fn subscribes(self) -> bool {
        self != Flavour::Fast
    }

    fn mode(self) -> &'static str {
        match self {
            Flavour::Modern => "2026-07-28",
            Flavour::Auto | Flavour::Fast | Flavour::Npm | Flavour::Rust => "auto",
            Flavour::Legacy | Flavour::Old | Flavour::FastLegacy | Flavour::NpmLegacy | Flavour::RustLegacy => "legacy",
        }
    }

    /// The program of the client; `None` where it is a thread of the test.
    fn command(self) -> Option<Command> {
        match self {
            Flavour::Auto | Flavour::Modern | Flavour::Legacy => Some(Environment::Mcp2.script("mcp2.py")),
            Flavour::Old => Some(Environment::Mcp1.script("mcp1.py")),
            Flavour::Fast | Flavour::FastLegacy => Some(Environment::FastMcp.script("fast.py")),
            Flavour::Npm | Flavour::NpmLegacy => Some(node::script("client.mjs")),
            Flavour::Rust | Flavour::RustLegacy => None,
        }
    }
}

/// How the client reaches the server.
pub(crate) enum Transport<'a> {
    /// It launches `muster mcp` with these flags.
    Stdio(&'a Sandbox, &'a [&'a str]),
    /// It connects to a URL.
    Http(&'a str),
    /// It connects to a URL with a bearer token.
    Known(&'a str, &'a str),
    /// It connects to a URL, and logs in where the server leads it: a client of `mcp` or of npm.
    Login(&'a str),
    /// It launches `mcp-remote`, which connects to a URL, in the place of a server over stdio.
    Remote(&'a Sandbox, &'a str),
}

/// Where a client runs.
enum Engine {
    Process(Running),
    Thread(RustClient),
}

/// A connected client.
pub(crate) struct Driver {
    engine: Engine,
    /// What it learned on connecting: `protocol`, `server`, `instructions`, `capabilities`.
    pub(crate) ready: Value,
    events: VecDeque<Value>,
}

impl Driver {
    /// Starts a client that can ask nobody, and waits until it is connected.
    pub(crate) fn connect(flavour: Flavour, transport: &Transport<'_>) -> Driver {
        Driver::with_person(flavour, transport, None)
    }

    /// Starts a client whose person, if there is one, accepts, declines or cancels what it is asked, and waits until it is connected.
    pub(crate) fn with_person(flavour: Flavour, transport: &Transport<'_>, person: Option<&str>) -> Driver {
        Driver::opened(flavour, Driver::engine(flavour, transport, person, None))
    }

    /// Starts a client that trusts the authority of this file, as its users have it do, and waits until it is connected.
    pub(crate) fn trusting(flavour: Flavour, transport: &Transport<'_>, authority: &Path) -> Driver {
        Driver::opened(flavour, Driver::engine(flavour, transport, None, Some(authority)))
    }

    /// What a client says that does not come in.
    pub(crate) fn refused(flavour: Flavour, transport: &Transport<'_>, authority: Option<&Path>) -> Value {
        serde_json::from_str(&Driver::engine(flavour, transport, None, authority).line(PATIENCE)).unwrap()
    }

    fn engine(flavour: Flavour, transport: &Transport<'_>, person: Option<&str>, authority: Option<&Path>) -> Engine {
        let Some(mut command) = flavour.command() else { return Engine::Thread(Driver::thread(flavour, transport)) };
        if let Some(authority) = authority {
            command.env("SSL_CERT_FILE", authority).env("NODE_EXTRA_CA_CERTS", authority);
        }
        Engine::Process(Driver::process(flavour, command, transport, person))
    }

    fn opened(flavour: Flavour, engine: Engine) -> Driver {
        let ready: Value = serde_json::from_str(&engine.line(PATIENCE)).unwrap();
        assert_eq!(ready["event"], "ready", "{flavour:?} does not connect: {ready}{}", engine.tail());
        Driver { engine, ready, events: VecDeque::new() }
    }

    fn process(flavour: Flavour, mut command: Command, transport: &Transport<'_>, person: Option<&str>) -> Running {
        let mut settings = json!({ "mode": flavour.mode() });
        if let Some(person) = person {
            settings["person"] = json!(person);
        }
        match transport {
            Transport::Http(url) => settings["url"] = json!(url),
            Transport::Known(url, token) => {
                settings["url"] = json!(url);
                settings["token"] = json!(token);
            }
            Transport::Login(url) => {
                settings["url"] = json!(url);
                settings["oauth"] = json!(true);
            }
            Transport::Stdio(sandbox, flags) => {
                settings["command"] = json!(MUSTER);
                settings["args"] = json!(sandbox.mcp_arguments(flags));
            }
            Transport::Remote(_, url) => {
                settings["command"] = json!(node::binary());
                let program = node::file("mcp-remote/dist/proxy.js");
                settings["args"] = json!([program, url, "--allow-http", "--transport", "http-only"]);
            }
        }
        if let Transport::Stdio(sandbox, _) | Transport::Remote(sandbox, _) = transport {
            settings["env"] = sandbox.environment().iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        }
        command.arg(settings.to_string());
        Running::start(&format!("{flavour:?}"), command)
    }

    fn thread(flavour: Flavour, transport: &Transport<'_>) -> RustClient {
        let transport = match transport {
            Transport::Http(url) => RustTransport::Http((*url).to_owned()),
            Transport::Stdio(sandbox, flags) => {
                let arguments = sandbox.mcp_arguments(flags);
                let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
                RustTransport::Stdio(sandbox.muster(&arguments))
            }
            Transport::Remote(..) => panic!("{flavour:?} needs no mcp-remote"),
            Transport::Known(..) | Transport::Login(_) => panic!("{flavour:?} sends no token"),
        };
        RustClient::start(flavour.mode() == "auto", transport)
    }

    /// Every tool.
    pub(crate) fn tools(&mut self) -> Vec<Value> {
        self.members("tools", "tools")
    }

    /// Every listed resource, following cursors.
    pub(crate) fn resources(&mut self) -> Vec<Value> {
        self.members("resources", "resources")
    }

    /// Every resource template.
    pub(crate) fn templates(&mut self) -> Vec<Value> {
        self.members("templates", "resourceTemplates")
    }

    /// The JSON body of a resource.
    pub(crate) fn read(&mut self, uri: &str) -> Value {
        let result = self.must(&json!({"op": "read", "uri": uri}));
        let text = result["contents"][0]["text"].as_str().unwrap_or_else(|| panic!("{uri} has no text: {result}"));
        serde_json::from_str(text).unwrap()
    }

    /// The outcome of reading a resource.
    pub(crate) fn try_read(&mut self, uri: &str) -> Result<Value, Value> {
        self.ask(&json!({"op": "read", "uri": uri}))
    }

    /// The result of a tool, which is called again with the token of the plan that it is shown, if any.
    pub(crate) fn call(&mut self, tool: &str, arguments: &Value) -> Value {
        let shown = self.must(&json!({"op": "call", "name": tool, "arguments": arguments}));
        let token = &shown["structuredContent"]["confirmation"]["token"];
        if token.is_null() {
            return shown;
        }
        let mut arguments = arguments.clone();
        arguments["confirmation"] = token.clone();
        self.must(&json!({"op": "call", "name": tool, "arguments": arguments}))
    }

    /// The outcome of a tool.
    pub(crate) fn try_call(&mut self, tool: &str, arguments: &Value) -> Result<Value, Value> {
        self.ask(&json!({"op": "call", "name": tool, "arguments": arguments}))
    }

    /// Ends a subscription.
    pub(crate) fn unsubscribe(&mut self, uris: &[String]) {
        self.must(&json!({"op": "unsubscribe", "uris": uris}));
    }

    /// Subscribes as this client's era does it, and returns once the server has acknowledged.
    pub(crate) fn subscribe(&mut self, uris: &[String]) {
        let honoured = self.must(&json!({"op": "subscribe", "uris": uris}));
        assert_eq!(honoured, json!(uris), "the server honours other URIs than asked");
    }

    /// The next `updated` notification within `patience`: its URI and when it arrived, in seconds of the wall clock (not a number
    /// for a client that does not say).
    pub(crate) fn updated(&mut self, patience: Duration) -> Option<(String, f64)> {
        let started = Instant::now();
        loop {
            let event = match self.events.pop_front() {
                Some(event) => event,
                None => match self.engine.next_line(patience.saturating_sub(started.elapsed())) {
                    Ok(line) => serde_json::from_str(&line).unwrap(),
                    Err(Silence::TimedOut) => return None,
                    Err(Silence::Ended) => panic!("the client has ended{}", self.engine.tail()),
                },
            };
            assert!(event["event"] != "listen_ended", "the subscription ended: {event}{}", self.engine.tail());
            if event["event"] == "updated" {
                return Some((event["uri"].as_str().unwrap().to_owned(), event["at"].as_f64().unwrap_or(f64::NAN)));
            }
        }
    }

    /// What the person was asked so far, and has not been looked at.
    pub(crate) fn questions(&mut self) -> Vec<String> {
        let (asked, others): (Vec<Value>, Vec<Value>) =
            self.events.drain(..).partition(|event| event["event"] == "asked");
        self.events = others.into();
        asked.iter().map(|event| event["message"].as_str().unwrap().to_owned()).collect()
    }

    fn members(&mut self, operation: &str, field: &str) -> Vec<Value> {
        let mut answer = self.must(&json!({ "op": operation }));
        serde_json::from_value(answer[field].take()).unwrap()
    }

    fn must(&mut self, command: &Value) -> Value {
        self.ask(command).unwrap_or_else(|error| panic!("{command} fails: {error}{}", self.engine.tail()))
    }

    fn ask(&mut self, command: &Value) -> Result<Value, Value> {
        assert!(self.engine.say(&command.to_string()), "the client has ended{}", self.engine.tail());
        loop {
            // The client itself gives up first, and says on what.
            let mut said: Value = serde_json::from_str(&self.engine.line(PATIENCE + PATIENCE / 2)).unwrap();
            if said.get("event").is_some() {
                self.events.push_back(said);
            } else if let Some(error) = said.get_mut("error") {
                return Err(error.take());
            } else {
                return Ok(said["ok"].take());
            }
        }
    }
}

impl Engine {
    fn say(&mut self, line: &str) -> bool {
        match self {
            Engine::Process(running) => running.say(line),
            Engine::Thread(client) => client.say(line),
        }
    }

    fn next_line(&self, patience: Duration) -> Result<String, Silence> {
        match self {
            Engine::Process(running) => running.next_line(patience),
            Engine::Thread(client) => client.next_line(patience),
        }
    }

    fn line(&self, patience: Duration) -> String {
        self.next_line(patience)
            .unwrap_or_else(|silence| panic!("the client says nothing ({silence:?}){}", self.tail()))
    }

    fn tail(&self) -> String {
        match self {
            Engine::Process(running) => running.tail(),
            Engine::Thread(_) => String::new(),
        }
    }

    fn hang_up(&mut self) {
        match self {
            Engine::Process(running) => running.hang_up(),
            Engine::Thread(client) => client.hang_up(),
        }
    }

    fn has_ended(&mut self) -> bool {
        match self {
            Engine::Process(running) => running.ended().is_some(),
            Engine::Thread(client) => client.has_ended(),
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // Hung up, it closes its own child (`muster mcp`) in order; killed, it would leave it.
        self.engine.hang_up();
        let started = Instant::now();
        while !self.engine.has_ended() && started.elapsed() < Duration::from_secs(10) {
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}
