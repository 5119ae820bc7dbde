//! What a command line has the server do that is no question of an MCP client: the log as a stream, figures of the store, a
//! backup.
//!
//! An errand comes in the hello line, in place of MCP, and no MCP client can send one. The server answers with JSON lines and
//! closes: the records themselves, and between them lines that begin with `{"errand":`, of which the last says how it ended.
//! Without that line the stream was cut short, whatever came before it. Where no server runs the same code streams to the
//! same reader inside of one process.
//!
//! # A reader that does not read
//! holds nothing but a buffer: each page of records is read from a snapshot of its own, which is gone before the page is sent.
//! After [`STALL`] without progress the connection is closed; a client that then reads on asks again from where it was. At
//! most [`MOST`] errands run at once.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

mod doing;
mod fetching;
mod figures;
#[cfg(test)]
mod tests;

pub(crate) use self::doing::left;
pub use self::doing::{refuse, run};
pub use self::fetching::{Brought, ErrandError, Running};

/// How long a reader may read nothing.
pub const STALL: Duration = Duration::from_secs(30);

/// How many errands a server does at once.
pub const MOST: usize = 8;

/// How many bytes are sent before a reader has to show progress again.
const CHUNK: usize = 64 << 10;

/// How the lines begin that are no records.
const CONTROL: &[u8] = b"{\"errand\":";

/// Something to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Errand {
    /// Tell figures of the store.
    Stat,
    /// Try at once what failed: sweeps that wait for a policy or for credentials to be mended.
    TryNow,
    /// Send the records of the log, oldest first, up to the newest there is.
    Export {
        /// Where to begin; at the first that is kept when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        since: Option<Since>,
        /// Whether to go on with those that come.
        follow: bool,
        /// The log that `since` was counted in, where it goes on.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        log: Option<String>,
    },
    /// Write a verified copy of the store.
    Backup {
        /// The file, which must not exist; absolute.
        to: PathBuf,
    },
}

/// A place in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Since {
    /// This record.
    Seq(u64),
    /// The first record of this time (milliseconds since 1970) or later.
    At(i64),
    /// The same, so many milliseconds before now.
    Ago(u64),
}

/// A line that is no record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "errand", rename_all = "snake_case")]
enum Control {
    /// Which log the records are of, before the first of them.
    Log { log: String },
    /// Something to know about what was sent or is sent next.
    Note { note: String },
    /// The end, with what there is to say.
    Done { result: Value },
    /// The end, before its time.
    Failed { error: String },
}
