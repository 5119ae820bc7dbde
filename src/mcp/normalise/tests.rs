use std::collections::BTreeSet;

use proptest::prelude::*;
use rmcp::model::{ClientJsonRpcMessage, JsonRpcMessage};
use serde_json::json;

use super::*;

/// What became of a message, to compare.
#[derive(Debug, PartialEq)]
enum Fate {
    Forward(Vec<u8>),
    /// Ids (`Null` where there is none) and codes.
    Answer(Vec<(Value, i64)>),
    Drop,
}

fn fate(conversation: &mut Conversation, bytes: &[u8]) -> Fate {
    match conversation.hear(bytes) {
        MessageDecision::Forward(message) => Fate::Forward(message.bytes().to_vec()),
        MessageDecision::Answer(refusals) => {
            let answer = |refusal: &ErrorResponse| {
                let line = refusal.line();
                assert_eq!(line.iter().position(|byte| *byte == b'\n'), Some(line.len() - 1), "one line");
                let answer: Value = serde_json::from_slice(&line).unwrap();
                assert_eq!(answer["jsonrpc"], "2.0");
                assert!(answer["error"]["message"].as_str().is_some_and(|message| message.len() > 10), "{answer}");
                (answer["id"].clone(), answer["error"]["code"].as_i64().unwrap())
            };
            Fate::Answer(refusals.iter().map(answer).collect())
        }
        MessageDecision::Drop => Fate::Drop,
    }
}

fn opened(bytes: impl AsRef<[u8]>) -> Fate {
    fate(&mut Conversation::opened(), bytes.as_ref())
}

fn forwarded(bytes: &str) -> Fate {
    Fate::Forward(bytes.as_bytes().to_vec())
}

fn meta() -> Value {
    json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    })
}

#[test]
fn what_is_no_json_is_answered_with_a_parse_error_that_keeps_the_id() {
    for (line, id) in [
        (br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"\ud83d"}}"#.as_slice(), json!(1)),
        (br#"{"jsonrpc":"2.0","id":"a","method":"ping",}"#, json!("a")),
        (br#"{"jsonrpc":"2.0","id":2,"method":"ping""#, json!(2)),
        (b"{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"ping\",\"params\":{\"x\":\"\xff\xfe\"}}", json!(3)),
        (b"{\"jsonrpc\":\"2.0\",\"id\":4,\"method\":\"ping\"}\0", json!(4)),
        (br#"{"jsonrpc":"2.0","id":1e999,"method":"ping"}"#, Value::Null),
        (b"{nonsense", Value::Null),
        (b"Content-Length: 52\r\n", Value::Null),
        (b"\xff\xfe{\0\"\0", Value::Null),
        (b"[1,", Value::Null),
        (b"nul", Value::Null),
    ] {
        assert_eq!(opened(line), Fate::Answer(vec![(id, -32700)]), "{}", String::from_utf8_lossy(line));
    }
    let two = br#"{"jsonrpc":"2.0","id":1,"method":"ping"}{"jsonrpc":"2.0","id":"1","method":"ping"}"#;
    assert_eq!(opened(two), Fate::Answer(vec![(json!(1), -32700), (json!("1"), -32700)]));
    let deep = format!("{{\"jsonrpc\":\"2.0\",\"id\":9,\"method\":\"ping\",\"params\":{}", "[".repeat(100_000));
    assert_eq!(opened(deep), Fate::Answer(vec![(json!(9), -32700)]));
}

#[test]
fn what_is_json_and_no_request_is_refused_with_its_id() {
    for (line, id, code) in [
        (r#"{"jsonrpc":"2.0","id":1}"#, json!(1), -32600),
        (r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#, Value::Null, -32600),
        (r#"{"jsonrpc":"2.0","id":1.5,"method":"ping"}"#, json!(1.5), -32600),
        (r#"{"jsonrpc":"2.0","id":18446744073709551615,"method":"ping"}"#, json!(u64::MAX), -32600),
        (r#"{"jsonrpc":"2.0","id":[1],"method":"ping"}"#, Value::Null, -32600),
        (r#"{"jsonrpc":"2.0","id":true,"method":"ping"}"#, Value::Null, -32600),
        (r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#, json!(1), -32600),
        (r#"{"id":"x","method":"ping"}"#, json!("x"), -32600),
        (r#"{"jsonrpc":"2.0","id":1,"method":7}"#, json!(1), -32600),
        (r#"{"jsonrpc":"2.0","id":1,"method":"ping","result":{}}"#, json!(1), -32600),
        (r#"{"jsonrpc":"2.0","id":1,"method":"ping","method":"ping"}"#, json!(1), -32600),
        (r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":[]}"#, json!(1), -32602),
        (r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":"{}"}"#, json!(1), -32602),
        (r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":[]}}"#, json!(1), -32602),
        (r#"{"jsonrpc":"2.0","id":1,"method":"resources/list","params":{"cursor":7}}"#, json!(1), -32602),
        (r#"{"jsonrpc":"2.0","id":1,"method":"prompts/list","params":{"cursor":["a"]}}"#, json!(1), -32602),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t","arguments":{"dry_run":true,"dry_run":false}}}"#,
            json!(1),
            -32602,
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t","arguments":{"a":1},"arguments":{}}}"#,
            json!(1),
            -32602,
        ),
        (r#"{"jsonrpc":"2.0","id":1,"method":"initialize"}"#, json!(1), -32602),
        (r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":null}"#, json!(1), -32602),
        (r"{}", Value::Null, -32600),
        (r"7", Value::Null, -32600),
        (r"null", Value::Null, -32600),
        (r"[]", Value::Null, -32600),
        (
            r#"[{"jsonrpc":"2.0","id":5,"method":"ping"},{"jsonrpc":"2.0","method":"notifications/initialized"}]"#,
            json!(5),
            -32600,
        ),
    ] {
        assert_eq!(opened(line), Fate::Answer(vec![(id, code)]), "{line}");
    }
    let batch = r#"[{"id":5,"method":"ping"},{"id":"6","method":"ping"},{"id":7,"result":{}}]"#;
    assert_eq!(opened(batch), Fate::Answer(vec![(json!(5), -32600), (json!("6"), -32600)]));
}

#[test]
fn what_wants_no_answer_gets_none_however_malformed() {
    for line in [
        "",
        "\n",
        " \t\r\n",
        "\u{feff}\r\n",
        r#"{"jsonrpc":"2.0","method":"notifications/initialized","params":[]}"#,
        r#"{"jsonrpc":"1.0","method":"notifications/initialized"}"#,
        r#"{"method":"exit"}"#,
        r#"{"jsonrpc":"2.0","method":7}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{},"error":{}}"#,
        r#"{"jsonrpc":"2.0","id":1.5,"result":{}}"#,
        r#"{"jsonrpc":"2.0","id":1,"error":"no"}"#,
        r#"{"jsonrpc":"2.0","result":{}}"#,
        r#"{"id":1,"result":{}}"#,
    ] {
        assert_eq!(opened(line), Fate::Drop, "{line}");
    }
}

#[test]
fn what_is_well_formed_goes_on_byte_for_byte() {
    for line in [
        "{ \"jsonrpc\" : \"2.0\", \"id\":1 , \"method\":\"tools/list\" }\r\n",
        r#"{"jsonrpc":"2.0","id":"","method":"tools/list","params":null}"#,
        r#"{"jsonrpc":"2.0","id":1.0,"method":"tools/list","params":{"_meta":null}}"#,
        r#"{"jsonrpc":"2.0","id":-9223372036854775808,"method":"unheard/of","params":{"a":[1e3]}}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/unheard_of","params":{}}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":7}"#,
        r#"{"jsonrpc":"2.0","error":{"code":-32700,"message":""}}"#,
    ] {
        assert_eq!(opened(line), forwarded(line), "{line}");
        assert_eq!(opened(format!("\u{feff}{line}")), forwarded(line), "with a byte order mark: {line}");
    }
}

#[test]
fn before_the_handshake_notifications_and_responses_are_ignored_in_both_eras() {
    let request = |id: i64, method: &str, params: Value| {
        json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}).to_string()
    };
    let stray = [
        json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}}).to_string(),
        json!({"jsonrpc": "2.0", "method": "notifications/initialized"}).to_string(),
        json!({"jsonrpc": "2.0", "id": 1, "result": {}}).to_string(),
        json!({"jsonrpc": "2.0", "id": 1, "error": {"code": -32601, "message": "no"}}).to_string(),
    ];
    let old = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "c", "version": "1"}});
    for opening in [request(9, "initialize", old), request(9, "tools/list", json!({"_meta": meta()}))] {
        let mut conversation = Conversation::default();
        let probe = request(1, "server/discover", json!({"_meta": meta()}));
        assert_eq!(fate(&mut conversation, probe.as_bytes()), forwarded(&probe));
        let ping = request(2, "ping", json!({}));
        assert_eq!(fate(&mut conversation, ping.as_bytes()), forwarded(&ping));
        for stray in &stray {
            assert_eq!(fate(&mut conversation, stray.as_bytes()), Fate::Drop, "{stray}");
        }
        assert_eq!(fate(&mut conversation, opening.as_bytes()), forwarded(&opening));
        for stray in &stray {
            assert_eq!(fate(&mut conversation, stray.as_bytes()), forwarded(stray), "{stray}");
        }
    }
}

#[test]
fn a_request_before_the_handshake_learns_how_each_era_begins() {
    let mut conversation = Conversation::default();
    let line = br#"{"jsonrpc":"2.0","id":"early","method":"tools/list"}"#;
    let MessageDecision::Answer(refusals) = conversation.hear(line) else { panic!("it is refused") };
    let answer: Value = serde_json::from_slice(&refusals[0].line()).unwrap();
    assert_eq!((&answer["id"], &answer["error"]["code"]), (&json!("early"), &json!(-32602)));
    let message = answer["error"]["message"].as_str().unwrap();
    assert!(message.contains("initialize") && message.contains("io.modelcontextprotocol/protocolVersion"), "{message}");
    // With a version and no more, rmcp names what is missing. It does not open the connection either.
    let half = json!({"io.modelcontextprotocol/protocolVersion": "2026-07-28"});
    let half = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": half}}).to_string();
    assert_eq!(fate(&mut conversation, half.as_bytes()), forwarded(&half));
    assert_eq!(fate(&mut conversation, br#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#), Fate::Drop);
    // Nor does a version that is not served.
    let mut meta = meta();
    meta["io.modelcontextprotocol/protocolVersion"] = json!("2030-01-01");
    let other = json!({"jsonrpc": "2.0", "id": 2, "method": "tools/list", "params": {"_meta": meta}}).to_string();
    assert_eq!(fate(&mut conversation, other.as_bytes()), forwarded(&other));
    assert_eq!(fate(&mut conversation, br#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#), Fate::Drop);
    // A header that names the protocol is enough: rmcp then says what the body lacks.
    assert_eq!(fate(&mut Conversation::single(true), line), Fate::Forward(line.to_vec()));
}

#[test]
fn an_incomplete_initialize_goes_on_complete_and_a_probe_goes_on_bare() {
    let line = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","clientInfo":{"name":"c"}}}"#;
    let Fate::Forward(bytes) = fate(&mut Conversation::default(), line.as_bytes()) else { panic!("it goes on") };
    let params =
        json!({"protocolVersion": "2025-11-25", "clientInfo": {"name": "c", "version": "unknown"}, "capabilities": {}});
    let read: Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(read, json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params}));
    assert_eq!(bytes.last(), Some(&b'\n'));
    let probe = json!({"jsonrpc": "2.0", "id": 1, "method": "server/discover", "params": {"_meta": meta(), "x": 1}});
    let Fate::Forward(bytes) = opened(probe.to_string()) else { panic!("it goes on") };
    let read: Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(read["params"], json!({"_meta": meta()}));
}

#[test]
fn an_id_in_flight_is_refused_until_it_is_answered() {
    let mut conversation = Conversation::opened();
    let number = br#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
    let text = br#"{"jsonrpc":"2.0","id":"1","method":"tools/list"}"#;
    let float = br#"{"jsonrpc":"2.0","id":1.0,"method":"tools/list"}"#;
    assert_eq!(fate(&mut conversation, number), Fate::Forward(number.to_vec()));
    assert_eq!(fate(&mut conversation, text), Fate::Forward(text.to_vec()), "another id");
    for again in [number.as_slice(), float] {
        assert_eq!(fate(&mut conversation, again), Fate::Answer(vec![(json!(1), -32600)]));
    }
    // An error under its id would be taken for its answer.
    let torn = br#"{"jsonrpc":"2.0","id":1,"method":"tools/list",}"#;
    assert_eq!(fate(&mut conversation, torn), Fate::Answer(vec![(Value::Null, -32700)]));
    assert_eq!(answered_by(br#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#), None);
    conversation.answered(&answered_by(br#"{"jsonrpc":"2.0","id":1,"result":{}}"#).unwrap());
    assert_eq!(fate(&mut conversation, float), Fate::Forward(float.to_vec()));
    assert_eq!(fate(&mut conversation, torn), Fate::Answer(vec![(Value::Null, -32700)]));
    assert_eq!(conversation.in_flight(), 2);
}

#[test]
fn a_request_belongs_to_a_session_when_its_protocol_has_sessions() {
    let of = |message: Value, header: Option<&str>| {
        let bytes = message.to_string();
        read(bytes.as_bytes()).unwrap().unwrap().is_of_a_session(header)
    };
    let request = |params: Value| json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": params});
    assert!(of(request(json!({})), None));
    assert!(of(request(json!({})), Some("2025-11-25")));
    assert!(!of(request(json!({})), Some("2026-07-28")));
    assert!(!of(request(json!({"_meta": meta()})), None));
    assert!(of(json!({"jsonrpc": "2.0", "method": "notifications/initialized"}), Some("2025-06-18")));
    assert!(!of(json!({"jsonrpc": "2.0", "method": "notifications/cancelled"}), Some("2026-07-28")));
}

/// What a client does, in the words of the model.
#[derive(Clone, Debug)]
enum Act {
    Request(Id, What),
    Notify,
    Respond,
    Torn(Id),
    Batch(Id),
    Answered(Id),
}

#[derive(Clone, Copy, Debug)]
enum What {
    Ping,
    Discover,
    Initialize,
    Modern,
    HalfModern,
    Bare,
    WrongParams,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Id {
    number: i64,
    is_text: bool,
}

impl Id {
    fn json(self) -> Value {
        if self.is_text { self.number.to_string().into() } else { self.number.into() }
    }
}

fn acts() -> impl Strategy<Value = Act> {
    let id = || (0..3_i64, any::<bool>()).prop_map(|(number, is_text)| Id { number, is_text });
    let what = prop_oneof![
        Just(What::Ping),
        Just(What::Discover),
        Just(What::Initialize),
        Just(What::Modern),
        Just(What::HalfModern),
        Just(What::Bare),
        Just(What::WrongParams),
    ];
    prop_oneof![
        6 => (id(), what).prop_map(|(id, what)| Act::Request(id, what)),
        2 => Just(Act::Notify),
        1 => Just(Act::Respond),
        1 => id().prop_map(Act::Torn),
        1 => id().prop_map(Act::Batch),
        3 => id().prop_map(Act::Answered),
    ]
}

fn line(act: &Act) -> String {
    let request = |id: &Id, method: &str, params: Value| {
        json!({"jsonrpc": "2.0", "id": id.json(), "method": method, "params": params}).to_string()
    };
    let old = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "c", "version": "1"}});
    let half = json!({"io.modelcontextprotocol/protocolVersion": "2026-07-28"});
    match act {
        Act::Request(id, What::Ping) => request(id, "ping", json!({})),
        Act::Request(id, What::Discover) => request(id, "server/discover", json!({"_meta": meta()})),
        Act::Request(id, What::Initialize) => request(id, "initialize", old),
        Act::Request(id, What::Modern) => request(id, "tools/list", json!({"_meta": meta()})),
        Act::Request(id, What::HalfModern) => request(id, "tools/list", json!({"_meta": half})),
        Act::Request(id, What::Bare) => request(id, "tools/list", json!({})),
        Act::Request(id, What::WrongParams) => request(id, "tools/list", json!([1])),
        Act::Notify => json!({"jsonrpc": "2.0", "method": "notifications/initialized"}).to_string(),
        Act::Respond => json!({"jsonrpc": "2.0", "id": 1, "result": {}}).to_string(),
        Act::Torn(id) => request(id, "ping", json!({})).replacen("{}", "{,}", 1),
        Act::Batch(id) => format!("[{}]", request(id, "ping", json!({}))),
        Act::Answered(_) => String::new(),
    }
}

/// What the model knows: whether a protocol was chosen, and what is in flight.
#[derive(Default)]
struct Model {
    is_opened: bool,
    in_flight: BTreeSet<Id>,
}

impl Model {
    fn expected(&mut self, act: &Act, line: &str) -> Fate {
        let on = || Fate::Forward(line.as_bytes().to_vec());
        let refused = |id: &Id, code| Fate::Answer(vec![(id.json(), code)]);
        let unseen = |model: &Model, id: &Id, code| {
            let id = if model.in_flight.contains(id) { Value::Null } else { id.json() };
            Fate::Answer(vec![(id, code)])
        };
        match act {
            Act::Notify | Act::Respond => {
                if self.is_opened {
                    on()
                } else {
                    Fate::Drop
                }
            }
            Act::Torn(id) => unseen(self, id, -32700),
            Act::Batch(id) => unseen(self, id, -32600),
            Act::Request(id, What::WrongParams) => unseen(self, id, -32602),
            Act::Request(id, _) if self.in_flight.contains(id) => refused(id, -32600),
            Act::Request(id, What::Bare) if !self.is_opened => refused(id, -32602),
            Act::Request(id, what) => {
                self.is_opened |= matches!(what, What::Initialize | What::Modern);
                self.in_flight.insert(*id);
                on()
            }
            Act::Answered(id) => {
                self.in_flight.remove(id);
                Fate::Drop
            }
        }
    }
}

/// Any message that could be meant as one, right or wrong.
fn messages() -> impl Strategy<Value = Value> {
    let ids = prop_oneof![
        Just(json!(1)),
        Just(json!("1")),
        Just(json!(1.0)),
        Just(json!(1.5)),
        Just(json!(u64::MAX)),
        Just(json!("")),
        Just(Value::Null),
        Just(json!({})),
        Just(json!([1])),
        Just(json!(false)),
        Just(json!(-1e300)),
    ];
    let methods = prop_oneof![
        Just(json!("initialize")),
        Just(json!("ping")),
        Just(json!("server/discover")),
        Just(json!("tools/list")),
        Just(json!("tools/call")),
        Just(json!("resources/read")),
        Just(json!("subscriptions/listen")),
        Just(json!("notifications/cancelled")),
        Just(json!("notifications/initialized")),
        Just(json!("notifications/progress")),
        Just(json!("x")),
        Just(json!(7)),
        Just(Value::Null),
    ];
    let metas =
        prop_oneof![Just(meta()), Just(json!({})), Just(Value::Null), Just(json!([])), Just(json!("2026-07-28"))];
    let texts =
        prop_oneof![Just(json!("2025-11-25")), Just(json!(7)), Just(json!({})), Just(json!([])), Just(Value::Null)];
    let params = prop_oneof![
        Just(Value::Null),
        Just(json!([])),
        Just(json!("x")),
        Just(json!({})),
        (metas, texts.clone(), texts.clone(), proptest::option::of(texts)).prop_map(
            |(meta, version, info, capabilities)| {
                let mut params =
                    json!({"_meta": meta, "protocolVersion": version, "clientInfo": info, "requestId": version});
                if let Some(capabilities) = capabilities {
                    params["capabilities"] = capabilities;
                }
                params
            }
        ),
    ];
    let versions = prop_oneof![8 => Just(json!("2.0")), 1 => Just(json!(2.0)), 1 => Just(json!("1.0"))];
    let some = proptest::option::of::<BoxedStrategy<Value>>;
    let rest = prop_oneof![4 => Just(None), 1 => Just(Some("result")), 1 => Just(Some("error"))];
    (
        proptest::option::weighted(0.9, versions),
        some(ids.boxed()),
        proptest::option::weighted(0.8, methods),
        some(params.boxed()),
        rest,
    )
        .prop_map(|(version, id, method, params, rest)| {
            let mut message = json!({});
            for (member, value) in [("jsonrpc", version), ("id", id), ("method", method), ("params", params)] {
                if let Some(value) = value {
                    message[member] = value;
                }
            }
            if let Some(member) = rest {
                message[member] = json!({"code": 1, "message": "m"});
            }
            message
        })
}

proptest! {
    #[test]
    fn a_conversation_goes_as_the_model_says(acts in proptest::collection::vec(acts(), 0..40)) {
        let (mut conversation, mut model) = (Conversation::default(), Model::default());
        for act in acts {
            let line = line(&act);
            if let Act::Answered(id) = &act {
                conversation.answered(&known_id(&id.json()).unwrap());
            }
            let found = fate(&mut conversation, line.as_bytes());
            prop_assert_eq!(found, model.expected(&act, &line), "{:?}", act);
        }
        prop_assert_eq!(conversation.in_flight(), model.in_flight.len());
    }

    #[test]
    fn what_goes_on_is_read_by_rmcp_as_what_it_is_and_what_does_not_is_told_to_whoever_waits(message in messages()) {
        let text = message.to_string();
        let mut conversation = Conversation::opened();
        let waits = message.get("method").is_some() && message.get("id").is_some();
        match conversation.hear(text.as_bytes()) {
            MessageDecision::Forward(forwarded) => {
                let read: ClientJsonRpcMessage = serde_json::from_slice(forwarded.bytes()).expect("rmcp reads it");
                let is_one = match forwarded.said() {
                    MessageKind::Request { id, .. } => matches!(&read, JsonRpcMessage::Request(request) if request.id == *id),
                    MessageKind::Notification { .. } => matches!(read, JsonRpcMessage::Notification(_)),
                    MessageKind::Response => matches!(read, JsonRpcMessage::Response(_) | JsonRpcMessage::Error(_)),
                };
                prop_assert!(is_one, "{:?} was read as {:?}", forwarded.said(), read);
                // Once is enough: the socket does again what the stdio front end did.
                prop_assert_eq!(opened(forwarded.bytes()), Fate::Forward(forwarded.bytes().to_vec()));
            }
            MessageDecision::Answer(refusals) => {
                prop_assert_eq!(refusals.len(), 1);
                let id = message.get("id").filter(|id| id.is_string() || id.is_number());
                // `1.0` and `1` are one number.
                let shown = |id: Option<&Value>| id.map(|id| known_id(id).map_or(id.clone(), RequestId::into_json_value));
                prop_assert_eq!(shown(refusals[0].id.as_ref()), shown(id));
            }
            MessageDecision::Drop => prop_assert!(!waits),
        }
    }

    #[test]
    fn whatever_happens_to_the_bytes_of_a_request_somebody_is_told(
        at in 0..10_000_usize, with in proptest::collection::vec(any::<u8>(), 0..4), cut in 0..4_usize,
    ) {
        let whole = json!({"jsonrpc": "2.0", "id": 77, "method": "tools/call", "params": {"name": "é\u{1f600}", "arguments": {}}});
        let mut bytes = whole.to_string().into_bytes();
        let at = at % bytes.len();
        let end = (at + cut).min(bytes.len());
        bytes.splice(at..end, with);
        let is_json = serde_json::from_slice::<Value>(&bytes).is_ok();
        match opened(&bytes) {
            Fate::Forward(_) => prop_assert!(is_json),
            Fate::Answer(answers) => prop_assert_eq!(answers.len(), 1),
            // The damage may have made a notification or a response of it.
            Fate::Drop => prop_assert!(is_json),
        }
    }
}
