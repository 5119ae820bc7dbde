//! What a collector of traces is told, read with OpenTelemetry's own messages.

use std::collections::BTreeSet;
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::{Request, Uri};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::harness::eventually;
use crate::harness::muster::{RARELY, Sandbox};
use crate::harness::process::Running;
use crate::harness::python::Environment;
use crate::harness::rpc::{Client, send};
use crate::harness::simulator::Simulator;

/// The trace and the span that a client works for.
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";
/// What stands for a key of a collector.
const KEY: &str = "sesame-open-the-collector";

/// How long a span may take to come.
const PATIENCE: Duration = Duration::from_secs(30);

/// A collector with the spans that it has read.
struct Collector {
    process: Running,
    url: String,
    spans: Vec<Value>,
}

impl Collector {
    fn start(settings: &[&str]) -> Collector {
        let mut script = Environment::Traces.script("collector.py");
        script.args(settings);
        let process = Running::start("collector", script);
        let url = process.line(Duration::from_mins(1));
        Collector { process, url, spans: Vec::new() }
    }

    /// A sandbox whose servers send their spans here soon.
    fn sandbox(&self, simulator: &Simulator) -> Sandbox {
        let mut sandbox = Sandbox::new(&simulator.endpoint());
        sandbox.set("OTEL_EXPORTER_OTLP_ENDPOINT", &self.url);
        sandbox.set("OTEL_EXPORTER_OTLP_HEADERS", &format!("x-key={KEY}"));
        sandbox.set("OTEL_BSP_SCHEDULE_DELAY", "100");
        sandbox
    }

    /// The span that fits, once it has come.
    fn span(&mut self, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let begun = Instant::now();
        loop {
            while let Ok(line) = self.process.next_line(Duration::from_millis(1)) {
                self.spans.push(serde_json::from_str(&line).unwrap());
            }
            if let Some(span) = self.spans.iter().find(|span| fits(span)) {
                return span.clone();
            }
            let all: Vec<String> = self.spans.iter().map(Value::to_string).collect();
            assert!(begun.elapsed() < PATIENCE, "{what} has not come, but:\n{}", all.join("\n"));
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

fn meta(flags: &str) -> Value {
    json!({"traceparent": format!("00-{TRACE}-{PARENT}-{flags}")})
}

#[test]
fn a_call_of_a_tool_is_a_span_below_its_clients_with_its_calls_of_aws_and_its_commits_within() {
    let mut collector = Collector::start(&[]);
    let simulator = Simulator::start(5, &[]);
    let sandbox = collector.sandbox(&simulator);
    let server = sandbox.serve(&[&RARELY[..], &["--allow-writes", "--log-format", "json", "--log", "trace"]].concat());
    server.swept();
    let clients = [(Client::http(&server.http), "tcp"), (Client::stdio(&sandbox, &["--allow-writes"]), "unix")];
    for (place, (mut client, transport)) in clients.into_iter().enumerate() {
        let found = client.call("search_inventory", &json!({"kind": "instance", "limit": 2})).unwrap();
        let instance = found.structured["rows"][place]["id"].as_str().unwrap_or_else(|| panic!("{found:?}")).to_owned();
        let mut arguments = json!({"instance_ids": [instance]});
        // What is shown first, without a span of the client.
        let shown = client.ask("stop_instance", &arguments).unwrap();
        arguments["confirmation"] = shown.structured["confirmation"]["token"].clone();
        let params = json!({"name": "stop_instance", "arguments": arguments, "_meta": meta("01")});
        let done = client.must("tools/call", &params);
        assert_ne!(done["isError"], true, "{done}");
        let is_call = |span: &Value| {
            span["name"] == "tools/call stop_instance"
                && span["attributes"]["network.transport"] == transport
                && span["trace"] == TRACE
        };
        let call = collector.span("the span of the call", is_call);
        assert_eq!((&call["trace"], &call["parent"]), (&json!(TRACE), &json!(PARENT)), "{call}");
        assert_eq!((&call["kind"], &call["status"]), (&json!("SPAN_KIND_SERVER"), &json!("STATUS_CODE_UNSET")));
        let attributes = &call["attributes"];
        for (name, value) in [
            ("mcp.method.name", "tools/call"),
            ("gen_ai.tool.name", "stop_instance"),
            ("gen_ai.operation.name", "execute_tool"),
            ("mcp.protocol.version", "2026-07-28"),
        ] {
            assert_eq!(attributes[name], value, "{call}");
        }
        assert!(attributes["mcp.session.id"].is_null() && attributes["jsonrpc.request.id"].is_string(), "{call}");
        assert_eq!(call["resource"]["service.name"], "muster");
        assert_eq!((&call["path"], &call["key"]), (&json!("/v1/traces"), &json!(KEY)));
        let within = |span: &Value| {
            let time = |span: &Value, end: &str| span[end].as_u64().unwrap();
            assert!(
                time(span, "start") >= time(&call, "start") && time(span, "end") <= time(&call, "end"),
                "{span} {call}"
            );
        };
        for (name, kind) in [("EC2/StopInstances", "SPAN_KIND_CLIENT"), ("commit", "SPAN_KIND_INTERNAL")] {
            let span = collector.span(name, |span| span["name"] == name && span["parent"] == call["id"]);
            assert_eq!((&span["trace"], &span["kind"]), (&json!(TRACE), &json!(kind)), "{span}");
            within(&span);
            assert!(name != "commit" || span["attributes"]["muster.seq"].is_u64(), "{span}");
        }
        let failed = json!({"name": "get_resource", "arguments": {"id": "i-0"}, "_meta": meta("01")});
        client.must("tools/call", &failed);
        let failed = collector.span("the span of a call that failed", |span| {
            span["name"] == "tools/call get_resource" && span["attributes"]["network.transport"] == transport
        });
        assert_eq!(
            (&failed["status"], &failed["attributes"]["error.type"]),
            (&json!("STATUS_CODE_ERROR"), &json!("tool_error"))
        );
        // A client that says so is not collected.
        let silent = json!({"name": "count_inventory", "arguments": {"kind": "instance"}, "_meta": meta("00")});
        client.must("tools/call", &silent);
    }
    // Everything that was sent belongs to something that a client asked for, and none of it is text that somebody else chose.
    let told: BTreeSet<&str> = collector.spans.iter().map(|span| span["name"].as_str().unwrap()).collect();
    assert!(!told.contains("tools/call count_inventory"), "{told:?}");
    let known: BTreeSet<&str> = collector.spans.iter().map(|span| span["id"].as_str().unwrap()).collect();
    for span in &collector.spans {
        let is_root = span["kind"] == "SPAN_KIND_SERVER";
        assert!(is_root || known.contains(span["parent"].as_str().unwrap()), "a span that belongs to nothing: {span}");
        assert!(span["events"].as_array().unwrap().is_empty(), "{span}");
    }
    let log = server.running.errors();
    let lines: Vec<Value> =
        log.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"))).collect();
    let named: Vec<&Value> = lines.iter().filter(|line| line["trace_id"] == TRACE).collect();
    assert!(!named.is_empty() && named.iter().all(|line| line["span_id"].is_string()), "{log}");
    assert!(!log.contains(KEY) && !log.contains("jsonrpc.request.id"), "{log}");
}

#[test]
fn the_span_of_a_request_over_http_is_linked_or_is_the_parent() {
    let mut collector = Collector::start(&[]);
    let simulator = Simulator::start(5, &[]);
    let sandbox = collector.sandbox(&simulator);
    let server = sandbox.serve(&RARELY);
    server.swept();
    let uri: Uri = server.http.parse().unwrap();
    let ask = |id: u64, meta: &Value| {
        let mut params = json!({"uri": "ec2://inventory/summary", "_meta": {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
            "io.modelcontextprotocol/clientInfo": {"name": "tracer", "version": "0"},
        }});
        if meta.is_string() {
            params["_meta"]["traceparent"] = meta.clone();
        }
        let message = json!({"jsonrpc": "2.0", "id": id, "method": "resources/read", "params": params});
        let request = Request::post(uri.path())
            .header("host", uri.authority().unwrap().as_str())
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream")
            .header("mcp-protocol-version", "2026-07-28")
            .header("mcp-method", "resources/read")
            .header("mcp-name", "ec2://inventory/summary")
            .header("traceparent", format!("00-{TRACE}-{PARENT}-01"))
            .body(Full::new(Bytes::from(message.to_string())))
            .unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let answer = send(&uri, request).await;
            assert_eq!(answer.status(), 200);
            answer.into_body().collect().await.unwrap();
        });
    };
    // Four times, since what is alike is answered in another way from the third time on.
    for id in 101..=104 {
        ask(id, &Value::Null);
        let span = collector.span("a read", |span| span["attributes"]["jsonrpc.request.id"] == id.to_string().as_str());
        assert_eq!((&span["trace"], &span["parent"]), (&json!(TRACE), &json!(PARENT)), "{span}");
        assert_eq!((&span["name"], &span["links"]), (&json!("resources/read"), &json!([])));
    }
    let own = "0af7651916cd43dd8448eb211c80319c";
    ask(105, &json!(format!("00-{own}-b7ad6b7169203331-01")));
    let span =
        collector.span("a read with a span of its own", |span| span["attributes"]["jsonrpc.request.id"] == "105");
    assert_eq!((&span["trace"], &span["parent"]), (&json!(own), &json!("b7ad6b7169203331")), "{span}");
    assert_eq!(span["links"], json!([PARENT]));
    // What is no span is nobody's.
    for (id, odd) in ["", "00-00000000000000000000000000000000-0000000000000000-01", "nonsense", &"0".repeat(100_000)]
        .iter()
        .enumerate()
    {
        ask(110 + id as u64, &json!(odd));
    }
    // Without any, each is a trace of its own, also where what is alike is answered at once.
    let since = span["end"].as_u64();
    let mut client = Client::http(&server.http);
    for _ in 0..4 {
        client.read("ec2://inventory/summary");
    }
    let is_alone =
        |span: &Value| span["name"] == "resources/read" && span["parent"] == "" && span["start"].as_u64() > since;
    collector.span("a read without a span", is_alone);
    std::thread::sleep(Duration::from_millis(300));
    client.read("ec2://inventory/summary");
    collector.span("the last read", |span| is_alone(span) && span["attributes"]["jsonrpc.request.id"] == "5");
    let alone: Vec<&Value> = collector.spans.iter().filter(|span| is_alone(span)).collect();
    let ids: BTreeSet<&str> =
        alone.iter().map(|span| span["attributes"]["jsonrpc.request.id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), alone.len(), "one read is two spans: {alone:?}");
}

#[test]
fn a_collector_that_takes_nothing_costs_one_line_of_the_log_and_holds_nobody() {
    let simulator = Simulator::start(5, &[]);
    let refusing = Collector::start(&["refuse"]);
    for url in [&refusing.url, "http://127.0.0.1:9"] {
        let mut sandbox = Sandbox::new(&simulator.endpoint());
        sandbox.set("OTEL_EXPORTER_OTLP_ENDPOINT", url);
        sandbox.set("OTEL_BSP_SCHEDULE_DELAY", "100");
        let mut server = sandbox.serve(&RARELY);
        server.swept();
        let mut client = Client::http(&server.http);
        for _ in 0..20 {
            client.read("ec2://inventory/summary");
            std::thread::sleep(Duration::from_millis(50));
        }
        eventually("it is logged", || {
            server.running.errors().contains("the collector of traces takes none").then_some(())
        });
        // At once, or this fails.
        assert!(server.terminate().0.success());
        let log = server.running.errors();
        assert_eq!(log.matches("the collector of traces takes none").count(), 1, "{log}");
    }
}

#[test]
fn variables_that_are_wrong_cost_the_traces_and_not_the_server() {
    let simulator = Simulator::start(5, &[]);
    for (name, value, said) in [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "localhost:4318", "OTEL_EXPORTER_OTLP_ENDPOINT is no URL"),
        (
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "http://u:sesame@127.0.0.1:4318",
            "credentials belong into OTEL_EXPORTER_OTLP_HEADERS",
        ),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "Muster speaks http/protobuf only"),
    ] {
        let mut sandbox = Sandbox::new(&simulator.endpoint());
        sandbox.set("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9");
        sandbox.set(name, value);
        let server = sandbox.serve(&RARELY);
        server.swept();
        Client::http(&server.http).read("ec2://inventory/summary");
        let log = server.running.errors();
        assert!(log.contains(said) && !log.contains("sesame"), "{log}");
    }
}
