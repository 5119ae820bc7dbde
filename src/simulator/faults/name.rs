//! The names of actions, regions and accounts in faults, checked against those that the simulator has.

use std::borrow::Borrow;
use std::collections::BTreeSet;
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
    /// Neither an account, nor a region, nor both.
    #[error("{given:?} is no place; give an account, a region or both, such as 111122223333/eu-west-1")]
    Scope {
        /// What was given.
        given: String,
    },
    /// Neither a role nor an account.
    #[error("{given:?} is no role; give an ARN such as arn:aws:iam::111122223333:role/reader, or an account")]
    Role {
        /// What was given.
        given: String,
    },
    /// Not an account number.
    #[error("{given:?} is no account; give twelve digits")]
    Account {
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

/// Where a fault strikes: an account (`111122223333`), a region (`eu-west-1`), or an account in a region
/// (`111122223333/eu-west-1`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ScopeName(String);

impl TryFrom<String> for ScopeName {
    type Error = NameError;

    fn try_from(given: String) -> Result<Self, NameError> {
        let is_region = |text: &str| regions().contains(&text);
        let known = match given.split_once('/') {
            Some((account, region)) => is_account(account) && is_region(region),
            None => is_account(&given) || is_region(&given),
        };
        if known { Ok(Self(given)) } else { Err(NameError::Scope { given }) }
    }
}

impl From<ScopeName> for String {
    fn from(name: ScopeName) -> Self {
        name.0
    }
}

impl Borrow<str> for ScopeName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// The accounts and regions that a fault is limited to; an empty list means all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FaultScopes(pub BTreeSet<ScopeName>);

impl FaultScopes {
    pub(crate) fn hold(&self, account: &str, region: &str) -> bool {
        self.0.is_empty()
            || self.0.contains(account)
            || self.0.contains(region)
            || self.0.contains(format!("{account}/{region}").as_str())
    }
}

/// The number of an account.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AccountName(String);

impl TryFrom<String> for AccountName {
    type Error = NameError;

    fn try_from(given: String) -> Result<Self, NameError> {
        if is_account(&given) { Ok(Self(given)) } else { Err(NameError::Account { given }) }
    }
}

impl From<AccountName> for String {
    fn from(name: AccountName) -> Self {
        name.0
    }
}

impl Borrow<str> for AccountName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit())
}

fn actions() -> Vec<&'static str> {
    actions::names().collect()
}

fn regions() -> Vec<&'static str> {
    REGIONS.iter().chain(&OPT_IN_REGIONS).map(|(name, _)| *name).collect()
}
