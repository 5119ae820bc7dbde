//! What may stand between Muster and AWS: an endpoint with a certificate of a private authority, a forward proxy, and an endpoint
//! that holds some calls up or drops them.
//!
//! Every connection carries one request. The certificates are those of `tests/fixtures/tls`.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::muster::Endpoint;
use super::relay;

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is passed on.
    Pass,
    /// The connection ends without an answer.
    Drop,
    /// It is passed on after this time.
    After(Duration),
    /// It is passed on, and its answer after this time.
    Late(Duration),
    /// It is passed on, and once it is answered, this process is killed without the answer.
    Kill(i32),
    /// It is answered here, with this status and this document.
    Answer(u16, &'static str),
}

/// Decides by a request's first line and body.
type Rule = dyn Fn(&str, &str) -> Fate + Send + Sync;

/// A running middle.
pub(crate) struct Middle {
    endpoint: Endpoint,
    asked: Arc<Mutex<Vec<String>>>,
}

/// A file of `tests/fixtures/tls`.
pub(crate) fn certificate(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tls").join(name)
}

impl Middle {
    /// Plain HTTP before `upstream`.
    pub(crate) fn plain(upstream: &Endpoint, rule: impl Fn(&str, &str) -> Fate + Send + Sync + 'static) -> Middle {
        Middle::open("http", upstream, None, Arc::new(rule))
    }

    /// TLS before `upstream`, with the certificate that `authority.pem` signed.
    pub(crate) fn tls(upstream: &Endpoint) -> Middle {
        let chain = CertificateDer::pem_file_iter(certificate("server.pem")).unwrap().map(Result::unwrap).collect();
        let key = PrivateKeyDer::from_pem_file(certificate("server.key")).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = config.with_no_client_auth().with_single_cert(chain, key).unwrap();
        Middle::open("https", upstream, Some(Arc::new(config)), Arc::new(|_, _| Fate::Pass))
    }

    /// A forward proxy to wherever it is asked to go.
    pub(crate) fn proxy() -> Middle {
        let anywhere = Endpoint { url: String::new(), region: String::new() };
        Middle::open("http", &anywhere, None, Arc::new(|_, _| Fate::Pass))
    }

    fn open(scheme: &str, upstream: &Endpoint, tls: Option<Arc<ServerConfig>>, rule: Arc<Rule>) -> Middle {
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let seen = Arc::clone(&asked);
        let address = relay::open(&upstream.url, move |client, authority| {
            if let Some(config) = &tls {
                let connection = ServerConnection::new(Arc::clone(config)).unwrap();
                pass(StreamOwned::new(connection, client), None, authority, &seen, &*rule)
            } else {
                let raw = client.try_clone().ok();
                pass(client, raw, authority, &seen, &*rule)
            }
        });
        let url = format!("{scheme}://{address}");
        Middle { endpoint: Endpoint { url, region: upstream.region.clone() }, asked }
    }

    /// Where it is.
    pub(crate) fn endpoint(&self) -> Endpoint {
        self.endpoint.clone()
    }

    /// The first lines of the requests that came.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Passes one request on, and its answer back. `raw` is the connection itself, for a tunnel.
fn pass(
    mut client: impl Read + Write,
    raw: Option<TcpStream>,
    authority: &str,
    seen: &Mutex<Vec<String>>,
    rule: &Rule,
) -> std::io::Result<()> {
    let (head, body) = relay::request(&mut client)?;
    let first = head.lines().next().unwrap_or_default().to_owned();
    seen.lock().unwrap_or_else(PoisonError::into_inner).push(first.clone());
    let words: Vec<&str> = first.split(' ').collect();
    if let (["CONNECT", to, ..], Some(raw)) = (&words[..], raw) {
        let upstream = TcpStream::connect(to)?;
        client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")?;
        let (mut from_client, mut to_upstream) = (raw.try_clone()?, upstream.try_clone()?);
        std::thread::spawn(move || std::io::copy(&mut from_client, &mut to_upstream).ok());
        let (mut from_upstream, mut to_client) = (upstream, raw);
        std::io::copy(&mut from_upstream, &mut to_client)?;
        return Ok(());
    }
    let fate = rule(&first, &String::from_utf8_lossy(&body));
    match fate {
        Fate::Pass | Fate::Late(_) | Fate::Kill(_) => {}
        Fate::Drop => return Ok(()),
        Fate::After(time) => std::thread::sleep(time),
        Fate::Answer(status, text) => {
            let length = text.len();
            let head = format!("HTTP/1.1 {status} X\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
            client.write_all(format!("{head}{text}").as_bytes())?;
            return client.flush();
        }
    }
    // A proxy is asked for a whole URL.
    let url = words.get(1).and_then(|target| target.strip_prefix("http://"));
    let (authority, path) = match url {
        Some(url) => {
            let (authority, path) = url.split_once('/').unwrap_or((url, ""));
            (authority.to_owned(), format!("/{path}"))
        }
        None => (authority.to_owned(), words.get(1).copied().unwrap_or("/").to_owned()),
    };
    let method = words.first().copied().unwrap_or_default();
    let rest: String = head.lines().skip(1).flat_map(|line| ["\r\n", line]).collect();
    let answer = relay::passed_on(&format!("{method} {path} HTTP/1.1{rest}"), &body, &authority)?;
    match fate {
        Fate::Late(time) => std::thread::sleep(time),
        Fate::Kill(pid) => {
            kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL)?;
            return Ok(());
        }
        Fate::Pass | Fate::Drop | Fate::After(_) | Fate::Answer(..) => {}
    }
    client.write_all(&answer)?;
    client.flush()
}
