//! Settings of the connection to AWS.

use std::sync::Arc;

use super::account_plan::RolePlan;
use super::held_keys::HeldKeys;
use super::limiter::DEFAULT_SHARE_PERCENT;
use crate::model::{AccountId, Region, SecretTags};

/// The region that is asked for the list of regions if all are to be watched and none is configured.
const ANY: &str = "us-east-1";

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

/// The regions to watch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Regions {
    /// These regions; if empty, the one from AWS's chain of environment, profile and metadata.
    Named(Vec<Region>),
    /// All regions that are enabled for the account.
    All {
        /// The region to ask for the list; by default the one from AWS's chain, else `us-east-1`.
        home: Option<Region>,
    },
}

impl Default for Regions {
    fn default() -> Self {
        Regions::Named(Vec::new())
    }
}

impl Regions {
    /// The region to configure the SDK with, if the settings name one.
    pub(super) fn home(&self) -> Option<&Region> {
        match self {
            Regions::Named(regions) => regions.first(),
            Regions::All { home } => home.as_ref(),
        }
    }

    /// The region to name for an account of which no other is known.
    #[must_use]
    pub fn known_region(&self) -> Option<Region> {
        match self {
            Regions::Named(regions) => regions.first().cloned(),
            Regions::All { home } => Some(home.clone().unwrap_or_else(|| Region::new(ANY))),
        }
    }

    /// The regions that are known before AWS is asked; `chain` is the one from AWS's chain.
    pub(super) fn known(&self, chain: Option<Region>) -> Vec<Region> {
        match self {
            Regions::Named(regions) if !regions.is_empty() => regions.clone(),
            Regions::Named(_) => chain.into_iter().collect(),
            Regions::All { home } => {
                vec![home.clone().or(chain).unwrap_or_else(|| Region::new(ANY))]
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn regions(names: &[&str]) -> Vec<Region> {
        names.iter().map(|name| Region::new(*name)).collect()
    }

    #[test]
    fn the_regions_watched_before_aws_is_asked() {
        let chain = Some(Region::new("eu-west-1"));
        assert_eq!(Regions::default().known(None), []);
        assert_eq!(Regions::default().known(chain.clone()), regions(&["eu-west-1"]));
        let named = Regions::Named(regions(&["us-east-2", "us-west-1"]));
        assert_eq!(named.known(chain.clone()), regions(&["us-east-2", "us-west-1"]));
        assert_eq!(Regions::All { home: None }.known(None), regions(&["us-east-1"]));
        assert_eq!(Regions::All { home: None }.known(chain.clone()), regions(&["eu-west-1"]));
        assert_eq!(Regions::All { home: Some(Region::new("us-west-2")) }.known(chain), regions(&["us-west-2"]));
    }
}
