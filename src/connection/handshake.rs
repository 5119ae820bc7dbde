//! The first line in each direction on the Unix socket, before JSON-RPC begins.
//!
//! A client says `{"muster":"<version>","writes":<bool>}`; the server answers `{"muster":"<version>","pid":<n>,
//! "writes":<bool>}`, where `writes` is what it grants, or `{"error":"<text>"}` and closes. Both must be of one version:
//! JSON-RPC would survive a difference, but a user who upgraded would wonder for long why nothing changed.
//!
//! A command line may say `"errand":{..}` as well: then the server does that in place of JSON-RPC, and says `"errand":true`.

use std::io;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use crate::connection::admin::Errand;

/// This build's version.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The longest hello line, in bytes: an errand may hold a path.
const LONGEST: u64 = 16_384;

/// How long either side waits for the other's line.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// What a client says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// The client's version.
    pub muster: String,
    /// Whether it wants tools that change AWS.
    pub writes: bool,
    /// What it wants done in place of MCP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub errand: Option<Errand>,
}

/// What the server says to a client that it serves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// The server's version.
    pub muster: String,
    /// The server's process.
    pub pid: u32,
    /// Whether this connection has tools that change AWS: wanted by the client and allowed by the server.
    pub writes: bool,
    /// Whether it does the client's errand, and nothing else.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub errand: bool,
}

#[derive(Serialize, Deserialize)]
struct Refusal {
    error: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Answer {
    Welcome(Welcome),
    Refusal(Refusal),
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum HelloError {
    /// The connection broke.
    #[error("the connection broke during the greeting: try again")]
    Io(#[from] io::Error),
    /// The other side closed before it said anything; a server that is about to stop does.
    #[error("the other side closed the connection without a greeting: try again")]
    Closed,
    /// Nothing came for [`PATIENCE`].
    #[error("the other side accepted the connection but says nothing: stop that process and try again")]
    Silent,
    /// The line is not a greeting.
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
    /// The server said no.
    #[error("{message}")]
    Refused {
        /// The server's reason, with what to do.
        message: String,
    },
}

fn kill(pid: Option<u32>) -> String {
    pid.map(|pid| format!(" (kill {pid})")).unwrap_or_default()
}

/// The client's side: says hello, with an errand if it has one, and waits for the answer.
///
/// # Errors
/// [`HelloError`]; [`HelloError::Closed`] and [`HelloError::Io`] are worth another attempt.
pub async fn greet<R, W>(
    reader: &mut R,
    writer: &mut W,
    wants_writes: bool,
    errand: Option<&Errand>,
) -> Result<Welcome, HelloError>
where
    R: AsyncBufRead + Unpin,
    W: AsyncWrite + Unpin,
{
    say(writer, &Hello { muster: VERSION.to_owned(), writes: wants_writes, errand: errand.cloned() }).await?;
    match serde_json::from_str(&line(reader).await?)? {
        Answer::Welcome(welcome) if welcome.muster == VERSION => Ok(welcome),
        Answer::Welcome(Welcome { muster, pid, .. }) => {
            Err(HelloError::Version { client: VERSION.to_owned(), server: muster, pid: Some(pid) })
        }
        Answer::Refusal(Refusal { error }) => Err(HelloError::Refused { message: error }),
    }
}

/// The server's side: waits for the client's line and answers it. `allows` is whether the server permits writes. What the
/// client wants done in place of MCP comes beside the answer.
///
/// # Errors
/// [`HelloError`]; the client was told why, where that was possible, and the connection is to be closed.
pub async fn receive<R, W>(
    reader: &mut R,
    writer: &mut W,
    allows: bool,
) -> Result<(Welcome, Option<Errand>), HelloError>
where
    R: AsyncBufRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let refused = match line(reader).await.and_then(|line| Ok(serde_json::from_str::<Hello>(&line)?)) {
        Ok(hello) if hello.muster == VERSION => {
            let welcome = Welcome {
                muster: VERSION.to_owned(),
                pid: std::process::id(),
                writes: hello.writes && allows,
                errand: hello.errand.is_some(),
            };
            say(writer, &welcome).await?;
            return Ok((welcome, hello.errand));
        }
        Ok(hello) => {
            HelloError::Version { client: hello.muster, server: VERSION.to_owned(), pid: Some(std::process::id()) }
        }
        Err(error) => error,
    };
    if matches!(refused, HelloError::Version { .. } | HelloError::Unreadable(_)) {
        say(writer, &Refusal { error: refused.to_string() }).await?;
    }
    Err(refused)
}

async fn say<W: AsyncWrite + Unpin>(writer: &mut W, what: &impl Serialize) -> Result<(), HelloError> {
    let mut line = serde_json::to_vec(what)?;
    line.push(b'\n');
    timeout(PATIENCE, writer.write_all(&line)).await.map_err(|_| HelloError::Silent)??;
    writer.flush().await?;
    Ok(())
}

/// One line. Nothing behind it is consumed from `reader`, which goes on as the JSON-RPC stream.
async fn line<R: AsyncBufRead + Unpin>(reader: &mut R) -> Result<String, HelloError> {
    let mut line = Vec::new();
    let mut bounded = reader.take(LONGEST);
    timeout(PATIENCE, bounded.read_until(b'\n', &mut line)).await.map_err(|_| HelloError::Silent)??;
    if line.is_empty() {
        return Err(HelloError::Closed);
    }
    // What is not UTF-8 is not JSON either: the parser reports it.
    Ok(String::from_utf8_lossy(&line).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    use tokio::io::BufReader;

    async fn answer(said: &str, allows: bool) -> (Result<Welcome, HelloError>, String) {
        let mut reader = BufReader::new(said.as_bytes());
        let mut written = Vec::new();
        let result = receive(&mut reader, &mut written, allows).await;
        (result.map(|(welcome, _)| welcome), String::from_utf8(written).unwrap())
    }

    fn hello(writes: bool) -> String {
        format!("{{\"muster\":\"{VERSION}\",\"writes\":{writes}}}\n")
    }

    #[tokio::test]
    async fn writes_are_granted_only_when_wanted_and_allowed() {
        for (wanted, allowed) in [(true, true), (true, false), (false, true), (false, false)] {
            let (welcome, _) = answer(&hello(wanted), allowed).await;
            assert_eq!(welcome.unwrap().writes, wanted && allowed);
        }
    }

    #[tokio::test]
    async fn another_version_is_told_both_versions_and_the_fix() {
        let (result, written) = answer("{\"muster\":\"9.9.9\",\"writes\":false}\n", false).await;
        assert!(matches!(result, Err(HelloError::Version { .. })));
        for part in ["9.9.9", VERSION, "kill"] {
            assert!(written.contains(part), "{written}");
        }
    }

    #[tokio::test]
    async fn what_is_not_a_hello_is_refused_and_silence_is_closed() {
        let (result, written) = answer("GET / HTTP/1.1\r\n", true).await;
        assert!(matches!(result, Err(HelloError::Unreadable(_))));
        assert!(written.starts_with("{\"error\""));
        assert!(matches!(answer("", true).await, (Err(HelloError::Closed), written) if written.is_empty()));
        let endless = "x".repeat(100_000);
        assert!(matches!(answer(&endless, true).await.0, Err(HelloError::Unreadable(_))));
    }

    #[tokio::test]
    async fn client_and_server_agree_and_leave_the_rest_of_the_stream() {
        let (client, server) = tokio::io::duplex(1024);
        let (client_reader, mut client_writer) = tokio::io::split(client);
        let (server_reader, mut server_writer) = tokio::io::split(server);
        let (mut client_reader, mut server_reader) = (BufReader::new(client_reader), BufReader::new(server_reader));
        let serving = async {
            receive(&mut server_reader, &mut server_writer, true).await.unwrap();
            server_writer.write_all(b"first\n").await.unwrap();
        };
        let (welcome, ()) = tokio::join!(greet(&mut client_reader, &mut client_writer, true, None), serving);
        assert_eq!(welcome.unwrap().pid, std::process::id());
        let mut line = String::new();
        client_reader.read_line(&mut line).await.unwrap();
        assert_eq!(line, "first\n");
    }

    #[tokio::test]
    async fn an_errand_is_heard_and_agreed_to() {
        let errand = Errand::Export { since: None, follow: true, log: None };
        let (client, server) = tokio::io::duplex(1024);
        let (client_reader, mut client_writer) = tokio::io::split(client);
        let (server_reader, mut server_writer) = tokio::io::split(server);
        let (mut client_reader, mut server_reader) = (BufReader::new(client_reader), BufReader::new(server_reader));
        let receiving = receive(&mut server_reader, &mut server_writer, true);
        let greeting = greet(&mut client_reader, &mut client_writer, false, Some(&errand));
        let (welcome, received) = tokio::join!(greeting, receiving);
        assert!(welcome.unwrap().errand);
        assert_eq!(received.unwrap().1, Some(errand));
        assert!(!answer(&hello(true), true).await.1.contains("errand"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_says_nothing_is_given_up() {
        let (client, _server) = tokio::io::duplex(1024);
        let (reader, mut writer) = tokio::io::split(client);
        let greeted = greet(&mut BufReader::new(reader), &mut writer, false, None).await;
        assert!(matches!(greeted, Err(HelloError::Silent)));
    }
}
