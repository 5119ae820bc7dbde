//! The key of the marks that stand in place of secrets in tags: a file in the data directory, beside the store and not in it, so
//! that no backup or export holds it.
//!
//! Without the file, or with one that is damaged, a new key is made: then each redacted tag shows one change that did not happen in
//! AWS, without telling anything. That is better than no inventory.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use ring::rand::{SecureRandom, SystemRandom};

use crate::model::secret_tags::MarkKey;

/// The name of the file.
const NAME: &str = "redaction.key";

/// The key of a data directory, made on first use.
pub(super) fn key(data_dir: &Path) -> MarkKey {
    let path = data_dir.join(NAME);
    match read(&path) {
        Ok(Some(key)) => return key,
        Ok(None) => {}
        Err(error) => tracing::warn!(path = %path.display(), %error, "the key of redacted tags cannot be read"),
    }
    let mut key = MarkKey::default();
    if SystemRandom::new().fill(&mut key).is_err() {
        tracing::warn!("the system gives no random bytes: redacted tags are marked with a weak key");
        for byte in &mut key {
            *byte = fastrand::u8(..);
        }
    }
    if let Err(error) = write(&path, &key) {
        tracing::warn!(
            path = %path.display(), %error,
            "the key of redacted tags cannot be kept: after the next start each of these tags shows a change"
        );
    }
    key
}

/// The key in a file; `None` where there is no file, or no key in it.
fn read(path: &Path) -> io::Result<Option<MarkKey>> {
    match fs::read(path) {
        Ok(bytes) => Ok(bytes.try_into().ok()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Puts the key into a file that only its owner can read, whole or not at all.
fn write(path: &Path, key: &MarkKey) -> io::Result<()> {
    let new = path.with_extension("new");
    let mut file: File = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    file.write_all(key)?;
    file.sync_all()?;
    fs::rename(&new, path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_key_is_made_once_for_its_owner_only() {
        let dir = tempfile::tempdir().unwrap();
        let made = key(dir.path());
        assert_ne!(made, MarkKey::default());
        assert_eq!(key(dir.path()), made);
        let permissions = fs::metadata(dir.path().join(NAME)).unwrap().permissions();
        assert_eq!(permissions.mode() & 0o777, 0o600);
        let other = tempfile::tempdir().unwrap();
        assert_ne!(key(other.path()), made);
    }

    #[test]
    fn a_damaged_or_unwritable_key_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(NAME), "short").unwrap();
        let made = key(dir.path());
        assert_eq!(key(dir.path()), made);
        let nowhere = dir.path().join("nothing");
        assert_ne!(key(&nowhere), key(&nowhere), "it holds for this process only");
    }
}
