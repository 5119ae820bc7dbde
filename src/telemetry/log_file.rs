//! A log file that stays small: at [`LIMIT`] bytes it becomes `<name>.1`, in place of an older one.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The size at which a new file begins. Two of them exist at most.
pub const LIMIT: u64 = 4 << 20;

/// An append-only log file, readable by its owner only.
///
/// It is opened when something is written, and again after every error: a file that cannot be opened now, because its disk is
/// full or does not answer, costs log lines and keeps nobody from serving.
#[derive(Debug)]
pub struct LogFile {
    path: PathBuf,
    open: Option<OpenFile>,
}

#[derive(Debug)]
struct OpenFile {
    file: File,
    written: u64,
}

impl LogFile {
    /// The file at `path`, which is created when absent.
    #[must_use]
    pub fn at(path: PathBuf) -> Self {
        LogFile { path, open: None }
    }

    fn append(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut open = match self.open.take() {
            Some(open) => open,
            None => OpenFile::append(&self.path)?,
        };
        if open.written >= LIMIT {
            let mut older = self.path.clone().into_os_string();
            older.push(".1");
            std::fs::rename(&self.path, older)?;
            open = OpenFile::append(&self.path)?;
        }
        let count = open.file.write(line)?;
        open.written += count as u64;
        self.open = Some(open);
        Ok(count)
    }
}

impl OpenFile {
    fn append(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
        let written = file.metadata()?.len();
        Ok(OpenFile { file, written })
    }
}

impl Write for LogFile {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.append(line)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.open.as_mut().map_or(Ok(()), |open| open.file.flush())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_the_limit_a_new_file_begins_and_one_older_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("muster.log");
        let mut log = LogFile::at(path.clone());
        let line = vec![b'x'; 1 << 20];
        for _ in 0..9 {
            log.write_all(&line).unwrap();
        }
        assert_eq!(std::fs::metadata(&path).unwrap().len(), 1 << 20);
        assert_eq!(std::fs::metadata(dir.path().join("muster.log.1")).unwrap().len(), LIMIT);
    }

    #[test]
    fn a_file_that_cannot_be_opened_at_first_is_written_as_soon_as_it_can() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("muster.log");
        std::fs::create_dir(&path).unwrap();
        let mut log = LogFile::at(path.clone());
        assert!(log.write_all(b"lost\n").is_err());
        std::fs::remove_dir(&path).unwrap();
        log.write_all(b"kept\n").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"kept\n");
    }
}
