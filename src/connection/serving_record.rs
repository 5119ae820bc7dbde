//! With which flags a data directory is served, for whoever has to start a server because that one died.
//!
//! A server writes it once it has the lock, in place of that of the server before, and removes it when somebody ends it. Where it is
//! still there and no server is, that one was killed or failed: the front end that starts the next one gives it the same flags, so that
//! clients over HTTP find it where it was, and nobody may change more than before.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::json_file;

/// The name of the file in the data directory.
const FILE: &str = "serving.json";
/// The most that is read of it.
const MAX_FILE: u64 = 64 << 10;
/// How the arguments of a server that a front end starts begin.
pub const DETACHED: [&str; 2] = ["serve", "--detached"];

/// What the server of a data directory was started with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServingRecord {
    /// The arguments of a detached server with the same settings, without the data directory and `--http`.
    pub arguments: Vec<String>,
    /// Where it serves HTTP, with the port that it really has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<SocketAddr>,
    /// Whether a person chose the flags with `muster restart`, so that they outlast a server that ended because nobody needed it.
    #[serde(default)]
    pub is_chosen: bool,
}

impl ServingRecord {
    /// Reads what `data_dir` says; `None` where it says nothing that can be used.
    #[must_use]
    pub fn read(data_dir: &Path) -> Option<Self> {
        let path = data_dir.join(FILE);
        let is_small = fs::symlink_metadata(&path).is_ok_and(|file| file.is_file() && file.len() <= MAX_FILE);
        let text = fs::read(path).ok().filter(|_| is_small)?;
        let record: ServingRecord = serde_json::from_slice(&text).ok()?;
        let is_detached = record.arguments.iter().take(DETACHED.len()).map(String::as_str).eq(DETACHED);
        is_detached.then_some(record)
    }

    /// Writes it to `data_dir`.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, data_dir: &Path) -> io::Result<()> {
        json_file::write(&data_dir.join(FILE), self)
    }

    /// Removes what `data_dir` says. Returns whether there was something.
    ///
    /// # Errors
    /// When the file cannot be removed.
    pub fn forget(data_dir: &Path) -> io::Result<bool> {
        json_file::remove(&data_dir.join(FILE))
    }

    /// The arguments of a server of `data_dir` with these flags.
    #[must_use]
    pub fn words(&self, data_dir: &str) -> Vec<String> {
        let http = self.http.iter().flat_map(|address| ["--http".to_owned(), address.to_string()]);
        let place = ["--data-dir".to_owned(), data_dir.to_owned()];
        self.arguments.iter().cloned().chain(http).chain(place).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_back_until_it_is_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(ServingRecord::read(dir.path()), None);
        let arguments = [&DETACHED[..], &["--list", "all"]].concat().into_iter().map(str::to_owned).collect();
        let http = Some("127.0.0.1:8377".parse().unwrap());
        let record = ServingRecord { arguments, http, is_chosen: false };
        record.write(dir.path()).unwrap();
        assert_eq!(ServingRecord::read(dir.path()).as_ref(), Some(&record));
        let words = record.words("/d");
        assert_eq!(words.join(" "), "serve --detached --list all --http 127.0.0.1:8377 --data-dir /d");
        assert!(ServingRecord::forget(dir.path()).unwrap());
        assert!(!ServingRecord::forget(dir.path()).unwrap());
        assert_eq!(ServingRecord::read(dir.path()), None);
    }

    #[test]
    fn what_starts_no_server_is_not_used() {
        let dir = tempfile::tempdir().unwrap();
        for text in ["", "{", r#"{"arguments": ["simulate"]}"#, r#"{"arguments": ["serve", "--http", "x"]}"#] {
            fs::write(dir.path().join(FILE), text).unwrap();
            assert_eq!(ServingRecord::read(dir.path()), None, "{text}");
        }
    }
}
