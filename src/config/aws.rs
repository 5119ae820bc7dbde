//! Turns a configuration into the settings of the connection to AWS.

use std::sync::Arc;

use super::Config;
use crate::aws::{AwsSettings, HeldKeys, Purpose, Regions};
use crate::model::secret_tags::MarkKey;
use crate::model::{Region, SecretTags};

impl Config {
    /// Returns the settings of the connection to AWS.
    #[must_use]
    pub fn aws_settings(&self) -> AwsSettings {
        let selection = &self.selection;
        let home = selection.region.as_deref().map(Region::new);
        let several = selection.regions().iter().map(|name| Region::new(name.as_str()));
        AwsSettings {
            regions: match selection.regions() {
                _ if selection.is_all() => Regions::All { home },
                [] => Regions::Named(home.into_iter().collect()),
                _ => Regions::Named(several.collect()),
            },
            profile: selection.profile.clone(),
            account: self.account.clone(),
            share_percent: self.aws_share.percent(),
            emulator: self.emulator.clone(),
            secrets: Arc::new(self.secrets(&MarkKey::default())),
            held: HeldKeys::default(),
            source_identity: self.source_identity,
            purpose: if self.account_sources().is_empty() { Purpose::Alone } else { Purpose::Source },
            roles: Vec::new(),
        }
    }

    /// Which tags are redacted, with marks of this key.
    #[must_use]
    pub fn secrets(&self, key: &MarkKey) -> SecretTags {
        SecretTags::new(&self.redact_tag_keys, key)
    }
}
