//! The client of admin requests: it reads what the server answers, or what this process answers itself where no server runs.

use std::io;
use std::sync::Arc;

use futures::future::BoxFuture;
use futures::{FutureExt, future};
use serde_json::Value;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, BufReader};
use tokio::net::unix::OwnedWriteHalf;
use tokio::time::Instant;

use super::{AskError, PATIENCE};
use crate::app::admin::execute;
use crate::app::offline::Offline;
use crate::config::Config;
use crate::connection::admin::{AdminLine, AdminMessage, AdminRequest, CHUNK};
use crate::connection::attach;
use crate::model::FailureCode;

#[cfg(test)]
mod tests;

/// A part of the answer to an admin request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AdminOutput {
    /// A record of the log, as one line of JSON with its line end.
    Record(Vec<u8>),
    /// A remark about the records.
    Note(String),
    /// The end, with what the request asked for.
    Done(Value),
}

/// Why an admin request does not end well.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// Neither a server nor the store can be reached.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// The request could not be done.
    #[error("{error}")]
    Failed {
        /// The kind of failure.
        code: FailureCode,
        /// What failed, with what to do.
        error: String,
    },
    /// The connection broke.
    #[error("the server ended, or closed the connection, before the end")]
    Cut(#[source] Option<io::Error>),
    /// A line is not what a server sends.
    #[error("the server sent a line that is not understood: are client and server of one version?")]
    Garbled(#[from] serde_json::Error),
}

impl AdminError {
    /// Whether a server may soon go on where this one stopped.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        match self {
            AdminError::Cut(_) | AdminError::Ask(_) => true,
            AdminError::Failed { code, .. } => code.is_passing(),
            AdminError::Garbled(_) => false,
        }
    }
}

/// The answer to an admin request, as it comes.
pub struct AdminStream {
    reader: Box<dyn AsyncBufRead + Send + Unpin>,
    line: Vec<u8>,
    /// The work on the request, where this process does it.
    work: Option<BoxFuture<'static, ()>>,
    log: Option<String>,
    /// Keeps the connection open: the server takes its end for the client's leaving.
    _writer: Option<OwnedWriteHalf>,
    _offline: Option<Arc<Offline>>,
}

/// Has a request done to its end, and returns what it asked for. Records and remarks are dropped.
///
/// # Errors
/// [`AdminError`].
pub async fn done(config: &Config, request: &AdminRequest) -> Result<Value, AdminError> {
    let mut stream = AdminStream::start(config, request).await?;
    loop {
        if let AdminOutput::Done(result) = stream.next().await? {
            return Ok(result);
        }
    }
}

impl AdminStream {
    /// Has the running server do the request, or this process where no server runs.
    ///
    /// # Errors
    /// When neither can.
    pub async fn start(config: &Config, request: &AdminRequest) -> Result<Self, AdminError> {
        let deadline = Instant::now() + PATIENCE;
        match attach::find(&config.data_dir, deadline, Some(request)).await.map_err(AskError::from)? {
            Some(attached) => Ok(AdminStream {
                reader: Box::new(attached.reader),
                line: Vec::new(),
                work: None,
                log: None,
                _writer: Some(attached.writer),
                _offline: None,
            }),
            None => Self::offline(config, request.clone()).await,
        }
    }

    async fn offline(config: &Config, request: AdminRequest) -> Result<Self, AdminError> {
        if matches!(request, AdminRequest::Export { follow: true, .. }) {
            return Err(AskError::NoServer { data_dir: config.data_dir.clone(), what: "--follow" }.into());
        }
        let offline = Arc::new(Offline::open(config).await.map_err(AskError::from)?);
        let (reader, mut writer) = tokio::io::duplex(CHUNK);
        let held = Arc::clone(&offline);
        let work = async move {
            // A reader that has gone is told nothing.
            drop(execute(request, held.core(), None, &mut writer).await);
        };
        Ok(AdminStream {
            reader: Box::new(BufReader::new(reader)),
            line: Vec::new(),
            work: Some(work.boxed()),
            log: None,
            _writer: None,
            _offline: Some(offline),
        })
    }

    /// Waits for the next part of the answer; [`AdminOutput::Done`] is the last. Dropping this future loses nothing.
    ///
    /// # Errors
    /// [`AdminError::Cut`] when the stream ends without saying how the request ended; then a server may be asked again.
    pub async fn next(&mut self) -> Result<AdminOutput, AdminError> {
        loop {
            if let Err(error) = self.read().await {
                return Err(AdminError::Cut(Some(error)));
            }
            let line = std::mem::take(&mut self.line);
            if line.last() != Some(&b'\n') {
                return Err(AdminError::Cut(None));
            }
            match AdminLine::parse(line)? {
                AdminLine::Record(line) => return Ok(AdminOutput::Record(line)),
                AdminLine::Message(AdminMessage::Log { log }) => self.log = Some(log),
                AdminLine::Message(AdminMessage::Note { note }) => return Ok(AdminOutput::Note(note)),
                AdminLine::Message(AdminMessage::Done { result }) => return Ok(AdminOutput::Done(result)),
                AdminLine::Message(AdminMessage::Failed { code, error }) => {
                    return Err(AdminError::Failed { code, error });
                }
            }
        }
    }

    /// The id of the log that the records are from, once it came.
    #[must_use]
    pub fn log(&self) -> Option<&str> {
        self.log.as_deref()
    }

    /// Reads a line, and works on the request where this process does it.
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
