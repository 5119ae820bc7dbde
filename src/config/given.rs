//! The values of the command line and its variables, before they are merged with defaults.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use super::access_options::AccessOptions;
use super::interval::Interval;
use super::kind_name::KindName;
use super::listen_settings::ListenSettings;
use super::regions;
use super::share::RequestShare;
use super::size::Size;
use super::tidy;
use crate::aws::queue::Queue;
use crate::aws::{AccountPlan, OrganizationPlan};
use crate::mcp::ListMode;
use crate::model::AccountId;
use crate::policy::WritePolicy;

/// The values of flags and `MUSTER_*` variables; `None` or empty where none is given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Given {
    /// `--config`, with what is known of the file.
    pub file: Option<GivenFile>,
    /// `--data-dir`.
    pub data_dir: Option<PathBuf>,
    /// `--profile`.
    pub profile: Option<String>,
    /// `--account`.
    pub account: Option<AccountId>,
    /// `--region`.
    pub region: Option<String>,
    /// `--regions`: names, or `all`.
    pub regions: Vec<String>,
    /// `--allow-writes`, and the flags that narrow it.
    pub writes: WritePolicy,
    /// `--list`.
    pub list: Option<ListMode>,
    /// `--kinds`: the kinds that are watched; all where none is named.
    pub kinds: Vec<KindName>,
    /// `--interval`, in the order given; the last of a kind counts, and one of a kind takes precedence over one of `all`.
    pub intervals: Vec<Interval>,
    /// `--aws-share`.
    pub aws_share: Option<RequestShare>,
    /// `--source-identity`.
    pub source_identity: bool,
    /// `--queue-url`.
    pub queues: Vec<Queue>,
    /// `--events`.
    pub events: Option<String>,
    /// `--relaxed`, in the order given; the last of a kind counts.
    pub relaxed: Vec<Interval>,
    /// `--canary-interval`.
    pub canary_interval: Option<Duration>,
    /// `--retain-age`.
    pub retain_age: Option<Duration>,
    /// `--retain-size`.
    pub retain_size: Option<Size>,
    /// `--keep-free`.
    pub keep_free: Option<Size>,
    /// `--redact-tag-keys`: patterns, or `none`.
    pub redact_tag_keys: Vec<String>,
    /// `--prices`.
    pub prices: Option<PathBuf>,
    /// `--audit-file`.
    pub audit_file: Option<PathBuf>,
    /// `--audit-required`.
    pub audit_required: bool,
    /// `--quiet-interval`.
    pub quiet_interval: Option<Duration>,
    /// `--quiet-after`.
    pub quiet_after: Option<Duration>,
}

/// What is known of the configuration file once its settings have been laid under those of flags and variables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GivenFile {
    /// The file, as an absolute path.
    pub path: PathBuf,
    /// Its path without symbolic links.
    pub canonical: PathBuf,
    /// Whether it lists accounts.
    pub has_accounts: bool,
    /// The accounts, where they were read.
    pub accounts: Vec<AccountPlan>,
    /// The organization whose accounts are watched as well.
    pub organization: Option<OrganizationPlan>,
    /// Where its server listens.
    pub listen: ListenSettings,
    /// Its `idle_exit`.
    pub idle_exit: Option<Duration>,
    /// Whom it lets in over HTTP.
    pub access: AccessOptions,
    /// The flags that were given, also by their variables; all other values are the file's.
    pub named: BTreeSet<String>,
}

impl Given {
    /// Drops values that are blank, as a client gives them that fills a template with nothing.
    pub(super) fn said(self) -> Self {
        let said = |text: Option<String>| text.map(|text| tidy::bare(&text).to_owned()).filter(|text| !text.is_empty());
        Given {
            data_dir: self.data_dir.filter(|dir| dir.to_str().is_none_or(|dir| !tidy::bare(dir).is_empty())),
            prices: self.prices.filter(|path| path.to_str().is_none_or(|path| !tidy::bare(path).is_empty())),
            audit_file: self.audit_file.filter(|path| path.to_str().is_none_or(|path| !tidy::bare(path).is_empty())),
            profile: said(self.profile),
            region: said(self.region).map(|name| regions::written(&name).into_owned()),
            events: said(self.events),
            ..self
        }
    }
}
