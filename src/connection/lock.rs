//! One server a data directory: who holds the lock file serves, and everybody else attaches.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, SystemTime};

use super::data_dir;

/// How many probes in a row may keep somebody from the lock before it counts as held.
const PROBES: usize = 500;

/// How long a server that starts again may take: as long as stopping and starting do, with a pause to ask STS whose the keys are.
pub(super) const RESTART_LASTS: Duration = Duration::from_secs(8);

/// The second line of the file while the holder starts again.
const RESTARTS: &str = "restarts";

/// Longer than a probe shares the lock.
const PROBE_LASTS: Duration = Duration::from_millis(1);

/// The lock on a data directory, held until dropped; the operating system drops it when the process dies.
///
/// The file holds the holder's process id, for people and error messages. It is never removed: removing a lock file while
/// another process opens it would let two hold "the" lock.
#[derive(Debug)]
pub struct Lock {
    file: File,
}

/// Why the lock was not taken.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process holds it.
    #[error(
        "{} is held by {}: stop it, or name another directory with --data-dir",
        path.display(),
        holder(*pid)
    )]
    Held {
        /// The lock file.
        path: PathBuf,
        /// What it says about its holder.
        pid: Option<u32>,
    },
    /// The file cannot be opened or locked at all.
    #[error("cannot lock {}: {advice}", path.display())]
    Io {
        /// The lock file.
        path: PathBuf,
        /// What keeps it from being locked, and what to do.
        advice: String,
        /// What the file system answered.
        #[source]
        source: io::Error,
    },
}

fn holder(pid: Option<u32>) -> String {
    pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"))
}

impl Lock {
    /// Takes the lock of `data_dir`, without waiting.
    ///
    /// # Errors
    /// [`LockError::Held`] when another process, or another `Lock` of this one, has it.
    pub fn take(data_dir: &Path) -> Result<Self, LockError> {
        let path = data_dir::lock_file(data_dir);
        let failed = |source| LockError::Io { path: path.clone(), advice: data_dir::advice(&path, &source), source };
        let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path);
        let file = opened.map_err(failed)?;
        match lock(&file) {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(LockError::Held { pid: pid_in(&path), path }),
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        let mut taken = Lock { file };
        taken.name_holder().map_err(failed)?;
        Ok(taken)
    }

    fn name_holder(&mut self) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.rewind()?;
        writeln!(self.file, "{}", std::process::id())
    }

    /// Says that the holder lets go of the lock only to start again, so that nobody else starts a server meanwhile.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn announce_restart(&self) -> io::Result<()> {
        (&self.file).write_all(format!("{RESTARTS}\n").as_bytes())
    }

    /// Takes the lock of `data_dir` for somebody who only reads: `None` where this user cannot write there. Then no server of
    /// this user can run on it, and the store file has a lock of its own against those of others.
    ///
    /// # Errors
    /// As [`Lock::take`].
    pub fn take_to_read(data_dir: &Path) -> Result<Option<Self>, LockError> {
        match Lock::take(data_dir) {
            Err(LockError::Io { source, .. })
                if matches!(source.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem) =>
            {
                probe(data_dir).map(|()| None)
            }
            taken => taken.map(Some),
        }
    }
}

impl Drop for Lock {
    /// Lets go of the lock at once. Closing the file alone would not: a child that this process has forked and that has not become
    /// another program yet has the file open too.
    fn drop(&mut self) {
        // Without it the lock goes when the last copy of the file is closed.
        self.file.unlock().ok();
    }
}

/// Locks the file against everybody. A [`probe`] that shares the lock for an instant keeps nobody from it.
fn lock(file: &File) -> Result<(), TryLockError> {
    for _ in 0..PROBES {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => {}
            outcome => return outcome,
        }
        // Who holds the lock shares it with nobody; whoever does share it only looks, and is gone at once.
        file.try_lock_shared()?;
        file.unlock().map_err(TryLockError::Error)?;
        thread::sleep(PROBE_LASTS);
    }
    Err(TryLockError::WouldBlock)
}

/// Whether somebody holds the lock of `data_dir`, without taking it or touching the file.
///
/// # Errors
/// [`LockError::Held`] when somebody does.
pub fn probe(data_dir: &Path) -> Result<(), LockError> {
    let path = data_dir::lock_file(data_dir);
    let Ok(file) = File::open(&path) else { return Ok(()) };
    match file.try_lock_shared() {
        Err(TryLockError::WouldBlock) => return Err(LockError::Held { pid: pid_in(&path), path }),
        // As in `Lock::drop`.
        Ok(()) => drop(file.unlock()),
        Err(TryLockError::Error(_)) => {}
    }
    Ok(())
}

/// Whether the last holder of the lock of `data_dir` let go of it to start again, and is still about to.
#[must_use]
pub fn is_restarting(data_dir: &Path) -> bool {
    let path = data_dir::lock_file(data_dir);
    let is_announced = std::fs::read_to_string(&path).is_ok_and(|text| text.lines().nth(1) == Some(RESTARTS));
    // It was announced when the file was last written.
    let written = std::fs::metadata(&path).and_then(|file| file.modified());
    is_announced && written.is_ok_and(|at| at.elapsed().is_ok_and(|passed| passed < RESTART_LASTS))
}

/// The process that holds, or held last, the lock of `data_dir`.
#[must_use]
pub fn last_holder(data_dir: &Path) -> Option<u32> {
    pid_in(&data_dir::lock_file(data_dir))
}

/// When the process that holds, or held last, the lock of `data_dir` took it.
#[must_use]
pub fn taken_at(data_dir: &Path) -> Option<SystemTime> {
    // It writes its process id when it takes the lock, and the file is written once more only when it starts again.
    std::fs::metadata(data_dir::lock_file(data_dir)).and_then(|file| file.modified()).ok()
}

fn pid_in(path: &Path) -> Option<u32> {
    std::fs::read_to_string(path).ok()?.lines().next()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_one_has_it_and_the_other_learns_who() {
        let dir = tempfile::tempdir().unwrap();
        let first = Lock::take(dir.path()).unwrap();
        let Err(LockError::Held { pid, .. }) = Lock::take(dir.path()) else { panic!("both hold it") };
        assert_eq!(pid, Some(std::process::id()));
        assert!(matches!(probe(dir.path()), Err(LockError::Held { .. })));
        drop(first);
        probe(dir.path()).unwrap();
        Lock::take(dir.path()).unwrap();
    }

    #[test]
    fn it_goes_though_a_child_that_was_just_forked_has_the_file_open_too() {
        let dir = tempfile::tempdir().unwrap();
        let lock = Lock::take(dir.path()).unwrap();
        // What a fork does to an open file.
        let of_child = lock.file.try_clone().unwrap();
        drop(lock);
        probe(dir.path()).unwrap();
        drop(Lock::take(dir.path()).unwrap());
        drop(of_child);
    }

    #[test]
    fn who_only_looks_keeps_nobody_from_it() {
        let dir = tempfile::tempdir().unwrap();
        drop(Lock::take(dir.path()).unwrap());
        let stop = std::sync::atomic::AtomicBool::new(false);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                        drop(probe(dir.path()));
                    }
                });
            }
            let takes: Vec<_> = (0..100).map(|_| Lock::take(dir.path()).map(drop)).collect();
            stop.store(true, std::sync::atomic::Ordering::Relaxed);
            assert_eq!(takes.into_iter().find_map(Result::err).map(|error| error.to_string()), None);
        });
    }

    #[test]
    fn a_restart_is_announced_until_the_next_one_takes_the_lock() {
        let dir = tempfile::tempdir().unwrap();
        assert!(!is_restarting(dir.path()));
        let lock = Lock::take(dir.path()).unwrap();
        assert!(!is_restarting(dir.path()));
        lock.announce_restart().unwrap();
        assert_eq!(last_holder(dir.path()), Some(std::process::id()));
        drop(lock);
        assert!(is_restarting(dir.path()));
        let long_ago = SystemTime::UNIX_EPOCH + Duration::from_hours(24);
        File::options().write(true).open(data_dir::lock_file(dir.path())).unwrap().set_modified(long_ago).unwrap();
        assert!(!is_restarting(dir.path()), "it never came back");
        drop(Lock::take(dir.path()).unwrap());
        assert!(!is_restarting(dir.path()));
    }

    #[test]
    fn a_race_has_one_winner() {
        let dir = tempfile::tempdir().unwrap();
        let barrier = std::sync::Barrier::new(8);
        let taken: Vec<Option<Lock>> = thread::scope(|scope| {
            let race = || {
                barrier.wait();
                Lock::take(dir.path()).ok()
            };
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(race)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(taken.iter().flatten().count(), 1);
    }
}
