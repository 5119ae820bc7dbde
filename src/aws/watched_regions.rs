//! Which regions of an account are watched.

use crate::model::Region;

/// The region that is asked for the list of regions if all are to be watched and none is configured.
const ANY: &str = "us-east-1";

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
