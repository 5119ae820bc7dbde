mod interleavings;

use serde_json::{Value, json};

use super::*;

const NOW: Duration = Duration::from_mins(1);

/// A relay whose outputs are looked at as messages.
pub(super) struct Bench {
    state: RelayState,
}

impl Bench {
    fn new() -> Self {
        Bench { state: RelayState::new(welcome(), 7) }
    }

    fn step(&mut self, input: RelayInput<'_>) -> Vec<RelayOutput> {
        self.state.step(input, NOW)
    }

    /// The client says a message; returns what the client hears at once.
    fn client(&mut self, message: &Value) -> Vec<Value> {
        to_client(&self.step(RelayInput::Client(message.to_string().as_bytes())))
    }

    /// The server says a message; returns what the client hears.
    fn server(&mut self, message: &Value) -> Vec<Value> {
        to_client(&self.step(RelayInput::Server(message.to_string().as_bytes())))
    }

    /// Everything that the server gets now.
    fn sent(&mut self) -> Vec<Value> {
        let mut sent = Vec::new();
        while self.state.has_next() {
            sent.extend(to_server(&self.step(RelayInput::ServerReady)));
        }
        sent
    }

    fn answer(&mut self, id: impl Into<Value>) -> Vec<Value> {
        self.server(&json!({"jsonrpc": "2.0", "id": id.into(), "result": {"protocolVersion": "2025-11-25"}}))
    }

    /// The server is lost; returns what the client hears.
    fn lose(&mut self) -> Vec<Value> {
        to_client(&self.step(RelayInput::ServerLost))
    }

    fn connect(&mut self) {
        assert_eq!(self.step(RelayInput::Connected(welcome())), []);
    }

    /// Opens a session of the older era.
    fn open(&mut self) {
        let params =
            json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "c", "version": "1"}});
        self.client(&request("open", "initialize", params));
        self.sent();
        assert_eq!(self.answer("open").len(), 1);
        self.client(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
        self.sent();
    }
}

pub(super) fn welcome() -> Welcome {
    Welcome {
        read_tools: vec!["search".to_owned()],
        write_tools: None,
        store: Some("here".to_owned()),
        pid: 4321,
        stop: "muster stop".to_owned(),
        is_stand_in: false,
    }
}

/// What the server of another store says of itself.
pub(super) fn elsewhere() -> Welcome {
    Welcome { store: Some("elsewhere".to_owned()), ..welcome() }
}

pub(super) fn request(id: impl Into<Value>, method: &str, params: Value) -> Value {
    let mut message = json!({"jsonrpc": "2.0", "id": id.into(), "method": method});
    message["params"] = params;
    message
}

pub(super) fn to_client(outputs: &[RelayOutput]) -> Vec<Value> {
    let read = |output: &RelayOutput| match output {
        RelayOutput::ToClient(line) => Some(serde_json::from_slice(line).unwrap()),
        _ => None,
    };
    outputs.iter().filter_map(read).collect()
}

pub(super) fn to_server(outputs: &[RelayOutput]) -> Vec<Value> {
    let read = |output: &RelayOutput| match output {
        RelayOutput::ToServer(line) => Some(serde_json::from_slice(line).unwrap()),
        _ => None,
    };
    outputs.iter().filter_map(read).collect()
}

fn call(id: i64, tool: &str) -> Value {
    request(id, "tools/call", json!({"name": tool, "arguments": {"a": 1}}))
}

fn methods(sent: &[Value]) -> Vec<&str> {
    sent.iter().map(|line| line["method"].as_str().unwrap_or("an answer")).collect()
}

#[test]
fn a_read_is_sent_again_with_the_time_that_passed_and_of_a_write_is_asked_what_became_of_it() {
    let mut bench = Bench { state: RelayState::new(welcome(), 7) };
    let begun = Duration::from_secs(50);
    for message in [call(1, "search"), call(2, "stop")] {
        let line = message.to_string();
        assert_eq!(bench.state.step(RelayInput::Client(line.as_bytes()), begun), []);
    }
    let first = bench.sent();
    let name = |message: &Value| message["params"]["_meta"]["muster/call"].as_str().unwrap().to_owned();
    assert_ne!(name(&first[0]), name(&first[1]));
    // It waits in the relay, so nobody has seen it.
    bench.client(&call(3, "start"));
    bench.lose();
    bench.connect();
    let again = bench.sent();
    assert_eq!(methods(&again), ["tools/call", "muster/call", "tools/call"]);
    assert_eq!(again[0]["params"]["_meta"]["muster/elapsed_ms"], 10_000);
    assert_eq!(again[1]["params"], first[1]["params"], "the same call");
    assert_eq!((&again[2]["id"], &again[2]["params"]["name"]), (&json!(3), &json!("start")));
    for id in 1..=3 {
        assert_eq!(bench.answer(id)[0]["id"], id);
    }
}

#[test]
fn a_server_of_another_store_is_not_asked_what_became_of_a_call() {
    for (first, second) in [
        (welcome(), elsewhere()),
        (welcome(), Welcome { store: None, ..welcome() }),
        (Welcome { store: None, ..welcome() }, welcome()),
    ] {
        let mut bench = Bench { state: RelayState::new(first, 7) };
        for message in [call(1, "search"), call(2, "stop")] {
            bench.client(&message);
        }
        bench.sent();
        bench.client(&call(3, "start"));
        bench.lose();
        let told = to_client(&bench.step(RelayInput::Connected(second)));
        assert_eq!(told.len(), 1, "{told:?}");
        let said = told[0]["error"]["message"].as_str().unwrap();
        assert!(told[0]["id"] == 2 && said.contains("not known whether") && said.contains("check before"), "{told:?}");
        let sent = bench.sent();
        assert_eq!(methods(&sent), ["tools/call", "tools/call"], "what was not sent yet is sent");
        assert_eq!((&sent[0]["id"], &sent[1]["id"]), (&json!(1), &json!(3)));
    }
    // Where the store of the call comes back, another one has been there meanwhile.
    let mut bench = Bench::new();
    bench.client(&call(1, "search"));
    bench.sent();
    bench.lose();
    assert_eq!(bench.step(RelayInput::Connected(elsewhere())), []);
    bench.client(&call(2, "stop"));
    bench.sent();
    bench.lose();
    let told = to_client(&bench.step(RelayInput::Connected(welcome())));
    assert_eq!(told[0]["id"], 2, "it was sent to the other store");
}

#[test]
fn a_server_that_cannot_tell_what_became_of_a_call_does_not_make_it_undone() {
    let mut bench = Bench::new();
    bench.client(&call(1, "stop"));
    bench.client(&call(2, "stop"));
    bench.sent();
    let failed = |id: i64| json!({"jsonrpc": "2.0", "id": id, "error": {"code": -32601, "message": "muster/call"}});
    assert_eq!(bench.server(&failed(2))[0], failed(2), "the server that was called says it");
    bench.lose();
    bench.connect();
    bench.sent();
    let told = bench.server(&failed(1));
    let said = told[0]["error"]["message"].as_str().unwrap();
    assert!(told[0]["id"] == 1 && said.contains("not known whether") && !said.contains("muster/call"), "{told:?}");
}

#[test]
fn while_a_client_of_the_older_era_is_subscribed_a_server_is_looked_for_without_a_request() {
    let mut bench = Bench::new();
    bench.open();
    bench.client(&request(1, "resources/subscribe", json!({"uri": "ec2://a"})));
    bench.sent();
    bench.answer(1);
    bench.client(&request(2, "tools/list", json!({})));
    bench.sent();
    bench.lose();
    let again = RelayOutput::Connect(Duration::from_secs(5));
    let outputs = bench.step(RelayInput::Unreachable("the disk is full"));
    assert!(outputs.contains(&again), "{outputs:?}");
    assert!(to_client(&outputs)[0]["error"]["message"].as_str().unwrap().contains("the disk is full"));
    assert_eq!(bench.step(RelayInput::Unreachable("the disk is full")), std::slice::from_ref(&again));
    let asked = request(3, "tools/list", json!({})).to_string();
    assert_eq!(bench.step(RelayInput::Client(asked.as_bytes())), [RelayOutput::Connect(Duration::ZERO)], "at once");
    let outputs = bench.step(RelayInput::Unreachable("the disk is full"));
    assert!(to_client(&outputs)[0]["id"] == 3 && outputs.contains(&again), "{outputs:?}");
    bench.connect();
    let opening = bench.sent();
    bench.answer(opening[0]["id"].clone());
    assert!(methods(&bench.sent()).contains(&"resources/subscribe"));
    // Nobody is left to hear of changes.
    bench.lose();
    assert_eq!(bench.step(RelayInput::ClientLeft), []);
    assert_eq!(bench.step(RelayInput::Unreachable("the client left")), []);
}

#[test]
fn a_server_that_says_something_before_it_ends_at_once_is_started_ever_more_slowly_too() {
    let mut bench = Bench::new();
    bench.open();
    let list = json!({"jsonrpc": "2.0", "method": "notifications/resources/list_changed"});
    let mut pauses = Vec::new();
    for _ in 0..5 {
        assert_eq!(bench.server(&list).len(), 1);
        let outputs = bench.step(RelayInput::ServerLost);
        let [RelayOutput::Connect(pause)] = outputs[..] else { panic!("{outputs:?}") };
        pauses.push(pause.as_millis());
        bench.connect();
        let opening = bench.sent();
        bench.answer(opening[0]["id"].clone());
        bench.sent();
    }
    // The first one lasted.
    assert_eq!(pauses, [0, 0, 50, 100, 200]);
}

#[test]
fn a_client_of_either_era_is_told_once_where_another_server_offers_other_tools() {
    let offering = |tools: &[&str]| {
        let write_tools = Some(tools.iter().map(|tool| (*tool).to_owned()).collect());
        Welcome { write_tools, ..welcome() }
    };
    let told =
        |heard: &[Value]| heard.iter().filter(|line| line["method"] == "notifications/tools/list_changed").count();
    let mut older = Bench { state: RelayState::new(offering(&["stop", "snapshot"]), 7) };
    older.open();
    for (tools, expected) in [(&["stop", "snapshot"][..], 0), (&["snapshot"], 1), (&["snapshot"], 0), (&[], 1)] {
        older.client(&request("list", "tools/list", json!({})));
        older.sent();
        older.lose();
        let heard = to_client(&older.step(RelayInput::Connected(offering(tools))));
        assert_eq!(told(&heard), 0, "not before the server knows the session");
        let opening = older.sent();
        assert_eq!(told(&older.answer(opening[0]["id"].clone())), expected, "{tools:?}");
        older.sent();
        older.answer("list");
    }
    let mut newer = Bench { state: RelayState::new(offering(&["stop"]), 7) };
    for (id, lists) in [("a", json!({"toolsListChanged": true})), ("b", json!({"resourcesListChanged": true}))] {
        newer.client(&request(id, "subscriptions/listen", json!({"notifications": lists})));
        newer.sent();
        let params = json!({"notifications": lists, "_meta": {SUBSCRIPTION: id}});
        let method = "notifications/subscriptions/acknowledged";
        newer.server(&json!({"jsonrpc": "2.0", "method": method, "params": params}));
    }
    newer.lose();
    let heard = to_client(&newer.step(RelayInput::Connected(offering(&[]))));
    assert_eq!(told(&heard), 1, "{heard:?}");
    assert_eq!(heard[0]["params"]["_meta"][SUBSCRIPTION], "a");
}

#[test]
fn a_session_of_the_older_era_is_replayed_before_anything_else() {
    let mut bench = Bench::new();
    bench.open();
    for (id, uri) in [(1, "ec2://a"), (2, "ec2://b"), (3, "ec2://c")] {
        bench.client(&request(id, "resources/subscribe", json!({"uri": uri})));
    }
    bench.client(&request(4, "logging/setLevel", json!({"level": "info"})));
    bench.client(&request(5, "resources/unsubscribe", json!({"uri": "ec2://b"})));
    bench.sent();
    for id in [1, 2, 4, 5] {
        bench.answer(id);
    }
    bench.server(&json!({"jsonrpc": "2.0", "id": 3, "error": {"code": -32602, "message": "no"}}));
    bench.client(&request("list", "tools/list", json!({})));
    bench.sent();
    bench.lose();
    bench.connect();
    bench.client(&request("later", "tools/list", json!({})));
    let opening = bench.sent();
    assert_eq!(methods(&opening), ["initialize"]);
    assert_eq!(opening[0]["params"]["clientInfo"]["name"], "c");
    assert_eq!(bench.answer(opening[0]["id"].clone()), [] as [Value; 0]);
    let rest = bench.sent();
    assert_eq!(methods(&rest), ["notifications/initialized", "resources/subscribe", "logging/setLevel"]);
    assert_eq!(rest[1]["params"], json!({"uri": "ec2://a", "_meta": {"muster/resumed": true}}));
    let updated = json!({"jsonrpc": "2.0", "method": "notifications/resources/updated", "params": {"uri": "ec2://a"}});
    assert_eq!(bench.server(&updated), [] as [Value; 0], "held");
    assert_eq!(bench.answer(rest[1]["id"].clone()), [] as [Value; 0]);
    assert_eq!(bench.answer(rest[2]["id"].clone()), [updated]);
    let served = bench.sent();
    assert_eq!(served.iter().map(|line| line["id"].clone()).collect::<Vec<_>>(), [json!("list"), json!("later")]);
}

#[test]
fn a_server_that_does_not_take_the_session_ends_it_with_what_to_do() {
    for refusal in
        [json!({"error": {"code": -32602, "message": "no"}}), json!({"result": {"protocolVersion": "2024-11-05"}})]
    {
        let mut bench = Bench::new();
        bench.open();
        bench.client(&call(1, "stop"));
        bench.sent();
        bench.lose();
        bench.connect();
        let mut answer = refusal;
        answer["id"] = bench.sent()[0]["id"].clone();
        answer["jsonrpc"] = json!("2.0");
        let outputs = bench.step(RelayInput::Server(answer.to_string().as_bytes()));
        assert!(outputs.contains(&RelayOutput::HangUp));
        let told = to_client(&outputs)[0]["error"]["message"].as_str().unwrap().to_owned();
        assert!(told.contains("restart this MCP server") && told.contains("not known whether"), "{told}");
        bench.lose();
        let later = bench.client(&call(2, "search"));
        assert!(later[0]["error"]["message"].as_str().unwrap().contains("restart this MCP server"), "{later:?}");
    }
}

fn acknowledgement(id: i64, uris: &[&str]) -> Value {
    let params = json!({"_meta": {"io.modelcontextprotocol/subscriptionId": id}, "notifications": {"resourcesListChanged": true, "resourceSubscriptions": uris}});
    json!({"jsonrpc": "2.0", "method": "notifications/subscriptions/acknowledged", "params": params})
}

#[test]
fn a_subscription_goes_on_without_a_second_acknowledgement_and_ends_when_less_is_granted() {
    let mut bench = Bench::new();
    bench.client(&request(7, "subscriptions/listen", json!({"notifications": {}})));
    assert_eq!(bench.sent()[0]["params"], json!({"notifications": {}}));
    assert_eq!(bench.server(&acknowledgement(7, &["ec2://a", "ec2://b"])).len(), 1);
    bench.lose();
    bench.connect();
    assert_eq!(bench.sent()[0]["params"]["_meta"]["muster/resumed"], true);
    assert_eq!(bench.server(&acknowledgement(7, &["ec2://b", "ec2://a"])), [] as [Value; 0]);
    bench.lose();
    bench.connect();
    bench.sent();
    let end = bench.server(&acknowledgement(7, &["ec2://a"]));
    assert_eq!((&end[0]["id"], &end[0]["result"]["resultType"]), (&json!(7), &json!("complete")));
    let sent = bench.sent();
    assert_eq!((methods(&sent), &sent[0]["params"]["requestId"]), (vec!["notifications/cancelled"], &json!(7)));
}

#[test]
fn requests_of_the_server_have_an_epoch_and_end_with_it() {
    let mut bench = Bench::new();
    let asks = request(0, "elicitation/create", json!({"_meta": {"progressToken": 0}}));
    let seen = bench.server(&asks);
    assert_eq!((&seen[0]["id"], &seen[0]["params"]["_meta"]["progressToken"]), (&json!("0:0"), &json!("0:0")));
    let progress = json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progressToken": "0:0", "progress": 1}});
    bench.client(&progress);
    assert_eq!(bench.sent()[0]["params"]["progressToken"], 0);
    bench.client(&request(1, "tools/list", json!({})));
    let told = bench.lose();
    assert_eq!(
        (&told[0]["method"], &told[0]["params"]["requestId"]),
        (&json!("notifications/cancelled"), &json!("0:0"))
    );
    bench.connect();
    bench.client(&json!({"jsonrpc": "2.0", "id": "0:0", "result": {"action": "accept"}}));
    bench.client(&progress);
    assert_eq!(methods(&bench.sent()), ["tools/list"], "the late answer is dropped");
    let seen = bench.server(&asks);
    assert_eq!(seen[0]["id"], "1:0");
    let gone = json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 0}});
    assert_eq!(bench.server(&gone)[0]["params"]["requestId"], "1:0");
    assert_eq!(bench.server(&gone), [] as [Value; 0], "it is over");
    bench.server(&request("0", "roots/list", json!({})));
    bench.client(&json!({"jsonrpc": "2.0", "id": "1:\"0\"", "result": {"roots": []}}));
    assert_eq!(bench.sent()[0]["id"], "0");
}

#[test]
fn progress_of_a_request_that_was_sent_again_does_not_step_back() {
    let mut bench = Bench::new();
    bench.client(&request(1, "tools/call", json!({"name": "search", "_meta": {"progressToken": "t"}})));
    bench.sent();
    let at = |value: f64| json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progressToken": "t", "progress": value}});
    assert_eq!(bench.server(&at(1.0)).len() + bench.server(&at(2.0)).len(), 2);
    bench.lose();
    bench.connect();
    bench.sent();
    assert_eq!(bench.server(&at(1.0)).len() + bench.server(&at(2.0)).len(), 0);
    assert_eq!(bench.server(&at(2.5)).len(), 1);
}

#[test]
fn only_so_many_requests_wait_and_the_next_one_is_told_to_come_again() {
    let mut bench = Bench::new();
    bench.client(&request("first", "tools/list", json!({})));
    bench.sent();
    bench.lose();
    for id in 0..255 {
        assert_eq!(bench.client(&request(id, "tools/list", json!({}))), [] as [Value; 0]);
    }
    let refused = bench.client(&request(255, "tools/list", json!({})));
    assert!(refused[0]["error"]["message"].as_str().unwrap().contains("again in a moment"), "{refused:?}");
    bench.connect();
    assert_eq!(bench.sent().len(), 256);
}

#[test]
fn a_server_is_wanted_at_once_where_somebody_waits_and_else_with_the_next_request() {
    let goodbye = json!({"jsonrpc": "2.0", "method": GOODBYE}).to_string();
    let mut bench = Bench::new();
    bench.open();
    assert_eq!(bench.step(RelayInput::Server(goodbye.as_bytes())), [RelayOutput::HangUp], "nobody waits");
    let wanted = bench.step(RelayInput::Client(request(1, "tools/list", json!({})).to_string().as_bytes()));
    assert_eq!(wanted, [RelayOutput::Connect(Duration::ZERO)]);
    let mut bench = Bench::new();
    bench.open();
    assert!(bench.step(RelayInput::ServerLost).contains(&RelayOutput::Connect(Duration::ZERO)), "a list may change");
    let mut bench = Bench::new();
    bench.client(&request(1, "subscriptions/listen", json!({})));
    bench.sent();
    let outputs = bench.step(RelayInput::Server(goodbye.as_bytes()));
    assert_eq!(outputs, [RelayOutput::HangUp, RelayOutput::Connect(Duration::ZERO)]);
}

#[test]
fn a_request_that_ends_every_server_is_answered_and_servers_are_started_ever_more_slowly() {
    let mut bench = Bench::new();
    bench.client(&call(1, "search"));
    bench.connect_is_refused();
    let mut pauses = Vec::new();
    let answer = loop {
        bench.sent();
        let outputs = bench.step(RelayInput::ServerLost);
        if let [answer] = &to_client(&outputs)[..] {
            break answer.clone();
        }
        let [RelayOutput::Connect(pause)] = outputs[..] else { panic!("{outputs:?}") };
        pauses.push(pause.as_millis());
        bench.connect();
    };
    assert_eq!(pauses, [0, 0, 50, 100, 200, 400, 800, 1600]);
    assert!(answer["error"]["message"].as_str().unwrap().contains("again and again"), "{answer}");
}

impl Bench {
    /// A server that comes when none is wanted changes nothing.
    fn connect_is_refused(&mut self) {
        assert_eq!(self.step(RelayInput::Connected(welcome())), []);
        assert_eq!(self.step(RelayInput::Unreachable("no")), []);
    }
}

/// What the client hears of the server that is probed until it counts as hung.
fn hang(bench: &mut Bench, mut now: Duration) -> Vec<Value> {
    let mut told = Vec::new();
    for _ in 0..5 {
        now = now.max(bench.state.probe_at().expect("somebody waits"));
        assert_eq!(bench.state.step(RelayInput::Silent, now), [RelayOutput::Probe]);
        assert_eq!(bench.state.step(RelayInput::Silent, now), [], "one probe at a time");
        now += Duration::from_secs(3);
        told.extend(to_client(&bench.state.step(RelayInput::Probed(false), now)));
    }
    told
}

#[test]
fn a_server_that_hangs_is_named_to_whoever_waits_and_serves_again_when_it_goes_on() {
    let mut bench = Bench::new();
    assert_eq!(bench.state.probe_at(), None);
    bench.client(&request("open", "subscriptions/listen", json!({"notifications": {}})));
    bench.sent();
    assert_eq!(bench.state.probe_at(), None, "a subscription waits for no answer");
    for message in [call(1, "search"), call(2, "stop")] {
        bench.client(&message);
    }
    bench.sent();
    bench.client(&call(3, "search"));
    let at = bench.state.probe_at().unwrap();
    assert_eq!(at, NOW + Duration::from_secs(5));
    assert_eq!(bench.state.step(RelayInput::Silent, NOW + Duration::from_millis(4_999)), [], "it is too early");
    let told = hang(&mut bench, at);
    assert_eq!(told.iter().map(|answer| answer["id"].clone()).collect::<Vec<_>>(), [1, 2, 3]);
    for answer in &told {
        let said = answer["error"]["message"].as_str().unwrap();
        assert!(said.contains("process 4321") && said.contains("`muster stop --force`"), "{said}");
        assert_eq!(said.contains("not known whether"), answer["id"] == 2, "{said}");
        assert_eq!(said.contains("was not sent"), answer["id"] == 3, "{said}");
    }
    let refused = bench.client(&call(4, "search"));
    assert!(refused[0]["error"]["message"].as_str().unwrap().contains("process 4321"), "{refused:?}");
    assert!(bench.state.probe_at().is_some(), "it is tried again though nobody waits");
    // It goes on: what was given up it need not answer, and what it says of it nobody hears.
    let later = NOW + Duration::from_mins(1);
    assert_eq!(bench.state.step(RelayInput::Silent, later), [RelayOutput::Probe]);
    assert_eq!(bench.state.step(RelayInput::Probed(true), later), []);
    let sent = bench.sent();
    assert_eq!(methods(&sent), ["notifications/cancelled"; 2]);
    assert_eq!(bench.answer(1), [] as [Value; 0]);
    bench.client(&call(5, "search"));
    assert_eq!(bench.sent()[0]["id"], 5);
    assert_eq!(bench.answer(5)[0]["id"], 5);
    assert_eq!(bench.server(&acknowledgement_of("open")).len(), 1, "the subscription is still there");
}

#[test]
fn a_server_that_hangs_and_is_killed_is_followed_by_another_one_with_the_subscriptions() {
    let mut bench = Bench::new();
    bench.open();
    bench.client(&request(1, "resources/subscribe", json!({"uri": "ec2://a"})));
    bench.sent();
    bench.answer(1);
    bench.client(&call(2, "search"));
    bench.sent();
    assert_eq!(hang(&mut bench, NOW).len(), 1);
    assert!(bench.step(RelayInput::ServerLost).contains(&RelayOutput::Connect(Duration::ZERO)));
    bench.connect();
    assert_eq!(bench.state.probe_at(), Some(NOW + Duration::from_secs(5)), "the answer to the replay is awaited");
    let opening = bench.sent();
    bench.answer(opening[0]["id"].clone());
    assert!(methods(&bench.sent()).contains(&"resources/subscribe"));
}

fn acknowledgement_of(id: &str) -> Value {
    let meta = json!({"io.modelcontextprotocol/subscriptionId": id});
    let params = json!({"_meta": meta, "notifications": {}});
    json!({"jsonrpc": "2.0", "method": "notifications/subscriptions/acknowledged", "params": params})
}

#[test]
fn where_there_is_no_server_at_first_each_request_that_needs_one_looks_for_it() {
    let stand_in = Welcome { is_stand_in: true, ..welcome() };
    let mut bench = Bench { state: RelayState::new(stand_in.clone(), 7) };
    bench.open();
    bench.client(&request(1, "tools/list", json!({})));
    assert_eq!(methods(&bench.sent()), ["tools/list"], "it is listed without a server");
    assert_eq!(bench.state.probe_at(), None, "nobody probes this process");
    assert_eq!(bench.answer(1).len(), 1);
    let looks = [RelayOutput::HangUp, RelayOutput::Connect(Duration::ZERO)];
    let asked = |bench: &mut Bench, id| bench.step(RelayInput::Client(call(id, "stop").to_string().as_bytes()));
    assert_eq!(asked(&mut bench, 2), looks);
    assert_eq!(bench.step(RelayInput::Connected(stand_in)), [], "there is still none");
    let opening = bench.sent();
    bench.answer(opening[0]["id"].clone());
    assert_eq!(methods(&bench.sent()), ["notifications/initialized", "tools/call"]);
    // The stand-in has not answered yet when the next request comes.
    assert_eq!(asked(&mut bench, 3), looks);
    bench.connect();
    let opening = bench.sent();
    bench.answer(opening[0]["id"].clone());
    let sent = bench.sent();
    assert_eq!(methods(&sent), ["notifications/initialized", "tools/call", "tools/call"], "nobody was called before");
    for id in [2, 3] {
        assert_eq!(bench.answer(id)[0]["id"], id);
    }
}
