//! Asks EC2's read API of a server on this machine as a client would, for `muster doctor`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, Uri, header};
use futures::FutureExt;
use futures::future::LocalBoxFuture;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, SignatureScheme};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::app::ec2_keys::Ec2Keys;
use crate::config::{Config, Environment, ListenSettings, OwnEndpoint};
use crate::connection::server_facts::ServerFacts;
use crate::doctor::{ProxiedReadApi, ReadApi, ReadApiAnswer, ReadApiDoor, ServedReadApi};
use crate::ec2_api::place::asks_for_account;
use crate::ec2_api::wire::table;
use crate::kinds::{KINDS, KindSpec};
use crate::model::text::chain;
use crate::model::{AccountId, KindSelection, Region};

/// How much of an answer is read: some kinds are not described in pages.
const MOST: usize = 64 << 20;

/// How a request begins.
const DESCRIBE: &str = "Version=2016-11-15&Action=";

/// The read API at an address, by TLS where it is served so.
struct LocalDoor {
    address: SocketAddr,
    by_tls: bool,
    /// The query of the request.
    asked: String,
    /// The file of its certificate, where that is known.
    certificate: Option<PathBuf>,
}

/// EC2's read API as `listen` has it, at `address`. `facts` are what the running server of the data directory says of itself.
pub(super) fn read_api(
    config: &Config,
    listen: &ListenSettings,
    address: SocketAddr,
    environment: &Environment,
    facts: Option<&ServerFacts>,
) -> ReadApi {
    let (settings, served) = (&listen.ec2_api, served(facts));
    let address = match served {
        // Any port is the one that the server has.
        ServedReadApi::At(bound) if address.port() == 0 && bound.ip() == address.ip() => bound,
        _ => address,
    };
    let by_tls = facts.and_then(|facts| facts.read_api_tls).unwrap_or_else(|| settings.is_open());
    let keys = settings.keys.as_deref().map(|path| {
        let read = Ec2Keys::read(path, &config.access.grants);
        read.map(|keys| keys.count()).map_err(|error| chain(&error))
    });
    let certificate = listen.tls_cert.clone().filter(|_| by_tls);
    let (scheme, reached) = (if by_tls { "https" } else { "http" }, reached(address));
    ReadApi {
        url: format!("{scheme}://{address}"),
        address,
        served,
        keys,
        own: OwnEndpoint::of(address, environment),
        is_ignored: environment.ignores_endpoints(),
        proxy: environment.proxies().before(by_tls, &reached.to_string()).map(|variable| ProxiedReadApi {
            variable,
            host: reached.to_string().trim_end_matches(&format!(":{}", reached.port())).to_owned(),
        }),
        door: Box::new(LocalDoor { address: reached, by_tls, asked: asked(&config.kinds), certificate }),
    }
}

/// Where a server that says this of itself answers EC2's read API.
fn served(facts: Option<&ServerFacts>) -> ServedReadApi {
    match facts.map(|facts| (facts.read_api, facts.read_api_address)) {
        Some((_, Some(address))) => ServedReadApi::At(address),
        Some((None, None)) => ServedReadApi::Nowhere,
        Some((Some(_), None)) | None => ServedReadApi::Unknown,
    }
}

/// What is asked for: VPCs, which every region has, or else resources of the first kind that is watched.
fn asked(watched: &KindSelection) -> String {
    let is_watched = |spec: &&&KindSpec| watched.watches(&spec.kind());
    let spec = KINDS.iter().find(|spec| spec.slug == "vpc" && is_watched(spec));
    let action = spec.or_else(|| KINDS.iter().find(is_watched)).and_then(|spec| spec.actions.first());
    let action = action.and_then(|action| action.strip_prefix("ec2:")).unwrap_or("DescribeVpcs");
    let has = |name: &str| table(action).is_some_and(|table| table.parameter(name).is_some());
    let page = if has("MaxResults") { "&MaxResults=5" } else { "" };
    // The copy has one's own only.
    let owner = if has("Owner") { "&Owner.1=self" } else { "" };
    format!("{DESCRIBE}{action}{page}{owner}")
}

/// The address by which this machine itself reaches what listens at another.
fn reached(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

impl ReadApiDoor for LocalDoor {
    fn ask<'a>(
        &'a self,
        region: Option<&'a Region>,
        account: Option<&'a AccountId>,
    ) -> LocalBoxFuture<'a, Result<ReadApiAnswer, String>> {
        async move {
            let stream = TcpStream::connect(self.address).await.map_err(|error| chain(&error))?;
            // The name says which region is meant, as a signature would.
            let host = region.map_or_else(|| "localhost".to_owned(), |region| format!("ec2.{region}.localhost"));
            let path = account.map_or_else(|| "/".to_owned(), |account| format!("/{account}/"));
            if !self.by_tls {
                return exchange(stream, &host, &path, &self.asked).await;
            }
            let provider = Arc::new(ring::default_provider());
            let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
                .with_safe_default_protocol_versions()
                .map_err(|error| chain(&error))?
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
                .with_no_client_auth();
            let name = ServerName::IpAddress(self.address.ip().into());
            let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await;
            let stream = stream.map_err(|error| format!("TLS fails: {}", chain(&error)))?;
            let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first).cloned();
            let is_same_certificate = self.certificate.as_deref().and_then(first_of).map(|own| Some(own) == shown);
            Ok(ReadApiAnswer { is_same_certificate, ..exchange(stream, &host, &path, &self.asked).await? })
        }
        .boxed_local()
    }
}

/// The certificate of a server in a file.
fn first_of(file: &Path) -> Option<CertificateDer<'static>> {
    CertificateDer::pem_file_iter(file).ok()?.next()?.ok()
}

/// Sends an unsigned request, and reads the answer.
async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    host: &str,
    path: &str,
    asked: &str,
) -> Result<ReadApiAnswer, String> {
    let failed = |error: hyper::Error| chain(&error);
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(failed)?;
    let uri: Uri = format!("{path}?{asked}").parse().map_err(|_| "the request cannot be written".to_owned())?;
    let request = Request::get(uri).header(header::HOST, host).header(header::CONNECTION, "close").body(Body::empty());
    let request = request.map_err(|error| chain(&error))?;
    let asked = async {
        let response = sender.send_request(request).await.map_err(failed)?;
        let (head, body) = response.into_parts();
        let body = to_bytes(Body::new(body), MOST).await.map_err(|error| chain(&error))?;
        let text = |name: &str| text(&head.headers, name);
        let document = String::from_utf8_lossy(&body);
        let (code, message) = (element(&document, "Code"), element(&document, "Message"));
        let (as_of, stale) = (text("x-muster-as-of"), text("x-muster-stale"));
        let (status, asks_for_account) = (head.status.as_u16(), message.as_deref().is_some_and(asks_for_account));
        Ok(ReadApiAnswer { status, as_of, stale, code, asks_for_account, message, is_same_certificate: None })
    };
    // The connection is driven as long as the answer is read.
    tokio::select! {
        biased;
        answer = asked => answer,
        ended = async { connection.await.map_err(failed)?; std::future::pending().await } => ended,
    }
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

/// The text of the first element of this name in an error's document.
fn element(document: &str, name: &str) -> Option<String> {
    let (_, rest) = document.split_once(&format!("<{name}>"))?;
    let (said, _) = rest.split_once(&format!("</{name}>"))?;
    let unescaped = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'"), ("&amp;", "&")]
        .iter()
        .fold(said.to_owned(), |text, (escaped, letter)| text.replace(escaped, letter));
    Some(unescaped)
}

/// Takes any certificate: which one it is, is compared afterwards, and nothing secret is sent.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ec2_api::request;
    use crate::kinds;

    #[test]
    fn what_is_asked_for_is_watched() {
        let asked_of = |slugs: &[&str]| {
            let kinds = slugs.iter().map(|slug| kinds::by_slug(slug).unwrap().kind());
            asked(&KindSelection::Only(kinds.collect())).strip_prefix(DESCRIBE).unwrap().to_owned()
        };
        assert_eq!(asked(&KindSelection::All), format!("{DESCRIBE}DescribeVpcs&MaxResults=5"));
        assert_eq!(asked_of(&["instance", "vpc"]), "DescribeVpcs&MaxResults=5");
        assert_eq!(asked_of(&["volume", "instance-status", "instance"]), "DescribeInstances&MaxResults=5");
        assert_eq!(asked_of(&["address"]), "DescribeAddresses");
        assert_eq!(asked_of(&["image"]), "DescribeImages&MaxResults=5&Owner.1=self");
        for spec in KINDS {
            let query = asked_of(&[spec.slug]);
            let asked = request::parse("GET", &format!("{DESCRIBE}{query}"), b"");
            assert_eq!(asked.unwrap().action.kind().map(|kind| kind.slug), Some(spec.slug), "{query}");
        }
    }

    #[test]
    fn an_error_is_read_and_an_open_address_is_reached_on_loopback() {
        let document = "<Response><Errors><Error><Code>X</Code><Message>a &lt;b&gt; &amp;amp;</Message></Error></Errors></Response>";
        assert_eq!(element(document, "Code").as_deref(), Some("X"));
        assert_eq!(element(document, "Message").as_deref(), Some("a <b> &amp;"));
        assert_eq!(element("<html>", "Message"), None);
        assert_eq!(reached("0.0.0.0:5".parse().unwrap()).to_string(), "127.0.0.1:5");
        assert_eq!(reached("[::]:5".parse().unwrap()).to_string(), "[::1]:5");
        assert_eq!(reached("10.0.0.7:5".parse().unwrap()).to_string(), "10.0.0.7:5");
    }
}
