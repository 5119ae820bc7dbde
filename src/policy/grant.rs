//! A grant: a part of what there is, by account, region, kind and tags, and whether it may be changed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::model::glob::{self, Piece};
use crate::model::{AccountId, Kind, Region};

/// The kinds that have no tags of their own, each with the kind whose tags count for it. Both have the same ids.
const TAGGED_AS: [(&str, &str); 1] = [("AWS::EC2::InstanceStatus", "AWS::EC2::Instance")];

/// The kind whose tags count for the resources of a kind that has none of its own: what is said of an instance goes with the instance.
#[must_use]
pub fn tagged_as(kind: &Kind) -> Option<Kind> {
    TAGGED_AS.iter().find(|(name, _)| *name == kind.as_str()).map(|(_, tagged)| Kind::new(*tagged))
}

/// A part of what there is. Each condition has to be met; one that is left out is met by everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Grant {
    /// The name by which tokens and claims refer to it. Several grants of one name add up.
    pub name: Arc<str>,
    /// The accounts; all of them when `None`.
    pub accounts: Option<BTreeSet<AccountId>>,
    /// The regions; all of them when `None`.
    pub regions: Option<BTreeSet<Region>>,
    /// The kinds, by their CloudFormation names; all of them when `None`. A kind stands for those that are tagged as it is
    /// ([`tagged_as`]) as well.
    pub kinds: Option<BTreeSet<Kind>>,
    /// The tags that a resource must have, all of them, by key.
    pub tags: BTreeMap<String, TagValues>,
    /// Whether tools may change what it holds, as far as the policy of the server allows.
    pub writes: bool,
}

/// The values that a tag may have: at least one of these patterns matches.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct TagValues(BTreeSet<String>);

impl TagValues {
    /// Values as AWS reads them in a filter: `*` is any text, `?` one character, and a backslash makes the next one ordinary. None of
    /// them matches nothing.
    #[must_use]
    pub fn new<T: Into<String>>(patterns: impl IntoIterator<Item = T>) -> Self {
        TagValues(patterns.into_iter().map(Into::into).collect())
    }

    /// The patterns.
    pub fn patterns(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Whether a value is one of them.
    #[must_use]
    pub fn take(&self, value: &str) -> bool {
        let is_met = |pattern: &String| {
            let pieces: Vec<Piece> = glob::pieces(pattern);
            glob::matches(&pieces, value)
        };
        self.0.iter().any(is_met)
    }
}

impl Grant {
    /// A grant of everything in the accounts.
    #[must_use]
    pub fn of_accounts<'a>(name: &str, accounts: impl IntoIterator<Item = &'a str>) -> Self {
        let accounts = accounts.into_iter().map(AccountId::new).collect();
        Grant { name: name.into(), accounts: Some(accounts), ..Grant::default() }
    }

    /// Whether it holds anything of a kind in an account and a region, apart from tags.
    #[must_use]
    pub fn takes(&self, account: &str, region: &str, kind: &Kind) -> bool {
        self.takes_scope(account, region) && self.takes_kind(kind)
    }

    /// Whether it holds anything in an account and a region.
    #[must_use]
    pub fn takes_scope(&self, account: &str, region: &str) -> bool {
        self.accounts.as_ref().is_none_or(|accounts| accounts.contains(account))
            && self.regions.as_ref().is_none_or(|regions| regions.contains(region))
    }

    /// Whether it holds anything of a kind.
    #[must_use]
    pub fn takes_kind(&self, kind: &Kind) -> bool {
        self.kinds
            .as_ref()
            .is_none_or(|kinds| kinds.contains(kind) || tagged_as(kind).is_some_and(|tagged| kinds.contains(&tagged)))
    }

    /// Whether a resource with these tags meets its conditions for tags.
    #[must_use]
    pub fn takes_tags<'t>(&self, tags: &(impl Iterator<Item = (&'t str, &'t str)> + Clone)) -> bool {
        self.tags.iter().all(|(key, values)| tags.clone().any(|(held, value)| held == key && values.take(value)))
    }
}
