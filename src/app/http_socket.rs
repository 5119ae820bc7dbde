//! The Unix socket of HTTP, which only its owner can connect to.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::Mode;
use rustix::process::umask;
use tokio::net::{UnixListener, UnixStream};

/// The file of a socket, which is removed with this value.
#[derive(Debug)]
pub(super) struct HttpSocket {
    path: PathBuf,
    /// Tells it from one that somebody else put in its place.
    mark: (u64, i64, i64),
}

impl HttpSocket {
    /// Listens on a socket at `path`. One that a server left behind is replaced.
    ///
    /// # Errors
    /// When another server listens there, something else stands there, or the system refuses.
    pub(super) async fn bind(path: &Path) -> io::Result<(UnixListener, HttpSocket)> {
        if let Ok(there) = std::fs::symlink_metadata(path) {
            if !there.file_type().is_socket() {
                return Err(io::Error::new(io::ErrorKind::AlreadyExists, "something else than a socket stands there"));
            }
            if UnixStream::connect(path).await.is_ok() {
                return Err(io::Error::new(io::ErrorKind::AddrInUse, "another server listens there"));
            }
            std::fs::remove_file(path)?;
        }
        // From the first moment on nobody else may connect.
        let before = umask(Mode::RWXG | Mode::RWXO);
        let bound = UnixListener::bind(path);
        umask(before);
        let mark = mark(&std::fs::symlink_metadata(path)?);
        Ok((bound?, HttpSocket { path: path.to_owned(), mark }))
    }
}

impl Drop for HttpSocket {
    fn drop(&mut self) {
        if std::fs::symlink_metadata(&self.path).is_ok_and(|there| mark(&there) == self.mark) {
            drop(std::fs::remove_file(&self.path));
        }
    }
}

/// Tells one file from another that stands in its place: the number alone would not, as it is given again.
fn mark(file: &Metadata) -> (u64, i64, i64) {
    (file.ino(), file.ctime(), file.ctime_nsec())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[tokio::test]
    async fn a_socket_is_its_owners_replaces_one_that_was_left_and_goes_with_its_server() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("http.sock");
        let (listener, socket) = HttpSocket::bind(&path).await.unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(HttpSocket::bind(&path).await.unwrap_err().kind(), io::ErrorKind::AddrInUse);
        drop(listener);
        // The times of files are coarse.
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        let (_listener, other) = HttpSocket::bind(&path).await.expect("nobody listens");
        drop(socket);
        assert!(path.exists(), "it is another one's");
        drop(other);
        assert!(!path.exists());
        std::fs::write(&path, "text").unwrap();
        assert_eq!(HttpSocket::bind(&path).await.unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    }
}
