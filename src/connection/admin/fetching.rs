//! The side that has an errand done: it reads what a server sends, or what this process sends itself.

use std::io;
use std::sync::Arc;

use futures::future::BoxFuture;
use futures::{FutureExt, future};
use serde_json::Value;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, BufReader};
use tokio::net::unix::OwnedWriteHalf;
use tokio::time::Instant;

use super::{CHUNK, CONTROL, Control, Errand, run};
use crate::app::asking::{AskError, PATIENCE, reach};
use crate::app::offline::Offline;
use crate::config::Config;
use crate::connection::attach;
use crate::connection::handshake::Welcome;

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
