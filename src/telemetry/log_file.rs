//! A log file that stays small: at [`LIMIT`] bytes it becomes `<name>.1`, in place of an older one.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

/// The size at which a new file begins. Two of them exist at most.
pub const LIMIT: u64 = 4 << 20;

/// An append-only log file, readable by its owner only. Clones write to the same file.
#[derive(Clone, Debug)]
pub struct LogFile(Arc<Mutex<Open>>);

#[derive(Debug)]
struct Open {
    path: PathBuf,
    file: File,
    written: u64,
}

impl LogFile {
    /// Opens the file at `path`, and creates it when absent.
    ///
    /// # Errors
    /// Whatever the file system answers.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = append(path)?;
        let written = file.metadata()?.len();
        Ok(LogFile(Arc::new(Mutex::new(Open { path: path.to_owned(), file, written }))))
    }
}

fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o600).open(path)
}

impl Write for LogFile {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut open = self.0.lock();
        if open.written >= LIMIT {
            let mut older = open.path.clone().into_os_string();
            older.push(".1");
            std::fs::rename(&open.path, older)?;
            open.file = append(&open.path)?;
            open.written = 0;
        }
        let count = open.file.write(line)?;
        open.written += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.lock().file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_the_limit_a_new_file_begins_and_one_older_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("muster.log");
        let mut log = LogFile::open(&path).unwrap();
        let line = vec![b'x'; 1 << 20];
        for _ in 0..9 {
            log.write_all(&line).unwrap();
        }
        assert_eq!(std::fs::metadata(&path).unwrap().len(), 1 << 20);
        assert_eq!(std::fs::metadata(dir.path().join("muster.log.1")).unwrap().len(), LIMIT);
    }
}
