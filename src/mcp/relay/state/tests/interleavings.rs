//! Any interleaving of what client and servers say and of losses, against a model of both.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{elsewhere, request, to_client, to_server, welcome};
use crate::mcp::relay::state::{GOODBYE, RelayInput, RelayOutput, RelayPhase, RelayState};

/// Something that happens.
#[derive(Clone, Debug)]
enum Act {
    /// The client asks under one of a few ids.
    Ask(usize, Asked),
    Cancel(usize),
    Initialized,
    /// The client answers one of the server requests that it has seen.
    Reply(usize),
    /// The server answers one of the requests that it has.
    Answer(usize, bool),
    /// The server answers a request that it does not have.
    Stray(usize),
    Acknowledge(usize),
    /// The server asks the client.
    Elicit(i64),
    Ready,
    Lost,
    Goodbye,
    Connected,
    /// There is a server, of another store than the last one.
    Moved,
    Unreachable,
    /// Time passes.
    Pass(u64),
    /// The time to probe the server is over, or not yet.
    Silent,
    /// A probe ends.
    Probed(bool),
    /// The server answers no probe for long.
    Hang,
}

#[derive(Clone, Copy, Debug)]
enum Asked {
    List,
    Read,
    Write,
    Listen,
    Subscribe,
    Unsubscribe,
    Initialize,
}

/// The ids of the client; some look like those that the relay makes.
fn id(number: usize) -> Value {
    [json!(0), json!(1), json!("1"), json!("muster:1"), json!("muster:3"), json!("a")][number % 6].clone()
}

fn acts() -> impl Strategy<Value = Act> {
    let asked = prop_oneof![
        1 => Just(Asked::List),
        1 => Just(Asked::Read),
        3 => Just(Asked::Write),
        1 => Just(Asked::Listen),
        1 => Just(Asked::Subscribe),
        1 => Just(Asked::Unsubscribe),
        1 => Just(Asked::Initialize),
    ];
    prop_oneof![
        6 => (0..6_usize, asked).prop_map(|(id, asked)| Act::Ask(id, asked)),
        2 => (0..6_usize).prop_map(Act::Cancel),
        1 => Just(Act::Initialized),
        1 => (0..4_usize).prop_map(Act::Reply),
        6 => (0..6_usize, prop::bool::weighted(0.8)).prop_map(|(at, good)| Act::Answer(at, good)),
        1 => (0..6_usize).prop_map(Act::Stray),
        1 => (0..6_usize).prop_map(Act::Acknowledge),
        1 => (0..3_i64).prop_map(Act::Elicit),
        8 => Just(Act::Ready),
        2 => Just(Act::Lost),
        1 => Just(Act::Goodbye),
        4 => Just(Act::Connected),
        1 => Just(Act::Moved),
        1 => Just(Act::Unreachable),
        1 => (0..20_000_u64).prop_map(Act::Pass),
        1 => Just(Act::Silent),
        1 => any::<bool>().prop_map(Act::Probed),
        1 => Just(Act::Hang),
    ]
}

/// A client and the servers as they should see each other.
struct World {
    state: RelayState,
    now: std::time::Duration,
    /// What the client waits for.
    open: BTreeSet<String>,
    /// How often the client asked anything, which makes each answer tell which request it is for.
    asked: u64,
    epoch: u64,
    /// How many servers were lost.
    losses: u64,
    link: ServerLink,
    /// Whether the present server, or the last one, is that of the other store.
    is_elsewhere: bool,
    /// The requests that the present server has to answer, by id.
    served: BTreeMap<String, ServedRequest>,
    /// The ids of all the requests that it ever got.
    received: BTreeSet<String>,
    /// The requests of the present server that the client has not answered.
    elicited: BTreeSet<i64>,
    /// The server requests that the client saw, ever.
    seen: Vec<Value>,
    /// To which store each call was sent as a call.
    calls: HashMap<String, bool>,
    /// Whether the session was opened, so that a new server has to be told.
    has_session: bool,
    /// Whether the present server was.
    is_told: bool,
    /// How many probes are on their way.
    probes: u32,
}

/// Whether there is a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ServerLink {
    Connected,
    Wanted,
    Unwanted,
}

/// A request that the server has.
#[derive(Clone, Debug)]
struct ServedRequest {
    message: Value,
    /// Whether the relay made it to tell of the session.
    is_own: bool,
}

impl World {
    fn new() -> Self {
        World {
            state: RelayState::new(welcome(), 1),
            now: std::time::Duration::ZERO,
            open: BTreeSet::new(),
            asked: 0,
            epoch: 0,
            losses: 0,
            link: ServerLink::Connected,
            is_elsewhere: false,
            served: BTreeMap::new(),
            received: BTreeSet::new(),
            elicited: BTreeSet::new(),
            seen: Vec::new(),
            calls: HashMap::new(),
            has_session: false,
            is_told: true,
            probes: 0,
        }
    }

    fn is_connected(&self) -> bool {
        self.link == ServerLink::Connected
    }

    fn is_wanted(&self) -> bool {
        self.link == ServerLink::Wanted
    }

    fn act(&mut self, act: &Act) {
        match act {
            Act::Ask(number, asked) => self.ask(&id(*number), *asked),
            Act::Cancel(number) => {
                let id = id(*number);
                let params = json!({"requestId": id});
                let outputs =
                    self.say(&json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params}));
                self.take(outputs);
                // `initialize` is not cancelled.
                if self.state.requests.get(&serde_json::from_value(id.clone()).unwrap()).is_none() {
                    self.open.remove(&id.to_string());
                }
            }
            Act::Initialized => {
                let outputs = self.say(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
                self.take(outputs);
            }
            Act::Reply(at) => {
                if let Some(id) = self.seen.get(at % self.seen.len().max(1)).cloned() {
                    let outputs = self.say(&json!({"jsonrpc": "2.0", "id": id, "result": {}}));
                    self.take(outputs);
                }
            }
            Act::Answer(at, good) => self.answer(*at, *good),
            Act::Stray(number) => {
                if self.is_connected() && !self.served.contains_key(&id(*number).to_string()) {
                    let outputs = self.hear(&json!({"jsonrpc": "2.0", "id": id(*number), "result": {"stray": true}}));
                    self.take(outputs);
                }
            }
            Act::Acknowledge(at) => self.acknowledge(*at),
            Act::Elicit(number) => {
                if self.is_connected() && self.elicited.insert(*number) {
                    let outputs = self.hear(&request(*number, "elicitation/create", json!({})));
                    self.take(outputs);
                }
            }
            Act::Ready => {
                if self.is_connected() && self.state.has_next() {
                    let outputs = self.step(RelayInput::ServerReady);
                    self.take(outputs);
                }
            }
            Act::Lost => {
                if self.is_connected() {
                    self.forget_server();
                    let outputs = self.step(RelayInput::ServerLost);
                    self.take(outputs);
                }
            }
            Act::Goodbye => {
                if self.is_connected() {
                    let outputs = self.hear(&json!({"jsonrpc": "2.0", "method": GOODBYE}));
                    self.take(outputs);
                }
            }
            Act::Connected | Act::Moved => {
                if self.is_wanted() {
                    self.is_elsewhere ^= matches!(act, Act::Moved);
                    self.epoch += 1;
                    self.link = ServerLink::Connected;
                    self.is_told = !self.has_session;
                    let outputs =
                        self.step(RelayInput::Connected(if self.is_elsewhere { elsewhere() } else { welcome() }));
                    self.take(outputs);
                }
            }
            Act::Unreachable => {
                if self.is_wanted() {
                    self.link = ServerLink::Unwanted;
                    let outputs = self.step(RelayInput::Unreachable("there is none"));
                    self.take(outputs);
                }
            }
            Act::Pass(millis) => self.now += std::time::Duration::from_millis(*millis),
            Act::Silent => {
                let outputs = self.step(RelayInput::Silent);
                self.take(outputs);
            }
            Act::Probed(is_alive) => {
                if std::mem::take(&mut self.probes) > 0 {
                    let outputs = self.step(RelayInput::Probed(*is_alive));
                    self.take(outputs);
                }
            }
            Act::Hang => {
                for act in [Act::Pass(5_000), Act::Silent, Act::Probed(false)].iter().cycle().take(15) {
                    self.act(act);
                }
            }
        }
        let is_broken = matches!(self.state.phase, RelayPhase::Broken);
        let is_deaf = self.link == ServerLink::Unwanted && self.state.session.has_subscriptions();
        assert!(is_broken || !is_deaf, "nobody would tell the client of a change");
    }

    fn ask(&mut self, id: &Value, asked: Asked) {
        self.asked += 1;
        let number = self.asked;
        let message = match asked {
            Asked::List => request(id.clone(), "tools/list", json!({"n": number})),
            Asked::Read => request(id.clone(), "tools/call", json!({"name": "search", "n": number})),
            Asked::Write => request(id.clone(), "tools/call", json!({"name": "stop", "n": number})),
            Asked::Listen => request(id.clone(), "subscriptions/listen", json!({"n": number, "notifications": {}})),
            Asked::Subscribe => {
                request(id.clone(), "resources/subscribe", json!({"n": number, "uri": format!("ec2://{}", number % 3)}))
            }
            Asked::Unsubscribe => request(
                id.clone(),
                "resources/unsubscribe",
                json!({"n": number, "uri": format!("ec2://{}", number % 3)}),
            ),
            Asked::Initialize => {
                let info = json!({"name": "c", "version": "1"});
                request(
                    id.clone(),
                    "initialize",
                    json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": info}),
                )
            }
        };
        let is_reused = !self.open.insert(id.to_string());
        let mut outputs = self.say(&message);
        if is_reused {
            let told = to_client(&outputs);
            assert_eq!((&told[0]["id"], &told[0]["error"]["code"]), (id, &json!(-32600)));
            outputs.remove(0);
        }
        self.take(outputs);
    }

    fn answer(&mut self, at: usize, good: bool) {
        let Some(key) = self.served.keys().nth(at % self.served.len().max(1)).cloned() else { return };
        let ServedRequest { message, is_own } = self.served.remove(&key).unwrap();
        let data = json!({"protocolVersion": "2025-11-25", "epoch": self.epoch});
        let answer = if good || is_own {
            json!({"jsonrpc": "2.0", "id": message["id"], "result": data})
        } else {
            json!({"jsonrpc": "2.0", "id": message["id"], "error": {"code": 1, "message": "m", "data": data}})
        };
        let outputs = self.hear(&answer);
        if message["method"] == "muster/call" && !good {
            // The client may have cancelled it meanwhile.
            for told in to_client(&outputs) {
                assert!(told["error"]["message"].as_str().unwrap().contains("not known whether"), "{told}");
            }
        }
        // One that was given up meanwhile opens nothing.
        self.has_session |= good && !is_own && message["method"] == "initialize" && !outputs.is_empty();
        if is_own && !matches!(self.state.phase, RelayPhase::Replaying(_)) {
            assert!(!self.served.values().any(|served| served.is_own), "{:?}", self.served);
            self.is_told = true;
        }
        self.take(outputs);
    }

    fn acknowledge(&mut self, at: usize) {
        let listens: Vec<Value> = self
            .served
            .values()
            .map(|served| &served.message)
            .filter(|line| line["method"] == "subscriptions/listen")
            .cloned()
            .collect();
        let Some(listen) = listens.get(at % listens.len().max(1)) else { return };
        let meta = json!({"io.modelcontextprotocol/subscriptionId": listen["id"]});
        let params = json!({"_meta": meta, "notifications": {"resourcesListChanged": true}});
        let message = json!({"jsonrpc": "2.0", "method": "notifications/subscriptions/acknowledged", "params": params});
        let told = to_client(&self.hear(&message));
        let is_again = listen["params"]["_meta"]["muster/resumed"] == true;
        assert!(!is_again || told.is_empty(), "acknowledged twice: {told:?}");
    }

    fn say(&mut self, message: &Value) -> Vec<RelayOutput> {
        self.step(RelayInput::Client(message.to_string().as_bytes()))
    }

    fn hear(&mut self, message: &Value) -> Vec<RelayOutput> {
        self.step(RelayInput::Server(message.to_string().as_bytes()))
    }

    fn step(&mut self, input: RelayInput<'_>) -> Vec<RelayOutput> {
        self.state.step(input, self.now)
    }

    fn forget_server(&mut self) {
        self.link = ServerLink::Unwanted;
        self.losses += 1;
        self.served.clear();
        self.received.clear();
        self.elicited.clear();
        self.probes = 0;
    }

    /// Checks what the relay does, and lets it happen.
    fn take(&mut self, outputs: Vec<RelayOutput>) {
        for output in outputs {
            match &output {
                RelayOutput::ToClient(_) => self.client_hears(&to_client(std::slice::from_ref(&output))[0]),
                RelayOutput::ToServer(_) => self.server_hears(to_server(std::slice::from_ref(&output)).remove(0)),
                RelayOutput::HangUp => self.forget_server(),
                RelayOutput::Probe => {
                    self.probes += 1;
                    assert!(self.is_connected() && self.probes == 1, "one probe of one server at a time");
                }
                RelayOutput::Connect(pause) => {
                    let is_sooner = self.is_wanted() && pause.is_zero();
                    assert!(is_sooner || self.link == ServerLink::Unwanted, "one server at a time");
                    self.link = ServerLink::Wanted;
                }
            }
        }
    }

    fn client_hears(&mut self, message: &Value) {
        if message["method"] == "notifications/cancelled" {
            assert!(self.seen.contains(&message["params"]["requestId"]), "{message}");
        } else if message.get("method").is_some() {
            assert_eq!(message["id"].as_str().unwrap().split(':').next(), Some(self.losses.to_string().as_str()));
            self.seen.push(message["id"].clone());
        } else {
            let id = message["id"].to_string();
            assert!(self.open.remove(&id), "nobody waits for {message}");
            let said = if message.get("result").is_some() { &message["result"] } else { &message["error"]["data"] };
            assert!(said.get("stray").is_none(), "{message} answers nothing");
            if let Some(epoch) = said.get("epoch") {
                assert_eq!(epoch, self.epoch, "{message} is of another server");
            }
        }
    }

    fn server_hears(&mut self, message: Value) {
        assert!(self.is_connected(), "there is no server for {message}");
        let id = message["id"].to_string();
        if message.get("method").is_none() {
            let number = message["id"].as_i64().unwrap();
            assert!(self.elicited.remove(&number), "the server does not wait for {message}");
        } else if message["method"] == "notifications/cancelled" {
            let cancelled = message["params"]["requestId"].to_string();
            assert!(self.received.contains(&cancelled), "the server does not know what {message} is about");
            self.served.remove(&cancelled);
        } else if message.get("id").is_some() {
            let is_own = matches!(self.state.phase, RelayPhase::Replaying(_));
            let is_first = self.received.is_empty();
            match (self.is_told, is_own, message["method"].as_str().unwrap()) {
                (true, false, _) | (false, true, "initialize" | "resources/subscribe") => {}
                (_, _, _) => panic!("{message} is not for a server that was told: {}", self.is_told),
            }
            assert!(self.is_told || is_first == (message["method"] == "initialize"), "{message} is out of order");
            if message["method"] == "tools/call" && message["params"]["name"] == "stop" {
                let call = message["params"]["_meta"]["muster/call"].as_str().unwrap().to_owned();
                let before = self.calls.insert(call, self.is_elsewhere);
                assert_eq!(before, None, "a write is sent twice: {message}");
            }
            if message["method"] == "muster/call" {
                let call = message["params"]["_meta"]["muster/call"].as_str().unwrap();
                assert_eq!(
                    self.calls.get(call),
                    Some(&self.is_elsewhere),
                    "{message} went to another store, or nobody sent it"
                );
            }
            self.received.insert(id.clone());
            assert!(self.served.insert(id, ServedRequest { message, is_own }).is_none(), "an id twice");
        }
    }

    /// Lets everything end.
    fn settle(&mut self) {
        for _ in 0..10_000 {
            if self.open.is_empty() {
                return;
            }
            if self.is_wanted() {
                self.act(&Act::Connected);
            } else if self.state.has_next() {
                self.act(&Act::Ready);
            } else {
                assert!(!self.served.is_empty(), "nobody answers {:?}", self.open);
                self.act(&Act::Answer(0, true));
            }
        }
        panic!("it does not end: {:?}", self.open);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn every_request_is_answered_once_and_no_server_hears_what_was_for_another(acts in prop::collection::vec(acts(), 0..120)) {
        let mut world = World::new();
        for act in &acts {
            world.act(act);
        }
        world.settle();
        prop_assert!(world.state.is_idle());
    }
}
