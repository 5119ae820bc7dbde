//! The Unix socket of a data directory's server.
//!
//! `muster.sock` in the data directory is the socket or a link to it, so clients need to know nothing but the data
//! directory. The socket itself lies in XDG's runtime directory when the server knows one: clients often do not, as
//! many are started without `XDG_RUNTIME_DIR`. Where that does not work the data directory itself is next, and for paths
//! beyond the about 104 bytes of a Unix socket's address a private directory in `/tmp`.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tokio::net::{UnixListener, UnixStream};
use xxhash_rust::xxh3::xxh3_64;

use super::data_dir::{self, DataDirError};
use super::lock::Lock;

/// The longest socket path that every supported system accepts (macOS: 104 bytes with the terminating zero).
const LONGEST: usize = 103;

/// A listening socket. Dropping it removes the files; drop it before the [`Lock`].
#[derive(Debug)]
pub struct Bound {
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

impl Bound {
    /// Listens for the holder of `lock`, in place of whatever a dead server left behind.
    ///
    /// # Errors
    /// [`SocketError`] of the last place tried, naming the path.
    pub fn bind(_lock: &Lock, data_dir: &Path, runtime_dir: Option<&Path>) -> Result<Self, SocketError> {
        let link = link(data_dir);
        remove(&link).map_err(|source| SocketError::Io { path: link.clone(), source })?;
        let (first, others) = places(data_dir, runtime_dir, rustix::process::geteuid().as_raw());
        others.into_iter().fold(Bound::bind_at(first, &link), |bound, place| {
            bound.or_else(|error| {
                tracing::info!(%error, next = %place.display(), "no socket there");
                Bound::bind_at(place, &link)
            })
        })
    }

    fn bind_at(path: PathBuf, link: &Path) -> Result<Self, SocketError> {
        let failed = |source| SocketError::Io { path: path.clone(), source };
        if let Some(parent) = path.parent() {
            data_dir::prepare(parent)?;
        }
        remove(&path).map_err(failed)?;
        let listener = UnixListener::bind(&path).map_err(failed)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).map_err(failed)?;
        if path != link {
            std::os::unix::fs::symlink(&path, link).map_err(failed)?;
        }
        Ok(Bound { listener, path, link: link.to_owned() })
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

impl Drop for Bound {
    fn drop(&mut self) {
        for path in [&self.link, &self.path] {
            if let Err(error) = remove(path) {
                tracing::warn!(path = %path.display(), %error, "the socket stays behind; the next server replaces it");
            }
        }
    }
}

/// Connects to the server of `data_dir`.
///
/// # Errors
/// `NotFound` and `ConnectionRefused` when no server listens there.
pub async fn connect(data_dir: &Path) -> io::Result<UnixStream> {
    let link = link(data_dir);
    // The link's own path may be too long for an address even where its target is not.
    let target = std::fs::read_link(&link).unwrap_or(link);
    UnixStream::connect(target).await
}

fn link(data_dir: &Path) -> PathBuf {
    data_dir.join("muster.sock")
}

/// Where the socket may go, best first: the runtime directory, the data directory, `/tmp`; those too long left out.
fn places(data_dir: &Path, runtime_dir: Option<&Path>, user: u32) -> (PathBuf, Vec<PathBuf>) {
    let name = format!("{:016x}.sock", xxh3_64(data_dir.as_os_str().as_encoded_bytes()));
    let last = PathBuf::from(format!("/tmp/muster-{user}")).join(&name);
    let runtime = runtime_dir.map(|dir| dir.join("muster").join(&name));
    let mut fitting = runtime.into_iter().chain([link(data_dir)]).filter(|path| path.as_os_str().len() <= LONGEST);
    match fitting.next() {
        Some(first) => (first, fitting.chain([last]).collect()),
        None => (last, Vec::new()),
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_runtime_directory_is_preferred_and_long_paths_fall_back() {
        let long = PathBuf::from("/home").join("x".repeat(120));
        let runtime = Path::new("/run/user/1000");
        assert!(places(&long, Some(runtime), 7).0.starts_with("/run/user/1000/muster"));
        assert_eq!(places(Path::new("/data"), None, 7).0, PathBuf::from("/data/muster.sock"));
        assert!(places(&long, None, 7).0.starts_with("/tmp/muster-7"));
        assert!(places(&long, Some(&long), 7).0.starts_with("/tmp/muster-7"));
    }

    #[test]
    fn two_data_directories_never_share_a_socket() {
        let runtime = Some(Path::new("/run/user/1000"));
        assert_ne!(places(Path::new("/a"), runtime, 7).0, places(Path::new("/b"), runtime, 7).0);
    }

    #[tokio::test]
    async fn a_runtime_directory_that_does_not_exist_is_done_without() {
        let data = tempfile::tempdir().unwrap();
        let lock = Lock::take(data.path()).unwrap();
        let bound = Bound::bind(&lock, data.path(), Some(Path::new("/proc/nowhere"))).unwrap();
        assert_eq!(bound.path(), data.path().join("muster.sock"));
    }

    #[tokio::test]
    async fn a_client_finds_the_socket_through_the_data_directory_alone() {
        let (data, run) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let lock = Lock::take(data.path()).unwrap();
        let bound = Bound::bind(&lock, data.path(), Some(run.path())).unwrap();
        assert!(bound.path().starts_with(run.path()));
        assert_eq!(std::fs::metadata(bound.path()).unwrap().permissions().mode() & 0o777, 0o600);
        let (client, server) = tokio::join!(connect(data.path()), bound.accept());
        client.unwrap();
        server.unwrap();
        drop(bound);
        assert_eq!(connect(data.path()).await.unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[tokio::test]
    async fn what_a_dead_server_left_behind_is_replaced() {
        let data = tempfile::tempdir().unwrap();
        let lock = Lock::take(data.path()).unwrap();
        let dead = Bound::bind(&lock, data.path(), None).unwrap();
        std::mem::forget(dead);
        Bound::bind(&lock, data.path(), None).unwrap();
    }
}
