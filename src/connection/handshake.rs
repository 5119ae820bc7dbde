//! The first line in each direction on the Unix socket, before JSON-RPC begins.
//!
//! | who | line |
//! |---|---|
//! | client | `{"muster":"<version>","writes":<bool>}`, and `"admin":{..}` for an [`AdminRequest`] in place of MCP |
//! | server | `{"muster":"<version>","pid":<n>,"writes":<bool>,"read_tools":[..]}`, and `"admin":true` where it does that request |
//! | server, refusing | `{"error":"<text>","code":"<word>"}`, then it closes |
//!
//! `read_tools` are the tools that only read, so that a client may repeat a call of theirs. `writes` is what the client wants, and in the answer what the server grants. Both sides must be of one version: JSON-RPC would
//! survive a difference, but after an upgrade the old server would go on answering, and nothing would seem to have changed.

use std::io;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use super::admin::AdminRequest;

/// The version of this build.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The longest line of a handshake, in bytes: an admin request may hold a path.
const MAX_LINE: u64 = 16_384;

/// How long either side waits for the other's line.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// What a client asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HandshakeRequest {
    /// The client's version.
    pub muster: String,
    /// Whether the client wants tools that change AWS.
    pub writes: bool,
    /// What the client wants done in place of MCP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub admin: Option<AdminRequest>,
}

/// What the server grants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HandshakeGrant {
    /// The server's version.
    pub muster: String,
    /// The server's process.
    pub pid: u32,
    /// Whether this connection has tools that change AWS: the client wants them and the server allows them.
    pub writes: bool,
    /// The tools that only read: a call of theirs may be repeated.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub read_tools: Vec<String>,
    /// Whether the server does the client's admin request, and nothing else.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub admin: bool,
}

#[derive(Serialize, Deserialize)]
struct HandshakeRefusal {
    error: String,
    #[serde(default)]
    code: HandshakeCode,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum HandshakeAnswer {
    Grant(HandshakeGrant),
    Refusal(HandshakeRefusal),
}

/// Why a handshake fails, as a word that the other side compares. A word that this version does not know reads as `Refused`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HandshakeCode {
    /// The connection broke or was closed: the server may be about to stop, and another attempt may reach the next one.
    Closed,
    /// The other side says nothing.
    Silent,
    /// The other side's line is not part of a handshake.
    Unreadable,
    /// Client and server are of different versions.
    Version,
    /// The server does not know the request.
    Unsupported,
    /// The server gives another reason.
    #[default]
    #[serde(other)]
    Refused,
}

/// Why a handshake fails.
#[derive(Debug, thiserror::Error)]
pub enum HandshakeError {
    /// The connection broke.
    #[error("the connection broke during the handshake: try again")]
    Broken(#[from] io::Error),
    /// The other side closed the connection before it said anything; a server that is about to stop does.
    #[error("the other side closed the connection before the handshake: try again")]
    Closed,
    /// Nothing came for [`PATIENCE`].
    #[error("the other side accepted the connection but says nothing: stop that process and try again")]
    Silent,
    /// The line is not part of a handshake.
    #[error("the other side does not speak as Muster does: is something else using this socket?")]
    Unreadable(#[from] serde_json::Error),
    /// Client and server are of different versions.
    #[error("this is muster {client} but the running server is muster {server}: stop it{} and start again", kill(*pid))]
    Version {
        /// The client's version.
        client: String,
        /// The server's version.
        server: String,
        /// The server's process, where it is known.
        pid: Option<u32>,
    },
    /// The server went on with MCP, so it does not know admin requests.
    #[error("the running server (process {pid}) does not know this command: stop it (kill {pid}) and start again")]
    Unsupported {
        /// The server's process.
        pid: u32,
    },
    /// The server refused the client.
    #[error("{message}")]
    Refused {
        /// The kind of reason.
        code: HandshakeCode,
        /// The reason, with what to do.
        message: String,
    },
}

fn kill(pid: Option<u32>) -> String {
    pid.map(|pid| format!(" (kill {pid})")).unwrap_or_default()
}

impl HandshakeError {
    /// What kind of failure it is, whichever side noticed it.
    #[must_use]
    pub fn code(&self) -> HandshakeCode {
        match self {
            HandshakeError::Broken(_) | HandshakeError::Closed => HandshakeCode::Closed,
            HandshakeError::Silent => HandshakeCode::Silent,
            HandshakeError::Unreadable(_) => HandshakeCode::Unreadable,
            HandshakeError::Version { .. } => HandshakeCode::Version,
            HandshakeError::Unsupported { .. } => HandshakeCode::Unsupported,
            HandshakeError::Refused { code, .. } => *code,
        }
    }
}

/// The client's side: sends a request, and waits for the answer.
///
/// # Errors
/// [`HandshakeError`]; one whose code is [`HandshakeCode::Closed`] is worth another attempt.
pub async fn request<R, W>(
    reader: &mut R,
    writer: &mut W,
    wants_writes: bool,
    admin: Option<&AdminRequest>,
) -> Result<HandshakeGrant, HandshakeError>
where
    R: AsyncBufRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let request = HandshakeRequest { muster: VERSION.to_owned(), writes: wants_writes, admin: admin.cloned() };
    send(writer, &request).await?;
    match serde_json::from_str(&receive(reader).await?)? {
        HandshakeAnswer::Grant(HandshakeGrant { muster, pid, .. }) if muster != VERSION => {
            Err(HandshakeError::Version { client: VERSION.to_owned(), server: muster, pid: Some(pid) })
        }
        HandshakeAnswer::Grant(HandshakeGrant { admin: false, pid, .. }) if admin.is_some() => {
            Err(HandshakeError::Unsupported { pid })
        }
        HandshakeAnswer::Grant(grant) => Ok(grant),
        HandshakeAnswer::Refusal(HandshakeRefusal { error, code }) => {
            Err(HandshakeError::Refused { code, message: error })
        }
    }
}

/// The server's side: waits for the client's request and answers it. `allows` is whether the server permits writes, `read_tools` are
/// the tools that only read. The admin request, if there is one, comes beside what was granted.
///
/// # Errors
/// [`HandshakeError`]. The client was told why, where that was possible, and the connection is to be closed.
pub async fn answer<R, W>(
    reader: &mut R,
    writer: &mut W,
    allows: bool,
    read_tools: Vec<String>,
) -> Result<(HandshakeGrant, Option<AdminRequest>), HandshakeError>
where
    R: AsyncBufRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let line = receive(reader).await;
    let refused = match line.and_then(|line| Ok(serde_json::from_str::<HandshakeRequest>(&line)?)) {
        Ok(request) if request.muster == VERSION => {
            let grant = HandshakeGrant {
                muster: VERSION.to_owned(),
                pid: std::process::id(),
                writes: request.writes && allows,
                read_tools,
                admin: request.admin.is_some(),
            };
            send(writer, &grant).await?;
            return Ok((grant, request.admin));
        }
        Ok(request) => HandshakeError::Version {
            client: request.muster,
            server: VERSION.to_owned(),
            pid: Some(std::process::id()),
        },
        Err(error) => error,
    };
    if matches!(refused, HandshakeError::Version { .. } | HandshakeError::Unreadable(_)) {
        send(writer, &HandshakeRefusal { error: refused.to_string(), code: refused.code() }).await?;
    }
    Err(refused)
}

async fn send<W: AsyncWrite + Unpin>(writer: &mut W, what: &impl Serialize) -> Result<(), HandshakeError> {
    let mut line = serde_json::to_vec(what)?;
    line.push(b'\n');
    timeout(PATIENCE, writer.write_all(&line)).await.map_err(|_| HandshakeError::Silent)??;
    writer.flush().await?;
    Ok(())
}

/// Reads one line. Nothing behind it is consumed from `reader`, which goes on as the stream of JSON-RPC.
async fn receive<R: AsyncBufRead + Unpin>(reader: &mut R) -> Result<String, HandshakeError> {
    let mut line = Vec::new();
    let mut bounded = reader.take(MAX_LINE);
    timeout(PATIENCE, bounded.read_until(b'\n', &mut line)).await.map_err(|_| HandshakeError::Silent)??;
    if line.is_empty() {
        return Err(HandshakeError::Closed);
    }
    // What is not UTF-8 is not JSON either: the parser reports it.
    Ok(String::from_utf8_lossy(&line).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    use tokio::io::BufReader;

    async fn answered(said: &str, allows: bool) -> (Result<HandshakeGrant, HandshakeError>, String) {
        let mut reader = BufReader::new(said.as_bytes());
        let mut written = Vec::new();
        let result = answer(&mut reader, &mut written, allows, Vec::new()).await;
        (result.map(|(grant, _)| grant), String::from_utf8(written).unwrap())
    }

    fn request_of(writes: bool) -> String {
        format!("{{\"muster\":\"{VERSION}\",\"writes\":{writes}}}\n")
    }

    #[tokio::test]
    async fn writes_are_granted_only_when_wanted_and_allowed() {
        for (wanted, allowed) in [(true, true), (true, false), (false, true), (false, false)] {
            let (grant, _) = answered(&request_of(wanted), allowed).await;
            assert_eq!(grant.unwrap().writes, wanted && allowed);
        }
    }

    #[tokio::test]
    async fn another_version_is_told_both_versions_and_the_fix() {
        let (result, written) = answered("{\"muster\":\"9.9.9\",\"writes\":false}\n", false).await;
        assert!(matches!(result, Err(HandshakeError::Version { .. })));
        for part in ["9.9.9", VERSION, "kill", "\"code\":\"version\""] {
            assert!(written.contains(part), "{written}");
        }
    }

    #[tokio::test]
    async fn what_is_not_a_handshake_is_refused_and_silence_is_closed() {
        let (result, written) = answered("GET / HTTP/1.1\r\n", true).await;
        assert!(matches!(result, Err(HandshakeError::Unreadable(_))));
        assert!(written.starts_with("{\"error\""));
        assert!(matches!(answered("", true).await, (Err(HandshakeError::Closed), written) if written.is_empty()));
        let endless = "x".repeat(100_000);
        assert!(matches!(answered(&endless, true).await.0, Err(HandshakeError::Unreadable(_))));
    }

    #[tokio::test]
    async fn client_and_server_agree_and_leave_the_rest_of_the_stream() {
        let (client, server) = tokio::io::duplex(1024);
        let (client_reader, mut client_writer) = tokio::io::split(client);
        let (server_reader, mut server_writer) = tokio::io::split(server);
        let (mut client_reader, mut server_reader) = (BufReader::new(client_reader), BufReader::new(server_reader));
        let serving = async {
            answer(&mut server_reader, &mut server_writer, true, Vec::new()).await.unwrap();
            server_writer.write_all(b"first\n").await.unwrap();
        };
        let (grant, ()) = tokio::join!(request(&mut client_reader, &mut client_writer, true, None), serving);
        assert_eq!(grant.unwrap().pid, std::process::id());
        let mut line = String::new();
        client_reader.read_line(&mut line).await.unwrap();
        assert_eq!(line, "first\n");
    }

    #[tokio::test]
    async fn an_admin_request_is_heard_and_agreed_to() {
        let admin = AdminRequest::Export { since: None, follow: true, log: None };
        let (client, server) = tokio::io::duplex(1024);
        let (client_reader, mut client_writer) = tokio::io::split(client);
        let (server_reader, mut server_writer) = tokio::io::split(server);
        let (mut client_reader, mut server_reader) = (BufReader::new(client_reader), BufReader::new(server_reader));
        let receiving = answer(&mut server_reader, &mut server_writer, true, Vec::new());
        let greeting = request(&mut client_reader, &mut client_writer, false, Some(&admin));
        let (grant, received) = tokio::join!(greeting, receiving);
        assert!(grant.unwrap().admin);
        assert_eq!(received.unwrap().1, Some(admin));
        assert!(!answered(&request_of(true), true).await.1.contains("admin"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_says_nothing_is_given_up() {
        let (client, _server) = tokio::io::duplex(1024);
        let (reader, mut writer) = tokio::io::split(client);
        let greeted = request(&mut BufReader::new(reader), &mut writer, false, None).await;
        assert!(matches!(greeted, Err(HandshakeError::Silent)));
    }

    #[tokio::test]
    async fn a_refusal_keeps_its_code_and_a_server_that_does_not_know_admin_requests_is_named() {
        let refused = |line: &'static str| async move {
            request(&mut BufReader::new(line.as_bytes()), &mut Vec::new(), false, Some(&AdminRequest::Stat)).await
        };
        let of_version = refused("{\"error\":\"e\",\"code\":\"version\"}\n").await.unwrap_err();
        assert_eq!((of_version.code(), of_version.to_string().as_str()), (HandshakeCode::Version, "e"));
        for line in ["{\"error\":\"e\"}\n", "{\"error\":\"e\",\"code\":\"of_a_later_version\"}\n"] {
            assert_eq!(refused(line).await.unwrap_err().code(), HandshakeCode::Refused);
        }
        let grant =
            HandshakeGrant { muster: VERSION.to_owned(), pid: 7, writes: false, read_tools: Vec::new(), admin: false };
        let line: &'static str = format!("{}\n", serde_json::to_string(&grant).unwrap()).leak();
        assert!(matches!(refused(line).await, Err(HandshakeError::Unsupported { pid: 7 })));
    }
}
