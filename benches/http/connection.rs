//! One HTTP/1.1 connection that is kept alive.

use std::future::Future;

use anyhow::{Context as _, ensure};
use http_body_util::{BodyExt as _, Full};
use hyper::StatusCode;
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

use crate::question::Question;

/// A client's end of a connection to one server.
pub(crate) struct Connection {
    authority: String,
    sender: SendRequest<Full<Bytes>>,
}

/// Connects to `authority` and runs `conversation` over the connection, in this very task: a task of its own for the
/// connection would add two wake-ups a request to what is measured.
pub(crate) async fn with<T, F>(authority: &str, conversation: impl FnOnce(Connection) -> F) -> anyhow::Result<T>
where
    F: Future<Output = anyhow::Result<T>>,
{
    let stream = TcpStream::connect(authority).await.with_context(|| format!("cannot connect to {authority}"))?;
    stream.set_nodelay(true)?;
    let (sender, driver) = handshake(TokioIo::new(stream)).await?;
    let conversation = conversation(Connection { authority: authority.to_owned(), sender });
    tokio::pin!(driver, conversation);
    tokio::select! {
        // The driver first: what it receives then reaches the conversation in the same turn.
        biased;
        ended = &mut driver => {
            ended.with_context(|| format!("the connection to {authority} broke"))?;
            // The server closed it in good order; what was received is still to be read, and the next request fails.
            conversation.await
        }
        answer = &mut conversation => answer,
    }
}

impl Connection {
    /// Asks and returns the `result` of the answer.
    pub(crate) async fn result(&mut self, question: &Question) -> anyhow::Result<Value> {
        let bytes = self.bytes(question).await?;
        let mut answer: Value = serde_json::from_slice(&bytes).context("the answer is no JSON")?;
        answer.get_mut("result").map(Value::take).context("the answer has no result")
    }

    /// Asks and returns the answer, having seen that it is a result.
    pub(crate) async fn bytes(&mut self, question: &Question) -> anyhow::Result<Bytes> {
        self.sender.ready().await?;
        let response = self.sender.send_request(question.request(&self.authority)?).await?;
        let status = response.status();
        let bytes = response.into_body().collect().await?.to_bytes();
        let is_result = bytes.get(..64.min(bytes.len())).is_some_and(|head| find(head, b"\"result\""));
        ensure!(
            status == StatusCode::OK && is_result,
            "{} answered {status}: {}",
            self.authority,
            String::from_utf8_lossy(bytes.get(..500).unwrap_or(&bytes)),
        );
        Ok(bytes)
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}
