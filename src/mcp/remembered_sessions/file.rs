//! The file of remembered sessions: one record a line, rewritten when it has grown.

use std::io;
use std::path::{Path, PathBuf};

use tokio::fs::{self, File, OpenOptions};
use tokio::io::AsyncWriteExt;

use super::record::SessionRecord;

/// How many lines the file may have beyond two for each session.
const SPARE: usize = 1000;

/// The file of remembered sessions, which only its owner can read: whoever knows an id can use the session.
pub(super) struct SessionFile {
    /// `None`: nothing is written.
    path: Option<PathBuf>,
    /// `None` until it is written for the first time, and after a write that failed.
    file: Option<File>,
    lines: usize,
    is_failing: bool,
}

impl SessionFile {
    pub(super) fn new(path: Option<PathBuf>) -> Self {
        SessionFile { path, file: None, lines: 0, is_failing: false }
    }

    /// The records in the file. A line that cannot be read, such as one that was cut off, is left out.
    pub(super) async fn read(&self) -> Vec<SessionRecord> {
        let Some(path) = &self.path else { return Vec::new() };
        let bytes = match fs::read(path).await {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Vec::new(),
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "cannot read which HTTP sessions were open");
                return Vec::new();
            }
        };
        bytes.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect()
    }

    /// Whether to rewrite the file, with this many sessions, rather than append to it.
    pub(super) fn is_long(&self, sessions: usize) -> bool {
        self.path.is_some() && (self.file.is_none() || self.lines > 2 * sessions + SPARE)
    }

    /// Replaces the file by one that holds `records`.
    pub(super) async fn rewrite(&mut self, records: &[SessionRecord]) {
        let Some(path) = &self.path else { return };
        let bytes: Vec<u8> = records.iter().flat_map(line).collect();
        let written = replaced(path, &bytes).await;
        self.lines = records.len();
        self.settle(written);
    }

    /// Appends one record.
    pub(super) async fn append(&mut self, record: &SessionRecord) {
        let Some(mut file) = self.file.take() else { return };
        let written = async {
            file.write_all(&line(record)).await?;
            file.flush().await?;
            Ok(file)
        };
        let written = written.await;
        self.lines += 1;
        self.settle(written);
    }

    fn settle(&mut self, written: io::Result<File>) {
        match written {
            Ok(file) => {
                self.file = Some(file);
                self.is_failing = false;
            }
            Err(error) if !self.is_failing => {
                tracing::warn!(%error, "cannot store which HTTP sessions are open: they end when the server stops");
                self.is_failing = true;
            }
            Err(_) => {}
        }
    }
}

/// Writes a new file beside `path`, and renames it.
async fn replaced(path: &Path, bytes: &[u8]) -> io::Result<File> {
    let new = path.with_extension("new");
    match fs::remove_file(&new).await {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new).await?;
    file.write_all(bytes).await?;
    file.flush().await?;
    fs::rename(&new, path).await?;
    Ok(file)
}

fn line(record: &SessionRecord) -> Vec<u8> {
    let mut line = serde_json::to_vec(record).unwrap_or_default();
    line.push(b'\n');
    line
}
