//! What somebody may see: everything, or what any of several grants holds.
//!
//! Whoever has no grant that a resource meets gets the answers of a server that does not have the resource. Where grants ask for no
//! tags, the account, the region and the kind decide; else the tags that the resource has at the time of which an answer tells.

use std::fmt;
use std::sync::Arc;

use ring::digest::{SHA256, digest};

use super::grant::Grant;
use crate::model::{AccountId, Kind, Region, Scope};

/// What somebody may see. Clones are cheap, and one that sees everything costs nothing to ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Visibility(Option<Arc<Limits>>);

#[derive(Debug, PartialEq, Eq)]
struct Limits {
    /// In their order, without repetition.
    grants: Vec<Grant>,
    digest: u128,
}

/// How much of a kind in a scope somebody may see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum VisiblePart {
    /// None of it.
    Nothing,
    /// What has the right tags.
    ByTags,
    /// All of it.
    All,
}

impl Default for Visibility {
    fn default() -> Self {
        Visibility::everything()
    }
}

impl Visibility {
    /// Everything.
    #[must_use]
    pub const fn everything() -> Self {
        Visibility(None)
    }

    /// Nothing at all.
    #[must_use]
    pub fn nothing() -> Self {
        Visibility::of([])
    }

    /// What any of these grants holds; nothing without any.
    #[must_use]
    pub fn of(grants: impl IntoIterator<Item = Grant>) -> Self {
        let mut grants: Vec<Grant> = grants.into_iter().collect();
        grants.sort();
        grants.dedup();
        let digest = digest_of(&grants);
        Visibility(Some(Arc::new(Limits { grants, digest })))
    }

    /// Whether everything is visible: then no answer is judged, and no resource is looked at for it.
    #[must_use]
    pub const fn is_everything(&self) -> bool {
        self.0.is_none()
    }

    /// The grants; `None` where everything is visible.
    #[must_use]
    pub fn grants(&self) -> Option<&[Grant]> {
        self.0.as_ref().map(|limits| limits.grants.as_slice())
    }

    /// A number by which what is kept for one visibility is told from what is kept for another: 0 where everything is visible.
    #[must_use]
    pub fn digest(&self) -> u128 {
        self.0.as_ref().map_or(0, |limits| limits.digest)
    }

    /// Whether a resource of a kind with these tags is visible in an account and a region. For a kind that has no tags of its own they
    /// are those of the resource that it belongs to ([`super::grant::tagged_as`]).
    #[must_use]
    pub fn sees<'t>(
        &self,
        account: &str,
        region: &str,
        kind: &Kind,
        tags: &(impl Iterator<Item = (&'t str, &'t str)> + Clone),
    ) -> bool {
        self.any_grant(|grant| grant.takes(account, region, kind) && grant.takes_tags(tags))
    }

    /// Whether everything is visible, or a grant is as `test` says.
    fn any_grant(&self, test: impl Fn(&Grant) -> bool) -> bool {
        self.grants().is_none_or(|grants| grants.iter().any(test))
    }

    /// Whether anything can be visible in a scope.
    #[must_use]
    pub fn sees_scope(&self, scope: &Scope) -> bool {
        self.any_grant(|grant| grant.takes_scope(scope.account.as_str(), scope.region.as_str()))
    }

    /// Whether anything can be visible in an account, in whatever region.
    #[must_use]
    pub fn sees_account(&self, account: &str) -> bool {
        self.any_grant(|grant| grant.accounts.as_ref().is_none_or(|accounts| accounts.contains(account)))
    }

    /// Whether anything can be visible in a region, in whatever account.
    #[must_use]
    pub fn sees_region(&self, region: &str) -> bool {
        self.any_grant(|grant| grant.regions.as_ref().is_none_or(|regions| regions.contains(region)))
    }

    /// Whether anything of a kind can be visible, in whatever scope.
    #[must_use]
    pub fn sees_kind(&self, kind: &Kind) -> bool {
        self.any_grant(|grant| grant.takes_kind(kind))
    }

    /// How much of a kind can be visible in an account and a region.
    #[must_use]
    pub fn reach(&self, account: &str, region: &str, kind: &Kind) -> VisiblePart {
        let Some(grants) = self.grants() else { return VisiblePart::All };
        let met = grants.iter().filter(|grant| grant.takes(account, region, kind));
        met.map(|grant| if grant.tags.is_empty() { VisiblePart::All } else { VisiblePart::ByTags })
            .max()
            .unwrap_or(VisiblePart::Nothing)
    }

    /// Whether anything of a kind can be visible in an account and a region, whatever tags decide.
    #[must_use]
    pub fn may_see_any_of(&self, account: &str, region: &str, kind: &Kind) -> bool {
        self.reach(account, region, kind) > VisiblePart::Nothing
    }

    /// Whether tags decide about some resources of a kind.
    #[must_use]
    pub fn goes_by_tags(&self, kind: &Kind) -> bool {
        self.grants().is_some_and(|grants| grants.iter().any(|grant| !grant.tags.is_empty() && grant.takes_kind(kind)))
    }

    /// The grants that hold something of a kind; `None` where everything is visible.
    #[must_use]
    pub fn grants_for<'v>(&'v self, kind: &'v Kind) -> Option<impl Iterator<Item = &'v Grant> + use<'v>> {
        Some(self.grants()?.iter().filter(|grant| grant.takes_kind(kind)))
    }

    /// Whether a grant that allows changes holds a resource.
    #[must_use]
    pub fn may_change<'t>(
        &self,
        account: &str,
        region: &str,
        kind: &Kind,
        tags: &(impl Iterator<Item = (&'t str, &'t str)> + Clone),
    ) -> bool {
        self.any_grant(|grant| grant.writes && grant.takes(account, region, kind) && grant.takes_tags(tags))
    }

    /// Whether anything at all may be changed.
    #[must_use]
    pub fn may_change_anything(&self) -> bool {
        self.grants().is_none_or(|grants| grants.iter().any(|grant| grant.writes))
    }
}

/// A digest in which each part has its length before it, so that no two lists of grants have the same bytes.
fn digest_of(grants: &[Grant]) -> u128 {
    let mut bytes = Vec::new();
    let mut text = |text: &str| {
        bytes.extend_from_slice(&u64::try_from(text.len()).unwrap_or(u64::MAX).to_le_bytes());
        bytes.extend_from_slice(text.as_bytes());
    };
    let mut list = |name: &str, parts: Option<Vec<&str>>| {
        text(name);
        match parts {
            None => text("all"),
            Some(parts) => {
                text(&parts.len().to_string());
                parts.into_iter().for_each(&mut text);
            }
        }
    };
    for grant in grants {
        let Grant { name, accounts, regions, kinds, tags, writes } = grant;
        list(name, None);
        list("accounts", accounts.as_ref().map(|accounts| accounts.iter().map(AccountId::as_str).collect()));
        list("regions", regions.as_ref().map(|regions| regions.iter().map(Region::as_str).collect()));
        list("kinds", kinds.as_ref().map(|kinds| kinds.iter().map(Kind::as_str).collect()));
        list("tags", Some(tags.keys().map(String::as_str).collect()));
        for values in tags.values() {
            list("values", Some(values.patterns().collect()));
        }
        list(if *writes { "writes" } else { "reads" }, None);
    }
    let hash = digest(&SHA256, &bytes);
    let mut first = [0; 16];
    first.iter_mut().zip(hash.as_ref()).for_each(|(to, from)| *to = *from);
    // 0 is everything.
    u128::from_le_bytes(first).max(1)
}

/// For people: which grants there are, by name.
impl fmt::Display for Visibility {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.grants() {
            None => f.write_str("everything"),
            Some([]) => f.write_str("nothing"),
            Some(grants) => {
                let mut names: Vec<&str> = grants.iter().map(|grant| &*grant.name).collect();
                names.dedup();
                f.write_str(&names.join(", "))
            }
        }
    }
}

#[cfg(test)]
mod tests;
