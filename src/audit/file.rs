//! The file itself: lines are appended whole, or not at all.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::place::sync_directory;

/// How the lines of Muster begin.
pub(super) const START: &str = "{\"log\":\"";

/// How much of the end of the file is searched for the beginning of its last line: more than the longest line takes.
const TAIL: u64 = 256 << 10;

/// Why lines cannot be appended.
#[derive(Debug, Error)]
pub(super) enum AuditFileError {
    /// The system refuses it.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It is something else than a file.
    #[error("it is no regular file")]
    NoFile,
}

/// The audit file, which is opened when it is first written.
#[derive(Debug)]
pub(super) struct AuditFile {
    path: PathBuf,
    open: Option<OpenedFile>,
}

#[derive(Debug)]
struct OpenedFile {
    file: File,
    identity: (u64, u64),
}

impl AuditFile {
    pub(super) fn new(path: &Path) -> Self {
        AuditFile { path: path.to_owned(), open: None }
    }

    /// Opens the file if that is not done yet, and so finds out whether it can be written.
    pub(super) fn check(&mut self) -> Result<(), AuditFileError> {
        self.opened().map(drop)
    }

    /// Appends whole lines, each with its line end; durable when this returns.
    pub(super) fn append(&mut self, lines: &str) -> Result<(), AuditFileError> {
        let file = self.opened()?;
        let before = file.metadata()?.len();
        let written = file.write_all(lines.as_bytes()).and_then(|()| file.sync_data());
        if let Err(error) = written {
            // What a full disk took of the lines is removed, since all of them are written again.
            if let Err(error) = file.set_len(before) {
                tracing::warn!(%error, "a part of a line may stand in the audit file");
            }
            self.open = None;
            return Err(error.into());
        }
        Ok(())
    }

    /// The open file; a new one if the path names another file than before, as after a rotation.
    fn opened(&mut self) -> Result<&mut File, AuditFileError> {
        let path = &self.path;
        let there = std::fs::metadata(path).ok().map(|found| identity(&found));
        if self.open.as_ref().is_some_and(|open| Some(open.identity) != there) {
            self.open = None;
        }
        let opened = match self.open.take() {
            Some(opened) => opened,
            None => open(path)?,
        };
        Ok(&mut self.open.insert(opened).file)
    }
}

fn identity(found: &Metadata) -> (u64, u64) {
    (found.dev(), found.ino())
}

/// Finds out whether lines can be appended to the file at `path`, which is made if there is none.
pub(super) fn probe(path: &Path) -> Result<(), AuditFileError> {
    appendable(path).map(drop)
}

/// Opens the file at `path`, and mends its last line.
fn open(path: &Path) -> Result<OpenedFile, AuditFileError> {
    let (mut file, found) = appendable(path)?;
    sync_directory(path)?;
    mend(&mut file, found.len())?;
    Ok(OpenedFile { file, identity: identity(&found) })
}

fn appendable(path: &Path) -> Result<(File, Metadata), AuditFileError> {
    // Opening a pipe without a reader would wait for one.
    let flags = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or_default();
    let mut options = OpenOptions::new();
    let options = options.read(true).append(true).create(true).mode(0o600).custom_flags(flags);
    let file = options.open(path)?;
    let found = file.metadata()?;
    if found.is_file() { Ok((file, found)) } else { Err(AuditFileError::NoFile) }
}

/// Removes a line of Muster that is not whole, as a crash leaves it: it is written again. Ends any other last line.
fn mend(file: &mut File, length: u64) -> io::Result<()> {
    let from = length.saturating_sub(TAIL);
    file.seek(SeekFrom::Start(from))?;
    let mut tail = Vec::new();
    file.take(TAIL).read_to_end(&mut tail)?;
    if tail.last().is_none_or(|last| *last == b'\n') {
        return Ok(());
    }
    let begins = tail.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    let line = tail.get(begins..).unwrap_or_default();
    let is_whole_line = begins > 0 || from == 0;
    let start = START.as_bytes();
    if is_whole_line && (line.starts_with(start) || start.starts_with(line)) {
        file.set_len(from + u64::try_from(begins).unwrap_or_default())
    } else {
        file.write_all(b"\n")
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn line(seq: u64) -> String {
        format!("{START}1\",\"seq\":{seq}}}\n")
    }

    #[test]
    fn the_file_is_made_for_its_owner_alone_and_a_new_one_after_a_rotation() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("audit.jsonl");
        let mut file = AuditFile::new(&path);
        file.append(&line(1)).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let rotated = dir.path().join("audit.jsonl.1");
        fs::rename(&path, &rotated).unwrap();
        file.append(&line(2)).unwrap();
        assert_eq!(fs::read_to_string(&rotated).unwrap(), line(1));
        assert_eq!(fs::read_to_string(&path).unwrap(), line(2));
        fs::remove_file(&path).unwrap();
        file.append(&line(3)).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), line(3));
    }

    #[test]
    fn half_a_line_of_muster_is_removed_and_what_others_wrote_stays() {
        for (left, kept) in [
            (line(1) + &line(2)[..9], line(1)),
            (line(1) + "{\"lo", line(1)),
            (START.to_owned(), String::new()),
            ("somebody's notes".to_owned(), "somebody's notes\n".to_owned()),
            (line(1), line(1)),
        ] {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("audit.jsonl");
            fs::write(&path, &left).unwrap();
            AuditFile::new(&path).append(&line(3)).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), kept + &line(3), "{left}");
        }
    }

    #[test]
    fn what_cannot_be_written_is_an_error_and_a_probe_changes_nothing_that_is_there() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(AuditFile::new(dir.path()).check(), Err(AuditFileError::Io(_))));
        let missing = dir.path().join("absent").join("audit.jsonl");
        assert!(matches!(AuditFile::new(&missing).append("x\n"), Err(AuditFileError::Io(_))));
        assert!(matches!(probe(&missing), Err(AuditFileError::Io(_))));
        let path = dir.path().join("audit.jsonl");
        let half = line(1) + &line(2)[..9];
        fs::write(&path, &half).unwrap();
        probe(&path).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), half, "the writer may be about to end the line");
        fs::remove_file(&path).unwrap();
        probe(&path).unwrap();
        assert!(fs::metadata(&path).unwrap().is_file(), "as after a rotation");
    }
}
