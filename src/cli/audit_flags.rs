//! The flags of the audit file.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;
use clap::builder::BoolishValueParser;

use crate::audit::AuditOptions;

/// Where the audit file is, and whether it is required.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct AuditFlags {
    /// A file to append each call of a tool that changes AWS to, as lines of JSON
    ///
    /// Requests, refusals, confirmations and how they ended are written, with who called and the arguments, once they are
    /// recorded. Rotate it by renaming it. `muster help writes` says more.
    #[arg(long, env = "MUSTER_AUDIT_FILE", value_name = "FILE", hide_env_values = true)]
    pub(super) audit_file: Option<PathBuf>,
    /// Refuse calls of tools that change AWS while the audit file is behind or cannot be written
    #[arg(long, env = "MUSTER_AUDIT_REQUIRED", value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = BoolishValueParser::new(), hide_env_values = true)]
    pub(super) audit_required: Option<bool>,
}

impl AuditFlags {
    pub(super) fn of(options: Option<&AuditOptions>) -> Self {
        AuditFlags {
            audit_file: options.map(|options| options.path.clone()),
            audit_required: options.and_then(|options| options.required.then_some(true)),
        }
    }

    /// These flags, and those of a file where they are not given.
    pub(super) fn over(self, file: Self) -> Self {
        AuditFlags {
            audit_file: self.audit_file.or(file.audit_file),
            audit_required: self.audit_required.or(file.audit_required),
        }
    }

    /// Whether the file is required.
    pub(super) fn is_required(&self) -> bool {
        self.audit_required == Some(true)
    }

    /// The flags as arguments of a command line.
    pub(super) fn words(&self) -> Vec<OsString> {
        let file = self.audit_file.iter().flat_map(|path| ["--audit-file".into(), path.clone().into()]);
        let required =
            self.audit_required.map(|is_on| if is_on { "--audit-required" } else { "--audit-required=false" });
        file.chain(required.map(Into::into)).collect()
    }
}
