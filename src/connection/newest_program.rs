//! The newest program that served a data directory: where it is, and of which version.
//!
//! An upgrade leaves programs of both versions running for a while. An older front end that has to start a server starts the newest
//! program, so that a store never goes back to an older version by chance.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::version;

/// The name of the file in the data directory.
const FILE: &str = "program.json";
/// The most that is read of it.
const MAX_FILE: u64 = 16 << 10;

/// A program that served a data directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewestProgram {
    /// Its version.
    pub version: String,
    /// Where it is.
    pub path: PathBuf,
}

impl NewestProgram {
    /// Reads what `data_dir` says; `None` where it says nothing that can be read.
    #[must_use]
    pub fn read(data_dir: &Path) -> Option<Self> {
        let path = data_dir.join(FILE);
        let is_small = fs::symlink_metadata(&path).is_ok_and(|file| file.is_file() && file.len() <= MAX_FILE);
        let text = fs::read(path).ok().filter(|_| is_small)?;
        serde_json::from_slice(&text).ok()
    }

    /// Writes it to `data_dir`, whose server is to be this process: where a person started it they decided on the version, and else
    /// only a newer one counts.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn note(&self, data_dir: &Path, is_decided: bool) -> io::Result<()> {
        let known = NewestProgram::read(data_dir);
        let is_older = known.as_ref().is_some_and(|known| version::is_newer(&known.version, &self.version));
        if known.as_ref() == Some(self) || (is_older && !is_decided) {
            return Ok(());
        }
        let draft = data_dir.join(format!("{FILE}.{}", std::process::id()));
        fs::write(&draft, serde_json::to_vec(self)?)?;
        fs::rename(draft, data_dir.join(FILE))
    }

    /// Whether it is newer than this program.
    #[must_use]
    pub fn is_newer(&self) -> bool {
        version::is_newer(&self.version, version::current())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(version: &str) -> NewestProgram {
        NewestProgram { version: version.to_owned(), path: PathBuf::from("/opt").join(version) }
    }

    #[test]
    fn an_older_program_counts_only_where_a_person_decided_on_it() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(NewestProgram::read(dir.path()), None);
        let (old, new) = (program("0.1.0"), program("0.2.0"));
        for (noted, is_decided, known) in
            [(&old, false, &old), (&new, false, &new), (&old, false, &new), (&old, true, &old)]
        {
            noted.note(dir.path(), is_decided).unwrap();
            assert_eq!(NewestProgram::read(dir.path()).as_ref(), Some(known));
        }
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "no draft stays");
    }

    #[test]
    fn what_cannot_be_read_says_nothing() {
        let dir = tempfile::tempdir().unwrap();
        for text in ["", "{}", "{\"version\":1}"] {
            fs::write(dir.path().join(FILE), text).unwrap();
            assert_eq!(NewestProgram::read(dir.path()), None);
        }
        program("0.1.0").note(dir.path(), false).unwrap();
        assert_eq!(NewestProgram::read(dir.path()), Some(program("0.1.0")));
    }
}
