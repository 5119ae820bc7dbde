//! The process that holds the lock of a data directory, for when it does not answer: proved before anybody sends it a signal.
//!
//! A process id in a file may be another process's by now, or one of another container.

use std::path::{Path, PathBuf};

use rustix::process::{Pid, Signal, kill_process};

use super::lock::{self, LockError};

/// A process that holds the lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LockHolder {
    pid: Pid,
}

/// Why nobody is sent a signal.
#[derive(Debug, thiserror::Error)]
pub enum HolderError {
    /// The lock is held, and the process in its file is not the one that holds it.
    #[error(
        "the server of {} does not answer, and it is not certain which process it is{}: it may run in another container or as \
         another user; end it there",
        data_dir.display(),
        named(*pid)
    )]
    Doubtful {
        /// The data directory.
        data_dir: PathBuf,
        /// The process in the lock file.
        pid: Option<u32>,
    },
    /// The system refused the signal.
    #[error("process {pid} cannot be sent a signal: end it as its user")]
    Refused {
        /// The process.
        pid: i32,
        /// What the system answered.
        #[source]
        source: rustix::io::Errno,
    },
}

fn named(pid: Option<u32>) -> String {
    pid.map_or_else(String::new, |pid| format!(" (the lock file names process {pid})"))
}

impl LockHolder {
    /// Finds the process that holds the lock of `data_dir`; `None` when nobody does.
    ///
    /// # Errors
    /// [`HolderError::Doubtful`].
    pub fn find(data_dir: &Path) -> Result<Option<Self>, HolderError> {
        let Err(LockError::Held { path, pid }) = lock::probe(data_dir) else { return Ok(None) };
        let process = pid.and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
        match process.filter(|process| is_holder(*process, &path)) {
            Some(pid) => Ok(Some(LockHolder { pid })),
            None => Err(HolderError::Doubtful { data_dir: data_dir.to_owned(), pid }),
        }
    }

    /// Its process id.
    #[must_use]
    pub fn pid(self) -> u32 {
        self.pid.as_raw_nonzero().get().unsigned_abs()
    }

    /// Sends it a signal.
    ///
    /// # Errors
    /// [`HolderError::Refused`]. A process that has just ended is none.
    pub fn signal(self, signal: Signal) -> Result<(), HolderError> {
        match kill_process(self.pid, signal) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
            Err(source) => Err(HolderError::Refused { pid: self.pid.as_raw_nonzero().get(), source }),
        }
    }

    /// The arguments that it was started with; `None` where the system does not tell them, or they are not UTF-8.
    #[must_use]
    pub fn arguments(self) -> Option<Vec<String>> {
        let line = std::fs::read(format!("/proc/{}/cmdline", self.pid())).ok()?;
        let words = line.strip_suffix(b"\0")?.split(|byte| *byte == 0).skip(1);
        words.map(|word| String::from_utf8(word.to_vec()).ok()).collect()
    }
}

/// Whether a process has the lock file open.
#[cfg(target_os = "linux")]
fn is_holder(process: Pid, lock_file: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let Ok(lock) = lock_file.metadata() else { return false };
    let open = std::fs::read_dir(format!("/proc/{}/fd", process.as_raw_nonzero())).into_iter().flatten().flatten();
    open.filter_map(|file| std::fs::metadata(file.path()).ok())
        .any(|file| (file.dev(), file.ino()) == (lock.dev(), lock.ino()))
}

/// Whether a process is a `muster`: this system does not tell whose a lock is.
#[cfg(not(target_os = "linux"))]
fn is_holder(process: Pid, _: &Path) -> bool {
    let pid = process.as_raw_nonzero().to_string();
    let listed = std::process::Command::new("ps").args(["-o", "comm=", "-p", &pid]).output();
    let name = listed.ok().and_then(|listed| String::from_utf8(listed.stdout).ok());
    name.is_some_and(|name| Path::new(name.trim()).file_name().is_some_and(|name| name == "muster"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::data_dir;
    use crate::connection::lock::Lock;

    #[test]
    #[cfg(target_os = "linux")]
    fn only_the_process_that_has_the_lock_open_is_its_holder() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(LockHolder::find(dir.path()).unwrap(), None);
        let _lock = Lock::take(dir.path()).unwrap();
        let holder = LockHolder::find(dir.path()).unwrap().unwrap();
        assert_eq!(holder.pid(), std::process::id());
        assert!(holder.arguments().is_some());
        // Somebody else's number, as after a restart of the machine or in another container.
        std::fs::write(data_dir::lock_file(dir.path()), "1\n").unwrap();
        let doubt = LockHolder::find(dir.path()).unwrap_err().to_string();
        assert!(doubt.contains("process 1") && doubt.contains("not certain"), "{doubt}");
    }
}
