//! Captures the variables and directories that the configuration depends on.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use etcetera::BaseStrategy;

use super::client_proxies::ClientProxies;
use super::path_expansion::{PathContext, expanded, home_in};
use super::tidy::{self, TidiedVariables};

/// The variables that decide which account the SDK's credential chain leads to. Of credentials only the key id is read: it
/// distinguishes accounts and is not a secret.
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

/// The variables among them that name an endpoint.
pub(super) const OF_ENDPOINT: [&str; 2] = ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_EC2"];

/// The variable that has clients of AWS leave those of endpoints aside.
const IGNORING: &str = "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS";

/// The secret that belongs to `AWS_ACCESS_KEY_ID`.
const SECRET: &str = "AWS_SECRET_ACCESS_KEY";

/// The environment of a process. Only [`Environment::capture`] reads it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment {
    variables: BTreeMap<&'static str, String>,
    /// Whether the secret of the key is set. The secret itself is not kept.
    has_secret: bool,
    /// Whether the variables of endpoints are ignored.
    ignores_endpoints: bool,
    proxies: ClientProxies,
    /// The `MUSTER_*` variables, so that an error can name the one that holds a value.
    given: BTreeMap<String, String>,
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
            has_secret: std::env::var(SECRET).is_ok_and(|secret| !tidy::bare(&secret).is_empty()),
            ignores_endpoints: std::env::var(IGNORING).is_ok_and(|value| is_true(&value)),
            proxies: ClientProxies::read(&|name| std::env::var(name).ok()),
            given: texts().into_iter().filter(|(name, _)| name.starts_with("MUSTER_")).collect(),
            state_home: strategy
                .as_ref()
                .map(|dirs| dirs.state_dir().unwrap_or_else(|| dirs.home_dir().join(".local/state"))),
            runtime_dir: strategy.as_ref().and_then(BaseStrategy::runtime_dir),
            // If the directory was removed, relative paths stay relative, and using them fails.
            current_dir: std::env::current_dir().unwrap_or_default(),
        }
    }

    /// Returns the value of one of the [`SELECTING`] variables. Blank means unset, since client configurations often have blanks.
    #[must_use]
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(|value| tidy::bare(value)).filter(|value| !value.is_empty())
    }

    /// Whether `AWS_SECRET_ACCESS_KEY` is set, and not blank.
    #[must_use]
    pub fn has_secret(&self) -> bool {
        self.has_secret
    }

    /// Whether clients of AWS with this environment leave the variables of endpoints aside.
    #[must_use]
    pub fn ignores_endpoints(&self) -> bool {
        self.ignores_endpoints
    }

    /// The proxies that clients of AWS with this environment ask.
    #[must_use]
    pub fn proxies(&self) -> &ClientProxies {
        &self.proxies
    }

    /// Whether a variable names another endpoint than AWS's own.
    #[must_use]
    pub fn has_endpoint(&self) -> bool {
        OF_ENDPOINT.iter().any(|name| self.variable(name).is_some())
    }

    /// This environment with nothing but its endpoint, to judge a configuration file by itself.
    #[must_use]
    pub fn with_endpoint_only(&self) -> Self {
        let variables = self.variables.iter().filter(|(name, _)| OF_ENDPOINT.contains(name));
        Environment {
            variables: variables.map(|(name, value)| (*name, value.clone())).collect(),
            has_secret: false,
            given: BTreeMap::new(),
            ..self.clone()
        }
    }

    /// Returns the name of what holds `value`: the `MUSTER_*` variable of `flag` if it holds it, else the flag.
    #[must_use]
    pub fn source(&self, flag: &str, value: &str) -> String {
        let variable = format!("MUSTER_{}", flag.trim_start_matches('-').replace('-', "_").to_uppercase());
        let holds = |held: &String| held.split(',').any(|entry| tidy::bare(entry) == value) || held == value;
        if self.given.get(&variable).is_some_and(holds) { variable } else { flag.to_owned() }
    }

    /// Returns XDG's state directory (`~/.local/state`); `None` without a home directory.
    #[must_use]
    pub fn state_home(&self) -> Option<&Path> {
        self.state_home.as_deref()
    }

    /// Returns XDG's runtime directory, if it is set. MCP clients often start servers without it.
    #[must_use]
    pub fn runtime_dir(&self) -> Option<&Path> {
        self.runtime_dir.as_deref()
    }

    /// Makes `path` absolute. A `~` or `$HOME` that no shell replaced is replaced.
    #[must_use]
    pub fn absolute(&self, path: &Path) -> PathBuf {
        let path =
            path.to_str().map_or_else(|| path.to_owned(), |text| with_known(|known| expanded(text, known)).into());
        self.current_dir.join(path)
    }

    #[cfg(test)]
    pub(crate) fn of(variables: &[(&'static str, &str)], state_home: Option<&str>) -> Self {
        Environment {
            variables: variables.iter().map(|(name, value)| (*name, (*value).to_owned())).collect(),
            has_secret: variables.iter().any(|(name, value)| *name == SECRET && !tidy::bare(value).is_empty()),
            ignores_endpoints: variables.iter().any(|(name, value)| *name == IGNORING && is_true(value)),
            proxies: ClientProxies::read(&|name| {
                variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
            }),
            given: BTreeMap::new(),
            state_home: state_home.map(PathBuf::from),
            runtime_dir: None,
            current_dir: PathBuf::from("/work"),
        }
    }
}

/// Whether the value of a variable of AWS's clients is yes.
fn is_true(value: &str) -> bool {
    tidy::bare(value).eq_ignore_ascii_case("true")
}

/// Returns the variables of this process that are text.
#[must_use]
pub fn texts() -> Vec<(String, String)> {
    let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    };
    std::env::vars_os().filter_map(text).collect()
}

/// Returns what to change in the environment of this process: see [`tidy`].
#[must_use]
pub fn untidy(is_list: &dyn Fn(&str) -> bool) -> TidiedVariables {
    let texts = texts();
    let texts = texts.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    with_known(|known| tidy::tidy(texts, is_list, known))
}

/// Replaces `~` and variables in a path.
#[must_use]
pub fn expand(path: &str) -> String {
    with_known(|known| expanded(path, known))
}

/// Calls `use_it` with the variables of this process and the users of this machine.
fn with_known<T>(use_it: impl FnOnce(PathContext<'_>) -> T) -> T {
    let home = |user: Option<&str>| match user {
        None => etcetera::home_dir().ok(),
        Some(user) => home_in(&std::fs::read_to_string("/etc/passwd").ok()?, user),
    };
    use_it(PathContext { variable: &|name| std::env::var(name).ok(), home: &home })
}
