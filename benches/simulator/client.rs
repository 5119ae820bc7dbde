//! EC2's Query protocol over one kept connection, as plain text.

use anyhow::{Context as _, ensure};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// Signatures are not checked; the scope names service and region.
const AUTHORIZATION: &str =
    "AWS4-HMAC-SHA256 Credential=bench/20261122/us-east-1/ec2/aws4_request, SignedHeaders=host, Signature=00";

/// A client of one simulator.
pub(crate) struct Client {
    authority: String,
    sender: SendRequest<Full<Bytes>>,
    // Held for its end: the task that drives the connection.
    _driver: JoinSet<()>,
}

impl Client {
    /// Connects to `authority` (`127.0.0.1:PORT`).
    pub(crate) async fn connect(authority: &str) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(authority).await.with_context(|| format!("cannot connect to {authority}"))?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        let mut driver = JoinSet::new();
        // How a connection ended shows in the request that it fails.
        driver.spawn(async move { drop(connection.await) });
        Ok(Client { authority: authority.to_owned(), sender, _driver: driver })
    }

    /// Asks and returns the whole answer; an error of EC2's is one here.
    pub(crate) async fn ask(&mut self, action: &str, parameters: &[(&str, &str)]) -> anyhow::Result<Bytes> {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("Action", action).append_pair("Version", "2016-11-15").extend_pairs(parameters);
        let request = Request::post("/")
            .header(header::HOST, &self.authority)
            .header(header::AUTHORIZATION, AUTHORIZATION)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Full::from(form.finish()))?;
        self.sender.ready().await?;
        let response = self.sender.send_request(request).await?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        ensure!(status == StatusCode::OK, "{action} answers {status}: {}", String::from_utf8_lossy(&body));
        Ok(body)
    }
}
