//! What a command line asks of the server that no MCP client can: figures of the store, the log as a stream, all
//! rows of a statement, a backup, and what is about its process: to say which it is, to end, to start again.
//!
//! The request stands in the [handshake](super::handshake), in place of MCP. The server answers with lines of JSON and closes.
//! Most lines are records of the log as they are. The others begin with `{"admin":` and are [`AdminMessage`]s; the last line is
//! one that says how the request ended. A stream without that last line was cut short. Where no server runs, the process of the
//! command line answers its own request with the same lines.
//!
//! # Limits
//! A reader that takes nothing for [`STALL`] loses its connection; it asks again from the record that it had reached. A server
//! does at most [`MAX_REQUESTS`] requests at once.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use crate::model::FailureCode;
use crate::policy::WritePolicy;

/// How long a reader may take nothing before it loses its connection.
pub const STALL: Duration = Duration::from_secs(30);

/// How many requests a server does at once.
pub const MAX_REQUESTS: usize = 8;

/// How many bytes are sent before the reader has to show progress again.
pub const CHUNK: usize = 64 << 10;

/// The field of the answer to [`ProcessRequest::Restart`] that says what tools may change then and could not before.
pub const WIDENED: &str = "widened";

/// The beginning of every line that is not a record.
const PREFIX: &[u8] = b"{\"admin\":";

/// What the server is asked to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum AdminRequest {
    /// Report figures of the store.
    Stat,
    /// Try again at once what failed: sweeps that wait until a policy or credentials are mended.
    TryNow,
    /// Send the records of the log, oldest first, up to the newest.
    Export {
        /// The place to begin at; the oldest record that is kept when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        since: Option<LogPlace>,
        /// Whether to go on with the records to come.
        follow: bool,
        /// The log that `since` was counted in, where an earlier export is continued.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        log: Option<String>,
    },
    /// Answer one SELECT: a line of JSON a row, as an array of its values.
    Query {
        /// The statement.
        sql: String,
        /// Ask about what was known then.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        as_of: Option<String>,
    },
    /// Say what the rules for writes make of a change.
    Judge {
        /// The id of the instance that would be changed.
        instance: String,
        /// The tool that would change it.
        tool: String,
        /// The rules of the connection that would ask for it; only those of the server count when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        writes: Option<WritePolicy>,
        /// The user whose changes caps count, as `uid:1000`; everybody's when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        user: Option<String>,
        /// The client of that user whose changes a cap of a connection counts; those of all its clients when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        client: Option<String>,
    },
    /// Write a verified copy of the store.
    Backup {
        /// The file to write, as an absolute path. It must not exist.
        to: PathBuf,
    },
    /// Something about the process, which only a server does.
    #[serde(untagged)]
    Process(ProcessRequest),
}

/// What a server is asked about its process. Every version does it, at any moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum ProcessRequest {
    /// Say which process this is: [`ServerFacts`](super::server_facts::ServerFacts).
    Describe,
    /// End.
    Stop,
    /// End, and start again in the same process: the new one keeps number, environment and terminal.
    Restart {
        /// The arguments of the new one, where they are others.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        arguments: Option<Vec<String>>,
        /// The program that asks. A front end's server becomes that one, unless it is older.
        program: PathBuf,
        /// Its version.
        version: String,
        /// Whether the arguments may drop rules for writes.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        widen: bool,
    },
    /// Start again as this newer program, if a front end started the server.
    HandOver {
        /// Its version.
        version: String,
        /// The program.
        program: PathBuf,
    },
    /// Read the configuration file again.
    Reload,
    /// End, for the server of a service manager that waits for the data directory, if a front end started the server.
    GiveWay,
}

/// A place in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogPlace {
    /// The record of this number.
    Seq(u64),
    /// The first record at or after this time, in milliseconds since 1970.
    At(i64),
    /// The first record that is at most this many milliseconds old.
    Ago(u64),
}

/// A line that is not a record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "admin", rename_all = "snake_case")]
pub enum AdminMessage {
    /// The id of the log that the records are from; it comes before the first of them.
    Log {
        /// The id.
        log: String,
    },
    /// A remark about the records before or after it.
    Note {
        /// The remark.
        note: String,
    },
    /// The request was done; nothing follows.
    Done {
        /// What the request asked for.
        result: Value,
    },
    /// The request was not done, or not to its end; nothing follows.
    Failed {
        /// The kind of failure.
        code: FailureCode,
        /// What failed, and what to do.
        error: String,
    },
}

/// A line of the answer to a request.
#[derive(Clone, Debug, PartialEq)]
pub enum AdminLine {
    /// A record of the log, with its line end.
    Record(Vec<u8>),
    /// Anything else.
    Message(AdminMessage),
}

impl AdminLine {
    /// Reads a line.
    ///
    /// # Errors
    /// A line that begins as a message and is none.
    pub fn parse(line: Vec<u8>) -> serde_json::Result<Self> {
        if line.starts_with(PREFIX) {
            serde_json::from_slice(&line).map(AdminLine::Message)
        } else {
            Ok(AdminLine::Record(line))
        }
    }
}

/// Sends the answer to a request.
pub struct AdminWriter<'a, W> {
    writer: &'a mut W,
}

impl<'a, W: AsyncWrite + Unpin> AdminWriter<'a, W> {
    /// Sends to `writer`.
    #[must_use]
    pub fn new(writer: &'a mut W) -> Self {
        AdminWriter { writer }
    }

    /// Sends a message, and everything before it.
    ///
    /// # Errors
    /// When the reader has gone, or takes nothing for [`STALL`]; likewise below.
    pub async fn message(&mut self, message: &AdminMessage) -> io::Result<()> {
        let mut line = serde_json::to_vec(message)?;
        line.push(b'\n');
        self.records(&line).await?;
        self.flush().await
    }

    /// Sends a remark.
    ///
    /// # Errors
    /// As [`AdminWriter::message`].
    pub async fn note(&mut self, note: String) -> io::Result<()> {
        self.message(&AdminMessage::Note { note }).await
    }

    /// Sends whole lines of records.
    ///
    /// # Errors
    /// As [`AdminWriter::message`].
    pub async fn records(&mut self, lines: &[u8]) -> io::Result<()> {
        for chunk in lines.chunks(CHUNK) {
            timeout(STALL, self.writer.write_all(chunk)).await.map_err(|_| io::ErrorKind::TimedOut)??;
        }
        Ok(())
    }

    /// Sends what a buffer still holds.
    ///
    /// # Errors
    /// When the reader has gone.
    pub async fn flush(&mut self) -> io::Result<()> {
        self.writer.flush().await
    }
}
