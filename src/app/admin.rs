//! Carries out admin requests of commands, in the server or, where none runs, in the command's process: see [`AdminRequest`].

use std::io;
use std::sync::Arc;

use serde_json::{Value, json};
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncWrite};

use crate::connection::admin::{AdminMessage, AdminRequest, AdminWriter};
use crate::freshness::Signal;
use crate::mcp::error::RequestError;
use crate::mcp::{Core, ServerPolicy};
use crate::model::text::chain;
use crate::model::{FailureCode, Principal};
use crate::store::rebuild::{BackedUp, CopyError};

mod export;
mod figures;
mod judge;
mod query;

use export::ExportError;
use judge::JudgedChange;

/// Why a request failed.
#[derive(Debug, thiserror::Error)]
enum AdminFailure {
    /// The store, or the server as a whole.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The log could not be exported.
    #[error(transparent)]
    Export(#[from] ExportError),
    /// Only a server has a process that outlives the command.
    #[error("no server runs")]
    NoServer,
    /// The store could not be copied.
    #[error(transparent)]
    Backup(#[from] CopyError),
}

impl AdminFailure {
    fn code(&self) -> FailureCode {
        match self {
            AdminFailure::Request(fault) | AdminFailure::Export(ExportError::Request(fault)) => fault.code(),
            AdminFailure::Export(ExportError::OtherLog { .. }) => FailureCode::OtherLog,
            AdminFailure::Backup(_) | AdminFailure::NoServer => FailureCode::Failed,
        }
    }
}

/// Carries out a request, and sends the answer to `writer`. `server` is the policy of the server, if this is one.
///
/// # Errors
/// When the reader has gone, or takes nothing for [`STALL`](crate::connection::admin::STALL).
pub async fn execute<W: AsyncWrite + Unpin>(
    request: AdminRequest,
    core: &Arc<Core>,
    server: Option<&ServerPolicy>,
    writer: &mut W,
) -> io::Result<()> {
    let mut writer = AdminWriter::new(writer);
    let outcome = match request {
        AdminRequest::Stat => core.walk(figures::stat).await.map_err(AdminFailure::from),
        AdminRequest::TryNow => {
            core.ingest.signal(Signal::TryNow);
            Ok(Value::Null)
        }
        AdminRequest::Export { since, follow, log } => {
            export::export(core, since, follow, log, &mut writer).await?.map_err(AdminFailure::from)
        }
        AdminRequest::Query { sql, as_of } => {
            query::query(core, sql, as_of, &mut writer).await?.map_err(AdminFailure::from)
        }
        AdminRequest::Judge { instance, tool, writes, user, client } => {
            let by = user.map(|user| Principal::of_user(&user).with_client(client.as_deref(), None));
            let asked = JudgedChange { instance: &instance, tool: &tool, connection: writes.as_ref(), by };
            judge::judge(core, server, asked).await.map_err(AdminFailure::from)
        }
        // A server answers them before they come here.
        AdminRequest::Process(_) => Err(AdminFailure::NoServer),
        AdminRequest::Backup { to } => {
            core.walk(move |core| Ok(core.store.backup(&to))).await.map_err(AdminFailure::from).and_then(backup_figures)
        }
    };
    let last = match outcome {
        Ok(result) => AdminMessage::Done { result },
        Err(failure) => AdminMessage::Failed { code: failure.code(), error: chain(&failure) },
    };
    writer.message(&last).await
}

/// Tells the reader why its request is refused.
///
/// # Errors
/// When the reader has gone.
pub async fn refuse<W: AsyncWrite + Unpin>(code: FailureCode, error: String, writer: &mut W) -> io::Result<()> {
    AdminWriter::new(writer).message(&AdminMessage::Failed { code, error }).await
}

/// Waits until the client has gone. It sends nothing more after its request.
pub async fn left<R: AsyncBufRead + Unpin>(reader: &mut R) {
    while let Ok(length) = reader.fill_buf().await.map(<[u8]>::len) {
        if length == 0 {
            return;
        }
        reader.consume(length);
    }
}

fn backup_figures(backup: Result<BackedUp, CopyError>) -> Result<Value, AdminFailure> {
    let BackedUp { path, bytes, log, of, report } = backup?;
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
