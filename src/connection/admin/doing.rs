//! The side that does errands: it streams the log a page at a time, and has backups written.

use std::io;
use std::sync::Arc;

use serde_json::{Value, json};
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use super::figures::stat;
use super::{CHUNK, Control, Errand, STALL, Since};
use crate::freshness::Signal;
use crate::mcp::Core;
use crate::mcp::error::Fault;
use crate::model::{Seq, Timestamp};
use crate::store::export;
use crate::store::rebuild::{BackedUp, BackupError};

/// How many records are read from one snapshot.
const PAGE: usize = 256;

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
        Errand::TryNow => {
            core.ingest.signal(Signal::TryNow);
            Ok(Value::Null)
        }
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
    /// Records between these that cannot be read.
    damaged: Vec<Seq>,
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
        if let (Some(first), Some(last)) = (page.damaged.first(), page.damaged.last()) {
            let count = page.damaged.len();
            out.note(format!(
                "{count} damaged records from {first} to {last} cannot be read and are left out: stop the server and run \
                 `muster log verify --repair`"
            ))
            .await?;
        }
        records += page.count;
        let done = page.count == 0 && page.damaged.is_empty();
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
    let skipped_to = (from > next).then_some(from);
    let mut page = Page { text: Vec::new(), skipped_to, next: from, count: 0, damaged: Vec::new() };
    let records = snapshot.records(from, PAGE)?;
    let is_end = records.len() < PAGE;
    for record in records {
        if record.seq > last {
            break;
        }
        page.damaged.extend((page.next.0..record.seq.0).map(Seq));
        page.text.extend_from_slice(export::line(&record).as_bytes());
        page.text.push(b'\n');
        page.next = record.seq.next();
        page.count += 1;
    }
    let end = snapshot.seq().min(last);
    if is_end && page.next <= end {
        page.damaged.extend((page.next.0..=end.0).map(Seq));
        page.next = end.next();
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

/// Whether the client has gone: it has nothing more to say while an errand is done.
pub(crate) async fn left<R: AsyncBufRead + Unpin>(reader: &mut R) {
    while let Ok(said) = reader.fill_buf().await.map(<[u8]>::len) {
        if said == 0 {
            return;
        }
        reader.consume(said);
    }
}
