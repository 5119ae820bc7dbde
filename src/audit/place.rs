//! How far the audit file has come, kept in the data directory.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::model::{LogId, Seq};

/// The file in the data directory.
const FILE: &str = "audit.json";

/// The last record that is in the audit file, and the log that it is of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct KeptPlace {
    log: String,
    seq: u64,
    /// How many records before that one the file lacks.
    #[serde(default)]
    lost: u64,
}

/// Keeps the place in the data directory.
#[derive(Debug)]
pub(super) struct PlaceFile {
    path: PathBuf,
    log: LogId,
}

impl PlaceFile {
    pub(super) fn new(data_dir: &Path, log: LogId) -> Self {
        PlaceFile { path: data_dir.join(FILE), log }
    }

    /// The last record of this log that is in the audit file, and how many before it are not. Without one, of another log, and where
    /// the file cannot be understood, the log is written from its beginning: a line too many does no harm, a missing one does.
    pub(super) fn read(&self) -> io::Result<(Seq, u64)> {
        let text = match fs::read_to_string(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((Seq::ZERO, 0)),
            Err(error) => return Err(error),
        };
        let kept = serde_json::from_str::<KeptPlace>(&text).ok().filter(|kept| kept.log == self.log.to_string());
        Ok(kept.map_or((Seq::ZERO, 0), |kept| (Seq(kept.seq), kept.lost)))
    }

    /// Saves the place durably.
    pub(super) fn save(&self, seq: Seq, lost: u64) -> io::Result<()> {
        let draft = self.path.with_extension("json.new");
        let text = serde_json::to_string(&KeptPlace { log: self.log.to_string(), seq: seq.0, lost })?;
        let mut file = File::create(&draft)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&draft, &self.path)?;
        sync_directory(&self.path)
    }
}

/// Makes the name of a new file as durable as the file.
pub(super) fn sync_directory(of: &Path) -> io::Result<()> {
    match of.parent().map(File::open) {
        Some(Ok(directory)) => directory.sync_all(),
        // A directory that only lets files be made in it cannot be opened.
        Some(Err(_)) | None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_back_for_its_own_log_and_begins_anew_for_another() {
        let dir = tempfile::tempdir().unwrap();
        let place = PlaceFile::new(dir.path(), LogId(7));
        assert_eq!(place.read().unwrap(), (Seq::ZERO, 0));
        place.save(Seq(41), 3).unwrap();
        assert_eq!(place.read().unwrap(), (Seq(41), 3));
        assert_eq!(PlaceFile::new(dir.path(), LogId(8)).read().unwrap(), (Seq::ZERO, 0));
        fs::write(dir.path().join(FILE), "{").unwrap();
        assert_eq!(place.read().unwrap(), (Seq::ZERO, 0));
    }
}
