//! Bodies that no client sends in good faith, to a server over HTTP: each is answered with what is wrong, by a known client and by one
//! that nobody knows, and costs a bounded amount.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::thread;

use serde_json::{Value, json};

use crate::harness::PATIENCE;
use crate::harness::muster::{RARELY, Sandbox};
use crate::harness::simulator::Simulator;
use crate::harness::web::process_figure;

/// What all of it may cost, in KiB.
const COST: u64 = 96 * 1024;
/// How many clients send the largest body at once.
const AT_ONCE: usize = 16;
const MIB: usize = 1024 * 1024;

/// How long a body says that it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    /// As long as it is.
    Told,
    /// So long, whatever it is.
    As(usize),
    /// In chunks, which say nothing of what follows.
    Chunked,
}

/// A body, and how it is answered.
struct Case {
    name: &'static str,
    framing: Framing,
    body: Vec<u8>,
    /// What a known client gets: the status, the code and a part of the message.
    known: (u16, i64, &'static str),
    /// Whether the connection of a known client goes on.
    goes_on: bool,
}

/// What came back.
struct Answer {
    status: u16,
    body: String,
}

impl Answer {
    /// Reads one; `None` where the connection ends before there is a whole one.
    fn read(reader: &mut impl BufRead) -> Option<Answer> {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let status = line.split(' ').nth(1)?.parse().ok()?;
        let (mut length, mut is_chunked) = (0, false);
        loop {
            line.clear();
            reader.read_line(&mut line).ok()?;
            let head = line.trim().to_ascii_lowercase();
            if head.is_empty() {
                break;
            }
            if let Some(value) = head.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            is_chunked |= head.starts_with("transfer-encoding: chunked");
        }
        let mut body = Vec::new();
        while is_chunked {
            line.clear();
            reader.read_line(&mut line).ok()?;
            let size = usize::from_str_radix(line.trim(), 16).ok()?;
            let mut chunk = vec![0; size + 2];
            reader.read_exact(&mut chunk).ok()?;
            body.extend_from_slice(&chunk[..size]);
            is_chunked = size > 0;
        }
        body.resize(body.len() + length, 0);
        let begin = body.len() - length;
        reader.read_exact(&mut body[begin..]).ok()?;
        Some(Answer { status, body: String::from_utf8(body).unwrap() })
    }

    /// The code and the message of a refusal.
    fn refusal(&self) -> (i64, String) {
        let body: Value = serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body));
        (body["error"]["code"].as_i64().unwrap(), body["error"]["message"].as_str().unwrap().to_owned())
    }
}

/// The head of a request with this token.
fn head(authority: &str, token: &str, framing: Framing, length: usize) -> String {
    let framing = match framing {
        Framing::Told => format!("Content-Length: {length}"),
        Framing::As(length) => format!("Content-Length: {length}"),
        Framing::Chunked => "Transfer-Encoding: chunked".to_owned(),
    };
    format!(
        "POST /mcp HTTP/1.1\r\nHost: {authority}\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\nAccept: \
         application/json\r\nMCP-Protocol-Version: 2026-07-28\r\nMCP-Method: tools/list\r\n{framing}\r\n\r\n"
    )
}

/// Writes a body, as far as the server lets it.
fn written(mut stream: &TcpStream, framing: Framing, body: &[u8]) -> std::io::Result<()> {
    if framing != Framing::Chunked {
        return stream.write_all(body);
    }
    for chunk in body.chunks(64 * 1024) {
        stream.write_all(format!("{:x}\r\n", chunk.len()).as_bytes())?;
        stream.write_all(chunk)?;
        stream.write_all(b"\r\n")?;
    }
    stream.write_all(b"0\r\n\r\n")
}

/// Asks on a connection, and reads the answer while the body is still being sent.
fn asked(stream: &TcpStream, authority: &str, token: &str, framing: Framing, body: &[u8]) -> Option<Answer> {
    thread::scope(|scope| {
        let mut writer = stream;
        writer.write_all(head(authority, token, framing, body.len()).as_bytes()).ok()?;
        scope.spawn(move || written(writer, framing, body).ok());
        Answer::read(&mut BufReader::new(stream))
    })
}

fn connect(authority: &str) -> TcpStream {
    let stream = TcpStream::connect(authority).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn list() -> Vec<u8> {
    let meta = json!({"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}});
    json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": meta}}).to_string().into_bytes()
}

/// A request that is as long as this.
fn long(length: usize) -> Vec<u8> {
    let mut body = br#"{"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"a": ""#.to_vec();
    body.resize(length - 3, b'x');
    body.extend_from_slice(b"\"}}");
    body
}

fn cases() -> Vec<Case> {
    let deep = |open: &str, close: &str| {
        let nested = [open.repeat(100_000), "1".to_owned(), close.repeat(100_000)].concat();
        format!(r#"{{"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {{"a": {nested}}}}}"#).into_bytes()
    };
    let batch =
        format!("[{}]", vec![r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#; 10_000].join(",")).into_bytes();
    let large = (413, -32600, "longer than 1 MiB");
    let case = |name, framing, body, known, goes_on| Case { name, framing, body, known, goes_on };
    vec![
        case("4 MiB", Framing::Told, long(4 * MIB), large, true),
        case("4 MiB in chunks", Framing::Chunked, long(4 * MIB), large, true),
        case("100 MiB announced, and sent", Framing::Told, long(100 * MIB), large, false),
        case("100 MiB announced, and nothing sent", Framing::As(100 * MIB), Vec::new(), large, false),
        case("100 MiB in chunks", Framing::Chunked, long(100 * MIB), large, false),
        case("an exbibyte announced", Framing::As(1 << 60), Vec::new(), large, false),
        case("100,000 lists in lists", Framing::Told, deep("[", "]"), (400, -32700, "recursion limit"), true),
        case("100,000 objects in objects", Framing::Told, deep("{\"a\":", "}"), (400, -32700, "recursion limit"), true),
        case("100,000 lists that do not end", Framing::Told, vec![b'['; 100_000], (400, -32700, "is not JSON"), true),
        case("a batch of 10,000", Framing::Told, batch, (400, -32600, "MCP has no batches"), true),
        case("nothing", Framing::Told, Vec::new(), (400, -32700, "the body is empty"), true),
        case("nothing in chunks", Framing::Chunked, Vec::new(), (400, -32700, "the body is empty"), true),
    ]
}

#[test]
fn what_is_too_large_too_deep_or_too_many_is_refused_whoever_sends_it_and_costs_a_bounded_amount() {
    let simulator = Simulator::start(5, &[]);
    let sandbox = Sandbox::new(&simulator.endpoint());
    let file = sandbox.path().join("tokens.toml");
    let file = file.to_str().unwrap();
    let made = sandbox.muster(&["token", "add", "alice", "--token-file", file]).output().unwrap();
    let token = String::from_utf8(made.stdout).unwrap().trim().to_owned();
    let mut server = sandbox.serve(&[&RARELY[..], &["--token-file", file]].concat());
    let authority = server.http.strip_prefix("http://").unwrap().strip_suffix("/mcp").unwrap().to_owned();
    let pid = server.running.pid();
    let plain = |stream: &TcpStream| asked(stream, &authority, &token, Framing::Told, &list());
    assert_eq!(plain(&connect(&authority)).unwrap().status, 200);
    let before = process_figure(pid, "VmRSS");
    for Case { name, framing, body, known, goes_on } in cases() {
        for is_known in [true, false] {
            let who = if is_known { token.as_str() } else { "muster_nobody" };
            let stream = connect(&authority);
            let answer = asked(&stream, &authority, who, framing, &body)
                .unwrap_or_else(|| panic!("{name}, known {is_known}: no answer{}", server.running.tail()));
            let (code, message) = answer.refusal();
            if is_known {
                assert_eq!((answer.status, code), (known.0, known.1), "{name}: {message}");
                assert!(message.contains(known.2), "{name}: {message}");
            } else {
                assert_eq!(answer.status, 401, "{name}: {message}");
            }
            // The same connection goes on, or is closed and a new one goes on.
            let next = plain(&stream).map(|answer| answer.status);
            let may_go_on = goes_on || !is_known;
            assert!(
                next == Some(200) || (next.is_none() && !(goes_on && is_known)),
                "{name}, known {is_known}: {next:?}"
            );
            assert!(may_go_on || next.is_none(), "{name}: what was not read is taken for a request");
            assert_eq!(plain(&connect(&authority)).unwrap().status, 200, "{name}, known {is_known}");
        }
    }
    let each = process_figure(pid, "VmHWM");
    let largest = long(100 * MIB);
    thread::scope(|scope| {
        for number in 0..AT_ONCE {
            let (authority, token, largest) = (&authority, &token, &largest);
            scope.spawn(move || {
                let who = if number % 2 == 0 { token } else { "muster_nobody" };
                let answer = asked(&connect(authority), authority, who, Framing::Chunked, largest).unwrap();
                assert_eq!(answer.status, if number % 2 == 0 { 413 } else { 401 });
            });
        }
    });
    let most = process_figure(pid, "VmHWM");
    eprintln!(
        "RSS {before} KiB before, {each} KiB at most with one body at once, {most} KiB with {AT_ONCE} of 100 MiB"
    );
    assert!(most < before + COST, "{before} KiB became {most} KiB");
    assert!(!server.running.errors().contains("panicked"), "{}", server.running.tail());
    let (ended, _) = server.terminate();
    assert!(ended.success());
}
