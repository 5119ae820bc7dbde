//! Identities: accounts, regions, kinds, resources, and places in the log.

use std::fmt;
use std::sync::Arc;

use serde::{Serialize, Serializer};

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Wraps the text as AWS spells it.
            #[must_use]
            pub fn new(text: impl Into<Arc<str>>) -> Self {
                $name(text.into())
            }

            /// The text as AWS spells it.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }
    };
}

text_id! {
    /// An AWS account number: twelve digits.
    AccountId
}
text_id! {
    /// An AWS region code, such as `eu-central-1`.
    Region
}
text_id! {
    /// A resource kind under its CloudFormation type name, such as `AWS::EC2::Instance`.
    ///
    /// Its slug (`instance`), which URIs and arguments use, is defined by the registry in [`crate::kinds`].
    Kind
}

impl AccountId {
    /// Whether `text` is an account number: twelve ASCII digits.
    #[must_use]
    pub fn is_valid(text: &str) -> bool {
        text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
    }
}

/// One account in one region, as something to be listed.
///
/// `account` is the observing account: a resource that another account shares with it is seen in both scopes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Scope {
    /// The account whose credentials are used.
    pub account: AccountId,
    /// The region that is listed.
    pub region: Region,
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.account, self.region)
    }
}

/// One resource as one scope sees it.
///
/// Ordered by kind, id, account, region, like the `rows` table, so that every list pages by this key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct ResourceId {
    /// What kind of resource.
    pub kind: Kind,
    /// AWS's own id, such as `i-0123456789abcdef0`.
    pub id: Arc<str>,
    /// The observing account.
    pub account: AccountId,
    /// The observing region.
    pub region: Region,
}

impl ResourceId {
    /// The resource `id` of `kind` as seen in `scope`.
    #[must_use]
    pub fn new(scope: &Scope, kind: &Kind, id: impl Into<Arc<str>>) -> Self {
        ResourceId { kind: kind.clone(), id: id.into(), account: scope.account.clone(), region: scope.region.clone() }
    }

    /// The scope that sees this resource.
    #[must_use]
    pub fn scope(&self) -> Scope {
        Scope { account: self.account.clone(), region: self.region.clone() }
    }
}

impl fmt::Display for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ({}/{})", self.kind, self.id, self.account, self.region)
    }
}

/// A record's place in the log: 1 for the first, without gaps. 0 means "before any record".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Seq(pub u64);

impl Seq {
    /// The place before the first record.
    pub const ZERO: Seq = Seq(0);

    /// The place after this one.
    #[must_use]
    pub const fn next(self) -> Seq {
        Seq(self.0 + 1)
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Identifies one log. Random, and new whenever a log is created, repaired or restored, so that a [`Seq`] of another log is
/// recognised as foreign.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogId(pub u64);

impl LogId {
    /// The log as somebody knows it by whom cursors are told apart; 0 is everybody who sees all of it.
    #[must_use]
    pub fn sealed_for(self, digest: u128) -> Self {
        let [low, high] = [digest, digest >> 64].map(|part| u64::try_from(part & u128::from(u64::MAX)).unwrap_or(0));
        LogId(self.0 ^ low ^ high)
    }
}

impl fmt::Display for LogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for LogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LogId({self})")
    }
}

impl Serialize for LogId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resources_sort_by_kind_then_id_then_scope() {
        let scope =
            |account: &str, region: &str| Scope { account: AccountId::new(account), region: Region::new(region) };
        let kind = |name: &str| Kind::new(name);
        let mut ids = [
            ResourceId::new(&scope("2", "a"), &kind("Vpc"), "x"),
            ResourceId::new(&scope("1", "b"), &kind("Instance"), "y"),
            ResourceId::new(&scope("2", "a"), &kind("Instance"), "x"),
            ResourceId::new(&scope("1", "b"), &kind("Instance"), "x"),
        ];
        ids.sort();
        let shown: Vec<String> = ids.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["Instance x (1/b)", "Instance x (2/a)", "Instance y (1/b)", "Vpc x (2/a)"]);
    }

    #[test]
    fn an_account_is_twelve_digits() {
        assert!(AccountId::is_valid("123456789012"));
        assert!(!AccountId::is_valid("12345678901"));
        assert!(!AccountId::is_valid("12345678901x"));
    }
}
