//! Settings of the connection to AWS.

use std::sync::Arc;

use super::account_plan::RolePlan;
use super::held_keys::HeldKeys;
use super::limiter::DEFAULT_SHARE_PERCENT;
use super::watched_regions::Regions;
use crate::model::{AccountId, SecretTags};

/// Settings of the connection. Unset ones come from AWS's own chain of environment, profile and metadata.
#[derive(Clone, Debug)]
pub struct AwsSettings {
    /// The regions to watch.
    pub regions: Regions,
    /// The profile of `~/.aws/config`.
    pub profile: Option<String>,
    /// The account that the credentials must belong to.
    pub account: Option<AccountId>,
    /// The share of AWS's request limits to use, in percent (1 to 100).
    pub share_percent: u8,
    /// The URL of an emulator on this machine to call instead of AWS, whatever environment and profile say. It gets made-up
    /// credentials and is called without a proxy.
    pub emulator: Option<String>,
    /// Which tags hold secrets: their values go no further than the connection.
    pub secrets: Arc<SecretTags>,
    /// Keys that take the place of those in the environment, once there are some.
    pub held: HeldKeys,
    /// Whether sessions of tools' clients get a source identity.
    pub source_identity: bool,
    /// What these credentials are for.
    pub purpose: Purpose,
    /// The roles to assume one after the other; the last one acts.
    pub roles: Vec<RolePlan>,
}

/// What credentials are for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Purpose {
    /// They are of the one account that is watched.
    #[default]
    Alone,
    /// Several accounts are watched: these assume roles and receive from queues that several accounts share, and describe nothing.
    Source,
    /// They are of one of several accounts that are watched.
    Member,
}

impl Default for AwsSettings {
    fn default() -> Self {
        AwsSettings {
            regions: Regions::default(),
            profile: None,
            account: None,
            share_percent: DEFAULT_SHARE_PERCENT,
            emulator: None,
            secrets: Arc::default(),
            held: HeldKeys::default(),
            source_identity: false,
            purpose: Purpose::Alone,
            roles: Vec::new(),
        }
    }
}
