//! The names of actions and regions in faults, checked against those that the simulator has.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::simulator::actions;
use crate::simulator::catalog::{OPT_IN_REGIONS, REGIONS};

/// Why a name is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The simulator has no such action.
    #[error("{given:?} is no action the simulator has; name one of {}", actions().join(", "))]
    Action {
        /// What was given.
        given: String,
    },
    /// There is no such region.
    #[error("{given:?} is no region the simulator has; name one of {}", regions().join(", "))]
    Region {
        /// What was given.
        given: String,
    },
}

/// An action of any service, such as `DescribeInstances`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ActionName(String);

impl FromStr for ActionName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        text.to_owned().try_into()
    }
}

impl TryFrom<String> for ActionName {
    type Error = NameError;

    fn try_from(given: String) -> Result<Self, NameError> {
        if actions().contains(&given.as_str()) { Ok(Self(given)) } else { Err(NameError::Action { given }) }
    }
}

impl From<ActionName> for String {
    fn from(name: ActionName) -> Self {
        name.0
    }
}

impl PartialEq<str> for ActionName {
    fn eq(&self, other: &str) -> bool {
        self.0 == other
    }
}

/// The actions that a fault applies to; an empty list means all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Actions(pub Vec<ActionName>);

impl Actions {
    pub(crate) fn hold(&self, action: &str) -> bool {
        self.0.is_empty() || self.0.iter().any(|name| *name == *action)
    }
}

/// A region, such as `eu-west-1`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RegionName(String);

impl FromStr for RegionName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        text.to_owned().try_into()
    }
}

impl TryFrom<String> for RegionName {
    type Error = NameError;

    fn try_from(given: String) -> Result<Self, NameError> {
        if regions().contains(&given.as_str()) { Ok(Self(given)) } else { Err(NameError::Region { given }) }
    }
}

impl From<RegionName> for String {
    fn from(name: RegionName) -> Self {
        name.0
    }
}

impl PartialEq<str> for RegionName {
    fn eq(&self, other: &str) -> bool {
        self.0 == other
    }
}

fn actions() -> Vec<&'static str> {
    actions::names().collect()
}

fn regions() -> Vec<&'static str> {
    REGIONS.iter().chain(&OPT_IN_REGIONS).map(|(name, _)| *name).collect()
}
