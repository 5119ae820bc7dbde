//! The rules for writes that outlast a server which a person started.
//!
//! Such a server ends by a signal, as that of a unit does, or by `muster stop`, and a client that is still there starts the next one.
//! A client decides on no rules for others, so its server gets those that are kept here, until a person says otherwise: with a server
//! of their own that permits writes, or with `muster stop --forget-rules`.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::json_file;

/// The name of the file in the data directory.
const FILE: &str = "rules.json";
/// The flag of a server that permits no writes.
const NO_WRITES: &str = "--allow-writes=false";

/// The flags of the rules for writes that the next server of a data directory has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptRules {
    /// The flags, which say also which tools are offered.
    pub flags: Vec<String>,
}

impl KeptRules {
    /// Reads what `data_dir` keeps; `None` where it keeps nothing. Rules that cannot be read could forbid anything, so that they permit
    /// no writes.
    #[must_use]
    pub fn read(data_dir: &Path) -> Option<Self> {
        let text = match fs::read(data_dir.join(FILE)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            read => read,
        };
        let kept = text.and_then(|text| Ok(serde_json::from_slice::<KeptRules>(&text)?));
        Some(kept.unwrap_or_else(|error| {
            tracing::warn!(%error, file = FILE, "the rules for writes of the server before cannot be read, so that no writes are permitted");
            KeptRules { flags: vec![NO_WRITES.to_owned()] }
        }))
    }

    /// Writes it to `data_dir`.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, data_dir: &Path) -> io::Result<()> {
        json_file::write(&data_dir.join(FILE), self)
    }

    /// Removes what `data_dir` keeps. Returns whether there was something.
    ///
    /// # Errors
    /// When the file cannot be removed.
    pub fn forget(data_dir: &Path) -> io::Result<bool> {
        json_file::remove(&data_dir.join(FILE))
    }

    /// The arguments of a server with these flags in place of those of the same names.
    #[must_use]
    pub fn given_to(&self, arguments: &[OsString]) -> Vec<OsString> {
        let is_replaced = |name: &str| name.starts_with("--") && self.flags.iter().any(|flag| name_of(flag) == name);
        let (mut made, mut words) = (Vec::new(), arguments.iter().peekable());
        while let Some(word) = words.next() {
            match word.to_str() {
                Some(flag) if is_replaced(name_of(flag)) => {
                    if !flag.contains('=') {
                        // Its value goes with it.
                        words.next_if(|next| !is_flag(next));
                    }
                }
                _ => made.push(word.clone()),
            }
        }
        made.extend(self.flags.iter().map(OsString::from));
        made
    }
}

fn name_of(flag: &str) -> &str {
    flag.split_once('=').map_or(flag, |(name, _)| name)
}

fn is_flag(word: &OsStr) -> bool {
    word.as_encoded_bytes().starts_with(b"--")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(line: &str) -> KeptRules {
        KeptRules { flags: line.split(' ').map(str::to_owned).collect() }
    }

    #[test]
    fn rules_are_read_back_until_they_are_forgotten_and_what_cannot_be_read_permits_nothing() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(KeptRules::read(dir.path()), None);
        let rules = kept("--allow-writes --write-tag=mcp-managed=true");
        rules.write(dir.path()).unwrap();
        assert_eq!(KeptRules::read(dir.path()), Some(rules));
        fs::write(dir.path().join(FILE), "{").unwrap();
        assert_eq!(KeptRules::read(dir.path()), Some(kept(NO_WRITES)));
        assert!(KeptRules::forget(dir.path()).unwrap());
        assert!(!KeptRules::forget(dir.path()).unwrap());
        assert_eq!(KeptRules::read(dir.path()), None);
    }

    #[test]
    fn kept_rules_take_the_place_of_what_a_client_gives_its_server() {
        let given: Vec<OsString> = "serve --detached --allow-writes --list all --audit-file /a --data-dir /d"
            .split(' ')
            .map(Into::into)
            .collect();
        let made = kept("--allow-writes=snapshot --write-tag=a=b --audit-file /b --audit-required").given_to(&given);
        let expected = "serve --detached --list all --data-dir /d --allow-writes=snapshot --write-tag=a=b --audit-file /b --audit-required";
        assert_eq!(made, expected.split(' ').map(OsString::from).collect::<Vec<_>>());
    }
}
