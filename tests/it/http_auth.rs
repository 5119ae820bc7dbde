//! Who is let in over HTTP, with clients that people use: by tokens of the server, and by tokens of an OAuth issuer.

use std::fs;
use std::path::PathBuf;
use std::process::Output;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::handshake;
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::harness::driver::{Driver, Flavour, Transport};
use crate::harness::muster::{RARELY, Sandbox};
use crate::harness::process::Running;
use crate::harness::python::Environment;
use crate::harness::simulator::Simulator;
use crate::harness::{PATIENCE, eventually};

/// What came back.
struct Reply {
    status: u16,
    challenge: Option<String>,
    body: String,
}

/// One request of `tools/list` in the newer era, with these headers.
fn ask(url: &str, method: &Method, headers: &[(&str, &str)]) -> Reply {
    let meta = json!({"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}});
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": meta}}).to_string();
    let url: hyper::Uri = url.parse().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let stream = TcpStream::connect(url.authority().unwrap().as_str()).await.unwrap();
        let (mut sender, connection) = handshake(TokioIo::new(stream)).await.unwrap();
        tokio::runtime::Handle::current().spawn(connection);
        let mut request =
            Request::builder().method(method).uri(url.path()).header("host", url.authority().unwrap().as_str());
        request = request.header("content-type", "application/json").header("accept", "application/json");
        request = request.header("mcp-protocol-version", "2026-07-28").header("mcp-method", "tools/list");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = sender.send_request(request.body(Full::<Bytes>::from(body)).unwrap()).await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let challenge = headers.get("www-authenticate").map(|value| value.to_str().unwrap().to_owned());
        let body = response.into_body().collect().await.unwrap().to_bytes();
        Reply { status, challenge, body: String::from_utf8(body.to_vec()).unwrap() }
    })
}

/// The same with a bearer token; its status.
fn status(url: &str, token: &str) -> u16 {
    ask(url, &Method::POST, &[("authorization", &format!("Bearer {token}"))]).status
}

/// A sandbox with a file of tokens.
struct Tokens {
    sandbox: Sandbox,
    file: PathBuf,
}

impl Tokens {
    fn new(simulator: &Simulator) -> Tokens {
        let sandbox = Sandbox::new(&simulator.endpoint());
        let file = sandbox.path().join("tokens.toml");
        Tokens { sandbox, file }
    }

    fn run(&self, words: &[&str]) -> Output {
        let data = self.sandbox.data();
        let place = ["--token-file", self.file.to_str().unwrap(), "--data-dir", data.to_str().unwrap()];
        self.sandbox.muster(&[&["token"], words, &place].concat()).output().unwrap()
    }

    fn add(&self, words: &[&str]) -> String {
        let output = self.run(&[&["add"], words].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }
}

#[test]
fn clients_with_a_token_of_the_server_are_let_in_until_it_is_revoked() {
    let simulator = Simulator::start(3, &[]);
    let tokens = Tokens::new(&simulator);
    let alice = tokens.add(&["alice", "--days", "1"]);
    assert!(alice.starts_with("muster_") && alice.len() > 40, "{alice}");
    let mut flags = RARELY.to_vec();
    flags.extend(["--token-file", tokens.file.to_str().unwrap()]);
    let server = tokens.sandbox.serve(&flags);
    let url = server.http.as_str();
    eventually("alice is let in", || (status(url, &alice) == 200).then_some(()));

    for method in [Method::POST, Method::GET, Method::DELETE, Method::PUT] {
        for token in ["Bearer muster_nobody", &format!("Bearer {alice}x"), &format!("Basic {alice}")] {
            let reply = ask(url, &method, &[("authorization", token)]);
            assert_eq!(reply.status, 401, "{method} {token}");
            assert!(
                !reply.challenge.unwrap().contains("resource_metadata")
                    && reply.body.contains("There is no OAuth here")
            );
        }
        assert_eq!(ask(url, &method, &[]).status, 401);
    }
    for flavour in [Flavour::Auto, Flavour::Legacy, Flavour::Old, Flavour::Npm, Flavour::NpmLegacy] {
        let mut client = Driver::connect(flavour, &Transport::Known(url, &alice));
        assert_eq!(client.ready["protocol"], flavour.protocol());
        assert!(client.tools().iter().any(|tool| tool["name"] == "search_inventory"), "{flavour:?}");
        assert_eq!(client.read("ec2://inventory/summary")["uri"], "ec2://inventory/summary", "{flavour:?}");
    }

    // One that is made while the server runs counts at once, and one that is revoked counts no more.
    let bob = tokens.add(&["bob"]);
    assert_eq!(status(url, &bob), 200);
    assert!(tokens.run(&["revoke", "alice"]).status.success());
    assert_eq!((status(url, &alice), status(url, &bob)), (401, 200));
    let again = tokens.run(&["revoke", "alice"]);
    assert!(!again.status.success() && String::from_utf8_lossy(&again.stderr).contains("there are bob"), "{again:?}");
    // Neither the file nor anything that the server wrote has a token.
    assert!(!fs::read_to_string(&tokens.file).unwrap().contains(&bob[7..]));
    let list = tokens.run(&["list", "--json"]);
    assert!(!String::from_utf8_lossy(&list.stdout).contains("sha256"), "{list:?}");
    // The command line of the same user needs no token: the socket is theirs.
    let data = tokens.sandbox.data();
    let status = tokens.sandbox.muster(&["status", "--json", "--data-dir", data.to_str().unwrap()]).output().unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&status.stdout).unwrap()["server"]["http"], *url);
}

#[test]
fn a_file_of_tokens_that_others_can_write_lets_nobody_start() {
    use std::os::unix::fs::PermissionsExt;
    let simulator = Simulator::start(1, &[]);
    let tokens = Tokens::new(&simulator);
    tokens.add(&["alice"]);
    fs::set_permissions(&tokens.file, fs::Permissions::from_mode(0o666)).unwrap();
    let data = tokens.sandbox.data();
    let words = [
        "serve",
        "--http",
        "127.0.0.1:0",
        "--data-dir",
        data.to_str().unwrap(),
        "--token-file",
        tokens.file.to_str().unwrap(),
    ];
    let output = tokens.sandbox.muster(&words).output().unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("chmod go-w"), "{output:?}");
}

#[test]
fn a_blank_file_of_tokens_lets_no_server_start() {
    let simulator = Simulator::start(1, &[]);
    let mut sandbox = Sandbox::new(&simulator.endpoint());
    let data = sandbox.data();
    let serve = ["serve", "--http", "127.0.0.1:0", "--data-dir", data.to_str().unwrap()];
    for blank in [&["--token-file", ""][..], &["--token-file", " "], &["--token-file="]] {
        let output = sandbox.muster(&[&serve[..], blank].concat()).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{blank:?} {output:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("--token-file"), "{blank:?} {output:?}");
    }
    sandbox.set("MUSTER_TOKEN_FILE", "");
    let output = sandbox.muster(&serve).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("MUSTER_TOKEN_FILE cannot be used"), "{output:?}");
}

#[test]
fn a_revocation_is_said_to_count_only_where_the_server_goes_by_the_file() {
    let simulator = Simulator::start(1, &[]);
    let tokens = Tokens::new(&simulator);
    for name in ["alice", "bob", "carol"] {
        tokens.add(&[name]);
    }
    let said = |output: &Output| String::from_utf8_lossy(&output.stderr).into_owned();
    let alone = tokens.run(&["revoke", "alice"]);
    assert!(alone.status.success() && said(&alone).contains("no server was told"), "{alone:?}");
    let other = tokens.sandbox.path().join("other.toml");
    let mut flags = RARELY.to_vec();
    flags.extend(["--token-file", other.to_str().unwrap()]);
    let _server = tokens.sandbox.serve(&flags);
    let elsewhere = tokens.run(&["revoke", "bob"]);
    assert!(elsewhere.status.success() && said(&elsewhere).contains("goes by another file of tokens"), "{elsewhere:?}");
    assert!(!said(&elsewhere).contains("goes by it now"), "{elsewhere:?}");
    // The server cannot read its files again, so it may go on as it was.
    fs::write(&other, "tokens = 1").unwrap();
    let refused = tokens.run(&["revoke", "carol"]);
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    assert!(said(&refused).contains("may still go by what it said before"), "{refused:?}");
}

/// An OAuth issuer.
struct Issuer {
    running: Running,
    url: String,
}

impl Issuer {
    fn start() -> Issuer {
        let running = Running::start("issuer", Environment::Mcp2.script("issuer.py"));
        let said: Value = serde_json::from_str(&running.line(PATIENCE)).unwrap();
        Issuer { url: said["issuer"].as_str().unwrap().to_owned(), running }
    }

    fn say(&mut self, line: &Value) -> Value {
        assert!(self.running.say(&line.to_string()), "the issuer has ended{}", self.running.tail());
        serde_json::from_str(&self.running.line(PATIENCE)).unwrap()
    }

    fn token(&mut self, asked: &Value) -> String {
        self.say(asked)["token"].as_str().unwrap().to_owned()
    }
}

#[test]
fn a_client_that_is_led_to_an_issuer_logs_in_and_bad_tokens_of_it_let_nobody_in() {
    let simulator = Simulator::start(3, &[]);
    let sandbox = Sandbox::new(&simulator.endpoint());
    let mut issuer = Issuer::start();
    let file = sandbox.path().join("muster.toml");
    let text = format!(
        "[[grants]]\nname = \"all\"\n\n[[issuers]]\nissuer = \"{0}\"\naudiences = [\"AUDIENCE\"]\nscopes = [\"muster.read\"]\n\
         grants = {{ \"muster.read\" = \"all\" }}\n",
        issuer.url
    );
    // Port 0 is not known before it listens, and the audience has it in its name.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let address = format!("127.0.0.1:{port}");
    let audience = format!("http://{address}/mcp");
    fs::write(&file, text.replace("AUDIENCE", &audience)).unwrap();
    let mut flags = RARELY.to_vec();
    flags.extend(["--config", file.to_str().unwrap()]);
    let server = sandbox.serve_at(&address, &flags);
    let url = server.http.as_str();
    assert_eq!(url, audience);

    let reply = ask(url, &Method::POST, &[]);
    let metadata = format!("http://{address}/.well-known/oauth-protected-resource/mcp");
    let challenge = reply.challenge.unwrap();
    assert!(reply.status == 401 && challenge.contains(&format!("resource_metadata=\"{metadata}\"")), "{challenge}");
    assert!(challenge.contains("scope=\"muster.read\""), "{challenge}");

    let good = issuer.token(&json!({"claims": {"aud": audience}}));
    eventually("the keys of the issuer are known", || (status(url, &good) == 200).then_some(()));
    for asked in [
        json!({"claims": {"aud": "https://other.test/mcp"}}),
        json!({"claims": {"aud": audience, "exp": 1}}),
        json!({"claims": {"aud": audience, "iss": "https://other.test"}}),
        json!({"claims": {"aud": audience, "sub": null}}),
        json!({"claims": {"aud": audience}, "header": {"typ": "JWT"}}),
        json!({"claims": {"aud": audience}, "header": {"kid": "old"}, "key": "foreign"}),
        json!({"claims": {"aud": audience}, "key": "foreign"}),
    ] {
        let token = issuer.token(&asked);
        assert_eq!(status(url, &token), 401, "{asked}");
    }
    let without_scope = issuer.token(&json!({"claims": {"aud": audience, "scope": "other"}}));
    assert_eq!(status(url, &without_scope), 403);
    for flavour in [Flavour::Auto, Flavour::Legacy] {
        let mut client = Driver::connect(flavour, &Transport::Login(url));
        assert_eq!(client.ready["protocol"], flavour.protocol());
        assert!(client.tools().iter().any(|tool| tool["name"] == "search_inventory"), "{flavour:?}");
    }
}
