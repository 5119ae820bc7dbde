//! The dropped content of a repair, as JSON Lines.

use std::fs::{self, File, OpenOptions};
use std::io::{BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::super::export;
use super::super::write_error::WriteError;
use super::salvage::SalvageError;
use crate::model::Recorded;

/// The dropped content, as JSON Lines. The file is created with the first line.
pub(super) struct SideFile {
    path: PathBuf,
    file: Option<BufWriter<File>>,
    /// A run of records that cannot be read for the same reason.
    gap: Option<(u64, u64, String)>,
}

impl SideFile {
    /// A side file at `path`.
    pub(super) fn at(path: PathBuf) -> Self {
        SideFile { path, file: None, gap: None }
    }

    /// Its path, if anything was dropped.
    pub(super) fn written(self) -> Option<PathBuf> {
        self.file.is_some().then_some(self.path)
    }

    /// Notes an unreadable record.
    pub(super) fn gap(&mut self, seq: u64, why: String) -> Result<(), WriteError> {
        match &mut self.gap {
            Some((_, last, same)) if *last + 1 == seq && *same == why => *last = seq,
            _ => {
                self.end_gap()?;
                self.gap = Some((seq, seq, why));
            }
        }
        Ok(())
    }

    pub(super) fn end_gap(&mut self) -> Result<(), WriteError> {
        let Some((first, last, why)) = self.gap.take() else { return Ok(()) };
        self.write(&json!({ "unreadable": { "seq": first, "through": last }, "why": why }).to_string())
    }

    /// Writes a readable record.
    pub(super) fn record(&mut self, record: &Recorded) -> Result<(), WriteError> {
        self.end_gap()?;
        self.write(&export::line(record))
    }

    fn write(&mut self, line: &str) -> Result<(), WriteError> {
        let write = |side: &mut SideFile| {
            let file = match &mut side.file {
                Some(file) => file,
                none => {
                    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&side.path)?;
                    none.insert(BufWriter::new(made))
                }
            };
            writeln!(file, "{line}")
        };
        write(self).map_err(|error| WriteError::Storage(Box::new(error.into())))
    }

    pub(super) fn unreadable(&mut self, what: &Value, why: &SalvageError) -> Result<(), WriteError> {
        self.write(&json!({ "unreadable": what, "why": why.to_string() }).to_string())
    }

    pub(super) fn sync(&mut self) -> Result<(), WriteError> {
        let Some(file) = &mut self.file else { return Ok(()) };
        let synced = file.flush().and_then(|()| file.get_ref().sync_all());
        synced.map_err(|error| WriteError::Storage(Box::new(error.into())))
    }

    /// Removes the side file, since nothing was repaired.
    pub(super) fn discard(&self) {
        if self.file.is_some() {
            drop(fs::remove_file(&self.path));
        }
    }
}
