//! Sends the log as a stream of records, a page at a time.
//!
//! Each page is read from a snapshot of its own, which is dropped before the page is sent: a slow reader holds a
//! buffer, and no old pages of the store.

use std::io;
use std::sync::Arc;

use serde_json::{Value, json};
use tokio::io::AsyncWrite;

use crate::connection::admin::{AdminMessage, AdminWriter, LogPlace};
use crate::mcp::Core;
use crate::mcp::error::RequestError;
use crate::model::{Seq, Timestamp};
use crate::store::export;

/// How many records are read from one snapshot.
const PAGE: usize = 256;

/// Why an export ends before its time.
#[derive(Debug, thiserror::Error)]
pub(super) enum ExportError {
    /// The store, or the server as a whole.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The place to continue from is in another log.
    #[error("the log was replaced by another one ({now}, not {then}): export it from its start")]
    OtherLog {
        /// The log that there is.
        now: String,
        /// The log that was named.
        then: String,
    },
}

/// Records as text, and the place to continue from.
struct RecordPage {
    text: Vec<u8>,
    /// The first record of the page, where the one asked for is folded away.
    skipped_to: Option<Seq>,
    next: Seq,
    count: u64,
    /// The records between these that cannot be read.
    damaged: Vec<Seq>,
}

/// Sends the records from `since` on. The outer error is the reader's, the inner one the store's.
pub(super) async fn export<W: AsyncWrite + Unpin>(
    core: &Arc<Core>,
    since: Option<LogPlace>,
    follow: bool,
    log: Option<String>,
    out: &mut AdminWriter<'_, W>,
) -> io::Result<Result<Value, ExportError>> {
    // Before the log is read, so that no record in between is missed.
    let mut newest = core.hub.newest();
    let own = core.log().to_string();
    if let Some(then) = log.filter(|log| *log != own) {
        return Ok(Err(ExportError::OtherLog { now: own, then }));
    }
    let ExportStart { mut next, end, folded } = match core.walk(move |core| begin(core, since)).await {
        Ok(begun) => begun,
        Err(fault) => return Ok(Err(fault.into())),
    };
    out.message(&AdminMessage::Log { log: own }).await?;
    if folded {
        out.note(format!("records older than {next} are folded away")).await?;
    }
    let (mut records, first) = (0, next);
    loop {
        let last = if follow { Seq(u64::MAX) } else { end };
        let page = match core.walk(move |core| page(core, next, last)).await {
            Ok(page) => page,
            Err(fault) => return Ok(Err(fault.into())),
        };
        if let Some(to) = page.skipped_to {
            out.note(format!(
                "records {next} to {} are folded away: the log keeps records from {to} on",
                Seq(to.0 - 1)
            ))
            .await?;
        }
        out.records(&page.text).await?;
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
        out.flush().await?;
        if newest.wait_for(|seq| *seq >= next).await.is_err() {
            return Ok(Err(RequestError::Stopping.into()));
        }
    }
}

/// The place where an export begins.
struct ExportStart {
    /// The first record to send.
    next: Seq,
    /// The newest record there is.
    end: Seq,
    /// Whether records of the time asked for are folded away.
    folded: bool,
}

fn begin(core: &Core, since: Option<LogPlace>) -> Result<ExportStart, RequestError> {
    let snapshot = core.snapshot()?;
    let (first, newest) = (snapshot.horizon().next(), snapshot.seq());
    let at = match since {
        None => return Ok(ExportStart { next: first, end: newest, folded: false }),
        Some(LogPlace::Seq(seq)) => return Ok(ExportStart { next: Seq(seq.max(1)), end: newest, folded: false }),
        Some(LogPlace::At(millis)) => millis,
        Some(LogPlace::Ago(millis)) => core.now().as_millis().saturating_sub(i64::try_from(millis).unwrap_or(i64::MAX)),
    };
    // The record before the first of that time.
    let before = snapshot.seq_at(Timestamp::from_millis(at.saturating_sub(1)))?;
    let folded = before.is_none() && snapshot.horizon() > Seq::ZERO;
    Ok(ExportStart { next: before.map_or(first, Seq::next), end: newest, folded })
}

/// At most [`PAGE`] records from `next` to `last`.
fn page(core: &Core, next: Seq, last: Seq) -> Result<RecordPage, RequestError> {
    let snapshot = core.snapshot()?;
    let horizon = snapshot.horizon();
    let from = next.max(horizon.next());
    let skipped_to = (from > next).then_some(from);
    let mut page = RecordPage { text: Vec::new(), skipped_to, next: from, count: 0, damaged: Vec::new() };
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
