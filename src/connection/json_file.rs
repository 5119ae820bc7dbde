//! A small file of JSON in the data directory, which is replaced as a whole.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use serde::Serialize;

/// Writes `content` to `path`, durably: after a crash the old content is there or the new one. Only the user may read it.
///
/// # Errors
/// When it cannot be written; the old content stays.
pub(super) fn write(path: &Path, content: &impl Serialize) -> io::Result<()> {
    let draft = path.with_extension(format!("json.{}", std::process::id()));
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
    file.write_all(&serde_json::to_vec(content)?)?;
    file.sync_all()?;
    fs::rename(draft, path)?;
    match path.parent().map(fs::File::open) {
        Some(Ok(directory)) => directory.sync_all(),
        // A directory that only lets files be made in it cannot be opened.
        Some(Err(_)) | None => Ok(()),
    }
}

/// Removes the file. Returns whether it was there.
///
/// # Errors
/// When it cannot be removed.
pub(super) fn remove(path: &Path) -> io::Result<bool> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_as_a_whole_and_leaves_no_draft() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("facts.json");
        for content in ["a long first content", "new"] {
            write(&path, &content).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), format!("\"{content}\""));
        }
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        assert!(remove(&path).unwrap() && !remove(&path).unwrap());
    }
}
