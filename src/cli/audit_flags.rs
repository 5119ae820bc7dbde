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
    #[arg(long, env = "MUSTER_AUDIT_REQUIRED", value_parser = BoolishValueParser::new(), hide_env_values = true)]
    pub(super) audit_required: bool,
}

impl AuditFlags {
    pub(super) fn of(options: Option<&AuditOptions>) -> Self {
        AuditFlags {
            audit_file: options.map(|options| options.path.clone()),
            audit_required: options.is_some_and(|options| options.required),
        }
    }

    /// The flags as arguments of a command line.
    pub(super) fn words(&self) -> Vec<OsString> {
        let file = self.audit_file.iter().flat_map(|path| ["--audit-file".into(), path.clone().into()]);
        file.chain(self.audit_required.then(|| "--audit-required".into())).collect()
    }
}
