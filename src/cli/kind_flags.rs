//! The flag about the kinds that are watched.

use std::ffi::OsString;

use clap::Args;

use super::write_flags::given_or;
use crate::config::{Config, KindName};

/// Which kinds are watched.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct KindFlags {
    /// The kinds to watch, such as instance,vpc, or all (repeatable) [default: all]
    ///
    /// Other kinds cost no calls of AWS and need no permissions, and a question about one is refused. An instance and its status
    /// checks come together: see `muster help configuration`.
    #[arg(long, env = "MUSTER_KINDS", value_name = "KIND", value_delimiter = ',', hide_env_values = true)]
    pub(super) kinds: Vec<KindName>,
}

impl KindFlags {
    /// The flag that gives this setting of `config`.
    pub(super) fn of(config: &Config) -> Self {
        KindFlags { kinds: KindName::of(&config.kinds) }
    }

    /// This flag, and that of a file where it is not given.
    pub(super) fn over(self, file: Self) -> Self {
        KindFlags { kinds: given_or(self.kinds, file.kinds) }
    }

    /// The flag, if it is given, with its value.
    pub(super) fn pair(&self) -> Option<(&'static str, Vec<OsString>)> {
        let names: Vec<String> = self.kinds.iter().map(ToString::to_string).collect();
        (!names.is_empty()).then(|| ("--kinds", vec!["--kinds".into(), names.join(",").into()]))
    }
}
