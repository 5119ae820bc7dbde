//! The first line in each direction on the Unix socket, before JSON-RPC begins.
//!
//! | who | line |
//! |---|---|
//! | client | `{"muster":"<version>","wire":<n>,"writes":{..}}`, with `"flags"`, `"keys"`, and `"admin":{..}` for an [`AdminRequest`] in place of MCP |
//! | server | `{"muster":"<version>","pid":<n>,"writes":<bool>,"read_tools":[..],"store":"<path>"}`, and `"admin":true` where it does that request |
//! | server, refusing | `{"error":"<text>","code":"<word>"}`, then it closes |
//!
//! `writes` is the client's whole [`WritePolicy`], and in the answer whether the server grants any. `flags` are the server's flags that
//! the client was given: where the server has other values it says so in `remarks`. `keys` are a [`KeyOffer`]. `write_tools` are the
//! tools that this connection has to change AWS, so that a client is told where they are others than before. `read_tools` are the
//! tools that only read, so that a client may repeat a call of theirs. `store` tells one store from another: only the log of the store
//! that a call went to tells what became of it.
//!
//! # Versions
//! After an upgrade programs of two versions meet. They go on together where [`WIRE`] is the same, which counts the changes to what
//! passes on the socket besides MCP; then `remarks` say that the versions differ. Where it is not, the server refuses MCP and every
//! request about its store. Requests about the process itself are done whatever the versions are.

use std::io;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use super::admin::AdminRequest;
use super::flag_set::{FlagDifference, FlagSet};
use super::key_offer::KeyOffer;
use super::lock;
use super::version::{self, current};
use crate::model::shell_word::command_line;
use crate::policy::{PolicyInForce, WritePolicy};

/// The number of what passes on the socket besides MCP. A change that the other side does not understand raises it.
pub const WIRE: u32 = 1;

/// The longest line of a handshake, in bytes: it may hold paths, and a server's flags.
const MAX_LINE: u64 = 64 << 10;

/// How long either side waits for the other's line.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// What a client asks for on a connection. It says so again each time that it connects.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ConnectionTerms {
    /// What the client may change, as far as the server permits it.
    #[serde(default)]
    pub writes: WritePolicy,
    /// The flags of a server that the client was given.
    #[serde(default)]
    pub flags: FlagSet,
    /// The keys in the client's environment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<KeyOffer>,
    /// Whether the client is a command of Muster that asks something and leaves.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_command: bool,
    /// The random name of a front end, which it keeps when it connects again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub front_end: Option<String>,
}

impl ConnectionTerms {
    /// Terms of a command, which only reads.
    #[must_use]
    pub fn of_command() -> Self {
        ConnectionTerms { is_command: true, ..ConnectionTerms::default() }
    }

    /// Terms of a client that has no flags and no keys to offer.
    #[must_use]
    pub fn of_writes(allow: bool) -> Self {
        ConnectionTerms { writes: WritePolicy::of(allow), ..ConnectionTerms::default() }
    }
}

/// What a client says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HandshakeRequest {
    /// The client's version.
    pub muster: String,
    /// Its [`WIRE`].
    #[serde(default)]
    pub wire: u32,
    /// What it asks for.
    #[serde(flatten)]
    pub terms: ConnectionTerms,
    /// What the client wants done in place of MCP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub admin: Option<AdminRequest>,
}

/// What a server holds a client's terms against.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ServerTerms {
    /// What the server permits.
    pub writes: WritePolicy,
    /// The server's settings.
    pub flags: FlagSet,
    /// The tools that only read.
    pub read_tools: Vec<String>,
    /// The tools that change AWS, and whether each only adds something.
    pub write_tools: Vec<(String, bool)>,
    /// Names the store that the server serves.
    pub store: Option<String>,
    /// Whether a newer front end may take the server's place.
    pub hands_over: bool,
    /// The command that starts the server again, to which flags can be added.
    pub restart: String,
    /// The command that ends the server.
    pub stop: String,
}

/// A client that was let in.
#[derive(Clone, Debug, PartialEq)]
pub struct AdmittedClient {
    /// What the server granted.
    pub grant: HandshakeGrant,
    /// What the client itself allows tools to change.
    pub writes: WritePolicy,
    /// What it wants done in place of MCP.
    pub admin: Option<AdminRequest>,
    /// What of [`HandshakeGrant::remarks`] a model is told: the same without commands.
    pub for_model: Vec<String>,
    /// The keys that it offers.
    pub keys: Option<KeyOffer>,
    /// Whether it is a command of Muster.
    pub is_command: bool,
    /// The name that a front end keeps when it connects again.
    pub front_end: Option<String>,
}

/// What the server grants.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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
    /// The tools that this connection has to change AWS; absent where the server does not say that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub write_tools: Option<Vec<String>>,
    /// Names the store that the server serves: another one's log does not tell what became of a call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store: Option<String>,
    /// Whether the server does the client's admin request, and nothing else.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub admin: bool,
    /// Whether a newer front end may take the server's place.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub hands_over: bool,
    /// What is not as the client asks for it, each with what to do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remarks: Vec<String>,
}

/// What the first line of a client says in every version.
#[derive(Deserialize)]
struct SaidVersion {
    muster: String,
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
    /// The server said nothing for [`PATIENCE`].
    #[error(
        "the running server{} accepts connections and says nothing: `{stop} --force` ends it, and then a new one can be started",
        process(*pid)
    )]
    Hangs {
        /// The server's process, where it is known.
        pid: Option<u32>,
        /// The command that ends the server.
        stop: String,
    },
    /// The line is not part of a handshake.
    #[error("the other side does not speak as Muster does: is something else using this socket?")]
    Unreadable(#[from] serde_json::Error),
    /// Client and server are of different versions.
    #[error(
        "this is muster {client}, and the running server{} is muster {server}, which does not understand it: end the server with \
         `{stop}`, then restart this MCP server in the client",
        process(*pid)
    )]
    Version {
        /// The client's version.
        client: String,
        /// The server's version.
        server: String,
        /// The server's process, where it is known.
        pid: Option<u32>,
        /// The command that ends the server.
        stop: String,
    },
    /// The server went on with MCP, so it does not know admin requests.
    #[error("the running server (process {pid}) does not know this command: `{restart}` starts it in this version")]
    Unsupported {
        /// The server's process.
        pid: u32,
        /// The command that starts the server again.
        restart: String,
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

fn process(pid: Option<u32>) -> String {
    pid.map(|pid| format!(" (process {pid})")).unwrap_or_default()
}

impl HandshakeError {
    /// The same of the server of `data_dir`.
    #[must_use]
    pub fn at(self, data_dir: &Path) -> Self {
        let place = data_dir.to_string_lossy();
        let command = |name| command_line(["muster", name, "--data-dir", place.as_ref()]);
        match self {
            HandshakeError::Unsupported { pid, .. } => HandshakeError::Unsupported { pid, restart: command("restart") },
            HandshakeError::Silent => HandshakeError::Hangs { pid: lock::last_holder(data_dir), stop: command("stop") },
            other => other,
        }
    }

    /// What kind of failure it is, whichever side noticed it.
    #[must_use]
    pub fn code(&self) -> HandshakeCode {
        match self {
            HandshakeError::Broken(_) | HandshakeError::Closed => HandshakeCode::Closed,
            HandshakeError::Silent | HandshakeError::Hangs { .. } => HandshakeCode::Silent,
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
    terms: &ConnectionTerms,
    admin: Option<&AdminRequest>,
) -> Result<HandshakeGrant, HandshakeError>
where
    R: AsyncBufRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let (muster, terms, admin) = (current().to_owned(), terms.clone(), admin.cloned());
    let wants_admin = admin.is_some();
    send(writer, &HandshakeRequest { muster, wire: WIRE, terms, admin }).await?;
    match serde_json::from_str(&receive(reader).await?)? {
        HandshakeAnswer::Grant(HandshakeGrant { admin: false, pid, .. }) if wants_admin => {
            Err(HandshakeError::Unsupported { pid, restart: "muster restart".to_owned() })
        }
        HandshakeAnswer::Grant(grant) => Ok(grant),
        HandshakeAnswer::Refusal(HandshakeRefusal { error, code }) => {
            Err(HandshakeError::Refused { code, message: error })
        }
    }
}

/// The server's side: waits for the client's request and answers it, on the server's `terms`.
///
/// # Errors
/// [`HandshakeError`]. The client was told why, where that was possible, and the connection is to be closed.
pub async fn answer<R, W>(reader: &mut R, writer: &mut W, terms: &ServerTerms) -> Result<AdmittedClient, HandshakeError>
where
    R: AsyncBufRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let refused = match receive(reader).await.and_then(|line| read(&line, &terms.stop)) {
        Ok(request) => {
            let admitted = admit(request, terms);
            send(writer, &admitted.grant).await?;
            return Ok(admitted);
        }
        Err(error) => error,
    };
    if matches!(refused, HandshakeError::Version { .. } | HandshakeError::Unreadable(_)) {
        send(writer, &HandshakeRefusal { error: refused.to_string(), code: refused.code() }).await?;
    }
    Err(refused)
}

/// Reads a client's line, which may be of another version.
fn read(line: &str, stop: &str) -> Result<HandshakeRequest, HandshakeError> {
    let SaidVersion { muster } = serde_json::from_str(line)?;
    let of_another = |client| {
        let (server, pid, stop) = (current().to_owned(), Some(std::process::id()), stop.to_owned());
        HandshakeError::Version { client, server, pid, stop }
    };
    let request = match serde_json::from_str::<HandshakeRequest>(line) {
        Err(_) if muster != current() => return Err(of_another(muster)),
        read => read?,
    };
    let is_about_process = matches!(request.admin, Some(AdminRequest::Process(_)));
    if request.wire == WIRE || is_about_process { Ok(request) } else { Err(of_another(muster)) }
}

/// Decides what a client gets, and what it has to be told.
fn admit(request: HandshakeRequest, terms: &ServerTerms) -> AdmittedClient {
    let HandshakeRequest { muster, terms: asked, admin, .. } = request;
    let both = PolicyInForce::of(&terms.writes, &asked.writes);
    let unknown = asked.writes.unknown();
    // A person gets the command that changes it. A model gets none: it might run one that takes away what protects the account.
    let (mut remarks, mut for_model) = (Vec::new(), Vec::new());
    let mut remark = |what: String, person: String, model: &str| {
        for_model.push(format!("{what}{model}"));
        remarks.push(format!("{what}{person}"));
    };
    let versions = format!("The running server runs version {}, and this front end is {muster}", current());
    if version::is_newer(&muster, current()) {
        let command = format!(": `{}` starts the new version", terms.restart);
        remark(versions, command, ": a person can restart the server in the new version");
    } else if version::is_newer(current(), &muster) {
        let restart = ": restart this MCP server in the client with the new version";
        remark(versions, restart.to_owned(), restart);
    }
    if asked.writes.allow && !unknown.is_empty() {
        let what = format!(
            "The running server, version {}, does not know the write rule {}, so this connection may change nothing",
            current(),
            unknown.join(", ")
        );
        let command = format!(": `{}` starts it in a version that knows the rule", terms.restart);
        remark(what, command, ": a person can restart it in a version that knows the rule");
    }
    let differing = asked.flags.differing(&terms.flags);
    if !differing.is_empty() {
        let said: Vec<String> = differing.iter().map(FlagDifference::said).collect();
        let words: Vec<String> = differing.iter().flat_map(FlagDifference::words).collect();
        let what = format!("{}. A running server keeps its flags", said.join("; "));
        let words = command_line(words.iter().map(String::as_str));
        let command = format!(": `{} -- {words}` changes them", terms.restart);
        remark(what, command, "; a person can change them, with the command in the log of this MCP server");
    }
    let has = |tool: &&(String, bool)| both.bar(&tool.0, tool.1).is_none();
    let write_tools = terms.write_tools.iter().filter(has).map(|(tool, _)| tool.clone()).collect();
    let grant = HandshakeGrant {
        muster: current().to_owned(),
        pid: std::process::id(),
        writes: both.bar_of_all().is_none(),
        read_tools: terms.read_tools.clone(),
        write_tools: Some(write_tools),
        store: terms.store.clone(),
        admin: admin.is_some(),
        hands_over: terms.hands_over,
        remarks,
    };
    let ConnectionTerms { writes, keys, is_command, front_end, .. } = asked;
    AdmittedClient { grant, writes, admin, for_model, keys, is_command, front_end }
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
mod tests;
