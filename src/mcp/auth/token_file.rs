//! The file of a server's tokens.

use std::ffi::OsString;
use std::fs::{self, File, Metadata, OpenOptions, Permissions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use rustix::fs::OFlags;
use rustix::process::geteuid;

use super::token_book::{TokenBook, TokenBookError};

/// The largest file that is read: ten thousand tokens take about 2 MiB.
const LARGEST: u64 = 16 << 20;
/// The bits of a mode that let others write.
const OTHERS_WRITE: u32 = 0o022;
/// The bits of a mode that a replaced file keeps: whoever could read it can read it again. It holds no tokens, only their hashes.
const KEPT: u32 = 0o644;
/// The bits of a mode that every file has.
const OWNER: u32 = 0o600;
/// How long to wait for somebody else who changes the file before looking again, and how often to look.
const LOOK: Duration = Duration::from_millis(20);
const LOOKS: u32 = 500;

/// The file of a server's tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenFile(PathBuf);

/// Why a file of tokens cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TokenFileError {
    /// Somebody else could have put tokens into it.
    #[error(
        "{} can be written by others than its owner (mode {mode:o}), who could let themselves in: run `chmod go-w {}`", path.display(), path.display()
    )]
    Writable {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// It is somebody else's.
    #[error("{} belongs to user {owner}: it must belong to the user of the server, or to root", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
    },
    /// It is no file of tokens.
    #[error("{} is not a file of at most 16 MiB", path.display())]
    NoFile {
        /// The path.
        path: PathBuf,
    },
    /// Its content is wrong, or a change of it is refused.
    #[error("{}: {fault}", path.display())]
    Book {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        fault: TokenBookError,
    },
    /// Somebody else is changing it.
    #[error(
        "{} is held by another process for more than {} s, so nothing was changed: if no `muster token` runs, see who has it open, and try again", lock.display(), (LOOK * LOOKS).as_secs()
    )]
    Busy {
        /// The file by which those who change it take turns.
        lock: PathBuf,
    },
    /// The system refuses.
    #[error("{} cannot be {what}: {source}", path.display())]
    System {
        /// The file.
        path: PathBuf,
        /// What was tried.
        what: &'static str,
        /// What the system says.
        source: io::Error,
    },
}

impl TokenFile {
    /// The file at a path, whether or not it is there.
    #[must_use]
    pub fn at(path: PathBuf) -> Self {
        TokenFile(path)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The tokens in it; `None` where there is no such file.
    ///
    /// # Errors
    /// [`TokenFileError`].
    pub fn read(&self) -> Result<Option<TokenBook>, TokenFileError> {
        let path = || self.0.clone();
        let failed = |source| TokenFileError::System { path: path(), what: "read", source };
        let file = match File::open(&self.0) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(failed)?,
        };
        // Of the file that is read, which nobody can exchange meanwhile.
        let about = file.metadata().map_err(failed)?;
        if !about.is_file() || about.len() > LARGEST {
            return Err(TokenFileError::NoFile { path: path() });
        }
        if about.mode() & OTHERS_WRITE != 0 {
            return Err(TokenFileError::Writable { path: path(), mode: about.mode() & 0o777 });
        }
        if ![0, geteuid().as_raw()].contains(&about.uid()) {
            return Err(TokenFileError::Foreign { path: path(), owner: about.uid() });
        }
        let mut text = String::new();
        file.take(LARGEST).read_to_string(&mut text).map_err(failed)?;
        TokenBook::parse(&text).map(Some).map_err(|fault| TokenFileError::Book { path: path(), fault })
    }

    /// Changes the file, which is replaced as a whole. One that is new can be read by its owner only; another keeps its group and who
    /// can read it, since the server may be one of these. Others that change it at the same time wait.
    ///
    /// # Errors
    /// [`TokenFileError`]: then nothing has changed.
    pub fn edit<T>(
        &self,
        change: impl FnOnce(&mut TokenBook) -> Result<T, TokenBookError>,
    ) -> Result<T, TokenFileError> {
        // A link stays one.
        let place = TokenFile(self.0.canonicalize().unwrap_or_else(|_| self.0.clone()));
        let failed = |what| move |source| TokenFileError::System { path: self.0.clone(), what, source };
        let directory = match place.0.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let directory = File::open(directory).map_err(failed("replaced"))?;
        let _turn = turn(&place.0)?;
        let mut book = place.read()?.unwrap_or_default();
        let done = change(&mut book).map_err(|fault| TokenFileError::Book { path: self.0.clone(), fault })?;
        replace(&place.0, book.text().as_bytes()).map_err(failed("written"))?;
        directory.sync_all().map_err(failed("written"))?;
        Ok(done)
    }
}

/// Waits for the turn to change a file, by a file of our own beside it: others can open the directory, and would hold it for as long as
/// they like.
fn turn(path: &Path) -> Result<File, TokenFileError> {
    let mut lock = OsString::from(path);
    lock.push(".lock");
    let lock = PathBuf::from(lock);
    let failed = |source| TokenFileError::System { path: lock.clone(), what: "locked", source };
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(OWNER);
    options.custom_flags(OFlags::NOFOLLOW.bits().cast_signed());
    let file = options.open(&lock).map_err(failed)?;
    let about = file.metadata().map_err(failed)?;
    if ![0, geteuid().as_raw()].contains(&about.uid()) {
        return Err(TokenFileError::Foreign { path: lock.clone(), owner: about.uid() });
    }
    for _ in 0..LOOKS {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => sleep(LOOK),
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
    }
    Err(TokenFileError::Busy { lock: lock.clone() })
}

fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let former = match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        former => Some(former?),
    };
    let draft = path.with_extension(format!("new.{}", std::process::id()));
    let written = (|| {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(OWNER).open(&draft)?;
        file.write_all(content)?;
        if let Some(former) = &former {
            keep(&file, former)?;
        }
        file.sync_all()?;
        fs::rename(&draft, path)
    })();
    if written.is_err() {
        // It may not have come to be.
        drop(fs::remove_file(&draft));
    }
    written
}

/// Lets those read a file who could read the one whose place it takes.
fn keep(file: &File, former: &Metadata) -> io::Result<()> {
    if file.metadata()?.gid() != former.gid() {
        fchown(file, None, Some(former.gid()))?;
    }
    file.set_permissions(Permissions::from_mode((former.mode() & KEPT) | OWNER))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{chown, symlink};

    use super::*;
    use crate::mcp::auth::token_book::TokenEntry;
    use crate::mcp::auth::token_hash::TokenHash;

    fn entry(name: &str) -> TokenEntry {
        let hash = TokenHash::of(name);
        TokenEntry { name: name.to_owned(), hash, created: None, expires: None, grants: None, read_only: false }
    }

    #[test]
    fn a_file_is_made_for_its_owner_and_replaced_as_a_whole() {
        let dir = tempfile::tempdir().unwrap();
        let file = TokenFile::at(dir.path().join("tokens.toml"));
        assert!(file.read().unwrap().is_none());
        for name in ["a", "b"] {
            file.edit(|book| book.add(entry(name))).unwrap();
        }
        assert!(file.edit(|book| book.add(entry("a"))).unwrap_err().to_string().contains("named a already"));
        assert_eq!(fs::metadata(file.path()).unwrap().permissions().mode() & 0o777, 0o600);
        file.edit(|book| book.revoke("a")).unwrap();
        let book = file.read().unwrap().unwrap();
        assert_eq!(book.entries(), [entry("b")]);
        let mut names: Vec<OsString> =
            fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["tokens.toml", "tokens.toml.lock"], "no draft stays");
    }

    #[test]
    fn whoever_could_read_a_file_can_read_it_once_it_is_changed() {
        let dir = tempfile::tempdir().unwrap();
        let file = TokenFile::at(dir.path().join("tokens.toml"));
        file.edit(|book| book.add(entry("a"))).unwrap();
        let about = || fs::metadata(file.path()).unwrap();
        for (number, mode) in [0o640, 0o600, 0o644, 0o440].into_iter().enumerate() {
            fs::set_permissions(file.path(), Permissions::from_mode(mode)).unwrap();
            file.edit(|book| book.add(entry(&format!("t{number}")))).unwrap();
            assert_eq!(about().mode() & 0o777, mode | OWNER, "{mode:o}");
        }
        // Only root, or a member of the group, can give a file to it.
        let other = about().gid() + 1;
        if chown(file.path(), None, Some(other)).is_ok() {
            file.edit(|book| book.revoke("a")).unwrap();
            assert_eq!((about().gid(), about().mode() & 0o777), (other, 0o640));
        }
    }

    #[test]
    fn somebody_who_holds_the_directory_keeps_nobody_from_revoking_and_a_link_is_no_lock() {
        let dir = tempfile::tempdir().unwrap();
        let file = TokenFile::at(dir.path().join("tokens.toml"));
        file.edit(|book| book.add(entry("a"))).unwrap();
        let held = File::open(dir.path()).unwrap();
        held.lock().unwrap();
        file.edit(|book| book.revoke("a")).unwrap();
        let lock = dir.path().join("tokens.toml.lock");
        assert_eq!(fs::metadata(&lock).unwrap().mode() & 0o777, 0o600);
        fs::remove_file(&lock).unwrap();
        symlink(dir.path().join("elsewhere"), &lock).unwrap();
        assert!(matches!(file.edit(|book| book.add(entry("b"))), Err(TokenFileError::System { what: "locked", .. })));
        assert!(!dir.path().join("elsewhere").exists());
    }

    #[test]
    fn those_who_change_it_at_once_lose_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let file = TokenFile::at(dir.path().join("tokens.toml"));
        std::thread::scope(|scope| {
            for number in 0..4 {
                let file = &file;
                scope.spawn(move || file.edit(|book| book.add(entry(&format!("t{number}")))).unwrap());
            }
        });
        assert_eq!(file.read().unwrap().unwrap().entries().len(), 4);
    }

    #[test]
    fn a_file_that_others_can_write_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let file = TokenFile::at(dir.path().join("tokens.toml"));
        file.edit(|book| book.add(entry("a"))).unwrap();
        for mode in [0o620, 0o602, 0o666] {
            fs::set_permissions(file.path(), Permissions::from_mode(mode)).unwrap();
            assert!(matches!(file.read(), Err(TokenFileError::Writable { .. })), "{mode:o}");
            assert!(file.edit(|book| book.revoke("a")).is_err());
        }
        fs::set_permissions(file.path(), Permissions::from_mode(0o644)).unwrap();
        assert!(file.read().unwrap().is_some());
    }
}
