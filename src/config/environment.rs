//! The variables and directories that configuration depends on, captured once.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use etcetera::BaseStrategy;

/// What decides which account the SDK's credential chain ends at. Of credentials only the key id is read: it tells
/// accounts apart and is not a secret.
pub const SELECTING: [&str; 9] = [
    "AWS_PROFILE",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_EC2",
    "AWS_ACCESS_KEY_ID",
    "AWS_ROLE_ARN",
    "AWS_CONFIG_FILE",
    "AWS_SHARED_CREDENTIALS_FILE",
];

/// A process's surroundings. [`Environment::capture`] is the only reader.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment {
    variables: BTreeMap<&'static str, String>,
    state_home: Option<PathBuf>,
    runtime_dir: Option<PathBuf>,
    current_dir: PathBuf,
}

impl Environment {
    /// Reads the [`SELECTING`] variables and the XDG directories of this process.
    #[must_use]
    pub fn capture() -> Self {
        let strategy = etcetera::choose_base_strategy().ok();
        let variables = SELECTING.iter().filter_map(|name| Some((*name, std::env::var(name).ok()?)));
        Environment {
            variables: variables.collect(),
            state_home: strategy
                .as_ref()
                .map(|dirs| dirs.state_dir().unwrap_or_else(|| dirs.home_dir().join(".local/state"))),
            runtime_dir: strategy.as_ref().and_then(BaseStrategy::runtime_dir),
            // Where it was removed, a relative path stays one, and whoever uses it is told that there is no such place.
            current_dir: std::env::current_dir().unwrap_or_default(),
        }
    }

    /// The value of one of the [`SELECTING`] variables. Empty means unset: client configurations often carry blanks.
    #[must_use]
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// XDG's state directory (`~/.local/state`); `None` without a home directory.
    #[must_use]
    pub fn state_home(&self) -> Option<&Path> {
        self.state_home.as_deref()
    }

    /// XDG's runtime directory, if set. MCP clients commonly start servers without it.
    #[must_use]
    pub fn runtime_dir(&self) -> Option<&Path> {
        self.runtime_dir.as_deref()
    }

    /// `path` as seen from the process's working directory.
    #[must_use]
    pub fn absolute(&self, path: &Path) -> PathBuf {
        self.current_dir.join(path)
    }

    #[cfg(test)]
    pub(crate) fn of(variables: &[(&'static str, &str)], state_home: Option<&str>) -> Self {
        Environment {
            variables: variables.iter().map(|(name, value)| (*name, (*value).to_owned())).collect(),
            state_home: state_home.map(PathBuf::from),
            runtime_dir: None,
            current_dir: PathBuf::from("/work"),
        }
    }
}
