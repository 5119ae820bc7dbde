//! An authority of certificates for servers on this machine. Each test makes its own.

use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

/// An authority, with the directory that everything is written in.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    directory: PathBuf,
}

/// The files of a certificate and its key.
#[derive(Clone)]
pub(crate) struct Signed {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

/// A connection by TLS.
pub(crate) type Tls = StreamOwned<ClientConnection, TcpStream>;

impl Authority {
    /// One that writes in this directory.
    pub(crate) fn new(directory: &Path) -> Authority {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "An authority of tests");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages =
            vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let authority = Authority { issuer, directory: directory.to_owned() };
        fs::write(authority.file(), authority.issuer.pem()).unwrap();
        authority
    }

    /// The file of its own certificate, for those who trust it.
    pub(crate) fn file(&self) -> PathBuf {
        self.directory.join("authority.pem")
    }

    /// Signs a new certificate of a server on this machine, and writes it over the one of this name, with its key.
    pub(crate) fn sign(&self, name: &str) -> Signed {
        let mut params = CertificateParams::new(["127.0.0.1".to_owned(), "localhost".to_owned()]).unwrap();
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let [path, key_path] = ["pem", "key"].map(|end| self.directory.join(format!("{name}.{end}")));
        fs::write(&path, certificate.pem()).unwrap();
        fs::write(&key_path, key.serialize_pem()).unwrap();
        Signed { certificate: path, key: key_path }
    }

    /// A connection that trusts this authority and nobody else.
    pub(crate) fn connect(&self, address: &str) -> Tls {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = config.with_root_certificates(roots).with_no_client_auth();
        let connection = ClientConnection::new(Arc::new(config), ServerName::try_from("localhost").unwrap()).unwrap();
        StreamOwned::new(connection, TcpStream::connect(address).unwrap())
    }
}

impl Signed {
    /// The flags of a server with this certificate.
    pub(crate) fn flags(&self) -> [&str; 4] {
        ["--tls-cert", self.certificate.to_str().unwrap(), "--tls-key", self.key.to_str().unwrap()]
    }
}

/// The certificate that the server shows, once the connection has been written to.
pub(crate) fn shown(connection: &Tls) -> CertificateDer<'static> {
    connection.conn.peer_certificates().and_then(<[_]>::first).expect("a certificate").clone().into_owned()
}
