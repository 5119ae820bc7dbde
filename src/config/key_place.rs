//! The place of a server whose credentials are keys in the environment.

use std::path::PathBuf;

/// What is known of such a place before AWS was asked whose the keys are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPlace {
    /// The directory of this key alone.
    pub own: PathBuf,
    /// Names everything else that selects the account and its regions, in 16 hexadecimal digits.
    pub selection: String,
}

impl KeyPlace {
    /// The directory of the pointers that tell where keys lead.
    #[must_use]
    pub fn pointers(&self) -> PathBuf {
        self.own.with_file_name("by-key")
    }
}
