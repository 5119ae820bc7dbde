//! Clients as they are: what they send before the handshake, what cannot be read, what they leave out, ids that are used
//! twice, and what they accept; through the real binary over stdio, and over HTTP.

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::{Request, Uri};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::harness::PATIENCE;
use crate::harness::muster::{Endpoint, RARELY, Sandbox, Serve};
use crate::harness::process::{Running, Silence};
use crate::harness::rpc::send;
use crate::harness::simulator::Simulator;

/// `muster mcp`, and a client that writes any line.
struct Stdio(Running);

impl Stdio {
    fn start(sandbox: &Sandbox) -> Stdio {
        let arguments = sandbox.mcp_arguments(&[]);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        Stdio(Running::start("mcp", sandbox.muster(&arguments)))
    }

    fn say(&mut self, line: &str) {
        assert!(self.0.say(line), "the front end has ended{}", self.0.tail());
    }

    /// The next answer, past notifications.
    fn answer(&mut self) -> Value {
        loop {
            let said: Value = serde_json::from_str(&self.0.line(PATIENCE)).unwrap();
            if said.get("method").is_none() {
                return said;
            }
        }
    }

    fn ask(&mut self, message: &Value) -> Value {
        self.say(&message.to_string());
        self.answer()
    }

    fn open(&mut self) -> Value {
        let opened = self.ask(&initialize(0));
        self.say(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}).to_string());
        opened
    }
}

/// One HTTP endpoint, and a client that sends any request.
struct Http {
    url: Uri,
    runtime: Runtime,
}

/// What came back.
#[derive(Debug)]
struct Reply {
    status: u16,
    kind: String,
    session: Option<String>,
    text: String,
}

impl Reply {
    fn json(&self) -> Value {
        assert_eq!(self.kind, "application/json", "{self:?}");
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    fn refusal(&self) -> (u16, Value, i64) {
        let json = self.json();
        (
            self.status,
            json["id"].clone(),
            json["error"]["code"].as_i64().unwrap_or_else(|| panic!("no refusal: {json}")),
        )
    }
}

impl Http {
    fn of(server: &Serve) -> Http {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        Http { url: server.http.parse().unwrap(), runtime }
    }

    fn post(&self, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        let mut request = Request::post(self.url.path()).header("host", self.url.authority().unwrap().as_str());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(Bytes::copy_from_slice(body))).unwrap();
        self.runtime.block_on(async {
            let exchange = async {
                let response = send(&self.url, request).await;
                let header = |name: &str| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
                let (status, session) = (response.status().as_u16(), header("mcp-session-id"));
                let kind = header("content-type").unwrap_or_default();
                let body = response.into_body().collect().await.unwrap().to_bytes();
                Reply { status, kind, session, text: String::from_utf8(body.to_vec()).unwrap() }
            };
            tokio::time::timeout(PATIENCE, exchange).await.expect("the answer ends")
        })
    }

    fn session(&self, headers: &[(&str, &str)]) -> String {
        let reply = self.post(headers, initialize(0).to_string().as_bytes());
        assert_eq!(reply.json()["result"]["protocolVersion"], "2025-11-25");
        reply.session.expect("a session")
    }
}

fn request(id: impl Into<Value>, method: &str, params: &Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id.into(), "method": method, "params": params})
}

/// An `initialize` that lacks what some clients leave out.
fn initialize(id: i64) -> Value {
    request(id, "initialize", &json!({"protocolVersion": "2025-11-25", "clientInfo": {"name": "as-they-are"}}))
}

fn modern(id: impl Into<Value>, method: &str) -> Value {
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    request(id, method, &json!({"_meta": meta}))
}

fn stray() -> [Value; 4] {
    [
        json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1, "reason": "late"}}),
        json!({"jsonrpc": "2.0", "method": "notifications/roots/list_changed"}),
        json!({"jsonrpc": "2.0", "id": 8, "result": {}}),
        json!({"jsonrpc": "2.0", "id": "8", "error": {"code": -32601, "message": "roots/list"}}),
    ]
}

/// Lines that are no valid request, with the id and the code of the answer.
fn unreadable() -> [(&'static [u8], Value, i64); 7] {
    [
        (br#"{"jsonrpc":"2.0","id":31,"method":"tools/call","params":{"name":"\ud83d"}}"#, json!(31), -32700),
        (br#"{"jsonrpc":"2.0","id":"comma","method":"ping","params":{},}"#, json!("comma"), -32700),
        (br#"{"jsonrpc":"2.0","id":32,"method":"ping""#, json!(32), -32700),
        (b"nonsense", Value::Null, -32700),
        (br#"{"jsonrpc":"2.0","id":33,"method":"tools/list","params":["a"]}"#, json!(33), -32602),
        (br#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#, Value::Null, -32600),
        (br#"[{"jsonrpc":"2.0","id":34,"method":"ping"}]"#, json!(34), -32600),
    ]
}

#[test]
fn over_stdio_anything_may_come_before_the_handshake_of_either_era() {
    let simulator = Simulator::start(3, &[]);
    let sandbox = Sandbox::new(&simulator.endpoint());
    for opening in [initialize(9), modern(9, "tools/list")] {
        let mut client = Stdio::start(&sandbox);
        assert!(client.ask(&modern(1, "server/discover"))["result"]["supportedVersions"].is_array());
        for stray in stray() {
            client.say(&stray.to_string());
        }
        let early = client.ask(&request("early", "tools/list", &json!({})));
        assert_eq!((&early["id"], &early["error"]["code"]), (&json!("early"), &json!(-32602)), "{early}");
        let opened = client.ask(&opening);
        assert_eq!(opened["id"], 9, "{opened}");
        assert!(opened["result"].is_object(), "{opened}");
        for stray in stray() {
            client.say(&stray.to_string());
        }
        assert!(client.ask(&modern(10, "tools/list"))["result"]["tools"].is_array());
    }
}

#[test]
fn over_stdio_what_cannot_be_read_is_answered_with_its_id_and_ids_are_in_flight_once() {
    let simulator = Simulator::start(3, &[]);
    let sandbox = Sandbox::new(&simulator.endpoint());
    let mut client = Stdio::start(&sandbox);
    assert_eq!(client.open()["result"]["serverInfo"]["name"], "muster", "without version and capabilities");
    for (line, id, code) in unreadable() {
        let line = String::from_utf8_lossy(line);
        client.say(&line);
        client.say("\r");
        let answer = client.answer();
        assert_eq!((&answer["id"], &answer["error"]["code"]), (&id, &json!(code)), "{line}: {answer}");
    }
    let wrong = client.ask(&request(40, "initialize", &json!({"protocolVersion": 7})));
    assert_eq!((&wrong["id"], &wrong["error"]["code"]), (&json!(40), &json!(-32602)));
    let text = wrong["error"]["message"].as_str().unwrap();
    assert!(text.contains("params.protocolVersion") && !text.contains("_meta"), "{text}");
    let read = |id: i64, uri: &str| request(id, "resources/read", &json!({ "uri": uri }));
    for uri in ["ec2://inventory/freshness", "ec2://inventory/freshness/"] {
        let read = client.ask(&read(41, uri));
        assert_eq!(read["result"]["contents"][0]["uri"], uri, "{read}");
    }

    // A stream stays in flight, so its id is taken; the text of the number is another id.
    let mut modern_client = Stdio::start(&sandbox);
    let mut listen = modern(7, "subscriptions/listen");
    listen["params"]["notifications"] = json!({});
    modern_client.say(&listen.to_string());
    let acknowledged: Value = serde_json::from_str(&modern_client.0.line(PATIENCE)).unwrap();
    assert_eq!(acknowledged["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"], 7);
    let refused = modern_client.ask(&modern(7, "tools/list"));
    assert_eq!((&refused["id"], &refused["error"]["code"]), (&json!(7), &json!(-32600)), "{refused}");
    let other = modern_client.ask(&modern("7", "tools/list"));
    assert!(other["result"]["tools"].is_array(), "{other}");
    let cancel = json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 7}});
    modern_client.say(&cancel.to_string());
    let free = modern_client.ask(&modern(7, "tools/list"));
    assert!(free["result"]["tools"].is_array(), "{free}");

    client.0.hang_up();
    while client.0.next_line(PATIENCE) != Err(Silence::Ended) {}
    assert!(client.0.wait(PATIENCE).success());
}

#[test]
fn without_a_server_stdio_is_read_in_the_same_way() {
    let sandbox = Sandbox::new(&Endpoint::dead());
    // A file where the data directory should be: no server can start.
    std::fs::write(sandbox.data(), "").unwrap();
    let mut client = Stdio::start(&sandbox);
    for stray in stray() {
        client.say(&stray.to_string());
    }
    assert_eq!(client.open()["result"]["serverInfo"]["name"], "muster");
    for (line, id, code) in unreadable() {
        client.say(&String::from_utf8_lossy(line));
        let answer = client.answer();
        assert_eq!((&answer["id"], &answer["error"]["code"]), (&id, &json!(code)), "{answer}");
    }
    assert!(client.ask(&request(5, "tools/list", &json!({})))["result"]["tools"].is_array());
}

#[test]
fn over_http_a_client_that_takes_json_gets_json_in_both_eras_and_every_refusal_is_json_with_its_id() {
    let simulator = Simulator::start(3, &[]);
    let sandbox = Sandbox::new(&simulator.endpoint());
    let server = sandbox.serve(&RARELY);
    let http = Http::of(&server);
    let json = ("content-type", "application/json");
    let tools = [("mcp-protocol-version", "2026-07-28"), ("mcp-method", "tools/list")];
    for accept in [None, Some("application/json"), Some("*/*")] {
        let mut headers = vec![json];
        headers.extend(accept.map(|accept| ("accept", accept)));
        let reply = http.post(&[headers.as_slice(), &tools].concat(), modern(1, "tools/list").to_string().as_bytes());
        assert!(reply.json()["result"]["tools"].is_array(), "{accept:?}: {reply:?}");
        let session = http.session(&headers);
        headers.push(("mcp-session-id", &session));
        let told = json!({"jsonrpc": "2.0", "method": "notifications/initialized"}).to_string();
        assert_eq!(http.post(&headers, told.as_bytes()).status, 202);
        let read = request(2, "resources/read", &json!({"uri": "ec2://inventory/freshness/"}));
        let reply = http.post(&headers, read.to_string().as_bytes());
        assert_eq!(reply.json()["result"]["contents"][0]["uri"], "ec2://inventory/freshness/", "{accept:?}");
        for (body, id, code) in unreadable() {
            assert_eq!(http.post(&headers, body).refusal(), (400, id, code), "{}", String::from_utf8_lossy(body));
        }
    }
    for (body, id, code) in unreadable() {
        assert_eq!(http.post(&[json], body).refusal(), (400, id, code), "{}", String::from_utf8_lossy(body));
    }
    for stray in stray() {
        assert_eq!(http.post(&[json], stray.to_string().as_bytes()).status, 202, "{stray}");
    }
    let reply =
        http.post(&[json, ("mcp-session-id", "gone")], request("x", "tools/list", &json!({})).to_string().as_bytes());
    assert_eq!(reply.refusal(), (404, json!("x"), -32600));
    let reply = http.post(&[("content-type", "text/plain")], modern(3, "tools/list").to_string().as_bytes());
    assert_eq!(reply.refusal(), (415, json!(3), -32600));
}

#[test]
fn over_http_an_id_in_flight_in_a_session_is_refused_and_both_requests_are_answered() {
    let simulator = Simulator::start(3, &[]);
    let sandbox = Sandbox::new(&simulator.endpoint());
    let server = sandbox.serve(&RARELY);
    let http = Http::of(&server);
    let json = ("content-type", "application/json");
    let session = http.session(&[json]);
    let headers = [json, ("mcp-session-id", session.as_str())];
    let ask = |id: Value| {
        let request = request(id, "tools/call", &json!({"name": "get_inventory_summary", "arguments": {}}));
        let reply = http.post(&headers, request.to_string().as_bytes());
        let json = reply.json();
        // Sent at once, one of two may come while the other is in flight; each has its own answer all the same.
        if reply.status == 400 {
            assert_eq!(json["error"]["code"], -32600, "{json}");
            assert!(json["error"]["message"].as_str().unwrap().contains("in flight"), "{json}");
        } else {
            assert!(json["result"]["content"].is_array(), "{json}");
        }
        reply.status
    };
    for _ in 0..20 {
        let ask = &ask;
        let statuses: Vec<u16> = std::thread::scope(|scope| {
            let asking: Vec<_> = (0..4).map(|_| scope.spawn(move || ask(json!(1)))).collect();
            asking.into_iter().map(|asked| asked.join().unwrap()).collect()
        });
        assert!(statuses.contains(&200), "one of them is served: {statuses:?}");
        // Two clients without a session are never compared.
        let tools = [json, ("mcp-protocol-version", "2026-07-28"), ("mcp-method", "tools/list")];
        let http = &http;
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(move || {
                    let reply = http.post(&tools, modern(1, "tools/list").to_string().as_bytes());
                    assert!(reply.json()["result"]["tools"].is_array(), "{reply:?}");
                });
            }
        });
    }
}
