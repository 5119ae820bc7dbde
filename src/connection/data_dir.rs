//! The directory that one server owns: store, lock, log file, and the socket or the link to it.
//!
//! # Shared places
//! The volumes of containers are often writable for everybody or for a group (`emptyDir`, `fsGroup`), and belong to root.
//! [`settle`] then chooses a directory of this user's own inside the one that was named, and every command of Muster comes to
//! the same one. [`prepare`] makes it with mode 0700, and refuses what another user could put something else in the place of.

use std::fs::{DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::Access;

pub mod by_key;
mod standing;

pub use standing::Distrust;

use standing::{CurrentUser, Standing, Use};

/// The longest path of a directory whose files can be opened: systems accept 4,095 bytes, the names of files included.
const LONGEST: usize = 4_000;

/// Why a directory cannot hold Muster's files.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// It cannot be made, written, or is not a directory.
    #[error("cannot use {} as a directory: {advice}", path.display())]
    Unusable {
        /// Which.
        path: PathBuf,
        /// What keeps it from being used, and what to do.
        advice: String,
        /// What the file system answered.
        #[source]
        source: io::Error,
    },
    /// Another user could read the inventory, or answer in the server's place.
    #[error(
        "{} cannot be trusted: it {fault} (its owner is user {owner}, its mode {mode:04o}); {}",
        path.display(),
        fault.fix()
    )]
    NotPrivate {
        /// Which.
        path: PathBuf,
        /// Its owner's number.
        owner: u32,
        /// Its permissions.
        mode: u32,
        /// What is wrong with it.
        fault: Distrust,
    },
    /// It holds no store.
    #[error(
        "there is no store in {}: `muster serve` makes one, as does an MCP client that starts `muster mcp`; or name the directory \
         of another with --data-dir",
        data_dir.display()
    )]
    NoStore {
        /// The data directory.
        data_dir: PathBuf,
    },
}

/// Returns the directory to use: `given`, or `muster-<user>` inside it if others can write `given`.
///
/// Nothing is made, and [`prepare`] reports errors. The choice never changes later.
#[must_use]
pub fn settle(given: &Path) -> PathBuf {
    let me = CurrentUser::current();
    let inside = given.join(me.name());
    let Ok(standing) = Standing::of(given) else { return given.to_owned() };
    let holds_store = [store(given), lock_file(given)].iter().any(|file| me.owns(file));
    match standing.judge(me, given.ends_with(me.name()), holds_store) {
        Use::Itself => given.to_owned(),
        Use::Inside => inside,
    }
}

/// Makes `path` with mode 0700, parents included, unless it exists.
///
/// An existing directory keeps its mode, but for one that [`settle`] chose: that is for this user alone, whatever a volume's
/// provisioner did to it since. Root may use anybody's directory.
///
/// # Errors
/// [`DataDirError`], naming the directory that is in the way.
pub fn prepare(path: &Path) -> Result<(), DataDirError> {
    check_parents(path)?;
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|source| unusable(path, source))?;
    let me = CurrentUser::current();
    if is_own(path, me) && Standing::of_link(path).is_ok_and(|standing| standing.is_opened(me)) {
        std::fs::set_permissions(path, Permissions::from_mode(0o700)).map_err(|source| unusable(path, source))?;
    }
    check(path)
}

/// Looks at the nearest part of `path` that exists as [`prepare`] does, and makes nothing.
///
/// # Errors
/// [`DataDirError`], as [`prepare`].
pub fn check(path: &Path) -> Result<(), DataDirError> {
    check_parents(path)?;
    let me = CurrentUser::current();
    let Some(existing) = path.ancestors().find(|place| place.symlink_metadata().is_ok()) else { return Ok(()) };
    // A link that somebody else may have made leads anywhere.
    let standing = if is_own(existing, me) { Standing::of_link(existing) } else { Standing::of(existing) };
    let standing = standing.map_err(|source| unusable(existing, source))?;
    let fault = if existing == path { standing.fault(me) } else { None };
    if let Some(fault) = fault {
        return Err(not_private(existing, standing, fault));
    }
    if !standing.is_directory {
        return Err(unusable(existing, io::ErrorKind::NotADirectory.into()));
    }
    rustix::fs::access(existing, Access::WRITE_OK | Access::EXEC_OK).map_err(|error| unusable(path, error.into()))
}

/// Makes `path`, whose parent must exist, for this user alone, or checks that it is so. For directories of sockets.
///
/// # Errors
/// [`DataDirError`], naming the path.
pub fn prepare_own(path: &Path) -> Result<(), DataDirError> {
    let failed = |source| unusable(path, source);
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(failed(error)),
        _ => {}
    }
    let (me, standing) = (CurrentUser::current(), Standing::of_link(path).map_err(failed)?);
    match standing.fault_as_own(me) {
        Some(fault) => Err(not_private(path, standing, fault)),
        None if standing.is_opened(me) => std::fs::set_permissions(path, Permissions::from_mode(0o700)).map_err(failed),
        None => Ok(()),
    }
}

/// Whether `path` exists and belongs to this user alone in name and fact; for the directory that others made for its sockets.
#[must_use]
pub fn is_users(path: &Path) -> bool {
    Standing::of(path)
        .is_ok_and(|standing| standing.is_directory && standing.fault_as_own(CurrentUser::current()).is_none())
}

/// Warns that others may rename `path`, although it can be used.
#[must_use]
pub fn caution(path: &Path) -> Option<String> {
    let (me, parent) = (CurrentUser::current(), path.parent()?);
    if !is_own(path, me) {
        return None;
    }
    let standing = Standing::of(parent).ok()?;
    let swaps = standing.lets_others_swap(me);
    swaps.then(|| {
        format!(
            "everybody can write {0} (mode {1:04o}) and so rename {2}: where other users share this machine, run `chmod +t {0}`",
            parent.display(),
            standing.mode,
            path.display()
        )
    })
}

/// Whether [`settle`] chose `path`, by its name.
fn is_own(path: &Path, me: CurrentUser) -> bool {
    path.ends_with(me.name())
}

/// Refuses a path on which another user could put a directory of theirs.
///
/// The directory that [`settle`] went into was named by a person, for others to write; that counts for the next one up.
fn check_parents(path: &Path) -> Result<(), DataDirError> {
    if path.as_os_str().len() > LONGEST {
        return Err(unusable(path, rustix::io::Errno::NAMETOOLONG.into()));
    }
    let me = CurrentUser::current();
    let given = if is_own(path, me) { path.parent().unwrap_or(path) } else { path };
    // What does not exist yet is made by this user. A link counts where it is and where it leads.
    let parent = given.ancestors().skip(1).find_map(|place| place.canonicalize().ok());
    let target = given.canonicalize().ok().and_then(|real| Some(real.parent()?.to_owned()));
    for real in parent.into_iter().chain(target) {
        for place in real.ancestors() {
            match Standing::of(place) {
                Ok(standing) if standing.lets_others_swap(me) => {
                    return Err(not_private(place, standing, Distrust::Swappable));
                }
                _ => {}
            }
        }
    }
    Ok(())
}

fn not_private(path: &Path, standing: Standing, fault: Distrust) -> DataDirError {
    DataDirError::NotPrivate { path: path.to_owned(), owner: standing.owner, mode: standing.mode & 0o7777, fault }
}

fn unusable(path: &Path, source: io::Error) -> DataDirError {
    DataDirError::Unusable { path: path.to_owned(), advice: advice(path, &source), source }
}

/// What keeps `path` from being used, by what the file system answered, and what to do about it.
#[must_use]
pub fn advice(path: &Path, error: &io::Error) -> String {
    let existing = path.ancestors().find_map(|place| Some((place, Standing::of(place).ok()?)));
    standing::advice(error, existing)
}

/// Checks that there is a store in `data_dir`.
///
/// # Errors
/// [`DataDirError::NoStore`], or [`DataDirError::Unusable`] when the file system does not say: a directory that may not be
/// looked into is not empty.
pub fn require_store(data_dir: &Path) -> Result<(), DataDirError> {
    match store(data_dir).try_exists() {
        Ok(true) => Ok(()),
        Ok(false) => Err(DataDirError::NoStore { data_dir: data_dir.to_owned() }),
        Err(source) => Err(unusable(data_dir, source)),
    }
}

/// The redb file in `data_dir`.
#[must_use]
pub fn store(data_dir: &Path) -> PathBuf {
    data_dir.join("muster.redb")
}

/// The lock file in `data_dir`.
#[must_use]
pub fn lock_file(data_dir: &Path) -> PathBuf {
    data_dir.join("muster.lock")
}

/// The log file of a detached server of `data_dir`.
#[must_use]
pub fn log(data_dir: &Path) -> PathBuf {
    data_dir.join("muster.log")
}

/// The file of HTTP sessions in `data_dir`, which outlive the server.
#[must_use]
pub fn sessions(data_dir: &Path) -> PathBuf {
    data_dir.join("http-sessions.jsonl")
}

#[cfg(test)]
mod tests;
