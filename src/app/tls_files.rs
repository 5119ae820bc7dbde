//! The certificate of HTTP and its key: read at the start, and again when their files change.

use std::convert::Infallible;
use std::fmt;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use crate::mcp::transport::TlsConfig;
use crate::model::text::chain;

/// How often it is looked whether the files have changed.
const LOOK: Duration = Duration::from_secs(5);

/// The protocols that are offered inside TLS.
const PROTOCOLS: [&[u8]; 1] = [b"http/1.1"];

/// The files of a certificate and its key, and what was read of them. Clones share it.
#[derive(Clone)]
pub struct TlsFiles(Arc<SharedTls>);

struct SharedTls {
    certificate: PathBuf,
    key: PathBuf,
    config: TlsConfig,
    /// The files when they were read last.
    seen: Mutex<[Option<FileMark>; 2]>,
}

/// Tells one state of a file from another, as far as can be seen from outside.
type FileMark = (u64, u64, i64, i64);

/// Why a certificate or its key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("the file {} of --{flag} cannot be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Which it is.
        flag: &'static str,
        /// What the system answered.
        #[source]
        source: io::Error,
    },
    /// A file is not what it should be.
    #[error("the file {} of --{flag} holds no {wanted}: it has to be PEM, with a block that begins with -----BEGIN", path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// Which it is.
        flag: &'static str,
        /// What it should hold.
        wanted: &'static str,
        /// What is wrong with it.
        #[source]
        source: pem::Error,
    },
    /// They do not fit each other, or cannot be used.
    #[error("the certificate {} cannot be used with the key {}", certificate.display(), key.display())]
    Unusable {
        /// The file of the certificate.
        certificate: PathBuf,
        /// The file of the key.
        key: PathBuf,
        /// What is wrong with them.
        #[source]
        source: rustls::Error,
    },
}

impl fmt::Debug for TlsFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsFiles").field("certificate", &self.0.certificate).field("key", &self.0.key).finish()
    }
}

impl TlsFiles {
    /// Reads a certificate, with those of its issuers behind it, and its key.
    ///
    /// # Errors
    /// Why they cannot be used.
    pub fn open(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        let seen = Mutex::new([certificate, key].map(mark));
        let config = Arc::new(ArcSwap::from_pointee(read(certificate, key)?));
        if std::fs::metadata(key).is_ok_and(|file| file.mode() & 0o077 != 0) {
            tracing::warn!(key = %key.display(), "others than its owner can read the key of HTTP: chmod 600 keeps them out");
        }
        Ok(TlsFiles(Arc::new(SharedTls { certificate: certificate.to_owned(), key: key.to_owned(), config, seen })))
    }

    /// The file of the certificate.
    #[must_use]
    pub fn certificate(&self) -> &Path {
        &self.0.certificate
    }

    /// What connections are accepted with, always as it was read last.
    #[must_use]
    pub fn config(&self) -> TlsConfig {
        Arc::clone(&self.0.config)
    }

    /// Reads the files again. New connections get what they hold now; where that cannot be used, they get what they got before.
    ///
    /// # Errors
    /// Why the files cannot be used.
    pub fn reload(&self) -> Result<(), TlsError> {
        let SharedTls { certificate, key, config, seen } = &*self.0;
        *seen.lock() = [certificate, key].map(|path| mark(path));
        config.store(Arc::new(read(certificate, key)?));
        Ok(())
    }

    /// Reads the files again whenever they have changed, for ever. A pair that is replaced one after the other is read when both are.
    pub async fn follow(self) -> Infallible {
        loop {
            sleep(LOOK).await;
            let files = self.clone();
            let looked = spawn_blocking(move || {
                let SharedTls { certificate, key, seen, .. } = &*files.0;
                let is_other = *seen.lock() != [certificate, key].map(|path| mark(path));
                is_other.then(|| files.reload())
            });
            match looked.await {
                Ok(Some(Ok(()))) => tracing::info!(files = ?self, "HTTP has another certificate from now on"),
                Ok(Some(Err(error))) => {
                    tracing::error!(error = %chain(&error), "HTTP goes on with the certificate that it had");
                }
                Ok(None) | Err(_) => {}
            }
        }
    }
}

/// The state of a file; `None` where there is none.
fn mark(path: &Path) -> Option<FileMark> {
    let file = std::fs::metadata(path).ok()?;
    Some((file.ino(), file.len(), file.mtime(), file.mtime_nsec()))
}

fn read(certificate: &Path, key: &Path) -> Result<ServerConfig, TlsError> {
    let text = |path: &Path, flag| {
        std::fs::read(path).map_err(|source| TlsError::Read { path: path.to_owned(), flag, source })
    };
    let no = |path: &Path, flag, wanted, source| TlsError::Pem { path: path.to_owned(), flag, wanted, source };
    let chain = text(certificate, "tls-cert")?;
    let read: Result<Vec<CertificateDer<'static>>, pem::Error> = CertificateDer::pem_slice_iter(&chain).collect();
    let read = read.and_then(|chain| if chain.is_empty() { Err(pem::Error::NoItemsFound) } else { Ok(chain) });
    let chain = read.map_err(|source| no(certificate, "tls-cert", "certificate", source))?;
    let private = PrivateKeyDer::from_pem_slice(&text(key, "tls-key")?);
    let private = private.map_err(|source| no(key, "tls-key", "private key", source))?;
    let unusable = |source| TlsError::Unusable { certificate: certificate.to_owned(), key: key.to_owned(), source };
    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().map_err(unusable)?;
    let mut config = builder.with_no_client_auth().with_single_cert(chain, private).map_err(unusable)?;
    config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).into();
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TLS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/tls");

    #[test]
    fn what_cannot_be_used_is_said_with_its_file_and_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let [cert, key] = ["cert.pem", "key.pem"].map(|name| dir.path().join(name));
        let copy = |name: &str, to: &Path| assert!(std::fs::copy(Path::new(TLS).join(name), to).is_ok(), "{name}");
        assert!(TlsFiles::open(&cert, &key).unwrap_err().to_string().contains("cert.pem of --tls-cert cannot be read"));
        copy("server.pem", &cert);
        copy("server.key", &key);
        let files = TlsFiles::open(&cert, &key).unwrap();
        let before = files.config().load_full();
        for (name, to, why) in [
            ("other.pem", &cert, "cannot be used with the key"),
            ("server.key", &cert, "holds no certificate"),
            ("README", &key, "holds no private key"),
        ] {
            copy("server.pem", &cert);
            copy("server.key", &key);
            copy(name, to);
            let error = files.reload().unwrap_err().to_string();
            assert!(error.contains(why), "{name}: {error}");
            assert!(Arc::ptr_eq(&files.config().load_full(), &before), "{name}");
        }
        copy("server.pem", &cert);
        copy("server.key", &key);
        files.reload().unwrap();
        assert!(!Arc::ptr_eq(&files.config().load_full(), &before));
    }

    #[tokio::test(start_paused = true)]
    async fn files_that_change_are_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let [cert, key] = ["cert.pem", "key.pem"].map(|name| dir.path().join(name));
        let copy = |name: &str, to: &Path| assert!(std::fs::copy(Path::new(TLS).join(name), to).is_ok(), "{name}");
        copy("server.pem", &cert);
        copy("server.key", &key);
        let files = TlsFiles::open(&cert, &key).unwrap();
        let before = files.config().load_full();
        let changed = async {
            std::fs::remove_file(&cert).unwrap();
            copy("server.pem", &cert);
            while Arc::ptr_eq(&files.config().load_full(), &before) {
                sleep(Duration::from_millis(100)).await;
            }
        };
        tokio::select! {
            never = files.clone().follow() => match never {},
            () = changed => {}
        }
    }
}
