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

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::{FutureExt, future};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::unix::OwnedWriteHalf;
use tokio::time::{Instant, timeout};

use super::asking::{AskError, PATIENCE, reach};
use super::attach;
use super::hello::Welcome;
use super::offline::Offline;
use crate::config::Config;
use crate::kinds::{self, KINDS};
use crate::mcp::Core;
use crate::mcp::error::Fault;
use crate::model::{ResourceId, Seq, Timestamp};
use crate::store::rebuild::{BackedUp, BackupError};
use crate::store::{self, export};

/// How long a reader may read nothing.
pub const STALL: Duration = Duration::from_secs(30);

/// How many errands a server does at once.
pub const MOST: usize = 8;

/// How many records are read from one snapshot.
const PAGE: usize = 256;

/// How many tombstones are.
const TOMBSTONES: usize = 5_000;

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

/// What an errand brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Brought {
    /// A record, as one line of JSON with its end.
    Record(Vec<u8>),
    /// Something to know.
    Note(String),
    /// The end.
    Done(Value),
}

/// Why an errand did not end well.
#[derive(Debug, thiserror::Error)]
pub enum ErrandError {
    /// Nobody does it.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// The server that runs is older.
    #[error("the running server (process {pid}) does not know this command: stop it (kill {pid}) and start again")]
    Unknown {
        /// Its process.
        pid: u32,
    },
    /// It could not be done.
    #[error("{error}")]
    Failed {
        /// Why, with what to do.
        error: String,
    },
    /// The connection broke.
    #[error("the server ended, or closed the connection, before the end")]
    Cut(#[source] Option<io::Error>),
    /// A line that is not what a server sends.
    #[error("the server sent a line that is not understood: are client and server of one version?")]
    Garbled(#[from] serde_json::Error),
}

/// An errand that is being done.
pub struct Running {
    reader: Box<dyn AsyncBufRead + Send + Unpin>,
    line: Vec<u8>,
    /// Doing it, where this process does.
    work: Option<BoxFuture<'static, ()>>,
    log: Option<String>,
    /// Keeps the way to the server open: it takes the end of it for the client's leaving.
    _writer: Option<OwnedWriteHalf>,
    _offline: Option<Arc<Offline>>,
}

impl Running {
    /// Has the running server do it, or does it on the store where none runs.
    ///
    /// # Errors
    /// When nobody can.
    pub async fn start(config: &Config, errand: &Errand) -> Result<Self, ErrandError> {
        let deadline = Instant::now() + PATIENCE;
        let sent = Some(errand);
        match reach(&config.data_dir, deadline, |stream| attach::greeted(stream, false, sent)).await? {
            Some(attach::Attached { welcome: Welcome { errand: false, pid, .. }, .. }) => {
                Err(ErrandError::Unknown { pid })
            }
            Some(attached) => Ok(Running {
                reader: Box::new(attached.reader),
                line: Vec::new(),
                work: None,
                log: None,
                _writer: Some(attached.writer),
                _offline: None,
            }),
            None => Self::offline(config, errand.clone()).await,
        }
    }

    /// Does it in this process.
    async fn offline(config: &Config, errand: Errand) -> Result<Self, ErrandError> {
        if matches!(errand, Errand::Export { follow: true, .. }) {
            return Err(AskError::NoServer { data_dir: config.data_dir.clone(), what: "--follow" }.into());
        }
        let offline = Arc::new(Offline::open(config).await.map_err(AskError::from)?);
        let (reader, mut writer) = tokio::io::duplex(CHUNK);
        let held = Arc::clone(&offline);
        let work = async move {
            // A reader that has gone is told nothing.
            drop(run(errand, held.core(), &mut writer).await);
        };
        Ok(Running {
            reader: Box::new(BufReader::new(reader)),
            line: Vec::new(),
            work: Some(work.boxed()),
            log: None,
            _writer: None,
            _offline: Some(offline),
        })
    }

    /// What comes next; after [`Brought::Done`] nothing does. Dropping it while it waits loses nothing.
    ///
    /// # Errors
    /// [`ErrandError::Cut`] when the stream ends without saying how it went; then a server may be asked again.
    pub async fn next(&mut self) -> Result<Brought, ErrandError> {
        loop {
            if let Err(error) = self.read().await {
                return Err(ErrandError::Cut(Some(error)));
            }
            let line = std::mem::take(&mut self.line);
            if line.last() != Some(&b'\n') {
                return Err(ErrandError::Cut(None));
            }
            if !line.starts_with(CONTROL) {
                return Ok(Brought::Record(line));
            }
            match serde_json::from_slice(&line)? {
                Control::Log { log } => self.log = Some(log),
                Control::Note { note } => return Ok(Brought::Note(note)),
                Control::Done { result } => return Ok(Brought::Done(result)),
                Control::Failed { error } => return Err(ErrandError::Failed { error }),
            }
        }
    }

    /// The log that the records are of, once one came.
    #[must_use]
    pub fn log(&self) -> Option<&str> {
        self.log.as_deref()
    }

    /// Reads a line, and works on it where this process does the errand itself.
    async fn read(&mut self) -> io::Result<()> {
        loop {
            let reading = self.reader.read_until(b'\n', &mut self.line);
            let Some(work) = &mut self.work else { return reading.await.map(drop) };
            // What was read of a line when the work ended first is in `line`.
            match future::select(std::pin::pin!(reading), work).await {
                future::Either::Left((read, _)) => return read.map(drop),
                future::Either::Right(((), _)) => self.work = None,
            }
        }
    }
}

/// Why an errand is not done to its end.
#[derive(Debug, thiserror::Error)]
enum Undone {
    /// The store, or the server as a whole.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// The place to go on from is in another log.
    #[error("the log is another one now ({now}, not {then}): export it from its start")]
    OtherLog { now: String, then: String },
    /// There is no backup.
    #[error(transparent)]
    Backup(#[from] BackupError),
}

/// Does an errand, and tells `writer` how it went.
///
/// # Errors
/// When the reader has gone, or reads nothing for [`STALL`].
pub async fn run<W: AsyncWrite + Unpin>(errand: Errand, core: &Arc<Core>, writer: &mut W) -> io::Result<()> {
    let mut out = Out { writer };
    let outcome = match errand {
        Errand::Stat => core.walk(stat).await.map_err(Undone::from),
        Errand::Export { since, follow, log } => export(core, since, follow, log, &mut out).await?,
        Errand::Backup { to } => {
            core.walk(move |core| Ok(core.store.backup(&to))).await.map_err(Undone::from).and_then(backed_up)
        }
    };
    let last = match outcome {
        Ok(result) => Control::Done { result },
        Err(undone) => Control::Failed { error: format!("{:#}", anyhow::Error::new(undone)) },
    };
    out.control(&last).await
}

/// Tells why an errand is not done.
///
/// # Errors
/// When the reader has gone.
pub async fn refuse<W: AsyncWrite + Unpin>(why: &str, writer: &mut W) -> io::Result<()> {
    Out { writer }.control(&Control::Failed { error: why.to_owned() }).await
}

/// Where lines go.
struct Out<'a, W> {
    writer: &'a mut W,
}

impl<W: AsyncWrite + Unpin> Out<'_, W> {
    async fn control(&mut self, control: &Control) -> io::Result<()> {
        let mut line = serde_json::to_vec(control)?;
        line.push(b'\n');
        self.send(&line).await?;
        self.writer.flush().await
    }

    async fn note(&mut self, note: String) -> io::Result<()> {
        self.control(&Control::Note { note }).await
    }

    async fn send(&mut self, text: &[u8]) -> io::Result<()> {
        for chunk in text.chunks(CHUNK) {
            timeout(STALL, self.writer.write_all(chunk)).await.map_err(|_| io::ErrorKind::TimedOut)??;
        }
        Ok(())
    }
}

/// Records as text, and where to go on.
struct Page {
    text: Vec<u8>,
    /// The first that is in it, where that is not the one asked for.
    skipped_to: Option<Seq>,
    next: Seq,
    count: u64,
}

/// Sends the records. The outer error is the reader's, the inner one the store's.
async fn export<W: AsyncWrite + Unpin>(
    core: &Arc<Core>,
    since: Option<Since>,
    follow: bool,
    log: Option<String>,
    out: &mut Out<'_, W>,
) -> io::Result<Result<Value, Undone>> {
    // Before the log is read: what comes in between is heard of.
    let mut newest = core.hub.newest();
    let own = core.log().to_string();
    if let Some(then) = log.filter(|log| *log != own) {
        return Ok(Err(Undone::OtherLog { now: own, then }));
    }
    let Begun { mut next, end, folded } = match core.walk(move |core| begin(core, since)).await {
        Ok(begun) => begun,
        Err(fault) => return Ok(Err(fault.into())),
    };
    out.control(&Control::Log { log: own }).await?;
    if folded {
        out.note(format!("what is older than record {next} is folded away")).await?;
    }
    let (mut records, first) = (0, next);
    loop {
        let last = if follow { Seq(u64::MAX) } else { end };
        let page = match core.walk(move |core| page(core, next, last)).await {
            Ok(page) => page,
            Err(fault) => return Ok(Err(fault.into())),
        };
        if let Some(to) = page.skipped_to {
            out.note(format!("records {next} to {} are folded away: only from {to} on are they kept", Seq(to.0 - 1)))
                .await?;
        }
        out.send(&page.text).await?;
        records += page.count;
        let done = page.count == 0;
        next = page.next;
        if !done {
            continue;
        }
        if !follow {
            let newest = if records > 0 { Seq(next.0 - 1) } else { Seq::ZERO };
            return Ok(Ok(json!({"records": records, "first": first, "newest": newest})));
        }
        out.writer.flush().await?;
        if newest.wait_for(|seq| *seq >= next).await.is_err() {
            return Ok(Err(Fault::Stopping.into()));
        }
    }
}

/// Where an export begins.
struct Begun {
    /// The first record to send.
    next: Seq,
    /// The newest there is.
    end: Seq,
    /// Whether it was asked for a time of which the records are folded away.
    folded: bool,
}

fn begin(core: &Core, since: Option<Since>) -> Result<Begun, Fault> {
    let snapshot = core.snapshot()?;
    let (first, newest) = (snapshot.horizon().next(), snapshot.seq());
    let at = match since {
        None => return Ok(Begun { next: first, end: newest, folded: false }),
        Some(Since::Seq(seq)) => return Ok(Begun { next: Seq(seq.max(1)), end: newest, folded: false }),
        Some(Since::At(millis)) => millis,
        Some(Since::Ago(millis)) => core.now().as_millis().saturating_sub(i64::try_from(millis).unwrap_or(i64::MAX)),
    };
    // The record before the first of that time.
    let before = snapshot.seq_at(Timestamp::from_millis(at.saturating_sub(1)))?;
    let folded = before.is_none() && snapshot.horizon() > Seq::ZERO;
    Ok(Begun { next: before.map_or(first, Seq::next), end: newest, folded })
}

/// At most [`PAGE`] records from `next` to `last`.
fn page(core: &Core, next: Seq, last: Seq) -> Result<Page, Fault> {
    let snapshot = core.snapshot()?;
    let horizon = snapshot.horizon();
    let from = next.max(horizon.next());
    let mut page = Page { text: Vec::new(), skipped_to: (from > next).then_some(from), next: from, count: 0 };
    for record in snapshot.records(from, PAGE)? {
        if record.seq > last {
            break;
        }
        page.text.extend_from_slice(export::line(&record).as_bytes());
        page.text.push(b'\n');
        page.next = record.seq.next();
        page.count += 1;
    }
    Ok(page)
}

/// Figures of a backup.
fn backed_up(made: Result<BackedUp, BackupError>) -> Result<Value, Undone> {
    let BackedUp { path, bytes, log, of, report } = made?;
    Ok(json!({
        "path": path,
        "bytes": bytes,
        "log": log,
        "of": of,
        "newest_seq": report.newest,
        "records": report.records,
        "resources": report.resources,
    }))
}

/// Figures of the store.
fn stat(core: &Core) -> Result<Value, Fault> {
    let snapshot = core.snapshot()?;
    let (horizon, newest) = (snapshot.horizon(), snapshot.seq());
    let first = (newest > horizon).then(|| horizon.next());
    let time = |seq: Seq| -> Result<Option<Timestamp>, Fault> {
        Ok(snapshot.records(seq, 1)?.first().map(|record| record.recorded_at))
    };
    let live = snapshot.live();
    let tables = json!({
        "events": live.events, "by_resource": live.by_resource, "times": live.times, "current": live.current,
        "rows": live.rows, "base": live.base, "tombstones": live.tombstones,
    });
    let total = live.events + live.by_resource + live.times + live.current + live.rows + live.base + live.tombstones;
    let mut resources = serde_json::Map::new();
    let mut intervals = 0;
    for kind in KINDS {
        let count = snapshot.count(&kind.kind(), None)?;
        if count > 0 {
            resources.insert(kind.slug.to_owned(), json!(count));
        }
    }
    for (kind, _, count) in snapshot.counts()? {
        if kinds::of(&kind).is_none() {
            resources.insert(kind.as_str().to_owned(), json!(count));
        }
    }
    for scope in snapshot.scopes()? {
        for kind in KINDS {
            intervals += snapshot.intervals(&scope, &kind.kind())?.len();
        }
    }
    let (first_at, newest_at) =
        (first.map(time).transpose()?.flatten(), first.map(|_| time(newest)).transpose()?.flatten());
    let earliest = snapshot.earliest()?;
    drop(snapshot);
    let mut tombstones = 0;
    for kind in KINDS {
        let mut after: Option<ResourceId> = None;
        loop {
            let page = core.snapshot()?.tombstones(&kind.kind(), after.as_ref(), TOMBSTONES)?;
            tombstones += page.len();
            match page.into_iter().last() {
                Some((last, _)) => after = Some(last),
                None => break,
            }
        }
    }
    let path = core.store.path();
    Ok(json!({
        "path": path,
        "format": store::FORMAT,
        "log": core.log(),
        "records": newest.0 - horizon.0,
        "first_seq": first,
        "first_at": first_at,
        "newest_seq": newest,
        "newest_at": newest_at,
        "horizon": horizon,
        "earliest": earliest,
        "file_bytes": std::fs::metadata(path).map(|file| file.len()).ok(),
        "live_bytes": total,
        "live_bytes_by_table": tables,
        "resources": resources,
        "tombstones": tombstones,
        "watched_intervals": intervals,
    }))
}

/// Whether the client has gone: it has nothing more to say while an errand is done.
pub(super) async fn left<R: AsyncBufRead + Unpin>(reader: &mut R) {
    while let Ok(said) = reader.fill_buf().await.map(<[u8]>::len) {
        if said == 0 {
            return;
        }
        reader.consume(said);
    }
}
