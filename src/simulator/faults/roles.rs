//! The trust of roles: which roles nobody may assume, which external ids they ask for, and how long their sessions last.

use std::borrow::Borrow;
use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use crate::simulator::faults::name::{AccountName, NameError};

/// What is wrong with roles. By default every role in every account can be assumed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RoleFaults {
    /// Roles that trust nobody: a role by its ARN, or all roles of an account by its number.
    pub denied: BTreeSet<RoleName>,
    /// The external ids that the roles of accounts ask for, by account.
    pub external_ids: BTreeMap<AccountName, String>,
    /// The most seconds that a session lasts, whatever was asked for. AWS gives no session less than 900.
    pub session_seconds: Option<NonZeroU32>,
}

impl RoleFaults {
    /// Whether a role of an account trusts a caller that gives this external id.
    pub(super) fn trusts(&self, arn: &str, account: &str, external_id: Option<&str>) -> bool {
        let expected = self.external_ids.get(account).map(String::as_str);
        let knows = expected.is_none() || expected == external_id;
        knows && !self.denied.contains(arn) && !self.denied.contains(account)
    }
}

/// A role's ARN, or the number of an account, which stands for all of its roles.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RoleName(String);

impl TryFrom<String> for RoleName {
    type Error = NameError;

    fn try_from(given: String) -> Result<Self, NameError> {
        let of_role = given.strip_prefix("arn:aws:iam::").and_then(|rest| rest.split_once(":role/"));
        let account = of_role.map_or(given.as_str(), |(account, _)| account);
        match AccountName::try_from(account.to_owned()) {
            Ok(_) => Ok(Self(given)),
            Err(_) => Err(NameError::Role { given }),
        }
    }
}

impl From<RoleName> for String {
    fn from(name: RoleName) -> Self {
        name.0
    }
}

impl Borrow<str> for RoleName {
    fn borrow(&self) -> &str {
        &self.0
    }
}
