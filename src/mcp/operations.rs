//! Counts what clients ask for, how long that takes, and how it ends. Cheap enough for every request.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use foldhash::fast::FixedState;
use parking_lot::RwLock;
use rmcp::ErrorData;
use rmcp::model::{ClientRequest, ErrorCode, ProtocolVersion, ServerResult};
use tokio::time::Instant;
use tracing::{Instrument, Span};

use super::prompts;
use super::tools::TOOLS;
use crate::model::{CountedDurations, DurationTally};

/// The bounds of durations of operations. Those from 10 ms on are OpenTelemetry's; most reads are answered in less than one.
const OPERATION: &[Duration] = &[
    Duration::from_micros(100),
    Duration::from_micros(250),
    Duration::from_micros(500),
    Duration::from_millis(1),
    Duration::from_micros(2_500),
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(20),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(200),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(5),
    Duration::from_secs(10),
    Duration::from_secs(30),
    Duration::from_mins(1),
    Duration::from_mins(2),
    Duration::from_mins(5),
];
/// The bounds of durations of sessions.
const SESSION: &[Duration] = &[
    Duration::from_millis(100),
    Duration::from_secs(1),
    Duration::from_secs(10),
    Duration::from_mins(1),
    Duration::from_mins(5),
    Duration::from_mins(30),
    Duration::from_hours(2),
    Duration::from_hours(8),
    Duration::from_hours(24),
];
/// How many different operations are told apart in every respect. Further ones are counted without their protocol, and with no more
/// about an error than that there was one.
const TOLD_APART: usize = 200;
/// Stands for a name that Muster does not know, as OpenTelemetry has it.
const OTHER: &str = "_OTHER";
/// The methods that are counted under their names. A subscription is no operation: it lasts as long as its client.
const METHODS: [&str; 14] = [
    "initialize",
    "ping",
    "server/discover",
    "tools/list",
    "tools/call",
    "resources/list",
    "resources/templates/list",
    "resources/read",
    "resources/subscribe",
    "resources/unsubscribe",
    "prompts/list",
    "prompts/get",
    "completion/complete",
    "logging/setLevel",
];
/// The protocols that are counted under their names.
const PROTOCOLS: [&str; 3] = ["2025-06-18", "2025-11-25", "2026-07-28"];
/// The codes of errors that are counted under their numbers.
const CODES: [(i32, &str); 7] = [
    (-32700, "-32700"),
    (-32600, "-32600"),
    (-32601, "-32601"),
    (-32602, "-32602"),
    (-32603, "-32603"),
    (-32002, "-32002"),
    (-32042, "-32042"),
];
/// How a call of a tool counts that failed.
const TOOL_ERROR: &str = "tool_error";

/// How a client is connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NetworkTransport {
    /// By the Unix socket, as `muster mcp` does.
    Unix,
    /// Over HTTP.
    Tcp,
}

/// What a client asks for. Every text in it is one of a fixed set, whatever the client sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AskedOperation {
    /// The method.
    pub method: &'static str,
    /// The tool that is called.
    pub tool: Option<&'static str>,
    /// The prompt that is asked for.
    pub prompt: Option<&'static str>,
    /// The version of the protocol, where it is known.
    pub protocol: Option<&'static str>,
    /// How the client is connected.
    pub transport: NetworkTransport,
}

/// Operations that are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OperationKey {
    /// What was asked for.
    pub asked: AskedOperation,
    /// How it failed: the code of an error, or `tool_error`. `None` where it did not.
    pub error: Option<&'static str>,
}

/// Why a request over HTTP was not served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HttpRefusal {
    /// Too many connections are open, and all of them are in use.
    Connections,
    /// Its client sends more requests than it may.
    Rate,
    /// Too many calls wait for something to happen.
    Waiting,
    /// It is larger than a request may be.
    Size,
    /// Its host, its origin or its address is not accepted.
    Forbidden,
}

impl HttpRefusal {
    /// All of them, with their names.
    pub const ALL: [(HttpRefusal, &'static str); 5] = [
        (HttpRefusal::Connections, "connections"),
        (HttpRefusal::Rate, "rate"),
        (HttpRefusal::Waiting, "waiting"),
        (HttpRefusal::Size, "size"),
        (HttpRefusal::Forbidden, "forbidden"),
    ];
}

/// The counts of what clients asked for since the server began. All connections share them.
#[derive(Debug)]
pub struct Operations {
    times: RwLock<HashMap<OperationKey, Arc<DurationTally>, FixedState>>,
    sessions: [DurationTally; 2],
    refused: [AtomicU64; HttpRefusal::ALL.len()],
    connections: AtomicUsize,
}

impl Default for Operations {
    fn default() -> Self {
        Operations {
            times: RwLock::default(),
            sessions: [const { SESSION }; 2].map(DurationTally::new),
            refused: std::array::from_fn(|_| AtomicU64::new(0)),
            connections: AtomicUsize::new(0),
        }
    }
}

impl AskedOperation {
    /// What a request asks for; `None` for one that is no operation, such as a subscription.
    #[must_use]
    pub fn of(
        request: &ClientRequest,
        protocol: Option<&ProtocolVersion>,
        transport: NetworkTransport,
    ) -> Option<Self> {
        let named = AskedOperation::new(request.method(), transport).in_protocol(protocol.map(ProtocolVersion::as_str));
        Some(match request {
            ClientRequest::SubscriptionsListenRequest(_) => return None,
            ClientRequest::CallToolRequest(call) => named.of_tool(&call.params.name),
            ClientRequest::GetPromptRequest(asked) => named.of_prompt(&asked.params.name),
            _ => named,
        })
    }

    /// An operation of this method.
    #[must_use]
    pub fn new(method: &str, transport: NetworkTransport) -> Self {
        let method = METHODS.into_iter().find(|known| *known == method).unwrap_or(OTHER);
        AskedOperation { method, tool: None, prompt: None, protocol: None, transport }
    }

    /// The same in this version of the protocol.
    #[must_use]
    pub fn in_protocol(self, protocol: Option<&str>) -> Self {
        let protocol = protocol.map(|version| PROTOCOLS.into_iter().find(|known| *known == version).unwrap_or(OTHER));
        AskedOperation { protocol, ..self }
    }

    /// The same of this tool.
    #[must_use]
    pub fn of_tool(self, tool: &str) -> Self {
        let known = TOOLS.iter().map(|spec| spec.name).find(|name| *name == tool);
        AskedOperation { tool: Some(known.unwrap_or(OTHER)), ..self }
    }

    /// The same of this prompt.
    #[must_use]
    pub fn of_prompt(self, prompt: &str) -> Self {
        AskedOperation { prompt: Some(prompts::known(prompt).unwrap_or(OTHER)), ..self }
    }
}

impl OperationKey {
    /// The same with less told apart: nothing about the protocol, and about an error only that there was one.
    fn roughly(self) -> Self {
        OperationKey {
            asked: AskedOperation { protocol: None, ..self.asked },
            error: self.error.map(|error| if error == TOOL_ERROR { TOOL_ERROR } else { OTHER }),
        }
    }
}

/// How an error of the protocol counts.
fn code(code: ErrorCode) -> &'static str {
    CODES.iter().find(|(number, _)| *number == code.0).map_or(OTHER, |(_, text)| text)
}

/// Notes in the span of an operation how it failed.
pub(super) fn mark_failed(span: &Span, error: &'static str) {
    span.record("otel.status_code", "ERROR").record("error.type", error);
}

/// How an answer counts as an error, if it is one.
#[must_use]
pub fn failure(answer: &Result<ServerResult, ErrorData>) -> Option<&'static str> {
    match answer {
        Err(error) => Some(code(error.code)),
        Ok(ServerResult::CallToolResult(result)) if result.is_error == Some(true) => Some(TOOL_ERROR),
        Ok(_) => None,
    }
}

impl Operations {
    /// Serves an operation within its span, and counts it once it is answered.
    ///
    /// # Errors
    /// That of the operation.
    pub async fn during<T>(
        &self,
        asked: AskedOperation,
        span: Span,
        serving: impl Future<Output = Result<T, ErrorData>>,
        has_failed: impl Fn(&T) -> bool,
    ) -> Result<T, ErrorData> {
        let begun = Instant::now();
        let answer = serving.instrument(span.clone()).await;
        let error = match &answer {
            Ok(answer) => has_failed(answer).then_some(TOOL_ERROR),
            Err(error) => Some(code(error.code)),
        };
        if let Some(error) = error {
            mark_failed(&span, error);
        }
        self.note(OperationKey { asked, error }, begun.elapsed());
        answer
    }

    /// Counts an operation that took this long.
    pub fn note(&self, key: OperationKey, took: Duration) {
        if let Some(times) = self.times.read().get(&key) {
            return times.note(took);
        }
        self.tally(key).note(took);
    }

    /// Where such operations are counted, for whoever counts many of them.
    #[must_use]
    pub fn tally(&self, key: OperationKey) -> Arc<DurationTally> {
        let mut times = self.times.write();
        let key = if times.len() >= TOLD_APART && !times.contains_key(&key) { key.roughly() } else { key };
        Arc::clone(times.entry(key).or_insert_with(|| Arc::new(DurationTally::new(OPERATION))))
    }

    /// Counts a session that ended after this long.
    pub fn note_session(&self, transport: NetworkTransport, lasted: Duration) {
        let [unix, tcp] = &self.sessions;
        match transport {
            NetworkTransport::Unix => unix.note(lasted),
            NetworkTransport::Tcp => tcp.note(lasted),
        }
    }

    /// Counts a request that was not served.
    pub fn note_refusal(&self, refusal: HttpRefusal) {
        let known = HttpRefusal::ALL.iter().zip(&self.refused).find(|((known, _), _)| *known == refusal);
        if let Some((_, count)) = known {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Notes how many connections of HTTP are open.
    pub fn note_connections(&self, open: usize) {
        self.connections.store(open, Ordering::Relaxed);
    }

    /// How many connections of HTTP are open.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// The operations so far, in no order.
    #[must_use]
    pub fn times(&self) -> Vec<(OperationKey, CountedDurations)> {
        let times = self.times.read();
        times.iter().map(|(key, times)| (*key, times.counted())).collect()
    }

    /// The sessions that have ended.
    #[must_use]
    pub fn sessions(&self) -> [(NetworkTransport, CountedDurations); 2] {
        let [unix, tcp] = &self.sessions;
        [(NetworkTransport::Unix, unix.counted()), (NetworkTransport::Tcp, tcp.counted())]
    }

    /// How many requests were refused, by the name of the reason.
    #[must_use]
    pub fn refused(&self) -> Vec<(&'static str, u64)> {
        let counts = self.refused.iter().map(|count| count.load(Ordering::Relaxed));
        HttpRefusal::ALL.iter().map(|(_, name)| *name).zip(counts).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_clients_make_up_is_counted_under_one_name() {
        let operations = Operations::default();
        for number in 0..1_000 {
            let asked = AskedOperation::new(&format!("made/up{number}"), NetworkTransport::Tcp)
                .in_protocol(Some(&format!("{number}")))
                .of_tool(&format!("tool{number}"))
                .of_prompt(&format!("prompt{number}"));
            operations.note(OperationKey { asked, error: Some(code(ErrorCode(number))) }, Duration::ZERO);
        }
        let times = operations.times();
        assert_eq!(times.len(), 1, "{times:?}");
        assert_eq!(times[0].1.count, 1_000);
    }

    #[test]
    fn however_operations_differ_the_number_of_their_counts_is_bounded() {
        let operations = Operations::default();
        let names: Vec<&str> = TOOLS.iter().map(|spec| spec.name).chain(["unknown"]).collect();
        let errors: Vec<Option<&'static str>> =
            CODES.iter().map(|(_, text)| Some(*text)).chain([None, Some(OTHER), Some(TOOL_ERROR)]).collect();
        let mut noted = 0;
        for transport in [NetworkTransport::Tcp, NetworkTransport::Unix] {
            for protocol in PROTOCOLS.map(Some).into_iter().chain([None, Some("none")]) {
                for method in METHODS.into_iter().chain(["unknown"]) {
                    for name in &names {
                        let asked = AskedOperation::new(method, transport).in_protocol(protocol);
                        let asked = match method {
                            "tools/call" => asked.of_tool(name),
                            "prompts/get" => asked.of_prompt(name),
                            _ => asked,
                        };
                        for error in &errors {
                            operations.note(OperationKey { asked, error: *error }, Duration::ZERO);
                            noted += 1;
                        }
                    }
                }
            }
        }
        let times = operations.times();
        assert_eq!(times.iter().map(|(_, times)| times.count).sum::<u64>(), noted);
        // Twenty-three series each, of twenty thousand for everything.
        assert!(times.len() < 400, "{}", times.len());
    }

    #[tokio::test(start_paused = true)]
    async fn an_operation_is_counted_with_how_it_ended_and_how_long_it_took() {
        let operations = Operations::default();
        let asked = AskedOperation::new("tools/call", NetworkTransport::Unix).of_tool(TOOLS[0].name);
        for (answer, error) in [
            (Ok(false), None),
            (Ok(true), Some(TOOL_ERROR)),
            (Err(ErrorData::invalid_params("x", None)), Some("-32602")),
        ] {
            let serving = async {
                tokio::time::sleep(Duration::from_millis(3)).await;
                answer
            };
            drop(operations.during(asked, Span::none(), serving, |failed| *failed).await);
            let times = operations.times();
            let (_, counted) = times.iter().find(|(key, _)| key.error == error).unwrap();
            assert_eq!((counted.count, counted.seconds), (1, 0.003));
        }
    }
}
