//! The directory of a server whose credentials are keys in the environment.

use std::path::PathBuf;

/// What is known of that directory before STS says whose the keys are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPlace {
    /// The directory that only this key uses.
    pub own: PathBuf,
    /// A hash of everything else that selects the account and its regions, in 16 hexadecimal digits.
    pub selection: String,
}

impl KeyPlace {
    /// Returns the directory of the pointers from keys to directories.
    #[must_use]
    pub fn pointers(&self) -> PathBuf {
        self.own.with_file_name("by-key")
    }
}
