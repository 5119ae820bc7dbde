//! The Unix socket of a data directory's server, and where it is.
//!
//! `muster.sock` in the data directory is the socket or a link to it, so clients need to know nothing but the data
//! directory. The socket itself lies in XDG's runtime directory when the server knows one: clients often do not, as many are
//! started without `XDG_RUNTIME_DIR`, and follow the link. Where that does not work, the data directory itself is next, then a
//! private directory in `/tmp`, since a socket's address holds about 104 bytes and a data directory's path may be longer.
//! [`candidates`] is the one list of all that; clients go by it as well, for file systems that have no links.

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tokio::net::{UnixListener, UnixStream};
use xxhash_rust::xxh3::xxh3_64;

use super::data_dir::{self, DataDirError};
use super::lock::Lock;

/// The longest socket path that every supported system accepts (macOS: 104 bytes with the terminating zero; Linux: 108).
const MAX_PATH: usize = 103;

/// Where directories for sockets are made when nothing else works.
const SHORT: &str = "/tmp";

/// A listening socket. Dropping it removes the files; drop it before the [`Lock`].
#[derive(Debug)]
pub struct ServerSocket {
    listener: UnixListener,
    path: PathBuf,
    link: PathBuf,
}

/// Why the server cannot listen.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// The directory for the socket is not usable.
    #[error(transparent)]
    Directory(#[from] DataDirError),
    /// The directory for the socket is not this user's own.
    #[error("{} is not a directory of this user alone, so no socket is made there", path.display())]
    Foreign {
        /// The directory.
        path: PathBuf,
    },
    /// The socket cannot be made.
    #[error("cannot listen on the socket {}: check its directory, or name another with --data-dir", path.display())]
    Io {
        /// The socket or the link to it.
        path: PathBuf,
        /// What the system answered.
        #[source]
        source: io::Error,
    },
}

/// One path that the socket may have.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Candidate {
    /// The socket.
    path: PathBuf,
    /// The directory that is made for it, if it has one.
    directory: Option<PathBuf>,
    /// Whether a client finds it without the link in the data directory.
    known: bool,
}

impl ServerSocket {
    /// Listens for the holder of `lock`, in place of whatever a dead server left behind.
    ///
    /// # Errors
    /// [`SocketError`] of the last place tried, naming the path.
    pub fn bind(_lock: &Lock, data_dir: &Path, runtime_dir: Option<&Path>) -> Result<Self, SocketError> {
        let data_dir = &real(data_dir);
        let link = link(data_dir);
        let failed = |source| SocketError::Io { path: link.clone(), source };
        // What a dead server left elsewhere; it may be a place that this one does not know.
        if let Ok(target) = std::fs::read_link(&link) {
            clear(&target);
        }
        remove(&link).map_err(failed)?;
        let mut error = None;
        // The last one has a name that nobody can have taken before.
        let chance = format!("{:016x}", fastrand::u64(..));
        for candidate in candidates(data_dir, runtime_dir, rustix::process::geteuid().as_raw(), Some(&chance)) {
            match ServerSocket::bind_at(&candidate, &link) {
                Ok(bound) => return Ok(bound),
                Err(why) => {
                    tracing::info!(error = %why, path = %candidate.path.display(), "no socket can be made here");
                    error = Some(why);
                }
            }
        }
        Err(error.unwrap_or_else(|| failed(io::ErrorKind::NotFound.into())))
    }

    fn bind_at(candidate: &Candidate, link: &Path) -> Result<Self, SocketError> {
        let path = &candidate.path;
        let failed = |source| SocketError::Io { path: path.clone(), source };
        if let Some(directory) = &candidate.directory {
            // XDG's directory is made at login, and is not ours to make; root's `sudo` may have kept another user's.
            let parent = directory.parent().filter(|parent| *parent != Path::new(SHORT));
            if let Some(parent) = parent.filter(|parent| !data_dir::is_users(parent)) {
                return Err(SocketError::Foreign { path: parent.to_owned() });
            }
            data_dir::prepare_own(directory)?;
        }
        remove(path).map_err(failed)?;
        let listener = UnixListener::bind(path).map_err(failed)?;
        let bound = ServerSocket { listener, path: path.clone(), link: link.to_owned() };
        std::fs::set_permissions(path, Permissions::from_mode(0o600)).map_err(failed)?;
        if path != link {
            match std::os::unix::fs::symlink(path, link) {
                // A file system without links.
                Err(error) if candidate.known => {
                    tracing::info!(%error, link = %link.display(), "no link to the socket");
                }
                linked => linked.map_err(failed)?,
            }
        }
        Ok(bound)
    }

    /// Waits for the next client.
    ///
    /// # Errors
    /// What the system answered; a later call may succeed.
    pub async fn accept(&self) -> io::Result<UnixStream> {
        self.listener.accept().await.map(|(stream, _)| stream)
    }

    /// Where the socket is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for ServerSocket {
    fn drop(&mut self) {
        if let Err(error) = remove(&self.link) {
            tracing::warn!(path = %self.link.display(), %error, "the socket stays behind; the next server replaces it");
        }
        clear(&self.path);
    }
}

/// Connects to the server of `data_dir`.
///
/// # Errors
/// `NotFound` and `ConnectionRefused` when no server listens there; `PermissionDenied` when somebody else does.
pub async fn connect(data_dir: &Path) -> io::Result<UnixStream> {
    let (data_dir, user) = (&real(data_dir), rustix::process::geteuid().as_raw());
    let target = std::fs::read_link(link(data_dir)).ok();
    let known = candidates(data_dir, None, user, None).into_iter().map(|candidate| candidate.path);
    let mut absent = io::Error::from(io::ErrorKind::NotFound);
    for path in target.into_iter().chain(known) {
        match UnixStream::connect(&path).await {
            Ok(stream) => return trusted(stream, &path, data_dir, user),
            Err(error) if is_absent(&error) => absent = error,
            Err(error) => return Err(error),
        }
    }
    Err(absent)
}

/// Whether the error means that no server listens: there is none, or it was killed while it took the connection.
#[must_use]
pub fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::NotADirectory
            | io::ErrorKind::ConnectionReset
    )
}

/// Refuses a server of somebody else, who may have put a socket where a dead server had one.
fn trusted(stream: UnixStream, path: &Path, data_dir: &Path, user: u32) -> io::Result<UnixStream> {
    let peer = stream.peer_cred()?.uid();
    let owner = data_dir.metadata().ok().map(|metadata| metadata.uid());
    if [Some(user), Some(0), owner].contains(&Some(peer)) {
        return Ok(stream);
    }
    let text = format!("the server at {} belongs to user {peer}, not to this one", path.display());
    Err(io::Error::new(io::ErrorKind::PermissionDenied, text))
}

/// The one path of a data directory: both ends go by it, whether or not they came through links.
fn real(data_dir: &Path) -> PathBuf {
    data_dir.canonicalize().unwrap_or_else(|_| data_dir.to_owned())
}

fn link(data_dir: &Path) -> PathBuf {
    data_dir.join("muster.sock")
}

/// Where the socket may be, best first: the runtime directory, the data directory, `/tmp`, and there a directory named by
/// chance, for when another user has taken the other name. What is too long for an address is left out.
fn candidates(data_dir: &Path, runtime_dir: Option<&Path>, user: u32, chance: Option<&str>) -> Vec<Candidate> {
    let name = format!("{:016x}.sock", xxh3_64(data_dir.as_os_str().as_encoded_bytes()));
    let within =
        |directory: PathBuf, known| Candidate { path: directory.join(&name), directory: Some(directory), known };
    let runtime = runtime_dir.map(|dir| within(dir.join("muster"), false));
    let own = Candidate { path: link(data_dir), directory: None, known: true };
    let short = within(Path::new(SHORT).join(format!("muster-{user}")), true);
    let by_chance = chance.map(|chance| within(Path::new(SHORT).join(format!("muster-{user}-{chance}")), false));
    let all = runtime.into_iter().chain([own, short]).chain(by_chance);
    all.filter(|candidate| candidate.path.as_os_str().len() <= MAX_PATH).collect()
}

/// Removes a socket, and its directory where that was made for it alone.
fn clear(socket: &Path) {
    if socket.extension().is_none_or(|extension| extension != "sock") {
        return;
    }
    if let Err(error) = remove(socket) {
        tracing::info!(path = %socket.display(), %error, "a socket stays behind");
    }
    let own = format!("muster-{}-", rustix::process::geteuid().as_raw());
    let directory = socket.parent().filter(|directory| directory.parent() == Some(Path::new(SHORT)));
    let by_chance =
        directory.and_then(Path::file_name).and_then(|name| name.to_str()).map(|name| name.starts_with(&own));
    if let (Some(directory), Some(true)) = (directory, by_chance)
        && let Err(error) = std::fs::remove_dir(directory)
    {
        tracing::debug!(path = %directory.display(), %error, "a socket's directory stays behind");
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
