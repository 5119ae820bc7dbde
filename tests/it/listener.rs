//! HTTP for more than one person: TLS, a Unix socket, behind a proxy, with a limit for each client.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::harness::PATIENCE;
use crate::harness::eventually;
use crate::harness::muster::{Endpoint, Sandbox};
use crate::harness::process::Running;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

const TLS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/tls");

/// A request to `/mcp`, or a GET of another path, as it goes over a connection.
fn request(path: &str, message: Option<&Value>) -> String {
    let head = "Host: localhost\r\nConnection: close\r\nAccept: application/json\r\n";
    match message {
        None => format!("GET {path} HTTP/1.1\r\n{head}\r\n"),
        Some(message) => {
            let body = message.to_string();
            let length = body.len();
            format!(
                "POST {path} HTTP/1.1\r\n{head}Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
            )
        }
    }
}

/// The first request of a client.
fn initialize() -> Value {
    let params =
        json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "c", "version": "1"}});
    json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params})
}

/// Sends a request, and reads the whole answer.
fn asked(mut stream: impl Read + Write, request: &str) -> String {
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    // The end of a TLS connection may come without a word.
    drop(stream.read_to_end(&mut answer));
    String::from_utf8(answer).unwrap()
}

fn status(answer: &str) -> u16 {
    answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_else(|| panic!("no answer: {answer:?}"))
}

/// A connection by TLS that trusts the authority of this file.
fn by_tls(address: &str, authority: &str) -> StreamOwned<ClientConnection, TcpStream> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(Path::new(TLS).join(authority)).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_root_certificates(roots).with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    let connection = ClientConnection::new(Arc::new(config), name).unwrap();
    StreamOwned::new(connection, TcpStream::connect(address).unwrap())
}

/// The line of a server that was started with these flags.
fn started(sandbox: &Sandbox, flags: &[&str]) -> (Running, Value) {
    let data = sandbox.data();
    let mut command = sandbox.muster(&["serve", "--data-dir"]);
    command.arg(data).args(flags);
    let running = Running::start("serve", command);
    let line = serde_json::from_str(&running.line(PATIENCE)).unwrap();
    (running, line)
}

#[test]
fn https_is_served_with_the_certificate_as_its_files_have_it() {
    let sandbox = Sandbox::new(&Endpoint::dead());
    let [cert, key] = ["cert.pem", "key.pem"].map(|name| sandbox.path().join(name));
    let copy = |from: &str, to: &Path| assert!(fs::copy(Path::new(TLS).join(from), to).is_ok(), "{from}");
    copy("server.pem", &cert);
    copy("server.key", &key);
    let flags = ["--tls-cert", cert.to_str().unwrap(), "--tls-key", key.to_str().unwrap()];
    let (server, line) = started(&sandbox, &[&["--http", "127.0.0.1:0"], &flags[..]].concat());
    let url = line["http"].as_str().unwrap();
    let address = url.strip_prefix("https://").unwrap().strip_suffix("/mcp").unwrap();
    let opened = asked(by_tls(address, "authority.pem"), &request("/mcp", Some(&initialize())));
    assert_eq!(status(&opened), 200, "{opened}");
    assert!(opened.contains("mcp-session-id:"), "{opened}");
    assert_eq!(status(&asked(by_tls(address, "authority.pem"), &request("/healthz", None))), 200);
    // Whoever does not speak TLS, or does not trust the authority, gets nothing.
    assert_eq!(asked(TcpStream::connect(address).unwrap(), &request("/healthz", None)).find("200"), None);
    let mut distrusting = by_tls(address, "other.pem");
    assert!(distrusting.write_all(b"GET").and_then(|()| distrusting.flush()).is_err());
    // A connection that is open goes on, and a broken file changes nothing.
    let mut before = by_tls(address, "authority.pem");
    before.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n").unwrap();
    fs::write(&cert, "no certificate").unwrap();
    eventually("the broken file is told", || server.errors().contains("goes on with the certificate").then_some(()));
    assert_eq!(status(&asked(by_tls(address, "authority.pem"), &request("/healthz", None))), 200);
    copy("server.pem", &cert);
    eventually("the mended file is read", || server.errors().contains("has another certificate").then_some(()));
    assert_eq!(status(&asked(before, "Connection: close\r\n\r\n")), 200);
    assert_eq!(status(&asked(by_tls(address, "authority.pem"), &request("/healthz", None))), 200);
}

#[test]
fn http_on_a_unix_socket_is_for_its_owner() {
    let sandbox = Sandbox::new(&Endpoint::dead());
    let path = sandbox.path().join("http.sock");
    let place = format!("unix:{}", path.display());
    let (mut server, line) = started(&sandbox, &["--http", &place]);
    assert_eq!(line["http"], place);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o077, 0);
    let connect = || UnixStream::connect(&path).unwrap();
    assert_eq!(status(&asked(connect(), &request("/mcp", Some(&initialize())))), 200);
    assert_eq!(status(&asked(connect(), &request("/readyz", None))), 503, "AWS is not there");
    assert_eq!(status(&asked(connect(), &request("/metrics", None))), 200);
    assert!(server.signal(Signal::TERM));
    assert!(server.wait(PATIENCE).success());
    assert!(!path.exists(), "it goes with its server");
}

#[test]
fn each_client_has_a_limit_and_probes_have_none() {
    let sandbox = Sandbox::new(&Endpoint::dead());
    let (_server, line) = started(&sandbox, &["--http", "127.0.0.1:0", "--rate-limit", "5"]);
    let address = line["http"].as_str().unwrap().strip_prefix("http://").unwrap().strip_suffix("/mcp").unwrap();
    let connect = || TcpStream::connect(address).unwrap();
    let list = json!({"jsonrpc": "2.0", "id": 7, "method": "tools/list"});
    let answers: Vec<String> = (0..30).map(|_| asked(connect(), &request("/mcp", Some(&list)))).collect();
    let refused: Vec<&String> = answers.iter().filter(|answer| status(answer) == 429).collect();
    // Thirty requests may take some seconds on a machine that does something else as well.
    assert!(!refused.is_empty() && refused.len() <= 25, "{} of 30", refused.len());
    for answer in refused {
        assert!(answer.contains("retry-after: 1\r\n") && answer.contains("Retry-After says"), "{answer}");
    }
    for _ in 0..30 {
        assert_eq!(status(&asked(connect(), &request("/healthz", None))), 200);
    }
    let metrics = asked(connect(), &request("/metrics", None));
    assert!(!metrics.contains("muster_http_refused_total{reason=\"rate\"} 0\n"), "{metrics}");
}

/// The address of this machine in its network, if it has one.
fn own_address() -> Option<std::net::IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    let address = socket.local_addr().ok()?.ip();
    (!address.is_loopback() && !address.is_unspecified()).then_some(address)
}

#[test]
fn behind_a_proxy_strangers_get_nothing_but_probes() {
    let sandbox = Sandbox::new(&Endpoint::dead());
    let refused = sandbox.muster(&["serve", "--http", "0.0.0.0:0"]).output().unwrap();
    let said = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(2), "{said}");
    assert!(said.contains("is not a loopback address") && said.contains("--behind-proxy"), "{said}");
    let (_server, line) = started(&sandbox, &["--http", "0.0.0.0:0", "--behind-proxy", "192.0.2.77,198.51.100.0/24"]);
    let address = line["http"].as_str().unwrap().strip_prefix("http://").unwrap().strip_suffix("/mcp").unwrap();
    let port: u16 = address.rsplit(':').next().unwrap().parse().unwrap();
    let ask = |host: &str, request: &str| {
        let stream = TcpStream::connect(format!("{host}:{port}")).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        asked(stream, request)
    };
    let open = request("/mcp", Some(&initialize()));
    assert_eq!(status(&ask("127.0.0.1", &open)), 200, "this machine");
    assert_eq!(status(&ask("127.0.0.1", &request("/metrics", None))), 403, "a proxy would hand them on");
    let Some(own) = own_address() else { return eprintln!("this machine has no address but loopback") };
    let answer = ask(&own.to_string(), &open);
    assert_eq!(status(&answer), 403, "{answer}");
    assert!(answer.contains("--behind-proxy"), "{answer}");
    assert_eq!(status(&ask(&own.to_string(), &request("/healthz", None))), 200);
}
