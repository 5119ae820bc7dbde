//! The trusted certificate authorities: the system's, or those of `AWS_CA_BUNDLE`, as in the AWS CLI.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_smithy_http_client::tls::{TlsContext, TrustStore};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::profiles::{FileFault, Profiles, Weight, at_home};
use crate::model::text::shown;

/// The variable that names a bundle.
pub(super) const VARIABLE: &str = "AWS_CA_BUNDLE";
/// The setting of a profile that names a bundle.
const SETTING: &str = "ca_bundle";

/// Certificate authorities that are trusted instead of the system's.
#[derive(Clone, Debug)]
pub(super) struct Bundle {
    /// What names the bundle, and its file; for people.
    pub(super) source: Arc<str>,
    /// In the form that the HTTP client accepts; the client panics on anything it cannot read.
    pem: String,
}

impl Bundle {
    /// The bundle that the environment or else the profile names; `None` if neither does.
    pub(super) fn find(profiles: &Profiles) -> Option<Result<Self, FileFault>> {
        let variable = std::env::var(VARIABLE).ok().filter(|path| !path.trim().is_empty());
        let (by, path) = match variable {
            Some(path) => (VARIABLE, path),
            None => (SETTING, profiles.setting(SETTING)?.to_owned()),
        };
        let path = at_home(&path);
        let bytes = std::fs::read(&path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => "it does not exist".to_owned(),
            std::io::ErrorKind::IsADirectory => "it is a directory, not a file".to_owned(),
            std::io::ErrorKind::PermissionDenied => "this user may not read it".to_owned(),
            _ => error.to_string(),
        });
        Some(bytes.and_then(|bytes| Bundle::read(by, &path, &bytes)).map_err(|what| FileFault {
            place: shown(&path.to_string_lossy(), 300),
            what: format!("{what} ({} names it as the certificate authorities to trust)", named(by)),
            weight: Weight::Always,
        }))
    }

    fn read(by: &str, path: &Path, bytes: &[u8]) -> Result<Self, String> {
        let mut roots = RootCertStore::empty();
        // Other contents of a bundle (comments, keys, unreadable authorities) are ignored.
        let sound = CertificateDer::pem_slice_iter(bytes).filter_map(Result::ok);
        let sound: Vec<CertificateDer<'_>> = sound.filter(|one| roots.add(one.clone()).is_ok()).collect();
        if sound.is_empty() {
            return Err("it holds no certificate in PEM form".to_owned());
        }
        let pem = sound.iter().map(|one| {
            format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", STANDARD.encode(one.as_ref()))
        });
        let path: PathBuf = path.to_owned();
        let source = format!("{} ({})", named(by), shown(&path.to_string_lossy(), 300));
        Ok(Bundle { source: source.into(), pem: pem.collect() })
    }

    /// The certificates.
    pub(super) fn pem(&self) -> &str {
        &self.pem
    }

    /// The trust settings of an HTTP client.
    pub(super) fn context(bundle: Option<&Self>) -> TlsContext {
        let Some(bundle) = bundle else { return TlsContext::default() };
        let store = TrustStore::empty().with_pem_certificate(bundle.pem.as_bytes());
        TlsContext::builder().with_trust_store(store).build().unwrap_or_default()
    }
}

fn named(by: &str) -> &str {
    if by == SETTING { "ca_bundle of the profile" } else { by }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AUTHORITY: &[u8] = include_bytes!("../../tests/fixtures/tls/authority.pem");

    #[test]
    fn a_bundle_may_hold_more_than_certificates() {
        let odd = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let bundle = [b"# corporate proxy\n\n".as_slice(), odd.as_bytes(), AUTHORITY].concat();
        let read = Bundle::read(VARIABLE, Path::new("/ca.pem"), &bundle).unwrap();
        assert_eq!(&*read.source, "AWS_CA_BUNDLE (/ca.pem)");
        assert_eq!(read.pem.matches("BEGIN").count(), 1);
        Bundle::context(Some(&read));
    }

    #[test]
    fn a_file_without_certificates_is_no_bundle() {
        for bytes in [&b""[..], b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", b"\x30\x82\x01"] {
            let error = Bundle::read(SETTING, Path::new("/ca.pem"), bytes).unwrap_err();
            assert!(error.contains("no certificate"), "{error}");
        }
    }
}
